"""Read what changed in a labelled case: deploys, commits and flags, each with the id that an answer gives."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from adapters.evaluation.fields import integer, mappings, text, texts, when
from bot.domain.change import ChangeEvent, ChangeKind, RolloutStep
from bot.domain.ids import ChangeId, ServiceName


def changes_of(
    raw: Mapping[str, Any], services: frozenset[ServiceName]
) -> tuple[tuple[ChangeEvent, ...], tuple[ChangeId, ...]]:
    """Return every change once, as it was reported last, and those of which no time is known."""
    found: dict[ChangeId, ChangeEvent] = {}
    undated: dict[ChangeId, None] = {}
    for change_id, entry, parse in _entries(raw, services):
        at = _time_of(entry)
        if at is None:
            undated[change_id] = None
            continue
        change = parse(entry, change_id, at)
        known = found.get(change_id)
        if known is None or change.reported_at >= known.reported_at:
            found[change_id] = change
    return tuple(found.values()), tuple(name for name in undated if name not in found)


_Parser = Callable[[Mapping[str, Any], ChangeId, datetime], ChangeEvent]


def _entries(
    raw: Mapping[str, Any], services: frozenset[ServiceName]
) -> Iterator[tuple[ChangeId, Mapping[str, Any], _Parser]]:
    """Yield what changed, with a name for what has no id, and how it is read."""

    def commit(entry: Mapping[str, Any], change_id: ChangeId, at: datetime) -> ChangeEvent:
        return _commit(entry, change_id, at, services)

    kinds: Sequence[tuple[str, _Parser]] = (("deploy", _deploy), ("commit", commit), ("flag", _flag))
    for kind, parse in kinds:
        for index, entry in enumerate(mappings(raw.get(f"{kind}s"))):
            named = f"{kind}-{index}-{text(entry.get('flag'))}" if kind == "flag" else f"{kind}-{index}"
            yield ChangeId(text(entry.get("id")) or named), entry, parse


_TIMES: Final = ("finished_at", "started_at", "at", "timestamp")


def _time_of(entry: Mapping[str, Any]) -> datetime | None:
    first_step = min((step.started_at for step in _steps(entry)), default=None)
    return next((at for key in _TIMES if (at := when(entry.get(key))) is not None), first_step)


_KINDS = {kind.value: kind for kind in ChangeKind} | {
    "code": ChangeKind.DEPLOY,
    "configuration": ChangeKind.CONFIG,
    "feature_flag": ChangeKind.FLAG,
    "infra": ChangeKind.INFRASTRUCTURE,
    "schema": ChangeKind.MIGRATION,
}


def _deploy(raw: Mapping[str, Any], change_id: ChangeId, at: datetime) -> ChangeEvent:
    rollout = tuple(_steps(raw))
    first_step = min((step.started_at for step in rollout), default=None)
    version = text(raw.get("version"))
    return ChangeEvent(
        id=change_id,
        service=ServiceName(text(raw.get("service"))),
        environment=text(raw.get("env")) or text(raw.get("environment")) or "production",
        kind=_KINDS.get(text(raw.get("kind")).lower(), ChangeKind.DEPLOY),
        version=version or None,
        previous_version=text(raw.get("previous_version")) or None,
        started_at=when(raw.get("started_at")) or first_step,
        finished_at=when(raw.get("finished_at")),
        reported_at=at,
        author=text(raw.get("author")),
        title=text(raw.get("title")),
        body=text(raw.get("body")),
        files=texts(raw.get("files")),
        diff=text(raw.get("diff")),
        also_touches=tuple(ServiceName(name) for name in texts(raw.get("services"))),
        rollout=rollout,
        source="evaluation",
    )


def _steps(raw: Mapping[str, Any]) -> Iterator[RolloutStep]:
    for step in mappings(raw.get("rollout")):
        started = when(step.get("started_at"))
        if started is not None:
            yield RolloutStep(
                started_at=started,
                finished_at=when(step.get("finished_at")),
                old_instances=max(0, integer(step.get("old_pods"))),
                new_instances=max(0, integer(step.get("new_pods"))),
            )


def _commit(
    raw: Mapping[str, Any], change_id: ChangeId, at: datetime, services: Iterable[ServiceName]
) -> ChangeEvent:
    files = texts(raw.get("files"))
    service = text(raw.get("service")) or _owner(files, text(raw.get("title")), services)
    return ChangeEvent(
        id=change_id,
        service=ServiceName(service),
        kind=ChangeKind.COMMIT,
        finished_at=at,
        reported_at=at,
        author=text(raw.get("author")),
        title=text(raw.get("title")),
        body=text(raw.get("body")),
        files=files,
        diff=text(raw.get("diff")),
        source="evaluation",
    )


def _owner(files: tuple[str, ...], title: str, services: Iterable[ServiceName]) -> str:
    """Return the service that a commit's paths or title name, "" when none is named."""
    parts = {part for path in files for part in path.split("/")} | set(title.replace(":", " ").split())
    return min((name for name in services if name in parts), default="")


def _flag(raw: Mapping[str, Any], change_id: ChangeId, at: datetime) -> ChangeEvent:
    flag = text(raw.get("flag"))
    return ChangeEvent(
        id=change_id,
        service=ServiceName(text(raw.get("service"))),
        environment=text(raw.get("env")) or "production",
        kind=ChangeKind.FLAG,
        finished_at=at,
        reported_at=at,
        author=text(raw.get("actor")),
        title=f"flag {flag}: {text(raw.get('change'))}",
        source="evaluation",
    )
