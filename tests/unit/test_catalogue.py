"""`services.yaml`: what it maps, and how it says what is wrong with it."""

from pathlib import Path

import pytest

from adapters.files.catalogue import read_catalogue
from adapters.ground import read_files
from adapters.settings import read_settings
from bot.domain.catalogue import Catalogue, ExpositionSignal
from bot.domain.errors import InvalidCatalogue
from bot.domain.ids import ServiceName

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
A_BOT = {
    "SLACK_BOT_TOKEN": "xoxb-bot-token",
    "SLACK_SIGNING_SECRET": "signing-secret",
    "SLACK_TEAM_ID": "T0HANDRAIL",
    "SLACK_CHANNEL": "C0INCIDENTS",
    "PAGERDUTY_API_TOKEN": "pagerduty-token",
    "PAGERDUTY_WEBHOOK_SECRETS": "webhook-secret",
    "PAGERDUTY_FROM_EMAIL": "bot@example.com",
}
GOOD = """\
services:
  checkout:
    pagerduty: [PCHECKOUT]
    names: [checkout-api, shop]
    channel: C0CHECKOUT
    environments: [production]
    endpoints:
      deploy:
        url: http://127.0.0.1:8041
        headers:
          Authorization: "Bearer secret:DEPLOY_TOKEN"
    signals:
      error_ratio:
        kind: exposition
        url: http://127.0.0.1:8041/metrics
        errors: checkout_errors_total
        total: checkout_requests_total
    settings:
      haproxy_socket: /run/haproxy.sock
    playbooks: [rollback-deploy]
    approvers:
      users: [U0DANA]
      on_call: true
    dependencies: [payments]
  payments:
    pagerduty: [PPAYMENTS]
"""


def a_catalogue(folder: Path, *changes: tuple[str, str]) -> Path:
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "services.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return read_catalogue(a_catalogue(tmp_path))


def test_a_service_is_found_by_its_names_elsewhere(catalogue: Catalogue) -> None:
    assert ["checkout", "checkout", "checkout", None, "payments", None, None] == [
        catalogue.by_name("checkout"),
        catalogue.by_name("checkout-api"),
        catalogue.by_name("shop"),
        catalogue.by_name("Checkout"),
        catalogue.by_pagerduty_id("PPAYMENTS"),
        catalogue.by_pagerduty_id("POTHER"),
        catalogue.by_pagerduty_id(None),
    ]


def test_an_entry_keeps_everything_that_it_says(catalogue: Catalogue) -> None:
    checkout = catalogue.services[ServiceName("checkout")]

    assert checkout.endpoints["deploy"].headers == {"Authorization": "Bearer secret:DEPLOY_TOKEN"}
    assert isinstance(checkout.signals["error_ratio"], ExpositionSignal)
    assert (("U0DANA",), True) == (checkout.approvers.users, checkout.approvers.on_call)


def test_a_service_without_approvers_may_be_decided_by_nobody(catalogue: Catalogue) -> None:
    approvers = catalogue.services[ServiceName("payments")].approvers

    assert ((), False) == (approvers.users, approvers.on_call)


def test_the_dependencies_make_the_call_graph(catalogue: Catalogue) -> None:
    topology = catalogue.topology()

    assert {"payments": 1} == topology.dependencies_of(ServiceName("checkout"))
    assert {"checkout": 1} == topology.dependents_of(ServiceName("payments"))


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("on_call: true", "on_call: yes"), 23, "on_call"),
        (("on_call: true", "on_call: true\n      everybody: true"), 24, "everybody` is no known key"),
        (("users: [U0DANA]", "users: [dana]"), 22, "users.0"),
        (("users: [U0DANA]", "users: ['']"), 22, "users.0"),
        (("    environments: [production]", "    region: no"), 6, "region` is no known key"),
        (("channel: C0CHECKOUT", "channel: '#shop'"), 5, "must be a channel's id (`C…`)"),
        (
            ("url: http://127.0.0.1:8041\n", "url: 127.0.0.1:8041\n"),
            9,
            "must be an address such as `https://",
        ),
        (("    environments: [production]", "    channel: C0OTHER"), 6, "'channel' stands twice"),
        (
            ("pagerduty: [PPAYMENTS]", "pagerduty: [PCHECKOUT]"),
            26,
            "belongs to both 'checkout' and 'payments'",
        ),
        (("pagerduty: [PPAYMENTS]", "pagerduty: ['']"), 26, "pagerduty.0"),
        (("services:", "routes: [{service: [shop], channel: C0A}]\nservices:"), 1, "is called 'shop'"),
        (("services:", "routes: [{team: [web], channel: C0A}]\nservices:"), 1, "has the owner 'web'"),
        (("services:", "routes:\n  - service: [checkout]\nservices:"), 2, "it names no `channel`"),
        (
            ("services:", "routes:\n  - channel: C0A\n  - {severity: [error], channel: C0B}\nservices:"),
            2,
            "it fits every incident",
        ),
        (("services:", "routes: [{severity: [bad], channel: C0A}]\nservices:"), 1, "severity"),
        (("services:", "updates: [{service: [shop], channel: C0A}]\nservices:"), 1, "is called 'shop'"),
        (("services:", "updates: [{team: [''], channel: C0A}]\nservices:"), 1, "has the owner ''"),
        (("services:", "updates:\n  - channel: C0A\nservices:"), 2, "names no `service` and no `team`"),
        (("services:", "updates:\n  - service: [checkout]\nservices:"), 2, "names no `channel`"),
        (
            ("services:", "updates: [{service: [checkout], channel: C0A, automatic: [fixed]}]\nservices:"),
            1,
            "automatic",
        ),
        (("pagerduty: [PPAYMENTS]", "names: [shop]"), 26, "name 'shop' belongs to both"),
        (("pagerduty: [PPAYMENTS]", "names: [checkout]"), 26, "name 'checkout' belongs to both"),
        (("  payments:\n", "  Payments:\n"), 25, "Payments"),
        (("  payments:\n", "  ../etc:\n"), 25, "etc"),
        (("[rollback-deploy]", "[../../etc/passwd]"), 20, "playbooks.0"),
        (("url: http://127.0.0.1:8041\n", "url: file:///etc/passwd\n"), 9, "url"),
        (("url: http://127.0.0.1:8041\n", "url: http://a@evil.example\n"), 9, "url"),
        (("url: http://127.0.0.1:8041\n", "url: http://127.0.0.1:99999\n"), 9, "url"),
        (("url: http://127.0.0.1:8041\n", "url: 'http://[::1'\n"), 9, "url"),
        (("url: http://127.0.0.1:8041\n", "url: 'http://:80'\n"), 9, "url"),
        (("Authorization: ", '"X: y\\r\\nAuthorization": '), 11, "headers"),
        (('"Bearer secret:DEPLOY_TOKEN"', '"x\\r\\nEvil: 1"'), 11, "Authorization"),
        (("errors: checkout_errors_total", "errors: 'a\"} or up{x=\"'"), 16, "errors"),
        (("kind: exposition", "kind: guess"), 13, "error_ratio"),
        (("haproxy_socket: /run/haproxy.sock", "haproxy_port: 22"), 19, "haproxy_port"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, says: str
) -> None:
    path = a_catalogue(tmp_path, change)

    with pytest.raises(InvalidCatalogue) as caught:
        read_catalogue(path)

    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert says in str(caught.value)


def test_a_missing_file_is_named_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "services.yaml"

    with pytest.raises(InvalidCatalogue) as caught:
        read_catalogue(path)

    assert f"{path}: cannot be read: No such file or directory" == str(caught.value)


def test_an_empty_file_is_told_how_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "services.yaml"
    path.write_text("# nothing yet\n")

    with pytest.raises(InvalidCatalogue) as caught:
        read_catalogue(path)

    assert f"{path}: is empty; its first line is `services:`" == str(caught.value)


def test_what_an_entry_names_and_nothing_has_is_refused_with_file_and_line(tmp_path: Path) -> None:
    """The file may be called anything: HANDRAIL_SERVICES says how."""
    path = a_catalogue(tmp_path, ("[payments]", "[ledger]")).rename(tmp_path / "our-services.yaml")
    settings = read_settings({**A_BOT, "HANDRAIL_SERVICES": str(path), "HANDRAIL_PLAYBOOKS": str(PLAYBOOKS)})

    with pytest.raises(InvalidCatalogue) as caught:
        read_files(settings)

    assert [
        f"{path}:24: checkout depends on 'ledger', which has no entry: add `ledger: {{}}`, or remove it here"
    ] == str(caught.value).splitlines()
