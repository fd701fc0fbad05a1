"""A recorded case is redacted, of bounded size, and ranks as the case itself did."""

import json
from dataclasses import replace

import pytest

from adapters.evaluation.cases import parse_case
from bot.domain.change import ChangeKind, RolloutStep
from bot.domain.correlation import Ranking, rank_suspects
from bot.domain.correlation_case import Case
from bot.domain.evidence import (
    ChangeRecord,
    Coverage,
    ErrorPattern,
    Evidence,
    Hosting,
    HostingRelation,
    MetricShift,
    Rival,
    RivalKind,
    VersionEvidence,
)
from bot.domain.ids import ChangeId, ServiceName
from bot.domain.redaction import Redactor
from bot.domain.snapshot import MOST_BYTES, Snapshot, take_snapshot
from bot.domain.weights import load_weights
from tests.builders import NOW
from tests.correlation_builders import SHOP, alert, before_onset, change, topology

WEIGHTS = load_weights()
CHECKOUT, PAYMENTS = ServiceName("checkout"), ServiceName("payments")


def a_case() -> Case:
    """Return a case that has something of everything."""
    return Case(
        alerts=(
            alert(title="5xx rate above 3 %", details="KeyError in apply_regional_tax"),
            alert("web", "slow", minutes_later=1),
            alert(None, "synthetic check fails", minutes_later=2),
        ),
        changes=(
            change(
                minutes_before=4,
                change_id="d1",
                body="Totals by region",
                files=["src/tax.py"],
                diff="+def apply_regional_tax(order):",
                rollout=[
                    RolloutStep(
                        started_at=before_onset(5), finished_at=None, old_instances=1, new_instances=0
                    )
                ],
            ),
            change("payments", minutes_before=30, change_id="d2", kind=ChangeKind.CONFIG, version=None),
            change("web", minutes_before=2, change_id="f1", kind=ChangeKind.FLAG, title="flag banner: on"),
            change(minutes_before=-5, change_id="d3", title="Revert to 1.9", kind=ChangeKind.ROLLBACK),
        ),
        topology=topology(*SHOP),
        evidence=Evidence(
            versions=tuple(
                VersionEvidence(
                    caller=ServiceName("web"),
                    callee=CHECKOUT,
                    observed_at=CHECKOUT,
                    version=version,
                    success_rate=rate,
                    samples=100,
                )
                for version, rate in (("1.9", 99.9), ("2.0", 71.5))
            ),
            patterns=(
                ErrorPattern(signature="KeyError: 'CH'", service=CHECKOUT, count=40, delta=40.0),
                ErrorPattern(signature="timeout", count=3),
            ),
            metrics=(MetricShift(service=CHECKOUT, metric="error_ratio", value=0.3, usual=0.001),),
            hosting=(
                Hosting(owner="node-1", member="checkout-abc", relation=HostingRelation.RUNS),
                Hosting(owner="checkout", member="checkout-abc", relation=HostingRelation.INSTANCE),
            ),
            rivals=(Rival(kind=RivalKind.TRAFFIC_SURGE, service=PAYMENTS, started_at=NOW, summary="sale"),),
            history=(ChangeRecord(service=CHECKOUT, changes=20, failures=3),),
            coverage=Coverage(answered=("PagerDuty", "change ledger"), unreachable=("logs of web",)),
        ),
        environment="production",
        services=frozenset({CHECKOUT, PAYMENTS, ServiceName("search")}),
    )


def said(ranking: Ranking) -> list[object]:
    """Return everything that a ranking says, its changes by id."""
    suspects = [(one.change.id, one.log_odds, one.probability, one.terms) for one in ranking.suspects]
    rest = ranking.model_dump(exclude={"suspects", "mitigations"})
    return [suspects, [one.id for one in ranking.mitigations], rest]


def taken(case: Case, *, order: tuple[str, ...] = (), key: bytes = b"k") -> Snapshot:
    redactor = Redactor(key)
    return take_snapshot(
        "Q1-abc", case, order=[ChangeId(one) for one in order], redact=lambda text: redactor.redact(text).text
    )


def test_a_recorded_case_ranks_exactly_as_the_case_did() -> None:
    case = a_case()

    again = parse_case(json.loads(taken(case).raw)).case

    assert said(rank_suspects(case, WEIGHTS)) == said(rank_suspects(again, WEIGHTS))


def test_nothing_that_the_ranking_reads_is_lost_on_the_way() -> None:
    case = a_case()

    again = parse_case(json.loads(taken(case, order=("d1", "d2", "d3", "f1")).raw)).case

    def comparable(one: Case) -> Case:
        changes = sorted(
            (c.model_copy(update={"source": "", "flag": None, "url": None}) for c in one.changes),
            key=lambda c: c.id,
        )
        return replace(one, changes=tuple(changes), topology=topology(*SHOP))

    assert comparable(case) == comparable(again)
    assert case.topology.callees == again.topology.callees


def test_a_change_that_has_no_end_yet_keeps_its_times() -> None:
    rolling = change(minutes_before=1).model_copy(update={"finished_at": None, "reported_at": NOW})
    told = rolling.model_copy(update={"started_at": None})
    case = Case(alerts=(alert(),), changes=(rolling, told.model_copy(update={"id": ChangeId("told")})))

    again = parse_case(json.loads(taken(case).raw)).case

    assert [(one.began_at, one.live_at) for one in case.changes] == [
        (one.began_at, one.live_at) for one in again.changes
    ]


def test_the_same_case_gives_the_same_bytes() -> None:
    case = a_case()
    shuffled = replace(case, changes=tuple(reversed(case.changes)))

    assert taken(case) == taken(shuffled)
    assert taken(case).sha256 == taken(shuffled).sha256


def test_no_secret_of_any_text_is_kept() -> None:
    secret = "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"
    case = a_case()
    leaky = replace(
        case,
        alerts=(alert(title=f"token {secret}", details=f"token {secret}", alert_id="a1"),),
        changes=(
            change(title=f"token {secret}", body=f"token {secret}", diff=f"+token {secret}", files=[secret]),
        ),
        evidence=Evidence(
            patterns=(ErrorPattern(signature=f"token {secret}", count=1),),
            rivals=(Rival(kind=RivalKind.MAINTENANCE, summary=f"token {secret}"),),
        ),
    )

    assert secret.encode() not in taken(leaky).raw


@pytest.mark.parametrize("diff_size", [2_000, 60_000])
def test_a_huge_case_is_trimmed_from_the_end_of_the_ranking_and_says_so(diff_size: int) -> None:
    changes = tuple(
        change(minutes_before=number + 1, change_id=f"d{number:04}", diff="+x = 1\n" * (diff_size // 7))
        for number in range(500)
    )
    order = tuple(f"d{number:04}" for number in range(500))

    snapshot = taken(Case(alerts=(alert(),), changes=changes), order=order)

    again = parse_case(json.loads(snapshot.raw)).case
    assert snapshot.is_trimmed
    assert len(snapshot.raw) <= MOST_BYTES
    assert len(again.changes) >= 20
    assert list(order[: len(again.changes)]) == [one.id for one in again.changes]


def test_a_usual_case_is_kept_whole() -> None:
    assert not taken(a_case()).is_trimmed
