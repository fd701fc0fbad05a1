"""What a policy file cannot do, whoever wrote it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.files.policy import read_policy
from adapters.policy.rules import PolicyFile
from adapters.store.opening import Store, open_memory_store
from adapters.telemetry import PrometheusTelemetry
from bot.domain.errors import InvalidPolicy

GOOD = "medium:\n  quorum: 2\n"
BROKEN = {
    "no YAML": "medium: [",
    "unknown key": "mediun:\n  quorum: 1\n",
    "tag": "medium: !!python/object/apply:os.system ['true']\n",
    "self": "high:\n  type_target: true\n  excludes: [author]\n",
    "no typed name": "high:\n  excludes: [requester, author]\n",
    "one person": "critical:\n  type_target: true\n  excludes: [requester, author]\n",
    "empty": "",
}


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = open_memory_store(redact=lambda text: text)
    yield store
    await store.close()


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
async def test_c_policy_reload(tmp_path: Path, store: Store, text: str) -> None:
    """A broken or looser file: the old one stays; log, metric and audit say so, with the difference."""
    path, telemetry = tmp_path / "policy.yaml", PrometheusTelemetry()
    path.write_text(GOOD)
    policies = PolicyFile(path, read_policy(path), audit=store.audit, count=telemetry.policy_file)

    path.write_text(text)
    await policies.look()
    await policies.look()

    assert policies.current() == read_policy_text(tmp_path, GOOD)
    assert b'handrail_policy_files_total{result="refused"} 1.0' in telemetry.render()
    (entry,) = await store.audit.entries()
    body = json.loads(entry.body)
    assert (entry.act, body["policy_version"]) == ("policy_refused", policies.current().version)
    assert "policy.yaml" in body["why"]
    assert ("lets through" in body["why"]) == ("medium.quorum: 2 -> 1" in body["diff"])


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_c_policy_start(tmp_path: Path, text: str) -> None:
    """A bot does not start with such a file."""
    with pytest.raises(InvalidPolicy):
        read_policy_text(tmp_path, text)


async def test_c_policy_gone(tmp_path: Path, store: Store) -> None:
    """A file that was removed is no permission to go back to the defaults."""
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    policies = PolicyFile(path, read_policy(path), audit=store.audit, count=lambda _: None)

    path.unlink()
    await policies.look()

    assert policies.current().medium.quorum == 2


def read_policy_text(folder: Path, text: str) -> object:
    path = folder / "other.yaml"
    path.write_text(text)
    return read_policy(path)
