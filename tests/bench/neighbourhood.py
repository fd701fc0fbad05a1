"""Neighbours of the bot that answer at once: Slack, PagerDuty, a deploy API, Prometheus.

Each incident has a service, a PagerDuty service and a channel of its own, so neither Slack's limit for one
channel nor the bot's own pace there is measured; the workspace's other rate limits are switched off.
"""

import asyncio
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from adapters.sandbox.bot_process import RUN, BotProcess
from adapters.sandbox.pagerduty import (
    EscalationPolicy,
    OnCall,
    PagerDutyConfig,
    RestToken,
    SandboxPagerDuty,
    Service,
    Subscription,
    User,
)
from adapters.sandbox.serving import serving
from adapters.sandbox.slack import SandboxSlack, SlackChannel, SlackConfig, SlackUser, running_slack

ALICE = SlackUser("U0ALICE", "alice", "Alice Novak", "alice@shop.example")
BEN = SlackUser("U0BEN", "ben", "Ben Okafor", "ben@shop.example")
ROOT = Path(__file__).resolve().parents[2]
_CHANGES_SECRET = secrets.token_hex(16)


@dataclass
class Target:
    """A deploy API and a Prometheus that says the service is well; keeps when it was asked to deploy."""

    deployed_at: dict[str, float] = field(default_factory=dict)
    """When each service was first deployed, by `time.time`."""
    silent: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def app(self) -> ASGIApp:
        return Starlette(
            routes=[
                Route("/{service}/deploy", self._deploy, methods=["POST"]),
                Route("/prometheus/api/v1/query", self._query),
                Route("/slow/v1/chat/completions", self._never, methods=["POST"]),
            ]
        )

    async def _deploy(self, request: Request) -> JSONResponse:
        self.deployed_at.setdefault(request.path_params["service"], time.time())
        return JSONResponse({"version": (await request.json())["version"]})

    async def _query(self, _: Request) -> JSONResponse:
        result = [{"metric": {}, "value": [time.time(), "0.001"]}]
        return JSONResponse({"status": "success", "data": {"resultType": "vector", "result": result}})

    async def _never(self, _: Request) -> JSONResponse:
        await self.silent.wait()
        return JSONResponse({}, status_code=503)


@dataclass(frozen=True)
class Neighbourhood:
    """Everything around one bot, running."""

    slack: SandboxSlack
    pagerduty: SandboxPagerDuty
    target: Target
    target_url: str
    bot_port: int
    environment: Mapping[str, str]
    folder: Path

    def bot(self, further: Mapping[str, str], *, command: Sequence[str] = RUN) -> BotProcess:
        """Return a bot of this neighbourhood, not started, with *further* settings."""
        environment = {**self.environment, **further}
        return BotProcess(environment, log_file=self.folder / "bot.log", cwd=ROOT, command=command)

    @property
    def bot_url(self) -> str:
        return f"http://127.0.0.1:{self.bot_port}"

    @property
    def changes_secret(self) -> str:
        return _CHANGES_SECRET

    def with_slow_model(self) -> Mapping[str, str]:
        """Return the settings of a model that takes every question and never answers."""
        return _model(f"{self.target_url}/slow/v1")

    def with_dead_model(self) -> Mapping[str, str]:
        """Return the settings of a model at an address where nobody listens."""
        return _model(f"http://127.0.0.1:{free_port()}/v1")


def service(number: int) -> str:
    return f"shop-{number}"


def channel(number: int) -> str:
    return f"C0SHOP{number}"


def pagerduty_service(number: int) -> str:
    return f"PSHOP{number}"


@asynccontextmanager
async def neighbourhood(folder: Path, services: int) -> AsyncIterator[Neighbourhood]:
    """Start the neighbours of a bot with *services*; *folder* takes the bot's files."""
    token, webhook, bot_port = secrets.token_hex(16), secrets.token_hex(16), free_port()
    config = _slack(services)
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(running_slack(config))
        await slack.deliver_to(f"http://127.0.0.1:{bot_port}/slack/events")
        pagerduty = SandboxPagerDuty(
            _pagerduty(services, token, webhook, bot_port), clock=lambda: datetime.now(UTC)
        )
        pagerduty_url = await stack.enter_async_context(serving(pagerduty.app))
        target = Target()
        target_url = await stack.enter_async_context(serving(target.app))
        stack.callback(target.silent.set)
        _write_files(folder, services, target_url)
        yield Neighbourhood(
            slack=slack,
            pagerduty=pagerduty,
            target=target,
            target_url=target_url,
            bot_port=bot_port,
            environment={
                "SLACK_SIGNING_SECRET": config.signing_secret,
                "SLACK_BOT_TOKEN": config.bot_token,
                "SLACK_TEAM_ID": config.team_id,
                "SLACK_APP_ID": config.app_id,
                "SLACK_CHANNEL": channel(0),
                "SLACK_API_URL": slack.api_url,
                "PAGERDUTY_API_TOKEN": token,
                "PAGERDUTY_WEBHOOK_SECRETS": webhook,
                "PAGERDUTY_FROM_EMAIL": ALICE.email,
                "PAGERDUTY_API_URL": pagerduty_url,
                "HANDRAIL_PORT": str(bot_port),
                "HANDRAIL_DATA_DIR": str(folder / "data"),
                "HANDRAIL_SERVICES": str(folder / "services.yaml"),
                "HANDRAIL_PLAYBOOKS": str(folder / "playbooks"),
                "HANDRAIL_PROMPTS": str(ROOT / "prompts"),
                "HANDRAIL_CHANGES_SECRET": _CHANGES_SECRET,
                "HANDRAIL_GROUP": "false",  # Hundreds of pages a minute would be one storm, and one card.
            },
            folder=folder,
        )


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _model(url: str) -> dict[str, str]:
    return {"OPENAI_API_KEY": "sk-bench-without-value", "OPENAI_BASE_URL": url, "OPENAI_MODEL": "bench"}


def _write_files(folder: Path, services: int, target_url: str) -> None:
    (folder / "playbooks").mkdir()
    playbook = (ROOT / "playbooks" / "rollback-deploy.yaml").read_text()
    # An incident that has recovered must not go on being watched while the next one is measured.
    (folder / "playbooks" / "rollback-deploy.yaml").write_text(playbook.replace("hold_s: 5", "hold_s: 1"))
    entries = {service(number): _service(number, target_url) for number in range(services)}
    (folder / "services.yaml").write_text(json.dumps({"services": entries}))  # JSON is YAML as well.


def _service(number: int, target_url: str) -> dict[str, object]:
    signal = {"kind": "prometheus", "url": f"{target_url}/prometheus", "query": "error_ratio"}
    return {
        "pagerduty": [pagerduty_service(number)],
        "channel": channel(number),
        "endpoints": {"deploy": {"url": f"{target_url}/{service(number)}"}},
        "signals": {"error_ratio": signal},
        "playbooks": ["rollback-deploy"],
        "approvers": {"on_call": True},
    }


def _slack(services: int) -> SlackConfig:
    return SlackConfig(
        team_id="T0SHOP",
        team_name="Shop",
        app_id="A0HANDRAIL",
        bot_user_id="U0HANDRAIL",
        bot_name="handrail",
        bot_token=f"xoxb-{secrets.token_hex(16)}",
        app_token=f"xapp-{secrets.token_hex(16)}",
        signing_secret=secrets.token_hex(16),
        users=(ALICE, BEN),
        channels=tuple(SlackChannel(channel(number), f"shop-{number}") for number in range(services)),
        has_rate_limits=False,
    )


def _pagerduty(services: int, token: str, webhook: str, bot_port: int) -> PagerDutyConfig:
    return PagerDutyConfig(
        users=(
            User(id="PALICE1", name=ALICE.real_name, email=ALICE.email),
            User(id="PBEN001", name=BEN.real_name, email=BEN.email),
        ),
        escalation_policies=(EscalationPolicy(id="PESCSHP", name="Shop on call"),),
        on_calls=(OnCall(user_id="PALICE1", escalation_policy_id="PESCSHP"),),
        services=tuple(
            Service(
                id=pagerduty_service(number),
                name=f"Shop {number}",
                escalation_policy_id="PESCSHP",
                integration_key=secrets.token_hex(16),
            )
            for number in range(services)
        ),
        tokens=(RestToken(token=token),),
        subscriptions=(
            Subscription(
                id="PWEBHK1", url=f"http://127.0.0.1:{bot_port}/webhooks/pagerduty", secrets=(webhook,)
            ),
        ),
    )
