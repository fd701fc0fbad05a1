"""Bring commands, interactions and events to the app: signed HTTP, or envelopes while a websocket is open."""

import asyncio
import json
import time
from collections.abc import Mapping
from urllib.parse import urlencode

import httpx

from . import limits
from .records import Delivery, DeliveryKind, Failure
from .sockets import ConnectionLostError, SocketMode, envelope_of
from .wire import JsonObject, signature
from .workspace import Workspace


class Courier:
    """Delivers and records. *request_url* is the app's one address for everything."""

    def __init__(self, workspace: Workspace, sockets: SocketMode) -> None:
        self._workspace = workspace
        self._sockets = sockets
        self._client: httpx.AsyncClient | None = None
        self.request_url = ""

    async def deliver(
        self, kind: DeliveryKind, body: JsonObject, *, headers: Mapping[str, str] | None = None
    ) -> Delivery:
        """Send *body* as Slack would send this *kind*, with extra *headers*, and record the outcome."""
        if self._sockets.connections:
            envelope = envelope_of(kind, body)
            retry = (headers or {}).get("X-Slack-Retry-Num")
            if retry is not None:
                envelope |= {
                    "retry_attempt": int(retry),
                    "retry_reason": (headers or {})["X-Slack-Retry-Reason"],
                }
            return await self._over_socket(kind, json.dumps(envelope).encode())
        return await self._over_http(kind, self.request_url, *self._signed(kind, body, headers or {}))

    async def replay(self, delivery: Delivery) -> Delivery:
        """Send the same bytes once more, with the same headers or envelope id."""
        if delivery.transport == "socket":
            return await self._over_socket(delivery.kind, delivery.body)
        return await self._over_http(delivery.kind, delivery.url, delivery.headers, delivery.body)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _signed(
        self, kind: DeliveryKind, body: JsonObject, extra: Mapping[str, str]
    ) -> tuple[dict[str, str], bytes]:
        if kind == "event":
            content_type, raw = "application/json", json.dumps(body).encode()
        else:
            form = body if kind == "command" else {"payload": json.dumps(body)}
            content_type, raw = "application/x-www-form-urlencoded", urlencode(form).encode()
        timestamp = str(int(self._workspace.clock()))
        headers = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self._workspace.config.signing_secret, timestamp, raw),
        }
        return headers | dict(extra), raw

    async def _over_http(
        self, kind: DeliveryKind, url: str, headers: Mapping[str, str], body: bytes
    ) -> Delivery:
        status, text, answered = 0, "", {}
        failure: Failure | None = None
        started = time.perf_counter()
        try:
            async with asyncio.timeout(limits.ACK_S):
                response = await self._http().post(url, content=body, headers=dict(headers))
            status, text, answered = response.status_code, response.text, dict(response.headers)
            failure = None if response.is_success else "dispatch_failed"
        except TimeoutError:
            failure = "operation_timeout"
        except (httpx.TransportError, httpx.UnsupportedProtocol, httpx.InvalidURL):
            failure = "dispatch_failed"
        latency = time.perf_counter() - started
        delivery = Delivery(kind, "http", url, dict(headers), body, status, text, latency, failure, answered)
        self._workspace.record_delivery(delivery)
        return delivery

    async def _over_socket(self, kind: DeliveryKind, body: bytes) -> Delivery:
        status, text = 0, ""
        failure: Failure | None = None
        started = time.perf_counter()
        try:
            acknowledged = await self._sockets.deliver(json.loads(body))
            status = 200
            text = json.dumps(acknowledged["payload"]) if acknowledged.get("payload") else ""
        except TimeoutError:
            failure = "operation_timeout"
        except ConnectionLostError:
            failure = "dispatch_failed"
        latency = time.perf_counter() - started
        delivery = Delivery(kind, "socket", "", {}, body, status, text, latency, failure)
        self._workspace.record_delivery(delivery)
        return delivery

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            # The environment's proxies are not asked: the app's address is on loopback.
            self._client = httpx.AsyncClient(trust_env=False, timeout=limits.ACK_S + 1)
        return self._client
