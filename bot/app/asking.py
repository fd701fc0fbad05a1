"""Which suspects people are asked about, and what they have said."""

from bot.app.world import World
from bot.domain.card import Cause, SuspectLine
from bot.domain.document import Ask
from bot.domain.ids import ChangeId
from bot.domain.label import LabelSource, Verdict, standing
from bot.domain.record import IncidentRecord

_SHOWN_NAMES = 5


def named_ask(record: IncidentRecord) -> Ask | None:
    """Return the suspect that the card names, if it names one."""
    cause = record.assessment.cause if record.assessment else None
    if cause is None or cause.named is None:
        return None
    line = _line(cause, cause.named)
    return _ask(record, line) if line is not None else None


def other_asks(record: IncidentRecord) -> tuple[Ask, ...]:
    """Return the suspects on the card that it does not name."""
    cause = record.assessment.cause if record.assessment else None
    channel = record.card.channel if record.card else None
    others = [line for line in (cause.suspects if cause else ()) if cause and line.change != cause.named]
    asks = (_ask(record, line) for line in others)
    return tuple(ask.model_copy(update={"channel": channel}) for ask in asks if ask is not None)


async def what_people_said(world: World, record: IncidentRecord) -> tuple[str, ...]:
    """Return a line for each thing that people say now; what they took back is not shown."""
    found = [one for one in standing(await world.labels.of(record.id)) if one.source is LabelSource.PERSON]
    cause = record.assessment.cause if record.assessment else None
    by_words: dict[str, list[str]] = {}
    for label in found:
        is_named = cause is not None and label.change == cause.named
        words = "This was it" if label.verdict is Verdict.WAS_IT else "Not it"
        if not is_named:
            title = _title(cause, label.change)
            words = f"It was {title}" if label.verdict is Verdict.WAS_IT else f"It was not {title}"
        by_words.setdefault(words, []).append(label.name)
    return tuple(f"{words}: {_names(names)}" for words, names in by_words.items())


def _names(names: list[str]) -> str:
    rest = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _line(cause: Cause, change: ChangeId) -> SuspectLine | None:
    return next((line for line in cause.suspects if line.change == change), None)


def _title(cause: Cause | None, change: ChangeId) -> str:
    line = _line(cause, change) if cause is not None else None
    return line.title if line is not None else change


def _ask(record: IncidentRecord, line: SuspectLine) -> Ask | None:
    if line.change is None or record.assessment is None:
        return None
    return Ask(
        incident=record.id, change=line.change, digest=record.assessment.evidence_digest, title=line.title
    )
