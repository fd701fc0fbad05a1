"""The read-only questions that are asked about an incident before a model sees it.

Each is answered in the same envelope, redacted and of bounded length; a source that fails gives an answer
that says so.
"""

import asyncio
import unicodedata
from collections.abc import Sequence
from typing import Final

from bot.app.findings import Found, Question, Tool, typed
from bot.app.source_tools import (
    ask_added_tools,
    diff_of,
    get_error_signatures,
    get_metric_window,
    patch_lines,
)
from bot.app.wording import duration
from bot.app.world import World
from bot.domain.change import ChangeEvent
from bot.domain.diagnosis import CandidateId, ToolName, ToolResult, ToolStatus, Trust
from bot.domain.errors import NotFound, Unavailable
from bot.domain.ids import ServiceName, sha256_hex
from bot.domain.redaction import REDACTOR_VERSION, Redacted
from bot.domain.sources import ChangeDiff

TOOL_S: Final = 2.0  # Our choice: the model waits for the slowest, and has 20 s in all.
ADDED_S: Final = 5.0  # A server of the team's own may have to be started first.
LONGEST_ITEM: Final = 400
LONGEST_RESULT: Final = 6_000  # Characters: about 1,500 tokens.
DIFF_LINES: Final = 60
DIFFS: Final = 3
SIMILAR: Final = 5


async def gather_evidence(world: World, question: Question) -> tuple[ToolResult, ...]:
    """Ask every tool at once, each within `TOOL_S`, and number the answers `E1`, `E2`, …"""
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(_ask(world, question, name, tool)) for name, tool in TOOLS.items()]
    found = [one for task in asked for one in task.result()]
    return tuple(_enveloped(world, number, one) for number, one in enumerate(found, 1))


async def _ask(world: World, question: Question, name: ToolName, tool: Tool) -> Sequence[Found]:
    try:
        async with asyncio.timeout(ADDED_S if name is ToolName.ASK_ADDED_TOOLS else TOOL_S):
            return await tool(world, question)
    except (TimeoutError, Unavailable, NotFound):
        world.telemetry.degraded(f"tool {name.value}")
        return [Found(name, (), Trust.SYSTEM, 0, status=ToolStatus.ERROR)]


def _enveloped(world: World, number: int, found: Found) -> ToolResult:
    items: list[Redacted] = []
    room = LONGEST_RESULT
    clean = [clean_line(world, line) for line in found.lines]
    for line in clean:
        if len(line) > room:
            break
        items.append(Redacted(line[:LONGEST_ITEM]))
        room -= len(items[-1])
    is_cut = len(items) < found.total or any(len(line) > LONGEST_ITEM for line in clean)
    status = found.status
    if status is ToolStatus.OK:
        status = ToolStatus.TRUNCATED if is_cut else ToolStatus.OK if items else ToolStatus.NO_DATA
    return ToolResult(
        result_id=f"E{number}",
        tool=found.tool,
        status=status,
        window=found.window,
        items=tuple(items),
        total=max(found.total, len(items)),
        trust=found.trust,
        about=found.about,
        sha256=sha256_hex(*items),
        redactor_version=REDACTOR_VERSION,
    )


def clean_line(world: World, text: str) -> Redacted:
    """Return *text* on one line and without secrets.

    It is redacted as it came, since a key of many lines has no shape once they are joined; again once what is
    invisible is gone; and always before it is cut.
    """
    redact = world.redactor.redact
    return redact(plain(redact(text).text)).text


def plain(text: str) -> str:
    """Return *text* on one line, without characters that people cannot see."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    return "".join(c for c in spaced if unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Cn")).strip()


async def _list_changes(world: World, question: Question) -> Sequence[Found]:
    lines = [
        f"{candidate} {suspect.change.kind.value} of {typed(suspect.change.service)} "
        f"version {typed(suspect.change.version)} before {typed(suspect.change.previous_version)} "
        f"flag {typed(suspect.change.flag)}, live {suspect.change.live_at:%Y-%m-%d %H:%M:%S} UTC, "
        f"{duration(question.onset.end - suspect.change.live_at)} before the onset, "
        f"{_relation(world, question, suspect.change.service)}, "
        f"probability by the rules {suspect.probability:.2f}"
        for candidate, suspect in question.suspects
    ]
    return [Found(ToolName.LIST_CHANGES, tuple(lines), Trust.SYSTEM, len(lines), question.onset)]


def _relation(world: World, question: Question, service: ServiceName) -> str:
    own = question.record.incident.service
    if own is None or service == own:
        return "the alerting service itself" if service == own else "relation unknown"
    topology = world.catalogue.topology()
    if hops := topology.dependencies_of(own).get(service):
        return f"called by it, {_hops(hops)} away"
    if hops := topology.dependents_of(own).get(service):
        return f"calls it, {_hops(hops)} away"
    return "no path to it"


def _hops(number: int) -> str:
    return "1 hop" if number == 1 else f"{number} hops"


async def _get_change_diffs(world: World, question: Question) -> Sequence[Found]:
    looked = question.suspects[:DIFFS]
    code = await asyncio.gather(*(diff_of(world, suspect.change) for _, suspect in looked))
    return [
        _diff(world, candidate, suspect.change, found)
        for (candidate, suspect), found in zip(looked, code, strict=True)
    ]


def _diff(world: World, candidate: CandidateId, change: ChangeEvent, code: ChangeDiff | None) -> Found:
    redact = world.redactor.redact
    body, text = redact(change.body).text, redact(change.diff).text
    said = [line for line in (change.title, *body.splitlines()) if line.strip()]
    files = [f"file {name}" for name in change.files]
    diff = [line for line in text.splitlines() if line.strip()]
    if code is not None:
        files = [
            f"file {file.name} {file.status.value}, +{file.added} -{file.removed}" for file in code.files
        ]
        diff = diff or patch_lines(world, code)
    lines = (*said[:20], *files[:30], *diff[:DIFF_LINES])
    total = len(said) + len(files) + len(diff) + (1 if code is not None and code.is_cut else 0)
    return Found(ToolName.GET_CHANGE_DIFF, lines, Trust.HUMAN, total, about=candidate)


async def _get_alert_timeline(world: World, question: Question) -> Sequence[Found]:
    alerts = sorted(question.record.incident.alerts, key=lambda alert: alert.at)
    lines = tuple(
        f"{alert.at:%Y-%m-%d %H:%M:%S} UTC alert of {typed(alert.service)}, severity {alert.severity.value}"
        for alert in alerts[:20]
    )
    texts = tuple(f"{alert.title} {alert.details}" for alert in alerts[:10])
    return [
        Found(ToolName.GET_ALERT_TIMELINE, lines, Trust.SYSTEM, len(alerts)),
        Found(ToolName.GET_ALERT_TEXTS, texts, Trust.HUMAN, len(alerts)),
    ]


async def _get_signals(world: World, question: Question) -> Sequence[Found]:
    name = question.record.incident.service
    service = world.catalogue.services.get(name) if name else None
    if service is None:
        return [Found(ToolName.GET_SIGNALS, (), Trust.TELEMETRY, 0)]
    readings = await asyncio.gather(*(world.signals.read(signal) for signal in service.signals.values()))
    lines = tuple(
        f"{signal} of {name} is {f'{reading.value:.4g}' if reading.value is not None else 'unknown'} "
        f"at {reading.at:%H:%M:%S} UTC"
        for signal, reading in zip(service.signals, readings, strict=True)
    )
    return [Found(ToolName.GET_SIGNALS, lines, Trust.TELEMETRY, len(lines))]


async def _get_dependencies(world: World, question: Question) -> Sequence[Found]:
    name = question.record.incident.service
    if name is None:
        return [Found(ToolName.GET_DEPENDENCIES, (), Trust.SYSTEM, 0)]
    topology = world.catalogue.topology()
    below, above = topology.dependencies_of(name, hops=2), topology.dependents_of(name, hops=2)
    lines = (
        *(f"{name} calls {other}, {_hops(hops)} away" for other, hops in sorted(below.items())),
        *(f"{other} calls {name}, {_hops(hops)} away" for other, hops in sorted(above.items())),
    )
    return [Found(ToolName.GET_DEPENDENCIES, lines[:30], Trust.SYSTEM, len(lines))]


async def _find_similar_incidents(world: World, question: Question) -> Sequence[Found]:
    """Earlier incidents of the same service; what was said of them is text, and may have been poisoned."""
    now = question.record
    earlier = [
        record
        for record in await world.book.recent(50)
        if record.id != now.id and record.assessment and record.incident.service == now.incident.service
    ]
    ranked = sorted(earlier, key=lambda r: (-_alike(r.incident.title, now.incident.title), r.id))
    lines = tuple(
        f"{record.id} {duration(now.seen_at - record.seen_at)} earlier: {record.assessment.cause.headline}"
        for record in ranked[:SIMILAR]
        if record.assessment
    )
    return [Found(ToolName.FIND_SIMILAR_INCIDENTS, lines, Trust.HUMAN, len(lines))]


def _alike(one: str, other: str) -> float:
    first, second = set(one.lower().split()), set(other.lower().split())
    return len(first & second) / max(1, len(first | second))


async def _get_playbooks(world: World, question: Question) -> Sequence[Found]:
    services = {question.record.incident.service, *(s.change.service for _, s in question.suspects)}
    lines = []
    for name in sorted(name for name in services if name in world.catalogue.services):
        for playbook_id in world.catalogue.services[name].playbooks:
            loaded = world.playbooks.get(playbook_id)
            if loaded is not None:
                kinds = ", ".join(loaded.playbook.when.kinds) or "no change"
                lines.append(f"{playbook_id} for {name}: risk {loaded.playbook.risk.value}, answers {kinds}")
    return [Found(ToolName.GET_PLAYBOOKS, tuple(lines), Trust.SYSTEM, len(lines))]


TOOLS: Final[dict[ToolName, Tool]] = {
    ToolName.LIST_CHANGES: _list_changes,
    ToolName.GET_CHANGE_DIFF: _get_change_diffs,
    ToolName.GET_ALERT_TIMELINE: _get_alert_timeline,
    ToolName.GET_SIGNALS: _get_signals,
    ToolName.GET_ERROR_SIGNATURES: get_error_signatures,
    ToolName.GET_METRIC_WINDOW: get_metric_window,
    ToolName.GET_DEPENDENCIES: _get_dependencies,
    ToolName.FIND_SIMILAR_INCIDENTS: _find_similar_incidents,
    ToolName.GET_PLAYBOOKS: _get_playbooks,
    ToolName.ASK_ADDED_TOOLS: ask_added_tools,
}
