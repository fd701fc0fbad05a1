"""The postmortem draft, the hand-over note and the update: whole documents, from the record alone."""

# ruff: noqa: E501 - What is asserted whole has lines as long as they are.

import pytest

from bot.app.enclose import redacted
from bot.app.facts import Facts, gather
from bot.app.handover import handover_note, stakeholder_update, update_draft
from bot.app.markdown import escaped, markdown
from bot.app.postmortem import postmortem
from bot.domain.approval import Action
from bot.domain.document import Document, Line, Section
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentEventKind
from tests.app.world import DEPLOY_TOKEN, EVE, Bot, a_bot, a_resolved, a_service
from tests.builders import INCIDENT, an_incident


async def the_story(bot: Bot) -> Bot:
    """Play a refusal, an approval, a recovery and the end."""
    await bot.begin()
    await bot.press(Action.APPROVE, by=EVE)
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)
    await the_end(bot)
    return bot


async def the_end(bot: Bot) -> None:
    bot.pager.put(a_resolved())
    await bot.hear(IncidentEventKind.RESOLVED)
    await bot.follow()


async def the_facts(bot: Bot) -> Facts:
    record = await bot.world.book.get(IncidentId(INCIDENT))
    assert record is not None
    return await gather(bot.world, record)


async def test_a_whole_story_is_drafted_with_its_entries(bot: Bot) -> None:
    facts = await the_facts(await the_story(bot))
    digest = facts.record.assessment.evidence_digest[:8] if facts.record.assessment else ""
    last = facts.entries[-1]

    assert f"""# Postmortem draft: Error rate is 12 %

## About this draft

- Incident Q1INCIDENT0001 <https://example.pagerduty.com/incidents/Q1INCIDENT0001>
- Written at 03:00:10 UTC from the record alone; no model took part in the writing.
- “record 7” is entry 7 of the audit record, here 1 to {last.seq}; the last one's hash begins with {last.hash[:12]}.

## Impact

- “Error rate is 12 %” on checkout, opened 2026-11-22 03:00:00 UTC (PagerDuty, urgency high) (record 1)
- It lasted 10 s, until 03:00:10 UTC (record 18)
- 1 alert (PagerDuty)
- Before the first step error_ratio was 0.3 (record 9)
- How many people or requests were hurt is not on record: please add it.

## Timeline (UTC)

- 02:58:00 · Change: checkout 42 · deploy by dana (change deploy-checkout-42, told by generic)
- 03:00:00 · The incident opened (PagerDuty)
- 03:00:00 · Alert: Error rate is 12 % (PagerDuty alert AA2412433A55F)
- 03:00:05 · The incident reached Handrail (record 1)
- 03:00:05 · “Roll checkout back to 41” was proposed: playbook rollback-deploy on deploy:checkout, risk medium, to be approved by 1 person (record 2)
- 03:00:05 · U0EVE pressed “Approve” and was refused: You cannot decide this: only Dana or whoever is on call in PagerDuty (now Omar) may decide this. (record 6)
- 03:00:05 · Dana approved “Roll checkout back to 41” (named approver) (record 7)
- 03:00:05 · Step roll-back on deploy:checkout started (record 8)
- 03:00:05 · Before the first step error_ratio was 0.3 (record 9)
- 03:00:05 · Step roll-back ended as done: POST answered 200 (record 10)
- 03:00:05 · “Roll checkout back to 41” ran to its end (record 11)
- 03:00:10 · “Roll checkout back to 41” helped: error_ratio is 0, below 0.02: healthy 0 s after the last step and for 5 s since (record 12)
- 03:00:10 · What happened next speaks for it that change deploy-checkout-42 was the cause (record 13)
- 03:00:10 · The incident was resolved (record 18)

## Cause

- Probably the deploy of checkout 42, high confidence, 91 % (evidence {digest}, record 2)
- For it: changed checkout, which alerts (evidence {digest}, record 2)
- Against it: finished 2 min before the first symptom (evidence {digest}, record 2)
- Seen: The alert itself (evidence {digest}, record 2)
- Seen: error_ratio of checkout at 03:00:05 UTC: 0.3 (evidence {digest}, record 2)
- Seen: 1 change of the last 24 h looked at (evidence {digest}, record 2)
- Rules only: no model took part. (evidence {digest}, record 2)
- 03:00:10 UTC: What happened next speaks for it that change deploy-checkout-42 was the cause (record 13)

## What was tried

- 03:00:05 UTC: “Roll checkout back to 41” was proposed: playbook rollback-deploy on deploy:checkout, risk medium, to be approved by 1 person (record 2)
- 03:00:05 UTC: Step roll-back on deploy:checkout started (record 8)
- 03:00:05 UTC: Step roll-back ended as done: POST answered 200 (record 10)
- 03:00:05 UTC: “Roll checkout back to 41” ran to its end (record 11)
- 03:00:10 UTC: “Roll checkout back to 41” helped: error_ratio is 0, below 0.02: healthy 0 s after the last step and for 5 s since (record 12)

## What was refused

- 03:00:05 UTC: U0EVE pressed “Approve” and was refused: You cannot decide this: only Dana or whoever is on call in PagerDuty (now Omar) may decide this. (record 6)

## Approvals

- 03:00:05 UTC: Dana approved “Roll checkout back to 41” (named approver) (record 7)

## Proof of recovery

- 03:00:10 UTC: “Roll checkout back to 41” helped: error_ratio is 0, below 0.02: healthy 0 s after the last step and for 5 s since (record 12)

## Action items, as questions

- What would have caught checkout 42 · deploy by dana before it was live? (evidence {digest}, record 2)
- Somebody pressed who could not decide: should they be able to? (record 6)
- Which alert told first, and could it have told earlier? (PagerDuty)
""" == markdown(redacted(bot.world, postmortem(facts)))


async def test_every_line_about_what_happened_names_where_it_is_known_from(bot: Bot) -> None:
    facts = await the_facts(await the_story(bot))
    known = {entry.seq for entry in facts.entries}
    document = postmortem(facts)
    told = [line.text for section in document.sections[2:-2] for line in section.lines]

    for text in told:
        source = text.rpartition("(")[2].removesuffix(")")
        assert source.startswith(("record ", "evidence ", "PagerDuty", "change ")), text
        if source.startswith("record "):
            assert {int(seq) for seq in source.removeprefix("record ").split(", ")} <= known


async def test_an_incident_that_nobody_could_help_is_drafted_without_a_guess() -> None:
    bot = a_bot(changes=[], services={"checkout": a_service(playbooks=())})
    await bot.begin()
    await the_end(bot)
    said = markdown(postmortem(await the_facts(bot)))

    assert "- Nothing was tried." in said
    assert "- Handrail did not prove a recovery; PagerDuty tells how the incident ended." in said
    assert "- Nothing was proposed: which playbook would have helped?" in said
    assert "- No change was suspected: what was it, and which signal would have shown it?" in said


async def test_a_secret_in_an_alert_does_not_leave() -> None:
    bot = a_bot(incidents=[an_incident(title=f"login with {DEPLOY_TOKEN} fails")])
    await bot.begin()
    said = markdown(redacted(bot.world, postmortem(await the_facts(bot))))

    assert DEPLOY_TOKEN not in said
    assert "login with \\<held_secret:" in said


@pytest.mark.parametrize(
    ("outside", "written"),
    [
        ("<!channel> *now* `rm` ~x~ |", "\\<!channel\\> \\*now\\* \\`rm\\` \\~x\\~ \\|"),
        ("[a](http://evil.example) www.evil.example", "\\[a\\](http\\://evil.example) www\\.evil.example"),
        ("# not a heading", "\\# not a heading"),
        ("1. not a list", "1\\. not a list"),
        ("a_b keeps its sign, _x_ does not", "a_b keeps its sign, \\_x\\_ does not"),
        ("&lt;b&gt; \\", "\\&lt;b\\&gt; \\\\"),
        ("two\nlines \u202e here", "two lines here"),
    ],
)
def test_outside_text_is_text_in_markdown(outside: str, written: str) -> None:
    assert written == escaped(outside)


def test_a_link_is_written_only_when_it_is_a_plain_address() -> None:
    section = Section(
        heading="H", lines=(Line(text="a", url="https://x.example/1"), Line(text="b", url="javascript:x> <y"))
    )

    assert "# T\n\n## H\n\n- a <https://x.example/1>\n- b\n" == markdown(
        Document(title="T", sections=(section,))
    )


async def test_the_next_shift_is_told_what_was_tried_and_what_waits(bot: Bot) -> None:
    await bot.begin()
    await bot.press(Action.APPROVE, by=EVE)

    assert """Hand-over: Error rate is 12 %

How it stands
- Q1INCIDENT0001 on checkout, opened 03:00:00 UTC, triggered since 5 s
- On call: Omar
- Probably the deploy of checkout 42, high confidence, 91 %

What was tried
- “Roll checkout back to 41” was proposed: playbook rollback-deploy on deploy:checkout, risk medium, to be approved by 1 person (record 2)

What waits
- Somebody who approves or denies what is proposed, until 03:15:05 UTC.""" == handover_note(
        await the_facts(bot)
    ).as_text()


async def test_stakeholders_are_told_in_plain_words_and_without_names(bot: Bot) -> None:
    await bot.begin()
    waiting = update_draft(await the_facts(bot), "Say how.").as_text()
    bot.signals.values = [0.3, 0.0]
    await bot.press(Action.APPROVE)
    recovered = stakeholder_update(await the_facts(bot)).as_text()
    await the_end(bot)
    over = stakeholder_update(await the_facts(bot)).as_text()

    assert (
        """Draft of an update: checkout: being worked on

What is happening
- checkout has had a problem since 03:00 UTC.

What we know
- It was most likely caused by a recent change of ours.

What we do
- A fix is prepared and waits for approval.

Before you post it
- Add whom it hurts and how: that is not on record.
- Say how.
- It rests on the record of Q1INCIDENT0001 as of 03:00:05 UTC."""
        == waiting
    )
    assert "A fix was carried out and has helped; we keep watching." in recovered
    assert "checkout had a problem from 03:00 UTC on. It is over; it lasted 10 s." in over
    assert not any(name in text for name in ("Dana", "Omar", "Eve") for text in (waiting, recovered, over))
