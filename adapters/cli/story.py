"""The demo's story, played by machine through the same signed path that a person's clicks take."""

import time
from collections.abc import Callable

from rich.console import Console

from adapters.sandbox.slack import Message, SandboxSlack
from adapters.sandbox.stage import ALICE, BEN, CHANNEL, Stage

CARD_S = 30.0
RUN_S = 60.0


class Story:
    """Plays the main job once and prints what everybody would see."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._slack = stage.slack
        self._console = console
        self._start = time.monotonic()

    async def play(self) -> bool:
        """Return whether the service really recovered, and everything was said where it should be."""
        stage = self._stage
        self._say("checkout 41 serves; its pipeline deploys 42 and posts the change event")
        await stage.deploy("42", key="ci-run-1")
        card = await self._slack.wait_for(_card_with("Approve rollback to 41"), timeout=CARD_S)
        self._say("PagerDuty paged; one card stands in #incidents")
        self._show(card)
        await self._refuse_ben(card)
        await self._approve(card)
        done = await self._slack.wait_for(_card_with("Recovered"), timeout=RUN_S)
        self._say("the same card, afterwards")
        self._show(done)
        summary = await self._slack.wait_for(_summary(card), timeout=RUN_S)
        self._say("the summary, in the thread and as a note in PagerDuty")
        self._show(summary)
        draft = await self._slack.wait_for(_file(card, "postmortem"), timeout=RUN_S)
        self._say("the postmortem draft, a file in the thread")
        self._show(draft)
        await self._ask("status")
        return await self._is_true(card)

    async def _refuse_ben(self, card: Message) -> None:
        self._say("Ben, who is not on call, presses Approve; only he reads the answer")
        await self._slack.press(BEN.id, CHANNEL, card.ts, "handrail.approve")
        refusal = await self._slack.wait_for(lambda s: (s.ephemerals(BEN.id) or (None,))[-1])
        self._show(refusal)

    async def _approve(self, card: Message) -> None:
        self._say("Alice, who is on call, presses Approve")
        await self._slack.press(ALICE.id, CHANNEL, card.ts, "handrail.approve")

    async def _ask(self, text: str) -> None:
        self._say(f"Alice types /incident {text}")
        seen = len(self._slack.ephemerals(ALICE.id))
        await self._slack.command(ALICE.id, CHANNEL, text)
        self._show(
            await self._slack.wait_for(
                lambda s: s.ephemerals(ALICE.id)[-1] if len(s.ephemerals(ALICE.id)) > seen else None
            )
        )

    async def _is_true(self, card: Message) -> bool:
        """Look at the world itself, not at what the bot says of it."""
        stage = self._stage
        pagerduty = stage.pagerduty
        await pagerduty.wait_for(lambda: any(not i.is_open for i in pagerduty.incidents), timeout=RUN_S)
        incident = pagerduty.incidents[-1]
        notes = pagerduty.notes(incident.id)
        rollbacks = [e for e in await stage.effects() if e.get("after") == "41"]
        cards = [m for m in self._slack.messages(CHANNEL) if m.by_app and not m.is_reply]
        facts = {
            "checkout serves 41 again": await stage.deployed() == "41",
            "it was rolled back once": len(rollbacks) == 1,
            "one card, edited in place": [m.ts for m in cards] == [card.ts],
            "PagerDuty has one note": len(notes) == 1,
            "the incident is resolved": incident.status == "resolved",
        }
        for fact, is_so in facts.items():
            self._console.print(f"  {'yes' if is_so else 'NO '}  {fact}")
        self._say("recovered" if all(facts.values()) else "NOT as it should be")
        return all(facts.values())

    def _say(self, text: str) -> None:
        self._console.print(f"\n[bold]{time.monotonic() - self._start:5.1f} s  {text}[/bold]")

    def _show(self, message: Message) -> None:
        for line in message.shown_text.splitlines():
            self._console.print(f"    | {line}", markup=False)


def _card_with(text: str) -> Callable[[SandboxSlack], Message | None]:
    def find(slack: SandboxSlack) -> Message | None:
        cards = (m for m in slack.messages(CHANNEL) if m.by_app and not m.is_reply)
        return next((m for m in cards if text in m.shown_text), None)

    return find


def _summary(card: Message) -> Callable[[SandboxSlack], Message | None]:
    def find(slack: SandboxSlack) -> Message | None:
        return next((m for m in slack.thread(CHANNEL, card.ts) if "Summary" in m.shown_text), None)

    return find


def _file(card: Message, name: str) -> Callable[[SandboxSlack], Message | None]:
    def find(slack: SandboxSlack) -> Message | None:
        thread = slack.thread(CHANNEL, card.ts)
        return next((m for m in thread if any(str(f["name"]).startswith(name) for f in m.files)), None)

    return find
