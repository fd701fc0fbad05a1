"""Every command on one page: what it is called, how it is used, and what answers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bot.app.commands import pager
from bot.app.commands.asked import Handler
from bot.app.commands.changing import changes
from bot.app.commands.finding import about_one
from bot.app.commands.playbooks import propose, runbook, stop, verify
from bot.app.commands.sharing import muted, split
from bot.app.commands.shift import handover, report
from bot.app.commands.similar import similar
from bot.app.commands.status import context, open_incidents, status, who
from bot.app.commands.story import summary, suspects, timeline
from bot.app.commands.writing import postmortem, update


@dataclass(frozen=True)
class Command:
    """One command. Help, the documentation and the nearest-command hint are made from this."""

    name: str
    usage: str
    """As typed behind `/incident`: words in brackets may be left out."""
    help: str
    handler: Handler
    changes: bool = False
    """It changes something, so it is for real members, and never guessed from a question in words."""
    takes_text: bool = False
    """What stands behind it may be longer than a line."""


_ALL: Final = (
    Command("list", "list", "the open incidents that you may know of", open_incidents),
    Command(
        "status", "status [id]", "where the incident stands and what waits for a decision", about_one(status)
    ),
    Command(
        "context",
        "context [id]",
        "alerts, suspects with their reasons, changes, who is on call, neighbours, what fixed it before",
        about_one(context),
    ),
    Command("changes", "changes [service] [2h]", "what changed, newest first", changes),
    Command(
        "timeline", "timeline [id]", "what happened when, each line with its source", about_one(timeline)
    ),
    Command("suspects", "suspects [id]", "which changes are suspected and why", about_one(suspects)),
    Command("similar", "similar [id]", "earlier incidents like it and what fixed them", about_one(similar)),
    Command("who", "who [id]", "who is on call, who may approve, who decided what", about_one(who)),
    Command(
        "runbook",
        "runbook [id]",
        "runbook, dashboard, and the playbooks that may be asked for",
        about_one(runbook),
    ),
    Command(
        "verify", "verify [id]", "read the plan's signal now and say whether it is healthy", about_one(verify)
    ),
    Command(
        "propose",
        "propose [playbook] [id]",
        "put a playbook on the card; nothing runs before people approve it there",
        propose,
        changes=True,
    ),
    Command("stop", "stop [id]", "stop what is proposed, or what runs", stop, changes=True),
    Command("ack", "ack [id]", "acknowledge in PagerDuty", pager.deed("ack", pager.ack), changes=True),
    Command(
        "resolve", "resolve [id]", "resolve in PagerDuty", pager.deed("resolve", pager.resolve), changes=True
    ),
    Command(
        "escalate",
        "escalate [id]",
        "hand it to the next level of its escalation policy",
        pager.deed("escalate", pager.escalate),
        changes=True,
    ),
    Command(
        "note",
        "note [id] <text>",
        "write a note into the incident, under your name",
        pager.deed("note", pager.note, takes_text=True),
        changes=True,
        takes_text=True,
    ),
    Command("muted", "muted", "what was merged or muted, by which rule, and how to undo it", muted),
    Command(
        "split",
        "split <id>",
        "give a merged or muted incident a card of its own, for good",
        split,
        changes=True,
    ),
    Command("summary", "summary [id]", "the incident so far, from the record", about_one(summary)),
    Command("handover", "handover [id]", "for the next shift: what is open, tried, and waiting", handover),
    Command(
        "update",
        "update [--post] [id] [whom it hurts]",
        "a draft in plain words for those who need to know; with --post it goes to them",
        update,
        changes=True,
        takes_text=True,
    ),
    Command(
        "postmortem",
        "postmortem [id]",
        "put a postmortem draft, written from the record, into the thread",
        postmortem,
        changes=True,
    ),
    Command("report", "report [7d]", "numbers: how many, how long, what was proposed and helped", report),
)
COMMANDS: Final[Mapping[str, Command]] = {command.name: command for command in _ALL}
HELP: Final = ("help", "help", "this list")
SHARE: Final = "--share"
SHARE_HELP: Final = "behind any of them: the answer for all in the channel, where the incident belongs there"


def usages() -> Mapping[str, tuple[str, str]]:
    """Return by name how each command is used and what it is for, `help` among them."""
    told = {command.name: (command.usage, command.help) for command in COMMANDS.values()}
    return told | {HELP[0]: HELP[1:]}
