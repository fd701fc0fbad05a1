"""Read what metrics showed, in the forms that telemetry exports use."""

from collections.abc import Iterator, Mapping

from adapters.evaluation.fields import number, text
from bot.domain.evidence import MetricShift
from bot.domain.ids import ServiceName

_NAMES = ("metric", "name", "signal", "kind")
_VALUES = ("value", "observed", "current", "now", "after", "peak", "anomalous")
_USUAL = ("baseline", "usual", "normal", "before", "baseline_value", "expected", "median")


def metric_shifts(raw: object) -> Iterator[MetricShift]:
    """Yield the metrics of a list of records, or of records by service; none without a usual value."""
    if isinstance(raw, list):
        for entry in raw:
            if isinstance(entry, Mapping):
                yield from _shift(entry, text(entry.get("service")), "")
    elif isinstance(raw, Mapping):
        for service, metrics in raw.items():
            for entry in metrics if isinstance(metrics, list) else [metrics]:
                if isinstance(entry, Mapping):
                    yield from _of_service(text(service), entry)


def _of_service(service: str, entry: Mapping[str, object]) -> Iterator[MetricShift]:
    nested = {name: shown for name, shown in entry.items() if isinstance(shown, Mapping)}
    if not nested:
        yield from _shift(entry, service, "")
    for name, shown in nested.items():
        yield from _shift(shown, service, text(name))


def _shift(entry: Mapping[str, object], service: str, name: str) -> Iterator[MetricShift]:
    value, usual = _first(entry, _VALUES), _first(entry, _USUAL)
    change = number(entry.get("delta_vs_baseline"))
    if usual is None and value is not None and change is not None:
        usual = value - change
    if service and value is not None and usual is not None:
        metric = name or next((text(entry[key]) for key in _NAMES if key in entry), "a metric")
        yield MetricShift(service=ServiceName(service), metric=metric, value=value, usual=usual)


def _first(entry: Mapping[str, object], keys: tuple[str, ...]) -> float | None:
    return next((found for key in keys if (found := number(entry.get(key))) is not None), None)
