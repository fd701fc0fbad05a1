"""`handrail replay`: think again about recorded incidents, and show the difference."""

from pathlib import Path
from typing import Annotated

import typer


def replay(
    incidents: Annotated[
        list[str] | None,
        typer.Argument(help="PagerDuty's ids of incidents; default: all.", metavar="INCIDENT"),
    ] = None,
    since: Annotated[str | None, typer.Option(help="Diagnoses since then: 7d, or a date.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Rank with these weights; default: those in use.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Ask the model with this version of the prompt.", metavar="vN")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Ask this model instead of the one in use.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a diagnosis.")] = False,
) -> None:
    """Think again about recorded incidents with other weights, another prompt or another model.

    Nothing is sent but to the model, and nothing is stored. A prompt or a model needs the bot's settings.
    Example: handrail replay --since 30d --weights weights.json
    """
    from adapters.cli.replaying import replay_recorded

    replay_recorded(
        incidents or [], since=since, weights=weights, prompt=prompt, model=model, as_json=as_json
    )
