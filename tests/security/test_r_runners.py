"""Runners, boundary B6: children and targets that do what they should not."""

import asyncio
import contextlib
import json
import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from adapters.runners.command import CommandRunner
from adapters.runners.family import members
from adapters.runners.http import HttpRunner
from adapters.runners.kubernetes import KubernetesRunner
from adapters.runners.notify import NotifyRunner
from adapters.runners.plain import PlainRunner
from adapters.runners.private_file import private_file
from adapters.runners.program import MAX_OUTPUT
from adapters.runners.tokens import ServiceAccountTokens
from bot.app.remediate import run_step
from bot.app.target_rendering import render_target_step
from bot.domain.catalogue import Endpoint, Service
from bot.domain.errors import InvalidPlan, Refused
from bot.domain.execution import ApprovedStep, Result, StepOutcome
from bot.domain.ids import IncidentId
from bot.domain.plan import Question
from bot.domain.proposal import ProposalState
from bot.domain.target_actions import KubernetesChange, Notice
from bot.domain.target_steps import (
    AnsibleStep,
    BalancerOperation,
    ClusterKind,
    ClusterOperation,
    HaproxyStep,
    KubernetesStep,
)
from tests.app.test_remediating import an_approved_bot
from tests.app.world import DEPLOY_TOKEN, a_bot, with_world
from tests.builders import INCIDENT, NOW, ManualTime
from tests.cluster_server import ClusterServer, a_deployment, cluster_server
from tests.conftest import Rounds
from tests.contracts.test_command_runner import BEGUN_S, ESCAPES, STUBBORN_FAMILY, python
from tests.loopback import loopback, says
from tests.runner_builders import a_command, a_post, an_approved
from tests.scenarios.processes import ended


@pytest.fixture
def runner(tmp_path: Path) -> CommandRunner:
    return CommandRunner(environment={"TZ": "UTC"}, path=os.environ["PATH"], cwd=tmp_path)


async def test_r_cmd_inj_at_the_program(runner: CommandRunner, tmp_path: Path) -> None:
    """Whatever reaches argv is one argument: no marker file ever appears."""
    marker = tmp_path / "marker"
    for nasty in (f"; touch {marker}", f"$(touch {marker})", f"`touch {marker}`", f"x\ntouch {marker}"):
        outcome = await runner.run(a_command(*python("import sys; print(repr(sys.argv[1]))", nasty)))
        assert repr(nasty) == outcome.output.strip()

    assert not marker.exists()


async def test_r_env(runner: CommandRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot's own tokens are not in a child's environment, not even when a step names them."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-canary")
    monkeypatch.setenv("HANDRAIL_SECRET_DEPLOY", "canary")
    code = "import json,os; print(json.dumps(dict(os.environ)))"

    outcome = await runner.run(a_command(*python(code), environment=["TZ", "SLACK_BOT_TOKEN"]))

    assert {"PATH", "LANG", "TZ", "HANDRAIL_STEP"} == set(json.loads(outcome.output)) - {"LC_CTYPE"}
    assert "canary" not in outcome.output


async def test_r_timeout(runner: CommandRunner) -> None:
    """A child that forks twice and ignores the request to end is gone with its group."""
    outcome = await runner.run(a_command(*python(STUBBORN_FAMILY, "600"), timeout_s=BEGUN_S))
    family = [int(pid) for pid in outcome.output.split()]

    assert (Result.UNKNOWN, 2) == (outcome.result, len(family))
    await ended(family)


async def test_r_output(runner: CommandRunner, rounds: Rounds) -> None:
    """Gigabytes are read and not kept; secrets, colours and broken text are gone from the record."""
    much = await runner.run(a_command("head", "-c", f"{rounds(100, 1000)}MB", "/dev/zero"))
    code = rf"import sys; sys.stdout.buffer.write(b'\x1b[31m{DEPLOY_TOKEN}\xff\x00')"
    bot = await an_approved_bot()

    class Shouting(PlainRunner):
        async def run(self, _step: object) -> object:
            return await runner.run(a_command(*python(code)))

    await run_step(with_world(bot, runners={"http": Shouting()}).world, (await bot.the_last()).id, 0)
    (claim,) = await bot.world.gate.claims(IncidentId(INCIDENT))

    assert (Result.DONE, MAX_OUTPUT) == (much.result, len(much.output))
    assert claim.outcome is not None
    assert DEPLOY_TOKEN not in claim.outcome.output
    assert not set("\x1b\x00") & set(claim.outcome.output)
    claim.outcome.output.encode()


async def test_r_http() -> None:
    """A redirect is not followed, nothing but http is spoken, and the secret stays with its target."""
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        loopback(says()) as elsewhere,
        loopback(says(status=302, Location=f"{elsewhere.url}/")) as target,
    ):
        http = HttpRunner(client, {"TOKEN": SecretStr("canary-token")})
        secret = [("Authorization", "Bearer secret:TOKEN")]
        outcomes = [
            await http.run(a_post(url, headers=secret))
            for url in (target.url, "file:///etc/passwd", "ftp://127.0.0.1/x")
        ]

    assert [Result.FAILED] * 3 == [outcome.result for outcome in outcomes]
    assert (1, []) == (len(target.asked), elsewhere.asked)
    assert "canary" not in repr(outcomes)


async def test_r_http_keeps_the_secret_out_of_the_plan() -> None:
    """The plan, the card and the record hold the secret's name; only the wire holds its value."""
    async with httpx.AsyncClient(trust_env=False) as client, loopback(says("ok")) as target:
        bot = await an_approved_bot()
        bot = with_world(
            bot, runners={"http": _Towards(target.url, HttpRunner(client, {"DEPLOY_TOKEN": _TOKEN}))}
        )
        bot.signals.values = [0.3, 0.0]
        await bot.follow()

    assert f"Bearer {DEPLOY_TOKEN}" == target.headers()["authorization"]
    kept = f"{bot.chat.cards!r}{bot.chat.edits!r}{await bot.entries()!r}{(await bot.the_last()).plan!r}"
    assert (False, True) == (DEPLOY_TOKEN in kept, "secret:DEPLOY_TOKEN" in kept)


_TOKEN = SecretStr(DEPLOY_TOKEN)


class _Towards(PlainRunner):
    """Sends a step to where the test listens."""

    def __init__(self, url: str, runner: HttpRunner) -> None:
        self._url = url
        self._runner = runner

    async def run(self, step: object) -> object:
        return await self._runner.run(a_post(f"{self._url}/", headers=step.action.headers))  # type: ignore[attr-defined]


def test_nothing_here_runs_a_shell() -> None:
    """No module of the runners names a shell, or hands a string to one."""
    folder = Path(__file__).parents[2] / "adapters" / "runners"
    text = "".join(path.read_text() for path in folder.glob("*.py"))

    assert not [word for word in ("shell=", "os.system", "popen", "_shell(", "/bin/sh") if word in text]


async def test_r_timeout_for_those_who_left_the_group(runner: CommandRunner) -> None:
    """Daemons in sessions of their own, one with an emptied environment, are gone with the step as well."""
    step = a_command(*python(ESCAPES), timeout_s=2 * BEGUN_S)
    running = asyncio.create_task(runner.run(step))
    while len(left := members(step.started.key)) < 4:  # noqa: ASYNC110 - Its pipe is the runner's.
        await asyncio.sleep(0.02)
    outcome = await running

    assert Result.UNKNOWN is outcome.result
    await ended(left)


async def test_r_timeout_at_the_kill_switch(runner: CommandRunner) -> None:
    """The switch ends a program that runs, wherever its children went."""
    token = uuid4().hex
    command = a_command(*python(ESCAPES, token), timeout_s=600).action
    bot = await an_approved_bot()

    class Through(PlainRunner):
        async def run(self, step: ApprovedStep) -> StepOutcome:
            return await runner.run(replace(step, step=step.step.model_copy(update={"action": command})))

    following = asyncio.create_task(with_world(bot, runners={"http": Through()}).follow())
    while len(left := _marked(token)) < 3:  # noqa: ASYNC110 - Its pipe is the runner's.
        await asyncio.sleep(0.02)
    await bot.world.gate.kill("root@host", "stop it")
    await following

    assert ProposalState.UNKNOWN is await bot.state()
    await ended(left)


def _marked(token: str) -> list[int]:
    """Return the processes of the test above by their arguments: the one with no environment is not told."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and token.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bwrap: apt-get install --yes bubblewrap")
async def test_r_sandbox(runner: CommandRunner, tmp_path: Path) -> None:
    """A program in the sandbox reads no file of the bot, reaches no network and sees no other process."""
    kept = tmp_path / "handrail.env"
    kept.write_text("SLACK_BOT_TOKEN=canary")
    async with loopback(says("reached")) as target:
        connecting = ("perl", "-MIO::Socket::INET", "-e", _CONNECT.format(address=target.url[7:]))
        outside = await runner.run(a_command(*connecting))
        looking = await runner.run(a_command("ls", "/", sandbox=True))
        inside = [
            await runner.run(a_command(*argv, sandbox=True))
            for argv in (connecting, ("cat", str(kept)), ("cat", f"/proc/{os.getpid()}/environ"))
        ]

    assert "canary" not in repr(inside)
    assert (Result.DONE, [Result.FAILED] * 3) == (outside.result, [one.result for one in inside])
    assert {"bin", "dev", "lib", "lib64", "proc", "sbin", "tmp", "usr"} == set(looking.output.split())


_CONNECT = 'IO::Socket::INET->new("{address}") or die'


async def test_r_dry_run(runner: CommandRunner, tmp_path: Path) -> None:
    """A preview of any type has no effect at its target, and a type that has none asks nothing."""
    marker, bot = tmp_path / "marker", a_bot()
    notify = NotifyRunner(bot.chat, bot.world.book, bot.pager)
    assert None is await notify.preview(Notice(name="tell", to="pagerduty", text="hello"))
    assert ({}, ()) == (bot.chat.cards, tuple(await bot.pager.notes(IncidentId(INCIDENT))))
    async with httpx.AsyncClient(trust_env=False) as client, loopback(says("fine")) as target:
        http, plain = HttpRunner(client, {}), a_post(target.url)
        asked = a_post(target.url, preview=Question(url=f"{target.url}/diff"))
        assert None is await http.preview(plain.action)
        await http.preview(asked.action)
        await runner.preview(a_command("touch", str(marker), preview=("echo", "would touch")).action)
        await runner.preview(a_command("touch", str(marker)).action)

    assert ["GET /diff HTTP/1.1"] == [request.split(b"\r\n")[0].decode() for request in target.asked]
    assert not marker.exists()


async def test_r_dry_run_of_a_cluster() -> None:
    pytest.importorskip("kubernetes", reason="needs the extra `kubernetes`")
    async with cluster_server() as cluster:
        path = a_deployment(cluster)
        before = repr(cluster.objects[path])
        step = _a_scaling(cluster, token_for="ops/runner")
        broker = ServiceAccountTokens({}, ManualTime())
        shown = await KubernetesRunner({}, broker).preview(step.action)

    assert shown is not None
    assert ("spec.replicas: 3 → 5", []) == (shown.text.splitlines()[0], cluster.writes())
    assert (before, {}) == (repr(cluster.objects[path]), cluster.tokens)


async def test_r_creds() -> None:
    """A token is made by a started step only, is short, and is void after its end and after a crash."""
    pytest.importorskip("kubernetes", reason="needs the extra `kubernetes`")
    async with cluster_server() as cluster:
        a_deployment(cluster)
        step, broker = _a_scaling(cluster, token_for="ops/runner"), ServiceAccountTokens({}, ManualTime())
        with pytest.raises(Refused):
            await broker.mint(step.started)  # type: ignore[arg-type]
        unasked = len(cluster.asked)
        minted = await broker.mint(step)
        crashed = dict(cluster.tokens)
        await KubernetesRunner({}, broker).cancel(step.started)
        after_crash = dict(cluster.tokens)
        outcome = await KubernetesRunner({}, broker).run(step)

    assert (0, 1, {}, {}) == (unasked, len(crashed), after_crash, cluster.tokens)
    assert minted.expires_at - NOW <= timedelta(seconds=step.action.timeout_s + 60)  # type: ignore[union-attr]
    assert Result.DONE is outcome.result
    assert not [token for token in ("token-1", "token-2") if token in repr((minted, outcome, step))]


async def test_r_creds_in_a_file(tmp_path: Path) -> None:
    """A file that others may read, a link and a file that is not there are no credential."""
    key, link = tmp_path / "key", tmp_path / "link"
    key.write_text("k")
    link.symlink_to(key)
    for mode in (0o644, 0o660, 0o604):
        key.chmod(mode)
        with pytest.raises(Refused, match="chmod 600"):
            private_file(str(key))
    key.chmod(0o600)
    for wrong in (link, tmp_path / "none", tmp_path):
        with pytest.raises(Refused):
            private_file(str(wrong))

    assert key == private_file(str(key))


def _a_scaling(cluster: ClusterServer, *, token_for: str) -> ApprovedStep:
    return an_approved(
        KubernetesChange(
            name="scale",
            server=cluster.url,
            token_for=token_for,
            operation=ClusterOperation.SCALE,
            kind=ClusterKind.DEPLOYMENT,
            namespace="shop",
            object="shop",
            replicas=5,
            timeout_s=30,
        )
    )


@pytest.mark.parametrize("value", ["{{ lookup('pipe', 'id') }}", "{% for x in y %}", "{# x #}"])
def test_r_template_in_a_play(value: str) -> None:
    """Ansible would evaluate a value; so one that looks like a template never gets there."""
    step = AnsibleStep(
        type="ansible",
        name="play",
        hosts=("h",),
        play="- hosts: all",
        variables={"x": "{version}"},
    )
    with pytest.raises(InvalidPlan, match="would be evaluated"):
        render_target_step(step, {"version": value}, Service())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("server", "a state ready; shutdown"),
        ("server", "a\nshutdown"),
        ("socket", "/run/x y"),
        ("backend", "../b"),
    ],
)
def test_r_cmd_inj_at_the_balancer(field: str, value: str) -> None:
    """One command is one command: no value ends it and begins another."""
    fields = {"socket": "/run/haproxy.sock", "backend": "b", "server": "s", field: "{value}"}
    step = HaproxyStep.model_validate(
        {"type": "haproxy", "name": "drain", "operation": BalancerOperation.DRAIN, **fields}
    )
    with pytest.raises(InvalidPlan):
        render_target_step(step, {"value": value}, Service())


@pytest.mark.parametrize(
    "value", ["../../nodes/n1", "shop/../../secrets", "shop?x=1", "Shop", "-shop", "a" * 254]
)
def test_r_cmd_inj_at_the_cluster(value: str) -> None:
    """The name of an object is a name: it leads to no other path of the API."""
    step = KubernetesStep(
        type="kubernetes",
        name="restart",
        endpoint="kubernetes",
        operation=ClusterOperation.RESTART,
        object="{value}",
    )
    service = Service(endpoints={"kubernetes": Endpoint(url="http://127.0.0.1:1")})
    with pytest.raises(InvalidPlan):
        render_target_step(step, {"value": value}, service)
