"""Requests that every policy must deny: what the floor refuses, no file may let through."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from bot.domain.freeze import Level
from bot.domain.identity import Asker
from bot.domain.ids import PagerDutyUserId, ProposalId, ServiceName, SlackUserId
from bot.domain.playbook import Risk
from bot.domain.policy import FLOOR, Policy, Request, Verdict, rule

_NOW: Final = datetime(2026, 1, 7, 12, tzinfo=UTC)
_FITTING: Final = Asker(
    user=SlackUserId("U0CANARY"),
    human="U0CANARY",
    grounds="named approver",
    pagerduty_user=PagerDutyUserId("PCANARY"),
)


def _asked(**changed: object) -> Asker:
    return _FITTING.model_copy(update=changed)


_VECTORS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "expired": {"expires_at": _NOW},
        "self": {"asker": _asked(is_requester=True)},
        "author": {"asker": _asked(is_author=True)},
        "unknown author": {"asker": _asked(is_author=None)},
        "closed": {"is_incident_open": False},
        "mismatch": {"is_same_plan": False},
        "unknown user": {"asker": _asked(grounds=None)},
        "no person": {"asker": _asked(disqualification="the account is deactivated")},
        "unknown human": {"asker": _asked(pagerduty_user=None)},
        "one person": {},
    }
)


def broken_canaries(policy: Policy) -> tuple[str, ...]:
    """Return what *policy* lets through although the floor does not, such as `self at high risk`."""
    found = [
        f"{name} at {risk.value} risk"
        for risk in Risk
        for name, request in _requests(risk, policy)
        if _is_looser(rule(policy, request), rule(FLOOR, request))
    ]
    found += [
        f"no typed target at {risk.value} risk"
        for risk in Risk
        if FLOOR.for_risk(risk).type_target and not policy.for_risk(risk).type_target
    ]
    return tuple(dict.fromkeys(found))


def _requests(risk: Risk, policy: Policy) -> Iterator[tuple[str, Request]]:
    for service in (ServiceName("canary"), *policy.services):
        usual = Request(
            proposal=ProposalId("CANARY-1"),
            service=service,
            playbook="canary",
            risk=risk,
            now=_NOW,
            expires_at=_NOW + timedelta(minutes=15),
            asker=_FITTING,
        )
        for name, changed in _VECTORS.items():
            yield name, usual.model_copy(update=changed)


def _is_looser(verdict: Verdict, floor: Verdict) -> bool:
    hard = {finding.rule for finding in verdict.at(Level.HARD)}
    return not {finding.rule for finding in floor.at(Level.HARD)} <= hard or verdict.quorum < floor.quorum
