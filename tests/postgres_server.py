"""A PostgreSQL of Debian's on 127.0.0.1, while the tests run; nothing of it is left afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "postgres"


def programs() -> Path | None:
    """Return the newest version's folder of programs; None where none is installed or may be run."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda at: int(at.parts[-3]))
    return found[-1].parent if found and (os.geteuid() != 0 or _has_user()) else None


def _has_user() -> bool:
    """Say whether there is somebody to run it: it refuses to run as root."""
    import pwd

    return any(entry.pw_name == USER for entry in pwd.getpwall())


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield the address of a server of its own, on which databases may be made."""
    where = programs()
    if where is None:
        raise RuntimeError("Install Debian's postgresql: these tests need one.")
    as_user = USER if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="hr-pg-") as folder:
        data = Path(folder) / "data"
        if as_user is not None:
            shutil.chown(folder, as_user)
        subprocess.run(
            [where / "initdb", "-D", data, "-U", USER, "--auth=trust", "-N", "-E", "UTF8", "--no-locale"],
            check=True,
            capture_output=True,
            user=as_user,
        )
        port = _a_free_port()
        # Databases come and go by the hundred, and none outlives its test: nothing has to reach the disk.
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
        control: list[str | Path] = [where / "pg_ctl", "-D", data, "-w", "-s"]
        begin: list[str | Path] = ["-l", Path(folder) / "log", "-o", options, "start"]
        subprocess.run([*control, *begin], check=True, stdout=subprocess.DEVNULL, user=as_user)
        try:
            yield f"postgresql+psycopg://{USER}@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, user=as_user)


def _a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
