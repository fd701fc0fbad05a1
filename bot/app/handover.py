"""Tell one incident to the next shift, and to those who only need to know: pure functions of the record."""

from collections.abc import Iterator

from bot.app.chronicle import told
from bot.app.facts import Facts
from bot.app.wording import clock_time, duration, stated_confidence
from bot.domain.audit import Act
from bot.domain.document import Document, Line, Section, lines
from bot.domain.proposal import ProposalState

_TOLD = (
    *(Act.PROPOSED, Act.APPROVED, Act.DENIED, Act.EXPIRED, Act.CANCELLED, Act.SUPERSEDED),
    *(Act.NOT_ADMITTED, Act.CLAIMED, Act.FINISHED, Act.CONCLUDED),
)
_MOST = 15


def handover_note(facts: Facts) -> Document:
    """Return what the next shift must know of the incident: how it stands, what was tried, what waits."""
    tried = [text for entry in facts.of(*_TOLD) if (text := told(facts, entry))]
    hidden = len(tried) - _MOST
    shown = [f"{hidden} earlier ones: see the timeline"] * (hidden > 0) + tried[-_MOST:]
    return Document(
        title=f"Hand-over: {facts.record.incident.title or facts.record.id}",
        sections=(
            Section(heading="How it stands", lines=tuple(_stands(facts))),
            Section(heading="What was tried", lines=lines(shown or ["Nothing was tried."])),
            Section(heading="What waits", lines=lines([waits_for(facts)])),
        ),
    )


def _stands(facts: Facts) -> Iterator[Line]:
    record, incident = facts.record, facts.record.incident
    where = incident.service or incident.pagerduty_service_name or "an unmapped service"
    age = duration((record.resolved_at or facts.at) - incident.opened_at)
    opened = clock_time(incident.opened_at, today=facts.at)
    state = f"{incident.status.value} since {age}" if incident.is_open else f"over after {age}"
    yield Line(text=f"{record.id} on {where}, opened {opened}, {state}", url=incident.url)
    yield Line(text=f"On call: {', '.join(record.on_call_names) or 'nobody that PagerDuty named'}")
    if record.assessment is None:
        yield Line(text="It was not assessed.")
        return
    cause = record.assessment.cause
    yield Line(text=f"{cause.headline}, {stated_confidence(cause)}")
    for limit in cause.limits:
        yield Line(text=limit)


def waits_for(facts: Facts) -> str:
    """Return what the incident waits for, in a sentence."""
    if not facts.record.incident.is_open:
        return "Nothing: it is over."
    match facts.proposals[-1].state if facts.proposals else None:
        case ProposalState.PENDING | ProposalState.PROPOSED:
            until = clock_time(facts.proposals[-1].expires_at, today=facts.at)
            return f"Somebody who approves or denies what is proposed, until {until}."
        case ProposalState.APPROVED | ProposalState.STARTED | ProposalState.DONE | ProposalState.UNDOING:
            return "The end of what was approved."
        case ProposalState.UNKNOWN:
            return "Somebody who looks at the target and says on the card whether the step ran."
        case ProposalState.VERIFIED if facts.is_recovered:
            return "Somebody who resolves it: the signal has recovered."
        case _:
            return "Somebody who decides what to do: nothing is proposed."


def stakeholder_update(facts: Facts, *, whom: str = "") -> Document:
    """Return an update in plain words, without names of people, plans or metrics: those need no explaining.

    *whom* it hurts, and how, is a person's word: it is not on record.
    """
    incident = facts.record.incident
    where = incident.service or incident.pagerduty_service_name or "one of our services"
    state = "Resolved" if not incident.is_open else "Recovered" if facts.is_recovered else "Being worked on"
    return Document(
        title=f"{where}: {state.lower()}",
        sections=(
            Section(heading="What is happening", lines=lines([_happening(facts, where)])),
            *((Section(heading="Whom it hurts", lines=lines([whom])),) if whom else ()),
            Section(heading="What we know", lines=lines([_known(facts)])),
            Section(heading="What we do", lines=lines([_doing(facts)])),
        ),
    )


def update_draft(facts: Facts, how: str) -> Document:
    """Return the update as a draft; *how* says in a sentence how a person posts it."""
    update = stakeholder_update(facts)
    before = [
        "Add whom it hurts and how: that is not on record.",
        how,
        f"It rests on the record of {facts.record.id} as of {clock_time(facts.at)}.",
    ]
    return Document(
        title=f"Draft of an update: {update.title}",
        sections=(*update.sections, Section(heading="Before you post it", lines=lines(before))),
    )


def _happening(facts: Facts, where: str) -> str:
    record, incident = facts.record, facts.record.incident
    since = f"{incident.opened_at:%H:%M} UTC"
    if record.resolved_at is not None and not incident.is_open:
        took = duration(record.resolved_at - incident.opened_at)
        return f"{where} had a problem from {since} on. It is over; it lasted {took}."
    if facts.is_recovered:
        return f"{where} has had a problem since {since}. Our measurements say that it works again."
    return f"{where} has had a problem since {since}."


def _known(facts: Facts) -> str:
    assessment = facts.record.assessment
    if assessment is None:
        return "We are looking for the cause."
    if assessment.suspect is None:
        return "The cause is not clear yet; no recent change of ours stands out."
    word = assessment.cause.confidence_word
    sure = {"high": "most likely", "medium": "probably"}.get(word, "possibly")
    return f"It was {sure} caused by a recent change of ours."


def _doing(facts: Facts) -> str:
    if not facts.record.incident.is_open:
        return "We write down what happened, and how it can be kept from happening again."
    match facts.proposals[-1].state if facts.proposals else None:
        case ProposalState.PENDING | ProposalState.PROPOSED:
            return "A fix is prepared and waits for approval."
        case ProposalState.APPROVED | ProposalState.STARTED:
            return "An approved fix is being carried out."
        case ProposalState.DONE:
            return "A fix was carried out; we are measuring whether it helped."
        case ProposalState.VERIFIED if facts.is_recovered:
            return "A fix was carried out and has helped; we keep watching."
        case (
            ProposalState.FAILED | ProposalState.NOT_RECOVERED | ProposalState.UNKNOWN | ProposalState.UNDOING
        ):
            return "A first fix has not settled it; people are working on the next one."
        case _:
            return "People are working on it."
