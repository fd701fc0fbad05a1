"""From a playbook and facts to exact actions: values stay values, and what is shown is what is sent."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.app.filling import fill
from bot.app.rendering import fill_parameters, render_check, render_step
from bot.domain.catalogue import Endpoint, HttpSignal, Service
from bot.domain.errors import InvalidPlan
from bot.domain.plan import CommandRun, HttpRequest
from bot.domain.playbook import CommandStep, Fact, HttpStep, Parameter, Playbook, VerifyStep, WaitStep
from tests.app.world import SHIPPED
from tests.builders import a_change, an_incident

SERVICE = Service(
    endpoints={
        "deploy": Endpoint(url="http://127.0.0.1:8041/api", headers={"Authorization": "secret:TOKEN"})
    },
    signals={"error_ratio": HttpSignal(kind="http", url="http://127.0.0.1:8041/healthz")},
    settings={"region": "eu-1"},
)
ANY = r"(?s).*"


def a_step(path: str = "/deploy", **changed: object) -> HttpStep:
    return HttpStep.model_validate(
        {"type": "http", "name": "deploy", "endpoint": "deploy", "path": path, **changed}
    )


def rendered(step: HttpStep, service: Service = SERVICE, **values: str) -> HttpRequest:
    action = render_step(step, values, service)
    assert isinstance(action, HttpRequest)
    return action


def a_command(*argv: str, **values: str) -> CommandRun:
    step = CommandStep.model_validate({"type": "command", "name": "run", "argv": list(argv)})
    action = render_step(step, values, SERVICE)
    assert isinstance(action, CommandRun)
    return action


def a_playbook(**parameters: Parameter) -> Playbook:
    return SHIPPED["restart-service"].playbook.model_copy(update={"parameters": parameters})


def filled(pattern: str, version: str) -> str:
    playbook = a_playbook(version=Parameter.model_validate({"from": "suspect.version", "pattern": pattern}))
    (value,) = fill_parameters(playbook, an_incident(), a_change(version=version), SERVICE)
    assert (value.name, value.source) == ("version", Fact.SUSPECT_VERSION)
    return value.value


def test_every_fact_has_its_own_source() -> None:
    wanted = {
        "incident.id": "Q1INCIDENT0001",
        "incident.service": "checkout",
        "suspect.id": "deploy-checkout-42",
        "suspect.service": "checkout",
        "suspect.environment": "production",
        "suspect.version": "42",
        "suspect.previous_version": "41",
    }
    playbook = a_playbook(
        **{name.replace(".", "_"): Parameter.model_validate({"from": name}) for name in wanted},
        region=Parameter.model_validate({"from": "service.setting", "setting": "region"}),
    )

    values = fill_parameters(playbook, an_incident(), a_change(), SERVICE)

    assert {**wanted, "service.setting": "eu-1"} == {value.source.value: value.value for value in values}


@pytest.mark.parametrize("source", ["suspect.version", "suspect.flag", "suspect.previous_version"])
def test_a_fact_that_nobody_reported_is_named(source: str) -> None:
    playbook = a_playbook(x=Parameter.model_validate({"from": source}))

    with pytest.raises(InvalidPlan, match=f"'x' needs {source}, which nobody reported"):
        fill_parameters(playbook, an_incident(), None, SERVICE)


@pytest.mark.parametrize(
    "value",
    ["41\n", "41\r\nX: y", "4\x001", "\x1b[2J", "аdmin", "41\u202e", "４１", "é", "\x7f", "a\tb"],
)
def test_sl_bidi_no_pattern_lets_signs_through_that_people_cannot_read(value: str) -> None:
    with pytest.raises(InvalidPlan, match="parameter 'version' may not be"):
        filled(ANY, value)


@pytest.mark.parametrize(
    "value", ["", "-41", "--kubeconfig=/x", "41;id", "$(id)", "`id`", "a b", "../x", "{x}"]
)
def test_the_usual_pattern_takes_versions_and_nothing_else(value: str) -> None:
    usual = Parameter.model_validate({"from": "suspect.version"}).pattern

    with pytest.raises(InvalidPlan):
        filled(usual, value)
    assert "1.2.3-rc.1+build_5" == filled(usual, "1.2.3-rc.1+build_5")


def test_a_pattern_must_match_the_whole_value() -> None:
    with pytest.raises(InvalidPlan):
        filled("4|41", "41x")


def test_a_placeholder_in_a_value_stays_a_value() -> None:
    assert "a {b} {{7*7}} ${HOME} %(x)s {0.__class__} 1" == fill(
        "a {x} {{7*7}} ${HOME} %(x)s {0.__class__} {b}", {"x": "{b}", "b": "1"}
    )


def test_a_request_is_spelled_out() -> None:
    step = a_step(
        "/flags/{flag}",
        method="PUT",
        headers={"X-Who": "{flag}"},
        body={"on": False, "flag": "{flag}", "n": 1},
    )

    assert HttpRequest(
        name="deploy",
        method="PUT",
        url="http://127.0.0.1:8041/api/flags/a%2Fb%3Fc%23d%20e",
        headers=(
            ("Authorization", "secret:TOKEN"),
            ("Content-Type", "application/json"),
            ("X-Who", "a/b?c#d e"),
        ),
        body='{"flag": "a/b?c#d e", "n": 1, "on": false}',
        expect_status=(200, 201, 202, 204),
        idempotent=False,
        timeout_s=10,
    ) == rendered(step, flag="a/b?c#d e")


def test_a_value_cannot_leave_its_place_in_a_body() -> None:
    assert '{"v": "\\"}, {\\"x\\": \\""}' == rendered(a_step(body={"v": "{v}"}), v='"}, {"x": "').body


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/flags/{v}", ".."),
        ("/flags/{v}", "."),
        ("/{v}{v}/x", "."),
        ("/a/../b", ""),
        ("/a/./b", ""),
        ("/a/%2e%2E/b", ""),
        ("/a b", ""),
        ("/a#b", ""),
        ("/a\\b", ""),
        ("/é", ""),
        ("/a%zz", ""),
    ],
)
def test_a_path_that_a_client_would_mend_is_refused(path: str, value: str) -> None:
    with pytest.raises(InvalidPlan, match="would not be sent as it is shown"):
        rendered(a_step(path), v=value)


def test_a_path_of_the_endpoint_is_looked_at_too() -> None:
    service = SERVICE.model_copy(update={"endpoints": {"deploy": Endpoint(url="http://127.0.0.1:1/a/../b")}})

    with pytest.raises(InvalidPlan, match="would not be sent as it is shown"):
        rendered(a_step(), service)


def test_a_header_of_the_step_takes_the_place_of_the_endpoints_whatever_its_capitals() -> None:
    request = rendered(a_step(headers={"authorization": "none", "content-TYPE": "text/x"}, body={}))

    assert (("authorization", "none"), ("content-TYPE", "text/x")) == request.headers


@pytest.mark.parametrize(
    "name", ["Idempotency-Key", "idempotency-key", "Host", "Content-Length", "Transfer-Encoding"]
)
def test_headers_that_the_runner_sets_cannot_be_planned(name: str) -> None:
    with pytest.raises(InvalidPlan, match="is set by the runner"):
        rendered(a_step(headers={name: "1"}))


@pytest.mark.parametrize(
    ("header", "value"), [("{v}", "secret:TOKEN"), ("secret:{v}", "TOKEN"), ("secret:TOK{v}", "EN")]
)
def test_a_value_cannot_name_a_secret(header: str, value: str) -> None:
    with pytest.raises(InvalidPlan, match="would name a secret by a parameter"):
        rendered(a_step(headers={"X-Leak": header}), v=value)


@pytest.mark.parametrize("value", ["-rf", "--kubeconfig=/x", "-"])
def test_a_value_cannot_become_an_option(value: str) -> None:
    with pytest.raises(InvalidPlan, match="would be read as an option"):
        a_command("kubectl", "{v}", v=value)
    assert ("kubectl", f"--to={value}", f"deploy/{value}") == a_command(
        "kubectl", "--to={v}", "deploy/{v}", v=value
    ).argv


def test_arguments_are_never_split_or_joined() -> None:
    nasty = "; rm -rf / $(id) `id` * ' \""

    assert ("echo", nasty, f"<{nasty}>") == a_command("echo", "{v}", "<{v}>", v=nasty).argv


def test_what_the_service_lacks_is_named_with_where_to_add_it() -> None:
    check = VerifyStep.model_validate(
        {"type": "verify", "name": "check", "signal": "latency", "threshold": "0.1"}
    )

    with pytest.raises(InvalidPlan, match="no signal 'latency': add it under `signals`"):
        render_check(check, SERVICE)
    with pytest.raises(InvalidPlan, match="no endpoint 'deploy': add it under `endpoints`"):
        rendered(a_step(), Service())


def test_waits_and_checks_are_spelled_out() -> None:
    check = VerifyStep.model_validate(
        {"type": "verify", "name": "check", "signal": "error_ratio", "threshold": "0.1"}
    )
    wait = WaitStep.model_validate({"type": "wait", "name": "settle", "seconds": 5})

    assert render_check(check, SERVICE) == render_step(check, {}, SERVICE)
    assert ("wait", 5) == ((w := render_step(wait, {}, SERVICE)).type, getattr(w, "seconds", None))


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_any_value_that_is_sent_stays_in_its_segment(value: str) -> None:
    assume(value not in {".", ".."})

    url = rendered(a_step("/flags/{v}/off"), v=value).url

    assert 4 == url.removeprefix("http://127.0.0.1:8041").count("/")
    assert url.endswith("/off")
    assert not set("?# ") & set(url)


@given(st.text())
def test_any_text_is_a_printable_ascii_value_or_refused(text: str) -> None:
    try:
        value = filled(ANY, text)
    except InvalidPlan:
        return
    assert (text, True) == (value, value.isascii() and all(32 <= ord(sign) < 127 for sign in value))
