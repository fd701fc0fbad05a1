"""Read the folder of playbooks."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from adapters.files.loading import at, read_model
from bot.domain.catalogue import Catalogue
from bot.domain.errors import InvalidPlaybook
from bot.domain.ids import Digest, PlaybookId
from bot.domain.playbook import LoadedPlaybook, Playbook

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


def missing_from(catalogue: Catalogue, playbooks: Mapping[PlaybookId, LoadedPlaybook]) -> list[str]:
    """Name the playbooks that services allow and that do not exist."""
    return [
        f"services.yaml: {name} allows playbook {wanted!r}, which does not exist"
        for name, service in catalogue.services.items()
        for wanted in service.playbooks
        if wanted not in playbooks
    ]


def playbook_schema() -> str:
    """Return the JSON schema of a playbook file, for editors."""
    return json.dumps(Playbook.model_json_schema(), indent=2, sort_keys=True) + "\n"
