"""What must hold of redaction for every text."""

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.redaction import Redactor
from bot.domain.redaction.words import words
from tests.unit.redaction_corpus import (
    Sample,
    keyword_samples,
    on_call_samples,
    seeded,
    survives,
    vendor_samples,
)

REDACTOR = Redactor(b"key of the properties", known_secrets=["held-by-the-bot", "pa ss/wo+rd"])

SAMPLES: list[Sample] = [
    *vendor_samples(seeded(7), each=2),
    *keyword_samples(seeded(8), each=2),
    *on_call_samples(seeded(9)),
]
SIGNS = '= : , ; " \' \\" \\n \n \t { } [ ] ( ) < > & ? @ / // :// - _ . | % %3D \x1b[0m \u200b'
FRAGMENTS = [
    " ",
    *SIGNS.split(" "),
    *sorted(
        words(
            "password token secret key auth bearer Authorization cookie user login name value --token -u is"
        )
    ),
    *(sample.text for sample in SAMPLES[::9]),
    *(sample.secret for sample in SAMPLES[::9]),
    "held-by-the-bot",
    "<token:3fa9c1>",
    "<opaque:00",
    "-----BEGIN PRIV" + "ATE KEY-----",
    "-----END PRIV" + "ATE KEY-----",
]
TEXTS = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=12)), max_size=12).map("".join)


@given(TEXTS)
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = REDACTOR.redact(text).text
    assert REDACTOR.redact(once).text == once
    assert not REDACTOR.would_change(once)


@given(TEXTS)
def test_would_change_tells_what_redact_does(text: str) -> None:
    assert REDACTOR.would_change(text) == (REDACTOR.redact(text).text != text)


@given(TEXTS)
def test_a_text_without_findings_is_unchanged_and_every_finding_is_counted(text: str) -> None:
    redaction = REDACTOR.redact(text)
    assert (redaction.text == text) == (sum(redaction.counts.values()) == 0)


@given(TEXTS, TEXTS)
def test_no_secret_that_the_bot_holds_survives(before: str, after: str) -> None:
    assert "held-by-the-bot" not in REDACTOR.redact(f"{before} held-by-the-bot {after}").text


@given(
    st.sampled_from(SAMPLES),
    st.sampled_from(["", "INFO ", "a: ", "{", "\t"]),
    st.sampled_from(["", " end", "}", "\n", " = 7"]),
)
def test_no_generated_secret_survives_on_a_line_of_its_own(sample: Sample, before: str, after: str) -> None:
    assert not survives(sample, REDACTOR.redact(f"{before}\n{sample.text}\n{after}").text)


@given(st.sampled_from(SAMPLES), st.integers(min_value=2, max_value=5))
def test_the_work_grows_with_the_text_alone(sample: Sample, times: int) -> None:
    """Twice the lines are twice the findings: no line is judged by how many stand around it."""
    one = REDACTOR.redact(sample.text + "\n\n")
    many = REDACTOR.redact((sample.text + "\n\n") * times)
    assert many.text == one.text * times
