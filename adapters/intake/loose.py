"""Models for bodies whose senders add, drop and null fields without notice."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_T = TypeVar("_T")


class _OrNone:
    """Makes None of what does not fit, inside pydantic-core: a validator in Python costs twice as much."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), default=None, on_error="default")


Loose = Annotated[_T | None, _OrNone()]
"""A field that counts as missing when its shape is not the one we know."""


class LooseBody(BaseModel):
    """A frozen body; fields that we do not know are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def web_address(text: str | None) -> str | None:
    """Return *text* when it is an http or https address, else None. It is for showing, never for calling."""
    if text is None or len(text) > 2_000 or not text.lower().startswith(("http://", "https://")):
        return None
    return None if any(sign.isspace() or not sign.isprintable() or sign in '<>|"' for sign in text) else text
