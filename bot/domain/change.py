"""A change to a running system: a deploy, a configuration change, a flag, a rollback."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from bot.domain.frozen import Frozen
from bot.domain.ids import ChangeId, ServiceName


class ChangeKind(StrEnum):
    """What sort of change it was."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    CONFIG = "config"
    FLAG = "flag"
    COMMIT = "commit"
    MIGRATION = "migration"
    INFRASTRUCTURE = "infrastructure"
    OTHER = "other"


class ChangeStatus(StrEnum):
    """How far the change has come."""

    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RolloutStep(Frozen):
    """One step of a gradual rollout: how many instances ran the old and the new version."""

    started_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    old_instances: int = Field(ge=0)
    new_instances: int = Field(ge=0)


class ChangeEvent(Frozen):
    """One change to one service, as its source reported it. All text is from outside: untrusted."""

    id: ChangeId
    service: ServiceName
    environment: str = "production"
    kind: ChangeKind = ChangeKind.DEPLOY
    version: str | None = None
    previous_version: str | None = None
    flag: str | None = None
    """The flag's key, for a change of kind `flag`."""
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    """When it was live everywhere; None while it is being rolled out."""
    reported_at: AwareDatetime
    """When we learned of it, by our store's clock."""
    author: str = ""
    title: str = ""
    body: str = ""
    url: str | None = None
    status: ChangeStatus = ChangeStatus.SUCCEEDED
    files: tuple[str, ...] = ()
    diff: str = ""
    also_touches: tuple[ServiceName, ...] = ()
    """Further services that the same change reached."""
    rollout: tuple[RolloutStep, ...] = ()
    source: str = "generic"

    @property
    def began_at(self) -> AwareDatetime:
        """When the change could first have had an effect."""
        return self.started_at or self.finished_at or self.reported_at

    @property
    def live_at(self) -> AwareDatetime:
        """When the change was live, or began when it has not finished."""
        return self.finished_at or self.began_at
