"""The one reader of the environment: every setting with its type, unit and default."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, get_args
from urllib.parse import unquote, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from adapters.problems import in_words
from bot.domain.errors import Invalid

_OURS: Final = ("HANDRAIL_", "SLACK_", "PAGERDUTY_")
AUDIT_FILE: Final = "audit.db"
ARCHIVE_FOLDER: Final = "archive"
_NAMED: Final = "HANDRAIL_SECRET_"
# Other programs have variables of these too, so that only a slip of the pen is refused.
_SHARED: Final = ("OPENAI_", "TEMPORAL_", "REDIS_", "DATABASE_")
_KNOWN_SLIPS: Final = MappingProxyType(
    {
        "OPENAI_API_BASE": "OPENAI_BASE_URL",
        "OPENAI_API_BASE_URL": "OPENAI_BASE_URL",
        "OPENAI_API_URL": "OPENAI_BASE_URL",
        "OPENAI_KEY": "OPENAI_API_KEY",
        "OPENAI_MODEL_NAME": "OPENAI_MODEL",
        "OPENAI_TOKEN": "OPENAI_API_KEY",
    }
)
_TRACING: Final = ("LANGSMITH_", "LANGCHAIN_")

Filled = Annotated[SecretStr, Field(min_length=8)]
ChannelId = Annotated[str, StringConstraints(pattern=r"^[CGD][A-Z0-9]+$")]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
_SECRET_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_NO_SLACK: Final = "set SLACK_SIGNING_SECRET (HTTP) or SLACK_APP_TOKEN (Socket Mode)"
_HALF_A_MODEL: Final = (
    "set OPENAI_FALLBACK_BASE_URL, OPENAI_FALLBACK_API_KEY and OPENAI_FALLBACK_MODEL together, "
    "beside OPENAI_API_KEY"
)
_TRUE: Final = ("1", "true", "t", "yes", "y", "on")


class InvalidSettings(Invalid):
    """The environment does not make a bot; the message names each variable and the remedy."""


class Settings(BaseModel):
    """What a running bot is told. The name of a field in upper case is the variable's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slack_bot_token: Filled = Field(description="The bot's token (`xoxb-…`).")
    slack_signing_secret: Filled | None = Field(
        default=None, description="Checks requests from Slack; required unless SLACK_APP_TOKEN is set."
    )
    slack_app_token: Filled | None = Field(
        default=None, description="An app-level token (`xapp-…`): Socket Mode, no public address needed."
    )
    slack_team_id: str = Field(min_length=1, description="The one workspace that may act (`T…`).")
    slack_app_id: str | None = Field(default=None, description="Our app's id (`A…`); others are refused.")
    slack_channel: ChannelId = Field(
        description="Id (`C…`) of the channel for cards without a channel of their own."
    )
    slack_api_url: Address = Field(default="https://slack.com/api/", description="Slack's Web API.")
    pagerduty_api_token: Filled = Field(description="A REST API key.")
    pagerduty_webhook_secrets: SecretStr = Field(
        description="Secrets of the V3 webhook subscription, separated by commas while one is rotated."
    )
    pagerduty_from_email: str = Field(
        pattern=r"^[^@\s]+@[^@\s]+$", description="The PagerDuty user in whose name notes are written."
    )
    pagerduty_api_url: Address = Field(
        default="https://api.pagerduty.com", description="PagerDuty's REST API."
    )
    openai_api_key: SecretStr | None = Field(
        default=None, description="Key of an OpenAI-compatible model; without one the rules speak alone."
    )
    openai_base_url: Address = Field(
        default="https://api.openai.com/v1", description="Where the model answers."
    )
    openai_model: str = Field(default="gpt-5-mini", description="The model's name.")
    openai_fallback_base_url: Address | None = Field(
        default=None, description="A second address, asked when every model at the first one fails."
    )
    openai_fallback_api_key: SecretStr | None = Field(
        default=None, description="Its key; any word for a server that takes none."
    )
    openai_fallback_model: str | None = Field(default=None, description="The model's name there.")
    redis_url: str | None = Field(
        default=None, repr=False, description="A Redis to use; default: one started as a child."
    )
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="An SQLAlchemy address; default: a SQLite file in the data folder.",
    )
    temporal_address: str | None = Field(
        default=None, description="host:port of a Temporal service; default: one started as a child."
    )
    temporal_namespace: str = Field(default="default", description="Temporal namespace.")

    handrail_data_dir: Path = Field(
        default=Path(".handrail"), description="Folder of everything that is kept."
    )
    handrail_host: str = Field(default="127.0.0.1", description="Address to listen on.")
    handrail_port: int = Field(
        default=8700, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    handrail_services: Path = Field(default=Path("services.yaml"), description="The service catalogue.")
    handrail_playbooks: Path = Field(default=Path("playbooks"), description="Folder of playbooks.")
    handrail_policy: Path | None = Field(
        default=None, description="The policy of approvals; default: the rules that every policy keeps."
    )
    handrail_mcp: Path | None = Field(
        default=None, description="A file of MCP servers whose read-only tools may be asked."
    )
    handrail_github_api_url: Address = Field(
        default="https://api.github.com", description="Where differences between versions are read."
    )
    handrail_weights: Path | None = Field(
        default=None,
        description="A file of ranking weights, such as `handrail fit` writes; default: those that ship.",
    )
    handrail_prompts: Path = Field(default=Path("prompts"), description="Folder of prompts.")
    handrail_changes_secret: Filled | None = Field(
        default=None, description="Checks `POST /webhooks/changes/generic`; unset: that route is closed."
    )
    handrail_github_secret: Filled | None = Field(
        default=None, description="Checks GitHub's deliveries; unset: that route is closed."
    )
    handrail_pagerduty_dependencies: bool = Field(
        default=True, description="Read PagerDuty's service dependencies too, every 10 minutes."
    )
    handrail_approval_minutes: float = Field(
        default=15, gt=0, le=1440, description="Minutes until a proposal expires."
    )
    handrail_acknowledge: bool = Field(
        default=False, description="Acknowledge the incident in PagerDuty when a plan is approved."
    )
    handrail_resolve: bool = Field(
        default=False, description="Resolve the incident in PagerDuty when recovery is proven."
    )
    handrail_group: bool = Field(
        default=True, description="Show incidents of one cause on one card, and a storm on one."
    )
    handrail_storm_incidents: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Incidents within a minute, beyond which the next ones share a storm's card.",
    )
    handrail_reconcile_s: int = Field(
        default=60, ge=1, le=3600, description="Seconds between looks at PagerDuty for missed webhooks."
    )
    handrail_model_timeout_s: float = Field(
        default=8, gt=0, le=20, description="Seconds one model call may take; 20 in all."
    )
    handrail_model_fallback: str | None = Field(
        default=None, description="Further model names at the same address, separated by commas."
    )
    handrail_model_price: str | None = Field(
        default=None,
        pattern=r"^[0-9.]+/[0-9.]+$",
        description="US dollars for a million tokens, `input/output`, e.g. `0.25/2`; unset: no cost.",
    )
    handrail_model_fallback_price: str | None = Field(
        default=None, pattern=r"^[0-9.]+/[0-9.]+$", description="The same for OPENAI_FALLBACK_MODEL."
    )
    handrail_model_daily_tokens: int = Field(
        default=2_000_000, ge=1, description="Most tokens of a day (UTC), in and out, over all bots."
    )
    handrail_model_daily_calls: int = Field(
        default=2_000, ge=1, description="Most model calls of a day (UTC), over all bots."
    )
    handrail_allow_tracing: bool = Field(
        default=False, description="Start although LANGSMITH_* or LANGCHAIN_* variables would ship prompts."
    )
    handrail_detector: Literal["betterleaks"] | None = Field(
        default=None,
        description="A library whose vendor rules find secrets beside our own; needs the extra `detector`.",
    )
    handrail_audit_key: Filled | None = Field(
        default=None,
        description="The Ed25519 key (32 bytes, base64url) that signs the record, one for all bots of one "
        "database; default: the file `audit.key` of the data folder.",
    )
    handrail_audit_checkpoint_file: Path | None = Field(
        default=None,
        description="A file, best on another machine's disk, that gets each checkpoint as a line.",
    )
    handrail_audit_channel: ChannelId | None = Field(
        default=None, description="Id (`C…`) of the channel for checkpoints and alarms of the record."
    )
    handrail_audit_checkpoint_minutes: float = Field(
        default=60, gt=0, le=1440, description="Minutes between checkpoints while entries are added."
    )
    handrail_audit_retention_days: int = Field(
        default=183,
        ge=1,
        description="Days that entries stay in the database; once a day the bot moves older ones to a file.",
    )
    handrail_audit_archive: Path | None = Field(
        default=None,
        description="Folder of archived entries; default: `archive` in the data folder. Bots that share a "
        "database need one that they share: without it they leave old entries where they are.",
    )
    handrail_log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="Least severe line to log."
    )
    secrets: Mapping[str, Filled] = Field(
        default_factory=dict,
        description="`HANDRAIL_SECRET_NAME` gives the value that plans call `secret:NAME`.",
    )

    @model_validator(mode="after")
    def _slack_can_reach_us(self) -> "Settings":
        if self.slack_signing_secret is None and self.slack_app_token is None:
            raise ValueError(_NO_SLACK)
        return self

    @model_validator(mode="after")
    def _second_model_is_whole(self) -> "Settings":
        given = (self.openai_fallback_base_url, self.openai_fallback_api_key, self.openai_fallback_model)
        if any(given) and not (all(given) and self.openai_api_key):
            raise ValueError(_HALF_A_MODEL)
        return self

    @field_validator("pagerduty_webhook_secrets")
    @classmethod
    def _each_is_a_secret(cls, secrets: SecretStr) -> SecretStr:
        if any(len(secret.strip()) < 8 for secret in secrets.get_secret_value().split(",")):
            raise ValueError("each secret between the commas has at least 8 characters")
        return secrets

    @property
    def webhook_secrets(self) -> tuple[SecretStr, ...]:
        """PagerDuty's live webhook secrets."""
        found = self.pagerduty_webhook_secrets.get_secret_value().split(",")
        return tuple(SecretStr(secret.strip()) for secret in found if secret.strip())

    @property
    def fallback_models(self) -> tuple[str, ...]:
        """Names of the models to ask when the first does not answer."""
        return tuple(name.strip() for name in (self.handrail_model_fallback or "").split(",") if name.strip())

    def known_secrets(self) -> tuple[str, ...]:
        """Return every secret value held, so that none of them leaves."""
        fields = [getattr(self, name) for name in type(self).model_fields]
        held = (*fields, *self.secrets.values(), *self.webhook_secrets)
        values = {value.get_secret_value() for value in held if isinstance(value, SecretStr)}
        addresses = (self.redis_url, self.database_url)
        passwords = {urlsplit(address).password for address in addresses if address}
        plain = {unquote(password) for password in passwords if password}
        return tuple({*values, *(password for password in passwords if password), *plain} - {""})


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Parse the environment.

    Raises:
        InvalidSettings: a variable is missing, blank, unknown or wrong; every one is named.
    """
    names = {field.upper(): field for field in Settings.model_fields if field != "secrets"}
    secrets = {
        name.removeprefix(_NAMED): value for name, value in environment.items() if name.startswith(_NAMED)
    }
    problems = [*_unknown(environment, names), *_blank(environment, names), *_tracing(environment)]
    if "SLACK_SIGNING_SECRET" not in environment and "SLACK_APP_TOKEN" not in environment:
        problems.append(_NO_SLACK)
    given: dict[str, object] = {
        field: environment[name] for name, field in names.items() if name in environment
    }
    try:
        settings = Settings.model_validate({**given, "secrets": secrets})
    except ValidationError as exc:
        problems += [
            _told(error) for error in exc.errors() if environment.get(_variable(error["loc"]), "said").strip()
        ]
        raise InvalidSettings("\n".join(dict.fromkeys(problems))) from None
    if problems:
        raise InvalidSettings("\n".join(problems))
    return settings


class StoreSettings(BaseModel):
    """Where a bot keeps its record: all that the offline commands need."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path
    database_url: str
    weights: Path | None = None
    audit_key: SecretStr | None = None
    audit_retention_days: int
    audit_archive: Path


def store_settings(environment: Mapping[str, str]) -> StoreSettings:
    """Return where the record is, without asking for any token."""
    folder = Path(environment.get("HANDRAIL_DATA_DIR") or Settings.model_fields["handrail_data_dir"].default)
    weights = environment.get("HANDRAIL_WEIGHTS")
    return StoreSettings(
        data_dir=folder,
        database_url=environment.get("DATABASE_URL") or f"sqlite:///{folder / AUDIT_FILE}",
        weights=Path(weights) if weights else None,
        audit_key=SecretStr(key) if (key := environment.get("HANDRAIL_AUDIT_KEY")) else None,
        audit_retention_days=_days(environment.get("HANDRAIL_AUDIT_RETENTION_DAYS")),
        audit_archive=Path(environment.get("HANDRAIL_AUDIT_ARCHIVE") or folder / ARCHIVE_FOLDER),
    )


def _days(given: str | None) -> int:
    if given is not None and not re.fullmatch("[1-9][0-9]{0,4}", given):
        raise InvalidSettings("HANDRAIL_AUDIT_RETENTION_DAYS: is no number of days, at least 1")
    return int(given or Settings.model_fields["handrail_audit_retention_days"].default)


class ModelSettings(BaseModel):
    """Where a model answers: all that measuring one needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: SecretStr
    base_url: str
    prompts: Path


def model_settings(environment: Mapping[str, str]) -> ModelSettings | None:
    """Return where the model answers, without asking for any other token; None without its key.

    Raises:
        InvalidSettings: LangChain would ship the prompts to a third party.
    """
    key = environment.get("OPENAI_API_KEY")
    if not key:
        return None
    if problems := _tracing(environment):
        raise InvalidSettings("\n".join(problems))
    fields = Settings.model_fields
    return ModelSettings(
        api_key=SecretStr(key),
        base_url=environment.get("OPENAI_BASE_URL") or fields["openai_base_url"].default,
        prompts=Path(environment.get("HANDRAIL_PROMPTS") or fields["handrail_prompts"].default),
    )


def detector_name(environment: Mapping[str, str]) -> str | None:
    """Return the library that finds secrets beside our own patterns, without asking for any token.

    Raises:
        InvalidSettings: it is none that we know.
    """
    named = environment.get("HANDRAIL_DETECTOR")
    known = get_args(get_args(Settings.model_fields["handrail_detector"].annotation)[0])
    if named is not None and named not in known:
        raise InvalidSettings(f"HANDRAIL_DETECTOR: is none of {', '.join(known)}")
    return named


def playbooks_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of playbooks, without asking for any token."""
    named = environment.get("HANDRAIL_PLAYBOOKS")
    return Path(named or Settings.model_fields["handrail_playbooks"].default)


def services_file(environment: Mapping[str, str]) -> Path:
    """Return where the catalogue is, without asking for any token."""
    named = environment.get("HANDRAIL_SERVICES")
    return Path(named or Settings.model_fields["handrail_services"].default)


def policy_file(environment: Mapping[str, str]) -> Path | None:
    """Return where the policy is, without asking for any token; None when no file is named."""
    named = environment.get("HANDRAIL_POLICY")
    return Path(named) if named else None


def _unknown(environment: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    """Three prefixes are ours, so a name must be known; a shared one must not look like a slip of the pen."""
    problems = []
    for name in environment:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.85)
        meant = _KNOWN_SLIPS.get(name) or (near[0] if near else None)
        is_ours = name.startswith(_OURS) and not name.startswith(_NAMED)
        is_slip = name.startswith(_SHARED) and meant
        if name not in names and (is_ours or is_slip):
            hint = f" Did you mean {meant}?" if meant else " Unset it."
            problems.append(f"{name}: no such setting.{hint}")
        if name.startswith(_NAMED) and not _SECRET_NAME.fullmatch(name.removeprefix(_NAMED)):
            problems.append(f"{name}: plans could not name it; use A-Z, 0-9 and _ after {_NAMED}")
    return problems


def _blank(environment: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    """A secret with a line break at its end, as files have it, would fail much later and say nothing."""
    ours = {name: value for name, value in environment.items() if name in names or name.startswith(_NAMED)}
    blank = [f"{name}: is blank. Give it a value, or unset it." for name, v in ours.items() if not v.strip()]
    around = [f"{name}: has blanks around its value" for name, v in ours.items() if v.strip() not in ("", v)]
    return blank + around


def _tracing(environment: Mapping[str, str]) -> list[str]:
    """LangChain ships every prompt to a third party when it finds these."""
    if environment.get("HANDRAIL_ALLOW_TRACING", "").lower() in _TRUE:
        return []
    return [
        f"{name}: would send prompts to a third party. Unset it, or set HANDRAIL_ALLOW_TRACING=true."
        for name in sorted(environment)
        if name.startswith(_TRACING)
    ]


def _variable(where: tuple[int | str, ...]) -> str:
    """Return the name of the variable in which pydantic found an error, blank when it is in several."""
    match where:
        case ("secrets", name, *_):
            return f"{_NAMED}{name}"
        case (field, *_):
            return str(field).upper()
        case _:
            return ""


def _told(error: ErrorDetails) -> str:
    name = _variable(error["loc"])
    if error["type"] == "missing":
        described = Settings.model_fields[str(error["loc"][0])].description or ""
        return f"{name}: is not set. {described}"
    return f"{name}: {in_words(error)}" if name else in_words(error)
