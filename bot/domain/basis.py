"""What a plan was made from, as far as it is compared again before anything runs."""

from collections.abc import Iterable

from pydantic import AwareDatetime

from bot.domain.change import ChangeEvent
from bot.domain.frozen import Frozen
from bot.domain.ids import ChangeId, Digest, ServiceName, sha256_hex


class Basis(Frozen):
    """The ground of a plan. Samples of metrics and prose are no part of it: they never stay the same."""

    suspect: ChangeId | None = None
    suspect_version: str | None = None
    reaches: str | None = None
    """The version that serves afterwards; None when the plan goes back to none."""
    version_url: str | None = None
    """Where the service says what it runs; None when `services.yaml` declares nothing that could say so."""
    serving: str | None = None
    """The version that served, or that the suspect brought; None when neither was known."""
    watched: tuple[ServiceName, ...] = ()
    """The service and what it calls: a change to any of them since then makes the plan out of date."""
    since: AwareDatetime
    """From when on their changes are compared."""
    read_at: AwareDatetime
    changes: Digest


def changes_digest(changes: Iterable[ChangeEvent]) -> Digest:
    """Return a digest of which changes there are and what each brings; how far each has come is left out."""
    known = (
        sha256_hex(
            change.id,
            change.service,
            change.kind.value,
            change.version or "",
            change.previous_version or "",
            change.flag or "",
        )
        for change in changes
    )
    return sha256_hex(*sorted(known))
