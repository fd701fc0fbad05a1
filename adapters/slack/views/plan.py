"""The plan, word for word: what will run, how it is checked, and what cannot be taken back."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import assert_never

from adapters.slack.views.blocks import PARAGRAPH, fences
from adapters.slack.views.text import (
    Mrkdwn,
    bold,
    clock_time,
    code,
    countdown,
    escape,
    join,
    literal,
    mention,
    pieces,
    quoted,
    shorten,
    word,
)
from bot.app.wording import counted, duration
from bot.domain.catalogue import Approvers, ExpositionSignal, HttpSignal, PrometheusSignal, Signal
from bot.domain.execution import is_idempotent
from bot.domain.ids import SlackUserId
from bot.domain.plan import Check, CommandRun, HttpRequest, Pause, Plan, PlannedAction, PlannedStep, Value
from bot.domain.target_actions import AnsibleRun, HaproxyCommand, KubernetesChange, Notice, TargetAction

_UNASKED = " If the proof fails, the undo steps run by themselves, once: this approval is for them too."


def essentials(
    plan: Plan, *, names: Mapping[SlackUserId, str] | None = None, on_call: str = ""
) -> list[Mrkdwn]:
    """Return what a person weighs before the decision: what runs, what it cannot take back, who may say yes.

    Together with `small_print` it is the whole plan, nothing left out; each paragraph fits one section.

    Args:
        names: tell approvers by these names and their ids; None: by mention, which notifies them in a new
            message but not in an edit.
        on_call: the names of those on call now; empty when nobody is known.
    """
    return [
        *_labelled("Proposed", plan.title),
        *_labelled("Tried before", plan.tried),
        Mrkdwn(f"Risk {bold(escape(plan.risk.value))} · on {code(plan.target)}"),
        *_trust(plan),
        *_labelled("Effect", plan.expects),
        *(part for step in plan.steps for part in _step(step)),
        *_already_done(plan.already_done),
        join([bold(escape("Proof:")), _check_terms(plan.verify)], " "),
        *_labelled("Undo", f"{plan.undo_summary}{_UNASKED if plan.undo_automatic else ''}"),
        *(part for text in plan.cannot_undo for part in _labelled("Cannot be undone", text)),
        *_who(plan, names, on_call),
    ]


def _trust(plan: Plan) -> list[Mrkdwn]:
    """Return what the playbook has done here so far; nothing where the plan does not say it."""
    trust = plan.trust
    if trust is None:
        return []
    lead = f"{plan.playbook} for {plan.service}"
    if trust.runs == 0 or trust.last_at is None:
        return _labelled("Record", f"{lead}: never run here")
    said = f"{lead}: worked {trust.worked} of {counted(trust.runs, 'time')}"
    if trust.median_s is not None:
        said += f", median {duration(timedelta(seconds=trust.median_s))}"
    return _labelled("Record", f"{said}, last {trust.last_at:%Y-%m-%d}")


def small_print(plan: Plan) -> list[Mrkdwn]:
    """Return the rest of the plan: terms and keys of the steps, how the proof is read, the undo's steps."""
    return [
        *(part for step in plan.steps for part in _small_print_of(plan, step)),
        *_values(plan.parameters),
        *_labelled("The proof reads", plan.verify.name),
        *fences(signal_lines(plan.verify.signal)),
        *_compared(plan),
        *(part for action in plan.undo_steps for part in [*_action("Undo step", action), *_terms_of(action)]),
    ]


def _compared(plan: Plan) -> list[Mrkdwn]:
    """Return what is read again before the start, and what nobody could say."""
    basis = plan.basis
    if basis is None:
        return []
    what = f"the incident, the policy, the suspect and the changes of {', '.join(basis.watched)}"
    if basis.version_url is None:
        not_known = f"services.yaml declares no `version` of {plan.service}, so what it serves is not read."
        return _labelled("Read again before it starts", f"{what}. {not_known}")
    was = f", now {basis.serving}" if basis.serving else ""
    told = f"{what}; and the version that {plan.service} serves{was}, at {basis.version_url}"
    return _labelled("Read again before it starts", told)


def _labelled(label: str, text: str) -> list[Mrkdwn]:
    """Return *text* in full behind its label, in as many paragraphs as it takes."""
    found = pieces(text, PARAGRAPH - 100)
    return [
        join([bold(escape(f"{label}:")), part], " ") if index == 0 else part
        for index, part in enumerate(found)
    ]


def _values(values: tuple[Value, ...]) -> Iterator[Mrkdwn]:
    for value in values:
        yield from _limited(Mrkdwn(f"{code(value.name)} = "), value.value, f"from {value.source.value}")


def _limited(lead: Mrkdwn, text: str, trail: str) -> list[Mrkdwn]:
    """Return literal *text* in the line, or under it in code blocks when it is long."""
    shown = code(text)
    if len(shown) <= 300:
        return [Mrkdwn(f"{lead}{shown} · {escape(trail)}")]
    return [Mrkdwn(f"{lead}{escape(trail)}:"), *fences([literal(text)])]


def _small_print_of(plan: Plan, step: PlannedStep) -> list[Mrkdwn]:
    if isinstance(step.action, Pause | Check):
        return []
    first, *rest = _terms_of(step.action, plan.idempotency_key(step))
    return [join([bold(escape(f"Step {step.index + 1}:")), first], " "), *rest]


def _step(step: PlannedStep) -> list[Mrkdwn]:
    found = _action(f"Step {step.index + 1}", step.action)
    if step.attempt > 1:
        again = f"Attempt {step.attempt}: this very effect was tried before in this incident."
        found.insert(1, bold(escape(again)))
    return found


def _action(label: str, action: PlannedAction) -> list[Mrkdwn]:
    title, *rest = _labelled(label, action.name) or [bold(escape(label))]
    match action:
        case HttpRequest():
            return [title, *rest, *fences(request_lines(action))]
        case CommandRun():
            return [
                title,
                *rest,
                *fences([" ".join(word(part) for part in action.argv)]),
                *_standard_input(action),
            ]
        case KubernetesChange() | AnsibleRun() | HaproxyCommand() | Notice():
            return [title, *rest, *fences(fact_lines(action))]
        case Pause():
            return [Mrkdwn(f"{title} — wait {action.seconds} s"), *rest]
        case Check():
            return [title, *rest, _check_terms(action), *fences(signal_lines(action.signal))]
        case _:
            assert_never(action)


def _terms_of(action: PlannedAction, key: str | None = None) -> list[Mrkdwn]:
    """Return what else decides how *action* runs: time-outs, what counts as good, whether it is repeated."""
    match action:
        case HttpRequest():
            return [_request_terms(action, key), *_questions(action)]
        case CommandRun():
            return list(_command_terms(action, key))
        case KubernetesChange() | AnsibleRun() | HaproxyCommand() | Notice():
            repeat = is_idempotent(action)
            return [_terms([f"time-out {action.timeout_s} s"], is_idempotent=repeat, key=key)]
        case Pause() | Check():
            return []
        case _:
            assert_never(action)


def request_lines(request: HttpRequest) -> list[str]:
    """Return the request as it goes over the wire: its line, its headers, an empty line and its body."""
    head = [
        f"{word(request.method)} {word(request.url)}",
        *(f"{_header_name(name)}: {literal(value)}" for name, value in request.headers),
    ]
    return head if request.body is None else [*head, "", literal(request.body)]


def fact_lines(action: TargetAction) -> list[str]:
    """Return every field of an action that its other lines do not show, a line each.

    Of a list each value has its line, and so has each line of a text: what differs never looks the same.
    """
    lines: list[str] = []
    for name, value in action.model_dump(mode="json").items():
        if name in ("name", "timeout_s", "idempotent") or value in (None, []):
            continue
        told = [_item(one) for one in value] if isinstance(value, list) else _lines_of(str(value))
        lines += [f"{name} = {text}" for text in told]
    return lines


def _item(value: str | list[str]) -> str:
    if isinstance(value, str):
        return literal(value)
    key, text = value
    return f"{_header_name(key)}: {literal(text)}"


def _lines_of(text: str) -> list[str]:
    return [literal(line) for line in text.split("\n")]


def signal_lines(signal: Signal) -> list[str]:
    """Return everything that decides what the signal reads, one fact a line."""
    match signal:
        case ExpositionSignal():
            return [
                f"GET {word(signal.url)}",
                f"{word(signal.errors)} / {word(signal.total)} over {signal.window_s} s",
                *(f"{word(name)} = {literal(value)}" for name, value in sorted(signal.labels.items())),
            ]
        case PrometheusSignal():
            return [word(signal.url), literal(signal.query), f"stale after {signal.stale_after_s} s"]
        case HttpSignal():
            return [
                f"GET {word(signal.url)}",
                f"1 when the status is {_numbers(signal.expect_status)}, else 0",
            ]
        case _:
            assert_never(signal)


def _header_name(name: str) -> str:
    return quoted(name) if ":" in name else word(name)


def _request_terms(request: HttpRequest, key: str | None) -> Mrkdwn:
    return _terms(
        [f"time-out {request.timeout_s} s", f"good: status {_numbers(request.expect_status)}"],
        is_idempotent=request.idempotent,
        key=key,
    )


def _questions(request: HttpRequest) -> Iterator[Mrkdwn]:
    for label, ask in (
        ("Asked before for a preview", request.preview),
        ("Asked after a lost answer", request.status),
    ):
        if ask is not None:
            yield from _labelled(label, f"{ask.method} {ask.url}")
            yield from fences([literal(ask.body)] if ask.body is not None else [])


def _command_terms(command: CommandRun, key: str | None) -> Iterator[Mrkdwn]:
    shut_in = ["in a sandbox without network"] if command.sandbox else []
    facts = [
        "no shell",
        *shut_in,
        f"time-out {command.timeout_s} s",
        f"good: exit {_numbers(command.expect_exit)}",
    ]
    yield _terms(facts, is_idempotent=command.idempotent, key=key)
    if command.expect_output is not None:
        yield from _limited(Mrkdwn("Good: the output matches "), command.expect_output, "as a whole")
    if command.preview:
        yield from _limited(
            Mrkdwn("Run before for a preview: "),
            " ".join(word(part) for part in command.preview),
            "no effect",
        )
    if command.environment:
        yield from _labelled("Environment passed on", ", ".join(command.environment))


def _standard_input(command: CommandRun) -> list[Mrkdwn]:
    if command.stdin is None:
        return []
    return [Mrkdwn("with this on its standard input:"), *fences([literal(command.stdin)])]


def _terms(facts: list[str], *, is_idempotent: bool, key: str | None) -> Mrkdwn:
    repeat = "may be asked again under its key" if is_idempotent else "sent at most once"
    line = escape(" · ".join([*facts, repeat]))
    return line if key is None else Mrkdwn(f"{line}\nIdempotency key {code(key)}")


def _check_terms(check: Check) -> Mrkdwn:
    terms = (
        f" {check.healthy.value} {check.threshold} within {check.within_s} s, and for {check.hold_s} s after"
    )
    return Mrkdwn(f"{code(check.signal_name)}{escape(terms)}")


def _already_done(names: tuple[str, ...]) -> list[Mrkdwn]:
    return _labelled("Left out, done before", ", ".join(names)) if names else []


def _who(plan: Plan, names: Mapping[SlackUserId, str] | None, on_call: str) -> Iterator[Mrkdwn]:
    people = "one person" if plan.quorum == 1 else f"{plan.quorum} different people"
    named = _approvers(plan.approvers, names, on_call)
    yield from _chunked(f"*May approve* ({people}): ", named)
    if plan.narrowed_to is not None:
        narrowed = _approvers(plan.narrowed_to, names, on_call)
        yield from _chunked("*The policy asks besides for* ", narrowed)
    yield from _labelled("Approving takes", "; ".join(_what_it_takes(plan)))
    yield Mrkdwn(f"*Until* {clock_time(plan.expires_at)} ({countdown(plan.expires_at)})")


def _approvers(approvers: Approvers, names: Mapping[SlackUserId, str] | None, on_call: str) -> list[Mrkdwn]:
    named = [mention(user) if names is None else _named(user, names) for user in approvers.users]
    named += [Mrkdwn(f"members of the user group {code(group)}") for group in approvers.groups]
    if approvers.on_call:
        now = f" (now {shorten(on_call, 200)})" if on_call else ""
        levels = approvers.on_call_levels
        at = "" if levels is None else f" at level {' or '.join(str(level) for level in levels) or 'none'}"
        named.append(Mrkdwn(f"whoever is on call in PagerDuty{at}{now}"))
    return named or [escape("nobody")]


def _named(user: SlackUserId, names: Mapping[SlackUserId, str]) -> Mrkdwn:
    """Return a name with its id, because names can be alike; the id alone where nobody knows the name."""
    name = names.get(user)
    return Mrkdwn(f"{shorten(name, 80)} ({code(user)})") if name else code(user)


def _what_it_takes(plan: Plan) -> Iterator[str]:
    if plan.type_target:
        yield "the target's name and a reason, typed"
    if plan.requester is not None:
        counts = "does not count" if "requester" in plan.excludes else "counts too"
        yield f"{plan.requester} asked for this, and {counts}"
    if "author" in plan.excludes:
        two = "" if plan.quorum > 1 else ", and two people while nobody knows who that is"
        yield f"somebody else than the author of the suspect change{two}"


def _chunked(lead: str, parts: Iterable[Mrkdwn]) -> Iterator[Mrkdwn]:
    line = ""
    for part in parts:
        if line and len(lead) + len(line) + len(part) > PARAGRAPH - 100:
            yield Mrkdwn(f"{lead}{line},")
            lead, line = "", ""
        line += f", {part}" if line else part
    yield Mrkdwn(f"{lead}{line}")


def _numbers(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))
