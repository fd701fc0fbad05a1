"""What was said of diagnoses: one transaction from reading the diagnosis to remembering the answer."""

from collections.abc import Sequence
from datetime import datetime

from adapters.store import entries
from adapters.store.rows import Answered
from adapters.store.transaction import Transaction, Transactions
from bot.domain.diagnosed import diagnosis_id
from bot.domain.errors import NotFound, Tampered
from bot.domain.ids import IncidentId
from bot.domain.label import Feedback, FeedbackRuling, Label, Permitted, rule_on_feedback
from bot.domain.person import Person


class StoredLabels:
    """The port `Labels` over any rows."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def say(self, press: Feedback, person: Person, permitted: Permitted) -> FeedbackRuling:
        """Raises `Tampered` when the press is not the person's."""
        return await self._transactions.write(lambda tx: _say(tx, press, person, permitted))

    async def add(self, label: Label) -> bool:
        """Raises `NotFound` when its diagnosis is not on record."""
        return await self._transactions.write(lambda tx: _add(tx, label))

    async def of(self, incident: IncidentId) -> Sequence[Label]:
        return await self._transactions.read(lambda tx: tx.rows.labels.of_incident(incident))

    async def since(self, start: datetime) -> Sequence[Label]:
        return await self._transactions.read(lambda tx: tx.rows.labels.since(start))


def _say(tx: Transaction, press: Feedback, person: Person, permitted: Permitted) -> FeedbackRuling:
    if press.user_id != person.id:
        raise Tampered(f"A press of {press.user_id} came with the name of {person.id}.")
    if (known := tx.rows.labels.answer(press.id)) is not None:
        return known
    record = tx.rows.incidents.get(press.incident)
    ruling = rule_on_feedback(
        press,
        person,
        permitted,
        record,
        tx.rows.diagnoses.get(diagnosis_id(press.incident, press.digest)),
        tx.rows.labels.of_incident(press.incident),
        tx.now,
    )
    answered = Answered(press, ruling, tx.now)
    if ruling.label is not None:
        _keep(tx, ruling.label)
    elif not ruling.is_accepted:
        tx.append(entries.feedback_refused(answered, record.id if record is not None else None))
    tx.rows.labels.add_answer(answered)
    return ruling


def _add(tx: Transaction, label: Label) -> bool:
    if tx.rows.labels.has(label.id):
        return False
    _keep(tx, label)
    return True


def _keep(tx: Transaction, label: Label) -> None:
    diagnosis = tx.rows.diagnoses.get(label.diagnosis)
    if diagnosis is None:
        raise NotFound(f"There is no diagnosis {label.diagnosis}.")
    tx.rows.labels.add(label)
    tx.append(entries.labelled(label, diagnosis))
