"""The port `OwnChannels`: channels that we make for single incidents."""

from collections.abc import AsyncIterator, Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.slack.api import Installation, Method, SlackApi
from adapters.slack.errors import NeedsAPerson
from bot.domain.errors import Invalid, Refused, Unavailable
from bot.domain.ids import SlackUserId
from bot.ports import FoundChannel

_PAGE = 200
_PAGES = 20  # Our choice: a channel that we made in vain is among the first four thousand.


class _Topic(BaseModel):
    model_config = ConfigDict(extra="ignore")

    value: str = ""


class _Channel(BaseModel):
    """A channel as Slack tells of it, as far as it is read."""

    model_config = ConfigDict(extra="ignore")

    id: str
    name: str = ""
    creator: str = ""
    is_private: bool = False
    is_archived: bool = False
    topic: _Topic = _Topic()


class SlackOwnChannels:
    """Makes channels by name; one that has the name and was made by us is ours."""

    def __init__(self, api: SlackApi, installation: Installation) -> None:
        self._api = api
        self._us = installation

    async def open(self, name: str, *, like: str) -> str:
        is_private = _channel(await self._api.read(Method.CHANNEL, channel=like)).is_private
        try:
            answer = await self._api.write(Method.CREATE_CHANNEL, {"name": name, "is_private": is_private})
        except NeedsAPerson as exc:
            raise Refused(str(exc)) from exc
        except Invalid as exc:
            if "name_taken" not in str(exc):
                raise Refused(str(exc)) from exc
            return await self._ours(name)
        return _channel(answer).id

    async def find(self, name: str) -> FoundChannel | None:
        found = await self._with_name(name)
        if found is None or found.is_archived:
            return None
        return FoundChannel(id=found.id, topic=found.topic.value)

    async def describe(self, channel: str, topic: str) -> None:
        try:
            await self._api.write(Method.SET_TOPIC, {"channel": channel, "topic": topic})
        except (NeedsAPerson, Invalid) as exc:
            raise Refused(str(exc)) from exc

    async def link(self, channel: str, title: str, url: str) -> None:
        standing = (await self._api.read(Method.BOOKMARKS, channel_id=channel)).get("bookmarks")
        found = standing if isinstance(standing, list) else []
        if not any(isinstance(one, dict) and one.get("link") == url for one in found):
            body = {"channel_id": channel, "title": title, "type": "link", "link": url}
            await self._api.write(Method.ADD_BOOKMARK, body)

    async def invite(self, channel: str, user: SlackUserId) -> None:
        try:
            await self._api.write(Method.INVITE, {"channel": channel, "users": user})
        except Invalid as exc:
            if "already_in_channel" not in str(exc):
                raise Refused(str(exc)) from exc

    def address(self, channel: str, ts: str | None = None) -> str:
        message = f"/p{ts.replace('.', '')}" if ts is not None else ""
        return f"{self._us.url or 'https://slack.com/'}archives/{channel}{message}"

    async def _ours(self, name: str) -> str:
        found = await self._with_name(name)
        if found is None:
            raise Refused(f"the name #{name} is taken by a channel that is not ours")
        if found.is_archived:
            raise Refused(f"#{name} was archived")
        return found.id

    async def _with_name(self, name: str) -> _Channel | None:
        """Return the channel of this name that we made, archived or not."""
        async for channel in self._channels():
            if channel.name == name and channel.creator == self._us.bot_user_id:
                return channel
        return None

    async def _channels(self) -> AsyncIterator[_Channel]:
        cursor = ""
        for _ in range(_PAGES):
            more = {"cursor": cursor} if cursor else {}
            answer = await self._api.read(
                Method.CHANNELS, types="public_channel,private_channel", limit=_PAGE, **more
            )
            page = answer.get("channels")
            for one in page if isinstance(page, list) else ():
                yield _parsed(one)
            metadata = answer.get("response_metadata")
            cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, dict) else ""
            if not cursor:
                return


def _channel(answer: Mapping[str, object]) -> _Channel:
    return _parsed(answer.get("channel"))


def _parsed(found: object) -> _Channel:
    try:
        return _Channel.model_validate(found)
    except ValidationError as exc:
        raise Unavailable("Slack's answer about a channel cannot be read.") from exc
