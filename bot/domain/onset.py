"""When the trouble began, and how fast such trouble usually follows its cause."""

from datetime import timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from bot.domain.alert import Alert
from bot.domain.vocabulary import families_of, sounds_told

LONGEST_SILENCE = timedelta(minutes=45)
"""Our choice: alerts further apart than this are two bursts, and the larger one is judged."""


class SymptomClass(StrEnum):
    """How quickly a symptom follows what caused it."""

    FAST = "fast"
    """Errors, latency, lost availability: they show as soon as requests meet the cause."""
    SLOW = "slow"
    """Saturation, leaks, full disks: they build up."""

    TOLD = "told"
    """A person's words: somebody noticed, and nobody knows how much later."""


_SLOW_FAMILIES = frozenset({"memory", "disk", "queue"})
_FAST_FAMILIES = frozenset({"errors", "latency"})


def find_onset(alerts: tuple[Alert, ...]) -> AwareDatetime:
    """Return the time of the earliest symptom of the largest burst in *alerts* (at least one).

    A lone alert long before the rest is another story; among bursts of equal size the earliest counts.
    """
    times = sorted(alert.at for alert in alerts)
    bursts: list[list[AwareDatetime]] = [[times[0]]]
    for at in times[1:]:
        if at - bursts[-1][-1] > LONGEST_SILENCE:
            bursts.append([])
        bursts[-1].append(at)
    return max(bursts, key=len)[0]


def symptom_class(alerts: tuple[Alert, ...]) -> SymptomClass:
    """Return TOLD when most alerts are a person's words, SLOW when most build up, else FAST."""
    told = sum(sounds_told(alert.title, routed=alert.service is not None) for alert in alerts)
    if 2 * told > len(alerts):
        return SymptomClass.TOLD
    slow = 0
    for alert in alerts:
        families = families_of(alert.title)
        if families & _SLOW_FAMILIES and not families & _FAST_FAMILIES:
            slow += 1
    return SymptomClass.SLOW if 2 * slow > len(alerts) else SymptomClass.FAST
