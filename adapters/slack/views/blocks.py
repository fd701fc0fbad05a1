"""The few kinds of block that the views use, and how paragraphs fill them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from adapters.slack.views.limits import BUTTON_TEXT, HEADER_TEXT, SECTION_TEXT
from adapters.slack.views.text import Mrkdwn, bold, entities, pieces, visible

Block: TypeAlias = Mapping[str, object]
"""One Block Kit block, ready for JSON."""

PARAGRAPH = 2_900  # Our choice: below Slack's 3,000 characters a section, with room for a marker.
Style = Literal["primary", "danger"]


def header(text: str) -> tuple[Block, ...]:
    """Return *text* as a heading; as bold paragraphs when it is longer than a heading may be."""
    shown = visible(text).strip() or "—"
    if len(shown) <= HEADER_TEXT:
        return ({"type": "header", "text": _plain(shown)},)
    return sections(bold(piece) for piece in pieces(text, PARAGRAPH))


def section(text: Mrkdwn, *, is_open: bool = False) -> Block:
    """Return a paragraph. Slack may fold a long one behind "See more", unless it is to stay open."""
    made: dict[str, object] = {"type": "section", "text": _marked(text)}
    return {**made, "expand": True} if is_open else made


def context(text: Mrkdwn) -> Block:
    """Return a line of small print."""
    return {"type": "context", "elements": [_marked(text)]}


def divider() -> Block:
    return {"type": "divider"}


def actions(buttons: Sequence[Block]) -> Block:
    return {"type": "actions", "elements": list(buttons)}


def button(
    label: str, *, action_id: str, value: str, style: Style | None = None, spoken: str | None = None
) -> Block:
    """Return a button. A longer *label* ends with an ellipsis: the card says the whole beside it.

    *spoken* is what a screen reader says instead, when the label alone does not tell what it is about.
    """
    shown = visible(label).strip() or "—"
    if len(shown) > BUTTON_TEXT:
        shown = shown[: BUTTON_TEXT - 1] + "…"
    made: dict[str, object] = {
        "type": "button",
        "text": _plain(shown),
        "action_id": action_id,
        "value": value,
    }
    if spoken is not None:
        made["accessibility_label"] = visible(spoken).strip()[:BUTTON_TEXT]
    return made if style is None else {**made, "style": style}


def sections(paragraphs: Iterable[Mrkdwn], *, is_open: bool = False) -> tuple[Block, ...]:
    """Return *paragraphs*, each at most a section long, in as few sections as hold them."""
    filled: list[str] = []
    for paragraph in paragraphs:
        if not paragraph:
            continue
        if filled and len(filled[-1]) + 1 + len(paragraph) <= SECTION_TEXT:
            filled[-1] += f"\n{paragraph}"
        else:
            filled.append(paragraph)
    return tuple(section(Mrkdwn(text), is_open=is_open) for text in filled)


def fences(lines: Iterable[str]) -> list[Mrkdwn]:
    """Return *lines* of printable ASCII in code blocks, every character kept.

    A line that is too long for one block goes on in the next, which says so above its fence.
    """
    found: list[Mrkdwn] = []
    held = ""
    for line in lines:
        parts = _cut(entities(line))
        for index, part in enumerate(parts):
            if index:
                found.append(_fence(held))
                found.append(Mrkdwn("_the same line goes on, without a break:_"))
                held = part
            elif not held:
                held = part
            elif len(held) + 1 + len(part) > PARAGRAPH - 8:
                found.append(_fence(held))
                held = part
            else:
                held += f"\n{part}"
    if held:
        found.append(_fence(held))
    return found


def _fence(text: str) -> Mrkdwn:
    return Mrkdwn(f"```\n{text}\n```")


def _cut(escaped: str) -> list[str]:
    """Cut *escaped* into parts that fit a fence, never inside an entity or beside a space."""
    most = PARAGRAPH - 8
    parts: list[str] = []
    while len(escaped) > most:
        at = most
        entity = escaped.rfind("&", at - 5, at)
        if entity >= 0 and ";" not in escaped[entity:at]:
            at = entity
        while at > most // 2 and (escaped[at - 1] == " " or escaped[at] == " "):
            at -= 1
        parts.append(escaped[:at])
        escaped = escaped[at:]
    return [*parts, escaped]


def _marked(text: Mrkdwn) -> Block:
    # Without `verbatim` Slack would make links of bare addresses and channel names in data.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}
