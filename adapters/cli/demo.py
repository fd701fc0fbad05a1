"""`handrail demo`: the main job on real input."""

import asyncio
from typing import Annotated

import typer


def demo(
    headless: Annotated[
        bool, typer.Option(help="Play the whole story without a person, and say whether it came true.")
    ] = False,
    model: Annotated[
        bool,
        typer.Option(help="Let a scripted model on this machine add its opinion, over the real protocol."),
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 0,
) -> None:
    """Break a service on this machine and let Handrail find out why.

    Nothing outside is needed: Slack, PagerDuty and the service are sandboxes on 127.0.0.1 that speak the
    real protocols. Example: handrail demo --headless
    """
    from adapters.cli.leftovers import demo_folder
    from adapters.cli.playing import play, show

    with demo_folder() as folder:
        code = asyncio.run(play(folder, model) if headless else show(folder, port, model))
    raise typer.Exit(code)
