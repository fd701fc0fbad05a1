"""Say the answer to a command: to the asker alone, or once for all in the channel or the thread."""

from bot.app.commands.answering import answer
from bot.app.commands.asked import Answer, Asked
from bot.app.commands.finding import where
from bot.app.report import post_once
from bot.app.world import World
from bot.domain.card import CardRef
from bot.domain.document import Document
from bot.domain.ids import IncidentId

_NO_INCIDENT = IncidentId("-")


async def handle_command(world: World, asked: Asked) -> None:
    """Answer a command. Handled again, what it changes and what all read is there once."""
    said = await answer(world, asked)
    if said.instead_of is not None:
        await _put(world, asked, said, said.instead_of)
    elif said.is_shared:
        await _share(world, asked, said)
    else:
        await world.chat.tell_document(asked.channel, asked.user, said.document, thread_ts=asked.thread_ts)


async def _put(world: World, asked: Asked, said: Answer, ref: CardRef) -> None:
    """Edit the message that said that the answer follows; what belongs elsewhere is for the asker alone."""
    if all(where(world, record) == asked.channel for record in said.about):
        await world.chat.update_document(ref, said.document)
        return
    await world.chat.update_document(ref, Document(title="Answered to the person who asked.", sections=()))
    await world.chat.tell_document(asked.channel, asked.user, said.document, thread_ts=asked.thread_ts)


async def _share(world: World, asked: Asked, said: Answer) -> None:
    key = f"answer:{asked.key[:32]}"

    async def send() -> None:
        await world.chat.post_document(asked.channel, said.document, key=key, thread_ts=asked.thread_ts)

    async def was_sent() -> bool:
        found = await world.chat.find_document(asked.channel, key=key, thread_ts=asked.thread_ts)
        return found is not None

    about = said.about[0].id if len(said.about) == 1 else _NO_INCIDENT
    await post_once(world, f"slack:{key}", about, send=send, was_sent=was_sent)
