"""`handrail playbooks`: check them, and print the schema an editor uses."""

import os
from pathlib import Path
from typing import Annotated

import typer

playbooks_app = typer.Typer(help="Check playbooks.", no_args_is_help=True)


@playbooks_app.command()
def lint(
    folder: Annotated[
        Path | None,
        typer.Argument(help="The folder of playbooks; default: HANDRAIL_PLAYBOOKS, else playbooks."),
    ] = None,
) -> None:
    """Check every playbook; each problem names its file and line. Example: handrail playbooks lint"""
    from adapters.files.playbooks import read_playbooks
    from adapters.settings import playbooks_folder

    for loaded in read_playbooks(folder or playbooks_folder(os.environ)).values():
        playbook = loaded.playbook
        typer.echo(f"{playbook.id}: ok, risk {playbook.risk.value}, {len(playbook.steps)} steps")


@playbooks_app.command()
def schema() -> None:
    """Print the JSON schema of a playbook file. Example: handrail playbooks schema > playbooks/schema.json"""
    from adapters.files.playbooks import playbook_schema

    typer.echo(playbook_schema(), nl=False)
