"""A secret that others can read, and a configuration that anybody can change, are refused at the start."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.engine.embedded.errors import EmbeddedError
from adapters.engine.embedded.folder import DataFolder
from adapters.evidence.mcp_file import read_mcp_file
from adapters.files.catalogue import read_catalogue
from adapters.files.playbooks import read_playbooks
from adapters.files.policy import read_policy
from adapters.files.weights import read_weights
from adapters.runners.private_file import private_file
from adapters.store.signing import open_signer
from bot.domain.errors import HandrailError, Invalid

ROOT = Path(__file__).parents[2]
SHIPPED = {"rollback-deploy.yaml": (ROOT / "playbooks" / "rollback-deploy.yaml").read_text()}


def a_data_folder(path: Path) -> None:
    with DataFolder(path):
        open_signer(path, None, may_create=True)


def opened(path: Path) -> None:
    """Open the data folder at *path* as a bot does."""
    with DataFolder(path):
        open_signer(path, None, may_create=False)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
@pytest.mark.parametrize("name", ["key", "audit.key"])
def test_c_perms_a_key_that_others_can_read_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    folder = tmp_path / "data"
    a_data_folder(folder)
    opened(folder)
    (folder / name).chmod(mode)

    with pytest.raises((EmbeddedError, HandrailError), match=f"{name}.*open to other users"):
        opened(folder)


def test_c_perms_a_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cr3t")
    token.chmod(0o600)
    assert private_file(str(token)) == token
    token.chmod(0o644)

    with pytest.raises(HandrailError, match="others may read or change it"):
        private_file(str(token))


CONFIGURATION: dict[str, tuple[str, Callable[[Path], object]]] = {
    "services.yaml": ("services:\n  checkout:\n    pagerduty: [PCHECKOUT]\n", read_catalogue),
    "policy.yaml": ("low:\n  quorum: 2\n", read_policy),
    "rollback-deploy.yaml": (SHIPPED["rollback-deploy.yaml"], lambda path: read_playbooks(path.parent)),
    "mcp.yaml": ("servers: {}\n", read_mcp_file),
    "weights.json": ((ROOT / "bot" / "domain" / "weights.json").read_text(), read_weights),
}


@pytest.mark.parametrize("name", CONFIGURATION)
def test_c_perms_a_configuration_that_anybody_may_change_is_refused(tmp_path: Path, name: str) -> None:
    text, read = CONFIGURATION[name]
    folder = tmp_path / "team"
    folder.mkdir()
    file = folder / name
    file.write_text(text)
    file.chmod(0o664)  # The team's own group may write it.
    read(file)
    file.chmod(0o666)

    with pytest.raises(Invalid) as refusal:
        read(file)

    assert f"{file}: every user of this machine may change it (mode 0666). Run `chmod o-w {file}`" == str(
        refusal.value
    )


def test_c_perms_a_folder_in_which_anybody_may_put_files_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "rollback-deploy.yaml").write_text(SHIPPED["rollback-deploy.yaml"])
    folder.chmod(0o1777)  # As /tmp: others cannot replace what is not theirs.
    read_playbooks(folder)
    folder.chmod(0o777)

    with pytest.raises(Invalid, match=r"playbooks: every user of this machine may change it \(mode 0777\)"):
        read_playbooks(folder)
