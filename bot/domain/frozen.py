"""The base of every value that crosses a boundary."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable value; unknown fields and silent conversions are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
