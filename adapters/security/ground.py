"""Look at what a deployment stands on: files, secrets, who may approve, the queue, the kill switch."""

import ipaddress
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from adapters.finding import Fails, Warns
from adapters.store.redis.durability import Durability
from bot.domain.canaries import broken_canaries
from bot.domain.catalogue import Approvers, Catalogue
from bot.domain.playbook import Risk
from bot.domain.policy import Policy

SHORTEST: Final = 16
_FEWEST_SIGNS: Final = 6
_PLACEHOLDER: Final = re.compile(
    r"change.?me|placeholder|replace.?me|example|your[-_ ]|^<.*>$|^x{4,}|xxxx|\bdummy|\btodo\b|secret.?here"
    r"|^(password|passwd|secret|hunter2|test|letmein)\d*$|^(.)\2+$|12345678|^xox[bp]-\.{3}",
    re.IGNORECASE,
)


KEPT: Final = ("key", "audit.key", "audit.db", "last-seen")


def private_folder(folder: Path) -> str:
    """Look at the rights of the data folder, its keys and the record. Raises `Fails`, `Warns`."""
    if not folder.is_dir():
        raise Warns(f"{folder} is made at the first start", "check again once the bot runs")
    if wrong := [str(path) for path in (folder, *(folder / name for name in KEPT)) if _is_open(path)]:
        raise Fails(
            f"not for the bot's user alone: {', '.join(wrong)}",
            f"chmod -R go-rwx {folder}; if others were there, `handrail audit rotate`",
        )
    return f"{folder} is 0700; {', '.join(name for name in KEPT if (folder / name).exists())} are 0600"


def _is_open(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False  # Not made yet, or in a database of the team's own.
    return bool(stat.S_IMODE(found.st_mode) & 0o077) or found.st_uid != os.geteuid()


def real_secrets(secrets: Mapping[str, str]) -> str:
    """Look at each secret by the name of its setting; none is told. Raises `Fails`, `Warns`."""
    if fake := sorted(name for name, value in secrets.items() if _is_placeholder(value)):
        raise Fails(f"a placeholder, not a secret: {', '.join(fake)}", "set what its issuer gave you")
    by_value: dict[str, list[str]] = {}
    for name, value in secrets.items():
        by_value.setdefault(value, []).append(name)
    if twice := [" and ".join(sorted(names)) for names in by_value.values() if len(names) > 1]:
        raise Fails(
            f"the same value: {'; '.join(twice)}",
            "give each a value of its own: one that leaks must not open the others",
        )
    if short := sorted(name for name, value in secrets.items() if len(value) < SHORTEST):
        raise Warns(f"shorter than {SHORTEST} characters: {', '.join(short)}", "openssl rand -hex 32")
    return f"{len(secrets)} secrets, none short, shared or a placeholder"


def _is_placeholder(value: str) -> bool:
    return _PLACEHOLDER.search(value) is not None or len(set(value)) < _FEWEST_SIGNS


def denies_what_it_must(policy: Policy) -> str:
    """Play the canaries: what no policy may let through. Raises `Fails`."""
    if broken := broken_canaries(policy):
        raise Fails(f"it lets through {'; '.join(broken)}", "take out what loosens it: docs/policy.md")
    return f"policy {policy.version} denies every canary: expired, self, closed, mismatch, unknown user, …"


def who_may_approve(catalogue: Catalogue, policy: Policy) -> str:
    """Say for each service who may approve. Raises `Warns` when somebody may act on it and nobody approve."""
    said = {name: in_words(service.approvers) for name, service in catalogue.services.items()}
    told = "; ".join(f"{name}: {words}" for name, words in sorted(said.items()))
    idle = [n for n, service in catalogue.services.items() if service.playbooks and said[n] == NOBODY]
    if idle:
        raise Warns(told, f"nobody can approve the playbooks of {', '.join(sorted(idle))}: name approvers")
    narrowed = [
        f"{risk.value}: {in_words(terms.approvers)} as well"
        for risk in Risk
        if (terms := policy.for_risk(risk)).approvers is not None
    ]
    return "; ".join([told, *narrowed])


NOBODY: Final = "nobody"


def in_words(approvers: Approvers | None) -> str:
    """Return who is on the list; an empty one is nobody."""
    if approvers is None:
        return NOBODY
    said = [f"{len(approvers.users)} named"] if approvers.users else []
    said += [f"{len(approvers.groups)} user groups"] if approvers.groups else []
    if approvers.on_call_levels is not None:
        said += [f"on call at level {', '.join(map(str, approvers.on_call_levels))}"]
    elif approvers.on_call:
        said += ["whoever is on call"]
    return ", ".join(said) or NOBODY


def keeps_what_it_takes(found: Durability) -> str:
    """Judge the queue's own settings. Raises `Fails`, `Warns`."""
    remedy = "set appendonly yes, appendfsync always, maxmemory-policy noeviction"
    if found.is_durable is None:
        raise Warns("the server does not tell whether it keeps what it takes", remedy)
    append_only = "yes" if found.append_only else "no"
    told = f"appendonly {append_only}, appendfsync {found.fsync}, maxmemory-policy {found.eviction}"
    if not found.is_durable:
        raise Fails(f"{told}: it forgets, so nothing can be approved", remedy)
    if found.fsync != "always":
        raise Warns(f"{told}: a loss of power loses the last clicks and pages", remedy)
    return told


def can_be_stopped(folder: Path, *, kill_file: str) -> str:
    """Look whether `handrail kill` could write its file. Raises `Fails`, `Warns`."""
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise Fails(f"{folder} cannot be written: `handrail kill` would not work", "run it as the bot's user")
    if (folder / kill_file).exists():
        raise Warns(f"it is on: {folder / kill_file} exists, nothing starts", "handrail revive")
    return f"off; `handrail kill` can write {folder / kill_file}"


def listens_to_us(host: str) -> str:
    """Judge the address to listen on. Raises `Warns` when it is not this machine's own."""
    address = _address(host)
    if not (address.is_loopback if address is not None else host == "localhost"):
        raise Warns(
            f"{host} can be reached from elsewhere, without TLS, /metrics and /readyz included",
            "set HANDRAIL_HOST=127.0.0.1 and a proxy that passes on the webhook paths only",
        )
    return f"{host} alone; TLS is the proxy's"


def is_every_address(host: str) -> bool:
    """Say whether *host* means all addresses of the machine."""
    address = _address(host)
    return address is not None and address.is_unspecified


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def tells_no_third_party(*, is_tracing_allowed: bool) -> str:
    """Look whether prompts may be shipped elsewhere. Raises `Warns`."""
    if is_tracing_allowed:
        raise Warns(
            "LANGSMITH_* and LANGCHAIN_* variables may send prompts to a third party",
            "unset HANDRAIL_ALLOW_TRACING",
        )
    return "no LANGSMITH_* or LANGCHAIN_* variable ships prompts: the bot would not start"
