"""Ask a model about labelled cases, so that prior and model stand beside the prior alone."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import log

from adapters.evaluation.cases import LabelledCase
from adapters.evaluation.run import Answer, as_answer, whole
from bot.app.tools import LONGEST_ITEM, plain
from bot.domain.change import ChangeEvent
from bot.domain.correlation import Case, Ranking, Suspect, rank_suspects
from bot.domain.diagnosis import (
    MOST_CANDIDATES,
    NONE_OF_THESE,
    Candidate,
    CandidateId,
    Dossier,
    NoDiagnosis,
    Sign,
    ToolName,
    ToolResult,
    ToolStatus,
    Trust,
    Window,
)
from bot.domain.evidence import VersionEvidence
from bot.domain.exposure import Standing, contrast
from bot.domain.fusion import Fused, fuse
from bot.domain.grounding import ground
from bot.domain.ids import IncidentId, ServiceName, sha256_hex
from bot.domain.onset import SymptomClass, symptom_class
from bot.domain.redaction import REDACTOR_VERSION, Redacted, Redactor
from bot.domain.telemetry_terms import MOVED
from bot.domain.weights import Weights
from bot.ports import Analyst

_LOOKBACK = timedelta(hours=24)
_MOST_LINES = 60  # Our choice, of one result: a diff's beginning, as in an investigation.
_DIFFS = 3


@dataclass(frozen=True)
class _Told:
    """What one question came to, before it is redacted and numbered."""

    tool: ToolName
    trust: Trust
    lines: tuple[str, ...]
    about: CandidateId | None = None
    service: ServiceName | None = None
    sign: Sign | None = None


async def opinions(
    cases: Iterable[LabelledCase], weights: Weights, analyst: Analyst, redactor: Redactor
) -> AsyncIterator[tuple[LabelledCase, Answer]]:
    """Yield each case with the answer of prior and model together: one call a case.

    Where the model says nothing, or nothing that holds, the answer is the prior's own.
    """
    for labelled in cases:
        ranking = rank_suspects(labelled.case, weights)
        prior = whole(labelled, as_answer(labelled.case, ranking))
        dossier = dossier_of(labelled.case, ranking, redactor)
        said = await analyst.diagnose(dossier)
        if isinstance(said, NoDiagnosis):
            yield labelled, prior
            continue
        fused = fuse(dossier.candidates, ground(said.verdict, dossier))
        yield labelled, _moved(labelled.case, prior, dossier, fused, weights) if fused.is_moved else prior


def dossier_of(case: Case, ranking: Ranking, redactor: Redactor) -> Dossier:
    """Return what the model may know of *case*: the best candidates, and everything about them, redacted."""
    first = ranking.suspects[:MOST_CANDIDATES]
    named = {s.change.id: CandidateId(f"C{number}") for number, s in enumerate(first, 1)}
    services = dict.fromkeys(s.change.service for s in first if s.change.service)
    return Dossier(
        incident=IncidentId("case"),
        service=next((alert.service for alert in case.alerts if alert.service), None),
        title=_clean(redactor, case.alerts[0].title),
        urgency="unknown",
        onset=ranking.onset,
        now=ranking.onset,
        candidates=(
            *(
                Candidate(
                    id=named[s.change.id],
                    change=s.change.id,
                    service=s.change.service,
                    kind=s.change.kind,
                    names=tuple(_clean(redactor, n) for n in (s.change.id, s.change.version) if n),
                    began_at=s.change.began_at,
                    prior=s.probability,
                )
                for s in first
            ),
            Candidate(id=NONE_OF_THESE, change=None, prior=ranking.nothing.probability),
        ),
        results=tuple(
            _result(redactor, number, told, Window(start=ranking.onset - _LOOKBACK, end=ranking.onset))
            for number, told in enumerate(_told(case, ranking, list(named.values())), 1)
        ),
        services=tuple(services),
        max_calls=1,
    )


def _told(case: Case, ranking: Ranking, names: Sequence[CandidateId]) -> Iterator[_Told]:
    pairs = list(zip(names, ranking.suspects, strict=False))
    listed = tuple(_change_line(name, suspect) for name, suspect in pairs)
    yield _Told(ToolName.LIST_CHANGES, Trust.SYSTEM, listed)
    for name, suspect in pairs[:_DIFFS]:
        change = suspect.change
        said = (change.title, *change.body.splitlines(), *(f"file {path}" for path in change.files))
        lines = (*said, *change.diff.splitlines())
        yield _Told(ToolName.GET_CHANGE_DIFF, Trust.HUMAN, lines, about=name)
    alerts = tuple(f"{a.at:%H:%M:%S} {a.service or ''} {a.title} {a.details}" for a in case.alerts)
    yield _Told(ToolName.GET_ALERT_TEXTS, Trust.HUMAN, alerts)
    patterns = tuple(f"{p.service or ''}: {p.count} × {p.signature}" for p in case.evidence.patterns)
    yield _Told(ToolName.GET_ERROR_SIGNATURES, Trust.HUMAN, patterns)
    for service in dict.fromkeys(suspect.change.service for _, suspect in pairs):
        yield from _measured(case, service, [s.change for _, s in pairs if s.change.service == service])


def _measured(case: Case, service: ServiceName, changes: Sequence[ChangeEvent]) -> Iterator[_Told]:
    rows = [row for row in case.evidence.versions if row.observed_at == service]
    if rows:
        lines = tuple(f"{row.caller} → {row.callee}, version {row.version}: {_shown(row)}" for row in rows)
        found = (contrast(rows, frozenset({service}), change.version) for change in changes)
        worse = any(one is not None and one.standing is Standing.WORSE for one in found)
        sign = Sign.ABNORMAL if worse else Sign.NORMAL
        yield _Told(ToolName.GET_VERSIONS, Trust.TELEMETRY, lines, service=service, sign=sign)
    metrics = [metric for metric in case.evidence.metrics if metric.service == service]
    if metrics:
        lines = tuple(f"{m.metric} went from {m.usual:.4g} to {m.value:.4g}" for m in metrics)
        sign = Sign.ABNORMAL if any(m.halvings >= MOVED for m in metrics) else Sign.NORMAL
        yield _Told(ToolName.GET_METRIC_WINDOW, Trust.TELEMETRY, lines, service=service, sign=sign)


def _change_line(name: CandidateId, suspect: Suspect) -> str:
    change = suspect.change
    return (
        f"{name} {change.kind.value} of {change.service} version {change.version or 'unknown'}, "
        f"live {change.live_at:%Y-%m-%d %H:%M:%S} UTC, probability by the rules {suspect.probability:.2f}"
    )


def _shown(row: VersionEvidence) -> str:
    latency = f", {row.latency_ms:.0f} ms" if row.latency_ms is not None else ""
    return f"{row.success_rate:.1f} % success{latency}"


def _result(redactor: Redactor, number: int, told: _Told, window: Window) -> ToolResult:
    clean = [_clean(redactor, line) for line in told.lines if line.strip()]
    items = tuple(Redacted(line[:LONGEST_ITEM]) for line in clean[:_MOST_LINES])
    whole = len(items) == len(clean) and all(len(line) <= LONGEST_ITEM for line in clean)
    return ToolResult(
        result_id=f"E{number}",
        tool=told.tool,
        status=ToolStatus.NO_DATA if not items else ToolStatus.OK if whole else ToolStatus.TRUNCATED,
        window=window,
        items=items,
        total=len(clean),
        trust=told.trust,
        about=told.about,
        service=told.service,
        sign=told.sign,
        sha256=sha256_hex(*items),
        redactor_version=REDACTOR_VERSION,
    )


def _clean(redactor: Redactor, text: str) -> Redacted:
    return redactor.redact(plain(redactor.redact(text).text)).text


def _moved(case: Case, prior: Answer, dossier: Dossier, fused: Fused, weights: Weights) -> Answer:
    changes = {candidate.id: candidate.change for candidate in dossier.candidates}
    order = [(change, share) for name, share in fused.order if (change := changes[name]) is not None]
    moved = [change for change, _ in order]
    share = min(1.0 - 1e-9, max(1e-9, order[0][1])) if order else 0.0
    told = symptom_class(case.alerts) is SymptomClass.TOLD
    return Answer(
        ranking=(*moved, *(change for change in prior.ranking if change not in moved)),
        confidence=weights.calibrated(log(share / (1.0 - share)), told=told) if order else 0.0,
        named=changes[fused.named] if fused.named is not None else None,
    )
