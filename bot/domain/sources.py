"""What the sources of an investigation answer with: log lines, series, shares by version, diffs."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from bot.domain.diagnosis import Trust, Window
from bot.domain.frozen import Frozen
from bot.domain.ids import IncidentId, ServiceName


class LogLine(Frozen):
    """One line that a service wrote."""

    at: AwareDatetime
    text: str
    """As it was written: untrusted, and not yet redacted."""


class LogLines(Frozen):
    """The lines of one window, oldest first."""

    lines: tuple[LogLine, ...]
    is_cut: bool = False
    """There were more than a source gives at once: counts are too low."""


class Point(Frozen):
    """One value of a metric."""

    at: AwareDatetime
    value: float


class VersionShare(Frozen):
    """How the requests to one version of a service went."""

    version: str
    failed: float = Field(ge=0, le=1)
    """Share of requests that failed."""
    requests: int = Field(default=0, ge=0)
    """0: nobody counted them."""


class FileStatus(StrEnum):
    """What became of a file between two versions."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"
    RENAMED = "renamed"
    COPIED = "copied"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class FileChange(Frozen):
    """One file that differs between two versions."""

    name: str
    status: FileStatus
    added: int = Field(ge=0)
    """Lines."""
    removed: int = Field(ge=0)
    patch: str = ""
    """In unified form; blank for binary and very large files. Untrusted, and not yet redacted."""


class ChangeDiff(Frozen):
    """What differs between two versions of a repository."""

    base: str
    head: str
    files: tuple[FileChange, ...]
    is_cut: bool = False
    """There were more files or lines than are kept."""


class Inquiry(Frozen):
    """What an added tool may be told: facts of typed fields, no text from outside."""

    incident: IncidentId
    service: ServiceName | None
    window: Window


class AddedAnswer(Frozen):
    """What one added tool said."""

    name: str
    """`server.tool`, as the settings name them."""
    text: str = ""
    """Of bounded length, untrusted, and not yet redacted."""
    trust: Trust = Trust.HUMAN
    is_cut: bool = False
    problem: str = ""
    """Why there is no answer, in our words; blank when there is one."""
