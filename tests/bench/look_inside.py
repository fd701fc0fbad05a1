"""`python -m tests.bench.look_inside`: where the time of a page, a refusal and an approval goes.

The bot notes its own spans while it plays the same lives as `--only life`; noting costs a little itself.
"""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog
from rich.console import Console

from tests.bench.life import play, running
from tests.bench.neighbourhood import neighbourhood
from tests.bench.spans import read_spans, table

_WARM_UP = 5


async def _look(cards: int, approvals: int) -> None:
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        notes = Path(folder) / "spans.jsonl"
        command = ("-m", "tests.bench.spanned_bot", str(notes))
        async with (
            neighbourhood(Path(folder), _WARM_UP + cards) as around,
            running(around, {}, command=command) as pid,
        ):
            played = await play(around, pid, warm_up=_WARM_UP, cards=cards, approvals=approvals)
        spans = read_spans(notes)
    console = Console(width=110 if not Console().is_terminal else None)
    for name in ("card", "refused", "step"):
        console.print(table(name, played.waits, spans))


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    cards, approvals = (int(word) for word in sys.argv[1:]) if sys.argv[1:] else (40, 20)
    asyncio.run(_look(cards, approvals))
