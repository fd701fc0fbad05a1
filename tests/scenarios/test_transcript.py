"""The transcript in the README, against what the demo prints now."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.scenarios.running import ROOT, handrail

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

_VARIES = (
    (r"<!date\^[^>]*>", "T"),
    (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b", "T"),
    (r"\bQ[A-Z0-9]{13}\b", "ID"),
    (r"plan [0-9a-f]{8}\b", "plan H"),
    (r"(over |under )?[0-9]+(\.[0-9]+)? ?%", "P"),
    (r"(high|medium|low)( confidence)", r"some\2"),
    (r"confidence (high|medium|low)", "confidence some"),
    (r"[0-9]+([.:][0-9]+)*", "N"),
    (r" +", " "),
)
_BEAT = re.compile(r" *[0-9]+\.[0-9] s  (.+)")
_REASON = "    |     ◦"  # Which reasons are the strongest depends on how many requests had failed by then.


def beats(lines: Sequence[str]) -> list[str]:
    """Return what happens, without when."""
    return [found[1] for line in lines if (found := _BEAT.fullmatch(line))]


def settled(text: str) -> str:
    """Return *text* without what differs from run to run."""
    for pattern, instead in _VARIES:
        text = re.sub(pattern, instead, text)
    return text.strip()


def not_told(shown: Sequence[str], told: Sequence[str]) -> Iterator[str]:
    """Yield each line of *shown* that *told* does not hold after the one before; “…” stands for anything."""
    left = [settled(line) for line in told]
    for line in shown:
        if line.strip() in ("", "|", "…", "| …") or line.startswith(_REASON):
            continue
        wanted = re.compile(
            ".*".join(re.escape(settled(part)) for part in line.split("…")).replace(r"\ .*", ".*")
        )
        at = next((n for n, one in enumerate(left) if wanted.fullmatch(one.replace(" .", "."))), None)
        if at is None:
            yield line
        else:
            left = left[at + 1 :]


async def test_the_transcript_in_the_readme_is_what_the_demo_prints(tmp_path: Path) -> None:
    readme = re.search(r"```text\n(  0\.0 s .*?)\n```\n", (ROOT / "README.md").read_text(), re.DOTALL)
    assert readme is not None
    shown = readme[1].splitlines()

    ended = await handrail({"TMPDIR": str(tmp_path), "HOME": str(tmp_path)}, "demo", "--headless")

    told = ended.out.splitlines()
    assert ended.code == 0, ended.out
    assert beats(shown) == beats(told)
    assert [] == list(not_told(shown, told))


def test_a_line_that_the_demo_no_longer_prints_is_found() -> None:
    told = [
        "  2.5 s  one card stands",
        "    | Risk *medium* · on `deploy:checkout`",
        "    | Approved at 06:29 UTC (on call)",
    ]

    assert ["    | Risk *low* · on `deploy:checkout`"] == list(
        not_told(
            [
                "  3.1 s  one card stands",
                "    | Risk *low* · on `deploy:checkout`",
                "    | Approved at … (on call)",
            ],
            told,
        )
    )
