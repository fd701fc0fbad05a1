"""Child processes: started in their own process group, ended with the bot, restarted when they die."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO

import structlog

from adapters.engine.embedded.errors import BinaryMissing, ChildError, ChildFailed

log = structlog.get_logger()

READY_WITHIN = timedelta(seconds=60)  # Generous: a busy machine reads a large file slowly.
STOP_GRACE = timedelta(seconds=5)
LOG_LIMIT_BYTES = 4 * 1024 * 1024
LOG_CHECK_EVERY = timedelta(seconds=60)
_FIRST_PROBE_S = 0.005
_LONGEST_PROBE_S = 0.025  # A probe that is refused takes a tenth of a millisecond.

Probe = Callable[[], Awaitable[bool]]
Sleep = Callable[[float], Awaitable[None]]

# Runs in the child before the server: a fork that runs Python in a process with threads can lock up, a small
# interpreter of its own cannot. PR_SET_PDEATHSIG (1) survives the exec. It fires when the *thread* that
# started the child ends: asyncio starts it from the event loop's. The parent may have died before prctl.
_LAUNCHER = """
import os, signal, sys
os.umask(0o077)
if sys.platform == "linux":
    import ctypes
    if ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0):
        sys.exit("handrail: prctl(PR_SET_PDEATHSIG) was refused")
if os.getppid() != int(sys.argv[1]):
    sys.exit("handrail: the bot ended before its child began")
os.execve(sys.argv[2], sys.argv[2:], os.environ)
"""


@dataclass(frozen=True)
class ChildSpec:
    """What to start: a name for people, the whole command line, its environment, folder and log file.

    *argv[0]* is an absolute path. *environment* is the child's whole environment. *inherited_fds* stay open
    in the child. *remedy* completes the error message when it does not become ready.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log_file: Path
    inherited_fds: tuple[int, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class ChildHealth:
    """How a child does now. `restarts` counts the times it came back; `last_exit` is -N for signal N."""

    name: str
    up: bool
    pid: int | None
    restarts: int
    last_exit: int | None


@dataclass(frozen=True)
class Backoff:
    """How long to wait before the next start: doubling from *first* up to *longest*."""

    first: timedelta = timedelta(milliseconds=200)
    longest: timedelta = timedelta(seconds=5)
    stable_after: timedelta = timedelta(seconds=30)

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after *failures* ends in a row (at least one)."""
        doublings = min(failures - 1, 30)
        return min(self.first * (1 << doublings), self.longest).total_seconds()


_BACKOFF = Backoff()


@dataclass
class _Run:
    """One life of the process."""

    process: Process
    started: float
    ended: asyncio.Task[int] = field(init=False)

    def __post_init__(self) -> None:
        self.ended = asyncio.create_task(self.process.wait())


class Child:
    """Keeps one server process running from `start` to `stop`.

    The probe returns whether the server answers; it is asked until it says yes. *on_restart* is called with
    the child's health each time the child is ready again after it had died, and must not raise. Time comes
    through *sleep* and *monotonic*.
    """

    def __init__(
        self,
        spec: ChildSpec,
        probe: Probe,
        *,
        on_restart: Callable[[ChildHealth], None] = lambda health: None,
        backoff: Backoff = _BACKOFF,
        ready_within: timedelta = READY_WITHIN,
        stop_grace: timedelta = STOP_GRACE,
        log_check_every: timedelta = LOG_CHECK_EVERY,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._probe = probe
        self._on_restart = on_restart
        self._backoff = backoff
        self._ready_within = ready_within
        self._stop_grace = stop_grace
        self._log_check_every = log_check_every
        self._sleep = sleep
        self._monotonic = monotonic
        self._run: _Run | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._up = False
        self._restarts = 0
        self._last_exit: int | None = None

    @property
    def health(self) -> ChildHealth:
        """How the child does now."""
        alive = self._run is not None and self._run.process.returncode is None
        return ChildHealth(
            name=self._spec.name,
            up=self._up and alive,
            pid=self._run.process.pid if self._run is not None and alive else None,
            restarts=self._restarts,
            last_exit=self._last_exit,
        )

    async def start(self) -> None:
        """Start the process, wait until it is ready, and keep it running from then on.

        Raises:
            BinaryMissing: the program is not there or not executable.
            ChildFailed: it ended, or did not answer in time; nothing is left running.
        """
        try:
            run = await self._start_ready()
        except BaseException:  # A start that was cancelled must leave no process either; raised on.
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise(run))

    async def stop(self) -> None:
        """End the process: SIGTERM, SIGKILL after the grace; returns when it is gone and reaped."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            self._supervisor = None
        self._up = False
        if self._run is not None:
            await self._end(self._run)
            self._run = None

    async def _supervise(self, run: _Run) -> None:
        failures = 0
        while True:
            await self._watch(run)
            self._up = False
            self._last_exit = run.process.returncode
            _signal_group(run.process.pid, signal.SIGKILL)  # A fork of the server must not outlive it.
            lasted_s = self._monotonic() - run.started
            failures = 1 if lasted_s >= self._backoff.stable_after.total_seconds() else failures + 1
            log.warning(
                "child_ended", child=self._spec.name, exit_code=self._last_exit, lasted_s=round(lasted_s, 1)
            )
            run = await self._start_again(failures)
            self._restarts += 1
            log.info("child_restarted", child=self._spec.name, restarts=self._restarts)
            self._on_restart(self.health)

    async def _start_again(self, failures: int) -> _Run:
        while True:
            await self._sleep(self._backoff.delay(failures))
            try:
                return await self._start_ready()
            except ChildError as exc:
                failures += 1
                log.error("child_not_restarted", child=self._spec.name, failures=failures, reason=str(exc))  # noqa: TRY400

    async def _watch(self, run: _Run) -> None:
        """Return when the process has ended; keep its log file bounded until then."""
        while not run.ended.done():
            await asyncio.wait([run.ended], timeout=self._log_check_every.total_seconds())
            if _size(self._spec.log_file) > LOG_LIMIT_BYTES:
                # The child appends (O_APPEND), so it goes on at the start of the emptied file.
                os.truncate(self._spec.log_file, 0)

    async def _start_ready(self) -> _Run:
        self._run = run = await self._launch()
        ready = asyncio.create_task(self._until_ready())
        try:
            await asyncio.wait(
                [ready, run.ended],
                timeout=self._ready_within.total_seconds(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if run.ended.done():
                self._last_exit = run.process.returncode
                raise ChildFailed(
                    self._story(f"ended with exit code {run.process.returncode} before it was ready")
                )
            if not ready.done():
                await self._end(run)
                raise ChildFailed(
                    self._story(f"did not answer within {self._ready_within.total_seconds():g} s")
                )
            ready.result()
        finally:
            ready.cancel()
        self._up = True
        return run

    async def _launch(self) -> _Run:
        spec = self._spec
        if not os.access(spec.argv[0], os.X_OK):
            raise BinaryMissing(f"{spec.name} cannot start: {spec.argv[0]} is missing or not executable.")
        with _fresh_log(spec.log_file) as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", "-c", _LAUNCHER, str(os.getpid())),
                *spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=spec.folder,
                env=dict(spec.environment),
                pass_fds=spec.inherited_fds,
                start_new_session=True,
            )
        return _Run(process, started=self._monotonic())

    async def _until_ready(self) -> None:
        delay_s = _FIRST_PROBE_S
        while not await self._probe():
            await self._sleep(delay_s)
            delay_s = min(2 * delay_s, _LONGEST_PROBE_S)

    async def _end(self, run: _Run) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            _signal_group(run.process.pid, sign)
            await asyncio.wait([run.ended], timeout=self._stop_grace.total_seconds())
            if run.ended.done():
                break
        else:
            await run.ended
        # Whatever the server itself had started ends with it.
        _signal_group(run.process.pid, signal.SIGKILL)

    def _story(self, what: str) -> str:
        remedy = f" {self._spec.remedy}" if self._spec.remedy else ""
        log_file = self._spec.log_file
        return f"{self._spec.name} {what}.{remedy} Last lines of {log_file}:\n{_tail(log_file)}"


def _signal_group(group: int, sign: signal.Signals) -> None:
    try:
        os.killpg(group, sign)
    except (ProcessLookupError, PermissionError):
        # Nobody is left in the group (macOS says so with EPERM).
        return


def _fresh_log(path: Path) -> IO[bytes]:
    """Open an empty log for a new life of the child; the one before stays as `NAME.1`."""
    if path.exists():
        path.replace(path.with_name(path.name + ".1"))
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _tail(path: Path, lines: int = 8, limit_bytes: int = 4096) -> str:
    try:
        text = path.read_bytes()[-limit_bytes:].decode("utf-8", "replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(empty)"
