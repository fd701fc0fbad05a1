"""Everything the record has of one incident, for texts that may say nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import AwareDatetime

from bot.app.world import World
from bot.domain.audit import Act, Entry
from bot.domain.execution import Claim
from bot.domain.ids import ProposalId
from bot.domain.plan import Plan
from bot.domain.proposal import ProposalRecord
from bot.domain.record import IncidentRecord
from bot.domain.recovery import recovery_of

MOST_ENTRIES = 1000


@dataclass(frozen=True)
class Facts:
    """One incident as the record has it, at one time."""

    record: IncidentRecord
    proposals: Sequence[ProposalRecord]
    """First to last."""
    claims: Sequence[Claim]
    entries: Sequence[Entry]
    """The incident's audit entries, in order."""
    at: AwareDatetime
    names: Mapping[str, str] = field(default_factory=dict)
    """By Slack user, as far as the record tells them."""

    @cached_property
    def plans(self) -> Mapping[ProposalId, Plan]:
        return {proposal.id: Plan.from_bytes(proposal.plan) for proposal in self.proposals}

    @property
    def is_recovered(self) -> bool:
        return recovery_of(self.record, self.proposals) is not None

    @property
    def has_all_entries(self) -> bool:
        return len(self.entries) < MOST_ENTRIES

    def of(self, *acts: Act | str) -> Iterator[Entry]:
        """Yield the entries of these acts, in order."""
        return (entry for entry in self.entries if entry.act in acts)

    def who(self, entry: Entry) -> str:
        """Return the name of whoever acted, else their id."""
        return "Handrail" if entry.actor == "handrail" else self.names.get(entry.actor, entry.actor)

    def title_of(self, proposal: object) -> str:
        """Return the title of the plan with this id, in quotation marks."""
        plan = self.plans.get(ProposalId(str(proposal)))
        return f"“{plan.title}”" if plan else f"proposal {proposal}"


async def gather(world: World, record: IncidentRecord) -> Facts:
    """Read everything that is on record of the incident."""
    proposals = await world.gate.proposals(record.id)
    entries = await world.audit.entries(record.id, limit=MOST_ENTRIES)
    labels = await world.labels.of(record.id)
    names = {str(label.by): label.name for label in labels if label.by and label.name}
    names |= {str(one.user_id): one.name for proposal in proposals for one in proposal.approvals}
    return Facts(
        record=record,
        proposals=proposals,
        claims=await world.gate.claims(record.id),
        entries=entries,
        at=world.clock.now(),
        names=names,
    )
