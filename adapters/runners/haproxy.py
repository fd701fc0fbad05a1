"""Steps of type `haproxy`: one command on the stats socket of a load balancer."""

import asyncio
import contextlib

from bot.domain.execution import ApprovedStep, Preview, Result, StartedStep, StepOutcome
from bot.domain.plan import PlannedAction
from bot.domain.target_actions import HaproxyCommand

MAX_ANSWER = 64 * 1024
_STATES = {"0": "ready", "1": "maint", "8": "drain"}
"""`srv_admin_state`, the bits that the Runtime API sets: 0x01 forced maintenance, 0x08 forced drain."""


class HaproxyRunner:
    """Implements `Runner`. HAProxy answers a change with an empty line and a refusal with words."""

    async def preview(self, action: PlannedAction) -> Preview | None:
        """Return how the server stands now, beside what it is to be."""
        command = _command(action)
        try:
            now = await self._now(command)
        except (OSError, TimeoutError) as exc:
            return Preview(step=command.name, missing=f"HAProxy did not answer ({type(exc).__name__})")
        if now is None:
            return Preview(step=command.name, missing=f"HAProxy has no {command.backend}/{command.server}")
        state, weight = now
        wanted = command.command.rpartition("/")[2].removeprefix(f"{command.server} ")
        return Preview(step=command.name, text=f"now: state {state}, weight {weight}\nthen: {wanted}")

    async def run(self, step: ApprovedStep) -> StepOutcome:
        command = _command(step.action)
        try:
            async with asyncio.timeout(command.timeout_s):
                reader, writer = await _connect(command.socket)
        except (OSError, TimeoutError) as exc:
            return StepOutcome(result=Result.FAILED, detail=f"not sent: {type(exc).__name__}")
        try:
            said = await _say(reader, writer, command.command, within_s=command.timeout_s)
        except (OSError, TimeoutError) as exc:
            detail = f"sent, and the answer was lost ({type(exc).__name__}): it may have taken effect"
            return StepOutcome(result=Result.UNKNOWN, detail=detail)
        if said.strip():
            return StepOutcome(result=Result.FAILED, detail="HAProxy refused", output=said)
        return StepOutcome(result=Result.DONE, detail="HAProxy took it")

    async def status(self, step: StartedStep) -> StepOutcome | None:
        """Say whether the server stands as the step wants it; nothing tells who has brought it there."""
        command = _command(step.action)
        try:
            now = await self._now(command)
        except (OSError, TimeoutError):
            return None
        if now is None:
            return None
        state, weight = now
        told = f"{command.backend}/{command.server} has state {state} and weight {weight} now"
        is_so = command.command.endswith((f" state {state}", f" weight {weight}"))
        return StepOutcome(result=Result.DONE if is_so else Result.UNKNOWN, detail=told)

    async def cancel(self, step: StartedStep) -> None:
        """Leave it: a command that was taken is done."""
        return

    async def _now(self, command: HaproxyCommand) -> tuple[str, str] | None:
        """Return the server's state and weight as they are."""
        async with asyncio.timeout(command.timeout_s):
            reader, writer = await _connect(command.socket)
            table = await _say(
                reader, writer, f"show servers state {command.backend}", within_s=command.timeout_s
            )
        lines = [line.split() for line in table.splitlines()]
        names = next((line[1:] for line in lines if line[:1] == ["#"]), [])
        rows = [dict(zip(names, line, strict=False)) for line in lines if len(line) == len(names)]
        for row in rows:
            if row.get("srv_name") == command.server:
                admin = row.get("srv_admin_state", "")
                return _STATES.get(admin, f"unknown ({admin})"), row.get("srv_uweight", "")
        return None


def _command(action: PlannedAction) -> HaproxyCommand:
    if not isinstance(action, HaproxyCommand):
        raise TypeError(f"the haproxy runner was handed a step of type {action.type}")
    return action


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("/"):
        return await asyncio.open_unix_connection(address)
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _say(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str, *, within_s: int
) -> str:
    """Return the answer to one command; HAProxy closes after it. An end without an answer is an `OSError`."""
    try:
        async with asyncio.timeout(within_s):
            writer.write(f"{command}\n".encode())
            await writer.drain()
            answer = bytearray()
            while len(answer) < MAX_ANSWER and (part := await reader.read(MAX_ANSWER)):
                answer += part
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if not answer:
        raise ConnectionResetError("HAProxy closed without an answer")
    text = bytes(answer[:MAX_ANSWER]).decode(errors="replace")
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in text)
