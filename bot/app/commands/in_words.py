"""A question in words in an incident's thread, for a model: one message says that it looks, and is edited."""

from dataclasses import dataclass

from bot.app.commands.asked import Answer, Asked, Question, Way
from bot.app.commands.finding import find
from bot.app.commands.people import member
from bot.app.responding import Responded, Silent, respond, title_of
from bot.app.unfolding import unfolding
from bot.app.world import World
from bot.domain.card import CardRef
from bot.domain.document import Document, Section, lines
from bot.domain.errors import HandrailError, Tampered, Unavailable, Unclear
from bot.domain.person import Person
from bot.domain.record import IncidentRecord
from bot.ports import PostState, Respondent

LOOKING = Document(
    title="Looking…",
    sections=(Section(heading="Your question", lines=lines(["A model reads what the record says."])),),
)


@dataclass(frozen=True)
class Place:
    """A question that a model may be asked, and the incident of its thread."""

    asked: Asked
    record: IncidentRecord
    thread: CardRef
    """The incident's card."""

    @property
    def key(self) -> str:
        return f"asked:{self.asked.key[:32]}"


@dataclass(frozen=True)
class NoModel:
    """No model answered: why, and which message waits for another answer."""

    why: str
    instead_of: CardRef


async def by_model(world: World, question: Question, words: str, nearest: str) -> Answer | NoModel | None:
    """Return a model's checked answer, or why there is none; None when a model is not to be asked.

    It is asked by members of the workspace in the thread of a card. *nearest* is the command that they may
    give when the model does not know.
    """
    respondent, asked = world.respondent, question.asked
    if respondent is None or asked.way is not Way.MENTION:
        return None
    place = await _place(world, question)
    if place is None or not isinstance(await member(world, asked.user), Person):
        return None
    with world.questions.one() as is_free:
        if not is_free:
            return None
        said, ref = await _answered(world, respondent, place, words)
    if isinstance(said, Silent):
        return NoModel(said.why, ref)
    answer = Answer(said.document, about=(place.record,), instead_of=ref)
    if said.is_known or not nearest:
        return answer
    return answer.followed_by(Section(heading="Nearest command", lines=lines([f"/incident {nearest}"])))


async def _place(world: World, question: Question) -> Place | None:
    asked = question.asked
    if asked.thread_ts is None:
        return None
    found = await find(world, question, None)
    if isinstance(found, Answer):
        return None
    here = CardRef(channel=asked.channel, ts=asked.thread_ts)
    return Place(asked, found.record, here) if found.record.card == here else None


async def _answered(
    world: World, respondent: Respondent, place: Place, words: str
) -> tuple[Responded | Silent, CardRef]:
    """Return the model's answer, and the message in the thread that waits to be edited into it."""
    title = title_of(world, words)
    ref, grows = await _begin(world, place, title)
    try:
        if not grows:
            return await respond(world, respondent, place.record, words), ref
        async with unfolding(world, ref, place.record.incident.service) as on_look_up:
            said = await respond(world, respondent, place.record, words, on_look_up=on_look_up)
    except Tampered:
        raise
    except HandrailError as exc:
        said = Silent(str(exc))  # The message stands, and must not say for ever that somebody looks.
    if grows:
        told = said.sentences if isinstance(said, Responded) else ()
        try:
            await world.chat.end_stream(ref, told, key=place.key)
        except HandrailError:
            ref = await _say_looking(
                world, place
            )  # One that still grows takes no edit: the answer gets its own.
    return said, ref


async def _begin(world: World, place: Place, title: str) -> tuple[CardRef, bool]:
    """Return the message that is edited later, and whether it grows. Handled again, it is the same one."""
    state = await world.outbox.claim(f"slack:{place.key}", place.record.id)
    if state is not PostState.FIRST:
        known = await _known(world, place)
        if known is not None:
            return known, False
        known = await world.chat.find_stream(place.thread, title)
        if known is not None:
            return known, True
    try:
        ref = await world.chat.begin_stream(place.thread, (title, LOOKING.title), reader=place.asked.user)
    except HandrailError:
        return await _say_looking(world, place), False  # One message that is edited says the same, later.
    await world.outbox.sent(f"slack:{place.key}")
    return ref, True


async def _say_looking(world: World, place: Place) -> CardRef:
    try:
        ref = await world.chat.post_document(
            place.asked.channel, LOOKING, key=place.key, thread_ts=place.asked.thread_ts
        )
    except Unclear as exc:
        found = await _known(world, place)
        if found is None:
            raise Unavailable(f"Slack did not say whether it took a message: {exc}") from exc
        ref = found
    await world.outbox.sent(f"slack:{place.key}")
    return ref


async def _known(world: World, place: Place) -> CardRef | None:
    asked = place.asked
    return await world.chat.find_document(asked.channel, key=place.key, thread_ts=asked.thread_ts)
