"""A transport that connects only where it may: it judges the address itself, not the name.

An origin of the settings may be private, as most monitoring is. Anything else must be public. The name is
resolved once, every address found is judged, and the connection goes to an address that was judged: a second
answer of the name server counts for nothing. Redirects are handed back, never followed.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import httpx

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

_PORTS: Final = {"http": 80, "https": 443}
# Python calls some of these public, though they only wrap an address that is not.
_WRAPPING: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/23", "::/96", "fec0::/10")
)
_NEVER_PUBLIC: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
    )
)


class Forbidden(httpx.ConnectError):
    """The address may not be connected to; nothing was sent."""


@dataclass(frozen=True)
class Origin:
    """A scheme, host and port that the settings name."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL | str) -> "Origin":
        parsed = httpx.URL(url)
        return cls(parsed.scheme, parsed.host, parsed.port or _PORTS.get(parsed.scheme, 0))


def is_public(address: str) -> bool:
    """Return whether *address* is on the public internet, and wraps none that is not."""
    found = _unmapped(ipaddress.ip_address(address))
    if not found.is_global or found.is_multicast or found.is_reserved or found.is_unspecified:
        return False
    refused: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = (*_WRAPPING, *_NEVER_PUBLIC)
    return not any(found.version == network.version and found in network for network in refused)


def is_never_a_source(address: str) -> bool:
    """Return whether no source of a team lies at *address*: a cloud's metadata, multicast, nowhere."""
    found = _unmapped(ipaddress.ip_address(address))
    return found.is_link_local or found.is_multicast or found.is_unspecified


def _unmapped(address: Address) -> Address:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Return the addresses of *host*; decimal and octal forms of an address become the address."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(where[0]).partition("%")[0] for *_, where in found))


class _Capped(httpx.AsyncByteStream):
    """A body that fails once it is longer than allowed."""

    def __init__(self, stream: httpx.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._left = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._left -= len(part)
            if self._left < 0:
                raise httpx.ReadError("the body is too large")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests to addresses that were judged, and to no other."""

    def __init__(
        self,
        allowed: Collection[Origin],
        *,
        resolver: Resolver = system_resolver,
        tls: ssl.SSLContext | None = None,
        most_bytes: int | None = None,
    ) -> None:
        self._allowed = frozenset(allowed)
        self._resolver = resolver
        self._most_bytes = most_bytes
        # Connections are not kept: one to an address would serve another name that has the same address, and
        # its certificate was checked for the first name only.
        self._inner = httpx.AsyncHTTPTransport(
            verify=tls or httpx.create_ssl_context(),
            trust_env=False,
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=0),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request* to a judged address. Raises `Forbidden`."""
        origin = Origin.of(request.url)
        address = await self._judged(origin, request)
        extensions = dict(request.extensions)
        if origin.scheme == "https":
            extensions["sni_hostname"] = (
                origin.host
            )  # The certificate must be of the name that was asked for.
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # `Host` still says the name.
            stream=request.stream,
            extensions=extensions,
        )
        answer = await self._inner.handle_async_request(pinned)
        if self._most_bytes is not None and isinstance(answer.stream, httpx.AsyncByteStream):
            answer.stream = _Capped(answer.stream, self._most_bytes)
        return answer

    async def _judged(self, origin: Origin, request: httpx.Request) -> str:
        if origin.scheme not in _PORTS:
            raise Forbidden(f"{origin.scheme} is not http or https", request=request)
        try:
            found = await self._resolver(origin.host, origin.port)
        except (OSError, UnicodeError) as exc:
            raise httpx.ConnectError(f"{origin.host} has no address", request=request) from exc
        if not found:
            raise httpx.ConnectError(f"{origin.host} has no address", request=request)
        for address in found:  # All of them: one bad address in an answer is a bad answer.
            if origin in self._allowed:
                if is_never_a_source(address) and address != origin.host:
                    raise Forbidden(f"{origin.host} leads to {address}", request=request)
            elif not is_public(address):
                raise Forbidden(f"{origin.host} leads to {address}, which is not public", request=request)
        return found[0]

    async def aclose(self) -> None:
        await self._inner.aclose()


def guarded_client(
    allowed: Collection[Origin], *, resolver: Resolver = system_resolver, tls: ssl.SSLContext | None = None
) -> httpx.AsyncClient:
    """Return a client that connects only to *allowed* origins and to public addresses."""
    return httpx.AsyncClient(
        transport=GuardedTransport(allowed, resolver=resolver, tls=tls),
        trust_env=False,
        follow_redirects=False,
    )
