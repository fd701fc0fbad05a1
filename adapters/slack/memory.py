"""The twins of chat and directory in memory: what was posted is there to be read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from adapters.slack.views.card import shows_whole
from bot.domain.approval import Question
from bot.domain.attachment import Attachment
from bot.domain.card import Card, CardRef
from bot.domain.document import Document
from bot.domain.errors import Invalid, NotFound, Refused
from bot.domain.home import Home
from bot.domain.ids import SlackUserId
from bot.domain.person import Person
from bot.ports import FoundChannel


@dataclass(frozen=True)
class Reply:
    """One document in a card's thread."""

    ref: CardRef
    document: Document
    key: str


@dataclass(frozen=True)
class Attached:
    """One file in a card's thread."""

    ref: CardRef
    attachment: Attachment
    key: str


@dataclass(frozen=True)
class Posted:
    """A document for all, as it stands now."""

    document: Document
    key: str
    thread_ts: str | None


@dataclass(frozen=True)
class Whisper:
    """What one person was told."""

    channel: str
    user: SlackUserId
    said: str | Document
    thread_ts: str | None


@dataclass
class MemoryChat:
    """Keeps the newest state of each card, and everything else in order."""

    cards: dict[CardRef, Card] = field(default_factory=dict)
    keys: dict[CardRef, str] = field(default_factory=dict)
    edits: list[tuple[CardRef, Card]] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    attached: list[Attached] = field(default_factory=list)
    documents: dict[CardRef, Posted] = field(default_factory=dict)
    streams: dict[CardRef, list[str]] = field(default_factory=dict)
    """What each message that grew said, line by line."""
    growing: set[CardRef] = field(default_factory=set)
    document_edits: list[CardRef] = field(default_factory=list)
    told: list[Whisper] = field(default_factory=list)
    opened: list[tuple[str, Document]] = field(default_factory=list)
    asked: list[tuple[str, Question]] = field(default_factory=list)
    homes: dict[SlackUserId, Home] = field(default_factory=dict)
    _numbers: Iterable[int] = field(default_factory=lambda: count(1))

    def shows_whole(self, card: Card) -> bool:
        return shows_whole(card)

    async def post_card(self, channel: str, card: Card, *, key: str) -> CardRef:
        ref = CardRef(channel=channel, ts=f"1700000000.{next(iter(self._numbers)):06d}")
        self.cards[ref], self.keys[ref] = card, key
        return ref

    async def find_card(self, channel: str, *, key: str) -> CardRef | None:
        newest_first = reversed(self.keys.items())
        return next((ref for ref, known in newest_first if ref.channel == channel and known == key), None)

    async def update_card(self, ref: CardRef, card: Card) -> None:
        if ref not in self.cards:
            raise NotFound(f"There is no card {ref.ts} in {ref.channel}.")
        self.cards[ref] = card
        self.edits.append((ref, card))

    async def reply(self, ref: CardRef, document: Document, *, key: str) -> None:
        if ref not in self.cards:
            raise NotFound(f"There is no card {ref.ts} in {ref.channel}.")
        self.replies.append(Reply(ref, document, key))

    async def has_reply(self, ref: CardRef, *, key: str) -> bool:
        return any(reply.ref == ref and reply.key == key for reply in self.replies)

    async def attach(self, ref: CardRef, attachment: Attachment, *, key: str) -> None:
        if ref not in self.cards:
            raise NotFound(f"There is no card {ref.ts} in {ref.channel}.")
        self.attached.append(Attached(ref, attachment, key))

    async def has_attachment(self, ref: CardRef, *, key: str) -> bool:
        return any(one.ref == ref and one.key == key for one in self.attached)

    async def post_document(
        self, channel: str, document: Document, *, key: str, thread_ts: str | None = None
    ) -> CardRef:
        ref = CardRef(channel=channel, ts=f"1700000000.{next(iter(self._numbers)):06d}")
        self.documents[ref] = Posted(document, key, thread_ts)
        return ref

    async def find_document(self, channel: str, *, key: str, thread_ts: str | None = None) -> CardRef | None:
        found = reversed(self.documents.items())
        wanted = (channel, key, thread_ts)
        return next((r for r, one in found if (r.channel, one.key, one.thread_ts) == wanted), None)

    async def update_document(self, ref: CardRef, document: Document) -> None:
        if ref not in self.documents:
            raise NotFound(f"There is no document {ref.ts} in {ref.channel}.")
        if ref in self.growing:
            raise Invalid(f"Document {ref.ts} in {ref.channel} still grows.")
        self.documents[ref] = replace(self.documents[ref], document=document)
        self.document_edits.append(ref)

    async def begin_stream(self, thread: CardRef, lines: Sequence[str], *, reader: SlackUserId) -> CardRef:
        ref = await self.post_document(
            thread.channel, Document(title=lines[0], sections=()), key="", thread_ts=thread.ts
        )
        self.streams[ref] = [*lines]
        self.growing.add(ref)
        return ref

    async def find_stream(self, thread: CardRef, title: str) -> CardRef | None:
        wanted = (thread.channel, "", thread.ts, title)
        known = ((r, self.documents[r]) for r in reversed(self.streams))
        return next(
            (r for r, one in known if (r.channel, one.key, one.thread_ts, one.document.title) == wanted), None
        )

    async def grow(self, ref: CardRef, lines: Sequence[str]) -> None:
        if ref not in self.growing:
            raise NotFound(f"Document {ref.ts} in {ref.channel} grows no more.")
        self.streams[ref] += lines

    async def end_stream(self, ref: CardRef, lines: Sequence[str], *, key: str) -> None:
        if ref in self.growing:
            self.growing.remove(ref)
            self.streams[ref] += lines
            self.documents[ref] = replace(self.documents[ref], key=key)

    async def tell(self, channel: str, user: SlackUserId, text: str, *, thread_ts: str | None = None) -> None:
        self.told.append(Whisper(channel, user, text, thread_ts))

    async def tell_document(
        self, channel: str, user: SlackUserId, document: Document, *, thread_ts: str | None = None
    ) -> None:
        self.told.append(Whisper(channel, user, document, thread_ts))

    async def show_home(self, user: SlackUserId, home: Home) -> None:
        self.homes[user] = home

    async def show_details(self, trigger_id: str, document: Document) -> None:
        self.opened.append((trigger_id, document))

    async def ask_to_confirm(self, trigger_id: str, question: Question) -> None:
        self.asked.append((trigger_id, question))


class MemoryDirectory:
    """A directory of the given people; *groups* holds the members of user groups by id."""

    def __init__(
        self, people: Iterable[Person] = (), *, groups: Mapping[str, Iterable[SlackUserId]] | None = None
    ) -> None:
        self._people = {person.id: person for person in people}
        self._groups = {group: frozenset(members) for group, members in (groups or {}).items()}

    def put(self, person: Person) -> None:
        """Add *person*, or change what is known of them."""
        self._people[person.id] = person

    async def person(self, user: SlackUserId) -> Person:
        if user not in self._people:
            raise NotFound(f"Slack knows no user {user}.")
        return self._people[user]

    async def group_members(self, group: str) -> frozenset[SlackUserId]:
        if group not in self._groups:
            raise NotFound(f"Slack knows no user group {group}.")
        return self._groups[group]

    async def by_email(self, email: str) -> SlackUserId | None:
        wanted = email.casefold()
        return next(
            (
                person.id
                for person in self._people.values()
                if person.email is not None
                and person.email.casefold() == wanted
                and not person.is_deactivated
            ),
            None,
        )


@dataclass
class OwnChannel:
    """A channel that was made for one incident."""

    name: str
    is_private: bool = False
    topic: str = ""
    is_archived: bool = False
    links: dict[str, str] = field(default_factory=dict)
    """Titles by address."""
    invited: list[SlackUserId] = field(default_factory=list)


@dataclass
class MemoryOwnChannels:
    """Makes channels whose ids tell their number; *taken* names are another's."""

    taken: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    strangers: set[SlackUserId] = field(default_factory=set)
    opened: dict[str, OwnChannel] = field(default_factory=dict)
    sought: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    """Every topic that was set, in order."""

    async def open(self, name: str, *, like: str) -> str:
        if name in self.taken:
            raise Refused(f"the name #{name} is taken by a channel that is not ours")
        known = next((channel for channel, own in self.opened.items() if own.name == name), None)
        channel = known or f"C0OWN{len(self.opened) + 1}"
        self.opened.setdefault(channel, OwnChannel(name, is_private=like in self.private))
        return channel

    async def find(self, name: str) -> FoundChannel | None:
        self.sought.append(name)
        found = ((id_, own) for id_, own in self.opened.items() if own.name == name and not own.is_archived)
        return next((FoundChannel(id=id_, topic=own.topic) for id_, own in found), None)

    async def describe(self, channel: str, topic: str) -> None:
        if self.opened[channel].is_archived:
            raise Refused("the channel is archived")
        self.opened[channel].topic = topic
        self.topics.append(topic)

    async def link(self, channel: str, title: str, url: str) -> None:
        self.opened[channel].links.setdefault(url, title)

    async def invite(self, channel: str, user: SlackUserId) -> None:
        if user in self.strangers:
            raise Refused(f"Slack does not let {user} join")
        if user not in self.opened[channel].invited:
            self.opened[channel].invited.append(user)

    def address(self, channel: str, ts: str | None = None) -> str:
        message = f"/p{ts.replace('.', '')}" if ts is not None else ""
        return f"https://example.slack.com/archives/{channel}{message}"


class MemoryRooms:
    """Channels with the given members."""

    def __init__(self, members: Mapping[str, Iterable[SlackUserId]] | None = None) -> None:
        self._members = {channel: set(users) for channel, users in (members or {}).items()}

    def put(self, channel: str, user: SlackUserId) -> None:
        """Let *user* join *channel*."""
        self._members.setdefault(channel, set()).add(user)

    async def has(self, channel: str, user: SlackUserId) -> bool:
        return user in self._members.get(channel, ())
