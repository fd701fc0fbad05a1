"""`handrail fit`: learn the weights of the ranking from labelled cases and from the team's own labels."""

from pathlib import Path
from typing import Annotated

import typer


def fit(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The weights file to write.", metavar="WEIGHTS.json")
    ],
    files: Annotated[list[Path] | None, typer.Argument(help="Files of labelled cases, JSON Lines.")] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Learn from the labels in the data folder as well.")
    ] = False,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="Weights to start from; default: those in use.", metavar="WEIGHTS.json"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the measures as JSON.")] = False,
) -> None:
    """Learn weights, and show each file before and after, the latter also with that file left out.

    Example: handrail fit cases.jsonl --labels -o weights.json
    """
    from adapters.cli.fitting import fit_files

    fit_files(files or [], out, with_labels=labels, start=start, as_json=as_json)
