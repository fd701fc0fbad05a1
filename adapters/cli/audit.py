"""`handrail audit`: check the record, and read it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bot.domain.audit import Entry
    from bot.domain.chain_check import ChainReport
    from bot.ports import AuditLog

audit_app = typer.Typer(help="Check and read the record.", no_args_is_help=True)


@audit_app.command()
def verify(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Check every entry of the chain; exit code 1 names the first that does not fit.

    Example: handrail audit verify
    """
    report = asyncio.run(_verify())
    if as_json:
        typer.echo(report.model_dump_json())
    elif report.is_intact:
        typer.echo(f"intact: {report.entries} entries, head {report.head}")
    else:
        typer.echo(f"BROKEN at entry {report.first_bad}: {report.why}")
    raise typer.Exit(0 if report.is_intact else 1)


@audit_app.command()
def show(
    incident: Annotated[
        str | None, typer.Argument(help="PagerDuty's id of an incident; default: all.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Entries at most.")] = 1000,
) -> None:
    """Print entries as JSON Lines, oldest first. Example: handrail audit show Q3B15VLMF3ASBD"""
    for entry in asyncio.run(_entries(incident, limit)):
        typer.echo(json.dumps({**entry.model_dump(mode="json"), "body": entry.body_values()}))


async def _verify() -> "ChainReport":
    async with _opened() as audit:
        return await audit.verify()


async def _entries(incident: str | None, limit: int) -> "Sequence[Entry]":
    from bot.domain.ids import IncidentId

    async with _opened() as audit:
        return await audit.entries(IncidentId(incident) if incident else None, limit=limit)


@asynccontextmanager
async def _opened() -> "AsyncIterator[AuditLog]":
    from adapters.settings import store_settings
    from adapters.store.opening import open_record

    store = open_record(store_settings(os.environ).database_url)
    try:
        yield store.audit
    finally:
        await store.close()
