"""Learn weights and show what it does to each file."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from adapters.cli.recorded import BEGINNING, recorded
from adapters.evaluation.cases import LabelledCase, parse_case
from adapters.evaluation.fit import learnable, relearn
from adapters.evaluation.labelled import labelled_lines
from adapters.evaluation.reading import read_file
from adapters.evaluation.run import Report, answers, judged, our_ranker, report
from adapters.files.weights import read_weights
from adapters.settings import store_settings
from bot.domain.errors import Invalid
from bot.domain.weights import Weights

Files = Mapping[str, Sequence[LabelledCase]]
LABELS = "labels"
FEW = 10
"""Our choice: from fewer cases than this the weights hardly move, and the command says so."""
_PIPED_WIDTH = 130


@dataclass(frozen=True)
class Fitted:
    """What learning did to one file."""

    file: str
    examples: int
    """Cases that something could be learned from."""
    before: Report
    left_out: Report | None
    """With weights learned from the other files; None when there is no other."""
    after: Report
    """Measured on what was learned from: too kind."""


def fit_files(
    paths: Sequence[Path], out: Path, *, with_labels: bool, start: Path | None, as_json: bool
) -> None:
    """Learn from *paths*, and from the record's labels, write the weights to *out*, and print the measures.

    Raises:
        Invalid: a file is wrong, or there is nothing to learn from.
    """
    notes = Console(stderr=True)
    files = _read(paths, with_labels=with_labels)
    first = read_weights(start or store_settings(os.environ).weights)
    learned_from = {name: len(learnable(cases, first)) for name, cases in files.items()}
    if not any(learned_from.values()):
        raise Invalid("There is nothing to learn from: no case says which change was it, or was not.")
    if sum(learned_from.values()) < FEW:
        notes.print(f"Only {sum(learned_from.values())} cases to learn from: the weights will hardly move.")
    used = {name: cases for name, cases in files.items() if learned_from[name]}
    with notes.status("Learning weights…"):
        version = f"{out.stem} of {datetime.now(UTC):%Y-%m-%d}"
        learned = relearn(used, first, version=version)
        fitted = [_measured(name, files, used, learned_from[name], first, learned) for name in files]
    out.write_text(learned.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in fitted], indent=2))
    else:
        _print(fitted)
    notes.print(f"Wrote {out}, version “{version}”, drawn to “{first.version}”.", markup=False)
    notes.print(f"To use it: HANDRAIL_WEIGHTS={out}", markup=False)


def _read(paths: Sequence[Path], *, with_labels: bool) -> dict[str, Sequence[LabelledCase]]:
    files: dict[str, Sequence[LabelledCase]] = {}
    for path in paths:
        cases, _ = read_file(path)
        if path.stem in files or (with_labels and path.stem == LABELS):
            raise Invalid(f"{path}: another file has the name {path.stem} already; rename one.")
        files[path.stem] = cases
    if with_labels:
        files[LABELS] = asyncio.run(_labels())
    if not files:
        raise Invalid("Name files of cases, or --labels, or both.")
    return files


async def _labels() -> Sequence[LabelledCase]:
    async with recorded() as store:
        found = await labelled_lines(store.diagnoses, store.labels, BEGINNING)
    return tuple(parse_case(json.loads(line)) for line in found.lines)


def _measured(name: str, files: Files, used: Files, examples: int, before: Weights, after: Weights) -> Fitted:
    others = {other: cases for other, cases in used.items() if other != name}
    alone = relearn(others, before, version="left out") if others else None
    return Fitted(
        file=name,
        examples=examples,
        before=_report(name, files[name], before),
        left_out=_report(name, files[name], alone) if alone is not None else None,
        after=_report(name, files[name], after),
    )


def _report(name: str, cases: Sequence[LabelledCase], weights: Weights) -> Report:
    return report(name, weights.version, judged(answers(cases, our_ranker(weights))))


_SHOWN = ("top_1", "top_3", "auroc", "blamed", "brier", "ece")


def _print(fitted: Sequence[Fitted]) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    table = Table("file", "+ / −", "learned from", "weights", *(name.replace("_", "-") for name in _SHOWN))
    for one in fitted:
        counts = f"{one.before.positives} / {one.before.negatives}"
        table.add_row(one.file, counts, str(one.examples), "before", *_row(one.before))
        if one.left_out is not None:
            table.add_row("", "", "", "after, this file left out", *_row(one.left_out))
        table.add_row("", "", "", "after", *_row(one.after), end_section=True)
    console.print(table)


def _row(measures: Report) -> list[str]:
    values = [getattr(measures, name) for name in _SHOWN]
    return ["–" if value is None else f"{value:.2f}" for value in values]
