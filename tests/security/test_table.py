"""The table of threats says of each what answers it, and the page is the table."""

from pathlib import Path

from tests.security.table import DOCUMENT, answers, narrower, reasons, render, results, threats


def test_every_threat_is_listed_once() -> None:
    listed = threats()

    assert len(listed) == len({t.id for t in listed}) == len({t.name for t in listed}) == 108


def test_every_threat_has_a_test_or_a_reason_and_not_both() -> None:
    has_test = {name for name, tests in answers().items() if tests}
    has_reason = set(reasons())

    assert {threat.name for threat in threats()} == has_test | has_reason
    assert has_test & has_reason == set()
    assert all(len(reason) > 20 for reason in reasons().values())


def test_what_is_left_out_is_of_threats_that_have_tests_and_stands_on_the_page() -> None:
    page, found = DOCUMENT.read_text(), answers()

    assert all(found[name] and len(why) > 20 and why in page for name, why in narrower().items())


def test_no_name_begins_another_one() -> None:
    """Or a test would answer two threats by its name alone."""
    names = [threat.name for threat in threats()]

    assert [(a, b) for a in names for b in names if a != b and b.startswith(f"{a}_")] == []


def test_the_page_names_every_threat_and_the_tests_of_today() -> None:
    page = DOCUMENT.read_text()

    for threat in threats():
        assert page.count(f"| {threat.id} |") == 1, threat.id
    missing = [test for tests in answers().values() for _, test in tests if f"::{test}`" not in page]
    assert missing == [], "make prove writes docs/threats.md"


def test_one_failure_makes_the_line_a_failure(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    junit.write_text(
        '<testsuites><testsuite><testcase classname="tests.a" name="test_x[1]"/>'
        '<testcase classname="tests.a" name="test_x[2]"><failure/></testcase>'
        '<testcase classname="tests.a" name="test_y"><skipped/></testcase></testsuite></testsuites>'
    )

    ended = results(junit)

    assert ended == {("tests.a", "test_x"): "failed", ("tests.a", "test_y"): "skipped"}
    assert "| not run |" in render(ended)
