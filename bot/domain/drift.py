"""How diagnoses go lately, from what was recorded: the last week beside the last month."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil

from pydantic import AwareDatetime

from bot.domain.diagnosed import Diagnosed, Opined
from bot.domain.frozen import Frozen
from bot.domain.ids import IncidentId
from bot.domain.label import Label, Settled, settle


class Period(Frozen):
    """The measures of some days; None where nothing was recorded that could tell."""

    days: int
    diagnoses: int
    named: int
    labelled: int
    """Diagnoses that named a change of which the labels tell whether it was it."""
    accuracy: float | None
    """Share of the labelled ones that were right."""
    disputed: int
    """Incidents whose labels contradict each other."""
    abstained: float | None
    """Share of diagnoses that named nobody."""
    confidence: float | None
    """Mean confidence of those that named somebody: far from the accuracy, the calibration is off."""
    opinions: int
    silent: float | None
    """Share of askings of a model that gave no opinion."""
    opinion_accuracy: float | None
    dropped_claims: float | None
    """Mean per opinion."""
    tokens_in: float | None
    """Mean per asking, as is `tokens_out`."""
    tokens_out: float | None
    rules_ms: int | None
    """Median from hearing of an incident to its diagnosis."""
    model_ms: int | None
    """Median over all calls of one asking."""
    model_ms_p95: int | None
    cost_usd: Decimal | None
    """Of all calls whose price is known, together."""
    calls_without_price: int


def drift(
    diagnoses: Sequence[Diagnosed],
    opinions: Sequence[Opined],
    labels: Sequence[Label],
    now: AwareDatetime,
    *,
    days: Sequence[int] = (7, 30),
) -> tuple[Period, ...]:
    """Return the measures of the last *days*, each number of days alone.

    *labels* are all that are known: what was said today counts for the diagnosis that it speaks of.
    """
    settled = settled_by_incident(labels)
    return tuple(_period(diagnoses, opinions, settled, now, count) for count in days)


def settled_by_incident(labels: Sequence[Label]) -> Mapping[IncidentId, Settled]:
    """Return what the labels of each incident come to."""
    found: dict[IncidentId, list[Label]] = {}
    for label in labels:
        found.setdefault(label.incident, []).append(label)
    return {incident: settle(said) for incident, said in found.items()}


def _period(
    diagnoses: Sequence[Diagnosed],
    opinions: Sequence[Opined],
    settled: Mapping[IncidentId, Settled],
    now: datetime,
    days: int,
) -> Period:
    start = now - timedelta(days=days)
    thought = [one for one in diagnoses if start <= one.at <= now]
    said = [one for one in opinions if start <= one.at <= now]
    judged = [settled.get(one.incident, Settled()).judges(one.named) for one in thought]
    right = [is_right for is_right in judged if is_right is not None]
    opined = [settled.get(one.incident, Settled()).judges(one.named) for one in said]
    right_opinions = [is_right for is_right in opined if is_right is not None]
    calls = [call for one in said for call in one.calls]
    costs = [call.cost_usd for call in calls if call.cost_usd is not None]
    waited = sorted(sum(call.milliseconds for call in one.calls) for one in said if one.calls)
    incidents = {one.incident for one in thought}
    return Period(
        days=days,
        diagnoses=len(thought),
        named=sum(one.named is not None for one in thought),
        labelled=len(right),
        accuracy=_share(right),
        disputed=sum(settled[one].is_disputed for one in incidents if one in settled),
        abstained=_share([one.named is None for one in thought]),
        confidence=_mean([one.confidence for one in thought if one.named is not None]),
        opinions=len(said),
        silent=_share([one.silence is not None for one in said]),
        opinion_accuracy=_share(right_opinions),
        dropped_claims=_mean([float(one.dropped_claims) for one in said if one.silence is None]),
        tokens_in=_mean([float(sum(call.tokens_in for call in one.calls)) for one in said]),
        tokens_out=_mean([float(sum(call.tokens_out for call in one.calls)) for one in said]),
        rules_ms=_quantile(sorted(one.took_ms for one in thought if one.took_ms is not None), 0.5),
        model_ms=_quantile(waited, 0.5),
        model_ms_p95=_quantile(waited, 0.95),
        cost_usd=sum(costs, Decimal(0)) if costs else None,
        calls_without_price=len(calls) - len(costs),
    )


def _share(found: Sequence[bool]) -> float | None:
    return sum(found) / len(found) if found else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _quantile(ordered: Sequence[int], share: float) -> int | None:
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
