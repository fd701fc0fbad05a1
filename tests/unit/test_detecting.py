"""A library's vendor rules beside our own patterns."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from adapters.detecting import VendorRules, further_detectors
from bot.domain.errors import Invalid
from bot.domain.redaction import Redactor


@dataclass
class Finding:
    rule_id: str
    secret: str


def scan(text: str) -> Iterable[Finding]:
    """Find what is called a badge, and guess at anything."""
    yield Finding("acme-badge", "badge seven seven")
    yield Finding("generic-api-key", "opened the door")
    yield Finding("acme-pin", "door")


def test_a_secret_is_replaced_wherever_it_stands_and_guesses_and_short_words_are_not() -> None:
    redactor = Redactor(b"k", detectors=[VendorRules(scan)])

    found = redactor.redact("badge seven seven opened the door for badge seven seven")

    name = redactor.pseudonym("vendor_secret", "badge seven seven")
    assert f"{name} opened the door for {name}" == found.text
    assert {"vendor_secret": 2} == dict(found.counts)
    assert not redactor.would_change(found.text)


def test_without_a_name_there_is_none() -> None:
    assert () == further_detectors(None)


def test_a_library_that_is_not_there_names_the_setting_and_what_to_install() -> None:
    with pytest.raises(Invalid, match="HANDRAIL_DETECTOR: install the extra `detector`"):
        further_detectors("no_such_library_of_rules")


def test_the_library_finds_what_its_vendors_issue() -> None:
    """Played where the extra is installed."""
    pytest.importorskip("betterleaks")
    token = "gh" + "p_" + "aB3xK9zQ" * 4 + "aB3x"
    text = f"once {token} and again {token}"

    (detector,) = further_detectors("betterleaks")

    assert [token, token] == [text[start:end] for start, end, _ in detector.find(text)]
