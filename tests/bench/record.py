"""The record on this disk: what one durable entry and one claim cost."""

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from adapters.store.entries import Draft
from adapters.store.opening import Store, open_store
from adapters.store.signing import new_signer
from adapters.store.transaction import Transaction
from bot.domain.approval import Action, Permission
from bot.domain.policy import FLOOR
from tests.bench.lines import Line, Scale, latencies
from tests.bench.report import RESULTS
from tests.bench.timing import timed_await
from tests.builders import CARD, NOW, ManualTime, a_click, a_person, a_plan, a_record, an_incident, fresh

_BATCH = 5_000
ALLOWED = Permission(allowed=True, grounds="named approver")


async def measure(scale: Scale) -> Sequence[Line]:
    """Measure in the working folder: the temporary one is often in memory."""
    with tempfile.TemporaryDirectory(dir=_here()) as folder:
        return await _measured(Path(folder) / "record.db", scale)


def _here() -> Path:
    RESULTS.parent.mkdir(exist_ok=True)
    return RESULTS.parent


async def _measured(file: Path, scale: Scale) -> Sequence[Line]:
    store = open_store(
        f"sqlite:///{file}",
        redact=lambda text: text,
        kill_file=None,
        store_time=ManualTime(NOW),
        signer=new_signer(),
    )
    try:
        appends = [await timed_await(_append(store, number)) for number in range(scale.of(300, 3))]
        started = [await _start(store, number) for number in range(scale.of(200, 3))]
        entries = scale.of(100_000, 50)
        await _fill(store, entries)
        whole = await timed_await(store.audit.verify)
    finally:
        await store.close()
    return [
        latencies("record.append", "one audit entry, chained, signed and on disk", appends),
        latencies("record.claim", "one claim with its audit entry, on disk", [claim for claim, _ in started]),
        latencies(
            "record.verify",
            f"a record of {entries:,} entries and more checked, every signature",
            [whole],
            unit="s",
        ),
        latencies("record.read", "an incident's proposals read back", [read for _, read in started]),
    ]


def _append(store: Store, number: int) -> Callable[[], Awaitable[object]]:
    body: dict[str, str | int | bool | None] = {
        "number": number,
        "why": "the error rate rose 2 min after the deploy",
    }
    return lambda: store.audit.append("seen", actor="handrail", incident=None, body=body)


async def _fill(store: Store, entries: int) -> None:
    """Add entries in few transactions: only the check of them is measured."""
    draft = Draft(act="seen", incident=None, facts={"why": "the error rate rose 2 min after the deploy"})
    for left in range(entries, 0, -_BATCH):
        await store.transactions.write(partial(_append_all, [draft] * min(left, _BATCH)))


def _append_all(drafts: Sequence[Draft], tx: Transaction) -> None:
    for draft in drafts:
        tx.append(draft)


async def _start(store: Store, number: int) -> tuple[float, float]:
    """Return the seconds of claiming the step of an approved plan, and of reading its proposals."""
    plan = a_plan(incident=f"Q1{number:012d}")
    await store.incidents.see(an_incident(plan.incident))
    await store.gate.offer((await store.gate.propose(plan)).id, CARD)
    await store.gate.rule(a_click(Action.APPROVE, plan=plan), ALLOWED, a_person())
    claim = await timed_await(lambda: store.gate.claim(plan.id, 0, fresh(a_record(plan)), policy=FLOOR))
    return claim, await timed_await(lambda: store.gate.proposals(plan.incident))
