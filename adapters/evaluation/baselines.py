"""Two simple rankers to be better than: the newest change first, and the call graph with recency."""

from collections.abc import Callable
from datetime import timedelta

from adapters.evaluation.baseline_names import Baseline
from bot.domain.change import ChangeEvent
from bot.domain.correlation_case import Case
from bot.domain.ids import ServiceName

_HALF_LIFE = timedelta(minutes=60)  # Our choice: the usual look-back of people who ask "what changed last?".
_BY_HOPS = {0: 1.0, 1: 0.6, 2: 0.4, 3: 0.25}
_ELSEWHERE = 0.02


def ranked_by(baseline: Baseline, case: Case) -> tuple[tuple[str, ...], float]:
    """Return the change ids of *case*, best first, and the score of the first as its confidence."""
    match baseline:
        case Baseline.NEWEST:
            return _rank(case, _recency)
        case Baseline.GRAPH:
            return _rank(case, lambda change, judged: _recency(change, judged) * _nearness(change, judged))


def _rank(case: Case, score: Callable[[ChangeEvent, Case], float]) -> tuple[tuple[str, ...], float]:
    first = min(alert.at for alert in case.alerts)
    scored = [(score(change, case), change.id) for change in case.changes if change.live_at <= first]
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    return tuple(change_id for _, change_id in scored), scored[0][0] if scored else 0.0


def _recency(change: ChangeEvent, case: Case) -> float:
    gap = min(alert.at for alert in case.alerts) - change.live_at
    return float(0.5 ** (gap / _HALF_LIFE))


def _nearness(change: ChangeEvent, case: Case) -> float:
    alerting = {alert.service for alert in case.alerts if alert.service is not None}
    return max(
        _ELSEWHERE,
        sum(_between(change.service, service, case) for service in alerting) / max(1, len(alerting)),
    )


def _between(changed: ServiceName, alerting: ServiceName, case: Case) -> float:
    hops = 0 if changed == alerting else case.topology.dependencies_of(alerting).get(changed)
    return _ELSEWHERE if hops is None else _BY_HOPS[hops]
