"""Who types a command, for the record."""

import getpass
import os


def operator() -> str:
    """Return the name of the user at the keyboard; in a container whose user has none, its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
