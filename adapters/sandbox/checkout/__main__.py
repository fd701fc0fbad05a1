"""Run the service: CHECKOUT_TOKEN=… python -m adapters.sandbox.checkout --port 8090 --state checkout.json"""

import argparse
import asyncio
import ctypes
import json
import logging
import os
import random
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from adapters.sandbox.checkout.announce import ChangeWebhook
from adapters.sandbox.checkout.app import CheckoutApp
from adapters.sandbox.checkout.operations import Operations
from adapters.sandbox.checkout.process import CHANGE_SECRET_VARIABLE, TOKEN_VARIABLE
from adapters.sandbox.checkout.releases import RELEASES
from adapters.sandbox.checkout.state import StateFile
from adapters.sandbox.serving import serving

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Serve until SIGTERM or SIGINT; the first line on stdout is JSON with the address."""
    options = _parser().parse_args()
    if TOKEN_VARIABLE not in os.environ:
        _parser().error(f"{TOKEN_VARIABLE} must be set: the bearer token of the deploy API")
    if (options.change_url is None) != (os.environ.get(CHANGE_SECRET_VARIABLE) is None):
        _parser().error(f"--change-url and {CHANGE_SECRET_VARIABLE} go together")
    if options.die_with_parent is not None and not _dies_with(options.die_with_parent):
        return
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    asyncio.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    secret = os.environ.get(CHANGE_SECRET_VARIABLE, "")
    webhook = ChangeWebhook(options.change_url, secret) if options.change_url else None
    operations = Operations(
        StateFile(options.state),
        initial_version=options.version,
        environment=options.environment,
        announces=webhook is not None,
        roll_time=timedelta(seconds=options.roll_seconds),
        clock=lambda: datetime.now(UTC),
    )
    app = CheckoutApp(
        operations,
        token=os.environ[TOKEN_VARIABLE],
        webhook=webhook,
        chance=random.Random(options.seed),  # nosec B311 # Faults that can be played again; no secret.
    ).build()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with serving(app, port=options.port) as url:
        sys.stdout.write(json.dumps({"ready": url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        await stopping.wait()


def _dies_with(parent: int) -> bool:
    """Ask Linux to kill this process when its parent ends; return whether the parent still lives."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have ended before the call; then no signal comes.
    return os.getppid() == parent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m adapters.sandbox.checkout", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="file that keeps version and journal")
    parser.add_argument(
        "--version",
        default="41",
        choices=tuple(RELEASES),
        help="version to begin with when there is no state",
    )
    parser.add_argument("--environment", default="production", help="environment named in change events")
    parser.add_argument("--change-url", help="where to post a change event after each deploy")
    parser.add_argument("--roll-seconds", type=float, default=0.3, help="how long a deploy or restart takes")
    parser.add_argument("--seed", type=int, help="seeds which requests fail")
    parser.add_argument("--die-with-parent", type=int, metavar="PID", help="end when this parent ends")
    return parser


main()
