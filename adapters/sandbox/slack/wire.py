"""The JSON of Slack's wire, and the secrets' arithmetic on it."""

import hashlib
import hmac
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return Slack's `v0=` HMAC-SHA256 signature over `v0:{timestamp}:{body}`."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
