"""Steps of type `kubernetes`: one change of one object of a cluster, marked with the step's key."""

from collections.abc import Callable, Mapping

from pydantic import SecretStr

from adapters.intake.strict_json import JsonObject
from adapters.runners.cluster_api import Access, Cluster, Conflict
from adapters.runners.cluster_patch import applied, difference, mark_of, patch_of
from adapters.runners.secrets import with_secrets
from bot.domain.errors import HandrailError, Invalid, Unavailable, Unclear
from bot.domain.execution import ApprovedStep, Preview, Result, StartedStep, StepOutcome
from bot.domain.plan import PlannedAction
from bot.domain.target_actions import KubernetesChange
from bot.domain.target_steps import ClusterOperation
from bot.ports import Credentials

TRIES = 3  # A controller writes its counts into the same object: who lost to it reads again.


class KubernetesRunner:
    """Implements `Runner`. *credentials* make tokens for endpoints that name a service account."""

    def __init__(
        self,
        secrets: Mapping[str, SecretStr],
        credentials: Credentials,
        *,
        connect: Callable[[Access], Cluster] = Cluster,
    ) -> None:
        self._secrets = secrets
        self._credentials = credentials
        self._connect = connect

    async def preview(self, action: PlannedAction) -> Preview | None:
        """Return what a dry run on the server changes; refused one, what the change is by what is there.

        It is asked under the endpoint's own headers: nothing is approved yet, so no token is made.
        """
        change = _change(action)
        try:
            cluster = self._connect(access_of(change, self._secrets))
            current = await cluster.read(change.kind, change.namespace, change.object)
            operations = await _operations(cluster, change, current, "preview")
            try:
                after, by = (
                    await cluster.patch(
                        change.kind, change.namespace, change.object, operations, is_dry_run=True
                    ),
                    "by a dry run on the server",
                )
            except Invalid as exc:
                after, by = applied(current, operations), f"computed here; no dry run: {exc}"
        except HandrailError as exc:
            return Preview(step=change.name, missing=str(exc))
        lines = difference(current, after) or ["nothing: it is so already"]
        return Preview(step=change.name, text="\n".join([*lines, f"({by})"]))

    async def run(self, step: ApprovedStep) -> StepOutcome:
        change = _change(step.action)
        try:
            access = access_of(change, self._secrets)
        except HandrailError as exc:
            return StepOutcome(result=Result.FAILED, detail=f"not sent: {exc}")
        if change.token_for is None:
            return await _outcome(self._connect(access), change, step.started.key)
        try:
            token = (await self._credentials.mint(step)).value.get_secret_value()
            outcome = await _outcome(self._connect(with_token(access, token)), change, step.started.key)
        except HandrailError as exc:
            outcome = StepOutcome(result=Result.FAILED, detail=f"not sent, for want of a token: {exc}")
        finally:
            left = await self._voided(step.started)
        return outcome.model_copy(update={"detail": outcome.detail + left})

    async def _voided(self, step: StartedStep) -> str:
        """Void the step's token; return what people should know when that did not work."""
        try:
            await self._credentials.revoke(step)
        except HandrailError as exc:
            return f"; its token could not be voided and ends by itself within ten minutes ({exc})"
        return ""

    async def status(self, step: StartedStep) -> StepOutcome | None:
        """Say whether the object carries the step's mark."""
        change = _change(step.action)
        try:
            cluster = self._connect(access_of(change, self._secrets))
            current = await cluster.read(change.kind, change.namespace, change.object)
        except HandrailError:
            return None
        if mark_of(current) == step.key:
            return StepOutcome(result=Result.DONE, detail="the object carries the step's mark")
        return StepOutcome(
            result=Result.UNKNOWN, detail="the object does not carry the step's mark up to now"
        )

    async def cancel(self, step: StartedStep) -> None:
        """Void the token that a worker left behind; what the cluster was asked stays asked."""
        if _change(step.action).token_for is not None:
            await self._credentials.revoke(step)


async def _outcome(cluster: Cluster, change: KubernetesChange, key: str) -> StepOutcome:
    try:
        return await _made(cluster, change, key)
    except Unclear as exc:
        return StepOutcome(result=Result.UNKNOWN, detail=str(exc))
    except HandrailError as exc:
        return StepOutcome(result=Result.FAILED, detail=str(exc))


async def _made(cluster: Cluster, change: KubernetesChange, key: str) -> StepOutcome:
    for left in reversed(range(TRIES)):
        current = await cluster.read(change.kind, change.namespace, change.object)
        if mark_of(current) == key:
            return StepOutcome(result=Result.DONE, detail="it was done before, under this key")
        operations = await _operations(cluster, change, current, key)
        try:
            after = await cluster.patch(change.kind, change.namespace, change.object, operations)
        except Conflict:
            if not left:
                raise
            continue
        detail = f"{change.kind.value} {change.object} was changed"
        return StepOutcome(result=Result.DONE, detail=detail, output="\n".join(difference(current, after)))
    raise Unavailable("it was never tried")


async def _operations(
    cluster: Cluster, change: KubernetesChange, current: JsonObject, key: str
) -> list[JsonObject]:
    is_rollback = change.operation is ClusterOperation.ROLLBACK
    revisions = await cluster.revisions(change.kind, change.namespace) if is_rollback else []
    return patch_of(change, current, revisions, key)


def access_of(change: KubernetesChange, secrets: Mapping[str, SecretStr]) -> Access:
    """Return how the change's API server is reached under the endpoint's own headers.

    Raises:
        NotFound: a secret that a header names has no value.
    """
    return Access(
        server=change.server,
        headers={name: with_secrets(text, secrets) for name, text in change.headers},
        ca_file=change.ca_file,
        timeout_s=change.timeout_s,
    )


def with_token(access: Access, token: str) -> Access:
    """Return the same access under *token* instead of the endpoint's own word."""
    kept = {name: text for name, text in access.headers.items() if name.lower() != "authorization"}
    return Access(
        access.server, {**kept, "Authorization": f"Bearer {token}"}, access.ca_file, access.timeout_s
    )


def _change(action: PlannedAction) -> KubernetesChange:
    if not isinstance(action, KubernetesChange):
        raise TypeError(f"the kubernetes runner was handed a step of type {action.type}")
    return action
