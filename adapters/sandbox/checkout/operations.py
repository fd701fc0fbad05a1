"""Deploy, restart and flag operations: each idempotency key has at most one effect, also over a kill -9."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import assert_never

from adapters.sandbox.checkout.releases import RELEASES, SERVICE
from adapters.sandbox.checkout.state import (
    Change,
    Deployed,
    DeployRequest,
    Effect,
    FlagRequest,
    Operation,
    Request,
    RestartRequest,
    ServiceState,
    StateFile,
)


class OperationRefused(Exception):
    """An operation is not started; *status* is the HTTP status, *code* one word for machines."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Operations:
    """Runs one operation at a time and keeps `state` on disk before anybody hears of it."""

    def __init__(
        self,
        file: StateFile,
        *,
        initial_version: str,
        environment: str,
        announces: bool,
        roll_time: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._file = file
        self._environment = environment
        self._announces = announces
        self._roll_time = roll_time
        self._clock = clock
        self._running: dict[str, asyncio.Task[None]] = {}
        self.state = file.load(initial=ServiceState(version=initial_version))
        self.started_at = clock()
        self.stuck = False
        self.outbox_grew = asyncio.Event()

    def resume(self) -> None:
        """Finish what the last process began: its effect is in the journal, so it must come about."""
        for operation in tuple(self.state.operations.values()):
            if operation.state == "running":
                self._run(operation)

    def serving_versions(self) -> tuple[str, ...]:
        """Return the versions that serve now: both while a deploy rolls."""
        rolling = [
            operation.request.version
            for key in self._running
            if isinstance((operation := self.state.operations[key]).request, DeployRequest)
        ]
        return (self.state.version, *rolling)

    def would_change(self, request: Request) -> bool:
        """Return whether the request would have an effect now.

        Raises:
            OperationRefused: the version or flag does not exist.
        """
        match request:
            case DeployRequest(version=version):
                if version not in RELEASES:
                    known = ", ".join(RELEASES)
                    raise OperationRefused(
                        422, "unknown_version", f"No version {version!r}; there are {known}."
                    )
                return version != self.state.version
            case RestartRequest():
                return True
            case FlagRequest(name=name, enabled=enabled):
                if name not in self.state.flags:
                    raise OperationRefused(404, "unknown_flag", f"No flag {name!r}.")
                return self.state.flags[name] != enabled
            case _:
                assert_never(request)

    async def apply(self, key: str, request: Request) -> Operation:
        """Return the finished operation of this key, running it unless it ran or runs already.

        Raises:
            OperationRefused: the key was used for another request, another operation runs, or the request
                names what does not exist.
        """
        known = self.state.operations.get(key)
        if known is None:
            known = self._begin(key, request)
        elif known.request != request:
            raise OperationRefused(422, "key_reused", f"Key {key!r} was used for another request.")
        if key in self._running:
            # The caller may go away; the operation goes on.
            await asyncio.shield(self._running[key])
        return self.state.operations[key]

    def take_announced(self, change_id: str) -> None:
        """Forget a change event that arrived."""
        self._save(outbox=tuple(one for one in self.state.outbox if one.id != change_id))

    def _begin(self, key: str, request: Request) -> Operation:
        changed = self.would_change(request)
        if self._running:
            raise OperationRefused(409, "busy", f"Operation {next(iter(self._running))!r} is running.")
        now = self._clock()
        operation = Operation(
            key=key,
            request=request,
            state="running" if changed else "succeeded",
            changed=changed,
            version=request.version if isinstance(request, DeployRequest) else self.state.version,
            previous=self.state.version,
            started_at=now,
            finished_at=None if changed else now,
        )
        effects = (*self.state.effects, self._effect(operation)) if changed else self.state.effects
        self._save(operations=self.state.operations | {key: operation}, effects=effects)
        if changed:
            self._run(operation)
        return operation

    def _effect(self, operation: Operation) -> Effect:
        request = operation.request
        match request:
            case DeployRequest(version=version):
                before, after = self.state.version, version
            case RestartRequest():
                before, after = self.started_at.isoformat(), operation.started_at.isoformat()
            case FlagRequest(name=name, enabled=enabled):
                before, after = f"{name}={not enabled}", f"{name}={enabled}"
            case _:
                assert_never(request)
        return Effect(
            key=operation.key, kind=request.kind, before=before, after=after, at=operation.started_at
        )

    def _run(self, operation: Operation) -> None:
        task = asyncio.create_task(self._roll(operation), name=f"operation-{operation.key}")
        self._running[operation.key] = task

    async def _roll(self, operation: Operation) -> None:
        try:
            if not isinstance(operation.request, FlagRequest):
                await asyncio.sleep(self._roll_time.total_seconds())
            self._finish(operation)
        finally:
            del self._running[operation.key]

    def _finish(self, operation: Operation) -> None:
        now = self._clock()
        done = operation.model_copy(update={"state": "succeeded", "finished_at": now})
        operations = self.state.operations | {operation.key: done}
        request = operation.request
        match request:
            case DeployRequest(version=version):
                self._save(
                    operations=operations,
                    version=version,
                    previous=operation.previous,
                    history=(*self.state.history, Deployed(version=version, at=now, key=operation.key)),
                    outbox=(*self.state.outbox, *self._changes(request, operation, now)),
                )
                self.outbox_grew.set()
            case RestartRequest():
                self.started_at, self.stuck = now, False
                self._save(operations=operations)
            case FlagRequest(name=name, enabled=enabled):
                self._save(operations=operations, flags=self.state.flags | {name: enabled})
            case _:
                assert_never(request)

    def _changes(self, request: DeployRequest, operation: Operation, now: datetime) -> tuple[Change, ...]:
        if not self._announces:
            return ()
        previous = operation.previous
        is_rollback = previous is not None and int(request.version) < int(previous)
        # A rollback touches what the change that it takes back had touched.
        release = RELEASES[previous if is_rollback and previous else request.version]
        return (
            Change(
                id=f"{SERVICE}-{request.version}-{operation.started_at:%Y%m%dT%H%M%S%f}",
                service=SERVICE,
                environment=self._environment,
                version=request.version,
                previous_version=previous,
                kind="rollback" if is_rollback else "deploy",
                started_at=operation.started_at,
                finished_at=now,
                author=request.author or ("deploy-api" if is_rollback else release.author),
                title=request.title or (f"Roll back to {request.version}" if is_rollback else release.title),
                url=release.url,
                body="" if is_rollback else release.body,
                files=release.files,
                diff="" if is_rollback else release.diff,
            ),
        )

    def _save(self, **changed: object) -> None:
        state = self.state.model_copy(update=changed)
        self._file.save(state)
        self.state = state
