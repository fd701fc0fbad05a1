"""The documentation says what the code knows."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
import yaml
from pydantic import SecretStr
from starlette.applications import Starlette
from typer.core import TyperGroup
from typer.main import get_command

from adapters.changes.route import change_routes
from adapters.cli.main import app
from adapters.cli.pages import metrics_page, wanted_files
from adapters.clock import SystemClock
from adapters.files.catalogue import read_catalogue
from adapters.files.playbooks import missing_from, read_playbooks
from adapters.settings import Settings
from bot.domain.change import ChangeEvent
from bot.domain.errors import Invalid
from bot.ports import Stream
from tests.recording_inbox import RecordingInbox

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
SECRET = "a shared secret"


def command() -> TyperGroup:
    found = get_command(app)
    assert isinstance(found, TyperGroup)
    return found


def test_every_table_is_what_the_code_says() -> None:
    """When this fails: handrail reference --write."""
    stale = [
        path for path, text in wanted_files(ROOT, command()).items() if (ROOT / path).read_text() != text
    ]

    assert [] == stale


def test_a_page_whose_markers_are_gone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no markers")

    with pytest.raises(Invalid, match="begin settings"):
        wanted_files(tmp_path, command())


def test_every_metric_names_its_labels() -> None:
    """A metric that is not measured in the reference would look as if it had none."""
    labelled = {"stream", "reason", "state", "what", "outcome", "direction", "child"}

    assert labelled == set(re.findall(r"(?<=\| )`([a-z]+)`(?= \|)", metrics_page()))


def test_every_setting_in_the_text_exists() -> None:
    texts = [README, *(path.read_text() for path in ROOT.glob("*.md"))]
    texts += [path.read_text() for path in (ROOT / "docs").glob("*.md")]
    texts += [(ROOT / "Dockerfile").read_text(), (ROOT / "compose.yaml").read_text()]
    named = {name for text in texts for name in re.findall(r"\bHANDRAIL_[A-Z_]+[A-Z]\b", text)}
    known = {name.upper() for name in Settings.model_fields}

    assert set() == {name for name in named if not name.startswith("HANDRAIL_SECRET_")} - known


def test_links_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "playbooks" / "README.md"]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#\s]+)", page.read_text())]

    assert [] == [f"{page.name}: {to}" for page, to in links if not _leads_somewhere(page, to)]


def _leads_somewhere(page: Path, link: str) -> bool:
    return link.startswith("https://") or (page.parent / link).exists()


def test_the_example_catalogue_is_valid_and_names_playbooks_that_exist() -> None:
    catalogue = read_catalogue(ROOT / "services.example.yaml")

    assert [] == missing_from(catalogue, read_playbooks(ROOT / "playbooks"))
    assert {"checkout", "payments"} == set(catalogue.services)


def test_the_catalogue_in_the_readme_is_valid(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text(_block(README, "yaml"))

    catalogue = read_catalogue(tmp_path / "services.yaml")

    assert [] == missing_from(catalogue, read_playbooks(ROOT / "playbooks"))


def test_the_playbook_in_the_documentation_is_valid(tmp_path: Path) -> None:
    text = _block((ROOT / "docs" / "playbooks.md").read_text(), "yaml")
    (tmp_path / "scale-out.yaml").write_text(text)

    loaded = read_playbooks(tmp_path)["scale-out"]

    assert ("scale", "let-it-start") == tuple(step.name for step in loaded.playbook.steps)


def test_the_playbooks_that_ship_are_listed() -> None:
    listed = set(
        re.findall(r"^\| \[([a-z-]+)\]", (ROOT / "playbooks" / "README.md").read_text(), re.MULTILINE)
    )

    assert listed == set(read_playbooks(ROOT / "playbooks"))


async def test_the_change_event_in_the_readme_is_accepted() -> None:
    """The command's header, path and body, on the route that takes them."""
    inbox = RecordingInbox()
    example = next(block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "openssl" in block)
    body = _said_by(example, {"'$(date -u +%Y-%m-%dT%H:%M:%SZ)'": "2026-03-04T05:06:07Z"})
    header = re.search(r'-H "([A-Za-z-]+): sha256=\$signature"', example)
    address = re.search(r"http://127\.0\.0\.1:8700(/\S+)", example)
    assert header is not None
    assert address is not None
    signature = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()

    answer = await _post(inbox, address[1], body, {header[1]: f"sha256={signature}"})

    assert (202, {"status": "accepted"}) == (answer.status_code, answer.json())
    ((stream, _, payload),) = inbox.stored
    change = ChangeEvent.model_validate_json(payload)
    assert Stream.CHANGES is stream
    assert ("generic:build-4711", "checkout", "42", "41") == (
        change.id,
        change.service,
        change.version,
        change.previous_version,
    )


def _said_by(example: str, dates: Mapping[str, str]) -> str:
    """Return the body that the shell makes of the assignment in *example*."""
    found = re.search(r"^body='(.*?)'$", example, re.DOTALL | re.MULTILINE)
    assert found is not None
    body = found[1]
    for command_, date in dates.items():
        body = body.replace(command_, date)
    assert json.loads(body)
    return body


async def _post(inbox: RecordingInbox, path: str, body: str, headers: Mapping[str, str]) -> httpx.Response:
    catalogue = read_catalogue(ROOT / "services.example.yaml")
    routes = change_routes(
        inbox, catalogue, SystemClock(), generic_secret=SecretStr(SECRET), github_secret=None
    )
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        return await client.post(path, content=body, headers=headers)


def _block(text: str, language: str) -> str:
    """Return the first fenced block of *language*."""
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def test_compose_runs_the_image_of_this_folder_with_its_data_kept() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    bot = compose["services"]["handrail"]

    assert ("data:/var/lib/handrail/data", ".") == (bot["volumes"][0], bot["build"])
    assert ["127.0.0.1:8700:8700"] == bot["ports"]
    assert {"handrail"} == {n for n, service in compose["services"].items() if not service.get("profiles")}
