"""Facts of the machine that the figures depend on. No names and no paths: results are passed around."""

import os
import platform
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Machine(BaseModel):
    """Where and when the figures were made."""

    model_config = ConfigDict(frozen=True)

    date: AwareDatetime
    cores: int
    python: str
    system: str
    load_at_start: float
    """Load average of the minute before: above about 0.5 somebody else was at work."""


def this_machine() -> Machine:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        date=datetime.now(UTC).replace(microsecond=0),
        cores=cores,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        load_at_start=round(os.getloadavg()[0], 2),
    )
