"""A whole bot as a process between its neighbours, and what people and senders do to it from outside."""

import asyncio
import hashlib
import hmac
import json
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import httpx

from adapters.handlers import SLOW
from adapters.sandbox.bot_process import BotProcess
from adapters.sandbox.pagerduty.models import AlertSpec, Incident, Service
from adapters.sandbox.slack import Delivery, Message, SandboxSlack, SlackChannel, limits
from adapters.sandbox.stage import ALICE, CHANNEL, PAGERDUTY_SERVICE, Stage, running_stage
from bot.app.approve import NOT_YET
from tests.scenarios.patient_bot import COMMAND
from tests.scenarios.processes import descendants, ended

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
# Generous: the machine may be busy, and every wait ends with what it waits for.
WITHIN_S = 150.0
APPROVE = "handrail.approve"
DENY = "handrail.deny"
PROPOSE_AGAIN = "handrail.propose_again"
DETAILS = "handrail.details"
OFFERED = "Approve rollback to 41"


@dataclass(frozen=True)
class Finished:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@dataclass
class Rig:
    """One bot on one stage."""

    stage: Stage
    bot: BotProcess
    environment: Mapping[str, str]
    _paged: int = 0
    _deploys: int = 0

    @property
    def slack(self) -> SandboxSlack:
        return self.stage.slack

    @property
    def data(self) -> Path:
        return Path(self.environment["HANDRAIL_DATA_DIR"])

    # The bot as an operator handles it.

    async def start(self) -> None:
        await self.bot.start()

    async def stop(self) -> int:
        """Stop the bot and return its exit code once nothing of it is left."""
        family = descendants(self.bot.pid)
        code = await self.bot.stop()
        await ended(family)
        return code

    async def kill(self) -> None:
        """End the bot as a crash does; return once nothing of it is left."""
        family = descendants(self.bot.pid)
        await self.bot.kill()
        await ended(family)

    def child(self, name: str) -> int:
        """Return the process id of the child whose name holds *name*."""
        return next(pid for pid, called in descendants(self.bot.pid).items() if name in called)

    async def handrail(self, *arguments: str) -> Finished:
        """Run one command with the bot's settings."""
        return await handrail(self.environment, *arguments)

    # What happens around it.

    async def break_checkout(self) -> None:
        """Deploy 42 unless it serves; return once the bot knows the change."""
        if await self.stage.deployed() != "42":
            await self.deploy("42")

    async def deploy(self, version: str, *, key: str | None = None) -> None:
        """Deploy a version; return once the bot knows of it and of all deploys before."""
        self._deploys += 1
        await self.stage.deploy(version, key=key or f"pipeline-{self._deploys}")
        known = f"{len(await self.stage.effects())} found"
        while known not in await self.ask("changes checkout"):
            pass  # Asked again until the queue has been worked off; each answer is an event.

    def page(self, title: str | None = None) -> Incident:
        """Page for checkout; the webhook goes out by itself.

        PagerDuty tells whole seconds, so a page in the very second of a deploy would seem to be before it.
        """
        at = datetime.now(UTC) + timedelta(seconds=1)
        self._paged += 1
        told = title or f"checkout: a third of requests fail, page {self._paged}"
        return self.stage.pagerduty.trigger(PAGERDUTY_SERVICE, told, alerts=(an_alert(told),), at=at)

    async def offered(self) -> tuple[Incident, Message]:
        """Break checkout and page; return the incident and its card, which offers the rollback."""
        await self.break_checkout()
        incident = self.page()
        return incident, await self.card(incident.id, OFFERED)

    async def card(self, incident: str, text: str = "", *, without: str | None = None) -> Message:
        """Wait until the incident's card shows *text*, and no longer *without*."""

        def find(_: SandboxSlack) -> Message | None:
            for card in self.cards(incident):
                if text in card.shown_text and (without is None or without not in card.shown_text):
                    return card
            return None

        try:
            return await self.seen(find)
        except TimeoutError as exc:
            shown = "\n".join(card.shown_text for card in self.cards(incident)) or "no card"
            raise TimeoutError(f"{exc}. Waited for {text!r}; {incident} shows:\n{shown}") from exc

    async def offer(self, incident: str, number: int) -> Message:
        """Wait until the incident's card offers its *number*-th proposal."""

        def find(_: SandboxSlack) -> Message | None:
            return next(
                (card for card in self.cards(incident) if f"{incident}-{number}" in _asked(card)), None
            )

        return await self.seen(find)

    def cards(self, incident: str) -> list[Message]:
        """Return the root messages about an incident, in any channel."""
        rooms = [channel.id for channel in self.slack.config.channels]
        return [m for room in rooms for m in self.slack.messages(room) if _is_card(m, incident)]

    async def seen(self, find: Callable[[SandboxSlack], T | None]) -> T:
        return await self.slack.wait_for(find, timeout=WITHIN_S)

    # What people do, and what only they read.

    async def press(self, user: str, card: Message, action: str = APPROVE, *, repeat: int = 1) -> Delivery:
        return await self.slack.press(user, card.channel, card.ts, action, repeat=repeat)

    async def told(self, user: str, before: int) -> str:
        """Wait for what *user* alone is told after the first *before* messages."""
        return await self.seen(lambda _: said[before] if len(said := self.heard(user)) > before else None)

    def heard(self, user: str) -> list[str]:
        """Return what *user* alone was told. That an answer is late is none: a busy machine is no failure."""
        told = (message.shown_text for message in self.slack.ephemerals(user))
        return [text for text in told if text not in (NOT_YET, SLOW)]

    async def press_as_shown(self, user: str, card: Message, action: str = APPROVE) -> Delivery:
        """Press a button as it stood on *card*, whether or not the message still has it."""
        value = next(str(b["value"]) for b in card.buttons if b.get("action_id") == action)
        return await self.slack.press(user, card.channel, card.ts, action, value=value, forged=True)

    async def press_and_hear(self, user: str, card: Message, action: str = APPROVE) -> str:
        """Press a button as it stood on *card*, and return what *user* alone is told."""
        before = len(self.heard(user))
        await self.press_as_shown(user, card, action)
        return await self.told(user, before)

    async def ask(self, text: str, user: str = ALICE.id) -> str:
        """Type `/incident` *text* and return the answer."""
        before = len(self.heard(user))
        await self.slack.command(user, CHANNEL, text)
        return await self.told(user, before)

    # What senders do.

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            return await client.post(f"{self.stage.bot_url}{path}", content=body, headers=dict(headers))

    async def webhook(self, event: Mapping[str, object], *, secret: str | None = None) -> httpx.Response:
        """Post one event as PagerDuty signs it."""
        body = json.dumps({"event": event}).encode()
        key = (secret or self.stage.secrets.pagerduty_webhook).encode()
        signature = hmac.new(key, body, hashlib.sha256).hexdigest()
        return await self.post("/webhooks/pagerduty", body, {"X-PagerDuty-Signature": f"v1={signature}"})

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            return await client.get(f"{self.stage.bot_url}{path}")


@asynccontextmanager
async def a_patient_slack() -> AsyncIterator[None]:
    """Let the sandbox Slack wait for an answer, and keep a trigger good, for longer than 3 s."""
    with patch.multiple(limits, ACK_S=WITHIN_S, TRIGGER_S=WITHIN_S):
        yield


@asynccontextmanager
async def running(
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    socket_mode: bool = False,
    is_watched: bool = False,
    roll_seconds: float = 0.1,
    playbooks: Path | None = None,
    services: Callable[[str], str] = lambda yaml: yaml,
    more_channels: tuple[SlackChannel, ...] = (),
    more_services: tuple[Service, ...] = (),
) -> AsyncIterator[Rig]:
    """Run a stage and a bot; afterwards no process of it and no temporary folder is left.

    *services* edits `services.yaml` before the bot reads it. Unless *is_watched*, only the test pages.
    """
    temporary = folder / "tmp"
    temporary.mkdir()
    async with (
        a_patient_slack(),
        running_stage(
            folder,
            rate=20 if is_watched else 10,  # Each customer costs processor time; a monitor needs many.
            is_watched=is_watched,
            roll_seconds=roll_seconds,
            more_channels=more_channels,
            more_services=more_services,
        ) as stage,
    ):
        catalogue = folder / "services.yaml"
        catalogue.write_text(services(catalogue.read_text()))
        environment = {
            **stage.environment(socket_mode=socket_mode),
            "HANDRAIL_PLAYBOOKS": str(playbooks or quick_playbooks(folder)),
            "HANDRAIL_PROMPTS": str(ROOT / "prompts"),
            "TMPDIR": str(temporary),
            # Most tests page for one service again and again, and each is about the card of its own page.
            "HANDRAIL_GROUP": "false",
            **(settings or {}),
        }
        bot = BotProcess(environment, log_file=folder / "bot.log", cwd=ROOT, command=COMMAND)
        rig = Rig(stage, bot, environment)
        await rig.start()
        try:
            yield rig
        finally:
            await rig.stop()
        assert list(temporary.iterdir()) == []


def an_alert(summary: str) -> AlertSpec:
    """Return an alert that says of version 42 what a monitor would say."""
    return AlertSpec(
        summary=summary,
        source="checkout",
        component="checkout",
        class_="error_rate",
        custom_details={
            "alertname": "ErrorRateHigh",
            "error_ratio": "0.300",
            "version": "42",
            "top_error": "KeyError in apply_regional_tax: 'CH'",
        },
    )


def quick_playbooks(folder: Path) -> Path:
    """Copy the playbooks; recovery has to hold for 1 s instead of 5."""
    copied = folder / "playbooks"
    shutil.copytree(ROOT / "playbooks", copied)
    rollback = copied / "rollback-deploy.yaml"
    rollback.write_text(rollback.read_text().replace("hold_s: 5", "hold_s: 1"))
    return copied


async def handrail(environment: Mapping[str, str], *arguments: str) -> Finished:
    """Run `handrail` with *arguments* as a process of its own, with nothing but *environment*."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "adapters.cli",
        *arguments,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", **environment},
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            out, err = await child.communicate()
    except TimeoutError:
        child.kill()
        await child.wait()
        raise
    return Finished(code=child.returncode or 0, out=out.decode(), err=err.decode())


def _asked(card: Message) -> set[object]:
    """Return the proposals that an Approve button of *card* is about."""
    return {json.loads(str(b["value"]))["p"] for b in card.buttons if b.get("action_id") == APPROVE}


def _is_card(message: Message, incident: str) -> bool:
    if not message.by_app or message.is_reply:
        return False
    return any(
        button.get("action_id") == DETAILS and json.loads(str(button["value"])) == {"i": incident}
        for button in message.buttons
    )
