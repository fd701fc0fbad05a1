"""Which incidents share one card: the same answer in whatever order they became known.

The order that counts is that in which they were opened. What already stands in front of people stays: an
incident with a card of its own keeps it, whatever comes to light later.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from bot.domain.alert import Alert
from bot.domain.frozen import Frozen
from bot.domain.grouping import Grouper, GroupingRules, Merge, MergeRule
from bot.domain.ids import AlertId, IncidentId, ServiceName, SlackUserId
from bot.domain.incident import Incident
from bot.domain.topology import Topology


class Standing(StrEnum):
    """How an incident is shown."""

    OWN = "own"
    """By a card of its own."""
    MERGED = "merged"
    """As a line on the card of another incident of the same cause."""
    MUTED = "muted"
    """On a storm's card."""
    SPLIT = "split"
    """By a card of its own for good: a person took it out."""


@dataclass(frozen=True)
class MergingRules:
    """When incidents share a card. All are our choice; docs/grouping.md says why."""

    # A storm of incidents is collapsed before it comes here, so time alone joins nothing.
    grouping: GroupingRules = field(default_factory=lambda: GroupingRules(storm_alerts=sys.maxsize))
    storm_incidents: int = 10
    """Incidents heard of within `storm_window`, beyond which the next ones share a storm's card."""
    storm_window: timedelta = timedelta(seconds=60)
    storm_idle: timedelta = timedelta(minutes=5)
    """Silence after which the next storm has a card of its own."""
    storm_channels: int = 10
    """Channels that have a storm's card at one time; what more of them would show is on `storm_channel`'s."""
    storm_channel: str = ""
    """Blank: every channel has a card of its own."""

    @property
    def reach(self) -> timedelta:
        """Return how long after its first incident a group may still take one."""
        return self.grouping.longest


class Member(Frozen):
    """An incident with its place among the others."""

    incident: IncidentId
    service: ServiceName | None
    """The catalogue's name; for a service that nobody mapped, PagerDuty's id of it."""
    title: str = ""
    opened_at: AwareDatetime
    heard_at: AwareDatetime
    is_open: bool = True
    standing: Standing
    group: IncidentId
    """The incident that its group is named after: the first of them."""
    host: str | None = None
    """Whose card shows it when it has none: an incident's id, or a storm's when muted."""
    rule: MergeRule = MergeRule.FIRST
    words: str = ""
    """Why it is there, such as `payments is 1 hop from checkout`."""
    is_told: bool = False
    """The host's thread has the detail."""

    @property
    def has_course(self) -> bool:
        """Say whether it is investigated and proposed for by itself."""
        return self.standing in (Standing.OWN, Standing.SPLIT)

    @property
    def order(self) -> tuple[datetime, str]:
        return self.opened_at, self.incident


class MergeAct(StrEnum):
    """What a line of the ledger says happened."""

    MERGED = "merged"
    MUTED = "muted"
    RELEASED = "released"
    """What held it is over: it goes on by itself."""
    SPLIT = "split"
    """A person undid it."""


class MergeEntry(Frozen):
    """One line of the ledger of what has no card of its own, and why."""

    seq: int
    at: AwareDatetime
    incident: IncidentId
    act: MergeAct
    host: str
    rule: MergeRule
    words: str
    by: SlackUserId | None = None
    """Who undid it; None: the rules did what the line says."""
    name: str = ""
    """What that person is called."""


class Storm(Frozen):
    """Many incidents at once in one channel, behind one card."""

    id: str
    channel: str
    began_at: AwareDatetime
    last_at: AwareDatetime
    ts: str | None = None
    """Where its card stands in the channel."""
    list_ts: str | None = None
    """Where the list stands in the card's thread."""
    shown: str = ""
    """What the card says already, as `open/all`."""


class StormView(Frozen):
    """A storm with what its card and its list say."""

    storm: Storm
    open: int
    all: int
    newest: tuple[Member, ...] = ()
    """Open ones, the last heard of first; as many as a list holds."""

    @property
    def told(self) -> str:
        return f"{self.open}/{self.all}"


class Company(Frozen):
    """An incident among the others, as its card tells it."""

    member: Member | None
    merged: tuple[Member, ...] = ()
    """Those that its card shows, resolved ones too, in order of opening."""
    last: MergeEntry | None = None
    """The last line of the ledger about it."""


class Placing(Frozen):
    """What a decision changed."""

    member: Member | None
    """The incident it was about; None when it was never placed."""
    released: tuple[IncidentId, ...] = ()
    """Incidents that go on by themselves from now on."""
    touched: tuple[IncidentId, ...] = ()
    """Incidents on whose cards a line came, went or changed."""


def a_member(incident: Incident, heard_at: datetime) -> Member:
    """Return *incident* before it has a place."""
    return Member(
        incident=incident.id,
        service=incident.service or _unmapped(incident),
        title=incident.title,
        opened_at=incident.opened_at,
        heard_at=heard_at,
        standing=Standing.MERGED,
        group=incident.id,
    )


def _unmapped(incident: Incident) -> ServiceName | None:
    # PagerDuty's id names no service of the topology, so it joins what has the same id and nothing else.
    return ServiceName(incident.pagerduty_service_id) if incident.pagerduty_service_id else None


def regroup(
    known: Iterable[Member], since: tuple[datetime, str], topology: Topology, rules: MergingRules
) -> tuple[Member, ...]:
    """Decide anew the place of every incident from *since* on; return those that change, in order.

    Args:
        known: incidents opened up to `rules.reach` before *since* and all after it, without split and muted.
    """
    ordered = sorted(known, key=lambda member: member.order)
    placed = _grouped(ordered, since, topology, rules)
    seated = _seated(placed, since)
    return tuple(seated[old.incident] for old in ordered if seated[old.incident] != old)


def since_closing(closed: Member, known: Iterable[Member]) -> tuple[datetime, str] | None:
    """Return from where on places change when *closed* is resolved; None when it held nothing."""
    held = [member.order for member in known if closed.incident in (member.host, member.group)]
    held = [order for order in held if order != closed.order]
    return min((closed.order, *held)) if held else None


def _grouped(
    ordered: Sequence[Member], since: tuple[datetime, str], topology: Topology, rules: MergingRules
) -> tuple[Member, ...]:
    """Return *ordered* with the groups of those from *since* on; earlier ones stay where they are."""
    grouper = Grouper(topology, rules.grouping)
    is_open = {member.incident: member.is_open for member in ordered}
    found: list[Member] = []
    for member in ordered:
        alert = _as_alert(member)
        if member.order < since:
            if is_open.get(member.group, False):
                grouper.put(alert, f"g-{member.group}")
            found.append(member)
        elif not member.is_open:
            # It starts no group any more; what it had in common with the others still counts.
            extended = grouper.extend(alert) or f"g-{member.incident}"
            found.append(member.model_copy(update={"group": IncidentId(extended.removeprefix("g-"))}))
        else:
            found.append(_with_group(member, grouper.add(alert)))
    return tuple(found)


def _with_group(member: Member, merge: Merge) -> Member:
    group = IncidentId(merge.group.removeprefix("g-"))
    if member.host is not None and group == member.group:
        return member  # The words that people have read stay.
    return member.model_copy(update={"group": group, "rule": merge.rule, "words": merge.sentence})


def _as_alert(member: Member) -> Alert:
    return Alert(id=AlertId(member.incident), service=member.service, title=member.title, at=member.opened_at)


def _seated(placed: Sequence[Member], since: tuple[datetime, str]) -> Mapping[IncidentId, Member]:
    """Return each with the card that shows it: its own, or that of its group's first with one."""
    groups: dict[IncidentId, list[Member]] = {}
    for member in placed:
        if member.is_open:
            groups.setdefault(member.group, []).append(member)
    seated = {member.incident: member for member in placed}
    for members in groups.values():
        standing = [member for member in members if member.standing is Standing.OWN]
        for member in members:
            if member.standing is not Standing.MERGED:
                continue
            if member.order < since and member.host not in seated:
                continue  # It was decided before, and the card that shows it is out of reach.
            if standing:
                seated[member.incident] = _hosted(member, standing)
            else:
                first = member.model_copy(update={"standing": Standing.OWN, "host": None})
                seated[member.incident] = first
                standing = [first]
    return seated


def _hosted(member: Member, standing: Sequence[Member]) -> Member:
    """Return *member* on a card of its group: the one it is on already, else the first."""
    host = next((one for one in standing if one.incident == member.host), standing[0])
    said = member
    if member.rule is MergeRule.FIRST:
        # It was opened first and heard of late: why the other belongs to it is why it belongs there.
        said = member.model_copy(update={"rule": host.rule, "words": host.words})
    if host.incident == member.host:
        return said
    return said.model_copy(update={"host": host.incident, "is_told": False})
