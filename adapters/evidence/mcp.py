"""Tools of any MCP server, asked once for an incident. They may read; a tool that may write is refused."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, assert_never

import httpx
import structlog
from langchain_mcp_adapters.sessions import StreamableHttpConnection, create_session
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, PaginatedRequestParams, TextContent, Tool, ToolAnnotations
from pydantic import SecretStr

from adapters.evidence.guard import GuardedTransport, Origin
from adapters.evidence.mcp_file import AllowedTool, CommandServer, HttpServer, McpFile, Server
from adapters.runners.secrets import with_secrets
from bot.domain.errors import NotFound
from bot.domain.sources import AddedAnswer, Inquiry

log = structlog.get_logger()

WITHIN_S: Final = 4.0  # For one server with all its tools; the question as a whole has 5 s.
MOST_TEXT: Final = 20_000
MAX_BYTES: Final = 5 * 1024 * 1024
MOST_PAGES: Final = 10
MAY_WRITE: Final = "its server does not say that it only reads (readOnlyHint), so it is refused"
DESTROYS: Final = "its server says that it can destroy (destructiveHint), so it is refused"


class McpTools:
    """Implements `AddedTools`. A session lasts for one inquiry: nothing is kept that could go stale."""

    def __init__(
        self, servers: McpFile, secrets: Mapping[str, SecretStr], *, within_s: float = WITHIN_S
    ) -> None:
        self._servers = servers.servers
        self._secrets = secrets
        self._within_s = within_s

    async def ask(self, inquiry: Inquiry) -> tuple[AddedAnswer, ...]:
        asked = (self._ask_server(name, server, inquiry) for name, server in self._servers.items())
        return tuple(answer for answers in await asyncio.gather(*asked) for answer in answers)

    async def _ask_server(self, name: str, server: Server, inquiry: Inquiry) -> list[AddedAnswer]:
        answers: dict[str, AddedAnswer] = {}
        problem = f"no answer within {self._within_s:g} s"
        try:
            async with asyncio.timeout(self._within_s), self._session(server) as session:
                await session.initialize()
                await _ask_tools(name, server.tools, session, inquiry, answers)
        except TimeoutError:
            log.warning("mcp_server_silent", server=name)
        except NotFound as exc:
            problem = str(exc)
        except Exception as exc:  # noqa: BLE001 - The library raises whatever its tasks met, often in groups.
            problem = "its server cannot be reached, or does not speak MCP"
            log.warning("mcp_server_failed", server=name, kind=type(exc).__name__)
        return [
            answers.get(tool) or AddedAnswer(name=f"{name}.{tool}", problem=problem) for tool in server.tools
        ]

    @asynccontextmanager
    async def _session(self, server: Server) -> AsyncIterator[ClientSession]:
        match server:
            case HttpServer():
                connection = StreamableHttpConnection(
                    transport="streamable_http",
                    url=server.url,
                    headers={k: with_secrets(v, self._secrets) for k, v in server.headers.items()},
                    timeout=self._within_s,
                    sse_read_timeout=self._within_s,
                    httpx_client_factory=partial(_client, Origin.of(server.url)),
                )
                async with create_session(connection) as session:
                    yield session
            case CommandServer():
                parameters = StdioServerParameters(
                    command=server.argv[0],
                    args=list(server.argv[1:]),
                    # Beside these it gets PATH, HOME and the like, and none of the bot's own tokens.
                    env={k: with_secrets(v, self._secrets) for k, v in server.environment.items()},
                )
                # What it writes for its own log was not redacted, so it may not stand in ours.
                with open(os.devnull, "w") as nowhere:  # noqa: ASYNC230 - Opening it does not wait.
                    async with (
                        stdio_client(parameters, errlog=nowhere) as (read, write),
                        ClientSession(read, write) as session,
                    ):
                        yield session
            case _:
                assert_never(server)


def _client(
    origin: Origin,
    headers: dict[str, str] | None = None,
    timeout: httpx.Timeout | None = None,
    auth: httpx.Auth | None = None,
) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=GuardedTransport([origin], most_bytes=MAX_BYTES),
        headers={**(headers or {}), "Accept-Encoding": "identity"},
        timeout=timeout,
        auth=auth,
        trust_env=False,
        follow_redirects=False,
    )


async def _ask_tools(
    server: str,
    allowed: Mapping[str, AllowedTool],
    session: ClientSession,
    inquiry: Inquiry,
    answers: dict[str, AddedAnswer],
) -> None:
    """Put what each allowed tool says into *answers*, as it comes."""
    offered = await _offered(session)
    for key, wanted in allowed.items():
        name, tool = f"{server}.{key}", offered.get(key)
        if tool is None:
            answers[key] = AddedAnswer(name=name, problem="its server offers no such tool")
            continue
        if problem := refusal(tool.annotations):
            answers[key] = AddedAnswer(name=name, problem=problem)
            continue
        arguments = {k: _filled(value, inquiry) for k, value in wanted.arguments.items()}
        answers[key] = _answer(name, wanted, await session.call_tool(key, arguments))


async def _offered(session: ClientSession) -> dict[str, Tool]:
    found: dict[str, Tool] = {}
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        found.update((tool.name, tool) for tool in page.tools)
        if (cursor := page.nextCursor) is None:
            break
    return found


def refusal(hints: ToolAnnotations | None) -> str:
    """Return why a tool with these hints may not be asked, blank when it may; silence counts as writing."""
    if hints is None or hints.readOnlyHint is not True:
        return MAY_WRITE
    return DESTROYS if hints.destructiveHint else ""


def _answer(name: str, wanted: AllowedTool, said: CallToolResult) -> AddedAnswer:
    if said.isError:
        return AddedAnswer(name=name, problem="it answered with an error")
    # Pictures and files are left out: nobody redacted them.
    text = "\n".join(block.text for block in said.content if isinstance(block, TextContent) and block.text)
    kept = text if len(text) <= MOST_TEXT else text[:MOST_TEXT].rpartition("\n")[0]
    return AddedAnswer(name=name, text=kept, trust=wanted.trust, is_cut=len(kept) < len(text))


def _filled(value: str | int | bool, inquiry: Inquiry) -> str | int | bool:
    """Put a fact in the place of a placeholder that is the whole value; nothing is pasted into a text."""
    facts = {
        "{service}": inquiry.service or "",
        "{incident}": inquiry.incident,
        "{window.start}": inquiry.window.start.isoformat(),
        "{window.end}": inquiry.window.end.isoformat(),
    }
    return facts.get(value, value) if isinstance(value, str) else value
