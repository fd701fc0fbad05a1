"""Where the time of an incident's life goes: the spans that the bot noted, laid over each wait."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from tests.bench.lines import percentile


@dataclass(frozen=True)
class Span:
    """One part at work, by `time.time`."""

    name: str
    begun: float
    ended: float


@dataclass(frozen=True)
class Wait:
    """What somebody waited for, from and until when, by `time.time`."""

    name: str
    begun: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


def read_spans(file: Path) -> list[Span]:
    return [Span(*json.loads(line)) for line in file.read_text().splitlines()]


def table(name: str, waits: Iterable[Wait], spans: Sequence[Span]) -> Table:
    """Return, for the waits called *name*, when each span within them begins and how long it takes.

    The same part may be at work several times in one wait: its first, second … time are rows of their own.
    """
    chosen = [wait for wait in waits if wait.name == name]
    starts: dict[tuple[str, int], list[float]] = defaultdict(list)
    lengths: dict[tuple[str, int], list[float]] = defaultdict(list)
    for wait in chosen:
        seen: dict[str, int] = defaultdict(int)
        for span in sorted(spans, key=lambda span: span.begun):
            if wait.begun <= span.begun < wait.ended:
                seen[span.name] += 1
                starts[span.name, seen[span.name]].append(span.begun - wait.begun)
                lengths[span.name, seen[span.name]].append(span.ended - span.begun)
    whole = [wait.seconds for wait in chosen]
    shown = Table(title=f"{name}: p50 {percentile(whole, 50) * 1e3:.0f} ms of {len(chosen)}")
    for heading in ("Part", "Begins after", "Takes p50", "Takes p90", "Times"):
        shown.add_column(heading, justify="left" if heading == "Part" else "right")
    for part, number in sorted(starts, key=lambda key: percentile(starts[key], 50)):
        begins, takes = starts[part, number], lengths[part, number]
        if len(takes) * 2 >= len(chosen):
            label = part if number == 1 else f"{part} ({number})"
            row = (percentile(begins, 50), percentile(takes, 50), percentile(takes, 90))
            shown.add_row(label, *(f"{seconds * 1e3:.1f} ms" for seconds in row), str(len(takes)))
    return shown
