"""What can go wrong with the data folder and the child processes; one class per way that a caller acts.

EmbeddedError
├── DataFolderError
│   ├── DataFolderUnsafe     stop: somebody else could read or change the folder
│   ├── DataFolderUnusable   stop: the folder cannot be made, written or read
│   └── DataFolderLocked     stop: another bot, or what is left of one, uses the folder
└── ChildError
    ├── BinaryMissing        stop: install the server or name an address
    └── ChildFailed          stop, or try another engine file: the server did not become ready
"""

from bot.domain.errors import HandrailError


class EmbeddedError(HandrailError):
    """The one-machine form cannot start or go on; the message names the path and the remedy."""


class DataFolderError(EmbeddedError):
    """The data folder cannot be used."""


class DataFolderUnsafe(DataFolderError):
    """The data folder, or a file in it that holds a secret, is open to other users of this machine."""


class DataFolderUnusable(DataFolderError):
    """The data folder cannot be created, written or read."""


class DataFolderLocked(DataFolderError):
    """Another process holds the data folder; one bot per folder."""


class ChildError(EmbeddedError):
    """A child process cannot do its work."""


class BinaryMissing(ChildError):
    """The program of a child process is not installed, or is too old."""


class ChildFailed(ChildError):
    """A child process ended, or stayed silent, before it was ready."""
