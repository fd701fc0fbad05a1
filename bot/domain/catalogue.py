"""The service catalogue: what `services.yaml` says of each service."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from bot.domain.alert import Severity
from bot.domain.frozen import Frozen, WrongPart
from bot.domain.ids import PlaybookId, ServiceName, SlackUserId
from bot.domain.incident import Incident
from bot.domain.topology import Edge, Topology
from bot.domain.updates import Updates
from bot.domain.words import ChannelId, HeaderName, Identifier, Line

DECLARED = "services.yaml"


def _reachable(address: str) -> str:
    parts = urlsplit(address)
    if not parts.hostname or parts.port == 0:  # `port` itself refuses what is no number up to 65535.
        raise ValueError("it names no host, or no port that can be reached")
    return address


HttpAddress = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[A-Za-z0-9._\[\]:-]+(/[A-Za-z0-9._/-]*)?$"),
    AfterValidator(_reachable),
]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]{1,200}$")]
ServiceAccount = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9.-]*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class Endpoint(Frozen):
    """An address that playbook steps may call."""

    url: HttpAddress
    headers: dict[HeaderName, Line] = Field(
        default_factory=dict, description="Sent with each request; values may hold `secret:NAME`."
    )
    ca_file: AbsolutePath | None = Field(
        default=None, description="Of a Kubernetes API server: who signed its certificate, as a PEM file."
    )
    token_for: ServiceAccount | None = Field(
        default=None,
        description="Of a Kubernetes API server: `namespace/name` of a service account. Steps act by a token "
        "for it, made after their start and void after their end; `headers` then only ask for that token.",
    )


class ExpositionSignal(Frozen):
    """An error ratio from counters that the service itself serves in Prometheus text form."""

    kind: Literal["exposition"]
    url: HttpAddress
    errors: Name = Field(description="A counter of failed requests.")
    total: Name = Field(description="A counter of all requests.")
    labels: dict[str, str] = Field(default_factory=dict)
    window_s: int = Field(default=5, ge=1, le=900)


class PrometheusSignal(Frozen):
    """The value of one instant query against a Prometheus server."""

    kind: Literal["prometheus"]
    url: HttpAddress
    query: str = Field(min_length=1, max_length=2000)
    stale_after_s: int = Field(
        default=60,
        ge=1,
        le=900,
        description="Seconds after its last sample that a series is unknown; Prometheus before 2.43: 300.",
    )


class HttpSignal(Frozen):
    """1 while the address answers with one of the wanted statuses, else 0."""

    kind: Literal["http"]
    url: HttpAddress
    expect_status: tuple[int, ...] = (200,)


Signal = Annotated[ExpositionSignal | PrometheusSignal | HttpSignal, Field(discriminator="kind")]

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=128)]


class HttpVersion(Frozen):
    """Where it is said which version of the service runs now, best by what deploys it."""

    kind: Literal["http"] = "http"
    url: HttpAddress
    field: Key | None = Field(
        default="version",
        description="The key of the JSON answer; dots go deeper. null: the whole answer is the version.",
    )
    headers: dict[HeaderName, Line] = Field(
        default_factory=dict, description="Sent with each request; values may hold `secret:NAME`."
    )


Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_@][A-Za-z0-9_.@-]{0,127}$")]
IndexName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._*-]{0,127}$")]
Repository = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")
]


class LokiLogs(Frozen):
    """Where Grafana Loki keeps a service's log lines."""

    kind: Literal["loki"]
    url: HttpAddress
    label: Label = Field(default="app", description="The label that holds the service's name.")
    value: Name | None = Field(default=None, description="What that label says; default: the service's name.")
    labels: dict[Label, Name] = Field(default_factory=dict, description="Further labels that must match.")
    headers: dict[HeaderName, Line] = Field(
        default_factory=dict, description="Sent with each request; values may hold `secret:NAME`."
    )


class ElasticLogs(Frozen):
    """Where Elasticsearch or OpenSearch keeps a service's log lines."""

    kind: Literal["elasticsearch", "opensearch"]
    url: HttpAddress
    index: IndexName = Field(description="The index, alias or pattern, e.g. `logs-*`.")
    service_field: FieldName = Field(
        default="service.name", description="The keyword field that holds the service's name."
    )
    value: Name | None = Field(default=None, description="What that field says; default: the service's name.")
    time_field: FieldName = "@timestamp"
    message_field: FieldName = "message"
    level_field: FieldName | None = Field(
        default="log.level", description="The keyword field of the level; null: the message is searched."
    )
    levels: tuple[Name, ...] = Field(
        default=("error", "ERROR", "critical", "CRITICAL", "fatal", "FATAL"), min_length=1
    )
    headers: dict[HeaderName, Line] = Field(
        default_factory=dict, description="Sent with each request; values may hold `secret:NAME`."
    )


LogStore = Annotated[LokiLogs | ElasticLogs, Field(discriminator="kind")]


class Metric(Frozen):
    """A PromQL query that an investigation looks at beside the signals."""

    url: HttpAddress
    query: str = Field(min_length=1, max_length=2000)
    by_version: bool = Field(
        default=False,
        description="The query gives the share of failed requests, a series for each value of `version`.",
    )
    headers: dict[HeaderName, Line] = Field(
        default_factory=dict, description="Sent with each request; values may hold `secret:NAME`."
    )


class Approvers(Frozen):
    """Who may approve. Empty means nobody."""

    users: tuple[Annotated[SlackUserId, StringConstraints(pattern=r"^[UW][A-Z0-9]+$")], ...] = Field(
        default=(), description="Slack user ids (`U…`); names can be changed, so they count for nothing."
    )
    on_call: bool = Field(default=False, description="Whoever PagerDuty says is on call for the incident.")
    on_call_levels: tuple[Annotated[int, Field(ge=1, le=20)], ...] | None = Field(
        default=None, description="Of them only those at these escalation levels; default: at any."
    )
    groups: tuple[Annotated[str, StringConstraints(pattern=r"^S[A-Z0-9]+$")], ...] = Field(
        default=(),
        description="Ids of Slack user groups (`S…`), whose members are looked up at each decision.",
    )


class Service(Frozen):
    """One service: its names elsewhere, who may act on it, how, and how its health is read."""

    pagerduty: tuple[Name, ...] = Field(default=(), description="PagerDuty service ids.")
    names: tuple[Name, ...] = Field(default=(), description="Names that change sources use for it.")
    channel: ChannelId | None = Field(
        default=None, description="Slack channel id (`C…`); default: the setting SLACK_CHANNEL."
    )
    environments: tuple[Name, ...] = ("production",)
    owner: str = ""
    runbook_url: HttpAddress | None = None
    dashboard_url: HttpAddress | None = None
    endpoints: dict[Identifier, Endpoint] = Field(default_factory=dict)
    signals: dict[Identifier, Signal] = Field(default_factory=dict)
    version: HttpVersion | None = Field(
        default=None,
        description="Compared before anything starts; without it, plans say that it is not.",
    )
    logs: LogStore | None = None
    metrics: dict[Identifier, Metric] = Field(
        default_factory=dict, description="Looked at by an investigation; they prove no recovery."
    )
    repository: Repository | None = Field(
        default=None, description="`owner/name` on GitHub: what changed between two versions is read there."
    )
    settings: dict[Identifier, str] = Field(
        default_factory=dict, description="Values for parameters with `from: service.setting`."
    )
    playbooks: tuple[PlaybookId, ...] = Field(
        default=(), description="The allow-list, in order of preference."
    )
    approvers: Approvers = Approvers()
    dependencies: tuple[ServiceName, ...] = ()


class ServiceGraph(Frozen):
    """Where OpenTelemetry's service-graph metrics say who calls whom."""

    url: HttpAddress = Field(description="A Prometheus server.")
    query: str = Field(
        default="sum by (client, server) (rate(traces_service_graph_request_total[1h])) > 0",
        min_length=1,
        max_length=2000,
        description="Gives one series for each edge, with the labels `client` and `server`.",
    )
    headers: dict[HeaderName, Line] = Field(
        default_factory=dict, description="Sent with each request; values may hold `secret:NAME`."
    )


class Route(Frozen):
    """Where the cards of some incidents go. What is left out fits any; all that is named must fit."""

    service: tuple[ServiceName, ...] = ()
    team: tuple[str, ...] = Field(default=(), description="As `owner` of a service has it.")
    severity: tuple[Severity, ...] = Field(default=(), description="The worst of the incident's alerts.")
    priority: tuple[str, ...] = Field(default=(), description="PagerDuty's name of it, such as `P1`.")
    channel: ChannelId | None = Field(
        default=None, description="Slack channel id (`C…`); default: the service's, else SLACK_CHANNEL."
    )
    own_channel: bool = Field(
        default=False,
        description="Whether each of these incidents also gets a channel of its own, for people to talk in.",
    )

    def fits(self, incident: Incident, owner: str) -> bool:
        """Say whether *incident*, of a service of *owner*, goes here."""
        return (
            (not self.service or incident.service in self.service)
            and (not self.team or owner in self.team)
            and (not self.severity or incident.severity in self.severity)
            and (not self.priority or incident.priority in self.priority)
        )


class Told(StrEnum):
    """What a custom field of PagerDuty may be told."""

    CAUSE = "cause"
    """The cause as the card names it, with how sure that is."""
    CHANGE = "change"
    """The id of the suspect change."""
    OUTCOME = "outcome"
    """What came of the last proposal."""


class PagerDutyFields(Frozen):
    """What is written back to PagerDuty beside notes; nothing unless it is named here."""

    custom_fields: dict[Identifier, Told] = Field(
        default_factory=dict, description="By the field's name there: what it is told. It holds text."
    )
    priorities: dict[Severity, Name] = Field(
        default_factory=dict,
        description="By the worst severity of the alerts: the priority, such as `P1`, that an incident "
        "without one gets.",
    )


_NOTHING_WRITTEN = PagerDutyFields()


class CatalogueFile(Frozen):
    """The whole of `services.yaml`."""

    services: dict[Annotated[ServiceName, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")], Service]
    service_graph: ServiceGraph | None = Field(
        default=None, description="A further source of who calls whom, beside `dependencies`."
    )
    routes: tuple[Route, ...] = Field(
        default=(), description="The first that fits an incident says where its card goes."
    )
    updates: tuple[Updates, ...] = Field(
        default=(), description="The first that fits says who is told in plain words how an incident stands."
    )

    pagerduty: PagerDutyFields = _NOTHING_WRITTEN

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> "CatalogueFile":
        owners = {service.owner for service in self.services.values()}
        for number, route in enumerate(self.routes):
            _refuse_unknown("service", route.service, self.services, ("routes", number))
            _refuse_unknown("team", route.team, owners, ("routes", number))
            if route.channel is None and not route.own_channel:
                raise WrongPart("it names no `channel` and no `own_channel: true`", ("routes", number))
            fits_all = not (route.service or route.team or route.severity or route.priority)
            if fits_all and number + 1 < len(self.routes):
                raise WrongPart("it fits every incident, so none gets to the next", ("routes", number))
        return self

    @model_validator(mode="after")
    def _updates_are_of_somebody_and_for_somebody(self) -> "CatalogueFile":
        owners = {service.owner for service in self.services.values()} - {""}
        for number, updates in enumerate(self.updates):
            place = ("updates", number)
            _refuse_unknown("service", updates.service, self.services, place)
            _refuse_unknown("team", updates.team, owners, place)
            if not updates.service and not updates.team:
                raise WrongPart("it names no `service` and no `team` whose incidents are told of", place)
            if updates.channel is None and not updates.pagerduty:
                raise WrongPart("it names no `channel` and no `pagerduty: true`", place)
        return self

    @model_validator(mode="after")
    def _no_name_twice(self) -> "CatalogueFile":
        entries = self.services.items()
        _refuse_shared("PagerDuty id", ((n, id_, "pagerduty") for n, s in entries for id_ in s.pagerduty))
        own = [(name, str(name), "names") for name in self.services]
        _refuse_shared("name", [*own, *((n, also, "names") for n, s in entries for also in s.names)])
        return self


def _refuse_unknown(
    field: str, named: Iterable[str], known: Container[str], part: tuple[str | int, ...]
) -> None:
    for place, name in enumerate(named):
        if name not in known:
            what = "has the owner" if field == "team" else "is called"
            raise WrongPart(f"no service {what} {name!r}", (*part, field, place))


def _refuse_shared(what: str, claims: Iterable[tuple[ServiceName, str, str]]) -> None:
    """Refuse a value that two services claim; a claim is the service, the value and the field."""
    owner: dict[str, ServiceName] = {}
    for service, value, field in claims:
        if owner.setdefault(value, service) != service:
            raise WrongPart(
                f"{what} {value!r} belongs to both {owner[value]!r} and {service!r}: keep one",
                ("services", service, field),
            )


@dataclass(frozen=True)
class Catalogue:
    """The services by name, with the look-ups the application needs."""

    services: dict[ServiceName, Service]
    service_graph: ServiceGraph | None = None
    routes: tuple[Route, ...] = ()
    pagerduty: PagerDutyFields = _NOTHING_WRITTEN
    updates: tuple[Updates, ...] = ()

    def told(self, incident: Incident) -> Updates | None:
        """Return who is told of *incident* in plain words; None when nobody is."""
        name = incident.service
        service = self.services.get(name) if name else None
        if name is None or service is None:
            return None
        return next((updates for updates in self.updates if updates.fits(name, service.owner)), None)

    def route(self, incident: Incident) -> Route | None:
        """Return the first route that fits *incident*."""
        service = self.services.get(incident.service) if incident.service else None
        owner = service.owner if service else ""
        return next((route for route in self.routes if route.fits(incident, owner)), None)

    def channel(self, incident: Incident) -> str | None:
        """Return the channel that is named for *incident*; None when none is."""
        route = self.route(incident)
        service = self.services.get(incident.service) if incident.service else None
        return (route.channel if route else None) or (service.channel if service else None)

    def by_pagerduty_id(self, pagerduty_id: str | None) -> ServiceName | None:
        """Return the service mapped to *pagerduty_id*, or None when no entry names it."""
        return next((n for n, s in self.services.items() if pagerduty_id in s.pagerduty), None)

    def by_name(self, name: str) -> ServiceName | None:
        """Return the service that change sources call *name*, or None."""
        if name in self.services:
            return ServiceName(name)
        return next((n for n, s in self.services.items() if name in s.names), None)

    def topology(self) -> Topology:
        """Return the call graph that the entries' `dependencies` declare."""
        return self._topology

    @cached_property
    def _topology(self) -> Topology:
        return Topology.told(
            Edge(n, callee, DECLARED) for n, s in self.services.items() for callee in s.dependencies
        )
