"""Tell the incidents that share a card how the first of them ended."""

import asyncio
from collections.abc import Awaitable, Callable

from bot.app.pager_state import have_pager
from bot.app.report import post_once
from bot.app.world import World
from bot.domain.errors import Invalid, NotFound
from bot.domain.ids import IncidentId
from bot.domain.merging import Member
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord
from bot.domain.record import IncidentRecord
from bot.domain.recovery import recovery_of

Sleep = Callable[[float], Awaitable[None]]


async def pass_on(world: World, incident_id: IncidentId, *, sleep: Sleep = asyncio.sleep) -> None:
    """Write a short note to each incident that shared the card, once the first is over or proven recovered.

    With the team's leave to resolve, those that are open are resolved as well: before the first one, so that
    its end does not give each of them a card.
    """
    record = await world.book.get(incident_id)
    if record is None or record.card is None or world.manners.merging is None:
        return
    recovered = recovery_of(record, await world.gate.proposals(incident_id))
    if record.incident.is_open and recovered is None:
        return
    for member in (await world.groups.company(incident_id)).merged:
        await _note(world, record, member, recovered, sleep)
        if recovered is not None and world.manners.resolve_when_recovered and member.is_open:
            await _resolve(world, record, member)


async def _note(
    world: World, record: IncidentRecord, member: Member, recovered: ProposalRecord | None, sleep: Sleep
) -> None:
    key = f"merged-summary:{record.id}:{record.life}:{member.incident}"
    text = f"{_text(record, member, recovered)}\n\n[handrail {key}]"

    async def send() -> None:
        await world.incidents.add_note(member.incident, text)

    async def was_sent() -> bool:
        return any(f"[handrail {key}]" in found for found in await world.incidents.notes(member.incident))

    try:
        await post_once(world, f"pagerduty:{key}", member.incident, send=send, was_sent=was_sent, sleep=sleep)
    except (Invalid, NotFound):
        world.telemetry.degraded("PagerDuty note")  # It will never take it; the first one has the summary.


def _text(record: IncidentRecord, member: Member, recovered: ProposalRecord | None) -> str:
    name = record.incident.title or record.id
    said = [f"This was handled together with {record.id}, “{name}”, because {member.words}."]
    if record.assessment is not None:
        said.append(f"{record.assessment.cause.headline}.")
    if recovered is None:
        said.append(f"{record.id} is resolved.")
    else:
        said.append(f"{Plan.from_bytes(recovered.plan).title}: recovered, {recovered.reason}.")
    said.append(f"The whole summary is a note of {record.id}: {record.incident.url or 'ask PagerDuty'}")
    if recovered is not None:
        said.append("That this incident recovered too was not measured by itself.")
    return " ".join(said)


async def _resolve(world: World, record: IncidentRecord, member: Member) -> None:
    try:
        await have_pager(world, "resolve", member.incident, f"{record.id} life {record.life}")
    except (Invalid, NotFound):
        return  # Somebody was quicker: it is resolved, or gone.
