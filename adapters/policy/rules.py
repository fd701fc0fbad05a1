"""`policy.yaml`, followed while the bot runs."""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import structlog
from pydantic import JsonValue

from adapters.files.policy import NotAPolicy, load_policy, refuse_looser, refuse_strangers
from bot.domain.audit import Act
from bot.domain.errors import HandrailError, Invalid
from bot.domain.ids import ServiceName
from bot.domain.policy import Policy
from bot.ports import AuditLog

log = structlog.get_logger()

LOOK_EVERY_S: Final = (
    5.0  # Our choice: a change of policy is no emergency; for those there is the kill switch.
)
_MOST_DIFF: Final = 2_000
_NOTHING_YET: Final = b"\0"  # No file that is read whole holds this.


class PolicyFile:
    """The port `Policies` over a file that may change. A new file that is wrong leaves the old policy."""

    def __init__(
        self,
        path: Path | None,
        policy: Policy,
        *,
        audit: AuditLog,
        count: Callable[[str], None],
        services: Collection[ServiceName] | None = None,
    ) -> None:
        """*count* is told `changed` or `refused` for each new content; *services* are those it may name."""
        self._path = path
        self._services = services
        self._policy = policy
        self._audit = audit
        self._count = count
        self._seen: bytes | None = _NOTHING_YET  # The file may have changed since *policy* was read.

    def current(self) -> Policy:
        return self._policy

    async def follow(self, *, every_s: float = LOOK_EVERY_S) -> None:
        """Look for a new content for ever."""
        while self._path is not None:
            await asyncio.sleep(every_s)
            try:
                await self.look()
            except HandrailError as exc:
                log.warning("policy_change_not_recorded", error=str(exc))

    async def look(self) -> None:
        """Take the file's policy if its content is new and whole; else say loudly why not.

        Raises:
            Unavailable: the record takes nothing now, so the old policy stays until the next look.
        """
        content = await asyncio.to_thread(_content, self._path)
        if self._path is None or content == self._seen:
            return
        try:
            policy = await asyncio.to_thread(load_policy, self._path)
            diff = difference(self._policy, policy)
            refuse_looser(self._path, policy)
            if self._services is not None:
                refuse_strangers(self._path, policy, self._services)
        except Invalid as exc:
            await self._refuse(str(exc), "" if isinstance(exc, NotAPolicy) else diff)
        else:
            await self._take(policy, diff)
        self._seen = content

    async def _take(self, policy: Policy, diff: str) -> None:
        if policy == self._policy:
            return  # Only comments or their places differ.
        before = self._policy.version
        # On record first: no approval is decided by a policy that nobody can look up.
        await self._note(
            Act.POLICY_CHANGED, {"policy_version": policy.version, "before": before, "diff": diff}
        )
        self._policy = policy
        self._count("changed")
        log.info("policy_changed", policy_version=policy.version, before=before)

    async def _refuse(self, why: str, diff: str) -> None:
        self._count("refused")
        log.error("policy_refused", why=why, policy_version=self._policy.version)
        await self._note(
            Act.POLICY_REFUSED, {"policy_version": self._policy.version, "why": why, "diff": diff}
        )

    async def _note(self, act: Act, body: Mapping[str, str]) -> None:
        await self._audit.append(act, actor="handrail", incident=None, body=body)


def _content(path: Path | None) -> bytes | None:
    """Return the file's bytes; None when it cannot be read, which is a change like any other."""
    try:
        return path.read_bytes() if path is not None else None
    except OSError:
        return None


def difference(before: Policy, after: Policy) -> str:
    """Return what differs, a line for each part such as `high.quorum: 1 -> 2`; a long one is cut."""
    old, new = _flat(before), _flat(after)
    lines = [
        f"{name}: {old.get(name, 'absent')} -> {new.get(name, 'absent')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    text = "\n".join(lines)
    return text if len(text) <= _MOST_DIFF else f"{text[:_MOST_DIFF]}\n… ({len(lines)} parts differ)"


def _flat(policy: Policy) -> dict[str, str]:
    found: dict[str, str] = {}

    def walk(name: str, value: JsonValue) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                walk(f"{name}.{key}" if name else key, part)
        else:
            found[name] = json.dumps(value)

    walk("", policy.model_dump(mode="json", by_alias=True))
    return found
