"""Tools that the team added: a real MCP server over stdio and over HTTP, and the memory twin."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

pytest.importorskip("langchain_mcp_adapters", reason="needs the extra mcp")

from adapters.evidence.mcp import DESTROYS, MAY_WRITE, MOST_TEXT, McpTools
from adapters.evidence.mcp_file import AllowedTool, CommandServer, HttpServer, McpFile, Server, read_mcp_file
from adapters.evidence.memory import MemoryTools
from bot.domain.diagnosis import Trust, Window
from bot.domain.errors import InvalidCatalogue
from bot.domain.ids import ServiceName
from bot.domain.sources import AddedAnswer, Inquiry
from bot.ports import AddedTools
from tests.builders import INCIDENT, NOW
from tests.loopback import a_free_address, a_kept_port, loopback, never_answers, says

ROOT = Path(__file__).parents[2]
INQUIRY = Inquiry(incident=INCIDENT, service=ServiceName("checkout"), window=Window(start=NOW, end=NOW))
NOTES = AllowedTool(arguments={"service": "{service}", "since": "{window.start}"}, trust=Trust.TELEMETRY)
SAID = f"checkout since {NOW.isoformat()}\npassword: "
SECRETS = {"NOTES": SecretStr("n0tes-t0ken")}
LONG_S = 60.0


def over_stdio(tools: Mapping[str, AllowedTool]) -> CommandServer:
    return CommandServer(
        kind="command",
        argv=(sys.executable, "-m", "tests.contracts.mcp_server"),
        environment={"NOTES_TOKEN": "secret:NOTES", "PYTHONPATH": str(ROOT)},
        tools=dict(tools),
    )


def added(server: Server, *, within_s: float = LONG_S) -> McpTools:
    return McpTools(McpFile(servers={"notes": server}), SECRETS, within_s=within_s)


@asynccontextmanager
async def over_http() -> AsyncIterator[str]:
    """Run the server and return its address once it listens."""
    with a_kept_port() as port:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.contracts.mcp_server", str(port), cwd=ROOT
        )
        try:
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionError:
                    await asyncio.sleep(0.05)  # Another process, which has no event for being ready.
                    continue
                writer.close()
                break
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()
            await process.wait()


@asynccontextmanager
async def tools_of(kind: str) -> AsyncIterator[tuple[AddedTools, str]]:
    """Yield the tools, and the password that the server was given."""
    allowed = {"notes_of": NOTES}
    if kind == "stdio":
        yield added(over_stdio(allowed)), "n0tes-t0ken"
    elif kind == "http":
        async with over_http() as url:
            yield added(HttpServer(kind="http", url=url, tools=allowed)), "none"
    else:
        said = AddedAnswer(name="notes.notes_of", text=f"{SAID}none", trust=Trust.TELEMETRY)
        yield MemoryTools([said]), "none"


@pytest.mark.parametrize("kind", ["memory", "stdio", "http"])
async def test_a_tool_is_told_facts_and_its_text_comes_with_its_trust(kind: str) -> None:
    async with tools_of(kind) as (tools, password):
        answers = await tools.ask(INQUIRY)

    expected = AddedAnswer(name="notes.notes_of", text=SAID + password, trust=Trust.TELEMETRY)
    assert (expected,) == tuple(answers)


async def test_tools_that_may_write_are_refused_by_name_and_never_asked() -> None:
    names = ("says_nothing_of_writing", "writes", "contradicts_itself", "unheard_of", "fails", "notes_of")
    allowed = {name: NOTES if name == "notes_of" else AllowedTool() for name in names}

    answers = await added(over_stdio(allowed)).ask(INQUIRY)

    assert {
        "notes.says_nothing_of_writing": MAY_WRITE,
        "notes.writes": MAY_WRITE,
        "notes.contradicts_itself": DESTROYS,
        "notes.unheard_of": "its server offers no such tool",
        "notes.fails": "it answered with an error",
        "notes.notes_of": "",
    } == {answer.name: answer.problem for answer in answers}
    assert "approve" not in "".join(answer.text for answer in answers)


async def test_a_server_sees_nothing_of_the_bots_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-0000")

    (answer,) = await added(over_stdio({"environment": AllowedTool()})).ask(INQUIRY)

    assert "NOTES_TOKEN" in answer.text
    assert {"SLACK_BOT_TOKEN"} & set(os.environ)
    assert "SLACK" not in answer.text


async def test_a_long_answer_is_cut_at_a_line_and_says_so() -> None:
    (answer,) = await added(over_stdio({"endless": AllowedTool()})).ask(INQUIRY)

    assert answer.is_cut
    assert MOST_TEXT >= len(answer.text)
    assert {"a line"} == set(answer.text.split("\n"))


async def test_a_server_that_does_not_answer_is_named() -> None:
    allowed = {"notes_of": NOTES}
    async with loopback(never_answers) as silent, loopback(says("<html>")) as other:
        file = McpFile(
            servers={
                "silent": HttpServer(kind="http", url=silent.url, tools=allowed),
                "other": HttpServer(kind="http", url=other.url, tools=allowed),
                "away": HttpServer(kind="http", url=await a_free_address(), tools=allowed),
                "missing": CommandServer(kind="command", argv=("/no/such/program",), tools=allowed),
                "poor": HttpServer(
                    kind="http", url=other.url, headers={"X-Key": "secret:ABSENT"}, tools=allowed
                ),
            }
        )
        answers = await McpTools(file, {}, within_s=15.0).ask(INQUIRY)

    unreachable = "its server cannot be reached, or does not speak MCP"
    assert {
        "silent.notes_of": "no answer within 15 s",
        "other.notes_of": "no answer within 15 s",
        "away.notes_of": unreachable,
        "missing.notes_of": unreachable,
        "poor.notes_of": "secret:ABSENT has no value: set HANDRAIL_SECRET_ABSENT",
    } == {answer.name: answer.problem for answer in answers}


@pytest.mark.parametrize(
    "entry",
    [
        "kind: command\n    argv: [notes]\n    environment: {A: '${SLACK_BOT_TOKEN}'}\n    tools: {a: {}}",
        "kind: command\n    argv: []\n    tools: {a: {}}",
        "kind: http\n    url: https://mcp.example.com/mcp\n    tools: {}",
        "kind: http\n    url: file:///etc/passwd\n    tools: {a: {}}",
        "kind: http\n    url: https://mcp.example.com/mcp\n    tools: {a: {trust: system}}",
    ],
)
def test_an_entry_that_is_wrong_names_its_line(entry: str, tmp_path: Path) -> None:
    path = tmp_path / "mcp.yaml"
    path.write_text(f"servers:\n  notes:\n    {entry}\n")

    with pytest.raises(InvalidCatalogue, match=r"mcp\.yaml:\d+: "):
        read_mcp_file(path)
