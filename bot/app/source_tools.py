"""The questions to logs, metrics, code and added tools that are asked before a model sees an incident."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bot.app.findings import Found, Question
from bot.app.observe import neighbourhood, new_errors, version_rows
from bot.app.world import World
from bot.domain.catalogue import ExpositionSignal, Metric
from bot.domain.change import ChangeEvent
from bot.domain.diagnosis import CandidateId, Sign, ToolName, ToolStatus, Trust
from bot.domain.errors import HandrailError
from bot.domain.evidence import ErrorPattern, VersionEvidence
from bot.domain.exposure import Contrast, Standing, contrast
from bot.domain.ids import ServiceName
from bot.domain.series import around
from bot.domain.sources import AddedAnswer, ChangeDiff, Inquiry
from bot.ports import Diffs, Metrics

MOST_METRICS: Final = 6
CODE_S: Final = 1.5  # Less than a tool has: what a change says of itself must not be lost with it.


async def get_error_signatures(world: World, question: Question) -> Sequence[Found]:
    """Return the errors around the onset, with how many there were in the same time before."""
    name, logs = question.service, world.sources.logs
    if name is None or logs is None:
        return []
    span = question.span(world)
    places = (name,) if question.elsewhere else neighbourhood(world, name)
    services = [(near, world.catalogue.services.get(near)) for near in places]
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
    """Return each metric's mean before and after the onset, and where it steps: one result for each sign."""
    name, metrics = question.service, world.sources.metrics
    service = world.catalogue.services.get(name) if name else None
    if metrics is None or name is None or service is None or not service.metrics:
        return []
    wanted = [pair for pair in service.metrics.items() if not pair[1].by_version][:MOST_METRICS]
    found = await asyncio.gather(
        *(_metric_line(world, metrics, question, f"{key} of {name}", metric) for key, metric in wanted),
        return_exceptions=True,
    )
    seen = [answer for answer in found if not isinstance(answer, BaseException)]
    signs = list(dict.fromkeys(sign for sign, _ in seen))
    by_sign = [(sign, [line for other, line in seen if other is sign]) for sign in signs] or [(None, [])]
    results = [
        _found(ToolName.GET_METRIC_WINDOW, lines, Trust.TELEMETRY, found, question) for _, lines in by_sign
    ]
    return [replace(one, service=name, sign=sign) for one, (sign, _) in zip(results, by_sign, strict=True)]


async def _metric_line(
    world: World, metrics: Metrics, question: Question, what: str, metric: Metric
) -> tuple[Sign | None, str]:
    span = question.span(world)
    wide = span.model_copy(update={"start": span.start - (span.end - span.start)})
    seen = around(await metrics.series(metric, wide), question.onset.end)
    step = f"steps at {seen.changepoint_at:%H:%M:%S} UTC" if seen.changepoint_at else "shows no clear step"
    return seen.sign, (
        f"{what}: mean {_number(seen.before_mean)} before the onset, "
        f"{_number(seen.after_mean)} after it, highest {_number(seen.highest)}, {step}"
    )


async def get_versions(world: World, question: Question) -> Sequence[Found]:
    """Return how the versions of the candidates' services do side by side, one result a candidate."""
    metrics = world.sources.metrics
    services = dict.fromkeys(suspect.change.service for _, suspect in question.suspects)
    if metrics is None or not services:
        return []
    found = await asyncio.gather(*(_version_rows(world, metrics, name) for name in services))
    rows = [row for rows in found for row in rows]
    return [
        _contrast_found(candidate, suspect.change.service, seen)
        for candidate, suspect in question.suspects
        if (seen := contrast(rows, frozenset({suspect.change.service}), suspect.change.version))
    ]


async def _version_rows(world: World, metrics: Metrics, name: ServiceName) -> Sequence[VersionEvidence]:
    service = world.catalogue.services.get(name)
    if service is None:
        return ()
    sources: list[ExpositionSignal | Metric] = [
        *(metric for metric in service.metrics.values() if metric.by_version),
        *(signal for signal in service.signals.values() if isinstance(signal, ExpositionSignal)),
    ]
    found = await asyncio.gather(*(metrics.by_version(source) for source in sources), return_exceptions=True)
    _raise_unexpected(found)
    told = [answer for answer in found if not isinstance(answer, BaseException)]
    return tuple(row for shares in told for row in version_rows(name, shares))


def _contrast_found(candidate: CandidateId, service: ServiceName, seen: Contrast) -> Found:
    rows = [seen.new, *([seen.old] if seen.old else [])]
    said = ", ".join(
        f"version {row.version} fails {100 - row.success_rate:.2f} % of requests" for row in rows
    )
    signs = {Standing.WORSE: Sign.ABNORMAL, Standing.HEALTHY: Sign.NORMAL, Standing.ALIKE: None}
    return Found(
        ToolName.GET_VERSIONS,
        (f"{candidate} {service}: {said}",),
        Trust.TELEMETRY,
        1,
        about=candidate,
        service=service,
        sign=signs[seen.standing],
    )


async def ask_added_tools(world: World, question: Question) -> Sequence[Found]:
    """Return what each added tool says, one result a tool, so that each keeps its own trust."""
    if world.sources.added is None:
        return []
    incident = question.record.incident
    inquiry = Inquiry(
        incident=incident.id,
        service=incident.service,
        window=question.span(world),
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
    _raise_unexpected(answers)
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    status = ToolStatus.ERROR if failed and len(failed) == len(answers) else ToolStatus.OK
    return Found(tool, tuple(lines), trust, len(lines) + len(failed), question.onset, status=status)


def _raise_unexpected(answers: Sequence[object]) -> None:
    """Raise what is no failure of a source but a defect."""
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, HandrailError):
            raise answer


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
