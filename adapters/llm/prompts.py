"""Read versioned prompts, refuse any that differ from the lock, and render them with all data fenced."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import jinja2
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.domain.diagnosis import Dossier, ToolResult, Verdict
from bot.domain.errors import Invalid
from bot.domain.reply import Reply, WordsAsked

LOCK: Final = "prompts.lock"
FILES: Final = ("manifest.yaml", "schema.json", "system.md", "user.md.j2")


class InvalidPrompts(Invalid):
    """The folder of prompts cannot be used; the message names the file and the remedy."""


class Task(StrEnum):
    """What a model is asked to do."""

    RANK = "rank"
    REPAIR = "repair"
    ANSWER = "answer"


VERSIONS: Final[Mapping[Task, int]] = {Task.RANK: 2, Task.REPAIR: 2, Task.ANSWER: 1}
"""The version of each task that is in use."""


class Manifest(BaseModel):
    """What a prompt says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Task
    version: int = Field(ge=1)
    strategies: tuple[str, ...]
    output_tokens: int = Field(ge=1)
    reasoning_effort: str | None = None
    reasoning_models: tuple[str, ...] = ()

    def effort_for(self, model: str) -> str | None:
        """Return how much *model* is asked to think, or None when it is not asked."""
        return self.reasoning_effort if model.startswith(self.reasoning_models) else None


@dataclass(frozen=True)
class Prompt:
    """One version of one task."""

    manifest: Manifest
    system: str
    schema: Mapping[str, Any]
    sha256: str
    """Over all its files."""
    template: jinja2.Template

    @property
    def name(self) -> str:
        """Such as `rank@v1+3fa9c1d27b05`."""
        return f"{self.manifest.id.value}@v{self.manifest.version}+{self.sha256[:12]}"

    def render(self, dossier: Dossier) -> str:
        """Return the message for *dossier*. The fence is its digest, so no text in it can close it."""
        return self.template.render(**_values(dossier, dossier.input_sha256[:16]))

    def render_question(self, asked: WordsAsked) -> str:
        """Return the first message of a question in words, fenced in the same way."""
        return self.template.render(is_first=True, results=[], **_values_asked(asked))

    def render_results(self, asked: WordsAsked, results: Sequence[ToolResult]) -> str:
        """Return what was looked up for *asked*, in the same fence."""
        found = _values_of_results(results)
        return self.template.render(is_first=False, results=found, **_values_asked(asked)).strip()


def read_prompts(folder: Path, *, rank_version: int | None = None) -> Mapping[Task, Prompt]:
    """Return the prompts in use, or another version of the one that ranks.

    Raises:
        InvalidPrompts: a file is missing, unknown to the lock, or not what the lock says.
    """
    _check_lock(folder)
    versions = {**VERSIONS, **({Task.RANK: rank_version} if rank_version is not None else {})}
    return {task: _read_prompt(folder, task, version) for task, version in versions.items()}


def lock_prompts(folder: Path) -> None:
    """Add files that the lock does not know yet.

    Raises:
        InvalidPrompts: a locked file changed. Its text was used under its version, so it needs a new one.
    """
    locked = _read_lock(folder) if (folder / LOCK).exists() else {}
    present = _present(folder)
    if changed := [name for name, digest in locked.items() if present.get(name) != digest]:
        raise InvalidPrompts(
            f"{folder / changed[0]}: is locked and was changed. Restore it, "
            "and put the new text into a new version."
        )
    lines = [f"{digest}  {name}\n" for name, digest in sorted(present.items())]
    (folder / LOCK).write_text("".join(lines), encoding="utf-8")


def answer_schema(task: Task) -> dict[str, Any]:
    """Return the schema of an answer in the dialect that servers enforce: we check the lengths."""
    schema = (Reply if task is Task.ANSWER else Verdict).model_json_schema()
    dialect = _without(schema, {"minLength", "maxLength", "minItems", "maxItems", "default"})
    if not isinstance(dialect, dict):
        raise TypeError("a JSON schema is an object")
    # Servers that enforce a schema want every field; we ourselves take an answer that asks for nothing more.
    dialect["required"] = list(dialect["properties"])
    return dialect


def _without(value: object, keys: set[str]) -> object:
    match value:
        case dict():
            return {key: _without(item, keys) for key, item in value.items() if key not in keys}
        case list():
            return [_without(item, keys) for item in value]
        case _:
            return value


def _check_lock(folder: Path) -> None:
    locked, present = _read_lock(folder), _present(folder)
    for name in sorted(locked.keys() | present.keys()):
        if name not in present:
            raise InvalidPrompts(f"{folder / name}: is in {LOCK} and missing. Restore it.")
        if name not in locked:
            raise InvalidPrompts(f"{folder / name}: is not in {LOCK}. Lock it, or remove it.")
        if present[name] != locked[name]:
            raise InvalidPrompts(
                f"{folder / name}: is not what {LOCK} says. Restore it, or put the text into a new version."
            )


def _read_lock(folder: Path) -> dict[str, str]:
    path = folder / LOCK
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise InvalidPrompts(
            f"{path}: cannot be read ({exc.strerror}). Set HANDRAIL_PROMPTS to the folder of prompts."
        ) from exc
    rows = [line.split("  ", 1) for line in text.splitlines() if line]
    if wrong := [row for row in rows if len(row) != 2]:
        raise InvalidPrompts(f"{path}: has a line that is no digest and name: {wrong[0][0][:80]}")
    return {name: digest for digest, name in rows}


def _present(folder: Path) -> dict[str, str]:
    found = sorted(path for path in folder.glob("*/v*/*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path.read_bytes()) for path in found}


def _read_prompt(folder: Path, task: Task, version: int) -> Prompt:
    home = folder / task.value / f"v{version}"
    raw: dict[str, bytes] = {}
    for name in FILES:
        try:
            raw[name] = (home / name).read_bytes()
        except OSError as exc:
            raise InvalidPrompts(f"{home / name}: cannot be read ({exc.strerror}).") from exc
    try:
        manifest = Manifest.model_validate(yaml.safe_load(raw["manifest.yaml"]))
        template = _ENVIRONMENT.from_string(raw["user.md.j2"].decode())
        schema = json.loads(raw["schema.json"])
    except (ValidationError, jinja2.TemplateSyntaxError, yaml.YAMLError, ValueError) as exc:
        raise InvalidPrompts(f"{home}: {exc}") from exc
    if (manifest.id, manifest.version) != (task, version):
        raise InvalidPrompts(f"{home / 'manifest.yaml'}: names {manifest.id} v{manifest.version}.")
    return Prompt(
        manifest=manifest,
        system=raw["system.md"].decode(),
        schema=schema,
        sha256=_sha256(b"".join(_sha256(raw[name]).encode() for name in FILES)),
        template=template,
    )


# The message is text for a model, not for a browser; what keeps data apart is the fence.
_ENVIRONMENT: Final = ImmutableSandboxedEnvironment(
    autoescape=False,
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=False,
)


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _values(dossier: Dossier, nonce: str) -> dict[str, Any]:
    return {
        "nonce": nonce,
        "incident": dossier.incident,
        "service": dossier.service or "unknown",
        "urgency": dossier.urgency,
        "onset": _time(dossier.onset),
        "now": _time(dossier.now),
        "title": dossier.title,
        "candidates": [{"id": c.id, "prior": f"{c.prior:.2f}"} for c in dossier.candidates],
        "playbooks": [
            {"id": p.id, "service": p.service, "kinds": ", ".join(p.kinds)} for p in dossier.playbooks
        ],
        "results": _values_of_results(dossier.results),
        "services": dossier.services,
        "may_ask": dossier.may_ask,
        "previous": dossier.repair.previous if dossier.repair else "",
        "problems": dossier.repair.problems if dossier.repair else (),
    }


def _values_of_results(results: Sequence[ToolResult]) -> list[dict[str, Any]]:
    return [
        {
            "id": result.result_id,
            "tool": result.tool.value,
            "trust": result.trust.value,
            "status": result.status.value,
            "shown": len(result.items),
            "total": result.total,
            "about": result.about,
            "service": result.service,
            "sign": result.sign.value if result.sign else None,
            "lines": result.items,
        }
        for result in results
    ]


def _values_asked(asked: WordsAsked) -> dict[str, Any]:
    return {
        "nonce": asked.input_sha256[:16],
        "incident": asked.incident,
        "service": asked.service or "unknown",
        "onset": _time(asked.onset),
        "now": _time(asked.now),
        "title": asked.title,
        "question": asked.question,
        "services": asked.services,
        "candidates": asked.candidates,
        "playbooks": asked.playbooks,
    }


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
