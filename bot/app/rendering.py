"""Turn a playbook and the facts of an incident into the exact actions of a plan."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never
from urllib.parse import quote

from bot.app.filling import fill
from bot.app.target_rendering import render_target_step
from bot.domain.catalogue import Service
from bot.domain.change import ChangeEvent
from bot.domain.errors import InvalidPlan
from bot.domain.incident import Incident
from bot.domain.plan import Check, CommandRun, HttpRequest, Pause, PlannedAction, Question, Value
from bot.domain.playbook import (
    EACH,
    CommandStep,
    EachStep,
    Fact,
    HttpAsk,
    HttpStep,
    Parameter,
    Playbook,
    PlaybookStep,
    Step,
    VerifyStep,
    WaitStep,
)
from bot.domain.target_steps import AnsibleStep, HaproxyStep, KubernetesStep, NotifyStep
from bot.domain.words import SECRET

MOST_EACH = 20
_ITEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}")
_OURS = frozenset({"idempotency-key", "host", "content-length", "transfer-encoding", "connection"})
_PLAIN_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")


def fill_parameters(
    playbook: Playbook, incident: Incident, suspect: ChangeEvent | None, service: Service
) -> tuple[Value, ...]:
    """Return every parameter's value with its source.

    Raises:
        InvalidPlan: a fact is missing, or its text is not what the parameter may look like.
    """
    return tuple(
        Value(name=name, value=_value(name, parameter, incident, suspect, service), source=parameter.source)
        for name, parameter in playbook.parameters.items()
    )


def _value(
    name: str, parameter: Parameter, incident: Incident, suspect: ChangeEvent | None, service: Service
) -> str:
    found = _fact(parameter, incident, suspect, service)
    if found is None:
        raise InvalidPlan(f"parameter {name!r} needs {parameter.source.value}, which nobody reported")
    # ASCII first: look-alike letters and invisible signs must not reach a target, whatever the pattern says.
    if not found.isascii() or not found.isprintable() or re.fullmatch(parameter.pattern, found) is None:
        raise InvalidPlan(f"parameter {name!r} may not be {found!r}: it must match {parameter.pattern}")
    return found


def _fact(
    parameter: Parameter, incident: Incident, suspect: ChangeEvent | None, service: Service
) -> str | None:
    match parameter.source:
        case Fact.INCIDENT_ID:
            return incident.id
        case Fact.SERVICE:
            return incident.service
        case Fact.SETTING:
            return service.settings.get(parameter.setting or "")
        case Fact.SUSPECT_ID:
            return suspect.id if suspect else None
        case Fact.SUSPECT_SERVICE:
            return suspect.service if suspect else None
        case Fact.SUSPECT_ENVIRONMENT:
            return suspect.environment if suspect else None
        case Fact.SUSPECT_VERSION:
            return suspect.version if suspect else None
        case Fact.SUSPECT_PREVIOUS_VERSION:
            return suspect.previous_version if suspect else None
        case Fact.SUSPECT_FLAG:
            return suspect.flag if suspect else None
        case _:
            assert_never(parameter.source)


def render_steps(
    steps: Sequence[PlaybookStep], values: Mapping[str, str], service: Service
) -> tuple[PlannedAction, ...]:
    """Return the playbook's steps in the order in which they run; one for each of several is several.

    Raises:
        InvalidPlan: as `render_step`, or the values of a step `each` are not 2 to 20 different ones.
    """
    return tuple(
        action
        for step in steps
        for action in (
            _render_each(step, values, service)
            if isinstance(step, EachStep)
            else [render_step(step, values, service)]
        )
    )


def _render_each(step: EachStep, values: Mapping[str, str], service: Service) -> Iterator[PlannedAction]:
    items = [item.strip() for item in fill(step.of, values).split(",")]
    if (
        not 2 <= len(items) <= MOST_EACH
        or len(set(items)) < len(items)
        or not all(map(_ITEM.fullmatch, items))
    ):
        raise InvalidPlan(f"{step.name} needs 2 to {MOST_EACH} different values, not {', '.join(items)!r}")
    for number, item in enumerate(items, start=1):
        action = render_step(step.step, {**values, EACH: item}, service)
        yield action.model_copy(update={"name": f"{action.name}-{number}"})
        if number == 1 and step.canary is not None:
            yield render_check(step.canary, service)


def render_step(step: Step, values: Mapping[str, str], service: Service) -> PlannedAction:
    """Return *step* as the runner receives it.

    Raises:
        InvalidPlan: the service lacks the endpoint or the signal that the step names.
    """
    match step:
        case HttpStep():
            return _render_http(step, values, service)
        case CommandStep():
            return CommandRun(
                name=step.name,
                argv=tuple(_argument(text, values) for text in step.argv),
                stdin=None if step.stdin is None else fill(step.stdin, values),
                environment=step.environment,
                expect_exit=step.expect_exit,
                expect_output=step.expect_output,
                preview=tuple(_argument(text, values) for text in step.preview),
                sandbox=step.sandbox,
                idempotent=step.idempotent,
                timeout_s=step.timeout_s,
            )
        case KubernetesStep() | AnsibleStep() | HaproxyStep() | NotifyStep():
            return render_target_step(step, values, service)
        case WaitStep():
            return Pause(name=step.name, seconds=step.seconds)
        case VerifyStep():
            return render_check(step, service)
        case _:
            assert_never(step)


def render_check(step: VerifyStep, service: Service) -> Check:
    """Return the check with the signal it reads spelled out."""
    signal = service.signals.get(step.signal)
    if signal is None:
        raise InvalidPlan(
            f"the service has no signal {step.signal!r}: add it under `signals` in services.yaml"
        )
    return Check(
        name=step.name,
        signal_name=step.signal,
        signal=signal,
        healthy=step.healthy,
        threshold=step.threshold,
        within_s=step.within_s,
        hold_s=step.hold_s,
    )


def _render_http(step: HttpStep, values: Mapping[str, str], service: Service) -> HttpRequest:
    endpoint = service.endpoints.get(step.endpoint)
    if endpoint is None:
        raise InvalidPlan(
            f"the service has no endpoint {step.endpoint!r}: add it under `endpoints` in services.yaml"
        )
    escaped = {name: quote(value, safe="") for name, value in values.items()}
    base = endpoint.url.rstrip("/")
    url = base + fill(step.path, escaped)
    _refuse_unless_sent_as_shown(url)
    headers = dict(endpoint.headers)
    for name, text in step.headers.items():
        _set_header(headers, name, _filled_header(text, values))
    body = _json(step.body, values)
    if body is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    if refused := sorted(_OURS & {name.lower() for name in headers}):
        raise InvalidPlan(f"the header {refused[0]} is set by the runner: leave it out")
    return HttpRequest(
        name=step.name,
        method=step.method,
        url=url,
        headers=tuple(sorted(headers.items())),
        body=body,
        expect_status=step.expect_status,
        preview=_render_ask(step.preview, base, escaped, values) if step.preview else None,
        status=_render_ask(HttpAsk(path=step.status), base, escaped, values) if step.status else None,
        idempotent=step.idempotent,
        timeout_s=step.timeout_s,
    )


def _render_ask(ask: HttpAsk, base: str, escaped: Mapping[str, str], values: Mapping[str, str]) -> Question:
    url = base + fill(ask.path, escaped)
    _refuse_unless_sent_as_shown(url)
    return Question(method=ask.method, url=url, body=_json(ask.body, values))


def _json(body: Mapping[str, str | int | bool] | None, values: Mapping[str, str]) -> str | None:
    if body is None:
        return None
    filled = {key: fill(v, values) if isinstance(v, str) else v for key, v in body.items()}
    return json.dumps(filled, separators=(", ", ": "), sort_keys=True)


def _refuse_unless_sent_as_shown(url: str) -> None:
    """HTTP clients mend an address on its way: they take `..` out and encode signs. People see what goes."""
    path = "/" + url.split("/", 3)[3]
    dots = {".", ".."} & set(path.split("?")[0].replace("%2e", ".").replace("%2E", ".").split("/"))
    if dots or _PLAIN_PATH.fullmatch(path) is None:
        raise InvalidPlan(f"the path {path!r} would not be sent as it is shown")


def _set_header(headers: dict[str, str], name: str, text: str) -> None:
    """Set a header in place of one whose name differs in capitals only."""
    for known in [known for known in headers if known.lower() == name.lower()]:
        del headers[known]
    headers[name] = text


def _filled_header(text: str, values: Mapping[str, str]) -> str:
    filled = fill(text, values)
    # Which secret goes out is for the playbook to say: a value must not name one.
    if SECRET.findall(filled) != SECRET.findall(text):
        raise InvalidPlan(f"the header {filled!r} would name a secret by a parameter")
    return filled


def _argument(text: str, values: Mapping[str, str]) -> str:
    argument = fill(text, values)
    # A value must not become an option: `--kubeconfig=…` in a version would be one.
    if argument.startswith("-") and not text.startswith("-"):
        raise InvalidPlan(f"the argument {argument!r} would be read as an option")
    return argument
