"""The twins of the policy's ports in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.domain.policy import Request


@dataclass
class MemoryReferee:
    """Objects to what it is told to, and keeps what it was asked."""

    says: tuple[str, ...] = ()
    asked: list[Request] = field(default_factory=list)

    async def objections(self, request: Request) -> Sequence[str]:
        self.asked.append(request)
        return self.says
