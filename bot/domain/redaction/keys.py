"""What the name of a key says about its value: how much proof the value must give to count as a secret."""

# ruff: noqa: E501 -- one pattern a line reads better than a wrapped one.
import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from bot.domain.redaction.words import words


class Claim(Enum):
    """What a key promises: a password may be any word, a token is no plain word, a hint needs a random value."""

    PASSWORD = auto()
    TOKEN = auto()
    HINT = auto()


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may hold a secret."""

    kind: str
    claim: Claim


_SEGMENT: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PASSWORD: Final = re.compile(
    r".*(?:password|passwords|passwd|passphrase|passcode|passwort|kennwort|pwd|pswd)\d*|pass|pw|psw|.{2,8}(?:pass|pw)"
)
_NOT_A_PASSWORD: Final = frozenset(
    {"bypass", "compass", "trespass", "surpass", "encompass", "multipass", "onepass", "bitpass"}
)
_SECRET: Final = re.compile(r".*(?:secret|secrets|credential|credentials)|creds?|mnemonic|seedphrase")
_TOKEN: Final = re.compile(
    r".*token|jwt|bearer|psk|otp|totp|pat|.*(?:api|access|secret|private|auth|signing|encryption|account|shared|master|admin)keys?"
)
_HINT: Final = re.compile(
    r"keys?|auth|authorization|cookies?|session|sessionid|sid|phpsessid|jsessionid|sig|signature|salt|hmac|csrf|xsrf|dsn|tokens|pepper"
    r"|connectionstring|webhook|cert|cred|pagerduty|datadog|opsgenie|geniekey|victorops|twilio|heroku|newrelic|sendgrid|mailgun|mailchimp"
    r"|stripe|github|gitlab|slack|discord|telegram|cloudflare|fastly|okta|auth0|algolia|netlify|vercel|snyk|sonar|sentry|grafana|splunk"
    r"|dropbox|asana|trello|jira|atlassian|bitbucket|circleci|travis|codecov|shopify|square|paypal|plaid|coinbase|binance|kraken|twitch"
    r"|twitter|facebook|linkedin|launchdarkly|contentful|confluent|databricks|zendesk|intercom|hubspot|mailjet|messagebird|beamer|finicity"
    r"|gitter|lob|mattermost|nytimes|rapidapi|sendbird|squarespace|sumologic|sumo|typeform|yandex|zapier|adafruit|adobe|airtable|alibaba"
    r"|artifactory|jfrog|azure|bittrex|clojars|droneci|drone|dynatrace|etsy|fastly|flickr|freshbooks|harness|kucoin|mapbox|maxmind|okx"
)
_KEY_WORD_BEFORE: Final = words(
    """
    api access secret private account shared master signing encryption encrypt auth admin storage
    license decryption crypto cipher aes hmac consumer subscription ingest ingestion app application
    client user session sas service rest webhook deploy ssh genie jwt write primary secondary functions
    function host management
    """
)
_SURE_KEY: Final = words(
    """
    api access secret private account shared master signing encryption auth admin hmac aes license sas
    """
)
_INNOCENT_LAST: Final = words(
    """
    count counts num number limit limits usage used total max min ttl expiry expires expired expiration
    expire exp type types len length size name names url uri urls path paths file files dir id ids
    version versions arn ref refs policy status state error errors rotation rotated age created updated
    at date time timestamp enabled disabled required valid invalid field fields header headers prefix
    suffix format provider providers method methods mode endpoint endpoints issuer scope scopes audience
    port bucket manager store mount mounts volume volumes reset change changed changes attempt attempts
    failure failures retry retries rate budget window cost price per index class selector class driver
    plugin backend engine module handler service server servers controller client clients cache hint
    hints strength complexity complete success failed ok result results reason source expire_after days
    hours minutes seconds ms rule rules pattern config configuration spec template env var variable
    lookup algorithm alg algo realm domain duration interval event events request requests response
    responses check checks validation validator generator parser provider_name stream bits thumbprint
    fingerprint holder input output prompt completion delta email username group groups role roles
    binding space spaces board pair pairs word words code codes level
    """
)
_INNOCENT_BEFORE: Final = words(
    """
    public partition primary foreign sort cache dedup incident idempotency object hash range row shard
    map dict json yaml registry map group index lookup join natural surrogate unique composite message
    routing record metric label tag config
    """
)
_COUNTED: Final = words(
    """
    max min num total count prompt completion input output cached used remaining avg n nr
    """
)
_ROUTED: Final = words(
    """
    routing integration
    """
)


@lru_cache(maxsize=4096)
def read_key(name: str) -> Key | None:
    """Return what *name*, a key as written (`DB_PASSWORD`, `clientSecret`, `x-api-key`), says of its value; None: nothing."""
    segments = [segment.lower() for segment in _SEGMENT.findall(name)]
    for at in range(len(segments) - 1, -1, -1):
        key = _claim(segments, at)
        if key is not None:
            trailing = segments[at + 1 :]
            return None if any(segment in _INNOCENT_LAST for segment in trailing) else key
    return None


def _claim(segments: list[str], at: int) -> Key | None:
    word = segments[at]
    before = segments[at - 1] if at else ""
    if (_PASSWORD.fullmatch(word) and word not in _NOT_A_PASSWORD) or (word == "word" and before == "pass"):
        return Key("password", Claim.PASSWORD)
    if _SECRET.fullmatch(word) or (word == "phrase" and before in {"pass", "seed"}):
        return Key("secret", Claim.PASSWORD if word in {"phrase", "mnemonic", "seedphrase"} else Claim.TOKEN)
    if _TOKEN.fullmatch(word):
        return Key(
            "token" if "key" not in word else "api_key", Claim.HINT if before in _COUNTED else Claim.TOKEN
        )
    if word in {"key", "keys"}:
        if before in _SURE_KEY:
            return Key("api_key", Claim.TOKEN)
        if before in _INNOCENT_BEFORE and before not in _ROUTED:
            return None
        return Key("api_key" if before in _KEY_WORD_BEFORE | _ROUTED else "key", Claim.HINT)
    if word == "str" or word == "string":
        return Key("connection_string", Claim.HINT) if before in {"connection", "conn"} else None
    return Key("credential", Claim.HINT) if _HINT.fullmatch(word) else None
