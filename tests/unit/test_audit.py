"""The chain of the record."""

from datetime import timedelta

import pytest

from bot.domain.audit import GENESIS, Entry, chain
from bot.domain.chain_check import ChainCheck, ChainReport, verify_chain
from tests.builders import INCIDENT, NOW


def a_chain(length: int) -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(1, length + 1):
        entries.append(
            chain(
                seq=seq,
                at=NOW + timedelta(seconds=seq),
                incident=INCIDENT if seq % 2 else None,
                act="counted",
                actor="handrail",
                body=f'{{"n":{seq}}}',
                prev=entries[-1].hash if entries else GENESIS,
            )
        )
    return entries


def test_an_empty_chain_is_intact() -> None:
    assert verify_chain([]) == ChainReport(entries=0, head=GENESIS)


def test_an_untouched_chain_is_intact_and_names_its_head() -> None:
    entries = a_chain(5)

    assert verify_chain(entries) == ChainReport(entries=5, head=entries[-1].hash)


@pytest.mark.parametrize(
    "changed",
    [
        {"at": NOW},
        {"incident": "P9"},
        {"act": "approved"},
        {"actor": "somebody else"},
        {"body": "{}"},
        {"hash": "f" * 64},
    ],
)
@pytest.mark.parametrize("seq", [1, 3, 5])
def test_a_tamper_any_changed_column_is_found_at_its_entry(seq: int, changed: dict[str, object]) -> None:
    entries = a_chain(5)
    entries[seq - 1] = entries[seq - 1].model_copy(update=changed)

    report = verify_chain(entries)

    assert (report.first_bad, report.why) == (seq, "its content was changed")
    assert report.head == (entries[seq - 2].hash if seq > 1 else GENESIS)


def test_a_tamper_an_entry_rewritten_with_a_fitting_hash_breaks_the_next_one() -> None:
    entries = a_chain(5)
    fields = {**entries[1].model_dump(exclude={"hash", "seal"}), "actor": "somebody else"}
    entries[1] = chain(**fields)

    report = verify_chain(entries)

    assert (report.first_bad, report.why) == (3, "it does not follow the one before")


@pytest.mark.parametrize("seq", [1, 3])
def test_a_tamper_a_missing_entry_is_named(seq: int) -> None:
    entries = a_chain(5)
    del entries[seq - 1]

    report = verify_chain(entries)

    assert (report.first_bad, report.why) == (seq, f"entry {seq} is missing")


def test_entries_in_another_order_do_not_fit() -> None:
    entries = a_chain(3)
    entries[1], entries[2] = entries[2], entries[1]

    assert verify_chain(entries).first_bad == 2


def test_a_check_in_parts_says_the_same_as_a_check_at_once() -> None:
    entries, check = a_chain(4), ChainCheck()

    assert all(check.take(entry) for entry in entries)
    assert check.report == verify_chain(entries)


def test_a_check_looks_at_nothing_after_the_first_bad_entry() -> None:
    entries, check = a_chain(4), ChainCheck()

    taken = [check.take(entry) for entry in (entries[0], entries[2], entries[1])]

    assert taken == [True, False, False]
    assert check.report.first_bad == 2
