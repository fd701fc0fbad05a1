"""`python -m tests.scenarios.patient_bot run`: the command line of `handrail`, with more patience.

What a bot does when an answer comes too late is shown where time is virtual. Where many tests share few
processors answers come late that say nothing of the story which a whole bot plays: a card would stand without
its plan, and whoever pressed would be a stranger.
"""

import functools
from collections.abc import Sequence
from datetime import timedelta
from types import ModuleType

from adapters import handlers
from adapters.cli import main
from adapters.slack import app
from bot.app import approve, freshness, home, investigate, naming, previewing, world

COMMAND = ("-m", "tests.scenarios.patient_bot", "run")
PATIENCE_S = 10.0
"""For each answer. Not for ever: some tests are about a neighbour that never answers."""

WAITS: Sequence[tuple[ModuleType, str]] = (
    (app, "PUT_TIMEOUT_S"),
    (app, "TELL_TIMEOUT_S"),
    (approve, "REGISTERED_WITHIN_S"),
    (approve, "SPARE_S"),
    (freshness, "PROPOSING_S"),
    (handlers, "PATIENCE_S"),
    (home, "LOOK_UP_S"),
    (investigate, "ENRICH_S"),
    (naming, "WITHIN_S"),
    (previewing, "PREVIEW_S"),
)


def be_patient() -> None:
    """Wait longer for every answer that the bot would do without."""
    for module, name in WAITS:
        if not isinstance(getattr(module, name), float):
            raise AttributeError(f"{module.__name__} has no time {name}")
        setattr(module, name, PATIENCE_S)
    approve.ANSWER_WITHIN_S = 6 * PATIENCE_S
    patient = functools.partial(world.Manners, look_up=timedelta(seconds=PATIENCE_S))
    setattr(world, "Manners", patient)  # noqa: B010 - The wiring, which comes later, makes its own of it.


if __name__ == "__main__":
    be_patient()
    main()
