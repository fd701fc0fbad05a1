"""The payload codec against a real Temporal server: who has no key starts, signals and reads nothing."""

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.converter import DataConverter
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from adapters.engine.codec import REFUSED, SEALED, SealingCodec, data_converter
from adapters.engine.embedded import DataFolder, embedded_engine
from tests.contracts.order_workflows import Order, OrderWorkflow, TrustingWorkflow, confirm

QUEUE = "orders"
SECRET = "correct-horse-battery-staple"
KEY = bytes(range(32))


@dataclasses.dataclass(frozen=True)
class Orders:
    """A server with one worker that has the key."""

    address: str
    namespace: str
    folder: Path
    friend: Client

    async def a_client(self, converter: DataConverter) -> Client:
        return await Client.connect(self.address, namespace=self.namespace, data_converter=converter)

    async def an_order(self, note: str = SECRET, count: int = 1) -> WorkflowHandle[OrderWorkflow, Order]:
        return await self.friend.start_workflow(
            OrderWorkflow.run, Order(note, count), id=f"order-{uuid4()}", task_queue=QUEUE
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def orders(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Orders]:
    """One server for all: each test starts workflows of its own."""
    with DataFolder(tmp_path_factory.mktemp("codec") / "data") as folder:
        async with embedded_engine(folder, minimum_epoch=0, redis_url="redis://unused") as engine:
            friend = await Client.connect(
                engine.temporal_address,
                namespace=engine.temporal_namespace,
                data_converter=data_converter(KEY),
            )
            async with Worker(friend, task_queue=QUEUE, workflows=[OrderWorkflow], activities=[confirm]):
                yield Orders(engine.temporal_address, engine.temporal_namespace, folder.path, friend)


pytestmark = pytest.mark.asyncio(loop_scope="module")
STRANGERS = {"no key": DataConverter.default, "another key": data_converter(secrets.token_bytes(32))}


@pytest_asyncio.fixture(params=STRANGERS, loop_scope="module")
async def stranger(request: pytest.FixtureRequest, orders: Orders) -> Client:
    return await orders.a_client(STRANGERS[request.param])


async def test_a_client_with_the_key_starts_signals_updates_and_reads(orders: Orders) -> None:
    handle = await orders.an_order("tea", 1)

    assert await handle.execute_update(OrderWorkflow.append, "now") == 1
    assert await handle.query(OrderWorkflow.notes, "-") == ["-now"]
    await handle.signal(OrderWorkflow.add, "please")
    assert await handle.result() == Order("tea|now|please", 2)


async def test_a_start_by_a_stranger_fails_for_good_and_runs_no_activity(
    orders: Orders, stranger: Client
) -> None:
    handle = await stranger.start_workflow(
        "OrderWorkflow", Order("forged", 1), id=f"order-{uuid4()}", task_queue=QUEUE
    )

    with pytest.raises(WorkflowFailureError) as failure:
        await orders.friend.get_workflow_handle(handle.id).result()

    assert isinstance(failure.value.cause, ApplicationError)
    assert (failure.value.cause.type, failure.value.cause.non_retryable) == ("PayloadRefused", True)
    history = await orders.friend.get_workflow_handle(handle.id).fetch_history()
    assert not [e for e in history.events if e.HasField("activity_task_scheduled_event_attributes")]


async def test_a_signal_by_a_stranger_is_dropped_and_the_workflow_goes_on(
    orders: Orders, stranger: Client
) -> None:
    handle = await orders.an_order("tea", 1)

    await stranger.get_workflow_handle(handle.id).signal("add", "forged")
    await stranger.get_workflow_handle(handle.id).signal("add")
    await handle.signal(OrderWorkflow.add, "genuine")

    assert await handle.result() == Order("tea|genuine", 2)


async def test_an_update_by_a_stranger_is_refused_and_the_workflow_goes_on(
    orders: Orders, stranger: Client
) -> None:
    handle = await orders.an_order("tea", 1)

    with pytest.raises(WorkflowUpdateFailedError):
        await stranger.get_workflow_handle(handle.id).execute_update("append", "forged")
    await handle.signal(OrderWorkflow.add, "genuine")

    assert await handle.result() == Order("tea|genuine", 2)


async def test_a_stranger_reads_no_words_in_a_history(orders: Orders, stranger: Client) -> None:
    handle = await orders.an_order()
    await handle.signal(OrderWorkflow.add, SECRET)
    assert await handle.result() == Order(f"{SECRET}|{SECRET}", 2)

    history = await stranger.get_workflow_handle(handle.id).fetch_history()

    assert len(history.events) > 5
    assert not [event for event in history.events if SECRET.encode() in event.SerializeToString()]


async def test_a_forged_activity_result_ends_the_workflow_instead_of_being_believed(orders: Orders) -> None:
    stranger = await orders.a_client(DataConverter.default)
    taken = asyncio.Event()

    @activity.defn(name="confirm_elsewhere")
    async def forge(sealed: RawValue) -> dict[str, object]:
        taken.set()
        return {"note": "forged", "count": 99}

    # Nobody else polls this queue, so the stranger's worker gets the task for certain.
    async with (
        Worker(stranger, task_queue="elsewhere", activities=[forge]),
        Worker(orders.friend, task_queue="trusting", workflows=[TrustingWorkflow]),
    ):
        handle = await orders.friend.start_workflow(
            TrustingWorkflow.run, SECRET, id=f"trusting-{uuid4()}", task_queue="trusting"
        )
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()

    assert taken.is_set()
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "PayloadRefused"


async def test_the_server_stores_no_plaintext(orders: Orders) -> None:
    """Neither of arguments, results, signals and memos, nor of a failure's message."""
    handle = await orders.friend.start_workflow(
        OrderWorkflow.run,
        Order(SECRET, 1),
        id=f"order-{uuid4()}",
        task_queue=QUEUE,
        memo={"about": SECRET},
    )
    await handle.signal(OrderWorkflow.add, SECRET)
    assert (await handle.result()).note == f"{SECRET}|{SECRET}"
    failing = await orders.an_order(SECRET, -1)
    with pytest.raises(WorkflowFailureError) as failure:
        await failing.result()
    assert isinstance(failure.value.cause, ActivityError)
    assert f"cannot confirm {SECRET}" in str(failure.value.cause.cause)

    files = [path for path in (orders.folder / "temporal").rglob("*") if path.is_file()]
    stored = b"".join(path.read_bytes() for path in files)
    assert handle.id.encode() in stored
    assert SECRET.encode() not in stored


async def test_what_was_sealed_opens_to_the_same_payload() -> None:
    codec = SealingCodec(KEY)
    payloads = [Payload(metadata={"encoding": b"json/plain"}, data=b'"tea"'), Payload()]

    sealed = await codec.encode(payloads)

    assert await codec.decode(sealed) == payloads
    assert {payload.metadata["encoding"] for payload in sealed} == {SEALED}


async def test_the_same_payload_is_sealed_differently_each_time() -> None:
    codec = SealingCodec(KEY)
    payload = Payload(data=b"tea")

    first, second = await codec.encode([payload, payload])

    assert first.data[:12] != second.data[:12]
    assert first.data[12:] != second.data[12:]


def a_sealed_payload(**metadata: bytes) -> Payload:
    cipher = SealingCodec(KEY)
    sealed = asyncio.run(cipher.encode([Payload(data=b"tea")]))[0]
    for name, value in metadata.items():
        sealed.metadata[name.replace("_", "-")] = value
    return sealed


def cut(payload: Payload, length: int) -> Payload:
    return Payload(metadata=dict(payload.metadata), data=payload.data[:length])


def flipped(payload: Payload, position: int) -> Payload:
    data = bytearray(payload.data)
    data[position] ^= 1
    return Payload(metadata=dict(payload.metadata), data=bytes(data))


@pytest.mark.parametrize(
    "payload",
    [
        Payload(),
        Payload(metadata={"encoding": b"json/plain"}, data=b'"approve"'),
        Payload(metadata={"encoding": REFUSED}, data=b"approve"),
        Payload(metadata={"encoding": SEALED}, data=b""),
        a_sealed_payload(key_id=b"0123456789abcdef"),
        a_sealed_payload(encoding=b"json/plain"),
        cut(a_sealed_payload(), 0),
        cut(a_sealed_payload(), 11),
        cut(a_sealed_payload(), 12),
        cut(a_sealed_payload(), 30),
        flipped(a_sealed_payload(), 0),
        flipped(a_sealed_payload(), 13),
        flipped(a_sealed_payload(), -1),
    ],
    ids=lambda payload: f"{payload.metadata.get('encoding', b'').decode()}-{len(payload.data)}",
)
async def test_whatever_does_not_open_is_refused_and_nothing_of_it_comes_through(payload: Payload) -> None:
    converter = data_converter(KEY)

    (opened,) = await SealingCodec(KEY).decode([payload])

    assert opened.metadata == {"encoding": REFUSED}
    assert b"approve" not in opened.data
    with pytest.raises(ApplicationError, match="Payload refused") as refusal:
        await converter.decode([payload], [str])
    assert (refusal.value.type, refusal.value.non_retryable) == ("PayloadRefused", True)


async def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="has 16 bytes, not 32"):
        SealingCodec(b"k" * 16)
