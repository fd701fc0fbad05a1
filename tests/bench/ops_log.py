"""Text as the logs around an incident have it, some of it secret."""

import random
from itertools import count

_CALM = (
    '10.2.{a}.{b} - - [22/Nov/2026:03:{c:02d}:11 +0000] "GET /cart/{n}?page=2 HTTP/1.1" 200 {m} "-" "curl"',
    '{{"ts":"2026-11-22T03:{c:02d}:07.{n}Z","level":"error","service":"checkout","msg":"payment timed out",'
    '"took_ms":{m},"trace_id":"{h}"}}',
    "kubelet: Pod checkout-{x}-{y} in namespace shop failed liveness probe after {m} ms (attempt {a})",
    'Traceback (most recent call last): File "/app/checkout/pay.py", line {a}, in pay: TimeoutError: {m} ms',
    'level=warn ts=03:{c:02d}:44 caller=pool.go:{a} msg="connection pool exhausted" size={b} waiting={m}',
    "deploy checkout {a}.{b}.{c} finished in {m} s: image registry.shop.example/checkout@sha256:{h}{h}",
)
_SECRET = (
    "DATABASE_URL=postgresql://checkout:{h}@db.shop.example:5432/checkout",
    "Authorization: Bearer {h}{x}",
    "retrying as dana.{x}@shop.example from 192.0.2.{b}",
)
_SECRET_SHARE = 0.02


def ops_log(size: int, *, secret_share: float = _SECRET_SHARE) -> str:
    """Return at least *size* characters of log, the same each time; that share of lines has a secret."""
    rng = random.Random(11)  # noqa: S311 - The same text in each run.
    lines: list[str] = []
    length = 0
    for _ in count():
        shape = rng.choice(_SECRET if rng.random() < secret_share else _CALM)
        line = shape.format(
            a=rng.randrange(1, 255),
            b=rng.randrange(1, 255),
            c=rng.randrange(60),
            n=rng.randrange(100, 999),
            m=rng.randrange(10, 30_000),
            h=f"{rng.getrandbits(128):032x}",
            x=f"{rng.getrandbits(24):06x}",
            y=f"{rng.getrandbits(20):05x}",
        )
        lines.append(line)
        length += len(line) + 1
        if length >= size:
            break
    return "\n".join(lines)
