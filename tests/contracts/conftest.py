"""What several contracts need: a record in memory, SQLite and maybe PostgreSQL; a sandbox Slack; a client."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, make_url, text

from adapters.sandbox.slack import SandboxSlack, limits, running_slack
from adapters.slack.api import SlackApi, slack_api
from tests.builders import ManualTime
from tests.contracts.sandbox_slack_builders import ManualClock, a_workspace
from tests.contracts.stores import DATABASES, POSTGRES, Bench
from tests.postgres_server import postgres_server


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture(params=["memory", *DATABASES])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    """The address of an empty database, None for memory."""
    match request.param:
        case "sqlite":
            yield f"sqlite:///{tmp_path}/audit.db"
        case "postgres":
            yield from _a_postgres_database(request.getfixturevalue("postgres"))
        case _:
            yield None


@pytest.fixture
async def bench(store_url: str | None, time: ManualTime, tmp_path: Path) -> AsyncIterator[Bench]:
    """A store under a manual clock, which can be opened a second time."""
    made = Bench(url=store_url, time=time, kill_file=tmp_path / "KILL")
    yield made
    await made.close()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture(autouse=True)
def patient_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandbox Slack wait longer than 3 s: hardly a test is about how busy a machine is."""
    monkeypatch.setattr(limits, "ACK_S", 60.0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def slack(clock: ManualClock) -> AsyncIterator[SandboxSlack]:
    async with running_slack(a_workspace(), clock=clock) as slack:
        yield slack


@pytest.fixture
async def api(slack: SandboxSlack) -> AsyncIterator[SlackApi]:
    async with slack_api(slack.config.bot_token, base_url=slack.api_url, timeout_s=60) as api:
        yield api


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a PostgreSQL: the one that is named, or one of our own while the tests run."""
    if named := os.environ.get(POSTGRES):
        yield named
    elif request.config.getoption("--prove"):
        with postgres_server() as address:
            yield address
    else:
        pytest.skip("played on Debian's PostgreSQL by make prove")


def _a_postgres_database(server: str) -> Iterator[str]:
    name = f"handrail_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
