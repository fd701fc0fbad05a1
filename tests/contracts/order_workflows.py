"""Small workflows for tests of the payload codec; Temporal's sandbox loads this module by itself."""

import dataclasses
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError


@dataclasses.dataclass(frozen=True)
class Order:
    note: str
    count: int


@activity.defn(name="confirm")
async def confirm(order: Order) -> Order:
    if order.count < 0:
        raise ApplicationError(f"cannot confirm {order.note}", non_retryable=True)
    return dataclasses.replace(order, count=order.count + 1)


@workflow.defn(name="OrderWorkflow")
class OrderWorkflow:
    def __init__(self) -> None:
        self._notes: list[str] = []
        self._closed = False

    @workflow.run
    async def run(self, order: Order) -> Order:
        confirmed: Order = await workflow.execute_activity(
            "confirm", order, result_type=Order, start_to_close_timeout=timedelta(seconds=60)
        )
        await workflow.wait_condition(lambda: self._closed)
        return Order(note="|".join([confirmed.note, *self._notes]), count=confirmed.count)

    @workflow.signal
    def add(self, note: str = "") -> None:
        if note:
            self._notes.append(note)
            self._closed = True

    @workflow.update
    def append(self, note: str) -> int:
        self._notes.append(note)
        return len(self._notes)

    @workflow.query
    def notes(self, prefix: str) -> list[str]:
        return [prefix + note for note in self._notes]


@workflow.defn(name="TrustingWorkflow")
class TrustingWorkflow:
    @workflow.run
    async def run(self, note: str) -> Order:
        result: Order = await workflow.execute_activity(
            "confirm_elsewhere",
            note,
            task_queue="elsewhere",
            result_type=Order,
            schedule_to_close_timeout=timedelta(seconds=60),
        )
        return result
