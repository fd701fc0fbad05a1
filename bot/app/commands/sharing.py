"""`muted` and `split`: what has no card of its own, and how it gets one."""

from bot.app.also import muted as told_muted
from bot.app.commands.asked import Answer, Misused, Question, nobodys, plain
from bot.app.commands.finding import named_by
from bot.app.group import split as split_off
from bot.app.world import World


async def muted(world: World, question: Question) -> Answer:
    """List what was merged or muted, with the rule and how to undo it."""
    if question.words:
        raise Misused("Too many words.")
    return Answer(await told_muted(world))


async def split(world: World, question: Question) -> Answer:
    """Give a merged or muted incident a card of its own, for good."""
    match question.words:
        case ():
            raise Misused("Which incident?")
        case (word,):
            record = await named_by(world, question, word)
            if record is None:
                return plain(nobodys(word))
            return Answer(await split_off(world, record.id, question.asked.user))
        case _:
            raise Misused("Too many words.")
