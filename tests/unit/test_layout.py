"""The shape of the project: what lies where, what may import what, and who reads the environment."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FOLDERS = {"adapters", "bot", "docs", "playbooks", "policies", "prompts", "tests"}
FILES = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "compose.yaml",
    "pyproject.toml",
    "requirements-runtime.lock",
    "requirements.lock",
    "policy.example.yaml",
    "services.example.yaml",
}
MADE_HERE = {"build", "data", "dist", "handrail.egg-info", "policy.yaml", "services.yaml"}

WHOLE = {
    f"{reader}(os.environ)"
    for reader in (
        "read_settings",
        "store_settings",
        "model_settings",
        "detector_name",
        "playbooks_folder",
        "policy_file",
        "services_file",
        "tuple",  # The names alone, none of the values.
    )
}
"""How a command hands the environment to its one reader."""


def test_the_top_level_holds_only_what_a_newcomer_expects() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}

    assert FOLDERS | FILES == found - MADE_HERE


def test_only_settings_read_the_environment() -> None:
    """Others pass it on whole, or hand a child process the few names that it needs, which reads these."""
    uses = {
        str(path.relative_to(ROOT)): found
        for package in ("bot", "adapters")
        for path in sorted((ROOT / package).rglob("*.py"))
        if (found := set(_uses_of_environment(path)))
    }
    commands = {path: uses.pop(path) for path in list(uses) if path.startswith("adapters/cli/")}

    assert [] == [path for path, found in commands.items() if not found <= WHOLE]
    assert {
        "adapters/wiring.py": {"os.environ[name]", "name in os.environ", "os.environ.get"},
        "adapters/sandbox/checkout/__main__.py": {
            "TOKEN_VARIABLE not in os.environ",
            "os.environ.get",
            "os.environ[TOKEN_VARIABLE]",
        },
        "adapters/sandbox/checkout/process.py": {"{**os.environ, **self._secrets}"},
        "adapters/sandbox/bot_process.py": {"os.environ[name]", "name in os.environ"},
    } == uses


def _uses_of_environment(path: Path) -> Iterator[str]:
    """Yield the expression around each mention of the environment."""
    tree = ast.parse(path.read_text())
    for parent in ast.walk(tree):
        if isinstance(parent, ast.ImportFrom) and parent.module == "os":
            names = {alias.name for alias in parent.names}
            yield from sorted(names & {"environ", "environb", "getenv", "getenvb"})
        for child in ast.iter_child_nodes(parent):
            if isinstance(child, ast.Attribute) and ast.unparse(child) in ("os.environ", "os.environb"):
                yield ast.unparse(parent)
            if isinstance(child, ast.Attribute) and ast.unparse(child) in ("os.getenv", "os.getenvb"):
                yield ast.unparse(parent)


def test_import_contracts_hold() -> None:
    said = _lint_imports(ROOT)

    assert "0 broken" in said.stdout, said.stdout
    assert said.returncode == 0


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("bot/domain/measures.py", "import adapters.clock", "Dependencies point inward"),
        ("bot/app/report.py", "import httpx", "The core knows no vendor"),
        ("adapters/slack/chat.py", "import temporalio", "Temporal stays in the engine"),
        ("adapters/runners/http.py", "import openai", "Models are asked in one place"),
        ("adapters/wiring.py", "import adapters.sandbox.stage", "Only the demo knows the sandbox"),
        ("adapters/sandbox/model.py", "import adapters.clock", "The sandbox knows nothing of the bot"),
    ],
)
def test_a_wrong_import_breaks_its_contract(tmp_path: Path, module: str, line: str, contract: str) -> None:
    for package in ("bot", "adapters"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / module).open("a") as file:
        file.write(f"{line}\n")

    said = _lint_imports(tmp_path)

    broken = {
        found.removesuffix(" BROKEN") for found in said.stdout.splitlines() if found.endswith(" BROKEN")
    }
    assert {contract} == broken, said.stdout + said.stderr
    assert said.returncode == 1


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )


def test_a_setup_says_how_long_it_takes_and_how_far_it_is(tmp_path: Path) -> None:
    """With a pip that is none: what is tested is what a person sees, and that its failure is one."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "requirements.lock"):
        (tmp_path / name).touch()
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    itself = 'case "$*" in *"--upgrade pip") exit 0;; esac'
    collecting = (
        'for n in $(seq 60); do echo "Collecting package-$n"; done; echo "Installing collected packages: x"'
    )
    for name, does in (("python", "exit 0"), ("pip", f"{itself}; {collecting}; exit $(cat code)")):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)

    # Under `make test` this make is a nested one: it would take its parent's flags and say where it goes.
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    ended = {}
    for code in ("1", "0"):
        (tmp_path / "code").write_text(code)
        ended[code] = subprocess.run(
            ["make", "setup", f"PYTHON={sys.executable}"],
            cwd=tmp_path,
            env=alone,
            capture_output=True,
            text=True,
            check=False,
        )

    assert ended["0"].stdout.splitlines()[:6] == [
        "Setting up .venv: one to five minutes the first time.",
        "  1/3 making the environment",
        "  2/3 fetching the packages",
        "      25 found",
        "      50 found",
        "      installing 60 packages",
    ]
    assert (0, True) == (ended["0"].returncode, ended["1"].returncode != 0)


def test_ci_skips_nothing_for_want_of_a_browser() -> None:
    """With CI=true a browser test fails where it would be skipped by name elsewhere."""
    assert "export CI=true" in (ROOT / ".ci/run").read_text()
