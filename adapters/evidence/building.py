"""Make the sources of an investigation from what the team's files say."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from adapters.evidence.exposition import Counters
from adapters.evidence.github import GitHubDiffs
from adapters.evidence.guard import Origin, guarded_client
from adapters.evidence.logs import HttpLogs
from adapters.evidence.mcp_file import read_mcp_file
from adapters.evidence.metrics import HttpMetrics
from adapters.evidence.source_http import Asking
from bot.app.world import Sources
from bot.domain.catalogue import Catalogue
from bot.domain.errors import Invalid
from bot.ports import AddedTools

GITHUB_TOKEN: Final = "GITHUB_TOKEN"  # noqa: S105 - The name of a secret.


@asynccontextmanager
async def evidence_sources(
    catalogue: Catalogue,
    counters: Counters,
    secrets: Mapping[str, SecretStr],
    *,
    github_api_url: str,
    mcp: Path | None,
) -> AsyncIterator[Sources]:
    """Yield what the catalogue and *mcp* name. GitHub is asked with `secret:GITHUB_TOKEN` when there is one.

    Raises:
        Invalid: the file of added tools is wrong, or what reads it is not installed.
    """
    added = _added(mcp, secrets) if mcp is not None else None
    async with guarded_client(frozenset(origins(catalogue, github_api_url))) as client:
        asking = Asking(client, secrets)
        token = f"Bearer secret:{GITHUB_TOKEN}" if GITHUB_TOKEN in secrets else None
        yield Sources(
            logs=HttpLogs(asking),
            metrics=HttpMetrics(asking, counters),
            diffs=GitHubDiffs(asking, api_url=github_api_url, token=token),
            added=added,
        )


def origins(catalogue: Catalogue, github_api_url: str) -> Iterator[Origin]:
    """Yield every origin that the settings name: these may be private, all others must be public."""
    yield Origin.of(github_api_url)
    for service in catalogue.services.values():
        yield from (Origin.of(metric.url) for metric in service.metrics.values())
        if service.logs is not None:
            yield Origin.of(service.logs.url)


def _added(path: Path, secrets: Mapping[str, SecretStr]) -> AddedTools:
    servers = read_mcp_file(path)
    try:
        from adapters.evidence.mcp import McpTools  # Optional: few teams have such servers, and it is large.
    except ImportError as exc:
        raise Invalid(f"{path}: needs `pip install 'handrail[mcp]'`") from exc
    return McpTools(servers, secrets)
