"""The neighbourhood of a bot on loopback: Slack, PagerDuty, a service that breaks, traffic and a monitor.

A bot finds it by settings alone: `environment` holds the variables, `services_yaml` the catalogue.
"""

import json
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from adapters.sandbox.checkout import AlertRule, CheckoutProcess, ErrorRateMonitor, Traffic
from adapters.sandbox.model import KEY as MODEL_KEY
from adapters.sandbox.model import ModelServer
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

CHANNEL = "C0INCIDENTS"
ALICE = SlackUser("U0ALICE", "alice", "Alice Novak", "alice@shop.example")
BEN = SlackUser("U0BEN", "ben", "Ben Okafor", "ben@shop.example")
GUEST = SlackUser("U0GUEST", "gus", "Gus Guest", "gus@agency.example", is_restricted=True)
PAGERDUTY_SERVICE = "PCHKOUT"


@dataclass(frozen=True)
class Secrets:
    """Fresh for each run: nothing of the sandbox is worth keeping."""

    slack_bot_token: str
    slack_app_token: str
    slack_signing_secret: str
    pagerduty_token: str
    pagerduty_webhook: str
    routing_key: str
    changes: str
    deploy_token: str

    @classmethod
    def fresh(cls) -> "Secrets":
        def word() -> str:
            return secrets.token_hex(16)

        return cls(
            slack_bot_token=f"xoxb-{word()}",
            slack_app_token=f"xapp-{word()}",
            slack_signing_secret=word(),
            pagerduty_token=word(),
            pagerduty_webhook=word(),
            routing_key=word(),
            changes=word(),
            deploy_token=word(),
        )


@dataclass(frozen=True)
class Stage:
    """Everything around the bot, running."""

    slack: SandboxSlack
    pagerduty: SandboxPagerDuty
    checkout: CheckoutProcess
    traffic: Traffic
    model: ModelServer
    pagerduty_url: str
    model_url: str
    bot_port: int
    secrets: Secrets
    folder: Path

    @property
    def bot_url(self) -> str:
        return f"http://127.0.0.1:{self.bot_port}"

    def with_model(self) -> Mapping[str, str]:
        """Return the further settings with which the bot asks the stage's model."""
        return {
            "OPENAI_API_KEY": MODEL_KEY,
            "OPENAI_BASE_URL": f"{self.model_url}/v1",
            "OPENAI_MODEL": "sandbox-model",
        }

    def environment(self, *, socket_mode: bool = False) -> Mapping[str, str]:
        """Return the settings with which a bot joins this stage, over HTTP or over Socket Mode."""
        how = (
            {"SLACK_APP_TOKEN": self.secrets.slack_app_token}
            if socket_mode
            else {"SLACK_SIGNING_SECRET": self.secrets.slack_signing_secret}
        )
        return {
            **how,
            "SLACK_BOT_TOKEN": self.secrets.slack_bot_token,
            "SLACK_TEAM_ID": self.slack.config.team_id,
            "SLACK_APP_ID": self.slack.config.app_id,
            "SLACK_CHANNEL": CHANNEL,
            "SLACK_API_URL": self.slack.api_url,
            "PAGERDUTY_API_TOKEN": self.secrets.pagerduty_token,
            "PAGERDUTY_WEBHOOK_SECRETS": self.secrets.pagerduty_webhook,
            "PAGERDUTY_FROM_EMAIL": ALICE.email,
            "PAGERDUTY_API_URL": self.pagerduty_url,
            "HANDRAIL_PORT": str(self.bot_port),
            "HANDRAIL_DATA_DIR": str(self.folder / "data"),
            "HANDRAIL_SERVICES": str(self.folder / "services.yaml"),
            "HANDRAIL_CHANGES_SECRET": self.secrets.changes,
            "HANDRAIL_SECRET_CHECKOUT_DEPLOY_TOKEN": self.secrets.deploy_token,
        }

    async def deploy(self, version: str, *, key: str) -> None:
        """Deploy a version of checkout as its pipeline does; the change event follows by itself."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                f"{self.checkout.base_url}/deploy",
                json={"version": version},
                headers={"Authorization": f"Bearer {self.secrets.deploy_token}", "Idempotency-Key": key},
                timeout=30,
            )
            answer.raise_for_status()

    async def deployed(self) -> str:
        """Return the version of checkout that serves now."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(
                f"{self.checkout.base_url}/deploy",
                headers={"Authorization": f"Bearer {self.secrets.deploy_token}"},
                timeout=30,
            )
            return str(answer.json()["version"])

    async def effects(self) -> tuple[Mapping[str, object], ...]:
        """Return what was ever done to checkout: the proof of exactly once."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(
                f"{self.checkout.base_url}/effects",
                headers={"Authorization": f"Bearer {self.secrets.deploy_token}"},
                timeout=30,
            )
            return tuple(answer.json()["effects"])

    def error_ratio(self) -> float:
        """Return the share of requests that failed since the traffic began."""
        return self.traffic.failed / max(1, self.traffic.answered)


@asynccontextmanager
async def running_stage(
    folder: Path,
    *,
    slack_port: int = 0,
    rate: float = 50.0,
    is_watched: bool = True,
    roll_seconds: float = 0.3,
    more_channels: tuple[SlackChannel, ...] = (),
    more_services: tuple[Service, ...] = (),
) -> AsyncIterator[Stage]:
    """Start everything around a bot for the length of the block; *folder* takes its files.

    Customers send *rate* requests a second. Unless *is_watched* no monitor pages: the caller does.
    """
    known = Secrets.fresh()
    async with AsyncExitStack() as stack:
        bot_port = stack.enter_context(_kept_port())
        slack = await stack.enter_async_context(running_slack(_slack(known, more_channels), port=slack_port))
        await slack.deliver_to(f"http://127.0.0.1:{bot_port}/slack/events")
        config = _pagerduty(known, bot_port, more_services)
        pagerduty = SandboxPagerDuty(config, clock=lambda: datetime.now(UTC))
        pagerduty_url = await stack.enter_async_context(serving(pagerduty.app))
        model = ModelServer()
        model_url = await stack.enter_async_context(serving(model.app()))
        checkout = await stack.enter_async_context(
            CheckoutProcess(
                token=known.deploy_token,
                state_file=folder / "checkout.json",
                change_url=f"http://127.0.0.1:{bot_port}/webhooks/changes/generic",
                change_secret=known.changes,
                roll_seconds=roll_seconds,
                log_file=folder / "checkout.log",
            )
        )
        traffic = Traffic(checkout.base_url, rate=rate)
        await stack.enter_async_context(traffic.flowing())
        monitor = ErrorRateMonitor(
            service_url=checkout.base_url,
            events_url=pagerduty_url,
            routing_key=known.routing_key,
            rule=AlertRule(resolves=False),
            clock=lambda: datetime.now(UTC),
        )
        if is_watched:
            await stack.enter_async_context(monitor.watching())
        (folder / "services.yaml").write_text(services_yaml(checkout.base_url))
        yield Stage(
            slack=slack,
            pagerduty=pagerduty,
            checkout=checkout,
            traffic=traffic,
            model=model,
            pagerduty_url=pagerduty_url,
            model_url=model_url,
            bot_port=bot_port,
            secrets=known,
            folder=folder,
        )


def services_yaml(checkout_url: str) -> str:
    """Return the catalogue of the sandbox's shop. JSON strings are YAML strings as well."""
    url = json.dumps(checkout_url)
    metrics = json.dumps(f"{checkout_url}/metrics")
    deploys = json.dumps(f"{checkout_url}/deploy")
    return f"""\
services:
  checkout:
    pagerduty: [{PAGERDUTY_SERVICE}]
    names: [checkout-api]
    channel: {CHANNEL}
    owner: shop team
    endpoints:
      deploy:
        url: {url}
        headers:
          Authorization: "Bearer secret:CHECKOUT_DEPLOY_TOKEN"
    signals:
      error_ratio:
        kind: exposition
        url: {metrics}
        errors: http_request_errors_total
        total: http_requests_total
        labels:
          service: checkout
        window_s: 2
    version:
      kind: http
      url: {deploys}
      headers:
        Authorization: "Bearer secret:CHECKOUT_DEPLOY_TOKEN"
    playbooks: [rollback-deploy, disable-flag, restart-service]
    approvers:
      on_call: true
    dependencies: [payments]
  payments:
    owner: payments team
"""


def _slack(known: Secrets, more_channels: tuple[SlackChannel, ...]) -> SlackConfig:
    return SlackConfig(
        team_id="T0SHOP",
        team_name="Shop",
        app_id="A0HANDRAIL",
        bot_user_id="U0HANDRAIL",
        bot_name="handrail",
        bot_token=known.slack_bot_token,
        app_token=known.slack_app_token,
        signing_secret=known.slack_signing_secret,
        users=(ALICE, BEN, GUEST),
        channels=(SlackChannel(CHANNEL, "incidents", topic="Every page of the shop"), *more_channels),
    )


def _pagerduty(known: Secrets, bot_port: int, more_services: tuple[Service, ...]) -> PagerDutyConfig:
    return PagerDutyConfig(
        users=(
            User(id="PALICE1", name=ALICE.real_name, email=ALICE.email),
            User(id="PBEN001", name=BEN.real_name, email=BEN.email),
        ),
        escalation_policies=(EscalationPolicy(id="PESCSHP", name="Shop on call"),),
        on_calls=(OnCall(user_id="PALICE1", escalation_policy_id="PESCSHP"),),
        services=(
            Service(
                id=PAGERDUTY_SERVICE,
                name="Checkout",
                escalation_policy_id="PESCSHP",
                integration_key=known.routing_key,
                grouping=True,
            ),
            *more_services,
        ),
        tokens=(RestToken(token=known.pagerduty_token),),
        subscriptions=(
            Subscription(
                id="PWEBHK1",
                url=f"http://127.0.0.1:{bot_port}/webhooks/pagerduty",
                secrets=(known.pagerduty_webhook,),
            ),
        ),
    )


@contextmanager
def _kept_port() -> Iterator[int]:
    """Yield a port for the bot, whose address the neighbours must know before it runs.

    The port stays bound and never listens: nobody else is given it, and the bot, which reuses addresses, may
    listen there as often as it starts.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]
