"""The composition root: makes every part of a running bot and hands each what it needs."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

import httpx
import structlog
from starlette.routing import BaseRoute
from starlette.types import ASGIApp
from temporalio.client import Client

from adapters.background import beside, working
from adapters.changes.route import change_routes
from adapters.engine.activities import Activities
from adapters.engine.client import TemporalWorkflows
from adapters.engine.codec import data_converter
from adapters.engine.embedded import EmbeddedEngine
from adapters.engine.worker import incident_worker
from adapters.evidence.building import evidence_sources
from adapters.evidence.history import SignalHistories
from adapters.evidence.signals import ServiceSignals
from adapters.evidence.source_http import Asking
from adapters.evidence.versions import HttpVersions
from adapters.files.weights import read_weights
from adapters.ground import Ground, database_url
from adapters.http import Health, http_app, listen, serving
from adapters.intake.sealing import SealedInbox, sealing_key
from adapters.intake.signatures import SigningSecrets
from adapters.llm.budget import Caps
from adapters.llm.building import LateAnalyst
from adapters.llm.config import Endpoint as ModelEndpoint
from adapters.llm.config import ModelConfig, Price
from adapters.llm.prompts import read_prompts
from adapters.pagerduty.dependencies import PagerDutyDependencies
from adapters.pagerduty.incidents import PagerDutyIncidents
from adapters.pagerduty.rest import RestApi
from adapters.pagerduty.route import pagerduty_route
from adapters.pictures.building import pictures_in
from adapters.policy.durable import DurableQueue
from adapters.policy.opa import OpaReferee
from adapters.policy.rules import PolicyFile
from adapters.runners.ansible import AnsibleRunner
from adapters.runners.command import CommandRunner
from adapters.runners.haproxy import HaproxyRunner
from adapters.runners.http import HttpRunner
from adapters.runners.kubernetes import KubernetesRunner
from adapters.runners.notify import NotifyRunner
from adapters.runners.tokens import ServiceAccountTokens
from adapters.runners.waiting import CheckRunner, PauseRunner
from adapters.settings import ARCHIVE_FOLDER, Settings
from adapters.slack.api import Installation, SlackApi, read_installation, slack_api
from adapters.slack.app import Intake, bolt_app, slack_route
from adapters.slack.chat import SlackChat
from adapters.slack.directory import SlackDirectory
from adapters.slack.origin import reported_to
from adapters.slack.own_channels import SlackOwnChannels
from adapters.slack.pace import Pace
from adapters.slack.rooms import SlackRooms
from adapters.slack.socket import socket_mode
from adapters.store.archivist import Archivist
from adapters.store.checkpoint_file import CheckpointFile
from adapters.store.clock import StoreClock
from adapters.store.opening import open_store
from adapters.store.redis.client import open_redis
from adapters.store.redis.day_budget import RedisDayBudget
from adapters.store.redis.durability import read_durability
from adapters.store.redis.inbox import RedisInbox
from adapters.store.redis.ledger import RedisChangeLedger
from adapters.store.redis.looks import RedisLooks
from adapters.store.signing import open_signer
from adapters.telemetry import PrometheusTelemetry, TimedInbox
from bot.app.witness import Witness
from bot.app.world import Manners, World
from bot.domain.audit import Act
from bot.domain.errors import Invalid, Unavailable
from bot.domain.merging import MergingRules
from bot.ports import Inbox

log = structlog.get_logger()

SLACK_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # Between looks for Slack at the start; then we give up.
PASSED_ON = ("HOME", "TZ")  # What commands of playbooks may be given by name.


@dataclass(frozen=True)
class Bot:
    """A running bot: where it listens, and what it is made of."""

    url: str
    health: Health
    world: World
    engine: EmbeddedEngine
    telemetry: PrometheusTelemetry


@dataclass(frozen=True)
class _Core(Ground):
    """The ground, and what all the rest uses."""

    temporal: Client
    inbox: Inbox
    clock: StoreClock


@dataclass(frozen=True)
class _Slack:
    """Slack as this bot knows it."""

    api: SlackApi
    installation: Installation
    chat: SlackChat


@asynccontextmanager
async def running_bot(ground: Ground) -> AsyncIterator[Bot]:
    """Run a whole bot on *ground* for the length of the block. What it started is ended on leaving.

    Raises:
        Invalid, Unavailable: it cannot start; the message says what to do.
    """
    settings = ground.settings
    async with AsyncExitStack() as stack:
        listener = listen(settings.handrail_host, settings.handrail_port)
        stack.enter_context(contextlib.closing(listener))
        core = await _core(stack, ground)
        slack = await _slack(stack, core)
        signals, world = await _world(stack, core, slack)
        await core.store.gate.raise_epoch(core.engine.epoch)
        await stack.enter_async_context(beside(core.last_seen.follow()))
        analyst = await _analyst(stack, core)
        world = replace(world, respondent=analyst)
        activities = Activities(world=world, analyst=analyst)
        await stack.enter_async_context(incident_worker(core.temporal, activities))
        health = _health(core)
        app = await _http(stack, core, slack, health)
        await stack.enter_async_context(serving(app, listener))
        await stack.enter_async_context(
            working(
                core.inbox,
                world,
                signals,
                witness(world, core.settings),
                _archivist(core),
                reconcile_every_s=core.settings.handrail_reconcile_s,
            )
        )
        if analyst is not None:
            await stack.enter_async_context(beside(analyst.warm()))
        host, port = listener.getsockname()[:2]
        log.info("bot_started", host=host, port=port, epoch=core.engine.epoch)
        url = f"http://{host}:{port}"
        yield Bot(url=url, health=health, world=world, engine=core.engine, telemetry=core.telemetry)


async def _core(stack: AsyncExitStack, ground: Ground) -> _Core:
    queue = RedisInbox(ground.engine.redis_url, consumer=socket.gethostname())
    stack.push_async_callback(queue.aclose)
    clock = StoreClock(ground.store.gate.now)
    await clock.set()
    await stack.enter_async_context(beside(clock.follow()))
    temporal = await Client.connect(
        ground.engine.temporal_address,
        namespace=ground.engine.temporal_namespace,
        data_converter=data_converter(ground.folder.derive_key("temporal-payloads")),
    )
    timed = TimedInbox(queue, ground.telemetry, time.monotonic)
    key = sealing_key(ground.settings.slack_bot_token.get_secret_value())

    async def report(why: str) -> None:
        await ground.store.audit.append(Act.TAMPERED, actor="handrail", incident=None, body={"why": why})

    return _Core(
        **vars(ground),
        temporal=temporal,
        inbox=SealedInbox(timed, key, clock=clock, report=report),
        clock=clock,
    )


async def _slack(stack: AsyncExitStack, core: _Core) -> _Slack:
    settings = core.settings
    api = await stack.enter_async_context(
        slack_api(settings.slack_bot_token.get_secret_value(), base_url=settings.slack_api_url)
    )
    installation = await _installation(api, settings)
    if installation.team_id != settings.slack_team_id:
        raise Invalid(
            f"SLACK_BOT_TOKEN belongs to workspace {installation.team_id}, and SLACK_TEAM_ID names "
            f"{settings.slack_team_id}: make them the same"
        )
    chat = SlackChat(api, installation, pace=Pace(monotonic=time.monotonic))
    stack.push_async_callback(chat.aclose)
    return _Slack(api=api, installation=installation, chat=chat)


async def _installation(api: SlackApi, settings: Settings) -> Installation:
    """Ask Slack who we are, patiently: the bot may start in the same outage that it is meant for."""
    for wait in (*SLACK_WAITS_S, None):
        try:
            return await read_installation(api, app_id=settings.slack_app_id)
        except Unavailable:
            if wait is None:
                raise
            log.warning("slack_not_reached", again_in_s=wait)
            await asyncio.sleep(wait)
    raise Unavailable("Slack did not answer")


async def _world(stack: AsyncExitStack, core: _Core, slack: _Slack) -> tuple[ServiceSignals, World]:
    settings = core.settings
    client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
    signals = ServiceSignals(client, core.clock)
    api = RestApi(
        settings.pagerduty_api_token,
        base_url=settings.pagerduty_api_url,
        from_email=settings.pagerduty_from_email,
    )
    incidents = PagerDutyIncidents(api, core.files.catalogue)
    stack.push_async_callback(incidents.aclose)
    sources = await stack.enter_async_context(
        evidence_sources(
            core.files.catalogue,
            signals.counters,
            settings.secrets,
            github_api_url=settings.handrail_github_api_url,
            mcp=settings.handrail_mcp,
            pager=PagerDutyDependencies(api, core.files.catalogue)
            if settings.handrail_pagerduty_dependencies
            else None,
        )
    )
    redis = open_redis(core.engine.redis_url)
    stack.push_async_callback(redis.aclose)
    scratch = core.folder.path / "commands"
    scratch.mkdir(mode=0o700, exist_ok=True)
    plays = core.folder.path / "plays"
    plays.mkdir(mode=0o700, exist_ok=True)
    command_runner = CommandRunner(
        environment={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        path=os.environ.get("PATH", os.defpath),
        cwd=scratch,
    )
    policies = PolicyFile(
        settings.handrail_policy,
        core.files.policy,
        audit=core.store.audit,
        count=core.telemetry.policy_file,
        services=core.files.catalogue.services,
    )
    await stack.enter_async_context(beside(policies.follow()))
    queue = DurableQueue(OpaReferee(client, policies), partial(read_durability, redis))
    with contextlib.suppress(Unavailable):  # Then the first press asks it.
        await queue.look()
    world = World(
        clock=core.clock,
        policies=policies,
        referee=queue,
        incidents=incidents,
        ledger=RedisChangeLedger(redis),
        chat=slack.chat,
        directory=SlackDirectory(slack.api, slack.installation),
        rooms=SlackRooms(slack.api),
        own_channels=SlackOwnChannels(slack.api, slack.installation),
        looks=RedisLooks(redis),
        book=core.store.incidents,
        gate=core.store.gate,
        outbox=core.store.outbox,
        audit=core.store.audit,
        diagnoses=core.store.diagnoses,
        labels=core.store.labels,
        groups=core.store.groups,
        signals=signals,
        runners={
            "http": HttpRunner(client, settings.secrets),
            "command": command_runner,
            "kubernetes": KubernetesRunner(
                settings.secrets, ServiceAccountTokens(settings.secrets, core.clock)
            ),
            "haproxy": HaproxyRunner(),
            "ansible": AnsibleRunner(folder=plays, path=os.environ.get("PATH", os.defpath)),
            "notify": NotifyRunner(slack.chat, core.store.incidents, incidents),
            "wait": PauseRunner(),
            "verify": CheckRunner(signals, core.clock),
        },
        workflows=TemporalWorkflows(core.temporal),
        telemetry=core.telemetry,
        catalogue=core.files.catalogue,
        playbooks=core.files.playbooks,
        weights=read_weights(settings.handrail_weights),
        redactor=core.redactor,
        sources=replace(
            sources,
            versions=HttpVersions(Asking(client, settings.secrets)),
            history=SignalHistories(Asking(client, settings.secrets), signals.counters, core.clock),
        ),
        pictures=pictures_in(core.folder.path / "pictures"),
        manners=Manners(
            default_channel=settings.slack_channel,
            approval_ttl=timedelta(minutes=settings.handrail_approval_minutes),
            acknowledge_on_approval=settings.handrail_acknowledge,
            resolve_when_recovered=settings.handrail_resolve,
            merging=merging_rules(settings),
        ),
    )
    return signals, world


def witness(world: World, settings: Settings) -> Witness:
    """Return who follows the record, and keeps its checkpoints where the settings say."""
    file = settings.handrail_audit_checkpoint_file
    return Witness(
        world,
        channel=settings.handrail_audit_channel,
        keep=CheckpointFile(file).keep if file is not None else None,
        every=timedelta(minutes=settings.handrail_audit_checkpoint_minutes),
    )


def _archivist(core: _Core) -> Archivist:
    """Return who moves old entries out; bots that share a database need a folder that they share."""
    settings, key = core.settings, core.settings.handrail_audit_key
    url = database_url(settings, core.folder)
    is_shared = not url.startswith("sqlite:")
    own = None if is_shared else core.folder.path / ARCHIVE_FOLDER
    return Archivist(
        lambda: open_store(
            url,
            redact=lambda text: core.redactor.redact(text).text,
            kill_file=None,
            signer=open_signer(core.folder.path, key.get_secret_value() if key else None, may_create=False),
            may_archive=True,
        ),
        folder=settings.handrail_audit_archive or own,
        retention=timedelta(days=settings.handrail_audit_retention_days),
        now=core.clock.now,
    )


def merging_rules(settings: Settings) -> MergingRules | None:
    """Return when incidents share a card, or None when each has one of its own."""
    if not settings.handrail_group:
        return None
    return MergingRules(
        storm_incidents=settings.handrail_storm_incidents, storm_channel=settings.slack_channel
    )


def model_config(settings: Settings) -> ModelConfig | None:
    """Return how the model is asked, or None without a key: the rules then speak alone."""
    if settings.openai_api_key is None:
        return None
    return ModelConfig(
        base_url=settings.openai_base_url,
        api_key=settings.openai_api_key,
        model=settings.openai_model,
        fallback_models=settings.fallback_models,
        second=_second(settings),
        daily_tokens=settings.handrail_model_daily_tokens,
        daily_calls=settings.handrail_model_daily_calls,
        timeout_s=settings.handrail_model_timeout_s,
        prompts=settings.handrail_prompts,
        prices=_prices(settings),
    )


def _second(settings: Settings) -> ModelEndpoint | None:
    address, key = settings.openai_fallback_base_url, settings.openai_fallback_api_key
    if address is None or key is None or settings.openai_fallback_model is None:
        return None
    return ModelEndpoint(base_url=address, api_key=key, model=settings.openai_fallback_model)


def _prices(settings: Settings) -> dict[str, Price]:
    """Return what each model costs; one that is at both addresses costs what it does at the first."""
    prices = {}
    if settings.openai_fallback_model and settings.handrail_model_fallback_price:
        prices[settings.openai_fallback_model] = _price(settings.handrail_model_fallback_price)
    if settings.handrail_model_price:
        price = _price(settings.handrail_model_price)
        prices |= dict.fromkeys((settings.openai_model, *settings.fallback_models), price)
    return prices


def _price(written: str) -> Price:
    of_input, _, of_output = written.partition("/")
    return Price(input=Decimal(of_input), output=Decimal(of_output))


async def _analyst(stack: AsyncExitStack, core: _Core) -> LateAnalyst | None:
    config = model_config(core.settings)
    if config is None:
        return None
    await asyncio.to_thread(read_prompts, config.prompts)  # A changed prompt must not wait for an incident.
    redis = open_redis(core.engine.redis_url)
    stack.push_async_callback(redis.aclose)
    caps = Caps(tokens=config.daily_tokens, calls=config.daily_calls)
    analyst = LateAnalyst(config, RedisDayBudget(redis, caps))
    stack.push_async_callback(analyst.aclose)
    return analyst


async def _http(stack: AsyncExitStack, core: _Core, slack: _Slack, health: Health) -> ASGIApp:
    settings = core.settings
    intake = Intake(core.inbox, slack.chat.tell)
    bolt = bolt_app(intake, installation=slack.installation, base_url=settings.slack_api_url)
    if settings.slack_app_token is not None:
        await stack.enter_async_context(
            socket_mode(
                bolt,
                app_token=settings.slack_app_token.get_secret_value(),
                installation=slack.installation,
                base_url=settings.slack_api_url,
                report=reported_to(core.store.audit),
            )
        )
    routes = _webhooks(core)
    if settings.slack_signing_secret is not None:
        secret = settings.slack_signing_secret.get_secret_value()
        routes.append(
            slack_route(
                bolt,
                signing_secret=secret,
                installation=slack.installation,
                clock=core.clock,
                report=reported_to(core.store.audit),
            )
        )
    return http_app(routes, health=health, telemetry=core.telemetry)


def _webhooks(core: _Core) -> list[BaseRoute]:
    settings = core.settings
    pagerduty = SigningSecrets("PAGERDUTY_WEBHOOK_SECRETS", settings.webhook_secrets)
    return [
        pagerduty_route(core.inbox, pagerduty),
        *change_routes(
            core.inbox,
            core.files.catalogue,
            core.clock,
            generic_secret=settings.handrail_changes_secret,
            github_secret=settings.handrail_github_secret,
        ),
    ]


def _health(core: _Core) -> Health:
    async def engine() -> None:
        await core.temporal.service_client.check_health(timeout=timedelta(seconds=2))

    def degraded() -> list[str]:
        said = [] if core.settings.openai_api_key else ["no model is configured: rules only"]
        return said + [f"{child.name} is down" for child in core.engine.health() if not child.up]

    return Health(
        needed={"queue": core.inbox.ping, "record": core.store.probe, "engine": engine}, degraded=degraded
    )
