"""What a command does not need is not imported: `handrail --help` and `kill` answer at once, anywhere."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEIGHBOURS = frozenset(
    {
        *("aiohttp", "slack_bolt", "slack_sdk", "pdpyras", "requests", "httpx"),
        *("temporalio", "google", "redis", "cryptography"),
        *("langchain", "langchain_core", "langchain_openai", "langgraph", "openai", "mcp", "tiktoken"),
        *("jinja2", "starlette", "uvicorn", "uvloop"),
    }
)
STORE_AND_MODELS = frozenset({"sqlalchemy", "psycopg", "pydantic", "structlog", "rich", "yaml", "rfc8785"})


def imported_by(code: str) -> frozenset[str]:
    """Return the top packages that are loaded after *code* in an interpreter of its own."""
    told = f"{code}\nimport json, sys\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    names: Sequence[str] = json.loads(done.stdout)
    return frozenset(names)


def test_the_command_line_itself_needs_no_library_but_its_own() -> None:
    loaded = imported_by("import adapters.cli")

    assert "typer" in loaded
    assert frozenset() == loaded & (NEIGHBOURS | STORE_AND_MODELS)


@pytest.mark.parametrize(
    "module",
    [
        pytest.param("adapters.store.opening", id="what kill and audit open"),
        pytest.param("adapters.settings", id="what every command reads"),
        pytest.param("adapters.ground", id="what starts the servers, while the neighbours are imported"),
    ],
)
def test_what_comes_before_the_neighbours_imports_none_of_them(module: str) -> None:
    assert frozenset() == imported_by(f"import {module}") & NEIGHBOURS


def test_a_bot_without_a_model_does_not_import_its_libraries() -> None:
    loaded = imported_by("import adapters.wiring")

    assert "temporalio" in loaded
    assert frozenset() == loaded & {"langchain", "langchain_core", "langgraph", "openai", "mcp", "tiktoken"}
