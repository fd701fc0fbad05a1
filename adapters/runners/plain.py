"""What a runner inherits whose target can neither tell beforehand nor be asked afterwards."""

from bot.domain.execution import Preview, StartedStep, StepOutcome
from bot.domain.plan import PlannedAction


class PlainRunner:
    """The part of `Runner` beside `run`, for a target that has nothing to say."""

    async def preview(self, action: PlannedAction) -> Preview | None:
        """Return None: the target cannot tell beforehand."""
        return None

    async def status(self, step: StartedStep) -> StepOutcome | None:
        """Return None: the target knows no key."""
        return None

    async def cancel(self, step: StartedStep) -> None:
        """Leave it: nothing of it is on this machine."""
        return
