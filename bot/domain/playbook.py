"""A playbook: steps that a person may approve, as its YAML file says them."""

import re
from collections.abc import Iterable, Iterator, Set
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bot.domain.change import ChangeKind
from bot.domain.frozen import Frozen
from bot.domain.ids import Digest, PlaybookId
from bot.domain.target_steps import AnsibleStep, HaproxyStep, KubernetesStep, NotifyStep
from bot.domain.words import PLACEHOLDER, HeaderName, Identifier, Line, StepName, Text, VariableName


class Risk(StrEnum):
    """How much can go wrong; the policy derives from it who must approve."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Fact(StrEnum):
    """Where a parameter's value may come from: facts of the incident, never a model's text."""

    INCIDENT_ID = "incident.id"
    SERVICE = "incident.service"
    SUSPECT_ID = "suspect.id"
    SUSPECT_SERVICE = "suspect.service"
    SUSPECT_ENVIRONMENT = "suspect.environment"
    SUSPECT_VERSION = "suspect.version"
    SUSPECT_PREVIOUS_VERSION = "suspect.previous_version"
    SUSPECT_FLAG = "suspect.flag"
    SETTING = "service.setting"


class Parameter(Frozen):
    """A named value of a plan: where it comes from and what it may look like."""

    source: Fact = Field(alias="from")
    setting: Identifier | None = Field(default=None, description="The key under the service's `settings`.")
    pattern: str = Field(
        default=r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}",
        description="A regular expression that the whole value must match; ASCII only in any case.",
    )

    @model_validator(mode="after")
    def _a_setting_names_its_key(self) -> "Parameter":
        if (self.source is Fact.SETTING) != (self.setting is not None):
            raise ValueError("`setting` is required with `from: service.setting`, and only there")
        _refuse_wrong_pattern("pattern", self.pattern)
        return self


def _refuse_wrong_pattern(key: str, pattern: str | None) -> None:
    try:
        re.compile(pattern or "")
    except re.error as exc:
        raise ValueError(f"`{key}` is no regular expression: {exc}") from exc


class HttpAsk(Frozen):
    """A request to the same endpoint that is to change nothing."""

    method: Literal["GET", "POST"] = "GET"
    path: Line = Field(description="Begins with `/`; placeholders are percent-encoded.")
    body: dict[str, str | int | bool] | None = Field(default=None, description="Sent as JSON.")


class HttpStep(Frozen):
    """One HTTP request to a named endpoint of the service."""

    type: Literal["http"]
    name: StepName
    endpoint: Identifier = Field(description="A key of the service's `endpoints`; data never chooses a host.")
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Line = Field(description="Begins with `/`; placeholders are percent-encoded.")
    headers: dict[HeaderName, Line] = Field(default_factory=dict)
    body: dict[str, str | int | bool] | None = Field(default=None, description="Sent as JSON.")
    expect_status: tuple[int, ...] = (200, 201, 202, 204)
    preview: HttpAsk | None = Field(
        default=None,
        description="Sent before the approval; it must change nothing. Its answer is shown in the details.",
    )
    status: Line | None = Field(
        default=None,
        description="A path that tells by the key in `Idempotency-Key`, or put for `:key`, what came of the "
        "step: 200 or 204 it ran, 202 it runs, 404 or 410 not known.",
    )
    idempotent: bool = Field(
        default=False,
        description="The target honours `Idempotency-Key`: a lost answer may be asked for again.",
    )
    timeout_s: int = Field(default=10, ge=1, le=120)

    @model_validator(mode="after")
    def _the_path_is_one(self) -> "HttpStep":
        asked = self.preview.path if self.preview else None
        for key, path in (("path", self.path), ("preview.path", asked), ("status", self.status)):
            if path is not None and (not path.startswith("/") or path.startswith("//")):
                raise ValueError(f"`{key}` begins with exactly one `/`")
        bodies = (self.body, self.preview.body if self.preview else None)
        if any(PLACEHOLDER.search(key) for body in bodies for key in body or ()):
            raise ValueError("a placeholder may stand in a value of `body`, not in a key")
        return self


class CommandStep(Frozen):
    """One program with its arguments; there is no shell."""

    type: Literal["command"]
    name: StepName
    argv: tuple[Line, ...] = Field(min_length=1)
    stdin: str | None = Field(default=None, max_length=4000, description="Text written to standard input.")
    environment: tuple[VariableName, ...] = Field(
        default=(), description="Names of variables passed on; everything else is absent."
    )
    expect_exit: tuple[int, ...] = (0,)
    expect_output: str | None = Field(
        default=None, description="A regular expression that all the program says must match."
    )
    preview: tuple[Line, ...] = Field(
        default=(),
        description="A program run before the approval; it must change nothing. What it says is shown in the "
        "details.",
    )
    sandbox: bool = Field(
        default=False,
        description="Run it under bubblewrap: the system's programs, no network, none of the bot's files.",
    )
    idempotent: bool = False
    timeout_s: int = Field(default=30, ge=1, le=900)

    @model_validator(mode="after")
    def _the_program_is_fixed(self) -> "CommandStep":
        if any(PLACEHOLDER.search(argv[0]) for argv in (self.argv, self.preview) if argv):
            raise ValueError("`argv[0]` is the program and may hold no parameter")
        _refuse_wrong_pattern("expect_output", self.expect_output)
        return self


class WaitStep(Frozen):
    """A pause, so that the system settles."""

    type: Literal["wait"]
    name: StepName
    seconds: int = Field(ge=1, le=900)


class Comparison(StrEnum):
    """Which side of the threshold is healthy."""

    BELOW = "below"
    ABOVE = "above"


class VerifyStep(Frozen):
    """A signal of the service that must become healthy within a time and stay so for a time."""

    type: Literal["verify"]
    name: StepName
    signal: Identifier = Field(description="A key of the service's `signals`.")
    healthy: Comparison = Comparison.BELOW
    threshold: Decimal = Field(description="In the signal's own unit; a ratio is 0 to 1.")
    within_s: int = Field(default=120, ge=1, le=3600)
    hold_s: int = Field(default=30, ge=1, le=3600)


Step = Annotated[
    HttpStep | CommandStep | KubernetesStep | AnsibleStep | HaproxyStep | NotifyStep | WaitStep | VerifyStep,
    Field(discriminator="type"),
]


EACH = "each"
"""The placeholder for the value at hand within a step of type `each`."""


class EachStep(Frozen):
    """One step for each of several values, such as hosts: the first alone, then a check, then the rest."""

    type: Literal["each"]
    name: StepName
    of: Line = Field(description="The values, 2 to 20, with commas between; usually a parameter.")
    step: Annotated[
        HttpStep | CommandStep | KubernetesStep | AnsibleStep | HaproxyStep, Field(discriminator="type")
    ] = Field(description="The step; `{each}` in it is the value at hand.")
    canary: VerifyStep | None = Field(
        default=None, description="Must be healthy after the first value, or the plan ends there."
    )


PlaybookStep = Annotated[
    HttpStep
    | CommandStep
    | KubernetesStep
    | AnsibleStep
    | HaproxyStep
    | NotifyStep
    | WaitStep
    | VerifyStep
    | EachStep,
    Field(discriminator="type"),
]


def leaves(steps: Iterable[PlaybookStep]) -> Iterator[Step]:
    """Yield the steps with those that stand in steps of type `each`, once."""
    for step in steps:
        if isinstance(step, EachStep):
            yield step.step
            if step.canary is not None:
                yield step.canary
        else:
            yield step


class Undo(Frozen):
    """How to take the steps back, and what cannot be taken back."""

    summary: Line
    steps: tuple[PlaybookStep, ...] = ()
    automatic: bool = Field(
        default=False,
        description="Run the steps once by themselves when the plan did not help; the approval is for them "
        "too.",
    )
    cannot: tuple[Line, ...] = Field(default=(), description="What stays done whatever is undone.")


class Applies(Frozen):
    """When the playbook is the answer."""

    kinds: tuple[ChangeKind, ...] = Field(
        default=(), description="Kinds of suspect; none: no suspect needed."
    )


class Playbook(Frozen):
    """A remediation that can be proposed. Every placeholder is a declared parameter."""

    id: PlaybookId
    title: Line
    button: Line = Field(description="The verb on the button, such as `Approve rollback to {to_version}`.")
    description: Text
    risk: Risk
    when: Applies = Applies()
    parameters: dict[Identifier, Parameter] = Field(default_factory=dict)
    target: Line = Field(description="What is locked while it runs: one execution at a time for each target.")
    expects: Line = Field(description="The effect people should see.")
    steps: tuple[PlaybookStep, ...] = Field(min_length=1, max_length=20)
    verify: VerifyStep
    undo: Undo

    @model_validator(mode="after")
    def _consistent(self) -> "Playbook":
        all_steps = (*self.steps, self.verify, *self.undo.steps)
        names = [step.name for step in leaves(all_steps)]
        names += [step.name for step in all_steps if isinstance(step, EachStep)]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"step names must differ: {', '.join(doubled)}")
        if self.undo.automatic and not self.undo.steps:
            raise ValueError("`undo.automatic` needs `undo.steps`: there is nothing to run")
        if EACH in self.parameters:
            raise ValueError(f"no parameter may be called {EACH!r}: it is the value at hand in a step `each`")
        shown = self.model_dump(mode="json", exclude={"parameters": True, "id": True, "when": True})
        unknown = _unfilled(shown, self.parameters.keys())
        if unknown:
            raise ValueError(
                "unknown placeholder "
                + ", ".join(f"{{{name}}}" for name in sorted(unknown))
                + ": declare it under `parameters`"
            )
        return self


class LoadedPlaybook(Frozen):
    """A playbook with the digest of the file it came from."""

    playbook: Playbook
    sha256: Digest


def _unfilled(value: object, known: Set[str]) -> set[str]:
    """Return the placeholders in *value* that nothing fills; within a step of type `each` it is `{each}`."""
    match value:
        case str():
            return {found.group(1) for found in PLACEHOLDER.finditer(value)} - known
        case dict():
            inner = known | {EACH} if value.get("type") == EACH else known
            # A play has Ansible's own templates; parameters reach it as variables.
            parts = (
                (item, inner if key == "step" else known) for key, item in value.items() if key != "play"
            )
            return set().union(*(_unfilled(item, names) for item, names in parts))
        case list() | tuple():
            return set().union(*(_unfilled(item, known) for item in value))
        case _:
            return set()
