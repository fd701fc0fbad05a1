"""The card and the documents as Slack shows them."""

import json

import pytest

from adapters.slack.views.card import card_blocks, card_text, shows_whole
from adapters.slack.views.document import document_blocks, document_modal
from adapters.slack.views.home import home_view
from adapters.slack.views.limits import lint, lint_view
from adapters.slack.views.text import address, code, escape, link, literal, mention, shorten, visible
from bot.domain.card import CardRef, Progress, ProgressKind
from bot.domain.catalogue import Approvers
from bot.domain.document import Document, Line, Section, lines
from bot.domain.home import Home
from bot.domain.ids import SlackUserId
from bot.domain.incident import IncidentStatus
from bot.domain.proposal import ProposalState
from tests.slack_builders import (
    NOW,
    ONCALL,
    OTHER,
    a_card,
    a_cause,
    a_command,
    a_document,
    a_home,
    a_plan,
    a_request,
    an_approval,
    an_incident,
    an_offer,
    buttons,
    code_lines,
    labels,
    texts,
)


def test_the_state_stands_first() -> None:
    first = card_blocks(a_card())[0]

    assert {
        "type": "header",
        "text": {"type": "plain_text", "text": "Firing: checkout in production", "emoji": False},
    } == first


def test_the_first_line_names_the_service_once() -> None:
    incident = an_incident(service="checkout")

    assert "Open · checkout" == texts(card_blocks(a_card(incident=incident, status_line="Open")))[0]
    assert "Open: checkout" == texts(card_blocks(a_card(incident=incident, status_line="Open: checkout")))[0]


def test_other_incidents_that_it_shows_stand_under_what_happened_and_the_rest_is_counted() -> None:
    also = lines(f"also: payments P{number}, joined because 1 hop from checkout" for number in range(9))

    shown = "\n".join(texts(card_blocks(a_card(also=also))))

    assert "• also: payments P0, joined because 1 hop from checkout\n• also: payments P1" in shown
    assert "• … (4 more; /incident muted lists them)" in shown
    assert shown.index("payments P0") < shown.index(a_cause().headline)


def test_an_acknowledged_incident_says_that_somebody_is_on_it() -> None:
    taken = an_incident(status=IncidentStatus.ACKNOWLEDGED)

    said = texts(card_blocks(a_card(incident=taken)))[1].split("\n")[1]
    assert said.endswith(" · acknowledged")
    assert "acknowledged" not in "\n".join(texts(card_blocks(a_card())))


def test_named_approvers_have_names_where_a_mention_would_notify_them() -> None:
    approvers = Approvers(users=(ONCALL, OTHER), on_call=True)
    offer = an_offer(a_plan(approvers=approvers, narrowed_to=Approvers(users=(OTHER,))))

    first = a_card(offer, mentions=(ONCALL,), approvers=((ONCALL, "Alice *the first*"),))
    shown = "\n".join(texts(card_blocks(first)))
    assert "*May approve* (one person): Alice ∗the first∗ (`U0ALICE`), `U0BOB`, whoever is on call" in shown
    assert "*The policy asks besides for* `U0BOB`" in shown

    later = "\n".join(texts(card_blocks(a_card(offer, mentions=()))))
    assert "*May approve* (one person): <@U0ALICE>, <@U0BOB>, whoever is on call" in later
    assert "*The policy asks besides for* <@U0BOB>" in later


@pytest.mark.parametrize(
    ("state", "reason", "outcome", "label", "said"),
    [
        ("cancelled", "stopped by Dana", "Withdrawn at 03:00:05 UTC: stopped by Dana.", "Proposed", ""),
        ("superseded", "43 came", "Out of date since 03:00:05 UTC: 43 came.", "Proposed", ""),
        ("denied", "denied by Dana", "Denied by Dana at 03:00:05 UTC.", "Proposed", ""),
        ("failed", "POST answered 500", "POST answered 500", "Tried", "*Failed* — "),
    ],
)
def test_what_came_of_a_plan_is_said_once(
    state: str, reason: str, outcome: str, label: str, said: str
) -> None:
    offer = an_offer(state=ProposalState(state), reason=reason, outcome=outcome, denied_by=None)

    shown = "\n".join(texts(card_blocks(a_card(offer))))
    assert f"*{label}:* Roll checkout back to 41\n{said}*{outcome}*" in shown
    assert ".." not in card_text(a_card(offer))


def test_a_reason_that_the_outcome_tells_stands_there_only() -> None:
    offer = an_offer(state=ProposalState.FAILED, reason="HTTP 500", outcome="roll-back failed: HTTP 500")

    assert 1 == "\n".join(texts(card_blocks(a_card(offer)))).count("HTTP 500")


def test_the_card_says_what_and_since_when_in_the_readers_own_zone() -> None:
    shown = "\n".join(texts(card_blocks(a_card())))

    assert "*checkout: error rate above 5 %*" in shown
    assert "since <!date^1795316400^{date_short_pretty} {time}|2026-11-22 03:00 UTC>" in shown
    assert "<https://example.pagerduty.com/incidents/Q1INCIDENT0001|#7>" in shown


def test_the_cause_is_shown_with_its_confidence_in_words_and_number() -> None:
    shown = "\n".join(texts(card_blocks(a_card())))

    assert "*Probably the deploy of checkout 42* — confidence high, 83 %" in shown
    assert (
        "1. *checkout 42 · deploy by dana* — 83 % · <https://ci.example.com/builds/42|ci.example.com>\n"
        "    ◦ It finished 2 minutes before the first error" in shown
    )
    assert "• Nothing changed: 9 % — No host is in trouble" in shown
    assert "rules only · metrics unreachable: confidence capped at medium" in shown


def test_a_request_is_shown_as_it_goes_over_the_wire() -> None:
    lines_shown = code_lines(card_blocks(a_card(an_offer())))

    assert [
        "POST http://127.0.0.1:9000/deploys?dry=0&why=incident",
        "Content-Type: application/json",
        "Authorization: secret:DEPLOY_TOKEN",
        "",
        '{"version":"41"}',
    ] == lines_shown[:5]


def test_arguments_of_a_command_cannot_be_mistaken_for_several() -> None:
    plan = a_plan(a_command(argv=("rm", "-rf", "a b", 'say "hi"', "", "x`y", "a\u202eb")))

    shown = code_lines(card_blocks(a_card(an_offer(plan))))

    assert r'rm -rf "a b" "say \"hi\"" "" "x\u0060y" "a\u202eb"' == shown[0]


def test_the_plan_names_proof_undo_approvers_and_expiry() -> None:
    shown = "\n".join(texts(card_blocks(a_card(an_offer()))))

    assert "`health` above 0.99 within 120 s, and for 30 s after" in shown
    assert "*Undo:* Deploy 42 again" in shown
    assert "*Cannot be undone:* Orders placed in between keep their prices" in shown
    assert "*May approve* (one person): <@U0ALICE>, whoever is on call in PagerDuty" in shown
    assert "*Until* <!date^1795317300^{time}|03:15 UTC>" in shown
    assert f"Idempotency key `{a_plan().idempotency_key(a_plan().steps[0])}`" in shown


def test_what_a_person_weighs_stands_before_the_buttons_and_the_rest_of_the_plan_after_them() -> None:
    blocks = card_blocks(a_card(an_offer(), on_call=("Alice Novak", "Omar Haddad")))
    at = next(index for index, block in enumerate(blocks) if block["type"] == "actions")
    before, after = "\n".join(texts(blocks[:at])), "\n".join(texts(blocks[at + 1 :]))

    for said in (
        '{"version":"41"}',
        "*Proof:* `health` above 0.99",
        "*Undo:* Deploy 42 again",
        "*Cannot be undone:* Orders placed",
        "whoever is on call in PagerDuty (now Alice Novak, Omar Haddad)",
    ):
        assert said in before
    assert after.startswith("The rest of the plan, word for word:")
    for said in ("Idempotency key", "`to_version` = `41`", "GET http://127.0.0.1:9000/health"):
        assert said in after


def test_no_part_of_a_plan_is_folded_behind_see_more() -> None:
    plan = a_plan(a_request(body="x" * 5_000))
    shown = [block for block in card_blocks(a_card(an_offer(plan))) if "```" in "".join(texts([block]))]

    assert len(shown) > 2
    assert {True} == {block.get("expand") for block in shown}


def test_a_proposal_waits_with_approve_deny_and_details() -> None:
    offer = an_offer()

    found = buttons(card_blocks(a_card(offer)))

    assert [
        ("handrail.approve", "primary"),
        ("handrail.deny", "danger"),
        ("handrail.details", None),
    ] == [(b["action_id"], b.get("style")) for b in found]
    assert found[0]["value"] == json.dumps({"p": offer.id, "d": offer.digest}, separators=(",", ":"))
    assert ["Approve rollback to 41", "Deny", "Details"] == labels(card_blocks(a_card(offer)))


@pytest.mark.parametrize("state", ["expired", "denied", "cancelled", "superseded", "failed", "not_recovered"])
def test_an_ended_proposal_may_be_asked_for_again(state: str) -> None:
    offer = an_offer(state=ProposalState(state), may_propose_again=True)

    assert ["Propose again", "Details"] == labels(card_blocks(a_card(offer)))


@pytest.mark.parametrize("state", ["pending", "approved", "started", "done", "verified"])
def test_nothing_else_has_a_button_but_details(state: str) -> None:
    offer = an_offer(state=ProposalState(state), may_propose_again=True)

    assert ["Details"] == labels(card_blocks(a_card(offer)))


def test_an_unknown_end_asks_whether_it_ran() -> None:
    offer = an_offer(state=ProposalState.UNKNOWN)

    assert ["It ran", "It did not", "Check again", "Details"] == labels(card_blocks(a_card(offer)))


def test_an_approval_that_was_followed_by_a_denial_was_taken_back() -> None:
    told = "Denied by Bob. Nothing ran."
    offer = an_offer(approvals=(an_approval(),), state=ProposalState.DENIED, denied_by="Bob", outcome=told)

    shown = "\n".join(texts(card_blocks(a_card(offer))))

    assert 1 == shown.count("Denied by Bob")
    assert "The approval by Alice at " in shown
    assert "was taken back" in shown
    assert "Approved by" not in shown


def test_the_outcome_replaces_the_buttons() -> None:
    offer = an_offer(
        state=ProposalState.VERIFIED,
        approvals=(an_approval(),),
        progress=(Progress(kind=ProgressKind.DONE, name="roll-back", detail="HTTP 200", at=NOW),),
        outcome="Recovered: health is 1 for 30 s",
    )

    shown = "\n".join(texts(card_blocks(a_card(offer))))

    assert "Approved by Alice at <!date^1795316400^{time}|03:00 UTC> (on call)" in shown
    assert "✓ <!date^1795316400^{time}|03:00 UTC> roll-back — HTTP 200" in shown
    assert "*Recovered: health is 1 for 30 s*" in shown


def test_on_call_people_are_mentioned_only_where_the_card_says_so() -> None:
    first = a_card(an_offer(), mentions=(SlackUserId("U0ALICE"),))

    assert "On call: <@U0ALICE>" in "\n".join(texts(card_blocks(first)))
    assert 1 == "\n".join(texts(card_blocks(first))).count("<@")
    assert "On call: Alice" in "\n".join(texts(card_blocks(a_card())))


def test_data_makes_no_mention_link_style_emoji_or_code() -> None:
    assert "&lt;!channel&gt; &lt;@U1&gt; &lt;https://evil|grafana&gt;" == escape(
        "<!channel> <@U1> <https://evil|grafana>"
    )
    assert "∗b∗ ˍiˍ ∼s∼ ˋcˋ ˋˋˋxˋˋˋ ꞉tada: a_b 12:30:45" == escape(
        "*b* _i_ ~s~ `c` ```x``` :tada: a_b 12:30:45"
    )
    assert "› not a quotation" == escape("> not a quotation")


def test_sl_bidi_invisible_and_turning_characters_are_named() -> None:
    assert "aU+202EbU+200Bc U+2066d" == visible("a\u202eb\u200bc\n\x07\u2066d").replace("  ", " ")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://evil|x",
        "https://a b",
        "https://user@evil.example",
        "//x",
        "https://é.example",
        "http://[::1",
        None,
    ],
)
def test_sl_link_spoof_only_plain_http_addresses_are_linked(url: str | None) -> None:
    assert (None, "name") == (address(url), link(url, escape("name")))


def test_a_mention_is_made_only_of_a_user_id() -> None:
    assert ("<@U0ALICE>", "!channel") == (mention("U0ALICE"), mention("!channel"))


def test_long_free_text_says_how_much_is_left_out() -> None:
    assert "aaaaa… (15 more characters in Details)" == shorten("a" * 20, 5)
    assert "&amp;… (2 more characters in Details)" == shorten("&&&", 9)


def test_a_card_of_long_texts_stays_within_the_limits_and_offers_the_plan() -> None:
    long = "<&>" * 1_000
    cause = a_cause(
        headline=long,
        prose=long,
        evidence=tuple(lines([long] * 30)),
        nothing_reasons=(long,) * 9,
        limits=(long,),
    )
    card = a_card(
        an_offer(), incident=an_incident(title=long), status_line=long, cause=cause, notes=lines([long] * 20)
    )

    assert () == lint(card_blocks(card))
    assert shows_whole(card)
    assert ["Approve rollback to 41", "Deny", "Details"] == labels(card_blocks(card))


def test_sl_long_a_plan_that_does_not_fit_is_not_offered() -> None:
    card = a_card(an_offer(a_plan(*[a_request(body="x" * 500)] * 60)))

    assert not shows_whole(card)
    assert ["Deny", "Details"] == labels(card_blocks(card))
    assert () == lint(card_blocks(card))


def test_a_long_body_goes_on_in_the_next_block_without_loss() -> None:
    body = "<a &b>" * 500
    card = a_card(an_offer(a_plan(a_request(body=body))))

    assert body == code_lines(card_blocks(card))[4]
    assert () == lint(card_blocks(card))


def test_the_fallback_text_is_one_escaped_line() -> None:
    card = a_card(an_offer(), status_line="Firing <!here>")

    assert card_text(card) == (
        "Firing &lt;!here&gt;: checkout: error rate above 5 %. Probably the deploy of checkout 42."
        " Proposed: Roll checkout back to 41."
    )


def test_a_document_is_a_heading_and_a_list() -> None:
    document = Document(
        title="Changes",
        sections=(
            Section(
                heading="checkout",
                lines=(
                    Line(text="42 by dana", url="https://ci.example.com/42"),
                    Line(text="GET /`x`", is_literal=True),
                ),
            ),
        ),
    )

    assert texts(document_blocks(document)) == [
        "Changes",
        '*checkout*\n• <https://ci.example.com/42|42 by dana>\n```\n"GET /\\u0060x\\u0060"\n```',
    ]


def test_a_document_that_does_not_fit_counts_what_is_left_out() -> None:
    document = a_document(sections=(Section(heading="All", lines=lines(["x" * 1_000] * 100)),))

    blocks = document_blocks(document)

    assert () == lint(blocks)
    assert texts(blocks)[-1].endswith("more paragraphs do not fit here)")


def test_a_modal_shows_the_whole_title_inside() -> None:
    view = document_modal(a_document(title="A title that is longer than a bar"))

    assert {"type": "plain_text", "text": "A title that is longer …", "emoji": False} == view["title"]
    assert "A title that is longer than a bar" in texts(view["blocks"])


def test_code_and_literals_are_quoted_when_a_byte_would_not_be_seen() -> None:
    assert ["`a b`", '`"a\\u0060"`'] == [code("a b"), code("a`")]
    assert ['""', '" a"', '"\\u007f"', "a  b"] == [
        literal(""),
        literal(" a"),
        literal("\x7f"),
        literal("a  b"),
    ]


def test_the_home_tab_puts_what_waits_first_and_says_what_it_leads_to() -> None:
    view = home_view(
        a_home(card=CardRef(channel="C0X", ts="17.000001")), workspace_url="https://x.slack.com/"
    )
    card = "<https://x.slack.com/archives/C0X/p17000001|Card>"

    assert () == lint_view(view)
    assert texts(view["blocks"])[:6] == [
        "Waiting for you",
        f"*Roll checkout back to 41 · 12 % errors*\n{card} · expires <!date^1795316400^{{ago}}|at 03:00 UTC>",
        "Open incidents (1)",
        f"*12 % errors (#7)*\nWaiting for approval · checkout · triggered for 5 s\n{card} · <https://pagerduty.example.com/Q1|PagerDuty>",
        "You on call",
        "• Shop, level 1, until <!date^1795316400^{date_short_pretty} {time}|2026-11-22 03:00 UTC>",
    ]


def test_a_home_without_anything_says_so() -> None:
    said = texts(home_view(Home(made_at=NOW), workspace_url="")["blocks"])

    assert [
        "No approval waits for you.",
        "Nothing is open that you may know of.",
        "PagerDuty names you nowhere as on call now.",
        "From the next opening on, this tells what changed since you last looked.",
    ] == [line for line in said if line.endswith(".")][:4]


def test_the_table_knows_what_a_home_may_not_have() -> None:
    view = {"type": "home", "title": "x", "blocks": [], "private_metadata": "x" * 3_001}

    assert (
        "a home tab has no title",
        "private_metadata: at most 3000 characters allowed",
        "a view without blocks",
    ) == lint_view(view)
    too_many = {"type": "home", "blocks": [{"type": "divider"}] * 101}
    assert ("101 blocks, 100 allowed",) == lint_view(too_many)
    assert lint_view({"type": "home", "blocks": [{"type": "divider", "x": "x" * 250_000}]})
    assert ("unknown view 'sheet'",) == lint_view({"type": "sheet", "blocks": [{"type": "divider"}]})


def test_a_modal_is_within_the_limits_of_a_view() -> None:
    assert () == lint_view(document_modal(a_document(title="A title that is longer than a bar")))
