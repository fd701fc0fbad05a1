"""`handrail eval`: measure correlation and grouping on labelled files, each file alone."""

from pathlib import Path
from typing import Annotated

import typer

from adapters.evaluation.baseline_names import Baseline


def eval_cases(
    files: Annotated[list[Path], typer.Argument(help="Files of labelled cases or streams, JSON Lines.")],
    baseline: Annotated[
        Baseline | None, typer.Option(help="Rank with a simple rule instead, to compare.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A weights file to use instead of the one that ships.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write one prediction a line to this file.", metavar="OUT")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write a reliability plot (SVG) per file into this folder.")
    ] = None,
    fit: Annotated[
        Path | None, typer.Option(help="Learn new weights from these files; write them here.", metavar="OUT")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Ask this model too, and print prior and model beside the prior alone."),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the measures as JSON.")] = False,
) -> None:
    """Measure the ranking and the grouping on labelled cases, each file alone.

    Example: handrail eval cases.jsonl streams.jsonl --baseline newest
    """
    from adapters.cli.evaluating import evaluate

    evaluate(
        files,
        baseline,
        weights=weights,
        predictions=predictions,
        plot=plot,
        fit=fit,
        model=model,
        json_output=json_output,
    )
