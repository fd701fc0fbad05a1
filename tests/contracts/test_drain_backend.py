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
from adapters.runners.command import CommandRunner
from bot.app.rendering import fill_parameters, render_step
from bot.domain.catalogue import HttpSignal, Service
from bot.domain.execution import Result, StepOutcome
from bot.domain.playbook import Step
from tests.builders import an_incident
from tests.loopback import loopback, says
from tests.runner_builders import an_approved

NEEDED = ("haproxy", "socat")
PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
MISSING = [name for name in NEEDED if shutil.which(name, path=PATH) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {' and '.join(MISSING)}: apt-get install --yes haproxy socat"
)

PLAYBOOK = read_playbook(Path(__file__).parents[2] / "playbooks" / "drain-backend.yaml").playbook
CONFIG = """\
global
  stats socket {admin} mode 600 level admin
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
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
    runner: CommandRunner

    async def traffic(self, requests: int = 10) -> Counter[str]:
        """Return which server answered how many requests."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            return Counter([(await client.get(self.url)).text for _ in range(requests)])

    async def carry_out(self, step: Step, *, server: str = "one") -> StepOutcome:
        service = Service(
            settings={
                "haproxy_backend": "pool",
                "haproxy_server": server,
                "haproxy_socket": str(self.admin),
            },
            signals={"error_ratio": HttpSignal(kind="http", url=f"{self.url}/")},
        )
        values = fill_parameters(PLAYBOOK, an_incident(), None, service)
        action = render_step(step, {value.name: value.value for value in values}, service)
        return await self.runner.run(an_approved(action))


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
                runner=CommandRunner(environment={}, path=PATH, cwd=folder),
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

    assert (Result.FAILED, "ended well but said something unexpected") == (outcome.result, outcome.detail)
    assert "No such server" in outcome.output


async def test_an_haproxy_that_is_not_there_is_a_failure(balancer: Balancer) -> None:
    await balancer.traffic(1)
    balancer.admin.unlink()

    assert Result.FAILED is (await balancer.carry_out(PLAYBOOK.steps[0])).result
