"""Put alerts of one cause together: around the first service that hurts, for a limited time."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.alert import Alert
from bot.domain.ids import AlertId, ServiceName
from bot.domain.topology import Topology
from bot.domain.vocabulary import stems_of


@dataclass(frozen=True)
class GroupingRules:
    """How far and how long a group reaches. All are our choice, tuned on labelled streams."""

    hops: int = 1
    """Calls, in either direction, from the first service of a group to another that may join it."""
    confirmed_hops: int = 3
    """As far as this a service may join when its alert also shares a word with the group's alerts."""
    idle: timedelta = timedelta(minutes=15)
    """Silence after which a group takes nothing more."""
    longest: timedelta = timedelta(hours=1)
    """Time after the first alert at which a group takes nothing more."""
    storm_alerts: int = 10
    """Alerts within `storm_window` that make a storm: then time decides, so that one cause stays one."""
    storm_window: timedelta = timedelta(seconds=60)
    storm_idle: timedelta = timedelta(minutes=5)
    """Silence after which a storm is over."""


class MergeRule(StrEnum):
    """Why an alert is where it is."""

    FIRST = "first"
    SAME_ALERT = "same_alert"
    SAME_SERVICE = "same_service"
    NEAR = "near"
    STORM = "storm"


@dataclass(frozen=True)
class Merge:
    """Where one alert went, by which rule, and the sentence that people see."""

    alert: AlertId
    group: str
    rule: MergeRule
    sentence: str


Fingerprint = tuple[ServiceName | None, str]


@dataclass(slots=True, eq=False)
class _Group:
    id: str
    anchor: ServiceName | None
    started_at: datetime
    ends_at: datetime
    """When it takes nothing more, unless another alert comes before."""
    size: int = 0
    stormy: bool = False
    firing: set[Fingerprint] = field(default_factory=set)
    seen: set[Fingerprint] = field(default_factory=set)
    services: set[ServiceName] = field(default_factory=set)
    words: set[str] = field(default_factory=set)


class Grouper:
    """Takes alerts in order of time and says for each where it belongs; holds only the groups still open.

    A group is open until it has been silent too long, lasted too long, or all of its alerts are resolved.
    """

    def __init__(self, topology: Topology, rules: GroupingRules) -> None:
        self._topology = topology
        self._rules = rules
        self._open: list[_Group] = []
        self._first_end: datetime | None = None
        """No open group ends before this."""
        self._recent: deque[datetime] = deque()
        self._near: dict[ServiceName, Mapping[ServiceName, int]] = {}

    def add(self, alert: Alert, *, resolved: bool = False) -> Merge:
        """Return where *alert* belongs. A *resolved* one reports a recovery: it closes what it belongs to."""
        self._forget(alert.at)
        fingerprint = (alert.service, alert.title)
        group, rule, sentence = self._find(alert, fingerprint)
        if group is None:
            group = self._start(alert)
        self._record(group, alert, fingerprint, resolved=resolved)
        return Merge(alert=alert.id, group=group.id, rule=rule, sentence=sentence)

    def put(self, alert: Alert, group_id: str) -> None:
        """Take *alert* where it was placed before; it starts a group that is named after it, and no other."""
        self._forget(alert.at)
        group = next((group for group in self._open if group.id == group_id), None)
        if group is None and group_id == f"g-{alert.id}":
            group = self._start(alert)
        if group is not None:
            self._record(group, alert, (alert.service, alert.title), resolved=False)

    def extend(self, alert: Alert) -> str | None:
        """Return the group that *alert* joins; None when it would be the first of one, and starts none."""
        self._forget(alert.at)
        fingerprint = (alert.service, alert.title)
        group, _, _ = self._find(alert, fingerprint)
        if group is None:
            return None
        self._record(group, alert, fingerprint, resolved=False)
        return group.id

    def _find(self, alert: Alert, fingerprint: Fingerprint) -> tuple[_Group | None, MergeRule, str]:
        storm = self._storm()
        # A storm first falls apart into groups that know nothing of each other; those take nothing more.
        groups = self._open
        if storm is not None:
            groups = [g for g in self._open if g is storm or g.started_at < storm.started_at]
        service = alert.service
        hurt = groups if service is None else [group for group in groups if service in group.services]
        for group in hurt:
            if fingerprint in group.seen:
                # Without its title: the sentence is read in other channels than the alert's own.
                return group, MergeRule.SAME_ALERT, f"the same alert of {service or 'an unmapped service'}"
        if service is not None and hurt:
            return hurt[0], MergeRule.SAME_SERVICE, f"{service} already hurts in this group"
        # Distances are the same both ways, so one walk from the alert's service serves all groups.
        around = self._around(service) if service is not None else {}
        reached = [group for group in groups if group.anchor in around]
        near = [(hops, g) for g in reached if (hops := self._hops(g, alert, around)) is not None]
        if near:
            hops, group = min(near, key=lambda pair: (pair[0], -pair[1].size, pair[1].id))
            return (
                group,
                MergeRule.NEAR,
                f"{alert.service} is {hops} hop{'s' * (hops > 1)} from {group.anchor}",
            )
        if storm is not None:
            seconds = self._rules.storm_window.seconds
            return storm, MergeRule.STORM, f"one of {len(self._recent) + 1} alerts within {seconds} s"
        return None, MergeRule.FIRST, "the first of its group"

    def _storm(self) -> _Group | None:
        """Return the group that a storm is in, None while alerts come slowly."""
        if len(self._recent) < self._rules.storm_alerts:
            return None
        stormy = (group for group in self._open if group.stormy)
        return max(stormy, key=lambda group: (group.size, group.id), default=None)

    def _hops(self, group: _Group, alert: Alert, around: Mapping[ServiceName, int]) -> int | None:
        if group.anchor is None:
            return None
        hops = around[group.anchor]
        if hops <= self._rules.hops:
            return hops
        return hops if not group.words.isdisjoint(stems_of(alert.title)) else None

    def _start(self, alert: Alert) -> _Group:
        group = _Group(id=f"g-{alert.id}", anchor=alert.service, started_at=alert.at, ends_at=alert.at)
        self._open.append(group)
        return group

    def _around(self, service: ServiceName) -> Mapping[ServiceName, int]:
        if service not in self._near:
            self._near[service] = neighbours(service, self._topology, hops=self._rules.confirmed_hops)
        return self._near[service]

    def _record(self, group: _Group, alert: Alert, fingerprint: Fingerprint, *, resolved: bool) -> None:
        self._recent.append(alert.at)
        group.size += 1
        if fingerprint not in group.seen:
            group.seen.add(fingerprint)
            group.words.update(stems_of(alert.title))
        if alert.service is not None:
            group.services.add(alert.service)
        if len(self._recent) >= self._rules.storm_alerts:
            group.stormy = True
        if resolved:
            group.firing.discard(fingerprint)
        else:
            group.firing.add(fingerprint)
        idle = self._rules.storm_idle if group.stormy else self._rules.idle
        group.ends_at = min(alert.at + idle, group.started_at + self._rules.longest)
        if not group.firing:
            self._open.remove(group)
        elif self._first_end is None or group.ends_at < self._first_end:
            self._first_end = group.ends_at

    def _forget(self, now: datetime) -> None:
        """Drop the groups that have ended, and the alerts that no storm counts any more."""
        while self._recent and now - self._recent[0] > self._rules.storm_window:
            self._recent.popleft()
        if self._first_end is not None and now > self._first_end:
            self._open = [group for group in self._open if now <= group.ends_at]
            self._first_end = min([group.ends_at for group in self._open], default=None)


def neighbours(service: ServiceName, topology: Topology, *, hops: int) -> dict[ServiceName, int]:
    """Return the services within *hops* calls of *service*, whoever calls whom, with their distance."""
    found: dict[ServiceName, int] = {}
    frontier = {service}
    callees, callers = topology.callees, topology.callers
    for hop in range(1, hops + 1):
        called = [callees[name] for name in frontier if name in callees]
        calling = [callers[name] for name in frontier if name in callers]
        frontier = set[ServiceName]().union(*called, *calling).difference(found, (service,))
        found.update(dict.fromkeys(frontier, hop))
    return found


def group_stream(
    alerts: Iterable[Alert],
    topology: Topology,
    rules: GroupingRules,
    *,
    resolved: frozenset[int] = frozenset(),
) -> tuple[Merge, ...]:
    """Return where each of *alerts* belongs; they must come in order of time.

    *resolved* says which of them, counted from 0, report a recovery.
    """
    grouper = Grouper(topology, rules)
    return tuple(grouper.add(alert, resolved=nth in resolved) for nth, alert in enumerate(alerts))
