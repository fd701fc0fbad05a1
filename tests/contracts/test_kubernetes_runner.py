"""Steps of type `kubernetes` through the official client, against an API server on loopback."""

import sys
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

pytest.importorskip("kubernetes", reason="needs the extra `kubernetes`")

from adapters.runners.kubernetes import KubernetesRunner
from adapters.runners.tokens import ServiceAccountTokens
from bot.domain.errors import Refused
from bot.domain.execution import ApprovedStep, Preview, Result, StepOutcome
from bot.domain.target_actions import KubernetesChange
from bot.domain.target_steps import ClusterKind, ClusterOperation
from tests.builders import NOW, ManualTime
from tests.cluster_server import ClusterServer, a_deployment, a_template, cluster_server
from tests.loopback import a_free_address
from tests.runner_builders import a_command, an_approved

SECRETS = {"K8S": SecretStr("own-token")}
ROLLBACK, RESTART, SCALE = ClusterOperation.ROLLBACK, ClusterOperation.RESTART, ClusterOperation.SCALE


@pytest.fixture
async def cluster() -> AsyncIterator[ClusterServer]:
    async with cluster_server() as cluster:
        yield cluster


@pytest.fixture
def runner() -> KubernetesRunner:
    return KubernetesRunner(SECRETS, ServiceAccountTokens(SECRETS, ManualTime()))


def a_change(
    server: str,
    operation: ClusterOperation = ROLLBACK,
    *,
    kind: ClusterKind = ClusterKind.DEPLOYMENT,
    name: str = "shop",
    revision: str | None = None,
    version: str | None = None,
    replicas: int | None = None,
    token_for: str | None = None,
) -> ApprovedStep:
    return an_approved(
        KubernetesChange(
            name="change",
            server=server,
            headers=(("Authorization", "Bearer secret:K8S"),),
            token_for=token_for,
            operation=operation,
            kind=kind,
            namespace="shop",
            object=name,
            revision=revision,
            version=version,
            replicas=replicas,
            timeout_s=30,
        )
    )


@pytest.mark.parametrize("wanted", [{"revision": "2"}, {"version": "41"}])
async def test_a_rollback_reaches_the_revision_that_was_named(
    cluster: ClusterServer, runner: KubernetesRunner, wanted: dict[str, str]
) -> None:
    path = a_deployment(cluster)
    before = cluster.objects[path]["metadata"]["resourceVersion"]
    step = a_change(cluster.url, **wanted)  # type: ignore[arg-type]
    outcome = await runner.run(step)

    image = "registry.example:5000/shop"
    changed = f"spec.template.spec.containers[0].image: {image}:42 → {image}:41"
    done = StepOutcome(result=Result.DONE, detail="deployment shop was changed", output=changed)
    assert (done, a_template("41")) == (outcome, cluster.objects[path]["spec"]["template"])
    assert step.started.key == cluster.objects[path]["metadata"]["annotations"]["handrail.dev/step"]
    [write] = cluster.writes()
    assert ("application/json-patch+json", before, "Bearer own-token") == (
        write.headers["content-type"],
        write.body[0]["value"],
        write.headers["authorization"],
    )


async def test_a_revision_that_does_not_exist_is_refused_with_those_that_do(
    cluster: ClusterServer, runner: KubernetesRunner
) -> None:
    a_deployment(cluster)
    outcome = await runner.run(a_change(cluster.url, revision="9"))

    assert (Result.FAILED, []) == (outcome.result, cluster.writes())
    assert "deployment shop has no revision 9: there are revisions 1, 2, 3" == outcome.detail


async def test_a_stateful_set_goes_back_by_its_controller_revisions(
    cluster: ClusterServer, runner: KubernetesRunner
) -> None:
    base = "/apis/apps/v1/namespaces/shop"
    spec = {"replicas": 1, "template": a_template("42")}
    cluster.put(f"{base}/statefulsets/shop", {"metadata": {"uid": "u"}, "spec": spec})
    owner = [{"uid": "u", "controller": True}]
    cluster.put(
        f"{base}/controllerrevisions/shop-1",
        {
            "metadata": {"ownerReferences": owner},
            "revision": 7,
            "data": {"spec": {"template": {"$patch": "replace", **a_template("41")}}},
        },
    )
    outcome = await runner.run(a_change(cluster.url, kind=ClusterKind.STATEFULSET, revision="7"))

    assert (Result.DONE, a_template("41")) == (
        outcome.result,
        cluster.objects[f"{base}/statefulsets/shop"]["spec"]["template"],
    )


async def test_a_restart_changes_the_template_once_for_a_key(
    cluster: ClusterServer, runner: KubernetesRunner
) -> None:
    path = a_deployment(cluster)
    step = a_change(cluster.url, RESTART)
    outcomes = [await runner.run(step) for _ in range(2)]

    assert {"handrail.dev/restarted-by": step.started.key} == cluster.objects[path]["spec"]["template"][
        "metadata"
    ]["annotations"]
    assert ([Result.DONE, Result.DONE], 1) == ([one.result for one in outcomes], len(cluster.writes()))
    assert "it was done before, under this key" == outcomes[1].detail


async def test_scaling_and_cordoning_set_what_the_step_says(
    cluster: ClusterServer, runner: KubernetesRunner
) -> None:
    path = a_deployment(cluster)
    cluster.put("/api/v1/nodes/n1", {"metadata": {"name": "n1", "annotations": {"a": "b"}}, "spec": {}})
    await runner.run(a_change(cluster.url, SCALE, replicas=5))
    for operation in (ClusterOperation.CORDON, ClusterOperation.UNCORDON):
        await runner.run(a_change(cluster.url, operation, kind=ClusterKind.NODE, name="n1"))

    assert (5, False) == (
        cluster.objects[path]["spec"]["replicas"],
        cluster.objects["/api/v1/nodes/n1"]["spec"]["unschedulable"],
    )
    assert "b" == cluster.objects["/api/v1/nodes/n1"]["metadata"]["annotations"]["a"]


async def test_a_controller_that_was_quicker_is_met_by_reading_again(
    cluster: ClusterServer, runner: KubernetesRunner
) -> None:
    path = a_deployment(cluster)

    def meddle_once() -> None:
        cluster.before_patch = lambda: None
        cluster.put(path, cluster.objects[path])

    cluster.before_patch = meddle_once
    once = await runner.run(a_change(cluster.url, SCALE, replicas=5))
    cluster.before_patch = lambda: cluster.put(path, cluster.objects[path])
    ever = await runner.run(a_change(cluster.url, SCALE, replicas=6))

    assert (Result.DONE, Result.FAILED, 5) == (
        once.result,
        ever.result,
        cluster.objects[path]["spec"]["replicas"],
    )
    assert "409" in ever.detail


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (401, Result.FAILED),
        (403, Result.FAILED),
        (422, Result.FAILED),
        (429, Result.FAILED),
        (503, Result.UNKNOWN),
    ],
)
async def test_what_the_server_says_decides(
    cluster: ClusterServer, runner: KubernetesRunner, status: int, result: Result
) -> None:
    a_deployment(cluster)
    cluster.refuses = lambda asked: (status, "no, because") if asked.method == "PATCH" else None
    outcome = await runner.run(a_change(cluster.url, RESTART))

    assert (result, True) == (outcome.result, "no, because" in outcome.detail)


async def test_a_lost_answer_is_unknown_until_the_mark_is_found(
    cluster: ClusterServer, runner: KubernetesRunner
) -> None:
    a_deployment(cluster)
    step = a_change(cluster.url, RESTART)
    before = await runner.status(step.started)
    cluster.loses = lambda asked: asked.method == "PATCH"
    outcome = await runner.run(step)
    after = await runner.status(step.started)

    assert (Result.UNKNOWN, 1) == (outcome.result, len(cluster.writes()))
    assert before is not None
    assert after is not None
    assert (Result.UNKNOWN, Result.DONE) == (before.result, after.result)


async def test_nobody_listening_means_that_nothing_happened(runner: KubernetesRunner) -> None:
    outcome = await runner.run(a_change(await a_free_address(), RESTART))

    assert (Result.FAILED, True) == (
        outcome.result,
        "not sent" in outcome.detail or "no answer" in outcome.detail,
    )


async def test_r_dry_run_a_preview_is_a_dry_run_that_changes_nothing(
    cluster: ClusterServer, runner: KubernetesRunner
) -> None:
    path = a_deployment(cluster)
    before = dict(cluster.objects[path])
    shown = await runner.preview(a_change(cluster.url, version="41").action)

    image = "registry.example:5000/shop"
    changed = f"spec.template.spec.containers[0].image: {image}:42 → {image}:41"
    assert Preview(step="change", text=f"{changed}\n(by a dry run on the server)") == shown
    assert (before, [], [["All"]]) == (
        cluster.objects[path],
        cluster.writes(),
        [one.query["dryRun"] for one in cluster.asked if one.method == "PATCH"],
    )


async def test_without_the_right_to_a_dry_run_the_change_is_computed_and_said_to_be(
    cluster: ClusterServer, runner: KubernetesRunner
) -> None:
    a_deployment(cluster)
    cluster.refuses = lambda asked: (403, "may not patch") if asked.method == "PATCH" else None
    shown = await runner.preview(a_change(cluster.url, SCALE, replicas=5).action)

    assert shown is not None
    assert (
        "spec.replicas: 3 → 5\n(computed here; no dry run: PATCH answered 403: may not patch)" == shown.text
    )


async def test_r_creds_a_token_is_made_for_the_step_and_void_after_it(
    cluster: ClusterServer, runner: KubernetesRunner
) -> None:
    a_deployment(cluster)
    outcome = await runner.run(a_change(cluster.url, RESTART, token_for="ops/handrail-runner"))

    assert Result.DONE is outcome.result
    assert [
        ("POST", "/api/v1/namespaces/ops/secrets", "Bearer own-token"),
        ("POST", "/api/v1/namespaces/ops/serviceaccounts/handrail-runner/token", "Bearer own-token"),
        ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/shop", "Bearer token-1"),
        ("DELETE", cluster.writes()[-1].path, "Bearer own-token"),
    ] == [(one.method, one.path, one.headers["authorization"]) for one in cluster.writes()]
    assert {} == cluster.tokens
    assert "token-1" not in repr(outcome)


async def test_r_creds_a_token_that_a_dead_worker_left_is_voided_by_its_key(cluster: ClusterServer) -> None:
    broker = ServiceAccountTokens(SECRETS, ManualTime())
    runner = KubernetesRunner(SECRETS, broker)
    step = a_change(cluster.url, RESTART, token_for="ops/handrail-runner")
    minted = await broker.mint(step)
    left = dict(cluster.tokens)
    await runner.cancel(step.started)
    await runner.cancel(step.started)

    assert ("token-1", 90.0) == (minted.value.get_secret_value(), (minted.expires_at - NOW).total_seconds())
    assert (1, {}) == (len(left), cluster.tokens)


async def test_a_token_that_cannot_be_made_sends_nothing(
    cluster: ClusterServer, runner: KubernetesRunner
) -> None:
    a_deployment(cluster)
    cluster.refuses = lambda asked: (403, "no tokens for you") if asked.path.endswith("/token") else None
    outcome = await runner.run(a_change(cluster.url, RESTART, token_for="ops/handrail-runner"))

    assert (Result.FAILED, []) == (outcome.result, [one for one in cluster.asked if one.method == "PATCH"])
    assert "for want of a token: POST answered 403: no tokens for you" in outcome.detail


async def test_r_creds_no_token_is_made_for_what_was_not_started(cluster: ClusterServer) -> None:
    broker = ServiceAccountTokens(SECRETS, ManualTime())
    step = a_change(cluster.url, RESTART, token_for="ops/handrail-runner")
    with pytest.raises(Refused):
        await broker.mint(step.started)  # type: ignore[arg-type]

    assert [] == cluster.asked


async def test_a_step_of_another_type_is_a_defect(runner: KubernetesRunner) -> None:
    with pytest.raises(TypeError, match="type command"):
        await runner.run(a_command("true"))


async def test_without_its_library_nothing_is_sent_and_the_remedy_is_told(
    cluster: ClusterServer, runner: KubernetesRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    outcome = await runner.run(a_change(cluster.url, RESTART))

    assert (Result.FAILED, []) == (outcome.result, cluster.asked)
    assert "pip install 'handrail[kubernetes]'" in outcome.detail


async def test_a_secret_that_fits_no_header_is_not_repeated(cluster: ClusterServer) -> None:
    secrets = {"K8S": SecretStr("canary\r\nEvil: 1")}
    runner = KubernetesRunner(secrets, ServiceAccountTokens(secrets, ManualTime()))
    outcome = await runner.run(a_change(cluster.url, RESTART))

    assert (Result.FAILED, []) == (outcome.result, cluster.asked)
    assert "canary" not in repr(outcome)
