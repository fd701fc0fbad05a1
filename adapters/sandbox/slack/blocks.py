"""Refuse what Slack refuses in an array of blocks, and say it as Slack does."""

from collections.abc import Iterable

from . import limits
from .block_rules import ACCESSORIES, ACTIONS, BLOCK_PROPERTIES, INPUTS, RICH_TEXT_PARTS, SURFACES
from .checks import Checker, Problem
from .elements import check_element, check_picture
from .wire import JsonObject


def problems_of_blocks(
    blocks: object, *, surface: str = "message", root: str = "/blocks"
) -> tuple[Problem, ...]:
    """Return every rule that *blocks* breaks on *surface* ("message", "modal" or "home"); empty when none."""
    check = Checker()
    if not isinstance(blocks, list):
        check.report(root, "must provide an array")
        return check.problems
    most = limits.MESSAGE_BLOCKS if surface == "message" else limits.VIEW_BLOCKS
    check.count(root, blocks, most=most)
    for index, block in enumerate(blocks):
        _check_block(check, f"{root}/{index}", block, surface)
    _check_block_ids(check, root, blocks)
    _check_markdown_total(check, root, blocks)
    return check.problems


def text_length(value: object) -> int:
    """Return how many characters of text *value* shows, added over everything in it."""
    if isinstance(value, dict):
        own = sum(len(v) for k, v in value.items() if k == "text" and isinstance(v, str))
        return own + sum(text_length(v) for v in value.values() if isinstance(v, dict | list))
    if isinstance(value, list):
        return sum(text_length(item) for item in value)
    return 0


def _check_block(check: Checker, at: str, block: object, surface: str) -> None:
    if not check.is_object(block, at):
        return
    kind = block.get("type")
    if kind not in BLOCK_PROPERTIES:
        check.report(f"{at}/type", f"unsupported type: {kind}")
        return
    if kind not in SURFACES[surface]:
        check.report(f"{at}/type", f"{kind} is not supported on this surface: {surface}")
        return
    check.only(at, block, BLOCK_PROPERTIES[kind] | {"type", "block_id"})
    check.string(at, block, "block_id", most=limits.BLOCK_ID)
    match kind:
        case "section":
            _check_section(check, at, block)
        case "header":
            check.text(at, block, "text", most=limits.HEADER_TEXT, plain=True)
        case "context":
            _check_context(check, at, block)
        case "actions":
            _check_actions(check, at, block)
        case "image":
            check_picture(check, at, block)
            check.text(at, block, "title", most=limits.IMAGE_TITLE, plain=True, required=False)
        case "input":
            _check_input(check, at, block)
        case "rich_text":
            _check_rich_text(check, at, block)
        case "markdown":
            check.string(at, block, "text", most=limits.MARKDOWN_TEXT, required=True)
        case "table":
            _check_table(check, at, block)


def _check_section(check: Checker, at: str, block: JsonObject) -> None:
    fields = block.get("fields")
    check.text(at, block, "text", most=limits.SECTION_TEXT, required=fields is None)
    if fields is not None and check.is_array(fields, f"{at}/fields"):
        check.count(f"{at}/fields", fields, most=limits.SECTION_FIELDS)
        for index, field in enumerate(fields):
            check.text_object(f"{at}/fields/{index}", field, most=limits.FIELD_TEXT)
    if "accessory" in block:
        check_element(check, f"{at}/accessory", block["accessory"], allowed=ACCESSORIES)


def _check_context(check: Checker, at: str, block: JsonObject) -> None:
    for pointer, element in _elements(check, at, block, most=limits.CONTEXT_ELEMENTS):
        if isinstance(element, dict) and element.get("type") == "image":
            check_element(check, pointer, element, allowed=frozenset({"image"}))
        else:
            check.text_object(pointer, element, most=limits.CONTEXT_TEXT)


def _check_actions(check: Checker, at: str, block: JsonObject) -> None:
    elements = tuple(_elements(check, at, block, most=limits.ACTIONS_ELEMENTS))
    seen: set[str] = set()
    for pointer, element in elements:
        check_element(check, pointer, element, allowed=ACTIONS)
        action_id = element.get("action_id") if isinstance(element, dict) else None
        if isinstance(action_id, str) and action_id in seen:
            check.report(f"{pointer}/action_id", f"action_id `{action_id}` already exists in this block")
        elif isinstance(action_id, str):
            seen.add(action_id)


def _check_input(check: Checker, at: str, block: JsonObject) -> None:
    check.text(at, block, "label", most=limits.INPUT_LABEL, plain=True)
    check.text(at, block, "hint", most=limits.INPUT_HINT, plain=True, required=False)
    if check.has(at, block, "element"):
        check_element(check, f"{at}/element", block["element"], allowed=INPUTS)


def _check_rich_text(check: Checker, at: str, block: JsonObject) -> None:
    for pointer, element in _elements(check, at, block, most=None):
        if not check.is_object(element, pointer):
            continue
        if element.get("type") not in RICH_TEXT_PARTS:
            check.report(f"{pointer}/type", f"unsupported type: {element.get('type')}")
        elif not isinstance(element.get("elements"), list):
            check.report(f"{pointer}/elements", "must provide an array")


def _check_table(check: Checker, at: str, block: JsonObject) -> None:
    rows = block.get("rows")
    if not check.is_array(rows, f"{at}/rows"):
        return
    check.count(f"{at}/rows", rows, most=limits.TABLE_ROWS)
    for index, row in enumerate(rows):
        if check.is_array(row, f"{at}/rows/{index}"):
            check.count(f"{at}/rows/{index}", row, most=limits.TABLE_COLUMNS)


def _elements(
    check: Checker, at: str, block: JsonObject, *, most: int | None
) -> Iterable[tuple[str, object]]:
    pointer = f"{at}/elements"
    if not check.has(at, block, "elements") or not check.is_array(block["elements"], pointer):
        return ()
    check.count(pointer, block["elements"], most=most)
    return tuple((f"{pointer}/{index}", element) for index, element in enumerate(block["elements"]))


def _check_block_ids(check: Checker, root: str, blocks: list[object]) -> None:
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        block_id = block.get("block_id") if isinstance(block, dict) else None
        if not isinstance(block_id, str):
            continue
        if block_id in seen:
            check.report(f"{root}/{index}/block_id", f"block_id `{block_id}` already exists")
        seen.add(block_id)


def _check_markdown_total(check: Checker, root: str, blocks: list[object]) -> None:
    texts = [b.get("text") for b in blocks if isinstance(b, dict) and b.get("type") == "markdown"]
    if sum(len(text) for text in texts if isinstance(text, str)) > limits.MARKDOWN_TEXT:
        check.report(
            root, f"markdown blocks must have less than {limits.MARKDOWN_TEXT + 1} characters in all"
        )
