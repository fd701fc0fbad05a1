"""Secrets that stand in a known place: headers, addresses, command lines, password files."""

# ruff: noqa: E501  one pattern a line reads better than a wrapped one
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from bot.domain.redaction.finding import Finding, Layer
from bot.domain.redaction.keys import Claim
from bot.domain.redaction.opaque import is_hex, looks_random
from bot.domain.redaction.values import is_secret_value, value_at
from bot.domain.redaction.view import INERT, QUOTES, View


class _Context(NamedTuple):
    """A place: the words of which one must be in the text, and the pattern that ends where the value begins."""

    kind: str
    marks: tuple[str, ...]
    place: "re.Pattern[str]"
    claim: Claim
    bounded: bool = False  # The group v is the value; otherwise the value is read from the end of the match.


_Q: Final = f"[{QUOTES}]?"

# Where it can, a pattern begins with plain letters and looks behind only after them: those are searched for fast.
_CONTEXTS: Final = (
    _Context(
        "credential",
        ("authorization",),
        re.compile(
            rf"authorization[{QUOTES}]?[ \t]{{0,4}}[:=,][ \t]{{0,4}}{_Q}(?:\[{_Q})?"
            r"(?:(?:basic|bearer|token|oauth|negotiate|ntlm|api-?key|geniekey|ssws|key|splunk|digest|bot|apikey-v1|discourse)[ \t]{1,4})?"
            rf"(?:token[ \t]{{0,2}}[=:][ \t]{{0,2}}{_Q})?(?P<v>[\w.~+/=:|@!$%^*#-]{{6,}})"
        ),
        Claim.TOKEN,
        bounded=True,
    ),
    _Context("credential", ("bearer ",), re.compile(r"bearer(?<![a-z0-9]bearer)[ \t]{1,4}(?P<v>[\w.~+/=-]{8,})"), Claim.TOKEN, bounded=True),
    _Context("credential", ("basic ",), re.compile(r"basic(?<![a-z0-9]basic)[ \t](?P<v>[A-Za-z0-9+/]{12,}={0,2})"), Claim.HINT, bounded=True),
    _Context("credential", ("geniekey ",), re.compile(r"geniekey[ \t]{1,4}(?P<v>[\w-]{8,})"), Claim.PASSWORD, bounded=True),
    _Context("credential", ("token token=",), re.compile(r"token token="), Claim.TOKEN),
    _Context(
        "cookie",
        ("cookie",),
        re.compile(rf"(?<![a-z_])(?:set-)?cookie[{QUOTES}]?[ \t]{{0,4}}:[ \t]{{0,4}}{_Q}(?P<v>[\w.-]{{1,64}}=[^{QUOTES}\n\v]+)"),
        Claim.PASSWORD,
        bounded=True,
    ),
    _Context(
        "url_password",
        ("://",),
        re.compile(r"://[^\s:/?#\"'<>]{0,128}:(?!\d{1,5}/)(?P<v>[^\s/\"'<>]{1,256})@|://[^\s:/@?#\"'<>]{1,128}:(?!\d{1,5}/)(?P<w>[^\s@\"'<>]{1,256})@(?=[\w.-]{1,128}(?::\d|/|$|\s))"),
        Claim.PASSWORD,
        bounded=True,
    ),
    _Context("url_password", ("://",), re.compile(r"://(?P<v>[\w.~-]{16,256})(?::[\w-]{0,64})?@"), Claim.HINT, bounded=True),
    _Context("password", (" -u", "-user"), re.compile(rf"[ \t](?:-u|--user|--proxy-user)[ =]?{_Q}[\w.@\\-]{{1,64}}:(?P<v>[^\s{QUOTES}]{{1,256}})"), Claim.PASSWORD, bounded=True),
    _Context("password", ("smbclient", "rpcclient", "net "), re.compile(rf"-u[ ]?{_Q}[\w.\\@-]{{1,64}}%(?P<v>[^\s{QUOTES}]{{1,256}})"), Claim.PASSWORD, bounded=True),
    _Context("password", ("--",), re.compile(r"-(?<![\w-]-)-?(?:[a-z0-9]{1,24}[-_.]){0,3}(?:password|passwd|passphrase|pass|pwd|pw|requirepass|http-password)[ \t]{1,4}(?=[^\s-])"), Claim.PASSWORD),
    _Context("token", ("--",), re.compile(r"-(?<![\w-]-)-?(?:[a-z0-9]{1,24}[-_.]){0,3}(?:token|secret|api-?key|access-?key|secret-?key|auth-?key|apikey|private-?key|signing-?secret|credential)[ \t]{1,4}(?=[^\s-])"), Claim.TOKEN),
    _Context("password", ("mysql", "mariadb"), re.compile(r"(?:mysql|mariadb)[\w-]{0,16}[ \t][^\n|;]{0,120}?(?<=\s)-p(?=[^\s-])"), Claim.PASSWORD),
    _Context("password", ("sshpass",), re.compile(r"sshpass[ \t]{1,4}-p[ \t]{0,4}"), Claim.PASSWORD),
    _Context("password", ("login",), re.compile(r"(?:docker|podman|helm|az|oc|nerdctl|crane|skopeo|registry)[ \t][\w \t-]{0,24}login[^\n]{0,120}?[ \t]-p[ \t=]{1,4}"), Claim.PASSWORD),
    _Context("password", ("redis-cli",), re.compile(r"redis-cli[^\n]{0,120}?[ \t]-a[ \t]{1,4}"), Claim.PASSWORD),
    _Context("password", ("ldap",), re.compile(r"ldap(?:search|modify|add|delete|whoami|passwd)[^\n]{0,160}?[ \t]-w[ \t]{1,4}"), Claim.PASSWORD),
    _Context("password", ("sqlcmd", "bcp ", "isql"), re.compile(r"(?:sqlcmd|bcp|isql)[ \t][^\n]{0,120}?[ \t]-p[ \t]{0,4}"), Claim.PASSWORD),
    _Context("password", ("pass:",), re.compile(r"-pass(?:in|out)?[ \t]{1,4}pass:"), Claim.PASSWORD),
    _Context("password", ("requirepass", "masterauth", "rootpw"), re.compile(r"(?:requirepass|masterauth|rootpw)[ \t]{1,4}(?:--(?:plaintext|iscrypted)[ \t]{1,4})?"), Claim.PASSWORD),
    _Context("password", ("auth\"",), re.compile(r"\"auth\"[ \t](?:\"[\w-]{1,64}\"[ \t](?=\"))?"), Claim.PASSWORD),
    _Context("password", ("identified by",), re.compile(r"identified[ ]by[ \t]{1,4}(?:password[ \t]{1,4})?"), Claim.PASSWORD),
    _Context("password", ("password ", "passwd "), re.compile(rf"(?:password|passwd)[ \t]{{1,4}}(?=[{QUOTES}])"), Claim.PASSWORD),
    _Context("password", ("password ",), re.compile(r"(?:login|user|username)[ \t]{1,4}\S{1,64}\s{1,8}(?:password|secret)[ \t]{1,4}(?:[057][ \t]{1,4})?"), Claim.PASSWORD),
    _Context("password", ("password ", "secret "), re.compile(r"(?:enable|username[ \t]\S{1,32})[ \t]{1,4}(?:password|secret)[ \t]{1,4}(?:[0-9][ \t]{1,4})?"), Claim.PASSWORD),
    _Context("password", ("chpasswd",), re.compile(rf"echo[ \t]{{1,4}}{_Q}[\w.-]{{1,32}}:(?P<v>[^\s{QUOTES}]{{1,128}}){_Q}[ \t]{{0,4}}\|[ \t]{{0,4}}(?:sudo[ ])?chpasswd"), Claim.PASSWORD, bounded=True),
    _Context("password", ("mongo",), re.compile(r"mongo\w{0,12}[ \t][^\n|;]{0,80}?(?<=\s)-u[ \t][^\n|;]{0,80}?(?<=\s)-p[ \t]{1,4}(?=[^\s-])"), Claim.PASSWORD),
    _Context("password", ("ipmitool",), re.compile(r"ipmitool[ \t][^\n|;]{0,120}?(?<=\s)-p[ \t]{1,4}(?=[^\s-])"), Claim.PASSWORD),
    _Context("password", ("htpasswd",), re.compile(r"htpasswd[ \t]{1,4}-[a-z]{0,6}b[a-z]{0,6}[ \t]{1,4}\S{1,128}[ \t]{1,4}\S{1,64}[ \t]{1,4}"), Claim.PASSWORD),
    _Context("password", ("net use",), re.compile(r"net[ ]use[ \t][^\n]{0,120}?/user:\S{1,64}[ \t]{1,4}(?=[^\s/])"), Claim.PASSWORD),
    _Context("password", ("storepass", "keypass"), re.compile(r"-(?:dest|src)?(?:store|key)pass[ \t]{1,4}(?=[^\s-])"), Claim.PASSWORD),
    _Context("url_password", (":thin:", ":oci:", "sqlplus ", "sqlldr ", "expdp ", "impdp "), re.compile(r"(?:thin:|oci:|(?:sqlplus|sqlldr|expdp|impdp)[ \t](?:-[sl][ \t])?)[\w$#.-]{1,64}/(?P<v>[^\s@/\"']{1,128})@"), Claim.PASSWORD, bounded=True),
    _Context("url_password", ("@tcp(", "@tcp6(", "@unix(", "@cloudsql("), re.compile(r":(?P<v>[^\s\"'<>]{1,128}?)@(?:tcp6?|unix|cloudsql)\("), Claim.PASSWORD, bounded=True),
    _Context("password", ("mot de passe", "contrase", "senha", "wachtwoord"), re.compile(r"(?:mot[ ]de[ ]passe|contrase\w{1,2}a|senha|wachtwoord)[ ]?[:=][ \t]{0,4}"), Claim.PASSWORD),
    # People say it in words. Such a value must be no plain word: "password set to expire".
    _Context("password", ("password ", "passphrase "), re.compile(r"(?:password|passphrase)[ ](?:(?:is|was|has|been|now)[ ]){0,2}(?:changed|reset|set|rotated|updated)[ ]to:?[ \t]{1,4}"), Claim.TOKEN),
    _Context("password", ("password for ", "password of "), re.compile(r"password[ ](?:for|of)[ ](?:(?:the|user|account)[ ]){0,2}[\w.@'-]{1,64}(?:[ ](?:is|was):?|[ ]?[:=])[ \t]{1,4}"), Claim.TOKEN),
    _Context("password", ("new ", "temp ", "temporary ", "initial ", "old "), re.compile(r"(?:new|temp|temporary|initial|old)[ ](?:[a-z]{1,16}[ ])?password[ ](?P<v>[a-z](?=[^\s\d]{0,60}\d)[\w!@#$%^&*+.-]{5,63})(?=[\s,;)]|$)"), Claim.TOKEN, bounded=True),
    _Context("password", (":5432:", ":*:", ":6432:", ":5433:"), re.compile(r"(?m)^(?:[\w.-]{1,128}|\*):(?:\d{2,5}|\*):[\w.*-]{1,64}:[\w.*-]{1,64}:(?P<v>[^\s:]\S{2,256})$"), Claim.PASSWORD, bounded=True),
    _Context("token", ("env ", "export ", "set ", "setenv "), re.compile(r"[es](?<![\w-].)(?:nv|xport|etenv|et)[ \t]{1,4}[a-z0-9_]{0,40}(?:password|passwd|secret|token|api_?key|access_?key)[a-z0-9_]{0,16}[ \t]{1,4}(?=[^\s=])"), Claim.TOKEN),
    _Context("token", ("signing secret", "routing key", "integration key", "service key", "api key", "license key"), re.compile(r"(?:signing[ ]secret|(?:routing|integration|service|api|license)[ ]key)[ \t]{1,4}(?P<v>[\w+/=-]{16,})"), Claim.HINT, bounded=True),
    _Context("otp", ("ication code", "time code", "time passcode", "rity code", "2fa code", "mfa code", "login code", "otp code"), re.compile(r"(?:verification|one[- ]time|security|2fa|mfa|login|otp)[ -](?:pass)?code(?:[ ]is)?[ \t]{0,2}:?[ \t]{1,2}(?P<v>\d{6,8})(?!\d)"), Claim.PASSWORD, bounded=True),
)  # fmt: skip

# What follows "Bearer" in prose and in WWW-Authenticate.
_NOT_A_TOKEN: Final = re.compile(
    r"(?:realm|error|scope|error_description|authorization_uri|format|charset)=?.*", re.IGNORECASE
)
_BY_MARK: Final = tuple((mark, context) for context in _CONTEXTS for mark in context.marks)
KINDS: Final = frozenset(context.kind for context in _CONTEXTS) | {
    "connection_string",
    "secret",
    "api_key",
    "key",
}


def find_contexts(view: View) -> Iterator[Finding]:
    """Yield the secrets of *view* that a place gives away."""
    lower = view.lower
    # One plain look for each mark: most lines have none, and this loop is all they cost.
    for mark, context in _BY_MARK:
        if mark in lower:
            yield from _findings(view, context)


def _findings(view: View, context: _Context) -> Iterator[Finding]:
    taken = 0
    for match in context.place.finditer(view.lower):
        if match.start() < taken:
            continue
        start, end = _span(view, context, match)
        text = view.text[start:end]
        if _is_secret(context, text, view.text[end : end + 24]):
            taken = end
            yield Finding(start, end, context.kind, Layer.CONTEXT)


def _span(view: View, context: _Context, match: "re.Match[str]") -> tuple[int, int]:
    if not context.bounded:
        value = value_at(view.text, match.end())
        value = value.whole(view.text)
        return value.start, value.end
    start, end = match.span("v")
    if start < 0:
        start, end = match.span("w")
    if context.kind == "cookie" and "set-cookie" in match.group():
        # The attributes (Path, Expires) tell an engineer something and no secret.
        semicolon = view.text.find(";", start, end)
        end = semicolon if semicolon > 0 else end
    return start, end


def _is_secret(context: _Context, text: str, following: str) -> bool:
    if context.kind == "credential":
        plain = text.replace(INERT, "")
        if len(plain) < 6 or _NOT_A_TOKEN.fullmatch(plain):
            return False
        return (
            any(map(str.isdigit, plain))  # First, since it costs least and most have one.
            or (len(plain) >= 16 and not plain.islower())
            or looks_random(plain)
        )
    if context.kind == "url_password" and context.claim is Claim.HINT:
        return is_hex(text) or looks_random(text.replace("-", "").replace("_", ""))
    loose = context.claim is not Claim.PASSWORD
    return is_secret_value(
        text, context.claim, loose=loose and not context.bounded, quoted=False, following=following
    )
