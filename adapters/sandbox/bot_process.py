"""A bot as a process of its own, as an operator runs it: told by its environment, ended by a signal."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
READY = "ready at "
RUN = ("-m", "adapters.cli", "run")
START_S = 120.0
STOP_S = 60.0
_INHERITED = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH", "TMPDIR")


class BotNotStartedError(RuntimeError):
    """The process ended or stayed silent; its last words are in the message."""


class BotProcess:
    """Starts `handrail run`, waits for its word that it is ready, stops or kills it."""

    def __init__(
        self, environment: Mapping[str, str], *, log_file: Path, cwd: Path, command: Sequence[str] = RUN
    ) -> None:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._environment = {**inherited, **environment}
        self._log_file = log_file
        self._cwd = cwd
        self._command = command  # What Python is given: `handrail run`, unless somebody looks inside.
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise BotNotStartedError("The bot was never started.")
        return self._child.pid

    async def start(self) -> str:
        """Start the bot and return its address once it takes requests."""
        with self._log_file.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._command,
                env=self._environment,
                cwd=self._cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                preexec_fn=_end_with_parent,
                start_new_session=True,  # Ctrl-C in the terminal is for the demo; it stops the bot itself.
            )
        try:
            async with asyncio.timeout(START_S):
                return await self._ready(self._child)
        except (TimeoutError, BotNotStartedError) as exc:
            await self.kill()
            raise BotNotStartedError(f"The bot did not start ({exc}). {self._last_words()}") from exc

    async def stop(self) -> int:
        """End the bot as an operator does, and return its exit code."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End the bot as a crash does."""
        await self._end(signal.SIGKILL)

    async def _ready(self, child: asyncio.subprocess.Process) -> str:
        if child.stdout is None:
            raise BotNotStartedError("its output is not connected")
        async for line in child.stdout:
            text = line.decode(errors="replace").strip()
            if READY in text:
                return text.partition(READY)[2].split()[0]
        raise BotNotStartedError(f"it ended with code {await child.wait()}")

    async def _end(self, number: signal.Signals) -> int:
        child = self._child
        if child is None:
            return 0
        if child.returncode is None:
            child.send_signal(number)
            try:
                async with asyncio.timeout(STOP_S):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()
        return child.returncode or 0

    def _last_words(self) -> str:
        lines = self._log_file.read_text(errors="replace").splitlines()
        return "Its last words:\n" + "\n".join(lines[-8:])


def _end_with_parent() -> None:
    """Have the kernel end the bot when its parent dies, however that dies; other systems cannot."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
