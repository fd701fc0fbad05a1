"""The demo's folders: one for each run, named after its process; those of dead processes are removed."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"handrail-demo-([0-9]+)-\w+")


@contextmanager
def demo_folder() -> Iterator[Path]:
    """Yield a fresh folder that goes with the block; what a killed demo left behind goes first."""
    remove_leftovers(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"handrail-demo-{os.getpid()}-") as folder:
        yield Path(folder)


def is_running(pid: int) -> bool:
    """Return whether a process has this id, ours or another's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def remove_leftovers(where: Path, *, is_alive: Callable[[int], bool] = is_running) -> None:
    """Remove the folders of this user's demos in *where* whose process has ended."""
    for folder in where.iterdir():
        named = _NAME.fullmatch(folder.name)
        if named is None or folder.is_symlink() or is_alive(int(named[1])):
            continue
        if folder.lstat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
