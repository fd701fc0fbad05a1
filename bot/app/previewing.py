"""Ask the targets of a plan what it would change, before anybody approves it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import TypeAdapter, ValidationError

from bot.app.world import World
from bot.domain.audit import Entry
from bot.domain.document import Line, Section
from bot.domain.errors import HandrailError
from bot.domain.execution import Preview
from bot.domain.frozen import Frozen
from bot.domain.ids import Digest, ProposalId, sha256_hex
from bot.domain.plan import Check, Pause, Plan, PlannedAction

PREVIEW_S: Final = 1.5  # The card must stand within 2 s of the assessment.
LATE_S: Final = 60.0
MOST: Final = 4000
PREVIEWED: Final = "previewed"
NOT_IN_TIME: Final = f"its target did not answer within {PREVIEW_S} s"
_PREVIEWS = TypeAdapter(tuple[Preview, ...])


class _Kept(Frozen):
    """Previews as the audit keeps them."""

    proposal: ProposalId
    digest: Digest
    is_late: bool
    previews: str

    def values(self) -> tuple[Preview, ...]:
        """Return them; none when a redaction has left no JSON of them."""
        try:
            return _PREVIEWS.validate_json(self.previews)
        except ValidationError:
            return ()


async def with_previews(world: World, plan: Plan) -> Plan:
    """Return the plan bound to what its targets said within 1.5 s; what comes later is kept beside it.

    A target that does not answer, or cannot tell, holds up nothing and is named in the details.
    """
    asking = {
        step.action.name: asyncio.create_task(_preview(world, step.action))
        for step in plan.steps
        if not isinstance(step.action, Pause | Check)
    }
    if not asking:
        return plan
    await asyncio.wait(asking.values(), timeout=PREVIEW_S)
    found, late = [], {}
    for name, task in asking.items():
        if not task.done():
            late[name] = task
            found.append(Preview(step=name, missing=NOT_IN_TIME))
        elif (preview := task.result()) is not None:
            found.append(preview)
    if late:
        world.latecomers.keep(_keep_late(world, plan, late))
    if not found:
        return plan
    digest = await _kept(world, plan, found, is_late=False)
    return plan if digest is None else plan.model_copy(update={"preview_digest": digest})


def preview_sections(plan: Plan, entries: Sequence[Entry]) -> tuple[Section, ...]:
    """Return what was kept of the plan's previews, for its details."""
    found: dict[str, tuple[Preview, bool]] = {}
    for entry in entries:
        kept = _read(entry) if entry.act == PREVIEWED else None
        if (
            kept is not None
            and kept.proposal == plan.id
            and (kept.is_late or kept.digest == plan.preview_digest)
        ):
            for preview in _PREVIEWS.validate_json(kept.previews):
                found[preview.step] = (preview, kept.is_late)
    return tuple(_section(preview, is_late=is_late) for preview, is_late in found.values())


def _section(preview: Preview, *, is_late: bool) -> Section:
    note = " (came after the plan was made; no part of what is approved)" if is_late else ""
    if preview.missing:
        return Section(
            heading=f"Preview of {preview.step}{note}", lines=(Line(text=f"None: {preview.missing}."),)
        )
    return Section(
        heading=f"Preview of {preview.step}{note}", lines=(Line(text=preview.text, is_literal=True),)
    )


async def _preview(world: World, action: PlannedAction) -> Preview | None:
    runner = world.runners.get(action.type)
    if runner is None:
        return None
    try:
        async with asyncio.timeout(LATE_S):
            found = await runner.preview(action)
    except Exception as exc:  # noqa: BLE001 - Whatever a runner did not foresee, the plan is offered.
        world.telemetry.degraded("preview")
        return Preview(step=action.name, missing=f"the runner broke ({type(exc).__name__})")
    return None if found is None else _redacted(world, found)


def _redacted(world: World, preview: Preview) -> Preview:
    redact = world.redactor.redact
    return preview.model_copy(
        update={"text": redact(preview.text).text[:MOST], "missing": redact(preview.missing).text[:MOST]}
    )


async def _keep_late(world: World, plan: Plan, late: Mapping[str, asyncio.Task[Preview | None]]) -> None:
    for task in late.values():
        if (preview := await task) is not None:
            await _kept(world, plan, [preview], is_late=True)


async def _kept(world: World, plan: Plan, found: Sequence[Preview], *, is_late: bool) -> Digest | None:
    """Write the previews down and return their digest; None when they could not be kept."""
    text = json.dumps([preview.model_dump(mode="json") for preview in found], sort_keys=True)
    digest = sha256_hex(text)
    kept = _Kept(proposal=plan.id, digest=digest, is_late=is_late, previews=text)
    try:
        await world.audit.append(
            PREVIEWED, actor="handrail", incident=plan.incident, body=kept.model_dump(mode="json")
        )
    except HandrailError:
        world.telemetry.degraded("preview")
        return None
    return digest


def _read(entry: Entry) -> _Kept | None:
    """Return what an entry keeps, None when it was written in another form or for want of a redaction."""
    try:
        return _Kept.model_validate_json(entry.body)
    except ValidationError:
        return None
