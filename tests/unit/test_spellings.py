"""Knowing a service by another spelling of its name."""

import pytest

from bot.domain.correlation import rank_suspects
from bot.domain.ids import ServiceName
from bot.domain.spellings import spelled, spelled_in
from bot.domain.weights import load_weights
from tests.correlation_builders import alert, change, shop_case

KNOWN = frozenset(map(ServiceName, ("seat-map", "quote", "fx-rates", "payments-api", "payments-web")))


@pytest.mark.parametrize(
    "other",
    [
        "SeatMap",
        "seatMap",
        "SeatMapService",
        "seat_map",
        "SEAT_MAP",
        "seatmap",
        "svc-seat-map",
        "seat-map-service",
        "seatmapservice",
        "prod-eu-west-1-seat-map",
        "seat-map-us-east-2",
        "prod/seat-map",
        "seat-map.shop.svc.cluster.local",
        "arn:aws:ecs:eu-central-1:123456:service/prod/seat-map",
    ],
)
def test_a_service_is_known_by_what_its_name_comes_down_to(other: str) -> None:
    assert {"seat-map"} == spelled(KNOWN, other)


@pytest.mark.parametrize("other", ["payments", "seat", "map", "prod", "", "eu-west-1"])
def test_a_part_of_a_name_or_none_is_no_spelling_of_it(other: str) -> None:
    assert not spelled(KNOWN, other)


def test_a_spelling_that_could_mean_two_means_none() -> None:
    assert not spelled(frozenset(map(ServiceName, ("quote", "quote-service"))), "QuoteSvc")


def test_spellings_are_found_in_text_but_plain_words_are_not() -> None:
    assert {"seat-map"} == spelled_in(KNOWN, "[FIRING:1] 5xx ratio SeatMapService > 2%")
    assert not spelled_in(KNOWN, "customers ask for a quote and see no rates")


def test_an_alert_that_spells_its_service_in_another_way_is_about_it() -> None:
    asked = shop_case(
        change("seat-map", minutes_before=20),
        change("blog", minutes_before=1),
        alerts=[alert("prod-eu-west-1-SeatMap"), alert(None, "HighLatency on seat_map_service")],
    )

    assert "seat-map@20" == rank_suspects(asked, load_weights()).suspects[0].change.id


def test_a_pod_in_the_text_stands_for_its_service() -> None:
    asked = shop_case(
        change("seat-map", minutes_before=20),
        change("blog", minutes_before=1),
        alerts=[alert(None, "KubePodCrashLooping", details="pod: seat-map-7d9f8b6c5-x2x9z")],
    )

    assert "seat-map@20" == rank_suspects(asked, load_weights()).suspects[0].change.id
