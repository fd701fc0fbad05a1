"""Draw how far confidence means what it says, as an SVG without any library."""

from collections.abc import Sequence
from html import escape

from bot.domain.measures import Bin

_SIZE = 320
_MARGIN = 44
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def reliability_svg(title: str, bins: Sequence[Bin]) -> str:
    """Return an SVG: claimed confidence on the x axis, share that was right on the y axis.

    The dashed line is perfect calibration; the area of a dot grows with the number of cases.
    """
    side = _SIZE + 2 * _MARGIN
    most = max((b.count for b in bins), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{side}" height="{side}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{side}" height="{side}" fill="white"/>',
        f'<text x="{side / 2}" y="20" text-anchor="middle" font-size="13">{escape(title)}</text>',
        *_axes(side),
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#999" stroke-dasharray="4 4"/>',
        _line(bins),
        *(_dot(b, most) for b in bins),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _axes(side: int) -> list[str]:
    parts = [
        f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{_SIZE}" height="{_SIZE}" fill="none" stroke="#333"/>',
        f'<text x="{side / 2}" y="{side - 8}" text-anchor="middle">confidence</text>',
        f'<text x="12" y="{side / 2}" text-anchor="middle" transform="rotate(-90 12 {side / 2})">'
        "share that was right</text>",
    ]
    for tick in _TICKS:
        parts.append(f'<text x="{_x(tick)}" y="{_y(0) + 16}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{_x(0) - 6}" y="{_y(tick) + 4}" text-anchor="end">{tick:g}</text>')
    return parts


def _line(bins: Sequence[Bin]) -> str:
    if len(bins) < 2:
        return ""
    points = " ".join(f"{_x(b.confidence)},{_y(b.accuracy)}" for b in bins)
    return f'<polyline points="{points}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>'


def _dot(b: Bin, most: int) -> str:
    radius = round(3 + 7 * (b.count / most) ** 0.5, 1)
    note = f"{b.count} cases: {b.confidence:.0%} claimed, {b.accuracy:.0%} right"
    return (
        f'<circle cx="{_x(b.confidence)}" cy="{_y(b.accuracy)}" r="{radius}" fill="#1f5fa8">'
        f"<title>{note}</title></circle>"
    )


def _x(value: float) -> float:
    return round(_MARGIN + value * _SIZE, 1)


def _y(value: float) -> float:
    return round(_MARGIN + (1.0 - value) * _SIZE, 1)
