"""What a running bot does by itself: consume its queues, look for what webhooks missed, sample counters."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import structlog

from adapters.engine.dispatcher import Dispatcher
from adapters.evidence.signals import ServiceSignals
from adapters.handlers import Handlers
from adapters.store.archivist import Archivist
from bot.app.intake import reconcile
from bot.app.look_back import LookBack
from bot.app.storm import Painter
from bot.app.witness import Witness
from bot.app.world import World
from bot.domain.errors import HandrailError
from bot.ports import Inbox

log = structlog.get_logger()

WITNESS_EVERY_S = 5.0  # Our choice: what was changed behind our back is told this much later.
ARCHIVE_AFTER_S = 60.0  # Not while the bot starts and people may wait for a card.
ARCHIVE_EVERY_S = 24 * 3600.0


@asynccontextmanager
async def working(
    inbox: Inbox,
    world: World,
    signals: ServiceSignals,
    witness: Witness,
    archivist: Archivist,
    *,
    reconcile_every_s: int,
) -> AsyncIterator[None]:
    """Consume the queues, look for what webhooks missed, sample the services' counters, keep the record."""
    watched = [s for service in world.catalogue.services.values() for s in service.signals.values()]
    async with (
        beside(Dispatcher(inbox, Handlers(world).by_stream()).run()),
        beside(_reconcile_for_ever(world, reconcile_every_s)),
        beside(signals.watch(watched)),
        beside(paint_for_ever(world)),
        beside(_witness_for_ever(witness)),
        beside(archive_for_ever(archivist)),
    ):
        yield


@asynccontextmanager
async def beside(work: Coroutine[object, object, object]) -> AsyncIterator[None]:
    """Run *work* for the length of the block. When it fails the log says so at once."""
    task = asyncio.create_task(work)
    task.add_done_callback(_say_failure)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _say_failure(task: asyncio.Task[object]) -> None:
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.error("background_work_failed", exc_info=exc)


async def paint_for_ever(world: World) -> None:
    """Draw storms and threads when there may be something to draw, never oftener than people can read."""
    painter, looking_back, is_waiting = Painter(world), LookBack(world), False
    while True:
        if not is_waiting:
            await world.bell.heard()
        try:
            is_looking_back = await looking_back.step()
            is_waiting = await painter.paint() or is_looking_back
        except HandrailError as exc:
            log.warning("paint_postponed", error=str(exc))
            is_waiting = True
        except Exception:  # The edge of one drawing: the next one comes all the same.
            log.exception("paint_failed")
            is_waiting = True
        await asyncio.sleep(painter.rest_s)


async def archive_for_ever(
    archivist: Archivist, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> None:
    """Move old entries to files, daily. What keeps them from it is logged, and tried the next day."""
    await sleep(ARCHIVE_AFTER_S)
    await _look_for_ever(
        archivist.look, ARCHIVE_EVERY_S, postponed="archive_postponed", failed="archive_failed", sleep=sleep
    )


async def _reconcile_for_ever(world: World, every_s: int) -> None:
    async def look() -> None:
        log.debug("reconciled", mended=await reconcile(world))

    await _look_for_ever(look, every_s, postponed="reconcile_postponed", failed="reconcile_failed")


async def _witness_for_ever(witness: Witness) -> None:
    await _look_for_ever(
        witness.look, WITNESS_EVERY_S, postponed="record_not_witnessed", failed="witness_failed"
    )


async def _look_for_ever(
    look: Callable[[], Awaitable[object]],
    every_s: float,
    *,
    postponed: str,
    failed: str,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Look again and again; what goes wrong is logged under the event named for it."""
    while True:
        try:
            await look()
        except HandrailError as exc:
            log.warning(postponed, error=str(exc))
        except Exception:  # The edge of one look: the next one comes all the same.
            log.exception(failed)
        await sleep(every_s)
