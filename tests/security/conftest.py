"""What several attacks on the record need: its file, and stores over it under a manual clock."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.builders import ManualTime
from tests.contracts.stores import Bench


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.db"


@pytest.fixture
async def bench(file: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(url=f"sqlite:///{file}", time=ManualTime(), kill_file=tmp_path / "KILL")
    yield made
    await made.close()
