"""The opaque-token rule: what looks random and has no known innocent shape or key is a secret."""

# ruff: noqa: E501 -- one pattern a line reads better than a wrapped one.
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import log2
from typing import Final

from bot.domain.redaction.finding import Finding, Layer
from bot.domain.redaction.view import View
from bot.domain.redaction.words import words

MIN_LENGTH: Final = 16
MIN_ENTROPY: Final = (
    3.2  # Bits a character; random base62 of 16 characters has about 3.7, words less variety.
)
# Mean length of the pieces (words, numbers) of an identifier; random base62 has about 2, identifiers 4 and more.
_MAX_PIECE: Final = 3.5

_RUN: Final = re.compile(r"(?<![A-Za-z0-9+/_.~-])[A-Za-z0-9+/_.~-]{16,}={0,2}")
_PIECES: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_ATOMS: Final = re.compile(r"[A-Za-z0-9]{10,}")
# What every random token has and most words have not.
_VARIED: Final = re.compile(r"[0-9]|[a-z][A-Z]")
_HEX: Final = re.compile(r"(?:[0-9a-f]{16,}|[0-9A-F]{16,})\Z")
_DIGEST_LENGTHS: Final = frozenset({16, 24, 32, 40, 56, 64, 96, 128})
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{20,}={0,2}\Z")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_INNOCENT: Final = re.compile(
    r"(?:urn:uuid:)?[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"  # UUID
    r"|[0-7][0-9A-HJKMNP-TV-Z]{25}"  # ULID
    r"|0x[0-9a-fA-F]+"
    r"|[a-z]{1,16}-[0-9a-f]{8,17}"  # cloud resources: i-, vpc-, subnet-
    r"|[QRPOE0][0-9A-Z]{12,15}"  # PagerDuty incidents and events
    r"|(?:req|cs|pi|evt|in|ch|sub|cus|prod|price|txn|acct)_[A-Za-z0-9]{8,32}"
    r"|(?:msg|run|thread|asst|chatcmpl|resp|call|file|toolu)[_-][A-Za-z0-9]{8,48}"
    r"|[01]-[0-9a-f]{8}-[0-9a-f]{24}"  # X-Ray trace
    r"|00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"  # traceparent
    r"|[\w.-]{1,80}-g[0-9a-f]{7,40}"  # git describe
    r"|sha(?:1|256|384|512)-[A-Za-z0-9+/]{20,}={0,2}"  # subresource integrity
    r"|[\w.-]{1,80}\.[0-9a-f]{16,32}(?:\.chunk)?\.(?:m?js|css)(?:\.map)?"  # what a bundler writes
    r"|[\dT:.Z+-]{16,}"  # timestamps
    r"|[UWCDGTBFEA][A-Z0-9]{8,12}"  # Slack ids
)
_NAME_CHARS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_TABLED: Final = 512
_N_LOG_N: Final = (0.0, *(n * log2(n) for n in range(1, _TABLED + 1)))
_NO_DIGITS: Final = dict.fromkeys(map(ord, "0123456789"))
_BETWEEN: Final = " \t=:@#/>[](){}\"'`" + "".join(chr(code) for code in range(0xE000, 0xE020))
_SEGMENTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+[0-9]*")
# The last word of a key that names things and guards none.
_INNOCENT_KEYS: Final = words(
    """
    trace span parent request req correlation txn tx transaction commit sha sha1 sha256 sha512 rev
    revision digest etag etags tag tags checksum fingerprint md5 crc uid uuid guid ulid id ids image
    container pod node host hostname instance build version ver ref hash blob layer snapshot volume
    object arn branch blk h1 integrity cid msgid messageid requestid traceid spanid table topic queue
    stream file filename path dir job task class method func function module package process thread name
    names component service namespace metric event type url uri route cache partition shard segment
    chunk offset lsn
    """
)
_INNOCENT_PAIRS: Final = frozenset(
    {"dedup key", "incident key", "idempotency key", "cache key", "object key"}
)
_SECRET_NEARBY: Final = re.compile(
    r"secret|token|(?:api|access|routing|integration|service|account|license|shared|app|master|encryption|auth)[ _.-]?key"
    r"|signing|credential|passw|pwd|bearer|authoriz|pagerduty|datadog|opsgenie|victorops|twilio|heroku|private|webhook"
)


def find_opaque(view: View, found: Sequence[Finding] = ()) -> Iterator[Finding]:
    """Yield the standalone tokens of *view* that look random and that neither shape nor key excuses.

    What lies whole within something *found* already is not looked at again.
    """
    text = view.text
    spans = sorted((finding.start, -finding.end) for finding in found)
    nth, covered = 0, -1
    for run in _RUN.finditer(text):
        start = run.start()
        while nth < len(spans) and spans[nth][0] <= start:
            covered = max(covered, -spans[nth][1])
            nth += 1
        if run.end() <= covered:
            continue
        for begin, stop in _suspects(run.group()):
            if not _excused(view, start, start + begin, start + stop):
                yield Finding(start + begin, start + stop, "opaque", Layer.OPAQUE)


def looks_random(word: str) -> bool:
    """Return whether *word*, letters and digits, is too varied to be words and numbers put together."""
    pieces = _PIECES.findall(word)
    if len(word) > _MAX_PIECE * len(pieces):
        return False
    digits = len(word) - len(word.translate(_NO_DIGITS))
    has_lower, has_upper = not word.isupper(), not word.islower()
    if digits == 0:
        varied = has_lower and has_upper and len(word) >= 20 and len(word) < 2.8 * len(pieces)
    elif has_lower and has_upper:
        varied = True
    else:
        varied = digits >= 3 and len(word) >= MIN_LENGTH and digits < len(word) - 2
    return varied and entropy(word) >= min(MIN_ENTROPY, log2(len(word)) * 0.8)


def entropy(word: str) -> float:
    """Return the Shannon entropy of *word* in bits a character."""
    size = len(word)
    if size > _TABLED:
        return -sum([n / size * log2(n / size) for n in Counter(word).values()])
    # Counting each letter of a short word is several times faster than a Counter.
    return log2(size) - sum([_N_LOG_N[word.count(letter)] for letter in set(word)]) / size


def is_hex(word: str) -> bool:
    """Return whether *word* is a hexadecimal number of 16 digits or more with letters and digits in it."""
    return _HEX.match(word) is not None and not word.isdigit() and not word.isalpha()


def _suspects(word: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of *word*, a run without spaces, that look random; a path, a host or a name has none."""
    core = word.rstrip(".-~/_")
    if len(core) < MIN_LENGTH or core[0] in "/~.":
        # No path ends in "="; one base64 text in 64 begins with a slash.
        if core[0] == "/" and core[-1] == "=" and is_base64_with_slashes(core):
            yield 0, len(core)
        return
    if "/" in core:
        if is_base64_with_slashes(core):
            yield 0, len(core)
        return
    if not _VARIED.search(core) or (
        len(core) >= 36 and _UUID.search(core) and len(_UUID.sub("", core)) < MIN_LENGTH
    ):
        return
    if _INNOCENT.fullmatch(core):
        return
    if "+" in core:
        if is_base64_with_slashes(core) or _has_random_atom(core):
            yield 0, len(core)
        return
    at = 0
    for part in core.split("."):
        if (
            len(part) >= MIN_LENGTH
            and (part is core or not _INNOCENT.fullmatch(part))
            and _has_random_atom(part)
        ):
            yield at, at + len(part)
        at += len(part) + 1


def is_base64_with_slashes(core: str) -> bool:
    """Return whether *core* is random base64 rather than a path, although it has slashes."""
    if not _BASE64.match(core):
        return False
    letters = core.replace("/", "").replace("+", "").rstrip("=")
    words = [
        part
        for part in core.split("/")
        if len(part) >= 4 and (part.islower() or part.istitle()) and part.isalpha()
    ]
    return (
        not words
        and len(letters) >= 20
        and not letters.islower()
        and not letters.isupper()
        and looks_random(letters)
    )


def _has_random_atom(part: str) -> bool:
    bare = part.rstrip("=")
    if is_hex(bare):
        return True
    atoms = _ATOMS.findall(bare)
    for atom in atoms:
        if is_hex(atom):
            prefix = bare[: bare.index(atom)]
            if len(atom) >= 32 and (prefix == "" or (len(prefix) <= 7 and prefix[-1] == "_")):
                return True
        elif (len(atom) >= MIN_LENGTH or _three_classes(atom)) and looks_random(atom):
            return True
    joined = bare.replace("-", "").replace("_", "")
    return (
        len(bare) - len(joined) <= 4 and len(joined) >= 24 and _three_classes(joined) and looks_random(joined)
    )


def _three_classes(word: str) -> bool:
    return not (word.islower() or word.isupper()) and any(char.isdigit() for char in word)


def _excused(view: View, run_start: int, start: int, end: int) -> bool:
    """Return whether what stands around text[start:end] says that it is no secret."""
    text = view.text
    if (run_start and text[run_start - 1] in "/\\") or text[run_start - 2 : run_start] == "/:":
        return True
    before = text[max(0, start - 64) : start]
    before = before[max(before.rfind("\n"), before.rfind("\v")) + 1 :]
    if before.endswith(("@", "SHA256:", "sha256:", "sha512:", "MD5:", "h1:")) or _is_innocent_key(
        _key_before(before)
    ):
        return True
    if not is_hex(text[start:end]) or end - start not in _DIGEST_LENGTHS:
        return False
    return _SECRET_NEARBY.search(view.lower[start - len(before) : start][-48:]) is None


def _key_before(before: str) -> str:
    """Return the name that *before* ends with, the signs between it and its value left out."""
    bare = before.rstrip(_BETWEEN)
    return bare[len(bare.rstrip(_NAME_CHARS)) :]


def _is_innocent_key(key: str) -> bool:
    segments = [segment.lower() for segment in _SEGMENTS.findall(key)[-2:]]
    return bool(segments) and (segments[-1] in _INNOCENT_KEYS or " ".join(segments) in _INNOCENT_PAIRS)
