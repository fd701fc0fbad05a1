"""The examples of docs/evidence.md are what they say: files that load."""

import re
from pathlib import Path

from adapters.evidence.mcp_file import read_mcp_file
from adapters.files.catalogue import read_catalogue
from bot.domain.catalogue import ElasticLogs, LokiLogs
from bot.domain.ids import ServiceName

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"


def test_the_examples_load(tmp_path: Path) -> None:
    services, servers = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "services.yaml").write_text(services)
    (tmp_path / "mcp.yaml").write_text(servers)

    catalogue = read_catalogue(tmp_path / "services.yaml")
    added = read_mcp_file(tmp_path / "mcp.yaml")

    checkout, payments = (catalogue.services[ServiceName(name)] for name in ("checkout", "payments"))
    assert (LokiLogs, ElasticLogs) == (type(checkout.logs), type(payments.logs))
    assert "shop/checkout" == checkout.repository
    assert [True, False] == [metric.by_version for metric in checkout.metrics.values()]
    assert {"grafana": ["list_alert_rules"], "notes": ["search_notes", "error_budget"]} == {
        name: list(server.tools) for name, server in added.servers.items()
    }
