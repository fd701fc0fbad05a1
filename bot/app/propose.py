"""Choose a playbook for an assessed incident and store the plan that people will see."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.app.filling import fill
from bot.app.rendering import fill_parameters, render_check, render_steps
from bot.app.wording import clock_time
from bot.app.world import World
from bot.domain.basis import Basis
from bot.domain.catalogue import Service
from bot.domain.change import ChangeEvent
from bot.domain.errors import InvalidPlan
from bot.domain.execution import Claim, Result
from bot.domain.ids import Digest, PlaybookId, ServiceName, SlackUserId
from bot.domain.incident import Incident
from bot.domain.on_record import OnRecord
from bot.domain.plan import Plan, PlannedStep
from bot.domain.playbook import Fact, LoadedPlaybook
from bot.domain.policy import Policy
from bot.domain.proposal import HOLDS_TARGET, LIVE, ProposalRecord, ProposalState
from bot.domain.rejection import denied_before


class NoPlaybook(InvalidPlan):
    """Nothing can be proposed; the message says why, for the card."""


def draft_plan(
    world: World,
    incident: Incident,
    suspect: ChangeEvent | None,
    evidence: Digest,
    found: OnRecord,
    basis: Basis | None,
    requester: SlackUserId | None = None,
    wanted: PlaybookId | None = None,
) -> Plan:
    """Return the plan to propose for the incident. *requester* is who asked for it, if anybody did.

    The playbook is the one that a person *wanted* by name, else the first that answers the cause.

    Raises:
        NoPlaybook: no allowed playbook answers this cause, or the one that does cannot be filled.
    """
    if found.proposals and found.proposals[-1].state in HOLDS_TARGET:
        raise NoPlaybook("an execution for this incident has not come to its end")
    name = place_of(world, incident, suspect, wanted)
    service = world.catalogue.services.get(name) if name else None
    if name is None or service is None:
        raise NoPlaybook(f"{name or 'the service'} has no entry in services.yaml")
    chosen = world.playbooks[wanted] if wanted else choose_playbook(world, service, suspect)
    try:
        plan = _plan(world, incident, suspect, evidence, name, service, chosen, found, basis)
        plan = under_policy(plan, world.policies.current(), found.now, requester)
    except InvalidPlan as exc:
        raise NoPlaybook(f"playbook {chosen.playbook.id}: {exc}") from exc
    if requester is None and (denied := denied_before(plan, found.proposals)) is not None:
        raise NoPlaybook(
            f"{denied.reason} at {clock_time(denied.changed_at)}: it is not offered again by itself"
        )
    if world.redactor.would_change(plan.to_bytes().decode()):
        raise NoPlaybook(
            f"playbook {chosen.playbook.id}: its plan holds something that looks like a secret; "
            "write secret:NAME instead"
        )
    return plan


def place_of(
    world: World, incident: Incident, suspect: ChangeEvent | None, wanted: PlaybookId | None
) -> ServiceName | None:
    """Return the service on which a plan acts: the suspect's, else the incident's.

    Raises:
        NoPlaybook: none of them allows the playbook that is *wanted*.
    """
    near = [name for name in (suspect.service if suspect else None, incident.service) if name]
    if wanted is None:
        return near[0] if near else None
    allowed = {
        name: world.catalogue.services[name].playbooks for name in near if name in world.catalogue.services
    }
    for name, playbooks in allowed.items():
        if wanted in playbooks and wanted in world.playbooks:
            return name
    listed = "; ".join(f"{name}: {', '.join(ids) or 'none'}" for name, ids in allowed.items())
    raise NoPlaybook(f"playbook {wanted} is on no allow-list here ({listed or 'no service is mapped'})")


def choose_playbook(world: World, service: Service, suspect: ChangeEvent | None) -> LoadedPlaybook:
    """Return the first playbook of the service's allow-list that answers the cause.

    Raises:
        NoPlaybook: none does.
    """
    if not service.playbooks:
        raise NoPlaybook("services.yaml allows none for this service")
    for playbook_id in service.playbooks:
        loaded = world.playbooks.get(playbook_id)
        if loaded is None:
            continue
        kinds = loaded.playbook.when.kinds
        if (suspect is not None and suspect.kind in kinds) or (suspect is None and not kinds):
            return loaded
    cause = f"a {suspect.kind.value}" if suspect else "no change"
    raise NoPlaybook(f"none that services.yaml allows for this service answers {cause} as the cause")


def _plan(
    world: World,
    incident: Incident,
    suspect: ChangeEvent | None,
    evidence: Digest,
    name: ServiceName,
    service: Service,
    loaded: LoadedPlaybook,
    found: OnRecord,
    basis: Basis | None,
) -> Plan:
    playbook = loaded.playbook
    parameters = fill_parameters(playbook, incident, suspect, service)
    reaches = next((p.value for p in parameters if p.source is Fact.SUSPECT_PREVIOUS_VERSION), None)
    if basis is not None and reaches is not None and basis.serving == reaches:
        raise InvalidPlan(f"{name} serves {reaches} already, the version that it would go back to")
    values = {value.name: value.value for value in parameters}
    draft = Plan(
        incident=incident.id,
        number=found.proposals[-1].number + 1 if found.proposals else 1,
        epoch=found.epoch,
        service=name,
        playbook=playbook.id,
        playbook_sha256=loaded.sha256,
        title=fill(playbook.title, values),
        button=fill(playbook.button, values),
        description=fill(playbook.description, values),
        target=fill(playbook.target, values),
        expects=fill(playbook.expects, values),
        risk=playbook.risk,
        quorum=1,
        approvers=service.approvers,
        policy_version="",
        parameters=parameters,
        steps=tuple(
            PlannedStep(index=index, attempt=1, action=action)
            for index, action in enumerate(render_steps(playbook.steps, values, service))
        ),
        verify=render_check(playbook.verify, service),
        undo_summary=fill(playbook.undo.summary, values),
        undo_steps=render_steps(playbook.undo.steps, values, service),
        undo_automatic=playbook.undo.automatic,
        cannot_undo=tuple(fill(text, values) for text in playbook.undo.cannot),
        evidence_digest=evidence,
        basis=basis.model_copy(update={"reaches": reaches}) if basis is not None else None,
        expires_at=found.now + world.manners.approval_ttl,
    )
    return after_earlier_attempts(draft, found.claims, found.proposals)


def under_policy(plan: Plan, policy: Policy, now: datetime, requester: SlackUserId | None) -> Plan:
    """Return *plan* with what its approval takes by *policy*."""
    terms = policy.for_risk(plan.risk)
    expires_at = plan.expires_at
    if terms.expires_minutes is not None:
        expires_at = now + timedelta(minutes=terms.expires_minutes)
    return plan.model_copy(
        update={
            "quorum": terms.quorum,
            "policy_version": policy.version,
            "observed": policy.is_only_observed(plan.service),
            "narrowed_to": terms.approvers,
            "type_target": terms.type_target,
            "excludes": tuple(party.value for party in terms.excludes),
            "requester": requester,
            "expires_at": expires_at,
        }
    )


def after_earlier_attempts(draft: Plan, claims: Sequence[Claim], earlier: Sequence[ProposalRecord]) -> Plan:
    """Leave out what a voided run has finished, and number further attempts at the same effect."""
    interrupted = {
        record.id
        for record in earlier
        if record.state is ProposalState.FAILED and record.epoch != draft.epoch
    }
    steps: list[PlannedStep] = []
    done: list[str] = []
    for step in draft.steps:
        same = [claim for claim in claims if claim.effect_key == draft.effect_key(step)]
        if any(
            claim.proposal_id in interrupted and claim.outcome and claim.outcome.result is Result.DONE
            for claim in same
        ):
            done.append(step.action.name)
            continue
        steps.append(step.model_copy(update={"attempt": 1 + last_attempt(draft, step, claims)}))
    if not steps:
        raise InvalidPlan("every step of it has run already; only the verification is left")
    undo = tuple(1 + last_attempt(draft, step, claims) for step in draft.undo_planned)
    return draft.model_copy(
        update={"steps": tuple(steps), "already_done": tuple(done), "undo_attempts": undo}
    )


def last_attempt(plan: Plan, step: PlannedStep, claims: Sequence[Claim]) -> int:
    """Return the highest attempt claimed at the step's effect in this incident; 0 when none was."""
    key = plan.effect_key(step)
    return max((claim.attempt for claim in claims if claim.effect_key == key), default=0)


def is_live(proposals: Sequence[ProposalRecord]) -> bool:
    """Say whether the last proposal can still start or is running."""
    return bool(proposals) and proposals[-1].state in LIVE | HOLDS_TARGET
