"""YAML without its traps: no aliases, no doubled keys, no tags, no guessed types but the plain ones."""

import re
from collections.abc import Hashable
from typing import Any

import yaml

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20  # Our choice: our files need six levels, and each level costs stack.


class YamlError(Exception):
    """The text is not the YAML we take; *line* counts from 1."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


_TEXT = "tag:yaml.org,2002:str"


class _StrictLoader(yaml.SafeLoader):
    """`true` and `false` are booleans, whole numbers are numbers; `no`, `22:22` and dates stay text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, Any]]] = {}  # noqa: RUF012 - PyYAML's own shape
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call] # PyYAML's parser has no types.
        if isinstance(event, yaml.AliasEvent):
            raise YamlError("aliases (`*name`) are not allowed: write the value out", _line(event))
        if getattr(event, "anchor", None):
            raise YamlError("anchors (`&name`) are not allowed", _line(event))
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            raise YamlError(f"the tag {tag} is not allowed", _line(event))
        if self._depth >= MAX_DEPTH:
            raise YamlError(f"more than {MAX_DEPTH} levels stand in each other", _line(event))
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as exc:  # A number of thousands of digits.
            raise YamlError(str(exc), node.start_mark.line + 1) from exc

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            # A key that is a number or nothing has several spellings, so it could stand twice unseen.
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
                raise YamlError("a key must be plain text: write it in quotes", line)
            if key.value in seen:
                raise YamlError(f"the key {key.value!r} stands twice, first in line {seen[key.value]}", line)
            seen[key.value] = line
        return super().construct_mapping(node, deep=deep)


_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789")
)
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])


def _line(event: yaml.Event) -> int | None:
    return event.start_mark.line + 1 if event.start_mark else None


class Lines:
    """Where each part of a document stands, so that an error can name its line."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._root = root

    def of(self, path: tuple[int | str, ...]) -> int | None:
        """Return the line of the deepest part of *path* that the document has."""
        node, line = self._root, None
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = next((pair for pair in node.value if pair[0].value == part), None)
                if found is None:
                    continue  # pydantic names union members too; they are no part of the document.
                line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
        return line or (self._root.start_mark.line + 1 if self._root else None)


def _loader(text: str) -> _StrictLoader:
    try:
        return _StrictLoader(text)
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise YamlError(f"the sign U+{ord(text[exc.position]):04X} is not allowed", line) from exc


def load(text: str) -> tuple[object, Lines]:
    """Return the document and where its parts stand.

    Raises:
        YamlError: not YAML, or a form of it that is not taken.
    """
    if len(text.encode()) > MAX_BYTES:
        raise YamlError(f"the file is larger than {MAX_BYTES} bytes", None)
    loader = _loader(text)
    try:
        node = loader.get_single_node()
        document = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else None
        raise YamlError(str(exc.problem or exc), line) from exc
    except yaml.YAMLError as exc:
        raise YamlError(str(exc) or type(exc).__name__, None) from exc
    finally:
        loader.dispose()
    return document, Lines(node)
