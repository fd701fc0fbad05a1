"""The example of docs/runners.md is what it says: a catalogue that loads and has what its playbook needs."""

import re
from pathlib import Path

from adapters.files.catalogue import read_catalogue
from adapters.files.playbooks import missing_from, read_playbooks
from bot.domain.ids import ServiceName

ROOT = Path(__file__).parents[2]


def test_the_example_loads_and_lacks_nothing(tmp_path: Path) -> None:
    [services] = re.findall(
        r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "runners.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "services.yaml").write_text(services)
    catalogue = read_catalogue(tmp_path / "services.yaml")

    assert (
        "shop/handrail-runner"
        == catalogue.services[ServiceName("checkout")].endpoints["kubernetes"].token_for
    )
    assert [] == missing_from(catalogue, read_playbooks(ROOT / "playbooks"))
