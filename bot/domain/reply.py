"""A question in words about one incident: what a model is given, what it may look up, what it may answer."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from bot.domain.diagnosis import Answer, CandidateId, Claim, ModelCall
from bot.domain.frozen import Frozen
from bot.domain.ids import Digest, IncidentId, PlaybookId, ServiceName, sha256_hex
from bot.domain.redaction import Redacted

MOST_SENTENCES: Final = 6


class LookUpTool(StrEnum):
    """The read-only questions that a model may put while it looks for an answer."""

    LIST_CHANGES = "list_changes"
    GET_CHANGE_DIFF = "get_change_diff"
    GET_ALERT_TIMELINE = "get_alert_timeline"
    GET_ERROR_SIGNATURES = "get_error_signatures"
    GET_METRIC_WINDOW = "get_metric_window"
    GET_DEPENDENCIES = "get_dependencies"
    FIND_SIMILAR_INCIDENTS = "find_similar_incidents"
    GET_PLAYBOOKS = "get_playbooks"
    WHO_IS_ON_CALL = "who_is_on_call"


class LookUp(Frozen):
    """One question to our tools. Every argument is a choice from what was offered; another finds nothing."""

    tool: LookUpTool
    candidate_id: str | None = None
    """For `get_change_diff`."""
    service: str | None = None
    """Of those offered; None: the incident's own."""
    minutes: Literal[15, 60, 240, 1440, 4320] | None = None
    """How long before the onset to look; None: as long as the investigation did."""


class WordsAsked(Frozen):
    """Everything that a model is told with the question; the rest it looks up."""

    incident: IncidentId
    service: ServiceName | None
    title: Redacted
    question: Redacted
    onset: AwareDatetime
    now: AwareDatetime
    candidates: tuple[CandidateId, ...] = ()
    services: tuple[ServiceName, ...] = ()
    playbooks: tuple[PlaybookId, ...] = ()
    """Those that may be named: the allow-list of the incident's service."""
    max_calls: int = Field(default=4, ge=1, le=4)
    within_s: float = Field(default=18.0, gt=0, le=20)

    @property
    def input_sha256(self) -> Digest:
        """Digest of everything that the first request depends on."""
        return sha256_hex(self.model_dump_json(exclude={"max_calls", "within_s"}))


class ReplyOutcome(StrEnum):
    """What a model comes to."""

    ANSWERED = "answered"
    UNKNOWN = "unknown"
    OUT_OF_SCOPE = "out_of_scope"


class Reply(Answer):
    """The whole answer of a model."""

    sentences: Annotated[tuple[Claim, ...], Field(max_length=MOST_SENTENCES)]
    outcome: ReplyOutcome


class Replied(Frozen):
    """A model's answer, not yet checked against what it looked up."""

    reply: Reply
    calls: tuple[ModelCall, ...] = Field(min_length=1)

    @property
    def model(self) -> str:
        """The model that answered, by the name it was asked under."""
        return self.calls[-1].model
