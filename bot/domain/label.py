"""Labels: what people and recoveries said about a diagnosis, and what follows from all of them together."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime

from bot.domain.approval import CLICK_TTL, Reason
from bot.domain.card import CardRef
from bot.domain.diagnosed import Diagnosed, DiagnosisId
from bot.domain.frozen import Frozen
from bot.domain.ids import ChangeId, ClickId, Digest, IncidentId, SlackUserId, sha256_hex
from bot.domain.person import Person
from bot.domain.record import IncidentRecord


class Verdict(StrEnum):
    """What a label says of one change."""

    WAS_IT = "was_it"
    NOT_IT = "not_it"


class LabelSource(StrEnum):
    """Who or what spoke."""

    PERSON = "person"
    RECOVERY = "recovery"
    """A playbook that undid the suspect ran, and the service's signal proved the recovery."""
    NO_RECOVERY = "no_recovery"
    """It ran, and the signal did not recover."""
    ROLLED_BACK = "rolled_back"
    """People took the suspect back themselves, and the incident was resolved after that."""


STRENGTH: Final = {
    LabelSource.PERSON: 1.0,
    LabelSource.RECOVERY: 1.0,
    LabelSource.NO_RECOVERY: 0.5,
    LabelSource.ROLLED_BACK: 0.5,
}
"""How much one label counts; our choice: what happened once by itself is worth half a person's word."""


class Label(Frozen):
    """One statement about one change of one diagnosis. Labels are only ever added."""

    id: str
    """The click's id, or a digest of what happened: the same statement twice is one."""
    incident: IncidentId
    diagnosis: DiagnosisId
    change: ChangeId
    verdict: Verdict
    source: LabelSource
    by: SlackUserId | None = None
    name: str = ""
    """The person's name, for the card."""
    at: AwareDatetime


class Feedback(Frozen):
    """A press of “This was it” or “Not it”, as it was received."""

    id: ClickId
    verdict: Verdict
    incident: IncidentId
    change: ChangeId
    digest: Digest
    """Of the evidence that the button's diagnosis rests on."""
    user_id: SlackUserId
    team_id: str
    channel: str
    message_ts: str | None
    """The card; None for a button in Details."""
    received_at: AwareDatetime


class FeedbackRuling(Frozen):
    """What a press did, and the words for the person who pressed."""

    reason: Reason
    text: str
    label: Label | None = None
    """The label to keep; None for a refusal, and for what this person has said already."""

    @property
    def is_accepted(self) -> bool:
        return self.reason is Reason.ACCEPTED


class Permitted(Frozen):
    """Whether a person's word counts, and why not."""

    allowed: bool
    grounds: str = ""


def may_label(person: Person) -> Permitted:
    """Say whether *person* may label: every real member may, approver or not."""
    disqualified = person.disqualification
    return Permitted(allowed=disqualified is None, grounds=disqualified or "")


def rule_on_feedback(
    press: Feedback,
    person: Person,
    permitted: Permitted,
    record: IncidentRecord | None,
    diagnosis: Diagnosed | None,
    labels: Sequence[Label],
    now: AwareDatetime,
) -> FeedbackRuling:
    """Decide what *press* does. *now* is the store's time; *labels* are the incident's so far.

    It says something about the past and nothing else: no proposal is read, none can change.
    """
    if refusal := _refuse(press, permitted, record, now):
        return refusal
    if diagnosis is None or press.change not in {suspect.change for suspect in diagnosis.suspects}:
        return FeedbackRuling(
            reason=Reason.OUT_OF_DATE,
            text="I have no such diagnosis of this change on record. Read the card again.",
        )
    said = press.change if press.verdict is Verdict.WAS_IT else f"not {press.change}"
    mine = [label for label in standing(labels) if label.by == person.id and label.change == press.change]
    if mine and mine[-1].verdict is press.verdict:
        return FeedbackRuling(reason=Reason.ACCEPTED, text=f"You have said so already: {said}.")
    label = Label(
        id=press.id,
        incident=press.incident,
        diagnosis=diagnosis.id,
        change=press.change,
        verdict=press.verdict,
        source=LabelSource.PERSON,
        by=person.id,
        name=person.name,
        at=now,
    )
    again = " It replaces what you said before." if any(one.by == person.id for one in labels) else ""
    return FeedbackRuling(
        reason=Reason.ACCEPTED, text=f"Noted: it was {said}. Nothing runs from it.{again}", label=label
    )


def _refuse(
    press: Feedback,
    permitted: Permitted,
    record: IncidentRecord | None,
    now: AwareDatetime,
) -> FeedbackRuling | None:
    if now - press.received_at > CLICK_TTL:
        return FeedbackRuling(reason=Reason.TOO_LATE, text="That took too long to reach me. Press again.")
    if not permitted.allowed:
        return FeedbackRuling(reason=Reason.NOT_ALLOWED, text=f"I cannot note that: {permitted.grounds}.")
    if record is None:
        return FeedbackRuling(reason=Reason.OUT_OF_DATE, text="I have no such incident on record.")
    if press.message_ts is not None and record.card != CardRef(channel=press.channel, ts=press.message_ts):
        return FeedbackRuling(
            reason=Reason.WRONG_CARD, text="That button is not on the incident's card. Use the card."
        )
    return None


def standing(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Return the labels that count, in order: of each person the last one about each change.

    A person has one culprit: their later “this was it” about another change takes back the earlier one.
    """
    last: dict[tuple[str, ChangeId], Label] = {}
    culprit: dict[SlackUserId, ChangeId] = {}
    for label in labels:
        who = label.by if label.source is LabelSource.PERSON and label.by else None
        if who is not None and label.verdict is Verdict.WAS_IT:
            before = culprit.get(who)
            if before is not None and before != label.change:
                last.pop((who, before), None)
            culprit[who] = label.change
        key = (who or label.id, label.change)
        last.pop(key, None)
        last[key] = label
    return tuple(last.values())


class Settled(Frozen):
    """What all labels of an incident come to."""

    right: ChangeId | None = None
    """The change that was it."""
    wrong: tuple[ChangeId, ...] = ()
    """Changes that were not it."""
    strength: float = 0.0
    """How much the answer counts, 1 at most."""
    is_disputed: bool = False
    """They contradict each other, so nothing follows."""
    sources: tuple[LabelSource, ...] = ()

    @property
    def is_known(self) -> bool:
        return self.right is not None or bool(self.wrong)

    def judges(self, change: ChangeId | None) -> bool | None:
        """Say whether naming *change* was right; None when the labels do not tell."""
        if change is None or not self.is_known:
            return None
        if change == self.right:
            return True
        return False if self.right is not None or change in self.wrong else None


def settle(labels: Iterable[Label]) -> Settled:
    """Return what *labels* of one incident come to: for each change the sum of what counts for and against.

    Two changes with the same best sum, or a change with as much for as against it, are disputed.
    """
    counted = standing(labels)
    votes: dict[ChangeId, float] = {}
    for label in counted:
        sign = 1.0 if label.verdict is Verdict.WAS_IT else -1.0
        votes[label.change] = votes.get(label.change, 0.0) + sign * STRENGTH[label.source]
    best = max(votes.values(), default=0.0)
    winners = [change for change, vote in votes.items() if vote == best and vote > 0.0]
    wrong = tuple(sorted(change for change, vote in votes.items() if vote < 0.0))
    sources = tuple(dict.fromkeys(label.source for label in counted))
    if len(winners) > 1 or (not winners and not wrong and votes):
        return Settled(is_disputed=True, sources=sources)
    if not votes:
        return Settled()
    decisive = best if winners else -min(votes.values())
    return Settled(
        right=winners[0] if winners else None,
        wrong=wrong,
        strength=min(1.0, decisive),
        sources=sources,
    )


def label_id(*parts: str) -> str:
    """Name a label that no click made, so that what happened once is said once."""
    return sha256_hex("label", *parts)


RESOLVE_WITHIN: Final = timedelta(hours=6)
"""Our choice: a resolve later than this after a rollback is no sign that the rollback helped."""
