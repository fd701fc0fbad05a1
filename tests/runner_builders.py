"""Steps as runners receive them."""

from collections.abc import Sequence

from bot.domain.execution import ApprovedStep
from bot.domain.plan import CommandRun, HttpRequest, PlannedAction, Question
from tests.builders import a_plan


def an_approved(action: PlannedAction) -> ApprovedStep:
    """Return the first step of a plan as if it had been approved and claimed."""
    plan = a_plan(actions=[action])
    step = plan.steps[0]
    return ApprovedStep(
        incident=plan.incident,
        proposal_id=plan.id,
        plan=plan,
        step=step,
        effect_key=plan.effect_key(step),
    )


def a_post(
    url: str,
    *,
    body: str | None = '{"version": "41"}',
    headers: Sequence[tuple[str, str]] = (("Content-Type", "application/json"),),
    expect_status: Sequence[int] = (200, 202),
    idempotent: bool = False,
    preview: Question | None = None,
    status: Question | None = None,
    timeout_s: int = 30,
) -> ApprovedStep:
    return an_approved(
        HttpRequest(
            name="roll-back",
            method="POST",
            url=url if url.count("/") > 2 else f"{url}/",
            headers=tuple(headers),
            body=body,
            expect_status=tuple(expect_status),
            idempotent=idempotent,
            preview=preview,
            status=status,
            timeout_s=timeout_s,
        )
    )


def a_command(
    *argv: str,
    stdin: str | None = None,
    environment: Sequence[str] = (),
    expect_exit: Sequence[int] = (0,),
    expect_output: str | None = None,
    preview: Sequence[str] = (),
    sandbox: bool = False,
    timeout_s: int = 60,
) -> ApprovedStep:
    return an_approved(
        CommandRun(
            name="command",
            argv=argv,
            stdin=stdin,
            environment=tuple(environment),
            expect_exit=tuple(expect_exit),
            expect_output=expect_output,
            preview=tuple(preview),
            sandbox=sandbox,
            idempotent=False,
            timeout_s=timeout_s,
        )
    )
