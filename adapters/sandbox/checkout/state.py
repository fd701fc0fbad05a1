"""What outlives a killed process: version, flags, operations by key, effects, unsent change events."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A value that never changes and has no field but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DeployRequest(Frozen):
    """Roll to *version*."""

    kind: Literal["deploy"] = "deploy"
    version: str
    author: str | None = None
    title: str | None = None


class RestartRequest(Frozen):
    """Replace what serves requests, on the same version."""

    kind: Literal["restart"] = "restart"


class FlagRequest(Frozen):
    """Switch a feature flag."""

    kind: Literal["flag"] = "flag"
    name: str
    enabled: bool


Request = DeployRequest | RestartRequest | FlagRequest


class Effect(Frozen):
    """Something that was really done, once for its key."""

    key: str
    kind: Literal["deploy", "restart", "flag"]
    before: str
    after: str
    at: datetime


class Operation(Frozen):
    """A request under its idempotency key; *changed* is False when there was nothing to do."""

    key: str
    request: Annotated[Request, Field(discriminator="kind")]
    state: Literal["running", "succeeded"]
    changed: bool
    version: str
    previous: str | None
    started_at: datetime
    finished_at: datetime | None = None


class Change(Frozen):
    """A change event in the generic form that change webhooks take."""

    id: str
    service: str
    environment: str
    version: str
    previous_version: str | None
    kind: Literal["deploy", "rollback"]
    started_at: datetime
    finished_at: datetime
    author: str
    title: str
    url: str
    status: Literal["succeeded"] = "succeeded"
    body: str
    files: tuple[str, ...]
    diff: str


class Deployed(Frozen):
    """One line of the deploy history."""

    version: str
    at: datetime
    key: str


class ServiceState(Frozen):
    """All of it."""

    version: str
    previous: str | None = None
    flags: dict[str, bool] = Field(default_factory=lambda: {"new_tax_engine": False})
    history: tuple[Deployed, ...] = ()
    operations: dict[str, Operation] = Field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    outbox: tuple[Change, ...] = ()


class StateFile:
    """Keeps the state in one JSON file, replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, *, initial: ServiceState) -> ServiceState:
        """Return what was saved last, or *initial* when nothing was.

        Raises:
            pydantic.ValidationError: the file holds something else.
        """
        try:
            return ServiceState.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return initial

    def save(self, state: ServiceState) -> None:
        """Write *state* so that a crash leaves either the old or the new file."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        with fresh.open("wb") as file:
            file.write(state.model_dump_json(indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
