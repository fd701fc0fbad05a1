"""Slack's limits as a table, and a linter that measures blocks and views against it."""

import json
from collections.abc import Iterator, Mapping, Sequence

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
SECTION_TEXT = 3_000
HEADER_TEXT = 150
CONTEXT_ELEMENTS = 10
CONTEXT_TEXT = 3_000
ACTIONS_ELEMENTS = 25
BUTTON_TEXT = 75
BUTTON_VALUE = 2_000
ACTION_ID = 255
VIEW_TITLE = 24  # Its buttons have the same.
CALLBACK_ID = 255
BLOCK_ID = 255
INPUT_LABEL = 2_000
INPUT_HINT = 2_000
INPUT_LENGTH = 3_000
VIEW_METADATA = 3_000
VIEW_BYTES = 250_000
FALLBACK_TEXT = 4_000  # chat.update refuses more; chat.postMessage would take 40,000.
MESSAGE_TEXT = 12_000  # Undocumented: over all texts of one message Slack answers msg_blocks_too_long.

_MODALS_OWN = frozenset({"title", "submit", "close", "clear_on_close", "notify_on_close"})
_KNOWN = frozenset({"actions", "context", "divider", "header", "input", "section"})


def lint(blocks: Sequence[Mapping[str, object]], *, is_message: bool = True) -> tuple[str, ...]:
    """Return every limit that *blocks* break, in words; empty when Slack will take them."""
    return tuple(_problems(blocks, is_message=is_message))


def lint_view(view: Mapping[str, object]) -> tuple[str, ...]:
    """Return every limit that a modal or a home tab breaks, in words."""
    return tuple(_problems_of_view(view))


def text_length(value: object) -> int:
    """Return how many characters of text *value* holds, over everything nested in it."""
    if isinstance(value, Mapping):
        own = value.get("text")
        return (len(own) if isinstance(own, str) else 0) + sum(text_length(v) for v in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return sum(text_length(item) for item in value)
    return 0


def _problems(blocks: Sequence[Mapping[str, object]], *, is_message: bool) -> Iterator[str]:
    most = MESSAGE_BLOCKS if is_message else VIEW_BLOCKS
    if len(blocks) > most:
        yield f"{len(blocks)} blocks, {most} allowed"
    if is_message and (length := text_length(blocks)) > MESSAGE_TEXT:
        yield f"{length} characters in all, {MESSAGE_TEXT} allowed"
    for index, block in enumerate(blocks):
        for problem in _problems_of(block):
            yield f"block {index}: {problem}"


def _problems_of_view(view: Mapping[str, object]) -> Iterator[str]:
    kind, blocks = view.get("type"), view.get("blocks")
    if kind == "modal":
        yield from _problems_of_frame(view)
    elif kind == "home":
        yield from (f"a home tab has no {name}" for name in _MODALS_OWN & view.keys())
    else:
        yield f"unknown view {kind!r}"
    metadata = view.get("private_metadata", "")
    if not isinstance(metadata, str) or len(metadata) > VIEW_METADATA:
        yield f"private_metadata: at most {VIEW_METADATA} characters allowed"
    if (size := len(json.dumps(view).encode())) > VIEW_BYTES:
        yield f"{size} bytes, {VIEW_BYTES} allowed"
    if not isinstance(blocks, list) or not blocks:
        yield "a view without blocks"
        return
    yield from _problems(blocks, is_message=False)


def _problems_of_frame(view: Mapping[str, object]) -> Iterator[str]:
    """What stands around a modal's blocks."""
    for name in ("title", "submit", "close"):
        if name in view or name == "title":
            yield from _problems_of_text(view.get(name), VIEW_TITLE, kinds=("plain_text",))
    callback, blocks = view.get("callback_id", ""), view.get("blocks")
    if not isinstance(callback, str) or len(callback) > CALLBACK_ID:
        yield f"callback_id: at most {CALLBACK_ID} characters allowed"
    found = blocks if isinstance(blocks, list) else []
    if any(block.get("type") == "input" for block in found) and "submit" not in view:
        yield "an input without a button that sends it"


def _problems_of(block: Mapping[str, object]) -> Iterator[str]:
    kind, block_id = block.get("type"), block.get("block_id")
    if kind not in _KNOWN:
        yield f"unknown type {kind!r}"
    if block_id is not None and (not isinstance(block_id, str) or not 1 <= len(block_id) <= BLOCK_ID):
        yield f"block_id: 1 to {BLOCK_ID} characters required"
    if kind == "input":
        yield from _problems_of_input(block)
    if kind == "section":
        yield from _problems_of_text(block.get("text"), SECTION_TEXT, kinds=("mrkdwn", "plain_text"))
    elif kind == "header":
        yield from _problems_of_text(block.get("text"), HEADER_TEXT, kinds=("plain_text",))
    elif kind == "context":
        for element in _elements(block, CONTEXT_ELEMENTS):
            yield from _problems_of_text(element, CONTEXT_TEXT, kinds=("mrkdwn", "plain_text"))
        yield from _problems_of_count(block, CONTEXT_ELEMENTS)
    elif kind == "actions":
        for element in _elements(block, ACTIONS_ELEMENTS):
            yield from _problems_of_button(element)
        yield from _problems_of_count(block, ACTIONS_ELEMENTS)


def _elements(block: Mapping[str, object], most: int) -> Sequence[Mapping[str, object]]:
    found = block.get("elements")
    return found[:most] if isinstance(found, list) else ()


def _problems_of_count(block: Mapping[str, object], most: int) -> Iterator[str]:
    elements = block.get("elements")
    count = len(elements) if isinstance(elements, list) else 0
    if not 1 <= count <= most:
        yield f"{count} elements, 1 to {most} allowed"
    ids = [e.get("action_id") for e in elements] if isinstance(elements, list) else []
    named = [one for one in ids if one is not None]
    if len(named) != len(set(named)):
        yield "an action_id stands twice"


def _problems_of_text(text: object, most: int, *, kinds: Sequence[str]) -> Iterator[str]:
    if not isinstance(text, Mapping) or text.get("type") not in kinds:
        yield f"a text of type {' or '.join(kinds)} is required"
        return
    value = text.get("text")
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        length = len(value) if isinstance(value, str) else 0
        yield f"{length} characters of text, 1 to {most} allowed"
    if text.get("type") == "mrkdwn" and text.get("verbatim") is not True:
        yield "mrkdwn without verbatim: Slack would link what looks like an address"
    if text.get("type") == "plain_text" and text.get("emoji") is not False:
        yield "plain text in which Slack would draw emoji"


def _problems_of_input(block: Mapping[str, object]) -> Iterator[str]:
    yield from _problems_of_text(block.get("label"), INPUT_LABEL, kinds=("plain_text",))
    if "hint" in block:
        yield from _problems_of_text(block["hint"], INPUT_HINT, kinds=("plain_text",))
    element = block.get("element")
    field = element if isinstance(element, Mapping) else {}
    action_id, most = field.get("action_id"), field.get("max_length", INPUT_LENGTH)
    if field.get("type") != "plain_text_input":
        yield f"a field of type {field.get('type')!r}"
    if not isinstance(action_id, str) or not 1 <= len(action_id) <= ACTION_ID:
        yield f"action_id: 1 to {ACTION_ID} characters required"
    if not isinstance(most, int) or not 1 <= most <= INPUT_LENGTH:
        yield f"max_length: 1 to {INPUT_LENGTH} required"


def _problems_of_button(button: Mapping[str, object]) -> Iterator[str]:
    yield from _problems_of_text(button.get("text"), BUTTON_TEXT, kinds=("plain_text",))
    for name, most in (("value", BUTTON_VALUE), ("action_id", ACTION_ID)):
        value = button.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= most:
            yield f"{name}: 1 to {most} characters required"
    if button.get("style") not in (None, "primary", "danger"):
        yield f"style {button.get('style')!r}"
