"""The read-only questions that are asked about an incident before a model sees it.

Each is answered in the same envelope, redacted and of bounded length; a source that fails gives an answer
that says so.
"""

import asyncio
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from bot.app.findings import Found, Question, Tool
from bot.app.record_tools import (
    find_similar_incidents,
    get_alert_timeline,
    get_change_diffs,
    get_dependencies,
    get_playbooks,
    get_signals,
    list_changes,
    who_is_on_call,
)
from bot.app.source_tools import ask_added_tools, get_error_signatures, get_metric_window, get_versions
from bot.app.world import World
from bot.domain.diagnosis import ToolName, ToolResult, ToolStatus, Trust
from bot.domain.errors import NotFound, Unavailable
from bot.domain.ids import sha256_hex
from bot.domain.redaction import REDACTOR_VERSION, Redacted

TOOL_S: Final = 2.0  # Our choice: the model waits for the slowest, and has 20 s in all.
ADDED_S: Final = 5.0  # A server of the team's own may have to be started first.
LONGEST_ITEM: Final = 400
LONGEST_RESULT: Final = 6_000  # Characters: about 1,500 tokens.


async def gather_evidence(world: World, question: Question) -> tuple[ToolResult, ...]:
    """Ask every tool at once, each within `TOOL_S`, and number the answers `E1`, `E2`, …"""
    return await ask_tools(world, [(question, name) for name in TOOLS])


async def ask_tools(
    world: World, asked: Iterable[tuple[Question, ToolName]], *, after: int = 0
) -> tuple[ToolResult, ...]:
    """Ask the named tools at once and number their answers from *after* on."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(world, question, name, TOOLS[name])) for question, name in asked]
    found = [one for task in tasks for one in task.result()]
    return tuple(enveloped(world, number, one) for number, one in enumerate(found, after + 1))


async def _ask(world: World, question: Question, name: ToolName, tool: Tool) -> Sequence[Found]:
    try:
        async with asyncio.timeout(ADDED_S if name is ToolName.ASK_ADDED_TOOLS else TOOL_S):
            return await tool(world, question)
    except (TimeoutError, Unavailable, NotFound):
        world.telemetry.degraded(f"tool {name.value}")
        return [Found(name, (), Trust.SYSTEM, 0, status=ToolStatus.ERROR)]


def enveloped(world: World, number: int, found: Found) -> ToolResult:
    """Return what a tool found as `E<number>`: redacted, and cut to the bounds."""
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
        service=found.service,
        sign=found.sign,
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


TOOLS: Final[dict[ToolName, Tool]] = {
    ToolName.LIST_CHANGES: list_changes,
    ToolName.GET_CHANGE_DIFF: get_change_diffs,
    ToolName.GET_ALERT_TIMELINE: get_alert_timeline,
    ToolName.GET_SIGNALS: get_signals,
    ToolName.GET_ERROR_SIGNATURES: get_error_signatures,
    ToolName.GET_METRIC_WINDOW: get_metric_window,
    ToolName.GET_VERSIONS: get_versions,
    ToolName.GET_DEPENDENCIES: get_dependencies,
    ToolName.FIND_SIMILAR_INCIDENTS: find_similar_incidents,
    ToolName.GET_PLAYBOOKS: get_playbooks,
    ToolName.WHO_IS_ON_CALL: who_is_on_call,
    ToolName.ASK_ADDED_TOOLS: ask_added_tools,
}
