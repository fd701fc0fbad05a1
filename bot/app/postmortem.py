"""Draft the postmortem: from the record alone, each line with the entry that it rests on."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from bot.app.chronicle import cited, told
from bot.app.facts import Facts
from bot.app.wording import NOT_KNOWN, change_name, clock_time, counted, duration, stated_confidence
from bot.domain.audit import Act, Entry
from bot.domain.correlation import Outcome
from bot.domain.document import Document, Line, Section, lines
from bot.domain.proposal import ProposalState

_REFUSALS = (
    *(Act.REFUSED, Act.NOT_ADMITTED, Act.DENIED),
    *(Act.EXPIRED, Act.CANCELLED, Act.SUPERSEDED),
)
_TRIED = (Act.PROPOSED, Act.CLAIMED, Act.RESUMED, Act.FINISHED, Act.CONCLUDED)
_SLOW = timedelta(minutes=5)  # Our choice: a decision that took longer is worth a question.


def postmortem(facts: Facts) -> Document:
    """Return the draft. What the record does not tell is a question, and never a guess."""
    record = facts.record
    return Document(
        title=f"Postmortem draft: {record.incident.title or record.id}",
        sections=(
            Section(heading="About this draft", lines=tuple(_about(facts))),
            Section(heading="Impact", lines=tuple(_impact(facts))),
            Section(heading="Timeline (UTC)", lines=tuple(_timeline(facts))),
            Section(heading="Cause", lines=tuple(_cause(facts))),
            Section(heading="What was tried", lines=_all_of(facts, *_TRIED) or lines(["Nothing was tried."])),
            Section(heading="What was refused", lines=_all_of(facts, *_REFUSALS) or lines(["Nothing."])),
            Section(heading="Approvals", lines=_all_of(facts, Act.APPROVED) or lines(["None."])),
            Section(heading="Proof of recovery", lines=tuple(_recovery(facts))),
            Section(heading="Action items, as questions", lines=lines(_questions(facts))),
        ),
    )


def _about(facts: Facts) -> Iterator[Line]:
    yield Line(text=f"Incident {facts.record.id}", url=facts.record.incident.url)
    at = clock_time(facts.at, today=facts.record.incident.opened_at)
    yield Line(text=f"Written at {at} from the record alone; no model took part in the writing.")
    if facts.entries:
        first, last = facts.entries[0], facts.entries[-1]
        yield Line(
            text=f"“record 7” is entry 7 of the audit record, here {first.seq} to {last.seq}; "
            f"the last one's hash begins with {last.hash[:12]}."
        )
    if not facts.has_all_entries:
        yield Line(text=f"Only the first {len(facts.entries)} entries are told: there are more.")
    if facts.record.incident.is_unknown:
        yield Line(text=f"{NOT_KNOWN}: all that is told of it is a webhook's word.")


def _impact(facts: Facts) -> Iterator[Line]:
    record, incident = facts.record, facts.record.incident
    where = incident.service or incident.pagerduty_service_name or "an unmapped service"
    seen = list(facts.of(Act.SEEN))[:1]
    told_by = f"PagerDuty, urgency {incident.urgency}"
    opened = f"“{incident.title or record.id}” on {where}, opened {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC"
    yield Line(text=cited(f"{opened} ({told_by})", *seen) if seen else f"{opened} ({told_by})")
    if record.resolved_at is not None:
        took = duration(record.resolved_at - incident.opened_at)
        ended = f"It lasted {took}, until {clock_time(record.resolved_at, today=incident.opened_at)}"
        over = list(facts.of(Act.RESOLVED))[-1:]
        yield Line(text=cited(ended, *over) if over else ended)
    else:
        yield Line(text=f"It is still open, {duration(facts.at - incident.opened_at)} after it opened.")
    yield Line(text=f"{counted(len(incident.alerts), 'alert')} (PagerDuty)")
    for entry in facts.of("signal_before"):
        yield Line(text=told(facts, entry) or "")
    yield Line(text="How many people or requests were hurt is not on record: please add it.")


def _timeline(facts: Facts) -> Iterator[Line]:
    moments: list[tuple[datetime, int, Line]] = []
    incident = facts.record.incident
    moments.append((incident.opened_at, 0, Line(text="The incident opened (PagerDuty)")))
    for alert in incident.alerts:
        moments.append((alert.at, 0, Line(text=f"Alert: {alert.title} (PagerDuty alert {alert.id})")))
    ranking = facts.record.assessment.ranking if facts.record.assessment else None
    for suspect in ranking.suspects if ranking else ():
        change = suspect.change
        said = f"Change: {change_name(change)} (change {change.id}, told by {change.source})"
        moments.append((change.live_at, 0, Line(text=said, url=change.url)))
    for entry in facts.entries:
        if said_of := told(facts, entry):
            moments.append((entry.at, entry.seq, Line(text=said_of)))
    for at, _, line in sorted(moments, key=lambda moment: moment[:2]):
        stamp = clock_time(at, today=incident.opened_at).removesuffix(" UTC")
        yield line.model_copy(update={"text": f"{stamp} · {line.text}"})


def _cause(facts: Facts) -> Iterator[Line]:
    assessment = facts.record.assessment
    if assessment is None:
        yield Line(text="It was not assessed.")
        return
    cause = assessment.cause
    rests = _resting_on(facts)

    def line(text: str, url: str | None = None) -> Line:
        return Line(text=f"{text} {rests}", url=url)

    yield line(f"{cause.headline}, {stated_confidence(cause)}")
    for suspect in cause.suspects[:1]:
        for reason in suspect.reasons:
            yield line(f"For it: {reason}" if not reason.startswith("against it") else reason.capitalize())
        if suspect.url:
            yield line(f"Change: {suspect.title}", suspect.url)
    for other in cause.suspects[1:]:
        yield line(f"Also looked at: {other.title}, {other.probability_percent} %")
    for found in cause.evidence:
        yield line(f"Seen: {found.text}", found.url)
    if cause.prose:
        yield line(f"A model wrote: {cause.prose}")
    for limit in cause.limits:
        yield line(f"Limit: {limit}")
    yield line(cause.speaker)
    yield from _all_of(facts, Act.LABELLED)


def _resting_on(facts: Facts) -> str:
    """Return the entry that names the digest of the evidence; without a proposal the digest itself."""
    assessment = facts.record.assessment
    digest = assessment.evidence_digest if assessment else ""
    for entry in reversed(list(facts.of(Act.PROPOSED))):
        if entry.body_values().get("evidence_digest") == digest:
            return f"(evidence {digest[:8]}, record {entry.seq})"
    return f"(evidence {digest[:8]})"


def _all_of(facts: Facts, *acts: Act | str) -> tuple[Line, ...]:
    said = ((entry, told(facts, entry)) for entry in facts.of(*acts))
    return tuple(Line(text=f"{clock_time(entry.at)}: {text}") for entry, text in said if text)


def _recovery(facts: Facts) -> Iterator[Line]:
    proofs = [entry for entry in facts.of(Act.CONCLUDED) if _state(entry) in ("verified", "not_recovered")]
    for entry in proofs:
        yield Line(text=f"{clock_time(entry.at)}: {told(facts, entry)}")
    if not any(_state(entry) == "verified" for entry in proofs):
        yield Line(text="Handrail did not prove a recovery; PagerDuty tells how the incident ended.")


def _state(entry: Entry) -> object:
    return entry.body_values().get("state")


def _questions(facts: Facts) -> Iterator[str]:
    """Yield what the team should ask itself, each because of something on record."""
    assessment = facts.record.assessment
    rests = _resting_on(facts)
    ranking = assessment.ranking if assessment else None
    if ranking is not None and ranking.outcome is Outcome.CHANGE_SUSPECTED:
        name = change_name(ranking.suspects[0].change)
        yield f"What would have caught {name} before it was live? {rests}"
    elif ranking is not None and ranking.outcome is Outcome.CANNOT_SEPARATE:
        yield f"What would tell the suspected changes apart next time? {rests}"
    elif assessment is not None:
        yield f"No change was suspected: what was it, and which signal would have shown it? {rests}"
    if assessment is not None and assessment.cause.limits:
        yield f"Some sources did not answer: can they be made reachable while things are broken? {rests}"
    for proposal in facts.proposals:
        title = f"“{facts.plans[proposal.id].title}”"
        entries = [e for e in facts.entries if e.body_values().get("proposal") == proposal.id]
        match proposal.state:
            case ProposalState.EXPIRED:
                yield cited(
                    f"Nobody decided about {title} in time: did it reach the right people?", *entries[-1:]
                )
            case ProposalState.NOT_RECOVERED | ProposalState.FAILED | ProposalState.UNKNOWN:
                yield cited(
                    f"{title} did not help: should its playbook say when not to use it?", *entries[-1:]
                )
            case _ if proposal.approvals and proposal.approvals[0].at - proposal.created_at > _SLOW:
                took = duration(proposal.approvals[0].at - proposal.created_at)
                yield cited(f"It took {took} to decide about {title}: what was missing?", *entries[:1])
    if refused := list(facts.of(Act.REFUSED)):
        yield cited("Somebody pressed who could not decide: should they be able to?", *refused)
    if not facts.proposals:
        yield "Nothing was proposed: which playbook would have helped?"
    yield "Which alert told first, and could it have told earlier? (PagerDuty)"
