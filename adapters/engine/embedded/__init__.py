"""The one-machine form: a data folder, and the servers that run as children of the bot."""

from adapters.engine.embedded.children import ChildHealth
from adapters.engine.embedded.engine import EmbeddedEngine, embedded_engine
from adapters.engine.embedded.errors import (
    BinaryMissing,
    ChildError,
    ChildFailed,
    DataFolderError,
    DataFolderLocked,
    DataFolderUnsafe,
    DataFolderUnusable,
    EmbeddedError,
)
from adapters.engine.embedded.folder import DataFolder

__all__ = [
    "BinaryMissing",
    "ChildError",
    "ChildFailed",
    "ChildHealth",
    "DataFolder",
    "DataFolderError",
    "DataFolderLocked",
    "DataFolderUnsafe",
    "DataFolderUnusable",
    "EmbeddedEngine",
    "EmbeddedError",
    "embedded_engine",
]
