"""YAML without its traps: what is taken, what is refused, and where it says that the problem stands."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.files.strict_yaml import MAX_BYTES, MAX_DEPTH, YamlError, load


def refused(text: str) -> YamlError:
    with pytest.raises(YamlError) as caught:
        load(text)
    return caught.value


def test_only_plain_booleans_numbers_and_null_are_more_than_text() -> None:
    document, _ = load(
        "a: true\nb: 10\nc: null\nd: no\ne: 22:22\nf: 0.5\ng: 2026-01-01\n"
        "h: 010\ni: 0x10\nj: 1_000\nk: yes\nl:\n"
    )

    assert document == {
        "a": True,
        "b": 10,
        "c": None,
        "d": "no",
        "e": "22:22",
        "f": "0.5",
        "g": "2026-01-01",
        "h": "010",
        "i": "0x10",
        "j": "1_000",
        "k": "yes",
        "l": None,
    }


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("risk: low\nsteps: 1\nrisk: high\n", 3, "'risk' stands twice, first in line 1"),
        ('a: 1\n"a": 2\n', 2, "'a' stands twice"),
        ("x: {a: 1, a: 2}\n", 1, "stands twice"),
        ("~: 1\nnull: 2\n", 1, "a key must be plain text"),
        ("0: 1\n-0: 2\n", 1, "a key must be plain text"),
        ("? [a]\n: 1\n", 1, "a key must be plain text"),
        ("a: &x 1\nb: 2\n", 1, "anchors"),
        ("b: 2\na: *x\n", 2, "aliases"),
        ("b: 2\na:\n  <<: *x\n", 3, "aliases"),
        ("a: 1\nb: !!python/object/apply:os.system [id]\n", 2, "the tag"),
        ("a: !!str 1\n", 1, "the tag"),
        ("a: !mine 1\n", 1, "the tag"),
        ("a: 1\n---\nb: 2\n", 2, "document"),
        ("a: 1\n b: 2\n", 2, ""),
        ("a: [1\n", 2, ""),
        ("a: 1\nb: \x1b[2J\n", 2, "U+001B"),
        ("a: 1\nb: \x00\n", 2, "U+0000"),
        ("a: 1\nb: " + "9" * 5000, 2, "digits"),
        ("a: 1\nb: " + "[" * 100_000, 2, f"more than {MAX_DEPTH} levels"),
        ("a: 1\nb: " + "{a: " * 50_000, 2, f"more than {MAX_DEPTH} levels"),
    ],
)
def test_what_is_refused_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    error = refused(text)

    assert line == error.line
    assert says in str(error)


def test_an_alias_bomb_ends_at_its_first_anchor() -> None:
    bomb = 'a: &a ["lol", "lol"]\n' + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )

    assert (1, True) == (refused(bomb).line, "anchors" in str(refused(bomb)))


def test_a_merge_key_is_text_like_any_other() -> None:
    assert {"<<": {"a": 1}} == load("<<: {a: 1}\n")[0]


def test_a_text_larger_than_the_limit_is_not_parsed() -> None:
    assert "larger than" in str(refused("a: " + "x" * MAX_BYTES))


def test_a_place_is_the_line_of_the_deepest_part_that_exists() -> None:
    _, where = load("a: 1\nb:\n  - c: 2\n  - d:\n      e: 3\n")

    assert [1, 4, 5, 4, 1] == [
        where.of(path) for path in [("a",), ("b", 1), ("b", 1, "d", "e"), ("b", 1, "d", "missing"), ("zz",)]
    ]


def plain(document: object) -> bool:
    """Say whether there is nothing in *document* but what YAML without its traps can say."""
    match document:
        case dict():
            return all(isinstance(key, str | int | bool | None) and plain(v) for key, v in document.items())
        case list():
            return all(map(plain, document))
        case _:
            return document is None or type(document) in (str, int, float, bool)


@given(st.text())
def test_any_text_is_read_as_plain_values_or_refused(text: str) -> None:
    with contextlib.suppress(YamlError):
        assert plain(load(text)[0])


@given(st.recursive(st.text("[]{}:,-?&*!|>'\"%@#ab01 \n", max_size=8), lambda c: st.lists(c).map("".join)))
def test_any_heap_of_yaml_signs_is_read_as_plain_values_or_refused(text: str) -> None:
    with contextlib.suppress(YamlError):
        assert plain(load(text)[0])
