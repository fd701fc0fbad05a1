"""The workflow asks what comes next, has it done, and replays what earlier versions recorded."""

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from adapters.engine.codec import data_converter
from adapters.engine.workflow import IncidentWorkflow
from tests.contracts.workflow_recording import COURSES, HISTORIES, KEY, environment_for_tests, start_course

DONE = {
    "recovered": ["run_step 0", "settle done", "verify", "wind_up", "wind_up"],
    "expired": ["expire", "wind_up"],
    "resolved": ["withdraw", "wind_up"],
    "shown_at_once": ["expire", "wind_up"],
    "not_open": ["wind_up"],
}


RECORDED = {path.stem: path.read_text() for path in sorted(HISTORIES.glob("*.json"))}


@pytest.mark.parametrize("course", RECORDED)
async def test_a_recorded_course_replays(course: str) -> None:
    """A change that breaks this breaks every course that is under way at the upgrade."""
    replayer = Replayer(workflows=[IncidentWorkflow], data_converter=data_converter(KEY))

    result = await replayer.replay_workflow(WorkflowHistory.from_json("replayed", RECORDED[course]))

    assert result.replay_failure is None


def test_every_course_has_a_recorded_history() -> None:
    assert set(RECORDED) == set(COURSES)


async def test_the_workflow_does_what_the_record_says_comes_next() -> None:
    async with await environment_for_tests() as environment:
        for name, expected in DONE.items():
            script, _ = await start_course(environment.client, name)

            beside = {"investigate", "show", "consult"}
            assert [act for act in script.done if act not in beside] == expected, name
            assert not script.moves, name


async def test_a_card_that_stands_already_is_not_shown_again_before_anything_happens() -> None:
    async with await environment_for_tests() as environment:
        script, _ = await start_course(environment.client, "shown_at_once")

    assert "show" not in script.done[: script.done.index("expire")]
