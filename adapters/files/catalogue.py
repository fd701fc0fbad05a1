"""Read `services.yaml`."""

from pathlib import Path

from adapters.files.loading import read_model
from bot.domain.catalogue import Catalogue, CatalogueFile
from bot.domain.errors import InvalidCatalogue


def read_catalogue(path: Path) -> Catalogue:
    """Return the service catalogue.

    Raises:
        InvalidCatalogue: the file is missing or wrong; each problem names its line.
    """
    file = read_model(path, CatalogueFile, InvalidCatalogue).value
    return Catalogue(services=dict(file.services))
