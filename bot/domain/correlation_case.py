"""What the ranking is given, and the terms it answers with."""

from dataclasses import dataclass, field
from typing import NamedTuple

from bot.domain.alert import Alert
from bot.domain.change import ChangeEvent
from bot.domain.evidence import Evidence
from bot.domain.ids import ServiceName
from bot.domain.topology import Topology
from bot.domain.weights import WeightName


@dataclass(frozen=True)
class Case:
    """One group of alerts with everything known around it.

    `alerts` holds at least one; `changes` may hold later ones and those of other environments;
    `environment` is None when the monitor did not say where it looks.
    """

    alerts: tuple[Alert, ...]
    changes: tuple[ChangeEvent, ...] = ()
    topology: Topology = field(default_factory=Topology)
    evidence: Evidence = field(default_factory=Evidence)
    environment: str | None = None
    services: frozenset[ServiceName] = frozenset()
    """Services known to exist, beside those that changes and topology name."""


class Term(NamedTuple):
    """One reason for or against, with the sentence that people see."""

    name: str
    log_odds: float
    sentence: str


class Feature(NamedTuple):
    """What a term measures before its weight: `value` units of `name`."""

    name: WeightName
    value: float
    sentence: str
