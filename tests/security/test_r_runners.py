"""Runners, boundary B6: children and targets that do what they should not."""

import json
import os
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from adapters.runners.command import CommandRunner
from adapters.runners.http import HttpRunner
from adapters.runners.plain import PlainRunner
from adapters.runners.program import MAX_OUTPUT
from bot.app.remediate import run_step
from bot.domain.execution import Result
from bot.domain.ids import IncidentId
from tests.app.test_remediating import an_approved_bot
from tests.app.world import DEPLOY_TOKEN, with_world
from tests.builders import INCIDENT
from tests.contracts.test_command_runner import STUBBORN_FAMILY, is_alive, python
from tests.loopback import loopback, says
from tests.runner_builders import a_command, a_post


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
    outcome = await runner.run(a_command(*python(STUBBORN_FAMILY, "600"), timeout_s=1))

    assert Result.UNKNOWN is outcome.result
    assert not any(is_alive(int(pid)) for pid in outcome.output.split())


async def test_r_output(runner: CommandRunner) -> None:
    """Gigabytes are read and not kept; secrets, colours and broken text are gone from the record."""
    much = await runner.run(a_command("head", "-c", "300000000", "/dev/zero"))
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
    assert "\x1b" not in claim.outcome.output


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
