"""`handrail check --security`: one finding for each promise that a running deployment has to keep."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from pydantic import SecretStr

from adapters.checking import Look, Stopwatch, look_in_turn
from adapters.finding import Fails, Finding, Verdict, Warns
from adapters.ground import Files, read_files
from adapters.security import doors, ground
from adapters.security.doors import Doors, knocks_at
from adapters.settings import ARCHIVE_FOLDER, AUDIT_FILE, Settings
from adapters.store.opening import open_record
from adapters.store.redis.inbox import RedisInbox
from adapters.store.signing import KEY_FILE, open_signer
from adapters.store.verification import Trust, verify_record
from bot.domain.checkpoint import Checkpoint, checkpoints_in
from bot.domain.seal import PublicKey

KILL_FILE: Final = "KILL"
_SEE: Final = "see SECURITY.md"


@dataclass(frozen=True)
class Asked:
    """What is checked: the settings, and where the bot listens if not where they say."""

    settings: Settings
    url: str | None = None
    checkpoint: str | None = None
    """A checkpoint that was kept elsewhere, or a file of them."""

    @property
    def base_url(self) -> str:
        if self.url is not None:
            return self.url.rstrip("/")
        host = self.settings.handrail_host
        if ground.is_every_address(host):
            host = "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.handrail_port}"


async def check_security(asked: Asked) -> list[Finding]:
    """Return one finding for each promise. It starts, approves and posts nothing.

    What Slack would have signed for another workspace is refused, and each such refusal is an entry of the
    record: one is added by the check.
    """
    async with httpx.AsyncClient(
        base_url=asked.base_url, timeout=doors.WITHIN_S, trust_env=False, follow_redirects=False
    ) as client:
        [answers] = await look_in_turn({"bot": (_look(partial(doors.it_answers, client)), _SEE)})
        at_the_doors = _at_the_doors(asked.settings, asked.base_url, client)
        if answers.verdict is Verdict.FAILED:
            return [answers, *await look_in_turn(_on_the_ground(asked))]
        return [answers, *await look_in_turn(at_the_doors), *await look_in_turn(_on_the_ground(asked))]


def _at_the_doors(settings: Settings, url: str, client: httpx.AsyncClient) -> Mapping[str, tuple[Look, str]]:
    secret = settings.slack_signing_secret
    at = Doors(
        url=url,
        slack_secret=secret.get_secret_value() if secret is not None else None,
        slack_app=settings.slack_app_id,
        known_secrets=settings.known_secrets(),
    )
    looks: dict[str, tuple[Look, str]] = {
        what: (_look(partial(_knock, client, knocks)), _SEE) for what, knocks in knocks_at(at).items()
    }
    looks["health and metrics"] = (_look(partial(_health, client, at)), _SEE)
    looks["other addresses"] = (_look(partial(_others, client)), _SEE)
    return looks


async def _knock(client: httpx.AsyncClient, knocks: Sequence[doors.Knock]) -> str:
    return await doors.or_fails(doors.nothing_opens(client, knocks))


async def _health(client: httpx.AsyncClient, at: Doors) -> str:
    return await doors.or_fails(doors.health_tells_no_secret(client, at))


async def _others(client: httpx.AsyncClient) -> str:
    return await doors.or_fails(doors.there_are_no_others(client))


def _on_the_ground(asked: Asked) -> Mapping[str, tuple[Look, str]]:
    settings = asked.settings

    async def data_folder() -> str:
        return ground.private_folder(settings.handrail_data_dir)

    async def configuration() -> str:
        files = read_files(settings)
        return f"{len(files.catalogue.services)} services, {len(files.playbooks)} playbooks; not everybody's"

    async def policy() -> str:
        return ground.denies_what_it_must(read_files(settings).policy)

    async def approvers() -> str:
        files: Files = read_files(settings)
        return ground.who_may_approve(files.catalogue, files.policy)

    async def secrets() -> str:
        return ground.real_secrets(named_secrets(settings))

    async def kill_switch() -> str:
        return ground.can_be_stopped(settings.handrail_data_dir, kill_file=KILL_FILE)

    async def listening() -> str:
        return ground.listens_to_us(settings.handrail_host)

    async def third_parties() -> str:
        return ground.tells_no_third_party(is_tracing_allowed=settings.handrail_allow_tracing)

    return {
        "data folder": (_look(data_folder), _SEE),
        "configuration": (_look(configuration), "mend the named file"),
        "policy": (_look(policy), "mend the named line"),
        "who may approve": (_look(approvers), "mend the named line"),
        "record": (_look(partial(_record, asked)), "see docs/audit.md"),
        "queue": (_look(partial(_queue, settings)), "check REDIS_URL"),
        "kill switch": (_look(kill_switch), _SEE),
        "secrets": (_look(secrets), _SEE),
        "listening": (_look(listening), _SEE),
        "third parties": (_look(third_parties), _SEE),
    }


def _look(ask: Callable[[], Awaitable[str]]) -> Look:
    async def look(watch: Stopwatch) -> str:
        with watch.exchange():
            return await ask()

    return look


def named_secrets(settings: Settings) -> Mapping[str, str]:
    """Return the value of each secret by the name of its variable; each webhook secret by itself."""
    found = {
        name.upper(): value.get_secret_value()
        for name in type(settings).model_fields
        if isinstance(value := getattr(settings, name), SecretStr) and name != "pagerduty_webhook_secrets"
    }
    found |= {
        f"HANDRAIL_SECRET_{name}": secret.get_secret_value() for name, secret in settings.secrets.items()
    }
    live = settings.webhook_secrets
    return found | {
        f"PAGERDUTY_WEBHOOK_SECRETS[{number}]": secret.get_secret_value()
        for number, secret in enumerate(live, start=1)
    }


async def _record(asked: Asked) -> str:
    settings = asked.settings
    path = settings.handrail_data_dir / AUDIT_FILE
    if settings.database_url is None and not path.exists():
        raise Warns(f"{path} is made at the first start", "check again once the bot runs")
    checkpoints = _checkpoints(asked)
    store = await asyncio.to_thread(open_record, settings.database_url or f"sqlite:///{path}")
    try:
        archive = settings.handrail_audit_archive or settings.handrail_data_dir / ARCHIVE_FOLDER
        trust = Trust(checkpoints=checkpoints, key=_our_key(settings))
        report = await verify_record(store.transactions, archive, trust)
    finally:
        await store.close()
    if not report.is_intact:
        where = f"broken at entry {report.first_bad}: {report.why}" if report.first_bad else ""
        raise Fails(
            "; ".join(filter(None, (where, *report.contradictions))), "handrail kill; see docs/audit.md"
        )
    told = f"{report.entries} entries, {report.signed} signed, chain and tables agree"
    if not checkpoints:
        raise Warns(f"{told}; held against no checkpoint", "name one with --checkpoint: docs/audit.md")
    return f"{told}; {len(checkpoints)} checkpoints fit"


def _checkpoints(asked: Asked) -> list[Checkpoint]:
    """Return those that were named, else those of the file in the settings."""
    file = asked.settings.handrail_audit_checkpoint_file
    if asked.checkpoint is not None:
        path = Path(asked.checkpoint)
        return checkpoints_in(path.read_text() if path.is_file() else asked.checkpoint)
    if file is None or not file.is_file() or not (text := file.read_text()).strip():
        return []
    return checkpoints_in(text)


def _our_key(settings: Settings) -> PublicKey | None:
    """Return the key that signs here; None where its file is not ours to read."""
    given = settings.handrail_audit_key
    folder = settings.handrail_data_dir
    if given is None and not (folder / KEY_FILE).exists():
        return None
    return open_signer(folder, given.get_secret_value() if given is not None else None, may_create=False).key


async def _queue(settings: Settings) -> str:
    url = settings.redis_url
    if url is None:
        return "started with the bot: appendonly yes, appendfsync always, maxmemory-policy noeviction"
    inbox = RedisInbox(url, consumer="check")
    try:
        return ground.keeps_what_it_takes(await inbox.durability())
    finally:
        await inbox.aclose()
