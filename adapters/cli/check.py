"""`handrail check`: is every neighbour reachable and permitted, how fast, and what to do if not."""

from typing import Annotated

import typer


def check(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    security: Annotated[
        bool,
        typer.Option(
            "--security", help="Look at what must be closed instead: at a running bot, from its own machine."
        ),
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(
            help="With --security: where the bot listens; default: HANDRAIL_HOST and HANDRAIL_PORT."
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="With --security: a checkpoint that was kept elsewhere, or a file of them; default: "
            "HANDRAIL_AUDIT_CHECKPOINT_FILE."
        ),
    ] = None,
) -> None:
    """Check settings, files and every neighbour; post nothing.

    With --security, knock at the running bot as strangers would, and look at files, keys, secrets, policy,
    approvers, record, queue and kill switch. Nothing is started, approved or posted; what the bot refuses as
    another workspace's is one entry of the record.

    Exit code 0: all well; 1: something failed; 2: the settings are wrong. Example: handrail check --json
    """
    from adapters.cli.checked import look_at_all, look_at_security

    if security:
        raise typer.Exit(look_at_security(url=url, checkpoint=checkpoint, as_json=as_json))
    raise typer.Exit(look_at_all(as_json=as_json))
