"""The shipped playbook `drain-backend` against Debian's HAProxy: traffic really moves, and comes back."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from adapters.files.playbooks import read_playbook
from adapters.runners.haproxy import HaproxyRunner
from bot.app.rendering import fill_parameters, render_steps
from bot.domain.catalogue import HttpSignal, Service
from bot.domain.execution import ApprovedStep, Preview, Result, StepOutcome
from bot.domain.playbook import PlaybookStep
from bot.domain.target_actions import HaproxyCommand
from bot.domain.target_steps import BalancerOperation, HaproxyStep
from tests.builders import an_incident
from tests.loopback import loopback, says
from tests.runner_builders import an_approved

PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
pytestmark = pytest.mark.skipif(
    shutil.which("haproxy", path=PATH) is None, reason="needs haproxy: apt-get install --yes haproxy"
)

PLAYBOOK = read_playbook(Path(__file__).parents[2] / "playbooks" / "drain-backend.yaml").playbook
CONFIG = """\
global
  stats socket {admin} mode 600 level admin
defaults
  mode http
  timeout connect 60s
  timeout client 60s
  timeout server 60s
frontend all
  bind fd@{listener}
  default_backend pool
backend pool
  balance roundrobin
  server one {one}
  server two {two}
"""


@dataclass
class Balancer:
    """A running HAProxy in front of two servers."""

    url: str
    admin: Path
    runner: HaproxyRunner

    async def traffic(self, requests: int = 10) -> Counter[str]:
        """Return which server answered how many requests."""
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            return Counter([(await client.get(self.url)).text for _ in range(requests)])

    async def carry_out(self, step: PlaybookStep, *, server: str = "one") -> StepOutcome:
        return await self.runner.run(self.planned(step, server=server))

    def planned(self, step: PlaybookStep, *, server: str = "one") -> ApprovedStep:
        service = Service(
            settings={
                "haproxy_backend": "pool",
                "haproxy_server": server,
                "haproxy_socket": str(self.admin),
            },
            signals={"error_ratio": HttpSignal(kind="http", url=f"{self.url}/")},
        )
        values = fill_parameters(PLAYBOOK, an_incident(), None, service)
        [action] = render_steps([step], {value.name: value.value for value in values}, service)
        return an_approved(action)


@asynccontextmanager
async def a_balancer(folder: Path, one: str, two: str) -> AsyncIterator[Balancer]:
    # The socket is bound here: it takes connections before HAProxy is up, so nothing polls for that.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        admin, config = folder / "admin.sock", folder / "haproxy.cfg"
        config.write_text(
            CONFIG.format(
                admin=admin,
                listener=listener.fileno(),
                one=one.removeprefix("http://"),
                two=two.removeprefix("http://"),
            )
        )
        haproxy = await asyncio.create_subprocess_exec(
            str(shutil.which("haproxy", path=PATH)),
            "-db",
            "-q",
            "-f",
            str(config),
            pass_fds=[listener.fileno()],
        )
        try:
            yield Balancer(
                url=f"http://127.0.0.1:{listener.getsockname()[1]}",
                admin=admin,
                runner=HaproxyRunner(),
            )
        finally:
            haproxy.kill()
            await haproxy.wait()


@pytest.fixture
async def balancer() -> AsyncIterator[Balancer]:
    # A path short enough for a unix socket.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        async with (
            loopback(says("one")) as one,
            loopback(says("two")) as two,
            a_balancer(Path(folder), one.url, two.url) as balancer,
        ):
            yield balancer


async def test_a_drained_server_gets_nothing_new_and_comes_back(balancer: Balancer) -> None:
    before = await balancer.traffic()
    drained = await balancer.carry_out(PLAYBOOK.steps[0])
    meanwhile = await balancer.traffic()
    undone = await balancer.carry_out(PLAYBOOK.undo.steps[0])
    after = await balancer.traffic()

    assert {"one": 5, "two": 5} == before
    assert (Result.DONE, {"two": 10}) == (drained.result, meanwhile)
    assert (Result.DONE, {"one", "two"}) == (undone.result, set(after))


async def test_draining_twice_is_no_failure(balancer: Balancer) -> None:
    await balancer.traffic(1)

    results = [(await balancer.carry_out(PLAYBOOK.steps[0])).result for _ in range(2)]

    assert [Result.DONE, Result.DONE] == results


async def test_a_server_that_haproxy_does_not_know_is_a_failure(balancer: Balancer) -> None:
    await balancer.traffic(1)

    outcome = await balancer.carry_out(PLAYBOOK.steps[0], server="three")

    assert (Result.FAILED, "HAProxy refused") == (outcome.result, outcome.detail)
    assert "No such server" in outcome.output


async def test_an_haproxy_that_is_not_there_is_a_failure(balancer: Balancer) -> None:
    await balancer.traffic(1)
    balancer.admin.unlink()

    assert Result.FAILED is (await balancer.carry_out(PLAYBOOK.steps[0])).result


async def test_r_dry_run_a_preview_tells_how_the_server_stands_and_leaves_it_so(balancer: Balancer) -> None:
    await balancer.traffic(1)
    drain = balancer.planned(PLAYBOOK.steps[0]).action
    before = await balancer.runner.preview(drain)
    assert before == await balancer.runner.preview(drain)
    await balancer.carry_out(PLAYBOOK.steps[0])
    after = await balancer.runner.preview(drain)
    unknown = await balancer.runner.preview(balancer.planned(PLAYBOOK.steps[0], server="three").action)

    assert [
        Preview(step="drain", text="now: state ready, weight 1\nthen: state drain"),
        Preview(step="drain", text="now: state drain, weight 1\nthen: state drain"),
        Preview(step="drain", missing="HAProxy has no pool/three"),
    ] == [before, after, unknown]


async def test_a_lost_answer_is_found_by_looking(balancer: Balancer) -> None:
    await balancer.traffic(1)
    step = balancer.planned(PLAYBOOK.steps[0]).started
    before = await balancer.runner.status(step)
    await balancer.carry_out(PLAYBOOK.steps[0])
    after = await balancer.runner.status(step)

    assert [
        StepOutcome(result=Result.UNKNOWN, detail="pool/one has state ready and weight 1 now"),
        StepOutcome(result=Result.DONE, detail="pool/one has state drain and weight 1 now"),
    ] == [before, after]


async def test_weight_moves_the_traffic(balancer: Balancer) -> None:
    await balancer.traffic(1)
    step = HaproxyStep(
        type="haproxy",
        name="shift",
        socket="{socket}",
        backend="{backend}",
        server="{server}",
        operation=BalancerOperation.WEIGHT,
        weight="0",
    )
    outcome = await balancer.carry_out(step)

    assert (Result.DONE, {"two": 6}) == (outcome.result, await balancer.traffic(6))


async def test_an_haproxy_that_hangs_leaves_the_step_unknown(tmp_path: Path) -> None:
    def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    command = HaproxyCommand(
        name="drain",
        socket=address,
        backend="b",
        server="s",
        command="set server b/s state drain",
        timeout_s=4,
    )
    outcome = await HaproxyRunner().run(an_approved(command))
    server.close()
    for writer in held:
        writer.close()

    assert (Result.UNKNOWN, True) == (outcome.result, "it may have taken effect" in outcome.detail)
