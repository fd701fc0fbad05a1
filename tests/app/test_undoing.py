"""What did not help is taken back: by people's word, or once by itself where that was approved."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.app.undoing import propose_undo
from bot.app.verifying import verify
from bot.app.world import OnePolicy
from bot.domain.approval import Action, Reason
from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.ids import IncidentId, PlaybookId
from bot.domain.incident import IncidentEventKind
from bot.domain.label import LabelSource
from bot.domain.plan import UNDO_FROM, HttpRequest, Plan
from bot.domain.policy import FLOOR, Limits
from bot.domain.proposal import ProposalRecord, ProposalState
from tests.app.test_deciding import SilentLedger
from tests.app.test_freshness import URL, a_bot_that_reads
from tests.app.test_remediating import a_playbook
from tests.app.world import DANA, DONE, EVE, SHIPPED, Bot, a_bot, a_resolved, with_world
from tests.builders import INCIDENT, a_change

S = ProposalState
ID = IncidentId(INCIDENT)
ROLLBACK = PlaybookId("rollback-deploy")
FAILED = StepOutcome(result=Result.FAILED, detail="POST answered 500")
UNKNOWN = StepOutcome(result=Result.UNKNOWN, detail="no answer")


def automatic(bot: Bot | None = None) -> Bot:
    """Return a bot whose rollback takes itself back when it does not help."""
    loaded = SHIPPED[ROLLBACK]
    undo = loaded.playbook.undo.model_copy(update={"automatic": True})
    changed = loaded.model_copy(update={"playbook": loaded.playbook.model_copy(update={"undo": undo})})
    return with_world(bot or a_bot(), playbooks={**SHIPPED, ROLLBACK: changed})


async def carried_out(bot: Bot, *values: float | None) -> Bot:
    """Play an approved plan until nothing is left to do; the signal is bad, then as told."""
    await bot.begin()
    bot.signals.values = [0.3, *values]
    await bot.press(Action.APPROVE)
    return bot


def bodies(bot: Bot) -> list[str | None]:
    return [step.action.body for step in bot.runner.ran if isinstance(step.action, HttpRequest)]


async def states(bot: Bot) -> list[ProposalState]:
    return [record.state for record in await bot.world.gate.proposals(ID)]


async def both(bot: Bot) -> tuple[ProposalRecord, ProposalRecord]:
    first, second = await bot.world.gate.proposals(ID)
    return first, second


async def test_what_did_not_help_is_proposed_to_be_taken_back_through_the_same_gate(bot: Bot) -> None:
    await carried_out(bot, 0.3)
    first, undo = await both(bot)
    tried, plan = Plan.from_bytes(first.plan), Plan.from_bytes(undo.plan)

    assert [S.NOT_RECOVERED, S.PROPOSED] == [first.state, undo.state]
    assert (first.id, tried.undo_steps) == (plan.undoes, tuple(step.action for step in plan.steps))
    assert (tried.risk, tried.approvers, tried.verify) == (plan.risk, plan.approvers, plan.verify)
    assert (bot.time.at < undo.expires_at, first.digest != undo.digest) == (True, True)
    assert f"{tried.title}, approved by Dana. It ran, and it did not help: {first.reason}." == plan.tried
    assert 1 == len(bot.runner.ran)


async def test_the_undo_runs_once_people_say_so_and_is_verified(bot: Bot) -> None:
    await carried_out(bot, 0.3)
    assert Reason.NOT_ALLOWED is (await bot.press(Action.APPROVE, by=EVE)).reason
    bot.signals.values = [0.0]
    await bot.press(Action.APPROVE)

    assert [S.NOT_RECOVERED, S.VERIFIED] == await states(bot)
    assert ['{"version": "41"}', '{"version": "42"}'] == bodies(bot)
    assert (await bot.store.audit.verify()).is_intact


async def test_an_undo_that_does_not_help_is_not_taken_back_itself(bot: Bot) -> None:
    await carried_out(bot, 0.3)
    await bot.press(Action.APPROVE)

    assert [S.NOT_RECOVERED, S.NOT_RECOVERED] == await states(bot)


async def test_an_undo_says_nothing_about_the_suspect(bot: Bot) -> None:
    await carried_out(bot, 0.3)
    bot.signals.values = [0.0]
    await bot.press(Action.APPROVE)

    labels = await bot.world.labels.of(ID)
    assert [LabelSource.NO_RECOVERY] == [label.source for label in labels]


async def test_a_cool_down_after_what_is_taken_back_does_not_stand_in_the_way(bot: Bot) -> None:
    policy = FLOOR.model_copy(update={"limits": Limits(cool_down_minutes=60)})
    bot.world = replace(bot.world, policies=OnePolicy(policy))
    await carried_out(bot, 0.3)

    assert (await bot.press(Action.APPROVE)).is_accepted
    assert 2 == len(bot.runner.ran)


async def test_asked_for_twice_there_is_one_undo(bot: Bot) -> None:
    await carried_out(bot, 0.3)
    first, undo = await both(bot)
    await propose_undo(bot.world, first.id)
    await verify(bot.world, first.id, sleep=bot.sleep)

    assert [first, undo] == await bot.world.gate.proposals(ID)


async def test_a_playbook_without_undo_steps_has_nothing_to_take_back(bot: Bot) -> None:
    bot = with_world(a_bot(changes=[]))
    await carried_out(bot, 0.3)

    assert [S.NOT_RECOVERED] == await states(bot)


async def test_a_ground_that_cannot_be_read_is_said_and_nothing_is_proposed(bot: Bot) -> None:
    await until_watched(bot)
    await with_world(bot, ledger=SilentLedger()).follow()

    assert [S.NOT_RECOVERED] == await states(bot)
    assert "its undo is not proposed: the ledger is silent" in (await bot.the_last()).reason


async def in_two_steps(*ends: StepOutcome) -> Bot:
    """Play an approved plan of two steps that end as told."""
    bot = a_bot(playbooks=a_playbook(steps=2))
    bot.runner.ends = list(ends)
    return await carried_out(bot, 0.3)


async def test_a_plan_that_failed_part_way_is_proposed_to_be_taken_back() -> None:
    bot = await in_two_steps(DONE, FAILED, DONE)
    first, undo = await both(bot)
    plan = Plan.from_bytes(undo.plan)

    assert [S.FAILED, S.PROPOSED] == [first.state, undo.state]
    assert first.id == plan.undoes
    assert f"{plan.title.removeprefix('Undo: ')}, approved by Dana. It failed after step-0, which ran: " in (
        plan.tried
    )
    bot.signals.values = [0.0]
    await bot.press(Action.APPROVE)
    assert ([S.FAILED, S.VERIFIED], '{"version": "42"}') == (await states(bot), bodies(bot)[-1])


async def test_a_plan_whose_first_step_failed_left_nothing_to_take_back() -> None:
    bot = await in_two_steps(FAILED)

    assert [S.FAILED] == await states(bot)


async def test_what_had_run_before_a_step_that_did_not_is_proposed_to_be_taken_back() -> None:
    bot = await in_two_steps(DONE, UNKNOWN, DONE)
    assert [S.UNKNOWN] == await states(bot)
    await bot.press(Action.IT_DID_NOT)

    assert [S.FAILED, S.PROPOSED] == await states(bot)


async def test_denied_the_undo_of_half_a_plan_makes_way_for_the_plan_anew() -> None:
    bot = await in_two_steps(DONE, FAILED, DONE)
    await bot.press(Action.DENY)
    await bot.press(Action.PROPOSE_AGAIN)
    plan = Plan.from_bytes((await bot.the_last()).plan)

    assert [S.FAILED, S.DENIED, S.PROPOSED] == await states(bot)
    assert [("step-0", 2), ("step-1", 2)] == [(step.action.name, step.attempt) for step in plan.steps]


async def test_an_undo_that_was_approved_with_the_plan_runs_once_by_itself() -> None:
    bot = await carried_out(automatic(), 0.3)
    record = await bot.the_last()
    plan = Plan.from_bytes(record.plan)

    assert (1, S.NOT_RECOVERED) == (record.number, record.state)
    assert ['{"version": "41"}', '{"version": "42"}'] == bodies(bot)
    claims = await bot.world.gate.claims(ID)
    assert [(0, Result.DONE), (UNDO_FROM, Result.DONE)] == [
        (claim.step_index, claim.outcome.result) for claim in claims if claim.outcome
    ]
    assert plan.undo_automatic
    assert "; its undo ran, and the signal is not proven healthy since: error_ratio is 0.3" in record.reason
    assert (await bot.store.audit.verify()).is_intact


async def test_a_signal_that_came_back_with_the_undo_is_said_on_the_card_and_in_the_summary() -> None:
    """The plan did not help, and the signal is healthy all the same: nobody must think it burns still."""
    bot = await until_watched(automatic())
    await bot.make(ID, await bot.next_move())
    assert S.UNDOING is await bot.state()
    bot.signals.values = [0.0]
    await bot.follow()

    record = await bot.the_last()
    came_back = "its undo ran, and with it the signal came back: error_ratio is 0, below 0.02: healthy"
    assert S.NOT_RECOVERED is record.state
    assert bot.card.offer is not None
    assert bot.card.offer.outcome.startswith("Did not help: error_ratio is 0.3 after ")
    assert came_back in bot.card.offer.outcome
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    await bot.follow()
    said = [repr(document) for document in (*bot.chat.documents.values(), *bot.chat.replies)]
    assert any(f"What was run did not help: {record.reason}" in one for one in said)


async def test_the_record_has_the_undo_with_a_claim_an_end_and_the_approval_it_rests_on() -> None:
    bot = await carried_out(automatic(), 0.3)
    record = await bot.the_last()
    told = [(e.act, e.body_values().get("step"), e.body_values().get("state")) for e in await bot.entries()]
    since = told.index(("concluded", None, "undoing"))

    assert [
        ("concluded", None, "undoing"),
        ("claimed", UNDO_FROM, None),
        ("finished", UNDO_FROM, None),
        ("concluded", None, "not_recovered"),
    ] == [entry for entry in told[since:] if entry[0] in ("concluded", "claimed", "finished")]
    claimed = [e.body_values() for e in await bot.entries() if e.act == "claimed"]
    assert [(record.digest, DANA.id)] * 2 == [(body["digest"], body["approved_by"]) for body in claimed]


async def test_what_helped_is_not_taken_back() -> None:
    bot = await carried_out(automatic(), 0.0)

    assert ([S.VERIFIED], 1) == (await states(bot), len(bot.runner.ran))


async def test_a_crash_right_after_the_undo_began_does_not_end_it_early() -> None:
    bot = automatic()
    await bot.begin()
    bot.signals.values = [0.3]
    await bot.press(Action.APPROVE, follow=False)
    while await bot.state() is not S.UNDOING:
        await bot.make(ID, await bot.next_move())
    assert S.UNDOING is await verify(bot.world, (await bot.the_last()).id, sleep=bot.sleep)
    await bot.follow()

    assert ([S.NOT_RECOVERED], 2) == (await states(bot), len(bot.runner.ran))


async def until_watched(bot: Bot) -> Bot:
    """Play an approved plan until its proof is to be watched; the signal stays bad."""
    await bot.begin()
    bot.signals.values = [0.3]
    await bot.press(Action.APPROVE, follow=False)
    while await bot.state() is not S.DONE:
        await bot.make(ID, await bot.next_move())
    return bot


async def test_after_the_kill_switch_nothing_is_taken_back_by_itself() -> None:
    bot = await until_watched(automatic())
    await bot.world.gate.kill("dana", "enough")
    await bot.follow()

    first = (await bot.world.gate.proposals(ID))[0]
    assert (S.NOT_RECOVERED, 1) == (first.state, len(bot.runner.ran))
    assert "its undo did not run by itself: Handrail is stopped (`handrail kill`)" in first.reason


async def test_after_a_stop_nothing_is_taken_back_by_itself() -> None:
    bot = await until_watched(automatic())
    await bot.ask("stop", by=DANA)
    await bot.follow()

    assert ([S.FAILED], 1) == (await states(bot), len(bot.runner.ran))
    assert (
        "stopped by Dana while its proof was watched; its undo does not run by itself"
        == (await bot.the_last()).reason
    )


async def test_a_stop_after_the_undo_began_keeps_its_steps_from_starting() -> None:
    bot = await until_watched(automatic())
    await bot.make(ID, await bot.next_move())
    assert S.UNDOING is await bot.state()
    await bot.ask("stop", by=DANA)
    await bot.follow()

    assert ([S.NOT_RECOVERED], 1) == (await states(bot), len(bot.runner.ran))
    assert "stopped by Dana, so the further steps of its undo do not start" in (await bot.the_last()).reason


async def test_a_kill_switch_after_the_undo_began_keeps_its_steps_from_starting() -> None:
    bot = await until_watched(automatic())
    await bot.make(ID, await bot.next_move())
    await bot.world.gate.kill("dana", "enough")
    await bot.follow()

    assert ([S.NOT_RECOVERED], 1) == (await states(bot), len(bot.runner.ran))
    assert "its undo was not carried out: Handrail is stopped" in (await bot.the_last()).reason


async def watched_while(bot: Bot, meanwhile: Callable[[], Awaitable[object]]) -> ProposalState:
    """Watch the proof to its bad end, with something happening after the first look."""
    happened = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if not happened.is_set():
            happened.set()
            await meanwhile()
        await bot.sleep(seconds)

    return await verify(bot.world, (await bot.the_last()).id, sleep=sleep)


async def test_a_stop_while_the_proof_is_watched_is_the_last_word_and_no_alarm() -> None:
    bot = await until_watched(automatic())

    assert S.FAILED is await watched_while(bot, lambda: bot.ask("stop", by=DANA))
    assert ([S.FAILED], 1) == (await states(bot), len(bot.runner.ran))
    assert "tampered" not in [entry.act for entry in await bot.entries()]


async def test_who_was_slow_to_watch_does_not_end_an_undo_that_another_began() -> None:
    """Two workers may watch one proof: the engine gives it to another when the first falls silent."""
    bot = await until_watched(automatic())
    record = await bot.the_last()

    async def another_begins() -> None:
        assert "" == await bot.world.gate.begin_undo(record.id, "another saw it too")
        mine = await bot.world.gate.claim(record.id, UNDO_FROM, policy=FLOOR)
        assert isinstance(mine, ApprovedStep)

    assert S.UNDOING is await watched_while(bot, another_begins)
    assert [S.UNDOING] == await states(bot)


async def test_a_resolved_incident_is_left_as_it_is() -> None:
    bot = await until_watched(automatic())
    bot.pager.put(a_resolved())
    await bot.world.book.see(a_resolved())
    await bot.follow()

    assert ([S.NOT_RECOVERED], 1) == (await states(bot), len(bot.runner.ran))
    assert "its undo did not run by itself: the incident is resolved" in (await bot.the_last()).reason


async def test_what_is_unknown_is_never_taken_back_by_itself() -> None:
    bot = automatic()
    bot.runner.ends = [UNKNOWN, DONE]
    await carried_out(bot, 0.3)
    assert [S.UNKNOWN] == await states(bot)
    await bot.press(Action.IT_RAN)

    first, undo = await both(bot)
    assert ([S.NOT_RECOVERED, S.PROPOSED], 1) == ([first.state, undo.state], len(bot.runner.ran))
    assert "its undo did not run by itself: it is not certain that step roll-back ran" in first.reason


async def test_an_undo_of_unknown_end_is_for_people_and_never_begun_again() -> None:
    bot = automatic()
    bot.runner.ends = [DONE, UNKNOWN]
    await carried_out(bot, 0.3)
    assert ([S.UNKNOWN], 2) == (await states(bot), len(bot.runner.ran))
    await bot.press(Action.IT_RAN)

    assert ([S.NOT_RECOVERED], 2) == (await states(bot), len(bot.runner.ran))


async def test_an_undo_that_failed_is_told_and_not_tried_again() -> None:
    bot = automatic()
    bot.runner.ends = [DONE, FAILED]
    await carried_out(bot, 0.3)

    assert ([S.NOT_RECOVERED], 2) == (await states(bot), len(bot.runner.ran))
    assert (await bot.the_last()).reason.endswith("; its undo failed: POST answered 500")


async def test_what_somebody_deployed_meanwhile_is_not_taken_away() -> None:
    bot = await until_watched(automatic())
    newer = a_change(version="43", finished_at=bot.time.at)
    await bot.ledger.record(newer.model_copy(update={"reported_at": bot.time.at + timedelta(seconds=1)}))
    await bot.follow()

    first, undo = await both(bot)
    assert ([S.NOT_RECOVERED, S.PROPOSED], 1) == ([first.state, undo.state], len(bot.runner.ran))
    assert "another change was reported since: deploy of checkout 43" in first.reason


async def test_our_own_deploy_is_no_change_by_others() -> None:
    bot = await until_watched(automatic())
    own = a_change(version="41", finished_at=bot.time.at)
    await bot.ledger.record(own.model_copy(update={"reported_at": bot.time.at + timedelta(seconds=1)}))
    await bot.follow()

    assert ([S.NOT_RECOVERED], 2) == (await states(bot), len(bot.runner.ran))


@pytest.mark.parametrize(("serving", "ran"), [("41", 2), ("43", 1)])
async def test_the_version_that_serves_must_be_the_one_that_the_plan_brought(serving: str, ran: int) -> None:
    bot, versions = a_bot_that_reads()
    bot = await until_watched(automatic(bot))
    versions.by_url[URL] = serving
    await bot.follow()

    assert ran == len(bot.runner.ran)


async def test_the_next_plan_counts_the_attempts_at_its_undo() -> None:
    bot = await carried_out(automatic(), 0.3)
    await bot.press(Action.PROPOSE_AGAIN)
    plan = Plan.from_bytes((await bot.the_last()).plan)
    assert ((2,), (2,)) == (tuple(step.attempt for step in plan.steps), plan.undo_attempts)
    await bot.press(Action.APPROVE)

    assert ([S.NOT_RECOVERED] * 2, 4, 4) == (
        await states(bot),
        len(bot.runner.ran),
        len(set(bot.runner.keys)),
    )
