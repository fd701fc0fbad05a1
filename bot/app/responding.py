"""Answer a question in words about one incident with a model; each sentence is checked before it is read.

The model reads through our tools alone. It proposes, approves and runs nothing, and its words change nothing.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from bot.app.commands.finding import where
from bot.app.findings import Question
from bot.app.look_ups import LookUps, OnLookUp, silently
from bot.app.opinion import harmless
from bot.app.prompting import LONGEST_TITLE, question_of, services_near
from bot.app.tools import clean_line
from bot.app.wording import counted
from bot.app.world import World
from bot.domain.diagnosis import Claim, ModelCall, NoDiagnosis, Silence, ToolResult, Trust, Window
from bot.domain.document import Document, Line, Section, lines
from bot.domain.record import IncidentRecord
from bot.domain.redaction import Redacted
from bot.domain.reply import Replied, ReplyOutcome, WordsAsked
from bot.domain.reply_grounding import GroundedReply, ground_reply
from bot.ports import Respondent

DEADLINE_S: Final = 20.0
MARGIN_S: Final = 0.5
MOST_CALLS: Final = 4
MOST_QUESTIONS: Final = 20
"""Our choice for one incident: beyond it the commands answer, and the day's budget is left for others."""
LONGEST_QUESTION: Final = 500
QUESTION_ASKED: Final = "question_asked"
OUT_OF_SCOPE: Final = (
    "I answer questions about this incident and the services around it, from the record and its sources. "
    "I cannot help with that, and I decide and run nothing."
)
NOT_KNOWN: Final = "I do not know: nothing that I may read answers that."


@dataclass(frozen=True)
class Responded:
    """What people read."""

    document: Document
    sentences: tuple[str, ...]
    """The answer itself, each sentence checked."""
    is_known: bool
    """At least one sentence of an answer is left."""


@dataclass(frozen=True)
class Silent:
    """No model answered, and why, in our words."""

    why: str


async def respond(
    world: World,
    respondent: Respondent,
    record: IncidentRecord,
    words: str,
    *,
    deadline_s: float = DEADLINE_S,
    on_look_up: OnLookUp = silently,
) -> Responded | Silent:
    """Return the checked answer to *words*, or why there is none."""
    if await _asked_before(world, record) >= MOST_QUESTIONS:
        return Silent(f"{MOST_QUESTIONS} questions were asked about this incident already")
    question = _question(world, record)
    asked = _asked(world, record, question, words, within_s=max(0.1, deadline_s - 2 * MARGIN_S))
    look_ups = LookUps(world, question, asked, on_look_up=on_look_up)
    said: Replied | NoDiagnosis
    try:
        async with asyncio.timeout(deadline_s):
            said = await respondent.reply(asked, look_ups)
    except TimeoutError:
        said = NoDiagnosis(reason=Silence.TIMEOUT, words=f"no answer within {deadline_s:g} s")
    grounded = None
    if isinstance(said, Replied):
        grounded = ground_reply(
            said.reply, look_ups.results, allowed=asked.playbooks, known=frozenset(world.playbooks)
        )
    await _note(world, record, asked, look_ups, said, grounded)
    if grounded is None or isinstance(said, NoDiagnosis):
        return Silent(said.words if isinstance(said, NoDiagnosis) else "")
    document = _document(world, asked, said, grounded, look_ups)
    told = tuple(line.text for line in document.sections[0].lines)
    return Responded(document, told, is_known=grounded.outcome is ReplyOutcome.ANSWERED)


def title_of(world: World, words: str) -> str:
    """Return what stands above the answer to *words*."""
    return f"You asked: {harmless(world, _shown(world, words))}"


def _shown(world: World, words: str) -> str:
    return clean_line(world, words)[:LONGEST_QUESTION]


async def _asked_before(world: World, record: IncidentRecord) -> int:
    return sum(entry.act == QUESTION_ASKED for entry in await world.audit.entries(record.id))


def _question(world: World, record: IncidentRecord) -> Question:
    """Return what the tools look at; of other incidents they tell only those of the same channel."""
    ranking = record.assessment.ranking if record.assessment else None

    def tells_of(other: IncidentRecord) -> bool:
        return where(world, other) == where(world, record)

    if ranking is None:
        at = record.incident.opened_at
        window = Window(start=at - world.manners.lookback, end=at)
        return Question(record=record, suspects=(), onset=window, tells_of=tells_of)
    known = question_of(world, record, ranking)
    return Question(record=record, suspects=known.suspects, onset=known.onset, tells_of=tells_of)


def _asked(
    world: World, record: IncidentRecord, question: Question, words: str, *, within_s: float
) -> WordsAsked:
    name = record.incident.service
    service = world.catalogue.services.get(name) if name else None
    return WordsAsked(
        incident=record.id,
        service=name,
        title=Redacted(clean_line(world, record.incident.title)[:LONGEST_TITLE]),
        question=Redacted(_shown(world, words)),
        onset=question.onset.end,
        now=world.clock.now(),
        candidates=tuple(candidate for candidate, _ in question.suspects),
        services=services_near(world, question),
        playbooks=tuple(one for one in service.playbooks if one in world.playbooks) if service else (),
        max_calls=MOST_CALLS,
        within_s=within_s,
    )


async def _note(
    world: World,
    record: IncidentRecord,
    asked: WordsAsked,
    look_ups: LookUps,
    said: Replied | NoDiagnosis,
    grounded: GroundedReply | None,
) -> None:
    """Put on record that a model was asked, by counts and digests: no text of the question or the answer."""
    for call in said.calls:
        world.telemetry.model_called(
            call.failure.value if call.failure else "answered",
            tokens_in=call.tokens_in,
            tokens_out=call.tokens_out,
            cost_usd=call.cost_usd,
        )
    if isinstance(said, NoDiagnosis):
        world.telemetry.degraded(f"model {said.reason.value}")
    last: ModelCall | None = said.calls[-1] if said.calls else None
    await world.audit.append(
        QUESTION_ASKED,
        actor="handrail",
        incident=record.id,
        body={
            "model": last.model if last else None,
            "prompt": last.prompt if last else None,
            "input_sha256": asked.input_sha256,
            "calls": len(said.calls),
            "look_ups": look_ups.made,
            "tokens_in": sum(call.tokens_in for call in said.calls),
            "tokens_out": sum(call.tokens_out for call in said.calls),
            "failure": said.reason.value if isinstance(said, NoDiagnosis) else None,
            "outcome": grounded.outcome.value if grounded else None,
            "sentences": len(grounded.sentences) if grounded else 0,
            "dropped": len(grounded.faults) if grounded else 0,
            "faults": ", ".join(sorted(set(grounded.faults))) if grounded else "",
        },
    )


def _document(
    world: World, asked: WordsAsked, said: Replied, grounded: GroundedReply, look_ups: LookUps
) -> Document:
    sections: list[Section] = []
    match grounded.outcome:
        case ReplyOutcome.OUT_OF_SCOPE:
            sections.append(Section(heading="Answer", lines=lines([OUT_OF_SCOPE])))
        case ReplyOutcome.UNKNOWN:
            sections.append(Section(heading="Answer", lines=lines([NOT_KNOWN])))
        case ReplyOutcome.ANSWERED:
            told = tuple(_sentence(world, one, look_ups.results) for one in grounded.sentences)
            sections.append(Section(heading="Answer", lines=told))
            rests_on = lines(_sources(world, grounded.sentences, look_ups.results))
            sections.append(Section(heading="What it rests on", lines=rests_on))
    model = harmless(world, said.model)
    notes = [f"Written by the model {model} from {counted(look_ups.made, 'look-up')}. It decides nothing."]
    if count := len(grounded.faults):
        were = "sentence was" if count == 1 else "sentences were"
        notes.append(f"{count} {were} left out: not backed by what was looked up, or telling what to do.")
    return Document(
        title=title_of(world, asked.question),
        sections=(*sections, Section(heading="How it came about", lines=lines(notes))),
    )


def _sentence(world: World, sentence: Claim, results: list[ToolResult]) -> Line:
    """Return a sentence with its sources; one that rests on free text alone says so."""
    cited = [result for result in results if result.result_id in sentence.evidence]
    is_hearsay = all(result.trust is Trust.HUMAN for result in cited)
    mark = " (so says a text that anybody may have written)" if is_hearsay else ""
    return Line(text=f"{harmless(world, sentence.text)} [{', '.join(sentence.evidence)}]{mark}")


def _sources(world: World, sentences: tuple[Claim, ...], results: list[ToolResult]) -> list[str]:
    """Return each cited result once, with what was quoted of it."""
    found = []
    for result in results:
        quotes = dict.fromkeys(
            quote
            for sentence in sentences
            if result.result_id in sentence.evidence
            for quote in sentence.quotes
            if quote in result.text
        )
        if quotes:
            said = " … ".join(harmless(world, quote) for quote in quotes)
            name = result.tool.value.replace("_", " ")
            found.append(f"{result.result_id}, {name} ({result.trust.value}): “{said}”")
    return found
