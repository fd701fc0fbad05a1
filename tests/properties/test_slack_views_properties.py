"""What must hold for every card and document, whatever stands in them."""

import json
import re
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from adapters.sandbox.slack.blocks import problems_of_blocks
from adapters.sandbox.slack.methods.views import problems_of_view
from adapters.slack.views.blocks import Block
from adapters.slack.views.card import card_blocks, card_text, shows_whole
from adapters.slack.views.confirming import confirm_modal
from adapters.slack.views.document import document_blocks, document_modal, document_text
from adapters.slack.views.home import home_view
from adapters.slack.views.limits import FALLBACK_TEXT, lint, lint_view
from adapters.slack.views.text import address, escape, literal, pieces, shorten, visible, word
from bot.domain.approval import Action, Question
from bot.domain.card import Card, CardRef, Progress, ProgressKind, SuspectLine
from bot.domain.document import Document, Line, Section
from bot.domain.home import Home, HomeLine, HomeLink
from bot.domain.ids import Digest, ProposalId, SlackUserId
from bot.domain.person import Duty
from bot.domain.plan import CommandRun, HttpRequest, PlannedAction
from bot.domain.proposal import ProposalState
from tests.conftest import examples
from tests.slack_builders import (
    NOW,
    a_card,
    a_cause,
    a_command,
    a_plan,
    a_request,
    an_incident,
    an_offer,
    buttons,
    code_lines,
    labels,
    texts,
)

FEW = examples(20, 100)

NASTY = st.sampled_from(
    [
        "<!channel>",
        "<!here|x>",
        "<@U0ALICE>",
        "<!subteam^S1>",
        "<https://evil.example|https://grafana.corp>",
        "```",
        "*b* _i_ ~s~ `c`",
        "\u202egnp.exe",
        "\u2066\u200b\u200d",
        "שלום עולם",
        "👩‍👩‍👧 🇩🇪 :tada:",
        "&lt;!channel&gt;",
        "> quote",
        "\x00\x07\x7f\n\r\t",
        "x" * 3_000,
        "<&>" * 1_000,
        "а" * 200,
        "",
    ]
)
TEXT = NASTY | st.text(max_size=80) | st.tuples(NASTY, st.text(max_size=20), NASTY).map("".join)
ASCII = st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=60)
LINES = st.lists(
    st.builds(
        Line,
        text=TEXT,
        url=st.sampled_from([None, "https://ok.example/a?b=1&c=2", "javascript:alert(1)", "https://x|y"]),
        is_literal=st.booleans(),
    ),
    max_size=30,
).map(tuple)
REQUESTS = st.builds(
    a_request,
    method=st.sampled_from(["POST", "DELETE", "odd method"]),
    url=ASCII | TEXT,
    headers=st.lists(st.tuples(ASCII | TEXT, ASCII | TEXT), max_size=3).map(tuple),
    body=st.none() | ASCII | TEXT,
)
COMMANDS = st.builds(a_command, argv=st.lists(ASCII | TEXT, min_size=1, max_size=6).map(tuple))
ACTIONS: st.SearchStrategy[PlannedAction] = REQUESTS | COMMANDS


@st.composite
def cards(draw: st.DrawFn) -> Card:
    """A card with anything in its texts, in any state."""
    cause = a_cause(
        headline=draw(TEXT),
        prose=draw(TEXT),
        suspects=tuple(
            SuspectLine(title=draw(TEXT), probability_percent=9, reasons=(draw(TEXT),) * 6, url=draw(TEXT))
            for _ in range(draw(st.integers(0, 3)))
        ),
        evidence=draw(LINES),
        nothing_reasons=(draw(TEXT),) * draw(st.integers(0, 6)),
        speaker=draw(TEXT),
        limits=(draw(TEXT),) * draw(st.integers(0, 12)),
    )
    steps = draw(st.lists(ACTIONS, min_size=1, max_size=4))
    plan = a_plan(
        *(steps * draw(st.sampled_from([1, 1, 1, 15]))),
        title=draw(TEXT),
        button=draw(TEXT),
        expects=draw(TEXT),
    )
    progress = Progress(
        kind=ProgressKind.DONE, name=draw(TEXT), detail=draw(TEXT), at=NOW + timedelta(seconds=1)
    )
    offer = an_offer(
        plan,
        state=draw(st.sampled_from(ProposalState)),
        reason=draw(TEXT),
        outcome=draw(TEXT),
        denied_by=draw(st.none() | TEXT),
        progress=(progress,) * draw(st.integers(0, 30)),
        may_propose_again=draw(st.booleans()),
    )
    return a_card(
        draw(st.sampled_from([None, offer, offer])),
        incident=an_incident(
            title=draw(TEXT), priority=draw(TEXT), urgency=draw(TEXT), url=draw(st.none() | TEXT)
        ),
        status_line=draw(TEXT),
        mentions=draw(st.sampled_from([(), (SlackUserId("U0ALICE"),), (SlackUserId("<!here>"),)])),
        on_call=(draw(TEXT),),
        cause=draw(st.sampled_from([None, cause, cause])),
        notes=draw(LINES),
        also=draw(LINES),
    )


DOCUMENTS = st.builds(
    Document,
    title=TEXT,
    sections=st.lists(st.builds(Section, heading=TEXT, lines=LINES), max_size=5).map(tuple),
)

HOME_LINES = st.lists(
    st.builds(
        HomeLine,
        text=TEXT,
        card=st.sampled_from([None, CardRef(channel="C0X", ts="17.000001"), CardRef(channel="<!x>", ts="")]),
        links=st.lists(st.builds(HomeLink, label=TEXT, url=TEXT | ASCII), max_size=3).map(tuple),
        expires_at=st.sampled_from([None, NOW]),
    ),
    max_size=40,
).map(tuple)
HOMES = st.builds(
    Home,
    waiting=HOME_LINES,
    open=HOME_LINES,
    open_count=st.integers(0, 10_000),
    duties=st.lists(st.builds(Duty, policy=TEXT, until=st.sampled_from([None, NOW])), max_size=30).map(tuple),
    since=st.sampled_from([None, NOW]),
    news=HOME_LINES,
    silenced=HOME_LINES,
    notes=st.lists(TEXT, max_size=8).map(tuple),
    made_at=st.just(NOW),
)

# Everything in angle brackets that we make ourselves: people, times, and addresses.
_OURS = re.compile(r"<(?:@[UW][A-Z0-9]+|!date\^\d+\^[{}a-z_ ]+\|[^<>|]+|https?://[^<>|\s]+\|[^<>|]+)>")


@FEW
@given(cards())
def test_slack_takes_every_card(card: Card) -> None:
    blocks = card_blocks(card)

    assert () == lint(blocks)
    assert () == problems_of_blocks(json.loads(json.dumps(blocks)))
    assert len(card_text(card)) <= FALLBACK_TEXT
    assert "Details" == labels(blocks)[-1]


@FEW
@given(cards())
def test_sl_mentions_data_makes_no_mention_or_link_on_a_card(card: Card) -> None:
    for text in [*_marked(card_blocks(card)), card_text(card)]:
        assert not re.search("[<>]", _OURS.sub("", text))
        assert "<!" not in text.replace("<!date^", "")


@FEW
@given(cards())
def test_nothing_invisible_or_turning_is_shown(card: Card) -> None:
    for text in texts(card_blocks(card)):
        assert visible(text.replace("\n", "")) == text.replace("\n", "")


@FEW
@given(cards())
def test_approve_stands_only_beside_the_whole_plan(card: Card) -> None:
    blocks = card_blocks(card)
    approves = [b for b in buttons(blocks) if b["action_id"] == f"handrail.{Action.APPROVE}"]

    if approves:
        assert shows_whole(card)
        assert card.offer is not None
        assert card.offer.state is ProposalState.PROPOSED
        assert [step.action for step in card.offer.plan.steps] == _actions_shown(card, blocks)


@FEW
@given(st.lists(ACTIONS, min_size=1, max_size=4))
def test_what_is_shown_of_a_plan_gives_back_its_exact_bytes(actions: list[PlannedAction]) -> None:
    card = a_card(an_offer(a_plan(*actions)))

    if shows_whole(card):
        assert actions == _actions_shown(card, card_blocks(card))


@FEW
@given(DOCUMENTS)
def test_slack_takes_every_document(document: Document) -> None:
    modal = document_modal(document)
    assert isinstance(modal["blocks"], list)

    assert () == lint(document_blocks(document))
    assert () == problems_of_blocks(json.loads(json.dumps(modal["blocks"])), surface="modal")
    assert () == lint(modal["blocks"], is_message=False)
    assert len(document_text(document)) <= FALLBACK_TEXT
    for text in [
        *_marked(document_blocks(document)),
        *_marked(tuple(modal["blocks"])),
        document_text(document),
    ]:
        assert not re.search("[<>]", _OURS.sub("", text))


QUESTIONS = st.builds(
    Question,
    action=st.sampled_from([Action.APPROVE, Action.DENY]),
    proposal_id=st.just(ProposalId("1f2e3d")),
    digest=st.just(Digest("d" * 64)),
    channel=st.just("C0INCIDENTS"),
    message_ts=st.just("17.000001"),
    title=TEXT,
    target=st.none() | ASCII.filter(bool),
    overrides=st.lists(st.sampled_from(["freeze", "limit"]), max_size=3).map(tuple),
    objections=st.lists(TEXT, max_size=20).map(tuple),
)


@FEW
@given(QUESTIONS)
def test_slack_takes_every_window_that_asks(question: Question) -> None:
    window = confirm_modal(question)

    assert () == lint_view(window)
    assert () == problems_of_view(json.loads(json.dumps(window)), kind="modal")
    blocks = window["blocks"]
    assert isinstance(blocks, list)
    for text in _marked(tuple(block for block in blocks if block["type"] != "input")):
        assert not re.search("[<>]", _OURS.sub("", text))


@FEW
@given(TEXT, st.integers(10, 300))
def test_shortened_text_is_within_its_limit_or_says_what_is_missing(text: str, limit: int) -> None:
    short = shorten(text, limit)

    if short != escape(text):
        kept, _, rest = short.rpartition("… (")
        assert len(kept) <= limit
        assert re.fullmatch(r"[1-9]\d* more characters in Details\)", rest)


@FEW
@given(TEXT)
def test_pieces_lose_nothing(text: str) -> None:
    joined = "".join(pieces(text, 100))

    assert escape(text).replace("›", "&gt;") == joined.replace("›", "&gt;")


@FEW
@given(ASCII | TEXT)
def test_a_literal_gives_back_its_bytes_and_ends_no_code_block(text: str) -> None:
    for shown in (literal(text), word(text)):
        assert text == (json.loads(shown) if shown.startswith('"') else shown)
        assert shown.isascii()
        assert "`" not in shown
        assert shown.isprintable()


@FEW
@given(TEXT)
def test_what_is_linked_is_a_plain_http_address(text: str) -> None:
    checked = address(text)

    assert checked is None or re.fullmatch(r"(?i)https?://[!-~]+", checked)


def _marked(blocks: tuple[Block, ...]) -> list[str]:
    """Return the texts in which Slack reads markup."""
    plain = [block["text"] for block in blocks if block["type"] == "header"]
    hidden = {str(text["text"]) for text in plain if isinstance(text, dict)} | set(labels(blocks))
    return [text for text in texts(blocks) if text not in hidden]


def _actions_shown(card: Card, blocks: tuple[Block, ...]) -> list[PlannedAction]:
    """Read the requests and commands back from the code blocks; what stands beside them is taken over."""
    assert card.offer is not None
    left = code_lines(blocks)
    found: list[PlannedAction] = []
    for step in card.offer.plan.steps:
        match step.action:
            case HttpRequest() as request:
                method, url = _words(left.pop(0))
                headers = tuple(_header(left.pop(0)) for _ in request.headers)
                body = None
                if request.body is not None:
                    assert "" == left.pop(0)
                    body = _text(left.pop(0))
                found.append(
                    request.model_copy(
                        update={"method": method, "url": url, "headers": headers, "body": body}
                    )
                )
            case CommandRun() as command:
                found.append(command.model_copy(update={"argv": tuple(_words(left.pop(0)))}))
            case other:
                found.append(other)
    return found


def _words(line: str) -> list[str]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(line):
        if line[at] == '"':
            value, at = decoder.raw_decode(line, at)
        else:
            end = line.find(" ", at)
            value, at = line[at : end if end >= 0 else None], end if end >= 0 else len(line)
        found.append(str(value))
        assert at == len(line) or line[at] == " "
        at += 1
    return found


def _header(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        name, at = json.JSONDecoder().raw_decode(line)
        value = line[at:].removeprefix(": ")
    else:
        name, _, value = line.partition(": ")
    return str(name), _text(value)


def _text(shown: str) -> str:
    return str(json.loads(shown)) if shown.startswith('"') else shown


@given(HOMES, st.sampled_from(["", "https://x.slack.com/", "javascript:x"]))
@FEW
def test_every_home_is_within_the_limits_of_slack_and_has_nothing_to_press(home: Home, url: str) -> None:
    view = home_view(home, workspace_url=url)
    blocks = view["blocks"]

    assert isinstance(blocks, list)
    assert () == lint_view(view)
    assert () == problems_of_view(dict(view), kind="home")
    assert [] == buttons(tuple(blocks))
    assert not [text for text in texts(blocks) if "<" in _OURS.sub("", text)]
