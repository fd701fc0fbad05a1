"""`handrail reference`: the tables of the documentation, made from what the code knows."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from bot.domain.errors import Invalid

ROOT = Path(__file__).resolve().parents[2]


def reference(
    context: typer.Context,
    write: Annotated[bool, typer.Option("--write", help="Write the files that differ.")] = False,
    root: Annotated[Path, typer.Option(help="The project's folder.")] = ROOT,
) -> None:
    """Name the tables of the documentation that differ from the code; exit code 1 when some do.

    Example: handrail reference --write
    """
    command = context.find_root().command
    if not isinstance(command, TyperGroup):
        raise Invalid("run it as `handrail reference`")
    from adapters.cli.pages import text_of, wanted_files

    wanted = wanted_files(root, command)
    stale = {path: text for path, text in wanted.items() if text_of(root / path) != text}
    for path, text in stale.items():
        if write:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        typer.echo(f"{path}: {'written' if write else 'differs; run handrail reference --write'}")
    raise typer.Exit(1 if stale and not write else 0)
