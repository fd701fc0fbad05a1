"""What every gate promises about the policy: asked again in the transaction that claims."""

from datetime import timedelta

import pytest

from bot.domain.approval import Action, Confirmation, Permission
from bot.domain.execution import ApprovedStep, NotAdmitted
from bot.domain.freeze import Dated, Freeze, Level
from bot.domain.ids import PagerDutyUserId, ServiceName
from bot.domain.policy import Execution, Limits, Opa, Policy, RiskRule, ServiceRule
from bot.domain.proposal import ProposalRecord, ProposalState
from tests.builders import NOW, a_click, a_person, a_plan, fresh
from tests.contracts.stores import ALLOWED, SECRET, Bench

ALWAYS = Dated.model_validate({"from": "2000-01-01T00:00", "to": "2100-01-01T00:00"})
SAM = a_person("U0SECOND", name="Sam", email="sam@example.com")


def frozen(level: Level) -> Policy:
    return Policy(freezes=(Freeze(name="year", dated=ALWAYS, level=level),))


async def claimed(bench: Bench, record: ProposalRecord, policy: Policy) -> ApprovedStep | NotAdmitted:
    answer = await bench.store.gate.claim(record.id, 0, fresh(record), policy=policy)
    assert isinstance(answer, ApprovedStep | NotAdmitted)
    return answer


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (frozen(Level.HARD), "the freeze “year” holds"),
        (frozen(Level.SOFT), "the freeze “year” holds"),
        (Policy(services={ServiceName("checkout"): ServiceRule(observe_only=True)}), "only observed"),
        (Policy(limits=Limits(executions_per_hour=0)), "0 are allowed"),
        (Policy(medium=RiskRule(quorum=2)), "1 of 2 approvals"),
    ],
)
async def test_what_the_policy_forbids_by_now_does_not_start(bench: Bench, policy: Policy, why: str) -> None:
    record = await bench.approved()

    answer = await claimed(bench, record, policy)

    assert isinstance(answer, NotAdmitted)
    assert why in answer.why
    assert (await bench.proposal(record)).state is ProposalState.CANCELLED
    assert [] == await bench.store.gate.claims(record.incident)
    assert (await bench.acts())[-2:] == ["not_admitted", "cancelled"]


async def test_what_only_advises_stops_nothing(bench: Bench) -> None:
    record = await bench.approved()

    assert isinstance(await claimed(bench, record, frozen(Level.ADVISORY)), ApprovedStep)


async def test_a_soft_rule_that_was_overridden_stops_nothing(bench: Bench) -> None:
    record = await bench.offered()
    permission = Permission(
        allowed=True,
        grounds="on call",
        human="W0DANA",
        pagerduty_user=PagerDutyUserId("PDANA"),
        overrides=("freeze",),
    )
    typed = Confirmation(reason=f"people cannot pay, {SECRET}", overrides=("freeze",))
    click = a_click(Action.APPROVE, at=NOW).model_copy(update={"confirmation": typed})

    assert (await bench.store.gate.rule(click, permission, a_person())).is_accepted
    (approval,) = (await bench.proposal(record)).approvals
    assert (approval.reason, approval.overrides) == ("people cannot pay, [secret]", ("freeze",))
    assert (approval.human, approval.pagerduty_user) == ("W0DANA", "PDANA")
    body = await bench.last_body()
    assert (body["reason"], body["overrides"]) == ("people cannot pay, [secret]", "freeze")
    assert isinstance(await claimed(bench, record, frozen(Level.SOFT)), ApprovedStep)


async def test_one_human_with_two_accounts_starts_nothing_that_takes_two(bench: Bench) -> None:
    plan = a_plan(quorum=2)
    await bench.offered(plan)
    dana = ALLOWED.model_copy(update={"human": "W0DANA"})

    first = await bench.press(Action.APPROVE, plan, permission=dana)
    second = await bench.press(Action.APPROVE, plan, by=SAM, permission=dana, nonce="2")

    assert (first.is_accepted, second.is_accepted) == (True, False)


async def test_starts_of_late_and_held_targets_are_known(bench: Bench) -> None:
    step = await bench.started()
    bench.time.advance(timedelta(hours=2))
    started = Execution(
        proposal=step.proposal_id,
        service=step.plan.service,
        playbook=step.plan.playbook,
        started_at=NOW,
        holds_target=True,
    )
    since = NOW + timedelta(hours=1)

    assert [started] == list(await bench.store.gate.executions(NOW))
    assert [started.model_copy(update={"started_at": since})] == list(
        await bench.store.gate.executions(since)
    )


WITH_SERVER = Policy(opa=Opa(url="http://127.0.0.1:8181/v1/data/handrail/approval"))


@pytest.mark.parametrize(
    ("heard", "why"),
    [
        ({}, "the policy server was not asked"),
        ({"asked_under": "another"}, "the policy server was not asked"),
        ({"asked_under": WITH_SERVER.version, "objections": ("not on a Friday",)}, "not on a Friday"),
    ],
)
async def test_nothing_starts_unless_the_policy_server_agreed(
    bench: Bench, heard: dict[str, object], why: str
) -> None:
    record = await bench.approved()

    answer = await bench.store.gate.claim(
        record.id, 0, fresh(record).model_copy(update=heard), policy=WITH_SERVER
    )

    assert NotAdmitted(why=why, state=ProposalState.CANCELLED) == answer
    assert (await bench.acts())[-2:] == ["not_admitted", "cancelled"]


async def test_what_the_policy_server_agreed_to_starts(bench: Bench) -> None:
    record = await bench.approved()
    agreed = fresh(record).model_copy(update={"asked_under": WITH_SERVER.version})

    assert isinstance(await bench.store.gate.claim(record.id, 0, agreed, policy=WITH_SERVER), ApprovedStep)
