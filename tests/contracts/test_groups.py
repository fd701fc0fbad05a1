"""What every store promises of grouping: one decision, written down once, undone by people, and durable."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from bot.domain.errors import NotFound, Refused
from bot.domain.grouping import MergeRule
from bot.domain.ids import IncidentId, ServiceName, SlackUserId
from bot.domain.incident import Incident, IncidentStatus
from bot.domain.merging import Member, MergeAct, MergingRules, Placing, Standing
from bot.domain.topology import Topology
from tests.builders import CARD, NOW, an_incident
from tests.contracts.stores import Bench

SHOP = Topology.of(
    [(ServiceName("checkout"), ServiceName("payments")), (ServiceName("web"), ServiceName("checkout"))]
)
RULES = MergingRules(storm_incidents=1000)
STORMY = MergingRules(storm_incidents=2)
ALICE = SlackUserId("U0ALICE")
ROOM = "C0INCIDENTS"


def page(name: str, service: str | None = "checkout", *, minutes: float = 0) -> Incident:
    return an_incident(name, service=service, title=str(service), opened_at=NOW + timedelta(minutes=minutes))


def over(name: str) -> Incident:
    return an_incident(name, status=IncidentStatus.RESOLVED)


CHECKOUT, PAYMENTS, WEB = page("P1"), page("P2", "payments", minutes=2), page("P3", "web", minutes=3)


async def place(bench: Bench, *incidents: Incident, rules: MergingRules = RULES) -> list[Placing]:
    return [await bench.store.groups.place(one, SHOP, rules, channel=ROOM) for one in incidents]


async def standing(bench: Bench) -> dict[str, tuple[Standing, str | None]]:
    found: dict[str, tuple[Standing, str | None]] = {}
    for name in await bench.store.groups.standings():
        member = await bench.store.groups.get(name)
        assert member is not None
        found[name] = (member.standing, member.host)
    return found


async def told(bench: Bench) -> list[tuple[str, MergeAct, str, str, str | None]]:
    """Return the ledger in order."""
    ledger = await bench.store.groups.ledger(100)
    return [(one.incident, one.act, one.host, one.words, one.by) for one in reversed(ledger)]


async def test_an_incident_near_the_first_joins_its_card_and_the_record_says_why(bench: Bench) -> None:
    first, second = await place(bench, CHECKOUT, PAYMENTS)

    assert (Standing.OWN, None) == (first.member.standing, first.member.host) if first.member else None
    assert second == Placing(
        member=Member(
            incident=IncidentId("P2"),
            service=ServiceName("payments"),
            title="payments",
            opened_at=PAYMENTS.opened_at,
            heard_at=NOW,
            standing=Standing.MERGED,
            group=IncidentId("P1"),
            host="P1",
            rule=MergeRule.NEAR,
            words="payments is 1 hop from checkout",
        ),
        touched=(IncidentId("P1"),),
    )
    assert [("P2", MergeAct.MERGED, "P1", "payments is 1 hop from checkout", None)] == await told(bench)
    assert ["merged"] == await bench.acts()
    assert (second.member,) == (await bench.store.groups.company(IncidentId("P1"))).merged
    assert await bench.last_body() == {
        "host": "P1",
        "rule": "near",
        "user": None,
        "words": "payments is 1 hop from checkout",
    }


async def test_an_incident_that_belongs_nowhere_has_a_card_of_its_own(bench: Bench) -> None:
    await place(bench, CHECKOUT, page("P9", "blog"))

    assert {"P1": (Standing.OWN, None), "P9": (Standing.OWN, None)} == await standing(bench)
    assert [] == await told(bench)


async def test_asked_again_the_answer_is_the_same_from_anybody(bench: Bench) -> None:
    await place(bench, CHECKOUT, PAYMENTS)
    other = bench.another()

    again = await asyncio.gather(
        *(store.groups.place(PAYMENTS, SHOP, RULES, channel=ROOM) for store in (bench.store, other) * 3)
    )

    assert {"P1"} == {placing.member.host for placing in again if placing.member}
    assert 1 == len(await told(bench))


async def test_two_bots_that_hear_of_all_at_once_agree(bench: Bench) -> None:
    other = bench.another()
    everything: Sequence[Incident] = (CHECKOUT, PAYMENTS, WEB)

    await asyncio.gather(
        *(s.groups.place(one, SHOP, RULES, channel=ROOM) for one in everything for s in (bench.store, other))
    )

    found = await standing(bench)
    assert 1 == [where for where, _ in found.values()].count(Standing.OWN)
    assert {"P1"} == {m.group for name in found if (m := await other.groups.get(IncidentId(name)))}


async def test_one_that_was_opened_first_and_heard_of_late_takes_no_card_away(bench: Bench) -> None:
    late = (await place(bench, PAYMENTS, CHECKOUT))[1].member

    assert late is not None
    assert (Standing.MERGED, "P2") == (late.standing, late.host)
    assert "payments is 1 hop from checkout" == late.words
    assert (Standing.OWN, None) == (await standing(bench))["P2"]


async def test_a_late_one_takes_back_what_never_belonged_together(bench: Bench) -> None:
    """With `a` known, `b` belongs to it, and `c` is too far from it."""
    far = Topology.of([(ServiceName(a), ServiceName(b)) for a, b in (("a", "b"), ("b", "c"))])
    b, c = page("PB", "b", minutes=1), page("PC", "c", minutes=2)
    a = page("PA", "a")
    for one in (b, c):
        await bench.store.groups.place(one, far, RULES, channel=ROOM)
    assert (Standing.MERGED, "PB") == (await standing(bench))["PC"]

    placing = await bench.store.groups.place(a, far, RULES, channel=ROOM)

    assert (IncidentId("PC"),) == placing.released
    assert {
        "PA": (Standing.MERGED, "PB"),
        "PB": (Standing.OWN, None),
        "PC": (Standing.OWN, None),
    } == await standing(bench)


async def test_when_the_first_is_resolved_the_next_goes_on_with_the_others(bench: Bench) -> None:
    await place(bench, page("P0", "checkout"), page("P1", "checkout", minutes=1), page("P2", minutes=2))

    closed = await bench.store.groups.close(over("P0"), SHOP, RULES)

    assert (IncidentId("P1"),) == closed.released
    assert {"P1": (Standing.OWN, None), "P2": (Standing.MERGED, "P1")} == await standing(bench)
    assert ("P1", MergeAct.RELEASED, "P0", "P0 was resolved", None) in await told(bench)


async def test_a_resolved_incident_takes_nothing_more(bench: Bench) -> None:
    await place(bench, CHECKOUT)
    await bench.store.groups.close(over("P1"), SHOP, RULES)

    await place(bench, PAYMENTS)

    assert {"P2": (Standing.OWN, None)} == await standing(bench)


async def test_a_merged_one_that_is_resolved_stays_in_its_line(bench: Bench) -> None:
    await place(bench, CHECKOUT, PAYMENTS)

    closed = await bench.store.groups.close(over("P2"), SHOP, RULES)

    assert (IncidentId("P1"),) == closed.touched
    assert [False] == [m.is_open for m in (await bench.store.groups.company(IncidentId("P1"))).merged]
    assert Placing(member=closed.member) == await bench.store.groups.close(over("P2"), SHOP, RULES)


async def test_a_merged_one_that_is_reopened_joins_again_while_the_first_is_open(bench: Bench) -> None:
    await place(bench, CHECKOUT, PAYMENTS)
    await bench.store.groups.close(over("P2"), SHOP, RULES)

    await place(bench, PAYMENTS)

    assert (Standing.MERGED, "P1") == (await standing(bench))["P2"]


async def test_a_person_takes_one_out_for_good(bench: Bench) -> None:
    await place(bench, CHECKOUT, PAYMENTS)

    split = await bench.store.groups.split(IncidentId("P2"), ALICE, "Alice")
    twice = await bench.store.groups.split(IncidentId("P2"), ALICE, "Alice")
    await bench.store.groups.close(over("P2"), SHOP, RULES)
    await place(bench, PAYMENTS)

    assert ((IncidentId("P2"),), (IncidentId("P1"),)) == (split.released, split.touched)
    assert Placing(member=split.member) == twice
    assert (Standing.SPLIT, None) == (await standing(bench))["P2"]
    assert ("P2", MergeAct.SPLIT, "P1", "it was there because payments is 1 hop from checkout", ALICE) == (
        await told(bench)
    )[-1]
    assert () == (await bench.store.groups.company(IncidentId("P1"))).merged


async def test_one_with_a_card_of_its_own_cannot_be_taken_out(bench: Bench) -> None:
    await place(bench, CHECKOUT)

    with pytest.raises(Refused, match="card of its own"):
        await bench.store.groups.split(IncidentId("P1"), ALICE, "Alice")
    with pytest.raises(NotFound, match="PNONE"):
        await bench.store.groups.split(IncidentId("PNONE"), ALICE, "Alice")


async def test_a_card_that_stands_from_before_keeps_standing(bench: Bench) -> None:
    await place(bench, CHECKOUT)
    await bench.store.incidents.see(PAYMENTS)
    await bench.store.incidents.set_card(IncidentId("P2"), CARD)

    await place(bench, PAYMENTS)

    assert (Standing.OWN, None) == (await standing(bench))["P2"]


async def test_beyond_so_many_a_minute_the_next_share_a_storm(bench: Bench) -> None:
    pages = [page(f"P{number}", f"service-{number}") for number in range(5)]
    await place(bench, *pages, rules=STORMY)

    (storm,) = await bench.store.groups.storms_to_show(2)
    assert [Standing.OWN] * 2 + [Standing.MUTED] * 3 == [
        one for _, (one, _) in sorted((await standing(bench)).items())
    ]
    assert (3, 3, ["P4", "P3"]) == (storm.open, storm.all, [one.incident for one in storm.newest])
    assert {MergeAct.MUTED: 3} == {MergeAct.MUTED: len(await told(bench))}


async def test_a_storm_card_is_shown_until_it_says_what_is(bench: Bench) -> None:
    await place(bench, *(page(f"P{number}", f"service-{number}") for number in range(4)), rules=STORMY)
    (view,) = await bench.store.groups.storms_to_show(9)
    shown = view.storm.model_copy(update={"ts": "1.1", "list_ts": "1.2", "shown": view.told})

    await bench.store.groups.storm_shown(shown)
    assert [] == await bench.store.groups.storms_to_show(9)

    await bench.store.groups.close(over("P3"), SHOP, STORMY)
    (again,) = await bench.store.groups.storms_to_show(9)
    assert ("1.1", "1.2", 1, 2) == (again.storm.ts, again.storm.list_ts, again.open, again.all)
    with pytest.raises(NotFound):
        await bench.store.groups.storm_shown(shown.model_copy(update={"id": "storm-of-nobody"}))


async def test_after_the_storm_incidents_have_cards_again_and_the_next_storm_its_own(bench: Bench) -> None:
    await place(bench, *(page(f"P{number}", f"service-{number}") for number in range(3)), rules=STORMY)
    bench.time.advance(timedelta(minutes=6))
    await place(bench, *(page(f"Q{number}", f"other-{number}") for number in range(3)), rules=STORMY)

    storms = await bench.store.groups.storms_to_show(9)
    assert [["P2"], ["Q2"]] == [[one.incident for one in storm.newest] for storm in storms]
    assert (Standing.OWN, None) == (await standing(bench))["Q0"]


async def test_a_muted_one_is_taken_out_and_goes_on_by_itself(bench: Bench) -> None:
    await place(bench, *(page(f"P{number}", f"service-{number}") for number in range(3)), rules=STORMY)

    split = await bench.store.groups.split(IncidentId("P2"), ALICE, "Alice")

    assert ((IncidentId("P2"),), ()) == (split.released, split.touched)
    last = (await bench.store.groups.company(IncidentId("P2"))).last
    assert last is not None
    assert (MergeAct.SPLIT, ALICE, "Alice") == (last.act, last.by, last.name)


async def test_what_the_thread_was_told_is_not_told_again(bench: Bench) -> None:
    await place(bench, CHECKOUT, PAYMENTS)
    assert ["P2"] == [one.incident for one in await bench.store.groups.untold()]

    await bench.store.groups.tell(IncidentId("P2"))

    assert [] == await bench.store.groups.untold()


async def test_the_audit_stands_over_all_of_it(bench: Bench) -> None:
    await place(bench, CHECKOUT, PAYMENTS, WEB)
    await bench.store.groups.split(IncidentId("P3"), ALICE, "Alice")
    await bench.store.groups.close(over("P1"), SHOP, RULES)

    assert ["merged", "merged", "split", "released"] == await bench.acts()
    assert (await bench.store.audit.verify()).is_intact
