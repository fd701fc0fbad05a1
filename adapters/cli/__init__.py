"""The command line: results on standard output, notes on standard error."""

from adapters.cli.main import main

__all__ = ["main"]
