"""The data folder: private, for one bot at a time, with a key of its own."""

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.engine.embedded.errors import DataFolderLocked, DataFolderUnsafe, DataFolderUnusable
from adapters.engine.embedded.folder import DataFolder

AT_ONCE = timedelta(0)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_can_be_entered_by_its_owner_alone(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "deep" / "data") as folder:
        modes = {path: mode_of(path) for path in (folder.path, folder.valkey_folder, folder.temporal_folder)}

    assert set(modes.values()) == {0o700}
    assert mode_of(folder.path / "key") == 0o600
    assert mode_of(folder.path / "lock") == 0o600


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777])
def test_a_folder_that_others_can_enter_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(mode)

    with pytest.raises(DataFolderUnsafe) as refusal:
        DataFolder(data)

    assert f"(mode {mode:04o}). Run 'chmod 700 {data}'." in str(refusal.value)
    assert list(data.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, 65534, 65534)

    with pytest.raises(DataFolderUnsafe, match="belongs to user id 65534, the bot runs as 0"):
        DataFolder(data)


def test_a_folder_without_write_permission_is_refused_with_the_remedy(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o500)

    with pytest.raises(DataFolderUnusable, match=r"is not writable \(mode 0500\)\. Run 'chmod 700 "):
        DataFolder(data)


def test_a_path_where_no_folder_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DataFolderUnusable, match=f"Cannot create the data folder {tmp_path}/file/data"):
        DataFolder(tmp_path / "file" / "data")


def test_a_folder_in_use_is_refused_and_says_by_which_process(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder, pytest.raises(DataFolderLocked) as refusal:
        DataFolder(folder.path, patience=AT_ONCE)

    assert f"{folder.path} is in use by process {os.getpid()} " in str(refusal.value)
    assert "Stop that bot first" in str(refusal.value)


def test_a_closed_folder_can_be_opened_again(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data"):
        pass

    with DataFolder(tmp_path / "data", patience=AT_ONCE) as folder:
        assert (folder.path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_stays_locked_while_a_child_holds_the_inherited_lock(tmp_path: Path) -> None:
    """What a killed bot leaves behind must be gone before the next one writes."""
    folder = DataFolder(tmp_path / "data")
    held_by_a_child = os.dup(folder.lock_fd)
    folder.close()
    waits: list[float] = []

    def the_child_ends(seconds: float) -> None:
        waits.append(seconds)
        os.close(held_by_a_child)

    with DataFolder(folder.path, sleep=the_child_ends):
        pass

    assert len(waits) == 1


def test_a_folder_is_waited_for_only_as_long_as_patience_lasts(tmp_path: Path) -> None:
    now = [100.0]

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    with DataFolder(tmp_path / "data") as folder, pytest.raises(DataFolderLocked):
        DataFolder(folder.path, patience=timedelta(seconds=2), sleep=pass_time, monotonic=lambda: now[0])

    assert now[0] == pytest.approx(102.0, abs=0.05)


def test_the_lock_of_a_closed_folder_cannot_be_given_to_a_child(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.close()
    folder.close()

    with pytest.raises(DataFolderUnusable, match="is closed"):
        _ = folder.lock_fd


def test_derived_keys_are_stable_and_differ_by_purpose_and_folder(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "one") as folder:
        first = folder.derive_key("payloads"), folder.derive_key("pseudonyms")
    with DataFolder(tmp_path / "one") as folder:
        again = folder.derive_key("payloads"), folder.derive_key("pseudonyms")
    with DataFolder(tmp_path / "two") as folder:
        other = folder.derive_key("payloads"), folder.derive_key("pseudonyms")

    assert first == again
    assert len({*first, *other}) == 4
    assert {len(key) for key in (*first, *other)} == {32}


def test_a_derived_key_needs_a_purpose(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder, pytest.raises(ValueError, match="purpose"):
        folder.derive_key("")


def test_a_key_cut_short_is_refused_and_not_replaced(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder:
        key = folder.path / "key"
    key.write_bytes(b"short")

    with pytest.raises(DataFolderUnusable, match=f"{key} has not 32 bytes. Restore it from a backup"):
        DataFolder(folder.path)

    assert key.read_bytes() == b"short"


def test_a_key_that_others_could_read_is_refused(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder:
        key = folder.path / "key"
    key.chmod(0o644)

    with pytest.raises(DataFolderUnsafe, match=f"{key} was open to other users"):
        DataFolder(folder.path)


def test_a_crash_while_the_key_was_made_leaves_room_for_a_new_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "key.new").write_bytes(b"half")  # Readable by others, too.

    with DataFolder(data) as folder:
        assert len((folder.path / "key").read_bytes()) == 32


def test_a_refused_folder_is_not_left_locked(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder:
        key = folder.path / "key"
    whole = key.read_bytes()
    key.write_bytes(b"short")
    with pytest.raises(DataFolderUnusable):
        DataFolder(folder.path)
    key.write_bytes(whole)

    with DataFolder(folder.path, patience=AT_ONCE) as opened:
        assert opened.kill_file == folder.path / "KILL"
