"""Make the analyst. LangChain takes most of a second to import, so nothing here does before it is needed."""

import asyncio
from typing import TYPE_CHECKING

from adapters.llm.budget import DayBudget
from adapters.llm.config import ModelConfig
from bot.domain.diagnosis import Diagnosis, Dossier, NoDiagnosis
from bot.domain.reply import Replied, WordsAsked
from bot.ports import LookingUp

if TYPE_CHECKING:
    from adapters.llm.agent import LangchainAnalyst


def build_analyst(config: ModelConfig, budget: DayBudget | None = None) -> "LangchainAnalyst":
    """Return an analyst over *config*; `aclose` it when the process ends. Nothing is sent.

    Without a *budget* the day's caps are counted in this process alone.

    Raises:
        InvalidPrompts: the folder of prompts is not what its lock says.
    """
    from adapters.llm.agent import LangchainAnalyst

    return LangchainAnalyst(config, budget=budget)


class LateAnalyst:
    """Implements `Analyst` and `Respondent`: imported in a thread beside a bot that runs already."""

    def __init__(self, config: ModelConfig, budget: DayBudget | None = None) -> None:
        self._config = config
        self._budget = budget
        self._made: asyncio.Task[LangchainAnalyst] | None = None

    async def warm(self) -> "LangchainAnalyst":
        """Make the analyst once, whoever asks first."""
        if self._made is None:
            self._made = asyncio.create_task(asyncio.to_thread(build_analyst, self._config, self._budget))
        return await asyncio.shield(self._made)

    async def diagnose(self, dossier: Dossier) -> Diagnosis | NoDiagnosis:
        return await (await self.warm()).diagnose(dossier)

    async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
        return await (await self.warm()).reply(asked, look_up)

    async def aclose(self) -> None:
        """Close the connections of what was made."""
        if self._made is not None:
            await (await self._made).aclose()
