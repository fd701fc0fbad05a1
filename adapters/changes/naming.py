"""Find our name for what a change source calls a service or environment."""

import re

from bot.domain.catalogue import Catalogue
from bot.domain.ids import ServiceName

_OTHER = re.compile(r"[^a-z0-9]+")
_LONGEST = 63


def service_named(name: str, catalogue: Catalogue) -> ServiceName:
    """Return the catalogue's name for *name*; an unknown one is kept, in the form of our names.

    So a change of a service that nobody has entered yet is not lost: once the entry is there, it is found.
    """
    plain = _OTHER.sub("-", name.lower()).strip("-")[:_LONGEST].rstrip("-")
    return catalogue.by_name(name) or catalogue.by_name(plain) or ServiceName(plain or "unnamed")
