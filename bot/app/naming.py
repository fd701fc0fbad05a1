"""People's names for their ids, as far as Slack tells them in time."""

import asyncio
from collections.abc import Iterable
from typing import Final

from bot.app.world import World
from bot.domain.errors import HandrailError
from bot.domain.ids import SlackUserId

WITHIN_S: Final = 0.5
"""Our choice: a card or an answer is there within a second or two, with an id for a name if need be."""
_MOST: Final = 10  # Our choice: more names than these are not read on a card.


async def names_of(world: World, users: Iterable[SlackUserId]) -> tuple[tuple[SlackUserId, str], ...]:
    """Return the names that are known, each with its id; who is not known is left out."""
    asked = list(dict.fromkeys(users))[:_MOST]
    names = await asyncio.gather(*(_name(world, user) for user in asked))
    return tuple((user, name) for user, name in zip(asked, names, strict=True) if name is not None)


async def _name(world: World, user: SlackUserId) -> str | None:
    try:
        async with asyncio.timeout(WITHIN_S):
            return (await world.directory.person(user)).name
    except (TimeoutError, HandrailError):
        return None
