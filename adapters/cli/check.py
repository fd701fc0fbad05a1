"""`handrail check`: is every neighbour reachable and permitted, how fast, and what to do if not."""

import asyncio
import json
import os
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from adapters.finding import Finding, Verdict
from adapters.settings import InvalidSettings, read_settings

_MARK = {
    Verdict.OK: "[green]ok[/green]",
    Verdict.WARNING: "[yellow]warning[/yellow]",
    Verdict.FAILED: "[red]FAILED[/red]",
}


def check(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check settings, files and every neighbour; post nothing.

    Exit code 0: all well; 1: something failed; 2: the settings are wrong. Example: handrail check --json
    """
    try:
        settings = read_settings(os.environ)
    except InvalidSettings as exc:
        findings = [
            Finding(
                what="settings",
                verdict=Verdict.FAILED,
                said=line,
                remedy="see README, “Install and configure”",
            )
            for line in str(exc).splitlines()
        ]
        _print(findings, as_json=as_json)
        raise typer.Exit(2) from exc
    from adapters.checking import check_all  # Imported late: it loads every neighbour's client.

    findings = asyncio.run(check_all(settings))
    _print(findings, as_json=as_json)
    raise typer.Exit(1 if any(f.verdict is Verdict.FAILED for f in findings) else 0)


def _print(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"findings": [finding.model_dump(mode="json") for finding in findings]}))
        return
    table = Table("what", "verdict", "ms", "said", "remedy")
    for finding in findings:
        latency = "" if finding.latency_ms is None else f"{finding.latency_ms:.0f}"
        table.add_row(finding.what, _MARK[finding.verdict], latency, finding.said, finding.remedy)
    Console().print(table)
