"""Redaction finds what is secret, keeps what is not, and says the same of the same secret."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from bot.domain.redaction import REDACTOR_VERSION, Redaction, Redactor
from tests.unit.redaction_corpus import (
    ALNUM,
    Sample,
    keyword_samples,
    on_call_samples,
    seeded,
    survives,
    vendor_samples,
)

BENIGN = Path(__file__).with_name("redaction_benign.txt").read_text(encoding="utf-8").splitlines()
KEY = b"a deployment's key"


def a_redactor(*, key: bytes = KEY, known: Iterable[str] = ()) -> Redactor:
    return Redactor(key, known_secrets=known)


def redacted(text: str, *, known: Iterable[str] = ()) -> str:
    return a_redactor(known=known).redact(text).text


def a_github_token(fill: str = "aB3x") -> str:
    return "gh" + "p_" + fill * 9


def missed(samples: Iterator[Sample]) -> tuple[float, list[str]]:
    """Return the recall over *samples* and, for the message of an assertion, the groups with a miss."""
    redactor, wrong, seen = a_redactor(), [], 0
    for sample in samples:
        seen += 1
        if survives(sample, redactor.redact(sample.text).text):
            wrong.append(sample.group)
    return 1 - len(wrong) / seen, sorted(set(wrong))


def test_fixed_format_tokens_are_found_in_any_surrounding() -> None:
    recall, wrong = missed(vendor_samples(seeded(20250314), each=8))
    assert recall >= 0.98, f"recall {recall:.4f}, missed: {wrong}"


def test_keyword_secrets_are_found_in_any_notation() -> None:
    recall, wrong = missed(keyword_samples(seeded(20250315), each=24))
    assert recall >= 0.90, f"recall {recall:.4f}, missed: {wrong}"


def test_the_secrets_of_on_call_systems_are_found() -> None:
    recall, wrong = missed(on_call_samples(seeded(20250316)))
    assert recall >= 0.98, f"recall {recall:.4f}, missed: {wrong}"


def test_lines_of_real_systems_stay_as_they_are() -> None:
    changed = [line for line in BENIGN if redacted(line) != line]
    assert len(changed) <= 0.03 * len(BENIGN), f"{len(changed)} of {len(BENIGN)} changed: {changed}"


def test_a_secret_is_the_same_pseudonym_everywhere_in_one_deployment() -> None:
    first, second = redacted(f"x {a_github_token()} y"), redacted(f'{{"token": "{a_github_token()}"}}')
    assert first == "x <github_token:" + first[16:22] + "> y"
    assert second == '{"token": "<github_token:' + first[16:22] + '>"}'


def test_another_key_gives_another_pseudonym() -> None:
    text = f"using {a_github_token()}"
    assert a_redactor(key=b"one").redact(text).text != a_redactor(key=b"two").redact(text).text


def test_a_redactor_needs_a_key() -> None:
    with pytest.raises(ValueError, match="redaction key is empty"):
        Redactor(b"")


def test_counts_say_how_many_of_each_kind_and_cannot_be_changed() -> None:
    redaction = a_redactor().redact(f"{a_github_token()} {a_github_token('zY9w')} password=hunter22 ok")
    assert redaction.counts == {"github_token": 2, "password": 1}
    with pytest.raises(TypeError):
        redaction.counts["password"] = 0  # type: ignore[index]


def test_a_text_without_secrets_comes_back_byte_for_byte() -> None:
    text = "caf\u00e9 \u200b\x1b[31mred\x1b[0m 100% C:\\new\\table \\u0041 a&amp;b\r\n\ttail \U0001f600"
    assert a_redactor().redact(text) == Redaction(redacted(text), {})  # type: ignore[arg-type]
    assert redacted(text) == text


@pytest.mark.parametrize(
    "form",
    [
        str,
        lambda secret: quote(secret, safe=""),
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: json.dumps(secret)[1:-1],
        lambda secret: secret[:4] + "\u200b" + secret[4:],
    ],
    ids=["plain", "url-encoded", "base64", "json", "zero-width"],
)
def test_a_secret_the_bot_holds_is_found_in_every_form(form: Callable[[str], str]) -> None:
    secret = 'held "plain" words/+'
    text = redacted(f"before {form(secret)} after", known=[secret])
    assert text == f"before {a_redactor().pseudonym('held_secret', secret)} after"


def test_a_held_secret_of_less_than_six_characters_is_left_to_the_patterns() -> None:
    assert redacted("the cat sat", known=["cat"]) == "the cat sat"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter22, next=1", "password={}, next=1"),
        ("(password=hunter22)", "(password={})"),
        ('{"password":"hunter22"}', '{{"password":"{}"}}'),
        ('"{\\"password\\":\\"hunter22\\"}"', '"{{\\"password\\":\\"{}\\"}}"'),
        ("?password=hunter22&x=1", "?password={}&x=1"),
        ("password%3Dhunter22%26x%3D1", "password%3D{}%26x%3D1"),
        ("\x1b[36mpassword=\x1b[0mhunter22\x1b[0m", "\x1b[36mpassword=\x1b[0m{}\x1b[0m"),
        ("pass\u200bword: hunter22", "pass\u200bword: {}"),
        ("postgres://app:hunter22@db:5432/x", "postgres://app:<url_password:{id}>@db:5432/x"),
    ],
)
def test_only_the_value_is_replaced_and_nothing_around_it(text: str, expected: str) -> None:
    pseudonym = a_redactor().pseudonym("password", "hunter22")
    identity = a_redactor().pseudonym("url_password", "hunter22")[-7:-1]
    assert redacted(text) == expected.format(pseudonym, id=identity)


def test_a_value_with_signs_in_it_is_taken_whole() -> None:
    assert (
        redacted('password="a,b;c\'d e" ok')
        == f'password="{a_redactor().pseudonym("password", "a,b;c" + chr(39) + "d e")}" ok'
    )


def test_a_private_key_that_was_cut_off_loses_every_line() -> None:
    lines = ["".join(seeded(n).choices(ALNUM, k=64)) for n in range(4)]
    text = "\n".join(["-----BEGIN RSA PRIV" + "ATE KEY-----", *lines, "then the log goes on"])
    assert redacted(text).startswith("<private_key:")
    assert redacted(text).endswith("\nthen the log goes on")
    assert not any(line[:12] in redacted(text) for line in lines)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mail bob.smith@example.com now", "email"),
        ("card 4111 1111 1111 1111 declined", "card"),
        ("ssn 219-09-9999 on file", "ssn"),
        ("call +1 415-555-0132 now", "phone"),
        ("call (415) 555-0132 now", "phone"),
    ],
)
def test_personal_data_is_a_kind_of_its_own(text: str, kind: str) -> None:
    assert a_redactor().redact(text).counts == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "10.0.3.17:8080",
        "2001:db8::8a2e:370:7334",
        "card 4111 1111 1111 1112",
        "user@1000.service",
        "git@github.com:example/shop.git",
    ],
)
def test_addresses_of_machines_are_no_personal_data(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "secret:GITHUB_TOKEN",
        '{"PGPASSWORD": "secret:PG"}',
        "--token secret:DEPLOY_TOKEN",
        "Bearer secret:API",
    ],
)
def test_a_reference_to_a_secret_is_none(text: str) -> None:
    assert not a_redactor().would_change(text)


def test_would_change_says_whether_a_byte_would_change() -> None:
    assert a_redactor().would_change(f"--token {a_github_token()}")
    assert not a_redactor().would_change("rollout undo deployment/checkout --to-revision=12")


def test_nothing_hides_in_the_shape_of_a_pseudonym() -> None:
    assert "hunter" not in redacted("password=<hunter:abcdef>x9 token=<unknownkind:3fa9c1>", known=["hunter"])


class _Badges:
    """A detector of badge numbers."""

    kinds = frozenset({"badge"})

    def find(self, text: str) -> Iterable[tuple[int, int, str]]:
        at = text.find("B-77")
        return [(at, at + 4, "badge")] if at >= 0 else []


def test_a_further_detector_adds_its_kinds() -> None:
    redactor = Redactor(KEY, detectors=[_Badges()])
    redaction = redactor.redact("badge B-77 opened the door")
    assert redaction.text == f"badge {redactor.pseudonym('badge', 'B-77')} opened the door"
    assert not redactor.would_change(redaction.text)


def test_the_version_is_a_number_in_words() -> None:
    assert REDACTOR_VERSION.isdigit()


HOSTILE = (
    *(
        "a",
        "key=",
        "-----BEGIN ",
        "-----BEGIN PRIV" + "ATE KEY-----\n",
        "eyJ.",
        "-eyJ",
        "://",
        "a:",
        "://a:",
        "=",
    ),
    *(
        "\\",
        '\\"',
        "%3d",
        "password: ",
        'password:"',
        "\x1b[",
        "a@a.",
        "4111 ",
        "A-",
        "aB3/",
        "mysql -",
        "--a-",
    ),
    *(
        "docker login ",
        "bearer ",
        'token="',
        "name: key\n",
        "0123456789abcdef",
        "key=[",
        "x:y@",
        "app:x@tcp(",
        "net use /user:a ",
        "mongo -u -p ",
        "thin:a/",
        "password for a: ",
        "new password a1",
        '"password":\n',
        "/aB3=",
        "<",
        "+1 ",
        "\u200b",
    ),
)


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.timeout(20)
def test_hostile_input_of_a_hundred_kilobytes_is_finished(unit: str) -> None:
    """A quadratic pattern takes minutes here; the suite's own time limit is the judge."""
    text = unit * (100_000 // len(unit))
    assert not a_redactor().would_change(redacted(text))


def test_a_reference_to_a_secret_stays_behind_an_authorization_header() -> None:
    plan = "Authorization: Bearer secret:DEPLOY_TOKEN"

    assert not Redactor(b"key").would_change(plan)


def test_a_key_in_the_shape_of_a_reference_is_found_by_its_format() -> None:
    hidden = "secret:" + "AKIA" + "IOSFODNN7EXAMPLQ"

    assert Redactor(b"key").would_change(hidden)


def test_lines_are_redacted_as_parts_of_one_text() -> None:
    """A key of many lines has no shape line by line; counts stand where a secret begins."""
    body = ["MIIEowIBAAKCAQEA" + "x" * 48, "not+a/token"]
    lines = [
        "before",
        "-----BEGIN RSA PRIVATE KEY-----",
        *body,
        "-----END RSA PRIVATE KEY-----",
        "password=hunter22",
    ]

    found = Redactor(b"k").redact_lines(lines)

    key = found[1].text
    assert [("before", {}), (key, {"private_key": 1}), (key, {}), (key, {}), (key, {})] == [
        (one.text, dict(one.counts)) for one in found[:5]
    ]
    assert key.startswith("<private_key:")
    assert {"password": 1} == dict(found[5].counts)
    assert "hunter22" not in found[5].text
    assert [] == Redactor(b"k").redact_lines([])


def test_a_signature_in_base64_is_found_however_many_slashes_it_has() -> None:
    text = "GET /b?sv=2022&sp=r&sig=%2FvolmejUSsYCWZOUkj%2Fgp7xW2sHm545%2Fb8%2Bb28CQ%2FWk%3D"

    assert "Ukj" not in Redactor(b"k").redact(text).text


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: OAuth 386bc389-6c37-98a4-6f96-bebe25a3d521",
        "ENV SECRET_KEY_BASE 5N1Bq%Ug$WEe",
        "see <hcaik_018fpdylsyyzad9e114tbqz6bd1ir28smtlkwkpygvep1fyrdiw2ypmbeywu> now",
    ],
    ids=["oauth", "environment-in-a-dockerfile", "lower-case-key"],
)
def test_a_secret_in_a_place_of_its_own_is_found(text: str) -> None:
    secret = text.split()[2 if text.startswith(("ENV", "Auth")) else 1].strip("<>")

    assert secret not in Redactor(b"k").redact(text).text


@pytest.mark.parametrize(
    "text",
    [
        "jdbc:oracle:thin:scott/{}@//db:1521/ORCL",
        "sqlplus scott/{}@ORCL",
        "app:{}@tcp(db:3306)/orders?parseTime=true",
        "keytool -list -storepass {} -keystore x",
        "mongosh -u app -p {} --host db",
        "ipmitool -H host -U admin -P {} power status",
        "htpasswd -b users bob {}",
        "net use z: \\\\files\\share /user:bob {}",
        '"client_secret":\n    "{}"',
        "password for admin: {}",
        "Password changed to {} for user bob",
        "new root password {} set",
        "mot de passe : {}",
    ],
)
def test_a_password_is_found_where_people_and_programs_put_it(text: str) -> None:
    secret = "Falcon" + "7341x"

    assert secret not in redacted(text.format(secret))


@pytest.mark.parametrize(
    "text",
    [
        "password set to expire in 3 days",
        "password for app: unchanged",
        "password has been reset to default",
        "new password policy applied to all users",
        "password:\n  secretName: checkout-db",
        "mongo client -p flag is deprecated",
        "net use of memory /user: 12 %",
        "user@tcp(db:3306)/orders without a password",
        "chunk main.20590d8767f1886df6cb.js loaded",
        "GET /assets/a/b/c/page=1 200",
    ],
)
def test_words_about_passwords_and_names_of_files_stay(text: str) -> None:
    assert text == redacted(text)


def test_base64_that_begins_with_a_slash_is_no_path() -> None:
    secret = "/CRLN1E6K1otKCbM8VNosARJHAoPUSJRjZXLDKEtLXi" + "="

    assert "VNosARJH" not in redacted(f"Unseal Key 1: {secret}")
