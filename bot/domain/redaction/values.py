"""Values: where one ends, and whether it is a secret or only stands where one could."""

# ruff: noqa: E501 -- one pattern a line reads better than a wrapped one.
import re
from dataclasses import dataclass
from typing import Final

from bot.domain.redaction.keys import Claim
from bot.domain.redaction.opaque import entropy, is_base64_with_slashes, is_hex, looks_random
from bot.domain.redaction.view import INERT, QUOTES
from bot.domain.redaction.words import words

# A value is judged by its beginning, so that a long run of keys is not read once for each key.
_JUDGED: Final = 256
_BARE: Final = re.compile(rf"[^\s{QUOTES}<>]{{1,{_JUDGED}}}")
_REST: Final = re.compile(rf"[^\s{QUOTES}<>]*")
# Where a bare value ends although no space does: the next pair of a query, a connection string or a list.
_NEXT_PAIR: Final = re.compile(r"&(?=[\w.\[\]-]{1,64}=)|[;,|](?=[\s]*[\w.-]{1,64}\s*[=:])|;(?=\s*$)")
# A block of YAML: the value is on the lines below, as far as they are indented.
_BLOCK: Final = re.compile(r"[|>][+-]?[ \t]{0,8}\n(?P<i>[ \t]{1,40})(?P<v>\S[^\n]*(?:\n(?P=i)[^\n]*){0,200})")
_WORDS_AFTER: Final = re.compile(r"[A-Za-z0-9 \t-]*")
_TRAILING: Final = ".,;:"
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}

_PLACEHOLDER: Final = re.compile(
    r"[*xX•.…#_\-?+=/|\\!%~\s]+"
    r"|<[^<>]*>?|\$\{.*|\{\{.*|\{%.*|\{[A-Za-z_.]*\}|\$\(.*|\$[A-Za-z_]\w*|%\(?[A-Za-z_]+\)?s?%?|@[A-Za-z_.]+@|__\w+__"
    r"|[\[(]?(?:redacted|filtered|masked|hidden|secret|removed|sensitive|scrubbed|omitted|protected|none|null|empty|unset)[^\n]{0,12}[\])]"
    r"|(?:\[?\*{2,}.*)"
    r"|(?:process\.env|os\.environ|os\.getenv|env|vars?|local|data|params?|secrets?|module|each|self|config|settings|this|args|options|opts)[.\[(].*"
    r"|secret:[A-Za-z][\w.-]*|(?:ref\+|vault:|ssm:|arn:|op://|sm://|gcp:|awssm:|file:|env:|projects/|/run/secrets/|/var/run/secrets/).*"
    r"|your[-_ ].*|my[-_](?:password|secret|token|key)|<?insert.*|replace.?me.*|todo|tbd|dummy|placeholder.*|x{3,}.*"
    r"|ENC\(.*|AQICA.*|\d{1,4}"
)
_WORDS: Final = words(
    """
    true false yes no on off null nil none undefined n/a na ok okay failed failure fail success
    succeeded successful expired invalid valid missing required optional empty unset set not is was are
    be been must should can could may will would has have had do does did the a an of for to from in at
    by with and or but if when while until it this that your my our their use using used please enter
    wrong incorrect correct denied accepted rejected revoked rotated mounted unmounted updated created
    deleted changed unchanged found unknown error errors warning info debug trace enabled disabled
    active inactive pending running done complete completed available unavailable refused granted
    allowed forbidden unauthorized authenticated unauthenticated authorization authentication auth login
    logout user username admin root anonymous basic bearer digest negotiate ntlm kerberos plain md5
    scram scram-sha-256 oauth oauth2 oidc saml ldap pam cert certificate password passwd token secret
    key string str int bool boolean bytes text varchar object array any number char default auto manual
    internal external public private readonly read write plaintext encrypted unencrypted hashed masked
    redacted hidden same different mismatch mismatched match matched reset resetting retry retrying
    refresh refreshed refreshing renewed renewing rotating rotation loading loaded reload reloaded sent
    received generated generating parsed unparsable malformed unexpected expected too no_data eof end
    start begin nullptr opaque random file env vault ssm kms aws gcp azure kubernetes k8s helm consul
    database see here below above now still already again only also never always later soon today
    yesterday rsa dsa ecdsa ed25519 publickey keyboard-interactive configmap configured unconfigured
    present absent provided specified unspecified supplied omitted skipped ignored blank nothing
    something unlimited exceeded limit reached timeout timed service process request response session
    cookie header query body path form json xml html
    """
)
_DIGIT: Final = re.compile(r"[0-9]")
_PIECES: Final = re.compile(r"[A-Za-z]+|[0-9]+")
_SIMPLE_WORD: Final = re.compile(r"[A-Za-z]+[.,;:!?)]*")
# Words in any usual spelling, with numbers only as words of their own: `default/db-creds-v2`, `AppTokenStore`.
_NAME_LIKE: Final = re.compile(
    r"(?:[A-Z]+|[A-Z]?[a-z]+(?:[A-Z][a-z]{2,})*)"
    r"(?:[-_./:@ ](?:[A-Z]+|v?\d{1,3}|k8s|[A-Z]?[a-z]+(?:[A-Z][a-z]{2,})*))*[/.:*,]?"
)
_SCREAMING: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_CALL: Final = re.compile(r"[A-Za-z_][\w.]*\(.*")
_PATH: Final = re.compile(
    r"(?:[A-Za-z]:\\|~?/|\./|\.\./)[\w./\\ -]*\.?\w*|[a-z][a-z0-9+.-]{1,16}://[^@\s]*|\w+\.(?:ya?ml|json|env|pem|key|crt|txt|py|go|js|java|rb):?\d*"
)
_NUMBER: Final = re.compile(r"[-+]?[\d.,:_]+(?:ms|s|m|h|d|kb|mb|gb|%|k|b)?", re.IGNORECASE)
_INNOCENT: Final = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|0x[0-9a-fA-F]+|[0-7][0-9A-HJKMNP-TV-Z]{25}|(?:SHA256|MD5|sha256|sha1):.*"
)


@dataclass(frozen=True, slots=True)
class Value:
    """A value at text[start:end], without its quotes."""

    start: int
    end: int
    quoted: bool

    def whole(self, text: str) -> "Value":
        """Return the value up to its real end, where only its beginning was judged."""
        if self.quoted or self.end - self.start < _JUDGED - 8:
            return self
        rest = _REST.match(text, self.end)
        end = rest.end() if rest else self.end
        cut = _NEXT_PAIR.search(text, self.end, end + 1)
        return Value(self.start, cut.start() if cut and cut.start() < end else end, self.quoted)

    def to_line_end(self, text: str) -> "Value":
        """Return the value with all the words that follow it on its line: a passphrase has spaces."""
        line = _WORDS_AFTER.match(text, self.end)
        return Value(self.start, line.end() if line else self.end, self.quoted)


def value_at(text: str, at: int) -> Value:
    """Return the value that begins at text[at]: up to its own closing quote, or up to where a bare value ends."""
    if at < len(text) and text[at] in _OPENING:
        return _quoted(text, at)
    if text.startswith(("b'", 'b"', "u'", 'u"', "r'", 'r"', 'f"', '@"'), at):
        return _quoted(text, at + 1)
    if block := _BLOCK.match(text, at):
        return Value(block.start("v"), block.end("v"), quoted=False)
    bare = _BARE.match(text, at)
    if bare is None:
        return Value(at, at, quoted=False)
    word = bare.group()
    cut = _NEXT_PAIR.search(word + text[bare.end() : bare.end() + 1])
    end = at + cut.start() if cut and cut.start() < len(word) else bare.end()
    return Value(at, _without_trailing(text, at, end), quoted=False)


_OPENING: Final = frozenset("\"'`" + "".join(chr(code) for code in range(0xE000, 0xE020)))


def _quoted(text: str, at: int) -> Value:
    quote = text[at]
    close = text.find(quote, at + 1, at + 16 * _JUDGED)
    if close < 0 or "\n" in text[at:close]:
        # The closing quote was cut off, so the value may reach to the end of the line.
        bare = _BARE.match(text, at + 1)
        return Value(at + 1, bare.end() if bare else at + 1, quoted=False)
    return Value(at + 1, close, quoted=True)


def _without_trailing(text: str, start: int, end: int) -> int:
    while end > start:
        last = text[end - 1]
        if last in _TRAILING or (last in _PAIRS and _PAIRS[last] not in text[start:end]):
            end -= 1
        else:
            break
    return end


def is_secret_value(text: str, claim: Claim, *, loose: bool, quoted: bool, following: str) -> bool:
    """Return whether *text*, the value of a key with this *claim*, is a secret.

    *loose* says that a space stands before it, as in prose; *following* is what comes after it.
    """
    if claim is Claim.HINT and _DIGIT.search(text) is None:
        return False
    value = text.strip().strip("\"'")
    if not value.replace(INERT, "").strip(" .,;:-_/|()[]{}=&\"'"):
        return False
    if INERT in value and not any(char.isalnum() for char in value.replace(INERT, "")):
        return False
    if _PLACEHOLDER.fullmatch(value) and not (
        claim is Claim.PASSWORD and value.isdigit() and len(value) >= 4
    ):
        return False
    if value.lower().rstrip(".,;:!?)") in _WORDS or (_CALL.fullmatch(value) and not quoted):
        return False
    if claim is Claim.PASSWORD:
        return _is_password(value, loose=loose, following=following)
    if _PATH.fullmatch(value) and not _looks_mixed(value):
        return False
    if claim is Claim.TOKEN:
        return _is_token(value, loose=loose, quoted=quoted)
    return _is_random_value(value)


def _is_password(value: str, *, loose: bool, following: str) -> bool:
    if len(value) < 3 or (value[0] == "/" and _PATH.fullmatch(value)):
        return False
    in_prose = loose and _SIMPLE_WORD.fullmatch(value) is not None
    return not (in_prose and re.match(r"[ \t]+[A-Za-z]{2,}(?![\w]*[=:])", following))


def _is_token(value: str, *, loose: bool, quoted: bool) -> bool:
    if len(value) < 4 or (_NUMBER.fullmatch(value) and (loose or len(value) < 6)):
        return False
    if _INNOCENT.fullmatch(value) and value.startswith(("0x", "SHA", "MD5")):
        return False
    if _SCREAMING.fullmatch(value):
        return False
    if _NAME_LIKE.fullmatch(value) and not _looks_mixed(value):
        # "token: expired", "secret=default/db-creds": words, and no one's secret unless quoted and long.
        return (
            quoted
            and not loose
            and " " not in value
            and len(value) >= 8
            and "/" not in value
            and "." not in value
        )
    return not (loose and " " in value)


def _looks_mixed(value: str) -> bool:
    letters = re.sub(r"[^A-Za-z0-9]", "", value)
    return looks_random(letters) or (len(letters) >= 16 and is_hex(letters))


def _is_random_value(value: str) -> bool:
    if len(value) < 12 or " " in value or _INNOCENT.fullmatch(value) or _NUMBER.fullmatch(value):
        return False
    compact = re.sub(r"[^A-Za-z0-9]", "", value)
    if is_hex(compact) and compact == value:
        return True
    if "." in value or (value.count("/") > 2 and not is_base64_with_slashes(value)):
        return False
    one_word = (
        compact == value and len(value) >= 20 and len(_PIECES.findall(value)) >= 5 and not value.isdigit()
    )
    return (one_word or looks_random(compact)) and entropy(value) >= 3.0
