"""`handrail kill` and `revive`: the switch that works without Slack, model and PagerDuty."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli.operator import operator
from bot.domain.errors import HandrailError, Invalid, Unavailable

if TYPE_CHECKING:
    from adapters.settings import StoreSettings

KILL_FILE = "KILL"


def kill(
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "no reason given",
) -> None:
    """Stop every later start at once: a file in the data folder, then a row in the record.

    Works while the bot runs and while it does not. Example: handrail kill --reason "wrong playbook"
    """
    from adapters.settings import store_settings

    where = store_settings(os.environ)
    who = operator()
    kill_file = _kill_file(where.data_dir)
    # The file first: it needs nothing but the disk, and every claim looks for it.
    why_no_file = _put(kill_file, f"{datetime.now(UTC).isoformat()} {who}: {reason}\n")
    if why_no_file:
        typer.echo(f"{kill_file} could not be written ({why_no_file}); trying the record", err=True)
    else:
        typer.echo(f"stopped: {kill_file} exists; nothing starts while it does")
    try:
        asyncio.run(_switch(where, kill_file, who, reason))
    except HandrailError as exc:
        holds = "NOT stopped: end the bot itself" if why_no_file else "the file alone holds"
        typer.echo(f"the record could not be written ({exc}); {holds}", err=True)
        raise typer.Exit(1) from exc
    typer.echo("stopped: the record says so" if why_no_file else "stopped: the record says so too")
    if why_no_file:
        raise typer.Exit(1)


def revive() -> None:
    """Allow starts again. Proposals that were refused meanwhile must be proposed again."""
    from adapters.settings import store_settings

    where = store_settings(os.environ)
    kill_file = _kill_file(where.data_dir)
    asyncio.run(_switch(where, kill_file, operator(), None))
    try:
        kill_file.unlink(missing_ok=True)
    except OSError as exc:
        raise Unavailable(
            f"{kill_file} cannot be removed ({exc.strerror}): nothing starts while it is there"
        ) from exc
    typer.echo("revived: approved playbooks may start again")


def _put(kill_file: Path, line: str) -> str:
    """Return why nothing stands there; "" when something does, for whatever does stops every start."""
    try:
        fd = os.open(kill_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(line)
    except OSError as exc:
        return "" if os.path.lexists(kill_file) else str(exc.strerror)
    return ""


def _kill_file(folder: Path) -> Path:
    if not folder.is_dir():
        raise Invalid(f"{folder}: there is no data folder. Set HANDRAIL_DATA_DIR to the bot's.")
    return folder / KILL_FILE


async def _switch(where: "StoreSettings", kill_file: Path, who: str, reason: str | None) -> None:
    from adapters.store.opening import open_store
    from adapters.store.signing import offline_signer

    # Where the key cannot be used, the entry is written all the same: a stop must not wait for it.
    signer = offline_signer(where.data_dir, where.audit_key.get_secret_value() if where.audit_key else None)

    # The row holds names and words of an operator; they are no secrets of a neighbour.
    store = open_store(where.database_url, redact=str, kill_file=kill_file, signer=signer)
    try:
        if reason is None:
            await store.gate.revive(who)
        else:
            await store.gate.kill(who, reason)
    finally:
        await store.close()
