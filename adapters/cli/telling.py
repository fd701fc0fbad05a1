"""The story of a proposal, from the event to the signal, from the record alone."""

import json
import os
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from adapters.cli.auditing import told
from adapters.cli.plain import plain
from adapters.settings import store_settings
from adapters.store.opening import Store, open_record
from adapters.store.signing import verifies
from bot.domain.audit import Act, Entry
from bot.domain.diagnosed import Diagnosed, Opined
from bot.domain.document import Document, Section, lines
from bot.domain.errors import NotFound
from bot.domain.ids import IncidentId, ProposalId
from bot.domain.plan import plan_digest
from bot.domain.proposal import Approval, ProposalRecord, approval_statement
from bot.domain.record import IncidentRecord

_ANY: Final = TypeAdapter[JsonValue](JsonValue)
_EVERY = 1_000_000  # Entries of one incident: all of them.
_CARD = (Act.PROPOSED, Act.OFFERED, Act.EXPIRED, Act.CANCELLED, Act.SUPERSEDED)
_CLICKS = (Act.APPROVED, Act.DENIED, Act.ANSWERED, Act.REFUSED)
_RUN = (Act.CLAIMED, Act.RESUMED, Act.NOT_ADMITTED, Act.FINISHED, Act.TAMPERED)
_SIGNALS = ("signal_before", "checked_again", Act.CONCLUDED, Act.REMARKED)


async def told_of(which: str | None, *, limit: int, as_json: bool) -> Sequence[str]:
    """Return a proposal's story, or the entries of an incident or of all as JSON Lines.

    Raises:
        NotFound: nothing is on record of *which*.
    """
    store = open_record(store_settings(os.environ).database_url)
    try:
        record = await store.gate.proposal(ProposalId(which)) if which is not None else None
        if record is None:
            entries = await store.audit.entries(IncidentId(which) if which is not None else None, limit=limit)
            if which is not None and not entries:
                raise NotFound(f"Nothing is on record of {plain(which[:80])!r}, in the database at least.")
            return [told(entry) for entry in entries]
        return await _story(store, record, as_json=as_json)
    finally:
        await store.close()


async def _story(store: Store, record: ProposalRecord, *, as_json: bool) -> Sequence[str]:
    entries = await store.audit.entries(record.incident, limit=_EVERY)
    of_proposal = [entry for entry in entries if entry.body_values().get("proposal") == record.id]
    before = [entry for entry in entries if entry.at <= record.changed_at]
    thought = [
        one for one in await store.diagnoses.all(incident=record.incident) if one.at <= record.created_at
    ]
    opinions = [
        one for one in await store.diagnoses.opinions(incident=record.incident) if one.at <= record.changed_at
    ]
    if as_json:
        return [_as_json(record, of_proposal, thought[-1:], opinions)]
    incident = await store.incidents.get(record.incident)
    sections = (
        ("Event", _event(incident, before)),
        ("Evidence", _evidence(thought[-1:])),
        ("Prompt and model", _models(opinions, before)),
        ("Plan", _plan(record)),
        ("Card", _facts(of_proposal, _CARD)),
        ("Clicks", [*_facts(of_proposal, _CLICKS), *_signatures(record)]),
        ("Run", _facts(of_proposal, _RUN)),
        ("Signals", _facts(of_proposal, _SIGNALS)),
    )
    document = Document(
        title=f"Proposal {record.id}: {record.state.value}",
        sections=tuple(
            Section(heading=h, lines=lines(said or ["nothing is on record"])) for h, said in sections
        ),
    )
    return [document.as_text()]


def _event(incident: IncidentRecord | None, entries: Sequence[Entry]) -> list[str]:
    said = [_fact(entry) for entry in entries if entry.act in (Act.SEEN, Act.REOPENED, Act.RESOLVED)]
    if incident is None:
        return said
    return [f"{plain(incident.incident.title)}, opened {incident.incident.opened_at.isoformat()}", *said]


def _evidence(thought: Sequence[Diagnosed]) -> list[str]:
    return [
        f"diagnosis {one.id}: {one.outcome.value}, named {one.named}, confidence {one.confidence:.2f}, "
        f"evidence digest {one.evidence_digest}, case {one.snapshot_sha256}, weights {one.weights_version}"
        for one in thought
    ]


def _models(opinions: Sequence[Opined], entries: Sequence[Entry]) -> list[str]:
    said = [
        f"opinion {one.id}: model {one.model or 'none'}, prompt {one.prompt}, input {one.input_sha256}"
        for one in opinions
    ]
    return [*said, *(_fact(entry) for entry in entries if entry.act == "model_called")]


def _plan(record: ProposalRecord) -> list[str]:
    holds = "holds" if plan_digest(record.plan) == record.digest else "DOES NOT HOLD"
    return [
        f"digest {record.digest} ({holds}), epoch {record.epoch}, expires {record.expires_at.isoformat()}",
        plain(record.plan.decode("utf-8", "replace")),
    ]


def _facts(entries: Sequence[Entry], acts: Sequence[str]) -> list[str]:
    return [_fact(entry) for entry in entries if entry.act in acts]


def _fact(entry: Entry) -> str:
    body = ", ".join(f"{name}={value}" for name, value in entry.body_values().items())
    return plain(f"entry {entry.seq} at {entry.at.isoformat()}: {entry.act} by {entry.actor} ({body})")


def _signatures(record: ProposalRecord) -> Iterator[str]:
    for approval in record.approvals:
        yield f"the approval by {approval.user_id} {_signature(record, approval)}"


def _signature(record: ProposalRecord, approval: Approval) -> str:
    seal = approval.seal
    if seal is None:
        return "is not signed"
    holds = verifies(seal.key, approval_statement(record, approval), seal.signature)
    return f"{'is' if holds else 'IS NOT'} signed with {seal.key}"


def _plan_value(raw: bytes) -> JsonValue:
    """Return the plan as it stands in JSON; bytes that were changed to what is none, as a text."""
    try:
        return _ANY.validate_json(raw)
    except ValidationError:
        return raw.decode("utf-8", "backslashreplace")


def _as_json(
    record: ProposalRecord, entries: Sequence[Entry], thought: Sequence[Diagnosed], opinions: Sequence[Opined]
) -> str:
    return json.dumps(
        {
            "proposal": record.model_dump(mode="json", exclude={"plan"}),
            "plan": _plan_value(record.plan),
            "is_plan_faithful": plan_digest(record.plan) == record.digest,
            "diagnosis": thought[0].model_dump(mode="json") if thought else None,
            "opinions": [one.model_dump(mode="json") for one in opinions],
            "entries": [json.loads(told(entry)) for entry in entries],
        }
    )
