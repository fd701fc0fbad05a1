"""`handrail check`: is every neighbour reachable and permitted, how fast, and what to do if not."""

from typing import Annotated

import typer


def check(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check settings, files and every neighbour; post nothing.

    Exit code 0: all well; 1: something failed; 2: the settings are wrong. Example: handrail check --json
    """
    from adapters.cli.checked import look_at_all

    raise typer.Exit(look_at_all(as_json=as_json))
