"""Steps of type `command`: one program with its arguments, in a sandbox if the step wants that."""

import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters.runners.family import end_family, members
from adapters.runners.program import Ended, NotStarted, Program, run_program
from bot.domain.execution import ApprovedStep, Preview, Result, StartedStep, StepOutcome
from bot.domain.plan import CommandRun, PlannedAction

MAX_INPUT = 32 * 1024  # Fits into a pipe, so that a program which reads nothing holds nobody up.
_MATCH_WITHIN = 4096
_ITS_TMP = "/tmp"  # noqa: S108 # nosec B108 # The sandbox's own, in memory.
SANDBOX = (
    *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    *("--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin"),
    *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"),
    *("--proc", "/proc", "--dev", "/dev", "--tmpfs", _ITS_TMP, "--chdir", _ITS_TMP, "--"),
)
"""Programs of the system and nothing else: no network, no files of ours, no processes but its own."""


class CommandRunner:
    """Implements `Runner`. *environment* is what may be passed on by name; *cwd* is an empty folder."""

    def __init__(self, *, environment: Mapping[str, str], path: str, cwd: Path) -> None:
        self._environment = environment
        self._path = path
        self._cwd = cwd

    async def preview(self, action: PlannedAction) -> Preview | None:
        """Return what the step's `preview` program says; it ends well or there is none."""
        command = _command(action)
        if not command.preview:
            return None
        mark = f"preview-{secrets.token_hex(8)}"
        try:
            ended = await run_program(self._program(command, command.preview, mark=mark))
        except NotStarted as exc:
            return Preview(step=command.name, missing=f"not started: {exc}")
        if ended.code == 0:
            return Preview(step=command.name, text=ended.text or "it says nothing")
        return Preview(step=command.name, missing=f"its preview {_end_in_words(command, ended)}")

    async def run(self, step: ApprovedStep) -> StepOutcome:
        command = _command(step.action)
        if len((command.stdin or "").encode()) > MAX_INPUT:
            return StepOutcome(result=Result.FAILED, detail="not started: its standard input is too long")
        stdin = (command.stdin or "").encode()
        program = self._program(command, command.argv, mark=step.started.key, stdin=stdin)
        try:
            return _outcome(command, await run_program(program))
        except NotStarted as exc:
            return StepOutcome(result=Result.FAILED, detail=f"not started: {exc}")

    async def status(self, step: StartedStep) -> StepOutcome | None:
        """Say that it still runs, when it does; how a program ended is known to who waited for it alone."""
        running = members(step.key)
        if not running:
            return None
        pids = ", ".join(map(str, running))
        return StepOutcome(result=Result.UNKNOWN, detail=f"it still runs (process {pids})")

    async def cancel(self, step: StartedStep) -> None:
        """End every process that the step started, those that left its group too."""
        await end_family(step.key)

    def _program(self, command: CommandRun, argv: Sequence[str], *, mark: str, stdin: bytes = b"") -> Program:
        passed = {name: self._environment[name] for name in command.environment if name in self._environment}
        return Program(
            argv=(*SANDBOX, *argv) if command.sandbox else tuple(argv),
            environment={"PATH": self._path, "LANG": "C.UTF-8", **passed},
            cwd=self._cwd,
            mark=mark,
            within_s=command.timeout_s,
            stdin=stdin,
        )


def _command(action: PlannedAction) -> CommandRun:
    if not isinstance(action, CommandRun):
        raise TypeError(f"the command runner was handed a step of type {action.type}")
    return action


def _outcome(command: CommandRun, ended: Ended) -> StepOutcome:
    detail = _end_in_words(command, ended)
    if ended.code is None or ended.code < 0:
        return StepOutcome(
            result=Result.UNKNOWN,
            detail=f"{detail}; what it had done by then is not known",
            output=ended.text,
        )
    if ended.code not in command.expect_exit:
        return StepOutcome(result=Result.FAILED, detail=detail, output=ended.text)
    wanted = command.expect_output
    if wanted is not None and (len(ended.text) > _MATCH_WITHIN or re.fullmatch(wanted, ended.text) is None):
        return StepOutcome(
            result=Result.FAILED, detail="ended well but said something unexpected", output=ended.text
        )
    return StepOutcome(result=Result.DONE, detail=detail, output=ended.text)


def _end_in_words(command: CommandRun, ended: Ended) -> str:
    if ended.code is None:
        return f"stopped after {command.timeout_s} s"
    if ended.code < 0:
        return f"was ended by signal {-ended.code}"
    return f"ended with exit code {ended.code}"
