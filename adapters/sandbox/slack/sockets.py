"""Socket Mode: websockets that the app opened, and envelopes that it must acknowledge."""

import asyncio
import json
import uuid
from dataclasses import dataclass, field

from starlette.websockets import WebSocket, WebSocketDisconnect

from . import limits
from .changes import Changes
from .tickets import SocketTickets
from .wire import JsonObject


class ConnectionLostError(ConnectionError):
    """The websocket closed before the envelope was acknowledged."""


@dataclass(eq=False)
class _Connection:
    websocket: WebSocket
    waiting: dict[str, asyncio.Future[JsonObject]] = field(default_factory=dict)

    def acknowledge(self, message: JsonObject) -> None:
        waiter = self.waiting.pop(str(message.get("envelope_id")), None)
        if waiter is not None and not waiter.done():
            waiter.set_result(message)

    def lose_all(self) -> None:
        for waiter in self.waiting.values():
            if not waiter.done():
                waiter.set_exception(ConnectionLostError("The app's websocket closed."))
        self.waiting.clear()


class SocketMode:
    """The open connections of the app; each envelope goes to one of them, in turn."""

    def __init__(self, tickets: SocketTickets, changes: Changes, app_id: str) -> None:
        self._tickets = tickets
        self._changes = changes
        self._app_id = app_id
        self._connections: list[_Connection] = []
        self._turn = 0

    @property
    def connections(self) -> int:
        """How many websockets are open."""
        return len(self._connections)

    async def serve(self, websocket: WebSocket) -> None:
        """Hold one websocket: hello, envelopes out, acknowledgements in."""
        if not self._tickets.use(websocket.query_params.get("ticket", "")):
            await websocket.close(code=4403, reason="invalid ticket")
            return
        await websocket.accept()
        if len(self._connections) >= limits.SOCKET_CONNECTIONS:
            await websocket.send_text(_disconnect("too_many_websockets"))
            await websocket.close()
            return
        connection = _Connection(websocket)
        try:
            await websocket.send_text(self._hello(len(self._connections) + 1))
            self._connections.append(connection)
            self._changes.touch()
            while True:
                _take(connection, await websocket.receive_text())
        except WebSocketDisconnect:
            return
        finally:
            self._forget(connection)

    async def deliver(self, envelope: JsonObject) -> JsonObject:
        """Send *envelope* over the next connection and return its acknowledgement.

        Raises:
            TimeoutError: none came within 3 seconds.
            ConnectionLostError: the connection closed first, or none is open.
        """
        if not self._connections:
            raise ConnectionLostError("No websocket of the app is open.")
        connection = self._connections[self._turn % len(self._connections)]
        self._turn += 1
        waiter: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        connection.waiting[envelope["envelope_id"]] = waiter
        try:
            async with asyncio.timeout(limits.ACK_S):
                try:
                    await connection.websocket.send_text(json.dumps(envelope))
                except (RuntimeError, WebSocketDisconnect) as exc:
                    raise ConnectionLostError("The app's websocket is closed.") from exc
                return await waiter
        finally:
            connection.waiting.pop(envelope["envelope_id"], None)

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask every connection to come back, as Slack does when it moves them.

        Nothing new goes over them; what they still owe may be acknowledged until the app closes them.
        """
        leaving, self._connections = self._connections, []
        self._changes.touch()
        for connection in leaving:
            await connection.websocket.send_text(_disconnect(reason))

    def _forget(self, connection: _Connection) -> None:
        connection.lose_all()
        if connection in self._connections:
            self._connections.remove(connection)
            self._changes.touch()

    def _hello(self, number: int) -> str:
        return json.dumps(
            {
                "type": "hello",
                "num_connections": number,
                "debug_info": {
                    "host": "applink-sandbox",
                    "build_number": 1,
                    "approximate_connection_time": 18060,
                },
                "connection_info": {"app_id": self._app_id},
            }
        )


def envelope_of(kind: str, payload: JsonObject) -> JsonObject:
    """Return *payload* in an envelope of Slack's type for *kind*."""
    types = {"command": "slash_commands", "event": "events_api"}
    envelope: JsonObject = {
        "envelope_id": str(uuid.uuid4()),
        "payload": payload,
        "type": types.get(kind, "interactive"),
        "accepts_response_payload": kind in ("command", "view_submission"),
    }
    if kind == "event":
        envelope |= {"retry_attempt": 0, "retry_reason": ""}
    return envelope


def _take(connection: _Connection, text: str) -> None:
    try:
        message = json.loads(text)
    except ValueError:
        return  # Slack ignores what is no acknowledgement; the envelope then times out.
    if isinstance(message, dict):
        connection.acknowledge(message)


def _disconnect(reason: str) -> str:
    return json.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-sandbox"}})
