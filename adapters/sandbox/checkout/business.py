"""What the service sells, and the four ways in which that goes wrong."""

import asyncio
import random
import traceback
from dataclasses import dataclass

DEFAULT_RATE = 2000  # Hundredths of a percent, as all rates here.
REGIONAL_RATES = {"DE": 1900, "FR": 2000, "CH": 810, "NO": 2500, "UK": 2000}
RATES_OF_42 = {"DE": 1900, "FR": 2000}
# Version 42 knows 65 % of the requests' regions and fails for the rest.
REGION_SHARES = {"DE": 45, "FR": 20, "CH": 15, "NO": 10, "UK": 10}
CARD_FAILURE_RATIO = 0.002
TAX_ENGINE_FAILURE_RATIO = 0.2
STUCK_FAILURE_RATIO = 0.6
POOL_WAIT_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Basket:
    """What a request asks for."""

    amount_cents: int
    region: str


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a request meets: the version that serves it, and what is switched on."""

    version: str
    new_tax_engine: bool
    stuck: bool


@dataclass(frozen=True, kw_only=True)
class Sale:
    """A request that went well."""

    total_cents: int


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A request that failed; *function* is where, *signature* one line for logs and metrics."""

    function: str
    signature: str


def a_basket(chance: random.Random) -> Basket:
    """Return what the next customer buys."""
    region = chance.choices(tuple(REGION_SHARES), weights=tuple(REGION_SHARES.values()))[0]
    return Basket(amount_cents=chance.randrange(500, 20_000), region=region)


async def check_out(basket: Basket, conditions: Conditions, chance: random.Random) -> Sale | Failure:
    """Return the sale, or which part of it failed."""
    try:
        if conditions.stuck:
            await reserve_stock(chance)
        total = apply_regional_tax(basket, conditions.version)
        if conditions.new_tax_engine:
            quote_new_tax_engine(chance)
        charge_card(chance)
    except (KeyError, ConnectionError, TimeoutError) as exc:
        function = traceback.extract_tb(exc.__traceback__)[-1].name
        return Failure(function=function, signature=f"{type(exc).__name__} in {function}: {exc}")
    return Sale(total_cents=total)


def apply_regional_tax(basket: Basket, version: str) -> int:
    """Add the region's tax. Version 42 has a shorter table and no default."""
    rate = RATES_OF_42[basket.region] if version == "42" else REGIONAL_RATES.get(basket.region, DEFAULT_RATE)
    return basket.amount_cents + basket.amount_cents * rate // 10_000


def quote_new_tax_engine(chance: random.Random) -> None:
    """Ask the new tax engine, which is often too slow."""
    if chance.random() < TAX_ENGINE_FAILURE_RATIO:
        raise TimeoutError("tax engine gave no quote in 800 ms")


async def reserve_stock(chance: random.Random) -> None:
    """Take a connection from a pool that leaked most of them; a restart makes a new pool."""
    if chance.random() < STUCK_FAILURE_RATIO:
        await asyncio.sleep(POOL_WAIT_S)
        raise TimeoutError("no free connection in the pool (8 of 8 leaked)")


def charge_card(chance: random.Random) -> None:
    """Charge the card; the card network fails now and then, whatever the version."""
    if chance.random() < CARD_FAILURE_RATIO:
        raise ConnectionError("card network did not answer")
