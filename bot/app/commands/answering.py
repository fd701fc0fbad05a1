"""Answer a command: from the record, without a model, for the asker only unless they share it.

A question in words is the one thing that a model may answer: in the thread, checked.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from bot.app.commands.asked import DASHES, Answer, Asked, Misused, Question, Way, plain
from bot.app.commands.astray import misused, unknown
from bot.app.commands.finding import find, where
from bot.app.commands.in_words import by_model
from bot.app.commands.status import status
from bot.app.commands.table import COMMANDS, SHARE, SHARE_HELP, Command, usages
from bot.app.commands.words import guess
from bot.app.report import Sleep
from bot.app.world import World
from bot.domain.document import Document, Line, Section, lines
from bot.domain.errors import HandrailError, Tampered

log = structlog.get_logger()

LONGEST = 2_000  # Our choice: only commands that take a text need more than a line.
_LONGEST_WORDS = 200


async def answer(world: World, asked: Asked, *, sleep: Sleep = asyncio.sleep) -> Answer:
    """Return the answer; anything not understood is answered with the usage. *sleep* waits for lost answers.

    Raises:
        Tampered: the record contradicts itself, which must not stay with one person.
    """
    words, is_shared = _split(asked.text)
    try:
        said = await _answered(world, Question(asked, (), sleep=sleep), words)
    except Tampered:
        raise
    except HandrailError as exc:
        # Somebody waits: what cannot be answered is said now, and not tried again later.
        log.warning("command_not_answered", error=str(exc))
        world.telemetry.degraded("command")
        return plain(f"I could not answer that now: {exc}")
    return _shared(world, asked, said) if is_shared else said


def _split(text: str) -> tuple[Sequence[str], bool]:
    words = text.split()
    kept = [word for word in words if word.casefold().translate(DASHES) != SHARE]
    return kept, len(kept) != len(words)


def _shared(world: World, asked: Asked, said: Answer) -> Answer:
    """Return the answer for all, unless it tells of an incident that belongs into another channel."""
    if all(where(world, record) == asked.channel for record in said.about):
        return replace(said, is_shared=True)
    told = "Not shared: it tells of an incident of another channel, so it is shown to you alone."
    return said.followed_by(Section(heading=SHARE, lines=lines([told])))


async def _answered(world: World, question: Question, words: Sequence[str]) -> Answer:
    asked = question.asked
    if len(asked.text) > LONGEST or not all(word.isprintable() for word in words):
        return Answer(misused("help", "That is not a command I know."))
    if asked.way is Way.SHORTCUT:
        return await _shortcut(world, question)
    name = words[0].casefold().rstrip("?!.,:") if words else "help"
    if name == "help":
        return Answer(usage())
    command = COMMANDS.get(name)
    if command is None or (len(asked.text) > _LONGEST_WORDS and not command.takes_text):
        return await _in_words(world, question, words) or Answer(_unknown(words, command, asked))
    try:
        return await command.handler(world, replace(question, words=tuple(words[1:])))
    except Misused as exc:
        said = None if command.changes else await _in_words(world, question, words)
        return said or Answer(misused(command.name, str(exc)))


async def _in_words(world: World, question: Question, words: Sequence[str]) -> Answer | None:
    """Return the answer to a question in words: a model's, else the nearest command's; None for one typed."""
    if question.asked.way is not Way.MENTION or len(words) < 2:
        return None
    meant = guess(world, " ".join(words))
    said = await by_model(world, question, " ".join(words), " ".join(meant or ()))
    if isinstance(said, Answer):
        return said
    if said is None:
        return await _guessed(world, question, meant)
    try:
        guessed = await _guessed(world, question, meant)
    except Tampered:
        raise
    except HandrailError as exc:
        return replace(plain(f"I could not answer that now: {exc}"), instead_of=said.instead_of)
    nearest = "the nearest command answers" if guessed else "no command is near"
    note = Section(heading="Model", lines=lines([f"No model answered ({said.why}), so {nearest}."]))
    return replace(
        (guessed or Answer(unknown(words, question.asked.way))).followed_by(note), instead_of=said.instead_of
    )


async def _guessed(world: World, question: Question, meant: Sequence[str] | None) -> Answer | None:
    """Return the answer of the command that was meant; None for one that changes something."""
    command: Command | None = COMMANDS.get(meant[0]) if meant else None
    if meant is None or command is None or command.changes:
        return None
    said = await command.handler(world, replace(question, words=tuple(meant[1:])))
    told = f"I took this as: /incident {' '.join(meant)}. Mention me with help for all of them."
    return said.followed_by(Section(heading="Your question", lines=lines([told])))


async def _shortcut(world: World, question: Question) -> Answer:
    """Return how the incident of the message's thread stands, and what can be asked there."""
    found = await find(world, question, None)
    offered = usage("Incident commands", start="@handrail ")
    if isinstance(found, Answer):
        return Answer(offered)
    stands = await status(world, question, found.record)
    sections = (
        Section(heading=stands.document.title, lines=stands.document.sections[0].lines),
        *offered.sections,
    )
    return Answer(offered.model_copy(update={"sections": sections}), about=stands.about)


def _unknown(words: Sequence[str], known: Command | None, asked: Asked) -> Document:
    if known is not None:
        return misused(known.name, "That is too long for a command.")
    return unknown(words, asked.way)


def usage(title: str = "What /incident can do", *, start: str = "/incident ") -> Document:
    """Return the list of commands."""
    told = [Line(text=f"{start}{use} — {said}") for use, said in usages().values()]
    told.append(Line(text=f"{SHARE} — {SHARE_HELP}"))
    here = "In a thread, mention me instead of typing /incident; a question in words works there too."
    return Document(
        title=title,
        sections=(
            Section(heading="Commands", lines=tuple(told)),
            Section(heading="In threads", lines=lines([here])),
        ),
    )
