"""What every gate promises about starting and ending steps."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from bot.domain.approval import APPROVAL_TTL, Action, Reason
from bot.domain.errors import Invalid, NotFound, Tampered
from bot.domain.execution import ApprovedStep, Claim, NotAdmitted, Result, StepOutcome
from bot.domain.ids import EffectKey, ProposalId
from bot.domain.incident import IncidentStatus
from bot.domain.on_record import OnRecord
from bot.domain.plan import PlannedAction
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalRecord, ProposalState
from tests.builders import INCIDENT, NOW, a_person, a_plan, a_record, a_request, an_incident, fresh
from tests.contracts.stores import SECRET, Bench

S = ProposalState
DONE = StepOutcome(result=Result.DONE, detail="202 Accepted", output="ok")
FAILED = StepOutcome(result=Result.FAILED, detail="500")
LOST = StepOutcome(result=Result.UNKNOWN, detail="the answer was lost")
TWO_STEPS: Sequence[PlannedAction] = (a_request("drain"), a_request("deploy"))


async def refused(bench: Bench, record: ProposalRecord, step: int = 0) -> NotAdmitted:
    answer = await bench.store.gate.claim(record.id, step, fresh(record, bench.time.at), policy=FLOOR)
    assert isinstance(answer, NotAdmitted)
    return answer


async def unknown(bench: Bench) -> ApprovedStep:
    """Return a started step of which nobody knows how it ended."""
    step = await bench.started()
    await bench.store.gate.finish(step.effect_key, 1, LOST)
    await bench.store.gate.conclude(step.proposal_id, S.UNKNOWN, LOST.detail)
    return step


async def test_an_approved_step_is_claimed_before_it_can_run(bench: Bench) -> None:
    plan = a_plan()
    record = await bench.approved(plan)

    step = await bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR)

    effect = plan.effect_key(plan.steps[0])
    assert step == ApprovedStep(
        incident=INCIDENT, proposal_id=record.id, plan=plan, step=plan.steps[0], effect_key=effect
    )
    assert (await bench.proposal(record)).state is S.STARTED
    assert await bench.store.gate.claims(INCIDENT) == [
        Claim(effect_key=effect, attempt=1, proposal_id=record.id, step_index=0, claimed_at=NOW)
    ]
    assert await bench.acts() == ["seen", "proposed", "offered", "approved", "claimed"]
    assert await bench.last_body() == {
        "approved_by": "U0ONCALL",
        "attempt": 1,
        "digest": record.digest,
        "effect": effect,
        "name": "roll-back",
        "policy_version": "policy-1",
        "proposal": record.id,
        "read_at": bench.time.at.isoformat(),
        "step": 0,
        "target": "checkout/production",
    }


async def test_a_second_claim_finds_the_first(bench: Bench) -> None:
    step = await bench.started()

    again = await bench.another().gate.claim(step.proposal_id, 0, policy=FLOOR)

    assert isinstance(again, Claim)
    assert (again.proposal_id, again.finished_at) == (step.proposal_id, None)
    assert (await bench.acts()).count("claimed") == 1


async def test_a_claim_after_the_end_finds_the_outcome(bench: Bench) -> None:
    step = await bench.started()
    bench.time.advance(timedelta(seconds=3))
    await bench.store.gate.finish(step.effect_key, 1, DONE)

    again = await bench.store.gate.claim(step.proposal_id, 0, policy=FLOOR)

    assert again == Claim(
        effect_key=step.effect_key,
        attempt=1,
        proposal_id=step.proposal_id,
        step_index=0,
        claimed_at=NOW,
        finished_at=NOW + timedelta(seconds=3),
        outcome=DONE,
    )


async def test_the_same_attempt_in_a_later_proposal_is_refused(bench: Bench) -> None:
    step = await bench.started()
    await bench.store.gate.finish(step.effect_key, 1, FAILED)
    await bench.store.gate.conclude(step.proposal_id, S.FAILED, "500")
    later = await bench.approved(a_plan(number=2))

    assert (await refused(bench, later)).why == "the plan means attempt 1 at roll-back, but 1 were made"
    assert len(await bench.store.gate.claims(INCIDENT)) == 1


async def test_the_same_attempt_while_the_first_still_runs_is_cancelled(bench: Bench) -> None:
    await bench.started()
    later = await bench.approved(a_plan(number=2))

    assert (await refused(bench, later)).state is S.CANCELLED


async def test_a_further_attempt_is_exactly_the_next(bench: Bench) -> None:
    step = await bench.started()
    await bench.store.gate.finish(step.effect_key, 1, FAILED)
    await bench.store.gate.conclude(step.proposal_id, S.FAILED, "500")
    skipping = await bench.approved(a_plan(number=2, attempt=3))
    assert (await refused(bench, skipping)).why == ("the plan means attempt 3 at roll-back, but 1 were made")

    following = await bench.approved(a_plan(number=3, attempt=2))

    assert isinstance(
        await bench.store.gate.claim(following.id, 0, fresh(following, bench.time.at), policy=FLOOR),
        ApprovedStep,
    )
    assert [claim.attempt for claim in await bench.store.gate.claims(INCIDENT)] == [1, 2]


async def test_a_second_attempt_at_what_was_never_tried_is_refused(bench: Bench) -> None:
    record = await bench.approved(a_plan(attempt=2))

    assert "attempt 2" in (await refused(bench, record)).why
    assert (await bench.proposal(record)).state is S.APPROVED


async def test_what_nobody_approved_does_not_start(bench: Bench) -> None:
    record = await bench.offered()

    assert (await refused(bench, record)).why == "0 of 1 approvals"
    assert (await bench.acts())[-1] == "not_admitted"


async def test_half_a_quorum_does_not_start(bench: Bench) -> None:
    plan = a_plan(quorum=2)
    record = await bench.offered(plan)
    await bench.press(Action.APPROVE, plan)

    assert (await refused(bench, record)).why == "1 of 2 approvals"


async def test_a_denial_between_approval_and_start_wins(bench: Bench) -> None:
    record = await bench.approved()
    await bench.press(Action.DENY)

    assert (await refused(bench, record)).why == "the proposal is denied"
    assert [] == await bench.store.gate.claims(INCIDENT)


@pytest.mark.parametrize(
    ("after", "starts"),
    [
        (APPROVAL_TTL - timedelta(milliseconds=1), True),
        (APPROVAL_TTL, False),
        (APPROVAL_TTL + timedelta(milliseconds=1), False),
    ],
)
async def test_an_approval_starts_until_it_expires(bench: Bench, after: timedelta, starts: bool) -> None:
    record = await bench.approved()
    bench.time.advance(after)

    answer = await bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR)

    assert isinstance(answer, ApprovedStep) is starts
    assert (await bench.proposal(record)).state is (S.STARTED if starts else S.EXPIRED)


async def test_a_later_step_of_a_started_plan_outlives_the_expiry(bench: Bench) -> None:
    step = await bench.started(a_plan(actions=TWO_STEPS))
    await bench.store.gate.finish(step.effect_key, 1, DONE)
    bench.time.advance(APPROVAL_TTL)

    assert isinstance(await bench.store.gate.claim(step.proposal_id, 1, policy=FLOOR), ApprovedStep)


@pytest.mark.parametrize("end", [None, LOST, StepOutcome(result=Result.FAILED)])
async def test_a_step_waits_for_the_one_before(bench: Bench, end: StepOutcome | None) -> None:
    step = await bench.started(a_plan(actions=TWO_STEPS))
    if end is not None:
        await bench.store.gate.finish(step.effect_key, 1, end)

    answer = await bench.store.gate.claim(step.proposal_id, 1, policy=FLOOR)

    assert answer == NotAdmitted(why="step drain has not finished")


async def test_a_step_that_the_plan_does_not_have_is_refused(bench: Bench) -> None:
    record = await bench.approved()

    assert (await refused(bench, record, 7)).why == "the plan has no step 7"


async def test_a_proposal_that_does_not_exist_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound, match="P9-1"):
        await bench.store.gate.claim(ProposalId("P9-1"), 0, policy=FLOOR)


async def test_nothing_starts_while_killed(bench: Bench) -> None:
    record = await bench.approved()
    await bench.store.gate.kill("root", "stop")
    assert "stopped" in (await refused(bench, record)).why
    await bench.store.gate.revive("root")
    bench.kill_file.touch()
    assert "stopped" in (await refused(bench, record)).why

    bench.kill_file.unlink()

    assert isinstance(
        await bench.store.gate.claim(record.id, 0, fresh(record, bench.time.at), policy=FLOOR), ApprovedStep
    )


async def test_a_resolved_incident_cancels_the_start(bench: Bench) -> None:
    record = await bench.approved()
    await bench.store.incidents.see(an_incident(status=IncidentStatus.RESOLVED))

    assert await refused(bench, record) == NotAdmitted(why="the incident is resolved", state=S.CANCELLED)
    assert (await bench.proposal(record)).state is S.CANCELLED
    assert (await bench.acts())[-2:] == ["not_admitted", "cancelled"]


async def test_a_raised_epoch_voids_the_approval(bench: Bench) -> None:
    record = await bench.approved()
    await bench.store.gate.raise_epoch(1)

    assert (await refused(bench, record)).why == "the approval was given before a restart"
    assert (await bench.proposal(record)).state is S.SUPERSEDED


async def test_a_target_belongs_to_one_execution_over_all_incidents(bench: Bench) -> None:
    first = await bench.started(a_plan(incident="P1"))
    second = await bench.approved(a_plan(incident="P2"))

    answer = await refused(bench, second)

    assert answer == NotAdmitted(
        why="checkout/production belongs to the running execution P1-1", state=S.CANCELLED
    )
    assert (await bench.proposal(second)).state is S.CANCELLED
    assert first.proposal_id == "P1-1"


@pytest.mark.parametrize(
    "way",
    [(S.FAILED,), (S.DONE, S.VERIFIED), (S.DONE, S.NOT_RECOVERED), (S.UNKNOWN, S.FAILED)],
)
async def test_the_target_is_free_once_the_execution_is_over(
    bench: Bench, way: Sequence[ProposalState]
) -> None:
    first = await bench.started(a_plan(incident="P1"))
    await bench.store.gate.finish(first.effect_key, 1, FAILED)
    for state in way:
        await bench.store.gate.conclude(first.proposal_id, state, state.value)
    second = await bench.approved(a_plan(incident="P2"))

    assert isinstance(
        await bench.store.gate.claim(second.id, 0, fresh(second, bench.time.at), policy=FLOOR), ApprovedStep
    )


@pytest.mark.parametrize("state", [S.DONE, S.UNKNOWN])
async def test_the_target_stays_taken_until_the_outcome_is_known(bench: Bench, state: ProposalState) -> None:
    first = await bench.started(a_plan(incident="P1"))
    await bench.store.gate.conclude(first.proposal_id, state, "")
    second = await bench.approved(a_plan(incident="P2"))

    assert "belongs to" in (await refused(bench, second)).why


async def test_one_end_may_be_told_twice(bench: Bench) -> None:
    step = await bench.started()

    await bench.store.gate.finish(step.effect_key, 1, DONE)
    await bench.store.gate.finish(step.effect_key, 1, DONE)

    assert (await bench.acts()).count("finished") == 1


async def test_e_zombie_two_different_ends_are_an_alarm(bench: Bench) -> None:
    step = await bench.started()
    await bench.store.gate.finish(step.effect_key, 1, LOST)

    with pytest.raises(Tampered, match="ended unknown and cannot end done"):
        await bench.store.gate.finish(step.effect_key, 1, DONE)


async def test_an_end_without_a_claim_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.store.gate.finish(EffectKey("f" * 64), 1, DONE)


async def test_an_end_is_audited_without_its_secrets(bench: Bench) -> None:
    step = await bench.started()
    outcome = StepOutcome(result=Result.DONE, detail=f"said {SECRET}")
    await bench.store.gate.finish(step.effect_key, 1, outcome)

    assert await bench.last_body() == {
        "attempt": 1,
        "detail": "said [secret]",
        "effect": step.effect_key,
        "proposal": step.proposal_id,
        "result": "done",
        "step": 0,
    }


async def test_a_conclusion_is_recorded_once(bench: Bench) -> None:
    step = await bench.started()

    concluded = await bench.store.gate.conclude(step.proposal_id, S.DONE, "all steps ran")

    assert (concluded.state, concluded.reason) == (S.DONE, "all steps ran")
    assert await bench.store.gate.conclude(step.proposal_id, S.DONE, "again") == concluded
    assert (await bench.acts()).count("concluded") == 1


async def test_a_conclusion_that_may_not_follow_is_an_alarm(bench: Bench) -> None:
    record = await bench.approved()
    with pytest.raises(Tampered, match="is approved and cannot become done"):
        await bench.store.gate.conclude(record.id, S.DONE, "")
    with pytest.raises(Invalid):
        await bench.store.gate.conclude(record.id, S.STARTED, "")

    assert (await bench.proposal(record)).state is S.APPROVED


async def test_it_ran_leads_to_verifying_and_keeps_the_target(bench: Bench) -> None:
    step = await unknown(bench)
    other = await bench.approved(a_plan(incident="P2"))

    ruling = await bench.press(Action.IT_RAN)

    assert (ruling.reason, ruling.state) == (Reason.ACCEPTED, S.DONE)
    assert "belongs to" in (await refused(bench, other)).why
    await bench.store.gate.conclude(step.proposal_id, S.VERIFIED, "")


async def test_it_did_not_run_frees_the_target(bench: Bench) -> None:
    await unknown(bench)
    other = await bench.approved(a_plan(incident="P2"))

    ruling = await bench.press(Action.IT_DID_NOT)

    assert (ruling.reason, ruling.state) == (Reason.ACCEPTED, S.FAILED)
    assert isinstance(
        await bench.store.gate.claim(other.id, 0, fresh(other, bench.time.at), policy=FLOOR), ApprovedStep
    )


async def test_check_again_changes_nothing(bench: Bench) -> None:
    step = await unknown(bench)

    ruling = await bench.press(Action.CHECK_AGAIN)

    assert (ruling.reason, ruling.state) == (Reason.ACCEPTED, None)
    record = await bench.store.gate.proposal(step.proposal_id)
    assert record is not None
    assert record.state is S.UNKNOWN


async def test_an_interrupted_step_can_be_resumed_under_its_claim(bench: Bench) -> None:
    step = await bench.started()

    again = await bench.store.gate.resume(step.proposal_id, 0)

    assert again == step
    assert len(await bench.store.gate.claims(INCIDENT)) == 1
    assert (await bench.acts())[-1] == "resumed"


async def test_a_finished_step_cannot_be_resumed(bench: Bench) -> None:
    step = await bench.started()
    await bench.store.gate.finish(step.effect_key, 1, DONE)

    assert isinstance(await bench.store.gate.resume(step.proposal_id, 0), NotAdmitted)


async def test_a_step_that_was_never_claimed_cannot_be_resumed(bench: Bench) -> None:
    record = await bench.approved()

    assert isinstance(await bench.store.gate.resume(record.id, 0), NotAdmitted)
    assert (await bench.proposal(record)).state is S.APPROVED


async def test_a_killed_bot_resumes_nothing(bench: Bench) -> None:
    step = await bench.started()
    await bench.store.gate.kill("root", "stop")

    assert isinstance(await bench.store.gate.resume(step.proposal_id, 0), NotAdmitted)


async def test_everything_on_record_of_an_incident_is_read_as_of_one_moment(bench: Bench) -> None:
    step = await bench.started()

    found = await bench.store.gate.on_record(step.incident)

    assert found == OnRecord(
        record=await bench.store.incidents.get(step.incident),
        proposals=await bench.store.gate.proposals(step.incident),
        claims=await bench.store.gate.claims(step.incident),
        epoch=await bench.store.gate.epoch(),
        is_killed=False,
        now=await bench.store.gate.now(),
    )
    assert (len(found.proposals), len(found.claims)) == (1, 1)


async def test_a_first_step_needs_a_fresh_look_and_a_later_one_does_not(bench: Bench) -> None:
    record = await bench.approved()
    answers = [
        await bench.store.gate.claim(record.id, 0, look, policy=FLOOR)
        for look in (
            None,
            fresh(record, bench.time.at - timedelta(seconds=10, microseconds=1)),
            fresh(record, bench.time.at + timedelta(microseconds=1)),
            fresh(a_record(a_plan(number=2)), bench.time.at),
        )
    ]

    assert [NotAdmitted] * 4 == [type(answer) for answer in answers]
    assert ProposalState.APPROVED is (await bench.proposal(record)).state
    at_the_limit = fresh(record, bench.time.at - timedelta(seconds=10))
    assert isinstance(await bench.store.gate.claim(record.id, 0, at_the_limit, policy=FLOOR), ApprovedStep)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ({"differences": ("checkout serves 43 now",)}, ProposalState.SUPERSEDED),
        ({"missing": ("PagerDuty did not answer",)}, ProposalState.CANCELLED),
        ({"is_closed": True}, ProposalState.CANCELLED),
    ],
)
async def test_what_no_longer_fits_leaves_in_the_claims_own_transaction(
    bench: Bench, found: dict[str, object], state: ProposalState
) -> None:
    record = await bench.approved()
    look = fresh(record, bench.time.at).model_copy(update=found)
    answer = await bench.store.gate.claim(record.id, 0, look, policy=FLOOR)

    assert NotAdmitted(why=look.why_not, state=state) == answer
    after = await bench.proposal(record)
    assert (state, look.why_not) == (after.state, after.reason)


async def test_whoever_took_the_target_last_is_remembered_after_the_lock_is_gone(bench: Bench) -> None:
    other = await bench.approved(a_plan(incident="P2"))
    bench.time.advance(timedelta(seconds=1))
    step = await bench.started()
    await bench.store.gate.finish(step.effect_key, 1, StepOutcome(result=Result.FAILED))
    await bench.store.gate.conclude(step.proposal_id, ProposalState.FAILED, "")
    answer = await bench.another().gate.claim(other.id, 0, fresh(other, bench.time.at), policy=FLOOR)

    why = f"{step.proposal_id} has acted on the same target since this was proposed"
    assert NotAdmitted(why=why, state=ProposalState.SUPERSEDED) == answer


async def test_a_stop_is_one_transaction_and_frees_or_keeps_the_target(bench: Bench) -> None:
    person = a_person()
    waiting = await bench.approved(a_plan(incident="P2", target="another"))
    assert ProposalState.CANCELLED is await bench.store.gate.stop(waiting.id, person)
    step = await bench.started()
    assert ProposalState.UNKNOWN is await bench.store.gate.stop(step.proposal_id, person)
    assert None is await bench.store.gate.stop(step.proposal_id, person)

    assert ["stopped", "concluded"] == (await bench.acts())[-2:]
    following = await bench.approved(a_plan(incident="P3"))
    held = await bench.store.gate.claim(following.id, 0, fresh(following, bench.time.at), policy=FLOOR)
    assert isinstance(held, NotAdmitted)
    assert "belongs to the running execution" in held.why
