"""What a change of an object of a cluster is as a JSON Patch, and what it changes, line by line."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from adapters.intake.strict_json import JsonObject
from bot.domain.errors import NotFound
from bot.domain.target_actions import KubernetesChange
from bot.domain.target_steps import ClusterKind, ClusterOperation

MARK = "handrail.dev/step"
"""The annotation that holds the key of the last step: who asks by key finds it there."""
RESTARTED_BY = "handrail.dev/restarted-by"
VERSION_LABEL = "app.kubernetes.io/version"
_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"


def patch_of(
    change: KubernetesChange, current: JsonObject, revisions: Sequence[JsonObject], key: str
) -> list[JsonObject]:
    """Return the operations that make *change*, mark the object with *key*, and hold only for *current*.

    The version of the object as it was read goes along: when it is another by then, the server refuses.

    Raises:
        NotFound: none of the object's revisions is the one to reach.
    """
    version = _at(current, "metadata", "resourceVersion")
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        _annotation("/metadata", current, MARK, key),
        *_operations(change, current, revisions, key),
    ]


def mark_of(current: JsonObject) -> str | None:
    """Return the key of the step that changed the object last; None when none did."""
    found = _at(current, "metadata", "annotations", MARK)
    return found if isinstance(found, str) else None


def _operations(
    change: KubernetesChange, current: JsonObject, revisions: Sequence[JsonObject], key: str
) -> Iterator[JsonObject]:
    match change.operation:
        case ClusterOperation.ROLLBACK:
            yield {
                "op": "replace",
                "path": "/spec/template",
                "value": template_of(change, current, revisions),
            }
        case ClusterOperation.RESTART:
            # The key and not the time: sent twice, it restarts once.
            template = _at(current, "spec", "template")
            yield _annotation(
                "/spec/template/metadata", template if isinstance(template, dict) else {}, RESTARTED_BY, key
            )
        case ClusterOperation.SCALE:
            yield {"op": "add", "path": "/spec/replicas", "value": change.replicas}
        case ClusterOperation.CORDON | ClusterOperation.UNCORDON:
            is_cordoned = change.operation is ClusterOperation.CORDON
            yield {"op": "add", "path": "/spec/unschedulable", "value": is_cordoned}


def template_of(change: KubernetesChange, current: JsonObject, revisions: Sequence[JsonObject]) -> JsonObject:
    """Return the pod template of the revision to reach; of several with one version, the newest."""
    owner = _at(current, "metadata", "uid")
    own = sorted((r for r in revisions if _owner(r) == owner), key=_number)
    fitting = [r for r in own if _fits(change, r)]
    if not fitting:
        known = ", ".join(str(_number(r)) for r in own) or "none"
        wanted = f"revision {change.revision}" if change.revision else f"version {change.version}"
        raise NotFound(f"{change.kind.value} {change.object} has no {wanted}: there are revisions {known}")
    return _template(change.kind, fitting[-1])


def _fits(change: KubernetesChange, revision: JsonObject) -> bool:
    if change.revision is not None:
        return str(_number(revision)) == change.revision
    template = _template(change.kind, revision)
    if _at(template, "metadata", "labels", VERSION_LABEL) == change.version:
        return True
    containers = _at(template, "spec", "containers")
    images = [_at(one, "image") for one in containers] if isinstance(containers, list) else []
    tags = [
        image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        for image in images
        if isinstance(image, str)
    ]
    return change.version in tags


def _template(kind: ClusterKind, revision: JsonObject) -> JsonObject:
    """Return a revision's template as its author wrote it, without what the controllers added."""
    kept = _at(revision, "spec") if kind is ClusterKind.DEPLOYMENT else _at(revision, "data", "spec")
    found = _at(kept, "template")
    template = (
        {key: value for key, value in found.items() if key != "$patch"} if isinstance(found, dict) else {}
    )
    metadata = template.get("metadata")
    if isinstance(metadata, dict) and isinstance(labels := metadata.get("labels"), dict):
        template["metadata"] = {**metadata, "labels": {k: v for k, v in labels.items() if k != _HASH}}
    return template


def _owner(revision: JsonObject) -> JsonValue:
    owners = _at(revision, "metadata", "ownerReferences")
    for one in owners if isinstance(owners, list) else ():
        if _at(one, "controller") is True:
            return _at(one, "uid")
    return None


def _number(revision: JsonObject) -> int:
    told = _at(revision, "metadata", "annotations", _REVISION) or _at(revision, "revision")
    return int(told) if isinstance(told, str | int) else 0


def _annotation(path: str, holder: JsonObject, name: str, value: str) -> JsonObject:
    if isinstance(_at(holder, "metadata", "annotations"), dict):
        return {"op": "add", "path": f"{path}/annotations/{name.replace('/', '~1')}", "value": value}
    return {"op": "add", "path": f"{path}/annotations", "value": {name: value}}


def _at(value: JsonValue, *keys: str) -> JsonValue:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def applied(current: JsonObject, operations: Sequence[JsonObject]) -> JsonObject:
    """Return *current* with the operations made here, for when the server makes none on trial."""
    found: JsonObject = {**current}
    for operation in operations:
        keys = [part.replace("~1", "/") for part in str(operation["path"]).split("/")[1:]]
        found = _with(found, keys, operation["value"])
    return found


def _with(value: JsonObject, keys: Sequence[str], new: JsonValue) -> JsonObject:
    first, *rest = keys
    if not rest:
        return {**value, first: new}
    below = value.get(first)
    return {**value, first: _with(below if isinstance(below, dict) else {}, rest, new)}


def difference(before: JsonObject, after: JsonObject) -> list[str]:
    """Return what differs, a line for each path; what the server counts and notes by itself is left out."""
    then, now = dict(_leaves("", _shown(before))), dict(_leaves("", _shown(after)))
    return [
        f"{path}: {then.get(path, 'not set')} → {now.get(path, 'not set')}"
        for path in sorted({**then, **now})
        if then.get(path) != now.get(path)
    ]


def _shown(value: JsonObject) -> JsonObject:
    annotations = _at(value, "metadata", "annotations")
    kept = {k: v for k, v in annotations.items() if k != MARK} if isinstance(annotations, dict) else {}
    return {"annotations": kept, "labels": _at(value, "metadata", "labels"), "spec": value.get("spec")}


def _leaves(path: str, value: JsonValue) -> Iterator[tuple[str, str]]:
    match value:
        case Mapping():
            for key, item in value.items():
                yield from _leaves(f"{path}.{key}" if path else key, item)
        case list():
            for index, item in enumerate(value):
                yield from _leaves(f"{path}[{index}]", item)
        case None:
            return
        case _:
            yield path, str(value)
