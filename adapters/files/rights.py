"""Who may change the files that say what may run and who may approve it."""

import os
import stat
from pathlib import Path

from bot.domain.errors import Invalid


def refuse_if_anybody_may_change(path: Path, status: os.stat_result, error: type[Invalid]) -> None:
    """Refuse the open file with this *status*, or its folder, when every user of the machine may write it.

    A sticky folder such as /tmp keeps others from replacing what is not theirs. So does a read-only mount,
    whatever its mode says: that of Kubernetes' ConfigMaps is 0777.

    Raises:
        error: anybody may; the message says what to run.
    """
    if status.st_mode & stat.S_IWOTH:
        raise error(_told(path, status))
    folder = path.parent
    around = folder.stat()
    is_read_only = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    if around.st_mode & stat.S_IWOTH and not around.st_mode & stat.S_ISVTX and not is_read_only:
        raise error(_told(folder, around))


def _told(path: Path, status: os.stat_result) -> str:
    mode = stat.S_IMODE(status.st_mode)
    return f"{path}: every user of this machine may change it (mode {mode:04o}). Run `chmod o-w {path}`"
