"""`ack`, `resolve`, `escalate` and `note`: what people have written to the pager, once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from bot.app.commands.asked import Answer, Handler, Misused, Question, plain
from bot.app.commands.finding import named_first
from bot.app.commands.people import who_changes
from bot.app.report import post_once
from bot.app.world import World
from bot.domain.audit import Act
from bot.domain.errors import HandrailError, Invalid, NotFound, Unavailable, Unclear
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentStatus
from bot.domain.person import OnCall, Person
from bot.domain.record import IncidentRecord

log = structlog.get_logger()

LONGEST_NOTE = 1_500  # Our choice: Slack lets people type 4,000 characters, and a note is no report.


@dataclass(frozen=True)
class Deed:
    """One write to the pager: what it is called, how it is sent, and how to tell that it was."""

    send: Callable[[], Awaitable[None]]
    was_sent: Callable[[], Awaitable[bool]]
    done: str
    """What the person reads when it is done."""
    text: str = ""
    """What was typed, redacted, for the record."""


Prepare = Callable[[World, Question, IncidentRecord, Person, str], Awaitable[Deed | Answer]]


def deed(command: str, prepare: Prepare, *, takes_text: bool = False) -> Handler:
    """Return the handler of a command that writes to the pager. It runs nothing else."""

    async def handle(world: World, question: Question) -> Answer:
        word, text = await _taken_apart(world, question, takes_text=takes_text)
        meant = await who_changes(world, question, word)
        if isinstance(meant, Answer):
            return meant
        found, person = meant
        try:
            prepared = await prepare(world, question, found, person, text)
            if isinstance(prepared, Answer):
                return prepared
            return await _write_once(world, question, command, found, person, prepared)
        except (Invalid, NotFound) as exc:
            return plain(f"PagerDuty refused to {command} {found.id}: {exc}")
        except Unavailable as exc:
            return plain(f"PagerDuty was not told to {command} {found.id}: {exc}")

    return handle


async def _taken_apart(world: World, question: Question, *, takes_text: bool) -> tuple[str | None, str]:
    """Return the word that names the incident, if there is one, and the text."""
    words = question.words
    if not takes_text:
        if len(words) > 1:
            raise Misused("Too many words.")
        return (words[0] if words else None), ""
    word, rest = await named_first(world, question)
    if not rest:
        raise Misused("What should it say?")
    return word, " ".join(rest)


async def _write_once(
    world: World, question: Question, command: str, record: IncidentRecord, person: Person, prepared: Deed
) -> Answer:
    """Write it once and tell what is known of it. Raises what says that nothing was changed."""
    key, lost = key_of(command, record.id, question), 0

    async def send() -> None:
        nonlocal lost
        # On record before it is sent: whatever PagerDuty answers, who asked for it can be told.
        await world.audit.append(
            Act.COMMANDED,
            actor=person.id,
            incident=record.id,
            body={"command": command, "name": person.name, "key": key}
            | ({"text": prepared.text} if prepared.text else {}),
        )
        try:
            await prepared.send()
        except Unclear:
            lost += 1
            raise

    try:
        await post_once(world, key, record.id, send=send, was_sent=prepared.was_sent, sleep=question.sleep)
    except HandrailError as exc:
        if not lost:
            raise
        return plain(f"It may have been done: PagerDuty's answer was lost ({exc}). Look there first.")
    log.info("pager_told", command=command, incident_id=record.id, user=person.id)
    doubt = " Its answer was lost twice: look there whether it is so." if lost > 1 else ""
    return plain(f"{prepared.done}{doubt}")


def key_of(command: str, incident: IncidentId, question: Question) -> str:
    """Name one write in the outbox, and in the pager where it takes a text."""
    return f"pagerduty:{command}:{incident}:{question.asked.key[:16]}"


async def ack(
    world: World, question: Question, record: IncidentRecord, person: Person, text: str
) -> Deed | Answer:
    """Acknowledge it, so that the pager stops to page."""
    if record.incident.status is not IncidentStatus.TRIGGERED:
        return plain(f"{record.id} is {record.incident.status.value} already.")

    async def was_sent() -> bool:
        return (await world.incidents.read(record.id)).status is not IncidentStatus.TRIGGERED

    return Deed(
        send=lambda: world.incidents.acknowledge(record.id),
        was_sent=was_sent,
        done=f"{record.id} is acknowledged in PagerDuty, on your word.",
    )


async def resolve(
    world: World, question: Question, record: IncidentRecord, person: Person, text: str
) -> Deed | Answer:
    """Resolve it. What was proposed is withdrawn once PagerDuty says so."""
    if not record.incident.is_open:
        return plain(f"{record.id} is resolved already.")

    async def was_sent() -> bool:
        return not (await world.incidents.read(record.id)).is_open

    return Deed(
        send=lambda: world.incidents.resolve(record.id),
        was_sent=was_sent,
        done=f"{record.id} is resolved in PagerDuty, on your word. What was proposed for it is withdrawn.",
    )


async def escalate(
    world: World, question: Question, record: IncidentRecord, person: Person, text: str
) -> Deed | Answer:
    """Hand it to the next level of its escalation policy at which somebody is on call."""
    if not record.incident.is_open:
        return plain(f"{record.id} is not open.")
    on_call = await world.incidents.on_call(record.incident)
    assigned = await world.incidents.assigned(record.id)
    level = max((one.level for one in on_call if one.user_id in assigned), default=1)
    above = [one for one in on_call if one.level > level]
    if not above:
        return plain(f"Nobody is on call above level {level} for {record.id}.")
    upper = min(one.level for one in above)
    people = [one for one in above if one.level == upper]

    async def was_sent() -> bool:
        now = await world.incidents.assigned(record.id)
        return any(one.user_id in now for one in people)

    return Deed(
        send=lambda: world.incidents.escalate(record.id, upper),
        was_sent=was_sent,
        done=f"{record.id} is escalated to level {upper}: {_names(people)}.",
    )


def _names(people: Sequence[OnCall]) -> str:
    return ", ".join(one.name for one in people)


async def note(
    world: World, question: Question, record: IncidentRecord, person: Person, text: str
) -> Deed | Answer:
    """Write a note into the incident, with the person's name and a marker."""
    if len(text) > LONGEST_NOTE:
        return plain(
            f"That note has {len(text)} characters; {LONGEST_NOTE} are the most. Nothing was written."
        )
    said = world.redactor.redact(text).text
    marker = f"[handrail {key_of('note', record.id, question)}]"

    async def was_sent() -> bool:
        return any(marker in found for found in await world.incidents.notes(record.id))

    hidden = " A secret in it was replaced." if said != text else ""
    return Deed(
        send=lambda: world.incidents.add_note(record.id, f"{said}\n\n{person.name}, from Slack {marker}"),
        was_sent=was_sent,
        done=f"The note is in {record.id}.{hidden}",
        text=said,
    )
