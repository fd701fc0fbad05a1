"""Where incidents are shown, as a function of what is known."""

from datetime import timedelta

from bot.domain.grouping import MergeRule
from bot.domain.ids import IncidentId, ServiceName
from bot.domain.merging import Member, MergingRules, Standing, a_member, regroup, since_closing
from bot.domain.topology import Topology
from tests.builders import NOW, an_incident

SHOP = Topology.of([(ServiceName("checkout"), ServiceName("payments"))])
RULES = MergingRules()


def member(name: str, service: str, *, minutes: float = 0, **known: object) -> Member:
    incident = an_incident(name, service=service, title=service, opened_at=NOW + timedelta(minutes=minutes))
    return a_member(incident, NOW).model_copy(update=known)


def an_own(name: str, service: str = "checkout", *, minutes: float = 0, is_open: bool = True) -> Member:
    return member(name, service, minutes=minutes, standing=Standing.OWN, is_open=is_open)


def test_a_service_that_nobody_mapped_goes_by_pagerdutys_id() -> None:
    unmapped = an_incident("P1", service=None)

    assert "PCHECKOUT" == a_member(unmapped, NOW).service
    assert a_member(unmapped.model_copy(update={"pagerduty_service_id": None}), NOW).service is None


def test_the_first_has_a_card_and_the_next_joins_it() -> None:
    new = member("P2", "payments", minutes=1)

    (placed,) = regroup([an_own("P1"), new], new.order, SHOP, RULES)

    assert (Standing.MERGED, "P1", MergeRule.NEAR) == (placed.standing, placed.host, placed.rule)


def test_after_the_silence_it_has_a_card_of_its_own() -> None:
    late = member("P2", "payments", minutes=16)

    (placed,) = regroup([an_own("P1"), late], late.order, SHOP, RULES)

    assert (Standing.OWN, None) == (placed.standing, placed.host)


def test_what_was_resolved_starts_no_group() -> None:
    over, new = an_own("P1", is_open=False), member("P2", "payments", minutes=1)

    (placed,) = regroup([over, new], new.order, SHOP, RULES)

    assert (Standing.OWN, IncidentId("P2")) == (placed.standing, placed.group)


def test_a_card_that_stands_is_not_taken_away() -> None:
    standing, late = an_own("P2", "payments", minutes=1), member("P1", "checkout")

    changed = {one.incident: one for one in regroup([standing, late], late.order, SHOP, RULES)}

    assert (Standing.OWN, None) == (changed[IncidentId("P2")].standing, changed[IncidentId("P2")].host)
    assert (Standing.MERGED, "P2") == (changed[IncidentId("P1")].standing, changed[IncidentId("P1")].host)
    assert "payments is 1 hop from checkout" == changed[IncidentId("P1")].words


def test_one_that_held_nothing_changes_nothing_by_its_end() -> None:
    closed = an_own("P1", is_open=False)

    assert since_closing(closed, [an_own("P9")]) is None
    assert closed.order == since_closing(closed, [member("P2", "payments", minutes=1, host="P1")])
