"""What the policy says to a request: rule by rule, level by level, and what no file may loosen."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.canaries import broken_canaries
from bot.domain.freeze import Dated, Freeze, Level, Weekly
from bot.domain.identity import Asker
from bot.domain.ids import PagerDutyUserId, ProposalId, ServiceName, SlackUserId
from bot.domain.playbook import Risk
from bot.domain.policy import (
    FLOOR,
    Execution,
    Limits,
    Policy,
    Request,
    RiskRule,
    Rule,
    ServiceRule,
    rule,
)
from tests.builders import NOW

CHECKOUT = ServiceName("checkout")
DANA = Asker(
    user=SlackUserId("U0DANA"), human="U0DANA", grounds="on call", pagerduty_user=PagerDutyUserId("PDANA")
)


def a_request(risk: Risk = Risk.MEDIUM, **changed: object) -> Request:
    usual = Request(
        proposal=ProposalId("P1-1"),
        service=CHECKOUT,
        playbook="rollback-deploy",
        risk=risk,
        now=NOW,
        expires_at=NOW + timedelta(minutes=15),
        asker=DANA,
    )
    return usual.model_copy(update=changed)


def found(policy: Policy, request: Request) -> dict[Rule, Level]:
    return {finding.rule: finding.level for finding in rule(policy, request).findings}


def asked(**changed: object) -> Asker:
    return DANA.model_copy(update=changed)


@pytest.mark.parametrize("risk", list(Risk))
def test_the_floor_lets_a_fitting_person_approve(risk: Risk) -> None:
    verdict = rule(FLOOR, a_request(risk))

    assert verdict.findings == ()
    assert (verdict.quorum, verdict.type_target) == {
        Risk.LOW: (1, False),
        Risk.MEDIUM: (1, False),
        Risk.HIGH: (1, True),
        Risk.CRITICAL: (2, True),
    }[risk]


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({"expires_at": NOW}, Rule.EXPIRED),
        ({"is_incident_open": False}, Rule.CLOSED),
        ({"is_same_plan": False}, Rule.MISMATCH),
        ({"asker": asked(grounds=None)}, Rule.ROLE),
        ({"asker": asked(disqualification="bots and apps do not count")}, Rule.PERSON),
    ],
)
@pytest.mark.parametrize("risk", list(Risk))
def test_what_no_risk_allows(risk: Risk, changed: dict[str, object], broken: Rule) -> None:
    assert {broken: Level.HARD} == found(FLOOR, a_request(risk, **changed))


@pytest.mark.parametrize("risk", [Risk.HIGH, Risk.CRITICAL])
@pytest.mark.parametrize(
    ("asker", "broken"),
    [
        (asked(is_requester=True), Rule.REQUESTER),
        (asked(is_author=True), Rule.AUTHOR),
        (asked(pagerduty_user=None), Rule.IDENTITY),
    ],
)
def test_at_a_high_risk_it_matters_which_human_it_is(risk: Risk, asker: Asker, broken: Rule) -> None:
    assert {broken: Level.HARD} == found(FLOOR, a_request(risk, asker=asker))
    assert {} == found(FLOOR, a_request(Risk.MEDIUM, asker=asker))


def test_an_author_whom_nobody_knows_makes_it_two_people() -> None:
    assert rule(FLOOR, a_request(Risk.HIGH, asker=asked(is_author=None))).quorum == 2


WEEKEND = {"days": ["fri"], "from": "16:00", "to": "09:00"}


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        (datetime(2026, 11, 20, 15, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 20, 16, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 21, 8, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 21, 9, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 21, 17, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 20, 8, 0, tzinfo=UTC), False),
    ],
)
def test_a_weekly_freeze_may_pass_midnight(at: datetime, holds: bool) -> None:
    freeze = Freeze(name="weekend", weekly=Weekly.model_validate(WEEKEND))

    assert freeze.holds(CHECKOUT, at) is holds


def test_a_freeze_is_read_in_its_own_zone() -> None:
    hours = Weekly.model_validate({"days": ["wed"], "from": "09:00", "to": "17:00"})
    in_zurich = Freeze(name="hours", weekly=hours, zone="Europe/Zurich")

    assert in_zurich.holds(CHECKOUT, datetime(2026, 7, 1, 7, 30, tzinfo=UTC))
    assert not in_zurich.holds(CHECKOUT, datetime(2026, 12, 2, 7, 30, tzinfo=UTC))
    assert in_zurich.holds(CHECKOUT, datetime(2026, 12, 2, 15, 59, tzinfo=UTC))


def test_a_dated_freeze_covers_an_hour_that_comes_twice_in_both_its_meanings() -> None:
    night = Dated.model_validate({"from": "2026-10-25T00:00", "to": "2026-10-25T02:30"})
    freeze = Freeze(name="switch", dated=night, zone="Europe/Zurich")

    assert freeze.holds(CHECKOUT, datetime(2026, 10, 25, 0, 45, tzinfo=UTC))  # 02:45, for the first time.
    assert freeze.holds(CHECKOUT, datetime(2026, 10, 25, 1, 15, tzinfo=UTC))  # 02:15, for the second.
    assert not freeze.holds(CHECKOUT, datetime(2026, 10, 25, 1, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("hour", "holds"), [("00:15", False), ("00:59", True), ("01:29", True), ("02:00", False)]
)
def test_a_dated_freeze_whose_clock_times_are_skipped_is_taken_at_its_longest(hour: str, holds: bool) -> None:
    """At 02:00 in Zurich, 01:00 UTC, clocks go to 03:00: half past two is there in neither way."""
    gap = Dated.model_validate({"from": "2026-03-29T02:30", "to": "2026-03-29T02:45"})
    freeze = Freeze(name="switch", dated=gap, zone="Europe/Zurich")

    assert holds is freeze.holds(CHECKOUT, datetime.fromisoformat(f"2026-03-29T{hour}+00:00"))


def test_a_freeze_may_be_for_some_services_only() -> None:
    freeze = Freeze(name="launch", weekly=Weekly.model_validate(WEEKEND), services=(ServiceName("payments"),))

    assert not freeze.holds(CHECKOUT, datetime(2026, 11, 20, 17, tzinfo=UTC))


@pytest.mark.parametrize("level", list(Level))
def test_a_freeze_speaks_at_its_level(level: Level) -> None:
    always = Dated.model_validate({"from": "2000-01-01T00:00", "to": "2100-01-01T00:00"})
    policy = Policy(freezes=(Freeze(name="year", dated=always, level=level),))
    verdict = rule(policy, a_request())

    assert {Rule.FREEZE: level} == found(policy, a_request())
    assert (verdict.is_refused, verdict.asks_for_reason) == (level is Level.HARD, level is Level.SOFT)
    assert verdict.stands_with(frozenset({"freeze"})) is (level is not Level.HARD)
    assert verdict.stands_with(frozenset()) is (level is Level.ADVISORY)


def test_r_dry_run_a_service_that_is_only_observed_gets_no_effects() -> None:
    policy = Policy(services={CHECKOUT: ServiceRule(observe_only=True)})

    assert {Rule.OBSERVE_ONLY: Level.HARD} == found(policy, a_request())
    assert {} == found(policy, a_request(service=ServiceName("payments")))


def started(minutes_ago: float, **changed: object) -> Execution:
    usual = Execution(
        proposal=ProposalId(f"P{minutes_ago}-1"),
        service=CHECKOUT,
        playbook="rollback-deploy",
        started_at=NOW - timedelta(minutes=minutes_ago),
    )
    return usual.model_copy(update=changed)


@pytest.mark.parametrize(
    ("limits", "executions", "broken"),
    [
        (Limits(executions_per_hour=2), [started(5), started(59)], {Rule.RATE}),
        (Limits(executions_per_hour=2), [started(5), started(60)], set()),
        (Limits(executions_per_hour=0), [], {Rule.RATE}),
        (Limits(executions_per_hour=1), [started(5, service="payments")], set()),
        (Limits(executions_per_hour=1), [started(5, proposal="P1-1")], set()),
        (Limits(targets_at_once=1), [started(5, service="payments", holds_target=True)], {Rule.TARGETS}),
        (Limits(targets_at_once=1), [started(5)], set()),
        (Limits(cool_down_minutes=90), [started(89)], {Rule.COOL_DOWN}),
        (Limits(cool_down_minutes=90), [started(90)], set()),
        (Limits(cool_down_minutes=90), [started(5, playbook="restart-service")], set()),
    ],
)
def test_what_was_started_of_late_counts_against_the_limits(
    limits: Limits, executions: list[Execution], broken: set[Rule]
) -> None:
    policy = Policy(services={CHECKOUT: ServiceRule(limits=limits)})

    assert broken == set(found(policy, a_request(executions=tuple(executions))))


def test_only_limits_look_back() -> None:
    assert Policy().looks_back(CHECKOUT) is None
    assert Policy(limits=Limits(targets_at_once=1)).looks_back(CHECKOUT) == timedelta(hours=1)
    assert Policy(limits=Limits(cool_down_minutes=90)).looks_back(CHECKOUT) == timedelta(minutes=90)


def test_a_policy_is_named_by_what_it_says() -> None:
    assert Policy().version == FLOOR.version
    assert Policy(low=RiskRule(quorum=2)).version != FLOOR.version


def test_c_policy_reload_what_the_floor_refuses_no_policy_may_let_through() -> None:
    assert broken_canaries(FLOOR) == ()
    assert broken_canaries(Policy(low=RiskRule(quorum=3, type_target=True))) == ()
    assert broken_canaries(Policy(high=RiskRule(type_target=True))) == (
        "self at high risk",
        "author at high risk",
        "unknown author at high risk",
        "unknown human at high risk",
    )
    one = RiskRule(type_target=False, excludes=FLOOR.critical.excludes)
    assert "one person at critical risk" in broken_canaries(Policy(critical=one))
    assert "no typed target at critical risk" in broken_canaries(Policy(critical=one))
