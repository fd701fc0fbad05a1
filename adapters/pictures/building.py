"""Find out whether pictures can be drawn here."""

from importlib.util import find_spec
from pathlib import Path

from adapters.pictures.timeline import ChildPictures


def pictures_in(folder: Path) -> ChildPictures | None:
    """Return who draws, with *folder* for its cache; None when the extra `pictures` is not installed."""
    if find_spec("matplotlib") is None:
        return None
    folder.mkdir(mode=0o700, exist_ok=True)
    return ChildPictures(folder)
