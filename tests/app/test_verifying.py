"""Watching a signal: recovery is proven by unbroken healthy readings, and by nothing else."""

from datetime import timedelta
from decimal import Decimal

import pytest

from adapters.runners.waiting import CheckRunner, PauseRunner
from bot.app.remediate import check_again, run_step
from bot.app.verifying import verify
from bot.app.watching import is_healthy, watch
from bot.app.world import Manners
from bot.domain.approval import Action
from bot.domain.course import Execute, Move, Verify
from bot.domain.execution import Result, StepOutcome
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentStatus
from bot.domain.plan import UNDO_FROM, Check, Pause, Plan
from bot.domain.playbook import Comparison
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.ports import Reading
from tests.app.world import CHANNEL, Bot, FakeSignals, a_bot, a_resolved
from tests.builders import INCIDENT, NOW, ManualTime, a_check, fresh
from tests.runner_builders import a_post, an_approved

ID = IncidentId(INCIDENT)
DOUBT = "whether the step that was started took effect is for a person to say"


async def watched(*values: float | None, within_s: int = 10, hold_s: int = 3) -> tuple[StepOutcome, int]:
    """Return the outcome of watching *values*, one a second, and the seconds it took."""
    time = ManualTime()

    async def sleep(seconds: float) -> None:
        time.advance(timedelta(seconds=seconds))

    check = a_check(within_s=within_s, hold_s=hold_s)
    outcome = await watch(FakeSignals(time, list(values)), time, check, sleep=sleep)
    return outcome, int((time.at - NOW).total_seconds())


@pytest.mark.parametrize(
    ("values", "result", "seconds"),
    [
        ((0.0,), Result.DONE, 3),
        ((0.3, 0.3, 0.0), Result.DONE, 5),
        ((0.3,), Result.FAILED, 11),
        ((None,), Result.FAILED, 11),
        ((0.0, 0.0, 0.3, 0.0), Result.DONE, 6),
        ((0.0, 0.0, None, 0.0), Result.DONE, 6),
        ((0.0, 0.0, 0.01, 0.0), Result.DONE, 6),
        ((*[0.3] * 10, 0.0), Result.DONE, 13),
        ((*[0.3] * 10, 0.0, 0.0, 0.3), Result.FAILED, 12),
        ((0.0, 0.3) * 20, Result.FAILED, 11),
        ((0.0, None) * 20, Result.FAILED, 11),
    ],
)
async def test_only_an_unbroken_hold_is_recovery(
    values: tuple[float | None, ...], result: Result, seconds: int
) -> None:
    assert (result, seconds) == ((o := await watched(*values))[0].result, o[1])


async def test_the_words_hold_the_numbers() -> None:
    recovered, _ = await watched(0.3, 0.002)
    missing, _ = await watched(None)

    assert (
        "error_ratio is 0.002, below 0.01: healthy 1 s after the last step and for 3 s since"
        == recovered.detail
    )
    assert "error_ratio is unknown (no data) after 10 s, it should be below 0.01" == missing.detail


@pytest.mark.parametrize(
    ("value", "side", "healthy"),
    [
        (0.0099, Comparison.BELOW, True),
        (0.01, Comparison.BELOW, False),
        (0.01, Comparison.ABOVE, False),
        (0.0101, Comparison.ABOVE, True),
        (-5.0, Comparison.BELOW, True),
        (1e-320, Comparison.BELOW, True),
        (None, Comparison.BELOW, False),
        (None, Comparison.ABOVE, False),
    ],
)
def test_the_threshold_itself_is_not_healthy(value: float | None, side: Comparison, healthy: bool) -> None:
    check = a_check().model_copy(update={"healthy": side, "threshold": Decimal("0.01")})

    assert healthy is is_healthy(check, Reading(value=value, at=NOW))


async def a_finished_bot(*values: float | None) -> Bot:
    bot = a_bot()
    await bot.begin()
    bot.signals.values = [0.3, *values]
    await bot.press(Action.APPROVE)
    return bot


@pytest.mark.parametrize("values", [(None,), (0.3,), (0.0, None) * 99], ids=["no data", "bad", "gaps"])
async def test_m_nan_without_proof_the_incident_is_not_recovered(values: tuple[float | None, ...]) -> None:
    bot = await a_finished_bot(*values)

    first, undo = await bot.world.gate.proposals(ID)
    assert (ProposalState.NOT_RECOVERED, ProposalState.PROPOSED) == (first.state, undo.state)
    assert first.reason.startswith("error_ratio is ")


async def test_after_a_plan_that_did_not_help_another_may_be_tried() -> None:
    bot = await a_finished_bot(0.3)
    await bot.press(Action.DENY)
    await bot.press(Action.PROPOSE_AGAIN)
    bot.signals.values = [0.0]
    await bot.press(Action.APPROVE)

    assert (ProposalState.VERIFIED, 2) == (await bot.state(), len(bot.runner.ran))


async def test_a_plan_that_is_watched_holds_its_target() -> None:
    bot = a_bot()
    await bot.begin()
    proposal = await bot.the_last()
    await bot.press(Action.APPROVE, follow=False)
    for _ in range(2):
        await bot.make(ID, await bot.next_move())

    assert ProposalState.DONE is await bot.state()
    await bot.press(Action.PROPOSE_AGAIN)
    assert proposal.id == (await bot.the_last()).id


@pytest.mark.parametrize("wanted", [True, False])
async def test_the_pager_is_told_of_the_recovery_only_where_the_team_wants_that(wanted: bool) -> None:
    bot = a_bot(manners=Manners(CHANNEL, timedelta(minutes=15), resolve_when_recovered=wanted))
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)

    status = (await bot.pager.read(ID)).status
    assert (IncidentStatus.RESOLVED if wanted else IncidentStatus.TRIGGERED) is status


async def test_an_incident_that_somebody_has_resolved_is_not_resolved_again() -> None:
    bot = a_bot(manners=Manners(CHANNEL, timedelta(minutes=15), resolve_when_recovered=True))
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE, follow=False)
    await bot.make(ID, await bot.next_move())
    bot.pager.put(a_resolved())
    await bot.follow()

    assert ProposalState.VERIFIED is await bot.state()


async def test_an_incident_that_did_not_recover_is_never_resolved_by_us() -> None:
    bot = a_bot(manners=Manners(CHANNEL, timedelta(minutes=15), resolve_when_recovered=True))
    await bot.begin()
    await bot.press(Action.APPROVE)

    assert IncidentStatus.TRIGGERED is (await bot.pager.read(ID)).status


async def test_a_check_between_steps_is_a_step() -> None:
    time = ManualTime()

    async def sleep(seconds: float) -> None:
        time.advance(timedelta(seconds=seconds))

    def runner(value: float | None) -> CheckRunner:
        return CheckRunner(FakeSignals(time, [value]), time, sleep)

    results = [
        (await runner(value).run(an_approved(a_check(within_s=2, hold_s=1)))).result for value in (0.0, None)
    ]

    assert [Result.DONE, Result.FAILED] == results
    with pytest.raises(TypeError, match="type http"):
        await runner(0.0).run(a_post("http://127.0.0.1:1"))


async def test_a_pause_lasts_as_long_as_it_says() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    outcome = await PauseRunner(sleep).run(an_approved(Pause(name="settle", seconds=30)))

    assert (StepOutcome(result=Result.DONE, detail="waited 30 s"), [30]) == (outcome, slept)
    with pytest.raises(TypeError, match="type verify"):
        await PauseRunner(sleep).run(an_approved(a_check()))


def test_a_check_names_its_signal_word_for_word() -> None:
    check = a_check()

    assert check == Check.model_validate_json(check.model_dump_json())


def tampered_with(record: ProposalRecord) -> ProposalRecord:
    """Return *record* with a proof that any signal passes, as somebody would write it into the database."""
    plan = Plan.from_bytes(record.plan)
    easy = plan.verify.model_copy(update={"threshold": Decimal(1000)})
    return record.model_copy(update={"plan": plan.model_copy(update={"verify": easy}).to_bytes()})


async def test_a_changed_plan_does_not_say_what_recovered_means() -> None:
    bot = a_bot()
    await bot.begin()
    bot.signals.values = [0.3]
    await bot.press(Action.APPROVE, follow=False)
    while await bot.state() is not ProposalState.DONE:
        await bot.make(ID, await bot.next_move())
    changed = tampered_with(await bot.the_last())
    await bot.store.transactions.write(lambda tx: tx.rows.proposals.put(changed))
    await bot.follow()

    (record,) = await bot.world.gate.proposals(ID)  # Nor does it say what its undo would be.
    assert ProposalState.NOT_RECOVERED is record.state
    assert "whether it helped is not known: the stored plan differs from the one approved" == record.reason
    assert [] == await bot.world.labels.of(ID)
    told = [entry.body_values() for entry in await bot.entries() if entry.act == "tampered"]
    assert [{"proposal": record.id, "why": "the stored plan differs from the one approved"}] == told


async def test_a_changed_plan_says_not_what_a_step_that_is_unknown_is_checked_by() -> None:
    bot = a_bot()
    bot.runner.ends = [StepOutcome(result=Result.UNKNOWN, detail="no answer")]
    await bot.begin()
    await bot.press(Action.APPROVE)
    changed = tampered_with(await bot.the_last())
    await bot.store.transactions.write(lambda tx: tx.rows.proposals.put(changed))
    await check_again(bot.world, changed.id)

    assert changed == await bot.the_last()
    assert "checked_again" not in await bot.acts()


async def test_a_plan_that_was_changed_after_its_approval_raises_the_alarm() -> None:
    bot = a_bot()
    await bot.begin()
    await bot.press(Action.APPROVE, follow=False)
    changed = tampered_with(await bot.the_last())
    await bot.store.transactions.write(lambda tx: tx.rows.proposals.put(changed))
    await bot.follow()

    assert (ProposalState.CANCELLED, []) == (await bot.state(), bot.runner.ran)
    assert "tampered" in await bot.acts()


@pytest.mark.parametrize("undo_step", [None, UNDO_FROM], ids=["its own step", "a step of its undo"])
async def test_a_changed_plan_whose_step_has_no_end_is_unknown_at_once(undo_step: int | None) -> None:
    """A worker died in the step, so its target may have changed; the engine would ask again for ever."""
    bot = a_bot()
    await bot.begin()
    await bot.press(Action.APPROVE, follow=False)
    proposal = (await bot.the_last()).id
    await bot.world.gate.claim(proposal, 0, fresh(await bot.the_last(), bot.time.at), policy=FLOOR)
    changed = tampered_with(await bot.the_last())
    if undo_step is not None:
        changed = changed.model_copy(update={"state": ProposalState.UNDOING, "reason": "it did not help"})
    await bot.store.transactions.write(lambda tx: tx.rows.proposals.put(changed))
    for _ in range(3):
        await run_step(bot.world, proposal, undo_step or 0)

    assert (ProposalState.UNKNOWN, []) == (await bot.state(), bot.runner.ran)
    why = "stopped: the stored plan differs from the one approved; "
    assert why + DOUBT == (await bot.the_last()).reason
    assert 1 == (await bot.acts()).count("concluded")


async def moves_of(bot: Bot, plan: bytes) -> Move:
    """Return what comes next once the last proposal's bytes are *plan*."""
    changed = (await bot.the_last()).model_copy(update={"plan": plan})
    await bot.store.transactions.write(lambda tx: tx.rows.proposals.put(changed))
    return await bot.next_move()


@pytest.mark.parametrize("plan", [b"", b"{}", b"\xff"])
async def test_bytes_that_are_no_plan_bring_what_is_approved_or_running_to_an_end(plan: bytes) -> None:
    """Whoever can write to the database must not have an incident hang, with nobody told."""
    bots = [a_bot() for _ in range(3)]
    for bot in bots:
        await bot.begin()
        await bot.press(Action.APPROVE, follow=False)
    approved, started, done = bots
    await run_step(started.world, (await started.the_last()).id, 0)
    while await done.state() is not ProposalState.DONE:
        await done.make(ID, await done.next_move())
    first = (await approved.the_last()).id

    for bot in (approved, started):
        assert Execute(proposal=first, step_index=0, timeout_s=0) == await moves_of(bot, plan)
        await bot.make(ID, await bot.next_move())
    assert Verify(proposal=first, timeout_s=0) == await moves_of(done, plan)
    await verify(done.world, first, sleep=done.sleep)

    assert [ProposalState.CANCELLED, ProposalState.FAILED, ProposalState.NOT_RECOVERED] == [
        await bot.state() for bot in bots
    ]
    assert [True] * 3 == ["tampered" in await bot.acts() for bot in bots]
