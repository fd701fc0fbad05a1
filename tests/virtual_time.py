"""A loop in which waiting takes no time: when nothing is left to do, its clock jumps to the next deadline."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

THREAD_S = 10.0


class _Jumping(selectors.DefaultSelector):
    """Waits for threads alone; what else would have been waited is added to the loop's time."""

    jumped = 0.0
    threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        has_more = timeout is not None and timeout <= 0
        waits = THREAD_S if self.threads and not has_more else 0
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(waits)
        if not ready and not has_more and (timeout is None or self.threads):
            raise AssertionError("everything waits, and nothing will ever come")
        if not ready and timeout is not None:
            self.jumped += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, for work without sockets."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.jumped

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        self._jumping.threads += 1
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_ended)
        return future

    async def shutdown_default_executor(self) -> None:
        self._jumping.threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumping.threads -= 1

    def _thread_ended(self, _: "asyncio.Future[Any]") -> None:
        self._jumping.threads -= 1


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """Return what *work* returns, run to its end without waiting for any time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
