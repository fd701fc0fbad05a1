"""What a denial rejected: the same effects on the same target, until the evidence it rested on is another."""

from collections.abc import Sequence

from bot.domain.ids import Digest, sha256_hex
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord, ProposalState


def fingerprint(plan: Plan) -> Digest:
    """Name what the plan does, and to what, so that a later plan that does the same has the same name.

    Its number, epoch, expiry and policy are no part of it.
    """
    return sha256_hex(plan.target, *sorted(plan.effect_key(step) for step in plan.steps))


def denied_before(plan: Plan, earlier: Sequence[ProposalRecord]) -> ProposalRecord | None:
    """Return the last denial of what *plan* does, on the same named evidence; None when there is none.

    The evidence named are the suspect, the version it brought and the version that serves: what a person who
    said no could have weighed. Samples and probabilities change all the time.
    """
    for record in reversed(earlier):
        if record.state is ProposalState.DENIED:
            denied = Plan.from_bytes(record.plan)
            if (fingerprint(denied), _named(denied)) == (fingerprint(plan), _named(plan)):
                return record
    return None


def _named(plan: Plan) -> tuple[str | None, ...]:
    basis = plan.basis
    return (basis.suspect, basis.suspect_version, basis.serving) if basis is not None else ()
