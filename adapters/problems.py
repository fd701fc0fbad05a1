"""What pydantic found wrong with a value, in words that say what to write instead. No value is repeated."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic_core import ErrorDetails

# By how a pattern begins: each of them stands for one kind of value.
_SHOULD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "^https?://": "must be an address such as `https://host.example/path`, without user and query",
        "^[CGD]": "must be a channel's id (`C…`), not its name: its address in a browser ends in it",
        "^[a-z][a-z0-9-]": "must be small letters, digits and hyphens, such as `checkout`",
        "^[A-Za-z0-9][A-Za-z0-9._-]": "must be letters, digits, dots, hyphens and `_`, without blanks",
        "^[UW]": "must be a Slack user's id (`U…`), not a name: it stands in the person's profile",
        r"^[^@\s]+@": "must be an e-mail address",
        "^[0-9.]+/": "must be two prices with a slash between, such as `0.25/2`",
        "^(debug|": "must be one of debug, info, warning, error",
    }
)
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
        "dict_type": "must hold keys with values, indented below it",
        "float_parsing": "must be a number",
        "greater_than": "must be greater than {gt:g}",
        "greater_than_equal": "must be at least {ge:g}",
        "int_parsing": "must be a whole number",
        "int_type": "must be a whole number",
        "less_than_equal": "must be at most {le:g}",
        "list_type": "must be a list, such as `[one, two]`",
        "model_type": "must hold keys with values, indented below it; `{{}}` if it needs none",
        "string_type": "must be text; write a number or true in quotes",
        "too_short": "must have at least {min_length} characters",
        "string_too_short": "must have at least {min_length} characters",
        "tuple_type": "must be a list, such as `[one, two]`",
    }
)


def in_words(error: ErrorDetails) -> str:
    """Return what is wrong, without where; pydantic's own words for what is not known here."""
    kind, given = error["type"], error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        pattern = str(given["pattern"])
        return next(
            (said for start, said in _SHOULD.items() if pattern.startswith(start)),
            f"must have the form `{pattern}`",
        )
    if kind == "too_short" and given.get("field_type") in ("List", "Tuple"):
        return f"must list at least {given['min_length']}"
    if kind in _KINDS:
        return _KINDS[kind].format(**given)
    return error["msg"].removeprefix("Value error, ")
