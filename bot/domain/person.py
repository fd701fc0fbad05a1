"""People: who pressed, and who is on call."""

from pydantic import AwareDatetime

from bot.domain.frozen import Frozen
from bot.domain.ids import PagerDutyUserId, SlackUserId


class Person(Frozen):
    """A Slack user as Slack knows them at this moment."""

    id: SlackUserId
    team_id: str
    enterprise_user_id: str | None = None
    name: str
    email: str | None = None
    is_bot: bool = False
    is_guest: bool = False
    is_deactivated: bool = False
    is_external: bool = False
    """A user of another workspace, through a shared channel."""

    @property
    def disqualification(self) -> str | None:
        """Return why this user never counts as an approver, or None."""
        if self.is_bot:
            return "bots and apps do not count"
        if self.is_deactivated:
            return "the account is deactivated"
        if self.is_guest:
            return "guests do not count"
        if self.is_external:
            return "people from other workspaces do not count"
        return None


class OnCall(Frozen):
    """Someone whom PagerDuty names as on call now."""

    user_id: PagerDutyUserId
    name: str
    email: str | None = None
    level: int = 1


class Duty(Frozen):
    """A turn on call that somebody has now."""

    policy: str
    """The escalation policy's name."""
    level: int = 1
    until: AwareDatetime | None = None
    """None: without an end."""
