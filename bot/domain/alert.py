"""What a monitor said: an alert, its severity and its time."""

from enum import StrEnum

from pydantic import AwareDatetime

from bot.domain.frozen import Frozen
from bot.domain.ids import AlertId, ServiceName


class Severity(StrEnum):
    """How bad the monitor says it is, worst first."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    UNKNOWN = "unknown"


class Alert(Frozen):
    """One alert of an incident, as the monitor sent it."""

    id: AlertId
    service: ServiceName | None = None
    """None: the source named no service we know."""
    title: str
    severity: Severity = Severity.UNKNOWN
    at: AwareDatetime
    details: str = ""
    """Free text from outside: untrusted, may hold secrets until it is redacted."""
    url: str | None = None
