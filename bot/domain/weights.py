"""The weights of the ranking: one versioned file, each weight with its source."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from math import exp

from pydantic import Field, model_validator

from bot.domain.frozen import Frozen


class WeightName(StrEnum):
    """Every term that can speak for or against a suspect, or for "nothing changed"."""

    ELAPSED = "elapsed"
    ROLLING_OUT = "rolling_out"
    SAME_SERVICE = "same_service"
    DEPENDENCY_1 = "dependency_1"
    DEPENDENCY_2 = "dependency_2"
    DEPENDENCY_3 = "dependency_3"
    DEPENDENT = "dependent"
    NO_PATH = "no_path"
    SHARED_DEPENDENCY = "shared_dependency"
    UNEXPLAINED = "unexplained"
    ORIGIN_MISSED = "origin_missed"
    NAMED = "named"
    WORDS = "words"
    CODE = "code"
    FAMILIES = "families"
    SERVICE_MATTER = "service_matter"
    MECHANISM = "mechanism"
    UNRELATED = "unrelated"
    CONFIG = "config"
    MIGRATION = "migration"
    ROUTINE = "routine"
    INERT = "inert"
    SIZE = "size"
    TUNED = "tuned"
    ROLLBACK = "rollback"
    LOWER_VERSION = "lower_version"
    UNDONE = "undone"
    OTHER_ENVIRONMENT = "other_environment"
    VERSION_WORSE = "version_worse"
    VERSION_HEALTHY = "version_healthy"
    VERSIONS_ALIKE = "versions_alike"
    NOVEL_ERRORS = "novel_errors"
    METRIC_SHIFT = "metric_shift"
    HISTORY = "history"
    PARTIAL_INSTANCES = "partial_instances"
    NOTHING = "nothing"
    NOTHING_INFRASTRUCTURE = "nothing_infrastructure"
    NOTHING_HOSTS = "nothing_hosts"
    NOTHING_PARTIAL = "nothing_partial"
    NOTHING_ONE_HOST = "nothing_one_host"
    NOTHING_FAILED_HOST = "nothing_failed_host"
    NOTHING_RIVAL = "nothing_rival"
    NOTHING_UNCHANGED = "nothing_unchanged"
    NOTHING_OUTSIDE_HOST = "nothing_outside_host"
    NOTHING_VERSIONS_ALIKE = "nothing_versions_alike"
    NOTHING_UNLISTED_VERSION = "nothing_unlisted_version"


class Weight(Frozen):
    """The log-odds that one unit of a term is worth, and where the number came from."""

    value: float
    source: str
    fitted: bool = True
    """False: the labelled cases hold too few examples, so the number stays as chosen."""


class HalfLives(Frozen):
    """Minutes after which a change is half as likely to be behind a symptom."""

    fast_min: float = Field(gt=0)
    slow_min: float = Field(gt=0)
    told_min: float = Field(gt=0)
    source: str


class Calibration(Frozen):
    """Platt's map from the raw probability of the best suspect to a calibrated one."""

    slope: float = Field(gt=0)
    intercept: float
    ceiling: float = Field(gt=0, le=1)
    """How often the surest answers were right: nothing is ever claimed with more."""
    source: str

    def apply(self, log_odds: float) -> float:
        """Return the calibrated probability for raw *log_odds*."""
        scaled = max(-40.0, min(40.0, self.slope * log_odds + self.intercept))
        return self.ceiling / (1.0 + exp(-scaled))


class Decision(Frozen):
    """When a suspect is named: confident enough, far enough ahead, enough sources seen."""

    threshold: float = Field(gt=0, lt=1)
    margin: float = Field(ge=0, lt=1)
    coverage: float = Field(ge=0, le=1)
    source: str


class Weights(Frozen):
    """One version of all weights."""

    version: str
    weights: Mapping[WeightName, Weight]
    half_lives: HalfLives
    calibration: Calibration
    calibration_told: Calibration | None = None
    """The same where a person tells what is wrong; None: as for a monitor's alerts."""
    decision: Decision

    @model_validator(mode="after")
    def _is_complete(self) -> "Weights":
        missing = sorted(set(WeightName) - set(self.weights))
        if missing:
            raise ValueError(f"weights without a value: {', '.join(missing)}")
        return self

    def calibrated(self, log_odds: float, *, told: bool) -> float:
        """Return the calibrated probability of the first suspect for raw *log_odds*."""
        if told and self.calibration_told is not None:
            return self.calibration_told.apply(log_odds)
        return self.calibration.apply(log_odds)

    @cached_property
    def values(self) -> Mapping[WeightName, float]:
        """Return the log-odds by name."""
        return {name: weight.value for name, weight in self.weights.items()}


def parse_weights(text: str) -> Weights:
    """Return the weights in the JSON *text*.

    Raises:
        pydantic.ValidationError: a weight is missing, unknown or not a number.
    """
    return Weights.model_validate_json(text)


def load_weights() -> Weights:
    """Return the weights that ship with the package."""
    return parse_weights(files("bot.domain").joinpath("weights.json").read_text(encoding="utf-8"))
