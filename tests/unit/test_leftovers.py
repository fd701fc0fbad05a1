"""What a demo that was killed leaves behind, the next one removes."""

import os
import tempfile
from pathlib import Path

import pytest

from adapters.cli.leftovers import demo_folder, is_running, remove_leftovers


def test_folders_of_dead_processes_go_and_no_others(tmp_path: Path) -> None:
    names = ("handrail-demo-7-abc_x1", "handrail-demo-8-abc", "handrail-demo-bot", "handrail-demo-x-y")
    for name in names:
        (tmp_path / name / "data").mkdir(parents=True)
    (tmp_path / "handrail-demo-7-link").symlink_to(tmp_path / "handrail-demo-8-abc")

    remove_leftovers(tmp_path, is_alive=lambda pid: pid == 8)

    kept = {*names[1:], "handrail-demo-7-link"}
    assert kept == {path.name for path in tmp_path.iterdir()}


def test_a_demo_has_a_folder_named_after_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with demo_folder() as folder:
        assert folder.name.startswith(f"handrail-demo-{os.getpid()}-")
        assert is_running(os.getpid())
        with demo_folder():
            assert folder.is_dir()

    assert [] == list(tmp_path.iterdir())
