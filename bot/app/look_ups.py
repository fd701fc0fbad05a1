"""Answer what a model looks up while it answers a question: the investigation's tools, few and bounded."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeAlias

from bot.app.findings import Found, Question
from bot.app.tools import ask_tools, enveloped
from bot.app.world import World
from bot.domain.diagnosis import ToolName, ToolResult, ToolStatus, Trust
from bot.domain.ids import ServiceName
from bot.domain.reply import LookUp, LookUpTool, WordsAsked

MOST_LOOK_UPS: Final = 8
MOST_TEXT: Final = 40_000
"""Characters over all results, about 10,000 tokens: each request carries those of the ones before."""
_TOOLS: Final = {
    LookUpTool.LIST_CHANGES: (ToolName.LIST_CHANGES,),
    LookUpTool.GET_CHANGE_DIFF: (ToolName.GET_CHANGE_DIFF,),
    LookUpTool.GET_ALERT_TIMELINE: (ToolName.GET_ALERT_TIMELINE,),
    LookUpTool.GET_ERROR_SIGNATURES: (ToolName.GET_ERROR_SIGNATURES,),
    LookUpTool.GET_METRIC_WINDOW: (ToolName.GET_METRIC_WINDOW, ToolName.GET_SIGNALS),
    LookUpTool.GET_DEPENDENCIES: (ToolName.GET_DEPENDENCIES,),
    LookUpTool.FIND_SIMILAR_INCIDENTS: (ToolName.FIND_SIMILAR_INCIDENTS,),
    LookUpTool.GET_PLAYBOOKS: (ToolName.GET_PLAYBOOKS,),
    LookUpTool.WHO_IS_ON_CALL: (ToolName.WHO_IS_ON_CALL,),
}


OnLookUp: TypeAlias = Callable[[LookUp], None]
"""Is told of each look-up that is made, before it is made."""


def silently(look_up: LookUp) -> None:
    """Nobody watches."""


class LookUps:
    """The look-ups of one question. `results` holds whatever the model has seen."""

    def __init__(
        self, world: World, question: Question, asked: WordsAsked, *, on_look_up: OnLookUp = silently
    ) -> None:
        self._world = world
        self._question = question
        self._asked = asked
        self._on_look_up = on_look_up
        self._turn = asyncio.Lock()  # A model asks for several at once, and each number is given once.
        self.made = 0
        self.results: list[ToolResult] = []

    async def __call__(self, look_up: LookUp) -> Sequence[ToolResult]:
        """Return what was found, or a result that says why nothing was looked up."""
        async with self._turn:
            found = await self._found(look_up)
            self.results += found
            return found

    async def _found(self, look_up: LookUp) -> Sequence[ToolResult]:
        if self.made >= MOST_LOOK_UPS or sum(len(one.text) for one in self.results) >= MOST_TEXT:
            return [self._nothing(look_up, "No more look-ups: answer from what was found.")]
        self.made += 1
        narrowed = self._narrowed(look_up)
        if isinstance(narrowed, str):
            return [self._nothing(look_up, narrowed)]
        self._on_look_up(look_up)
        asked = [(narrowed, tool) for tool in _TOOLS[look_up.tool]]
        return await ask_tools(self._world, asked, after=len(self.results))

    def _narrowed(self, look_up: LookUp) -> Question | str:
        """Return the question that is put, or why it cannot be: an argument that was not offered."""
        lead = timedelta(minutes=look_up.minutes) if look_up.minutes else None
        if look_up.tool is LookUpTool.GET_CHANGE_DIFF:
            one = tuple(pair for pair in self._question.suspects if pair[0] == look_up.candidate_id)
            offered = ", ".join(self._asked.candidates) or "none"
            return (
                replace(self._question, suspects=one, lead=lead) if one else f"The candidates are: {offered}."
            )
        if look_up.service is None:
            return replace(self._question, lead=lead)
        if look_up.service not in self._asked.services:
            return f"The services are: {', '.join(self._asked.services) or 'none'}."
        return replace(self._question, elsewhere=ServiceName(look_up.service), lead=lead)

    def _nothing(self, look_up: LookUp, why: str) -> ToolResult:
        told = Found(_TOOLS[look_up.tool][0], (why,), Trust.SYSTEM, 1, status=ToolStatus.ERROR)
        return enveloped(self._world, len(self.results) + 1, told)
