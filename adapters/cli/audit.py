"""`handrail audit`: check the record, search and export it, and keep its key and its size."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from adapters.cli.auditing import Wanted
    from bot.domain.chain_check import ChainReport

audit_app = typer.Typer(help="Check, read and keep the record.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Since = Annotated[str | None, typer.Option(help="Such as 12h, 7d or 2026-11-01.")]


@audit_app.command()
def verify(
    checkpoint: Annotated[
        str | None, typer.Option(help="A checkpoint that was kept elsewhere, or a file of them.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The public key that must be in use; default: that of the data folder.")
    ] = None,
    accept: Annotated[
        list[str] | None, typer.Option(help="A public key that took over when the one before was lost.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="An exported file to check instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check every entry, its signature and the tables; exit code 1 names the first that does not fit.

    Example: handrail audit verify --checkpoint checkpoints.txt
    """
    from adapters.cli.auditing import checked

    report = asyncio.run(checked(checkpoint, key, accept or [], file))
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        _say(report)
    raise typer.Exit(0 if report.is_intact else 1)


def _say(report: "ChainReport") -> None:
    if report.first_bad is not None:
        typer.echo(f"BROKEN at entry {report.first_bad}: {report.why}")
    elif report.contradictions:
        typer.echo("BROKEN: the tables do not say what the record says")
    else:
        typer.echo(f"intact: {report.entries} entries, {report.signed} of them signed, head {report.head}")
    for contradiction in report.contradictions:
        typer.echo(f"  {contradiction}")
    for note in report.notes:
        typer.echo(f"note: {note}", err=True)


@audit_app.command()
def search(
    act: Annotated[str | None, typer.Option(help="Such as approved, denied, claimed, model_called.")] = None,
    actor: Annotated[str | None, typer.Option(help="A Slack user id, or handrail.")] = None,
    incident: Annotated[str | None, typer.Option(help="PagerDuty's id.")] = None,
    since: Since = None,
    text: Annotated[str | None, typer.Option(help="Part of the actor or of a value.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the entries that fit, oldest first. Example: handrail audit search --act approved --since 7d"""
    from adapters.cli.auditing import Wanted

    wanted = Wanted(act=act, actor=actor, incident=incident, since=since, text=text)
    asyncio.run(_print(wanted, as_json=as_json))


async def _print(wanted: "Wanted", *, as_json: bool) -> None:
    from adapters.cli.auditing import found, told
    from adapters.cli.plain import plain

    async for entry in found(wanted):
        if as_json:
            typer.echo(told(entry))
        else:
            where = entry.incident or "-"
            body = ", ".join(f"{name}={value}" for name, value in entry.body_values().items())
            told_as = f"{where} {entry.act} by {entry.actor}: {body}"
            typer.echo(f"{entry.seq} {entry.at:%Y-%m-%d %H:%M:%S} {plain(told_as)}")


@audit_app.command()
def show(
    which: Annotated[
        str | None, typer.Argument(help="A proposal (Q3B15VLMF3ASBD-1) or an incident; default: everything.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Entries at most.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="A proposal as one JSON object.")] = False,
) -> None:
    """Tell a proposal from the event to the signal, or print entries as JSON Lines, oldest first.

    Example: handrail audit show Q3B15VLMF3ASBD-1
    """
    from adapters.cli.telling import told_of

    for line in asyncio.run(told_of(which, limit=limit, as_json=as_json)):
        typer.echo(line)


@audit_app.command()
def export(since: Since = None) -> None:
    """Print entries as JSON Lines that `verify --file` can check. Example: handrail audit export > a.jsonl"""
    from adapters.cli.auditing import Wanted

    asyncio.run(_export(Wanted(since=since)))


async def _export(wanted: "Wanted") -> None:
    from adapters.cli.auditing import exported, found

    async for entry in found(wanted):
        typer.echo(exported(entry))


@audit_app.command()
def archive() -> None:
    """Move entries older than HANDRAIL_AUDIT_RETENTION_DAYS to a segment file. Claims stay.

    Example: handrail audit archive
    """
    from adapters.cli.auditing import archived

    moved = asyncio.run(archived())
    if moved is None:
        typer.echo("nothing is old enough")
    else:
        typer.echo(f"moved {moved.entries} entries to {moved.path}")


@audit_app.command()
def rotate(
    lost: Annotated[
        bool, typer.Option("--lost", help="The key in use is gone: go on with this bot's.")
    ] = False,
) -> None:
    """Hand the record over to a new key. Approvals that wait are withdrawn.

    Example: handrail audit rotate
    """
    from adapters.cli.auditing import rotated

    entry, waiting = asyncio.run(rotated(is_lost=lost))
    typer.echo(f"entry {entry.seq} names the new key {entry.body_values()['new_key']}")
    if waiting is not None:
        typer.echo(f"set HANDRAIL_AUDIT_KEY to the content of {waiting} and restart every bot", err=True)
    if lost:
        typer.echo("check from now on with `handrail audit verify --accept KEY`", err=True)


@audit_app.command()
def vouch(
    entry: Annotated[int, typer.Argument(help="The number of an entry that is not signed.")],
    reason: Annotated[str, typer.Option(help="What you know of it.")],
) -> None:
    """Put your word behind an entry that was written while nothing could be signed.

    Example: handrail audit vouch 214 --reason "I ran handrail kill while the disk was away"
    """
    from adapters.cli.auditing import vouched

    typer.echo(f"entry {asyncio.run(vouched(entry, reason)).seq} vouches for entry {entry}")
