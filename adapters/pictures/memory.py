"""The twin of the drawing program in memory: it keeps what it was asked to draw."""

from dataclasses import dataclass, field

from bot.domain.errors import Unavailable
from bot.domain.timeline import Timeline


@dataclass
class MemoryPictures:
    """Returns the title's bytes behind a PNG's first ones."""

    drawn: list[Timeline] = field(default_factory=list)
    is_down: bool = False

    async def timeline(self, timeline: Timeline) -> bytes:
        if self.is_down:
            raise Unavailable("The picture could not be drawn (exit 1).")
        self.drawn.append(timeline)
        return b"\x89PNG\r\n\x1a\n" + timeline.title.encode()
