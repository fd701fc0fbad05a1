"""The processes that a step started, wherever they went, and their end.

A child may leave its group and its session, and its parent may be gone. What it does not drop by accident is
its environment: every process of a step carries the step's mark there, and so does all that it starts.
"""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

MARK = "HANDRAIL_STEP"
TERM_GRACE_S = 5.0
KILL_WITHIN_S = 0.8
_LOOK_S = 0.05
_PROC = Path("/proc")


async def end_family(mark: str | None, *, group: int | None = None) -> None:
    """Ask everybody who carries *mark*, and everybody of *group*, to end; make them after 5 s.

    Args:
        mark: None: only the group is meant.
        group: a process group whose members end even without the mark.
    """
    for number, within_s in ((signal.SIGTERM, TERM_GRACE_S), (signal.SIGKILL, KILL_WITHIN_S)):
        if not await asyncio.to_thread(_signal, mark, group, number):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await _until_gone(mark, group, again=number if number is signal.SIGKILL else 0)
                return


async def _until_gone(mark: str | None, group: int | None, *, again: int) -> None:
    # Whoever was started between a look and its signal is met by the next one.
    while await asyncio.to_thread(_signal, mark, group, again):  # noqa: ASYNC110 - Nothing tells us of an end.
        await asyncio.sleep(_LOOK_S)


def members(mark: str | None, group: int | None = None) -> list[int]:
    """Return who runs and carries *mark*, is of *group*, or was started by one of these."""
    found, parents = set(), {}
    for folder in _PROC.iterdir() if _PROC.is_dir() else ():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # It ended meanwhile, or it is not ours to look at.
            state, parent, its_group = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:3]
            if state in "ZX":
                continue
            parents[int(folder.name)] = int(parent)
            if int(its_group) == group or (mark is not None and _carries(folder, mark)):
                found.add(int(folder.name))
    return sorted((found | _descendants(found, parents)) - {os.getpid()})


def _carries(folder: Path, mark: str) -> bool:
    return f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0")


def _descendants(of: set[int], parents: dict[int, int]) -> set[int]:
    """Return who was started by any of *of*: a child may have emptied its environment."""
    found: set[int] = set()
    grown = set(of)
    while grown:
        grown = {pid for pid, parent in parents.items() if parent in grown} - found - of
        found |= grown
    return found


def _signal(mark: str | None, group: int | None, number: int) -> bool:
    """Return False when nobody is left whom we may end."""
    reached = False
    for pid in members(mark, group):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
            reached = True
    return reached
