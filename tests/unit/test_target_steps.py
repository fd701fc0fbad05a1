"""Steps for one kind of target: what a playbook may say, what becomes of it, and that people see it all."""

import html

import pytest
from pydantic import ValidationError

from adapters.slack.views.plan import essentials, fact_lines, small_print
from bot.app.rendering import render_steps
from bot.app.target_rendering import render_target_step
from bot.domain.catalogue import Endpoint, HttpSignal, Service
from bot.domain.errors import InvalidPlan
from bot.domain.execution import is_idempotent
from bot.domain.plan import PlannedAction
from bot.domain.target_actions import AnsibleRun, HaproxyCommand, KubernetesChange, Notice
from bot.domain.target_steps import ClusterKind, ClusterOperation, HaproxyStep, KubernetesStep
from tests.app.world import SHIPPED
from tests.builders import a_plan

CLUSTER = Endpoint(
    url="https://cluster:6443",
    headers={"Authorization": "Bearer secret:CLUSTER"},
    ca_file="/etc/ca.pem",
    token_for="shop/runner",
)
SERVICE = Service(
    endpoints={"kubernetes": CLUSTER}, signals={"error_ratio": HttpSignal(kind="http", url="http://x/")}
)
ROLLBACK = KubernetesChange(
    name="roll-back",
    server="https://cluster:6443",
    headers=(("Authorization", "Bearer secret:CLUSTER"),),
    ca_file="/etc/ca.pem",
    token_for="shop/runner",
    operation=ClusterOperation.ROLLBACK,
    kind=ClusterKind.DEPLOYMENT,
    namespace="shop",
    object="cart",
    version="41",
    timeout_s=15,
)
ACTIONS: list[PlannedAction] = [
    ROLLBACK.model_copy(update={"kind": ClusterKind.STATEFULSET}),
    AnsibleRun(
        name="restart",
        hosts=("a1", "a2"),
        connection="ssh",
        user="ops",
        key_file="/etc/key",
        play="- hosts: all\n  tasks: []\n",
        variables=(("unit", "shop.service"),),
        idempotent=False,
        timeout_s=60,
    ),
    HaproxyCommand(
        name="drain",
        socket="/run/h.sock",
        backend="b",
        server="s",
        command="set server b/s state drain",
        timeout_s=9,
    ),
    Notice(name="tell", to="pagerduty", text="Rolling back <!channel>"),
]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action.type))
def test_people_see_every_field_of_a_step(action: PlannedAction) -> None:
    plan = a_plan(actions=[action])
    shown = html.unescape("\n".join([*essentials(plan, names={}), *small_print(plan)]))
    told = [str(value) for value in _values(action.model_dump(mode="json", exclude={"idempotent"}))]

    assert [] == [line for text in told for line in text.splitlines() if line not in shown]
    at_most_once = 1 if is_idempotent(action) else 2  # The undo step of this plan is one of them.
    assert at_most_once == shown.count("sent at most once")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"hosts": ("a1\na2",)}, {"hosts": ("a1", "a2")}),
        ({"hosts": ("a1\nhosts = a2",)}, {"hosts": ("a1", "a2")}),
        ({"variables": (("a", "1\nb: 2"),)}, {"variables": (("a", "1"), ("b", "2"))}),
        ({"variables": (("a: b", "c"),)}, {"variables": (("a", "b: c"),)}),
        ({"play": "- hosts: all\nplay = x"}, {"play": "- hosts: all\nx"}),
    ],
)
def test_no_two_steps_look_alike(one: dict[str, object], other: dict[str, object]) -> None:
    [usual] = [action for action in ACTIONS if isinstance(action, AnsibleRun)]

    assert fact_lines(usual.model_copy(update=one)) != fact_lines(usual.model_copy(update=other))


def _values(value: object) -> list[object]:
    match value:
        case dict():
            return [found for item in value.values() for found in _values(item)]
        case list():
            return [found for item in value for found in _values(item)]
        case None:
            return []
        case _:
            return [value]


def test_the_shipped_rollback_names_the_version_to_reach() -> None:
    values = {
        "service": "cart",
        "from_version": "42",
        "to_version": "41",
        "namespace": "shop",
        "deployment": "cart",
    }
    playbook = SHIPPED["rollback-kubernetes"].playbook
    [forth], [back] = (
        render_steps(steps, values, SERVICE) for steps in (playbook.steps, playbook.undo.steps)
    )

    assert forth == ROLLBACK
    assert forth.model_copy(update={"name": "roll-forward", "version": "42"}) == back


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "rollback"},
        {"operation": "rollback", "revision": "1", "version": "2"},
        {"operation": "restart", "revision": "1"},
        {"operation": "restart", "kind": "node"},
        {"operation": "cordon"},
        {"operation": "scale"},
        {"operation": "scale", "kind": "daemonset", "replicas": "1"},
        {"operation": "delete"},
    ],
)
def test_an_operation_that_does_not_fit_is_refused_when_the_playbook_is_read(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        KubernetesStep.model_validate(
            {"type": "kubernetes", "name": "x", "endpoint": "kubernetes", "object": "cart", **wrong}
        )


def test_numbers_have_bounds_and_endpoints_exist() -> None:
    scale = {"type": "kubernetes", "name": "x", "object": "o", "operation": "scale", "endpoint": "kubernetes"}
    weight = {
        "type": "haproxy",
        "name": "x",
        "socket": "/s",
        "backend": "b",
        "server": "s",
        "operation": "weight",
    }
    for step, why in (
        (KubernetesStep.model_validate({**scale, "replicas": "1001"}), "more than 1000"),
        (KubernetesStep.model_validate({**scale, "replicas": "-1"}), "replicas may not be"),
        (KubernetesStep.model_validate({**scale, "replicas": "1", "endpoint": "none"}), "no endpoint 'none'"),
        (HaproxyStep.model_validate({**weight, "weight": "257"}), "more than 256"),
    ):
        with pytest.raises(InvalidPlan, match=why):
            render_target_step(step, {}, SERVICE)
