"""A plan's bytes, its digest and the names of its effects."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import get_args

import pytest
from pydantic import BaseModel

from bot.domain.catalogue import ExpositionSignal, HttpSignal, PrometheusSignal
from bot.domain.ids import sha256_hex
from bot.domain.plan import (
    Check,
    CommandRun,
    HttpRequest,
    Pause,
    Plan,
    PlannedStep,
    Question,
    Value,
    plan_digest,
)
from bot.domain.target_actions import AnsibleRun, HaproxyCommand, KubernetesChange, Notice
from tests.builders import NOW, a_check, a_plan, a_request

DIGEST = "d158be4b058883e577ee6132074c03652db21707e97842fe3edbeca6d2d609d8"


def test_the_bytes_of_a_plan_read_back_as_the_plan() -> None:
    plan = a_plan(actions=(a_request(), Pause(name="settle", seconds=5), a_check("holds")))

    assert Plan.from_bytes(plan.to_bytes()) == plan
    assert Plan.from_bytes(plan.to_bytes()).to_bytes() == plan.to_bytes()


def test_the_bytes_are_canonical_json() -> None:
    raw = a_plan().to_bytes()

    assert (
        raw == json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


def test_the_digest_of_a_plan_never_changes_between_versions() -> None:
    """Open approvals are bound to it: a change of the form needs a new epoch, and a new value here."""
    assert plan_digest(a_plan().to_bytes()) == DIGEST


def test_a_threshold_keeps_every_digit() -> None:
    plan = a_plan().model_copy(
        update={"verify": a_check().model_copy(update={"threshold": Decimal("0.010")})}
    )

    assert json.loads(plan.to_bytes())["verify"]["threshold"] == "0.010"


def test_one_moment_in_two_zones_is_the_same_expiry_when_read_back() -> None:
    elsewhere = (NOW + timedelta(minutes=15)).astimezone(timezone(timedelta(hours=2)))

    assert Plan.from_bytes(a_plan(expires_at=elsewhere).to_bytes()).expires_at == a_plan().expires_at


@pytest.mark.parametrize(
    "model",
    [
        Plan,
        PlannedStep,
        HttpRequest,
        CommandRun,
        KubernetesChange,
        AnsibleRun,
        HaproxyCommand,
        Notice,
        Question,
        Pause,
        Check,
        Value,
        ExpositionSignal,
        PrometheusSignal,
        HttpSignal,
    ],
)
def test_no_part_of_a_plan_can_hold_a_float(model: type[BaseModel]) -> None:
    """Two implementations may print one float differently; they agree on every text and whole number."""
    for name, field in model.model_fields.items():
        assert float not in parts(field.annotation), f"{model.__name__}.{name} holds a float"


def parts(annotation: object) -> set[object]:
    inner: set[object] = set().union(*(parts(each) for each in get_args(annotation)))
    return {annotation} | inner


def test_an_effect_has_one_name_in_every_proposal_of_it() -> None:
    first = a_plan(number=1, epoch=0, evidence="first look")
    later = a_plan(
        number=2,
        epoch=3,
        evidence="second look",
        attempt=2,
        quorum=2,
        expires_at=datetime(2027, 1, 1, tzinfo=UTC),
    )

    assert first.effect_key(first.steps[0]) == later.effect_key(later.steps[0])


@pytest.mark.parametrize(
    "other",
    [
        a_plan(incident="P2"),
        a_plan(target="checkout/staging"),
        a_plan(version="40"),
        a_plan().model_copy(update={"playbook_sha256": sha256_hex("another playbook")}),
        a_plan(actions=(a_request(idempotent=True),)),
    ],
)
def test_another_effect_has_another_name(other: Plan) -> None:
    plan = a_plan()

    assert plan.effect_key(plan.steps[0]) != other.effect_key(other.steps[0])


def test_one_request_twice_in_a_plan_is_two_effects() -> None:
    plan = a_plan(actions=(a_request(), a_request()))

    assert plan.effect_key(plan.steps[0]) != plan.effect_key(plan.steps[1])


def test_a_step_is_found_by_its_index() -> None:
    plan = a_plan(actions=(a_request("drain"), a_request("deploy")))

    assert plan.step(1) == plan.steps[1]
    assert plan.step(2) is None
