"""Two drawings of one card: the older one never stands last."""

import asyncio
from dataclasses import dataclass, field

from bot.app.approve import handle_click
from bot.app.investigate import investigate
from bot.app.show import show
from bot.domain.approval import Action, Reason
from bot.domain.card import Card, CardRef
from bot.domain.ids import IncidentId
from bot.domain.proposal import ProposalState
from tests.app.world import CHANNEL, DANA, FakeChat, a_bot, with_world
from tests.builders import INCIDENT, a_click


@dataclass
class SlowChat(FakeChat):
    """Holds up the first edit until it is let go."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def update_card(self, ref: CardRef, card: Card) -> None:
        if not self.reached.is_set():
            self.reached.set()
            await self.let_go.wait()
        await super().update_card(ref, card)


async def test_a_slow_older_drawing_does_not_overtake_a_newer_one() -> None:
    bot = a_bot()
    await bot.begin()
    proposal = await bot.the_last()
    chat = SlowChat()
    chat.cards.update(bot.chat.cards)
    world = with_world(bot, chat=chat).world

    older = asyncio.create_task(show(world, proposal.incident))
    await chat.reached.wait()
    await world.gate.withdraw(proposal.id, ProposalState.CANCELLED, "it was mended")
    newer = asyncio.create_task(show(world, proposal.incident))
    for _ in range(50):  # As far as the newer one can come by itself.
        await asyncio.sleep(0)
    chat.let_go.set()
    await asyncio.gather(older, newer)

    [card] = chat.cards.values()
    assert card.offer is not None
    assert ProposalState.CANCELLED is card.offer.state


@dataclass
class LateAnswer(FakeChat):
    """Takes the card, and answers only when it is let go."""

    posted: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def post_card(self, channel: str, card: Card, *, key: str) -> CardRef:
        ref = await super().post_card(channel, card, key=key)
        self.posted.set()
        await self.let_go.wait()
        return ref


async def test_a_thumb_quicker_than_slacks_answer_to_the_post_counts() -> None:
    bot = a_bot()
    chat = LateAnswer()
    world = with_world(bot, chat=chat).world
    await bot.hear()
    await investigate(world, IncidentId(INCIDENT))

    showing = asyncio.create_task(show(world, IncidentId(INCIDENT)))
    await chat.posted.wait()
    [ref] = chat.cards
    proposal = await bot.the_last()
    click = a_click(Action.APPROVE, by=DANA, card=ref, at=bot.time.at, digest=proposal.digest)
    pressing = asyncio.create_task(handle_click(world, click.model_copy(update={"proposal_id": proposal.id})))
    for _ in range(50):  # As far as the click can come by itself.
        await asyncio.sleep(0)
    chat.let_go.set()
    ruling, _ = await asyncio.gather(pressing, showing)

    assert proposal.state is ProposalState.PENDING
    assert ref.channel == CHANNEL
    assert ruling.reason is Reason.ACCEPTED
    assert await bot.state() is ProposalState.APPROVED
