"""What a check of one neighbour found."""

from enum import StrEnum

from bot.domain.frozen import Frozen


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(Frozen):
    """What one check found."""

    what: str
    verdict: Verdict
    said: str = ""
    remedy: str = ""
    latency_ms: float | None = None
