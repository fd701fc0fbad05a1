"""GitHub's deployments: the events `deployment` and `deployment_status`."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, ValidationError

from adapters.changes.naming import service_named
from adapters.intake.loose import Loose, LooseBody, web_address
from adapters.intake.strict_json import MalformedBody, parse_object
from bot.domain.catalogue import Catalogue
from bot.domain.change import ChangeEvent, ChangeKind, ChangeStatus
from bot.domain.errors import Invalid
from bot.domain.ids import ChangeId

SIGNATURE_HEADER = "x-hub-signature-256"
SIGNATURE_PREFIX = "sha256="
EVENT_HEADER = "x-github-event"
DELIVERY_HEADER = "x-github-delivery"
SOURCE = "github"

_STATUSES = {
    "queued": ChangeStatus.IN_PROGRESS,
    "pending": ChangeStatus.IN_PROGRESS,
    "waiting": ChangeStatus.IN_PROGRESS,
    "in_progress": ChangeStatus.IN_PROGRESS,
    "success": ChangeStatus.SUCCEEDED,
    "failure": ChangeStatus.FAILED,
    "error": ChangeStatus.FAILED,
}
# Only a ref like v1.4.2 names one version; a branch names another one tomorrow.
_VERSION_TAG = re.compile(r"v?\d+(\.\d+)*([.+-][A-Za-z0-9.+-]+)?")


@dataclass(frozen=True)
class NoChange:
    """A genuine delivery that reports no change."""

    why: str


def parse_github(
    event: str, body: bytes, catalogue: Catalogue, *, received_at: AwareDatetime
) -> ChangeEvent | NoChange:
    """Return the deployment that *body* of the *event* reports, as far as GitHub tells.

    Raises:
        Invalid: the body is not JSON, or names no deployment or repository.
    """
    if event not in ("deployment", "deployment_status"):
        return NoChange(f"event {event[:100]!r}")
    try:
        delivery = _Delivery.model_validate(parse_object(body))
    except ValidationError as exc:
        places = sorted({".".join(str(part) for part in error["loc"]) for error in exc.errors()})
        raise Invalid(f"missing or wrong: {', '.join(places)}") from exc
    state = delivery.deployment_status.state if delivery.deployment_status else "queued"
    status = _STATUSES.get(state or "")
    if status is None:
        # `inactive` says that a newer deployment took over; that one is reported by itself.
        return NoChange(f"state {(state or '')[:100]!r}")
    return _change_from(delivery, status, catalogue, received_at)


def _object_in(value: object) -> object:
    """GitHub passes on what the deployer gave: an object, or text that may hold one."""
    if not isinstance(value, str):
        return value
    try:
        return parse_object(value.encode("utf-8", errors="replace"))
    except MalformedBody:
        return {}


class _Given(LooseBody):
    """What the deployer put into the deployment's payload."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    service: Loose[str] = None
    version: Loose[str] = None
    previous_version: Loose[str] = None


class _User(LooseBody):
    login: Loose[str] = None


class _Deployment(LooseBody):
    id: int
    sha: Loose[str] = None
    ref: Loose[str] = None
    task: Loose[str] = None
    environment: Loose[str] = None
    description: Loose[str] = None
    creator: Loose[_User] = None
    created_at: Loose[AwareDatetime] = None
    payload: Annotated[Loose[_Given], BeforeValidator(_object_in)] = None


class _DeploymentStatus(LooseBody):
    state: Loose[str] = None
    environment: Loose[str] = None
    description: Loose[str] = None
    target_url: Loose[str] = None
    log_url: Loose[str] = None
    environment_url: Loose[str] = None
    created_at: Loose[AwareDatetime] = None
    updated_at: Loose[AwareDatetime] = None


class _Repository(LooseBody):
    name: str
    full_name: Loose[str] = None


class _Delivery(LooseBody):
    deployment: _Deployment
    repository: _Repository
    deployment_status: Loose[_DeploymentStatus] = None


def _change_from(
    delivery: _Delivery, status: ChangeStatus, catalogue: Catalogue, received_at: AwareDatetime
) -> ChangeEvent:
    deployment, said = delivery.deployment, delivery.deployment_status or _DeploymentStatus()
    given = deployment.payload or _Given()
    repository = delivery.repository.full_name or delivery.repository.name
    ended_at = said.updated_at or said.created_at
    version = given.version or _version_of(deployment)
    addresses = (web_address(url) for url in (said.target_url, said.log_url, said.environment_url))
    return ChangeEvent(
        id=ChangeId(f"{SOURCE}:{repository}:{deployment.id}"),
        service=service_named(given.service or delivery.repository.name, catalogue),
        environment=said.environment or deployment.environment or "production",
        kind=_kind_of(deployment.task or ""),
        version=version,
        previous_version=given.previous_version,
        started_at=deployment.created_at,
        finished_at=None if status is ChangeStatus.IN_PROGRESS else ended_at,
        reported_at=received_at,
        author=(deployment.creator.login if deployment.creator else None) or "",
        title=deployment.description or said.description or f"Deployment of {version or repository}",
        url=next((address for address in addresses if address), None),
        status=status,
        source=SOURCE,
    )


def _version_of(deployment: _Deployment) -> str | None:
    if deployment.ref and (deployment.sha is None or _VERSION_TAG.fullmatch(deployment.ref)):
        return deployment.ref
    return deployment.sha


def _kind_of(task: str) -> ChangeKind:
    if "rollback" in task:
        return ChangeKind.ROLLBACK
    return ChangeKind.MIGRATION if "migrat" in task else ChangeKind.DEPLOY
