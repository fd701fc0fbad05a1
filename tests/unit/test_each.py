"""One step for each of several values: the first alone, then a check, then the rest."""

import pytest
from pydantic import ValidationError

from bot.app.rendering import render_steps
from bot.domain.catalogue import HttpSignal, Service
from bot.domain.errors import InvalidPlan
from bot.domain.plan import Check, CommandRun
from bot.domain.playbook import EachStep, Playbook
from tests.app.world import SHIPPED

EACH = {
    "type": "each",
    "name": "restart-all",
    "of": "{to_version}",
    "step": {"type": "command", "name": "restart", "argv": ["restart", "--host={each}"]},
    "canary": {"type": "verify", "name": "first-is-well", "signal": "error_ratio", "threshold": "0.02"},
}
SERVICE = Service(signals={"error_ratio": HttpSignal(kind="http", url="http://127.0.0.1:1/")})


def rendered(of: str) -> list[str]:
    actions = render_steps([EachStep.model_validate(EACH)], {"to_version": of}, SERVICE)
    return [
        f"{action.name} {action.argv[1]}"
        if isinstance(action, CommandRun)
        else f"{action.type} {action.name}"
        for action in actions
    ]


def a_playbook(**changed: object) -> Playbook:
    raw = SHIPPED["rollback-deploy"].playbook.model_dump(mode="json", by_alias=True)
    return Playbook.model_validate({**raw, **changed})


def test_the_first_runs_alone_and_the_rest_after_the_check() -> None:
    assert [
        "restart-1 --host=a1",
        "verify first-is-well",
        "restart-2 --host=a2",
        "restart-3 --host=a3",
    ] == rendered("a1, a2,a3")


def test_without_a_canary_nothing_is_between() -> None:
    step = EachStep.model_validate({**EACH, "canary": None})
    actions = render_steps([step], {"to_version": "a,b"}, SERVICE)

    assert [] == [action for action in actions if isinstance(action, Check)]


@pytest.mark.parametrize(
    "of", ["a1", "a1,a1", "a1,", "a1,b 2", "a1,--all", ",".join(f"h{n}" for n in range(21))]
)
def test_values_that_are_none_make_no_plan(of: str) -> None:
    with pytest.raises(InvalidPlan, match="needs 2 to 20 different values"):
        rendered(of)


def test_the_value_at_hand_has_no_meaning_elsewhere() -> None:
    assert a_playbook(steps=[EACH]).steps[0].name == "restart-all"
    for wrong in (
        {"steps": [{**EACH, "of": "{each}"}]},
        {"steps": [EACH], "title": "Restart {each}"},
        {"steps": [{**EACH, "step": {**EACH["step"], "argv": ["restart", "{other}"]}}]},  # type: ignore[dict-item]
    ):
        with pytest.raises(ValidationError, match="unknown placeholder"):
            a_playbook(**wrong)


def test_names_within_are_names_too() -> None:
    with pytest.raises(ValidationError, match="step names must differ: restart"):
        a_playbook(steps=[EACH, {"type": "wait", "name": "restart", "seconds": 1}])
