"""The port `Chat` on Slack's Web API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from adapters.slack.api import Installation, Method, SlackApi
from adapters.slack.errors import may_pass
from adapters.slack.first_cards import FirstCards
from adapters.slack.pace import Edits, Pace
from adapters.slack.streams import Streams, is_titled
from adapters.slack.uploads import share
from adapters.slack.views.blocks import PARAGRAPH, sections
from adapters.slack.views.card import card_blocks, card_text, shows_whole
from adapters.slack.views.confirming import confirm_modal
from adapters.slack.views.document import document_blocks, document_modal, document_text
from adapters.slack.views.home import home_view
from adapters.slack.views.text import pieces, sentence, shorten
from bot.domain.approval import Question
from bot.domain.attachment import Attachment, is_named_after
from bot.domain.card import Card, CardRef
from bot.domain.document import Document
from bot.domain.errors import Unavailable, Unclear
from bot.domain.home import Home
from bot.domain.ids import SlackUserId

EVENT_TYPE = "handrail"
EDIT_ATTEMPTS = 4
_PAGE = 200
_PAGES = 5  # Our choice: a message whose answer was lost is among the last thousand.


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore")

    event_type: str = ""
    event_payload: Mapping[str, object] = {}


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str = ""  # One that was deleted has none.


class _Message(BaseModel):
    """A message as Slack's history has it, as far as it is read."""

    model_config = ConfigDict(extra="ignore")

    ts: str
    user: str | None = None
    bot_id: str | None = None
    text: str = ""
    metadata: _Metadata | None = None
    files: tuple[_File, ...] = ()


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore")

    messages: tuple[_Message, ...] = ()
    response_metadata: Mapping[str, object] | None = None


class SlackChat:
    """Posts, edits and finds messages. Close it with `aclose`."""

    def __init__(
        self,
        api: SlackApi,
        installation: Installation,
        *,
        pace: Pace,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._us = installation
        self._pace = pace
        self._sleep = sleep
        self._edits = Edits(pace, self._edit)
        self._streams = Streams(api, installation, pace, sleep=sleep)
        self._first_cards = FirstCards(
            self._post_card,
            lambda channel, key: self.find_card(channel, key=key),
            self.update_card,
            monotonic=pace.monotonic,
            sleep=sleep,
        )

    async def aclose(self) -> None:
        await self._first_cards.aclose()
        await self._edits.aclose()

    def shows_whole(self, card: Card) -> bool:
        return shows_whole(card)

    async def post_card(self, channel: str, card: Card, *, key: str) -> CardRef:
        """Post in the order of asking; while Slack is down the card keeps its place, and a doubtful one is
        looked for."""
        return await self._first_cards.put(channel, card, key)

    async def find_card(self, channel: str, *, key: str) -> CardRef | None:
        """Return the newest message of ours with *key* among the channel's last thousand, or None."""
        ts = await self._find(Method.HISTORY, key, channel=channel)
        return None if ts is None else CardRef(channel=channel, ts=ts)

    async def update_card(self, ref: CardRef, card: Card) -> None:
        await self._edits.put(ref, card)

    async def reply(self, ref: CardRef, document: Document, *, key: str) -> None:
        text, blocks = document_text(document), document_blocks(document)
        await self._post(ref.channel, text, blocks, key=key, thread_ts=ref.ts)

    async def has_reply(self, ref: CardRef, *, key: str) -> bool:
        return await self._find(Method.REPLIES, key, channel=ref.channel, ts=ref.ts) is not None

    async def attach(self, ref: CardRef, attachment: Attachment, *, key: str) -> None:
        await share(self._api, self._pace, ref, attachment, attachment.name(key))

    async def has_attachment(self, ref: CardRef, *, key: str) -> bool:
        async for message in self._messages(Method.REPLIES, channel=ref.channel, ts=ref.ts):
            if self._is_ours(message) and any(is_named_after(file.name, key) for file in message.files):
                return True
        return False

    async def post_document(
        self, channel: str, document: Document, *, key: str, thread_ts: str | None = None
    ) -> CardRef:
        text, blocks = document_text(document), document_blocks(document)
        return await self._post(channel, text, blocks, key=key, thread_ts=thread_ts)

    async def find_document(self, channel: str, *, key: str, thread_ts: str | None = None) -> CardRef | None:
        if thread_ts is None:
            return await self.find_card(channel, key=key)
        ts = await self._find(Method.REPLIES, key, channel=channel, ts=thread_ts)
        return None if ts is None else CardRef(channel=channel, ts=ts)

    async def update_document(self, ref: CardRef, document: Document) -> None:
        """Edit in the channel's turn. Whoever calls it again and again must leave time between the calls."""
        async with self._pace.turn(ref.channel):
            await self._send_edit(ref, document_text(document), document_blocks(document))

    async def begin_stream(self, thread: CardRef, lines: Sequence[str], *, reader: SlackUserId) -> CardRef:
        """Begin a message that grows; one whose answer was lost is looked for."""
        try:
            return await self._streams.begin(thread, lines, reader)
        except Unclear as exc:
            found = await self.find_stream(thread, lines[0])
            if found is None:
                raise Unavailable(f"Slack did not say whether it began a message: {exc}") from exc
            return found

    async def find_stream(self, thread: CardRef, title: str) -> CardRef | None:
        found = None
        async for message in self._messages(Method.REPLIES, channel=thread.channel, ts=thread.ts):
            if self._is_ours(message) and _key_of(message) is None and is_titled(message.text, title):
                found = CardRef(channel=thread.channel, ts=message.ts)  # A thread is read oldest first.
        return found

    async def grow(self, ref: CardRef, lines: Sequence[str]) -> None:
        await self._streams.grow(ref, lines)

    async def end_stream(self, ref: CardRef, lines: Sequence[str], *, key: str) -> None:
        await self._streams.end(ref, lines, _metadata(key))

    async def tell(self, channel: str, user: SlackUserId, text: str, *, thread_ts: str | None = None) -> None:
        said = sentence(text)
        paragraphs = [said] if len(said) <= PARAGRAPH else pieces(text, PARAGRAPH)
        short = said if len(said) <= PARAGRAPH else shorten(text, PARAGRAPH)
        await self._whisper(channel, user, short, sections(paragraphs), thread_ts)

    async def tell_document(
        self, channel: str, user: SlackUserId, document: Document, *, thread_ts: str | None = None
    ) -> None:
        """Show *document* to one person only: the answer to a command."""
        await self._whisper(channel, user, document_text(document), document_blocks(document), thread_ts)

    async def show_home(self, user: SlackUserId, home: Home) -> None:
        view = home_view(home, workspace_url=self._us.url)
        await self._api.write(Method.PUBLISH_VIEW, {"user_id": user, "view": view})

    async def show_details(self, trigger_id: str, document: Document) -> None:
        view = document_modal(document)
        await self._api.write(Method.OPEN_VIEW, {"trigger_id": trigger_id, "view": view})

    async def ask_to_confirm(self, trigger_id: str, question: Question) -> None:
        view = confirm_modal(question)
        await self._api.write(Method.OPEN_VIEW, {"trigger_id": trigger_id, "view": view})

    async def _post_card(self, channel: str, card: Card, key: str) -> CardRef:
        return await self._post(channel, card_text(card), card_blocks(card), key=key)

    async def _post(
        self, channel: str, text: str, blocks: object, *, key: str, thread_ts: str | None = None
    ) -> CardRef:
        body = _message(channel, text, blocks) | {"metadata": _metadata(key)}
        if thread_ts is not None:
            body["thread_ts"] = thread_ts
        async with self._pace.turn(channel):
            answer = await self._pace.patiently(lambda: self._api.write(Method.POST, body))
        where, ts = answer.get("channel"), answer.get("ts")
        if not isinstance(where, str) or not isinstance(ts, str):
            raise Unclear("Slack took a message and did not say where it stands.")
        return CardRef(channel=where, ts=ts)

    async def _whisper(
        self, channel: str, user: SlackUserId, text: str, blocks: object, thread_ts: str | None
    ) -> None:
        body = _message(channel, text, blocks) | {"user": user}
        if thread_ts is not None:
            body["thread_ts"] = thread_ts
        await self._pace.patiently(lambda: self._api.write(Method.POST_EPHEMERAL, body))

    async def _edit(self, ref: CardRef, card: Card) -> None:
        await self._send_edit(ref, card_text(card), card_blocks(card))

    async def _send_edit(self, ref: CardRef, text: str, blocks: object) -> None:
        """Send one edit; it says the same however often it arrives, so a lost answer is no reason to stop."""
        body = _message(ref.channel, text, blocks) | {"ts": ref.ts}
        attempts = AsyncRetrying(
            stop=stop_after_attempt(EDIT_ATTEMPTS),
            wait=wait_exponential(multiplier=0.5, max=5) + wait_random(0, 0.5),
            retry=retry_if_exception(may_pass),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            async for attempt in attempts:
                with attempt:
                    await self._pace.patiently(lambda: self._api.write(Method.UPDATE, body))
        except Unclear as exc:
            raise Unavailable(f"A message could not be edited: {exc}") from exc

    async def _find(self, method: Method, key: str, **where: str) -> str | None:
        async for message in self._messages(method, **where):
            if self._is_ours(message) and _key_of(message) == key:
                return message.ts
        return None

    async def _messages(self, method: Method, **where: str) -> AsyncIterator[_Message]:
        cursor = ""
        for _ in range(_PAGES):
            more = {"cursor": cursor} if cursor else {}
            page = _page(
                await self._api.read(method, limit=_PAGE, include_all_metadata=True, **where, **more)
            )
            for message in page.messages:
                yield message
            found = (page.response_metadata or {}).get("next_cursor")
            if not isinstance(found, str) or not found:
                return
            cursor = found

    def _is_ours(self, message: _Message) -> bool:
        return message.user == self._us.bot_user_id or message.bot_id == self._us.bot_id


def _message(channel: str, text: str, blocks: object) -> dict[str, object]:
    return {"channel": channel, "text": text, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _metadata(key: str) -> dict[str, object]:
    return {"event_type": EVENT_TYPE, "event_payload": {"key": key}}


def _page(answer: Mapping[str, object]) -> _Page:
    try:
        return _Page.model_validate(answer)
    except ValidationError as exc:
        raise Unavailable(f"Slack's history cannot be read: {exc.error_count()} errors.") from exc


def _key_of(message: _Message) -> object:
    metadata = message.metadata
    if metadata is None or metadata.event_type != EVENT_TYPE:
        return None
    return metadata.event_payload.get("key")
