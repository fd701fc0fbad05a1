"""Every click is answered within 3 s, in every state and whoever is silent."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.handlers import Handlers
from adapters.slack.actions import DetailsAsked, Done, FeedbackGiven, to_bytes
from bot.app.approve import ANSWER_WITHIN_S, handle_click
from bot.app.world import World
from bot.domain.approval import Action
from bot.domain.errors import Tampered, Unavailable
from bot.domain.ids import SlackUserId
from bot.domain.proposal import ProposalState
from bot.ports import Message, Stream
from tests.app.test_freshness import URL, a_bot_that_reads
from tests.app.world import CHANNEL, DANA, EVE, Bot, FakeChat, with_world
from tests.builders import INCIDENT
from tests.virtual_time import in_virtual_time

S = ProposalState


class Silent:
    """Stands for a neighbour; the methods named never answer, or only after some seconds."""

    def __init__(self, inner: object, *names: str, seconds: float | None = None) -> None:
        self._inner = inner
        self._names = names
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._names:
            return found

        async def late(*arguments: object, **named: object) -> object:
            await (asyncio.Event().wait() if self._seconds is None else asyncio.sleep(self._seconds))
            return await found(*arguments, **named)

        return late


class LoopTime:
    """The clock of the loop, as the bot's and the store's time."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._began = bot.time.at
        self._at = asyncio.get_running_loop().time()

    def now(self) -> Any:
        passed = asyncio.get_running_loop().time() - self._at
        self._bot.time.at = self._began + timedelta(seconds=passed)
        return self._bot.time.at


NEIGHBOURS: Mapping[str, Callable[[World], Mapping[str, object]]] = {
    "all answer": lambda world: {},
    "PagerDuty is silent": lambda world: {
        "incidents": Silent(world.incidents, "read", "on_call", "users_by_email")
    },
    "Slack does not say who it is": lambda world: {"directory": Silent(world.directory, "person")},
    "the ledger is silent": lambda world: {"ledger": Silent(world.ledger, "get", "between")},
    "PagerDuty and Slack are slow": lambda world: {
        "incidents": Silent(world.incidents, "read", "on_call", seconds=1.9),
        "directory": Silent(world.directory, "person", seconds=1.9),
    },
    "the record is locked": lambda world: {"gate": Silent(world.gate, "rule", seconds=5)},
    "the record cannot even be read": lambda world: {"gate": Silent(world.gate, "proposal", seconds=5)},
}
STATES: Mapping[str, list[Action]] = {
    "proposed": [],
    "approved": [Action.APPROVE],
    "denied": [Action.DENY],
}


async def answered_after(bot: Bot, world: World, action: Action, by: SlackUserId) -> tuple[float, int]:
    """Press; return when the person saw the first answer, and how many private ones came in all."""
    clock = LoopTime(bot)
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    seen: list[float] = []

    class Watched(FakeChat):
        async def tell(self, *arguments: Any, **named: Any) -> None:
            seen.append(loop.time() - began)

        async def update_card(self, *arguments: Any, **named: Any) -> None:
            drawn.append(loop.time() - began)

    drawn: list[float] = []
    chat = Watched(cards=bot.chat.cards, keys=bot.chat.keys)
    person = next(one for one in (DANA, EVE) if one.id == by)
    click = bot.a_press(action, await bot.the_last(), by=person)
    pressed = with_world(Bot(**{**vars(bot), "world": world}), chat=chat, clock=clock)
    await handle_click(pressed.world, click)
    return min([*seen, *drawn]), len(seen)


@pytest.mark.parametrize("by", [DANA.id, EVE.id], ids=["may decide", "may not"])
@pytest.mark.parametrize("action", [Action.APPROVE, Action.DENY, Action.PROPOSE_AGAIN, Action.IT_RAN])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("neighbours", NEIGHBOURS)
def test_a_click_is_answered_in_time(neighbours: str, state: str, action: Action, by: SlackUserId) -> None:
    async def pressed() -> tuple[float, int]:
        bot, _ = a_bot_that_reads()
        await bot.begin()
        for before in STATES[state]:
            await bot.press(before, follow=False)
        changed = with_world(bot, **NEIGHBOURS[neighbours](bot.world))
        return await answered_after(bot, changed.world, action, by)

    after_s, private = in_virtual_time(pressed())

    assert after_s < ANSWER_WITHIN_S
    assert private <= (2 if "record" in neighbours else 1)


def test_a_click_that_waited_too_long_before_it_is_answered_too() -> None:
    async def late() -> tuple[str, ProposalState | None]:
        bot, _ = a_bot_that_reads()
        await bot.begin()
        click = bot.a_press(Action.APPROVE, await bot.the_last())
        bot.time.advance(timedelta(minutes=2))
        ruling = await handle_click(bot.world, click)
        return ruling.text, await bot.state()

    assert ("That took too long to reach me. Press again.", S.PROPOSED) == in_virtual_time(late())


def test_a_record_that_fails_is_said_once_and_the_click_is_handled_again_later() -> None:
    async def failing() -> tuple[list[str], list[str], ProposalState | None]:
        bot, versions = a_bot_that_reads()
        await bot.begin()
        clock = LoopTime(bot)
        click = bot.a_press(Action.APPROVE, await bot.the_last())

        class Locked:
            async def rule(self, *_: object) -> object:
                await asyncio.sleep(4)
                raise Unavailable("the database is locked")

            def __getattr__(self, name: str) -> Any:
                return getattr(bot.world.gate, name)

        broken = with_world(bot, gate=Locked(), clock=clock)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await handle_click(broken.world, click)
        said = list(bot.told(DANA))
        await handle_click(with_world(bot, clock=clock).world, click)
        assert versions.by_url == {URL: "42"}
        return said, bot.told(DANA), await bot.state()

    said, in_the_end, state = in_virtual_time(failing())

    assert 1 == len(said)
    assert said[0].startswith("My record does not answer yet, so nothing has started.")
    assert (said, S.APPROVED) == (in_the_end, state)


@pytest.mark.parametrize("method", ["proposal", "rule"])
@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (Unavailable("the database is locked"), "My record does not answer yet, so nothing has started."),
        (Tampered("approved is no state"), "The record contradicts itself, so nothing starts."),
        (KeyError("a defect of ours"), "That broke here before it was decided, so nothing has started."),
    ],
    ids=["the record is away", "the record contradicts itself", "a defect"],
)
def test_a_click_that_cannot_be_decided_is_answered_once(
    failure: Exception, answer: str, method: str
) -> None:
    async def failing() -> list[str]:
        bot, _ = a_bot_that_reads()
        await bot.begin()
        clock = LoopTime(bot)
        click = bot.a_press(Action.APPROVE, await bot.the_last())

        class Broken:
            def __getattr__(self, name: str) -> Any:
                return self._fail if name == method else getattr(bot.world.gate, name)

            async def _fail(self, *_: object) -> object:
                raise failure

        broken = with_world(bot, gate=Broken(), clock=clock)
        for _ in range(2):
            with pytest.raises(type(failure)):
                await handle_click(broken.world, click)
            await asyncio.sleep(5)  # As long as the queue keeps it before it is handled again.
        return bot.told(DANA)

    said = in_virtual_time(failing())

    assert (1, True) == (len(said), said[0].startswith(answer) if said else False)


PRESS = {"click_id": "c1", "user_id": DANA.id, "channel": CHANNEL, "incident_id": INCIDENT}
ASKED: Mapping[str, Done] = {
    "Details": DetailsAsked.model_validate({**PRESS, "message_ts": "1.1", "trigger_id": "t1"}),
    "a verdict": FeedbackGiven.model_validate(
        {
            **PRESS,
            "verdict": "was_it",
            "change_id": "deploy-checkout-42",
            "digest": "0" * 64,
            "team_id": DANA.team_id,
            "message_ts": None,
        }
    ),
}


@pytest.mark.parametrize("seconds", [0.0, 5.0], ids=["fails at once", "fails late"])
@pytest.mark.parametrize("asked", ASKED)
def test_whatever_was_pressed_somebody_is_told_once_that_it_takes_long(asked: str, seconds: float) -> None:
    async def failing() -> list[tuple[float, str]]:
        bot, _ = a_bot_that_reads()
        await bot.begin()
        loop, said = asyncio.get_running_loop(), list[tuple[float, str]]()

        class Away:
            def __getattr__(self, name: str) -> Any:
                async def away(*_: object, **__: object) -> object:
                    await asyncio.sleep(seconds)
                    raise Unavailable("the database is locked")

                return away

        class Watched(FakeChat):
            async def tell(self, *arguments: Any, **named: Any) -> None:
                said.append((loop.time() - began, arguments[2]))

        away: Any = Away()
        world = replace(bot.world, book=away, labels=away, chat=Watched())
        for delivery in (1, 2):
            began = loop.time()
            message = Message(
                id="1-0",
                stream=Stream.ACTIONS,
                key="c1",
                payload=to_bytes(ASKED[asked]),
                received_at=bot.time.at,
                deliveries=delivery,
            )
            with pytest.raises(Unavailable):
                await Handlers(world).action(message)
        return said

    [(after_s, text)] = in_virtual_time(failing())

    assert after_s < ANSWER_WITHIN_S
    assert "That takes longer than it should. The answer follows when I have it." == text
