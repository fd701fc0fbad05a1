"""`handrail policy`: check a policy file, and say who could approve what."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bot.domain.policy import RiskRule

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

    policy = read_policy(file or policy_file(os.environ))
    typer.echo(f"policy {policy.version}: ok")
    for risk in Risk:
        typer.echo(f"{risk.value}: {_terms(policy.for_risk(risk))}")
    for freeze in policy.freezes:
        typer.echo(f"freeze {freeze.name}: {freeze.level.value}, {freeze.zone}")
    if policy.email_domains is None:
        typer.echo("note: without email_domains nobody can approve a high or critical risk", err=True)


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
