"""`handrail policy`: check a policy file, and say who could approve what."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from bot.domain.ids import ServiceName
    from bot.domain.policy import Execution, Policy, RiskRule

policy_app = typer.Typer(help="Check the policy of approvals.", no_args_is_help=True)


@policy_app.command()
def lint(
    file: Annotated[
        Path | None,
        typer.Argument(help="The policy file; default: HANDRAIL_POLICY, else the built-in rules."),
    ] = None,
) -> None:
    """Check a policy file and say what each risk takes. Example: handrail policy lint policy.yaml"""
    from adapters.files.policy import read_policy
    from adapters.settings import policy_file
    from bot.domain.playbook import Risk

    services, unchecked = _services()
    policy = read_policy(file or policy_file(os.environ), services)
    typer.echo(f"policy {policy.version}: ok")
    for risk in Risk:
        typer.echo(f"{risk.value}: {_terms(policy.for_risk(risk))}")
    for freeze in policy.freezes:
        typer.echo(f"freeze {freeze.name}: {freeze.level.value}, {freeze.zone}")
    if policy.email_domains is None:
        typer.echo("note: without email_domains nobody can approve a high or critical risk", err=True)
    if unchecked and policy.names():
        typer.echo(
            f"note: whether there are the services that it names is not checked: {unchecked}", err=True
        )


def _services() -> "tuple[Collection[ServiceName] | None, str]":
    """Return the services that a policy may name, or None and why they cannot be read."""
    from adapters.files.catalogue import read_catalogue
    from adapters.settings import services_file
    from bot.domain.errors import HandrailError

    try:
        return read_catalogue(services_file(os.environ)).services, ""
    except HandrailError as exc:
        return None, str(exc)


@policy_app.command()
def explain(
    service: Annotated[str, typer.Argument(help="A service of the catalogue.")],
    playbook: Annotated[str, typer.Argument(help="The id of a playbook.")],
    user: Annotated[str | None, typer.Option(help="A Slack user's id: whether they may approve.")] = None,
    at: Annotated[
        str | None, typer.Option(help="When: 2026-11-27T18:00, in UTC without a zone; default: now.")
    ] = None,
) -> None:
    """Say which rules apply to a playbook for a service, and who may approve it.

    The gate's own rules answer, over the files and the record; Slack, PagerDuty and a policy server are not
    asked. Example: handrail policy explain checkout rollback-deploy --user U0DANA --at 2026-11-27T18:00
    """
    import asyncio
    from datetime import UTC, datetime

    from adapters.files.catalogue import read_catalogue
    from adapters.files.playbooks import read_playbooks
    from adapters.files.policy import read_policy
    from adapters.settings import playbooks_folder, policy_file, services_file
    from bot.app.explaining import explained
    from bot.domain.ids import PlaybookId, ServiceName, SlackUserId

    policy = read_policy(policy_file(os.environ))
    when = datetime.now(UTC) if at is None else _time(at)
    name = ServiceName(service)
    executions, notes = asyncio.run(_started(policy, name, when))
    lines = explained(
        policy,
        read_catalogue(services_file(os.environ)),
        read_playbooks(playbooks_folder(os.environ)),
        service=name,
        playbook=PlaybookId(playbook),
        user=SlackUserId(user) if user is not None else None,
        at=when,
        executions=executions,
    )
    for line in (*lines, *notes):
        typer.echo(line)


async def _started(
    policy: "Policy", service: str, at: "datetime"
) -> "tuple[Sequence[Execution], tuple[str, ...]]":
    """Return the starts that the limits look at, or none and a note when there is no record to count in."""
    from adapters.cli.recorded import recorded
    from bot.domain.errors import HandrailError
    from bot.domain.ids import ServiceName

    looks_back = policy.looks_back(ServiceName(service))
    if looks_back is None:
        return (), ()
    try:
        async with recorded() as store:
            found = await store.gate.executions(at - looks_back)
    except HandrailError as exc:
        return (), (f"the limits are not counted: {exc}",)
    return [one for one in found if one.started_at <= at], ()


def _time(given: str) -> "datetime":
    from datetime import UTC, datetime

    from bot.domain.errors import Invalid

    try:
        found = datetime.fromisoformat(given)
    except ValueError as exc:
        raise Invalid(
            f"{given!r} is no time: use such as 2026-11-27T18:00 or 2026-11-27T18:00+01:00."
        ) from exc
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _terms(terms: "RiskRule") -> str:
    people = "one person" if terms.quorum == 1 else f"{terms.quorum} different people"
    said = [people]
    if terms.approvers is not None:
        said.append("narrowed by the policy")
    if terms.type_target:
        said.append("types the target and a reason")
    if terms.excludes:
        said.append(f"not the {' nor the '.join(party.value for party in terms.excludes)}")
    return ", ".join(said)
