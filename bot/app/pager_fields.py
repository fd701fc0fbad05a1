"""Write the priority and custom fields of an incident back to the pager, where the catalogue names them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import assert_never

from bot.app.report import post_once
from bot.app.wording import stated_confidence
from bot.app.world import World
from bot.domain.catalogue import Told
from bot.domain.errors import Invalid, NotFound, Unavailable, Unclear
from bot.domain.ids import IncidentId
from bot.domain.proposal import ProposalRecord
from bot.domain.record import IncidentRecord
from bot.domain.recovery import recovery_of
from bot.ports import PostState

WAITS_S = (1.0, 3.0)
LIMIT_S = 6.0  # Our choice: so long one try may take, so that what is done beside it is not held up.
MOST_AT_ONCE = 20  # Our choice: of 960 requests a minute that PagerDuty allows.
_PRIORITY = "PagerDuty priority"
_MOST = 200  # PagerDuty's limit for a custom field that holds text.

Sleep = Callable[[float], Awaitable[None]]


async def prioritise(world: World, incident_id: IncidentId, *, sleep: Sleep = asyncio.sleep) -> None:
    """Give the incident the priority that its severity calls for, once, unless it has one.

    It is claimed first, so a priority that people change or take away later stays as they want it. A pager
    that does not answer is asked again some seconds later, and then by `prioritise_missed`.
    """
    for wait in (*WAITS_S, None):
        try:
            async with asyncio.timeout(LIMIT_S):
                await _prioritise_once(world, incident_id)
        except (Unavailable, Unclear):
            world.telemetry.degraded(_PRIORITY)
        except TimeoutError:
            world.telemetry.degraded(_PRIORITY)
            return
        else:
            return
        if wait is not None:
            await sleep(wait)


async def prioritise_missed(world: World) -> None:
    """Set the priorities that open incidents are still owed; a pager that is away is asked once for all."""
    if not world.catalogue.pagerduty.priorities:
        return
    shown = [record for record in await world.book.open() if record.card is not None]
    owed = [record for record in shown if _owed(world, record) is not None]
    for record in owed[-MOST_AT_ONCE:]:
        try:
            await _prioritise_once(world, record.id)
        except (Unavailable, Unclear):
            world.telemetry.degraded(_PRIORITY)
            return


async def _prioritise_once(world: World, incident_id: IncidentId) -> None:
    record = await world.book.get(incident_id)
    priority = _owed(world, record) if record is not None else None
    if priority is None:
        return
    key = f"pagerduty:priority:{incident_id}"
    state = await world.outbox.claim(key, incident_id)
    if state is PostState.SENT:
        world.prioritised.add((incident_id, priority))
        return
    try:
        # The same priority twice does no harm, but what people chose meanwhile is not written over.
        if state is PostState.FIRST or (await world.incidents.read(incident_id)).priority is None:
            await world.incidents.prioritise(incident_id, priority)
    except (Invalid, NotFound):
        world.telemetry.degraded(_PRIORITY)  # It is not taken until somebody mends the name.
    else:
        await world.outbox.sent(key)
    world.prioritised.add((incident_id, priority))


def _owed(world: World, record: IncidentRecord) -> str | None:
    """Return the name of the priority that the incident should still get."""
    if not record.incident.is_open or record.incident.priority is not None:
        return None
    priority = world.catalogue.pagerduty.priorities.get(record.incident.severity)
    return priority if priority is not None and (record.id, priority) not in world.prioritised else None


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
