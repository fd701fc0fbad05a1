"""What `handrail check` does: look at everything, and print what was found."""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterable

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from adapters.checking import check_all
from adapters.finding import Finding, Verdict
from adapters.security.checking import Asked, check_security
from adapters.settings import InvalidSettings, Settings, read_settings

_MARK = {
    Verdict.OK: "[green]ok[/green]",
    Verdict.WARNING: "[yellow]warning[/yellow]",
    Verdict.FAILED: "[red]FAILED[/red]",
}


def look_at_all(*, as_json: bool) -> int:
    """Print one finding for each part; return the exit code."""
    return _looked_at(check_all, as_json=as_json)


def look_at_security(*, url: str | None, checkpoint: str | None, as_json: bool) -> int:
    """Print one finding for each promise of a running deployment; return the exit code."""
    return _looked_at(lambda settings: check_security(Asked(settings, url, checkpoint)), as_json=as_json)


def _looked_at(check: Callable[[Settings], Coroutine[None, None, list[Finding]]], *, as_json: bool) -> int:
    try:
        settings = read_settings(os.environ)
    except InvalidSettings as exc:
        _print([_wrong(line) for line in str(exc).splitlines()], as_json=as_json)
        return 2
    findings = asyncio.run(check(settings))
    _print(findings, as_json=as_json)
    return 1 if any(finding.verdict is Verdict.FAILED for finding in findings) else 0


def _wrong(said: str) -> Finding:
    remedy = "see README, “Install and configure”"
    return Finding(what="settings", verdict=Verdict.FAILED, said=said, remedy=remedy)


def _print(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"findings": [finding.model_dump(mode="json") for finding in findings]}))
        return
    Console().print(table_of(findings))


def table_of(findings: Iterable[Finding]) -> Table:
    """Return *findings* as a table in which nothing is cut off, however narrow it becomes."""
    # A name that is too long goes on in the next line: with an ellipsis nobody would know what to mend.
    table = Table(*(Column(name, overflow="fold") for name in ("what", "verdict", "ms", "said", "remedy")))
    for finding in findings:
        latency = "" if finding.latency_ms is None else f"{finding.latency_ms:.0f}"
        # As text: what a neighbour or a file says may hold brackets, which rich would take for a style.
        what, said, remedy = Text(finding.what), Text(finding.said), Text(finding.remedy)
        table.add_row(what, _MARK[finding.verdict], latency, said, remedy)
    return table
