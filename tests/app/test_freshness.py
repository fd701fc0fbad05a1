"""What a plan rests on, read again when somebody approves it and before its first step."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from adapters.evidence.memory import MemoryVersions
from bot.app.approve import handle_click
from bot.app.remediate import run_step
from bot.app.show import show
from bot.app.world import OnePolicy, Sources
from bot.domain.approval import Action, Reason
from bot.domain.catalogue import HttpVersion
from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.ids import IncidentId
from bot.domain.incident import Incident
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalState
from tests.app.world import DANA, Bot, a_bot, a_resolved, a_service, with_world
from tests.builders import INCIDENT, NOW, a_change, an_incident
from tests.virtual_time import in_virtual_time

S = ProposalState
ID = IncidentId(INCIDENT)
URL = "http://127.0.0.1:8041/deploy"


def a_bot_that_reads(
    serving: str | None = "42",
    *,
    incidents: Sequence[Incident] | None = None,
    changes: Sequence[ChangeEvent] | None = None,
) -> tuple[Bot, MemoryVersions]:
    """Return a bot that can ask which version of checkout runs; None: nobody answers."""
    versions = MemoryVersions({URL: serving} if serving else {})
    bot = a_bot(
        incidents=incidents,
        changes=changes,
        services={
            "checkout": a_service(version=HttpVersion(url=URL), dependencies=("payments",)),
            "payments": a_service(pagerduty=("PPAYMENTS",), names=(), playbooks=()),
        },
    )
    return with_world(bot, sources=Sources(versions=versions)), versions


async def test_what_still_holds_is_approved_and_runs() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.APPROVE)

    assert 1 == len(bot.runner.ran)
    assert [] == bot.told(DANA)


async def test_a_version_that_serves_already_is_not_proposed_and_the_card_says_so() -> None:
    bot, _ = a_bot_that_reads("41")
    await bot.begin()

    assert None is await bot.last()
    (note,) = bot.card.notes
    assert (
        "No playbook is proposed: playbook rollback-deploy: checkout serves 41 already, the version that it "
        "would go back to." == note.text
    )


async def test_without_a_declared_version_the_last_deploy_that_was_told_counts() -> None:
    """Somebody rolled back after the page; the suspect stays, and nothing is left to do about it."""
    back = a_change(version="41", previous_version="42", finished_at=NOW + timedelta(seconds=3))
    back = back.model_copy(update={"started_at": NOW + timedelta(seconds=1), "kind": ChangeKind.ROLLBACK})
    bot = a_bot(changes=[a_change(), back])
    await bot.begin()

    assert None is await bot.last()
    assert "checkout serves 41 already" in bot.card.notes[0].text


async def test_a_plan_says_whether_the_version_is_read_again(bot: Bot) -> None:
    blind = await bot.begin()
    reading, _ = a_bot_that_reads()
    seeing = await reading.begin()
    assert blind is not None
    assert seeing is not None

    plans = [one.plan.decode() for one in (blind, seeing)]
    assert [False, True] == [f'"version_url":"{URL}"' in plan for plan in plans]
    assert ['"version_url":null' in plans[0], '"serving":"42"' in plans[1]] == [True, True]


async def differs_by_version(bot: Bot, versions: MemoryVersions) -> str:
    versions.by_url[URL] = "43"
    return "checkout serves 43 now, and it was 42"


async def differs_by_having_been_done(bot: Bot, versions: MemoryVersions) -> str:
    versions.by_url[URL] = "41"
    return "checkout serves 41 already"


async def differs_by_a_deploy(bot: Bot, versions: MemoryVersions) -> str:
    change = a_change(version="43", finished_at=bot.time.at)
    await bot.ledger.record(change.model_copy(update={"reported_at": bot.time.at + timedelta(seconds=1)}))
    return "a change was reported since: deploy of checkout 43"


async def differs_by_a_deploy_of_what_it_calls(bot: Bot, versions: MemoryVersions) -> str:
    change = a_change(service="payments", version="8", finished_at=NOW - timedelta(hours=1))
    await bot.ledger.record(change.model_copy(update={"reported_at": bot.time.at + timedelta(seconds=1)}))
    return "a change was reported since: deploy of payments 8"


async def differs_by_its_suspect(bot: Bot, versions: MemoryVersions) -> str:
    known = await bot.ledger.get(a_change().id)
    assert known is not None
    again = known.model_copy(update={"version": "42.1", "reported_at": bot.time.at + timedelta(seconds=1)})
    await bot.ledger.record(again)
    return "the suspect is reported with version 42.1 now, and it was 42"


DIFFERENCES = [
    differs_by_version,
    differs_by_having_been_done,
    differs_by_a_deploy,
    differs_by_a_deploy_of_what_it_calls,
    differs_by_its_suspect,
]


@pytest.mark.parametrize("differ", DIFFERENCES)
async def test_a_difference_at_the_click_runs_nothing_and_is_named(differ: object) -> None:
    bot, versions = a_bot_that_reads()
    await bot.begin()
    said = await differ(bot, versions)  # type: ignore[operator]
    ruling = await bot.press(Action.APPROVE)

    assert (Reason.ALREADY_DECIDED, S.SUPERSEDED, []) == (ruling.reason, await bot.state(), bot.runner.ran)
    assert bot.told(DANA) == [ruling.text]
    assert said in ruling.text
    assert bot.card.offer is not None
    assert bot.card.offer.may_propose_again
    assert said in bot.card.offer.outcome


@pytest.mark.parametrize("differ", DIFFERENCES)
async def test_a_difference_between_the_click_and_the_claim_runs_nothing(differ: object) -> None:
    bot, versions = a_bot_that_reads()
    await bot.begin()
    assert (await bot.press(Action.APPROVE, follow=False)).is_accepted
    said = await differ(bot, versions)  # type: ignore[operator]
    await bot.follow()

    assert (S.SUPERSEDED, []) == (await bot.state(), bot.runner.ran)
    assert bot.card.offer is not None
    assert said in bot.card.offer.outcome
    assert ["not_admitted", "superseded"] == (await bot.acts())[-2:]


async def test_after_a_difference_a_new_plan_can_be_asked_for() -> None:
    bot, versions = a_bot_that_reads()
    await bot.begin()
    versions.by_url[URL] = "43"
    await bot.press(Action.APPROVE)
    await bot.press(Action.PROPOSE_AGAIN)

    assert S.PROPOSED is await bot.state()
    assert 2 == (await bot.the_last()).number


async def test_a_source_that_is_silent_at_the_click_refuses_by_name_and_leaves_the_proposal() -> None:
    bot, versions = a_bot_that_reads()
    await bot.begin()
    versions.by_url.clear()
    ruling = await bot.press(Action.APPROVE)

    assert (Reason.NOT_ALLOWED, S.PROPOSED, []) == (ruling.reason, await bot.state(), bot.runner.ran)
    assert "the version of checkout did not answer" in ruling.text
    assert "degraded the version of checkout" in bot.telemetry.said


async def test_a_source_that_is_silent_at_the_claim_runs_nothing_and_is_named() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.APPROVE, follow=False)
    bot.pager.is_down = True
    await bot.follow()

    assert (S.CANCELLED, []) == (await bot.state(), bot.runner.ran)
    assert "PagerDuty did not answer" in (await bot.the_last()).reason


def test_a_source_that_never_answers_is_given_up() -> None:
    class Hanging(MemoryVersions):
        async def serving(self, source: HttpVersion) -> str:
            await asyncio.Event().wait()
            return ""

    reading, _ = a_bot_that_reads()

    async def pressed() -> str:
        await reading.begin()
        waiting = with_world(reading, sources=Sources(versions=Hanging()))
        return (await waiting.press(Action.APPROVE)).text

    assert "the version of checkout did not answer (no answer within 2 s)" in in_virtual_time(pressed())
    assert [] == reading.runner.ran


async def test_a_policy_that_changed_supersedes() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    changed = FLOOR.model_copy(update={"version": "another"})
    ruling = await with_world(bot, policies=OnePolicy(changed)).press(Action.APPROVE)

    assert S.SUPERSEDED is await bot.state()
    assert "the policy is another now" in ruling.text


async def test_another_suspect_supersedes() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    record = await bot.world.book.get(ID)
    assert record is not None
    assert record.assessment is not None
    await bot.world.book.assess(ID, record.assessment.model_copy(update={"suspect": None}))
    ruling = await bot.press(Action.APPROVE)

    assert S.SUPERSEDED is await bot.state()
    assert "no change is suspected now, and it was change deploy-checkout-42" in ruling.text


async def test_samples_and_prose_are_not_compared() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    bot.signals.values = [0.9, 0.0]
    bot.pager.put(an_incident(title="Error rate is 90 % now"))
    await bot.press(Action.APPROVE)

    assert 1 == len(bot.runner.ran)


async def test_a_rollout_that_goes_on_is_no_difference() -> None:
    """The change is reported again as its rollout goes on; which version it brings stays the same."""
    bot, _ = a_bot_that_reads()
    await bot.begin()
    known = await bot.ledger.get(a_change().id)
    assert known is not None
    await bot.ledger.record(
        known.model_copy(update={"finished_at": NOW, "reported_at": bot.time.at + timedelta(seconds=1)})
    )
    await bot.press(Action.APPROVE)

    assert 1 == len(bot.runner.ran)


async def test_pd_claims_open_an_incident_that_the_pager_calls_resolved_starts_nothing_at_the_click() -> None:
    bot, _ = a_bot_that_reads()
    await bot.begin()
    bot.pager.put(a_resolved())
    ruling = await bot.press(Action.APPROVE)
    await bot.follow()

    assert (Reason.INCIDENT_CLOSED, S.CANCELLED, []) == (ruling.reason, await bot.state(), bot.runner.ran)


async def test_a_later_step_is_not_stopped_by_what_the_first_has_changed() -> None:
    """The plan's own effect changes the version that serves; only its first step looks at it."""
    bot, versions = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.APPROVE, follow=False)
    proposal = await bot.the_last()
    await run_step(bot.world, proposal.id, 0)
    versions.by_url[URL] = "41"
    await bot.follow()

    assert (await bot.world.gate.proposals(ID))[0].state is S.NOT_RECOVERED


TWINS = (an_incident(), an_incident("Q2INCIDENT0002", title="Checkout is slow"))
OTHER = "Q2INCIDENT0002"


async def test_two_incidents_of_one_cause_both_approved_run_once() -> None:
    """42 goes back to 41 and never further: whoever comes second is told why."""
    bot, versions = a_bot_that_reads(incidents=TWINS)
    for incident in (INCIDENT, OTHER):
        await bot.begin(incident)
    for incident in (INCIDENT, OTHER):
        assert (await bot.press(Action.APPROVE, incident=incident, follow=False)).is_accepted
    approved = [await bot.the_last(incident) for incident in (INCIDENT, OTHER)]
    await asyncio.gather(*(run_step(bot.world, one.id, 0) for one in approved))
    versions.by_url[URL] = "41"
    for incident in (INCIDENT, OTHER):
        await show(bot.world, IncidentId(incident))

    (ran,) = bot.runner.ran
    assert '"41"' in ran.plan.to_bytes().decode()
    first, second = [await bot.the_last(i) for i in (INCIDENT, OTHER)]
    assert {S.STARTED, S.CANCELLED} == {first.state, second.state}
    told = first if first.state is S.CANCELLED else second
    assert f"deploy:checkout belongs to the running execution {ran.proposal_id}" == told.reason
    outcomes = [card.offer.outcome for card in bot.chat.cards.values() if card.offer]
    assert any(told.reason in outcome for outcome in outcomes)


@pytest.mark.parametrize("is_declared", [True, False], ids=["version read", "version not declared"])
async def test_the_second_of_two_approved_does_not_run_after_the_first_either(is_declared: bool) -> None:
    bot, versions = a_bot_that_reads(incidents=TWINS)
    if not is_declared:
        bot = a_bot(incidents=TWINS)
    for incident in (INCIDENT, OTHER):
        await bot.begin(incident)
        bot.time.advance(timedelta(seconds=1))
    assert (await bot.press(Action.APPROVE, incident=OTHER, follow=False)).is_accepted
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)
    versions.by_url[URL] = "41"
    await bot.follow(OTHER)

    assert S.VERIFIED is await bot.state()
    second = await bot.the_last(OTHER)
    assert (S.SUPERSEDED, 1) == (second.state, len(bot.runner.ran))
    assert f"{INCIDENT}-1 has acted on the same target since this was proposed" == second.reason


async def test_once_the_first_has_run_the_second_is_not_even_offered() -> None:
    bot, versions = a_bot_that_reads(incidents=TWINS)
    await bot.begin()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)
    versions.by_url[URL] = "41"
    await bot.begin(OTHER)

    assert None is await bot.last(OTHER)
    notes = [note.text for card in bot.chat.cards.values() for note in card.notes]
    assert any("checkout serves 41 already" in note for note in notes)


async def test_pd_claims_open_an_incident_that_the_pager_calls_resolved_starts_nothing_at_the_claim() -> None:
    """The webhook said triggered and nothing has come since; the pager is asked before the start."""
    bot, _ = a_bot_that_reads()
    await bot.begin()
    await bot.press(Action.APPROVE, follow=False)
    bot.pager.put(a_resolved())
    await bot.follow()

    assert (S.CANCELLED, []) == (await bot.state(), bot.runner.ran)
    record = await bot.world.book.get(ID)
    assert record is not None
    assert not record.incident.is_open


async def test_sl_old_card_a_new_plan_voids_what_was_approved_and_the_old_button_does_nothing() -> None:
    """Earlier approvals are for earlier bytes: a new plan of other bytes takes their place."""
    bot, versions = a_bot_that_reads()
    await bot.begin()
    old = await bot.the_last()
    assert (await bot.press(Action.APPROVE, follow=False)).is_accepted
    versions.by_url[URL] = "43"
    await bot.follow()
    await bot.press(Action.PROPOSE_AGAIN)
    ruling = await handle_click(bot.world, bot.a_press(Action.APPROVE, old))

    new = await bot.the_last()
    assert (Reason.ALREADY_DECIDED, S.PROPOSED, ()) == (ruling.reason, new.state, new.approvals)
    assert (old.digest == new.digest, bot.runner.ran) == (False, [])
