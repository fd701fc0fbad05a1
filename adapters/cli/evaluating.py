"""What `handrail eval` does: rank and group the cases of each file, measure, and print."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from adapters.evaluation.baseline_names import Baseline
from adapters.evaluation.cases import LabelledCase, Stream
from adapters.evaluation.fit import relearn
from adapters.evaluation.plot import reliability_svg
from adapters.evaluation.reading import BadLine, Lines, read_lines
from adapters.evaluation.run import (
    Answer,
    Ranker,
    Report,
    StreamReport,
    answers,
    as_json,
    baseline_ranker,
    grouped,
    groups_line,
    judged,
    our_ranker,
    prediction_line,
    report,
    stream_report,
    write_lines,
)
from bot.domain.errors import Invalid
from bot.domain.grouping import GroupingRules
from bot.domain.measures import reliability
from bot.domain.redaction import Redactor
from bot.domain.weights import Weights, load_weights, parse_weights

Results = dict[str, list[tuple[LabelledCase, Answer]]]
Groups = dict[str, list[tuple[Stream, dict[str, str]]]]

_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
_PIPED_WIDTH = 120  # A pipe has no width of its own; narrower than this the tables would wrap.


def evaluate(
    files: Sequence[Path],
    baseline: Baseline | None,
    *,
    weights: Path | None,
    predictions: Path | None,
    plot: Path | None,
    fit: Path | None,
    model: str | None,
    json_output: bool,
) -> None:
    """Measure *files*; see the command for what the rest means.

    Raises:
        Exit: 2 when something of the input was wrong; what could be read was measured all the same.
    """
    notes = Console(stderr=True)
    try:
        read = _read(files)
        used = load_weights() if weights is None else parse_weights(weights.read_text(encoding="utf-8"))
        _writable(predictions)
    except (Invalid, OSError, ValueError) as exc:
        notes.print(f"handrail eval: {exc}", style="red", markup=False)
        raise typer.Exit(2) from exc
    if fit is not None:
        used = _refit({name: lines.cases for name, lines in read.items() if lines.cases}, used, fit, notes)
    bad = [line for lines in read.values() for line in lines.bad]
    for line in bad:
        notes.print(f"handrail eval: left out: {line}", style="red", markup=False, soft_wrap=True)
    ranker = our_ranker(used) if baseline is None else baseline_ranker(baseline)
    results, groups = _run(read, ranker, notes)
    reports, streams = _reports(results, groups, "handrail" if baseline is None else baseline.value)
    if model is not None:
        results = _ask_model(read, used, model, notes)
        reports += _reports(results, {}, f"with {model}")[0]
        reports.sort(key=lambda entry: entry.file)
    if predictions is not None:
        _write_predictions(predictions, results, groups, bad)
    if plot is not None:
        _write_plots(plot, results)
    if json_output:
        typer.echo(as_json([*reports, *streams]))
    else:
        _print(reports, streams)
    if bad:
        raise typer.Exit(2)


def _read(files: Sequence[Path]) -> dict[str, Lines]:
    """Return what each file holds, by a name of its own: two files may be called the same."""
    read: dict[str, Lines] = {}
    for path in files:
        names = (path.stem, *(f"{path.stem}-{n}" for n in range(2, len(files) + 1)))
        read[next(name for name in names if name not in read)] = read_lines(path)
    return read


def _writable(predictions: Path | None) -> None:
    """Learn now, not after the work, that nothing can be written."""
    if predictions is not None:
        predictions.open("a", encoding="utf-8").close()


def _refit(files: dict[str, tuple[LabelledCase, ...]], start: Weights, out: Path, notes: Console) -> Weights:
    with notes.status("Learning weights…"):
        learned = relearn(files, start, version=out.stem)
    out.write_text(learned.model_dump_json(indent=1) + "\n", encoding="utf-8")
    notes.print(f"Wrote {out}; measured below on the cases it was learned from.", markup=False)
    return learned


def _run(read: dict[str, Lines], ranker: Ranker, notes: Console) -> tuple[Results, Groups]:
    results: Results = {}
    groups: Groups = {}
    with Progress(*_COLUMNS, console=notes, transient=True) as progress:
        for name, lines in read.items():
            bar = progress.add_task(name, total=len(lines.cases) + len(lines.streams))
            for pair in answers(lines.cases, ranker):
                results.setdefault(name, []).append(pair)
                progress.advance(bar)
            for stream in lines.streams:
                groups.setdefault(name, []).append((stream, grouped(stream, GroupingRules())))
                progress.advance(bar)
    return results, groups


def _ask_model(
    read: dict[str, Lines],
    weights: Weights,
    model: str,
    notes: Console,
) -> Results:
    from adapters.evaluation.opinions import opinions
    from adapters.llm.building import build_analyst
    from adapters.llm.config import ModelConfig
    from adapters.logs import log_aside
    from adapters.settings import model_settings

    log_aside()
    try:
        known = model_settings(os.environ)
    except Invalid as exc:
        notes.print(f"handrail eval: {exc}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from exc
    if known is None:
        notes.print("handrail eval: there is no model: set OPENAI_API_KEY.", style="red", markup=False)
        raise typer.Exit(2)
    config = ModelConfig(base_url=known.base_url, api_key=known.api_key, model=model, prompts=known.prompts)

    async def ask() -> Results:
        results: Results = {}
        async with aclosing(build_analyst(config)) as analyst:
            with Progress(*_COLUMNS, console=notes, transient=True) as progress:
                for name, lines in read.items():
                    bar = progress.add_task(f"{name}, {model}", total=len(lines.cases))
                    async for pair in opinions(lines.cases, weights, analyst, Redactor(os.urandom(32))):
                        results.setdefault(name, []).append(pair)
                        progress.advance(bar)
        return results

    return asyncio.run(ask())


def _reports(results: Results, groups: Groups, ranker: str) -> tuple[list[Report], list[StreamReport]]:
    scored = {name: judged(answered) for name, answered in results.items()}
    reports = [report(name, ranker, cases) for name, cases in scored.items() if cases]
    measured = [stream_report(name, made) for name, made in groups.items()]
    return reports, [entry for entry in measured if entry is not None]


def _write_predictions(path: Path, results: Results, groups: Groups, bad: Sequence[BadLine]) -> None:
    lines = [prediction_line(case.name, answer) for found in results.values() for case, answer in found]
    lines += [groups_line(stream.name, made) for found in groups.values() for stream, made in found]
    # Nothing is known of a case that cannot be read: an answer that says so, because each id is asked for.
    lines += [prediction_line(line.case, Answer((), 0.0, None)) for line in bad if line.case is not None]
    write_lines(path, lines)


def _write_plots(folder: Path, results: Results) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, answered in results.items():
        svg = reliability_svg(name, reliability(judged(answered)))
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")


def _print(reports: Sequence[Report], streams: Sequence[StreamReport]) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    if reports:
        console.print(_case_table(reports))
    if streams:
        console.print(_stream_table(streams))
    if not reports and not streams:
        console.print("No labelled cases: nothing to score.")


def _case_table(reports: Sequence[Report]) -> Table:
    table = Table(
        "file", "ranker", "+ / −", "top-1", "top-3", "MRR", "AUROC", "blamed", "named", "Brier", "ECE"
    )
    for entry in reports:
        measures = (
            entry.top_1,
            entry.top_3,
            entry.mrr,
            entry.auroc,
            entry.blamed,
            entry.named,
            entry.brier,
            entry.ece,
        )
        counts = f"{entry.positives} / {entry.negatives}"
        table.add_row(entry.file, entry.ranker, counts, *(_shown(value) for value in measures))
    return table


def _stream_table(streams: Sequence[StreamReport]) -> Table:
    table = Table("file", "streams", "alerts", "reduction", "pair precision", "pair recall", "F1", "mixed")
    for entry in streams:
        measures = (entry.reduction, entry.precision, entry.recall, entry.f1, entry.mixed)
        table.add_row(
            entry.file, str(entry.streams), str(entry.alerts), *(_shown(value) for value in measures)
        )
    return table


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
