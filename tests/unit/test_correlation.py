"""Which change did it, or none."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.alert import Alert
from bot.domain.change import ChangeKind, RolloutStep
from bot.domain.correlation import Outcome, Ranking, Suspect, rank_suspects
from bot.domain.evidence import ChangeRecord, Coverage, Evidence, Rival, RivalKind
from bot.domain.ids import ServiceName
from bot.domain.weights import WeightName, Weights, load_weights, parse_weights
from tests.correlation_builders import (
    ONSET,
    alert,
    before_onset,
    change,
    instance,
    pattern,
    runs,
    shop_case,
    version_row,
)

WEIGHTS = load_weights()


def ids(ranking: Ranking) -> list[str]:
    return [suspect.change.id for suspect in ranking.suspects]


def sentence(suspect: Suspect, name: WeightName) -> str:
    return next(term.sentence for term in suspect.terms if term.name == name)


def test_a_change_of_the_alerting_service_just_before_the_onset_is_named() -> None:
    ranking = rank_suspects(shop_case(change(minutes_before=2, change_id="guilty")), WEIGHTS)

    assert (Outcome.CHANGE_SUSPECTED, "guilty") == (ranking.outcome, ranking.named)
    assert ranking.confidence > 0.7
    assert sentence(ranking.suspects[0], WeightName.ELAPSED) == "finished 2 min before the first symptom"
    assert sentence(ranking.suspects[0], WeightName.SAME_SERVICE) == "changed checkout, which alerts"


def test_terms_add_up_to_the_score() -> None:
    suspect = rank_suspects(
        shop_case(change(title="Cut the request timeout", files=["a.py"])), WEIGHTS
    ).suspects[0]

    assert suspect.log_odds == pytest.approx(sum(term.log_odds for term in suspect.terms))


def test_without_any_change_nothing_is_suspected() -> None:
    ranking = rank_suspects(shop_case(), WEIGHTS)

    assert (Outcome.NOTHING_SUSPECTED, None, 0.0, ()) == (
        ranking.outcome,
        ranking.named,
        ranking.confidence,
        ranking.suspects,
    )
    assert ranking.nothing.probability == 1.0


def test_a_change_after_the_onset_is_no_suspect_but_a_fix_is_shown_as_one() -> None:
    ranking = rank_suspects(
        shop_case(
            change(minutes_before=-5, change_id="later"),
            change(minutes_before=-9, change_id="undo", title="Roll back to 1.9", version="1.9"),
        ),
        WEIGHTS,
    )

    assert ([], ["undo"]) == (ids(ranking), [fix.id for fix in ranking.mitigations])


def test_a_dependency_that_changed_is_named_with_its_distance() -> None:
    ranking = rank_suspects(shop_case(change("payments", minutes_before=3)), WEIGHTS)

    assert (
        sentence(ranking.suspects[0], WeightName.DEPENDENCY_1)
        == "checkout calls payments (1 hop), which changed"
    )


def test_nearer_in_the_call_graph_ranks_higher() -> None:
    ranking = rank_suspects(
        shop_case(
            change("ledger"),
            change("payments"),
            change("checkout"),
            change("blog"),
            change("web"),
            alerts=[alert()],
        ),
        WEIGHTS,
    )

    assert ["checkout@10", "payments@10", "ledger@10", "web@10", "blog@10"] == ids(ranking)


def test_the_service_where_the_trouble_starts_ranks_above_its_callers() -> None:
    alerts = [alert("web"), alert("checkout", minutes_later=1), alert("payments", minutes_later=2)]
    ranking = rank_suspects(
        shop_case(change("web", minutes_before=3), change("payments", minutes_before=9), alerts=alerts),
        WEIGHTS,
    )

    assert ["payments@9", "web@3"] == ids(ranking)
    assert sentence(ranking.suspects[1], WeightName.ORIGIN_MISSED) == (
        "does not explain payments, where the trouble starts"
    )


def test_a_dependency_shared_by_all_alerting_services_is_said() -> None:
    alerts = [alert("checkout"), alert("payments"), alert("web")]
    suspect = rank_suspects(shop_case(change("ledger"), alerts=alerts), WEIGHTS).suspects[0]

    assert sentence(suspect, WeightName.SHARED_DEPENDENCY) == "all 3 alerting services depend on it"


def test_silence_is_explained_by_the_caller_that_fell_silent() -> None:
    """No requests reach inventory because checkout, which calls it, is broken."""
    alerts = [alert("checkout"), alert("inventory", "NoRequestsReceived")]
    ranking = rank_suspects(shop_case(change("inventory"), change("checkout"), alerts=alerts), WEIGHTS)

    assert ids(ranking)[0] == "checkout@10"


def test_the_version_that_alone_fails_outweighs_a_newer_change() -> None:
    rows = (version_row("1.9"), version_row("2.0", success=71.0, usual=None))
    ranking = rank_suspects(
        shop_case(
            change("payments", minutes_before=40, change_id="guilty"),
            change("checkout", minutes_before=1, change_id="newest"),
            evidence=Evidence(versions=rows),
        ),
        WEIGHTS,
    )

    assert (["guilty", "newest"], "guilty") == (ids(ranking), ranking.named)
    assert sentence(ranking.suspects[0], WeightName.VERSION_WORSE) == (
        "version 2.0 shows 71.0 % success, 40 ms, 1.9 99.9 % success, 40 ms"
    )


def test_a_version_as_bad_as_the_one_before_is_cleared() -> None:
    rows = (version_row("1.9", success=70.0, latency=900), version_row("2.0", success=71.0, latency=910))
    ranking = rank_suspects(
        shop_case(change("payments", minutes_before=2), evidence=Evidence(versions=rows)), WEIGHTS
    )

    assert (Outcome.NOTHING_SUSPECTED, None) == (ranking.outcome, ranking.named)


def test_a_failing_version_that_no_known_change_brought_speaks_for_nothing() -> None:
    rows = (version_row("1.9"), version_row("9.9", success=50.0))
    ranking = rank_suspects(
        shop_case(change("checkout", minutes_before=2), evidence=Evidence(versions=rows)), WEIGHTS
    )

    assert ranking.named is None
    assert "payments 9.9 does worse than 1.9, brought by no known change" in [
        term.sentence for term in ranking.nothing.terms
    ]


def test_a_slower_version_counts_even_when_all_calls_succeed() -> None:
    rows = (version_row("1.9"), version_row("2.0", latency=400, usual=None))
    suspect = rank_suspects(
        shop_case(change("payments"), evidence=Evidence(versions=rows)), WEIGHTS
    ).suspects[0]

    assert WeightName.VERSION_WORSE in [term.name for term in suspect.terms]


def test_words_of_the_diff_that_an_error_names_count() -> None:
    ranking = rank_suspects(
        shop_case(
            change(
                minutes_before=12,
                change_id="totals",
                files=["checkout/totals.py"],
                diff="+quantize(HALF_EVEN)",
            ),
            change(minutes_before=4, change_id="footer", title="Change the footer"),
            evidence=Evidence(patterns=(pattern("AssertionError in totals.py: quantize"),)),
        ),
        WEIGHTS,
    )

    assert ids(ranking) == ["totals", "footer"]
    assert "its files or diff share “quantize” with the symptoms" == sentence(
        ranking.suspects[0], WeightName.CODE
    )


def test_a_rolled_back_change_is_cleared_and_its_rollback_hardly_suspected() -> None:
    ranking = rank_suspects(
        shop_case(
            change(minutes_before=60, change_id="first", version="2.0"),
            change(minutes_before=30, change_id="undo", title="Roll back: new totals", version="1.9"),
            change("payments", minutes_before=30, change_id="other"),
        ),
        WEIGHTS,
    )

    assert ids(ranking)[0] == "other"
    undone = next(suspect for suspect in ranking.suspects if suspect.change.id == "first")
    assert sentence(undone, WeightName.UNDONE) == "was rolled back 30 min before the first symptom"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("production", "went to staging, the alerts are of production"),
        (None, "went to staging, which no alert names"),
    ],
)
def test_dep_wrong_service_a_change_elsewhere_does_not_count(environment: str | None, expected: str) -> None:
    ranking = rank_suspects(
        shop_case(change(minutes_before=2, environment="staging"), environment=environment), WEIGHTS
    )

    assert ranking.named is None
    assert sentence(ranking.suspects[0], WeightName.OTHER_ENVIRONMENT) == expected


def test_a_change_still_rolling_out_is_a_suspect() -> None:
    ranking = rank_suspects(shop_case(change(minutes_before=-3, took_minutes=8)), WEIGHTS)

    assert sentence(ranking.suspects[0], WeightName.ROLLING_OUT) == "was rolling out at the first symptom"


def test_a_leak_lets_an_older_change_stand() -> None:
    hours_old = shop_case(change(minutes_before=180), alerts=[alert(title="memory of pods above 90 %")])
    same_for_errors = shop_case(change(minutes_before=180))

    assert rank_suspects(hours_old, WEIGHTS).confidence > rank_suspects(same_for_errors, WEIGHTS).confidence


def test_a_flag_and_a_commit_may_be_the_culprit() -> None:
    ranking = rank_suspects(
        shop_case(
            change(minutes_before=30, change_id="deploy", title="Log request ids"),
            change(
                minutes_before=4, change_id="flag", kind=ChangeKind.FLAG, title="flag ledger_sync: off->on"
            ),
            change(
                minutes_before=5, change_id="typo", kind=ChangeKind.COMMIT, files=["README.md"], title="Typo"
            ),
            evidence=Evidence(patterns=(pattern("ledger_sync waited 5000 ms"),)),
        ),
        WEIGHTS,
    )

    assert "flag" == ranking.named


def test_two_equal_suspects_are_not_told_apart() -> None:
    ranking = rank_suspects(
        shop_case(change(minutes_before=3, change_id="a"), change(minutes_before=3, change_id="b")), WEIGHTS
    )

    assert (Outcome.CANNOT_SEPARATE, None) == (ranking.outcome, ranking.named)


@pytest.mark.parametrize(
    "signal",
    [
        alert("checkout", "certificate has expired"),
        alert("checkout", "payment provider outage, see their status page"),
        alert("checkout", "traffic spike: 9x requests"),
        alert("checkout", "NodeCPUHighUsage, node down"),
    ],
)
def test_a_cause_named_by_the_alert_itself_speaks_for_nothing(signal: Alert) -> None:
    with_signal = shop_case(change(minutes_before=45), alerts=[signal])

    assert rank_suspects(with_signal, WEIGHTS).named is None


def test_a_reported_rival_speaks_for_nothing() -> None:
    evidence = Evidence(rivals=(Rival(kind=RivalKind.PROVIDER_OUTAGE, summary="cards down"),))
    ranking = rank_suspects(shop_case(change(minutes_before=9), evidence=evidence), WEIGHTS)

    assert ranking.named is None
    assert "provider outage reported: cards down" in [term.sentence for term in ranking.nothing.terms]


def test_a_broken_host_that_runs_what_alerts_clears_the_changes() -> None:
    evidence = Evidence(
        hosting=(runs("node-3", "payments-1"), runs("node-3", "checkout-2"), runs("node-1", "payments-2")),
        patterns=(pattern("node-3 NotReady", None, count=1),),
    )
    ranking = rank_suspects(shop_case(change(minutes_before=6), evidence=evidence), WEIGHTS)

    assert ranking.named is None
    assert "node-3 is reported broken and runs checkout" in [term.sentence for term in ranking.nothing.terms]


def test_one_instance_of_many_speaks_against_a_finished_change() -> None:
    hosting = tuple(instance("checkout", f"checkout-{n}") for n in range(4))
    one = shop_case(change(), alerts=[alert("checkout-1")], evidence=Evidence(hosting=hosting))
    every = shop_case(
        change(), alerts=[alert(f"checkout-{n}") for n in range(4)], evidence=Evidence(hosting=hosting)
    )

    assert rank_suspects(one, WEIGHTS).confidence < rank_suspects(every, WEIGHTS).confidence


def test_one_instance_is_what_a_canary_looks_like() -> None:
    hosting = tuple(instance("checkout", f"checkout-{n}") for n in range(4))
    step = RolloutStep(started_at=before_onset(9), old_instances=3, new_instances=1)
    ranking = rank_suspects(
        shop_case(change(rollout=[step]), alerts=[alert("checkout-1")], evidence=Evidence(hosting=hosting)),
        WEIGHTS,
    )

    assert WeightName.PARTIAL_INSTANCES not in [term.name for term in ranking.suspects[0].terms]


def test_a_bad_record_of_the_service_raises_its_change() -> None:
    def score(failures: int) -> float:
        record = ChangeRecord(service=ServiceName("checkout"), changes=20, failures=failures)
        return (
            rank_suspects(shop_case(change(), evidence=Evidence(history=(record,))), WEIGHTS)
            .suspects[0]
            .log_odds
        )

    assert score(failures=10) > score(failures=0)


def test_unreachable_sources_cap_the_confidence() -> None:
    coverage = Coverage(answered=("ledger",), unreachable=("prometheus", "loki"))
    ranking = rank_suspects(
        shop_case(change(minutes_before=1), evidence=Evidence(coverage=coverage)), WEIGHTS
    )

    assert ranking.confidence == pytest.approx(1 / 3)
    assert (None, coverage) == (ranking.named, ranking.coverage)


def test_a_persons_sentence_without_a_service_is_matched_by_its_words() -> None:
    ranking = rank_suspects(
        shop_case(
            change("web", minutes_before=3, title="Bump react"),
            change("notifications", minutes_before=50, title="Send mail through the new SMTP relay"),
            change("search", minutes_before=9, title="Tune boosts"),
            alerts=[alert(None, "Customers say that password reset mails never arrive")],
            edges=(),
        ),
        WEIGHTS,
    )

    assert ids(ranking)[0] == "notifications@50"


def test_of_many_changes_only_the_likeliest_fifty_by_time_place_and_risk_are_suspects() -> None:
    near = change(minutes_before=40)
    many = [change(f"s{n}", minutes_before=5 + n) for n in range(70)]
    going_back = change("s99", title="Roll back to 41", minutes_before=1)

    found = {s.change.id for s in rank_suspects(shop_case(near, going_back, *many), WEIGHTS).suspects}
    assert found == {near.id, *(late.id for late in many[:49])}


def test_what_an_observation_names_is_a_suspect_however_far_it_is() -> None:
    told = change("s999", minutes_before=50)
    many = [change(f"s{n}", minutes_before=5) for n in range(70)]
    evidence = Evidence(patterns=(pattern("boom", "s999"),))

    ranking = rank_suspects(replace(shop_case(told, *many), evidence=evidence), WEIGHTS)
    assert told.id in {suspect.change.id for suspect in ranking.suspects}


def test_where_no_alert_has_a_service_two_hundred_are_suspects() -> None:
    many = [change(f"s{n}", minutes_before=5 + n) for n in range(230)]
    told = alert(None, title="customers cannot pay by card since this morning")

    assert 200 == len(rank_suspects(shop_case(*many, alerts=[told]), WEIGHTS).suspects)


def test_a_weights_file_without_a_weight_is_refused() -> None:
    text = WEIGHTS.model_dump_json().replace('"same_service"', '"some_service"')

    with pytest.raises(ValueError, match="same_service"):
        parse_weights(text)


def test_every_shipped_weight_says_where_it_comes_from() -> None:
    assert set(WeightName) == set(WEIGHTS.weights)
    assert all(weight.source for weight in WEIGHTS.weights.values())
    assert isinstance(WEIGHTS, Weights)


def test_the_onset_is_reported() -> None:
    late = alert(minutes_later=4)

    assert ONSET + timedelta(minutes=4) == rank_suspects(shop_case(alerts=[late]), WEIGHTS).onset


def test_a_caller_that_passes_errors_on_is_blamed_less_than_the_callee_that_has_them() -> None:
    evidence = Evidence(patterns=(pattern("boom", "checkout"), pattern("TypeError in total", "payments")))
    asked = shop_case(change("checkout"), change("payments"))

    first, second = rank_suspects(replace(asked, evidence=evidence), WEIGHTS).suspects
    shares: dict[str, float] = {
        suspect.change.service: next(t.log_odds for t in suspect.terms if t.name == WeightName.NOVEL_ERRORS)
        for suspect in (first, second)
    }
    assert shares["payments"] > 3 * shares["checkout"] > 0


def test_new_errors_at_a_service_that_nobody_changed_speak_against_every_change() -> None:
    evidence = Evidence(patterns=(pattern("disk full", "ledger"),))
    asked = shop_case(change("inventory", minutes_before=1), change("ledger", minutes_before=-5))

    ranking = rank_suspects(replace(asked, evidence=evidence), WEIGHTS)
    said = {term.name: term.sentence for term in ranking.nothing.terms}
    assert "new errors at ledger, which nobody changed" == said[WeightName.NOTHING_UNCHANGED]


def test_pinned_requirements_are_run_and_a_text_file_is_not() -> None:
    def terms_of(path: str) -> set[str]:
        ranking = rank_suspects(shop_case(change(title="New pins", files=[path])), WEIGHTS)
        return {term.name for term in ranking.suspects[0].terms}

    assert WeightName.INERT not in terms_of("requirements.txt")
    assert WeightName.INERT not in terms_of("templates/vendor-data.txt.erb")
    assert WeightName.INERT in terms_of("notes/history.txt")


def test_that_something_failed_ties_no_change_to_a_symptom() -> None:
    told = alert(title="Checkout fails with an exception")
    ranking = rank_suspects(shop_case(change(title="Log failing exceptions"), alerts=[told]), WEIGHTS)

    assert WeightName.WORDS not in {term.name for term in ranking.suspects[0].terms}
