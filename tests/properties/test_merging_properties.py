"""Whatever the order in which webhooks come, and however often: the same groups, and nothing is dropped."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from adapters.store.opening import open_memory_store
from bot.domain.ids import IncidentId, ServiceName
from bot.domain.incident import Incident
from bot.domain.merging import Member, MergingRules, Standing
from bot.domain.topology import Topology
from tests.builders import NOW, ManualTime, an_incident
from tests.conftest import examples

CHAIN = Topology.of([(ServiceName(a), ServiceName(b)) for a, b in ("ab", "bc", "cd", "de", "bf")])
RULES = MergingRules(storm_incidents=10_000)


@dataclass(frozen=True)
class Webhook:
    """A trigger, or a resolve of what may not have been heard of yet."""

    incident: Incident
    is_resolve: bool


def pages(drawn: Sequence[tuple[str, int, str]]) -> list[Incident]:
    return [
        an_incident(f"P{number}", service=service, title=title, opened_at=NOW + timedelta(minutes=minute))
        for number, (service, minute, title) in enumerate(drawn)
    ]


incidents = st.lists(
    st.tuples(
        st.sampled_from("abcdefg"), st.integers(0, 50), st.sampled_from(["HighErrorRate", "SlowBackup"])
    ),
    min_size=1,
    max_size=9,
).map(pages)


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[Webhook], list[Webhook]]:
    """Return webhooks as they were sent, and again in another order, some of them twice."""
    opened = draw(incidents)
    resolved = draw(st.sets(st.sampled_from([one.id for one in opened]), max_size=4))
    sent = [Webhook(one, False) for one in sorted(opened, key=lambda one: (one.opened_at, one.id))]
    sent += [Webhook(one, True) for one in opened if one.id in resolved]
    twice = draw(st.lists(st.sampled_from(sent), max_size=5))
    return sent, draw(st.permutations([*sent, *twice]))


async def after(webhooks: Sequence[Webhook]) -> dict[IncidentId, Member]:
    """Return where the open incidents are after *webhooks*, handled as the bot handles them."""
    store = open_memory_store(redact=lambda text: text, store_time=ManualTime())
    over: set[IncidentId] = set()
    known: set[IncidentId] = set()
    for webhook in webhooks:
        name = webhook.incident.id
        if webhook.is_resolve:
            over.add(name)
            await store.groups.close(webhook.incident, CHAIN, RULES)
        elif name not in over:  # What was over before it was heard of is never placed.
            await store.groups.place(webhook.incident, CHAIN, RULES, channel="C0")
            known.add(name)
    found = {name: await store.groups.get(name) for name in known - over}
    return {name: member for name, member in found.items() if member is not None}


@examples(50, 200)
@given(orders())
def test_any_order_and_repetition_ends_in_the_same_groups(
    orders: tuple[list[Webhook], list[Webhook]],
) -> None:
    sent, received = orders

    in_order, otherwise = asyncio.run(after(sent)), asyncio.run(after(received))

    assert {name: member.group for name, member in in_order.items()} == {
        name: member.group for name, member in otherwise.items()
    }


@examples(50, 200)
@given(orders())
def test_every_open_incident_is_shown_by_exactly_one_card_that_is_open(
    orders: tuple[list[Webhook], list[Webhook]],
) -> None:
    _, received = orders
    triggered = {one.incident.id for one in received if not one.is_resolve}
    over = {one.incident.id for one in received if one.is_resolve}

    found = asyncio.run(after(received))

    assert triggered - over == found.keys()
    for member in found.values():
        if member.standing is Standing.MERGED:
            host = found[IncidentId(member.host or "")]
            assert (Standing.OWN, member.group) == (host.standing, host.group)
            assert member.words != ""
        else:
            assert (Standing.OWN, None) == (member.standing, member.host)
