"""What a model is given of an incident, and what it may answer: a choice among what we offer."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal, NewType

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from bot.domain.change import ChangeKind
from bot.domain.frozen import Frozen
from bot.domain.ids import ChangeId, Digest, IncidentId, PlaybookId, ServiceName, sha256_hex
from bot.domain.redaction import Redacted

CandidateId = NewType("CandidateId", str)
"""`C1`, `C2`, … in the order of the ranking, or `none`. Ours, so that no text from outside can be an id."""

NONE_OF_THESE: Final = CandidateId("none")
MOST_CANDIDATES: Final = 5
MOST_NEEDS: Final = 3


class ToolName(StrEnum):
    """The read-only questions that may be asked about an incident."""

    LIST_CHANGES = "list_changes"
    GET_CHANGE_DIFF = "get_change_diff"
    GET_ALERT_TIMELINE = "get_alert_timeline"
    GET_ALERT_TEXTS = "get_alert_texts"
    GET_SIGNALS = "get_signals"
    GET_ERROR_SIGNATURES = "get_error_signatures"
    GET_METRIC_WINDOW = "get_metric_window"
    GET_DEPENDENCIES = "get_dependencies"
    FIND_SIMILAR_INCIDENTS = "find_similar_incidents"
    GET_PLAYBOOKS = "get_playbooks"
    GET_VERSIONS = "get_versions"
    WHO_IS_ON_CALL = "who_is_on_call"
    ASK_ADDED_TOOLS = "ask_added_tools"


class ToolStatus(StrEnum):
    """How a question was answered."""

    OK = "ok"
    NO_DATA = "no_data"
    ERROR = "error"
    TRUNCATED = "truncated"


class Trust(StrEnum):
    """Who can put words into a result."""

    SYSTEM = "system"
    """Facts of typed fields, worded by us."""
    TELEMETRY = "telemetry"
    """Numbers that were measured."""
    HUMAN = "human"
    """Free text: anyone may have written it, an attacker too."""


class Sign(StrEnum):
    """What code makes of a measurement, so that nobody has to take a model's word for it."""

    ABNORMAL = "abnormal"
    """It moved around the onset, or one version is clearly worse than the others."""
    NORMAL = "normal"
    """It did not move, or the version is no worse than the others."""


class Window(Frozen):
    """The time that a result covers."""

    start: AwareDatetime
    end: AwareDatetime


class ToolResult(Frozen):
    """One answer, in the same envelope whichever tool gave it."""

    result_id: str
    """`E1`, `E2`, …"""
    tool: ToolName
    status: ToolStatus
    window: Window | None = None
    items: tuple[Redacted, ...] = ()
    """One line of text each."""
    total: int = Field(ge=0)
    """How many there were before the caps."""
    trust: Trust
    about: CandidateId | None = None
    """The one candidate that the result describes, if it describes one only."""
    service: ServiceName | None = None
    """The one service that was measured, if it is one only."""
    sign: Sign | None = None
    """None: no measurement, or nobody can say."""
    sha256: Digest
    """Of the items."""
    redactor_version: str

    @property
    def text(self) -> str:
        return "\n".join(self.items)


class Candidate(Frozen):
    """One of the answers offered: a change that the rules ranked, or none of them."""

    id: CandidateId
    change: ChangeId | None
    """None for `none`."""
    service: ServiceName | None = None
    kind: ChangeKind | None = None
    names: tuple[Redacted, ...] = ()
    """What a text may call it: its id, version, flag."""
    began_at: AwareDatetime | None = None
    prior: float = Field(ge=0, le=1)


class PlaybookOption(Frozen):
    """A playbook that the model may name."""

    id: PlaybookId
    service: ServiceName
    kinds: tuple[ChangeKind, ...] = ()
    """Kinds of change it answers; none: any."""


class Likelihood(StrEnum):
    """How likely a candidate is, in the model's view."""

    VERY_LIKELY = "very_likely"
    LIKELY = "likely"
    UNCLEAR = "unclear"
    UNLIKELY = "unlikely"
    VERY_UNLIKELY = "very_unlikely"


class VerdictOutcome(StrEnum):
    """What the model comes to."""

    CAUSE_IDENTIFIED = "cause_identified"
    INCONCLUSIVE = "inconclusive"
    NOT_CHANGE_RELATED = "not_change_related"


class Answer(BaseModel):
    """The base of what a model writes: nothing beside the schema, no conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Claim(Answer):
    """One statement with the results it rests on."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    evidence: Annotated[tuple[str, ...], Field(min_length=1, max_length=6)]
    """Ids of results."""
    quotes: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=8, max_length=160)], ...],
        Field(min_length=1, max_length=3),
    ]
    """Copied from those results, character for character."""


class Hypothesis(Answer):
    """How one candidate would explain the incident; the reasons stand before the judgement."""

    mechanism: Annotated[tuple[Claim, ...], Field(min_length=1, max_length=5)]
    contradicting: Annotated[tuple[Claim, ...], Field(max_length=3)]
    candidate_id: str
    likelihood: Likelihood


class FurtherTool(StrEnum):
    """The read-only questions that a model may ask for, once, beyond what it was shown."""

    LIST_CHANGES = "list_changes"
    GET_CHANGE_DIFF = "get_change_diff"
    GET_ALERT_TIMELINE = "get_alert_timeline"
    GET_ERROR_SIGNATURES = "get_error_signatures"
    GET_METRIC_WINDOW = "get_metric_window"
    GET_DEPENDENCIES = "get_dependencies"
    FIND_SIMILAR_INCIDENTS = "find_similar_incidents"


class Need(Answer):
    """One question a model asks for. Every argument is a choice from what it was offered."""

    tool: FurtherTool
    candidate_id: str | None
    """For `get_change_diff`."""
    service: str | None
    """For every other tool."""
    minutes: Literal[15, 60, 240]
    """How long before the onset to look."""


class Verdict(Answer):
    """The whole answer of a model."""

    unknowns: Annotated[tuple[Annotated[str, StringConstraints(max_length=200)], ...], Field(max_length=5)]
    ranked: Annotated[tuple[Hypothesis, ...], Field(max_length=MOST_CANDIDATES)]
    outcome: VerdictOutcome
    playbook_id: str | None
    need_evidence: Annotated[tuple[Need, ...], Field(max_length=MOST_NEEDS)] = ()


class Repair(Frozen):
    """What was wrong with the answer before this one."""

    previous: Redacted
    """The answer, as JSON."""
    problems: tuple[str, ...]
    """In our words."""


class Dossier(Frozen):
    """Everything that a model may know of an incident."""

    incident: IncidentId
    service: ServiceName | None
    title: Redacted
    urgency: str
    onset: AwareDatetime
    now: AwareDatetime
    candidates: tuple[Candidate, ...]
    """Best first, `none` last."""
    results: tuple[ToolResult, ...]
    playbooks: tuple[PlaybookOption, ...] = ()
    services: tuple[ServiceName, ...] = ()
    """Those that further evidence may be asked about."""
    may_ask: bool = False
    """Further evidence may be asked for: there are calls left, and it has not been asked for yet."""
    max_calls: int = Field(default=2, ge=1, le=4)
    """How many requests may be made for this one answer, repetitions counted."""
    within_s: float = Field(default=18.0, gt=0, le=20)
    """Seconds for this one answer."""
    repair: Repair | None = None

    @property
    def input_sha256(self) -> Digest:
        """Digest of everything that the answer can depend on."""
        return sha256_hex(self.model_dump_json(exclude={"max_calls", "within_s"}))

    def candidate(self, candidate_id: str) -> Candidate | None:
        return next((c for c in self.candidates if c.id == candidate_id), None)

    def result(self, result_id: str) -> ToolResult | None:
        return next((r for r in self.results if r.result_id == result_id), None)


class Silence(StrEnum):
    """Why no model spoke."""

    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    AUTH = "auth"
    OVERLOADED = "overloaded"
    GARBAGE = "garbage"
    UNGROUNDED = "ungrounded"
    REFUSED = "refused"
    BUDGET = "budget"
    BREAKER_OPEN = "breaker_open"


class Level(StrEnum):
    """Which rung of the ladder answered or was asked."""

    PRIMARY = "primary"
    FALLBACK_MODEL = "fallback_model"
    """Another model at the same address."""
    SECOND = "second"
    """The second address."""


class ModelCall(Frozen):
    """One request to a model, as the record keeps it: no text of it."""

    model: str
    """The model asked for."""
    response_model: str = ""
    """The model that says it answered."""
    prompt: str
    """`rank@v1+<12 digits of its digest>`."""
    input_sha256: Digest
    tokens_in: int = Field(default=0, ge=0)
    tokens_cached: int = Field(default=0, ge=0)
    tokens_out: int = Field(default=0, ge=0)
    is_estimate: bool = False
    """The call failed before it said what it used; the tokens are our estimate."""
    milliseconds: int = Field(ge=0)
    finish_reason: str = ""
    level: Level = Level.PRIMARY
    failure: Silence | None = None
    cost_usd: Decimal | None = None
    """None when no price is known for the model."""


class Diagnosis(Frozen):
    """A model's answer, not yet checked against the evidence."""

    verdict: Verdict
    calls: tuple[ModelCall, ...] = Field(min_length=1)

    @property
    def model(self) -> str:
        """The model that answered, by the name it was asked under."""
        return self.answered.model

    @property
    def level(self) -> Level:
        """Which rung of the ladder answered."""
        return self.answered.level

    @property
    def answered(self) -> ModelCall:
        """The call that brought the answer: a later one may have failed and left it standing."""
        return next((call for call in reversed(self.calls) if call.failure is None), self.calls[-1])


class NoDiagnosis(Frozen):
    """No answer that can be used, and why."""

    reason: Silence
    words: str
    """For the card, in our words: never the provider's text."""
    calls: tuple[ModelCall, ...] = ()
