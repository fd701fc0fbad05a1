"""Processes as the kernel sees them: who belongs to whom, and when they have ended."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path


def descendants(pid: int) -> dict[int, str]:
    """Return the processes below *pid* that live now, with their names."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (found := _parent_and_name(entry)) is not None:
            parents[int(entry.name)] = found
    below: dict[int, str] = {}
    grows = True
    while grows:
        more = {
            child: name
            for child, (parent, name) in parents.items()
            if child not in below and (parent == pid or parent in below)
        }
        below |= more
        grows = bool(more)
    return below


async def ended(pids: Iterable[int], *, within_s: float = 60.0) -> None:
    """Return once none of *pids* runs. Raises `TimeoutError`."""
    async with asyncio.timeout(within_s):
        await asyncio.gather(*(_ended(pid) for pid in pids))


async def _ended(pid: int) -> None:
    """The kernel makes a process's descriptor readable when it ends, whoever its parent is."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _parent_and_name(entry: Path) -> tuple[int, str] | None:
    """Return the parent and the name in /proc/PID/stat: `pid (name) state ppid …`; None once it is gone."""
    try:
        before, _, after = (entry / "stat").read_text().rpartition(")")
    except OSError:
        return None
    state, parent, *_ = after.split()
    return None if state == "Z" else (int(parent), before.partition("(")[2])
