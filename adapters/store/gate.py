"""The record that decides: each method is one transaction."""

from collections.abc import Sequence
from datetime import datetime

from adapters.store import claiming, policing, proposing, ruling
from adapters.store.transaction import Transaction, Transactions
from bot.domain.approval import Click, Permission, Ruling
from bot.domain.card import CardRef
from bot.domain.execution import ApprovedStep, Claim, NotAdmitted, StepOutcome
from bot.domain.freshness import Freshness
from bot.domain.ids import Digest, EffectKey, IncidentId, PlaybookId, ProposalId, ServiceName
from bot.domain.on_record import OnRecord
from bot.domain.person import Person
from bot.domain.plan import Plan
from bot.domain.policy import Execution, Policy
from bot.domain.proposal import ProposalRecord, ProposalState
from bot.domain.trust import ENDED, runs_of

_LOOKED_AT = 500
"""How many of the last executions are looked through for those of one playbook: a proposal waits for it."""


class StoredGate:
    """The port `Gate` over any rows. The port says what each method promises."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def now(self) -> datetime:
        return await self._transactions.read(lambda tx: tx.now)

    async def epoch(self) -> int:
        return await self._transactions.read(lambda tx: tx.rows.switches.epoch())

    async def raise_epoch(self, minimum: int) -> int:
        return await self._transactions.write(lambda tx: proposing.raise_epoch(tx, minimum))

    async def propose(self, plan: Plan) -> ProposalRecord:
        """Raises `Refused` when the plan's number is not the next one, or its epoch is over."""
        return await self._transactions.write(lambda tx: proposing.propose(tx, plan))

    async def offer(
        self, proposal: ProposalId, ref: CardRef, *, card_sha256: Digest | None = None
    ) -> ProposalRecord:
        """Raises `Refused` when the proposal has left `PENDING`, `NotFound` when there is none."""
        return await self._transactions.write(lambda tx: proposing.offer(tx, proposal, ref, card_sha256))

    async def proposal(self, proposal: ProposalId) -> ProposalRecord | None:
        return await self._transactions.read(lambda tx: tx.rows.proposals.get(proposal))

    async def proposals(self, incident: IncidentId) -> Sequence[ProposalRecord]:
        return await self._transactions.read(lambda tx: tx.rows.proposals.of_incident(incident))

    async def rule(self, click: Click, permission: Permission, person: Person) -> Ruling:
        """Raises `Tampered` when the click is not the person's, or the record contradicts itself."""
        return await self._transactions.write(lambda tx: ruling.rule(tx, click, permission, person))

    async def withdraw(self, proposal: ProposalId, state: ProposalState, reason: str) -> bool:
        """Raises `Invalid` for a state that is no exit without a person."""
        return await self._transactions.write(lambda tx: proposing.withdraw(tx, proposal, state, reason))

    async def claim(
        self,
        proposal: ProposalId,
        step_index: int,
        freshness: Freshness | None = None,
        *,
        policy: Policy,
    ) -> ApprovedStep | Claim | NotAdmitted:
        """Claim a step. A returned `Claim` is this proposal's own; another's on the effect is a refusal."""
        return await self._transactions.write(
            lambda tx: claiming.claim(tx, proposal, step_index, freshness, policy)
        )

    async def executions(self, since: datetime) -> Sequence[Execution]:
        return await self._transactions.read(lambda tx: policing.executions(tx, since))

    async def past_runs(self, service: ServiceName, playbook: PlaybookId) -> Sequence[ProposalRecord]:
        ended = await self._transactions.read(lambda tx: tx.rows.proposals.latest(ENDED, _LOOKED_AT))
        return runs_of(service, playbook, ended)

    async def resume(self, proposal: ProposalId, step_index: int) -> ApprovedStep | NotAdmitted:
        return await self._transactions.write(lambda tx: claiming.resume(tx, proposal, step_index))

    async def finish(self, effect: EffectKey, attempt: int, outcome: StepOutcome) -> None:
        await self._transactions.write(lambda tx: claiming.finish(tx, effect, attempt, outcome))

    async def claims(self, incident: IncidentId) -> Sequence[Claim]:
        return await self._transactions.read(lambda tx: tx.rows.claims.of_incident(incident))

    async def on_record(self, incident: IncidentId) -> OnRecord:
        return await self._transactions.read(lambda tx: _on_record(tx, incident))

    async def conclude(self, proposal: ProposalId, state: ProposalState, detail: str) -> ProposalRecord:
        """*detail* becomes the record's reason."""
        return await self._transactions.write(lambda tx: claiming.conclude(tx, proposal, state, detail))

    async def begin_undo(self, proposal: ProposalId, detail: str) -> str:
        return await self._transactions.write(lambda tx: claiming.begin_undo(tx, proposal, detail))

    async def stop(self, proposal: ProposalId, person: Person) -> ProposalState | None:
        return await self._transactions.write(lambda tx: claiming.stop(tx, proposal, person))

    async def remark(self, proposal: ProposalId, text: str) -> None:
        await self._transactions.write(lambda tx: claiming.remark(tx, proposal, text))

    async def kill(self, by: str, reason: str) -> None:
        await self._transactions.write(lambda tx: proposing.kill(tx, by, reason))

    async def revive(self, by: str) -> None:
        """Take the row away; a kill file goes on stopping until somebody removes it."""
        await self._transactions.write(lambda tx: proposing.revive(tx, by))

    async def is_killed(self) -> bool:
        return await self._transactions.read(lambda tx: tx.is_killed())


def _on_record(tx: Transaction, incident: IncidentId) -> OnRecord:
    return OnRecord(
        record=tx.rows.incidents.get(incident),
        proposals=tx.rows.proposals.of_incident(incident),
        claims=tx.rows.claims.of_incident(incident),
        epoch=tx.rows.switches.epoch(),
        is_killed=tx.is_killed(),
        now=tx.now,
    )
