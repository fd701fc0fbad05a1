"""Take what people and recoveries say about a diagnosis, so that the ranking can learn from it."""

import asyncio

from bot.app.show import redraw
from bot.app.world import World
from bot.domain.approval import faithful_plan
from bot.domain.change import ChangeEvent
from bot.domain.diagnosed import diagnosis_id
from bot.domain.errors import HandrailError
from bot.domain.ids import IncidentId
from bot.domain.label import (
    RESOLVE_WITHIN,
    Feedback,
    FeedbackRuling,
    Label,
    LabelSource,
    Permitted,
    Verdict,
    label_id,
    may_label,
)
from bot.domain.person import Person
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.record import IncidentRecord
from bot.domain.rollback import is_rollback

_RECOVERY = {
    ProposalState.VERIFIED: (Verdict.WAS_IT, LabelSource.RECOVERY),
    ProposalState.NOT_RECOVERED: (Verdict.NOT_IT, LabelSource.NO_RECOVERY),
}


async def handle_feedback(world: World, press: Feedback) -> FeedbackRuling:
    """Decide *press* and answer it once: a new label shows on the card, all else is told to the person."""
    await world.stories.begin_with(press.incident, world.book)
    person, permitted = await _who(world, press)
    ruling = await world.labels.say(press, person, permitted)
    is_on_card = ruling.label is not None and press.message_ts is not None
    if not is_on_card:
        await world.chat.tell(press.channel, press.user_id, ruling.text)
    if ruling.label is not None:
        await redraw(world, press.incident)
    world.telemetry.click_answered(await world.gate.now() - press.received_at, ruling.reason.value)
    return ruling


async def _who(world: World, press: Feedback) -> tuple[Person, Permitted]:
    """Return the person as Slack knows them now. A look-up that fails lets nobody speak."""
    unknown = Person(id=press.user_id, team_id=press.team_id, name=press.user_id)
    try:
        async with asyncio.timeout(world.manners.look_up.total_seconds()):
            person = await world.directory.person(press.user_id)
    except TimeoutError:
        return unknown, Permitted(allowed=False, grounds="Slack could not say who you are in time")
    except HandrailError as exc:
        return unknown, Permitted(allowed=False, grounds=f"Slack could not say who you are ({exc})")
    return person, may_label(person)


async def label_outcome(world: World, incident_id: IncidentId) -> None:
    """Label the diagnosis by what came of it: our own rollback, or one that people made before a resolve.

    It may be called again at any time: what happened once is one label.
    """
    record = await world.book.get(incident_id)
    if record is None:
        return
    proposals = await world.gate.proposals(incident_id)
    for proposal in proposals:
        await _label_recovery(world, record, proposal)
    if not record.incident.is_open and not any(one.state in _RECOVERY for one in proposals):
        await _label_rollback(world, record)


async def _label_recovery(world: World, record: IncidentRecord, proposal: ProposalRecord) -> None:
    found = _RECOVERY.get(proposal.state)
    if found is None:
        return
    plan = faithful_plan(proposal)
    if plan is None:
        return  # Nobody learns from bytes that nobody approved.
    diagnosis = await world.diagnoses.get(diagnosis_id(record.id, plan.evidence_digest))
    if diagnosis is None or diagnosis.named is None or not plan.acts_on_suspect:
        return
    verdict, source = found
    await world.labels.add(
        Label(
            id=label_id(source.value, proposal.id),
            incident=record.id,
            diagnosis=diagnosis.id,
            change=diagnosis.named,
            verdict=verdict,
            source=source,
            at=proposal.changed_at,
        )
    )


async def _label_rollback(world: World, record: IncidentRecord) -> None:
    """People rolled the suspect back and resolved the incident after that: it was probably right."""
    diagnoses = await world.diagnoses.all(incident=record.id)
    last = diagnoses[-1] if diagnoses else None
    suspect = await world.ledger.get(last.named) if last is not None and last.named is not None else None
    if last is None or suspect is None or record.resolved_at is None:
        return
    later = await world.ledger.between([suspect.service], last.at - RESOLVE_WITHIN, record.resolved_at)
    taken_back = next((change for change in later if _takes_back(change, suspect, record)), None)
    if taken_back is None or await _was_ours(world, record.id):
        return
    await world.labels.add(
        Label(
            id=label_id(LabelSource.ROLLED_BACK.value, record.id, taken_back.id),
            incident=record.id,
            diagnosis=last.id,
            change=suspect.id,
            verdict=Verdict.WAS_IT,
            source=LabelSource.ROLLED_BACK,
            at=record.resolved_at,
        )
    )


def _takes_back(change: ChangeEvent, suspect: ChangeEvent, record: IncidentRecord) -> bool:
    """Say whether *change* went live between the page and the resolve, and put back what was before."""
    if change.id == suspect.id or change.environment != suspect.environment or record.resolved_at is None:
        return False
    is_between = record.incident.opened_at <= change.live_at <= record.resolved_at
    is_back = is_rollback(change) or (
        suspect.previous_version is not None and change.version == suspect.previous_version
    )
    return is_between and is_back and record.resolved_at - change.live_at <= RESOLVE_WITHIN


async def _was_ours(world: World, incident: IncidentId) -> bool:
    """Say whether a step of ours ran: then the change that was reported after it may be our own."""
    return bool(await world.gate.claims(incident))
