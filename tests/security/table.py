"""The table of threats: each threat, the tests that answer it, and how those ended in a real run.

`python -m tests.security.table nodes` names the tests for pytest; `python -m tests.security.table write
JUNIT …` reads what such runs said and writes docs/threats.md.
"""

import re
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import yaml

HERE = Path(__file__).parent
TESTS = HERE.parent
DOCUMENT = TESTS.parent / "docs" / "threats.md"
_TEST = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
_RANK = ("failed", "not run", "skipped", "passed in part", "passed")

HEAD = """\
# Threats and the tests that answer them

Each threat has an id, a name, and tests whose names begin with `test_` and that name; or it says why it has
none. The letter is STRIDE's. `make prove` runs the tests and writes this page from what they said: one test
that failed or was skipped makes the whole line so. What is out of scope: root on the bot's host, a
compromised PagerDuty or Slack, and an author of playbooks with rights to the repository who means harm.
"""


@dataclass(frozen=True)
class Threat:
    """One line of the list."""

    id: str
    stride: str
    name: str
    boundary: str
    case: str
    """What is tried, and what must come of it."""


def threats() -> Sequence[Threat]:
    listed = yaml.safe_load((HERE / "threats.yaml").read_text())
    return [Threat(boundary=boundary, **each) for boundary, lines in listed.items() for each in lines]


def reasons() -> Mapping[str, str]:
    """Return why a threat has no test, by its name."""
    return yaml.safe_load((HERE / "not_tested.yaml").read_text()) or {}


def narrower() -> Mapping[str, str]:
    """Return what the tests of a threat leave out and why, by its name."""
    return yaml.safe_load((HERE / "narrower.yaml").read_text()) or {}


def answers() -> Mapping[str, Sequence[tuple[Path, str]]]:
    """Return the tests that answer each threat, by its name: file and function."""
    found: dict[str, list[tuple[Path, str]]] = {threat.name: [] for threat in threats()}
    for file in sorted(TESTS.rglob("test_*.py")):
        for test in _TEST.findall(file.read_text()):
            for name in found:
                if test == f"test_{name}" or test.startswith(f"test_{name}_"):
                    found[name].append((file.relative_to(TESTS.parent), test))
    return found


def results(*junits: Path) -> Mapping[tuple[str, str], str]:
    """Return how each test ended, by its module and function."""
    ended: dict[tuple[str, str], set[str]] = {}
    trees = [ElementTree.parse(junit) for junit in junits]  # noqa: S314 - Our own pytest wrote them.
    for case in (case for tree in trees for case in tree.iter("testcase")):
        key = (case.get("classname", ""), case.get("name", "").partition("[")[0])
        result = "passed"
        if case.find("failure") is not None or case.find("error") is not None:
            result = "failed"
        elif case.find("skipped") is not None:
            result = "skipped"
        ended.setdefault(key, set()).add(result)
    return {key: _together(said) for key, said in ended.items()}


def _together(said: Set[str]) -> str:
    """Return how all parameters of a test ended."""
    return "passed in part" if said == {"passed", "skipped"} else min(said, key=_RANK.index)


def render(ended: Mapping[tuple[str, str], str]) -> str:
    """Return the page."""
    found, why, left_out = answers(), reasons(), narrower()
    lines = [HEAD]
    boundary = ""
    for threat in threats():
        if threat.boundary != boundary:
            boundary = threat.boundary
            lines += [
                f"\n## {boundary}\n",
                "| Id | | What is tried → what must come of it | Tests | Result |",
            ]
            lines += ["| --- | --- | --- | --- | --- |"]
        tests = found[threat.name]
        shown = "<br>".join(f"`{file}::{test}`" for file, test in tests) or f"not tested: {why[threat.name]}"
        if threat.name in left_out:
            shown += f"<br>{_cell(left_out[threat.name])}"
        lines.append(
            f"| {threat.id} | {threat.stride} | {_cell(threat.case)} | {shown} | {_result(tests, ended)} |"
        )
    return "\n".join(lines) + "\n"


def _result(tests: Sequence[tuple[Path, str]], ended: Mapping[tuple[str, str], str]) -> str:
    said = [ended.get((_module(file), test), "not run") for file, test in tests]
    if not said:
        return "–"
    return min(said, key=_RANK.index)


def _module(file: Path) -> str:
    return ".".join(file.with_suffix("").parts)


def _cell(text: str) -> str:
    return text.replace("->", "→").replace("|", "\\|")


def main(arguments: Sequence[str]) -> None:
    match arguments:
        case ["nodes"]:
            nodes = sorted({f"{file}::{test}" for tests in answers().values() for file, test in tests})
            sys.stdout.write("\n".join(nodes) + "\n")
        case ["write", *junits] if junits:
            DOCUMENT.write_text(render(results(*map(Path, junits))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
