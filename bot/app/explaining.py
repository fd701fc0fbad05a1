"""Explain what the gate would ask for: the same rules, over a request that nobody has made."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from bot.domain.catalogue import Approvers, Catalogue, Service
from bot.domain.errors import Invalid
from bot.domain.identity import Asker, Roll, in_words, roles_of
from bot.domain.ids import PagerDutyUserId, PlaybookId, ProposalId, ServiceName, SlackUserId
from bot.domain.person import Person
from bot.domain.playbook import LoadedPlaybook, Playbook
from bot.domain.policy import Execution, Party, Policy, Request, rule

_NOBODY_YET = ProposalId("explained")
_AT_THE_CLICK = "looked up when they press"


def explained(
    policy: Policy,
    catalogue: Catalogue,
    playbooks: Mapping[PlaybookId, LoadedPlaybook],
    *,
    service: ServiceName,
    playbook: PlaybookId,
    user: SlackUserId | None,
    at: datetime,
    executions: Sequence[Execution],
) -> tuple[str, ...]:
    """Return, line by line, what an approval would take at that time, and whether *user* could give it.

    Raises:
        Invalid: there is no such service, or no such playbook.
    """
    if service not in catalogue.services:
        raise Invalid(f"There is no service {service!r}; there are: {', '.join(sorted(catalogue.services))}.")
    if playbook not in playbooks:
        raise Invalid(f"There is no playbook {playbook!r}; there are: {', '.join(sorted(playbooks))}.")
    entry, chosen = catalogue.services[service], playbooks[playbook].playbook
    asked = policy.asked_for(chosen.risk, entry.approvers)
    asker = _asker(policy, asked, user) if user is not None else None
    verdict = rule(
        policy,
        Request(
            proposal=_NOBODY_YET,
            service=service,
            playbook=playbook,
            risk=chosen.risk,
            now=at,
            expires_at=at + timedelta(minutes=1),
            executions=tuple(executions),
            asker=asker,
        ),
    )
    return (
        f"{playbook} for {service} at {at:%Y-%m-%d %H:%M %Z}, risk {chosen.risk.value}, "
        f"by policy {policy.version}",
        _allowed(entry, service, playbook),
        f"who: {'; of them '.join(in_words(approvers, Roll()) for approvers in asked)}",
        *_takes(policy, chosen),
        *(f"{found.level.value}: {found.text} ({found.rule.value})" for found in verdict.findings),
        *(() if verdict.findings else ("nothing speaks against it at that time",)),
        *_about(asker, policy, chosen),
    )


def _allowed(entry: Service, service: ServiceName, playbook: PlaybookId) -> str:
    if playbook in entry.playbooks:
        return f"{service} allows it"
    return f"{service} does not allow it: it is not among its `playbooks`, so it is never proposed there"


def _takes(policy: Policy, playbook: Playbook) -> Iterator[str]:
    terms = policy.for_risk(playbook.risk)
    people = "one person" if terms.quorum == 1 else f"{terms.quorum} different people"
    yield f"takes: {people}" + (", who types the target's name and a reason" if terms.type_target else "")
    if terms.excludes:
        yield f"does not count: the {', the '.join(party.value for party in terms.excludes)}"
    if Party.AUTHOR in terms.excludes and terms.quorum == 1:
        yield "while nobody can tell who wrote the suspect change: two different people"
    if terms.needs_identity and policy.email_domains is None:
        yield "nobody can approve it: `email_domains` joins no Slack user to a PagerDuty user"
    if policy.opa is not None:
        yield f"must agree at the click and before the first step: {policy.opa.url}"


def _asker(policy: Policy, asked: Sequence[Approvers], user: SlackUserId) -> Asker:
    """Return the person as the files know them; what only a look-up tells does not stand in the way."""
    person = Person(id=user, team_id="", name=user)
    held = roles_of(person, asked, Roll(), domains=policy.email_domains)
    is_open = all(_could(approvers, user) for approvers in asked)
    return Asker(
        user=user,
        human=user,
        grounds=held or (_AT_THE_CLICK if is_open else None),
        who_may="; of them ".join(in_words(approvers, Roll()) for approvers in asked),
        pagerduty_user=PagerDutyUserId(_AT_THE_CLICK) if policy.email_domains else None,
        not_one_human="`email_domains` names no domain, so nobody is known to be one human",
        is_author=False,
    )


def _could(approvers: Approvers, user: SlackUserId) -> bool:
    return user in approvers.users or bool(approvers.groups) or approvers.on_call


def _about(asker: Asker | None, policy: Policy, playbook: Playbook) -> Iterator[str]:
    if asker is None:
        return
    if asker.grounds is None:
        yield f"{asker.user}: may not approve it, {asker.who_may}"
        return
    if asker.grounds == _AT_THE_CLICK:
        yield f"{asker.user}: not named; being on call or in a group is {_AT_THE_CLICK}"
    else:
        yield f"{asker.user}: {asker.grounds}"
    if policy.for_risk(playbook.risk).needs_identity:
        yield f"{asker.user}: which human, and whether they asked or wrote the change, is {_AT_THE_CLICK}"
