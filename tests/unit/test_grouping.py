"""One incident per cause: which alerts belong together, and why."""

from collections.abc import Sequence
from datetime import timedelta

from bot.domain.alert import Alert
from bot.domain.grouping import Grouper, GroupingRules, MergeRule, group_stream, neighbours
from bot.domain.ids import ServiceName
from tests.correlation_builders import SHOP, alert, topology

RULES = GroupingRules()


def placed(
    *alerts: Alert, rules: GroupingRules = RULES, edges: Sequence[tuple[str, str]] = SHOP
) -> list[str]:
    """Return the group of each alert, in order."""
    return [merge.group for merge in group_stream(alerts, topology(*edges), rules)]


def test_the_same_alert_again_joins_its_group() -> None:
    merges = group_stream((alert(), alert(minutes_later=9)), topology(), RULES)

    assert [MergeRule.FIRST, MergeRule.SAME_ALERT] == [merge.rule for merge in merges]
    assert "the same alert of checkout" == merges[1].sentence
    assert merges[0].group == merges[1].group


def test_a_neighbour_of_the_first_service_joins_and_says_why() -> None:
    merges = group_stream((alert("checkout"), alert("payments", minutes_later=1)), topology(*SHOP), RULES)

    assert (merges[0].group, MergeRule.NEAR, "payments is 1 hop from checkout") == (
        merges[1].group,
        merges[1].rule,
        merges[1].sentence,
    )


def test_further_away_a_shared_word_must_confirm() -> None:
    first = alert("web", "HighErrorRate")

    assert len(set(placed(first, alert("payments", "HighErrorRate")))) == 1
    assert len(set(placed(first, alert("payments", "BackupJobSlow")))) == 2


def test_groups_do_not_chain_beyond_the_reach_of_the_first_service() -> None:
    """Each next service is near the last one, yet not near the first."""
    chain = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f")]
    groups = placed(*(alert(name, "HighErrorRate") for name in "abcdef"), edges=chain)

    assert groups[0] == groups[3] != groups[4] == groups[5]


def test_text_alone_joins_nothing() -> None:
    assert len(set(placed(alert("checkout"), alert("blog")))) == 2


def test_a_service_outside_the_topology_stands_alone() -> None:
    assert len(set(placed(alert("checkout"), alert("node-3"), alert(None)))) == 3


def test_silence_ends_a_group() -> None:
    assert len(set(placed(alert(), alert(minutes_later=14), alert(minutes_later=30)))) == 2


def test_a_group_ends_after_an_hour_however_busy() -> None:
    alerts = [alert(minutes_later=minute) for minute in range(0, 80, 10)]

    assert [7, 1] == [placed(*alerts).count(group) for group in dict.fromkeys(placed(*alerts))]


def test_a_resolved_group_absorbs_nothing_more() -> None:
    grouper = Grouper(topology(*SHOP), RULES)
    first = grouper.add(alert())
    resolved = grouper.add(alert(minutes_later=5, alert_id="back to normal"), resolved=True)
    again = grouper.add(alert(minutes_later=6))

    assert first.group == resolved.group != again.group


def test_a_group_with_another_alert_still_firing_stays_open() -> None:
    grouper = Grouper(topology(*SHOP), RULES)
    first = grouper.add(alert("checkout"))
    grouper.add(alert("payments", minutes_later=1))
    grouper.add(alert("checkout", minutes_later=5, alert_id="back to normal"), resolved=True)

    assert grouper.add(alert("inventory", minutes_later=6)).group == first.group


def test_a_storm_is_one_group_whatever_it_hits() -> None:
    storm = [alert(f"unknown-{n}", minutes_later=n / 60) for n in range(200)]
    merges = group_stream(storm, topology(), RULES)

    assert MergeRule.STORM is merges[-1].rule
    assert len({merge.group for merge in merges[RULES.storm_alerts :]}) == 1


def test_a_storm_is_over_after_five_quiet_minutes() -> None:
    storm = [alert("checkout", f"m{n}", minutes_later=n / 60) for n in range(30)]

    assert placed(*storm, alert(minutes_later=6))[-1] != placed(*storm)[0]


def test_every_alert_is_placed_and_explained() -> None:
    alerts = [alert(name, minutes_later=n) for n, name in enumerate(("web", "blog", "ledger", "web"))]
    merges = group_stream(alerts, topology(*SHOP), RULES)

    assert [entry.id for entry in alerts] == [merge.alert for merge in merges]
    assert all(merge.sentence for merge in merges)


def test_neighbours_are_counted_in_both_directions() -> None:
    found = neighbours(ServiceName("payments"), topology(*SHOP), hops=2)

    assert {"checkout": 1, "ledger": 1, "web": 2, "inventory": 2} == found


def test_the_rules_are_settings() -> None:
    patient = GroupingRules(idle=timedelta(minutes=40))

    assert len(set(placed(alert(), alert(minutes_later=30), rules=patient))) == 1
