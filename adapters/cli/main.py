"""`handrail`: the commands, and what becomes of an error.

Every command's module is imported for any command's sake, so it imports what is large only when it runs.
"""

import os
import sys
from typing import Annotated

import typer

from adapters.cli.audit import audit_app
from adapters.cli.check import check
from adapters.cli.demo import demo
from adapters.cli.drift import drift
from adapters.cli.eval import eval_cases
from adapters.cli.fit import fit
from adapters.cli.kill import kill, revive
from adapters.cli.labels import labels_app
from adapters.cli.playbooks import playbooks_app
from adapters.cli.policy import policy_app
from adapters.cli.redact import redact
from adapters.cli.reference import reference
from adapters.cli.replay import replay
from adapters.cli.run import run
from bot.domain.errors import HandrailError

app = typer.Typer(
    name="handrail",
    help="A Slack bot for on-call engineers: nothing runs before a person approved it. Try `handrail demo`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(demo)
app.command()(check)
app.command(name="eval")(eval_cases)
app.command()(fit)
app.command()(replay)
app.command()(drift)
app.command()(redact)
app.command()(kill)
app.command()(revive)
app.command(hidden=True)(reference)
app.add_typer(playbooks_app, name="playbooks")
app.add_typer(policy_app, name="policy")
app.add_typer(audit_app, name="audit")
app.add_typer(labels_app, name="labels")


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(version("handrail"))
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Run one command. Exit code 0: done; 1: it says no; 2: it could not be done, and stderr says why."""
    try:
        app()
    except HandrailError as exc:
        typer.echo(f"handrail: {exc}", err=True)
        sys.stderr.flush()
        # Threads of a library that hangs must not keep a failed start alive.
        os._exit(2)
