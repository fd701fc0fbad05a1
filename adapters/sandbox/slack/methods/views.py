"""views.*: modals and home tabs; and blocks.validate."""

import json
from collections.abc import Callable
from typing import Any

from .. import limits
from ..arguments import Arguments
from ..blocks import problems_of_blocks
from ..checks import Checker, Problem
from ..errors import SlackRefusedError
from ..wire import JsonObject
from ..workspace import Workspace

_PROPERTIES = frozenset(
    {
        "type",
        "title",
        "blocks",
        "submit",
        "close",
        "private_metadata",
        "callback_id",
        "external_id",
        "clear_on_close",
        "notify_on_close",
        "submit_disabled",
    }
)


def open_modal(workspace: Workspace, args: Arguments) -> JsonObject:
    """views.open: one modal for one trigger, within 3 seconds of the person's action."""
    view = _view(args, kind="modal")
    user = workspace.triggers.exchange(args.required("trigger_id"))
    return {"view": workspace.views.open(user, view).payload}


def push(workspace: Workspace, args: Arguments) -> JsonObject:
    """views.push: a modal upon the one that is open."""
    view = _view(args, kind="modal")
    user = workspace.triggers.exchange(args.required("trigger_id"))
    return {"view": workspace.views.open(user, view, push=True).payload}


def update(workspace: Workspace, args: Arguments) -> JsonObject:
    """views.update: by view_id or external_id, with the hash against lost updates."""
    view = _view(args, kind="modal")
    found = workspace.views.find(view_id=args.text("view_id"), external_id=args.text("external_id"))
    return {"view": workspace.views.update(found, view, expected_hash=args.text("hash")).payload}


def publish(workspace: Workspace, args: Arguments) -> JsonObject:
    """views.publish: the home tab of one person."""
    user = workspace.user(args.required("user_id"))
    view = _view(args, kind="home")
    return {"view": workspace.views.publish(user.id, view, expected_hash=args.text("hash")).payload}


def validate(workspace: Workspace, args: Arguments) -> JsonObject:
    """blocks.validate: exactly one of `blocks`, `message` and `view`; posts nothing."""
    checks: dict[str, Callable[[Any], tuple[Problem, ...]]] = {
        "blocks": lambda value: problems_of_blocks(value, root=""),
        "message": lambda value: problems_of_blocks(
            value.get("blocks", []) if isinstance(value, dict) else None
        ),
        "view": lambda value: problems_of_view(value, kind=str(value.get("type")), root=""),
    }
    given = [name for name in checks if args.text(name)]
    if len(given) != 1:
        raise SlackRefusedError(
            "invalid_arguments", messages=("[ERROR] exactly one of blocks, message, view",)
        )
    name = given[0]
    problems = checks[name](args.structure(name, error="invalid_arguments"))
    if not problems:
        return {}
    errors = [{"pointer": p.pointer, "code": "failed_constraint", "message": p.message} for p in problems]
    return {"ok": False, "error": f"invalid_{name}", "errors": errors}


def problems_of_view(view: JsonObject, *, kind: str, root: str = "/view") -> tuple[Problem, ...]:
    """Return every rule of a *kind* ("modal" or "home") that *view* breaks."""
    check = Checker()
    check.only(root, view, _PROPERTIES)
    if kind not in ("modal", "home") or view.get("type") != kind:
        check.report(f"{root}/type", f"must be a valid enum value: {kind}")
        return check.problems
    has_inputs = any(isinstance(b, dict) and b.get("type") == "input" for b in view.get("blocks") or [])
    if kind == "modal":
        check.text(root, view, "title", most=limits.VIEW_TITLE, plain=True)
        check.text(root, view, "submit", most=limits.VIEW_BUTTON, plain=True, required=has_inputs)
        check.text(root, view, "close", most=limits.VIEW_BUTTON, plain=True, required=False)
    for name, most in (
        ("private_metadata", limits.PRIVATE_METADATA),
        ("callback_id", limits.CALLBACK_ID),
        ("external_id", limits.EXTERNAL_ID),
    ):
        if name in view:
            check.length(f"{root}/{name}", view[name], most=most, least=0)
    if not check.has(root, view, "blocks"):
        return check.problems
    return check.problems + problems_of_blocks(view["blocks"], surface=kind, root=f"{root}/blocks")


def _view(args: Arguments, *, kind: str) -> JsonObject:
    view = args.structure("view", error="invalid_arguments")
    if not isinstance(view, dict):
        raise SlackRefusedError("invalid_arguments", messages=("[ERROR] missing required field: view",))
    check_view(view, kind=kind)
    return view


def check_view(view: JsonObject, *, kind: str) -> None:
    """Refuse a view that Slack refuses."""
    if len(json.dumps(view).encode()) > limits.VIEW_BYTES:
        raise SlackRefusedError("view_too_large")
    problems = problems_of_view(view, kind=kind)
    if problems:
        raise SlackRefusedError("invalid_arguments", messages=tuple(f"[ERROR] {p}" for p in problems))
