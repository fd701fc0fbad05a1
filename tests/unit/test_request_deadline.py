"""A request that drips in is given up, whether its head or its body is slow; one that came whole is not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from starlette.types import Receive, Scope, Send

from adapters.http import listen, serving
from adapters.intake.deadline import ARRIVE_WITHIN
from adapters.intake.receiving import answer

AT_ONCE = timedelta(milliseconds=300)
SOON = timedelta(seconds=2)  # Enough for a whole request, on a busy machine too.
LONG = timedelta(minutes=5)
WHOLE = b"POST / HTTP/1.1\r\nhost: bot\r\ncontent-length: 2\r\n\r\nhi"


class App:
    """Reads the whole body, then waits until it may answer."""

    def __init__(self) -> None:
        self.read = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        message = await receive()
        while message["type"] == "http.request" and message["more_body"]:
            message = await receive()
        self.read.set()
        await self.may_answer.wait()
        await answer(202, "read")(scope, receive, send)


@asynccontextmanager
async def connected(
    app: App, *, arrive_within: timedelta
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        async with serving(app, listener, arrive_within=arrive_within):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
            try:
                yield reader, writer
            finally:
                writer.close()


async def _joined(
    stack: contextlib.AsyncExitStack, address: tuple[str, int]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*address)
    stack.callback(writer.close)
    return reader, writer


@pytest.mark.parametrize(
    "begun",
    [b"", b"POST / HT", b"POST / HTTP/1.1\r\nhost: bot\r\n", b"\r\n", WHOLE[:-1]],
    ids=["nothing", "half a line", "half a head", "an empty line", "half a body"],
)
async def test_pd_big_slow_a_request_that_is_not_whole_in_time_is_answered_408_and_hung_up_on(
    begun: bytes,
) -> None:
    async with connected(App(), arrive_within=AT_ONCE) as (reader, writer):
        writer.write(begun)

        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_pd_big_slow_others_are_answered_while_fifty_drip() -> None:
    app = App()
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        async with serving(app, listener, arrive_within=LONG), contextlib.AsyncExitStack() as open_ones:
            address = listener.getsockname()[:2]
            dripping = [await _joined(open_ones, address) for _ in range(50)]
            for byte in WHOLE[:20]:
                for _, writer in dripping:
                    writer.write(bytes([byte]))
                reader, writer = await _joined(open_ones, address)
                writer.write(WHOLE)
                assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")
            unanswered = [asyncio.create_task(reader.read()) for reader, _ in dripping]

            assert not any(task.done() for task in unanswered)
            for _, writer in dripping:
                writer.write(WHOLE[20:].replace(b"host: bot", b"host: bot\r\nconnection: close"))
            answers = await asyncio.gather(*unanswered)
    assert [b"HTTP/1.1 202 "] * 50 == [answer[:13] for answer in answers]
    assert timedelta(seconds=10) >= ARRIVE_WITHIN


async def test_pd_big_slow_who_goes_on_dripping_is_hung_up_on_too() -> None:
    """The time runs from the first byte, whatever comes after it."""
    async with connected(App(), arrive_within=AT_ONCE) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nx: ")
        loop = asyncio.get_running_loop()

        def drip() -> None:
            writer.write(b"a")
            if not writer.is_closing():
                loop.call_later(AT_ONCE.total_seconds() / 10, drip)

        drip()
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_the_time_does_not_run_for_an_answer() -> None:
    """The timer of a connection that waits for us alone is off."""
    app = App()
    app.may_answer.clear()
    async with connected(app, arrive_within=SOON) as (reader, writer):
        writer.write(WHOLE)
        await app.read.wait()
        loop = asyncio.get_running_loop()
        later = loop.create_future()
        loop.call_later(
            2 * SOON.total_seconds(), later.set_result, None
        )  # Twice the time that a request has.
        await later
        app.may_answer.set()

        assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")


async def test_a_second_request_on_a_connection_has_its_own_time() -> None:
    async with connected(App(), arrive_within=SOON) as (reader, writer):
        writer.write(WHOLE)
        first = await reader.readuntil(b'{"status":"read"}')
        writer.write(WHOLE[:-1])

        assert first.startswith(b"HTTP/1.1 202 ")
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_a_body_in_pieces_that_comes_in_time_is_read() -> None:
    async with connected(App(), arrive_within=LONG) as (reader, writer):
        for piece in (WHOLE[:9], WHOLE[9:-1], WHOLE[-1:]):
            writer.write(piece)
            await writer.drain()

        assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")
