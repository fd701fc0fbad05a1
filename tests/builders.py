"""Domain values for tests: each builder gives a plausible one, and takes what the test is about."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bot.domain.alert import Alert, Severity
from bot.domain.approval import APPROVAL_TTL, Action, Click, click_id
from bot.domain.card import CardRef
from bot.domain.catalogue import Approvers, HttpSignal
from bot.domain.change import ChangeEvent
from bot.domain.freshness import Freshness
from bot.domain.ids import AlertId, ChangeId, Digest, IncidentId, ServiceName, SlackUserId, sha256_hex
from bot.domain.incident import Incident, IncidentStatus
from bot.domain.person import Person
from bot.domain.plan import Check, HttpRequest, Plan, PlannedAction, PlannedStep, Value, plan_digest
from bot.domain.playbook import Comparison, Fact, Risk
from bot.domain.proposal import Approval, ProposalRecord, ProposalState

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
INCIDENT = IncidentId("Q1INCIDENT0001")
CARD = CardRef(channel="C0INCIDENTS", ts="1795316400.000100")
TEAM = "T0HANDRAIL"


class ManualTime:
    """A clock that moves only when it is told to; give it to a store as its time."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


def an_alert(
    *, service: str = "checkout", title: str = "Error rate is 12 %", at: datetime = NOW, details: str = ""
) -> Alert:
    return Alert(
        id=AlertId(f"A{sha256_hex(service, title)[:12].upper()}"),
        service=ServiceName(service),
        title=title,
        severity=Severity.CRITICAL,
        at=at,
        details=details,
    )


def an_incident(
    incident_id: str = INCIDENT,
    *,
    service: str | None = "checkout",
    title: str = "Error rate is 12 %",
    status: IncidentStatus = IncidentStatus.TRIGGERED,
    opened_at: datetime = NOW,
    alerts: Sequence[Alert] | None = None,
) -> Incident:
    return Incident(
        id=IncidentId(incident_id),
        number=7,
        title=title,
        status=status,
        pagerduty_service_id="PCHECKOUT",
        pagerduty_service_name="Checkout",
        escalation_policy_id="PESCALATE",
        service=ServiceName(service) if service is not None else None,
        opened_at=opened_at,
        url=f"https://example.pagerduty.com/incidents/{incident_id}",
        alerts=tuple(alerts) if alerts is not None else (an_alert(at=opened_at),),
    )


def a_change(
    *,
    service: str = "checkout",
    version: str = "42",
    previous_version: str | None = "41",
    finished_at: datetime = NOW - timedelta(minutes=2),
    title: str = "Retry payments twice",
) -> ChangeEvent:
    return ChangeEvent(
        id=ChangeId(f"deploy-{service}-{version}"),
        service=ServiceName(service),
        version=version,
        previous_version=previous_version,
        started_at=finished_at - timedelta(seconds=30),
        finished_at=finished_at,
        reported_at=finished_at + timedelta(seconds=1),
        author="dana",
        title=title,
    )


def a_person(user: str = "U0ONCALL", *, name: str = "Dana", email: str | None = "dana@example.com") -> Person:
    return Person(id=SlackUserId(user), team_id=TEAM, name=name, email=email)


def a_request(name: str = "roll-back", *, version: str = "41", idempotent: bool = False) -> HttpRequest:
    return HttpRequest(
        name=name,
        method="POST",
        url="http://127.0.0.1:8041/deploys",
        headers=(("authorization", "Bearer secret:DEPLOY_TOKEN"),),
        body=f'{{"version":"{version}"}}',
        expect_status=(202,),
        idempotent=idempotent,
        timeout_s=10,
    )


def a_check(name: str = "recovered", *, within_s: int = 120, hold_s: int = 30) -> Check:
    return Check(
        name=name,
        signal_name="error_ratio",
        signal=HttpSignal(kind="http", url="http://127.0.0.1:8041/healthz"),
        healthy=Comparison.BELOW,
        threshold=Decimal("0.01"),
        within_s=within_s,
        hold_s=hold_s,
    )


def a_plan(
    *,
    incident: str = INCIDENT,
    number: int = 1,
    epoch: int = 0,
    actions: Sequence[PlannedAction] | None = None,
    attempt: int = 1,
    target: str = "checkout/production",
    version: str = "41",
    quorum: int = 1,
    approvers: Approvers | None = None,
    evidence: str = "error rate rose 2 min after the deploy",
    expires_at: datetime = NOW + APPROVAL_TTL,
) -> Plan:
    """Return a rollback of `checkout`; every step is the *attempt*-th at its effect."""
    chosen = actions if actions is not None else (a_request(version=version),)
    return Plan(
        incident=IncidentId(incident),
        number=number,
        epoch=epoch,
        service=ServiceName("checkout"),
        playbook="roll-back",
        playbook_sha256=sha256_hex("playbook", "roll-back"),
        title=f"Roll checkout back to {version}",
        button=f"Approve rollback to {version}",
        description="Deploys the version that ran before.",
        target=target,
        expects="The error rate falls below 1 % within 2 min.",
        risk=Risk.MEDIUM,
        quorum=quorum,
        approvers=approvers or Approvers(users=(SlackUserId("U0ONCALL"), SlackUserId("U0SECOND"))),
        policy_version="policy-1",
        parameters=(Value(name="to_version", value=version, source=Fact.SUSPECT_PREVIOUS_VERSION),),
        steps=tuple(
            PlannedStep(index=index, attempt=attempt, action=action) for index, action in enumerate(chosen)
        ),
        verify=a_check(),
        undo_summary="Deploy 42 again.",
        undo_steps=(a_request("deploy-again", version="42"),),
        cannot_undo=("orders refused meanwhile",),
        evidence_digest=sha256_hex(evidence),
        expires_at=expires_at,
    )


def a_record(
    plan: Plan | None = None,
    *,
    state: ProposalState = ProposalState.PROPOSED,
    approved_by: Sequence[Person] = (),
    card: CardRef = CARD,
) -> ProposalRecord:
    """Return the stored proposal of *plan*, bound to its card unless it is pending."""
    meant = plan if plan is not None else a_plan()
    raw = meant.to_bytes()
    is_shown = state is not ProposalState.PENDING
    return ProposalRecord(
        id=meant.id,
        incident=meant.incident,
        number=meant.number,
        epoch=meant.epoch,
        digest=plan_digest(raw),
        plan=raw,
        state=state,
        created_at=NOW,
        changed_at=NOW,
        expires_at=meant.expires_at,
        channel=card.channel if is_shown else None,
        message_ts=card.ts if is_shown else None,
        approvals=tuple(
            Approval(
                click_id=a_click(plan=meant, by=person, nonce=str(number)).id,
                user_id=person.id,
                name=person.name,
                digest=plan_digest(raw),
                at=NOW,
                grounds="named approver",
            )
            for number, person in enumerate(approved_by)
        ),
    )


def fresh(record: ProposalRecord, at: datetime = NOW) -> Freshness:
    """Return what a look at the proposal's ground finds when nothing differs."""
    return Freshness(proposal=record.id, digest=record.digest, at=at)


def a_click(
    action: Action = Action.APPROVE,
    *,
    plan: Plan | None = None,
    by: Person | None = None,
    card: CardRef = CARD,
    at: datetime = NOW,
    digest: Digest | None = None,
    nonce: str = "1",
) -> Click:
    """Return a press on *plan*'s card; clicks that differ in *nonce* alone are two presses of one button."""
    pressed = plan if plan is not None else a_plan()
    person = by if by is not None else a_person()
    return Click(
        id=click_id(
            team=TEAM,
            user=person.id,
            message_ts=card.ts,
            action_id=action.value,
            action_ts=f"{at.timestamp()}.{nonce}",
            value=f"{pressed.id}|{digest}",
        ),
        action=action,
        proposal_id=pressed.id,
        digest=digest or plan_digest(pressed.to_bytes()),
        user_id=person.id,
        team_id=TEAM,
        channel=card.channel,
        message_ts=card.ts,
        received_at=at,
    )
