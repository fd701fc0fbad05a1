"""Who may press what, what a press does, and that everybody who presses is told."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.policy.memory import MemoryReferee
from adapters.slack.memory import MemoryDirectory
from adapters.store.memory_ledger import MemoryChangeLedger
from bot.app.approve import handle_click
from bot.app.permitting import objections_to_start
from bot.app.world import Manners, OnePolicy
from bot.domain.approval import Action, Question, Reason
from bot.domain.catalogue import Approvers
from bot.domain.change import ChangeEvent
from bot.domain.errors import Unavailable
from bot.domain.freeze import Dated, Freeze, Level
from bot.domain.ids import ChangeId, IncidentId, ServiceName
from bot.domain.incident import Incident, IncidentEventKind, IncidentStatus
from bot.domain.person import OnCall, Person
from bot.domain.plan import Plan
from bot.domain.policy import FLOOR, Opa, Party, Policy, Request
from bot.domain.proposal import Approval, ProposalRecord, ProposalState
from tests.app.world import CHANNEL, DANA, EVE, OMAR, Bot, FakeChat, a_bot, a_resolved, a_service, with_world
from tests.builders import INCIDENT, a_change, a_record
from tests.virtual_time import in_virtual_time

S = ProposalState
ID = IncidentId(INCIDENT)


@pytest.fixture
async def offered(bot: Bot) -> Bot:
    """A bot whose proposal stands on its card."""
    await bot.begin()
    return bot


async def test_someone_not_allowed_is_refused_privately_and_the_proposal_stays(offered: Bot) -> None:
    ruling = await offered.press(Action.APPROVE, by=EVE)

    who = "<@U0DANA> or whoever is on call in PagerDuty (now Omar)"
    refusal = f"You cannot decide this: only {who} may decide this."
    assert (Reason.NOT_ALLOWED, [refusal]) == (ruling.reason, offered.told(EVE))
    assert (S.PROPOSED, []) == (await offered.state(), offered.runner.ran)
    assert (1, []) == (len(offered.chat.cards), offered.chat.replies)


@pytest.mark.parametrize("person", [DANA, OMAR], ids=["a named approver", "on call, by e-mail"])
async def test_whoever_is_allowed_starts_it(offered: Bot, person: Person) -> None:
    ruling = await offered.press(Action.APPROVE, by=person)

    assert (True, 1) == (ruling.is_accepted, len(offered.runner.ran))
    first = (await offered.world.gate.proposals(ID))[0]
    assert [person.id] == [approval.user_id for approval in first.approvals]
    assert [] == offered.told(person)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"is_bot": True}, "bots and apps do not count"),
        ({"is_guest": True}, "guests do not count"),
        ({"is_deactivated": True}, "the account is deactivated"),
        ({"is_external": True}, "people from other workspaces do not count"),
    ],
)
async def test_what_slack_says_of_a_person_now_is_what_counts(
    offered: Bot, changed: dict[str, bool], why: str
) -> None:
    offered.directory.put(DANA.model_copy(update=changed))

    assert f"You cannot decide this: {why}." == (await offered.press(Action.APPROVE)).text


async def test_sl_display_name_a_name_on_call_counts_for_nothing(offered: Bot) -> None:
    offered.directory.put(EVE.model_copy(update={"name": "Omar", "email": None}))

    assert Reason.NOT_ALLOWED is (await offered.press(Action.APPROVE, by=EVE)).reason


async def test_a_stranger_to_slack_decides_nothing(offered: Bot) -> None:
    nobody = EVE.model_copy(update={"id": "U0NOBODY"})
    ruling = await offered.press(Action.APPROVE, by=nobody)

    assert (Reason.NOT_ALLOWED, True) == (ruling.reason, "Slack could not say who you are" in ruling.text)


async def test_sl_empty_allow_an_empty_list_of_approvers_allows_nobody() -> None:
    bot = a_bot(services={"checkout": a_service(approvers=Approvers())})
    await bot.begin()

    texts = [(await bot.press(Action.APPROVE, by=person)).text for person in (DANA, OMAR, EVE)]
    assert ["You cannot decide this: nobody may decide this."] * 3 == texts


async def test_when_the_pager_is_down_nothing_is_approved_and_named_approvers_can_deny(offered: Bot) -> None:
    offered.pager.is_down = True
    refused = [(await offered.press(Action.APPROVE, by=person)).text for person in (OMAR, DANA)]
    denied = await offered.press(Action.DENY, by=DANA, follow=False)

    assert [
        "You cannot decide this: PagerDuty could not say who is on call (PagerDuty did not answer).",
        "You cannot decide this: PagerDuty did not answer (PagerDuty did not answer), "
        "so it cannot start now.",
    ] == refused
    assert refused == offered.told(OMAR) + offered.told(DANA)
    assert denied.is_accepted


def test_a_pager_that_never_answers_does_not_keep_the_person_waiting(bot: Bot) -> None:
    class Hanging(type(bot.pager)):  # type: ignore[misc]
        async def on_call(self, incident: Incident) -> list[OnCall]:
            await asyncio.Event().wait()
            return []

    async def pressed() -> str:
        await bot.begin()
        return (await with_world(bot, incidents=Hanging([], {})).press(Action.APPROVE, by=OMAR)).text

    assert (
        "You cannot decide this: PagerDuty could not say who is on call (no answer in time)."
        == in_virtual_time(pressed())
    )


async def test_a_denial_stands_on_the_card_and_nothing_runs(offered: Bot) -> None:
    await offered.press(Action.DENY, by=OMAR)
    after = await offered.press(Action.APPROVE)

    offer = offered.card.offer
    assert offer is not None
    assert (S.DENIED, "Denied by Omar at 03:00:05 UTC: not offered again by itself. Nothing ran.", True) == (
        offer.state,
        offer.outcome,
        offer.may_propose_again,
    )
    assert (Reason.ALREADY_DECIDED, "Already denied by Omar.") == (after.reason, after.text)
    assert [] == offered.runner.ran


async def test_an_approval_is_taken_back_by_a_denial_before_the_start(offered: Bot) -> None:
    await offered.press(Action.APPROVE, follow=False)
    await offered.press(Action.DENY, by=OMAR)

    assert (S.DENIED, []) == (await offered.state(), offered.runner.ran)


@pytest.mark.parametrize(("minutes", "state"), [(14, S.PROPOSED), (15, S.EXPIRED), (16, S.EXPIRED)])
async def test_a_proposal_expires_at_its_time(offered: Bot, minutes: int, state: ProposalState) -> None:
    offered.time.advance(timedelta(minutes=minutes))
    await offered.follow()

    assert state is await offered.state()


async def test_a_press_at_the_very_moment_of_expiry_is_refused_and_the_card_says_so(offered: Bot) -> None:
    """No timer has fired: the press itself finds that it is over."""
    offered.time.advance(timedelta(minutes=15))
    ruling = await offered.press(Action.APPROVE)

    offer = offered.card.offer
    assert offer is not None
    assert (Reason.EXPIRED, [ruling.text]) == (ruling.reason, offered.told(DANA))
    assert (S.EXPIRED, True, "Expired at 03:15:05 UTC: nobody decided in time. Nothing ran.") == (
        offer.state,
        offer.may_propose_again,
        offer.outcome,
    )
    assert [(ID, 1)] == offered.workflows.woken


async def test_a_press_that_took_too_long_is_not_meant_any_more(offered: Bot) -> None:
    click = offered.a_press(Action.APPROVE, await offered.the_last())
    offered.time.advance(timedelta(seconds=61))

    ruling = await handle_click(offered.world, click)

    assert (Reason.TOO_LATE, S.PROPOSED, ["That took too long to reach me. Press again."]) == (
        ruling.reason,
        await offered.state(),
        offered.told(DANA),
    )


async def test_sl_old_card_propose_again_makes_a_new_plan_and_the_old_button_is_out_of_date(
    offered: Bot,
) -> None:
    old = await offered.the_last()
    old_press = offered.a_press(Action.APPROVE, old)
    offered.time.advance(timedelta(minutes=15))
    await offered.follow()
    again = await offered.press(Action.PROPOSE_AGAIN)
    new = await offered.the_last()
    refused = await handle_click(
        offered.world, old_press.model_copy(update={"received_at": offered.time.at, "id": "late"})
    )
    swapped = await handle_click(
        offered.world,
        offered.a_press(Action.APPROVE, new).model_copy(update={"digest": old.digest}),
    )

    assert again.is_accepted
    assert (2, S.PROPOSED, True) == (new.number, new.state, new.digest != old.digest)
    assert (Reason.EXPIRED, Reason.OUT_OF_DATE) == (refused.reason, swapped.reason)
    assert (1, []) == (len(offered.chat.cards), offered.runner.ran)


async def test_propose_again_pressed_twice_makes_one_proposal(offered: Bot) -> None:
    await offered.press(Action.DENY)
    denied = await offered.the_last()
    presses = [offered.a_press(Action.PROPOSE_AGAIN, denied, by=person) for person in (DANA, OMAR)]
    for press in (*presses, presses[0]):
        await handle_click(offered.world, press)
    await offered.follow()

    assert [1, 2] == [one.number for one in await offered.world.gate.proposals(ID)]


async def test_propose_again_without_the_pager_long_after_the_page_is_answered(offered: Bot) -> None:
    offered.time.advance(timedelta(minutes=20))
    await offered.follow()
    offered.pager.is_down = True

    await offered.press(Action.PROPOSE_AGAIN)

    (told,) = offered.told(DANA)
    assert "Nothing was proposed again: PagerDuty does not say whether Q1INCIDENT0001" in told
    assert S.EXPIRED is await offered.state()


async def test_two_presses_at_once_start_once(offered: Bot) -> None:
    proposal = await offered.the_last()
    rulings = await asyncio.gather(
        *(
            handle_click(offered.world, offered.a_press(Action.APPROVE, proposal, by=person))
            for person in (DANA, OMAR, DANA, OMAR, EVE)
        )
    )
    await offered.follow()

    assert 1 == sum(ruling.is_accepted for ruling in rulings)
    assert 4 == len(offered.chat.told)
    assert 1 == len(offered.runner.ran)


async def test_the_same_press_delivered_again_has_one_answer_and_one_effect(offered: Bot) -> None:
    press = offered.a_press(Action.APPROVE, await offered.the_last())
    rulings = []
    for _ in range(3):
        rulings.append(await handle_click(offered.world, press))
        await offered.follow()

    assert (1, 1) == (len(set(rulings)), len(offered.runner.ran))


async def test_sl_forged_card_a_press_on_a_look_alike_card_is_refused(offered: Bot) -> None:
    forged = offered.a_press(Action.APPROVE, await offered.the_last()).model_copy(
        update={"message_ts": "1700000099.000001"}
    )

    assert Reason.WRONG_CARD is (await handle_click(offered.world, forged)).reason
    assert [] == offered.runner.ran


async def test_a_press_for_a_proposal_that_nobody_made_is_answered(offered: Bot) -> None:
    press = offered.a_press(Action.APPROVE, await offered.the_last())
    ruling = await handle_click(offered.world, press.model_copy(update={"proposal_id": "Q1INCIDENT0001-99"}))

    assert (Reason.UNKNOWN_PROPOSAL, 1) == (ruling.reason, len(offered.told(DANA)))


async def test_a_plan_changed_in_the_store_is_never_approved(offered: Bot) -> None:
    def spoil(tx: object) -> None:
        rows = tx.rows.proposals  # type: ignore[attr-defined]
        record = rows.get(proposal.id)
        rows.put(record.model_copy(update={"plan": record.plan.replace(b'\\"41\\"', b'\\"40\\"')}))

    proposal = await offered.the_last()
    await offered.store.transactions.write(spoil)
    ruling = await handle_click(offered.world, offered.a_press(Action.APPROVE, proposal))

    assert (Reason.OUT_OF_DATE, S.PROPOSED, []) == (
        ruling.reason,
        await offered.state(),
        offered.runner.ran,
    )
    assert 1 == len(offered.told(DANA))


async def test_a_resolve_cancels_what_waits(offered: Bot) -> None:
    offered.pager.put(a_resolved())
    await offered.hear(IncidentEventKind.RESOLVED)
    await offered.follow()
    ruling = await offered.press(Action.APPROVE)

    assert (S.CANCELLED, "Resolved") == (await offered.state(), offered.card.status_line)
    assert "The proposal was withdrawn: the incident was resolved." == ruling.text
    assert [] == offered.runner.ran


async def test_sl_resolved_race_a_resolve_between_the_approval_and_the_start_stops_it(offered: Bot) -> None:
    await offered.press(Action.APPROVE, follow=False)
    offered.pager.put(a_resolved())
    await offered.hear(IncidentEventKind.RESOLVED)
    await offered.follow()

    assert (S.CANCELLED, []) == (await offered.state(), offered.runner.ran)
    assert offered.card.offer is not None
    assert ("Resolved", S.CANCELLED) == (offered.card.status_line, offered.card.offer.state)


async def test_the_kill_switch_stops_approvals_and_starts(offered: Bot) -> None:
    await offered.press(Action.APPROVE, follow=False)
    await offered.world.gate.kill("root@host", "drill")
    await offered.follow()

    offer = offered.card.offer
    assert offer is not None
    assert (S.CANCELLED, []) == (offer.state, offered.runner.ran)
    assert "not started: Handrail is stopped" in offer.outcome
    assert any("nothing starts" in note.text for note in offered.card.notes)


async def test_while_killed_an_approval_is_refused_and_a_denial_is_not(offered: Bot) -> None:
    await offered.world.gate.kill("root@host", "drill")
    refused = await offered.press(Action.APPROVE)
    denied = await offered.press(Action.DENY)

    assert (Reason.STOPPED, True) == (refused.reason, denied.is_accepted)


async def test_an_approval_expires_before_a_start_that_comes_late(offered: Bot) -> None:
    await offered.press(Action.APPROVE, follow=False)
    offered.time.advance(timedelta(minutes=15))
    await offered.follow()

    assert (S.EXPIRED, []) == (await offered.state(), offered.runner.ran)


async def test_a_new_epoch_voids_an_approval(offered: Bot) -> None:
    await offered.press(Action.APPROVE, follow=False)
    await offered.world.gate.raise_epoch(5)
    await offered.follow()

    assert (S.SUPERSEDED, []) == (await offered.state(), offered.runner.ran)


@pytest.mark.parametrize("wanted", [True, False])
async def test_an_approval_acknowledges_only_where_the_team_wants_that(wanted: bool) -> None:
    bot = a_bot(manners=Manners(CHANNEL, timedelta(minutes=15), acknowledge_on_approval=wanted))
    await bot.begin()
    await bot.press(Action.APPROVE, follow=False)

    status = (await bot.pager.read(ID)).status
    assert (IncidentStatus.ACKNOWLEDGED if wanted else IncidentStatus.TRIGGERED) is status


async def test_an_approval_stands_although_the_pager_cannot_be_told() -> None:
    bot = a_bot(manners=Manners(CHANNEL, timedelta(minutes=15), acknowledge_on_approval=True))
    await bot.begin()
    bot.pager.loses_acknowledgements = True
    ruling = await bot.press(Action.APPROVE, follow=False)

    assert (True, "degraded PagerDuty acknowledge") == (ruling.is_accepted, bot.telemetry.said[-2])


async def test_a_plan_that_holds_a_secret_is_not_proposed() -> None:
    bot = a_bot(changes=[a_change(previous_version="s3cr3t-deploy-token")])
    await bot.begin()

    assert None is await bot.last()
    (note,) = bot.card.notes
    assert "playbook rollback-deploy: its plan holds something that looks like a secret" in note.text


async def test_a_plan_too_large_to_be_shown_is_withdrawn_unseen() -> None:
    service = a_service()
    long = service.endpoints["deploy"].model_copy(
        update={"headers": {f"X-{number}": "x" * 290 for number in range(60)}}
    )
    bot = a_bot(services={"checkout": service.model_copy(update={"endpoints": {"deploy": long}})})
    await bot.begin()

    offer = bot.card.offer
    assert offer is not None
    assert (S.CANCELLED, True) == (offer.state, "cannot be shown whole on a card" in offer.outcome)


@pytest.mark.parametrize(
    "action", [Action.IT_RAN, Action.IT_DID_NOT, Action.CHECK_AGAIN, Action.PROPOSE_AGAIN]
)
async def test_a_button_that_does_not_fit_the_state_changes_nothing(offered: Bot, action: Action) -> None:
    ruling = await offered.press(action)

    assert (Reason.NOTHING_TO_ANSWER, S.PROPOSED, 1) == (
        ruling.reason,
        await offered.state(),
        len(offered.told(DANA)),
    )


async def test_the_card_says_what_the_policy_has_against_a_start_now(bot: Bot) -> None:
    always = Dated.model_validate({"from": "2000-01-01T00:00", "to": "2100-01-01T00:00"})
    freezes = tuple(Freeze(name=level.value, dated=always, level=level) for level in Level)
    bot.world = replace(bot.world, policies=OnePolicy(Policy(freezes=freezes)))

    await bot.begin()

    assert [
        "To weigh: the freeze “advisory” holds.",
        "Approving needs a reason: the freeze “soft” holds.",
        "It cannot be approved now: the freeze “hard” holds.",
    ] == [note.text for note in bot.card.notes if "freeze" in note.text]


async def test_what_a_referee_objects_to_is_not_approved(offered: Bot) -> None:
    referee = MemoryReferee(says=("the policy server says: not on a Friday",))
    offered.world = replace(offered.world, referee=referee)

    ruling = await offered.press(Action.APPROVE)

    assert (Reason.NOT_ALLOWED, 1) == (ruling.reason, len(referee.asked))
    assert ruling.text == "You cannot decide this: the policy server says: not on a Friday."
    assert (await offered.press(Action.DENY)).is_accepted


class TurnsAround(MemoryReferee):
    """Agrees when it is asked for the first time, and to nothing afterwards."""

    async def objections(self, request: Request) -> Sequence[str]:
        agreed = await super().objections(request)
        return agreed if len(self.asked) == 1 else ("the policy server says: too late",)


def with_referee(bot: Bot, referee: MemoryReferee) -> None:
    opa = Opa(url="http://127.0.0.1:8181/v1/data/handrail/approval")
    bot.world = replace(bot.world, referee=referee, policies=OnePolicy(FLOOR.model_copy(update={"opa": opa})))


async def test_a_referee_is_asked_again_about_whoever_approved_before_anything_runs(bot: Bot) -> None:
    referee = MemoryReferee()
    with_referee(bot, referee)
    await bot.begin()
    await bot.press(Action.APPROVE)

    assert [DANA.id, DANA.id] == [one.asker.user for one in referee.asked if one.asker]
    assert 1 == len(bot.runner.ran)


async def test_what_a_referee_objects_to_after_the_approval_is_withdrawn(bot: Bot) -> None:
    with_referee(bot, TurnsAround())
    await bot.begin()
    assert (await bot.press(Action.APPROVE)).is_accepted

    withdrawn = await bot.the_last()
    assert (S.CANCELLED, "the policy server says: too late") == (withdrawn.state, withdrawn.reason)
    assert [] == bot.runner.ran


async def test_whoever_cannot_be_named_to_a_referee_starts_nothing(bot: Bot) -> None:
    """The rules ask who wrote the change, the ledger falls silent after the approval."""
    typed = FLOOR.medium.model_copy(update={"excludes": (Party.AUTHOR,)})
    referee = MemoryReferee()
    with_referee(bot, referee)
    policy = bot.world.policies.current().model_copy(update={"medium": typed})
    bot.world = replace(bot.world, policies=OnePolicy(policy))
    proposal = await bot.begin()
    assert proposal is not None
    silent = with_world(bot, ledger=SilentLedger())

    said = await objections_to_start(
        silent.world, proposal.model_copy(update={"approvals": an_approval(proposal)})
    )

    assert (("the policy server could not be asked (the ledger is silent)",), []) == (said, referee.asked)


class SilentLedger(MemoryChangeLedger):
    async def get(self, change: ChangeId) -> ChangeEvent | None:
        raise Unavailable("the ledger is silent")


def an_approval(proposal: ProposalRecord) -> tuple[Approval, ...]:
    return a_record(Plan.from_bytes(proposal.plan), approved_by=[DANA]).approvals


async def test_a_window_that_does_not_open_in_time_is_told(offered: Bot) -> None:
    typed = FLOOR.medium.model_copy(update={"type_target": True})
    offered.world = replace(offered.world, policies=OnePolicy(FLOOR.model_copy(update={"medium": typed})))

    class Late(FakeChat):
        async def ask_to_confirm(self, trigger_id: str, question: Question) -> None:
            raise Unavailable("expired_trigger_id")

    late = Late(cards=offered.chat.cards, keys=offered.chat.keys)
    offered.world = replace(offered.world, chat=late)

    assert (await offered.press(Action.APPROVE)).reason is Reason.ASKED_TO_CONFIRM
    assert ["The window did not open. Press again."] == [whisper.said for whisper in late.told]


async def test_members_of_a_slack_user_group_may_approve(bot: Bot) -> None:
    service = bot.world.catalogue.services[ServiceName("checkout")]
    only_group = service.model_copy(update={"approvers": Approvers(groups=("S0SRE",))})
    catalogue = replace(bot.world.catalogue, services={ServiceName("checkout"): only_group})
    directory = MemoryDirectory([DANA, OMAR, EVE], groups={"S0SRE": [EVE.id]})
    bot.world = replace(bot.world, catalogue=catalogue, directory=directory)
    await bot.begin()

    assert (await bot.press(Action.APPROVE, by=DANA)).reason is Reason.NOT_ALLOWED
    assert (await bot.press(Action.APPROVE, by=EVE, follow=False)).is_accepted
