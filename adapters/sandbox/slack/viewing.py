"""The modals and home tabs that people have in front of them."""

import hashlib
import json
import secrets
from dataclasses import replace
from itertools import count

from .changes import Changes
from .errors import SlackRefusedError
from .records import View
from .store import MessageStore
from .wire import JsonObject

_KEPT = (
    "type",
    "title",
    "submit",
    "close",
    "callback_id",
    "external_id",
    "private_metadata",
    "notify_on_close",
)


class Views:
    """A stack of modals and one home tab for each person."""

    def __init__(
        self, messages: MessageStore, changes: Changes, *, team_id: str, app_id: str, bot_id: str
    ) -> None:
        self._messages = messages
        self._changes = changes
        self._owner = {"team_id": team_id, "app_id": app_id, "bot_id": bot_id}
        self._stacks: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}
        self._numbers = count(1)

    @property
    def latest(self) -> dict[str, View]:
        """The uppermost modal of every person who has one open."""
        return {user: stack[-1] for user, stack in self._stacks.items() if stack}

    @property
    def homes(self) -> dict[str, View]:
        """The home tab of every person for whom the app published one."""
        return dict(self._homes)

    def open(self, user: str, view: JsonObject, *, push: bool = False) -> View:
        """Show *view* to *user*: alone, or upon the one that is open."""
        self._refuse_taken_external_id(view)
        below = self._stacks.get(user, []) if push else []
        opened = self._made(user, view, root=below[0].id if below else None)
        self._stacks[user] = [*below, opened]
        self._changes.touch()
        return opened

    def publish(self, user: str, view: JsonObject, *, expected_hash: str | None) -> View:
        """Make *view* the home tab of *user*."""
        before = self._homes.get(user)
        if expected_hash is not None and before is not None and before.payload["hash"] != expected_hash:
            raise SlackRefusedError("hash_conflict")
        self._homes[user] = self._made(user, view, view_id=before.id if before else None)
        self._changes.touch()
        return self._homes[user]

    def update(self, found: View, view: JsonObject, *, expected_hash: str | None = None) -> View:
        """Put *view* in the place of *found*."""
        if expected_hash is not None and found.payload["hash"] != expected_hash:
            raise SlackRefusedError("hash_conflict")
        changed = self._made(found.user, view, view_id=found.id, root=found.payload["root_view_id"])
        stack = self._stacks[found.user]
        self._stacks[found.user] = [changed if shown.id == found.id else shown for shown in stack]
        self._changes.touch()
        return changed

    def find(self, *, view_id: str | None = None, external_id: str | None = None) -> View:
        """Return an open modal by either id, or refuse with `not_found`."""
        for stack in self._stacks.values():
            for view in stack:
                if view.id == view_id or (external_id and view.payload.get("external_id") == external_id):
                    return view
        raise SlackRefusedError("not_found")

    def show_errors(self, view: View, errors: JsonObject) -> None:
        """Show *errors* (by block_id) under the fields of *view*."""
        stack = self._stacks[view.user]
        marked = replace(view, errors=tuple((str(k), str(v)) for k, v in errors.items()))
        self._stacks[view.user] = [marked if shown.id == view.id else shown for shown in stack]
        self._changes.touch()

    def close(self, view: View, *, everything: bool = False) -> None:
        """Take *view* away from its person, or with *everything* the whole stack."""
        stack = self._stacks.get(view.user, [])
        self._stacks[view.user] = [] if everything else [shown for shown in stack if shown.id != view.id]
        self._changes.touch()

    def _refuse_taken_external_id(self, view: JsonObject) -> None:
        external_id = view.get("external_id")
        taken = {v.payload.get("external_id") for stack in self._stacks.values() for v in stack}
        if external_id and external_id in taken:
            raise SlackRefusedError("duplicate_external_id")

    def _made(
        self, user: str, view: JsonObject, *, view_id: str | None = None, root: str | None = None
    ) -> View:
        view_id = view_id or f"V{next(self._numbers):09d}"
        blocks = list(self._messages.with_ids(tuple(view["blocks"])))
        payload = {name: view[name] for name in _KEPT if name in view}
        payload |= {"id": view_id, "blocks": blocks, "root_view_id": root or view_id, "state": {"values": {}}}
        payload.setdefault("private_metadata", "")
        payload.setdefault("callback_id", "")
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()[:8]
        payload["hash"] = f"{self._messages.next_ts()}.{digest}.{secrets.token_hex(2)}"
        return View(view_id, user, {**payload, **self._owner, "previous_view_id": None})
