"""The question whether a suspect was it, with its two buttons."""

import json
from collections.abc import Sequence

from adapters.slack.actions import verdict_action_id
from adapters.slack.views.blocks import Block, actions, button, context
from adapters.slack.views.limits import BUTTON_VALUE
from adapters.slack.views.text import Mrkdwn, escape, join, shorten
from bot.domain.document import Ask
from bot.domain.label import Verdict

_LABELS = {Verdict.WAS_IT: "This was it", Verdict.NOT_IT: "Not it"}
_TITLE = 150
_SAID = 300


def ask_blocks(ask: Ask, said: Sequence[str] = ()) -> tuple[Block, ...]:
    """Return what was said so far and the buttons to say more; nothing for an id that fits no button."""
    value = _value(ask)
    if len(value) > BUTTON_VALUE:
        return ()
    lines = [escape("Was it "), shorten(ask.title, _TITLE), escape("?")]
    told = [shorten(one, _SAID) for one in said]
    return (
        context(join([Mrkdwn("".join(lines)), *told], " · ")),
        actions(
            [
                button(
                    label,
                    action_id=verdict_action_id(verdict),
                    value=value,
                    spoken=f"{label}: {ask.title}",
                )
                for verdict, label in _LABELS.items()
            ]
        ),
    )


def _value(ask: Ask) -> str:
    told = {"i": ask.incident, "c": ask.change, "d": ask.digest}
    return json.dumps(told | ({"k": ask.channel} if ask.channel else {}), separators=(",", ":"))
