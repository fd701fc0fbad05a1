"""Gather the further evidence that a model asked for: a choice among our tools, services and candidates."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from bot.app.findings import Question
from bot.app.tools import ask_tools
from bot.app.world import World
from bot.domain.diagnosis import CandidateId, Dossier, FurtherTool, Need, ToolName
from bot.domain.ids import ServiceName

_TOOLS: Final = {
    FurtherTool.LIST_CHANGES: (ToolName.LIST_CHANGES,),
    FurtherTool.GET_CHANGE_DIFF: (ToolName.GET_CHANGE_DIFF,),
    FurtherTool.GET_ALERT_TIMELINE: (ToolName.GET_ALERT_TIMELINE,),
    FurtherTool.GET_ERROR_SIGNATURES: (ToolName.GET_ERROR_SIGNATURES,),
    FurtherTool.GET_METRIC_WINDOW: (ToolName.GET_METRIC_WINDOW, ToolName.GET_SIGNALS),
    FurtherTool.GET_DEPENDENCIES: (ToolName.GET_DEPENDENCIES,),
    FurtherTool.FIND_SIMILAR_INCIDENTS: (ToolName.FIND_SIMILAR_INCIDENTS,),
}


async def with_further_evidence(
    world: World, question: Question, dossier: Dossier, needs: tuple[Need, ...]
) -> Dossier | None:
    """Return *dossier* with the answers to *needs* after its own; None when none names what was offered."""
    asked = [
        (narrowed, tool)
        for need in dict.fromkeys(needs)
        if (narrowed := _narrowed(question, dossier, need)) is not None
        for tool in _TOOLS[need.tool]
    ]
    if not asked:
        return None
    more = await ask_tools(world, asked, after=len(dossier.results))
    return dossier.model_copy(update={"results": (*dossier.results, *more), "may_ask": False})


def _narrowed(question: Question, dossier: Dossier, need: Need) -> Question | None:
    """Return the question that *need* puts, or None when an argument is none of those offered."""
    lead = timedelta(minutes=need.minutes)
    if need.tool is FurtherTool.GET_CHANGE_DIFF:
        one = tuple(pair for pair in question.suspects if pair[0] == CandidateId(need.candidate_id or ""))
        return replace(question, suspects=one, lead=lead) if one else None
    if need.service is None or need.service not in dossier.services:
        return None
    return replace(question, elsewhere=ServiceName(need.service), lead=lead)
