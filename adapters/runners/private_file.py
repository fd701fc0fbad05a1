"""The floor for what a target cannot make short-lived: a file that its user alone can read."""

import os
import stat
from pathlib import Path

from bot.domain.errors import Refused


def private_file(path: str) -> Path:
    """Return *path* if it is a plain file of our user that nobody else may read or change.

    Raises:
        Refused: it is not; the message says what to do.
    """
    try:
        found = os.lstat(path)
    except OSError as exc:
        raise Refused(f"{path}: {exc.strerror}") from exc
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"{path}: is no plain file")
    if found.st_uid != os.geteuid():
        raise Refused(f"{path}: belongs to another user")
    if found.st_mode & 0o077:
        raise Refused(f"{path}: others may read or change it; run `chmod 600` on it")
    return Path(path)
