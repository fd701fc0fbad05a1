"""Steps that speak to one kind of target in its own words: a cluster, a load balancer, hosts, people."""

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from bot.domain.frozen import Frozen
from bot.domain.words import PLACEHOLDER, Identifier, Line, StepName


class ClusterOperation(StrEnum):
    """What a step does to an object of a cluster."""

    ROLLBACK = "rollback"
    RESTART = "restart"
    SCALE = "scale"
    CORDON = "cordon"
    UNCORDON = "uncordon"


class ClusterKind(StrEnum):
    """The kinds of objects that a step may change."""

    DEPLOYMENT = "deployment"
    STATEFULSET = "statefulset"
    DAEMONSET = "daemonset"
    NODE = "node"


class KubernetesStep(Frozen):
    """One change of one object of a cluster, refused when the object changed since it was read.

    It marks the object with its key, so that a lost answer is found by asking.
    """

    type: Literal["kubernetes"]
    name: StepName
    endpoint: Identifier = Field(description="A key of the service's `endpoints`: the cluster's API server.")
    operation: ClusterOperation
    kind: ClusterKind = ClusterKind.DEPLOYMENT
    namespace: Line = "default"
    object: Line = Field(description="The object's name.")
    revision: Line | None = Field(
        default=None, description="For `rollback`: the number of the revision to reach."
    )
    version: Line | None = Field(
        default=None,
        description="For `rollback`: instead of a number, the version that the revision's "
        "`app.kubernetes.io/version` label or one of its images' tags names.",
    )
    replicas: Line | None = Field(default=None, description="For `scale`: how many, 0 to 1000.")
    timeout_s: int = Field(default=10, ge=1, le=120)

    @model_validator(mode="after")
    def _operation_fits(self) -> "KubernetesStep":
        is_node = self.operation in (ClusterOperation.CORDON, ClusterOperation.UNCORDON)
        if is_node != (self.kind is ClusterKind.NODE):
            raise ValueError("`cordon` and `uncordon` are for `kind: node`, and nothing else is")
        if self.operation is ClusterOperation.SCALE and self.kind is ClusterKind.DAEMONSET:
            raise ValueError("a daemon set has no number of replicas")
        is_rollback = self.operation is ClusterOperation.ROLLBACK
        if ((self.revision is None) != (self.version is None)) != is_rollback:
            raise ValueError("`rollback` needs `revision` or `version`, and nothing else does")
        if (self.replicas is not None) != (self.operation is ClusterOperation.SCALE):
            raise ValueError("`scale` needs `replicas`, and nothing else does")
        return self


class BalancerOperation(StrEnum):
    """What a step does to a server of a backend."""

    DRAIN = "drain"
    READY = "ready"
    MAINT = "maint"
    WEIGHT = "weight"


class HaproxyStep(Frozen):
    """One change of one server through HAProxy's Runtime API."""

    type: Literal["haproxy"]
    name: StepName
    socket: Line = Field(description="The stats socket: a path, or `host:port`.")
    backend: Line
    server: Line
    operation: BalancerOperation
    weight: Line | None = Field(default=None, description="For `weight`: 0 to 256.")
    timeout_s: int = Field(default=10, ge=1, le=120)

    @model_validator(mode="after")
    def _weight_fits(self) -> "HaproxyStep":
        if (self.weight is not None) != (self.operation is BalancerOperation.WEIGHT):
            raise ValueError("`operation: weight` needs `weight`, and nothing else does")
        return self


class AnsibleStep(Frozen):
    """One Ansible play on named hosts. The plan holds its text; parameters reach it as variables only."""

    type: Literal["ansible"]
    name: StepName
    hosts: tuple[Line, ...] = Field(min_length=1, max_length=50)
    connection: Literal["ssh", "local"] = "ssh"
    user: Line | None = Field(default=None, description="Whom to log in as.")
    key_file: Line | None = Field(
        default=None,
        description="A private key on the bot's host that its user alone can read.",
    )
    play: str = Field(
        min_length=1,
        max_length=4000,
        description="The play as YAML, with `hosts: all`. Placeholders have no meaning in it.",
    )
    variables: dict[Identifier, Line] = Field(
        default_factory=dict, description="Extra variables; here placeholders are filled."
    )
    idempotent: bool = Field(default=False, description="The play may be run again after a lost answer.")
    timeout_s: int = Field(default=120, ge=5, le=900)


class NotifyStep(Frozen):
    """A line for people: in the incident's thread, or as a note on the incident in PagerDuty."""

    type: Literal["notify"]
    name: StepName
    to: Literal["thread", "pagerduty"] = "thread"
    text: Line

    @model_validator(mode="after")
    def _says_something(self) -> "NotifyStep":
        if not PLACEHOLDER.sub("x", self.text).strip():
            raise ValueError("`text` says nothing")
        return self


TargetStep = KubernetesStep | HaproxyStep | AnsibleStep | NotifyStep
