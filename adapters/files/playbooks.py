"""Read the folder of playbooks."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.files.loading import at, read_model
from bot.domain.catalogue import Catalogue, Service
from bot.domain.errors import InvalidPlaybook
from bot.domain.ids import Digest, PlaybookId, ServiceName
from bot.domain.playbook import HttpStep, LoadedPlaybook, Playbook, VerifyStep, leaves
from bot.domain.target_steps import KubernetesStep

SCHEMA_FILE = "schema.json"


def read_playbooks(folder: Path) -> Mapping[PlaybookId, LoadedPlaybook]:
    """Return every playbook of *folder* by id.

    Raises:
        InvalidPlaybook: a file is wrong; every problem of every file is named with its line.
    """
    if not folder.is_dir():
        raise InvalidPlaybook(f"{folder}: is no folder. Set HANDRAIL_PLAYBOOKS to the folder of playbooks.")
    found: dict[PlaybookId, LoadedPlaybook] = {}
    problems = [
        f"{path}: is not read; a playbook's name ends in .yaml" for path in sorted(folder.glob("*.yml"))
    ]
    for path in sorted(folder.glob("*.yaml")):
        try:
            found[path.stem] = read_playbook(path)
        except InvalidPlaybook as exc:
            problems.append(str(exc))
    if problems:
        raise InvalidPlaybook("\n".join(problems))
    return found


def read_playbook(path: Path) -> LoadedPlaybook:
    """Return one playbook with the digest of its file."""
    if path.is_symlink():
        raise InvalidPlaybook(f"{path}: is a link; a playbook must be a file of the folder")
    if not path.is_file():
        raise InvalidPlaybook(f"{path}: is no file")
    read = read_model(path, Playbook, InvalidPlaybook)
    if read.value.id != path.stem:
        problem = f"its id is {read.value.id!r}; it must be the file's name, {path.stem!r}"
        raise InvalidPlaybook(at(path, read.where.of(("id",)), problem))
    return LoadedPlaybook(playbook=read.value, sha256=Digest(hashlib.sha256(read.raw).hexdigest()))


@dataclass(frozen=True)
class Missing:
    """What an entry of the catalogue names and nothing has; *path* leads to where it is named."""

    path: tuple[str | int, ...]
    problem: str


def missing_from(catalogue: Catalogue, playbooks: Mapping[PlaybookId, LoadedPlaybook]) -> list[Missing]:
    """Return what the services' entries lack: playbooks that do not exist, and what allowed ones need."""
    return [missing for name in catalogue.services for missing in _missing_from(name, catalogue, playbooks)]


def _missing_from(
    name: ServiceName, catalogue: Catalogue, playbooks: Mapping[PlaybookId, LoadedPlaybook]
) -> Iterator[Missing]:
    service = catalogue.services[name]
    for index, other in enumerate(service.dependencies):
        if other not in catalogue.services:
            said = f"{name} depends on {other!r}, which has no entry: add `{other}: {{}}`, or remove it here"
            yield Missing(("services", name, "dependencies", index), said)
    for index, wanted in enumerate(service.playbooks):
        path = ("services", name, "playbooks", index)
        if wanted not in playbooks:
            said = (
                f"{name} allows playbook {wanted!r}, which does not exist: there are {', '.join(playbooks)}"
            )
            yield Missing(path, said)
            continue
        for what in _lacking(service, playbooks[wanted].playbook):
            said = f"{name} allows playbook {wanted!r}, which needs the {what}: add it to {name}"
            yield Missing(path, said)


def _lacking(service: Service, playbook: Playbook) -> list[str]:
    """Return what a playbook names under `endpoints`, `signals` and `settings` that the service has not."""
    steps = tuple(leaves((*playbook.steps, playbook.verify, *playbook.undo.steps)))
    endpoints = {step.endpoint for step in steps if isinstance(step, HttpStep | KubernetesStep)}
    signals = {step.signal for step in steps if isinstance(step, VerifyStep)}
    settings = {p.setting for p in playbook.parameters.values() if p.setting is not None}
    return [
        *(f"endpoint {name!r}" for name in sorted(endpoints - service.endpoints.keys())),
        *(f"signal {name!r}" for name in sorted(signals - service.signals.keys())),
        *(f"setting {name!r}" for name in sorted(settings - service.settings.keys())),
    ]


def playbook_schema() -> str:
    """Return the JSON schema of a playbook file, for editors."""
    return json.dumps(Playbook.model_json_schema(), indent=2, sort_keys=True) + "\n"
