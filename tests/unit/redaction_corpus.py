"""Texts to redact, made at test time from descriptions of formats: no secret stands in this file.

The descriptions were written from the vendors' own words for their tokens, apart from the patterns they test.
"""

import base64
import random
import string
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from bot.domain.redaction.words import words

HEX = "0123456789abcdef"
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "-_"


@dataclass(frozen=True, slots=True)
class Sample:
    """A text with a secret in it; what may not survive is *secret*."""

    group: str
    text: str
    secret: str


# Each is: name, then parts; a string stays, a (length, alphabet) pair is drawn.
_Part = str | tuple[int, str]
VENDOR: dict[str, tuple[_Part, ...]] = {
    "aws": ("AK" + "IA", (16, UPPER)),
    "aws session": ("AS" + "IA", (16, UPPER)),
    "github classic": ("gh" + "p_", (36, ALNUM)),
    "github app": ("gh" + "s_", (36, ALNUM)),
    "github oauth": ("gh" + "o_", (36, ALNUM)),
    "github fine": ("github" + "_pat_", (22, ALNUM), "_", (59, ALNUM)),
    "gitlab": ("gl" + "pat-", (20, URLSAFE)),
    "gitlab deploy": ("gl" + "dt-", (20, URLSAFE)),
    "gitlab runner": ("gl" + "rt-", (20, URLSAFE)),
    "slack bot": ("xo" + "xb-", (12, string.digits), "-", (12, string.digits), "-", (24, ALNUM)),
    "slack user": ("xo" + "xp-", (11, string.digits), "-", (11, string.digits), "-", (32, HEX)),
    "slack app": ("xa" + "pp-1-A", (10, UPPER), "-", (13, string.digits), "-", (64, HEX)),
    "slack hook": ("https://hooks.sl" + "ack.com/services/T", (8, UPPER), "/B", (8, UPPER), "/", (24, ALNUM)),
    "stripe": ("sk" + "_live_", (24, ALNUM)),
    "stripe restricted": ("rk" + "_live_", (32, ALNUM)),
    "stripe webhook": ("wh" + "sec_", (32, ALNUM)),
    "openai": ("sk-" + "proj-", (74, URLSAFE), "T3Bl" + "bkFJ", (74, URLSAFE)),
    "openai old": ("sk" + "-", (20, ALNUM), "T3Bl" + "bkFJ", (20, ALNUM)),
    "anthropic": ("sk-" + "ant-api03-", (93, URLSAFE), "AA"),
    "google": ("AI" + "za", (35, URLSAFE)),
    "google oauth": ("ya29" + ".", (60, URLSAFE)),
    "google client": ("GOC" + "SPX-", (28, URLSAFE)),
    "azure client": ((3, ALNUM), "8" + "Q~", (34, ALNUM)),
    "npm": ("np" + "m_", (36, ALNUM)),
    "pypi": ("py" + "pi-AgEIcHlwaS5vcmc", (80, URLSAFE)),
    "docker": ("dck" + "r_pat_", (27, URLSAFE)),
    "digitalocean": ("do" + "p_v1_", (64, HEX)),
    "heroku": ("HR" + "KU-AA", (58, URLSAFE)),
    "newrelic": ("NR" + "AK-", (27, UPPER)),
    "sentry": ("snt" + "ryu_", (64, HEX)),
    "sentry dsn": ("https://", (32, HEX), "@o4504", (6, string.digits), ".ingest.sen" + "try.io/42"),
    "grafana": ("gl" + "sa_", (32, ALNUM), "_", (8, HEX)),
    "grafana cloud": ("gl" + "c_", (60, ALNUM)),
    "sendgrid": ("S" + "G.", (22, URLSAFE), ".", (43, URLSAFE)),
    "mailgun": ("key" + "-", (32, HEX)),
    "mailchimp": ((32, HEX), "-us" + "12"),
    "brevo": ("xkey" + "sib-", (64, HEX), "-", (16, ALNUM)),
    "twilio": ("S" + "K", (32, HEX)),
    "telegram": ((10, "123456789"), ":A" + "A", (33, URLSAFE)),
    "discord": ("M" + "T", (22, ALNUM), ".", (6, URLSAFE), ".", (38, URLSAFE)),
    "discord hook": ("https://disc" + "ord.com/api/webhooks/", (18, "123456789"), "/", (68, URLSAFE)),
    "shopify": ("shp" + "at_", (32, HEX)),
    "square": ("sq0" + "atp-", (22, URLSAFE)),
    "linear": ("lin" + "_api_", (40, ALNUM)),
    "notion": ("nt" + "n_", (46, ALNUM)),
    "atlassian": ("ATA" + "TT3xFfGF0", (180, URLSAFE)),
    "databricks": ("da" + "pi", (32, HEX)),
    "vault": ("hv" + "s.", (90, URLSAFE)),
    "vault old": ("s" + ".", (24, ALNUM)),
    "terraform": ((14, ALNUM), ".atl" + "asv1.", (67, URLSAFE)),
    "doppler": ("dp" + ".pt.", (43, ALNUM)),
    "pulumi": ("pu" + "l-", (40, HEX)),
    "netlify": ("nf" + "p_", (36, ALNUM)),
    "supabase": ("sb" + "p_", (40, HEX)),
    "planetscale": ("psc" + "ale_tkn_", (43, URLSAFE)),
    "postman": ("PM" + "AK-", (24, HEX), "-", (34, HEX)),
    "rubygems": ("ruby" + "gems_", (48, HEX)),
    "hugging face": ("h" + "f_", (34, string.ascii_letters)),
    "replicate": ("r" + "8_", (37, ALNUM)),
    "age": ("AGE-SEC" + "RET-KEY-1", (58, UPPER)),
    "jwt": ("ey" + "J", (33, ALNUM), ".ey" + "J", (60, URLSAFE), ".", (43, URLSAFE)),
    "dynatrace": ("dt0" + "c01.", (24, UPPER), ".", (64, UPPER)),
    "hubspot": ("pat" + "-na1-", (8, HEX), "-", (4, HEX), "-", (4, HEX), "-", (4, HEX), "-", (12, HEX)),
    "figma": ("fig" + "d_", (40, URLSAFE)),
    "groq": ("gs" + "k_", (52, ALNUM)),
    "easypost": ("EZ" + "AK", (54, ALNUM)),
    "buildkite": ("bk" + "ua_", (40, HEX)),
    "tailscale": ("tsk" + "ey-auth-", (12, ALNUM), "-", (30, ALNUM)),
    "openshift": ("sha" + "256~", (43, URLSAFE)),
    "sonar": ("sq" + "u_", (40, HEX)),
    "airtable": ("p" + "at", (14, ALNUM), ".", (64, HEX)),
    "alibaba": ("LT" + "AI", (20, ALNUM)),
    "artifactory": ("AK" + "Cp", (69, ALNUM)),
    "bcrypt": ("$2b" + "$12$", (53, ALNUM)),
    "unknown vendor": ("zq" + "tok_", (40, ALNUM)),
    "bare base64": ((40, ALNUM + "+/"),),
}

_LINES = (
    "{}",
    "using {} for the call",
    'token="{}"',
    "retry failed, credential was {}.",
    '{{"level":"info","msg":"sent {} to peer"}}',
    '{{"body":"{{\\"x\\":\\"{}\\"}}"}}',
    "line one\\n{}\\nline two",
    "curl https://api.example.com/v1/items?page=2&q={}&x=1",
    "\x1b[32m{}\x1b[0m done",
    "'{}', 'b'",
    "<{}|link>",
    "({})",
    "value={};",
    "\u200b{}\u200b",
)

_KEYS = words(
    """
    password DB_PASSWORD dbPassword db-password spring.datasource.password passwd user_pwd
    MYSQL_ROOT_PASSWORD admin_pass PGPASSWORD redisPassword  secret client_secret clientSecret
    APP_SECRET secret_key_base aws_secret_access_key signing-secret SLACK_SIGNING_SECRET webhookSecret
    token auth_token authToken ACCESS_TOKEN refresh_token github-token botToken id_token api_key apiKey
    API_KEY x-api-key apikey X_API_KEY  access_key accessKey private_key privateKey encryption_key
    signingKey credentials storageAccountKey shared_access_key ftp_passphrase
    """
)

_ASSIGNMENTS = (
    "{k}={v}",
    "{k} = {v}",
    '{k}="{v}"',
    "{k}: '{v}'",
    '"{k}": "{v}",',
    '{{"user":"bob","{k}":"{v}","port":5432}}',
    '{{"log":"{{\\"{k}\\":\\"{v}\\"}}"}}',
    "export {k}={v}",
    "  {k}: {v}",
    "2024-05-01T10:00:00Z INFO starting with {k}={v} region=eu-west-1",
    '<property name="{k}" value="{v}"/>',
    "<{k}>{v}</{k}>",
    "'{k}' => '{v}',",
    "Config({k}='{v}', host='db')",
    "GET /cb?state=1&{k}={v}&next=%2F HTTP/1.1",
    "- name: {k}\n  value: {v}",
    "-D{k}={v}",
    "\x1b[36m{k}=\x1b[0m{v}",
    "{{user=bob, {k}={v}, host=db}}",
    "Server=db;User Id=sa;{k}={v};Encrypt=true",
)


def seeded(seed: int) -> random.Random:
    """Return a source of the same samples in every run."""
    return random.Random(seed)  # noqa: S311  nothing here is kept secret


def _drawn(rng: random.Random, parts: tuple[_Part, ...]) -> str:
    return "".join(
        part if isinstance(part, str) else "".join(rng.choices(part[1], k=part[0])) for part in parts
    )


def vendor_samples(rng: random.Random, each: int) -> Iterator[Sample]:
    """Yield *each* samples of every vendor's token, each in another surrounding."""
    for name, parts in VENDOR.items():
        for _ in range(each):
            token = _drawn(rng, parts)
            if token[-1] in "-_":
                token = token[:-1] + "x"
            yield Sample(name, rng.choice(_LINES).format(token), token.split("//")[-1].split("@")[0])


def _password(rng: random.Random) -> str:
    style = rng.randrange(6)
    if style == 0:
        return "".join(rng.choices(ALNUM, k=rng.randint(10, 40)))
    if style == 1:
        return "".join(rng.choices(ALNUM + "!@#$%^*_+-.~", k=rng.randint(10, 24)))
    if style == 2:
        return (
            rng.choice(("Winter", "Dragon", "hunter", "Falcon", "Tr0ub4dor"))
            + str(rng.randint(10, 9999))
            + rng.choice("!x#*")
        )
    if style == 3:
        return "".join(rng.choices(HEX, k=32))
    if style == 4:
        return base64.b64encode(rng.randbytes(24)).decode()
    return (
        "-".join(rng.choice(("blue7", "otter", "Maple3", "stone", "quiz9", "lamp4")) for _ in range(4)) + "7"
    )


def keyword_samples(rng: random.Random, each: int) -> Iterator[Sample]:
    """Yield *each* assignments of a secret for every key name."""
    for key in sorted(_KEYS):
        for _ in range(each):
            value, form = _password(rng), rng.choice(_ASSIGNMENTS)
            if "?" in form:
                value = quote(value, safe="")
            yield Sample(f"{key} in {form}", form.format(k=key, v=value), value)


def on_call_samples(rng: random.Random) -> Iterator[Sample]:
    """Yield the secrets of the systems that an on-call engineer reads about."""
    for _ in range(8):
        h32, h40, word = _drawn(rng, ((32, HEX),)), _drawn(rng, ((40, HEX),)), _drawn(rng, ((18, ALNUM),))
        uuid = "-".join(_drawn(rng, ((n, HEX),)) for n in (8, 4, 4, 4, 12))
        pd = "u" + "+" + _drawn(rng, ((18, ALNUM),))
        b64 = base64.b64encode(f"bob:{word}".encode()).decode()
        r0 = "R0" + _drawn(rng, ((30, UPPER),))
        lines = (
            (f"Authorization: Token token={pd}", pd),
            (f"pagerduty_api_key: {pd}", pd),
            (f'{{"routing_key":"{h32}","event_action":"trigger"}}', h32),
            (f'{{"routing_key": "{r0}", "dedup_key": "srv01/HTTP"}}', r0),
            (f"PD_INTEGRATION_KEY={h32}", h32),
            (f"service_key: {h32}", h32),
            (f"Authorization: GenieKey {uuid}", uuid),
            (f"opsgenie api_key={uuid}", uuid),
            (f"SLACK_SIGNING_SECRET={h32}", h32),
            (f"slack signing secret {h32} rejected", h32),
            (f"DD_API_KEY={h32}", h32),
            (f"DD-APPLICATION-KEY: {h40}", h40),
            (f"postgres://app:{word}@db.internal:5432/orders", word),
            (f"could not connect to postgresql+psycopg://app:{word}@10.0.0.5/orders: timeout", word),
            (f"redis://:{word}@cache:6379/0", word),
            (f"amqps://svc:{word}@mq.internal/vhost", word),
            (f"mongodb+srv://root:{word}@cluster0.abcde.mongodb.net/?retryWrites=true", word),
            (f"jdbc:mysql://db:3306/app?user=root&password={word}&useSSL=false", word),
            (f"Server=tcp:x.database.windows.net;User ID=sa;Password={word};Encrypt=True", word),
            (f"https://bob:{word}@git.example.com/repo.git", word),
            (f"Authorization: Basic {b64}", b64),
            (f"authorization: Bearer {word}{h32}", h32),
            (f"curl -u admin:{word} https://es:9200/_cat", word),
            (f"curl -H 'X-Api-Key: {word}' https://x", word),
            (f"mysql -h db -u root -p{word} orders", word),
            (f"mysqldump --password={word} db", word),
            (f"deploy --token {word} --env prod", word),
            (f"redis-cli -h cache -a {word} ping", word),
            (f"sshpass -p '{word}' ssh root@host", word),
            (f"docker login -u bob -p {word} registry.io", word),
            (f"machine api.example.com login bob password {word}", word),
            (f"db.internal:5432:orders:app:{word}", word),
            (f"Cookie: theme=dark; sessionid={word}{h32}", h32),
            (f"Set-Cookie: sid={h32}; Path=/; HttpOnly", h32),
            (f"CREATE USER app IDENTIFIED BY '{word}'", word),
            (f"ALTER ROLE app WITH PASSWORD '{word}'", word),
            (
                f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={base64.b64encode(rng.randbytes(64)).decode()};",
                "==",
            ),
            (
                f"GET /b?sv=2022&sp=r&sig={quote(base64.b64encode(rng.randbytes(32)).decode(), safe='')}",
                "%3D",
            ),
            (f"https://events.pagerduty.com/integration/{h32}/enqueue", h32),
            (f"https://alert.victorops.com/integrations/generic/20131114/alert/{uuid}/web", uuid),
        )
        for text, secret in lines:
            yield Sample(text[:24], text, secret)
        for name in ("RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY"):
            body = [_drawn(rng, ((64, ALNUM + "+/"),)) for _ in range(6)]
            for joint in ("\n", "\\n", "\n    "):
                whole = joint.join((f"-----BEGIN {name}-----", *body, "Ab3dEf==", f"-----END {name}-----"))
                yield Sample(f"pem {name}", f"key: {whole} loaded", body[3])
                yield Sample(f"cut pem {name}", whole[: len(whole) - 60], body[2])


def survives(sample: Sample, redacted: str) -> bool:
    """Return whether a telling part of the sample's secret (12 characters on end) is still in *redacted*."""
    part = sample.secret
    return any(part[at : at + 12] in redacted for at in range(max(1, len(part) - 11)))
