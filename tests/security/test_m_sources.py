"""What a hostile or broken source of measures and logs cannot do."""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import TypeAdapter, ValidationError

from adapters.evidence.building import origins
from adapters.evidence.exposition import Counters
from adapters.evidence.guard import (
    Forbidden,
    GuardedTransport,
    Origin,
    guarded_client,
    is_public,
    system_resolver,
)
from adapters.evidence.loki import selector
from adapters.evidence.metrics import HttpMetrics
from adapters.evidence.source_http import MAX_BYTES
from bot.domain.catalogue import (
    Catalogue,
    LogStore,
    LokiLogs,
    Metric,
    Service,
)
from bot.domain.diagnosis import Window
from bot.domain.errors import Invalid, Unavailable
from bot.domain.ids import ServiceName
from tests.builders import NOW
from tests.evidence_servers import asking
from tests.loopback import Answer, Loopback, drips, drips_headers, loopback, never_ends, says

INJECTION = 'a"} or up{x="'
LAST_MINUTE = Window(start=NOW - timedelta(minutes=1), end=NOW)


class Names:
    """A name server of a test: each answer is given once, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def port_of(server: Loopback) -> int:
    return httpx.URL(server.url).port or 0


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
async def test_m_ssrf_no_address_that_is_not_public_is_connected_to(address: str) -> None:
    """The judged address is the one that a name leads to, whatever the name is."""
    names = Names([address])
    async with loopback(says("secret")) as inside, guarded_client([], resolver=names) as client:
        with pytest.raises(Forbidden):
            await client.get(f"http://metrics.example.com:{port_of(inside)}/")

    assert [] == inside.asked


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "localhost",
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "0",
    ],
)
async def test_m_ssrf_other_spellings_of_an_address_are_seen_through(host: str) -> None:
    async with loopback(says("secret")) as inside, guarded_client([], resolver=system_resolver) as client:
        with pytest.raises((httpx.ConnectError, httpx.InvalidURL)):
            await client.get(f"http://{host}:{port_of(inside)}/")

    assert [] == inside.asked


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_m_ssrf_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


async def test_m_ssrf_one_bad_address_spoils_an_answer() -> None:
    names = Names(["93.184.215.14", "127.0.0.1"])
    async with guarded_client([], resolver=names) as client:
        with pytest.raises(Forbidden, match=r"127\.0\.0\.1"):
            await client.get("http://metrics.example.com/")


async def test_m_ssrf_a_second_answer_of_the_name_server_counts_for_nothing() -> None:
    """The connection goes to the address that was judged; the name is asked for once a request."""
    async with loopback(says("one")) as allowed, loopback(says("secret")) as inside:
        origin = Origin("http", "metrics.internal", port_of(allowed))
        names = Names(["127.0.0.1"], ["169.254.169.254"])
        async with guarded_client([origin], resolver=names) as client:
            first = await client.get(f"http://metrics.internal:{port_of(allowed)}/")
            with pytest.raises(Forbidden, match=r"169\.254\.169\.254"):
                await client.get(f"http://metrics.internal:{port_of(allowed)}/")

    assert ("one", 2, []) == (first.text, len(names.asked), inside.asked)
    assert f"metrics.internal:{port_of(allowed)}" == allowed.headers()["host"]


@pytest.mark.parametrize(
    ("scheme", "host", "step"),
    [("https", "in.example", 0), ("http", "in.example", 1), ("http", "x.in.example", 0)],
)
async def test_m_ssrf_settings_allow_exactly_their_scheme_host_and_port(
    scheme: str, host: str, step: int
) -> None:
    async with loopback(says("secret")) as inside:
        origin = Origin("http", "in.example", port_of(inside))
        async with guarded_client([origin], resolver=Names(["127.0.0.1"])) as client:
            with pytest.raises(Forbidden):
                await client.get(f"{scheme}://{host}:{port_of(inside) + step}/")

    assert [] == inside.asked


async def test_m_ssrf_a_redirect_is_handed_back_and_never_followed() -> None:
    async with (
        loopback(says("secret")) as inside,
        loopback(says("", status=307, Location=f"{inside.url}/latest/meta-data")) as metrics,
        guarded_client([Origin.of(metrics.url), Origin.of(inside.url)]) as client,
    ):
        with pytest.raises(Unavailable, match="status 307"):
            await HttpMetrics(asking(client), Counters(client)).series(
                Metric(url=metrics.url, query="up"), LAST_MINUTE
            )

    assert [] == inside.asked


async def test_m_ssrf_the_origins_of_the_settings_are_those_of_the_catalogue() -> None:
    service = Service(
        logs=LokiLogs(kind="loki", url="http://loki.internal:3100/base"),
        metrics={"load": Metric(url="https://prom.internal", query="up")},
    )
    found = set(origins(Catalogue({ServiceName("checkout"): service}), "https://api.github.com"))

    assert {
        Origin("http", "loki.internal", 3100),
        Origin("https", "prom.internal", 443),
        Origin("https", "api.github.com", 443),
    } == found


@pytest.mark.parametrize("scheme", ["ftp", "file", "gopher"])
async def test_m_ssrf_other_schemes_are_refused(scheme: str) -> None:
    transport = GuardedTransport([], resolver=Names(["93.184.215.14"]))
    with pytest.raises(Forbidden):
        await transport.handle_async_request(httpx.Request("GET", f"{scheme}://example.com/"))


def test_m_query_inj_the_names_of_the_catalogue_cannot_hold_a_query() -> None:
    store = TypeAdapter[LogStore](LogStore)
    for wrong in (
        {"value": INJECTION},
        {"label": INJECTION},
        {"labels": {"env": INJECTION}},
        {"labels": {INJECTION: "a"}},
        {"value": "a\n"},
        {"value": "a\\"},
    ):
        with pytest.raises(ValidationError):
            store.validate_python({"kind": "loki", "url": "http://127.0.0.1:1", **wrong})
    for field in ("index", "service_field", "message_field", "time_field", "level_field", "value"):
        with pytest.raises(ValidationError):
            store.validate_python(
                {"kind": "elasticsearch", "url": "http://127.0.0.1:1", "index": "logs", field: "a/../b?q="}
            )


def test_m_query_inj_a_service_with_such_a_name_is_not_asked_for() -> None:
    """The catalogue would not load it; the query is built from checked names all the same."""
    with pytest.raises(Invalid):
        selector(ServiceName(INJECTION), LokiLogs(kind="loki", url="http://127.0.0.1:1"))


@pytest.mark.parametrize("answer", [never_ends, drips, drips_headers, says(b" " * (MAX_BYTES + 1))])
async def test_m_huge_slow_a_source_without_end_costs_one_answer(answer: Answer) -> None:
    async with loopback(answer) as server, guarded_client([Origin.of(server.url)]) as client:
        metrics = HttpMetrics(asking(client, within_s=1.0), Counters(client))
        with pytest.raises(Unavailable):
            await metrics.series(Metric(url=server.url, query="up"), LAST_MINUTE)


async def test_m_huge_slow_a_transport_stops_at_its_most_bytes() -> None:
    async with loopback(never_ends) as server:
        transport = GuardedTransport([Origin.of(server.url)], most_bytes=1000)
        async with httpx.AsyncClient(transport=transport) as client:
            with pytest.raises(httpx.ReadError, match="too large"):
                await client.get(server.url)


def a_matrix(*values: str) -> str:
    points = ", ".join(f'[{NOW.timestamp() - n}, "{value}"]' for n, value in enumerate(values))
    return (
        '{"status": "success", "data": {"resultType": "matrix", "result": '
        f'[{{"metric": {{}}, "values": [{points}]}}]}}}}'
    )


async def test_m_nan_values_that_are_none_are_left_out() -> None:
    """A signal that proves recovery gives no value for them: tests of the signals."""
    answer = says(a_matrix("NaN", "+Inf", "-Inf", "", "x", "2"))
    async with loopback(answer) as server, guarded_client([Origin.of(server.url)]) as client:
        found = await HttpMetrics(asking(client), Counters(client)).series(
            Metric(url=server.url, query="up"), LAST_MINUTE
        )

    assert [2.0] == [point.value for point in found]
    assert all(math.isfinite(point.value) for point in found)


TODAY = datetime.now(UTC)
A_DAY = timedelta(days=1)


def a_certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signed_by: ec.EllipticCurvePrivateKey,
    *,
    until: datetime = TODAY + A_DAY,
    is_authority: bool = False,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(TODAY - 10 * A_DAY)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(signed_by, hashes.SHA256())
    )


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@asynccontextmanager
async def over_tls(
    folder: Path, *, until: datetime = TODAY + A_DAY
) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """Serve `metrics.internal` over TLS; yield the port and a context that trusts its authority."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    own = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    path = folder / "server.pem"
    path.write_text(own + pem(a_certificate("metrics.internal", key, authority, until=until)))
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(path)
    ours = ssl.create_default_context(
        cadata=pem(a_certificate("authority", authority, authority, is_authority=True))
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=theirs)
    async with server:
        yield server.sockets[0].getsockname()[1], ours


async def get(host: str, port: int, tls: ssl.SSLContext | None) -> str:
    origin = Origin("https", host, port)
    async with guarded_client([origin], resolver=Names(["127.0.0.1"]), tls=tls) as client:
        return (await client.get(f"https://{host}:{port}/")).text


async def test_m_tls_the_certificate_must_be_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    async with over_tls(tmp_path) as (port, trusted):
        assert "ok" == await get("metrics.internal", port, trusted)
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await get("other.internal", port, trusted)


async def test_m_tls_an_expired_or_unknown_certificate_is_refused(tmp_path: Path) -> None:
    async with over_tls(tmp_path) as (port, _):
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await get("metrics.internal", port, None)
    async with over_tls(tmp_path, until=TODAY - A_DAY) as (port, trusted):
        with pytest.raises(httpx.ConnectError, match="expired"):
            await get("metrics.internal", port, trusted)


def test_m_tls_no_entry_can_turn_the_check_off() -> None:
    with pytest.raises(ValidationError, match="verify"):
        Metric.model_validate({"url": "https://prom.internal", "query": "up", "verify": False})
