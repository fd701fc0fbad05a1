"""Look at every neighbour as the bot would use it, and say what is wrong and what to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import httpx
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.clock import SystemClock
from adapters.engine.embedded.temporal import find_temporal
from adapters.engine.embedded.valkey import find_valkey
from adapters.evidence.signals import ServiceSignals
from adapters.finding import Fails, Finding, Verdict, Warns
from adapters.ground import Files, read_files
from adapters.llm.checking import check_models
from adapters.llm.prompts import read_prompts
from adapters.pagerduty.rest import RestApi
from adapters.settings import Settings
from adapters.slack.api import read_installation, slack_api
from adapters.slack.channels import channel_problem
from adapters.slack.manifest import bot_scopes
from adapters.slack.samples import judged
from adapters.store.opening import open_record
from adapters.store.redis.inbox import RedisInbox
from adapters.wiring import model_config
from bot.domain.errors import HandrailError, Invalid

EACH_S = 10.0


class Stopwatch:
    """Times the exchanges with one neighbour: not what we load and build before them."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self.slowest_s: float | None = None

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """Time the block, which asks once."""
        start = self._timer()
        yield
        self.slowest_s = max(self.slowest_s or 0.0, self._timer() - start)


Look = Callable[[Stopwatch], Awaitable[str]]
"""Returns what was found; raises what is wrong."""


async def check_all(settings: Settings) -> list[Finding]:
    """Return one finding for each part."""
    files, first = _files(settings)
    looks: dict[str, tuple[Look, str]] = {
        "Slack": (
            lambda watch: _slack(settings, files, watch),
            "check SLACK_BOT_TOKEN, its scopes and SLACK_TEAM_ID",
        ),
        "PagerDuty": (
            lambda watch: _pagerduty(settings, watch),
            "check PAGERDUTY_API_TOKEN and PAGERDUTY_FROM_EMAIL",
        ),
        "queue": (lambda watch: _redis(settings, watch), "check REDIS_URL, or install handrail[embedded]"),
        "record": (lambda watch: _record(settings, watch), "check DATABASE_URL and HANDRAIL_DATA_DIR"),
        "engine": (
            lambda watch: _engine(settings, watch),
            "check TEMPORAL_ADDRESS, or install handrail[embedded]",
        ),
        "model": (
            lambda watch: _model(settings, watch),
            "check OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL",
        ),
        "prompts": (lambda _: _prompts(settings), "restore the file, or make a new version of the prompt"),
    }
    if files is not None:
        looks["signals"] = (partial(_signals, files), "check `signals` of the named service")
    return [first, *await look_in_turn(looks)]


async def look_in_turn(looks: Mapping[str, tuple[Look, str]]) -> list[Finding]:
    """Return a finding for each look, whose second part is the remedy.

    One after the other: side by side, each would measure what the others load.
    """
    return [await _look(what, look, remedy) for what, (look, remedy) in looks.items()]


def _files(settings: Settings) -> tuple[Files | None, Finding]:
    try:
        files = read_files(settings)
    except Invalid as exc:
        return None, _failed("services and playbooks", str(exc), "mend the named line")
    said = f"{len(files.catalogue.services)} services, {len(files.playbooks)} playbooks"
    return files, Finding(what="services and playbooks", verdict=Verdict.OK, said=said)


async def _look(what: str, look: Look, remedy: str) -> Finding:
    watch = Stopwatch()
    try:
        async with asyncio.timeout(EACH_S):
            said = await look(watch)
    except Warns as exc:
        return Finding(what=what, verdict=Verdict.WARNING, said=str(exc.args[0]), remedy=str(exc.args[1]))
    except Fails as exc:
        return _failed(what, str(exc.args[0]), str(exc.args[1]))
    except TimeoutError:
        return _failed(what, f"no answer within {EACH_S:g} s", remedy)
    except (HandrailError, RPCError, RuntimeError, OSError) as exc:
        return _failed(what, str(exc) or type(exc).__name__, remedy)
    latency_ms = None if watch.slowest_s is None else watch.slowest_s * 1000
    return Finding(what=what, verdict=Verdict.OK, said=said, latency_ms=latency_ms)


def _failed(what: str, said: str, remedy: str) -> Finding:
    return Finding(what=what, verdict=Verdict.FAILED, said=said, remedy=remedy)


async def _slack(settings: Settings, files: Files | None, watch: Stopwatch) -> str:
    token = settings.slack_bot_token.get_secret_value()
    async with slack_api(token, base_url=settings.slack_api_url) as api:
        with watch.exchange():
            installation = await read_installation(api, app_id=settings.slack_app_id)
        if installation.team_id != settings.slack_team_id:
            wrong = f"the token belongs to workspace {installation.team_id}, not {settings.slack_team_id}"
            raise Invalid(wrong)
        own = files is not None and any(route.own_channel for route in files.catalogue.routes)
        if missing := sorted(set(bot_scopes(own_channels=own)) - set(installation.scopes)):
            raise Warns(f"scopes missing: {', '.join(missing)}", "reinstall the app with manifest.json")
        named = _named_channels(settings, files)
        found = {channel: await channel_problem(api, channel) for channel in named}
        if problems := [f"{named[channel]}: {problem}" for channel, problem in found.items() if problem]:
            raise Fails(
                "; ".join(problems), "nothing would reach anybody there: do what each says, then check again"
            )
        judgement = await judged(api)
    said = f"workspace {installation.team_id}, app {installation.app_id}; in {', '.join(named)}; {judgement}"
    return f"{said}; some incidents get a channel of their own" if own else said


def _named_channels(settings: Settings, files: Files | None) -> dict[str, str]:
    """Return each channel that something may be posted to, with where it is named."""
    named = {settings.slack_channel: ["SLACK_CHANNEL"]}
    if settings.handrail_audit_channel is not None:
        named.setdefault(settings.handrail_audit_channel, []).append("HANDRAIL_AUDIT_CHANNEL")
    for name, service in files.catalogue.services.items() if files is not None else ():
        if service.channel is not None:
            named.setdefault(service.channel, []).append(f"{settings.handrail_services} ({name})")
    for number, route in enumerate(files.catalogue.routes if files is not None else (), start=1):
        if route.channel is not None:
            named.setdefault(route.channel, []).append(f"{settings.handrail_services} (route {number})")
    for number, updates in enumerate(files.catalogue.updates if files is not None else (), start=1):
        if updates.channel is not None:
            named.setdefault(updates.channel, []).append(f"{settings.handrail_services} (updates {number})")
    return {channel: ", ".join(places) for channel, places in named.items()}


async def _pagerduty(settings: Settings, watch: Stopwatch) -> str:
    api = RestApi(
        settings.pagerduty_api_token,
        base_url=settings.pagerduty_api_url,
        from_email=settings.pagerduty_from_email,
    )
    try:
        with watch.exchange():
            await api.get("abilities")
        users = await api.list("users", params={"query": settings.pagerduty_from_email})
    finally:
        await api.aclose()
    if not users:
        raise Warns(
            f"no user has the e-mail {settings.pagerduty_from_email}: notes would be refused",
            "set PAGERDUTY_FROM_EMAIL to a user of the account",
        )
    return f"readable; notes are written as {settings.pagerduty_from_email}"


async def _redis(settings: Settings, watch: Stopwatch) -> str:
    if settings.redis_url is None:
        return f"found {await find_valkey()}, started with the bot"
    inbox = RedisInbox(settings.redis_url, consumer="check")
    try:
        with watch.exchange():
            await inbox.ping()
        durability = await inbox.durability()
    finally:
        await inbox.aclose()
    if durability.is_durable is False:
        raise Warns(
            f"it forgets: appendonly {durability.append_only}, maxmemory-policy {durability.eviction}",
            "set appendonly yes, appendfsync always, maxmemory-policy noeviction",
        )
    return "writes are accepted and kept"


async def _record(settings: Settings, watch: Stopwatch) -> str:
    url = settings.database_url
    if url is None:
        path = settings.handrail_data_dir / "audit.db"
        if not path.exists():
            return f"{path} is made at the first start"
        url = f"sqlite:///{path}"
    store = await asyncio.to_thread(open_record, url)
    try:
        with watch.exchange():
            await store.gate.now()
        report = await store.audit.verify()
    finally:
        await store.close()
    if not report.is_intact:
        raise Invalid(f"the chain is broken at entry {report.first_bad}: {report.why}")
    return f"{report.entries} entries, chain intact"


async def _engine(settings: Settings, watch: Stopwatch) -> str:
    if settings.temporal_address is None:
        return f"found {await asyncio.to_thread(find_temporal)}, started with the bot"
    client = await Client.connect(settings.temporal_address, namespace=settings.temporal_namespace)
    with watch.exchange():
        await client.service_client.check_health()
    return f"{settings.temporal_address}, namespace {settings.temporal_namespace}"


async def _model(settings: Settings, watch: Stopwatch) -> str:
    config = model_config(settings)
    if config is None:
        raise Warns("no OPENAI_API_KEY: the rules speak alone", "set one if a model should add its words")
    checks = await check_models(config)
    watch.slowest_s = max(check.milliseconds for check in checks) / 1000
    if bad := [check for check in checks if not check.is_ok]:
        raise Invalid("; ".join(f"{check.model}: {check.detail}. {check.remedy}" for check in bad))
    return "; ".join(f"{check.model}: {check.detail}" for check in checks)


async def _prompts(settings: Settings) -> str:
    prompts = await asyncio.to_thread(read_prompts, settings.handrail_prompts)
    return f"{len(prompts)} prompts, unchanged since they were locked"


async def _signals(files: Files, watch: Stopwatch) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        signals = ServiceSignals(client, SystemClock())
        silent = []
        for name, service in files.catalogue.services.items():
            for signal_name, signal in service.signals.items():
                with watch.exchange():
                    reading = await signals.read(signal)
                if reading.value is None and "not yet watched" not in reading.why:
                    silent.append(f"{name}.{signal_name}: {reading.why}")
    if silent:
        raise Warns("; ".join(silent), "recovery cannot be proven without the signal")
    return f"all answered at {datetime.now(UTC):%H:%M:%S} UTC"
