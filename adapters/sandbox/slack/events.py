"""The Events API: one event id, and up to three more attempts when the app does not take it."""

import asyncio
import secrets
from collections.abc import Sequence

from .courier import Courier
from .payloads import event_body
from .records import Delivery
from .wire import JsonObject
from .workspace import Workspace


class Events:
    """Delivers events; retries run in the background, *retry_delays* seconds after each refusal."""

    def __init__(self, workspace: Workspace, courier: Courier, retry_delays: Sequence[float]) -> None:
        self._workspace = workspace
        self._courier = courier
        self._retry_delays = tuple(retry_delays)
        self._retrying: set[asyncio.Task[None]] = set()

    async def deliver(self, event: JsonObject) -> Delivery:
        """Deliver *event* and return the first attempt."""
        body = event_body(self._workspace, event, event_id=f"Ev{secrets.token_hex(5).upper()}")
        first = await self._courier.deliver("event", body)
        if not _is_settled(first) and self._retry_delays:
            task = asyncio.create_task(self._retry(body, first), name=f"retry-{body['event_id']}")
            self._retrying.add(task)
            task.add_done_callback(self._retrying.discard)
        return first

    async def aclose(self) -> None:
        """Give the waiting retries up."""
        for task in tuple(self._retrying):
            task.cancel()
        await asyncio.gather(*self._retrying, return_exceptions=True)

    async def _retry(self, body: JsonObject, failed: Delivery) -> None:
        for number, delay in enumerate(self._retry_delays, start=1):
            await asyncio.sleep(delay)
            reason = "http_timeout" if failed.failure == "operation_timeout" else "http_error"
            headers = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
            failed = await self._courier.deliver("event", body, headers=headers)
            if _is_settled(failed):
                return


def _is_settled(delivery: Delivery) -> bool:
    return delivery.ok or delivery.response_headers.get("x-slack-no-retry") == "1"
