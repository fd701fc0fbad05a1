"""What is done with a queued message: parse it, and hand it to one function of the application."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from adapters.engine.dispatcher import Handler
from adapters.pagerduty.webhook import parse_webhook
from adapters.slack.actions import (
    ButtonPressed,
    CommandGiven,
    DetailsAsked,
    FeedbackGiven,
    HomeOpened,
    Mentioned,
    ShortcutUsed,
    UndoPressed,
    from_bytes,
)
from bot.app.approve import handle_click
from bot.app.commands.delivering import handle_command
from bot.app.commands.details import details
from bot.app.group import split
from bot.app.home import handle_home
from bot.app.intake import handle_change, handle_event
from bot.app.label import handle_feedback
from bot.app.world import World
from bot.domain.change import ChangeEvent
from bot.domain.errors import HandrailError, Unavailable
from bot.domain.incident import IncidentEvent
from bot.ports import Message, Stream

PATIENCE_S = 2.5  # Our choice: of the 3 s within which whoever pressed hears something.
SLOW = "That takes longer than it should. The answer follows when I have it."
BROKEN = "That broke here, and nothing was changed that is not on record. Whoever runs Handrail must look."

Pressed: TypeAlias = DetailsAsked | FeedbackGiven | UndoPressed
"""Buttons that decide nothing. All else says for itself what becomes of it, and how long that takes."""


@dataclass(frozen=True)
class Handlers:
    """One handler for each stream. Each may be called again for the same message."""

    world: World

    def by_stream(self) -> dict[Stream, Handler]:
        return {Stream.EVENTS: self.event, Stream.ACTIONS: self.action, Stream.CHANGES: self.change}

    async def event(self, message: Message) -> None:
        event = parse_webhook(message.payload, received_at=message.received_at)
        if isinstance(event, IncidentEvent):
            await handle_event(self.world, event)

    async def change(self, message: Message) -> None:
        change = ChangeEvent.model_validate_json(message.payload)
        await handle_change(self.world, change.model_copy(update={"reported_at": message.received_at}))

    async def action(self, message: Message) -> None:
        action = from_bytes(message.payload)
        match action:
            case ButtonPressed():
                await handle_click(self.world, action.to_click(message.received_at))
            case CommandGiven() | Mentioned() | ShortcutUsed():
                await handle_command(self.world, action.to_asked())
            case HomeOpened():
                await handle_home(self.world, action.user_id, message.received_at)
            case DetailsAsked() | FeedbackGiven() | UndoPressed():
                await self._answer_in_time(message, action)
            case _:
                assert_never(action)

    async def _answer_in_time(self, message: Message, pressed: Pressed) -> None:
        """Answer; whoever waits for longer, or in vain for now, is told so once."""
        answering = asyncio.create_task(self._answer(message, pressed))
        try:
            await asyncio.wait({answering}, timeout=PATIENCE_S)
            failure = answering.exception() if answering.done() else None
            if message.deliveries == 1 and (failure is not None or not answering.done()):
                with contextlib.suppress(HandrailError):  # Then nobody can be told anything.
                    await self.world.chat.tell(pressed.channel, pressed.user_id, _meanwhile(failure))
            await answering
        finally:
            answering.cancel()

    async def _answer(self, message: Message, pressed: Pressed) -> None:
        match pressed:
            case FeedbackGiven():
                await handle_feedback(self.world, pressed.to_feedback(message.received_at))
            case DetailsAsked():
                await self._show_details(pressed)
            case UndoPressed():
                said = await split(self.world, pressed.incident_id, pressed.user_id)
                await self.world.chat.tell_document(pressed.channel, pressed.user_id, said)
            case _:
                assert_never(pressed)

    async def _show_details(self, action: DetailsAsked) -> None:
        document = await details(self.world, action.incident_id)
        try:
            await self.world.chat.show_details(action.trigger_id, document)
        except HandrailError:
            # The trigger is good for 3 s; what came too late is shown in the channel, to this person only.
            await self.world.chat.tell_document(action.channel, action.user_id, document)


def _meanwhile(failure: BaseException | None) -> str:
    return SLOW if failure is None or isinstance(failure, Unavailable) else BROKEN
