"""Refuse what Slack refuses in one interactive element, image or option."""

from typing import Any

from . import limits
from .block_rules import ELEMENT_PROPERTIES
from .checks import Checker
from .wire import JsonObject

_STYLES = frozenset({"primary", "danger"})


def check_element(check: Checker, at: str, element: object, *, allowed: frozenset[str]) -> None:
    """Report every rule that *element* breaks; only types in *allowed* may stand here."""
    if not check.is_object(element, at):
        return
    kind = element.get("type")
    if kind not in allowed:
        check.report(f"{at}/type", f"unsupported type: {kind}")
        return
    check.only(at, element, ELEMENT_PROPERTIES[kind] | {"type"})
    check.string(at, element, "action_id", most=limits.ACTION_ID)
    if kind == "image":
        check_picture(check, at, element)
        return
    if kind == "button":
        _check_button(check, at, element)
    if kind == "plain_text_input":
        _check_text_input(check, at, element)
    if kind in limits.OPTIONS:
        _check_choice(check, at, element, most=limits.OPTIONS[kind])
    check.text(at, element, "placeholder", most=limits.PLACEHOLDER, plain=True, required=False)
    if "confirm" in element:
        _check_confirm(check, f"{at}/confirm", element["confirm"])


def check_picture(check: Checker, at: str, picture: JsonObject) -> None:
    """Report what is wrong with the address and the alternative text of an image."""
    if "slack_file" not in picture:
        check.string(at, picture, "image_url", most=limits.IMAGE_URL, required=True)
    if check.has(at, picture, "alt_text"):
        check.length(f"{at}/alt_text", picture["alt_text"], most=limits.ALT_TEXT)


def _check_button(check: Checker, at: str, button: JsonObject) -> None:
    check.text(at, button, "text", most=limits.BUTTON_TEXT, plain=True)
    check.string(at, button, "value", most=limits.BUTTON_VALUE)
    check.string(at, button, "url", most=limits.BUTTON_URL)
    check.string(at, button, "accessibility_label", most=limits.ACCESSIBILITY_LABEL)
    check.one_of(at, button, "style", _STYLES)


def _check_text_input(check: Checker, at: str, field: JsonObject) -> None:
    for name, least in (("min_length", 0), ("max_length", 1)):
        value = field.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            check.report(f"{at}/{name}", "must provide an integer")
        elif not least <= value <= limits.INPUT_MAX_LENGTH:
            check.report(f"{at}/{name}", f"must be between {least} and {limits.INPUT_MAX_LENGTH}")
    check.boolean(at, field, "multiline")
    if "initial_value" in field:
        check.length(f"{at}/initial_value", field["initial_value"], most=limits.INPUT_MAX_LENGTH, least=0)


def _check_choice(check: Checker, at: str, element: JsonObject, *, most: int) -> None:
    groups = element.get("option_groups")
    if groups is None:
        if check.has(at, element, "options") and check.is_array(element["options"], f"{at}/options"):
            _check_options(check, f"{at}/options", element["options"], most=most)
        return
    if "options" in element:
        check.report(at, "only one of options and option_groups may be given")
    if not check.is_array(groups, f"{at}/option_groups"):
        return
    check.count(f"{at}/option_groups", groups, most=limits.OPTION_GROUPS)
    for index, group in enumerate(groups):
        pointer = f"{at}/option_groups/{index}"
        if check.is_object(group, pointer):
            check.text(pointer, group, "label", most=limits.OPTION_TEXT, plain=True)
            if check.has(pointer, group, "options") and check.is_array(
                f"{pointer}/options", group["options"]
            ):
                _check_options(check, f"{pointer}/options", group["options"], most=most)


def _check_options(check: Checker, at: str, options: list[Any], *, most: int) -> None:
    check.count(at, options, most=most)
    for index, option in enumerate(options):
        pointer = f"{at}/{index}"
        if not check.is_object(option, pointer):
            continue
        check.only(pointer, option, frozenset({"text", "value", "description", "url"}))
        check.text(pointer, option, "text", most=limits.OPTION_TEXT)
        check.string(pointer, option, "value", most=limits.OPTION_VALUE, required=True)
        check.text(pointer, option, "description", most=limits.OPTION_DESCRIPTION, required=False)


def _check_confirm(check: Checker, at: str, confirm: object) -> None:
    if not check.is_object(confirm, at):
        return
    check.only(at, confirm, frozenset({"title", "text", "confirm", "deny", "style"}))
    check.text(at, confirm, "title", most=limits.CONFIRM_TITLE, plain=True)
    check.text(at, confirm, "text", most=limits.CONFIRM_TEXT)
    check.text(at, confirm, "confirm", most=limits.CONFIRM_BUTTON, plain=True)
    check.text(at, confirm, "deny", most=limits.CONFIRM_BUTTON, plain=True)
    check.one_of(at, confirm, "style", _STYLES)
