"""Draw a timeline: its JSON on the standard input becomes a PNG on the standard output.

It is a program because matplotlib takes tens of megabytes and most of a second: both are gone with it.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure

from bot.domain.timeline import Mark, MarkKind, Timeline

# On a ground of its own the picture reads alike whatever theme Slack has. Every colour below has a contrast
# of more than 4.5 with it, and none of them says anything that its number does not.
GROUND: Final = "#1b1f27"
TEXT: Final = "#f2f4f8"
QUIET: Final = "#a9b2c3"
CURVE: Final = "#6cb6ff"
HEALTHY: Final = "#8ddb8c"
COLOURS: Final[Mapping[MarkKind, str]] = {
    MarkKind.CHANGE: "#f0c04a",
    MarkKind.ALERT: "#ff8a80",
    MarkKind.APPROVAL: "#d2a8ff",
    MarkKind.STEP: "#d2a8ff",
    MarkKind.RECOVERY: HEALTHY,
    MarkKind.END: QUIET,
}
_WIDTH_IN: Final = 5.76
_PLOT_IN: Final = 2.7
_HEAD_IN: Final = 0.8
_AXIS_IN: Final = 0.6
_LINE_IN: Final = 0.27
_DPI: Final = 200  # 1152 pixels wide: three for each of a phone's.
_TITLE: Final = 46  # Characters that fit at their size; the postmortem has every word.
_METRIC: Final = 64
_LABEL: Final = 56
_HEADROOM: Final = 1.45  # Above the curve, for the numbers.
ROWS: Final = 3  # Heights at which numbers stand that are close in time.
_NEAR: Final = 0.055  # Of the width: numbers closer than this would cover each other.


def draw(timeline: Timeline) -> bytes:
    """Return *timeline* as a PNG: the curve, numbered marks, and below it what each number is."""
    matplotlib.rcParams["text.parse_math"] = False  # A dollar sign in a title begins no formula.
    legend_in = _LINE_IN * len(timeline.marks) + 0.2
    height = _HEAD_IN + _PLOT_IN + _AXIS_IN + legend_in
    figure = Figure(figsize=(_WIDTH_IN, height), dpi=_DPI, facecolor=GROUND)
    figure.text(0.03, 1 - 0.36 / height, _short(timeline.title, _TITLE), color=TEXT, size=13, weight="bold")
    figure.text(0.03, 1 - 0.64 / height, _short(timeline.metric, _METRIC), color=QUIET, size=10)
    axes = figure.add_axes((0.12, (legend_in + _AXIS_IN) / height, 0.85, _PLOT_IN / height))
    _plot(axes, timeline)
    _mark(axes, timeline.marks)
    _style(axes)
    for line, mark in enumerate(timeline.marks):
        y = (legend_in - 0.1 - _LINE_IN * (line + 0.5)) / height
        said = f"{mark.at.astimezone(UTC):%H:%M:%S}  {_short(mark.text, _LABEL)}"
        figure.text(
            0.04, y, str(line + 1), color=COLOURS[mark.kind], size=10, weight="bold", ha="center", va="center"
        )
        figure.text(0.075, y, said, color=TEXT, size=10, va="center")
    taken = BytesIO()
    figure.savefig(taken, format="png", facecolor=GROUND)
    return taken.getvalue()


def rows_of(places: Sequence[float]) -> list[int]:
    """Return the row of each number, the highest 0, for *places* in order, in shares of the width."""
    last = [-1.0] * ROWS
    rows = []
    for place in places:
        free = next((row for row in range(ROWS) if place - last[row] >= _NEAR), last.index(min(last)))
        last[free] = place
        rows.append(free)
    return rows


def _plot(axes: Axes, timeline: Timeline) -> None:
    values = [point.value for point in timeline.points]
    axes.plot(_dates(p.at for p in timeline.points), values, color=CURVE, linewidth=2.2)
    top = max([*values, timeline.threshold or 0.0]) or 1.0
    axes.set_ylim(min(0.0, *values), top * _HEADROOM)
    times = [*(p.at for p in timeline.points), *(mark.at for mark in timeline.marks)]
    start, end = min(times), max(times)
    margin = max((end - start) * 0.03, timedelta(seconds=1))
    axes.set_xlim(*_dates((start - margin, end + margin)))
    axes.xaxis.set_major_locator(AutoDateLocator(tz=UTC, minticks=3, maxticks=6))  # type: ignore[no-untyped-call]
    shown = "%H:%M:%S" if end - start < timedelta(minutes=20) else "%H:%M"
    axes.xaxis.set_major_formatter(DateFormatter(shown, tz=UTC))  # type: ignore[no-untyped-call]
    if timeline.threshold is not None:
        side = "below" if timeline.is_healthy_below else "above"
        axes.axhline(timeline.threshold, color=HEALTHY, linewidth=1.3, linestyle="--")
        axes.annotate(
            f"healthy {side} {timeline.threshold:g}",
            (0.0, timeline.threshold),
            xycoords=("axes fraction", "data"),
            xytext=(5, 4),
            textcoords="offset points",
            color=HEALTHY,
            size=9,
        )


def _mark(axes: Axes, marks: Sequence[Mark]) -> None:
    left, right = axes.get_xlim()
    dates = _dates(mark.at for mark in marks)
    rows = rows_of([(date - left) / (right - left) for date in dates])
    for number, (mark, date, row) in enumerate(zip(marks, dates, rows, strict=True), start=1):
        colour = COLOURS[mark.kind]
        axes.axvline(date, color=colour, linewidth=1.3, alpha=0.9)
        axes.text(
            date,
            0.945 - 0.095 * row,
            str(number),
            transform=axes.get_xaxis_transform(),
            color=GROUND,
            size=10,
            weight="bold",
            ha="center",
            va="center",
            bbox={"boxstyle": "circle,pad=0.22", "facecolor": colour, "edgecolor": GROUND},
        )


def _style(axes: Axes) -> None:
    axes.set_facecolor(GROUND)
    axes.tick_params(colors=QUIET, labelsize=9)
    axes.set_xlabel("UTC", color=QUIET, size=9, loc="right", labelpad=1)
    axes.grid(color="#39414f", linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(QUIET)


def _dates(times: Iterable[datetime]) -> list[float]:
    return [float(date2num(at)) for at in times]  # type: ignore[no-untyped-call]


def _short(text: str, most: int) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= most else f"{one_line[: most - 1]}…"


def main() -> None:
    """Draw what stands on the standard input."""
    sys.stdout.buffer.write(draw(Timeline.model_validate_json(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
