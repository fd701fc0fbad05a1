"""Read `policy.yaml`, and refuse one that lets through what no policy may."""

from collections.abc import Collection
from pathlib import Path

from adapters.files.loading import read_model
from bot.domain.canaries import broken_canaries
from bot.domain.errors import InvalidPolicy
from bot.domain.ids import ServiceName
from bot.domain.policy import FLOOR, Policy


class NotAPolicy(InvalidPolicy):
    """The file holds no policy at all, so there is nothing to compare with the one in force."""


def read_policy(path: Path | None, services: Collection[ServiceName] | None = None) -> Policy:
    """Return the policy of the file; without one, the floor. *services* are those that it may name.

    Raises:
        InvalidPolicy: the file is wrong, or lets through what the floor does not.
    """
    if path is None:
        return FLOOR
    policy = load_policy(path)
    refuse_looser(path, policy)
    if services is not None:
        refuse_strangers(path, policy, services)
    return policy


def load_policy(path: Path) -> Policy:
    """Return what the file says, however loose. Raises `NotAPolicy`."""
    return read_model(path, Policy, NotAPolicy).value


def refuse_looser(path: Path, policy: Policy) -> None:
    """Raise `InvalidPolicy` when *policy* lets through what the floor does not."""
    if broken := broken_canaries(policy):
        raise InvalidPolicy(
            f"{path}: it lets through what no policy may: {'; '.join(broken)}. Take out what loosens it; "
            "what stands under `high` or `critical` says all of it, `type_target` and `excludes` too"
        )


def refuse_strangers(path: Path, policy: Policy, services: Collection[ServiceName]) -> None:
    """Raise `InvalidPolicy` when *policy* names a service that there is not: that would hold for nothing."""
    if strangers := sorted(policy.names() - set(services)):
        raise InvalidPolicy(
            f"{path}: `services.yaml` has no service {', '.join(strangers)}: "
            "what is said of it would hold for nothing"
        )
