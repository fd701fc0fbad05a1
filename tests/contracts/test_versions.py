"""Which version of a service runs, asked over HTTP; the twin in memory says the same."""

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from adapters.evidence.memory import MemoryVersions
from adapters.evidence.source_http import Asking
from adapters.evidence.versions import HttpVersions
from bot.domain.catalogue import HttpVersion
from bot.domain.errors import NotFound, Unavailable

URL = "http://127.0.0.1:8041/deploy"


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


def versions_that_hear(body: bytes, status: int = 200) -> tuple[HttpVersions, list[httpx.Request]]:
    heard: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        return httpx.Response(status, content=pieces(body))

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return HttpVersions(Asking(client, {"TOKEN": SecretStr("s3cr3t")}, within_s=60.0)), heard


@pytest.mark.parametrize(
    ("field", "body", "version"),
    [
        ("version", b'{"version": "42", "serving": ["41", "42"]}', "42"),
        ("image.tag", b'{"image": {"tag": "v1.2.3"}}', "v1.2.3"),
        ("build", b'{"build": 42}', "42"),
        (None, b"42\n", "42"),
    ],
)
async def test_the_version_is_read_where_the_catalogue_says(
    field: str | None, body: bytes, version: str
) -> None:
    versions, _ = versions_that_hear(body)

    assert version == await versions.serving(HttpVersion(url=URL, field=field))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"{", 200),
        (b"[1]", 200),
        (b'{"version": null}', 200),
        (b'{"version": true}', 200),
        (b'{"version": ""}', 200),
        (b'{"version": {"a": 1}}', 200),
        (b'{"version": "4\\u00002"}', 200),
        (b'{"version": "%s"}' % (b"4" * 201), 200),
        (b"[" * 50_000, 200),
        (b"\xff", 200),
        (b'{"version": "42"}', 500),
        (b'{"version": "42"}', 302),
        (b" " * 70_000, 200),
    ],
)
async def test_what_is_no_version_is_no_answer(body: bytes, status: int) -> None:
    versions, _ = versions_that_hear(body, status)

    with pytest.raises(Unavailable):
        await versions.serving(HttpVersion(url=URL))


async def test_secrets_go_into_headers_on_the_wire_alone() -> None:
    versions, heard = versions_that_hear(b'{"version": "42"}')
    source = HttpVersion(url=URL, headers={"Authorization": "Bearer secret:TOKEN"})
    await versions.serving(source)

    assert ["Bearer s3cr3t"] == [request.headers["Authorization"] for request in heard]
    with pytest.raises(NotFound):
        await versions.serving(source.model_copy(update={"headers": {"X": "secret:NONE"}}))


async def test_the_twin_knows_what_it_was_given_and_nothing_else() -> None:
    versions = MemoryVersions({URL: "42"})

    assert "42" == await versions.serving(HttpVersion(url=URL))
    with pytest.raises(Unavailable):
        await versions.serving(HttpVersion(url="http://127.0.0.1:1/"))
