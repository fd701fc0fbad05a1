"""Score what was proposed for a service that is only observed against what people did and said instead."""

from collections.abc import Iterable, Sequence

from bot.domain.frozen import Frozen
from bot.domain.ids import PlaybookId, ServiceName
from bot.domain.label import Label, settle
from bot.domain.plan import Plan


class Score(Frozen):
    """How often a playbook, had it been carried out, would have acted on what it really was."""

    service: ServiceName
    playbook: PlaybookId
    right: int = 0
    wrong: int = 0
    open: int = 0
    """Nobody has said what it was, they contradict each other, or the plan acts on no suspect."""

    @property
    def judged(self) -> int:
        return self.right + self.wrong


def would_have_been_right(plan: Plan, labels: Iterable[Label]) -> bool | None:
    """Say whether *plan* would have taken back the change that it was; None when nobody can tell.

    *labels* are those of its incident: people's words, and a rollback that people made elsewhere before the
    incident was resolved. A resolve without either says nothing about the cause.
    """
    suspect = plan.basis.suspect if plan.basis is not None else None
    return settle(labels).judges(suspect) if plan.acts_on_suspect else None


def scored(shadows: Iterable[tuple[Plan, Sequence[Label]]]) -> tuple[Score, ...]:
    """Return a score for each playbook of each service, by name; each incident counts once."""
    found: dict[tuple[ServiceName, PlaybookId], list[bool | None]] = {}
    for plan, labels in shadows:
        found.setdefault((plan.service, plan.playbook), []).append(would_have_been_right(plan, labels))
    return tuple(
        Score(
            service=service,
            playbook=playbook,
            right=said.count(True),
            wrong=said.count(False),
            open=said.count(None),
        )
        for (service, playbook), said in sorted(found.items())
    )
