"""The answer of a run: a table on screen, and the same as JSON beside it."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from tests.bench.lines import Line, figure
from tests.bench.machine import Machine

RESULTS = Path(".bench") / "results.json"
_MET = {True: "[green]met[/green]", False: "[red]missed[/red]", None: ""}


class Results(BaseModel):
    """Everything that one run measured."""

    model_config = ConfigDict(frozen=True)

    machine: Machine
    is_quick: bool
    """A quick run shows that the code works; its figures mean nothing."""
    lines: tuple[Line, ...]


def show(results: Results, console: Console) -> None:
    machine = results.machine
    table = Table(
        title=f"{machine.date:%Y-%m-%d %H:%M} UTC, {machine.cores} cores, Python {machine.python}, "
        f"load at start {machine.load_at_start}"
        + (", quick: figures mean nothing" if results.is_quick else "")
    )
    for heading in ("Line", "What", "Measured", "Goal", "", "Samples"):
        table.add_column(heading, overflow="fold")
    for line in results.lines:
        what = f"{line.what}\n[dim]{line.note}[/dim]" if line.note else line.what
        table.add_row(line.name, what, _measured(line), _goal(line), _MET[line.is_met], str(line.samples))
    console.print(table)
    for command in dict.fromkeys(line.command for line in results.lines):
        console.print(f"Again: {command}", style="dim")


def write(results: Results, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(results.model_dump_json(indent=2) + "\n")


def _measured(line: Line) -> str:
    return _joined([(name, figure(value)) for name, value in line.figures.items()], line.unit)


def _goal(line: Line) -> str:
    return _joined([(name, str(goal)) for name, goal in line.goals.items()], line.unit) if line.goals else ""


def _joined(figures: Sequence[tuple[str, str]], unit: str) -> str:
    return "\n".join(f"{name} {value} {unit}".rstrip() for name, value in figures)
