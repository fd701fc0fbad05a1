"""Socket Mode: the same app over websockets that we open, with the same checks on each envelope."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.api import SLACK_API, Installation, quiet_logger
from adapters.slack.origin import Report, refusal_of
from bot.domain.errors import Invalid

log = structlog.get_logger()

CONNECT_TIMEOUT_S = 10.0  # Our choice: after it the bot starts anyway, and goes on trying.
PING_S = 5.0  # Our choice: how soon a dead connection is noticed and opened anew, four times this.


class _CheckedHandler(AsyncSocketModeHandler):
    """Hands an envelope to Bolt only when it is from our installation."""

    def __init__(
        self,
        app: AsyncApp,
        app_token: str,
        web_client: AsyncWebClient,
        us: Installation,
        report: Report | None,
    ) -> None:
        super().__init__(app, app_token, logger=quiet_logger(), web_client=web_client, ping_interval=PING_S)
        self._us = us
        self._report = report

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        payload: Mapping[str, object] = req.payload if isinstance(req.payload, dict) else {}
        foreign = refusal_of(self._us, payload)
        if foreign is not None:
            log.warning("slack_envelope_refused", why=foreign)
            if self._report is not None:
                await self._report(foreign, payload)
            # Acknowledged without effect, or Slack would send it again.
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=req.envelope_id))
            return
        await super().handle(client, req)  # type: ignore[arg-type]


@asynccontextmanager
async def socket_mode(
    app: AsyncApp,
    *,
    app_token: str,
    installation: Installation,
    base_url: str = SLACK_API,
    report: Report | None = None,
) -> AsyncIterator[None]:
    """Receive over Socket Mode for the length of the block; lost connections are opened again."""
    if not app_token.strip():
        raise Invalid("SLACK_APP_TOKEN is empty: set the app-level token (xapp-…) with connections:write.")
    handler = _CheckedHandler(
        app, app_token, AsyncWebClient(base_url=base_url, logger=quiet_logger()), installation, report
    )
    opening: Awaitable[None] = handler.connect_async()  # type: ignore[no-untyped-call] # Bolt's own gap.
    connecting = asyncio.ensure_future(opening)
    try:
        await asyncio.wait({connecting}, timeout=CONNECT_TIMEOUT_S)
        if not connecting.done():
            log.error("slack_socket_not_connected", remedy="check SLACK_APP_TOKEN and the network")
        yield
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await handler.close_async()  # type: ignore[no-untyped-call] # Bolt's own gap.
