"""Short-lived tokens of Kubernetes service accounts, each bound to a secret that ends with its step.

A cluster makes no token for less than ten minutes. Bound to an object it is void as soon as that is gone, so
each step has an object of its own, named after its key: whoever takes over after a crash knows its name.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta

from pydantic import SecretStr

from adapters.intake.strict_json import JsonObject
from adapters.runners.cluster_api import Access, Cluster, Conflict
from adapters.runners.kubernetes import access_of
from bot.domain.errors import NotFound, Refused, Unavailable
from bot.domain.execution import ApprovedStep, StartedStep
from bot.domain.plan import PlannedAction
from bot.domain.target_actions import KubernetesChange
from bot.ports import Clock, Credential

SHORTEST = timedelta(minutes=10)  # The least that a TokenRequest may ask for.
SLACK = timedelta(seconds=60)


class ServiceAccountTokens:
    """Implements `Credentials` by TokenRequest; the endpoint's own headers need only be allowed that."""

    def __init__(
        self,
        secrets: Mapping[str, SecretStr],
        clock: Clock,
        *,
        connect: Callable[[Access], Cluster] = Cluster,
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._connect = connect

    async def mint(self, step: ApprovedStep) -> Credential:
        """Return a token for the step's service account. Raises `Refused` for what was not started."""
        if not isinstance(step, ApprovedStep):
            raise Refused("A credential is made for a started step only.")
        change, account = _account(step.action)
        namespace, _, name = account.partition("/")
        cluster = self._connect(access_of(change, self._secrets))
        holder = _holder(step.started)
        # A worker that died may have made it; its token goes when this one does.
        with contextlib.suppress(Conflict):
            await cluster.create(f"/api/v1/namespaces/{namespace}/secrets", _bound_object(holder))
        lasting = max(timedelta(seconds=change.timeout_s) + SLACK, SHORTEST)
        made = await cluster.create(
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "expirationSeconds": int(lasting.total_seconds()),
                    "boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": holder},
                },
            },
        )
        status = made.get("status")
        token = status.get("token") if isinstance(status, dict) else None
        if not isinstance(token, str) or not token:
            raise Unavailable(f"the cluster made no token for {account}")
        # Void with its object, which goes at the step's end: the cluster's own date is the last resort.
        return Credential(
            name=f"token of {account}",
            value=SecretStr(token),
            expires_at=self._clock.now() + timedelta(seconds=change.timeout_s) + SLACK,
        )

    async def revoke(self, step: StartedStep) -> None:
        """Void what was made for the step; doing it again is harmless."""
        change, account = _account(step.action)
        cluster = self._connect(access_of(change, self._secrets))
        namespace = account.partition("/")[0]
        try:
            await cluster.delete(f"/api/v1/namespaces/{namespace}/secrets/{_holder(step)}")
        except NotFound:
            return


def _account(action: PlannedAction) -> tuple[KubernetesChange, str]:
    if not isinstance(action, KubernetesChange) or action.token_for is None:
        raise Refused(f"The step {action.name} names no service account.")
    return action, action.token_for


def _holder(step: StartedStep) -> str:
    return f"handrail-{hashlib.sha256(step.key.encode()).hexdigest()[:24]}"


def _bound_object(name: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "handrail"}},
    }
