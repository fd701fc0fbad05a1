"""A question in words in a card's thread: a model looks things up and is checked, or a command answers."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from adapters.llm.scripted import ScriptedRespondent
from bot.app.commands.asked import Asked, Way
from bot.app.commands.delivering import handle_command
from bot.app.responding import MOST_QUESTIONS, NOT_KNOWN, OUT_OF_SCOPE, QUESTION_ASKED, Silent, respond
from bot.app.world import QUESTIONS_AT_ONCE
from bot.domain.card import CardRef
from bot.domain.diagnosis import Claim, NoDiagnosis, Silence
from bot.domain.document import Document
from bot.domain.errors import HandrailError, Invalid, Unavailable, Unclear
from bot.domain.person import Person
from bot.domain.reply import LookUp, LookUpTool, Replied, Reply, ReplyOutcome, WordsAsked
from bot.ports import LookingUp, Respondent
from tests.app.world import CHANNEL, DANA, DEPLOY_TOKEN, EVE, Bot, FakeChat, a_bot
from tests.builders import INCIDENT, an_incident

CHANGES = LookUp(tool=LookUpTool.LIST_CHANGES, service="checkout", minutes=1440)
LINE = "deploy of checkout version 42"


def a_sentence(text: str = "Version 42 of checkout was deployed.", *, quote: str = LINE) -> Claim:
    return Claim(text=text, evidence=("E1",), quotes=(quote,))


def an_answer(*sentences: Claim, outcome: ReplyOutcome = ReplyOutcome.ANSWERED) -> Reply:
    return Reply(sentences=sentences, outcome=outcome)


@dataclass
class Asking:
    """A bot with a card and a model, and a person who asks in the card's thread."""

    bot: Bot
    card: CardRef
    keys: int = field(default=0)

    async def ask(self, text: str, *, by: Person = DANA, key: str = "", channel: str = CHANNEL) -> None:
        self.keys += 1
        asked = Asked(text, channel, by.id, key or f"key-{self.keys}", self.card.ts, Way.MENTION)
        await handle_command(self.bot.world, asked)

    @property
    def answers(self) -> list[str]:
        """What stands in the thread, as all read it."""
        return [one.document.as_text() for one in self.bot.chat.documents.values()]

    @property
    def told(self) -> list[str]:
        """What one person alone was told."""
        said = (one.said for one in self.bot.chat.told)
        return [one.as_text() for one in said if isinstance(one, Document)]

    async def noted(self) -> Sequence[Mapping[str, object]]:
        """What is on record of the questions."""
        entries = await self.bot.entries(INCIDENT)
        return [json.loads(entry.body) for entry in entries if entry.act == QUESTION_ASKED]


class Patient(ScriptedRespondent):
    """Looks things up, and answers once the thread says that *told* of them were made."""

    def __init__(self, answer: Reply, *look_ups: LookUp, told: int) -> None:
        super().__init__(answer, *look_ups)
        self._told = asyncio.Semaphore(0)
        self._awaited = told

    def watch(self, chat: FakeChat, monkeypatch: pytest.MonkeyPatch) -> None:
        grow = chat.grow

        async def watched(ref: CardRef, lines: Sequence[str]) -> None:
            await grow(ref, lines)
            for _ in lines:
                self._told.release()

        monkeypatch.setattr(chat, "grow", watched)

    async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
        said = await super().reply(asked, look_up)
        for _ in range(self._awaited):
            await self._told.acquire()
        return said


async def _refused(*_: object, **__: object) -> CardRef:
    raise Invalid("Slack refused chat.startStream (unknown_method).")


async def asking(respondent: Respondent | None, bot: Bot | None = None) -> Asking:
    made = bot or a_bot()
    made.world = replace(made.world, respondent=respondent)
    await made.begin()
    ((card, _),) = made.chat.cards.items()
    return Asking(made, card)


async def test_the_answer_stands_in_the_thread_with_what_each_sentence_rests_on() -> None:
    model = ScriptedRespondent(an_answer(a_sentence()), CHANGES)
    at = await asking(model)
    await at.ask("did checkout change today?")

    (text,) = at.answers
    assert text.split("\n")[0] == "You asked: did checkout change today?"
    assert "- Version 42 of checkout was deployed. [E1]" in text
    assert f"- E1, list changes (system): “{LINE}”" in text
    assert "- Written by the model scripted from 1 look-up. It decides nothing." in text
    assert [] == at.told
    ((ref, posted),) = at.bot.chat.documents.items()
    assert (at.card.ts, CHANNEL, [ref]) == (posted.thread_ts, ref.channel, at.bot.chat.document_edits)


async def test_a_sentence_that_rests_on_nothing_is_left_out_and_counted() -> None:
    sentences = (a_sentence(), a_sentence("It was 43."), a_sentence(quote="never written down"))
    at = await asking(ScriptedRespondent(an_answer(*sentences), CHANGES))
    await at.ask("did checkout change today?")

    (text,) = at.answers
    assert "43" not in text
    assert "- 2 sentences were left out: not backed by what was looked up, or telling what to do." in text
    (entry,) = await at.noted()
    assert (1, 2, "quote_not_found, token_not_found") == (
        entry["sentences"],
        entry["dropped"],
        entry["faults"],
    )


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (an_answer(a_sentence(quote="never written down")), NOT_KNOWN),
        (an_answer(outcome=ReplyOutcome.UNKNOWN), NOT_KNOWN),
        (an_answer(a_sentence(), outcome=ReplyOutcome.OUT_OF_SCOPE), OUT_OF_SCOPE),
    ],
)
async def test_what_is_not_known_or_out_of_scope_is_said_in_our_words(reply: Reply, said: str) -> None:
    at = await asking(ScriptedRespondent(reply, CHANGES))
    await at.ask("did checkout change today?")

    (text,) = at.answers
    assert f"- {said}" in text
    assert "- /incident changes checkout 24h" in text
    assert "Version 42 of checkout was deployed." not in text


@pytest.mark.parametrize("silence", list(Silence))
async def test_without_the_model_the_nearest_command_answers_and_says_so(silence: Silence) -> None:
    at = await asking(ScriptedRespondent(silence))
    await at.ask("did checkout change today?")

    (text,) = at.answers
    assert "checkout 42" in text
    assert "- I took this as: /incident changes checkout 24h." in text
    assert "- No model answered (as scripted), so the nearest command answers." in text


async def test_without_a_model_at_all_the_command_answers_the_person_alone() -> None:
    at = await asking(None)
    await at.ask("did checkout change today?")

    assert [] == at.answers
    (text,) = at.told
    assert "I took this as: /incident changes checkout 24h." in text


async def test_what_is_near_no_command_says_so_when_the_model_is_silent() -> None:
    at = await asking(ScriptedRespondent(Silence.OVERLOADED))
    await at.ask("xyzzy plugh")

    (text,) = at.answers
    assert "- No model answered (as scripted), so no command is near." in text


@pytest.mark.parametrize("text", ["status", "changes checkout 2h", "resolve this please", "ack", "help"])
async def test_a_command_is_a_command_and_no_model_sees_it(text: str) -> None:
    model = ScriptedRespondent(an_answer(a_sentence()), CHANGES)
    at = await asking(model)
    await at.ask(text)

    assert ([], [], 1) == (model.asked, at.answers, len(at.told))


async def test_a_guest_and_a_question_outside_a_cards_thread_reach_no_model() -> None:
    model = ScriptedRespondent(an_answer(a_sentence()), CHANGES)
    at = await asking(model)
    guest = EVE.model_copy(update={"is_guest": True})
    at.bot.directory.put(guest)
    await at.ask("did checkout change today?", by=guest)
    await at.bot.ask("did checkout change today?", way=Way.MENTION)
    await at.bot.ask("did checkout change today?", way=Way.MENTION, thread_ts="1.000001")

    assert ([], []) == (model.asked, at.answers)


async def test_secrets_leave_neither_to_the_model_nor_to_slack() -> None:
    said = a_sentence(f"The token is {DEPLOY_TOKEN} of checkout, see https://evil.example/x.")
    model = ScriptedRespondent(an_answer(said), CHANGES)
    at = await asking(model)
    await at.ask(f"did checkout change with {DEPLOY_TOKEN} today?")

    (asked,) = model.asked
    assert DEPLOY_TOKEN not in asked.question
    (text,) = at.answers
    assert DEPLOY_TOKEN not in text
    assert "evil.example" not in text


async def test_asked_again_after_a_crash_the_same_message_is_edited() -> None:
    at = await asking(ScriptedRespondent(an_answer(a_sentence()), CHANGES))
    for _ in range(2):
        await at.ask("did checkout change today?", key="the same")

    assert 1 == len(at.answers)


async def test_a_lost_answer_to_the_first_post_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    at = await asking(ScriptedRespondent(an_answer(a_sentence()), CHANGES))
    post = at.bot.chat.post_document

    async def loses(*args: object, **kwargs: object) -> CardRef:
        await post(*args, **kwargs)  # type: ignore[arg-type]
        raise Unclear("the answer was lost")

    monkeypatch.setattr(at.bot.chat, "begin_stream", _refused)
    monkeypatch.setattr(at.bot.chat, "post_document", loses)
    await at.ask("did checkout change today?")

    (text,) = at.answers
    assert "Version 42 of checkout was deployed. [E1]" in text


async def test_the_message_grows_by_each_look_up_and_by_checked_sentences_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_call = LookUp(tool=LookUpTool.WHO_IS_ON_CALL)
    unchecked = a_sentence(quote="never written down")
    model = Patient(an_answer(a_sentence(), unchecked), CHANGES, on_call, told=2)
    at = await asking(model)
    model.watch(at.bot.chat, monkeypatch)
    await at.ask("did checkout change today?")

    ((ref, grown),) = at.bot.chat.streams.items()
    assert [
        "You asked: did checkout change today?",
        "Looking…",
        "Looking at the changes of checkout…",
        "Looking at who is on call…",
        "Version 42 of checkout was deployed. [E1]",
    ] == grown
    assert [ref] == at.bot.chat.document_edits
    (text,) = at.answers
    assert "- Version 42 of checkout was deployed. [E1]" in text


async def test_what_was_not_offered_is_not_told_as_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    billing = LookUp(tool=LookUpTool.LIST_CHANGES, service="<!channel> billing")
    model = Patient(an_answer(), billing, CHANGES, told=1)
    at = await asking(model)
    model.watch(at.bot.chat, monkeypatch)
    await at.ask("did billing change today?")

    (grown,) = at.bot.chat.streams.values()
    assert ["Looking at the changes of checkout…"] == grown[2:3]


async def test_where_slack_refuses_that_a_message_grows_one_is_edited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = await asking(ScriptedRespondent(an_answer(a_sentence()), CHANGES))
    monkeypatch.setattr(at.bot.chat, "begin_stream", _refused)
    await at.ask("did checkout change today?")

    (text,) = at.answers
    assert "- Version 42 of checkout was deployed. [E1]" in text
    assert {} == at.bot.chat.streams


async def test_when_slack_takes_no_growth_the_answer_comes_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = await asking(ScriptedRespondent(an_answer(a_sentence()), CHANGES))
    monkeypatch.setattr(at.bot.chat, "grow", _refused)
    await at.ask("did checkout change today?")

    (text,) = at.answers
    assert "- Version 42 of checkout was deployed. [E1]" in text


async def test_a_fault_in_telling_look_ups_is_logged_and_the_answer_comes_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached = asyncio.Event()

    async def broken(*_: object) -> None:
        reached.set()
        raise KeyError("ts")

    class Waiting(ScriptedRespondent):
        async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
            said = await super().reply(asked, look_up)
            await reached.wait()
            return said

    at = await asking(Waiting(an_answer(a_sentence()), CHANGES))
    monkeypatch.setattr(at.bot.chat, "grow", broken)
    with capture_logs() as lines:
        await at.ask("did checkout change today?")

    assert ["look_ups_not_told"] == [line["event"] for line in lines if line["log_level"] == "error"]
    (text,) = at.answers
    assert "- Version 42 of checkout was deployed. [E1]" in text


@pytest.mark.parametrize("error", [Unavailable("Slack did not answer"), Invalid("message_not_in_streaming")])
async def test_when_the_message_that_grew_cannot_be_ended_the_answer_gets_one_of_its_own(
    error: HandrailError, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise error

    at = await asking(ScriptedRespondent(an_answer(a_sentence()), CHANGES))
    monkeypatch.setattr(at.bot.chat, "end_stream", fails)
    for _ in range(2):
        await at.ask("did checkout change today?", key="the same")

    grown, text = at.answers
    assert ("You asked: did checkout change today?", []) == (grown, at.told)
    assert "- Version 42 of checkout was deployed. [E1]" in text


async def test_a_silent_model_ends_the_message_that_grew() -> None:
    at = await asking(ScriptedRespondent(Silence.OVERLOADED))
    await at.ask("did checkout change today?")

    assert (1, set()) == (len(at.bot.chat.streams), at.bot.chat.growing)
    (text,) = at.answers
    assert "No model answered" in text


async def test_after_a_crash_in_the_middle_the_message_that_grew_is_taken_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Crash(Exception):
        """The process ends."""

    async def crashes(*_: object, **__: object) -> None:
        raise Crash

    at = await asking(ScriptedRespondent(an_answer(a_sentence()), CHANGES))
    with monkeypatch.context() as patched:
        patched.setattr(at.bot.chat, "end_stream", crashes)
        with pytest.raises(Crash):
            await at.ask("did checkout change today?", key="the same")
    await at.ask("did checkout change today?", key="the same")

    (text,) = at.answers
    assert "- Version 42 of checkout was deployed. [E1]" in text
    assert set() == at.bot.chat.growing


async def test_an_incident_has_only_so_many_questions() -> None:
    model = ScriptedRespondent(an_answer(a_sentence()), CHANGES)
    at = await asking(model)
    for _ in range(MOST_QUESTIONS + 1):
        await at.ask("did checkout change today?")

    assert MOST_QUESTIONS == len(model.asked)
    assert "- No model answered (20 questions were asked about this incident already)" in at.answers[-1]


async def test_a_model_that_never_ends_is_left_at_the_deadline() -> None:
    class Endless:
        async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
            while True:
                await look_up(CHANGES)
                await asyncio.sleep(0)

    at = await asking(Endless())
    assert at.bot.world.respondent is not None
    record = await at.bot.world.book.get(an_incident().id)
    assert record is not None
    said = await respond(at.bot.world, at.bot.world.respondent, record, "why?", deadline_s=0.05)

    assert Silent("no answer within 0.05 s") == said


async def test_look_ups_are_bounded_and_only_what_is_offered_is_looked_up() -> None:
    seen: list[list[tuple[str, str]]] = []

    class Curious:
        async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
            wanted = [
                LookUp(tool=LookUpTool.LIST_CHANGES, service="billing"),
                LookUp(tool=LookUpTool.GET_CHANGE_DIFF, candidate_id="C9"),
                *[LookUp(tool=tool) for tool in LookUpTool if tool is not LookUpTool.GET_CHANGE_DIFF],
            ]
            for one in wanted:
                seen.append([(result.result_id, result.text[:40]) for result in await look_up(one)])
            return NoDiagnosis(reason=Silence.REFUSED, words="no")

    at = await asking(Curious())
    await at.ask("did checkout change today?")

    assert [("E1", "The services are: checkout.")] == seen[0]
    assert [("E2", "The candidates are: C1.")] == seen[1]
    assert seen[2][0][1].startswith("C1 deploy of checkout version 42")
    assert "No more look-ups: answer from what was f" == seen[-1][0][1]
    numbers = [number for results in seen for number, _ in results]
    assert numbers == [f"E{number}" for number in range(1, len(numbers) + 1)]


async def test_other_incidents_are_looked_up_only_in_the_same_channel() -> None:
    """The answer stands in the thread, for all who are in the channel."""
    found: list[str] = []

    class Similar:
        async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
            for tool in (LookUpTool.FIND_SIMILAR_INCIDENTS, LookUpTool.GET_ALERT_TIMELINE):
                results = await look_up(LookUp(tool=tool, service="checkout"))
                found.extend(line for result in results for line in result.items)
            return NoDiagnosis(reason=Silence.REFUSED, words="no")

    at = await asking(Similar(), a_bot(incidents=[an_incident(), an_incident("QEARLIER")]))
    await at.bot.hear(incident="QEARLIER")
    await at.bot.course("QEARLIER")
    await at.ask("was it like this before?")
    assert any("QEARLIER" in line for line in found)

    found.clear()
    earlier = await at.bot.world.book.get(an_incident("QEARLIER").id)
    assert earlier is not None
    await at.bot.world.book.set_card(earlier.id, CardRef(channel="C0SECRET", ts="1.000001"))
    await at.ask("was it like this before?")
    assert not any("QEARLIER" in line for line in found)


async def test_more_questions_at_once_than_places_are_answered_by_commands() -> None:
    model = ScriptedRespondent(an_answer(a_sentence()), CHANGES)
    at = await asking(model)
    with ExitStack() as stack:
        for _ in range(QUESTIONS_AT_ONCE):
            stack.enter_context(at.bot.world.questions.one())
        await at.ask("did checkout change today?")

    assert ([], 1) == (model.asked, len(at.told))


async def test_when_the_record_fails_the_message_does_not_look_for_ever() -> None:
    class Failing:
        async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
            raise Unavailable("the store is away")

    at = await asking(Failing())
    await at.ask("did checkout change today?")

    (text,) = at.answers
    assert "No model answered (the store is away), so the nearest command answers." in text


async def test_it_changes_nothing_but_leaves_a_note_on_record_without_a_word_of_it() -> None:
    at = await asking(ScriptedRespondent(an_answer(a_sentence()), CHANGES))
    before = await at.bot.the_last()
    await at.ask("did checkout change today?")

    (entry,) = await at.noted()
    assert before == await at.bot.the_last()
    assert (1, 1, None, "answered") == (
        entry["calls"],
        entry["look_ups"],
        entry["failure"],
        entry["outcome"],
    )
    assert "change today" not in str(entry)
