"""Write the priority and custom fields of an incident back to the pager, where the catalogue names them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import assert_never

from bot.app.report import post_once
from bot.app.wording import stated_confidence
from bot.app.world import World
from bot.domain.catalogue import Told
from bot.domain.errors import HandrailError, Invalid, NotFound
from bot.domain.ids import IncidentId
from bot.domain.proposal import ProposalRecord
from bot.domain.record import IncidentRecord
from bot.domain.recovery import recovery_of

_MOST = 200  # PagerDuty's limit for a custom field that holds text.

Sleep = Callable[[float], Awaitable[None]]


async def prioritise(world: World, incident_id: IncidentId, *, sleep: Sleep = asyncio.sleep) -> None:
    """Give the incident the priority that its severity calls for, once, unless it has one.

    It is claimed first, so a priority that people change or take away later stays as they want it.
    """
    record = await world.book.get(incident_id)
    if record is None or not record.incident.is_open or record.incident.priority is not None:
        return
    priority = world.catalogue.pagerduty.priorities.get(record.incident.severity)
    if priority is None:
        return
    name = priority

    async def send() -> None:
        await world.incidents.prioritise(incident_id, name)

    async def was_sent() -> bool:
        return (await world.incidents.read(incident_id)).priority is not None

    key = f"pagerduty:priority:{incident_id}"
    try:
        await post_once(world, key, incident_id, send=send, was_sent=was_sent, sleep=sleep)
    except HandrailError:
        world.telemetry.degraded("PagerDuty priority")


async def tell_fields(world: World, incident_id: IncidentId, *, sleep: Sleep = asyncio.sleep) -> None:
    """Write the custom fields at the end of this life of the incident, once.

    Raises:
        Unavailable: call again later.
    """
    named = world.catalogue.pagerduty.custom_fields
    record = await world.book.get(incident_id)
    if not named or record is None or record.card is None:
        return
    proposals = await world.gate.proposals(incident_id)
    if record.incident.is_open and recovery_of(record, proposals) is None:
        return  # More may be tried: what is written once must tell that too.
    told = {name: _said(what, record, proposals[-1] if proposals else None) for name, what in named.items()}
    values: Mapping[str, str] = {name: text[:_MOST] for name, text in told.items() if text}
    if not values:
        return

    async def send() -> None:
        await world.incidents.set_fields(incident_id, values)

    async def was_sent() -> bool:
        found = await world.incidents.fields(incident_id)
        return all(found.get(name) == text for name, text in values.items())

    key = f"pagerduty:fields:{incident_id}:{record.life}"
    try:
        await post_once(world, key, incident_id, send=send, was_sent=was_sent, sleep=sleep)
    except (Invalid, NotFound):
        world.telemetry.degraded("PagerDuty custom fields")  # It will never take them; the thread has it all.


def _said(what: Told, record: IncidentRecord, last: ProposalRecord | None) -> str:
    assessment = record.assessment
    match what:
        case Told.CAUSE:
            if assessment is None:
                return ""
            return f"{assessment.cause.headline} ({stated_confidence(assessment.cause)})"
        case Told.CHANGE:
            return (assessment.suspect or "") if assessment else ""
        case Told.OUTCOME:
            if last is None:
                return "nothing was proposed"
            return f"{last.state.value}: {last.reason}" if last.reason else last.state.value
        case _:
            assert_never(what)
