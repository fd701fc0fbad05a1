"""Keyword secrets: a key whose name says "secret", a sign between, and a value that is one."""

# ruff: noqa: E501 -- one pattern a line reads better than a wrapped one.
import re
from collections.abc import Iterable, Iterator
from typing import Final

from bot.domain.redaction.finding import Finding, Layer
from bot.domain.redaction.keys import Claim, read_key
from bot.domain.redaction.values import is_secret_value, value_at
from bot.domain.redaction.view import INERT, QUOTES, View
from bot.domain.redaction.words import words

# The word that makes a key worth reading, the rest of the key, and what may stand between key and value.
_WORDS: Final = words(
    """
    pass pwd psk~ psw pw~ kennwort secret token key cred auth cookie session sessid sid~ sig~ signature
    salt~ hmac jwt bearer otp~ csrf xsrf dsn~ webhook mnemonic phrase pat~ connectionstring
    connection_string connection-string connstr conn_str pagerduty datadog opsgenie victorops twilio
    heroku newrelic sendgrid mailgun mailchimp slack telegram discord cloudflare fastly okta algolia
    netlify snyk sonar sentry splunk dropbox asana trello jira atlassian bitbucket circleci travis
    codecov plaid coinbase twitch twitter facebook linkedin launchdarkly contentful confluent zendesk
    intercom hubspot airtable jfrog artifactory rapidapi messagebird mattermost beamer finicity gitter
    lob~ sumo yandex adobe alibaba drone etsy freshbooks kraken kucoin okx mapbox
    """
)


def _tree(choices: Iterable[str]) -> str:
    """Return a pattern for any of *choices* that decides letter by letter; `~` says that no letter may follow."""
    by_letter: dict[str, list[str]] = {}
    for word in choices:
        by_letter.setdefault(word[:1], []).append(word[1:])
    branches = [
        "" if not letter else "(?![a-z])" if letter == "~" else letter + _tree(rest)
        for letter, rest in by_letter.items()
    ]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(sorted(branches, key=len, reverse=True))})"


_HEAD: Final = re.compile(
    _tree(sorted(_WORDS)) + r"[a-z0-9_.-]{0,48}"
    rf"[{QUOTES}\])]{{0,3}}"
    # JSON that has the value on a line of its own.
    rf"(?:(?<=[{QUOTES}])[ \t]{{0,4}}:[ \t]{{0,4}}\n\s{{0,40}}(?=[{QUOTES}])"
    r"|[ \t]{0,16}(?:=>|->|:=|={1,3}|::?(?!/)|>|\|)"
    rf"|[ \t]{{0,2}},[ \t]{{0,4}}(?=[{QUOTES}])"
    rf"|[ \t]{{0,1}}[(\[][ \t]{{0,2}}(?=[{QUOTES}])"
    r"|[ \t]{1,4}(?:is|was)(?:[ \t]{0,2}:)?(?=[ \t])"
    rf"|[ \t]{{1,4}}(?=[{QUOTES}])"
    r"|[ \t]{0,2}\[(?=\S)"
    rf")(?:\s{{0,40}}[{QUOTES}]?(?:value|val|content)[{QUOTES}]?[ \t]{{0,4}}[=:])?[ \t]{{0,8}}"
)
# `- name: DB_PASSWORD` and on the next line, or after a comma or a quote, `value: …`.
_NAMED: Final = re.compile(
    rf"(?:name|key|id)[{QUOTES}]?[ \t]{{0,4}}[=:][ \t]{{0,4}}[{QUOTES}]?(?P<key>[a-z0-9_.-]{{2,64}})[{QUOTES}]?"
    rf"[ \t]{{0,4}},?\s{{1,40}}[{QUOTES}]?(?:value|val)[{QUOTES}]?[ \t]{{0,4}}[=:][ \t]{{0,4}}"
    rf"|(?:name|key)[{QUOTES}][ \t]{{0,4}}:[ \t]{{0,4}}[{QUOTES}](?P<json>[a-z0-9_.-]{{2,64}})[{QUOTES}]"
    rf",[{QUOTES}]value[{QUOTES}][ \t]{{0,4}}:[ \t]{{0,4}}"
)
_NAME_CHARS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_WORD_BEFORE: Final = re.compile(r"([A-Za-z]{2,16})[ \t]$")
# A bare value that is a pseudonym and no more.
_REPLACED: Final = re.compile(rf"{INERT}+(?=[\s{QUOTES}<>]|$)")
_END_OF_CALL: Final = re.compile(rf"[{QUOTES}]?[ \t]{{0,4}}\)")
_QUOTE_SIGNS: Final = frozenset("\"'`")
_LOOK_BACK: Final = 64


def find_keywords(view: View) -> Iterator[Finding]:
    """Yield the values of *view* that stand behind a key of a secret's name."""
    taken = 0
    for head in _HEAD.finditer(view.lower):
        if head.start() < taken:
            continue
        found = _finding(view, _name(view.text, head), head.end(), head.group())
        if found is not None:
            taken = found.end
            yield found
    if "val" in view.lower:
        for named in _NAMED.finditer(view.lower):
            span = named.span("key") if named.group("key") else named.span("json")
            found = _finding(view, view.text[slice(*span)], named.end(), "=")
            if found is not None:
                yield found


def _name(text: str, head: "re.Match[str]") -> str:
    """Return the whole key around *head*, with the word before it when the key is written as two."""
    at = head.start()
    before = text[max(0, at - _LOOK_BACK) : at]
    after = text[at : head.end()]
    start = at - len(before) + len(before.rstrip(_NAME_CHARS))
    stop = head.end() - len(after.lstrip(_NAME_CHARS))
    if text.startswith("-D", start):
        start += 2  # A Java system property.
    word = _WORD_BEFORE.search(text[max(0, start - 20) : start])
    return f"{word.group(1)} {text[start:stop]}" if word else text[start:stop]


def _finding(view: View, name: str, at: int, head: str) -> Finding | None:
    key = read_key(name)
    if key is None:
        return None
    if "phrase" not in name.lower() and _REPLACED.match(view.text, at):
        return None  # As most are at the second look.
    value = value_at(view.text, at)
    sign = head.rstrip(" \t")[-1:]
    if sign == "," and not _END_OF_CALL.match(view.text, value.end):
        return None  # A list of names, not `define("KEY", "value")`.
    # Prose puts a space after its colon ("token: expired"), an assignment is tight or quoted.
    spaced = head[-1:] in " \t" and (sign in ":>|[" or head.rstrip(" \t").endswith((" is", " was")))
    loose = sign.isalnum() or sign in _QUOTE_SIGNS if value.quoted else spaced
    if key.claim is Claim.PASSWORD and "phrase" in name.lower() and loose:
        value = value.to_line_end(view.text)
    text = view.text[value.start : value.end]
    following = view.text[value.end : value.end + 24]
    if not is_secret_value(text, key.claim, loose=loose, quoted=value.quoted, following=following):
        return None
    value = value.whole(view.text)
    return Finding(value.start, value.end, key.kind, Layer.KEYWORD)
