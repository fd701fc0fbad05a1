"""Small servers that speak as Loki, Elasticsearch, Prometheus and GitHub do, over data that a test gives."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.evidence.source_http import Asking
from adapters.http import listen, serving
from bot.domain.sources import LogLine, Point

_QUERY = re.compile(r'\{((?:\w+="[^"\\]*"(?:, )?)+)\} \|~ "([^"\\]*)"')


@dataclass
class Neighbour:
    """What the four servers know, and what they were asked."""

    logs: Mapping[str, Sequence[LogLine]] = field(default_factory=dict)
    """By service."""
    series: Mapping[str, Sequence[Sequence[Point]]] = field(default_factory=dict)
    """By query: one sequence a series."""
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By query: the value of each version, as Prometheus writes it."""
    compared: Mapping[str, object] = field(default_factory=dict)
    """By `owner/name/base...head`: the answer."""
    asked: list[httpx.Headers] = field(default_factory=list)
    url: str = ""

    async def loki(self, request: Request) -> Response:
        self.asked.append(httpx.Headers(request.headers.raw))
        query = _QUERY.fullmatch(request.query_params["query"])
        if query is None:
            return Response("parse error : syntax error", status_code=400)
        labels = dict(re.findall(r'(\w+)="([^"]*)"', query[1]))
        start, end = int(request.query_params["start"]), int(request.query_params["end"])
        limit, wanted = int(request.query_params["limit"]), re.compile(query[2])
        found = [
            (str(at), line.text)
            for line in self.logs.get(labels["app"], ())
            if start <= (at := int(line.at.timestamp() * 1000) * 1_000_000) <= end
            and wanted.search(line.text)
        ]
        newest = sorted(found, reverse=True)[:limit]
        streams = [{"stream": {**labels, "pod": pod}, "values": newest[n::2]} for n, pod in enumerate("ab")]
        return JSONResponse(
            {"status": "success", "data": {"resultType": "streams", "result": streams, "stats": {}}}
        )

    async def elastic(self, request: Request) -> Response:
        self.asked.append(httpx.Headers(request.headers.raw))
        body = await request.json()
        term, span, level = body["query"]["bool"]["filter"]
        bounds = span["range"]["@timestamp"]
        words = level["match"]["message"]["query"].split() if "match" in level else ["error"]
        found = [
            (at, line.text)
            for line in self.logs.get(term["term"]["service.name"], ())
            if bounds["gte"] <= (at := int(line.at.timestamp() * 1000)) <= bounds["lte"]
            and any(word in line.text.lower() for word in words)
        ]
        hits = [
            {
                "_index": "logs-1",
                "_id": str(n),
                "fields": {"message": [text], "@timestamp": [str(at)]},
                "sort": [at],
            }
            for n, (at, text) in enumerate(sorted(found, reverse=True)[: body["size"]])
        ]
        return JSONResponse(
            {
                "took": 3,
                "timed_out": False,
                "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
                "hits": {"total": {"value": len(found), "relation": "eq"}, "max_score": None, "hits": hits},
            }
        )

    async def query_range(self, request: Request) -> Response:
        self.asked.append(httpx.Headers(request.headers.raw))
        start, end = float(request.query_params["start"]), float(request.query_params["end"])
        series = [
            {
                "metric": {"instance": str(n)},
                "values": [
                    [point.at.timestamp(), f"{point.value:g}"]
                    for point in points
                    if start <= point.at.timestamp() <= end
                ],
            }
            for n, points in enumerate(self.series.get(request.query_params["query"], ()))
        ]
        return JSONResponse({"status": "success", "data": {"resultType": "matrix", "result": series}})

    async def query(self, request: Request) -> Response:
        self.asked.append(httpx.Headers(request.headers.raw))
        result = [
            {"metric": {"version": version}, "value": [1795316400.0, value]}
            for version, value in self.versions.get(request.query_params["query"], {}).items()
        ]
        return JSONResponse({"status": "success", "data": {"resultType": "vector", "result": result}})

    async def compare(self, request: Request) -> Response:
        self.asked.append(httpx.Headers(request.headers.raw))
        place = request.path_params
        found = self.compared.get(f"{place['owner']}/{place['name']}/{place['span']}")
        if found is None:
            return JSONResponse({"message": "Not Found", "status": "404"}, status_code=404)
        return JSONResponse(found)


def asking(client: httpx.AsyncClient, *, within_s: float = 5.0, **secrets: str) -> Asking:
    """Return how the adapters ask, with the secrets of the given names."""
    return Asking(client, {name: SecretStr(value) for name, value in secrets.items()}, within_s=within_s)


@asynccontextmanager
async def a_neighbour(neighbour: Neighbour) -> AsyncIterator[Neighbour]:
    """Serve *neighbour* on loopback; its address is in `url`."""
    app = Starlette(
        routes=[
            Route("/loki/api/v1/query_range", neighbour.loki),
            Route("/{index}/_search", neighbour.elastic, methods=["POST"]),
            Route("/api/v1/query_range", neighbour.query_range),
            Route("/api/v1/query", neighbour.query),
            Route("/repos/{owner}/{name}/compare/{span:path}", neighbour.compare),
        ]
    )
    listener = listen("127.0.0.1", 0)
    neighbour.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with serving(app, listener):
        yield neighbour
