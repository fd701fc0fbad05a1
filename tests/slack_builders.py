"""Cards, plans and documents for the tests of the Slack adapter."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.slack.views.blocks import Block
from bot.domain.alert import Alert, Severity
from bot.domain.card import Card, Cause, Offer, SuspectLine
from bot.domain.catalogue import Approvers, HttpSignal
from bot.domain.document import Document, Line, Section, lines
from bot.domain.home import Home
from bot.domain.ids import AlertId, ClickId, Digest, IncidentId, ServiceName, SlackUserId
from bot.domain.incident import Incident
from bot.domain.plan import (
    Check,
    CommandRun,
    HttpRequest,
    Plan,
    PlannedAction,
    PlannedStep,
    Value,
    plan_digest,
)
from bot.domain.playbook import Comparison, Fact, Risk
from bot.domain.proposal import Approval, ProposalState

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ONCALL = SlackUserId("U0ALICE")
OTHER = SlackUserId("U0BOB")


def a_request(**changes: object) -> HttpRequest:
    """Return the request that rolls `checkout` back to 41."""
    return HttpRequest(
        name="roll-back",
        method="POST",
        url="http://127.0.0.1:9000/deploys?dry=0&why=incident",
        headers=(("Content-Type", "application/json"), ("Authorization", "secret:DEPLOY_TOKEN")),
        body='{"version":"41"}',
        expect_status=(200, 202),
        idempotent=True,
        timeout_s=10,
    ).model_copy(update=changes)


def a_command(**changes: object) -> CommandRun:
    return CommandRun(
        name="drain",
        argv=("haproxyctl", "set server", "b/canary"),
        expect_exit=(0,),
        idempotent=False,
        timeout_s=30,
    ).model_copy(update=changes)


def a_check(**changes: object) -> Check:
    return Check(
        name="recovers",
        signal_name="health",
        signal=HttpSignal(kind="http", url="http://127.0.0.1:9000/health"),
        healthy=Comparison.ABOVE,
        threshold=Decimal("0.99"),
        within_s=120,
        hold_s=30,
    ).model_copy(update=changes)


def a_plan(*actions: PlannedAction, **changes: object) -> Plan:
    """Return a plan of *actions*, by default one rollback request."""
    return Plan(
        incident=IncidentId("Q1INCIDENT0001"),
        number=1,
        epoch=1,
        service=ServiceName("checkout"),
        playbook="rollback-deploy",
        playbook_sha256=Digest("a" * 64),
        title="Roll checkout back to 41",
        button="Approve rollback to 41",
        description="Deploys the version before.",
        target="checkout/production",
        expects="The error rate falls below 1 % within 2 minutes",
        risk=Risk.MEDIUM,
        quorum=1,
        approvers=Approvers(users=(ONCALL,), on_call=True),
        policy_version="1",
        parameters=(Value(name="to_version", value="41", source=Fact.SUSPECT_PREVIOUS_VERSION),),
        steps=tuple(
            PlannedStep(index=i, attempt=1, action=a) for i, a in enumerate(actions or (a_request(),))
        ),
        verify=a_check(),
        undo_summary="Deploy 42 again",
        cannot_undo=("Orders placed in between keep their prices",),
        evidence_digest=Digest("b" * 64),
        expires_at=NOW + timedelta(minutes=15),
    ).model_copy(update=changes)


def an_offer(plan: Plan | None = None, **changes: object) -> Offer:
    plan = plan or a_plan()
    return Offer(
        id=plan.id, digest=plan_digest(plan.to_bytes()), plan=plan, state=ProposalState.PROPOSED
    ).model_copy(update=changes)


def an_approval() -> Approval:
    return Approval(
        click_id=ClickId("c" * 64),
        user_id=ONCALL,
        name="Alice",
        digest=Digest("d" * 64),
        at=NOW,
        grounds="on call",
    )


def an_incident(**changes: object) -> Incident:
    return Incident(
        id=IncidentId("Q1INCIDENT0001"),
        number=7,
        title="checkout: error rate above 5 %",
        opened_at=NOW,
        url="https://example.pagerduty.com/incidents/Q1INCIDENT0001",
        alerts=(Alert(id=AlertId("A1"), title="HighErrorRate", severity=Severity.CRITICAL, at=NOW),),
    ).model_copy(update=changes)


def a_cause(**changes: object) -> Cause:
    return Cause(
        headline="Probably the deploy of checkout 42",
        confidence_percent=83,
        confidence_word="high",
        suspects=(
            SuspectLine(
                title="checkout 42 · deploy by dana",
                probability_percent=83,
                reasons=("It finished 2 minutes before the first error",),
                url="https://ci.example.com/builds/42",
            ),
        ),
        nothing_changed_percent=9,
        nothing_reasons=("No host is in trouble",),
        evidence=(Line(text="Error rate 7 %", url="https://grafana.example.com/d/1"),),
        speaker="rules only",
        limits=("metrics unreachable: confidence capped at medium",),
    ).model_copy(update=changes)


def a_card(offer: Offer | None = None, **changes: object) -> Card:
    return Card(
        incident=an_incident(),
        status_line="Firing: checkout in production",
        on_call=("Alice",),
        cause=a_cause(),
        offer=offer,
        updated_at=NOW,
    ).model_copy(update=changes)


def a_document(**changes: object) -> Document:
    return Document(
        title="What happened",
        sections=(Section(heading="Cause", lines=lines(["The deploy of checkout 42"])),),
    ).model_copy(update=changes)


def a_home(**changes: object) -> Home:
    """Return a home tab with something of everything; *card* is where its lines lead."""
    card = changes.pop("card", None)
    usual = Home.model_validate(
        {
            "waiting": [
                {"text": "Roll checkout back to 41 · 12 % errors", "card": card, "expires_at": NOW},
            ],
            "open": [
                {
                    "text": "12 % errors (#7)",
                    "state": "Waiting for approval · checkout · triggered for 5 s",
                    "card": card,
                    "links": [{"label": "PagerDuty", "url": "https://pagerduty.example.com/Q1"}],
                },
            ],
            "open_count": 1,
            "duties": [{"policy": "Shop", "level": 1, "until": NOW}],
            "since": NOW,
            "news": [{"text": "12 % errors (#7): came at 03:00:00 UTC", "card": card}],
            "silenced": [{"text": "Q2 merged into Q1"}],
            "notes": ["PagerDuty did not answer."],
            "made_at": NOW,
        }
    )
    return usual.model_copy(update=changes)


def texts(blocks: object, *, plain: bool = True) -> list[str]:
    """Return every text that *blocks* show, in reading order; without *plain*, those with markup alone."""
    if isinstance(blocks, dict):
        counts = isinstance(blocks.get("text"), str) and (plain or blocks.get("type") == "mrkdwn")
        own = [str(blocks["text"])] if counts else []
        inner = (value for value in blocks.values() if isinstance(value, dict | list))
        return own + [text for value in inner for text in texts(value, plain=plain)]
    if isinstance(blocks, list | tuple):
        return [text for block in blocks for text in texts(block, plain=plain)]
    return []


def buttons(blocks: tuple[Block, ...]) -> list[dict[str, object]]:
    """Return the buttons of *blocks*, first to last."""
    found: list[dict[str, object]] = []
    for block in blocks:
        elements = block.get("elements")
        if block["type"] == "actions" and isinstance(elements, list):
            found += elements
    return found


def labels(blocks: tuple[Block, ...]) -> list[str]:
    """Return what the buttons say."""
    return [str(text["text"]) for one in buttons(blocks) if isinstance(text := one["text"], dict)]


_CODE = re.compile(r"```\n(.*?)\n```", re.DOTALL)
GOES_ON = "_the same line goes on, without a break:_"


def code_lines(blocks: tuple[Block, ...]) -> list[str]:
    """Return the lines in the code blocks as a reader sees them, a line that goes on joined up again."""
    shown = "\n".join(texts(blocks, plain=False))
    found: list[str] = []
    end = 0
    for match in _CODE.finditer(shown):
        part = match.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").split("\n")
        if shown[end : match.start()].strip() == GOES_ON:
            found[-1] += part.pop(0)
        found += part
        end = match.end()
    return found
