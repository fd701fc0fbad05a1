"""Finding the candidates for an alert among all recorded changes."""

from datetime import timedelta

from bot.domain.change import ChangeEvent
from bot.domain.change_index import ChangeIndex
from bot.domain.ids import ChangeId, ServiceName
from tests.correlation_builders import ONSET, SHOP, change, topology

HOUR = timedelta(hours=1)


def found(index: ChangeIndex, *services: str, most: int = 50, lookback: timedelta = HOUR) -> list[str]:
    names = [ServiceName(service) for service in services]
    hits = index.candidates(names, topology(*SHOP), at=ONSET, lookback=lookback, most=most)
    return [hit.id for hit in hits]


def test_changes_near_the_alert_are_found_newest_and_nearest_first() -> None:
    index = ChangeIndex(
        [
            change("checkout", minutes_before=9),
            change("ledger", minutes_before=9),
            change("web"),
            change("blog"),
        ]
    )

    assert ["checkout@9", "web@10", "ledger@9"] == found(index, "checkout")


def test_only_the_look_back_is_searched_its_ends_included() -> None:
    index = ChangeIndex([change(minutes_before=minutes) for minutes in (-1, 0, 60, 61)])

    assert ["checkout@0", "checkout@60"] == found(index, "checkout")


def test_the_likeliest_are_kept_when_there_are_too_many() -> None:
    index = ChangeIndex([change(minutes_before=minutes) for minutes in range(1, 20)])

    assert ["checkout@1", "checkout@2"] == found(index, "checkout", most=2)


def test_a_change_is_found_by_every_service_it_reached_and_once() -> None:
    both: ChangeEvent = change("blog").model_copy(
        update={"also_touches": (ServiceName("checkout"), ServiceName("payments"))}
    )

    assert ["blog@10"] == found(ChangeIndex([both]), "checkout")


def test_a_change_reported_again_replaces_the_first() -> None:
    index = ChangeIndex([change("checkout", minutes_before=5, change_id="c")])
    index.add(change("payments", minutes_before=7, change_id="c"))

    hits = index.candidates([ServiceName("checkout")], topology(*SHOP), at=ONSET, lookback=HOUR)
    assert [("c", "payments")] == [(hit.id, hit.service) for hit in hits]
    assert len(index) == 1


def test_a_forgotten_change_is_not_found() -> None:
    index = ChangeIndex([change()])
    index.remove(ChangeId("checkout@10"))
    index.remove(ChangeId("unknown"))

    assert ([], 0) == (found(index, "checkout"), len(index))
