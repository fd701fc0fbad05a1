"""The analyst behind a real model: a ladder of endpoints, each with a breaker, within one deadline.

It answers questions in words too, over the same endpoints, breakers and budget.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from langchain_core.messages import AIMessage

from adapters.llm.asking import Asked, Asker
from adapters.llm.budget import Caps, DayBudget, MemoryDayBudget
from adapters.llm.config import Endpoint, ModelConfig
from adapters.llm.cost import estimated_tokens
from adapters.llm.ladder import Descent, Ladder
from adapters.llm.prompts import Task, read_prompts
from adapters.llm.recording import Sent
from adapters.llm.responding import Responder
from adapters.llm.transport import model_client
from bot.domain.diagnosis import Diagnosis, Dossier, NoDiagnosis
from bot.domain.ids import Digest
from bot.domain.reply import Replied, WordsAsked
from bot.ports import LookingUp


class LangchainAnalyst:
    """Implements `Analyst` and `Respondent`. Close it when the process ends."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        budget: DayBudget | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Read the prompts and prepare the clients; nothing is sent.

        Without a *budget* the day's caps are counted in this process alone.

        Raises:
            InvalidPrompts: the folder of prompts is not what its lock says.
        """
        self._config = config
        self._prompts = read_prompts(config.prompts, rank_version=config.prompt_version)
        self._client = model_client(config.timeout_s)
        self._slots = asyncio.Semaphore(config.concurrent)
        caps = Caps(tokens=config.daily_tokens, calls=config.daily_calls)
        self._ladder = Ladder(
            config,
            budget=MemoryDayBudget(caps) if budget is None else budget,
            monotonic=monotonic,
            sleep=sleep,
        )
        self._askers: dict[tuple[int, Task], Asker] = {
            (index, task): Asker(config, endpoint, prompt, self._client)
            for index, endpoint in enumerate(config.endpoints)
            for task, prompt in self._prompts.items()
            if task is not Task.ANSWER
        }
        self._responder = Responder(config, self._prompts[Task.ANSWER], self._client, self._ladder)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def reply(self, asked: WordsAsked, look_up: LookingUp) -> Replied | NoDiagnosis:
        return await self._responder.reply(asked, look_up)

    async def diagnose(self, dossier: Dossier) -> Diagnosis | NoDiagnosis:
        task = Task.REPAIR if dossier.repair else Task.RANK
        text = self._prompts[task].render(dossier)

        async def ask(descent: Descent, index: int, endpoint: Endpoint) -> Asked:
            return await self._ladder.twice(
                descent, lambda: self._ask(descent, index, endpoint, task, text, dossier.input_sha256)
            )

        answer = await self._ladder.descend(within_s=dossier.within_s, most=dossier.max_calls, ask=ask)
        if isinstance(answer, NoDiagnosis):
            return answer
        asked, calls = answer
        return Diagnosis(verdict=asked.verdict, calls=calls)

    async def _ask(
        self, descent: Descent, index: int, endpoint: Endpoint, task: Task, text: str, digest: Digest
    ) -> Asked:
        prompt = self._prompts[task]
        estimate = estimated_tokens(prompt.system, text)
        sent = Sent(endpoint=endpoint, prompt=prompt, input_sha256=digest, estimate=estimate)

        async def send() -> tuple[Asked, AIMessage]:
            asked = await self._askers[index, task].ask(text)
            return asked, asked.message

        async with self._slots:
            return await self._ladder.metered(descent, index, sent, send)
