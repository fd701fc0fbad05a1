"""Who is told in plain words how an incident stands: where, and at what by itself."""

from enum import StrEnum

from pydantic import Field

from bot.domain.frozen import Frozen
from bot.domain.ids import ServiceName
from bot.domain.words import ChannelId


class Milestone(StrEnum):
    """What an incident has come to that people who only need to know are told."""

    OPENED = "opened"
    """Its card stands."""
    RECOVERED = "recovered"
    """Its recovery is proven; it may be open still."""
    RESOLVED = "resolved"


class Updates(Frozen):
    """Where the updates on the incidents of some services go.

    It names whose: what is posted there leaves the incident's own channel, which no catch-all may decide.
    """

    service: tuple[ServiceName, ...] = Field(
        default=(), description="What is left out fits any; one is named."
    )
    team: tuple[str, ...] = Field(default=(), description="As `owner` of a service has it.")
    channel: ChannelId | None = Field(
        default=None, description="Slack channel id (`C…`) of those who only need to know."
    )
    pagerduty: bool = Field(
        default=False,
        description="Whether the incident's subscribers in PagerDuty get it as a status update.",
    )
    automatic: tuple[Milestone, ...] = Field(
        default=(), description="At what an update is posted by itself. Else a person posts the draft."
    )

    def fits(self, service: ServiceName, owner: str) -> bool:
        """Say whether the incidents of *service*, which is *owner*'s, are told of here."""
        return (not self.service or service in self.service) and (not self.team or owner in self.team)
