"""Two drawings of one card: the older one never stands last."""

import asyncio
from dataclasses import dataclass, field

from bot.app.show import show
from bot.domain.card import Card, CardRef
from bot.domain.proposal import ProposalState
from tests.app.world import FakeChat, a_bot, with_world


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
