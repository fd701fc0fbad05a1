"""Pictures by the drawing program and by its twin in memory; what is drawn is looked at in pixels."""

import struct
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.pictures.building import pictures_in
from adapters.pictures.drawing import COLOURS, CURVE, GROUND, HEALTHY, QUIET, TEXT, rows_of
from adapters.pictures.memory import MemoryPictures
from adapters.pictures.timeline import ChildPictures
from bot.domain.errors import Unavailable
from bot.domain.sources import Point
from bot.domain.timeline import Mark, MarkKind, Timeline
from bot.ports import Pictures
from tests.builders import NOW


def a_timeline(**changed: object) -> Timeline:
    values = [0.0, 0.0, 0.3, 0.3, 0.3, 0.0]
    usual = Timeline(
        title="Error rate is $12 and $13 مرحبا <!channel>",
        metric="error_ratio of checkout, 2026-11-22",
        points=tuple(Point(at=NOW + timedelta(seconds=10 * i), value=v) for i, v in enumerate(values)),
        marks=tuple(
            Mark(kind=kind, at=NOW + timedelta(seconds=8 * i), text=f"{kind.value}: it happened")
            for i, kind in enumerate(MarkKind)
        ),
        threshold=0.02,
    )
    return usual.model_copy(update=changed)


@pytest.fixture(params=["memory", "child"])
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Pictures:
    if request.param == "memory":
        return MemoryPictures()
    found = pictures_in(tmp_path / "pictures")
    assert found is not None
    return found


async def test_a_timeline_becomes_a_png(pictures: Pictures) -> None:
    assert (await pictures.timeline(a_timeline())).startswith(b"\x89PNG\r\n\x1a\n")


async def test_a_picture_is_wide_enough_for_a_phone_and_small_enough_to_send(tmp_path: Path) -> None:
    drawn = await ChildPictures(tmp_path).timeline(a_timeline())

    width, height = struct.unpack(">II", drawn[16:24])
    assert (1152, True, True) == (width, height < 1500, len(drawn) < 300_000)


async def test_a_program_that_fails_is_a_picture_less(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="could not be drawn"):
        await ChildPictures(tmp_path, program="adapters.pictures.nowhere").timeline(a_timeline())


async def test_the_twin_fails_as_the_program_does() -> None:
    with pytest.raises(Unavailable, match="could not be drawn"):
        await MemoryPictures(is_down=True).timeline(a_timeline())


def test_every_colour_stands_out_from_the_ground() -> None:
    """4.5 is what WCAG asks of text; the ground is the picture's own, so Slack's theme changes nothing."""
    for colour in (TEXT, QUIET, CURVE, HEALTHY, *COLOURS.values()):
        assert (_luminance(colour) + 0.05) / (_luminance(GROUND) + 0.05) > 4.5


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("places", "rows"),
    [
        ([], []),
        ([0.1, 0.5, 0.9], [0, 0, 0]),
        ([0.5, 0.5, 0.51, 0.9], [0, 1, 2, 0]),
        ([0.50, 0.51, 0.52, 0.53], [0, 1, 2, 0]),
    ],
)
def test_numbers_that_are_close_stand_at_different_heights(places: list[float], rows: list[int]) -> None:
    assert rows == rows_of(places)


def test_the_picture_is_told_in_words() -> None:
    said = a_timeline(marks=a_timeline().marks[:2], title="T").alt_text()

    assert (
        "T. error_ratio of checkout, 2026-11-22: 0 at 03:00:00, highest 0.3 at 03:00:20, 0 at 03:00:50 UTC. "
        "03:00:00 change: change: it happened. 03:00:08 alert: alert: it happened"
    ) == said
