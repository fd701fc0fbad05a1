"""`mcp.yaml`: the servers that the team added, and which of their tools may be asked."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from adapters.files.loading import read_model
from bot.domain.catalogue import HttpAddress
from bot.domain.diagnosis import Trust
from bot.domain.errors import InvalidCatalogue
from bot.domain.frozen import Frozen
from bot.domain.words import HeaderName, Identifier, Line, VariableName

ToolKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]
# The MCP libraries put variables of our own environment in place of `${NAME}`: that is where tokens are.
Literally = Annotated[str, StringConstraints(pattern=r"^[^$]*$", max_length=300)]


class AllowedTool(Frozen):
    """A tool that may be asked, and what it is told."""

    arguments: dict[Annotated[str, StringConstraints(max_length=64)], str | int | bool] = Field(
        default_factory=dict,
        description="`{service}`, `{incident}`, `{window.start}` and `{window.end}` stand for values.",
    )
    trust: Literal[Trust.TELEMETRY, Trust.HUMAN] = Field(
        default=Trust.HUMAN, description="`telemetry` when it answers with measures only."
    )


class HttpServer(Frozen):
    """A server that is reached over streamable HTTP."""

    kind: Literal["http"]
    url: HttpAddress
    headers: dict[HeaderName, Line] = Field(
        default_factory=dict, description="Sent with each request; values may hold `secret:NAME`."
    )
    tools: dict[ToolKey, AllowedTool] = Field(min_length=1, max_length=8, description="The allow-list.")


class CommandServer(Frozen):
    """A server that is started as a child, and spoken to over its input and output."""

    kind: Literal["command"]
    argv: tuple[Line, ...] = Field(min_length=1, description="The program and its arguments; no shell.")
    environment: dict[VariableName, Literally] = Field(
        default_factory=dict, description="Given to it beside PATH and HOME; values may hold `secret:NAME`."
    )
    tools: dict[ToolKey, AllowedTool] = Field(min_length=1, max_length=8, description="The allow-list.")


Server = Annotated[HttpServer | CommandServer, Field(discriminator="kind")]


class McpFile(Frozen):
    """The whole of `mcp.yaml`."""

    servers: dict[Identifier, Server] = Field(max_length=8)


def read_mcp_file(path: Path) -> McpFile:
    """Return what the file says.

    Raises:
        InvalidCatalogue: the file is missing or wrong; each problem names its line.
    """
    return read_model(path, McpFile, InvalidCatalogue).value
