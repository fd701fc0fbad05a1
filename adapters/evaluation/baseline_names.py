"""The rankers to compare with, by name."""

from enum import StrEnum


class Baseline(StrEnum):
    """A ranker to compare with."""

    NEWEST = "newest"
    GRAPH = "graph"
