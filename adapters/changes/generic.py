"""The change event that any CI can post: a small JSON object, signed with a shared secret."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from adapters.changes.naming import service_named
from adapters.intake.loose import web_address
from adapters.intake.strict_json import parse_object
from bot.domain.catalogue import Catalogue
from bot.domain.change import ChangeEvent, ChangeKind, ChangeStatus
from bot.domain.errors import Invalid
from bot.domain.ids import ChangeId

SIGNATURE_HEADER = "x-handrail-signature"
SIGNATURE_PREFIX = "sha256="
SOURCE = "generic"
MOST_BODY = 20_000
MOST_DIFF = 200_000

_Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]
_Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class ChangeReport(BaseModel):
    """The documented body. Fields that are not listed are ignored; times need a zone."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    id: _Word = Field(description="Names the change; a later report with the same id replaces this one.")
    service: _Word = Field(description="As `services.yaml` names it, or one of its `names`.")
    environment: _Word = "production"
    kind: ChangeKind = ChangeKind.DEPLOY
    version: _Word | None = None
    previous_version: _Word | None = Field(
        default=None, description="Default: the version that was live before, from earlier reports."
    )
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = Field(default=None, description="When it was live everywhere.")
    status: ChangeStatus = ChangeStatus.SUCCEEDED
    author: _Line = ""
    title: _Line = ""
    body: str = ""
    url: str | None = None
    files: tuple[_Line, ...] = Field(default=(), max_length=5_000)
    diff: str = Field(default="", description="Cut after 200,000 characters, with a line that says so.")
    flag: _Word | None = Field(default=None, description="The feature flag, for the kind `flag`.")


def parse_generic(body: bytes, catalogue: Catalogue, *, received_at: AwareDatetime) -> ChangeEvent:
    """Return the change that *body* reports.

    Raises:
        Invalid: the body is not JSON, or a field is missing or wrong; each is named.
    """
    try:
        report = ChangeReport.model_validate(parse_object(body))
    except ValidationError as exc:
        raise Invalid(_named_errors(exc)) from exc
    return ChangeEvent(
        id=ChangeId(f"{SOURCE}:{report.id}"),
        service=service_named(report.service, catalogue),
        environment=report.environment,
        kind=report.kind,
        version=report.version,
        previous_version=report.previous_version,
        started_at=report.started_at,
        finished_at=report.finished_at,
        reported_at=received_at,
        author=report.author,
        title=report.title or (f"Flag {report.flag}" if report.flag else ""),
        body=_bounded(report.body, MOST_BODY),
        url=web_address(report.url),
        status=report.status,
        files=report.files,
        diff=_bounded(report.diff, MOST_DIFF),
        source=SOURCE,
    )


def _named_errors(exc: ValidationError) -> str:
    errors = exc.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in errors[:10]
    )


def _bounded(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… [{len(text) - most} more characters were left out]"
