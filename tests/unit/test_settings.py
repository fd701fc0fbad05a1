"""The settings: every wrong variable is named at once, and no value is ever repeated."""

import pytest

from adapters.settings import InvalidSettings, Settings, read_settings, store_settings
from adapters.wiring import model_config
from bot.domain.diagnosis import Level

GOOD = {
    "SLACK_BOT_TOKEN": "xoxb-bot-token",
    "SLACK_SIGNING_SECRET": "signing-secret",
    "SLACK_TEAM_ID": "T0HANDRAIL",
    "SLACK_CHANNEL": "C0INCIDENTS",
    "PAGERDUTY_API_TOKEN": "pagerduty-token",
    "PAGERDUTY_WEBHOOK_SECRETS": "webhook-old, webhook-new",
    "PAGERDUTY_FROM_EMAIL": "bot@example.com",
}


def an_environment(*without: str, **given: str) -> dict[str, str]:
    return {name: value for name, value in {**GOOD, **given}.items() if name not in without}


def refused(environment: dict[str, str]) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        read_settings(environment)
    return str(caught.value).splitlines()


def test_seven_variables_make_a_bot() -> None:
    settings = read_settings({**GOOD, "HOME": "/root", "EMPTY": "", "LANG": "C"})

    assert ("https://slack.com/api/", 15, None, False) == (
        settings.slack_api_url,
        settings.handrail_approval_minutes,
        settings.openai_api_key,
        settings.handrail_resolve,
    )
    assert ["webhook-old", "webhook-new"] == [s.get_secret_value() for s in settings.webhook_secrets]


def test_socket_mode_needs_no_signing_secret() -> None:
    settings = read_settings(an_environment("SLACK_SIGNING_SECRET", SLACK_APP_TOKEN="xapp-token"))

    assert settings.slack_signing_secret is None


def test_every_missing_variable_is_named_at_once_with_what_it_is_for() -> None:
    problems = refused({})

    assert {
        "SLACK_BOT_TOKEN",
        "SLACK_TEAM_ID",
        "SLACK_CHANNEL",
        "PAGERDUTY_API_TOKEN",
        "PAGERDUTY_WEBHOOK_SECRETS",
        "PAGERDUTY_FROM_EMAIL",
        "set SLACK_SIGNING_SECRET (HTTP) or SLACK_APP_TOKEN (Socket Mode)",
    } == {problem.split(":")[0] for problem in problems}
    assert "SLACK_TEAM_ID: is not set. The one workspace that may act (`T…`)." in problems


@pytest.mark.parametrize("blank", ["", " ", "        \t", "\n"])
@pytest.mark.parametrize("name", ["SLACK_SIGNING_SECRET", "PAGERDUTY_WEBHOOK_SECRETS", "OPENAI_API_KEY"])
def test_a_blank_variable_is_never_the_same_as_an_unset_one(name: str, blank: str) -> None:
    assert [f"{name}: is blank. Give it a value, or unset it."] == refused(an_environment(**{name: blank}))


@pytest.mark.parametrize(
    "secrets", [",,,,,,,,", "webhook-old,", "webhook-old,,webhook-new", "a,b,c,d,e", "a,,b"]
)
def test_webhook_secrets_that_hold_an_empty_one_do_not_start(secrets: str) -> None:
    assert ["PAGERDUTY_WEBHOOK_SECRETS: each secret between the commas has at least 8 characters"] == refused(
        an_environment(PAGERDUTY_WEBHOOK_SECRETS=secrets)
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("HANDRAIL_PROT", "HANDRAIL_PROT: no such setting. Did you mean HANDRAIL_PORT?"),
        ("HANDRAIL_BOGUS", "HANDRAIL_BOGUS: no such setting. Unset it."),
        ("HANDRAIL_SECRETS_X", "HANDRAIL_SECRETS_X: no such setting. Unset it."),
        ("SLACK_HOME", "SLACK_HOME: no such setting. Unset it."),
        ("PAGERDUTY_TOKEN", "PAGERDUTY_TOKEN: no such setting. Did you mean PAGERDUTY_API_TOKEN?"),
        ("OPENAI_API_BASE", "OPENAI_API_BASE: no such setting. Did you mean OPENAI_BASE_URL?"),
        ("OPENAI_KEY", "OPENAI_KEY: no such setting. Did you mean OPENAI_API_KEY?"),
        ("SLACK_BOT_TOKENS", "SLACK_BOT_TOKENS: no such setting. Did you mean SLACK_BOT_TOKEN?"),
        ("PAGERDUTY_API_TOCKEN", "PAGERDUTY_API_TOCKEN: no such setting. Did you mean PAGERDUTY_API_TOKEN?"),
        ("OPENAI_APIKEY", "OPENAI_APIKEY: no such setting. Did you mean OPENAI_API_KEY?"),
        ("REDIS_URI", "REDIS_URI: no such setting. Did you mean REDIS_URL?"),
        ("TEMPORAL_ADRESS", "TEMPORAL_ADRESS: no such setting. Did you mean TEMPORAL_ADDRESS?"),
    ],
)
def test_a_slip_of_the_pen_is_refused_with_the_name_that_was_meant(name: str, says: str) -> None:
    assert [says] == refused(an_environment(**{name: "some-value"}))


@pytest.mark.parametrize("name", ["OPENAI_ORG_ID", "REDIS_PORT", "REDIS_SERVICE_HOST", "PATH"])
def test_other_programs_variables_are_left_alone(name: str) -> None:
    assert isinstance(read_settings(an_environment(**{name: "some-value"})), Settings)


@pytest.mark.parametrize("name", ["LANGSMITH_API_KEY", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING"])
def test_variables_that_would_ship_prompts_stop_the_start(name: str) -> None:
    assert [
        f"{name}: would send prompts to a third party. Unset it, or set HANDRAIL_ALLOW_TRACING=true."
    ] == refused(an_environment(**{name: "x"}))


@pytest.mark.parametrize("yes", ["true", "1", "on", "YES"])
def test_whoever_wants_tracing_says_so(yes: str) -> None:
    settings = read_settings(an_environment(LANGSMITH_TRACING="true", HANDRAIL_ALLOW_TRACING=yes))

    assert settings.handrail_allow_tracing


@pytest.mark.parametrize("no", ["false", "0", "off"])
def test_a_denied_tracing_stays_denied(no: str) -> None:
    assert (
        "would send prompts" in refused(an_environment(LANGSMITH_TRACING="1", HANDRAIL_ALLOW_TRACING=no))[0]
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLACK_BOT_TOKEN", "canary"),
        ("SLACK_API_URL", "ftp://canary"),
        ("SLACK_API_URL", "https://canary:pw@slack.com"),
        ("SLACK_API_URL", "https://slack.com/?canary"),
        ("PAGERDUTY_FROM_EMAIL", "canary"),
        ("HANDRAIL_PORT", "canary"),
        ("HANDRAIL_PORT", "65536"),
        ("HANDRAIL_APPROVAL_MINUTES", "nan"),
        ("HANDRAIL_APPROVAL_MINUTES", "0"),
        ("HANDRAIL_MODEL_TIMEOUT_S", "21"),
        ("HANDRAIL_RESOLVE", "canary"),
        ("HANDRAIL_LOG_LEVEL", "canary"),
        ("HANDRAIL_SECRET_DEPLOY", "canary"),
        ("HANDRAIL_SECRET_DEPLOY", "deploy-canary\n"),
        ("PAGERDUTY_WEBHOOK_SECRETS", "canary"),
        ("SLACK_SIGNING_SECRET", "  signing-canary"),
        ("HANDRAIL_SECRET_deploy", "deploy-canary"),
        ("HANDRAIL_SECRET_", "deploy-canary"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_never_repeated(name: str, value: str) -> None:
    problems = refused(an_environment(**{name: value}))

    assert [name] == [problem.split(":")[0] for problem in problems]
    assert "canary" not in "\n".join(problems)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SLACK_CHANNEL", "#incidents", "must be a channel's id (`C…`), not its name"),
        ("SLACK_BOT_TOKEN", "short", "must have at least 8 characters"),
        ("OPENAI_BASE_URL", "api.example.com", "must be an address such as `https://host.example/path`"),
        ("PAGERDUTY_FROM_EMAIL", "bot", "must be an e-mail address"),
        ("HANDRAIL_PORT", "many", "must be a whole number"),
        ("HANDRAIL_PORT", "65536", "must be at most 65535"),
        ("HANDRAIL_APPROVAL_MINUTES", "0", "must be greater than 0"),
        ("HANDRAIL_RESOLVE", "perhaps", "must be true or false"),
        ("HANDRAIL_LOG_LEVEL", "loud", "must be one of debug, info, warning, error"),
        ("HANDRAIL_MODEL_PRICE", "cheap", "must be two prices with a slash between"),
    ],
)
def test_a_wrong_value_is_told_what_it_should_be(name: str, value: str, says: str) -> None:
    [problem] = refused(an_environment(**{name: value}))

    assert problem.startswith(f"{name}: {says}")


def test_all_kinds_of_problems_are_told_together() -> None:
    problems = refused(
        {
            "SLACK_BOT_TOKEN": " ",
            "SLACK_TEAM": "T0HANDRAIL",
            "HANDRAIL_PORT": "x",
            "LANGSMITH_TRACING": "1",
            "HANDRAIL_SECRET_X": "short",
        }
    )

    assert {
        "SLACK_BOT_TOKEN",
        "HANDRAIL_PORT",
        "LANGSMITH_TRACING",
        "HANDRAIL_SECRET_X",
        "SLACK_TEAM_ID",
        "SLACK_CHANNEL",
        "PAGERDUTY_API_TOKEN",
        "PAGERDUTY_WEBHOOK_SECRETS",
        "PAGERDUTY_FROM_EMAIL",
    } < {problem.split(":")[0] for problem in problems}
    assert len(problems) == len({problem.split(":")[0] for problem in problems})


def test_secrets_for_plans_are_kept_by_name() -> None:
    settings = read_settings(an_environment(HANDRAIL_SECRET_DEPLOY_TOKEN="deploy-value"))

    assert ["DEPLOY_TOKEN"] == list(settings.secrets)
    assert "deploy-value" == settings.secrets["DEPLOY_TOKEN"].get_secret_value()


def test_every_secret_is_known_and_none_is_shown() -> None:
    secrets = {
        "SLACK_BOT_TOKEN": "xoxb-canary-1",
        "SLACK_SIGNING_SECRET": "canary-number-2",
        "SLACK_APP_TOKEN": "xapp-canary-3",
        "PAGERDUTY_API_TOKEN": "canary-number-4",
        "OPENAI_API_KEY": "sk-canary-5",
        "HANDRAIL_CHANGES_SECRET": "canary-number-6",
        "HANDRAIL_GITHUB_SECRET": "canary-number-7",
        "HANDRAIL_SECRET_DEPLOY": "canary-number-8",
    }
    settings = read_settings(
        an_environment(
            PAGERDUTY_WEBHOOK_SECRETS="canary-number-9,canary-number-10",
            REDIS_URL="rediss://bot:canary-11@redis.internal:6379/0",
            DATABASE_URL="postgresql+psycopg://bot:canary%2F12@db.internal/handrail",
            **secrets,
        )
    )

    assert {
        *secrets.values(),
        "canary-number-9",
        "canary-number-10",
        "canary-11",
        "canary%2F12",
        "canary/12",
    } <= set(settings.known_secrets())
    assert "" not in settings.known_secrets()
    assert "canary" not in f"{settings!r} {settings!s}"


def test_settings_cannot_be_changed_after_the_start() -> None:
    settings = read_settings(GOOD)

    with pytest.raises(ValueError, match="frozen"):
        settings.handrail_resolve = True  # type: ignore[misc]


def test_the_offline_commands_need_no_token() -> None:
    assert ".handrail/audit.db" in store_settings({}).database_url
    assert "postgresql://x" == store_settings({"DATABASE_URL": "postgresql://x"}).database_url


@pytest.mark.parametrize(
    "given",
    [
        {"OPENAI_FALLBACK_MODEL": "llama3"},
        {"OPENAI_FALLBACK_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_FALLBACK_MODEL": "llama3"},
        {
            "OPENAI_FALLBACK_BASE_URL": "http://127.0.0.1:1/v1",
            "OPENAI_FALLBACK_MODEL": "llama3",
            "OPENAI_FALLBACK_API_KEY": "none-needed",
        },
    ],
    ids=["no-address", "no-key", "no-first-model"],
)
def test_half_a_second_model_is_refused(given: dict[str, str]) -> None:
    problems = refused(an_environment(**given))

    assert [True] == [problem.startswith("set OPENAI_FALLBACK_BASE_URL") for problem in problems]


def test_the_second_address_stands_last_on_the_ladder_with_its_own_key_and_price() -> None:
    settings = read_settings(
        an_environment(
            OPENAI_API_KEY="first-key",
            OPENAI_MODEL="big",
            HANDRAIL_MODEL_FALLBACK="small",
            HANDRAIL_MODEL_PRICE="1/2",
            OPENAI_FALLBACK_BASE_URL="http://127.0.0.1:1/v1",
            OPENAI_FALLBACK_API_KEY="second-key",
            OPENAI_FALLBACK_MODEL="llama3",
            HANDRAIL_MODEL_FALLBACK_PRICE="0/0",
            HANDRAIL_MODEL_DAILY_TOKENS="5000",
            HANDRAIL_MODEL_DAILY_CALLS="7",
        )
    )

    config = model_config(settings)

    assert config is not None
    assert [
        ("big", Level.PRIMARY, "first-key"),
        ("small", Level.FALLBACK_MODEL, "first-key"),
        ("llama3", Level.SECOND, "second-key"),
    ] == [(e.model, e.level, e.api_key.get_secret_value()) for e in config.endpoints]
    assert {"big", "small", "llama3"} == set(config.prices)
    assert (5000, 7) == (config.daily_tokens, config.daily_calls)
    assert "second-key" in settings.known_secrets()
