"""A plan: the exact bytes that people see, approve and that then run."""

import hashlib
from decimal import Decimal
from typing import Annotated, Final, Literal

import rfc8785
from pydantic import AwareDatetime, Field

from bot.domain.basis import Basis
from bot.domain.catalogue import Approvers, Signal
from bot.domain.frozen import Frozen
from bot.domain.ids import (
    Digest,
    EffectKey,
    IncidentId,
    PlaybookId,
    ProposalId,
    ServiceName,
    SlackUserId,
    sha256_hex,
)
from bot.domain.playbook import Comparison, Fact, Risk
from bot.domain.target_actions import AnsibleRun, HaproxyCommand, KubernetesChange, Notice

_OF_SUSPECT: Final = frozenset(
    {Fact.SUSPECT_ID, Fact.SUSPECT_VERSION, Fact.SUSPECT_PREVIOUS_VERSION, Fact.SUSPECT_FLAG}
)
"""A plan that is made of these facts acts on the suspect itself; a restart, for one, does not."""

UNDO_FROM: Final = 1000
"""The index of the first step of an undo that runs by itself: a playbook has far fewer steps."""


class Question(Frozen):
    """A request beside a step that is to change nothing: it goes out with the step's headers."""

    method: Literal["GET", "POST"] = "GET"
    url: str
    body: str | None = None


class HttpRequest(Frozen):
    """One HTTP request as the runner receives it. Header values may hold `secret:NAME`."""

    type: Literal["http"] = "http"
    name: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    expect_status: tuple[int, ...]
    preview: Question | None = None
    status: Question | None = None
    """`:key` in its address stands for the idempotency key."""
    idempotent: bool
    timeout_s: int


class CommandRun(Frozen):
    """One program with its arguments, as the runner receives it."""

    type: Literal["command"] = "command"
    name: str
    argv: tuple[str, ...]
    stdin: str | None = None
    environment: tuple[str, ...] = ()
    expect_exit: tuple[int, ...]
    expect_output: str | None = None
    preview: tuple[str, ...] = ()
    sandbox: bool = False
    idempotent: bool
    timeout_s: int


class Pause(Frozen):
    """A wait of so many seconds."""

    type: Literal["wait"] = "wait"
    name: str
    seconds: int


class Check(Frozen):
    """A signal that must be healthy within a time and stay so for a time."""

    type: Literal["verify"] = "verify"
    name: str
    signal_name: str
    signal: Signal
    healthy: Comparison
    threshold: Decimal
    within_s: int
    hold_s: int


PlannedAction = Annotated[
    HttpRequest | CommandRun | KubernetesChange | AnsibleRun | HaproxyCommand | Notice | Pause | Check,
    Field(discriminator="type"),
]


class PlannedStep(Frozen):
    """A step with its place in the playbook and which attempt at this very effect it is."""

    index: int = Field(ge=0)
    attempt: int = Field(ge=1, description="More than 1: this very effect was tried before in this incident.")
    action: PlannedAction


class Value(Frozen):
    """A parameter's value and the fact it was taken from."""

    name: str
    value: str
    source: Fact


class Trust(Frozen):
    """How often a playbook was run here, and how often that was followed by a proven recovery."""

    runs: int = Field(ge=0)
    worked: int = Field(default=0, ge=0)
    median_s: int | None = None
    """From the last approval to the proof, of those that worked, in seconds."""
    last_at: AwareDatetime | None = None
    """When the last one ended, however it ended."""


class Plan(Frozen):
    """Everything that will run, and the conditions under which it may.

    Its canonical JSON is stored, shown, digested and executed; there are no floats in it, so two
    implementations agree on every byte.
    """

    incident: IncidentId
    number: int = Field(ge=1)
    epoch: int = Field(ge=0)
    service: ServiceName
    playbook: PlaybookId
    playbook_sha256: Digest
    title: str
    button: str
    description: str
    target: str
    expects: str
    risk: Risk
    quorum: int = Field(ge=1)
    approvers: Approvers
    policy_version: str
    narrowed_to: Approvers | None = None
    """The policy's part: of the approvers only these."""
    type_target: bool = False
    """Whoever approves types the target's name and a reason."""
    excludes: tuple[Literal["requester", "author"], ...] = ()
    """Who does not count: who asked for this plan, and who wrote the suspect change."""
    requester: SlackUserId | None = None
    """Who asked for this plan; None when nobody had to."""
    parameters: tuple[Value, ...] = ()
    steps: tuple[PlannedStep, ...]
    already_done: tuple[str, ...] = ()
    """Names of steps that an earlier, voided run of this plan has finished: they are left out."""
    verify: Check
    undo_summary: str
    undo_steps: tuple[PlannedAction, ...] = ()
    undo_attempts: tuple[int, ...] = ()
    """Which attempt at its effect each step of the undo is; a missing one is the first."""
    observed: bool = False
    """The service was only observed when this was made: nobody can approve it, and it is scored instead."""
    undo_automatic: bool = False
    """The undo runs once by itself when the plan did not help: it is approved with the plan."""
    trust: Trust | None = None
    """What the playbook has done for the service when this was made; None where that is not said."""
    undoes: ProposalId | None = None
    """The execution that this plan takes back; None for any other plan."""
    tried: str = ""
    """What ran before and did not help, for a plan that takes it back."""
    cannot_undo: tuple[str, ...] = ()
    evidence_digest: Digest
    basis: Basis | None = None
    """What is compared again before anything runs; a plan of an earlier version, without it, never starts."""
    preview_digest: Digest | None = None
    """Of what the targets said beforehand; None when none of them said anything in time."""
    expires_at: AwareDatetime

    @property
    def id(self) -> ProposalId:
        return ProposalId(f"{self.incident}-{self.number}")

    def to_bytes(self) -> bytes:
        """Return the plan's canonical JSON (RFC 8785)."""
        return rfc8785.dumps(self.model_dump(mode="json"))

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Plan":
        return cls.model_validate_json(raw)

    @property
    def acts_on_suspect(self) -> bool:
        """Say whether the plan is made of facts of the suspect, so that it takes that very change back."""
        return self.undoes is None and any(value.source in _OF_SUSPECT for value in self.parameters)

    @property
    def undo_planned(self) -> tuple[PlannedStep, ...]:
        """Return the steps of an undo that runs by itself; none when people must ask for it."""
        if not self.undo_automatic:
            return ()
        attempts = (*self.undo_attempts, *(1 for _ in self.undo_steps))
        return tuple(
            PlannedStep(index=UNDO_FROM + place, attempt=attempts[place], action=action)
            for place, action in enumerate(self.undo_steps)
        )

    def step(self, index: int) -> PlannedStep | None:
        return next((step for step in (*self.steps, *self.undo_planned) if step.index == index), None)

    def effect_key(self, step: PlannedStep) -> EffectKey:
        """Name the effect of *step*, so that the same effect has the same name in a later proposal.

        No epoch, evidence, number or policy is part of it: those change between proposals of one effect.
        """
        request = rfc8785.dumps(step.action.model_dump(mode="json"))
        return EffectKey(
            sha256_hex(self.incident, self.target, self.playbook_sha256, str(step.index), request)
        )

    def idempotency_key(self, step: PlannedStep) -> str:
        """Return the key under which the target acts once, however often it is asked in this attempt."""
        return f"{self.effect_key(step)}-{step.attempt}"


def plan_digest(raw: bytes) -> Digest:
    """Return D(x): the SHA-256 of a plan's bytes, which every approval is bound to."""
    return Digest(hashlib.sha256(raw).hexdigest())
