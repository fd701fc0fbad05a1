"""What was observed beside alerts and changes: all of it optional, none of it trusted to be complete."""

from enum import StrEnum
from math import log2

from pydantic import AwareDatetime, Field

from bot.domain.frozen import Frozen
from bot.domain.ids import ServiceName


class VersionEvidence(Frozen):
    """What one version of a service showed on one call edge while several versions ran."""

    caller: ServiceName
    callee: ServiceName
    observed_at: ServiceName
    """The service whose version this is: usually the callee."""
    version: str
    success_rate: float = Field(ge=0, le=100)
    """Per cent of calls that succeeded."""
    latency_ms: float | None = Field(default=None, ge=0)
    baseline_latency_ms: float | None = Field(default=None, ge=0)
    """The usual latency of this edge; None when it is not known."""
    samples: int = Field(default=0, ge=0)


class ErrorPattern(Frozen):
    """One error signature seen around the onset, and how much of it is new."""

    signature: str
    service: ServiceName | None = None
    count: int = Field(ge=0)
    delta: float | None = None
    """How many more than usual; None when the usual count is not known."""

    @property
    def novelty(self) -> float:
        """Return the share of the count that is new: 1.0 was never seen before, 0.5 when nobody knows."""
        if self.delta is None or self.count == 0:
            return 0.5
        return min(1.0, max(0.0, self.delta / self.count))


class MetricShift(Frozen):
    """What one metric of a service showed around the onset, beside what is usual."""

    service: ServiceName
    metric: str
    value: float
    usual: float

    @property
    def halvings(self) -> float:
        """Return by how many powers of two it moved, either way, 4 at most; 0 when it did not."""
        small = 0.01 * max(abs(self.value), abs(self.usual))
        if small == 0.0:
            return 0.0
        return min(4.0, abs(log2((abs(self.value) + small) / (abs(self.usual) + small))))


class HostingRelation(StrEnum):
    """How two entities belong together."""

    RUNS = "runs"
    """The owner is a host (node, machine); the member runs on it."""
    INSTANCE = "instance"
    """The owner is a service; the member is one of its instances (pod, process)."""


class Hosting(Frozen):
    """One fact of what runs on what, or of what is an instance of what."""

    owner: str
    member: str
    relation: HostingRelation


class RivalKind(StrEnum):
    """A cause that is no change of ours."""

    PROVIDER_OUTAGE = "provider_outage"
    TRAFFIC_SURGE = "traffic_surge"
    CERTIFICATE = "certificate"
    MAINTENANCE = "maintenance"
    INFRASTRUCTURE = "infrastructure"


class Rival(Frozen):
    """A rival explanation that some source reported."""

    kind: RivalKind
    service: ServiceName | None = None
    """None: it concerns everything."""
    started_at: AwareDatetime | None = None
    summary: str = ""
    """Free text from outside: untrusted."""


class Coverage(Frozen):
    """Which sources answered for this case; none asked counts as complete."""

    answered: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Return the share of asked sources that answered, 1.0 when none was asked."""
        asked = len(self.answered) + len(self.unreachable)
        return 1.0 if asked == 0 else len(self.answered) / asked

    def cap(self, probability: float) -> float:
        """Return what may be claimed of *probability*: a source that did not answer may know better."""
        return min(probability, self.share) if self.unreachable else probability


class ChangeRecord(Frozen):
    """How the earlier changes of one service went."""

    service: ServiceName
    changes: int = Field(ge=0)
    failures: int = Field(ge=0)


class Evidence(Frozen):
    """Everything observed beside alerts and changes; empty is the common case."""

    versions: tuple[VersionEvidence, ...] = ()
    patterns: tuple[ErrorPattern, ...] = ()
    metrics: tuple[MetricShift, ...] = ()
    hosting: tuple[Hosting, ...] = ()
    rivals: tuple[Rival, ...] = ()
    history: tuple[ChangeRecord, ...] = ()
    coverage: Coverage = Coverage()
