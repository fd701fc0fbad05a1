"""Keep one card for each storm: how many incidents it holds, and a list in its thread, edited in place."""

from collections import Counter
from dataclasses import dataclass, field

from bot.app.channel_topic import keep_topics
from bot.app.group import tell_threads
from bot.app.running_summary import keep_summaries
from bot.app.show import catch_up
from bot.app.wording import clock_time, counted
from bot.app.world import World
from bot.domain.card import CardRef
from bot.domain.document import Document, Section, lines
from bot.domain.errors import HandrailError
from bot.domain.merging import StormView
from bot.ports import PostState

LISTED = 60  # Our choice: as many as one message of Slack holds with room to spare.
REST_S = 5.0  # Our choice: a storm has two messages in a channel that takes one a second.
REST_EACH_S = 1.5  # Our choice: storms take 40 messages a minute of all channels, under Slack's 50 edits.


@dataclass
class Painter:
    """Draws what is not the card of one incident. What is drawn is in the record: any bot may go on."""

    world: World
    _doubted: set[str] = field(default_factory=set)
    """Posts that another bot may be sending at this moment: looked for once more before they are sent."""
    _sent: int = 0
    """Storm messages sent by the last painting."""

    @property
    def rest_s(self) -> float:
        """For how many seconds people are left to read before the next painting."""
        return max(REST_S, self._sent * REST_EACH_S)

    async def paint(self) -> bool:
        """Bring cards, threads and storms up to date; True when something must wait for the next time."""
        self._sent = 0
        is_waiting = await catch_up(self.world)
        self.world.topics.due.update(self.world.summaries.due)  # Whose cards were drawn.
        is_waiting = await keep_summaries(self.world) or is_waiting
        is_waiting = await keep_topics(self.world) or is_waiting
        if self.world.manners.merging is None:
            return is_waiting
        is_waiting = await tell_threads(self.world, self._doubted) or is_waiting
        for view in await self.world.groups.storms_to_show(LISTED):
            try:
                is_waiting = not await self._draw(view) or is_waiting
            except HandrailError:
                self.world.telemetry.degraded("Slack storm card")
                is_waiting = True
        return is_waiting

    async def _draw(self, view: StormView) -> bool:
        storm = view.storm
        if storm.ts is None and not view.newest:
            # All were over before anybody could have seen a card: the ledger has them.
            await self.world.groups.storm_shown(storm.model_copy(update={"shown": view.told}))
            return True
        card = await self._put(view, f"storm:{storm.id}", storm_card(view), at=storm.ts, thread_ts=None)
        if card is None:
            return False
        shown = storm.model_copy(update={"ts": card.ts})
        list_key = f"storm-list:{storm.id}"
        told = await self._put(view, list_key, storm_list(view), at=storm.list_ts, thread_ts=card.ts)
        if told is None:
            await self.world.groups.storm_shown(shown)
            return False
        await self.world.groups.storm_shown(shown.model_copy(update={"list_ts": told.ts, "shown": view.told}))
        return True

    async def _put(
        self, view: StormView, key: str, document: Document, *, at: str | None, thread_ts: str | None
    ) -> CardRef | None:
        """Edit the message at *at*, or post it once; None when another bot may be posting it."""
        chat, channel = self.world.chat, view.storm.channel
        self._sent += 1
        if at is not None:
            ref = CardRef(channel=channel, ts=at)
            await chat.update_document(ref, document)
            return ref
        if not view.newest:
            return None
        state = await self.world.outbox.claim(key, view.newest[0].incident)
        if state is not PostState.FIRST:
            found = await chat.find_document(channel, key=key, thread_ts=thread_ts)
            if found is not None:
                await chat.update_document(found, document)
                await self.world.outbox.sent(key)
                return found
            if key not in self._doubted:
                self._doubted.add(key)
                return None
        posted = await chat.post_document(channel, document, key=key, thread_ts=thread_ts)
        await self.world.outbox.sent(key)
        return posted


def storm_card(view: StormView) -> Document:
    """Return the one card of a storm."""
    since = clock_time(view.storm.began_at)
    said = [
        f"{counted(view.all, 'incident')} since {since}, {view.open} of them open, share this card: "
        "too many came within a minute for a card each.",
        f"Where, of the newest: {_places(view)}." if view.newest else "All of them are resolved.",
        "Nothing is proposed for them here. The list is in the thread; /incident muted says why, and "
        "/incident split ID gives one a card of its own.",
    ]
    return Document(
        title=f"Storm · {counted(view.open, 'open incident')}",
        sections=(Section(heading="What this is", lines=lines(said)),),
    )


def _places(view: StormView) -> str:
    counts = Counter(member.service or "unmapped services" for member in view.newest)
    return ", ".join(f"{name} {number}" for name, number in counts.most_common(8))


def storm_list(view: StormView) -> Document:
    """Return the list in a storm's thread: the newest open ones, and how many more there are."""
    told = [
        f"{clock_time(member.opened_at)} {member.incident} {member.service or ''} {member.title[:80]}"
        for member in view.newest
    ]
    if view.open > len(view.newest):
        told.append(f"and {view.open - len(view.newest)} older ones: /incident status ID tells of each")
    return Document(
        title=f"{counted(view.open, 'open incident')} of this storm, the newest first",
        sections=(Section(heading="Incidents", lines=lines(told or ["None is open."])),),
    )
