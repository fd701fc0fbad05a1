"""`changes`: what changed, newest first."""

import re
from datetime import timedelta
from difflib import get_close_matches

from bot.app.commands.asked import Answer, Misused, Question, plain
from bot.app.wording import change_name, clock_time, duration
from bot.app.world import World
from bot.domain.document import Line, Section, lines
from bot.domain.ids import ServiceName

_WINDOW = re.compile(r"([1-9][0-9]{0,3})([mhd])")
_UNIT = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_DEFAULT_WINDOW = timedelta(hours=24)
_LONGEST_WINDOW = timedelta(days=30)
_MOST = 20


async def changes(world: World, question: Question) -> Answer:
    """List recent changes of one service or of all."""
    if len(question.words) > 2:
        raise Misused("Too many words.")
    service: ServiceName | None = None
    window: timedelta | None = None
    for word in question.words:
        if window is None and (parsed := span_of(word)):
            window = parsed
        elif service is None and (known := service_of(world, word)):
            service = known
        else:
            near = get_close_matches(word.casefold(), world.catalogue.services, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise Misused(f"“{word[:40]}” is neither a service nor a time such as 2h.{hint}")
    return await _listed(world, service, window or _DEFAULT_WINDOW)


def span_of(word: str) -> timedelta | None:
    """Return the time that such as `30m`, `2h` or `7d` says, 30 days at most; None for another word."""
    parsed = _WINDOW.fullmatch(word.casefold())
    return min(int(parsed[1]) * _UNIT[parsed[2]], _LONGEST_WINDOW) if parsed else None


def service_of(world: World, word: str) -> ServiceName | None:
    """Return the service that *word* names, whatever its case."""
    return world.catalogue.by_name(word) or world.catalogue.by_name(word.casefold())


async def _listed(world: World, service: ServiceName | None, window: timedelta) -> Answer:
    now = world.clock.now()
    wanted = [service] if service else list(world.catalogue.services)
    found = await world.ledger.between(wanted, now - window, now)
    said = tuple(
        Line(
            text=f"{clock_time(change.live_at, today=now)} ({duration(now - change.live_at)} ago) "
            + change_name(change)
            + (f": {change.title}" if change.title else ""),
            url=change.url,
        )
        for change in found[:_MOST]
    )
    if len(found) > _MOST:
        said = (*said, Line(text=f"and {len(found) - _MOST} older ones; ask for a shorter time"))
    return plain(
        f"Changes of {service or 'all services'} in the last {duration(window)}",
        Section(heading=f"{len(found)} found", lines=said or lines(["None."])),
    )
