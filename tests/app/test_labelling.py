"""What people say of a suspect, and what a recovery says of it, becomes a label and nothing else."""

import json
from datetime import timedelta
from itertools import count

import pytest

from adapters.evaluation.cases import parse_case
from adapters.slack.views.card import card_blocks
from bot.app.commands.details import details
from bot.app.label import handle_feedback, label_outcome
from bot.domain.approval import Action, Reason
from bot.domain.change import ChangeKind
from bot.domain.correlation import rank_suspects
from bot.domain.diagnosed import Diagnosed
from bot.domain.errors import Unavailable
from bot.domain.ids import ChangeId, IncidentId, sha256_hex
from bot.domain.incident import IncidentEventKind
from bot.domain.label import Feedback, FeedbackRuling, Label, LabelSource, Verdict
from bot.domain.person import Person
from bot.domain.proposal import ProposalState
from tests.app.world import DANA, EVE, OMAR, Bot, a_bot, a_resolved, with_world
from tests.builders import INCIDENT, NOW, a_change
from tests.slack_builders import buttons
from tests.slack_builders import labels as button_labels

ID = IncidentId(INCIDENT)
SUSPECT = ChangeId("deploy-checkout-42")
_NUMBERS = count(1)


@pytest.fixture
async def offered(bot: Bot) -> Bot:
    """A bot whose card names the deploy of checkout 42 and offers its rollback."""
    await bot.begin()
    return bot


async def say(
    bot: Bot, verdict: Verdict, *, by: Person = DANA, change: ChangeId | None = None, on_card: bool = True
) -> FeedbackRuling:
    """Press a button of the card, or of Details, about the named suspect or another."""
    return await handle_feedback(bot.world, a_press(bot, verdict, by=by, change=change, on_card=on_card))


def a_press(
    bot: Bot, verdict: Verdict, *, by: Person = DANA, change: ChangeId | None = None, on_card: bool = True
) -> Feedback:
    (ref,) = bot.chat.cards
    ask = bot.card.ask
    assert ask is not None
    return Feedback(
        id=sha256_hex("press", str(next(_NUMBERS))),  # type: ignore[arg-type]
        verdict=verdict,
        incident=ask.incident,
        change=change or ask.change,
        digest=ask.digest,
        user_id=by.id,
        team_id=by.team_id,
        channel=ref.channel,
        message_ts=ref.ts if on_card else None,
        received_at=bot.time.at,
    )


async def the_labels(bot: Bot) -> list[Label]:
    return list(await bot.world.labels.of(ID))


async def the_diagnosis(bot: Bot) -> Diagnosed:
    (diagnosis,) = await bot.world.diagnoses.all(incident=ID)
    return diagnosis


async def test_a_card_that_names_a_suspect_asks_whether_it_was_it(offered: Bot) -> None:
    blocks = card_blocks(offered.card)

    assert ["Approve rollback to 41", "Deny", "Details", "This was it", "Not it"] == button_labels(blocks)
    spoken = [str(one["accessibility_label"]) for one in buttons(blocks) if "accessibility_label" in one]
    assert [
        "This was it: checkout 42 · deploy by dana",
        "Not it: checkout 42 · deploy by dana",
    ] == spoken


async def test_a_card_that_names_nobody_asks_nothing() -> None:
    bot = a_bot(changes=[])
    await bot.begin()

    assert bot.card.ask is None
    assert "This was it" not in button_labels(card_blocks(bot.card))


async def test_what_a_diagnosis_was_thought_from_is_kept_once_and_ranks_the_same_again(offered: Bot) -> None:
    diagnosis = await the_diagnosis(offered)
    raw = await offered.world.diagnoses.snapshot(diagnosis.id)
    assert raw is not None
    record = await offered.world.book.get(ID)
    assert record is not None
    assert record.assessment is not None
    assert record.assessment.ranking is not None

    labelled = parse_case(json.loads(raw))
    again = rank_suspects(labelled.case, offered.world.weights)

    assert (diagnosis.named, diagnosis.evidence_digest) == (SUSPECT, record.assessment.evidence_digest)
    assert diagnosis.took_ms == 0
    assert (again.named, again.confidence) == (
        record.assessment.ranking.named,
        record.assessment.ranking.confidence,
    )
    assert labelled.truth is None


async def test_a_word_on_the_card_shows_there_and_changes_nothing_else(offered: Bot) -> None:
    before = await offered.the_last()

    ruling = await say(offered, Verdict.WAS_IT)

    assert ruling.is_accepted
    assert ("This was it: Dana",) == offered.card.said
    assert [] == offered.told(DANA)
    assert (before, []) == (await offered.the_last(), offered.runner.ran)


async def test_someone_who_may_not_approve_may_still_say_what_it_was(offered: Bot) -> None:
    assert (await say(offered, Verdict.NOT_IT, by=EVE)).is_accepted

    assert ("Not it: Dana (on call)",) == offered.card.said


@pytest.mark.parametrize(
    "changed", [{"is_bot": True}, {"is_guest": True}, {"is_deactivated": True}, {"is_external": True}]
)
async def test_only_real_members_of_the_workspace_are_heard(offered: Bot, changed: dict[str, bool]) -> None:
    offered.directory.put(EVE.model_copy(update=changed))

    ruling = await say(offered, Verdict.WAS_IT, by=EVE)

    assert (Reason.NOT_ALLOWED, 1) == (ruling.reason, len(offered.told(EVE)))
    assert ([], ()) == (await the_labels(offered), offered.card.said)


async def test_a_later_word_replaces_the_persons_earlier_one_and_both_are_kept(offered: Bot) -> None:
    await say(offered, Verdict.WAS_IT)
    await say(offered, Verdict.WAS_IT, by=OMAR)
    offered.time.advance(timedelta(seconds=5))
    await say(offered, Verdict.NOT_IT)

    assert ("This was it: Omar", "Not it: Dana") == offered.card.said
    assert 3 == len(await the_labels(offered))


async def test_the_same_press_twice_is_one_label_and_one_line(offered: Bot) -> None:
    press = a_press(offered, Verdict.WAS_IT)

    first, again = await handle_feedback(offered.world, press), await handle_feedback(offered.world, press)

    assert first == again
    assert (1, ("This was it: Dana",), []) == (
        len(await the_labels(offered)),
        offered.card.said,
        offered.told(DANA),
    )


async def test_saying_again_what_one_said_is_answered_privately(offered: Bot) -> None:
    await say(offered, Verdict.WAS_IT)

    await say(offered, Verdict.WAS_IT)

    assert ["You have said so already: deploy-checkout-42."] == offered.told(DANA)
    assert 1 == len(await the_labels(offered))


async def test_details_ask_about_the_other_suspects_and_answer_privately() -> None:
    bot = a_bot(
        changes=[
            a_change(),
            a_change(version="41", previous_version="40", finished_at=NOW - timedelta(hours=5)),
        ]
    )
    await bot.begin()
    document = await details(bot.world, ID)
    (ask,) = document.asks
    assert ("deploy-checkout-41", "C0INCIDENTS") == (ask.change, ask.channel)

    await say(bot, Verdict.WAS_IT, change=ask.change, on_card=False)

    assert ("It was checkout 41 · deploy by dana: Dana",) == bot.card.said
    assert 1 == len(bot.told(DANA))


async def test_after_the_incident_people_can_still_say_what_it_was(offered: Bot) -> None:
    offered.pager.put(a_resolved())
    await offered.hear(IncidentEventKind.RESOLVED)
    await offered.follow()

    assert (await say(offered, Verdict.WAS_IT)).is_accepted


async def test_a_rollback_of_the_suspect_that_recovered_is_a_label(offered: Bot) -> None:
    offered.signals.values = [0.3, 0.0]

    await offered.press(Action.APPROVE)

    assert ProposalState.VERIFIED is await offered.state()
    (label,) = await the_labels(offered)
    diagnosis = await the_diagnosis(offered)
    assert (label.verdict, label.source, label.change, label.diagnosis, label.by) == (
        Verdict.WAS_IT,
        LabelSource.RECOVERY,
        SUSPECT,
        diagnosis.id,
        None,
    )
    assert () == offered.card.said


async def test_a_rollback_that_did_not_help_speaks_weakly_against_the_suspect(offered: Bot) -> None:
    await offered.press(Action.APPROVE)

    assert ProposalState.PROPOSED is await offered.state(), "the undo waits on the card"
    (label,) = await the_labels(offered)
    assert (label.verdict, label.source) == (Verdict.NOT_IT, LabelSource.NO_RECOVERY)


async def test_what_came_of_it_is_labelled_once_however_often_it_is_asked(offered: Bot) -> None:
    offered.signals.values = [0.3, 0.0]
    await offered.press(Action.APPROVE)

    await label_outcome(offered.world, ID)
    await label_outcome(offered.world, ID)

    assert 1 == len(await the_labels(offered))


async def _people_roll_back_and_resolve(bot: Bot, **change: object) -> None:
    bot.time.advance(timedelta(minutes=5))
    back = a_change(version="41", previous_version="42", finished_at=bot.time.at, title="Back to 41")
    await bot.tell(back.model_copy(update={"kind": ChangeKind.ROLLBACK, "id": "rollback-1", **change}))
    bot.time.advance(timedelta(minutes=5))
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    await bot.follow()


async def test_a_rollback_by_people_and_then_a_resolve_speak_weakly_for_the_suspect(offered: Bot) -> None:
    await _people_roll_back_and_resolve(offered)

    (label,) = await the_labels(offered)
    assert (label.verdict, label.source, label.change) == (
        Verdict.WAS_IT,
        LabelSource.ROLLED_BACK,
        SUSPECT,
    )


async def test_a_deploy_of_something_else_before_the_resolve_says_nothing(offered: Bot) -> None:
    await _people_roll_back_and_resolve(offered, kind=ChangeKind.DEPLOY, version="43", title="Fix totals")

    assert [] == await the_labels(offered)


async def test_a_record_that_fails_holds_up_neither_card_nor_course() -> None:
    class Broken:
        async def record(self, *_: object) -> bool:
            raise Unavailable("the disk is full")

        def __getattr__(self, name: str) -> object:
            return getattr(bot.store.diagnoses, name)

    bot = a_bot()
    broken = with_world(bot, diagnoses=Broken())
    await broken.begin()

    assert broken.card.offer is not None
    assert "degraded record of the diagnosis" in broken.telemetry.said
