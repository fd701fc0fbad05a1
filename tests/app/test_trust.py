"""What a playbook has done here before is drawn on the card, from our own record, and bound to the plan."""

from datetime import timedelta

import pytest

from adapters.slack.views.plan import essentials
from bot.domain.approval import Action
from bot.domain.execution import Result, StepOutcome
from bot.domain.plan import Plan, Trust
from bot.domain.proposal import ProposalState
from bot.domain.trust import trust_in
from tests.app.world import Bot, a_bot
from tests.builders import NOW, a_person, a_plan, a_record, an_incident

S = ProposalState
INCIDENTS = tuple(f"Q{number}INCIDENT0000" for number in range(1, 5))


def drawn(plan: Plan) -> list[str]:
    return [line for line in essentials(plan, names={}) if line.startswith("*Record:*")]


async def played(bot: Bot, incident: str, *signal: float, action: Action = Action.APPROVE) -> Plan:
    """Play an incident to its end, and return the plan that was first proposed for it."""
    await bot.begin(incident)
    first = Plan.from_bytes((await bot.the_last(incident)).plan)
    bot.signals.values = [0.3, *signal]
    await bot.press(action, incident=incident)
    bot.time.advance(timedelta(minutes=1))
    return first


async def test_a_proposal_says_what_its_playbook_has_done_here() -> None:
    bot = a_bot(incidents=[an_incident(incident) for incident in INCIDENTS])
    first, second, third, fourth = [
        await played(bot, incident, *signal)
        for incident, signal in zip(INCIDENTS, ([0.0], [0.3], [0.3, 0.0], [0.0]), strict=True)
    ]

    assert Trust(runs=0) == first.trust
    assert ["*Record:* rollback-deploy for checkout: never run here"] == drawn(first)
    assert second.trust is not None
    assert (1, 1) == (second.trust.runs, second.trust.worked)
    assert third.trust is not None
    assert (2, 1) == (third.trust.runs, third.trust.worked)
    assert fourth.trust is not None
    assert (3, 2) == (fourth.trust.runs, fourth.trust.worked)
    (line,) = drawn(fourth)
    assert line.startswith("*Record:* rollback-deploy for checkout: worked 2 of 3 times, median ")
    assert line.endswith(f", last {NOW:%Y-%m-%d}")


async def test_what_was_not_run_is_no_part_of_the_record() -> None:
    bot = a_bot(incidents=[an_incident(incident) for incident in INCIDENTS])
    await played(bot, INCIDENTS[0], 0.0, action=Action.DENY)

    assert Trust(runs=0) == (await played(bot, INCIDENTS[1], 0.0)).trust


async def test_what_failed_or_is_unknown_did_not_work() -> None:
    bot = a_bot(incidents=[an_incident(incident) for incident in INCIDENTS])
    bot.runner.ends = [
        StepOutcome(result=Result.FAILED, detail="POST answered 500"),
        StepOutcome(result=Result.DONE, detail="POST answered 200"),
    ]
    await played(bot, INCIDENTS[0], 0.0)
    trust = (await played(bot, INCIDENTS[1], 0.0)).trust

    assert trust is not None
    assert (1, 0, None) == (trust.runs, trust.worked, trust.median_s)


async def test_the_record_is_bound_by_the_digest_of_the_plan_and_not_by_that_of_the_evidence() -> None:
    plain, proven = a_plan(), a_plan().model_copy(update={"trust": Trust(runs=8, worked=7)})

    assert plain.to_bytes() != proven.to_bytes()
    assert (plain.evidence_digest, plain.effect_key(plain.steps[0])) == (
        proven.evidence_digest,
        proven.effect_key(proven.steps[0]),
    )


def test_a_plan_of_an_earlier_version_says_nothing() -> None:
    assert [] == drawn(a_plan())


@pytest.mark.parametrize(
    ("took_s", "said"),
    [(240, "worked 1 of 1 time, median 4 min, last "), (None, "worked 0 of 1 time, last ")],
)
def test_how_often_it_was_run_is_in_the_words(took_s: int | None, said: str) -> None:
    trust = Trust(runs=1, worked=int(took_s is not None), median_s=took_s, last_at=NOW)

    (line,) = drawn(a_plan().model_copy(update={"trust": trust}))
    assert line.endswith(f"{said}{NOW:%Y-%m-%d}")


def test_the_median_is_from_the_last_approval_to_the_proof() -> None:
    runs = [
        a_record(state=S.VERIFIED, approved_by=[a_person()]).model_copy(
            update={"changed_at": NOW + timedelta(seconds=seconds)}
        )
        for seconds in (60, 240, 600)
    ]

    assert Trust(runs=3, worked=3, median_s=240, last_at=NOW + timedelta(minutes=10)) == trust_in(runs)
