"""What every gate promises about proposals and clicks."""

from datetime import timedelta

import pytest

from adapters.store.signing import verifies
from bot.domain.approval import APPROVAL_TTL, CLICK_TTL, Action, Reason
from bot.domain.card import CardRef
from bot.domain.errors import Invalid, NotFound, Refused, Tampered
from bot.domain.ids import ProposalId, sha256_hex
from bot.domain.incident import IncidentStatus
from bot.domain.plan import plan_digest
from bot.domain.proposal import Approval, ProposalRecord, ProposalState, approval_statement
from tests.builders import CARD, INCIDENT, NOW, TEAM, a_click, a_person, a_plan, an_incident
from tests.contracts.stores import ALLOWED, FORBIDDEN, SECRET, Bench

DANA = a_person("U0ONCALL", name="Dana")
SAM = a_person("U0SECOND", name="Sam", email="sam@example.com")
S = ProposalState


async def test_a_plan_is_kept_byte_for_byte(bench: Bench) -> None:
    plan = a_plan()

    record = await bench.store.gate.propose(plan)

    assert record == ProposalRecord(
        id=plan.id,
        incident=INCIDENT,
        number=1,
        epoch=0,
        digest=plan_digest(plan.to_bytes()),
        plan=plan.to_bytes(),
        state=S.PENDING,
        created_at=NOW,
        changed_at=NOW,
        expires_at=NOW + APPROVAL_TTL,
    )
    assert await bench.proposal(record) == record


async def test_a_new_proposal_supersedes_the_live_one(bench: Bench) -> None:
    first = await bench.offered()

    second = await bench.store.gate.propose(a_plan(number=2))

    assert [record.state for record in await bench.store.gate.proposals(INCIDENT)] == [
        S.SUPERSEDED,
        S.PENDING,
    ]
    assert (await bench.proposal(first)).reason == "proposal 2 took its place"
    assert await bench.acts() == ["seen", "proposed", "offered", "superseded", "proposed"]
    assert await bench.proposal(second) == second


async def test_the_same_plan_again_is_the_same_proposal(bench: Bench) -> None:
    record = await bench.offered()

    assert await bench.store.gate.propose(a_plan()) == record


@pytest.mark.parametrize("number", [1, 3])
async def test_a_number_out_of_turn_is_refused(bench: Bench, number: int) -> None:
    await bench.store.gate.propose(a_plan())

    with pytest.raises(Refused, match="the next one for Q1INCIDENT0001 is 2"):
        await bench.store.gate.propose(a_plan(number=number, version="40"))


async def test_a_plan_of_an_earlier_epoch_is_refused(bench: Bench) -> None:
    await bench.store.gate.raise_epoch(2)

    with pytest.raises(Refused, match="epoch"):
        await bench.store.gate.propose(a_plan(epoch=1))


async def test_a_proposal_is_bound_to_its_card_once(bench: Bench) -> None:
    record = await bench.offered()

    assert await bench.store.gate.offer(record.id, CARD) == record
    with pytest.raises(Refused, match="proposed"):
        await bench.store.gate.offer(record.id, CardRef(channel=CARD.channel, ts="2.0"))
    with pytest.raises(NotFound):
        await bench.store.gate.offer(ProposalId("P9-1"), CARD)


async def test_a_prove_click_an_approval_is_recorded_with_its_proof(bench: Bench) -> None:
    record = await bench.offered()
    click = a_click(by=DANA)

    ruling = await bench.store.gate.rule(click, ALLOWED, DANA)

    approved = await bench.proposal(record)
    assert (ruling.reason, ruling.state, approved.state) == (Reason.ACCEPTED, S.APPROVED, S.APPROVED)
    given = approved.approvals[0]
    assert given.seal is not None
    assert (given.seal.key, len(approved.approvals)) == (bench.signer.key, 1)
    assert verifies(given.seal.key, approval_statement(approved, given), given.seal.signature)
    assert given == Approval(
        click_id=click.id,
        user_id=DANA.id,
        name="Dana",
        digest=record.digest,
        at=NOW,
        grounds="named approver",
        seal=given.seal,
    )
    assert await bench.last_body() == {
        "action": "approve",
        "allowed": True,
        "answer": "accepted",
        "channel": CARD.channel,
        "click": click.id,
        "digest": record.digest,
        "grounds": "named approver",
        "message_ts": CARD.ts,
        "policy_version": "policy-1",
        "pressed_digest": record.digest,
        "proposal": record.id,
        "received_at": NOW.isoformat(),
        "state": "approved",
        "team": TEAM,
        "text": ruling.text,
        "user": DANA.id,
    }


async def test_one_click_delivered_twice_is_one_click_with_one_answer(bench: Bench) -> None:
    await bench.offered()

    first = await bench.press(Action.APPROVE)
    bench.time.advance(timedelta(hours=1))
    again = await bench.another().gate.rule(a_click(at=NOW), ALLOWED, DANA)

    assert again == first
    assert (await bench.acts()).count("approved") == 1


async def test_a_refused_click_keeps_its_answer_too(bench: Bench) -> None:
    await bench.offered()
    first = await bench.press(Action.APPROVE, permission=FORBIDDEN)

    assert await bench.press(Action.APPROVE, permission=ALLOWED) == first


async def test_a_double_click_approves_once(bench: Bench) -> None:
    record = await bench.offered()

    first = await bench.press(Action.APPROVE)
    second = await bench.press(Action.APPROVE, nonce="2")

    assert (first.reason, second.reason) == (Reason.ACCEPTED, Reason.ALREADY_DECIDED)
    assert second.text == "Already approved by Dana."
    assert len((await bench.proposal(record)).approvals) == 1


async def test_sl_same_person_twice_a_quorum_of_two_needs_two_people(bench: Bench) -> None:
    plan = a_plan(quorum=2)
    record = await bench.offered(plan)

    rulings = [
        await bench.press(Action.APPROVE, plan, by=DANA),
        await bench.press(Action.APPROVE, plan, by=DANA, nonce="2"),
        await bench.press(Action.APPROVE, plan, by=SAM),
    ]

    assert [(ruling.reason, ruling.state) for ruling in rulings] == [
        (Reason.ACCEPTED, None),
        (Reason.ALREADY_DECIDED, None),
        (Reason.ACCEPTED, S.APPROVED),
    ]
    assert [approval.user_id for approval in (await bench.proposal(record)).approvals] == [DANA.id, SAM.id]


async def test_a_denial_after_the_approval_stops_it_before_the_start(bench: Bench) -> None:
    record = await bench.approved()

    ruling = await bench.press(Action.DENY, by=SAM)

    assert ruling.is_accepted
    denied = await bench.proposal(record)
    assert (denied.state, denied.denied_by, denied.reason) == (S.DENIED, "Sam", "denied by Sam")


async def test_an_approval_after_the_denial_is_told_who_denied(bench: Bench) -> None:
    record = await bench.offered()
    await bench.press(Action.DENY, by=SAM)

    ruling = await bench.press(Action.APPROVE, by=DANA)

    assert (ruling.reason, ruling.text) == (Reason.ALREADY_DECIDED, "Already denied by Sam.")
    assert (await bench.proposal(record)).state is S.DENIED


async def test_a_denial_after_the_start_comes_too_late(bench: Bench) -> None:
    await bench.started()

    assert (await bench.press(Action.DENY)).reason is Reason.ALREADY_STARTED


@pytest.mark.parametrize(
    ("after", "reason", "state"),
    [
        (APPROVAL_TTL - timedelta(milliseconds=1), Reason.ACCEPTED, S.APPROVED),
        (APPROVAL_TTL, Reason.EXPIRED, S.EXPIRED),
        (APPROVAL_TTL + timedelta(milliseconds=1), Reason.EXPIRED, S.EXPIRED),
    ],
)
async def test_an_approval_counts_until_the_expiry_by_the_stores_time(
    bench: Bench, after: timedelta, reason: Reason, state: ProposalState
) -> None:
    record = await bench.offered()
    bench.time.advance(after)

    ruling = await bench.press(Action.APPROVE)

    assert (ruling.reason, (await bench.proposal(record)).state) == (reason, state)


async def test_an_expiry_found_by_a_click_is_an_entry_of_its_own(bench: Bench) -> None:
    await bench.offered()
    bench.time.advance(APPROVAL_TTL)
    await bench.press(Action.APPROVE)

    assert (await bench.acts())[-2:] == ["refused", "expired"]


async def test_a_click_that_waited_too_long_changes_nothing(bench: Bench) -> None:
    record = await bench.offered()
    bench.time.advance(CLICK_TTL + timedelta(milliseconds=1))

    ruling = await bench.store.gate.rule(a_click(at=NOW), ALLOWED, DANA)

    assert ruling.reason is Reason.TOO_LATE
    assert await bench.proposal(record) == record


@pytest.mark.parametrize(
    "card", [CardRef(channel=CARD.channel, ts="2.0"), CardRef(channel="C0ELSE", ts=CARD.ts)]
)
async def test_sl_value_swap_a_button_on_another_message_counts_for_nothing(
    bench: Bench, card: CardRef
) -> None:
    record = await bench.offered()

    ruling = await bench.store.gate.rule(a_click(card=card), ALLOWED, DANA)

    assert ruling.reason is Reason.WRONG_CARD
    assert await bench.proposal(record) == record


async def test_a_proposal_without_a_card_cannot_be_approved(bench: Bench) -> None:
    await bench.store.incidents.see(an_incident())
    await bench.store.gate.propose(a_plan())

    assert (await bench.press(Action.APPROVE)).reason is Reason.WRONG_CARD


async def test_sl_value_swap_a_swapped_digest_is_out_of_date(bench: Bench) -> None:
    await bench.offered()

    ruling = await bench.store.gate.rule(a_click(digest=sha256_hex("another plan")), ALLOWED, DANA)

    assert ruling.reason is Reason.OUT_OF_DATE


async def test_an_unknown_proposal_is_answered_and_recorded(bench: Bench) -> None:
    ruling = await bench.press(Action.APPROVE)

    assert ruling.reason is Reason.UNKNOWN_PROPOSAL
    assert await bench.acts() == ["refused"]
    assert (await bench.last_body())["answer"] == "unknown_proposal"
    await bench.offered()
    assert (await bench.press(Action.APPROVE)).reason is Reason.UNKNOWN_PROPOSAL


async def test_a_person_without_the_right_is_refused_with_the_reason(bench: Bench) -> None:
    record = await bench.offered()

    ruling = await bench.press(Action.APPROVE, by=a_person("U0PASSERBY"), permission=FORBIDDEN)

    assert ruling.reason is Reason.NOT_ALLOWED
    assert ruling.text == "You cannot decide this: only <@U0ONCALL> may decide this."
    assert await bench.proposal(record) == record
    assert (await bench.last_body())["allowed"] is False


async def test_a_click_with_the_rights_of_another_person_is_an_alarm(bench: Bench) -> None:
    await bench.offered()

    with pytest.raises(Tampered):
        await bench.store.gate.rule(a_click(by=SAM), ALLOWED, DANA)
    assert await bench.acts() == ["seen", "proposed", "offered", "tampered"]


async def test_a_resolved_incident_takes_no_approval(bench: Bench) -> None:
    await bench.offered()
    await bench.store.incidents.see(an_incident(status=IncidentStatus.RESOLVED))

    assert (await bench.press(Action.APPROVE)).reason is Reason.INCIDENT_CLOSED
    assert (await bench.press(Action.PROPOSE_AGAIN)).reason is Reason.INCIDENT_CLOSED


async def test_an_incident_that_was_never_seen_takes_no_approval(bench: Bench) -> None:
    record = await bench.store.gate.propose(a_plan())
    await bench.store.gate.offer(record.id, CARD)

    assert (await bench.press(Action.APPROVE)).reason is Reason.INCIDENT_CLOSED


async def test_the_kill_switch_stops_approvals_until_it_is_taken_back(bench: Bench) -> None:
    await bench.offered()
    await bench.another().gate.kill("root@host", f"the password {SECRET} leaked")

    assert await bench.store.gate.is_killed()
    assert (await bench.press(Action.APPROVE)).reason is Reason.STOPPED
    await bench.store.gate.revive("root@host")
    assert (await bench.press(Action.APPROVE, nonce="2")).is_accepted
    killed = (await bench.store.audit.entries())[3]
    assert (killed.act, killed.actor, killed.body) == (
        "killed",
        "root@host",
        '{"reason":"the password [secret] leaked"}',
    )


async def test_c_kill_offline_a_kill_file_stops_approvals_without_the_database(bench: Bench) -> None:
    await bench.offered()
    bench.kill_file.touch()

    assert (await bench.press(Action.APPROVE)).reason is Reason.STOPPED
    await bench.store.gate.revive("root@host")
    assert await bench.store.gate.is_killed()


async def test_a_kill_file_that_cannot_be_read_counts(bench: Bench) -> None:
    bench.kill_file.symlink_to("nowhere")

    assert await bench.store.gate.is_killed()


async def test_a_raised_epoch_voids_what_has_not_started(bench: Bench) -> None:
    running = await bench.started(a_plan(incident="P1", target="cart"))
    approved = await bench.approved()

    assert await bench.store.gate.raise_epoch(3) == 3

    assert (await bench.proposal(approved)).state is S.SUPERSEDED
    started = await bench.store.gate.proposal(running.proposal_id)
    assert started is not None
    assert started.state is S.STARTED
    assert await bench.store.gate.raise_epoch(2) == 3
    assert await bench.store.gate.epoch() == 3
    assert (await bench.acts())[-2:] == ["epoch_raised", "superseded"]


async def test_proposing_again_is_for_what_has_ended(bench: Bench) -> None:
    await bench.offered()

    waiting = await bench.press(Action.PROPOSE_AGAIN)
    await bench.press(Action.DENY)
    ended = await bench.press(Action.PROPOSE_AGAIN, nonce="2")

    assert (waiting.reason, ended.reason, ended.state) == (Reason.NOTHING_TO_ANSWER, Reason.ACCEPTED, None)
    assert (await bench.acts())[-1] == "answered"


async def test_nobody_waits_for_an_answer_when_nothing_is_unknown(bench: Bench) -> None:
    await bench.offered()

    assert (await bench.press(Action.IT_RAN)).reason is Reason.NOTHING_TO_ANSWER


@pytest.mark.parametrize("state", [S.EXPIRED, S.CANCELLED, S.SUPERSEDED])
async def test_a_live_proposal_can_be_withdrawn_once(bench: Bench, state: ProposalState) -> None:
    record = await bench.approved()

    assert await bench.store.gate.withdraw(record.id, state, f"seen {SECRET}")
    assert not await bench.store.gate.withdraw(record.id, state, "again")

    gone = await bench.proposal(record)
    assert (gone.state, gone.reason) == (state, f"seen {SECRET}")
    assert (await bench.acts())[-1] == state.value
    assert (await bench.last_body())["reason"] == "seen [secret]"


async def test_a_started_proposal_cannot_be_withdrawn(bench: Bench) -> None:
    step = await bench.started()

    assert not await bench.store.gate.withdraw(step.proposal_id, S.CANCELLED, "resolved")


@pytest.mark.parametrize("state", [S.DENIED, S.STARTED, S.VERIFIED])
async def test_only_an_exit_without_a_person_is_a_withdrawal(bench: Bench, state: ProposalState) -> None:
    record = await bench.offered()

    with pytest.raises(Invalid, match=state.value):
        await bench.store.gate.withdraw(record.id, state, "")


async def test_a_remark_changes_the_words_and_not_the_state(bench: Bench) -> None:
    record = await bench.approved()

    await bench.store.gate.remark(record.id, "the signal is healthy")

    assert await bench.proposal(record) == record.model_copy(update={"reason": "the signal is healthy"})
    assert (await bench.acts())[-1] == "remarked"
