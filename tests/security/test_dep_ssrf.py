"""Addresses that come with a change are shown or dropped, and never followed."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from adapters.changes.generic import parse_generic
from adapters.changes.github import parse_github
from adapters.evidence.building import evidence_sources
from adapters.evidence.exposition import Counters
from adapters.llm.scripted import ScriptedAnalyst
from bot.app.commands.table import COMMANDS
from bot.app.consult import consult
from bot.domain.approval import Action
from bot.domain.change import ChangeEvent
from bot.domain.diagnosis import Silence
from bot.domain.proposal import ProposalState
from tests.app.world import Bot, a_bot, a_service, with_world
from tests.builders import INCIDENT, NOW

METADATA = "http://169.254.169.254/latest/meta-data/"
WATCHED = ("socket.connect", "socket.getaddrinfo", "socket.sendto")
_heard: list[list[str]] = []
"""What is listening now; an audit hook of Python stays for ever."""


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event in WATCHED:
        for heard in _heard:
            heard.append(f"{event} {arguments}")


sys.addaudithook(_hook)


@contextmanager
def socket_guard() -> Iterator[list[str]]:
    """Yield every connection and every question to a name server, as it is tried."""
    heard: list[str] = []
    _heard.append(heard)
    try:
        yield heard
    finally:
        _heard.remove(heard)


def at(minutes: int) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


def generic(bot: Bot) -> ChangeEvent:
    """Return a change whose every text is the address."""
    body = {
        "id": "evil-42",
        "service": "checkout",
        "version": "42",
        "previous_version": "41",
        "started_at": at(-3),
        "finished_at": at(-2),
        **dict.fromkeys(("author", "title", "body", "url", "diff", "repository", "diff_url"), METADATA),
        "files": [METADATA],
    }
    return parse_generic(json.dumps(body).encode(), bot.world.catalogue, received_at=NOW)


def github(bot: Bot) -> ChangeEvent:
    """Return a deployment whose every address is the address."""
    addresses = ("url", "statuses_url", "repository_url", "target_url", "log_url", "environment_url")
    every = dict.fromkeys((*addresses, "description", "deployments_url", "html_url", "compare_url"), METADATA)
    body = {
        "deployment": {
            "id": 1,
            "ref": "v42",
            "task": "deploy",
            "environment": "production",
            "created_at": at(-3),
            "payload": {"version": "42", "previous_version": "41", **every},
            **every,
        },
        "deployment_status": {"state": "success", "created_at": at(-2), "updated_at": at(-2), **every},
        "repository": {"name": "checkout", "full_name": METADATA, **every},
    }
    change = parse_github(
        "deployment_status", json.dumps(body).encode(), bot.world.catalogue, received_at=NOW
    )
    assert isinstance(change, ChangeEvent)
    return change


@pytest.mark.parametrize("report", [generic, github])
async def test_dep_ssrf_an_address_in_a_change_is_never_connected_to(
    report: Callable[[Bot], ChangeEvent],
) -> None:
    """The whole life of an incident, with the real sources of evidence and every question of people."""
    bot = a_bot(changes=[], services={"checkout": a_service(repository="shop/checkout")})
    change = report(bot)
    async with (
        httpx.AsyncClient() as client,
        evidence_sources(
            bot.world.catalogue, Counters(client), {}, github_api_url="http://127.0.0.1:9", mcp=None
        ) as sources,
    ):
        bot = with_world(bot, sources=sources)
        with socket_guard() as heard:
            await bot.tell(change)
            await bot.begin()
            await consult(bot.world, ScriptedAnalyst([Silence.TIMEOUT]), (await bot.the_last()).incident)
            for name in (command for command in COMMANDS if not COMMANDS[command].changes):
                await bot.ask(f"{name} {INCIDENT}")
            bot.signals.values = [0.3, 0.0]
            await bot.press(Action.APPROVE)
            await bot.ask(f"postmortem {INCIDENT}")

    assert ProposalState.VERIFIED is await bot.state()
    assert [] == [tried for tried in heard if "127.0.0.1" not in tried]  # GitHub's, as the settings have it.


async def test_dep_ssrf_the_guard_hears_what_is_tried() -> None:
    """The control: the same address, followed, is heard."""
    async with httpx.AsyncClient(trust_env=False) as client:
        with socket_guard() as heard, pytest.raises(httpx.HTTPError):
            await client.get("http://127.0.0.1:9/", timeout=1)

    assert any("socket.connect" in tried and "127.0.0.1" in tried for tried in heard)
