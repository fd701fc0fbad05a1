"""Finding the candidates for an alert among all recorded changes."""

from datetime import timedelta

from bot.domain.change import ChangeEvent
from bot.domain.change_index import ChangeIndex, rings
from bot.domain.ids import ChangeId, ServiceName
from tests.correlation_builders import ONSET, SHOP, change, topology

HOUR = timedelta(hours=1)


def found(index: ChangeIndex, *services: str, most: int = 50, lookback: timedelta = HOUR) -> list[str]:
    around = rings([ServiceName(service) for service in services], topology(*SHOP))
    return [hit.id for hit in index.near(around, ONSET - lookback, ONSET, most=most)]


def test_changes_near_the_alert_are_found_newest_and_nearest_first() -> None:
    index = ChangeIndex(
        [
            change("checkout", minutes_before=9),
            change("ledger", minutes_before=9),
            change("web"),
            change("blog"),
        ]
    )

    assert ["checkout@9", "web@10", "ledger@9", "blog@10"] == found(index, "checkout")


def test_only_the_look_back_is_searched_its_ends_included() -> None:
    index = ChangeIndex([change(minutes_before=minutes) for minutes in (-1, 0, 60, 61)])

    assert ["checkout@0", "checkout@60"] == found(index, "checkout")


def test_the_likeliest_are_kept_when_there_are_too_many() -> None:
    index = ChangeIndex([change(minutes_before=minutes) for minutes in range(1, 20)])

    assert ["checkout@1", "checkout@2"] == found(index, "checkout", most=2)


def test_of_what_has_no_path_the_newest_fill_up() -> None:
    index = ChangeIndex(
        [
            change(minutes_before=300),
            *(change("blog", minutes_before=minutes) for minutes in range(1, 400, 9)),
        ]
    )

    assert ["checkout@300", "blog@1"] == found(index, "checkout", most=2, lookback=8 * HOUR)[:2]


def test_between_gives_every_change_of_the_services_in_order() -> None:
    index = ChangeIndex([change(minutes_before=minutes) for minutes in (5, 3, 70)] + [change("blog")])

    hits = index.between([ServiceName("checkout")], ONSET - HOUR, ONSET)
    assert ["checkout@3", "checkout@5"] == [hit.id for hit in hits]


def test_a_change_is_found_by_every_service_it_reached_and_once() -> None:
    both: ChangeEvent = change("blog").model_copy(
        update={"also_touches": (ServiceName("checkout"), ServiceName("payments"))}
    )

    assert ["blog@10"] == found(ChangeIndex([both]), "checkout")


def test_a_change_reported_again_replaces_the_first() -> None:
    index = ChangeIndex([change("checkout", minutes_before=5, change_id="c")])
    index.add(change("payments", minutes_before=7, change_id="c"))

    hits = index.near([], ONSET - HOUR, ONSET)
    assert [("c", "payments")] == [(hit.id, hit.service) for hit in hits]
    assert len(index) == 1


def test_a_forgotten_change_is_not_found() -> None:
    index = ChangeIndex([change()])
    index.remove(ChangeId("checkout@10"))
    index.remove(ChangeId("unknown"))

    assert ([], 0) == (found(index, "checkout"), len(index))
