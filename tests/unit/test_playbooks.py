"""Playbook files: the shipped ones load, and a wrong one is refused with its file, line and field."""

import hashlib
import os
from pathlib import Path

import pytest

from adapters.files.playbooks import SCHEMA_FILE, missing_from, playbook_schema, read_playbook, read_playbooks
from bot.domain.catalogue import Catalogue, Service
from bot.domain.errors import InvalidPlaybook
from bot.domain.ids import ServiceName
from bot.domain.playbook import Risk

SHIPPED = Path(__file__).parents[2] / "playbooks"

GOOD = """\
id: roll-back
title: Roll {service} back to {version}
button: Approve rollback to {version}
description: Deploys the version before.
risk: medium
parameters:
  service:
    from: suspect.service
  version:
    from: suspect.previous_version
target: deploy:{service}
expects: It recovers.
steps:
  - type: http
    name: deploy
    endpoint: deploy
    path: /deploy
    body:
      version: "{version}"
  - type: command
    name: tell
    argv: [logger, "{version}"]
verify:
  type: verify
  name: recovered
  signal: error_ratio
  threshold: "0.02"
undo:
  summary: Deploy it again.
"""


def a_file(folder: Path, *changes: tuple[str, str], name: str = "roll-back.yaml") -> Path:
    """Write a good playbook with each first text replaced by its second."""
    text = GOOD
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    path = folder / name
    path.write_text(text)
    return path


def refused(path: Path) -> str:
    with pytest.raises(InvalidPlaybook) as caught:
        read_playbook(path)
    return str(caught.value)


def test_every_shipped_playbook_loads() -> None:
    found = read_playbooks(SHIPPED)

    assert {path.stem for path in SHIPPED.glob("*.yaml")} == set(found)
    assert {"disable-flag", "drain-backend", "restart-service", "rollback-deploy"} <= set(found)


def test_the_shipped_schema_is_the_one_of_this_version() -> None:
    assert playbook_schema() == (SHIPPED / SCHEMA_FILE).read_text()


def test_a_playbook_is_known_by_the_digest_of_its_file(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    before = read_playbook(path)
    path.write_text(path.read_text() + "# a remark\n")

    assert hashlib.sha256(GOOD.encode()).hexdigest() == before.sha256
    assert (before.playbook, False) == (
        read_playbook(path).playbook,
        before.sha256 == read_playbook(path).sha256,
    )
    assert Risk.MEDIUM is before.playbook.risk


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("risk: medium", "risk: medium\nrisk: low"), 6, "'risk' stands twice, first in line 5"),
        (("risk: medium", "risk: harmless"), 5, "`risk`"),
        (("risk: medium\n", ""), 1, "`risk` is missing"),
        (("risk: medium", "risk: medium\nshell: rm"), 6, "`shell` is no known key"),
        (("    endpoint: deploy", "    endpoint: deploy\n    url: http://evil"), 17, "url` is no known key"),
        (("{version}\n", "{versoin}\n"), 1, "unknown placeholder {versoin}"),
        (('version: "{version}"', '"{version}": x'), 14, "in a value of `body`, not in a key"),
        (("path: /deploy", "path: deploy"), 14, "begins with exactly one `/`"),
        (("path: /deploy", "path: //evil.example/x"), 14, "begins with exactly one `/`"),
        (("argv: [logger", 'argv: ["{version}"'), 20, "`argv[0]` is the program"),
        (("argv: [logger", 'argv: ["log\\0ger"'), 22, "argv.0"),
        (("argv: [logger", 'argv: ["log\\nger"'), 22, "argv.0"),
        (("title: Roll", 'title: "\\u202eRoll"\n#'), 2, "`title`"),
        (("name: tell", "name: tell\n    expect_output: '('"), 20, "no regular expression"),
        (("name: tell", "name: tell\n    environment: ['A=B']"), 22, "environment.0"),
        (("name: tell", "name: deploy"), 1, "step names must differ: deploy"),
        (("name: tell", 'name: tell\n    idempotent: "no"'), 22, "idempotent"),
        (("name: tell", "name: tell\n    idempotent: no"), 22, "idempotent"),
        (("name: tell", 'name: tell\n    timeout_s: "10"'), 22, "timeout_s"),
        (("name: tell", "name: tell\n    timeout_s: 22:22"), 22, "timeout_s"),
        (("name: tell", "name: tell\n    timeout_s: 901"), 22, "timeout_s"),
        (("type: command", "type: shell"), 20, "type"),
        (('threshold: "0.02"', "threshold: .nan"), 27, "threshold"),
        (('threshold: "0.02"', "threshold: NaN"), 27, "threshold"),
        (('threshold: "0.02"', "threshold: Infinity"), 27, "threshold"),
        (("from: suspect.service", "from: suspect.title"), 8, "from"),
        (("from: suspect.service", "from: service.setting"), 7, "`setting` is required"),
        (("from: suspect.service", "from: suspect.service\n    pattern: '['"), 7, "no regular expression"),
        (("id: roll-back", "id: roll-forward"), 1, "it must be the file's name, 'roll-back'"),
        (("id: roll-back", "id: ../../etc/passwd"), 1, "`id`"),
        (("risk: medium", "risk: &r medium"), 5, "anchors"),
        (("risk: medium", "risk: !!python/name:os.system medium"), 5, "the tag"),
    ],
)
def test_a_wrong_playbook_is_refused_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, says: str
) -> None:
    path = a_file(tmp_path, change)

    message = refused(path)

    assert message.startswith(f"{path}:{line}: ")
    assert says in message


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    a_file(tmp_path, ("risk: medium", "risk: harmless"), ("path: /deploy", "path: deploy"))
    a_file(tmp_path, ("id: roll-back", "id: other"), name="second.yaml")
    (tmp_path / "third.yml").write_text(GOOD)

    with pytest.raises(InvalidPlaybook) as caught:
        read_playbooks(tmp_path)

    told = str(caught.value).splitlines()
    assert ["third.yml", "roll-back.yaml:5", "roll-back.yaml:14", "second.yaml:1"] == [
        ":".join(line.removeprefix(f"{tmp_path}/").split(":")[: 1 if ".yml" in line else 2]) for line in told
    ]


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"id: \x80", b"", b"[]", b"text"])
def test_a_file_that_is_no_playbook_at_all_is_refused_by_name(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "roll-back.yaml"
    path.write_bytes(raw)

    assert str(path) in refused(path)


def test_a_huge_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "roll-back.yaml"
    path.write_text(GOOD + "#" * 300_000)

    assert f"{path}: is larger than 262144 bytes" == refused(path)


def test_a_link_and_a_pipe_are_no_playbooks(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "roll-back.yaml").symlink_to(a_file(outside))
    os.mkfifo(folder / "pipe.yaml")
    (folder / "folder.yaml").mkdir()

    with pytest.raises(InvalidPlaybook) as caught:
        read_playbooks(folder)

    assert ["is no file", "is no file", "is a link; a playbook must be a file of the folder"] == [
        line.split(": ", 1)[1] for line in str(caught.value).splitlines()
    ]


def test_a_missing_folder_says_which_setting_names_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlaybook, match="Set HANDRAIL_PLAYBOOKS"):
        read_playbooks(tmp_path / "none")


def test_whatever_an_entry_lacks_is_reported_before_the_start() -> None:
    """At three in the morning is too late to learn that a playbook has no endpoint to call."""
    catalogue = Catalogue(
        services={
            ServiceName("checkout"): Service(
                playbooks=("rollback-deploy", "reboot-the-moon"), dependencies=(ServiceName("ledger"),)
            ),
            ServiceName("payments"): Service(),
        }
    )

    allows = "checkout allows playbook"
    there_are = (
        "disable-flag, drain-backend, restart-host-service, restart-service, rollback-deploy, "
        "rollback-kubernetes"
    )
    depended, first, second = ("dependencies", 0), ("playbooks", 0), ("playbooks", 1)
    assert [
        (depended, "checkout depends on 'ledger', which has no entry: add `ledger: {}`, or remove it here"),
        (first, f"{allows} 'rollback-deploy', which needs the endpoint 'deploy': add it to checkout"),
        (first, f"{allows} 'rollback-deploy', which needs the signal 'error_ratio': add it to checkout"),
        (second, f"{allows} 'reboot-the-moon', which does not exist: there are {there_are}"),
    ] == [(m.path[2:], m.problem) for m in missing_from(catalogue, read_playbooks(SHIPPED))]
