"""What a layer of the redactor found: a span of the text and the kind of secret in it."""

from enum import IntEnum
from typing import NamedTuple


class Layer(IntEnum):
    """Who found it; where two findings overlap, the lower layer names the kind."""

    HELD = 0
    FORMAT = 1
    CONTEXT = 2
    KEYWORD = 3
    DETECTOR = 4
    OPAQUE = 5
    PERSONAL = 6


class Finding(NamedTuple):
    """A secret at text[start:end]."""

    start: int
    end: int
    kind: str
    layer: Layer
