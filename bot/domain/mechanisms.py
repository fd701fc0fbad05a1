"""How changes make trouble: what people then say, and the words of a change that sets it going.

The lists are general English of software and operations. Words of one product, company or data set do not
belong here.
"""

import re
from dataclasses import dataclass
from typing import Final

_NOT = (
    r"(?:(?:do|does|did|is|are|was|were|can|could|wo|will|has|have) ?n(?:['\u2019]?t|ot)"
    r"|(?:are|is|does|do|did|was|were|have|has|will|can) not"
    r"|cannot|no longer|never|fails? to|stopped|unable to)"
)
"""How people say that something does not happen; `~` stands for it below."""


@dataclass(frozen=True)
class Mechanism:
    """One way in which changes make trouble."""

    name: str
    told: re.Pattern[str]
    """What the symptoms say, in lower case."""
    does: frozenset[str]
    """Words of a change that sets it going."""
    sentence: str
    """What such a change does, for people."""


def _mechanism(name: str, sentence: str, told: tuple[str, ...], does: tuple[str, ...]) -> Mechanism:
    pattern = "|".join(told).replace("~", _NOT)
    return Mechanism(name, re.compile(rf"\b(?:{pattern})"), frozenset(" ".join(does).split()), sentence)


MECHANISMS: Final = (
    _mechanism(
        "expiry",
        "it changes how long something stays valid",
        (
            r"logged out|log(s|ged)? (me |them |us )?out|kicked out|sign(ed|s)? out",
            r"asked (for|to) .{0,20}(password|log)|again and again|after a (while|few)|session",
            r"every few|expir|empties|reset(s)? itself|disappear|keeps? (dropping|losing)",
            r"go(es)? offline",
        ),
        (
            "ttl expiry expire expires exp lifetime session cookie jwt token timeout idle keepalive max",
            "evict eviction samesite lru maxmemory retention duration age",
        ),
    ),
    _mechanism(
        "stale",
        "it changes how fresh the data is",
        (
            r"~ (been |be |get )?(updat|refresh|chang|sync)|stale|outdated|out of date",
            r"old(er)? (data|version|value|price|stor|content|page)|yesterday",
            r"not (been )?(updat|refresh)|still (show|see|display)|newly",
            r"new .{0,25}(not (found|shown|visible)|missing)|not find|lag(s|ging)? behind",
            r"since (noon|morning|midnight)|finished|already",
        ),
        (
            "cache cached caching ttl replica snapshot refresh refresh_interval index indexer revalidate",
            "cdn sync websocket interval polling poll feed stale purge invalidate invalidation nightly",
            "nearline every",
        ),
    ),
    _mechanism(
        "twice",
        "it changes retries, locks or the check for duplicates",
        (
            r"twice|double|duplicat|three times|several times|multiple times|again and again",
            r"repeat|same .{0,20}(again|times)|two (times|copies)",
        ),
        (
            "retry retries attempt attempts idempotency idempotent dedup dedupe dedupl lock mutex ack",
            "unique parallel parallelise parallelize concurrency workers worker replacement redelivery",
            "transaction window at-least-once",
        ),
    ),
    _mechanism(
        "refused",
        "it makes something stricter",
        (
            r"cannot|can ?['\u2019]?t|unable",
            r"~ (be |get )?(able|possible|allowed|accept|work|connect|save|submit|upload)",
            r"~ (post|send|pay|add|open|create|register|start)",
            r"reject|declin|denied|refus|invalid|not valid|forbidden|403|422|400\b|does nothing",
            r"won'?t|unauthori[sz]ed|blocked|not (get|be)",
        ),
        (
            "validate validation validator regex strict stricter require required requires enforce must",
            "policy permission role scope verify check sanitise sanitize whitelist allowlist block limit",
            "threshold rule tighten signature mtls reject deny unique constraint null max maximum size",
            "limits limited only mandatory disable disallow",
        ),
    ),
    _mechanism(
        "too large",
        "it changes how much is allowed",
        (
            r"large|big(ger)?|huge|\d+ ?(mb|gb|kb|meg)|413|long (list|file|text|name|video)",
            r"more than \d|after \d+ (rows|items|entries)|stops? (after|at)|hang.{0,12}\d+ ?%|many",
        ),
        (
            "max maximum limit size body chunk page pagination multipart quota parts buffer cap",
            "annotations batch upload pool",
        ),
    ),
    _mechanism(
        "slow",
        "it changes how much work a request takes",
        (
            r"slow|slug|latency|takes? (more|ages|forever|long|minutes|too)|taking|forever|hang",
            r"spin|timeout|timed out|time(s)? out|unresponsive|lag|buffering|stuck|freez",
            r"load(s|ing)? (very|for|too)|minutes to|seconds to",
        ),
        (
            "sync synchronous synchronously sequential sequentially serial query index join n+1 loop cache",
            "gzip compress pool timeout batch preload eager include scan scrape one worker single proxy",
            "regex all depth bracket lock upfront full",
        ),
    ),
    _mechanism(
        "late",
        "it changes how things are queued or sent",
        (
            r"late\b|delay|arrive|hours? (late|behind|later)|lag|backlog|behind",
            r"~ (been |be |get )?(arriv|receiv|got|get|come|sent|send|deliver|reach)",
            r"~ (been |be |get )?(going out|go out|run|process|start|trigger|fire|execut)",
        ),
        (
            "queue worker batch flush buffer ack consumer topic prefetch commit one interval schedule cron",
            "digest throttle rate poll offset subscriber partition smtp relay provider endpoint",
            "credentials key starttls",
        ),
    ),
    _mechanism(
        "amount",
        "it changes how amounts are worked out",
        (
            r"amount|total|price|charged|cent|wrong (sum|number|value|figure|balance|price)",
            r"too (low|high|much|little)|calculat|off by|zero|free|interest|differ|negative|tax",
            r"discount|fee",
        ),
        (
            "round rounding integer int float decimal division divide multiply rate tariff currency cents",
            "precision quantize bigdecimal formula calc calculation discount tax default sum multiplier",
            "unit",
        ),
    ),
    _mechanism(
        "clock",
        "it changes how dates or times are handled",
        (
            r"hour|day (early|late|before|after)|(one|a) day|early|time ?zone|midnight|\dam",
            r"at night|tonight|nightly|dst|daylight|wrong (time|date|day)|leap|dated",
            r"off by .{0,12}(hour|day|min)",
        ),
        (
            "timezone tz utc date datetime time cron cronjob schedule naive dst clock calendar dtstart",
            "zoneinfo moment days day year localtime",
        ),
    ),
    _mechanism(
        "blank",
        "it changes what is filtered, mapped or shown",
        (
            r"blank|empty|missing",
            r"~ (be )?(show|load|visible|display|appear|see\b|seen|render|open|there|find|play)",
            r"no (data|item|result|sound|image|picture|content|list)|disappear|vanish|gone|gap",
            r"undefined|null\b|nothing (is|to)|does not (load|show)|lost|lose|without",
        ),
        (
            "filter null default empty optional serialize serializer template variable mapping alias",
            "rename path lazy async render exclude_unset where skip filtered archived condition delete",
            "drop retention engine key include hydrate asset static threshold hold",
        ),
    ),
    _mechanism(
        "others' data",
        "it changes what is shared between users",
        (
            r"(some(one|body)|other|another)('s|s)? ?(else|user|customer|tenant|people|person)",
            r"(other|another)('s|s)? ?(account|player|company)",
            r"wrong (user|customer|account|person|device|tenant|recipient)",
            r"not (theirs|their own|mine)|visible to|see each other|mixed up",
        ),
        (
            "cache cached cdn static shared reuse singleton tenant filter key prefix session mask masking",
            "policy global pool scope topic",
        ),
    ),
    _mechanism(
        "memory",
        "it changes how much is kept in memory",
        (r"memory|oom|heap|leak|killed|ram\b",),
        (
            "cache buffer load preload memory keep list pool all upfront matrix heap unbounded stream",
            "batch limit in-process map",
        ),
    ),
    _mechanism(
        "connections",
        "it changes how connections are made or kept",
        (
            r"too many connection|connection|disconnect|offline|reconnect|drop(s|ping)? (out|conn)",
            r"no internet|cannot connect|can'?t connect|handshake|unreachable",
        ),
        (
            "pool pgbouncer keepalive idle timeout tls mtls cert client connections direct directly dns",
            "host endpoint proxy cipher cluster max allocation evict",
        ),
    ),
    _mechanism(
        "quality",
        "it changes encoding or quality",
        (
            r"pixel|blur|quality|distort|no sound|sound|audio|out of sync|garbl|noise|buffering",
            r"resolution|stutter",
        ),
        (
            "quality bitrate ladder resolution codec audio profile rendition compression compress segment",
            "pts resize jpeg opus",
        ),
    ),
    _mechanism(
        "characters",
        "it changes how characters are handled",
        (
            r"umlaut|accent|character|question mark|garbled|emoji|special|encoding|letters|chinese",
            r"japanese|names? with|apostroph",
        ),
        (
            "encoding charset collation utf8 latin1 ascii regex sanitise sanitize unicode normalize",
            "folding escape a-z",
        ),
    ),
    _mechanism(
        "login",
        "it changes how people are recognised",
        (
            r"log ?in|login|sign ?in|sign ?up|password|redirect loop|sso|verification|2fa|tan\b",
            r"code is|locked out|authenticat|401",
        ),
        (
            "jwt token session cookie samesite oauth oidc saml sso key jwks captcha otp sms password hash",
            "redirect issuer audience signing auth identity login",
        ),
    ),
    _mechanism(
        "everybody let in",
        "it changes who is let in",
        (
            r"(lets?|let) .{0,15}(in|through)|free (access|of charge)|without paying|unpaid",
            r"everybody|anyone|bypass|not enforced|still see ad",
        ),
        (
            "fail open bypass default skip cache meter timeout entitlements entitlement plan policy allow",
            "anonymous guard",
        ),
    ),
    _mechanism(
        "redirected",
        "it changes paths or redirects",
        (r"404|not found|broken link|redirect|wrong page|loop",),
        (
            "route routes path url rewrite redirect base prefix ingress slug replica samesite location",
            "host alias",
        ),
    ),
    _mechanism(
        "overload",
        "it changes how much load there is",
        (
            r"cpu|overload|load\b|flood|storm|hit ratio|hit rate|saturat|throttl|429|rate limit",
            r"exhaust|deadlock|lock wait|contention",
        ),
        (
            "loop poll interval cache key prefix count per ratelimit retry retries index scan query",
            "refresh parallel workers concurrency limit pool ttl migration alter lock cron batch",
        ),
    ),
)
