"""Messages in a thread that grow while they are written: Slack's streams, as far as we use them.

Slack shows the growth to the one reader who is named; everybody else sees the beginning, and then the end.
Nothing but the end can carry our key, and a stream takes no edit before its end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from adapters.slack.api import Installation, Method, SlackApi
from adapters.slack.errors import may_pass
from adapters.slack.pace import Pace
from adapters.slack.views.text import escape
from bot.domain.card import CardRef
from bot.domain.errors import NotFound, Unavailable, Unclear
from bot.domain.ids import SlackUserId

END_ATTEMPTS = 3
_LONGEST = 12_000  # Slack's limit for the text of one call.


class Streams:
    """Begins, continues and ends such messages."""

    def __init__(
        self,
        api: SlackApi,
        installation: Installation,
        pace: Pace,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._us = installation
        self._pace = pace
        self._sleep = sleep

    async def begin(self, thread: CardRef, lines: Sequence[str], reader: SlackUserId) -> CardRef:
        """Return where it stands.

        Raises:
            Unclear: the answer was lost.
            HandrailError: Slack refuses, which is not waited out: one that is posted whole does as well.
        """
        body = {
            "channel": thread.channel,
            "thread_ts": thread.ts,
            "recipient_team_id": self._us.team_id,
            "recipient_user_id": reader,
            "markdown_text": _markdown(lines),
        }
        async with self._pace.turn(thread.channel):
            answer = await self._api.write(Method.START_STREAM, body)
        ts = answer.get("ts")
        if not isinstance(ts, str):
            raise Unclear("Slack began a message and did not say where it stands.")
        return CardRef(channel=thread.channel, ts=ts)

    async def grow(self, ref: CardRef, lines: Sequence[str]) -> None:
        body = {"channel": ref.channel, "ts": ref.ts, "markdown_text": _markdown(lines)}
        async with self._pace.turn(ref.channel, may_hurry=True):
            await self._api.write(Method.APPEND_STREAM, body)

    async def end(self, ref: CardRef, lines: Sequence[str], metadata: object) -> None:
        """End it. Sent again after a lost answer it does no harm: what has ended says so."""
        body: dict[str, object] = {"channel": ref.channel, "ts": ref.ts, "metadata": metadata}
        if lines:
            body["markdown_text"] = _markdown(lines)
        attempts = AsyncRetrying(
            stop=stop_after_attempt(END_ATTEMPTS),
            wait=wait_exponential(multiplier=0.5, max=5),
            retry=retry_if_exception(may_pass),
            sleep=self._sleep,
            reraise=True,
        )
        async with self._pace.turn(ref.channel, may_hurry=True):
            try:
                async for attempt in attempts:
                    with attempt:
                        await self._pace.patiently(lambda: self._api.write(Method.STOP_STREAM, body))
            except NotFound:
                return  # It has ended: by us, by a person, or by Slack after some minutes.
            except Unclear as exc:
                raise Unavailable(f"A message could not be ended: {exc}") from exc


def is_titled(text: str, title: str) -> bool:
    """Say whether a message's *text* begins with *title*, by letters and digits: markup varies."""
    return _bare(text).startswith(_bare(escape(title)))


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _markdown(lines: Sequence[str]) -> str:
    """Return a paragraph for each line in which nothing makes a mention, a link or a style."""
    # In Markdown, brackets before a parenthesis make a link, which `escape` knows nothing of.
    said = "".join(f"{escape(line).replace('](', '] (')}\n\n" for line in lines)
    return said[:_LONGEST]
