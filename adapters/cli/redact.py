"""`handrail redact`: show what of a text would leave for a model, Slack or the log."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, TextIO

import typer

from bot.domain.errors import Invalid

# Pseudonyms of this command are for reading, not for matching with a deployment's own.
_KEY = b"handrail redact"
CHUNK = 1 << 20
"""Characters that are read together: a private key of many lines is known only as a whole."""


def redact(
    file: Annotated[Path | None, typer.Argument(help="The text; default: standard input.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line: text and counts.")] = False,
) -> None:
    """Print a text as it would leave: every secret replaced by a pseudonym, HANDRAIL_DETECTOR's finds too.

    What Handrail itself was given, which a bot takes out as well, is not known here.

    Example: kubectl logs deploy/checkout | handrail redact
    """
    from adapters.detecting import further_detectors
    from adapters.settings import detector_name
    from bot.domain.redaction import Redactor

    redactor = Redactor(_KEY, detectors=further_detectors(detector_name(os.environ)))
    try:
        source: TextIO = sys.stdin if file is None else file.open(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise Invalid(f"{file}: cannot be read: {exc.strerror}") from exc
    with source:
        if as_json:
            while lines := source.readlines(CHUNK):
                for found in redactor.redact_lines([line.rstrip("\n") for line in lines]):
                    typer.echo(json.dumps({"text": found.text, "counts": dict(found.counts)}))
        else:
            typer.echo(redactor.redact(source.read()).text, nl=False)
