"""Who somebody is, for the gate: their role, and which human stands behind the account."""

from collections.abc import Mapping, Sequence

from bot.domain.catalogue import Approvers
from bot.domain.frozen import Frozen
from bot.domain.ids import PagerDutyUserId, SlackUserId
from bot.domain.person import OnCall, Person


class Asker(Frozen):
    """Somebody who approves, as Slack and PagerDuty know them at that moment."""

    user: SlackUserId
    human: str
    """The Slack enterprise user, else the user: the same for one human in two workspaces."""
    disqualification: str | None = None
    grounds: str | None = None
    """The role that lets them decide; None when they have none."""
    who_may: str = "nobody may decide this"
    """For whoever has no role: who does."""
    pagerduty_user: PagerDutyUserId | None = None
    not_one_human: str = ""
    """Why the PagerDuty user is not known."""
    is_requester: bool = False
    is_author: bool | None = False
    """Whether they wrote the suspect change; None when it cannot be told who did."""


class Roll(Frozen):
    """Who holds which role at this moment."""

    on_call: tuple[OnCall, ...] = ()
    groups: Mapping[str, frozenset[SlackUserId]] = {}
    """Members of Slack user groups, by the group's id."""


def domain_of(email: str) -> str:
    return email.rpartition("@")[2].casefold()


def usable_email(person: Person, domains: Sequence[str] | None) -> str | None:
    """Return the confirmed address of *person*, folded, when its domain is allowed; None allows any."""
    if person.email is None or (domains is not None and domain_of(person.email) not in domains):
        return None
    return person.email.casefold()


def role_of(person: Person, approvers: Approvers, roll: Roll, *, domains: Sequence[str] | None) -> str | None:
    """Return the role in *approvers* that *person* holds; None without one. Empty lists name nobody.

    Names and titles count for nothing: only ids do, and a confirmed address that belongs to one person on
    call.
    """
    if person.id in approvers.users:
        return "named approver"
    for group in approvers.groups:
        if person.id in roll.groups.get(group, frozenset()):
            return f"member of the user group {group}"
    email = usable_email(person, domains)
    here = {
        one.user_id: one.level for one in _counting(approvers, roll) if (one.email or "").casefold() == email
    }
    if email is None or len(here) != 1:
        return None
    (level,) = here.values()
    return "on call" if level == 1 else f"on call at level {level}"


def roles_of(
    person: Person, asked: Sequence[Approvers], roll: Roll, *, domains: Sequence[str] | None
) -> str | None:
    """Return the roles that *person* holds, one of each list that is asked for; None when one is missing."""
    held = [role_of(person, approvers, roll, domains=domains) for approvers in asked]
    return " and ".join(dict.fromkeys(role for role in held if role)) if all(held) else None


def _counting(approvers: Approvers, roll: Roll) -> list[OnCall]:
    if not approvers.on_call:
        return []
    levels = approvers.on_call_levels
    return [one for one in roll.on_call if levels is None or one.level in levels]


def in_words(approvers: Approvers, roll: Roll) -> str:
    """Return who may decide, by name where PagerDuty gave one."""
    who = [f"<@{user}>" for user in approvers.users]
    who += [f"members of the Slack user group {group}" for group in approvers.groups]
    if approvers.on_call:
        levels = approvers.on_call_levels
        at = "" if levels is None else f" at level {' or '.join(str(level) for level in levels)}"
        names = ", ".join(one.name for one in _counting(approvers, roll))
        who.append(f"whoever is on call in PagerDuty{at}{f' (now {names})' if names else ''}")
    return f"only {' or '.join(who)} may decide this" if who else "nobody may decide this"
