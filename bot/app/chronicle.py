"""Say in a sentence what an entry of the record says; each sentence names its entry."""

import re

from bot.app.facts import Facts
from bot.app.wording import counted
from bot.domain.audit import Act, Entry

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)>")
_STATES = {
    "failed": "failed",
    "unknown": "ended nobody knows how",
    "undoing": "did not help, and its undo began",
    "verified": "helped",
    "not_recovered": "did not help",
}


def cited(text: str, *entries: Entry) -> str:
    """Return *text* with the numbers of the entries that it rests on, such as `… (record 7)`."""
    return f"{text} (record {', '.join(str(entry.seq) for entry in entries)})"


def told(facts: Facts, entry: Entry) -> str | None:
    """Return what *entry* says, with its number; None for entries about our own posts and cards."""
    said = _of_people(facts, entry) or _of_plans(facts, entry) or _of_incident(facts, entry)
    return cited(named(facts, said), entry) if said else None


def named(facts: Facts, text: str) -> str:
    """Return *text* with the names of people for their Slack ids."""
    return _MENTION.sub(lambda match: facts.names.get(match[1], match[1]), text)


def _of_people(facts: Facts, entry: Entry) -> str | None:
    body, who = entry.body_values(), facts.who(entry)
    plan = facts.title_of(body.get("proposal"))
    match entry.act:
        case Act.APPROVED:
            reason = f", with the reason: {body['reason']}" if body.get("reason") else ""
            return f"{who} approved {plan} ({body.get('grounds')}){reason}"
        case Act.DENIED:
            return f"{who} denied {plan}"
        case Act.ANSWERED:
            return f"{who} pressed {_words(body.get('action'))}: {body.get('text')}"
        case Act.REFUSED:
            return f"{who} pressed {_words(body.get('action'))} and was refused: {body.get('text')}"
        case Act.LABELLED:
            said = "was" if body.get("verdict") == "was_it" else "was not"
            by = f"{body['name']} said" if body.get("name") else "What happened next speaks for it"
            return f"{by} that change {body.get('change')} {said} the cause"
        case "commanded":
            return f"{body.get('name') or who} asked Slack to {body.get('command')} it"
        case Act.INFORMED:
            # It is written before it is sent, and Slack or PagerDuty may not have taken it.
            return f"{body.get('name') or 'Handrail'} asked that {body.get('where')} be told how it stands"
        case Act.SPLIT:
            return f"{who} gave the incident a card of its own"
        case _:
            return None


def _of_plans(facts: Facts, entry: Entry) -> str | None:
    body = entry.body_values()
    plan = facts.title_of(body.get("proposal"))
    match entry.act:
        case Act.PROPOSED:
            people = counted(int(str(body.get("quorum", 1))), "person", "people")
            return (
                f"{plan} was proposed: playbook {body.get('playbook')} on {body.get('target')}, "
                f"risk {body.get('risk')}, to be approved by {people}"
            )
        case Act.EXPIRED | Act.CANCELLED | Act.SUPERSEDED:
            word = {"expired": "expired", "cancelled": "was withdrawn"}.get(entry.act, "was replaced")
            return f"{plan} {word}: {body.get('reason')}"
        case Act.CLAIMED:
            return f"Step {body.get('name')} on {body.get('target')} started"
        case Act.RESUMED:
            return f"Step {body.get('name')} was asked for again under the same key"
        case Act.NOT_ADMITTED:
            return f"A step of {plan} was not let start: {body.get('why')}"
        case Act.FINISHED:
            detail = f": {body['detail']}" if body.get("detail") else ""
            return f"{_step(facts, body)} ended as {body.get('result')}{detail}"
        case Act.CONCLUDED if body.get("state") == "done":
            return f"{plan} ran to its end"
        case Act.CONCLUDED:
            detail = f": {body['detail']}" if body.get("detail") else ""
            return f"{plan} {_STATES.get(str(body.get('state')), str(body.get('state')))}{detail}"
        case "signal_before":
            return f"Before the first step {body.get('signal')} was {body.get('value')}"
        case "checked_again":
            return f"Looked again: {body.get('signal')} is {body.get('value')} ({body.get('side')})"
        case _:
            return None


def _of_incident(facts: Facts, entry: Entry) -> str | None:
    body = entry.body_values()
    match entry.act:
        case Act.SEEN:
            return "The incident reached Handrail"
        case Act.RESOLVED:
            return "The incident was resolved"
        case Act.REOPENED:
            return "The incident was reopened"
        case Act.MERGED | Act.MUTED | Act.RELEASED:
            return f"{entry.act.capitalize()}: {body.get('words')}"
        case Act.TAMPERED:
            return f"The record was found to contradict itself: {body.get('why')}"
        case _:
            return None


def _step(facts: Facts, body: dict[str, str | int | bool | None]) -> str:
    plan = next((plan for id_, plan in facts.plans.items() if id_ == body.get("proposal")), None)
    step = plan.step(int(str(body.get("step")))) if plan else None
    return f"Step {step.action.name if step else body.get('step')}"


def _words(action: object) -> str:
    return f"“{str(action).replace('_', ' ').capitalize()}”"
