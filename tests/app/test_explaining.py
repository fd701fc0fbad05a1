"""What the gate would ask for is explained by the gate's own rules."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.app.explaining import explained
from bot.app.world import OnePolicy
from bot.domain.approval import Action
from bot.domain.catalogue import Approvers
from bot.domain.errors import Invalid
from bot.domain.freeze import Dated, Freeze, Level
from bot.domain.ids import PlaybookId, ProposalId, ServiceName
from bot.domain.person import Person
from bot.domain.playbook import Risk
from bot.domain.policy import FLOOR, Execution, Limits, Opa, Policy, ServiceRule
from tests.app.world import DANA, EVE, SHIPPED, a_bot, a_service
from tests.builders import NOW

CHECKOUT, ROLLBACK = ServiceName("checkout"), PlaybookId("rollback-deploy")
ALWAYS = Dated.model_validate({"from": "2000-01-01T00:00", "to": "2100-01-01T00:00"})


def at_risk(risk: Risk) -> object:
    loaded = SHIPPED[ROLLBACK]
    return loaded.model_copy(update={"playbook": loaded.playbook.model_copy(update={"risk": risk})})


def said(
    policy: Policy,
    *,
    user: Person | None = None,
    risk: Risk = Risk.MEDIUM,
    approvers: Approvers | None = None,
    executions: tuple[Execution, ...] = (),
) -> tuple[str, ...]:
    services = {"checkout": a_service(**({"approvers": approvers} if approvers is not None else {}))}
    return explained(
        policy,
        a_bot(services=services).world.catalogue,
        {**SHIPPED, ROLLBACK: at_risk(risk)},  # type: ignore[dict-item]
        service=CHECKOUT,
        playbook=ROLLBACK,
        user=user.id if user is not None else None,
        at=NOW,
        executions=executions,
    )


def test_without_anything_against_it_it_says_who_and_how_many() -> None:
    assert (
        f"rollback-deploy for checkout at {NOW:%Y-%m-%d %H:%M} UTC, risk medium, by policy {FLOOR.version}",
        "checkout allows it",
        "who: only <@U0DANA> or whoever is on call in PagerDuty may decide this",
        "takes: one person",
        "nothing speaks against it at that time",
        "U0DANA: named approver",
    ) == said(FLOOR, user=DANA)


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        (
            Policy(freezes=(Freeze(name="sale", dated=ALWAYS, level=Level.SOFT),)),
            "soft: the freeze “sale” holds (freeze)",
        ),
        (
            Policy(services={CHECKOUT: ServiceRule(observe_only=True)}),
            "hard: checkout is only observed (observe_only)",
        ),
        (
            Policy(limits=Limits(executions_per_hour=0)),
            "hard: checkout had 0 executions in the last hour, and 0 are allowed (rate)",
        ),
        (
            Policy(opa=Opa(url="http://127.0.0.1:8181/v1/data/x")),
            "must agree at the click and before the first step: http://127.0.0.1:8181/v1/data/x",
        ),
    ],
)
def test_each_rule_that_applies_is_named_with_its_level(policy: Policy, line: str) -> None:
    assert line in said(policy)


def test_starts_of_late_are_counted() -> None:
    start = Execution(
        proposal=ProposalId("P9-1"),
        service=CHECKOUT,
        playbook=ROLLBACK,
        started_at=NOW - timedelta(minutes=5),
    )
    policy = Policy(limits=Limits(cool_down_minutes=30))

    (line,) = [line for line in said(policy, executions=(start,)) if line.startswith("hard")]
    assert line.startswith("hard: rollback-deploy rests for checkout until ")


def test_what_only_a_look_up_tells_is_named() -> None:
    assert "U0EVE: not named; being on call or in a group is looked up when they press" in said(
        FLOOR, user=EVE
    )
    strict = said(
        Policy(email_domains=("example.com",)),
        user=DANA,
        risk=Risk.HIGH,
        approvers=Approvers(users=(DANA.id,)),
    )
    assert "does not count: the requester, the author" in strict
    assert "while nobody can tell who wrote the suspect change: two different people" in strict
    assert strict[-1].startswith("U0DANA: which human,")


def test_nobody_who_is_on_no_list_may_approve() -> None:
    lines = said(FLOOR, user=EVE, approvers=Approvers(users=(DANA.id,)))

    assert "U0EVE: may not approve it, only <@U0DANA> may decide this" == lines[-1]
    assert any(line.startswith("hard: only <@U0DANA>") for line in lines)


def test_without_domains_nobody_approves_a_high_risk() -> None:
    lines = said(FLOOR, risk=Risk.HIGH)

    assert "nobody can approve it: `email_domains` joins no Slack user to a PagerDuty user" in lines


@pytest.mark.parametrize(("service", "playbook"), [("search", "rollback-deploy"), ("checkout", "reboot")])
def test_what_is_nowhere_is_said(service: str, playbook: str) -> None:
    with pytest.raises(Invalid, match="There is no"):
        explained(
            FLOOR,
            a_bot().world.catalogue,
            SHIPPED,
            service=ServiceName(service),
            playbook=PlaybookId(playbook),
            user=None,
            at=NOW,
            executions=(),
        )


@pytest.mark.parametrize("level", list(Level))
async def test_the_gate_answers_a_press_as_it_was_explained(level: Level) -> None:
    policy = Policy(freezes=(Freeze(name="sale", dated=ALWAYS, level=level),))
    bot = a_bot()
    bot.world = replace(bot.world, policies=OnePolicy(policy))
    await bot.begin()
    ruling = await bot.press(Action.APPROVE, follow=False)

    assert f"{level.value}: the freeze “sale” holds (freeze)" in said(policy, user=DANA)
    assert ruling.is_accepted == (level is Level.ADVISORY)
