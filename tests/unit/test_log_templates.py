"""Which errors are new: what varies is masked, what was there before is subtracted, secrets are gone."""

import json
from datetime import timedelta

import pytest

from bot.domain.evidence import ErrorPattern
from bot.domain.ids import ServiceName
from bot.domain.log_templates import LONGEST_LINE, error_patterns, said_in, template_of
from bot.domain.redaction import Redactor
from bot.domain.sources import LogLine, LogLines
from tests.builders import NOW

CHECKOUT = ServiceName("checkout")


def lines(*texts: str, is_cut: bool = False) -> LogLines:
    said = tuple(LogLine(at=NOW + timedelta(seconds=n), text=text) for n, text in enumerate(texts))
    return LogLines(lines=said, is_cut=is_cut)


def same(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("line", "template"),
    [
        (
            "2026-11-22T03:13:04.123Z ERROR order 7731 not found",
            "<*> ERROR order <*> not found",
        ),
        ("timeout after 3000 ms calling 10.0.4.17:5432", "timeout after <*> ms calling <*>"),
        ("GET /orders/84311 answered 503", "GET /orders/<*> answered 503"),
        ("trace 4bf92f3577b34da6a3ce929d0e0e4736 lost", "trace <*> lost"),
        ("no such bucket in s3 of payments-v2", "no such bucket in s3 of payments-v2"),
        ('{"level":"error","msg":"KeyError: tax_rate","order":9}', "KeyError: tax_rate"),
        (
            "Traceback (most recent call last):\n  File \"a.py\", line 3, in b\nValueError: bad zone 'x'",
            "ValueError: bad zone 'x'",
        ),
        ("   ", ""),
    ],
)
def test_what_varies_is_masked_and_words_stay(line: str, template: str) -> None:
    assert template == template_of(line)


def test_masking_a_template_again_changes_nothing() -> None:
    once = template_of("2026-11-22 03:13:04 job 4711-88 on host-0012 took 31.5s")

    assert once == template_of(once)


def test_a_long_line_is_cut_between_words() -> None:
    cut = said_in("word " * 1000)

    assert LONGEST_LINE >= len(cut)
    assert {"word"} == set(cut.split())


def test_json_that_is_none_is_taken_as_text() -> None:
    assert '{"msg":' == said_in('{"msg": ')


def test_patterns_are_counted_against_the_same_time_before() -> None:
    after = lines(*(f"KeyError: tax of order {n}" for n in range(100, 109)), "cache miss error 12")
    usual = lines("cache miss error 99", "cache miss error 17", "KeyError: tax of order 3000")

    patterns = error_patterns(CHECKOUT, after, usual, redact=same)

    assert (
        ErrorPattern(signature="KeyError: tax of order <*>", service=CHECKOUT, count=9, delta=8),
        ErrorPattern(signature="cache miss error <*>", service=CHECKOUT, count=1, delta=-1),
    ) == patterns


@pytest.mark.parametrize("usual", [None, lines("KeyError: tax", is_cut=True)])
def test_without_a_whole_baseline_nobody_knows_what_is_new(usual: LogLines | None) -> None:
    patterns = error_patterns(CHECKOUT, lines("KeyError: tax"), usual, redact=same)

    assert (ErrorPattern(signature="KeyError: tax", service=CHECKOUT, count=1, delta=None),) == patterns


def test_a_secret_is_redacted_before_its_digits_are_masked() -> None:
    secret = "hunter-Pl4in-words-only"
    redactor = Redactor(b"k" * 32, known_secrets=(secret,))
    line = json.dumps({"msg": f"login failed with {secret}"})

    patterns = error_patterns(CHECKOUT, lines(line), None, redact=lambda text: redactor.redact(text).text)

    assert not [word for word in ("hunter", "words", "only") if word in patterns[0].signature]
    assert patterns[0].signature.startswith("login failed with ")
