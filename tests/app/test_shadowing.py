"""What was proposed for a service that is only observed is kept, and scored against what people did."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.app.label import label_outcome
from bot.app.world import OnePolicy
from bot.domain.approval import Action
from bot.domain.basis import Basis, changes_digest
from bot.domain.change import ChangeKind
from bot.domain.diagnosed import DiagnosisId
from bot.domain.ids import ChangeId, IncidentId, PlaybookId, ServiceName
from bot.domain.label import Label, LabelSource, Verdict
from bot.domain.plan import Plan
from bot.domain.policy import FLOOR, ServiceRule
from bot.domain.proposal import ProposalState
from bot.domain.shadow import Score, scored, would_have_been_right
from tests.app.world import Bot, a_bot, a_resolved
from tests.builders import INCIDENT, NOW, a_change, a_plan

ID = IncidentId(INCIDENT)
CHECKOUT = ServiceName("checkout")
SUSPECT = a_change().id


def observing() -> Bot:
    bot = a_bot()
    policy = FLOOR.model_copy(update={"services": {CHECKOUT: ServiceRule(observe_only=True)}})
    bot.world = replace(bot.world, policies=OnePolicy(policy))
    return bot


def a_word(verdict: Verdict, change: ChangeId = SUSPECT, **changed: object) -> Label:
    told = {
        "id": f"{verdict}-{change}",
        "incident": ID,
        "diagnosis": DiagnosisId("d"),
        "change": change,
        "verdict": verdict,
        "source": LabelSource.PERSON,
        "by": "U0DANA",
        "at": NOW,
    }
    return Label.model_validate({**told, **changed})


async def observed_lines(bot: Bot) -> list[str]:
    answer = await bot.ask("report")
    return [
        line.text
        for section in answer.document.sections
        if section.heading == "Only observed"
        for line in section.lines
    ]


async def shadow(bot: Bot) -> Plan:
    await bot.begin()
    return Plan.from_bytes((await bot.the_last()).plan)


async def test_r_dry_run_what_would_have_been_proposed_is_on_record_and_nobody_can_approve_it() -> None:
    bot = observing()
    plan = await shadow(bot)
    ruling = await bot.press(Action.APPROVE)

    assert (True, False) == (plan.observed, ruling.is_accepted)
    assert "checkout is only observed" in ruling.text
    assert (ProposalState.PROPOSED, []) == (await bot.state(), bot.runner.ran)
    assert ["rollback-deploy for checkout: proposed 1 time where nothing tells"] == await observed_lines(bot)


async def test_what_people_rolled_back_themselves_was_rightly_proposed() -> None:
    bot = observing()
    await shadow(bot)
    back = a_change(version="41", previous_version="42", finished_at=NOW + timedelta(minutes=5))
    back = back.model_copy(
        update={
            "started_at": NOW + timedelta(minutes=4),
            "kind": ChangeKind.ROLLBACK,
            "title": "Roll back to 41",
        }
    )
    await bot.ledger.record(back)
    bot.time.advance(timedelta(minutes=10))
    await bot.world.book.see(a_resolved())
    await bot.follow()
    await label_outcome(bot.world, ID)

    assert ["rollback-deploy for checkout: would have been right 1 of 1 time"] == await observed_lines(bot)


async def test_a_service_that_is_not_only_observed_is_not_scored() -> None:
    bot = a_bot()
    assert not (await shadow(bot)).observed

    assert [] == await observed_lines(bot)


ACTS = a_plan().model_copy(update={"observed": True})


def on_suspect(plan: Plan) -> Plan:
    basis = Basis(suspect=SUSPECT, since=NOW, read_at=NOW, changes=changes_digest(()))
    return plan.model_copy(update={"basis": basis})


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ((), None),
        ((a_word(Verdict.WAS_IT),), True),
        ((a_word(Verdict.NOT_IT),), False),
        ((a_word(Verdict.WAS_IT, ChangeId("another")),), False),
        ((a_word(Verdict.NOT_IT, ChangeId("another")),), None),
        ((a_word(Verdict.WAS_IT), a_word(Verdict.NOT_IT, by="U0OMAR")), None),
    ],
)
def test_labels_say_whether_it_would_have_been_right(words: tuple[Label, ...], right: bool | None) -> None:
    assert right is would_have_been_right(on_suspect(ACTS), words)


def test_what_takes_no_change_back_is_neither_right_nor_wrong() -> None:
    restart = on_suspect(ACTS).model_copy(update={"parameters": ()})

    assert None is would_have_been_right(restart, (a_word(Verdict.WAS_IT),))


def test_scores_are_by_service_and_playbook() -> None:
    plan = on_suspect(ACTS)
    told = [
        (plan, (a_word(Verdict.WAS_IT),)),
        (plan, (a_word(Verdict.NOT_IT),)),
        (plan, ()),
        (plan.model_copy(update={"service": "search"}), (a_word(Verdict.WAS_IT),)),
    ]

    assert (
        Score(service=CHECKOUT, playbook=PlaybookId("roll-back"), right=1, wrong=1, open=1),
        Score(service=ServiceName("search"), playbook=PlaybookId("roll-back"), right=1),
    ) == scored(told)
