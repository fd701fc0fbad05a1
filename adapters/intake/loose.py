"""Models for bodies whose senders add, drop and null fields without notice."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

_T = TypeVar("_T")


def _or_none(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError:
        return None


Loose = Annotated[_T | None, WrapValidator(_or_none)]
"""A field that counts as missing when its shape is not the one we know."""


class LooseBody(BaseModel):
    """A frozen body; fields that we do not know are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def web_address(text: str | None) -> str | None:
    """Return *text* when it is an http or https address, else None. It is for showing, never for calling."""
    if text is None or len(text) > 2_000 or not text.lower().startswith(("http://", "https://")):
        return None
    return None if any(sign.isspace() or not sign.isprintable() or sign in '<>|"' for sign in text) else text
