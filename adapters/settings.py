"""The one reader of the environment: every setting with its type, unit and default."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

PREFIX: Final = "HANDRAIL_"
_NAMED: Final = "HANDRAIL_SECRET_"
_TRACING: Final = ("LANGSMITH_", "LANGCHAIN_")

Filled = Annotated[SecretStr, Field(min_length=8)]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")]


class InvalidSettings(Exception):
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
    slack_channel: str = Field(
        min_length=1, description="Channel id for cards without a channel of their own."
    )
    slack_api_url: Address = Field(default="https://slack.com/api/", description="Slack's Web API.")
    pagerduty_api_token: Filled = Field(description="A REST API key.")
    pagerduty_webhook_secrets: Filled = Field(
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
    redis_url: str | None = Field(
        default=None, description="A Redis to use; default: one started as a child."
    )
    database_url: str | None = Field(
        default=None, description="An SQLAlchemy address; default: a SQLite file in the data folder."
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
    handrail_prompts: Path = Field(default=Path("prompts"), description="Folder of prompts.")
    handrail_changes_secret: Filled | None = Field(
        default=None, description="Checks `POST /webhooks/changes/generic`; unset: that route is closed."
    )
    handrail_github_secret: Filled | None = Field(
        default=None, description="Checks GitHub's deliveries; unset: that route is closed."
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
    handrail_reconcile_s: int = Field(
        default=60, ge=1, le=3600, description="Seconds between looks at PagerDuty for missed webhooks."
    )
    handrail_model_timeout_s: float = Field(
        default=8, gt=0, le=20, description="Seconds one model call may take; 20 in all."
    )
    handrail_model_fallback: str | None = Field(
        default=None, description="Further model names at the same address, separated by commas."
    )
    handrail_allow_tracing: bool = Field(
        default=False, description="Start although LANGSMITH_* or LANGCHAIN_* variables would ship prompts."
    )
    handrail_log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="Least severe line to log."
    )
    secrets: Mapping[str, SecretStr] = Field(
        default_factory=dict,
        description="`HANDRAIL_SECRET_NAME` gives the value that plans call `secret:NAME`.",
    )

    @model_validator(mode="after")
    def _slack_can_reach_us(self) -> "Settings":
        if self.slack_signing_secret is None and self.slack_app_token is None:
            raise ValueError("set SLACK_SIGNING_SECRET (HTTP) or SLACK_APP_TOKEN (Socket Mode)")
        return self

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """PagerDuty's live webhook secrets."""
        found = self.pagerduty_webhook_secrets.get_secret_value().split(",")
        return tuple(secret.strip() for secret in found if secret.strip())

    def known_secrets(self) -> tuple[str, ...]:
        """Return every secret value held, so that none of them leaves."""
        fields = [getattr(self, name) for name in type(self).model_fields]
        held = [value for value in (*fields, *self.secrets.values()) if isinstance(value, SecretStr)]
        values = [value.get_secret_value() for value in held]
        return tuple({*values, *self.webhook_secrets} - {""})


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Parse the environment.

    Raises:
        InvalidSettings: a variable is missing, blank, unknown or wrong; every one is named.
    """
    names = {field.upper(): field for field in Settings.model_fields if field != "secrets"}
    secrets = {
        name.removeprefix(_NAMED): value
        for name, value in environment.items()
        if name.startswith(_NAMED)
    }
    problems = [*_unknown(environment, names), *_blank(environment, names), *_tracing(environment)]
    given: dict[str, object] = {
        field: environment[name] for name, field in names.items() if name in environment
    }
    try:
        settings = Settings.model_validate({**given, "secrets": secrets})
    except ValidationError as exc:
        problems += [_in_words(error["loc"], error["msg"], error["type"]) for error in exc.errors()]
        raise InvalidSettings("\n".join(problems)) from None
    if problems:
        raise InvalidSettings("\n".join(problems))
    return settings


def _unknown(environment: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    """Our own prefix must be known; a neighbour's prefix only when it looks like a slip of the pen."""
    problems = []
    for name in environment:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.85)
        is_ours = name.startswith(PREFIX) and not name.startswith(_NAMED)
        is_slip = name.startswith(("SLACK_", "PAGERDUTY_", "OPENAI_", "TEMPORAL_")) and near
        if name not in names and (is_ours or is_slip):
            hint = f" Did you mean {near[0]}?" if near else ""
            problems.append(f"{name}: no such setting.{hint}")
    return problems


def _blank(environment: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    return [
        f"{name}: is blank. Give it a value, or unset it."
        for name in environment
        if (name in names or name.startswith(_NAMED)) and not environment[name].strip()
    ]


def _tracing(environment: Mapping[str, str]) -> list[str]:
    """LangChain ships every prompt to a third party when it finds these."""
    if environment.get("HANDRAIL_ALLOW_TRACING", "").lower() in ("1", "true", "yes"):
        return []
    return [
        f"{name}: would send prompts to a third party. Unset it, or set HANDRAIL_ALLOW_TRACING=true."
        for name in sorted(environment)
        if name.startswith(_TRACING)
    ]


def _in_words(where: tuple[int | str, ...], message: str, kind: str) -> str:
    name = str(where[0]).upper() if where else ""
    if kind == "missing":
        described = Settings.model_fields[str(where[0])].description or ""
        return f"{name}: is not set. {described}"
    text = message.removeprefix("Value error, ")
    return f"{name}: {text}" if name else text
