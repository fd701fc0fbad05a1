"""What the record says of each change: enough to prove who decided what, on which bytes and why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import rfc8785

from adapters.store.rows import Answered, Decision, Post
from bot.domain.approval import Action, Click
from bot.domain.audit import Act
from bot.domain.card import CardRef
from bot.domain.diagnosed import Diagnosed
from bot.domain.execution import ApprovedStep, Claim, NotAdmitted, StepOutcome
from bot.domain.freshness import Freshness
from bot.domain.ids import Digest, IncidentId, ProposalId, SlackUserId
from bot.domain.label import Label
from bot.domain.merging import Member, MergeAct
from bot.domain.person import Person
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord
from bot.domain.record import IncidentRecord
from bot.domain.rejection import fingerprint
from bot.domain.seal import PublicKey

SELF = "handrail"
"""The actor of what nobody pressed a button for."""

Scalar = str | int | bool | None


@dataclass(frozen=True)
class Draft:
    """An entry before it has its place in the chain.

    *facts* are our own identifiers, digests and enumerated words: they stand word for word, or the entry
    would prove nothing. *texts* may hold words of people and machines, and pass the redactor.
    """

    act: str
    incident: IncidentId | None
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    texts: Mapping[str, Scalar] = field(default_factory=dict)
    actor: str = SELF
    is_actor_known: bool = True
    """False when the actor is free text."""
    new_key: PublicKey | None = None
    """The signer's key, when it signs although the chain goes on with another one."""

    def actor_text(self, redact: Callable[[str], str]) -> str:
        return self.actor if self.is_actor_known else _clean(redact(self.actor))

    def body(self, redact: Callable[[str], str]) -> str:
        """Return the canonical JSON of all facts and of the redacted texts."""
        texts = {
            key: _clean(redact(text)) if isinstance(text, str) else text for key, text in self.texts.items()
        }
        return rfc8785.dumps({**self.facts, **texts}).decode()


def _clean(text: str) -> str:
    # Half a surrogate pair has no UTF-8 form, and PostgreSQL stores no NUL.
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def incident_met(act: Act, record: IncidentRecord) -> Draft:
    facts = {"status": record.incident.status.value, "life": record.life}
    if record.incident.is_unknown:
        facts["unknown_to_pager"] = True
    return Draft(act=act, incident=record.id, facts=facts)


def proposed(record: ProposalRecord, plan: Plan) -> Draft:
    return Draft(
        act=Act.PROPOSED,
        incident=record.incident,
        facts={
            **_which(record),
            "playbook": plan.playbook,
            "playbook_sha256": plan.playbook_sha256,
            "policy_version": plan.policy_version,
            "evidence_digest": plan.evidence_digest,
            "risk": plan.risk.value,
            "quorum": plan.quorum,
            "epoch": record.epoch,
            "expires_at": record.expires_at.isoformat(),
        },
        texts={"target": plan.target, "title": plan.title},
    )


def offered(record: ProposalRecord, ref: CardRef, card_sha256: Digest | None) -> Draft:
    """Describe a proposal on its card, and what was drawn on it beside the plan."""
    facts: dict[str, Scalar] = {**_which(record), "channel": ref.channel, "message_ts": ref.ts}
    if card_sha256 is not None:
        facts["card_sha256"] = card_sha256
    return Draft(act=Act.OFFERED, incident=record.incident, facts=facts)


def left(record: ProposalRecord) -> Draft:
    """Describe a proposal that has left by a side exit; the act has the name of its state."""
    return Draft(
        act=Act(record.state.value),
        incident=record.incident,
        facts=_which(record),
        texts={"reason": record.reason},
    )


def decided(decision: Decision, record: ProposalRecord | None, plan: Plan | None) -> Draft:
    """Describe a click and its answer. *record* is None when the click names no proposal we know."""
    click, ruling = decision.click, decision.ruling
    if record is None:
        return Draft(
            act=Act.REFUSED,
            incident=None,
            facts=_press(decision),
            texts={
                "proposal": click.proposal_id,
                "grounds": decision.permission.grounds,
                "text": ruling.text,
            },
            actor=click.user_id,
        )
    return Draft(
        act=_act(click, ruling.is_accepted),
        incident=record.incident,
        facts={
            **_which(record),
            **_press(decision),
            "policy_version": plan.policy_version if plan else None,
            "state": ruling.state.value if ruling.state else None,
            **_rejected(decision, plan),
        },
        texts={"grounds": decision.permission.grounds, "text": ruling.text, **_typed(click)},
        actor=click.user_id,
    )


def started(
    act: Act, step: ApprovedStep, record: ProposalRecord, freshness: Freshness | None = None
) -> Draft:
    """Describe a step that may run from now on, for the first time or again."""
    return Draft(
        act=act,
        incident=step.incident,
        facts={
            **_which(record),
            "step": step.step.index,
            "attempt": step.step.attempt,
            "effect": step.effect_key,
            "approved_by": ", ".join(approval.user_id for approval in record.approvals),
            "policy_version": step.plan.policy_version,
            "read_at": freshness.at.isoformat() if freshness is not None else None,
        },
        texts={"name": step.action.name, "target": step.plan.target},
    )


def not_admitted(record: ProposalRecord, step_index: int, answer: NotAdmitted) -> Draft:
    return Draft(
        act=Act.NOT_ADMITTED,
        incident=record.incident,
        facts={
            **_which(record),
            "step": step_index,
            "state": answer.state.value if answer.state else None,
        },
        texts={"why": answer.why},
    )


def finished(claim: Claim, outcome: StepOutcome, incident: IncidentId) -> Draft:
    return Draft(
        act=Act.FINISHED,
        incident=incident,
        facts={
            "proposal": claim.proposal_id,
            "step": claim.step_index,
            "attempt": claim.attempt,
            "effect": claim.effect_key,
            "result": outcome.result.value,
        },
        texts={"detail": outcome.detail},
    )


def concluded(record: ProposalRecord) -> Draft:
    return Draft(
        act=Act.CONCLUDED,
        incident=record.incident,
        facts={**_which(record), "state": record.state.value},
        texts={"detail": record.reason},
    )


def remarked(record: ProposalRecord) -> Draft:
    return Draft(
        act=Act.REMARKED, incident=record.incident, facts=_which(record), texts={"text": record.reason}
    )


def labelled(label: Label, diagnosis: Diagnosed) -> Draft:
    """Describe a label, bound to what the diagnosis was thought from."""
    return Draft(
        act=Act.LABELLED,
        incident=label.incident,
        facts={
            "label": label.id,
            "diagnosis": label.diagnosis,
            "evidence_digest": diagnosis.evidence_digest,
            "snapshot_sha256": diagnosis.snapshot_sha256,
            "weights_version": diagnosis.weights_version,
            "verdict": label.verdict.value,
            "source": label.source.value,
        },
        texts={"change": label.change, "name": label.name or None},
        actor=label.by or SELF,
    )


def feedback_refused(answered: Answered, incident: IncidentId | None) -> Draft:
    press = answered.press
    return Draft(
        act=Act.REFUSED,
        incident=incident,
        facts={
            "click": press.id,
            "action": press.verdict.value,
            "user": press.user_id,
            "team": press.team_id,
            "pressed_digest": press.digest,
            "received_at": press.received_at.isoformat(),
            "answer": answered.ruling.reason.value,
        },
        texts={"change": press.change, "text": answered.ruling.text},
        actor=press.user_id,
    )


def placed(act: MergeAct, member: Member, host: str, words: str, by: SlackUserId | None) -> Draft:
    """Describe that an incident is shown elsewhere from now on, or by itself again."""
    return Draft(
        act=Act(act.value),
        incident=member.incident,
        facts={"host": host, "rule": member.rule.value, "user": by},
        texts={"words": words},
        actor=by or SELF,
    )


def tampered(why: str, incident: IncidentId | None, proposal: ProposalId | None) -> Draft:
    return Draft(act=Act.TAMPERED, incident=incident, facts={"proposal": proposal}, texts={"why": why})


def switched(act: Act, by: str, reason: str | None = None) -> Draft:
    return Draft(act=act, incident=None, texts={"reason": reason}, actor=by, is_actor_known=False)


def epoch_raised(before: int, after: int) -> Draft:
    return Draft(act=Act.EPOCH_RAISED, incident=None, facts={"before": before, "after": after})


def posted(act: Act, post: Post) -> Draft:
    return Draft(
        act=act,
        incident=post.incident,
        facts={"key": post.key, "possibly_double": post.possibly_double},
    )


def _rejected(decision: Decision, plan: Plan | None) -> dict[str, Scalar]:
    """Name what a denial rejected, so that it can be told when the same is proposed again."""
    is_denial = decision.click.action is Action.DENY and decision.ruling.is_accepted
    return {"fingerprint": fingerprint(plan)} if is_denial and plan is not None else {}


def stopped(record: ProposalRecord, person: Person) -> Draft:
    return Draft(act=Act.STOPPED, incident=record.incident, facts=_which(record), actor=person.id)


def _which(record: ProposalRecord) -> dict[str, Scalar]:
    return {"proposal": record.id, "digest": record.digest}


def _press(decision: Decision) -> dict[str, Scalar]:
    click = decision.click
    return {
        "click": click.id,
        "action": click.action.value,
        "user": click.user_id,
        "team": click.team_id,
        "channel": click.channel,
        "message_ts": click.message_ts,
        "pressed_digest": click.digest,
        "received_at": click.received_at.isoformat(),
        "allowed": decision.permission.allowed,
        "answer": decision.ruling.reason.value,
        # Slack's own marks of the press; the id of the click is a digest over the first.
        **({"action_ts": click.action_ts} if click.action_ts else {}),
        **({"trigger_id": click.trigger_id} if click.trigger_id else {}),
    }


def _typed(click: Click) -> dict[str, Scalar]:
    """Return what the person typed to confirm; nothing when no window asked."""
    if click.confirmation is None:
        return {}
    typed = click.confirmation
    return {"typed": typed.target, "reason": typed.reason, "overrides": ", ".join(typed.overrides)}


def _act(click: Click, is_accepted: bool) -> Act:
    if not is_accepted:
        return Act.REFUSED
    match click.action:
        case Action.APPROVE:
            return Act.APPROVED
        case Action.DENY:
            return Act.DENIED
        case _:
            return Act.ANSWERED
