"""Steps of type `notify`: a line for people, in the thread or in PagerDuty."""

from adapters.runners.plain import PlainRunner
from bot.domain.document import Document
from bot.domain.errors import HandrailError, Unclear
from bot.domain.execution import ApprovedStep, Result, StartedStep, StepOutcome
from bot.domain.ids import IncidentId
from bot.domain.plan import PlannedAction
from bot.domain.target_actions import Notice
from bot.ports import Chat, IncidentBook, Incidents


class NotifyRunner(PlainRunner):
    """Implements `Runner`. A line whose post got no answer is looked for by its key, never sent again."""

    def __init__(self, chat: Chat, book: IncidentBook, incidents: Incidents) -> None:
        self._chat = chat
        self._book = book
        self._incidents = incidents

    async def run(self, step: ApprovedStep) -> StepOutcome:
        notice = _notice(step.action)
        try:
            await self._tell(step, notice)
        except Unclear as exc:
            return StepOutcome(result=Result.UNKNOWN, detail=f"it may have been posted: {exc}")
        except HandrailError as exc:
            return StepOutcome(result=Result.FAILED, detail=f"not posted: {exc}")
        return StepOutcome(result=Result.DONE, detail=f"posted to {_place(notice)}")

    async def status(self, step: StartedStep) -> StepOutcome | None:
        """Look for the line where it was to be."""
        notice, incident = _notice(step.action), step.plan.incident
        if await self._is_there(notice, incident, step.key):
            return StepOutcome(result=Result.DONE, detail=f"found in {_place(notice)}")
        return StepOutcome(result=Result.UNKNOWN, detail=f"not found in {_place(notice)} up to now")

    async def _tell(self, step: ApprovedStep, notice: Notice) -> None:
        if notice.to == "pagerduty":
            await self._incidents.add_note(step.incident, _note(notice, step.started.key))
            return
        record = await self._book.get(step.incident)
        if record is None or record.card is None:
            raise HandrailError("the incident has no card whose thread could hold it")
        document = Document(title=notice.text, sections=())
        await self._chat.reply(record.card, document, key=step.started.key)

    async def _is_there(self, notice: Notice, incident: IncidentId, key: str) -> bool:
        if notice.to == "pagerduty":
            return _note(notice, key) in await self._incidents.notes(incident)
        record = await self._book.get(incident)
        if record is None or record.card is None:
            return False
        return await self._chat.has_reply(record.card, key=key)


def _notice(action: PlannedAction) -> Notice:
    if not isinstance(action, Notice):
        raise TypeError(f"the notify runner was handed a step of type {action.type}")
    return action


def _place(notice: Notice) -> str:
    return "the thread" if notice.to == "thread" else "PagerDuty's notes"


def _note(notice: Notice, key: str) -> str:
    return f"{notice.text}\n(Handrail, step {key[:16]}-{key.rpartition('-')[2]})"
