"""The window in which somebody confirms an approval or says why they denied: what they type, and why."""

import json
from collections.abc import Mapping

from adapters.slack.submissions import CONFIRM, FIELD, REASON, TARGET
from adapters.slack.views.blocks import Block, sections
from adapters.slack.views.limits import VIEW_METADATA
from adapters.slack.views.text import Mrkdwn, bold, code, escape, join, shorten, visible
from bot.domain.approval import LONGEST_WHY, Action, Question
from bot.domain.errors import Invalid

_MOST_REASON = 500


def confirm_modal(question: Question) -> Mapping[str, object]:
    """Return the window. What it asks comes back with the answer, so that nothing is remembered between.

    Raises:
        Invalid: the question does not fit into a window.
    """
    metadata = json.dumps(
        {
            "p": question.proposal_id,
            "d": question.digest,
            "c": question.channel,
            "m": question.message_ts,
            "t": question.target,
            "s": list(question.overrides),
            "a": question.action.value,
        },
        separators=(",", ":"),
    )
    if len(metadata) > VIEW_METADATA:
        raise Invalid(f"The target of {question.proposal_id} is too long to be typed.")
    is_approval = question.action is Action.APPROVE
    return {
        "type": "modal",
        "callback_id": CONFIRM,
        "private_metadata": metadata,
        "title": _plain("Approve" if is_approval else "Why was it denied?"),
        "submit": _plain("Approve" if is_approval else "Save"),
        "close": _plain("Do not"),
        "blocks": [*sections(_said(question)), *_fields(question)],
    }


def _said(question: Question) -> list[Mrkdwn]:
    said = [bold(shorten(question.title, 300))]
    said += [
        join([bold(escape("Speaks against it:")), shorten(objection, 300)], " ")
        for objection in question.objections[:10]
    ]
    if question.target is not None:
        said.append(join([escape("It acts on"), code(question.target)], " "))
    return said


def _fields(question: Question) -> list[Block]:
    why = "Why in spite of that?" if question.overrides else "Why?"
    most = _MOST_REASON if question.action is Action.APPROVE else LONGEST_WHY
    reason = _field(REASON, why, hint="It is kept in the record.", most=most, is_long=True)
    if question.target is None:
        return [reason]
    return [_field(TARGET, "Type the target's name", hint="Exactly as it stands above.", most=300), reason]


def _field(block: str, label: str, *, hint: str, most: int, is_long: bool = False) -> Block:
    return {
        "type": "input",
        "block_id": block,
        "label": _plain(label),
        "hint": _plain(hint),
        "element": {
            "type": "plain_text_input",
            "action_id": FIELD,
            "multiline": is_long,
            "max_length": most,
        },
    }


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": visible(text), "emoji": False}
