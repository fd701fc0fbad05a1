"""The policy: what must hold before a plan may start, as typed rules over facts that others gathered."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated
from urllib.parse import urlsplit

import rfc8785
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from bot.domain.catalogue import Approvers
from bot.domain.freeze import Freeze, Level
from bot.domain.frozen import Frozen
from bot.domain.identity import Asker
from bot.domain.ids import PlaybookId, ProposalId, ServiceName, SlackUserId, sha256_hex
from bot.domain.playbook import Risk

RULES = "rules-2"
"""Names the rules of this module; it rises when they change."""
HOUR = timedelta(hours=1)


class Party(StrEnum):
    """Somebody who may have an interest of their own."""

    REQUESTER = "requester"
    AUTHOR = "author"


class RiskRule(Frozen):
    """What an approval of a plan of one risk takes."""

    quorum: int = Field(default=1, ge=1, le=5, description="How many different people must approve.")
    approvers: Approvers | None = Field(
        default=None, description="Who may, of those whom `services.yaml` names; default: all of them."
    )
    type_target: bool = Field(
        default=False, description="A window asks for the target's name, typed, and for a reason."
    )
    excludes: tuple[Party, ...] = Field(
        default=(), description="Who does not count: the `requester`, the `author` of the suspect change."
    )
    expires_minutes: float | None = Field(
        default=None, gt=0, le=1440, description="Until it expires; default: HANDRAIL_APPROVAL_MINUTES."
    )

    @property
    def needs_identity(self) -> bool:
        """Whether it matters which human an approver is: then both Slack and PagerDuty must know them."""
        return self.quorum > 1 or bool(self.excludes)


class Limits(Frozen):
    """How much may be started; what is not named has no limit."""

    executions_per_hour: int | None = Field(default=None, ge=0, description="Of one service.")
    targets_at_once: int | None = Field(default=None, ge=1, description="Over all services.")
    cool_down_minutes: float | None = Field(
        default=None, gt=0, le=10_080, description="Between two starts of one playbook for one service."
    )
    level: Level = Level.HARD


class ServiceRule(Frozen):
    """What differs for one service."""

    observe_only: bool = Field(default=False, description="Proposals are shown; nothing can be approved.")
    limits: Limits | None = Field(default=None, description="In the place of the limits for all.")


_ADDRESS = r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-\"$->@-~]*)?$"


def _with_a_port(url: str) -> str:
    if urlsplit(url).port == 0:  # A larger one than there is raises by itself.
        raise ValueError("must name a port from 1 to 65535")
    return url


class Opa(Frozen):
    """A server of yours that must agree as well."""

    url: Annotated[str, StringConstraints(pattern=_ADDRESS), AfterValidator(_with_a_port)] = Field(
        description="Of the decision, such as `http://127.0.0.1:8181/v1/data/handrail/approval`."
    )


_PARTIES = (Party.REQUESTER, Party.AUTHOR)
Domain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]
SlackUser = Annotated[SlackUserId, StringConstraints(pattern=r"^[UW][A-Z0-9]+$")]


class Policy(Frozen):
    """The whole of `policy.yaml`. Without a file, the defaults: the floor beneath every file."""

    low: RiskRule = RiskRule()
    medium: RiskRule = RiskRule()
    high: RiskRule = RiskRule(type_target=True, excludes=_PARTIES)
    critical: RiskRule = RiskRule(quorum=2, type_target=True, excludes=_PARTIES)
    email_domains: tuple[Domain, ...] | None = Field(
        default=None,
        description="Domains whose addresses join a Slack user to a PagerDuty user. Empty: none. Absent: any "
        "for being on call, and none where it matters which human somebody is (`high`, `critical`).",
    )
    authors: dict[str, SlackUser] = Field(
        default_factory=dict, description="Who is meant by the names that your change sources use."
    )
    freezes: tuple[Freeze, ...] = ()
    limits: Limits = Limits()
    services: dict[ServiceName, ServiceRule] = Field(default_factory=dict)
    opa: Opa | None = Field(default=None, description="May refuse what these rules allow, never allow more.")

    @cached_property
    def version(self) -> str:
        """Name these rules and this policy: the first 32 digits of the SHA-256 over both."""
        return sha256_hex(RULES, rfc8785.dumps(self.model_dump(mode="json", by_alias=True)))[:32]

    def for_risk(self, risk: Risk) -> RiskRule:
        return {
            Risk.LOW: self.low,
            Risk.MEDIUM: self.medium,
            Risk.HIGH: self.high,
            Risk.CRITICAL: self.critical,
        }[risk]

    def asked_for(self, risk: Risk, approvers: Approvers) -> list[Approvers]:
        """Return the lists of approvers, each of which must name whoever approves."""
        narrowed = self.for_risk(risk).approvers
        return [approvers] if narrowed is None else [approvers, narrowed]

    def is_only_observed(self, service: ServiceName) -> bool:
        found = self.services.get(service)
        return found is not None and found.observe_only

    def names(self) -> frozenset[ServiceName]:
        """Return every service that something is said of by name."""
        return frozenset(
            [*self.services, *(name for freeze in self.freezes for name in freeze.services or ())]
        )

    def limits_of(self, service: ServiceName) -> Limits:
        found = self.services.get(service)
        return found.limits if found is not None and found.limits is not None else self.limits

    def looks_back(self, service: ServiceName) -> timedelta | None:
        """Return how old an execution may be and still matter; None when none does."""
        limits = self.limits_of(service)
        if not {limits.executions_per_hour, limits.targets_at_once, limits.cool_down_minutes} - {None}:
            return None
        return max(HOUR, timedelta(minutes=limits.cool_down_minutes or 0))


FLOOR = Policy()


class Execution(Frozen):
    """A start, as far as limits look at it."""

    proposal: ProposalId
    service: ServiceName
    playbook: PlaybookId
    started_at: AwareDatetime
    holds_target: bool = False


class Request(Frozen):
    """A wish to start a plan, with everything that the rules look at."""

    proposal: ProposalId
    service: ServiceName
    playbook: PlaybookId
    risk: Risk
    now: AwareDatetime
    expires_at: AwareDatetime
    is_incident_open: bool = True
    is_same_plan: bool = True
    """Whether the bytes wished for are the bytes that were shown."""
    executions: tuple[Execution, ...] = ()
    undoes: ProposalId | None = None
    """The execution that the plan takes back: a cool-down after that one does not stand in its way."""
    asker: Asker | None = None
    """Who approves; None when only the moment is in question."""


class Rule(StrEnum):
    """The name of a rule."""

    MISMATCH = "mismatch"
    CLOSED = "closed"
    EXPIRED = "expired"
    OBSERVE_ONLY = "observe_only"
    FREEZE = "freeze"
    RATE = "rate"
    TARGETS = "targets"
    COOL_DOWN = "cool_down"
    PERSON = "person"
    ROLE = "role"
    REQUESTER = "requester"
    AUTHOR = "author"
    IDENTITY = "identity"
    OPA = "opa"


class Finding(Frozen):
    """What one rule says against a start."""

    rule: Rule
    level: Level
    text: str


class Verdict(Frozen):
    """What the policy says to a request."""

    findings: tuple[Finding, ...] = ()
    quorum: int = 1
    """How many different people it takes, by what is known of the suspect change's author."""
    type_target: bool = False

    def at(self, level: Level) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level is level)

    @property
    def is_refused(self) -> bool:
        return bool(self.at(Level.HARD))

    @property
    def asks_for_reason(self) -> bool:
        return self.type_target or bool(self.at(Level.SOFT))

    def stands_with(self, overridden: frozenset[str]) -> bool:
        """Say whether nothing hard speaks against it, and nothing soft that was not overridden."""
        return not self.is_refused and {f.rule.value for f in self.at(Level.SOFT)} <= overridden


def rule(policy: Policy, request: Request) -> Verdict:
    """Return what *policy* says to *request*. It is total: the same facts give the same verdict."""
    terms = policy.for_risk(request.risk)
    quorum = terms.quorum
    findings = [*_about_the_plan(request), *_about_the_time(policy, request)]
    asker = request.asker
    if asker is not None:
        findings += _about_the_person(terms, asker)
        if Party.AUTHOR in terms.excludes and asker.is_author is None:
            quorum = max(quorum, 2)  # One of two people is not the author, whoever that is.
    return Verdict(findings=tuple(findings), quorum=quorum, type_target=terms.type_target)


def _hard(rule_: Rule, text: str) -> Finding:
    return Finding(rule=rule_, level=Level.HARD, text=text)


def _about_the_plan(request: Request) -> Iterator[Finding]:
    if not request.is_same_plan:
        yield _hard(Rule.MISMATCH, "the plan differs from the one that was shown")
    if not request.is_incident_open:
        yield _hard(Rule.CLOSED, "the incident is resolved")
    if request.now >= request.expires_at:
        yield _hard(Rule.EXPIRED, f"the proposal expired at {request.expires_at:%H:%M:%S} UTC")


def _about_the_time(policy: Policy, request: Request) -> Iterator[Finding]:
    if policy.is_only_observed(request.service):
        yield _hard(Rule.OBSERVE_ONLY, f"{request.service} is only observed")
    for freeze in policy.freezes:
        if freeze.holds(request.service, request.now):
            yield Finding(rule=Rule.FREEZE, level=freeze.level, text=f"the freeze “{freeze.name}” holds")
    limits = policy.limits_of(request.service)
    others = [e for e in request.executions if e.proposal != request.proposal]
    yield from (
        Finding(rule=rule_, level=limits.level, text=text)
        for rule_, text in _about_the_limits(limits, request, others)
    )


def _about_the_limits(
    limits: Limits, request: Request, others: list[Execution]
) -> Iterator[tuple[Rule, str]]:
    here = [e for e in others if e.service == request.service]
    if (most := limits.executions_per_hour) is not None:
        count = sum(e.started_at > request.now - HOUR for e in here)
        if count >= most:
            yield (
                Rule.RATE,
                f"{request.service} had {count} executions in the last hour, and {most} are allowed",
            )
    if (most := limits.targets_at_once) is not None:
        count = sum(e.holds_target for e in others)
        if count >= most:
            yield Rule.TARGETS, f"executions on {count} targets run, and {most} are allowed at once"
    if limits.cool_down_minutes is not None:
        rest = timedelta(minutes=limits.cool_down_minutes)
        same = (e for e in here if e.playbook == request.playbook and e.proposal != request.undoes)
        last = max((e.started_at for e in same), default=None)
        if last is not None and request.now < last + rest:
            until = last + rest
            yield Rule.COOL_DOWN, f"{request.playbook} rests for {request.service} until {until:%H:%M:%S} UTC"


def _about_the_person(terms: RiskRule, asker: Asker) -> Iterator[Finding]:
    if asker.disqualification is not None:
        yield _hard(Rule.PERSON, asker.disqualification)
        return
    if asker.grounds is None:
        yield _hard(Rule.ROLE, asker.who_may)
        return
    if Party.REQUESTER in terms.excludes and asker.is_requester:
        yield _hard(Rule.REQUESTER, "whoever asked for this plan does not count")
    if Party.AUTHOR in terms.excludes and asker.is_author:
        yield _hard(Rule.AUTHOR, "the author of the suspect change does not count")
    if terms.needs_identity and asker.pagerduty_user is None:
        yield _hard(Rule.IDENTITY, asker.not_one_human)
