"""Everything the model's adapter is told, as plain values."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from bot.domain.diagnosis import Level


class Strategy(StrEnum):
    """How the model is held to the schema of its answer."""

    PROVIDER = "provider"
    """The server enforces it (`response_format: json_schema`)."""
    TOOL = "tool"
    """The answer is the arguments of a tool; for servers that know no json_schema."""


class Price(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal = Field(ge=0)
    cached: Decimal | None = Field(default=None, ge=0, description="Input read from a cache; unset: `input`.")
    output: Decimal = Field(ge=0)


class Endpoint(BaseModel):
    """One model at one address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    api_key: SecretStr
    model: str
    level: Level = Level.PRIMARY


class ModelConfig(BaseModel):
    """Which models are asked, in which order, and within which limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    api_key: SecretStr
    model: str
    fallback_models: tuple[str, ...] = Field(default=(), description="Further models at the same address.")
    second: Endpoint | None = Field(default=None, description="Asked last: another address.")
    prompts: Path = Path("prompts")
    prompt_version: int | None = Field(default=None, ge=1, description="Of `rank`; unset: the one in use.")
    strategy: Strategy = Strategy.PROVIDER
    timeout_s: float = Field(default=8.0, gt=0, le=20, description="Seconds that one call may take.")
    deadline_s: float = Field(default=18.0, gt=0, le=20, description="Seconds for all calls of one answer.")
    input_tokens: int = Field(default=25_000, ge=1, description="Most tokens that one request may hold.")
    output_tokens: int = Field(default=4_000, ge=1, description="Most tokens of an answer and its thinking.")
    daily_tokens: int = Field(default=2_000_000, ge=1, description="Most tokens of a day (UTC), in and out.")
    daily_calls: int = Field(default=2_000, ge=1, description="Most calls of a day (UTC).")
    concurrent: int = Field(default=4, ge=1, le=64, description="Calls at the same time.")
    prices: Mapping[str, Price] = Field(default_factory=dict, description="By model name; unknown: no cost.")

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The ladder, first to last."""
        names = (self.model, *self.fallback_models)
        own = tuple(
            Endpoint(
                base_url=self.base_url,
                api_key=self.api_key,
                model=name,
                level=Level.PRIMARY if index == 0 else Level.FALLBACK_MODEL,
            )
            for index, name in enumerate(dict.fromkeys(names))
        )
        return (*own, self.second.model_copy(update={"level": Level.SECOND})) if self.second else own
