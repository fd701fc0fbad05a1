"""Read `services.yaml`."""

from pathlib import Path

from adapters.files.loading import read_model
from adapters.files.strict_yaml import Lines
from bot.domain.catalogue import Catalogue, CatalogueFile
from bot.domain.errors import InvalidCatalogue


def read_catalogue(path: Path) -> Catalogue:
    """Return the service catalogue.

    Raises:
        InvalidCatalogue: the file is missing or wrong; each problem names its line.
    """
    return read_with_lines(path)[0]


def read_with_lines(path: Path) -> tuple[Catalogue, Lines]:
    """Return the service catalogue and where its parts stand; it raises the same."""
    read = read_model(path, CatalogueFile, InvalidCatalogue)
    found = read.value
    catalogue = Catalogue(
        services=dict(found.services),
        service_graph=found.service_graph,
        routes=found.routes,
        pagerduty=found.pagerduty,
        updates=found.updates,
    )
    return catalogue, read.where
