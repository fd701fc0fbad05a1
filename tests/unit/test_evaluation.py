"""Labelled files in, measures and predictions out; labels never reach what is judged."""

import json
from datetime import UTC
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner

from adapters.cli.eval import eval_cases
from adapters.evaluation.baseline_names import Baseline
from adapters.evaluation.cases import Truth, parse_case, parse_stream
from adapters.evaluation.fit import fit_calibration, fit_weights, learnable
from adapters.evaluation.plot import reliability_svg
from adapters.evaluation.reading import read_file
from adapters.evaluation.run import Answer, answers, baseline_ranker, grouped, judged, our_ranker, report
from bot.domain.change import ChangeKind
from bot.domain.correlation import Case
from bot.domain.errors import Invalid
from bot.domain.evidence import Hosting, HostingRelation
from bot.domain.grouping import GroupingRules
from bot.domain.measures import Bin
from bot.domain.weights import WeightName, load_weights

WEIGHTS = load_weights()


def a_case(name: str = "shop-1", *, culprit: str | None = "d1", **fields: Any) -> dict[str, Any]:
    """Return one line of a case file: checkout fails 8 minutes after its deploy."""
    return {
        "id": name,
        "services": ["web", "checkout", "payments"],
        "dependencies": [["web", "checkout"], ["checkout", "payments"]],
        "deploys": [a_deploy("d1", "checkout", "08:52"), a_deploy("d2", "blog", "08:59")],
        "alerts": [
            {"id": "a1", "service": "checkout", "title": "5xx", "severity": "critical", "at": at("09:00")}
        ],
        "truth": {"deploy_id": culprit, "reason": "only the guilty know: zebra"},
        **fields,
    }


def a_deploy(change_id: str, service: str, finished: str, **fields: Any) -> dict[str, Any]:
    return {"id": change_id, "service": service, "env": "production", "finished_at": at(finished), **fields}


def at(clock: str) -> str:
    return f"2026-03-14T{clock}:00Z"


def a_stream(name: str = "s1") -> dict[str, Any]:
    return {
        "stream": name,
        "dependencies": [["web", "checkout"]],
        "alerts": [
            {"id": "2", "at": at("09:01"), "service": "checkout", "title": "5xx", "group": "one"},
            {
                "id": "1",
                "at": at("09:00"),
                "service": "web",
                "title": "5xx",
                "status": "firing",
                "group": "one",
            },
            {
                "id": "3",
                "at": at("09:02"),
                "service": "backup",
                "title": "late",
                "status": "resolved",
                "group": "two",
            },
        ],
    }


def write(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_the_label_and_the_case_come_apart() -> None:
    labelled = parse_case(a_case())

    assert labelled.truth == Truth("d1")  # type: ignore[arg-type]  # a change id
    assert "zebra" not in repr(labelled.case)


def test_nothing_of_the_label_reaches_what_is_judged() -> None:
    """The case is the same value whatever the line is called and whatever its label says."""
    plain = parse_case(a_case())
    relabelled = parse_case(
        a_case("shop-1-neg", culprit=None, provenance={"culprit": "d1"}, group="g", variant="v", source="s")
    )

    assert plain.case == relabelled.case
    assert not {"id", "name", "truth", "provenance", "group", "variant"} & set(Case.__dataclass_fields__)


def test_a_ranker_is_given_the_case_alone() -> None:
    labelled = parse_case(a_case())
    seen: list[object] = []

    def ranker(*given: object) -> Answer:
        seen.extend(given)
        return Answer((), 0.0, None)

    list(answers([labelled], ranker))

    assert [labelled.case] == seen


def test_commits_and_flags_are_candidates() -> None:
    labelled = parse_case(
        a_case(
            commits=[
                {
                    "id": "c1",
                    "at": at("08:55"),
                    "title": "Round",
                    "files": ["checkout/totals.py"],
                    "diff": "+x",
                }
            ],
            flags=[{"timestamp": at("08:56"), "flag": "sync", "service": "payments", "change": "off->on"}],
        )
    )
    found = {change.id: (change.kind, change.service) for change in labelled.case.changes}

    assert (ChangeKind.COMMIT, "checkout") == found["c1"]  # type: ignore[index]
    assert (ChangeKind.FLAG, "payments") == found["flag-0-sync"]  # type: ignore[index]


def test_hosting_is_read_in_both_directions() -> None:
    raw = [
        ["node-1", "web-1", "hosts"],
        ["web-2", "node-1", "hosted_on"],
        ["web", "web-1", "has_instance"],
        ["web-2", "web", "instance_of"],
        ["web", "zookeeper", "registers_with"],
        ["short"],
    ]

    assert parse_case(a_case(hosting=raw)).case.evidence.hosting == (
        Hosting(owner="node-1", member="web-1", relation=HostingRelation.RUNS),
        Hosting(owner="node-1", member="web-2", relation=HostingRelation.RUNS),
        Hosting(owner="web", member="web-1", relation=HostingRelation.INSTANCE),
        Hosting(owner="web", member="web-2", relation=HostingRelation.INSTANCE),
    )


def test_optional_evidence_may_be_odd() -> None:
    """Wrong types give empty values; a case is not lost for a field nobody needs."""
    evidence = parse_case(
        a_case(
            version_evidence=[
                {"edge": ["web", "checkout"], "version": 7, "success_rate": "98.5", "samples": None}
            ],
            evidence={
                "patterns": [{"signature": "boom", "service": None, "count": "3", "delta_vs_baseline": "+3"}]
            },
            hosting="none",
            flags=None,
            coverage=[],
        )
    ).case.evidence

    assert ("7", 98.5, 0) == (
        evidence.versions[0].version,
        evidence.versions[0].success_rate,
        evidence.versions[0].samples,
    )
    assert (3, 3.0, 1.0) == (
        evidence.patterns[0].count,
        evidence.patterns[0].delta,
        evidence.patterns[0].novelty,
    )


def test_a_logged_error_is_a_pattern_of_unknown_novelty() -> None:
    logs = [{"service": "checkout", "message": "pool exhausted", "at": at("09:00")}]
    found = parse_case(a_case(evidence={"logs": logs, "metrics": [1]})).case.evidence.patterns

    assert [("pool exhausted", "checkout", 1, 0.5)] == [
        (entry.signature, entry.service, entry.count, entry.novelty) for entry in found
    ]


def test_a_stream_is_put_in_order_of_time() -> None:
    stream = parse_stream(a_stream())

    assert ["1", "2", "3"] == [alert.id for alert in stream.alerts]
    assert {2} == stream.resolved
    assert [("1", "one"), ("2", "one"), ("3", "two")] == sorted(stream.truth.items())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "line 2: not a JSON object"),
        ("{", "line 2"),
        ('{"id": "x", "deploys": []}', "at least one alert"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(a_case()) + f"\n{line}\n", encoding="utf-8")

    with pytest.raises(Invalid, match=message):
        read_file(path)


def test_a_bad_line_is_named_and_spoils_no_other(tmp_path: Path, command: typer.Typer) -> None:
    """Also a line of another encoding, one nested without end, and one whose case is told by its id alone."""
    path, out = tmp_path / "cases.jsonl", tmp_path / "out.jsonl"
    lines = (json.dumps(a_case()), "{", '{"id":"é"}', '{"id":"x","alerts":[]}', "[" * 100_000)
    last = json.dumps(a_case("last\u2028", services=["\u0085"]), ensure_ascii=False)
    raw = b"\n".join(line.encode("latin-1") for line in lines) + b"\r\n" + last.encode()
    path.write_bytes(b"\xef\xbb\xbf" + raw)

    result = CliRunner().invoke(command, [str(path), "--predictions", str(out), "--json"])

    assert 2 == result.exit_code
    left_out = [line for line in result.stderr.splitlines() if "left out" in line]
    assert [f"cases.jsonl, line {number}" for number in (2, 3, 4, 5)] == [
        line.split(": ")[2] for line in left_out
    ]
    assert 2 == json.loads(result.stdout)[0]["positives"]
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert ["shop-1", "last\u2028", "x"] == [line["id"] for line in found]
    assert {"id": "x", "ranking": [], "confidence": 0.0, "named": None} == found[-1]


def test_two_files_of_one_name_are_measured_apart(tmp_path: Path, command: typer.Typer) -> None:
    (tmp_path / "other").mkdir()
    one, two = (write(folder / "shop.jsonl", a_case()) for folder in (tmp_path, tmp_path / "other"))

    result = CliRunner().invoke(command, [str(one), str(two), "--json"])

    assert ["shop", "shop-2"] == [entry["file"] for entry in json.loads(result.stdout)]


def test_what_cannot_be_written_is_said_before_the_work(tmp_path: Path, command: typer.Typer) -> None:
    cases = write(tmp_path / "shop.jsonl", a_case())

    result = CliRunner().invoke(command, [str(cases), "--predictions", str(tmp_path)])

    assert 2 == result.exit_code
    assert "Is a directory" in result.stderr


def test_an_odd_part_of_a_case_spoils_no_other_part() -> None:
    found = parse_case(
        a_case(
            alerts=[
                {"service": "web", "title": "no time"},
                {"id": "a1", "service": "checkout", "title": "5xx", "at": "2026-03-14t10:00:60+01:00"},
            ],
            deploys=[
                a_deploy("d1", "checkout", "08:40", finished_at=None, started_at=at("08:40")),
                a_deploy("d1", "checkout", "08:52", rollout=[{"old_pods": 1}]),
                {"id": "undated", "service": "web"},
            ],
            commits=[{"at": at("08:50"), "title": "no id"}],
            hosting=[None, "odd", ["node", "checkout", "runs"]],
            version_evidence=[{"edge": ["web", "checkout"], "success_rate": float("nan"), "samples": 1e400}],
        )
    )

    assert ["09:00:59", "09:00:59"] == [f"{alert.at.astimezone(UTC):%H:%M:%S}" for alert in found.case.alerts]
    assert [("d1", "08:52"), ("commit-0", "08:50")] == [
        (c.id, f"{c.live_at:%H:%M}") for c in found.case.changes
    ]
    assert ("undated",) == found.undated
    assert [("node", "checkout")] == [(h.owner, h.member) for h in found.case.evidence.hosting]
    assert [(100.0, 0)] == [(row.success_rate, row.samples) for row in found.case.evidence.versions]
    (_, answer), *_ = answers([found], our_ranker(WEIGHTS))
    assert ("d1", "commit-0", "undated") == answer.ranking


def test_a_recovery_may_bear_the_id_of_the_alert_that_it_ends() -> None:
    fired = {"id": "a", "service": "web", "title": "5xx", "at": at("09:00")}
    also = {"id": "b", "service": "web", "title": "slow", "at": at("09:01")}
    ended = {**fired, "at": at("09:02"), "status": "Resolved"}
    stream = parse_stream({"stream": "s", "alerts": [fired, also, ended]})

    assert {2} == stream.resolved
    assert {"a": "g-a", "b": "g-a"} == grouped(stream, GroupingRules())


def test_the_newest_first_baseline_falls_for_the_decoy_and_we_do_not() -> None:
    cases = [parse_case(a_case())]

    assert ["d2", "d1"] == list(next(answers(cases, baseline_ranker(Baseline.NEWEST)))[1].ranking)
    assert "d1" == next(answers(cases, baseline_ranker(Baseline.GRAPH)))[1].ranking[0]
    assert "d1" == next(answers(cases, our_ranker(WEIGHTS)))[1].named


def test_later_changes_close_the_ranking_and_are_never_named() -> None:
    raw = a_case(deploys=[a_deploy("late", "checkout", "09:20"), a_deploy("early", "checkout", "03:00")])
    answer = our_ranker(WEIGHTS)(parse_case(raw).case)

    assert ("early", "late") == answer.ranking
    assert "late" != answer.named


def test_unlabelled_cases_are_not_scored() -> None:
    unlabelled = a_case("x")
    del unlabelled["truth"]
    results = judged(answers([parse_case(unlabelled), parse_case(a_case())], our_ranker(WEIGHTS)))

    assert 1 == len(results)


def test_without_positives_blame_is_counted_at_one_half() -> None:
    results = judged(answers([parse_case(a_case(culprit=None))], our_ranker(WEIGHTS)))
    found = report("shop", "handrail", results)

    assert (None, None, 1.0) == (found.top_1, found.keeping_confidence, found.blamed)


def test_fitting_moves_weights_towards_the_labels_and_never_turns_their_sign() -> None:
    """Labels that always blame the unrelated change make its place count less against it."""
    perverse = [parse_case(a_case(f"c{n}", culprit="d2")) for n in range(30)]
    fitted = fit_weights(learnable(perverse, WEIGHTS), WEIGHTS, source="a test", version="t")

    assert WEIGHTS.values[WeightName.NO_PATH] < fitted.values[WeightName.NO_PATH] <= 0.0
    assert 0.0 <= fitted.values[WeightName.SAME_SERVICE] < WEIGHTS.values[WeightName.SAME_SERVICE]
    assert ("t", "a test") == (fitted.version, fitted.weights[WeightName.NO_PATH].source)


def test_weights_without_examples_stay_where_they_are() -> None:
    cases = [parse_case(a_case())]
    fitted = fit_weights(learnable(cases, WEIGHTS), WEIGHTS, source="a test", version="t")

    assert WEIGHTS.values[WeightName.NOTHING_HOSTS] == fitted.values[WeightName.NOTHING_HOSTS]
    assert WEIGHTS.weights[WeightName.VERSION_WORSE] == fitted.weights[WeightName.VERSION_WORSE]


def test_calibration_learns_that_nine_of_ten_claimed_were_five_of_ten() -> None:
    rows = [(0.9, n % 2 == 0, 1.0) for n in range(100)] + [(0.5, n % 5 == 0, 1.0) for n in range(100)]
    fitted = fit_calibration(rows, source="a test")

    assert fitted.apply(2.197) == pytest.approx(0.5, abs=0.03)
    assert fitted.apply(0.0) == pytest.approx(0.2, abs=0.03)


def test_no_answer_is_ever_claimed_for_certain() -> None:
    """Forty surest answers that all came true prove less than certainty."""
    always_right = [(0.999999, True, 1.0)] * 40

    assert fit_calibration(always_right, source="test").apply(40.0) <= 0.97
    assert load_weights().calibration.apply(40.0) <= 0.97


def test_the_reliability_plot_is_well_formed_and_escapes_its_title() -> None:
    root = ElementTree.fromstring(reliability_svg("a < b", (Bin(0.2, 0.1, 3), Bin(0.9, 1.0, 9))))  # noqa: S314  # ours
    circles = root.findall("{http://www.w3.org/2000/svg}circle")

    assert ["3 cases: 20% claimed, 10% right", "9 cases: 90% claimed, 100% right"] == [
        circle[0].text for circle in circles
    ]


@pytest.fixture
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(eval_cases)
    return app


def test_the_command_reports_each_file_alone_and_writes_predictions(
    tmp_path: Path, command: typer.Typer
) -> None:
    cases = write(tmp_path / "shop.jsonl", a_case(), a_case("shop-2", culprit=None, deploys=[]))
    streams = write(tmp_path / "streams.jsonl", a_stream())
    out = tmp_path / "out.jsonl"
    result = CliRunner().invoke(command, [str(cases), str(streams), "--predictions", str(out), "--json"])

    assert 0 == result.exit_code, result.output
    shop, grouping = json.loads(result.stdout)
    assert ("shop", "handrail", 1, 1, 1.0, 0.0) == (
        shop["file"],
        shop["ranker"],
        shop["positives"],
        shop["negatives"],
        shop["top_1"],
        shop["blamed"],
    )
    assert ("streams", 1.0, 0.0) == (grouping["file"], grouping["f1"], grouping["mixed"])
    first, second, stream = (json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())
    assert {"id": "shop-2", "ranking": [], "confidence": 0.0, "named": None} == second
    assert ("shop-1", ["d1", "d2"], "d1") == (first["id"], first["ranking"], first["named"])
    assert {"id": "s1", "groups": {"1": "g-1", "2": "g-1", "3": "g-3"}} == stream


def test_a_case_without_truth_is_predicted_and_not_scored(tmp_path: Path, command: typer.Typer) -> None:
    nobody_knows = a_case("shop-2")
    del nobody_knows["truth"]
    cases, out = write(tmp_path / "shop.jsonl", a_case(), nobody_knows), tmp_path / "out.jsonl"

    result = CliRunner().invoke(command, [str(cases), "--predictions", str(out), "--json"])

    assert 0 == result.exit_code, result.output
    (shop,) = json.loads(result.stdout)
    assert (1, 0) == (shop["positives"], shop["negatives"])
    known, unknown = (json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())
    assert {**known, "id": "shop-2"} == unknown


def test_the_command_draws_and_prints_tables(tmp_path: Path, command: typer.Typer) -> None:
    cases = write(tmp_path / "shop.jsonl", a_case())
    result = CliRunner().invoke(
        command, [str(cases), "--baseline", "newest", "--plot", str(tmp_path / "plots")]
    )

    assert 0 == result.exit_code, result.output
    assert ["shop", "newest", "1 / 0", "0.00", "1.00"] == [
        cell.strip()
        for line in result.stdout.splitlines()
        if "newest" in line
        for cell in line.split("│")[1:6]
    ]
    assert (tmp_path / "plots" / "shop.svg").exists()


def test_the_command_learns_weights_that_it_can_use(tmp_path: Path, command: typer.Typer) -> None:
    one = write(tmp_path / "one.jsonl", a_case(), a_case("n", culprit=None, deploys=[]))
    two = write(tmp_path / "two.jsonl", a_case())
    learned = tmp_path / "learned.json"
    first = CliRunner().invoke(command, [str(one), str(two), "--fit", str(learned)])
    second = CliRunner().invoke(command, [str(one), "--weights", str(learned), "--json"])

    assert (0, 0) == (first.exit_code, second.exit_code), first.output + second.output
    assert "learned" == json.loads(learned.read_text(encoding="utf-8"))["version"]


def test_the_command_says_which_file_is_wrong(tmp_path: Path, command: typer.Typer) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{\n", encoding="utf-8")
    result = CliRunner().invoke(command, [str(broken)])

    assert 2 == result.exit_code
    assert "broken.jsonl, line 1" in result.stderr
