"""`python -m tests.bench`: measure, print a table, and write `.bench/results.json`."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from tests.bench import asking, footprint, intake, life, record, thinking
from tests.bench.lines import Line, Measure, Scale
from tests.bench.machine import this_machine
from tests.bench.report import RESULTS, Results, show, write

MEASURES: dict[str, Measure] = {
    "intake": intake.measure,
    "life": life.measure,
    "asking": asking.measure,
    "footprint": footprint.measure,
    "thinking": thinking.measure,
    "record": record.measure,
}
NAMES = ", ".join(MEASURES)


def main(
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Measure this alone; may be repeated. One of {NAMES}."),
    ] = None,
    quick: Annotated[bool, typer.Option(help="Run the code once; the figures mean nothing.")] = False,
    out: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS,
) -> None:
    """Measure the bot against its goals. Example: python -m tests.bench --only intake"""
    chosen = only or list(MEASURES)
    if unknown := [name for name in chosen if name not in MEASURES]:
        raise typer.BadParameter(f"{', '.join(unknown)}: choose from {NAMES}")
    # The sandboxes tell of each delivery that the bot, stopped by then, does not take.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    results = asyncio.run(_run(chosen, Scale(is_quick=quick)))
    show(results, Console(width=150 if not Console().is_terminal else None))
    write(results, out)


async def _run(names: list[str], scale: Scale) -> Results:
    machine = this_machine()
    turn = asyncio.Semaphore(len(names) if scale.is_quick else 1)  # All at once where no figure counts.
    async with asyncio.TaskGroup() as group:
        taken = [group.create_task(_measured(name, scale, turn)) for name in names]
    lines = tuple(line for task in taken for line in task.result())
    return Results(machine=machine, is_quick=scale.is_quick, lines=lines)


async def _measured(name: str, scale: Scale, turn: asyncio.Semaphore) -> Sequence[Line]:
    async with turn:
        Console(stderr=True).print(f"measuring {name} …", style="dim")
        return await MEASURES[name](scale)


if __name__ == "__main__":
    typer.run(main)
