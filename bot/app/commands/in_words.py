"""A question in words in an incident's thread, for a model: one message says that it looks, and is edited."""

from dataclasses import dataclass

from bot.app.commands.asked import Answer, Asked, Question, Way
from bot.app.commands.finding import find
from bot.app.commands.people import member
from bot.app.responding import Silent, respond
from bot.app.world import World
from bot.domain.card import CardRef
from bot.domain.document import Document, Section, lines
from bot.domain.errors import HandrailError, Tampered, Unavailable, Unclear
from bot.domain.person import Person
from bot.domain.record import IncidentRecord
from bot.ports import PostState

LOOKING = Document(
    title="Looking…",
    sections=(Section(heading="Your question", lines=lines(["A model reads what the record says."])),),
)


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
    record = await _incident_of_thread(world, question)
    if record is None or not isinstance(await member(world, asked.user), Person):
        return None
    with world.questions.one() as is_free:
        if not is_free:
            return None
        ref = await _say_looking(world, asked, record)
        try:
            said = await respond(world, respondent, record, words)
        except Tampered:
            raise
        except HandrailError as exc:
            said = Silent(str(exc))  # The message stands, and must not say for ever that somebody looks.
    if isinstance(said, Silent):
        return NoModel(said.why, ref)
    answer = Answer(said.document, about=(record,), instead_of=ref)
    if said.is_known or not nearest:
        return answer
    return answer.followed_by(Section(heading="Nearest command", lines=lines([f"/incident {nearest}"])))


async def _incident_of_thread(world: World, question: Question) -> IncidentRecord | None:
    asked = question.asked
    if asked.thread_ts is None:
        return None
    found = await find(world, question, None)
    if isinstance(found, Answer):
        return None
    here = CardRef(channel=asked.channel, ts=asked.thread_ts)
    return found.record if found.record.card == here else None


async def _say_looking(world: World, asked: Asked, record: IncidentRecord) -> CardRef:
    """Post the message that is edited later; handled again, it is the same one."""
    key = f"asked:{asked.key[:32]}"
    state = await world.outbox.claim(f"slack:{key}", record.id)
    if state is not PostState.FIRST:
        known = await world.chat.find_document(asked.channel, key=key, thread_ts=asked.thread_ts)
        if known is not None:
            return known
    try:
        ref = await world.chat.post_document(asked.channel, LOOKING, key=key, thread_ts=asked.thread_ts)
    except Unclear as exc:
        found = await world.chat.find_document(asked.channel, key=key, thread_ts=asked.thread_ts)
        if found is None:
            raise Unavailable(f"Slack did not say whether it took a message: {exc}") from exc
        ref = found
    await world.outbox.sent(f"slack:{key}")
    return ref
