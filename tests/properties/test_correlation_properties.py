"""What must hold for every ranking, whatever the case."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.alert import Alert
from bot.domain.change import ChangeEvent, ChangeKind
from bot.domain.correlation import Case, rank_suspects
from bot.domain.evidence import Evidence
from bot.domain.weights import load_weights
from tests.conftest import examples
from tests.correlation_builders import SHOP, alert, change, instance, pattern, runs, topology, version_row

WEIGHTS = load_weights()
thorough = examples(30, 100)
SERVICES = ("web", "checkout", "payments", "inventory", "ledger", "blog")
TITLES = (
    "5xx rate above 3 %",
    "NoRequestsReceived",
    "memory above 90 %",
    "Users cannot pay since noon",
    "node-1 down",
)

changes = st.builds(
    change,
    st.sampled_from(SERVICES),
    minutes_before=st.integers(-30, 600),
    title=st.sampled_from(
        ("New totals", "Roll back to 1.0", "Update README", "Cut the timeout of cards", "")
    ),
    version=st.sampled_from(("1.0", "v2.0", "3", None)),
    environment=st.sampled_from(("production", "staging")),
    kind=st.sampled_from(ChangeKind),
    diff=st.sampled_from(("", "+timeout = 1")),
)


def unique(found: list[ChangeEvent]) -> tuple[ChangeEvent, ...]:
    """Return *found* under distinct ids."""
    return tuple(entry.model_copy(update={"id": f"d{index}"}) for index, entry in enumerate(found))


@st.composite
def alert_groups(draw: st.DrawFn) -> tuple[Alert, ...]:
    count = draw(st.integers(1, 6))
    return tuple(
        alert(
            draw(st.sampled_from((*SERVICES, "payments-1", "node-1", None))),
            draw(st.sampled_from(TITLES)),
            minutes_later=draw(st.integers(0, 20)),
            alert_id=f"a{index}",
        )
        for index in range(count)
    )


evidence = st.builds(
    Evidence,
    versions=st.lists(
        st.builds(version_row, st.sampled_from(("1.0", "2.0")), success=st.floats(0, 100)), max_size=4
    ).map(tuple),
    patterns=st.lists(
        st.builds(
            pattern, st.sampled_from(("node-1 NotReady", "timeout of cards")), st.sampled_from(SERVICES)
        ),
        max_size=2,
    ).map(tuple),
    hosting=st.sampled_from(
        (
            (),
            (runs("node-1", "payments-1"),),
            (instance("payments", "payments-1"), instance("payments", "payments-2")),
        )
    ),
)
cases = st.builds(
    Case,
    alerts=alert_groups(),
    changes=st.lists(changes, max_size=7).map(unique),
    topology=st.sampled_from((topology(*SHOP), topology())),
    evidence=evidence,
    environment=st.sampled_from((None, "production")),
)


@thorough
@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(case: Case, rng: random.Random) -> None:
    shuffled = replace(
        case,
        alerts=tuple(rng.sample(case.alerts, len(case.alerts))),
        changes=tuple(rng.sample(case.changes, len(case.changes))),
    )

    first, second = rank_suspects(case, WEIGHTS), rank_suspects(shuffled, WEIGHTS)

    assert [suspect.change.id for suspect in first.suspects] == [
        suspect.change.id for suspect in second.suspects
    ]
    assert (first.named, first.outcome) == (second.named, second.outcome)
    assert first.confidence == pytest.approx(second.confidence)


@thorough
@given(cases)
def test_probabilities_are_probabilities(case: Case) -> None:
    ranking = rank_suspects(case, WEIGHTS)
    shares = [suspect.probability for suspect in ranking.suspects]

    assert all(0.0 <= share <= 1.0 for share in shares)
    assert sum(shares) + ranking.nothing.probability == pytest.approx(1.0)
    assert shares == sorted(shares, reverse=True)


@thorough
@given(cases)
def test_what_began_after_the_onset_is_never_a_suspect(case: Case) -> None:
    ranking = rank_suspects(case, WEIGHTS)

    assert all(suspect.change.began_at <= ranking.onset for suspect in ranking.suspects)
    assert ranking.named is None or ranking.named == ranking.suspects[0].change.id


@thorough
@given(cases)
def test_evidence_may_be_missing(case: Case) -> None:
    """Every ranking works on less, with the same suspects."""
    full, bare = rank_suspects(case, WEIGHTS), rank_suspects(replace(case, evidence=Evidence()), WEIGHTS)

    assert {suspect.change.id for suspect in full.suspects} == {
        suspect.change.id for suspect in bare.suspects
    }


@thorough
@given(cases)
def test_an_unrelated_change_raises_nobody_above_anybody(case: Case) -> None:
    """A change of a service nobody knows, without words, leaves the order of the others alone.

    One more change makes every shared word a little rarer, hence the tolerance.
    """
    stranger = change("elsewhere", minutes_before=400, change_id="stranger", title="", version=None)
    before = rank_suspects(case, WEIGHTS)
    after = rank_suspects(replace(case, changes=(*case.changes, stranger)), WEIGHTS)

    others = [suspect for suspect in after.suspects if suspect.change.id != "stranger"]
    scores = {suspect.change.id: suspect.log_odds for suspect in before.suspects}
    for higher, lower in pairwise(others):
        assert scores[higher.change.id] >= scores[lower.change.id] - 0.2
    assert not (before.named is None and after.named == "stranger")


@thorough
@given(cases)
def test_a_ranking_names_only_what_it_suspects_enough(case: Case) -> None:
    ranking = rank_suspects(case, WEIGHTS)

    if ranking.named is not None:
        assert ranking.confidence >= WEIGHTS.decision.threshold
        assert ranking.suspects[0].probability > ranking.nothing.probability
