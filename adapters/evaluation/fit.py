"""Re-learn the weights from labelled cases: a conditional logit, drawn towards the weights it starts from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log

from adapters.evaluation.cases import LabelledCase
from bot.domain.correlation import measure
from bot.domain.correlation_case import Feature
from bot.domain.ids import ChangeId
from bot.domain.weights import Calibration, Weight, WeightName, Weights

PRIOR_STRENGTH = 5.0
"""Our choice: how many cases it takes to move a weight as far from its start as the cases alone would."""
STEPS = 300
_RATE = 0.5
_LEAST_SLOPE = 0.3
_SURE = 0.9  # Our choice: answers claimed with this or more say how far the surest can be trusted.
_HIGHEST = 0.97  # Our choice: a few dozen cases prove no more.
_MOST_SHARE = 2.0

Vector = Mapping[WeightName, float]


@dataclass(frozen=True)
class Example:
    """The candidates of one labelled case as feature vectors; the last is "nothing changed"."""

    candidates: tuple[Vector, ...]
    right: frozenset[int]
    """Who may be the culprit: one, or all that nobody has ruled out."""
    share: float
    """How much this case counts: each file counts alike, whatever its size."""
    told: bool = False
    """A person's words are what is known of the symptoms."""


def learnable(cases: Iterable[LabelledCase], start: Weights) -> tuple[Example, ...]:
    """Return the labelled *cases* whose culprit is among the candidates, or of which some are ruled out."""
    return tuple(example for case in cases if (example := _example(case, start)) is not None)


def _alike(files: Sequence[Sequence[Example]]) -> tuple[Example, ...]:
    """Return the examples of all *files*; each file counts alike, but a case at most double."""
    files = [file for file in files if file]
    size = sum(len(file) for file in files) / max(1, len(files))
    return tuple(
        replace(e, share=e.share * min(_MOST_SHARE, size / len(file))) for file in files for e in file
    )


def _example(labelled: LabelledCase, start: Weights) -> Example | None:
    if labelled.truth is None and not labelled.wrong:
        return None
    measured = measure(labelled.case, start)
    right = _right(labelled, [change.id for change, _ in measured.candidates])
    vectors = [_vector(features) for _, features in measured.candidates] + [_vector(measured.nothing)]
    if not right or len(right) == len(vectors):
        return None
    return Example(candidates=tuple(vectors), right=right, share=labelled.strength, told=measured.told)


def _right(labelled: LabelledCase, ids: Sequence[ChangeId]) -> frozenset[int]:
    """Return the places of those who may be the culprit; the last place is "nothing changed"."""
    if labelled.truth is None:
        return frozenset(index for index, id_ in enumerate([*ids, None]) if id_ not in labelled.wrong)
    if labelled.truth.change is None:
        return frozenset({len(ids)})
    return frozenset(index for index, id_ in enumerate(ids) if id_ == labelled.truth.change)


def _vector(features: Iterable[Feature]) -> Vector:
    found: dict[WeightName, float] = {}
    for feature in features:
        found[feature.name] = found.get(feature.name, 0.0) + feature.value
    return found


def fit_weights(examples: Sequence[Example], start: Weights, *, source: str, version: str) -> Weights:
    """Return *start* with its fitted weights moved to where *examples* are most likely.

    Weights whose sign would turn against their meaning stay at zero: worthless, never perverse.
    """
    values = dict(start.values)
    free = [name for name in WeightName if start.weights[name].fitted]
    total = sum(example.share for example in examples)
    if not total:
        return start
    squares = dict.fromkeys(free, 1e-6)
    for _ in range(STEPS):
        slope = _gradient(examples, values)
        for name in free:
            pull = PRIOR_STRENGTH * (start.values[name] - values[name]) / total
            step = slope.get(name, 0.0) / total + pull
            squares[name] += step * step
            values[name] = _keep_sign(start.values[name], values[name] + _RATE * step / squares[name] ** 0.5)
    weights = {
        name: Weight(value=round(values[name], 3), source=source, fitted=True)
        if name in free
        else start.weights[name]
        for name in WeightName
    }
    return Weights(
        version=version,
        weights=weights,
        half_lives=start.half_lives,
        calibration=start.calibration,
        calibration_told=start.calibration_told,
        decision=start.decision,
    )


def _keep_sign(start: float, value: float) -> float:
    return max(0.0, value) if start > 0 else min(0.0, value)


def _gradient(examples: Sequence[Example], values: Vector) -> dict[WeightName, float]:
    """Return the slope of the log-likelihood: what was there minus what was expected."""
    slope: dict[WeightName, float] = {}
    for example in examples:
        expected = probabilities(example.candidates, values)
        # Of several who may be it, each has the part that the weights so far give it.
        among = sum(expected[index] for index in example.right) or 1.0
        for index, (vector, probability) in enumerate(zip(example.candidates, expected, strict=True)):
            there = probability / among if index in example.right else 0.0
            miss = example.share * (there - probability)
            if abs(miss) < 1e-9:
                continue
            for name, value in vector.items():
                slope[name] = slope.get(name, 0.0) + miss * value
    return slope


def probabilities(candidates: Sequence[Vector], values: Vector) -> list[float]:
    """Return the probability of each candidate under the weights *values*."""
    scores = [sum(value * values[name] for name, value in vector.items()) for vector in candidates]
    top = max(scores)
    powers = [exp(score - top) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def fit_calibration(judged: Sequence[tuple[float, bool, float]], *, source: str) -> Calibration:
    """Return Platt's map learned from (raw probability of the first suspect, was it right, share) triples.

    The targets are smoothed as Platt did, so that a clean separation does not end in certainty.
    """
    right = sum(share for _, was_right, share in judged if was_right)
    wrong = sum(share for _, was_right, share in judged if not was_right)
    high, low = (right + 1.0) / (right + 2.0), 1.0 / (wrong + 2.0)
    rows = [(_log_odds(raw), high if ok else low, share) for raw, ok, share in judged]
    slope, intercept = 1.0, 0.0
    for _ in range(100):
        slope, intercept = _newton(rows, slope, intercept)
    sure = [
        (ok, share) for raw, ok, share in judged if slope * _log_odds(raw) + intercept >= _log_odds(_SURE)
    ]
    held = sum(share for ok, share in sure if ok)
    # Laplace's rule of succession: some more would have to come true before certainty could be claimed.
    ceiling = (held + 1.0) / (sum(share for _, share in sure) + 2.0) if sure else 1.0
    return Calibration(
        slope=max(_LEAST_SLOPE, round(slope, 3)),
        intercept=round(intercept, 3),
        ceiling=round(min(_HIGHEST, max(_SURE, ceiling)), 3),
        source=source,
    )


def _newton(
    rows: Sequence[tuple[float, float, float]], slope: float, intercept: float
) -> tuple[float, float]:
    g0 = g1 = 0.0
    h00 = h01 = h11 = 1e-3
    for x, target, share in rows:
        p = 1.0 / (1.0 + exp(-max(-40.0, min(40.0, slope * x + intercept))))
        g0 += share * (p - target) * x
        g1 += share * (p - target)
        curve = share * max(p * (1.0 - p), 1e-6)
        h00 += curve * x * x
        h01 += curve * x
        h11 += curve
    determinant = h00 * h11 - h01 * h01
    return (
        slope - 0.5 * (h11 * g0 - h01 * g1) / determinant,
        intercept - 0.5 * (h00 * g1 - h01 * g0) / determinant,
    )


def _log_odds(probability: float) -> float:
    clipped = min(1.0 - 1e-6, max(1e-6, probability))
    return log(clipped / (1.0 - clipped))


def relearn(files: Mapping[str, Sequence[LabelledCase]], start: Weights, *, version: str) -> Weights:
    """Return new weights fitted on all *files*, calibrated on what each file gets when it is left out."""
    names = sorted(files)
    source = (
        f"fitted on {', '.join(names)}; drawn to version {start.version} as {PRIOR_STRENGTH:.0f} cases would"
    )
    examples = {name: learnable(files[name], start) for name in names}
    held_out: dict[bool, list[tuple[float, bool, float]]] = {False: [], True: []}
    for part, others in _parts([examples[name] for name in names]):
        weights = fit_weights(_alike(others), start, source=source, version=version)
        for e in part:
            if _is_judged(e, weights.values):
                share = e.share * min(_MOST_SHARE, _CALIBRATION_SHARE / len(part))
                held_out[e.told].append((*_first(e, weights.values), share))
    fitted = fit_weights(_alike(list(examples.values())), start, source=source, version=version)
    platt = f"Platt on {', '.join(names)}, each left out of the fit"
    calibration, calibration_told = start.calibration, start.calibration_told
    if len(held_out[False]) >= _ENOUGH:
        calibration = fit_calibration(held_out[False], source=platt)
    if len(held_out[True]) >= _ENOUGH:
        calibration_told = fit_calibration(held_out[True], source=f"{platt}; those that a person told")
    return Weights(
        version=version,
        weights=fitted.weights,
        half_lives=start.half_lives,
        calibration=calibration,
        calibration_told=calibration_told,
        decision=start.decision,
    )


def _parts(
    files: Sequence[tuple[Example, ...]],
) -> list[tuple[tuple[Example, ...], list[tuple[Example, ...]]]]:
    """Return each file beside the others; of a lone file, each fifth beside its rest."""
    if len(files) == 1:
        files = [files[0][start::_FOLDS] for start in range(_FOLDS)]
    files = [file for file in files if file]
    return [(file, [other for other in files if other is not file]) for file in files]


_FOLDS = 5
_ENOUGH = 20  # Our choice: fewer answers say less about certainty than the calibration that is there.
_CALIBRATION_SHARE = 40.0  # Our choice: every file calibrates like forty cases, whatever its size.


def _first(example: Example, values: Vector) -> tuple[float, bool]:
    """Return the raw probability of the best suspect, and whether it is the culprit."""
    suspects = probabilities(example.candidates, values)[:-1]
    if not suspects:
        return 0.0, False
    best = max(range(len(suspects)), key=lambda index: suspects[index])
    return suspects[best], best in example.right


def _is_judged(example: Example, values: Vector) -> bool:
    """Say whether the label tells if the best suspect is right; that it is not ruled out does not."""
    return len(example.right) == 1 or not _first(example, values)[1]
