"""The embedded engine: starts the servers that no address was given for, and says where all of them are."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.engine.embedded.children import Child, ChildHealth
from adapters.engine.embedded.folder import DataFolder
from adapters.engine.embedded.temporal import embedded_temporal
from adapters.engine.embedded.valkey import embedded_valkey

NAMESPACE = "handrail"
_NO_ATTRIBUTES: Mapping[str, str] = {}


@dataclass(frozen=True)
class EmbeddedEngine:
    """Where the servers are, and which epoch of the engine's state this is.

    `engine_is_new`: the caller has not recorded this epoch yet, so no incident is known to it. `epoch` is
    above the caller's minimum then, and equal to it otherwise.
    """

    redis_url: str
    temporal_address: str
    temporal_namespace: str
    epoch: int
    engine_is_new: bool
    children: tuple[Child, ...]

    def health(self) -> tuple[ChildHealth, ...]:
        """How each child does; servers given by address are not listed."""
        return tuple(child.health for child in self.children)


@dataclass(frozen=True)
class _Temporal:
    address: str
    epoch: int
    is_new: bool
    children: tuple[Child, ...]


@asynccontextmanager
async def embedded_engine(
    folder: DataFolder,
    *,
    minimum_epoch: int,
    redis_url: str | None = None,
    temporal_address: str | None = None,
    temporal_namespace: str = NAMESPACE,
    temporal_binary: Path | None = None,
    valkey_binary: Path | None = None,
    search_attributes: Mapping[str, str] = _NO_ATTRIBUTES,
    on_restart: Callable[[ChildHealth], None] = lambda health: None,
) -> AsyncIterator[EmbeddedEngine]:
    """Start what is not given by address, both servers at once, and end it on leaving.

    *minimum_epoch* is the last epoch that the caller has recorded, 0 when none. A Temporal given by address
    keeps its state by itself: its epoch is the recorded one, at least 1. *on_restart* hears of each child
    that came back.

    Raises:
        BinaryMissing: a server is not installed.
        ChildFailed: a server does not become ready; no child is left running.
    """

    @asynccontextmanager
    async def redis() -> AsyncIterator[tuple[str, tuple[Child, ...]]]:
        if redis_url is not None:
            yield redis_url, ()
            return
        async with embedded_valkey(folder, binary=valkey_binary, on_restart=on_restart) as (url, child):
            yield url, (child,)

    @asynccontextmanager
    async def temporal() -> AsyncIterator[_Temporal]:
        if temporal_address is not None:
            yield _Temporal(temporal_address, max(minimum_epoch, 1), minimum_epoch < 1, ())
            return
        async with embedded_temporal(
            folder,
            namespace=temporal_namespace,
            minimum_epoch=minimum_epoch,
            search_attributes=search_attributes,
            binary=temporal_binary,
            on_restart=on_restart,
        ) as running:
            yield _Temporal(running.address, running.file.epoch, running.file.is_new, (running.child,))

    async with AsyncExitStack() as stack:
        try:
            async with asyncio.TaskGroup() as starting:
                first = starting.create_task(stack.enter_async_context(redis()))
                second = starting.create_task(stack.enter_async_context(temporal()))
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        (url, redis_children), engine = first.result(), second.result()
        yield EmbeddedEngine(
            redis_url=url,
            temporal_address=engine.address,
            temporal_namespace=temporal_namespace,
            epoch=engine.epoch,
            engine_is_new=engine.is_new,
            children=(*redis_children, *engine.children),
        )
