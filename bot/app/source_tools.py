"""The questions to logs, metrics, code and added tools that are asked before a model sees an incident."""

import asyncio
from collections.abc import Sequence
from typing import Final

from bot.app.findings import Found, Question
from bot.app.observe import around_onset, neighbourhood, new_errors
from bot.app.world import World
from bot.domain.catalogue import Metric
from bot.domain.change import ChangeEvent
from bot.domain.diagnosis import ToolName, ToolStatus, Trust
from bot.domain.errors import HandrailError
from bot.domain.evidence import ErrorPattern
from bot.domain.series import around
from bot.domain.sources import AddedAnswer, ChangeDiff, Inquiry
from bot.ports import Diffs, Metrics

MOST_METRICS: Final = 6
CODE_S: Final = 1.5  # Less than a tool has: what a change says of itself must not be lost with it.


async def get_error_signatures(world: World, question: Question) -> Sequence[Found]:
    """Return the errors around the onset, with how many there were in the same time before."""
    name, logs = question.record.incident.service, world.sources.logs
    if name is None or logs is None:
        return []
    span = around_onset(question.onset.end, world.clock.now())
    services = [(near, world.catalogue.services.get(near)) for near in neighbourhood(world, name)]
    found = await asyncio.gather(
        *(new_errors(world, logs, near, s.logs, span) for near, s in services if s and s.logs),
        return_exceptions=True,
    )
    lines = [
        _pattern_line(pattern)
        for answer in found
        if not isinstance(answer, BaseException)
        for pattern in answer
    ]
    return [_found(ToolName.GET_ERROR_SIGNATURES, lines, Trust.HUMAN, found, question)]


def _pattern_line(pattern: ErrorPattern) -> str:
    usual = (
        "nobody knows how often" if pattern.delta is None else f"{pattern.count - pattern.delta:.0f} times"
    )
    return f"{pattern.service} logged {pattern.count} times, {usual} before: {pattern.signature}"


async def get_metric_window(world: World, question: Question) -> Sequence[Found]:
    """Return each metric's mean before and after the onset, and where it steps."""
    name, metrics = question.record.incident.service, world.sources.metrics
    service = world.catalogue.services.get(name) if name else None
    if metrics is None or service is None or not service.metrics:
        return []
    wanted = [pair for pair in service.metrics.items() if not pair[1].by_version][:MOST_METRICS]
    found = await asyncio.gather(
        *(_metric_line(world, metrics, question, key, metric) for key, metric in wanted),
        return_exceptions=True,
    )
    lines = [answer for answer in found if isinstance(answer, str)]
    return [_found(ToolName.GET_METRIC_WINDOW, lines, Trust.TELEMETRY, found, question)]


async def _metric_line(world: World, metrics: Metrics, question: Question, key: str, metric: Metric) -> str:
    span = around_onset(question.onset.end, world.clock.now())
    wide = span.model_copy(update={"start": span.start - (span.end - span.start)})
    seen = around(await metrics.series(metric, wide), question.onset.end)
    step = f"steps at {seen.changepoint_at:%H:%M:%S} UTC" if seen.changepoint_at else "shows no clear step"
    return (
        f"{key} of {question.record.incident.service}: mean {_number(seen.before_mean)} before the onset, "
        f"{_number(seen.after_mean)} after it, highest {_number(seen.highest)}, {step}"
    )


async def ask_added_tools(world: World, question: Question) -> Sequence[Found]:
    """Return what each added tool says, one result a tool, so that each keeps its own trust."""
    if world.sources.added is None:
        return []
    incident = question.record.incident
    inquiry = Inquiry(
        incident=incident.id,
        service=incident.service,
        window=around_onset(question.onset.end, world.clock.now()),
    )
    return [_added(world, answer, inquiry) for answer in await world.sources.added.ask(inquiry)]


def _added(world: World, answer: AddedAnswer, inquiry: Inquiry) -> Found:
    text = world.redactor.redact(answer.text).text
    lines = tuple(f"{answer.name}: {line}" for line in text.splitlines() if line.strip())
    if answer.problem:
        world.telemetry.degraded(f"tool {answer.name}")
        # In our words: it is what a person needs to mend the settings, and no text of the tool.
        said = (f"{answer.name} gave nothing: {answer.problem}",)
        return Found(ToolName.ASK_ADDED_TOOLS, said, Trust.SYSTEM, 1, status=ToolStatus.ERROR)
    total = len(lines) + (1 if answer.is_cut else 0)
    return Found(ToolName.ASK_ADDED_TOOLS, lines, answer.trust, total, inquiry.window)


async def diff_of(world: World, change: ChangeEvent) -> ChangeDiff | None:
    """Return what the change's repository says that it changed, None when nobody can say."""
    service = world.catalogue.services.get(change.service)
    diffs: Diffs | None = world.sources.diffs
    if diffs is None or service is None or service.repository is None:
        return None
    if not change.version or not change.previous_version:
        return None
    try:
        async with asyncio.timeout(CODE_S):
            return await diffs.diff(service.repository, change.previous_version, change.version)
    except (TimeoutError, HandrailError):
        world.telemetry.degraded("code differences")
        return None


def patch_lines(world: World, diff: ChangeDiff) -> list[str]:
    """Return the lines of all patches, redacted before they are split: later a long key has no shape."""
    redact = world.redactor.redact
    patches = (redact(file.patch).text for file in diff.files)
    return [line for patch in patches for line in patch.splitlines() if line.strip()]


def _found(
    tool: ToolName, lines: list[str], trust: Trust, answers: Sequence[object], question: Question
) -> Found:
    """Return an answer; it is an error when every source of it failed, and never hides that one did."""
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    for failure in failed:
        if not isinstance(failure, HandrailError):
            raise failure
    status = ToolStatus.ERROR if failed and len(failed) == len(answers) else ToolStatus.OK
    return Found(tool, tuple(lines), trust, len(lines) + len(failed), question.onset, status=status)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
