"""The call graph: who reaches whom in how many calls."""

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.ids import ServiceName
from bot.domain.topology import MAX_HOPS, Topology

names = st.sampled_from([ServiceName(name) for name in "abcdef"])


def a_graph(*edges: str) -> Topology:
    return Topology.of((ServiceName(edge[0]), ServiceName(edge[1])) for edge in edges)


def test_the_least_number_of_calls_counts() -> None:
    graph = a_graph("ab", "bc", "cd", "ac", "de")

    assert {"b": 1, "c": 1, "d": 2, "e": 3} == graph.dependencies_of(ServiceName("a"))
    assert {"d": 1, "c": 2, "a": 3, "b": 3} == graph.dependents_of(ServiceName("e"))


def test_a_walk_ends_after_the_hops_and_in_circles() -> None:
    graph = a_graph("ab", "bc", "ca", "aa")

    assert {"b": 1, "c": 2} == graph.dependencies_of(ServiceName("a"))
    assert {"b": 1} == graph.dependencies_of(ServiceName("a"), hops=1)
    assert {} == graph.dependencies_of(ServiceName("zz"))
    assert {} == Topology().dependents_of(ServiceName("a"))


@given(st.lists(st.tuples(names, names)), names, names)
def test_both_directions_agree(
    edges: list[tuple[ServiceName, ServiceName]], a: ServiceName, b: ServiceName
) -> None:
    graph = Topology.of(edges)
    down, up = graph.dependencies_of(a), graph.dependents_of(b)

    assert down.get(b) == up.get(a)
    assert a not in down
    assert all(1 <= hops <= MAX_HOPS for hops in down.values())
