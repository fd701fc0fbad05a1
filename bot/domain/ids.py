"""Names for identifiers, so that one cannot be passed where another is meant."""

import hashlib
from typing import Annotated, NewType

from pydantic import StringConstraints

IncidentId = NewType("IncidentId", str)
"""PagerDuty's id of an incident: 7 or 14 characters."""
AlertId = NewType("AlertId", str)
ChangeId = NewType("ChangeId", str)
ServiceName = NewType("ServiceName", str)
"""A service as `services.yaml` names it."""
ProposalId = NewType("ProposalId", str)
"""`<incident>-<number>`: the number rises with each proposal for one incident."""
ClickId = NewType("ClickId", str)
Digest = NewType("Digest", str)
"""64 lower-case hexadecimal digits of a SHA-256."""
EffectKey = NewType("EffectKey", str)
SlackUserId = NewType("SlackUserId", str)
PagerDutyUserId = NewType("PagerDutyUserId", str)

PlaybookId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
"""Lower-case words joined by hyphens: it is a file name, so it can hold no path."""


def sha256_hex(*parts: str | bytes) -> Digest:
    """Return the SHA-256 of *parts*, each preceded by its length so that no two splits collide."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return Digest(digest.hexdigest())


def proposal_id(incident: IncidentId, number: int) -> ProposalId:
    """Return the id of the *number*-th proposal for *incident*."""
    return ProposalId(f"{incident}-{number}")
