"""`propose`, `runbook` and `verify`: what could be run, and whether it is better now."""

import asyncio
from difflib import get_close_matches

import structlog

from bot.app.also import standing_of
from bot.app.commands.asked import Answer, Misused, Question, plain
from bot.app.commands.finding import named_by
from bot.app.commands.people import who_changes
from bot.app.investigate import drafted, investigate
from bot.app.propose import is_live
from bot.app.show import show
from bot.app.similar import suspect_of
from bot.app.stop import stop as stop_incident
from bot.app.watching import is_healthy
from bot.app.wording import clock_time, counted
from bot.app.world import World
from bot.domain.catalogue import Signal
from bot.domain.document import Document, Line, Section, lines
from bot.domain.errors import HandrailError
from bot.domain.ids import PlaybookId
from bot.domain.person import Person
from bot.domain.plan import Plan
from bot.domain.proposal import HOLDS_TARGET, ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord
from bot.ports import Reading

log = structlog.get_logger()

_DECIDED = HOLDS_TARGET | {ProposalState.APPROVED}


async def propose(world: World, question: Question) -> Answer:
    """Propose a playbook because a person asks for it: what runs is decided on the card like any other."""
    word, wanted = await _wanted(world, question)
    meant = await who_changes(world, question, word)
    if isinstance(meant, Answer):
        return meant
    found, person = meant
    proposals = await world.gate.proposals(found.id)
    if why := await _why_not(world, found, proposals[-1] if proposals else None, wanted):
        return plain(f"Nothing was proposed: {why}.")
    try:
        if wanted is None:
            await investigate(world, found.id, requester=person.id)
        else:
            await _propose(world, found, wanted, person)
    except HandrailError as exc:
        return plain(f"Nothing was proposed: {exc}.")
    return await _proposed(world, found, len(proposals))


async def _wanted(world: World, question: Question) -> tuple[str | None, PlaybookId | None]:
    """Return the word that names the incident and the playbook; raises `Misused` for any other word."""
    id_: str | None = None
    wanted: PlaybookId | None = None
    for word in question.words:
        if wanted is None and word.casefold() in world.playbooks:
            wanted = word.casefold()
        elif id_ is None and await named_by(world, question, word) is not None:
            id_ = word
        else:
            near = get_close_matches(word.casefold(), world.playbooks, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise Misused(f"“{word[:40]}” is neither a playbook nor an incident on record.{hint}")
    return id_, wanted


async def _why_not(
    world: World, record: IncidentRecord, last: ProposalRecord | None, wanted: PlaybookId | None
) -> str:
    if not record.incident.is_open:
        return f"{record.id} is not open"
    if where := await standing_of(world, record.id):
        return f"{record.id} has no card of its own ({where})"
    if record.assessment is None:
        return f"{record.id} was not assessed yet; ask again in a moment"
    if last is None:
        return ""
    plan = Plan.from_bytes(last.plan)
    if last.state in _DECIDED or (last.approvals and is_live([last])):
        # An approval is somebody's word: who disagrees denies it on the card, with their name to it.
        stands = last.state.value.replace("_", " ")
        return f"“{plan.title}” is {stands} already; the card says what can be done about it"
    if is_live([last]) and wanted in (None, plan.playbook):
        return f"“{plan.title}” waits for a decision on the card already"
    return ""


async def _propose(world: World, record: IncidentRecord, wanted: PlaybookId, person: Person) -> None:
    """Store the plan in place of one that waits undecided. Raises `InvalidPlan`, `Unavailable`."""
    if record.assessment is None:
        return
    named = suspect_of(record)
    digest = record.assessment.evidence_digest
    plan = await drafted(world, record.incident, named, digest, person.id, wanted)
    made = await world.gate.propose(plan)
    log.info(
        "proposed", proposal_id=made.id, playbook=plan.playbook, risk=plan.risk.value, requester=person.id
    )


async def _proposed(world: World, record: IncidentRecord, before: int) -> Answer:
    """Bring the new proposal onto the card, and say what came of the asking."""
    await world.workflows.wake(record.id, record.life)
    await show(world, record.id)
    proposals = await world.gate.proposals(record.id)
    if len(proposals) == before:
        known = await world.book.get(record.id)
        notes = known.assessment.notes if known and known.assessment else ()
        return plain("Nothing was proposed.", Section(heading="Why", lines=lines(notes or ["See the card."])))
    plan = Plan.from_bytes(proposals[-1].plan)
    said = [
        f"{plan.title}. Nothing runs before people approve it on the card.",
        f"Risk {plan.risk.value}; it takes {counted(plan.quorum, 'approval')}.",
        "It is on record that you asked.",
    ]
    if "requester" in plan.excludes:
        said.append("Whoever asked does not count as an approver of this one.")
    title = f"{plan.playbook} is proposed for {record.id}"
    return Answer(
        Document(title=title, sections=(Section(heading="On the card", lines=lines(said)),)), about=(record,)
    )


async def stop(world: World, question: Question) -> Answer:
    """Stop what is proposed or what runs, on a person's word."""
    if len(question.words) > 1:
        raise Misused("Too many words.")
    meant = await who_changes(world, question, question.words[0] if question.words else None)
    if isinstance(meant, Answer):
        return meant
    found, person = meant
    return plain(await stop_incident(world, found.id, person))


async def runbook(world: World, question: Question, record: IncidentRecord) -> Answer:
    """Tell where the service's runbook and dashboard are, and which playbooks may be asked for."""
    name = record.incident.service
    service = world.catalogue.services.get(name) if name else None
    if service is None:
        said = lines(["The service has no entry in services.yaml, so no runbook is known."])
        section = Section(heading="Runbook", lines=said)
        return Answer(Document(title=f"Runbook of {record.id}", sections=(section,)), about=(record,))
    links = [
        Line(text=what, url=url)
        for what, url in (("Runbook", service.runbook_url), ("Dashboard", service.dashboard_url))
        if url
    ]
    allowed = [world.playbooks[one].playbook for one in service.playbooks if one in world.playbooks]
    playbooks = [
        f"{one.id}: answers {', '.join(one.when.kinds) or 'no suspected change'}; risk {one.risk.value}; "
        f"steps {', '.join(step.name for step in one.steps)}. Ask: /incident propose {one.id}"
        for one in allowed
    ]
    return Answer(
        Document(
            title=f"Runbook of {name}",
            sections=(
                Section(
                    heading="For people to read",
                    lines=tuple(links) or lines(["services.yaml names no runbook_url for it."]),
                ),
                Section(heading="Playbooks it allows", lines=lines(playbooks or ["None."])),
            ),
        ),
        about=(record,),
    )


async def verify(world: World, question: Question, record: IncidentRecord) -> Answer:
    """Read the plan's signal now and say on which side it is; without a plan, the service's signals.

    It tells and nothing more: no proposal ends by it.
    """
    proposals = await world.gate.proposals(record.id)
    if proposals:
        plan = Plan.from_bytes(proposals[-1].plan)
        reading = await _read(world, plan.verify.signal)
        side = "healthy" if is_healthy(plan.verify, reading) else "not healthy"
        if reading.value is None:
            side = "unknown, which never counts as healthy"
        check = plan.verify
        said = [
            f"{check.signal_name} of {plan.service} {_said(reading)}, "
            f"it should be {check.healthy.value} {check.threshold}: {side}",
            f"{plan.title} is {proposals[-1].state.value.replace('_', ' ')}; "
            "this look changes nothing about that.",
        ]
        title = f"{record.id} is {side} at {clock_time(reading.at)}"
        return Answer(
            Document(title=title, sections=(Section(heading="Now", lines=lines(said)),)), about=(record,)
        )
    return await _signals_now(world, record)


async def _signals_now(world: World, record: IncidentRecord) -> Answer:
    name = record.incident.service
    service = world.catalogue.services.get(name) if name else None
    signals = service.signals if service else {}
    readings = await asyncio.gather(*(_read(world, signal) for signal in signals.values()))
    said = [f"{one} of {name} {_said(reading)}" for one, reading in zip(signals, readings, strict=True)]
    section = Section(heading="Now", lines=lines(said or ["services.yaml names no signal of it."]))
    title = f"{record.id} has no plan, so nothing says what is healthy"
    return Answer(Document(title=title, sections=(section,)), about=(record,))


async def _read(world: World, signal: Signal) -> Reading:
    try:
        async with asyncio.timeout(world.manners.look_up.total_seconds()):
            return await world.signals.read(signal)
    except TimeoutError:
        return Reading(value=None, at=world.clock.now(), why="no answer in time")


def _said(reading: Reading) -> str:
    return f"reads {reading.value:.4g}" if reading.value is not None else f"is unknown ({reading.why})"
