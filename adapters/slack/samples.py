"""A card, a home tab and a window as they come, for Slack to judge before anybody needs one."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from adapters.finding import Fails
from adapters.slack.api import Method, SlackApi
from adapters.slack.views.card import card_blocks
from adapters.slack.views.document import document_modal
from adapters.slack.views.home import home_view
from bot.domain.card import Card, CardRef, Cause, Offer, SuspectLine
from bot.domain.catalogue import Approvers, HttpSignal
from bot.domain.document import Document, Section, lines
from bot.domain.errors import Invalid, Unavailable
from bot.domain.home import Home, HomeLine
from bot.domain.ids import ChangeId, Digest, IncidentId, ServiceName
from bot.domain.incident import Incident
from bot.domain.plan import Check, HttpRequest, Plan, PlannedStep, plan_digest
from bot.domain.playbook import Comparison, Risk
from bot.domain.proposal import ProposalState

JUDGED_S: Final = 3.0  # Our choice: what may be left out must not use up the time of the whole check.
_AT: Final = datetime(2026, 1, 1, 3, tzinfo=UTC)
_CHANGE: Final = ChangeId("sample")


async def judged(api: SlackApi) -> str:
    """Return what Slack says of a card, a window and a home tab of ours, none of which it shows to anybody.

    Raises:
        Fails: it would refuse one.
    """
    try:
        async with asyncio.timeout(JUDGED_S):
            refused = await refused_views(api)
    except (Invalid, Unavailable) as exc:
        # Not every workspace and token has the method that judges; then the first card will tell.
        return f"our cards were not judged: {exc}"
    except TimeoutError:
        return f"our cards were not judged within {JUDGED_S:g} s"
    if refused:
        raise Fails("; ".join(refused), "nobody would see it: report this, with the version, to Handrail")
    return "takes our cards, windows and home tabs"


async def refused_views(api: SlackApi) -> tuple[str, ...]:
    """Return which of our views Slack would refuse, and why. Nothing is posted.

    Raises:
        Invalid: Slack has no such judgement to give.
        Unavailable, RateLimited
    """
    refused = []
    for name, fields in _views().items():
        try:
            await api.ask_by_form(Method.VALIDATE, fields)
        except Invalid as exc:
            if not any(f"(invalid_{kind})" in str(exc) for kind in ("blocks", "view")):
                raise
            refused.append(f"{name}: {exc}")
    return tuple(refused)


def _views() -> Mapping[str, Mapping[str, str]]:
    modal = document_modal(Document(title="Details", sections=(Section(heading="Plan", lines=lines(["a"])),)))
    waits = HomeLine(text="Roll back", card=CardRef(channel="C0", ts="1.000001"), expires_at=_AT)
    home = Home(waiting=(waits,), open=(waits,), open_count=1, made_at=_AT)
    return {
        "the card": {"blocks": json.dumps(card_blocks(_card()))},
        "the details": {"view": json.dumps(modal)},
        "the home tab": {"view": json.dumps(home_view(home, workspace_url="https://example.slack.com/"))},
    }


def _card() -> Card:
    plan = _plan()
    return Card(
        incident=Incident(id=IncidentId("SAMPLE"), number=1, title="Errors rise", opened_at=_AT),
        status_line="Waiting for approval",
        on_call=("Dana",),
        cause=Cause(
            headline="Probably the deploy of checkout 42",
            confidence_percent=90,
            confidence_word="high",
            suspects=(SuspectLine(title="checkout 42", probability_percent=90, reasons=("it alerts",)),),
            nothing_changed_percent=5,
            evidence=lines(["error_ratio of checkout: 0.3"]),
            speaker="Rules only: no model took part.",
            named=_CHANGE,
        ),
        offer=Offer(id=plan.id, digest=plan_digest(plan.to_bytes()), plan=plan, state=ProposalState.PROPOSED),
        notes=lines(["A note."]),
        updated_at=_AT,
    )


def _plan() -> Plan:
    request = HttpRequest(
        name="roll-back",
        method="POST",
        url="https://deploy.example/checkout",
        headers=(("Content-Type", "application/json"),),
        body='{"version":"41"}',
        expect_status=(200,),
        idempotent=True,
        timeout_s=10,
    )
    signal = HttpSignal(kind="http", url="https://checkout.example/health")
    return Plan(
        incident=IncidentId("SAMPLE"),
        number=1,
        epoch=1,
        service=ServiceName("checkout"),
        playbook="rollback-deploy",
        playbook_sha256=Digest("0" * 64),
        title="Roll checkout back to 41",
        button="Approve rollback to 41",
        description="Deploys the version before.",
        target="deploy:checkout",
        expects="checkout serves 41",
        risk=Risk.MEDIUM,
        quorum=1,
        approvers=Approvers(on_call=True),
        policy_version="1",
        parameters=(),
        steps=(PlannedStep(index=0, attempt=1, action=request),),
        verify=Check(
            name="recovers",
            signal_name="health",
            signal=signal,
            healthy=Comparison.ABOVE,
            threshold=Decimal("0.99"),
            within_s=60,
            hold_s=5,
        ),
        undo_summary="Deploy 42 again",
        cannot_undo=("Requests that failed meanwhile stay failed.",),
        evidence_digest=Digest("0" * 64),
        expires_at=_AT + timedelta(minutes=15),
    )
