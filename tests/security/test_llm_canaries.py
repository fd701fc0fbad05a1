"""Secrets and personal data in every place that a model could read from: none leaves."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr

from adapters.llm.agent import LangchainAnalyst
from adapters.llm.config import ModelConfig
from adapters.sandbox.model import KEY, MODEL, ModelServer
from adapters.sandbox.serving import serving
from bot.app.consult import consult
from bot.app.world import World
from bot.domain.ids import IncidentId
from tests.builders import INCIDENT, NOW, a_change, an_alert, an_incident
from tests.model_world import SECRET, an_assessed_world, assessment_of
from tests.unit.redaction_corpus import Sample, on_call_samples, seeded, survives, vendor_samples

ID: Final = IncidentId(INCIDENT)
PROMPTS: Final = Path(__file__).parents[2] / "prompts"


def canaries() -> list[Sample]:
    """Return thirty secrets of vendors, a private key of many lines, one the bot holds, and personal data."""
    vendors = list(vendor_samples(seeded(7), each=1))[:30]
    key = next(sample for sample in on_call_samples(seeded(7)) if sample.group.startswith("pem"))
    return [
        key,
        Sample("held", f"the word is {SECRET}", SECRET),
        Sample("mail", "ask jane.doe.sre@personal-mail.example.com", "jane.doe.sre@personal-mail"),
        Sample("card", "paid with 4111 1111 1111 1111", "4111 1111 1111 1111"),
        *vendors,
    ]


async def a_leaky_world(samples: list[Sample]) -> World:
    """Return an assessed world in which every text from outside holds every sample."""
    text = "\n".join(sample.text for sample in samples)
    leaky = {
        "body": text,
        "diff": text,
        "files": tuple(s.text for s in samples),
        "author": text,
        "flag": text,
    }
    changes = [
        a_change(title=text).model_copy(update=leaky),
        a_change(version="43", finished_at=NOW - timedelta(minutes=4)).model_copy(
            update={"version": text, "diff": "\n".join(sample.text for sample in reversed(samples))}
        ),
    ]
    incident = an_incident(title=text, alerts=[an_alert(title=text, details=text)])
    world = await an_assessed_world(changes=changes, incident=incident)
    earlier = an_incident("Q0EARLIER00001")
    await world.book.see(earlier)
    said = await assessment_of(world)
    await world.book.assess(
        earlier.id, said.model_copy(update={"cause": said.cause.model_copy(update={"headline": text})})
    )
    return world


async def test_llm_canaries(capsys: pytest.CaptureFixture[str]) -> None:
    samples = canaries()
    server = ModelServer()
    world = await a_leaky_world(samples)

    async with serving(server.app()) as address:
        analyst = LangchainAnalyst(
            ModelConfig(base_url=f"{address}/v1", api_key=SecretStr(KEY), model=MODEL, prompts=PROMPTS)
        )
        await consult(world, analyst, ID)
        await analyst.aclose()

    sent = "\n".join(message["content"] for request in server.requests for message in request["messages"])
    entries = json.dumps(
        [entry.body for entry in await world.audit.entries(ID) if entry.act == "model_called"]
    )
    opinion = (await assessment_of(world)).cause
    logged = capsys.readouterr()
    everywhere = "\n".join((sent, entries, opinion.prose, logged.out, logged.err))
    assert server.requests
    assert "get_change_diff" in sent
    assert [] == [sample.group for sample in samples if survives(sample, everywhere)]
