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


class Warns(Exception):
    """Works, but not as well as it could; the two arguments are what is so and the remedy."""


class Fails(Exception):
    """Does not work, with a remedy of its own; the two arguments are what is so and the remedy."""
