"""`Looks` in memory, for tests and for trying things out."""

from bot.domain.home import Look
from bot.domain.ids import SlackUserId


class MemoryLooks:
    """Each person's last look."""

    def __init__(self) -> None:
        self._looks: dict[SlackUserId, Look] = {}

    async def last(self, user: SlackUserId) -> Look | None:
        return self._looks.get(user)

    async def keep(self, user: SlackUserId, look: Look) -> None:
        self._looks[user] = look
