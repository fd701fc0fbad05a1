"""A server on loopback that answers byte for byte what a test wants, and keeps what it was asked."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

NOBODYS = "127.86.7.5"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Loopback:
    """What the server was asked, and how it answers next; the last answer is given for ever."""

    answers: list[Answer]
    url: str = ""
    asked: list[bytes] = field(default_factory=list)
    """Each request with its head and body."""

    def headers(self, index: int = -1) -> dict[str, str]:
        """Return one request's headers, names in lower case."""
        head = self.asked[index].split(b"\r\n\r\n")[0].decode("latin-1")
        pairs = (line.split(": ", 1) for line in head.split("\r\n")[1:])
        return {name.lower(): value for name, value in pairs}

    def first_line(self, index: int = -1) -> str:
        return self.asked[index].split(b"\r\n")[0].decode("latin-1")

    def body(self, index: int = -1) -> bytes:
        return self.asked[index].split(b"\r\n\r\n", 1)[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line[15:])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                ),
                0,
            )
            self.asked.append(head + await reader.readexactly(length))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # The other side hung up, which some tests are about.
        finally:
            writer.close()


@asynccontextmanager
async def loopback(*answers: Answer) -> AsyncIterator[Loopback]:
    """Serve *answers* one after the other, one a connection."""
    server_side = Loopback(list(answers))
    running: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server_side.serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    server_side.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield server_side
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def says(body: str | bytes = "", status: int = 200, **headers: str) -> Answer:
    """Answer with *body* whole; header names are given with `_` for `-`."""
    raw = body.encode() if isinstance(body, str) else body
    told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())

    async def answer(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(raw)}\r\n{told}Connection: close\r\n\r\n"
        writer.write(head.encode() + raw)
        await writer.drain()

    return answer


async def hangs_up(writer: asyncio.StreamWriter) -> None:
    """Read the request and close without a word."""
    writer.close()


async def stops_midway(writer: asyncio.StreamWriter) -> None:
    """Promise 100 bytes and give 3."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    await writer.drain()


async def speaks_gibberish(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff this is no HTTP\r\n\r\n")
    await writer.drain()


async def never_answers(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drips(writer: asyncio.StreamWriter) -> None:
    """Give one byte after the other for ever, so that no single read ever waits long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)  # The pace of the dripping; no assertion waits for it.


async def drips_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Drop: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)  # The pace of the dripping; no assertion waits for it.


async def never_ends(writer: asyncio.StreamWriter) -> None:
    """Give as much as is taken, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def a_free_address() -> str:
    """Return an address of this machine at which nobody listens, nor will: nothing else uses this network."""
    with socket.create_server((NOBODYS, 0)) as server:
        return f"http://{NOBODYS}:{server.getsockname()[1]}"


@contextmanager
def a_kept_port() -> Iterator[int]:
    """Yield a port for a program that cannot choose one: it stays bound here, so nobody else is given it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]
