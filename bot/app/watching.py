"""Watch a signal: healthy is what was healthy for the hold time, and missing data never is."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

from bot.app.wording import duration
from bot.domain.execution import Result, StepOutcome
from bot.domain.plan import Check
from bot.domain.playbook import Comparison
from bot.ports import Clock, Reading, Signals

LOOK_EVERY_S = 1.0

Sleep = Callable[[float], Awaitable[None]]


async def watch(signals: Signals, clock: Clock, check: Check, *, sleep: Sleep = asyncio.sleep) -> StepOutcome:
    """Return `DONE` once the signal was healthy for the hold time without a break, else `FAILED`."""
    start = clock.now()
    healthy_since = None
    reading = await signals.read(check.signal)
    while True:
        now = clock.now()
        if not is_healthy(check, reading):
            healthy_since = None
            if now - start > timedelta(seconds=check.within_s):
                return StepOutcome(result=Result.FAILED, detail=_not_recovered(check, reading))
        elif healthy_since is None:
            healthy_since = now
        if healthy_since is not None and now - healthy_since >= timedelta(seconds=check.hold_s):
            return StepOutcome(result=Result.DONE, detail=_recovered(check, reading, healthy_since - start))
        await sleep(LOOK_EVERY_S)
        reading = await signals.read(check.signal)


def is_healthy(check: Check, reading: Reading) -> bool:
    """Say whether the reading is on the healthy side of the threshold; no value is not healthy."""
    if reading.value is None:
        return False
    value = Decimal(repr(reading.value))
    if check.healthy is Comparison.BELOW:
        return value < check.threshold
    return value > check.threshold


def said(reading: Reading) -> str:
    """Return the reading in words."""
    return f"{reading.value:.4g}" if reading.value is not None else f"unknown ({reading.why})"


def _recovered(check: Check, reading: Reading, after: timedelta) -> str:
    return (
        f"{check.signal_name} is {said(reading)}, {check.healthy.value} {check.threshold}: healthy "
        f"{duration(after)} after the last step and for {check.hold_s} s since"
    )


def _not_recovered(check: Check, reading: Reading) -> str:
    return (
        f"{check.signal_name} is {said(reading)} after {check.within_s} s, "
        f"it should be {check.healthy.value} {check.threshold}"
    )
