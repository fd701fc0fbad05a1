"""Make the sources of an investigation from what the team's files say."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from adapters.evidence.call_graph import GraphSource, watched_graph
from adapters.evidence.exposition import Counters
from adapters.evidence.github import GitHubDiffs
from adapters.evidence.guard import Origin, guarded_client
from adapters.evidence.logs import HttpLogs
from adapters.evidence.mcp_file import read_mcp_file
from adapters.evidence.metrics import HttpMetrics
from adapters.evidence.service_graph import ServiceGraphMetrics
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
    pager: GraphSource | None = None,
) -> AsyncIterator[Sources]:
    """Yield what the catalogue and *mcp* name. GitHub is asked with `secret:GITHUB_TOKEN` when there is one.

    *pager* tells who calls whom beside the catalogue's own sources; all are read in the background.

    Raises:
        Invalid: the file of added tools is wrong, or what reads it is not installed.
    """
    added = _added(mcp, secrets) if mcp is not None else None
    async with guarded_client(frozenset(origins(catalogue, github_api_url))) as client:
        asking = Asking(client, secrets)
        token = f"Bearer secret:{GITHUB_TOKEN}" if GITHUB_TOKEN in secrets else None
        graphs = [pager] if pager is not None else []
        if catalogue.service_graph is not None:
            graphs.append(ServiceGraphMetrics(asking, catalogue, catalogue.service_graph))
        async with watched_graph(catalogue, graphs) as graph:
            yield Sources(
                logs=HttpLogs(asking),
                metrics=HttpMetrics(asking, counters),
                diffs=GitHubDiffs(asking, api_url=github_api_url, token=token),
                added=added,
                graph=graph,
            )


def origins(catalogue: Catalogue, github_api_url: str) -> Iterator[Origin]:
    """Yield every origin that the settings name: these may be private, all others must be public."""
    yield Origin.of(github_api_url)
    if catalogue.service_graph is not None:
        yield Origin.of(catalogue.service_graph.url)
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
