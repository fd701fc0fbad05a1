"""A plan's digest is bound to every part, and bytes that are not a plan are refused."""

from datetime import timedelta

import pytest

from bot.domain.ids import sha256_hex
from bot.domain.plan import Plan, plan_digest
from tests.builders import NOW, a_check, a_plan


@pytest.mark.parametrize(
    "change",
    [
        {"number": 2},
        {"epoch": 1},
        {"target": "checkout/staging"},
        {"playbook_sha256": sha256_hex("edited")},
        {"evidence_digest": sha256_hex("other evidence")},
        {"expires_at": NOW + timedelta(days=1)},
        {"quorum": 2},
        {"undo_summary": "Nothing."},
        {"steps": a_plan(version="40").steps},
        {"verify": a_check(hold_s=1)},
        {"title": "Roll checkout back to 41 "},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_anywhere_changes_the_digest(change: dict[str, object]) -> None:
    plan = a_plan()

    assert plan_digest(plan.to_bytes()) != plan_digest(plan.model_copy(update=change).to_bytes())


def test_unknown_parts_and_broken_bytes_are_no_plan() -> None:
    raw = a_plan().to_bytes()

    for broken in (b"", b"{}", raw[:-1], raw.replace(b'"number":1', b'"number":1,"shell":"id"')):
        with pytest.raises(ValueError, match="validation error"):
            Plan.from_bytes(broken)
