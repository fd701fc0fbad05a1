"""`policy.yaml`: what is taken, what is refused with its line, and what becomes of a change."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from adapters.files.policy import read_policy
from adapters.policy.rules import PolicyFile, difference
from adapters.store.opening import Store, open_memory_store
from bot.domain.errors import InvalidPolicy, Unavailable
from bot.domain.freeze import Level
from bot.domain.ids import ServiceName
from bot.domain.policy import FLOOR, Limits, Policy, RiskRule, ServiceRule

EXAMPLE = Path(__file__).parents[2] / "policy.example.yaml"


def test_without_a_file_there_is_the_floor() -> None:
    assert read_policy(None) is FLOOR


def test_the_example_is_a_policy() -> None:
    policy = read_policy(EXAMPLE)

    assert policy.email_domains == ("shop.example",)
    assert {freeze.level for freeze in policy.freezes} == {Level.SOFT, Level.HARD}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hihg:\n  quorum: 2\n", "policy.yaml:1: `hihg` is no known key"),
        ("low:\n  quorum: 0\n", "policy.yaml:2: `low.quorum`: must be at least 1"),
        ("low:\n  quorum: two\n", "policy.yaml:2: `low.quorum`: must be a whole number"),
        ("low:\n  quorum: 1\nlow:\n  quorum: 2\n", "policy.yaml:3: the key 'low' stands twice"),
        ("low:\n  approvers:\n    users: [dana]\n", "policy.yaml:3: `low.approvers.users.0`"),
        (
            "freezes:\n  - name: x\n    zone: Mars/Base\n"
            "    dated: {from: '2026-01-01T00:00', to: '2026-01-02T00:00'}\n",
            "policy.yaml:3: `freezes.0.zone`: is no time zone",
        ),
        ("freezes:\n  - name: x\n", "policy.yaml:2: `freezes.0`: name `weekly` or `dated`"),
        ("opa:\n  url: ftp://x\n", "policy.yaml:2: `opa.url`"),
        ("opa:\n  url: http://[::1\n", "policy.yaml:2: `opa.url`"),
        ("opa:\n  url: http://opa.example:port/v1\n", "policy.yaml:2: `opa.url`"),
        ("opa:\n  url: http://opa.example:65536/v1\n", "policy.yaml:2: `opa.url`"),
        (
            "freezes:\n  - name: x\n    services: []\n"
            "    dated: {from: '2026-01-01T00:00', to: '2026-01-02T00:00'}\n",
            "policy.yaml:3: `freezes.0.services`: must list at least 1",
        ),
        ("", "policy.yaml: is empty"),
        (
            "high:\n  type_target: true\n",
            "policy.yaml: it lets through what no policy may: self at high risk; author at high risk",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)

    with pytest.raises(InvalidPolicy) as refused:
        read_policy(path)

    assert problem in str(refused.value)


def test_a_service_that_there_is_not_is_refused(tmp_path: Path) -> None:
    """`observe_only` for a name that is misspelled would observe nothing, and say so nowhere."""
    path, known = tmp_path / "policy.yaml", [ServiceName("checkout")]
    path.write_text("services:\n  chekout:\n    observe_only: true\n")

    with pytest.raises(InvalidPolicy, match=r"`services\.yaml` has no service chekout"):
        read_policy(path, known)
    assert read_policy(path).is_only_observed(ServiceName("chekout"))


async def test_a_file_that_changed_while_the_bot_started_is_taken(tmp_path: Path) -> None:
    (path := tmp_path / "policy.yaml").write_text("low:\n  quorum: 2\n")
    policy = read_policy(path)
    path.write_text("low:\n  quorum: 3\n")
    store = open_memory_store(redact=str)
    policies = PolicyFile(path, policy, audit=store.audit, count=lambda _: None)

    await policies.look()

    assert 3 == policies.current().low.quorum


class Followed:
    """A policy file that is followed, its record, and what was counted."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        path.write_text(text)
        self.store: Store = open_memory_store(redact=lambda text: text)
        self.counted: list[str] = []
        self.policies = PolicyFile(path, read_policy(path), audit=self.store.audit, count=self.counted.append)

    async def write(self, text: str) -> Policy:
        self.path.write_text(text)
        await self.policies.look()
        return self.policies.current()

    async def entries(self) -> list[tuple[str, Mapping[str, str]]]:
        return [(entry.act, json.loads(entry.body)) for entry in await self.store.audit.entries()]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path / "policy.yaml", "low:\n  quorum: 2\n")


async def test_c_policy_reload_a_changed_file_is_taken_and_recorded(followed: Followed) -> None:
    before = followed.policies.current()

    after = await followed.write("low:\n  quorum: 3\n")

    assert (after.low.quorum, followed.counted) == (3, ["changed"])
    assert await followed.entries() == [
        (
            "policy_changed",
            {"policy_version": after.version, "before": before.version, "diff": "low.quorum: 2 -> 3"},
        )
    ]


async def test_c_policy_reload_a_change_that_cannot_be_recorded_is_not_taken(followed: Followed) -> None:
    class Full:
        async def append(self, *_: object, **__: object) -> None:
            raise Unavailable("the disk is full")

    policies = PolicyFile(
        followed.path,
        followed.policies.current(),
        audit=Full(),  # type: ignore[arg-type]
        count=followed.counted.append,
    )
    followed.path.write_text("low:\n  quorum: 3\n")

    with pytest.raises(Unavailable):
        await policies.look()
    assert policies.current().low.quorum == 2


async def test_a_service_that_there_is_not_keeps_a_change_out(followed: Followed) -> None:
    followed.policies = PolicyFile(
        followed.path,
        followed.policies.current(),
        audit=followed.store.audit,
        count=followed.counted.append,
        services=[ServiceName("checkout")],
    )
    before = followed.policies.current()

    assert before == await followed.write("services:\n  chekout:\n    observe_only: true\n")
    assert ["refused"] == followed.counted


async def test_a_comment_changes_nothing(followed: Followed) -> None:
    await followed.write("# two of us\nlow:\n  quorum: 2\n")

    assert ([], []) == (followed.counted, await followed.entries())


def test_a_difference_names_each_part() -> None:
    after = Policy(
        critical=RiskRule(quorum=3, type_target=True, excludes=FLOOR.critical.excludes),
        services={ServiceName("checkout"): ServiceRule(limits=Limits(executions_per_hour=1))},
    )

    assert difference(FLOOR, after).splitlines() == [
        "critical.quorum: 2 -> 3",
        "services.checkout.limits.cool_down_minutes: absent -> null",
        "services.checkout.limits.executions_per_hour: absent -> 1",
        'services.checkout.limits.level: absent -> "hard"',
        "services.checkout.limits.targets_at_once: absent -> null",
        "services.checkout.observe_only: absent -> false",
    ]
