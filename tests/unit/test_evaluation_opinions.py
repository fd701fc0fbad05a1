"""Asking a model about labelled cases, beside the rules alone."""

import asyncio
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from adapters.cli.eval import eval_cases
from adapters.evaluation.cases import LabelledCase, parse_case
from adapters.evaluation.opinions import dossier_of, opinions
from adapters.evaluation.run import Answer, our_ranker
from adapters.llm.scripted import ScriptedAnalyst
from bot.domain.correlation import rank_suspects
from bot.domain.diagnosis import Likelihood, Silence, Verdict
from bot.domain.redaction import Redactor
from bot.domain.weights import load_weights
from tests.model_builders import a_claim, a_hypothesis, a_verdict

WEIGHTS, REDACTOR = load_weights(), Redactor(b"test")


def a_case() -> LabelledCase:
    def deploy(name: str, service: str, version: str, minute: int) -> dict[str, object]:
        at = f"2026-03-01T10:{minute}:00Z"
        return {"id": name, "service": service, "version": version, "finished_at": at, "title": "New totals"}

    def row(service: str, version: str, rate: float) -> dict[str, object]:
        edge = ["web", service]
        return {
            "edge": edge,
            "observed_at": service,
            "version": version,
            "success_rate": rate,
            "samples": 900,
        }

    alert = {"id": "a", "service": "web", "title": "5xx above 3 %", "at": "2026-03-01T10:50:00Z"}
    return parse_case(
        {
            "id": "one",
            "dependencies": [["web", "cart"], ["web", "pay"]],
            "deploys": [deploy("d1", "cart", "7", 49), deploy("d2", "pay", "3", 48)],
            "alerts": [alert | {"details": "token sk_live_abcdefghijklmnop1234"}],
            "version_evidence": [
                row("cart", "7", 95.0), row("cart", "6", 99.9), row("pay", "3", 95.5), row("pay", "2", 99.9)
            ],
            "truth": {"deploy_id": "d2"},
        }
    )  # fmt: skip


def asked(*answers: Verdict | Silence) -> Answer:
    async def ask() -> Answer:
        analyst = ScriptedAnalyst(answers)
        async for _, answer in opinions([a_case()], WEIGHTS, analyst, REDACTOR):
            return answer
        raise AssertionError("no answer")

    return asyncio.run(ask())


def test_a_model_that_says_nothing_leaves_the_rules_answer() -> None:
    assert our_ranker(WEIGHTS)(a_case().case) == asked(Silence.TIMEOUT)


def test_an_opinion_without_ground_of_its_own_leaves_it_too() -> None:
    assert our_ranker(WEIGHTS)(a_case().case) == asked(
        a_verdict(a_hypothesis(a_claim(quotes=("no such line",))))
    )


def test_a_grounded_opinion_moves_the_order() -> None:
    ranking = rank_suspects(a_case().case, WEIGHTS)
    second = dossier_of(a_case().case, ranking, REDACTOR).candidates[1]
    measured = next(
        result
        for result in dossier_of(a_case().case, ranking, REDACTOR).results
        if result.service == second.service
    )
    claim = a_claim("Its version fails.", evidence=(measured.result_id,), quotes=(measured.items[0],))
    verdict = a_verdict(a_hypothesis(claim, candidate=second.id, likelihood=Likelihood.VERY_LIKELY))

    assert ("d1", "d2") == tuple(s.change.id for s in ranking.suspects)
    assert ("d2", "d1") == asked(verdict).ranking


def test_nothing_secret_and_no_label_is_in_what_the_model_reads() -> None:
    case = a_case()
    dossier = dossier_of(case.case, rank_suspects(case.case, WEIGHTS), REDACTOR).model_dump_json()

    assert "sk_live_" not in dossier
    assert "one" not in dossier.split('"')


def test_without_a_model_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    cases = tmp_path / "cases.jsonl"
    cases.write_text(
        '{"id": "x", "alerts": [{"title": "t", "at": "2026-03-01T10:50:00Z"}]}\n', encoding="utf-8"
    )
    command = typer.Typer()
    command.command()(eval_cases)

    result = CliRunner().invoke(command, [str(cases), "--model", "m"])
    assert 2 == result.exit_code
    assert "there is no model" in result.stderr


def test_a_model_is_not_asked_while_a_third_party_would_read_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.delenv("HANDRAIL_ALLOW_TRACING", raising=False)
    cases = tmp_path / "cases.jsonl"
    cases.write_text(
        '{"id": "x", "alerts": [{"title": "t", "at": "2026-03-01T10:50:00Z"}]}\n', encoding="utf-8"
    )
    command = typer.Typer()
    command.command()(eval_cases)

    result = CliRunner().invoke(command, [str(cases), "--model", "m", "--json"])

    assert (2, "") == (result.exit_code, result.stdout)
    assert "LANGSMITH_TRACING: would send prompts to a third party" in result.stderr


def test_what_a_silent_model_is_logged_with_stays_out_of_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    cases = tmp_path / "cases.jsonl"
    cases.write_text(
        '{"id": "x", "alerts": [{"at": "2026-03-01T10:50:00Z"}], "truth": {"deploy_id": null}}\n',
        encoding="utf-8",
    )
    command = typer.Typer()
    command.command()(eval_cases)

    result = CliRunner().invoke(command, [str(cases), "--model", "m", "--json"])

    assert 0 == result.exit_code
    assert ["handrail", "with m"] == [entry["ranker"] for entry in json.loads(result.stdout)]
    assert "model_silent" in result.stderr
