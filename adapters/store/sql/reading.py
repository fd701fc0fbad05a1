"""Reading stored values back as what they were."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bot.domain.errors import Tampered

M = TypeVar("M", bound=BaseModel)


def read_json(model: type[M], text: str) -> M:
    """Return the value that *text* holds. Raises `Tampered` when it is none."""
    try:
        return model.model_validate_json(text)
    except ValidationError as exc:
        fields = ", ".join(".".join(str(part) for part in error["loc"]) for error in exc.errors())
        raise Tampered(f"A stored {model.__name__} cannot be read ({fields or 'not JSON'}).") from exc
