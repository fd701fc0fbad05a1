"""Who calls whom: what each source tells, and how they are put together."""

from collections.abc import Sequence
from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from adapters.evidence.call_graph import FRESH_S, SeenCallGraph, watched_graph
from adapters.evidence.service_graph import ServiceGraphMetrics
from adapters.http import listen, serving
from adapters.pagerduty.dependencies import PagerDutyDependencies
from adapters.pagerduty.rest import RestApi
from adapters.sandbox import pagerduty as sandbox
from adapters.sandbox.pagerduty.models import Dependency
from adapters.sandbox.serving import serving as sandbox_serving
from bot.domain.catalogue import Catalogue, Service, ServiceGraph
from bot.domain.errors import NotFound, Unavailable
from bot.domain.ids import ServiceName
from bot.ports import CallGraph
from tests.contracts.test_incidents import NOW, a_config
from tests.evidence_servers import asking

CHECKOUT, CART, BANK = ServiceName("checkout"), ServiceName("cart"), ServiceName("bank")
CATALOGUE = Catalogue(
    {
        CHECKOUT: Service(pagerduty=("PCHECK1",), dependencies=(CART,)),
        CART: Service(pagerduty=("PCART01",), names=("cart-svc",)),
        BANK: Service(),
    }
)
Pairs = Sequence[tuple[ServiceName, ServiceName]]


class Told:
    """Implements `GraphSource`: tells what it is given, or fails."""

    def __init__(self, name: str, pairs: Pairs | Exception) -> None:
        self.name = name
        self.pairs = pairs

    async def edges(self) -> Pairs:
        if isinstance(self.pairs, Exception):
            raise self.pairs
        return self.pairs


async def test_edges_of_all_sources_are_one_graph_that_names_who_told() -> None:
    graph: CallGraph = SeenCallGraph(CATALOGUE, [Told("one", [(CHECKOUT, CART), (CART, BANK)])])
    assert (CATALOGUE.topology(), ("service dependencies of one",)) == (graph.topology(), graph.silent())
    assert isinstance(graph, SeenCallGraph)

    await graph.refresh()

    assert {
        (CHECKOUT, CART): ("services.yaml", "one"),
        (CART, BANK): ("one",),
    } == graph.topology().told_by
    assert {CART: 1, BANK: 2} == graph.topology().dependencies_of(CHECKOUT)
    assert (("service dependencies of one",), ()) == (graph.answered(), graph.silent())


async def test_a_source_that_fails_keeps_its_edges_and_is_named_once_they_are_old() -> None:
    now = 0.0
    source = Told("one", [(CART, BANK)])
    graph = SeenCallGraph(CATALOGUE, [source], monotonic=lambda: now)
    await graph.refresh()
    source.pairs = Unavailable("It is down.")

    await graph.refresh()
    fresh = graph.silent()
    now = FRESH_S + 1

    assert ((), ("service dependencies of one",)) == (fresh, graph.silent())
    assert ("one",) == graph.topology().told_by[CART, BANK]


async def test_a_source_without_such_a_thing_has_answered() -> None:
    graph = SeenCallGraph(CATALOGUE, [Told("one", NotFound("No such thing."))])

    await graph.refresh()

    assert (CATALOGUE.topology(), ()) == (graph.topology(), graph.silent())


async def test_without_a_source_there_is_no_graph() -> None:
    async with watched_graph(CATALOGUE, []) as graph:
        assert graph is None


async def test_pagerduty_tells_which_service_depends_on_which() -> None:
    """Both sides tell of the edge; it counts once."""
    account = replace(
        a_config(), dependencies=(Dependency(id="DEP1", supporting_id="PCHECK1", dependent_id="PCART01"),)
    )
    pagerduty = sandbox.SandboxPagerDuty(account, clock=lambda: NOW)
    async with sandbox_serving(pagerduty.app) as address:
        api = RestApi(SecretStr("account-key"), base_url=address, from_email="anna@shop.example")

        assert ((CART, CHECKOUT),) == await PagerDutyDependencies(api, CATALOGUE).edges()
        await api.aclose()


@pytest.mark.parametrize("status", [200, 500])
async def test_service_graph_metrics_tell_who_called_whom_lately(status: int) -> None:
    series = [("checkout", "cart-svc", "2.5"), ("cart-svc", "bank", "0"), ("user", "checkout", "9")]
    queries: list[str] = []

    async def query(request: Request) -> JSONResponse:
        queries.append(request.query_params["query"])
        result = [
            {"metric": {"client": client, "server": server}, "value": [1795316400.0, value]}
            for client, server, value in series
        ]
        body = {"status": "success", "data": {"resultType": "vector", "result": result}}
        return JSONResponse(body, status_code=status)

    listener = listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = Starlette(routes=[Route("/api/v1/query", query)])
    async with serving(app, listener), httpx.AsyncClient() as client:
        source = ServiceGraphMetrics(asking(client), CATALOGUE, ServiceGraph(url=address))
        if status == 200:
            assert ((CHECKOUT, CART),) == await source.edges()
        else:
            with pytest.raises(Unavailable):
                await source.edges()

    assert "traces_service_graph_request_total" in queries[0]
