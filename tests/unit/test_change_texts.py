"""What the words of a change and of the symptoms have in common."""

import pytest

from bot.domain.change import ChangeEvent
from bot.domain.change_words import words_in
from bot.domain.correlation import Suspect, rank_suspects
from bot.domain.kind_terms import kind_features
from bot.domain.vocabulary import sounds_told, words_of, words_of_name
from bot.domain.weights import WeightName, load_weights
from tests.correlation_builders import alert, change, shop_case

WEIGHTS = load_weights()


def told(sentence: str, *changes: ChangeEvent) -> list[Suspect]:
    """Return the suspects when a person says *sentence* and no service is known."""
    case = shop_case(*changes, alerts=[alert(None, sentence)], edges=())
    return list(rank_suspects(case, WEIGHTS).suspects)


def sentences(suspect: Suspect) -> dict[str, str]:
    return {term.name: term.sentence for term in suspect.terms}


@pytest.mark.parametrize(
    ("sentence", "guilty", "innocent"),
    [
        ("users can't log in any more", "rotate JWT signing key", "new list of countries"),
        ("cart total is wrong by a cent", "use integer cents", "larger thumbnails"),
        ("emails are not going out", "bump smtp client", "new landing page"),
        ("some people were billed twice", "retry capture on timeout", "sort invoices by date"),
        ("visitors see somebody else's basket", "cache pages at the CDN", "reorder the menu"),
        ("names with umlauts look garbled", "convert column to latin1", "group the settings"),
    ],
)
def test_a_sentence_meets_the_change_that_means_the_same(sentence: str, guilty: str, innocent: str) -> None:
    """The two share no word; the innocent one is newer."""
    suspects = told(
        sentence,
        change("blue", title=guilty, minutes_before=30, change_id="guilty"),
        change("green", title=innocent, minutes_before=4, change_id="innocent"),
    )

    assert ["guilty", "innocent"] == [suspect.change.id for suspect in suspects]


def test_the_way_a_change_makes_trouble_is_said_in_plain_words() -> None:
    suspect = told("Orders are shipped twice", change("blue", title="Process jobs with four workers"))[0]

    assert sentences(suspect)["mechanism"] == (
        "it changes retries, locks or the check for duplicates, which fits what people see"
    )


def test_a_description_that_fits_nothing_is_said() -> None:
    suspect = told("Orders are shipped twice", change("blue", title="Draw hills on the welcome screen"))[0]

    assert sentences(suspect)["unrelated"] == "nothing it says of itself fits what people see"


def test_a_service_about_the_matter_says_so() -> None:
    suspect = told("Newsletter never arrived", change("mailer", title="Draw hills"))[0]

    assert sentences(suspect)["service_matter"] == "mailer is about “email”, as the symptoms are"


def test_words_too_short_to_mean_anything_are_not_shown() -> None:
    suspect = told("a ch of an xy goes to the dns", change("blue", title="ch xy dns"))[0]

    assert sentences(suspect)["words"] == "its description shares “dns” with the symptoms"


@pytest.mark.parametrize(
    ("title", "diff", "value"),
    [
        ("session ttl 8h -> 2m", "", "8h -> 2m"),
        ("Smaller pool", "-  max_connections: 100\n+  max_connections: 20", "100 -> 20"),
        ("Update to 1.2.3 -> 1.2.4", "-tag: 1.2.3\n+tag: 1.2.4", None),
        ("Rename", "-a = first(1)\n+b = second(2)", None),
    ],
)
def test_a_moved_value_is_seen_and_a_version_is_none(title: str, diff: str, value: str | None) -> None:
    found = {f.name: f.sentence for f in kind_features(change(title=title, diff=diff))}

    assert (None if value is None else f"changes a value: {value}") == found.get(WeightName.TUNED)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cartservice", {"cart"}),
        ("ProductCatalogService", {"product", "catalog"}),
        ("productcatalogservice", {"product", "catalog"}),
        ("ts-seat-service", {"seat"}),
        ("zebra", {"zebra"}),
    ],
)
def test_a_service_name_comes_apart(name: str, words: set[str]) -> None:
    assert words <= set(words_of_name(name).values())


def test_three_capitals_are_a_name() -> None:
    assert {"eta", "wrong"} == set(words_of("ETA is off and wrong").values())


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("comments vanish after posting", True),
        ("payments: elevated error rate", False),
        ("HighErrorRate: cart", False),
    ],
)
def test_four_words_without_a_service_are_a_person_unless_they_state_a_rule(text: str, is_told: bool) -> None:
    assert sounds_told(text, routed=False) is is_told


def test_documents_and_tests_are_not_read_as_code() -> None:
    words = words_in(change(files=["docs/refund.md", "tests/test_refund.py"], diff="+refund"))

    assert (frozenset(), 0) == (words.touched, words.length)


def test_the_same_text_is_taken_apart_once() -> None:
    """Whatever differs beside its words: id, time, version."""
    assert words_in(change(minutes_before=1)) is words_in(change(minutes_before=9, version="3.0"))
