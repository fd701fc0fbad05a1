"""The small checks that Block Kit's rules are built of; each reports under a JSON pointer."""

from dataclasses import dataclass
from typing import Any, TypeGuard

from .wire import JsonObject


@dataclass(frozen=True)
class Problem:
    """One violated rule, and the JSON pointer to where."""

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} [json-pointer:{self.pointer}]"


class Checker:
    """Collects what is wrong, in the order of the check."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was reported so far."""
        return tuple(self._found)

    def report(self, pointer: str, message: str) -> None:
        self._found.append(Problem(pointer, message))

    def is_object(self, value: object, pointer: str) -> TypeGuard[JsonObject]:
        if isinstance(value, dict):
            return True
        self.report(pointer, "must provide an object")
        return False

    def is_array(self, value: object, pointer: str) -> TypeGuard[list[Any]]:
        if isinstance(value, list):
            return True
        self.report(pointer, "must provide an array")
        return False

    def has(self, at: str, value: JsonObject, name: str) -> bool:
        if value.get(name) is not None:
            return True
        self.report(f"{at}/{name}", f"missing required field: {name}")
        return False

    def only(self, at: str, value: JsonObject, allowed: frozenset[str]) -> None:
        for name in value:
            if name not in allowed:
                self.report(at, f"invalid additional property: {name}")

    def count(self, pointer: str, items: list[Any], *, most: int | None, least: int = 1) -> None:
        if len(items) < least:
            self.report(pointer, f"no fewer than {least} items allowed")
        if most is not None and len(items) > most:
            self.report(pointer, f"no more than {most} items allowed")

    def length(self, pointer: str, text: object, *, most: int, least: int = 1) -> None:
        if not isinstance(text, str):
            self.report(pointer, "must provide a string")
        elif len(text) < least:
            self.report(pointer, f"must be more than {least - 1} characters")
        elif len(text) > most:
            self.report(pointer, f"must be less than {most + 1} characters")

    def string(self, at: str, value: JsonObject, name: str, *, most: int, required: bool = False) -> None:
        if name in value:
            self.length(f"{at}/{name}", value[name], most=most)
        elif required:
            self.report(f"{at}/{name}", f"missing required field: {name}")

    def one_of(self, at: str, value: JsonObject, name: str, allowed: frozenset[str]) -> None:
        if name in value and value[name] not in allowed:
            self.report(f"{at}/{name}", f"must be a valid enum value: {', '.join(sorted(allowed))}")

    def boolean(self, at: str, value: JsonObject, name: str) -> None:
        if name in value and not isinstance(value[name], bool):
            self.report(f"{at}/{name}", "must provide a boolean")

    def text(
        self, at: str, value: JsonObject, name: str, *, most: int, plain: bool = False, required: bool = True
    ) -> None:
        """Check the text object *name* of *value*: a `plain_text`, or else also `mrkdwn`."""
        if name in value:
            self.text_object(f"{at}/{name}", value[name], most=most, plain=plain)
        elif required:
            self.report(f"{at}/{name}", f"missing required field: {name}")

    def text_object(self, pointer: str, value: object, *, most: int, plain: bool = False) -> None:
        if not self.is_object(value, pointer):
            return
        kinds = {"plain_text"} if plain else {"plain_text", "mrkdwn"}
        kind = value.get("type")
        if kind not in kinds:
            self.report(f"{pointer}/type", f"must be a valid enum value: {', '.join(sorted(kinds))}")
            return
        own = {"emoji"} if kind == "plain_text" else {"verbatim"}
        self.only(pointer, value, frozenset({"type", "text"} | own))
        for name in own:
            self.boolean(pointer, value, name)
        self.length(f"{pointer}/text", value.get("text"), most=most)
