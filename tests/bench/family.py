"""A process and all below it, by their programs' names. It needs Linux's /proc."""

import os
from collections.abc import Mapping
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> dict[str, int]:
    """Return the process ids of the bot and of each process below it."""
    found = {"bot": pid}
    waiting = _children(pid)
    while waiting:
        child = waiting.pop()
        waiting += _children(child)
        name = Path(f"/proc/{child}/comm").read_text().strip()
        found[name if name not in found else f"{name} {child}"] = child
    return found


def cpu_s(pid: int) -> Mapping[str, float]:
    """Return the CPU seconds that each of the family has used, in user and in kernel mode."""
    return {name: _cpu_s(each) for name, each in family(pid).items()}


def _cpu_s(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS_PER_S


def _children(pid: int) -> list[int]:
    listed = (Path(f"/proc/{pid}/task/{task}/children") for task in os.listdir(f"/proc/{pid}/task"))
    return [int(word) for file in listed for word in file.read_text().split()]
