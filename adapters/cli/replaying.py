"""Think again about recorded incidents, and lay the answers side by side."""

import asyncio
import json
import os
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from adapters.cli.recorded import BEGINNING, moment, recorded
from adapters.evaluation.cases import parse_case
from adapters.files.weights import read_weights
from adapters.llm.config import ModelConfig
from adapters.settings import read_settings, store_settings
from adapters.store.opening import Store
from bot.app.replay import Answer, Replayed, replay_opinion, replay_rules, unreadable
from bot.domain.diagnosed import Diagnosed, Opined
from bot.domain.diagnosis import Dossier
from bot.domain.drift import settled_by_incident
from bot.domain.errors import Invalid, Tampered
from bot.domain.ids import IncidentId
from bot.domain.label import Settled
from bot.domain.weights import Weights

_PROMPT = re.compile(r"v?([1-9][0-9]{0,3})")
_PIPED_WIDTH = 150


def replay_recorded(
    incidents: Sequence[str],
    *,
    since: str | None,
    weights: Path | None,
    prompt: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Replay, and print each difference and the sums.

    Raises:
        Invalid: an option is wrong, or a model is asked for without its settings.
    """
    start = moment(since, datetime.now(UTC))
    wanted = [IncidentId(one) for one in incidents]
    if prompt is None and model is None:
        used = read_weights(weights or store_settings(os.environ).weights)
        found = asyncio.run(_rules(wanted, start, used))
    elif weights is not None:
        raise Invalid("Name weights, or a prompt or model, not both: each is compared with what was said.")
    else:
        found = asyncio.run(_opinions(wanted, start, _config(prompt, model)))
    if as_json:
        for one in found:
            typer.echo(json.dumps({**asdict(one), "at": one.at.isoformat()}))
    else:
        _print(found)


def _config(prompt: str | None, model: str | None) -> ModelConfig:
    from adapters.logs import log_aside
    from adapters.wiring import model_config

    log_aside()
    version = _PROMPT.fullmatch(prompt) if prompt is not None else None
    if prompt is not None and version is None:
        raise Invalid(f"{prompt!r} is no version of a prompt: use such as v2.")
    config = model_config(read_settings(os.environ))
    if config is None:
        raise Invalid("There is no model: set OPENAI_API_KEY.")
    changed: dict[str, object] = {"prompt_version": int(version[1])} if version else {}
    if model is not None:
        changed |= {"model": model, "fallback_models": ()}
    return config.model_copy(update=changed)


async def _rules(incidents: Sequence[IncidentId], start: datetime, weights: Weights) -> list[Replayed]:
    found: list[Replayed] = []
    async with recorded() as store:
        settled = settled_by_incident(await store.labels.since(BEGINNING))
        for diagnosis in await store.diagnoses.all(since=start):
            if not incidents or diagnosis.incident in incidents:
                answer = settled.get(diagnosis.incident, Settled())
                found.append(await _ranked_again(store, diagnosis, weights, answer))
    return found


async def _ranked_again(store: Store, diagnosis: Diagnosed, weights: Weights, settled: Settled) -> Replayed:
    try:
        raw = await store.diagnoses.snapshot(diagnosis.id)
        case = parse_case(json.loads(raw)).case if raw is not None else None
    except (Tampered, Invalid, ValueError, KeyError):
        case = None
    return replay_rules(diagnosis, case, weights, settled) if case else unreadable(diagnosis, settled)


async def _opinions(incidents: Sequence[IncidentId], start: datetime, config: ModelConfig) -> list[Replayed]:
    from adapters.llm.building import build_analyst

    found: list[Replayed] = []
    async with recorded() as store, aclosing(build_analyst(config)) as analyst:
        settled = settled_by_incident(await store.labels.since(BEGINNING))
        named = {one.id: one.named for one in await store.diagnoses.all(since=BEGINNING)}
        for opinion in await store.diagnoses.opinions(since=start):
            if not incidents or opinion.incident in incidents:
                dossier = await _dossier(store, opinion)
                answer = settled.get(opinion.incident, Settled())
                by_rules = named.get(opinion.diagnosis)
                found.append(await replay_opinion(analyst, opinion, dossier, answer, named_by_rules=by_rules))
    return found


async def _dossier(store: Store, opinion: Opined) -> Dossier | None:
    try:
        raw = await store.diagnoses.dossier(opinion)
        return Dossier.model_validate_json(raw) if raw is not None else None
    except (Tampered, ValidationError):
        return None


def _print(found: Sequence[Replayed]) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    if found:
        console.print(_table(found))
    console.print(_sums(found), markup=False)


def _table(found: Sequence[Replayed]) -> Table:
    table = Table("incident", "at (UTC)", "first then", "first now", "confidence", "labels say", "note")
    for one in found:
        table.add_row(
            one.incident,
            f"{one.at:%Y-%m-%d %H:%M}",
            _first(one.before),
            "–" if one.after is None else _first(one.after) if one.first_changed else "the same",
            f"{_confidence(one.before)} → {_confidence(one.after)}",
            f"{_right(one, one.before)} → {_right(one, one.after)}" if one.is_labelled else "–",
            _note(one),
        )
    return table


def _first(answer: Answer) -> str:
    return str(answer.first) if answer.first is not None else "no change"


def _confidence(answer: Answer | None) -> str:
    return "–" if answer is None or answer.confidence is None else f"{answer.confidence:.2f}"


def _right(one: Replayed, answer: Answer | None) -> str:
    if answer is None:
        return "–"
    if answer.named is None:
        return "named nobody"
    return {True: "right", False: "wrong", None: "not told"}[answer.is_right]


def _note(one: Replayed) -> str:
    named = "names now" if one.after and one.after.named and not one.before.named else ""
    silent = "names nobody now" if one.named_changed and one.after and one.after.named is None else ""
    return "; ".join(part for part in (named, silent, one.why) if part)


def _sums(found: Sequence[Replayed]) -> str:
    again = [one for one in found if one.after is not None]
    then = sum(one.before.is_right is True for one in again)
    now = sum(one.after.is_right is True for one in again if one.after)
    wrong_then = sum(one.before.is_right is False for one in again)
    wrong_now = sum(one.after.is_right is False for one in again if one.after)
    by = ", ".join(dict.fromkeys(one.after.by for one in again if one.after)) or "nothing"
    return (
        f"{len(found)} recorded, {len(again)} thought again with {by}: "
        f"{sum(one.first_changed for one in again)} with another first suspect, "
        f"{sum(one.named_changed for one in again)} with another answer. "
        f"By the labels: {then} right and {wrong_then} wrong then, {now} right and {wrong_now} wrong now."
    )
