"""`handrail drift`: the last week beside the last month."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bot.domain.drift import Period


def drift(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array, a period each.")] = False,
) -> None:
    """Compare the last 7 and 30 days: right by labels, silent, dropped claims, tokens, time, cost.

    Example: handrail drift
    """
    periods = asyncio.run(_periods())
    if as_json:
        typer.echo(json.dumps([period.model_dump(mode="json") for period in periods], indent=2))
    else:
        _print(periods)


async def _periods() -> "tuple[Period, ...]":
    from datetime import UTC, datetime, timedelta

    from adapters.cli.recorded import BEGINNING, recorded
    from bot.domain import drift as domain

    now = datetime.now(UTC)
    start = now - timedelta(days=30)
    async with recorded() as store:
        return domain.drift(
            await store.diagnoses.all(since=start),
            await store.diagnoses.opinions(since=start),
            await store.labels.since(BEGINNING),
            now,
        )


def _print(periods: "tuple[Period, ...]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", *(f"{period.days} days" for period in periods))
    for name, told in _ROWS.items():
        table.add_row(name, *(told(period) for period in periods))
    Console().print(table)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _mean(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _ms(value: int | None) -> str:
    return "–" if value is None else f"{value} ms"


def _labelled(period: "Period") -> str:
    said = f"{_percent(period.accuracy)} of {period.labelled} labelled"
    return f"{said}, {period.disputed} disputed" if period.disputed else said


def _cost(period: "Period") -> str:
    known = "–" if period.cost_usd is None else f"{period.cost_usd:.4f} USD"
    return (
        f"{known}, {period.calls_without_price} calls without a price"
        if period.calls_without_price
        else known
    )


_ROWS = {
    "diagnoses": lambda period: str(period.diagnoses),
    "named and right": _labelled,
    "mean confidence when named": lambda period: _percent(period.confidence),
    "nobody named": lambda period: _percent(period.abstained),
    "heard to diagnosis, median": lambda period: _ms(period.rules_ms),
    "model asked": lambda period: str(period.opinions),
    "model without an opinion": lambda period: _percent(period.silent),
    "model's first right": lambda period: _percent(period.opinion_accuracy),
    "dropped claims an opinion": lambda period: _mean(period.dropped_claims),
    "tokens in / out an asking": lambda period: f"{_mean(period.tokens_in)} / {_mean(period.tokens_out)}",
    "model's time, median / p95": lambda period: f"{_ms(period.model_ms)} / {_ms(period.model_ms_p95)}",
    "cost": _cost,
}
