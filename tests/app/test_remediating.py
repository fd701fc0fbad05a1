"""Carrying out a plan: once, through crashes, kills and lost answers, with an end in every case."""

import asyncio
from datetime import timedelta

import pytest

from adapters.runners.plain import PlainRunner
from bot.app.remediate import run_step
from bot.domain.approval import Action
from bot.domain.audit import Act
from bot.domain.errors import NotFound, Unavailable
from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.ids import IncidentId, PlaybookId
from bot.domain.incident import IncidentEventKind
from bot.domain.playbook import LoadedPlaybook, Playbook
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalState
from tests.app.world import DANA, DEPLOY_TOKEN, DONE, SHIPPED, Bot, a_bot, a_resolved, with_world
from tests.builders import INCIDENT, an_incident, fresh

S = ProposalState
ID = IncidentId(INCIDENT)
FAILED = StepOutcome(result=Result.FAILED, detail="POST answered 422, expected 200")
UNKNOWN = StepOutcome(result=Result.UNKNOWN, detail="sent, and the answer was lost")


def a_playbook(
    *, steps: int = 1, idempotent: bool = False, has_undo: bool = True
) -> dict[PlaybookId, LoadedPlaybook]:
    """Return the shipped rollback with so many steps, which may be asked for again or not."""
    loaded = SHIPPED["rollback-deploy"]
    raw = loaded.playbook.model_dump(mode="json", by_alias=True)
    first = raw["steps"][0]
    raw["steps"] = [
        {**first, "name": f"step-{number}", "path": f"/deploy/{number}", "idempotent": idempotent}
        for number in range(steps)
    ]
    if not has_undo:
        raw["undo"]["steps"] = []
    return {"rollback-deploy": loaded.model_copy(update={"playbook": Playbook.model_validate(raw)})}


async def an_approved_bot(*, steps: int = 1, idempotent: bool = False, has_undo: bool = True) -> Bot:
    bot = a_bot(playbooks=a_playbook(steps=steps, idempotent=idempotent, has_undo=has_undo))
    await bot.begin()
    await bot.press(Action.APPROVE, follow=False)
    bot.signals.values = [0.3, 0.0]
    return bot


async def the_claim(bot: Bot, *, index: int = 0) -> ApprovedStep:
    """Claim a step and do nothing: what a worker leaves behind that is killed at that moment."""
    record = await bot.the_last()
    claimed = await bot.world.gate.claim(record.id, index, fresh(record, bot.time.at), policy=FLOOR)
    assert isinstance(claimed, ApprovedStep)
    return claimed


async def test_what_runs_is_what_the_card_showed() -> None:
    bot = await an_approved_bot(steps=3)
    shown = bot.card.offer
    assert shown is not None
    await bot.follow()

    assert list(shown.plan.steps) == [step.step for step in bot.runner.ran]
    assert S.VERIFIED is await bot.state()


async def test_every_effect_follows_its_claim_in_the_record() -> None:
    bot = await an_approved_bot()
    seen: list[list[str]] = []

    class Looking(PlainRunner):
        async def run(self, step: ApprovedStep) -> StepOutcome:
            seen.append(await bot.acts())
            return DONE

    await with_world(bot, runners={"http": Looking()}).follow()

    assert [Act.APPROVED, Act.CLAIMED] == [act for act in seen[0] if act in (Act.APPROVED, Act.CLAIMED)]


async def test_after_a_step_that_failed_no_further_one_runs() -> None:
    bot = await an_approved_bot(steps=3, has_undo=False)
    bot.runner.ends = [DONE, FAILED, DONE]
    await bot.follow()

    offer = bot.card.offer
    assert offer is not None
    assert (S.FAILED, 2, FAILED.detail, True) == (
        offer.state,
        len(bot.runner.ran),
        offer.outcome,
        offer.may_propose_again,
    )
    assert ["done", "failed"] == [progress.kind.value for progress in offer.progress]


async def test_after_a_failure_the_target_is_free_for_the_next_plan() -> None:
    bot = await an_approved_bot()
    bot.runner.ends = [FAILED, DONE]
    await bot.follow()
    await bot.press(Action.PROPOSE_AGAIN)
    await bot.press(Action.APPROVE)

    assert (S.VERIFIED, 2) == (await bot.state(), (await bot.the_last()).number)
    assert ["1", "2"] == [key.rsplit("-", 1)[1] for key in bot.runner.keys]


async def test_a_runner_that_breaks_leaves_an_end_and_not_a_loop() -> None:
    bot = await an_approved_bot()
    bot.runner.ends = [RuntimeError(f"boom {DEPLOY_TOKEN}")]
    await bot.follow()

    offer = bot.card.offer
    assert offer is not None
    assert (S.UNKNOWN, 1) == (offer.state, len(bot.runner.ran))
    assert "the runner broke (RuntimeError: boom <" in offer.outcome
    assert DEPLOY_TOKEN not in offer.outcome


async def test_a_step_of_a_type_without_a_runner_has_an_end_too() -> None:
    bot = with_world(await an_approved_bot(), runners={})
    await bot.follow()

    assert S.UNKNOWN is await bot.state()


async def test_an_idempotent_step_goes_on_after_a_crash_under_the_same_key() -> None:
    bot = await an_approved_bot(idempotent=True)
    claimed = await the_claim(bot)
    await bot.follow()

    assert [f"{claimed.effect_key}-1"] == bot.runner.keys
    assert S.VERIFIED is await bot.state()
    assert 1 == (await bot.acts()).count(Act.RESUMED)


async def test_any_other_step_is_unknown_after_a_crash_and_not_run() -> None:
    bot = await an_approved_bot()
    await the_claim(bot)
    await bot.follow()

    assert (S.UNKNOWN, []) == (await bot.state(), bot.runner.ran)
    assert Act.RESUMED not in await bot.acts()
    offer = bot.card.offer
    assert offer is not None
    assert "Handrail was interrupted while it ran; whether it took effect is not known" == offer.outcome


async def test_a_refusal_after_a_crash_does_not_say_that_nothing_happened() -> None:
    bot = await an_approved_bot(idempotent=True)
    await the_claim(bot)
    bot.runner.ends = [StepOutcome(result=Result.FAILED, detail="not sent: ConnectError")]
    await bot.follow()

    assert S.UNKNOWN is await bot.state()
    assert "asked again: not sent: ConnectError" in (await bot.the_last()).reason


async def test_a_crash_after_the_effect_and_before_its_record_does_not_repeat_the_others() -> None:
    bot = await an_approved_bot(steps=3, idempotent=True)
    await run_step(bot.world, (await bot.the_last()).id, 0)
    claimed = await the_claim(bot, index=1)
    await bot.follow()

    assert 3 == len(set(bot.runner.keys)) == len(bot.runner.keys)
    assert f"{claimed.effect_key}-1" in bot.runner.keys
    assert S.VERIFIED is await bot.state()


async def test_a_worker_that_was_only_slow_does_no_harm() -> None:
    """Two workers run one idempotent step; the one that was taken for dead ends it first."""
    bot = await an_approved_bot(idempotent=True)
    proposal = (await bot.the_last()).id
    results = await asyncio.gather(
        *(run_step(bot.world, proposal, 0) for _ in range(3)), return_exceptions=True
    )
    await bot.follow()

    assert [None, None, None] == results
    assert 1 == len(set(bot.runner.keys))
    assert S.VERIFIED is await bot.state()


async def test_a_record_that_cannot_be_written_starts_nothing() -> None:
    bot = await an_approved_bot()

    class Broken:
        async def claim(self, *_: object, **__: object) -> object:
            raise Unavailable("disk full")

        def __getattr__(self, name: str) -> object:
            return getattr(bot.world.gate, name)

    with pytest.raises(Unavailable):
        await with_world(bot, gate=Broken()).follow()
    assert [] == bot.runner.ran


async def test_a_note_before_the_start_that_cannot_be_written_holds_nothing_up() -> None:
    """The claim is the record of the start; the reading beside it is a comfort."""
    bot = await an_approved_bot()

    class Broken:
        async def append(self, *_: object, **__: object) -> object:
            raise Unavailable("disk full")

        def __getattr__(self, name: str) -> object:
            return getattr(bot.world.audit, name)

    await with_world(bot, audit=Broken()).follow()

    assert (S.VERIFIED, 1) == (await bot.state(), len(bot.runner.ran))


async def test_a_kill_between_two_steps_stops_the_second() -> None:
    bot = await an_approved_bot(steps=2)

    class Killing(PlainRunner):
        async def run(self, step: ApprovedStep) -> StepOutcome:
            bot.runner.ran.append(step)
            await bot.world.gate.kill("root@host", "stop it")
            return DONE

    await with_world(bot, runners={"http": Killing()}).follow()

    assert (S.FAILED, 1) == (await bot.state(), len(bot.runner.ran))
    assert "stopped: Handrail is stopped" in (await bot.the_last()).reason


async def test_a_kill_leaves_a_step_that_was_interrupted_unknown() -> None:
    bot = await an_approved_bot(idempotent=True)
    await the_claim(bot)
    await bot.world.gate.kill("root@host", "stop it")
    await bot.follow()

    assert (S.UNKNOWN, []) == (await bot.state(), bot.runner.ran)


async def test_a_new_epoch_stops_between_steps_and_the_next_plan_leaves_out_what_was_done() -> None:
    bot = await an_approved_bot(steps=2)
    await run_step(bot.world, (await bot.the_last()).id, 0)
    await bot.world.gate.raise_epoch(1)
    await bot.follow()
    stopped = await bot.state()
    await bot.press(Action.PROPOSE_AGAIN)
    await bot.press(Action.APPROVE)

    assert (S.FAILED, S.VERIFIED) == (stopped, await bot.state())
    assert ["step-0", "step-1"] == [step.action.name for step in bot.runner.ran]
    offer = bot.card.offer
    assert offer is not None
    assert ("step-0",) == offer.plan.already_done


async def test_a_plan_that_runs_goes_on_when_its_incident_is_resolved_and_a_stop_ends_it() -> None:
    """Monitoring often resolves as soon as the first step helps: half a plan would be left behind."""
    bots = [await an_approved_bot(steps=2) for _ in range(2)]
    for bot in bots:
        await run_step(bot.world, (await bot.the_last()).id, 0)
        bot.pager.put(a_resolved())
        await bot.hear(IncidentEventKind.RESOLVED)
    goes_on, is_stopped = bots
    await is_stopped.ask("stop")
    for bot in bots:
        await bot.follow()

    assert (S.VERIFIED, 2) == (await goes_on.state(), len(goes_on.runner.ran))
    assert (S.FAILED, 1) == (await is_stopped.state(), len(is_stopped.runner.ran))


async def unknown_bot(*, steps: int = 1) -> Bot:
    bot = await an_approved_bot(steps=steps)
    bot.runner.ends = [UNKNOWN]
    await bot.follow()
    assert S.UNKNOWN is await bot.state()
    return bot


async def test_unknown_waits_for_a_person_even_when_the_incident_is_resolved() -> None:
    bot = await unknown_bot()
    bot.time.advance(timedelta(days=1))

    assert S.UNKNOWN is await bot.state()
    assert 1 == len(await bot.follow())


async def test_it_ran_leads_to_the_check_and_runs_nothing() -> None:
    bot = await unknown_bot()
    ruling = await bot.press(Action.IT_RAN)

    assert ("Noted: it ran. I check whether it helped.", S.VERIFIED, 1) == (
        ruling.text,
        await bot.state(),
        len(bot.runner.ran),
    )


async def test_it_did_not_frees_the_target_and_a_new_plan_tries_again_under_a_new_key() -> None:
    bot = await unknown_bot()
    await bot.press(Action.IT_DID_NOT)
    failed = await bot.state()
    bot.runner.ends = [DONE]
    await bot.press(Action.PROPOSE_AGAIN)
    await bot.press(Action.APPROVE)

    assert (S.FAILED, S.VERIFIED) == (failed, await bot.state())
    assert ["1", "2"] == [key.rsplit("-", 1)[1] for key in bot.runner.keys]


async def test_check_again_says_what_the_signal_says_and_decides_nothing() -> None:
    bot = await unknown_bot()
    bot.signals.values = [0.25]
    await bot.press(Action.CHECK_AGAIN)

    offer = bot.card.offer
    assert offer is not None
    assert (S.UNKNOWN, "error_ratio is 0.25 (not healthy); whether the step ran is for a person to say") == (
        offer.state,
        offer.outcome,
    )
    assert 1 == (await bot.acts()).count("checked_again")


async def test_two_incidents_on_one_target_have_one_execution_and_the_other_is_told_why() -> None:
    other = "Q2INCIDENT0002"
    bot = a_bot(incidents=[an_incident(), an_incident(other)], playbooks=a_playbook())
    await bot.begin()
    await bot.begin(other)
    bot.runner.ends = [UNKNOWN]
    await bot.press(Action.APPROVE)
    await bot.press(Action.APPROVE, incident=other)

    assert (S.UNKNOWN, S.CANCELLED, 1) == (await bot.state(), await bot.state(other), len(bot.runner.ran))
    assert (
        "deploy:checkout belongs to the running execution Q1INCIDENT0001-1"
        in (await bot.the_last(other)).reason
    )


async def test_secrets_in_what_a_target_said_are_not_kept() -> None:
    bot = await an_approved_bot()
    bot.runner.ends = [
        StepOutcome(result=Result.FAILED, detail=f"no {DEPLOY_TOKEN}", output=f"{DEPLOY_TOKEN} " * 1000)
    ]
    await bot.follow()
    (claim,) = await bot.world.gate.claims(ID)

    assert claim.outcome is not None
    assert len(claim.outcome.output) <= 4000
    assert DEPLOY_TOKEN not in f"{claim!r}{bot.chat.cards!r}{bot.chat.edits!r}{await bot.entries()!r}"


async def test_a_silent_slack_does_not_hold_up_a_step() -> None:
    bot = await an_approved_bot()
    proposal = (await bot.the_last()).id
    bot.chat.is_down = True
    await run_step(bot.world, proposal, 0)

    assert (1, S.STARTED) == (len(bot.runner.ran), await bot.state())


async def test_the_whole_record_is_an_unbroken_chain() -> None:
    bot = await unknown_bot(steps=2)
    await bot.press(Action.IT_DID_NOT, by=DANA)
    report = await bot.world.audit.verify()

    assert (True, len(await bot.entries())) == (report.is_intact, report.entries)


async def test_a_step_of_an_unknown_proposal_is_a_defect(bot: Bot) -> None:
    with pytest.raises(NotFound):
        await run_step(bot.world, "Q9-1", 0)  # type: ignore[arg-type]
