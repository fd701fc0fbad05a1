"""`handrail labels`: what people and recoveries said, as labelled cases."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from adapters.evaluation.labelled import LabelledLines

labels_app = typer.Typer(help="What people said of diagnoses, as labelled cases.", no_args_is_help=True)


@labels_app.callback()
def _labels() -> None:
    """What people said of diagnoses, as labelled cases."""


@labels_app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The file of cases to write, JSON Lines.", metavar="OUT.jsonl")],
    since: Annotated[str | None, typer.Option(help="Labels since then: 30d, or a date.")] = None,
) -> None:
    """Write one case for each labelled incident, as it was diagnosed, for `eval` and `fit`.

    The cases hold what the incidents hold, redacted. Example: handrail labels export labels.jsonl
    """
    found = asyncio.run(_found(since))
    out.write_text("".join(f"{line}\n" for line in found.lines), encoding="utf-8")
    typer.echo(
        f"{out}: {len(found.lines)} cases; {found.positives} say which change it was, "
        f"{found.ruled_out} only which it was not"
    )
    if found.disputed or found.lost:
        typer.echo(
            f"left out: {found.disputed} incidents whose labels contradict each other, "
            f"{found.lost} whose recorded case is missing or was changed",
            err=True,
        )


async def _found(since: str | None) -> "LabelledLines":
    from datetime import UTC, datetime

    from adapters.cli.recorded import moment, recorded
    from adapters.evaluation.labelled import labelled_lines

    start = moment(since, datetime.now(UTC))
    async with recorded() as store:
        return await labelled_lines(store.diagnoses, store.labels, start)
