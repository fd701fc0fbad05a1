"""Seeded mistakes: a gate over the real store that is wrong in one way, for the tests of the tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar, cast

from adapters.store.gate import StoredGate
from adapters.store.opening import Store
from adapters.store.transaction import Transaction, Transactions
from bot.domain.approval import Click, Permission
from bot.domain.execution import Result, StepOutcome
from bot.domain.ids import ProposalId, SlackUserId
from bot.domain.incident import IncidentStatus
from bot.domain.plan import UNDO_FROM, Plan, plan_digest
from bot.domain.proposal import ProposalRecord, ProposalState, approval_statement
from bot.ports import Gate
from tests.builders import CARD
from tests.contracts.stores import ALLOWED

T = TypeVar("T")
Doctor = Callable[[Transaction], Transaction]


@dataclass(frozen=True)
class Mistake:
    """What is wrong, in which methods, and how many examples may pass before it is seen."""

    methods: Sequence[str]
    doctor: Doctor
    within: int
    misheard: Callable[[Click, Permission], tuple[Click, Permission]] | None = None


class _Doctored:
    """Transactions that see and leave the rows otherwise than they are."""

    def __init__(self, inner: Transactions, doctor: Doctor) -> None:
        self._inner = inner
        self._doctor = doctor

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self._inner.write(lambda tx: work(self._doctor(tx)))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._inner.read(work)

    async def close(self) -> None:
        await self._inner.close()


class _Mistaken:
    """The right gate but for the mistake's methods."""

    def __init__(self, store: Store, mistake: Mistake) -> None:
        self._right = store.gate
        self._wrong = StoredGate(_Doctored(store.transactions, mistake.doctor))
        self._mistake = mistake

    def __getattr__(self, name: str) -> Any:
        if name == "rule" and (misheard := self._mistake.misheard) is not None:
            rule: Any = self._right.rule
            return lambda click, permission, *rest, **named: rule(
                *misheard(click, permission), *rest, **named
            )
        return getattr(self._wrong if name in self._mistake.methods else self._right, name)


def mistaken(store: Store, mistake: Mistake) -> Gate:
    return cast("Gate", _Mistaken(store, mistake))


class _Lying:
    """Rows that answer truthfully but for some methods."""

    def __init__(self, real: object, lies: dict[str, Any]) -> None:
        self._real = real
        self._lies = lies

    def __getattr__(self, name: str) -> Any:
        return self._lies[name] if name in self._lies else getattr(self._real, name)


def lying(table: str, lies: Callable[[Any], dict[str, Any]]) -> Doctor:
    """Return a doctor under which *table* tells *lies*, which are made of the real table."""

    def doctor(tx: Transaction) -> Transaction:
        real = getattr(tx.rows, table)
        changed: dict[str, Any] = {table: _Lying(real, lies(real))}
        return replace(tx, rows=replace(tx.rows, **changed))

    return doctor


def putting(change: Callable[[Transaction, ProposalRecord], ProposalRecord | None]) -> Doctor:
    """Return a doctor under which proposals are kept as *change* makes them; None: not at all."""

    def doctor(tx: Transaction) -> Transaction:
        def put(record: ProposalRecord) -> None:
            if (kept := change(tx, record)) is not None:
                tx.rows.proposals.put(kept)

        return lying("proposals", lambda _: {"put": put})(tx)

    return doctor


def _earlier(by: timedelta) -> Doctor:
    return lambda tx: replace(tx, now=tx.now - by)


def _as_it_is(tx: Transaction) -> Transaction:
    return tx


def _not_if(state: ProposalState) -> Doctor:
    return putting(lambda _, record: None if record.state is state else record)


def _open_again(real: Any) -> dict[str, Any]:
    def get(incident: str) -> Any:
        record = real.get(incident)
        seen = record.incident.model_copy(update={"status": IncidentStatus.TRIGGERED})
        return record.model_copy(update={"resolved_at": None, "incident": seen})

    return {"get": get}


def _unended(real: Any) -> dict[str, Any]:
    def get(effect: str, attempt: int) -> Any:
        claim = real.get(effect, attempt)
        return claim and claim.model_copy(update={"outcome": None, "finished_at": None})

    return {"get": get}


def _given_by_nobody(real: Any) -> dict[str, Any]:
    def get(proposal: str) -> Any:
        record = real.get(proposal)
        approvals = tuple(
            approval.model_copy(update={"user_id": SlackUserId(f"U{number}"), "human": ""})
            for number, approval in enumerate(record.approvals)
        )
        return record.model_copy(update={"approvals": approvals})

    return {"get": get}


def _carried_over(tx: Transaction, record: ProposalRecord) -> ProposalRecord:
    earlier = tx.rows.proposals.of_incident(record.incident)
    if record.state is not ProposalState.PENDING or not earlier:
        return record
    return record.model_copy(update={"approvals": earlier[-1].approvals})


def _freed_in_doubt(tx: Transaction, record: ProposalRecord) -> ProposalRecord:
    if record.state is ProposalState.UNKNOWN:
        tx.rows.targets.free(record.id)
    return record


def _approved_with_it(tx: Transaction) -> Transaction:
    """Whatever was approved, its undo was too."""

    def get(proposal: ProposalId) -> ProposalRecord:
        record = tx.proposal(proposal)
        plan = Plan.from_bytes(record.plan).model_copy(update={"undo_automatic": True})
        raw = plan.to_bytes()
        changed = record.model_copy(update={"plan": raw, "digest": plan_digest(raw)})
        approvals = tuple(
            approval.model_copy(update={"seal": tx.signed(approval_statement(changed, approval))})
            for approval in record.approvals
        )
        return changed.model_copy(update={"approvals": approvals})

    return lying("proposals", lambda _: {"get": get})(tx)


def _all_done(real: Any) -> dict[str, Any]:
    def of_proposal(proposal: ProposalId) -> Any:
        claims = real.of_proposal(proposal)
        return tuple(
            claim.model_copy(update={"outcome": StepOutcome(result=Result.DONE)}) for claim in claims
        )

    return {"of_proposal": of_proposal}


def _done_throughout(real: Any) -> dict[str, Any]:
    def of_proposal(proposal: ProposalId) -> Any:
        first = real.of_proposal(proposal)[:1]
        changed = {"outcome": StepOutcome(result=Result.DONE)}
        return tuple(c.model_copy(update=changed | {"step_index": step}) for c in first for step in (0, 1))

    return {"of_proposal": of_proposal}


def _not_of_an_undo(real: Any) -> dict[str, Any]:
    def of_proposal(proposal: ProposalId) -> Any:
        return tuple(claim for claim in real.of_proposal(proposal) if claim.step_index < UNDO_FROM)

    return {"of_proposal": of_proposal}


def _freed_for_the_undo(tx: Transaction, record: ProposalRecord) -> ProposalRecord:
    tx.rows.targets.free(record.id)
    return record


def _on_any_card(click: Click, permission: Permission) -> tuple[Click, Permission]:
    return click.model_copy(update={"channel": CARD.channel, "message_ts": CARD.ts}), permission


def _by_anybody(click: Click, permission: Permission) -> tuple[Click, Permission]:
    return click, ALLOWED


MISTAKES = {
    "the denial is forgotten": Mistake(["rule"], _not_if(ProposalState.DENIED), 50),
    "clicks count, not people": Mistake(["rule"], lying("proposals", _given_by_nobody), 50),
    "kill is ignored": Mistake(["claim"], lying("switches", lambda _: {"is_killed": lambda: False}), 300),
    "the target is not locked": Mistake(
        ["claim"], lying("targets", lambda _: {"holder": lambda target: None}), 300
    ),
    "resolved is ignored": Mistake(["claim"], lying("incidents", _open_again), 400),
    "expiry is looked at in the click only": Mistake(["claim"], _earlier(timedelta(days=30)), 200),
    "expiry is one millisecond late": Mistake(["rule"], _earlier(timedelta(milliseconds=1)), 300),
    "a step ends twice": Mistake(["finish"], lying("claims", _unended), 300),
    "approvals are carried over an edit": Mistake(["propose"], putting(_carried_over), 100),
    "an edit leaves the old card alive": Mistake(["propose"], _not_if(ProposalState.SUPERSEDED), 50),
    "an attempt is not fenced": Mistake(
        ["claim"],
        lying(
            "claims",
            lambda real: {
                "get": lambda effect, attempt: None,
                "last_attempt": lambda effect: max(0, real.last_attempt(effect) - 1),
            },
        ),
        300,
    ),
    "doubt lets the target go": Mistake(["conclude"], putting(_freed_in_doubt), 300),
    "a withdrawal does not stick": Mistake(["withdraw"], putting(lambda tx, record: None), 200),
    "what has ended is resumed": Mistake(["resume"], lying("claims", _unended), 400),
    "an answer is not remembered": Mistake(
        ["rule"], lying("decisions", lambda _: {"answer": lambda click: None}), 100
    ),
    "any card will do": Mistake([], _as_it_is, 300, _on_any_card),
    "anybody may decide": Mistake([], _as_it_is, 200, _by_anybody),
    "an undo runs that was not approved with the plan": Mistake(["begin_undo"], _approved_with_it, 200),
    "what is in doubt is taken back": Mistake(["begin_undo"], lying("claims", _done_throughout), 60),
    "an undo begins again": Mistake(["begin_undo"], lying("claims", _not_of_an_undo), 400),
    "an undo lets the target go before it ends": Mistake(["begin_undo"], putting(_freed_for_the_undo), 200),
    "an end in doubt lets the target go": Mistake(["conclude"], lying("claims", _all_done), 400),
    "a stop forgets the step that runs": Mistake(["stop"], lying("claims", _all_done), 400),
    "an epoch's end voids nothing": Mistake(["raise_epoch"], _not_if(ProposalState.SUPERSEDED), 100),
}
