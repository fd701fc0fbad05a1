"""Turn a step for one kind of target into the action of a plan."""

import re
from collections.abc import Mapping
from typing import assert_never

from bot.app.filling import fill
from bot.domain.catalogue import Service
from bot.domain.errors import InvalidPlan
from bot.domain.target_actions import AnsibleRun, HaproxyCommand, KubernetesChange, Notice, TargetAction
from bot.domain.target_steps import (
    AnsibleStep,
    BalancerOperation,
    HaproxyStep,
    KubernetesStep,
    NotifyStep,
    TargetStep,
)

_OBJECT = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}")
_PROXY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SOCKET = re.compile(r"/[A-Za-z0-9._/-]{1,100}|[A-Za-z0-9.-]{1,253}:[0-9]{1,5}")
_TEMPLATE = ("{{", "{%", "{#")
MOST_REPLICAS = 1000
MOST_WEIGHT = 256


def render_target_step(step: TargetStep, values: Mapping[str, str], service: Service) -> TargetAction:
    """Return *step* as its runner receives it.

    Raises:
        InvalidPlan: a filled value is nothing that this target knows, or the service lacks the endpoint.
    """
    match step:
        case KubernetesStep():
            return _change(step, values, service)
        case HaproxyStep():
            return _command(step, values)
        case AnsibleStep():
            return _run(step, values)
        case NotifyStep():
            return Notice(name=step.name, to=step.to, text=fill(step.text, values))
        case _:
            assert_never(step)


def _change(step: KubernetesStep, values: Mapping[str, str], service: Service) -> KubernetesChange:
    endpoint = service.endpoints.get(step.endpoint)
    if endpoint is None:
        raise InvalidPlan(
            f"the service has no endpoint {step.endpoint!r}: add it under `endpoints` in services.yaml"
        )
    replicas = _filled("replicas", step.replicas, values, _NUMBER)
    if replicas is not None and int(replicas) > MOST_REPLICAS:
        raise InvalidPlan(f"{replicas} replicas are more than {MOST_REPLICAS}")
    return KubernetesChange(
        name=step.name,
        server=endpoint.url.rstrip("/"),
        headers=tuple(sorted(endpoint.headers.items())),
        ca_file=endpoint.ca_file,
        token_for=endpoint.token_for,
        operation=step.operation,
        kind=step.kind,
        namespace=_matching("namespace", step.namespace, values, _OBJECT),
        object=_matching("object", step.object, values, _OBJECT),
        revision=_filled("revision", step.revision, values, _NUMBER),
        version=_filled("version", step.version, values, _VERSION),
        replicas=None if replicas is None else int(replicas),
        timeout_s=step.timeout_s,
    )


def _command(step: HaproxyStep, values: Mapping[str, str]) -> HaproxyCommand:
    backend = _matching("backend", step.backend, values, _PROXY)
    server = _matching("server", step.server, values, _PROXY)
    weight = _filled("weight", step.weight, values, _NUMBER)
    if weight is not None and int(weight) > MOST_WEIGHT:
        raise InvalidPlan(f"a weight of {weight} is more than {MOST_WEIGHT}")
    told = (
        f"weight {weight}" if step.operation is BalancerOperation.WEIGHT else f"state {step.operation.value}"
    )
    return HaproxyCommand(
        name=step.name,
        socket=_matching("socket", step.socket, values, _SOCKET),
        backend=backend,
        server=server,
        command=f"set server {backend}/{server} {told}",
        timeout_s=step.timeout_s,
    )


def _run(step: AnsibleStep, values: Mapping[str, str]) -> AnsibleRun:
    variables = tuple(sorted((name, fill(text, values)) for name, text in step.variables.items()))
    for name, value in variables:
        # Ansible evaluates templates in values that reach it, wherever they come from.
        if any(sign in value for sign in _TEMPLATE):
            raise InvalidPlan(f"the variable {name!r} would be evaluated by Ansible: {value!r}")
    return AnsibleRun(
        name=step.name,
        hosts=tuple(_matching("hosts", host, values, _HOST) for host in step.hosts),
        connection=step.connection,
        user=_filled("user", step.user, values, _PROXY),
        key_file=_filled("key_file", step.key_file, values, _SOCKET),
        play=step.play,
        variables=variables,
        idempotent=step.idempotent,
        timeout_s=step.timeout_s,
    )


def _filled(what: str, text: str | None, values: Mapping[str, str], pattern: re.Pattern[str]) -> str | None:
    return None if text is None else _matching(what, text, values, pattern)


def _matching(what: str, text: str, values: Mapping[str, str], pattern: re.Pattern[str]) -> str:
    found = fill(text, values)
    if pattern.fullmatch(found) is None:
        raise InvalidPlan(f"{what} may not be {found!r}: it must match {pattern.pattern}")
    return found
