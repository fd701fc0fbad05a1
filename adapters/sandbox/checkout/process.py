"""Start the service as a child process, and end it."""

import asyncio
import json
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT_S = 60.0  # Our choice: a cold start on a busy machine takes a few seconds.
STOP_TIMEOUT_S = 30.0
TOKEN_VARIABLE = "CHECKOUT_TOKEN"
CHANGE_SECRET_VARIABLE = "CHECKOUT_CHANGE_SECRET"


class CheckoutNotStartedError(RuntimeError):
    """The child ended, or said nothing, before it was ready; its log says why."""


class CheckoutProcess:
    """The service as a child. A start after a stop or kill takes the same port and state again.

    On Linux the child is killed when the thread that started it ends: it outlives no crash of its parent.
    """

    def __init__(
        self,
        *,
        token: str,
        state_file: Path,
        port: int = 0,
        version: str = "41",
        environment: str = "production",
        change_url: str | None = None,
        change_secret: str | None = None,
        roll_seconds: float = 0.3,
        seed: int | None = None,
        log_file: Path | None = None,
    ) -> None:
        self._port = port
        self._log_file = log_file
        self._options = {
            "--state": str(state_file),
            "--version": version,
            "--environment": environment,
            "--roll-seconds": str(roll_seconds),
        }
        optional = {"--change-url": change_url, "--seed": seed}
        self._options |= {name: str(value) for name, value in optional.items() if value is not None}
        # Every user of the machine can read a process's arguments; its environment only its own user.
        self._secrets = {TOKEN_VARIABLE: token}
        if change_secret is not None:
            self._secrets[CHANGE_SECRET_VARIABLE] = change_secret
        self._child: asyncio.subprocess.Process | None = None
        self._base_url: str | None = None

    @property
    def base_url(self) -> str:
        """The service's address, from the first start on."""
        if self._base_url is None:
            raise CheckoutNotStartedError("The service was never started.")
        return self._base_url

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def start(self) -> str:
        """Start the child and return its address once it answers.

        Raises:
            CheckoutNotStartedError: it ended or did not become ready in 30 s.
        """
        if self.pid is not None:
            return self.base_url
        with ExitStack() as stack:
            log = stack.enter_context(self._log_file.open("ab")) if self._log_file else None
            self._child = await asyncio.create_subprocess_exec(
                *self._command(),
                env={**os.environ, **self._secrets},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log or asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for whoever started it.
            )
        self._base_url = await self._ready(self._child)
        self._port = int(self._base_url.rpartition(":")[2])
        return self._base_url

    async def stop(self) -> None:
        """End the child cleanly, or by force when it does not end in 10 s."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End the child as a crash would: SIGKILL."""
        await self._end(signal.SIGKILL)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "adapters.sandbox.checkout", "--port", str(self._port)]
        command += ["--die-with-parent", str(os.getpid())]
        for name, value in self._options.items():
            # "=" keeps a value that begins with a dash from being read as an option.
            command.append(f"{name}={value}")
        return command

    async def _ready(self, child: asyncio.subprocess.Process) -> str:
        if child.stdout is None:
            raise CheckoutNotStartedError("The child has no stdout.")
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await child.stdout.readline()
        except TimeoutError as exc:
            await self.kill()
            raise CheckoutNotStartedError(f"Not ready within {START_TIMEOUT_S:.0f} s.") from exc
        except asyncio.CancelledError:
            await self.kill()
            raise
        if not line:
            code = await child.wait()
            raise CheckoutNotStartedError(f"The child ended with {code} before it was ready.")
        return str(json.loads(line)["ready"])

    async def _end(self, number: signal.Signals) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        child.send_signal(number)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()
