"""People say on the card what it was; the commands over the record then learn and think again."""

import json
from pathlib import Path

import pytest

from adapters.evaluation.reading import read_file
from adapters.sandbox.model import KEY, MODEL, ModelServer
from adapters.sandbox.serving import serving
from adapters.sandbox.stage import ALICE, BEN, GUEST
from tests.scenarios.running import APPROVE, DETAILS, running

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

WAS_IT, NOT_IT = "handrail.was_it", "handrail.not_it"


async def test_a_word_on_the_card_becomes_a_case_that_can_be_thought_again(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        incident, card = await rig.offered()
        effects = await rig.stage.effects()

        # Ben is nobody's approver: he may say what it was, and the guest may not.
        await rig.press(BEN.id, card, NOT_IT)
        await rig.card(incident.id, f"Not it: {BEN.real_name}")
        assert await rig.press_and_hear(GUEST.id, card, WAS_IT) == "I cannot note that: guests do not count."
        await rig.press(BEN.id, card, WAS_IT)
        said = await rig.card(incident.id, f"This was it: {BEN.real_name}", without="Not it: ")
        assert "Approve rollback to 41" in said.shown_text
        assert effects == await rig.stage.effects()

        await rig.press(ALICE.id, said, APPROVE)
        await rig.card(incident.id, "Recovered")
        cases = tmp_path / "labels.jsonl"
        exported = await rig.handrail("labels", "export", str(cases))
        replayed = await rig.handrail("replay", incident.id, "--json")
        drifted = await rig.handrail("drift", "--json")
        chain = await rig.handrail("audit", "verify")

    assert (0, "1 cases; 1 say which change it was, 0 only which it was not") == (
        exported.code,
        exported.out.strip().partition(": ")[2],
    )
    (case,), _ = read_file(cases)
    assert case.truth is not None
    assert "42" in str(case.truth.change)
    sources = json.loads(cases.read_text())["labels"]["sources"]
    assert {"person", "recovery"} == set(sources)
    again = [json.loads(line) for line in replayed.out.splitlines()]
    assert [(True, True)] * len(again) == [
        (one["before"]["is_right"], one["after"]["is_right"]) for one in again
    ]
    assert [one["before"]["first"] for one in again] == [one["after"]["first"] for one in again]
    week = json.loads(drifted.out)[0]
    assert (1, 1.0) == (week["labelled"], week["accuracy"])
    assert 0 == chain.code


async def test_details_ask_about_suspects_that_the_card_does_not_name(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.deploy("42")
        await rig.deploy("41")
        incident, card = await rig.offered()
        await rig.press(ALICE.id, card, DETAILS)
        view = await rig.seen(lambda slack: slack.views.get(ALICE.id))
        before = len(rig.heard(ALICE.id))

        await rig.slack.press_in_view(ALICE.id, view.id, WAS_IT)

        assert "Nothing runs from it." in await rig.told(ALICE.id, before)
        said = await rig.card(incident.id, "It was checkout")
        assert f": {ALICE.real_name}" in said.shown_text


async def test_another_prompt_is_tried_on_what_the_model_was_given_then(tmp_path: Path) -> None:
    model = ModelServer()
    async with serving(model.app()) as address:
        settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{address}/v1", "OPENAI_MODEL": MODEL}
        async with running(tmp_path, settings=settings) as rig:
            incident, _ = await rig.offered()
            await rig.card(incident.id, "re-ranked within bounds")
            asked = len(model.requests)

            replayed = await rig.handrail(
                "replay", incident.id, "--prompt", "v1", "--model", "another", "--json"
            )

    assert 0 == replayed.code, replayed.err
    (one,) = [json.loads(line) for line in replayed.out.splitlines()]
    assert one["before"]["first"] == one["after"]["first"] is not None
    assert one["after"]["by"].startswith("another rank@v1+")
    assert ["another"] == [request["model"] for request in model.requests[asked:]]
