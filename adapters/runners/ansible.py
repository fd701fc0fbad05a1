"""Steps of type `ansible`: one play by ansible-runner, as a program of its own with a folder of its own.

A folder is used once: ansible-runner keeps its command line there, and a later run without one would stay in
check mode and report success without an effect. It also writes down its whole environment, so that is clean.
"""

import contextlib
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from adapters.runners.family import end_family, members
from adapters.runners.private_file import private_file
from adapters.runners.program import Ended, NotStarted, Program, run_program
from bot.domain.errors import Refused
from bot.domain.execution import ApprovedStep, Preview, Result, StartedStep, StepOutcome
from bot.domain.plan import PlannedAction
from bot.domain.target_actions import AnsibleRun

MISSING = "ansible-runner is not installed: pip install 'handrail[ansible]'"
_RUN = "handrail"
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_HOST_KEY_CHECKING": "True",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "ANSIBLE_INJECT_INVALID_TEMPLATE": "False",
}
_TROUBLE = ("failures", "dark")


@dataclass(frozen=True)
class _Told:
    """What the run's own events say: how each host fared, and what would change or has changed."""

    hosts: int
    changed: int
    troubled: int
    lines: tuple[str, ...]


class AnsibleRunner:
    """Implements `Runner`. *folder* is ours alone; each run has a folder in it, which goes with the run."""

    def __init__(self, *, folder: Path, path: str, python: str = sys.executable) -> None:
        self._folder = folder
        self._path = path
        self._python = python

    async def preview(self, action: PlannedAction) -> Preview | None:
        """Return what check mode would change. Modules that know no check mode are left out by Ansible."""
        run = _run(action)
        if find_spec("ansible_runner") is None:
            return Preview(step=run.name, missing=MISSING)
        with self._private_folder() as folder:
            try:
                ended = await self._play(run, folder, f"preview-{secrets.token_hex(8)}", check=True)
            except (NotStarted, Refused) as exc:
                return Preview(step=run.name, missing=f"not started: {exc}")
            told = _told(folder)
        if ended.code != 0 or told is None or told.troubled:
            return Preview(step=run.name, missing=_in_words(run, ended, told))
        return Preview(step=run.name, text="\n".join([*told.lines, _in_words(run, ended, told)]))

    async def run(self, step: ApprovedStep) -> StepOutcome:
        run = _run(step.action)
        if find_spec("ansible_runner") is None:
            return StepOutcome(result=Result.FAILED, detail=f"not started: {MISSING}")
        with self._private_folder() as folder:
            try:
                ended = await self._play(run, folder, step.started.key)
            except (NotStarted, Refused) as exc:
                return StepOutcome(result=Result.FAILED, detail=f"not started: {exc}")
            return _outcome(run, ended, _told(folder))

    async def status(self, step: StartedStep) -> StepOutcome | None:
        """Say that it still runs, when it does here; what it started on its hosts nobody here can see."""
        if not members(step.key):
            return None
        return StepOutcome(result=Result.UNKNOWN, detail="ansible-runner still runs")

    async def cancel(self, step: StartedStep) -> None:
        """End the processes on this machine; a command that runs on a host goes on there."""
        await end_family(step.key)

    @contextlib.contextmanager
    def _private_folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self._folder))  # Readable to us alone: 0700.
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _play(self, run: AnsibleRun, folder: Path, mark: str, *, check: bool = False) -> Ended:
        _write(run, folder, python=self._python)
        argv = [self._python, "-P", "-m", "ansible_runner", "run", str(folder), "-p", "play.yml"]
        argv += ["--ident", _RUN, "--quiet"]
        if check:
            argv += ["--cmdline", "--check --diff"]
        scripts = str(Path(self._python).parent)  # ansible-playbook lies beside the Python that has it.
        return await run_program(
            Program(
                argv=tuple(argv),
                environment={**_ENVIRONMENT, "PATH": f"{scripts}:{self._path}", "HOME": str(folder)},
                cwd=folder,
                mark=mark,
                within_s=run.timeout_s,
            )
        )


def _write(run: AnsibleRun, folder: Path, *, python: str) -> None:
    """Lay out what ansible-runner reads. Variables are data apart: none of their text is in the play."""
    shared: dict[str, str] = {"ansible_connection": run.connection}
    if run.connection == "local":
        shared["ansible_python_interpreter"] = python  # Looking for one may find a broken one.
    if run.user is not None:
        shared["ansible_user"] = run.user
    if run.key_file is not None:
        shared["ansible_ssh_private_key_file"] = str(private_file(run.key_file))
    inventory = {"all": {"hosts": {host: {} for host in run.hosts}, "vars": shared}}
    for name, text in (
        ("inventory/hosts.json", json.dumps(inventory)),
        ("env/extravars", json.dumps(dict(run.variables))),
        ("project/play.yml", run.play),
    ):
        path = folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _outcome(run: AnsibleRun, ended: Ended, told: _Told | None) -> StepOutcome:
    detail = _in_words(run, ended, told)
    output = "\n".join(told.lines) if told else ended.text
    if ended.code is None or ended.code < 0 or ended.code == 254:
        return StepOutcome(result=Result.UNKNOWN, detail=detail, output=output)
    if ended.code == 0 and told is not None and not told.troubled:
        return StepOutcome(result=Result.DONE, detail=detail, output=output)
    if told is None or told.changed:
        return StepOutcome(result=Result.UNKNOWN, detail=detail, output=output or ended.text)
    return StepOutcome(result=Result.FAILED, detail=detail, output=output or ended.text)


def _in_words(run: AnsibleRun, ended: Ended, told: _Told | None) -> str:
    if ended.code is None:
        return f"stopped waiting after {run.timeout_s} s; what runs on the hosts goes on there"
    if told is None:
        return f"ended with exit code {ended.code} and told nothing of its hosts"
    trouble = f", trouble on {told.troubled}" if told.troubled else ""
    return f"{told.hosts} hosts, {told.changed} tasks that change something{trouble}"


def _told(folder: Path) -> _Told | None:
    """Return what the run's events say; None when it did not come to its end."""
    events = sorted((folder / "artifacts" / _RUN / "job_events").glob("*-*.json"), key=_number)
    lines: list[str] = []
    for path in events:
        event = json.loads(path.read_text(encoding="utf-8"))
        data = event.get("event_data", {})
        if event.get("event") == "playbook_on_stats":
            return _stats(data, lines)
        if event.get("event") == "runner_on_ok" and data.get("res", {}).get("changed"):
            lines += [f"{data.get('host')}: {data.get('task')}", *_diff(data["res"].get("diff"))]
        if event.get("event") in ("runner_on_failed", "runner_on_unreachable"):
            words = data.get("res", {}).get("msg", "no words")
            lines.append(f"{data.get('host')}: {data.get('task')}: {words}")
    return None


def _stats(data: dict[str, dict[str, int]], lines: Sequence[str]) -> _Told:
    hosts = {host for part in ("ok", *_TROUBLE) for host in data.get(part, {})}
    troubled = {host for part in _TROUBLE for host in data.get(part, {})}
    return _Told(len(hosts), sum(data.get("changed", {}).values()), len(troubled), tuple(lines))


def _diff(diff: object) -> list[str]:
    found: list[str] = []
    for one in diff if isinstance(diff, list) else [diff]:
        if not isinstance(one, dict):
            continue
        for sign, part in (("-", one.get("before")), ("+", one.get("after"))):
            text = part if isinstance(part, str) else json.dumps(part) if part else ""
            found += [f"  {sign} {line}" for line in text.splitlines()]
    return found[:200]


def _number(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _run(action: PlannedAction) -> AnsibleRun:
    if not isinstance(action, AnsibleRun):
        raise TypeError(f"the ansible runner was handed a step of type {action.type}")
    return action
