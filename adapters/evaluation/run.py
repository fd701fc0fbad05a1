"""Run labelled files through the real code path and measure what comes out."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from adapters.evaluation.baseline_names import Baseline
from adapters.evaluation.baselines import ranked_by
from adapters.evaluation.cases import LabelledCase, Stream
from bot.domain.correlation import Case, Ranking, rank_suspects
from bot.domain.grouping import GroupingRules, group_stream
from bot.domain.measures import (
    GroupingScore,
    Judged,
    auroc,
    brier,
    expected_calibration_error,
    keeping_confidence,
    mean_reciprocal_rank,
    negatives_blamed,
    negatives_named,
    score_grouping,
    top,
)
from bot.domain.weights import Weights


@dataclass(frozen=True)
class Answer:
    """What a ranker said of one case, before anybody looks at the truth."""

    ranking: tuple[str, ...]
    confidence: float
    named: str | None


Ranker = Callable[[Case], Answer]


def our_ranker(weights: Weights) -> Ranker:
    """Return the ranker that the bot itself uses."""

    return lambda case: as_answer(case, rank_suspects(case, weights))


def as_answer(case: Case, found: Ranking) -> Answer:
    """Return what *found* says of *case*.

    What is no suspect closes the list: older changes that were not weighed, newest first, then what began
    after the onset, in case the onset was later.
    """
    suspects = tuple(suspect.change.id for suspect in found.suspects)
    others = [change for change in case.changes if change.id not in suspects]
    older = sorted((c for c in others if c.began_at <= found.onset), key=lambda c: c.live_at, reverse=True)
    later = sorted((c for c in others if c.began_at > found.onset), key=lambda c: (c.began_at, c.id))
    ranking = (*suspects, *(change.id for change in (*older, *later)))
    return Answer(ranking, found.confidence, found.named)


def baseline_ranker(baseline: Baseline) -> Ranker:
    """Return a simple ranker; it always names its first suspect."""

    def rank(case: Case) -> Answer:
        ranking, confidence = ranked_by(baseline, case)
        return Answer(ranking, confidence, ranking[0] if ranking else None)

    return rank


def answers(cases: Iterable[LabelledCase], ranker: Ranker) -> Iterator[tuple[LabelledCase, Answer]]:
    """Yield each case with its answer; the ranker is given the case alone, never its name or its truth."""
    for labelled in cases:
        yield labelled, whole(labelled, ranker(labelled.case))


def whole(labelled: LabelledCase, answer: Answer) -> Answer:
    """Return *answer* with the changes at its end that could not be judged."""
    return replace(answer, ranking=(*answer.ranking, *labelled.undated))


def judged(answered: Iterable[tuple[LabelledCase, Answer]]) -> list[Judged]:
    """Return the labelled ones beside their truth."""
    return [
        Judged(answer.ranking, answer.confidence, labelled.truth.change, answer.named)
        for labelled, answer in answered
        if labelled.truth is not None
    ]


@dataclass(frozen=True)
class Report:
    """The measures of one ranker on one file; None where the file has no cases that could tell."""

    file: str
    ranker: str
    positives: int
    negatives: int
    top_1: float | None
    top_3: float | None
    mrr: float | None
    auroc: float | None
    keeping_confidence: float | None
    blamed: float | None
    """Share of negatives blamed at the confidence that keeps 80 % of right answers; where a file has no
    right answer to keep, at 0.5."""
    named: float | None
    """Share of negatives in which a change is named."""
    brier: float | None
    ece: float | None


_WITHOUT_POSITIVES = 0.5


def report(file: str, ranker: str, results: Sequence[Judged]) -> Report:
    """Return the measures of *results*."""
    keep = keeping_confidence(results)
    return Report(
        file=file,
        ranker=ranker,
        positives=sum(case.is_positive for case in results),
        negatives=sum(not case.is_positive for case in results),
        top_1=top(results, 1),
        top_3=top(results, 3),
        mrr=mean_reciprocal_rank(results),
        auroc=auroc(results),
        keeping_confidence=keep,
        blamed=negatives_blamed(results, confidence=_WITHOUT_POSITIVES if keep is None else keep),
        named=negatives_named(results),
        brier=brier(results),
        ece=expected_calibration_error(results),
    )


@dataclass(frozen=True)
class StreamReport:
    """The grouping measures of one file, each the mean over its streams."""

    file: str
    streams: int
    alerts: int
    reduction: float
    precision: float
    recall: float
    f1: float
    mixed: float


def grouped(stream: Stream, rules: GroupingRules) -> dict[str, str]:
    """Return alert id → group id, as the bot groups the stream; an id that comes again stays where it was."""
    found: dict[str, str] = {}
    for merge in group_stream(stream.alerts, stream.topology, rules, resolved=stream.resolved):
        found.setdefault(merge.alert, merge.group)
    return found


def stream_report(file: str, results: Sequence[tuple[Stream, dict[str, str]]]) -> StreamReport | None:
    """Return the mean measures over the labelled streams, None when none has labels."""
    scored: list[tuple[Stream, GroupingScore]] = []
    for stream, groups in results:
        score = score_grouping(groups, {str(alert): group for alert, group in stream.truth.items()})
        if score is not None:
            scored.append((stream, score))
    if not scored:
        return None

    def mean(measure: Callable[[GroupingScore], float]) -> float:
        return sum(measure(score) for _, score in scored) / len(scored)

    return StreamReport(
        file=file,
        streams=len(scored),
        alerts=sum(len(stream.alerts) for stream, _ in scored),
        reduction=mean(lambda s: s.reduction),
        precision=mean(lambda s: s.precision),
        recall=mean(lambda s: s.recall),
        f1=mean(lambda s: s.f1),
        mixed=mean(lambda s: s.mixed),
    )


def prediction_line(name: str, answer: Answer) -> str:
    """Return one line of a predictions file."""
    return json.dumps(
        {
            "id": name,
            "ranking": list(answer.ranking),
            "confidence": round(answer.confidence, 6),
            "named": answer.named,
        }
    )


def groups_line(name: str, groups: dict[str, str]) -> str:
    """Return one line of a predictions file for a stream."""
    return json.dumps({"id": name, "groups": groups})


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write *lines* to *path*, replacing what was there."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def as_json(reports: Sequence[Report | StreamReport]) -> str:
    """Return the reports as a JSON array."""
    return json.dumps([asdict(entry) for entry in reports], indent=2)
