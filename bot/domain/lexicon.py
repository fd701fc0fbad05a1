"""The on-call vocabulary that correlation knows: families of words that mean the same trouble.

The lists are general operations English. Words of one product, company or data set do not belong here.
"""

from collections.abc import Mapping
from typing import Final


def _split(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


STOP_WORDS: Final = _split(
    "a about above after again all also an and any are as at be been before being below between",
    "both but by can could did do does doing down during each few for from further get gets",
    "getting had has have having he her here him his how i if in instead into is it its just",
    "like many may me more most much my no nor not now of off on once only or other our out",
    "over own per same she should since so some such than that the their them then there these",
    "they this those through to too under until up upon us very via was we were what when where",
    "which while who whom why will with within without would you your add added adds alert",
    "alerting alerts allow app application apply bump change changed changes commit deploy",
    "deployed deployment deploys enable env environment fix fixed fixes image improve incident",
    "make makes merge minor new namespace old pr prod production refactor release released",
    "remove removed report reported reports revert roll rolled rollout routine seeing service",
    "services set severity support tag update updated updates upgrade use used uses user users",
    "using version warning critical high low rate threshold request requests error errors call",
    "calls resource resources py js jsx ts tsx go java kt rb php rs cs cpp html htm css scss yaml yml json",
    "toml xml md sh sql src main lib pkg internal cmd com org www http https true false null none self",
    "return def func function class const var let import",
)
"""Words that say nothing about which change it was."""

TELLING_WORDS: Final = _split(
    "are is was were be been has have had does do cannot can't cant not never when after since while",
    "users user customers customer people we our they them their i my some any all no see seeing seen",
    "getting gets report reports reported reporting complain complaining unable wrong instead still",
)
"""Words by which a person's sentence differs from the name of a monitor's rule."""

_FAMILIES: Final[Mapping[str, frozenset[str]]] = {
    "latency": _split(
        "latency slow slower slowness delay delayed duration p50 p90 p95 p99 apdex timeout",
        "lagging hang hung stuck wait blocking synchronous sequential performance",
    ),
    "errors": _split(
        "error failure fail exception crash 500 502 503 504 5xx availability unavailable panic",
        "traceback abort",
    ),
    "memory": _split(
        "memory oom oomkilled heap leak rss gc garbage swap",
    ),
    "cpu": _split(
        "cpu throttled throttling spin busy load",
    ),
    "disk": _split(
        "disk storage volume inode filesystem space iops mount dump logfile",
    ),
    "network": _split(
        "network connection connect dns socket tcp refused unreachable partition proxy ingress",
        "gateway route cors header",
    ),
    "tls": _split(
        "tls ssl certificate cert cipher handshake https x509",
    ),
    "auth": _split(
        "auth authentication authorization login logged logout signin oauth oidc sso saml jwt",
        "token session cookie password credential permission role scope policy forbidden",
        "unauthorized 401 403 mfa 2fa totp otp factor passkey captcha signing",
    ),
    "cache": _split(
        "cache cached caching redis memcached ttl evict eviction stale cdn purge expiry",
    ),
    "database": _split(
        "database db sql query index migration schema column table deadlock postgres mysql",
        "transaction orm cursor",
    ),
    "queue": _split(
        "queue kafka consumer producer topic backlog lag message broker rabbitmq sqs worker job",
        "prefetch offset",
    ),
    "email": _split(
        "email mail smtp newsletter inbox sender relay bounce",
    ),
    "notification": _split(
        "notification push sms webhook callback subscriber delivery deliver",
    ),
    "payment": _split(
        "payment pay card charge billing bank invoice receipt checkout refund settle settlement",
        "payout price pricing total currency amount tax vat discount coupon subscription",
    ),
    "shipping": _split(
        "shipping shipment courier parcel tracking address postal zip warehouse stock inventory",
        "express delivery",
    ),
    "search": _split(
        "search index tokenizer query autocomplete ranking relevance analyzer synonym facet",
        "result",
    ),
    "media": _split(
        "upload download file attachment image picture photo thumbnail avatar video audio pdf csv",
        "export multipart bucket blob media render",
    ),
    "frontend": _split(
        "page button css javascript browser render layout footer header banner form screen ui",
    ),
    "limits": _split(
        "limit quota pool exhausted saturation ratelimit 429 413 throttle concurrency thread",
        "semaphore size maximum large larger",
    ),
    "time": _split(
        "cron schedule scheduled scheduler nightly midnight timezone utc date datetime dated day",
        "daylight calendar hour clock",
    ),
    "text": _split(
        "unicode utf8 encoding charset locale language translation emoji accent accented folding",
    ),
    "parsing": _split(
        "parse parser decode encode json xml format serializer serialize schema validate",
        "validation regex payload reject rejected invalid malformed",
    ),
    "missing": _split(
        "empty blank missing null undefined nil nullpointerexception optional disappear lost",
    ),
    "twice": _split(
        "twice duplicate duplicated double retry retries idempotent idempotency repeated",
        "redelivery",
    ),
    "place": _split(
        "map tile geo location gps coordinate region country city",
    ),
    "pod": _split(
        "pod container crashloop crashlooping restart probe readiness liveness init evicted",
        "pending notready",
    ),
    "config": _split(
        "config configmap configuration setting parameter flag variable secret",
    ),
}
"""Family → its words; a word may belong to several families."""

FAMILIES_OF: Final[Mapping[str, frozenset[str]]] = {
    word: frozenset(name for name, words in _FAMILIES.items() if word in words)
    for family in _FAMILIES.values()
    for word in family
}

FUNCTION_WORDS: Final = _split("a an and as at by for from in into of on or the to with update updates")
"""Words that a title's first telling word may hide behind."""

INERT_WORDS: Final = _split(
    "readme doc docs documentation comment comments changelog typo typos copy wording spelling",
    "licence license dashboard dashboards label labels lint linter formatting whitespace",
    "translations test tests",
)
"""Words of a title that promise no change of behaviour at run time."""

ROUTINE_WORDS: Final = _split("chore routine dependency dependencies deps bump debug logging")
"""Words of a title that speak of upkeep: seldom behind trouble, yet sometimes."""

INERT_PATHS: Final = (".md", ".rst", ".txt", "license", "changelog", "readme", "/docs/", "/test/", "/tests/")
"""Parts of file paths that no running process reads."""

CONFIG_WORDS: Final = _split(
    "config configmap configuration setting settings parameter flag flags variable environment",
    "manifest policy quota secret dns routing constraints volumes command feature",
)

ROLLBACK_WORDS: Final = _split("rollback revert reverted reverts")
FIX_WORDS: Final = _split("fix hotfix mitigate mitigation disable")

INFRASTRUCTURE_PHRASES: Final = (
    "node not ready",
    "notready",
    "node down",
    "host down",
    "host unreachable",
    "kernel panic",
    "disk failure",
    "disk full",
    "i/o error",
    "iowait",
    "hardware",
    "power loss",
    "availability zone",
    "network partition",
    "packet loss",
    "network loss",
    "network delay",
    "node pressure",
    "preempted",
    "evicted",
    "spot interruption",
    "instance terminated",
    "nodecpu",
    "node cpu",
    "nodesystem",
    "node memory",
    "nodememory",
    "nodedisk",
    "hypervisor",
)
PROVIDER_PHRASES: Final = (
    "provider outage",
    "third-party",
    "third party",
    "upstream provider",
    "vendor outage",
    "status page",
    "aws outage",
    "region outage",
    "regional outage",
)
TRAFFIC_PHRASES: Final = (
    "traffic surge",
    "traffic spike",
    "request flood",
    "ddos",
    "surge in requests",
    "spike in requests",
    "bot traffic",
    "flash sale",
    "load spike",
)
CERTIFICATE_PHRASES: Final = (
    "certificate expired",
    "certificate has expired",
    "cert expired",
    "expired certificate",
)
MAINTENANCE_PHRASES: Final = ("scheduled maintenance", "maintenance window", "planned maintenance")
