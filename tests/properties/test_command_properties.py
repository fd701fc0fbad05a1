"""Whatever is typed: an answer that Slack takes, within its limits, and nothing written or changed."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.views.document import document_blocks
from bot.app.commands.asked import Way
from bot.app.commands.table import COMMANDS
from tests.app.world import Bot, a_bot
from tests.builders import INCIDENT
from tests.conftest import examples

READING = sorted(name for name, command in COMMANDS.items() if not command.changes)
CHANGING = sorted(name for name, command in COMMANDS.items() if command.changes and name != "note")

garbage = st.one_of(
    st.text(max_size=200),
    st.text(alphabet=st.characters(categories=["Cc", "Cf", "Lo", "So", "Zs"]), max_size=60),
    st.sampled_from(
        [
            f"{INCIDENT}; rm -rf /",
            "' OR 1=1 --",
            "\u202egnp.exe",
            "../../etc/passwd",
            "<!channel>",
            "$(id)",
            "--share --share",
            "x" * 4000,
            "\x00",
            "１２h",
            "#",
            "שלום עולם",
        ]
    ),
)


async def begun() -> Bot:
    bot = a_bot()
    await bot.begin()
    return bot


@examples(30, 100)
@given(name=st.sampled_from([*READING, *CHANGING, "", "stauts"]), rest=garbage, way=st.sampled_from(Way))
def test_sl_args_garbage_is_answered_and_changes_nothing(name: str, rest: str, way: Way) -> None:
    async def play() -> None:
        bot = await begun()
        before = (await bot.entries(), await bot.pager.read(bot.card.incident.id))
        # A word of its own behind the name, so that a changing command never stands alone.
        answer = await bot.ask(f"{name} Q9NOTHING {rest}", way=way)

        assert document_blocks(answer.document)
        assert before == (await bot.entries(), await bot.pager.read(bot.card.incident.id))
        assert [] == bot.runner.ran

    asyncio.run(play())
