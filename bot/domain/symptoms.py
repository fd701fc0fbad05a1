"""Where it hurts: which services, instances and hosts the alerts speak of."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import AwareDatetime

from bot.domain.alert import Alert
from bot.domain.correlation_case import Case
from bot.domain.evidence import HostingRelation
from bot.domain.ids import ServiceName
from bot.domain.names import named_among
from bot.domain.onset import SymptomClass, find_onset, symptom_class
from bot.domain.spellings import spelled, spelled_in
from bot.domain.vocabulary import words_of

_POD_SUFFIX = re.compile(
    r"^(?P<service>.+?)(-[0-9a-f]{6,10})?-([0-9]{1,4}|[a-z0-9]{5})$|^(?P<bare>.*[a-z])[0-9]{1,2}$"
)
_POD = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_QUIET = re.compile(
    r"\bno[ _-]?(requests|traffic|data|operations|orders|messages)|NoRequests|NoTraffic|NoData"
)


@dataclass(frozen=True)
class Symptoms:
    """The alerts of a case, read once."""

    onset: AwareDatetime
    pace: SymptomClass
    services: Mapping[ServiceName, int]
    """How many alerts each service has, instances counted for their service."""
    quiet: frozenset[ServiceName]
    """Services whose alerts only say that nothing arrives any more: their callers are the ones to look at."""
    instances: Mapping[ServiceName, frozenset[str]]
    """Alerting instances of a service, as far as alerts name instances."""
    known_instances: Mapping[ServiceName, frozenset[str]]
    inferred: bool
    """No alert has a service: the services are those that the text names."""
    whole: frozenset[ServiceName]
    """Services of which at least one alert names the service itself, not an instance."""
    mentions: Mapping[ServiceName, frozenset[ServiceName]]
    """Further services that the text of a service's alerts names."""
    host_alerts: int
    """Alerts that name a host and no service."""
    hosts: Mapping[str, frozenset[str]]
    """Hosts and the alerting instances that run on them."""
    services_on: Mapping[str, frozenset[ServiceName]]
    """Hosts and the alerting or named services of which they run an instance."""
    count: int
    text: str
    titles: str
    words: Mapping[str, str]
    title_words: Mapping[str, str]

    @property
    def placed(self) -> frozenset[ServiceName]:
        """Return the services that alert or that alerts name."""
        return frozenset(self.services).union(*self.mentions.values())


def read_symptoms(case: Case) -> Symptoms:
    """Return what the alerts of *case* say about services, instances and hosts."""
    names = _Names.of(case)
    services: Counter[ServiceName] = Counter()
    loud: set[ServiceName] = set()
    instances: dict[ServiceName, set[str]] = {}
    whole: set[ServiceName] = set()
    host_alerts = 0
    for alert in case.alerts:
        entity = alert.service
        found = names.services_of(alert)
        if entity is not None and entity in names.hosts:
            host_alerts += 1
        for service in found:
            services[service] += 1
            if not _QUIET.search(alert.title):
                loud.add(service)
            if entity is not None and entity != service and entity in names.service_of:
                instances.setdefault(service, set()).add(entity)
            else:
                whole.add(service)
    text = "\n".join(f"{alert.title}\n{alert.details}" for alert in case.alerts)
    titles = "\n".join(alert.title for alert in case.alerts)
    return Symptoms(
        onset=find_onset(case.alerts),
        pace=symptom_class(case.alerts),
        services=services,
        quiet=frozenset(services) - loud,
        instances={service: frozenset(found) for service, found in instances.items()},
        known_instances=names.instances_of,
        inferred=all(alert.service is None for alert in case.alerts),
        whole=frozenset(whole),
        mentions=names.mentioned(case.alerts),
        host_alerts=host_alerts,
        hosts=names.hosts_of({entity for found in instances.values() for entity in found}),
        services_on=names.services_on(frozenset(services)),
        count=len(case.alerts),
        text=text,
        titles=titles,
        words=words_of(text),
        title_words=words_of(titles),
    )


@dataclass(frozen=True)
class _Names:
    """Which names are services, which are their instances and which are hosts."""

    changed: frozenset[ServiceName]
    topology: frozenset[ServiceName]
    listed: frozenset[ServiceName]
    """Services in three sets, never made one: there may be thousands, and the same ones for every case."""
    service_of: Mapping[str, ServiceName]
    instances_of: Mapping[ServiceName, frozenset[str]]
    hosts: frozenset[str]
    members_of_host: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, case: Case) -> "_Names":
        changed = frozenset(change.service for change in case.changes)
        running = (changed, case.topology.services)
        service_of: dict[str, ServiceName] = {}
        members: dict[str, set[str]] = {}
        for fact in case.evidence.hosting:
            if fact.relation is HostingRelation.INSTANCE:
                service_of[fact.member] = ServiceName(fact.owner)
            else:
                members.setdefault(fact.owner, set()).add(fact.member)
        for members_here in members.values():
            for name in members_here - service_of.keys():
                guess = _service_behind(name, running)
                if guess is not None:
                    service_of[name] = guess
        for alert in case.alerts:
            if (
                alert.service is not None
                and not _is_in(alert.service, running)
                and alert.service not in members
            ):
                guess = _service_behind(alert.service, running)
                if guess is not None:
                    service_of.setdefault(alert.service, guess)
        instances: dict[ServiceName, set[str]] = {}
        for instance, service in service_of.items():
            instances.setdefault(service, set()).add(instance)
        return cls(
            changed=changed,
            topology=case.topology.services,
            listed=case.services,
            service_of=service_of,
            instances_of={service: frozenset(found) for service, found in instances.items()},
            hosts=frozenset(members),
            members_of_host={host: frozenset(found) for host, found in members.items()},
        )

    def services_of(self, alert: Alert) -> frozenset[ServiceName]:
        """Return the services *alert* is about: its own, that of its instance, or those its text names."""
        entity = alert.service
        if entity is not None and entity in self.service_of:
            return frozenset({self.service_of[entity]})
        if entity is not None and entity not in self.hosts:
            return self.known_as(entity)
        if entity is not None:
            return frozenset()
        text = f"{alert.title}\n{alert.details}"
        return self.named_in(text) or self.spelled_in(text)

    def known_as(self, entity: ServiceName) -> frozenset[ServiceName]:
        """Return the known service that *entity* spells in another way, itself when there is none."""
        sets = (self.changed, self.topology, self.listed)
        if not _is_in(entity, sets):
            for names in sets:
                if found := spelled(names, entity):
                    return found
        return frozenset({entity})

    def spelled_in(self, text: str) -> frozenset[ServiceName]:
        """Return the known services that *text* spells in another way, or of which it names an instance."""
        sets = (self.changed, self.topology, self.listed)
        found = frozenset[ServiceName]().union(*(spelled_in(names, text) for names in sets))
        if found:
            return found
        pods = (_service_behind(token, sets) for token in _POD.findall(text))
        return frozenset(service for service in pods if service is not None)

    def mentioned(self, alerts: tuple[Alert, ...]) -> Mapping[ServiceName, frozenset[ServiceName]]:
        """Return for each service what else every second of its alerts, or more, names."""
        found: dict[ServiceName, Counter[ServiceName]] = {}
        totals: Counter[ServiceName] = Counter()
        for alert in alerts:
            named = self.named_in(f"{alert.title}\n{alert.details}")
            for service in self.services_of(alert):
                totals[service] += 1
                found.setdefault(service, Counter()).update(named - {service})
        return {
            service: frozenset(name for name, count in names.items() if 2 * count >= totals[service])
            for service, names in found.items()
        }

    def named_in(self, text: str) -> frozenset[ServiceName]:
        """Return the known services whose whole name stands in *text*."""
        found = (named_among(names, text) for names in (self.changed, self.topology, self.listed))
        return frozenset[ServiceName]().union(*found) - self.service_of.keys() - self.members_of_host.keys()

    def services_on(self, services: frozenset[ServiceName]) -> Mapping[str, frozenset[ServiceName]]:
        """Return for each host which of *services* have an instance on it."""
        return {
            host: frozenset(self.service_of[member] for member in members if member in self.service_of)
            & services
            for host, members in self.members_of_host.items()
        }

    def hosts_of(self, instances: set[str]) -> Mapping[str, frozenset[str]]:
        found = {host: members & instances for host, members in self.members_of_host.items()}
        return {host: here for host, here in found.items() if here}


def _service_behind(name: str, services: tuple[frozenset[ServiceName], ...]) -> ServiceName | None:
    """Return the known service that *name* looks like an instance of: `cart-7d9f8b6c5-abcde`, `cart2`."""
    match = _POD_SUFFIX.match(name)
    if match is None:
        return None
    stems = [match.group("service"), match.group("bare")]
    base = [ServiceName(stem) for stem in stems if stem is not None]
    return next((service for service in base if _is_in(service, services)), None)


def _is_in(name: str, services: tuple[frozenset[ServiceName], ...]) -> bool:
    return any(name in found for found in services)
