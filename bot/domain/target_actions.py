"""What steps for one kind of target become in a plan: everything that their runner receives."""

from typing import Literal

from bot.domain.frozen import Frozen
from bot.domain.target_steps import ClusterKind, ClusterOperation


class KubernetesChange(Frozen):
    """One change of one object of a cluster. Header values may hold `secret:NAME`."""

    type: Literal["kubernetes"] = "kubernetes"
    name: str
    server: str
    headers: tuple[tuple[str, str], ...] = ()
    ca_file: str | None = None
    token_for: str | None = None
    """`namespace/name` of the service account whose short-lived token is used instead of `headers`."""
    operation: ClusterOperation
    kind: ClusterKind
    namespace: str
    object: str
    revision: str | None = None
    version: str | None = None
    replicas: int | None = None
    timeout_s: int


class HaproxyCommand(Frozen):
    """One command on HAProxy's stats socket."""

    type: Literal["haproxy"] = "haproxy"
    name: str
    socket: str
    backend: str
    server: str
    command: str
    timeout_s: int


class AnsibleRun(Frozen):
    """One play with its inventory and its variables."""

    type: Literal["ansible"] = "ansible"
    name: str
    hosts: tuple[str, ...]
    connection: Literal["ssh", "local"]
    user: str | None = None
    key_file: str | None = None
    play: str
    variables: tuple[tuple[str, str], ...] = ()
    idempotent: bool
    timeout_s: int


class Notice(Frozen):
    """A line for people."""

    type: Literal["notify"] = "notify"
    name: str
    to: Literal["thread", "pagerduty"]
    text: str
    timeout_s: int = 10


TargetAction = KubernetesChange | HaproxyCommand | AnsibleRun | Notice
