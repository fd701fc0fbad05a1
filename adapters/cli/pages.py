"""The pages of the reference, and the blocks of other pages, that are made from what the code knows."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel
from typer.core import TyperArgument, TyperGroup, TyperOption

from adapters.changes.generic import ChangeReport
from adapters.cli.tables import default_of, fields_table, markdown_table, type_of
from adapters.engine.embedded import errors as embedded_errors
from adapters.settings import Settings
from adapters.telemetry import PrometheusTelemetry
from bot.app.commands.table import SHARE, SHARE_HELP, usages
from bot.domain import catalogue, freeze, playbook, policy, target_steps, updates
from bot.domain import errors as domain_errors
from bot.domain.errors import Invalid

FOLDER = Path("docs/reference")
_MADE = "<!-- Made by `handrail reference --write`; changes by hand are lost. -->"
_BLOCK = "<!-- begin {name}: made by `handrail reference --write` -->\n{text}<!-- end {name} -->"

STEPS = (
    playbook.HttpStep,
    playbook.CommandStep,
    target_steps.KubernetesStep,
    target_steps.AnsibleStep,
    target_steps.HaproxyStep,
    target_steps.NotifyStep,
    playbook.WaitStep,
    playbook.VerifyStep,
    playbook.EachStep,
)
SIGNALS = (catalogue.ExpositionSignal, catalogue.PrometheusSignal, catalogue.HttpSignal)


def wanted_files(root: Path, command: TyperGroup) -> Mapping[Path, str]:
    """Return each file that holds something made here, as it should be, by its path under *root*."""
    pages = {
        FOLDER / "settings.md": settings_page(),
        FOLDER / "commands.md": commands_page(command),
        FOLDER / "metrics.md": metrics_page(),
        FOLDER / "steps.md": steps_page(),
        FOLDER / "services.md": services_page(),
        FOLDER / "policy.md": policy_page(),
        FOLDER / "changes.md": changes_page(),
        FOLDER / "errors.md": errors_page(),
    }
    blocks = {
        Path("README.md"): {"settings": required_settings(), "slash-commands": slash_commands()},
        Path("playbooks/README.md"): {"steps": steps_tables(level=3)},
    }
    return {
        **{path: f"{_MADE}\n\n{text}" for path, text in pages.items()},
        **{path: _with_blocks(root / path, made) for path, made in blocks.items()},
    }


def settings_page() -> str:
    """Return every setting."""
    rows = [
        (
            f"`{_variable(name)}`",
            type_of(field),
            "required" if field.is_required() else default_of(field),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]
    table = markdown_table(("variable", "type", "default", "what it is"), rows)
    return (
        "# Settings\n\nSettings are environment variables. A missing, blank or wrong one stops the start, "
        "and every one of them is named at once. A name that no setting has stops it too if it begins with "
        "`HANDRAIL_`, `SLACK_` or `PAGERDUTY_`; of `OPENAI_`, `TEMPORAL_`, `REDIS_` and `DATABASE_`, which "
        "other programs use as well, only names that look like a slip of the pen do. (In Kubernetes, set "
        "`enableServiceLinks: false`: it would make such names of services called `handrail` or `slack`.)"
        f"\n\n{table}"
    )


def required_settings() -> str:
    """Return the settings without which the bot does not start."""
    rows = [
        (f"`{_variable(name)}`", field.description or "")
        for name, field in Settings.model_fields.items()
        if field.is_required() or name in ("slack_signing_secret", "slack_app_token")
    ]
    return markdown_table(("variable", "what it is"), rows)


def _variable(field: str) -> str:
    return "HANDRAIL_SECRET_NAME" if field == "secrets" else field.upper()


def commands_page(command: TyperGroup) -> str:
    """Return the command line and the slash commands."""
    lines = [f"## `{name}`\n\n{text}" for name, text in _commands(command, "handrail")]
    return (
        "# Commands\n\nExit code 0: done; 1: it says no; 2: it could not be done, and standard error says "
        f"why.\n\n{''.join(lines)}## In Slack\n\n{slash_commands()}"
    )


def _commands(group: TyperGroup, prefix: str) -> Iterator[tuple[str, str]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        path = f"{prefix} {name}"
        if isinstance(command, TyperGroup):
            yield from _commands(command, path)
            continue
        rows = [row for parameter in command.params if (row := _parameter(parameter)) is not None]
        table = markdown_table(("option", "default", "what it does"), rows) + "\n" if rows else ""
        yield path, f"{_paragraphs(command.help or '')}\n\n{table}"


def _parameter(parameter: object) -> Sequence[str] | None:
    match parameter:
        case TyperOption() if not parameter.hidden:
            default = "" if parameter.default in (None, False) else f"`{parameter.default}`"
            return f"`{parameter.opts[0]}`", default, parameter.help or ""
        case TyperArgument():
            default = "" if parameter.default is None else f"`{parameter.default}`"
            return f"`{(parameter.name or '').upper()}`", default, parameter.help or ""
        case _:
            return None


def _paragraphs(text: str) -> str:
    """Return *text* with its paragraphs on one line each, and examples in the form of code."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return re.sub(r"Example: (.+)$", r"Example: `\1`", "\n\n".join(paragraphs), flags=re.MULTILINE)


def slash_commands() -> str:
    """Return what `/incident` can do."""
    rows = [(f"`/incident {usage}`", said) for usage, said in usages().values()]
    rows.append((f"`/incident … {SHARE}`", SHARE_HELP))
    return markdown_table(("command", "answer"), rows)


def metrics_page() -> str:
    """Return every metric with its labels."""
    rows = []
    for family in _measured_once().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        rows.append(
            (f"`{name}`", family.type, ", ".join(f"`{label}`" for label in labels), family.documentation)
        )
    table = markdown_table(("metric", "type", "labels", "what it is"), rows)
    return (
        "# Metrics\n\n`GET /metrics` answers in Prometheus text form. Labels come from closed sets: no ids "
        f"and no text from outside.\n\n{table}"
    )


def _measured_once() -> PrometheusTelemetry:
    """Return telemetry in which each metric was measured, so that its labels can be seen."""
    telemetry, moment = PrometheusTelemetry(), timedelta(seconds=1)
    telemetry.stored("events", moment)
    telemetry.card_shown(moment)
    telemetry.click_answered(moment, "accepted")
    telemetry.first_step_started(moment)
    telemetry.outcome("verified")
    telemetry.degraded("Slack")
    telemetry.model_called("ok", tokens_in=1, tokens_out=1, cost_usd=Decimal(1))
    telemetry.child_restarted("valkey", 1)
    return telemetry


def steps_page() -> str:
    """Return the step types of a playbook, and its other parts."""
    parts = _sections(
        ("A playbook", playbook.Playbook),
        ("`parameters`: each of them", playbook.Parameter),
        ("`when`", playbook.Applies),
        ("`undo`", playbook.Undo),
    )
    return f"# Playbooks and their steps\n\n{parts}## Step types\n\n{steps_tables(level=3)}"


def steps_tables(*, level: int) -> str:
    """Return one table a step type under headings of *level*."""
    return _tables(STEPS, "type", level=level)


def services_page() -> str:
    """Return what `services.yaml` may say."""
    parts = _sections(
        ("A service", catalogue.Service),
        ("`approvers`", catalogue.Approvers),
        ("`endpoints`: each of them", catalogue.Endpoint),
        ("`service_graph`, beside `services`", catalogue.ServiceGraph),
        ("`routes`, beside `services`: each of them", catalogue.Route),
        ("`updates`, beside `services`: each of them", updates.Updates),
        ("`pagerduty`, beside `services`", catalogue.PagerDutyFields),
    )
    return f"# services.yaml\n\n{parts}## `signals`: each of them\n\n{_tables(SIGNALS, 'kind', level=3)}"


def policy_page() -> str:
    """Return what `policy.yaml` may say."""
    parts = _sections(
        ("The file", policy.Policy),
        ("`low`, `medium`, `high`, `critical`", policy.RiskRule),
        ("`approvers`", catalogue.Approvers),
        ("`freezes`: each of them", freeze.Freeze),
        ("`weekly`", freeze.Weekly),
        ("`dated`", freeze.Dated),
        ("`limits`", policy.Limits),
        ("`services`: each of them", policy.ServiceRule),
        ("`opa`", policy.Opa),
    )
    return f"# policy.yaml\n\n{parts}"


def _sections(*models: tuple[str, type[BaseModel]]) -> str:
    """Return a section with a table of fields for each model, under its title."""
    return "".join(
        f"## {title}\n\n{inspect.getdoc(model)}\n\n{fields_table(model)}\n" for title, model in models
    )


def _tables(models: Sequence[type[BaseModel]], tag: str, *, level: int) -> str:
    parts = [
        f"{'#' * level} `{tag}: {type_of(model.model_fields[tag]).strip('`')}`\n\n"
        f"{inspect.getdoc(model)}\n\n{fields_table(model, without=tag)}"
        for model in models
    ]
    return "\n".join(parts)


def changes_page() -> str:
    """Return the body of a generic change event."""
    return f"# Change events\n\n{inspect.getdoc(ChangeReport)}\n\n{fields_table(ChangeReport)}"


def errors_page() -> str:
    """Return the ways in which the bot says no."""
    parts = "\n".join(
        f"## {title}\n\n{markdown_table(('error', 'is a', 'what it means'), _error_rows(module))}"
        for title, module in (("Of the bot", domain_errors), ("Of the one-machine form", embedded_errors))
    )
    return (
        "# Errors\n\nOne class for each way in which a caller reacts. On the command line each of them ends "
        f"with exit code 2 and its message on standard error.\n\n{parts}"
    )


def _error_rows(module: ModuleType) -> list[Sequence[str]]:
    classes = [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if found.__module__ == module.__name__ and issubclass(found, Exception)
    ]
    classes.sort(key=lambda found: inspect.getsourcelines(found)[1])
    return [
        (f"`{c.__name__}`", f"`{c.__base__.__name__}`", inspect.getdoc(c) or "")
        for c in classes
        if c.__base__
    ]


def _with_blocks(path: Path, made: Mapping[str, str]) -> str:
    """Return the file with what stands between its markers made anew."""
    text = text_of(path)
    for name, part in made.items():
        begin, end = f"<!-- begin {name}:", f"<!-- end {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise Invalid(f"{path}: needs one `{begin} … -->` and one `{end}`")
        before, after = text.split(begin)[0], text.split(end)[1]
        text = before + _BLOCK.format(name=name, text=part) + after
    return text


def text_of(path: Path) -> str:
    """Return what the file holds, "" when there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""
