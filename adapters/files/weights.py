"""The weights in use: those that ship, or the team's own from a file."""

from pathlib import Path

from pydantic import ValidationError

from adapters.files.rights import refuse_if_anybody_may_change
from bot.domain.errors import Invalid
from bot.domain.weights import Weights, load_weights, parse_weights


def read_weights(path: Path | None) -> Weights:
    """Return the weights in the file *path*, those that ship without one.

    Raises:
        Invalid: the file cannot be read, anybody may change it, or it is no complete set of weights.
    """
    if path is None:
        return load_weights()
    try:
        refuse_if_anybody_may_change(path, path.stat(), Invalid)
        return parse_weights(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise Invalid(f"{path}: the weights cannot be read: {exc}") from exc
    except ValidationError as exc:
        where = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in exc.errors())
        raise Invalid(f"{path}: these are no weights of this version: {where[:500]}") from exc
