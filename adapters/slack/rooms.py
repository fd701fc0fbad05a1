"""The port `Rooms`: who is in a channel at this moment."""

from collections.abc import AsyncIterator

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.slack.api import Method, SlackApi
from adapters.slack.errors import ChannelUnknown
from bot.domain.errors import NotFound, Unavailable
from bot.domain.ids import SlackUserId

_PAGE = 1_000  # Slack's own limit.
_PAGES = 10  # Our choice: nobody is found in a channel of more than ten thousand.


class _Cursor(BaseModel):
    model_config = ConfigDict(extra="ignore")

    next_cursor: str = ""


class _Members(BaseModel):
    model_config = ConfigDict(extra="ignore")

    members: tuple[str, ...]
    response_metadata: _Cursor | None = None


class SlackRooms:
    """Asks Slack each time: who left a channel knows no more of it."""

    def __init__(self, api: SlackApi) -> None:
        self._api = api

    async def has(self, channel: str, user: SlackUserId) -> bool:
        """Say whether *user* is a member; False for a channel that the bot cannot see."""
        try:
            async for page in self._pages(channel):
                if user in page:
                    return True
        except (ChannelUnknown, NotFound):
            return False
        return False

    async def _pages(self, channel: str) -> AsyncIterator[tuple[str, ...]]:
        cursor = ""
        for _ in range(_PAGES):
            more = {"cursor": cursor} if cursor else {}
            answer = await self._api.read(Method.CHANNEL_MEMBERS, channel=channel, limit=_PAGE, **more)
            try:
                found = _Members.model_validate(answer)
            except ValidationError as exc:
                raise Unavailable("Slack's answer about a channel's members cannot be read.") from exc
            yield found.members
            cursor = found.response_metadata.next_cursor if found.response_metadata else ""
            if not cursor:
                return
