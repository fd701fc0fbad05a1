"""Steps of type `command`, on real programs."""

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from adapters.runners.command import MAX_INPUT, CommandRunner
from adapters.runners.family import members
from adapters.runners.program import MAX_OUTPUT
from bot.domain.execution import Preview, Result, StepOutcome
from tests.runner_builders import a_command, a_post
from tests.scenarios.processes import ended

BEGUN_S = 5
"""A time after which a program has begun, on a busy machine too."""
TELL_ALL = "import json,os,sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"


@pytest.fixture
def runner(tmp_path: Path) -> CommandRunner:
    folder = tmp_path / "commands"
    folder.mkdir()
    kept = {"TZ": "UTC", "SLACK_BOT_TOKEN": "xoxb-canary"}
    return CommandRunner(environment=kept, path=os.environ["PATH"], cwd=folder)


def python(code: str, *argv: str) -> tuple[str, ...]:
    """Return the argv of a program in our own Python, without what a site may add."""
    return (sys.executable, "-IS", "-c", code, *argv)


async def test_arguments_arrive_word_for_word(runner: CommandRunner, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    nasty = (
        f"; touch {marker}",
        f"$(touch {marker})",
        f"`touch {marker}`",
        "a\nb",
        "$HOME",
        "*",
        "--kubeconfig=/x",
        "{{7*7}}",
        "%(x)s",
    )

    outcome = await runner.run(a_command(*python(TELL_ALL, *nasty)))

    assert list(nasty) == json.loads(outcome.output)[0]
    assert not marker.exists()


async def test_the_environment_holds_only_what_the_step_names(runner: CommandRunner) -> None:
    step = a_command(*python(TELL_ALL), environment=["TZ", "NOT_THERE"])
    outcome = await runner.run(step)

    ours = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HANDRAIL_STEP": step.started.key}
    assert {**ours, "TZ": "UTC"} == {
        name: value for name, value in json.loads(outcome.output)[1].items() if name != "LC_CTYPE"
    }


async def test_it_runs_in_the_given_folder(runner: CommandRunner, tmp_path: Path) -> None:
    outcome = await runner.run(a_command(*python(TELL_ALL)))

    assert str(tmp_path / "commands") == json.loads(outcome.output)[2]


async def test_it_reads_its_standard_input_to_the_end(runner: CommandRunner) -> None:
    said = "set server a/b state drain\n" * 100
    outcome = await runner.run(a_command("cat", stdin=said))

    assert StepOutcome(result=Result.DONE, detail="ended with exit code 0", output=said) == outcome


async def test_a_program_that_reads_nothing_is_not_waited_for(runner: CommandRunner) -> None:
    assert Result.DONE is (await runner.run(a_command("true", stdin="x" * MAX_INPUT))).result


async def test_an_input_too_long_starts_nothing(runner: CommandRunner) -> None:
    outcome = await runner.run(a_command("cat", stdin="x" * (MAX_INPUT + 1)))

    assert (Result.FAILED, "not started: its standard input is too long") == (outcome.result, outcome.detail)


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("no-such-program",), "not started: No such file or directory"),
        (("/etc/passwd",), "not started: Permission denied"),
        (("true", "a\0b"), "not started: embedded null byte"),
    ],
)
async def test_what_cannot_be_started_has_failed(
    runner: CommandRunner, argv: tuple[str, ...], why: str
) -> None:
    assert StepOutcome(result=Result.FAILED, detail=why) == await runner.run(a_command(*argv))


@pytest.mark.parametrize(
    ("code", "expected", "result"),
    [(0, (0,), Result.DONE), (3, (0,), Result.FAILED), (3, (0, 3), Result.DONE), (0, (3,), Result.FAILED)],
)
async def test_the_exit_code_says_whether_it_worked(
    runner: CommandRunner, code: int, expected: tuple[int, ...], result: Result
) -> None:
    outcome = await runner.run(a_command(*python(f"raise SystemExit({code})"), expect_exit=expected))

    assert (result, f"ended with exit code {code}") == (outcome.result, outcome.detail)


async def test_a_program_that_was_killed_left_nobody_knowing(runner: CommandRunner) -> None:
    code = f"import os; os.kill(os.getpid(), {signal.SIGKILL})"

    outcome = await runner.run(a_command(*python(code), expect_exit=[-9]))

    assert (Result.UNKNOWN, True) == (outcome.result, "was ended by signal 9" in outcome.detail)


@pytest.mark.parametrize(
    ("said", "wanted", "result"),
    [
        ("", r"\s*", Result.DONE),
        ("\n", r"\s*", Result.DONE),
        ("No such server.\n", r"\s*", Result.FAILED),
        ("ok\nNo such server.\n", r"ok\s*", Result.FAILED),
        ("\n" * 5000 + "No such server.", r"\s*", Result.FAILED),
        ("\n" * 5000, r"\s*", Result.FAILED),
    ],
)
async def test_all_that_it_says_must_be_what_is_expected(
    runner: CommandRunner, said: str, wanted: str, result: Result
) -> None:
    assert result is (await runner.run(a_command("cat", stdin=said, expect_output=wanted))).result


async def test_its_complaints_are_heard_too(runner: CommandRunner) -> None:
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr)"

    assert "out\nerr\n" == (await runner.run(a_command(*python(code)))).output


async def test_output_is_cut_and_cleaned_and_never_in_the_way(runner: CommandRunner) -> None:
    clean = await runner.run(
        a_command(
            *python(
                r"import sys; sys.stdout.buffer.write("
                r"b'\x1b[31mred\x1b[0m \x1b]0;title\x07t \xff \x00 \xe2\x80\xae\tend\n')"
            )
        )
    )
    much = await runner.run(a_command("head", "-c", "50000000", "/dev/zero"))

    assert "red t � � �\tend\n" == clean.output
    assert (Result.DONE, MAX_OUTPUT) == (much.result, len(much.output))


async def test_too_long_means_stopped_and_unknown(runner: CommandRunner) -> None:
    outcome = await runner.run(
        a_command(*python("import time; print('begun', flush=True); time.sleep(600)"), timeout_s=BEGUN_S)
    )

    assert (
        StepOutcome(
            result=Result.UNKNOWN,
            detail=f"stopped after {BEGUN_S} s; what it had done by then is not known",
            output="begun\n",
        )
        == outcome
    )


STUBBORN_FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(600)
    os._exit(0)
print(os.getpid(), flush=True)
time.sleep(float(sys.argv[1]))
"""


async def test_a_family_that_ignores_the_request_to_end_is_made_to(runner: CommandRunner) -> None:
    outcome = await runner.run(a_command(*python(STUBBORN_FAMILY, "600"), timeout_s=BEGUN_S))
    family = [int(pid) for pid in outcome.output.split()]

    assert (Result.UNKNOWN, 2) == (outcome.result, len(family))
    await ended(family)


LEAVES_A_CHILD = """
import os, time
heard, told = os.pipe()
if os.fork() == 0:
    {first}
    print(os.getpid(), flush=True)
    os.write(told, b"x")
    time.sleep(600)
os.read(heard, 1)
"""


async def test_who_stays_behind_in_the_group_ends_with_the_program(runner: CommandRunner) -> None:
    outcome = await runner.run(a_command(*python(LEAVES_A_CHILD.format(first=""))))

    assert Result.DONE is outcome.result
    await ended([int(outcome.output)])


async def test_a_daemon_that_left_the_group_holds_nobody_up(runner: CommandRunner) -> None:
    """It keeps our pipe open; the program's own end is what counts. That it lives on is its design."""
    outcome = await runner.run(a_command(*python(LEAVES_A_CHILD.format(first="os.setsid()"))))
    daemon = int(outcome.output)
    os.kill(daemon, signal.SIGKILL)

    assert Result.DONE is outcome.result


async def test_a_step_of_another_type_is_a_defect(runner: CommandRunner) -> None:
    with pytest.raises(TypeError, match="type http"):
        await runner.run(a_post("http://127.0.0.1:1"))


ESCAPES = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
heard, told = os.pipe()
def daemon(name):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            if name == "bare":
                argv = [sys.executable, "-ISc", "import time; time.sleep(600)"]
                os.spawnve(os.P_NOWAIT, sys.executable, argv, {})
            os.write(told, b"x")
            time.sleep(600)
        os._exit(0)
daemon("plain"); daemon("bare")
os.read(heard, 1); os.read(heard, 1)
time.sleep(600)
"""


async def test_a_cancelled_run_ends_those_who_left_its_session_too(runner: CommandRunner) -> None:
    """Daemons of their own sessions, one with a child whose environment is empty, all deaf to SIGTERM."""
    step = a_command(*python(ESCAPES), timeout_s=60)
    running = asyncio.create_task(runner.run(step))
    while len(left := members(step.started.key)) < 4:  # noqa: ASYNC110 - The program says it to its pipe only.
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.wait({running})

    assert running.cancelled()
    await ended(left)


async def test_what_a_dead_worker_left_is_found_by_its_key_and_ended(runner: CommandRunner) -> None:
    step = a_command(*python("import time; time.sleep(600)"))
    left = await asyncio.create_subprocess_exec(
        *python("import time; time.sleep(600)"), env={"HANDRAIL_STEP": step.started.key}
    )
    before = await runner.status(step.started)
    await runner.cancel(step.started)
    after = await runner.status(step.started)
    await left.wait()

    assert (StepOutcome(result=Result.UNKNOWN, detail=f"it still runs (process {left.pid})"), None) == (
        before,
        after,
    )


async def test_a_preview_shows_what_its_program_says(runner: CommandRunner) -> None:
    shown, broken, none, missing = [
        await runner.preview(a_command("true", preview=argv).action)
        for argv in (("echo", "would restart 2"), ("false",), (), ("no-such-program",))
    ]

    assert Preview(step="command", text="would restart 2\n") == shown
    assert Preview(step="command", missing="its preview ended with exit code 1") == broken
    assert Preview(step="command", missing="not started: No such file or directory") == missing
    assert None is none


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bwrap: apt-get install --yes bubblewrap")
async def test_r_sandbox_in_the_sandbox_a_program_has_the_system_and_nothing_of_ours(
    runner: CommandRunner, tmp_path: Path
) -> None:
    kept = tmp_path / "settings.env"
    kept.write_text("SLACK_BOT_TOKEN=canary")
    outcomes = [
        await runner.run(a_command(*argv, sandbox=True))
        for argv in (("cat", str(kept)), ("cat", "/etc/passwd"), ("echo", "fine"), ("ls", "/tmp"))
    ]

    assert [Result.FAILED, Result.FAILED, Result.DONE, Result.DONE] == [one.result for one in outcomes]
    assert ("fine\n", "") == (outcomes[2].output, outcomes[3].output)
