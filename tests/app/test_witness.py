"""The witness: what is wrong with the record reaches people, and checkpoints are kept elsewhere."""

from datetime import timedelta

import pytest

from adapters.store.audit_log import StoredAuditLog
from adapters.store.signing import verifies
from bot.app.witness import EVERY_ENTRIES, Witness
from bot.domain.approval import Action
from bot.domain.checkpoint import checkpoints_in
from bot.domain.errors import Tampered, Unavailable
from bot.domain.ids import IncidentId
from bot.domain.proposal import ProposalState
from tests.app.world import CHANNEL, Bot, with_world

AUDIT = "C0AUDIT"


class Shelf:
    """Keeps lines, unless it is away."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.is_away = False

    async def keep(self, line: str) -> None:
        if self.is_away:
            raise Unavailable("the disk is away")
        self.lines.append(line)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def witness(bot: Bot, shelf: Shelf) -> Witness:
    made = Witness(bot.world, channel=AUDIT, keep=shelf.keep, every=timedelta(hours=1))
    await made.look()
    return made


def titles(bot: Bot) -> list[tuple[str, str]]:
    return [(ref.channel, posted.document.title) for ref, posted in bot.chat.documents.items()]


async def count(bot: Bot, entries: int) -> None:
    for _ in range(entries):
        await bot.world.audit.append("counted", actor="x", incident=None, body={})


async def test_an_execution_that_ended_is_followed_by_a_checkpoint(
    bot: Bot, witness: Witness, shelf: Shelf
) -> None:
    await bot.begin()
    await witness.look()
    before = list(shelf.lines)
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)
    await witness.look()

    assert before == []
    (line,) = shelf.lines
    (checkpoint,) = checkpoints_in(line)
    assert checkpoint.is_signed(verifies)
    entries = await bot.entries()
    assert checkpoint.head in {entry.hash for entry in entries}
    assert [AUDIT] == [channel for channel, title in titles(bot) if title.startswith("Entry ")]


async def test_a_checkpoint_is_due_after_an_hour_with_entries_or_after_many(
    bot: Bot, witness: Witness, shelf: Shelf
) -> None:
    bot.time.advance(timedelta(hours=2))
    await witness.look()
    idle = len(shelf.lines)
    await count(bot, 1)
    await witness.look()
    hourly = len(shelf.lines)
    await count(bot, EVERY_ENTRIES)
    await witness.look()

    assert (idle, hourly, len(shelf.lines)) == (0, 1, 2)


async def test_a_checkpoint_that_could_not_be_kept_is_kept_later(
    bot: Bot, witness: Witness, shelf: Shelf
) -> None:
    await count(bot, EVERY_ENTRIES)
    shelf.is_away = True
    await witness.look()
    shelf.is_away = False
    await witness.look()
    await witness.look()

    assert 1 == len(shelf.lines)
    assert "degraded audit checkpoint" in bot.telemetry.said


async def test_what_was_refused_as_tampered_is_told_in_the_channel_and_counted_once(
    bot: Bot, witness: Witness
) -> None:
    record = await bot.begin()
    assert record is not None
    for _ in range(2):
        with pytest.raises(Tampered):
            await bot.world.gate.conclude(record.id, ProposalState.VERIFIED, "it never ran")
    await witness.look()
    await witness.look()

    assert 1 == bot.telemetry.said.count("tampered")
    assert [(AUDIT, "The record contradicts itself")] == [
        told for told in titles(bot) if "contradicts" in told[1]
    ]


async def test_without_a_channel_of_its_own_an_alarm_goes_to_the_default_one(bot: Bot) -> None:
    quiet = Witness(bot.world, channel=None, keep=None, every=timedelta(hours=1))
    await quiet.look()
    await bot.world.audit.append(
        "tampered", actor="x", incident=IncidentId("P9"), body={"why": "it was changed"}
    )
    await quiet.look()

    assert [(CHANNEL, "The record contradicts itself")] == titles(bot)


async def test_two_bots_tell_of_one_alarm_once(bot: Bot, witness: Witness) -> None:
    second = with_world(bot, audit=StoredAuditLog(bot.store.transactions)).world
    other = Witness(second, channel=AUDIT, keep=None, every=timedelta(hours=1))
    await other.look()
    await bot.world.audit.append("tampered", actor="x", incident=None, body={"why": "it was changed"})
    await witness.look()
    await other.look()

    assert 1 == len([title for _, title in titles(bot) if "contradicts" in title])
