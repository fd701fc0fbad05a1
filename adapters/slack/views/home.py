"""The home tab. It has links and no button: what decides or changes something stays on the card."""

from collections.abc import Mapping, Sequence

from adapters.slack.views.blocks import Block, context, divider, header, section
from adapters.slack.views.text import (
    Mrkdwn,
    address,
    bold,
    countdown,
    escape,
    join,
    link,
    shorten,
    when,
)
from bot.domain.card import CardRef
from bot.domain.home import Home, HomeLine
from bot.domain.person import Duty

_LINE = 600  # Our choice: a title of two thousand characters is read on the card.
_NOTE = 300
_MOST = 15  # Lines of one kind that are shown, and counted beyond; they come no more than one more already.


def home_view(home: Home, *, workspace_url: str) -> Mapping[str, object]:
    """Return *home* as a view; *workspace_url* is where messages have their addresses, empty if unknown."""
    shown = (
        *_waiting(home, workspace_url),
        divider(),
        *_open(home, workspace_url),
        divider(),
        *_duties(home.duties),
        divider(),
        *_news(home, workspace_url),
        *_silenced(home, workspace_url),
        divider(),
        *_foot(home),
    )
    return {"type": "home", "blocks": list(shown)}


def _waiting(home: Home, workspace_url: str) -> tuple[Block, ...]:
    found = _lines(home.waiting, workspace_url) or (context(escape("No approval waits for you.")),)
    return (*header("Waiting for you"), *found)


def _open(home: Home, workspace_url: str) -> tuple[Block, ...]:
    rest = home.open_count - len(home.open[:_MOST])
    more = (context(escape(f"and {rest} more: /incident list")),) if rest > 0 else ()
    found = _lines(home.open, workspace_url) or (context(escape("Nothing is open that you may know of.")),)
    return (*header(f"Open incidents ({home.open_count})"), *found, *more)


def _duties(duties: Sequence[Duty]) -> tuple[Block, ...]:
    said = [join([Mrkdwn("•"), _duty(duty)], " ") for duty in duties[:_MOST]]
    if len(duties) > _MOST:
        said.append(escape(f"and {len(duties) - _MOST} more in PagerDuty"))
    nobody = escape("PagerDuty names you nowhere as on call now.")
    return (*header("You on call"), section(join(said)) if said else context(nobody))


def _duty(duty: Duty) -> Mrkdwn:
    until = join([escape("until"), when(duty.until)], " ") if duty.until else escape("without an end")
    said = join([shorten(duty.policy or "an escalation policy", 100), escape(f", level {duty.level},")], "")
    return join([said, until], " ")


def _news(home: Home, workspace_url: str) -> tuple[Block, ...]:
    if home.since is None:
        said = escape("From the next opening on, this tells what changed since you last looked.")
        return (*header("Since you last looked"), context(said))
    none = (context(escape("Nothing changed.")),)
    lead = context(join([escape("You last looked on"), when(home.since)], " "))
    return (*header("Since you last looked"), lead, *(_lines(home.news, workspace_url) or none))


def _silenced(home: Home, workspace_url: str) -> tuple[Block, ...]:
    if not home.silenced:
        return ()
    return (divider(), *header("Merged or muted"), *_lines(home.silenced, workspace_url))


def _foot(home: Home) -> tuple[Block, ...]:
    notes = [context(text) for note in home.notes[:5] if (text := shorten(note, _NOTE)).strip()]
    asked = escape(
        "/incident help lists every command. Nothing on this page decides: that is done on the card."
    )
    drawn = join([escape("As of"), when(home.made_at), escape("· drawn anew whenever you open it")], " ")
    return (*notes, context(asked), context(drawn))


def _lines(lines: Sequence[HomeLine], workspace_url: str) -> tuple[Block, ...]:
    return tuple(_line(line, workspace_url) for line in lines[: _MOST + 1])


def _line(line: HomeLine, workspace_url: str) -> Block:
    said = shorten(line.text, _LINE) or escape("—")
    first = bold(said) if line.expires_at or line.state else said
    below = [link(_permalink(line.card, workspace_url), escape("Card"))] if line.card else []
    below += [link(one.url, escape(one.label)) for one in line.links if address(one.url)]
    if line.expires_at:
        below.append(join([escape("expires"), countdown(line.expires_at)], " "))
    return section(join([first, shorten(line.state, _LINE), join(below, " · ")]))


def _permalink(card: CardRef, workspace_url: str) -> str | None:
    """Return the address of the card's message, or None where that cannot be said."""
    seconds, _, rest = card.ts.partition(".")
    found = f"{workspace_url.rstrip('/')}/archives/{card.channel}/p{seconds}{rest}" if workspace_url else None
    return address(found)
