"""A model that is configured and does not answer changes nothing: the rules spoke first, and speak alone."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from adapters.sandbox.stage import ALICE
from tests.loopback import a_free_address, loopback, never_answers
from tests.scenarios.running import running

pytestmark = pytest.mark.timeout(300)

Model = Callable[[], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def a_dead_model() -> AsyncIterator[str]:
    yield await a_free_address()


@asynccontextmanager
async def a_silent_model() -> AsyncIterator[str]:
    async with loopback(never_answers) as model:
        yield model.url


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(a_silent_model, id="silent", marks=pytest.mark.heavy),
        pytest.param(a_dead_model, id="dead"),
    ],
)
async def test_without_an_answer_from_the_model_the_story_is_the_same(tmp_path: Path, model: Model) -> None:
    async with model() as url:
        settings = {
            "OPENAI_API_KEY": "sk-0123456789abcdef",
            "OPENAI_BASE_URL": f"{url}/v1",
            "HANDRAIL_MODEL_TIMEOUT_S": "2",
        }
        async with running(tmp_path, settings=settings) as rig:
            incident, card = await rig.offered()
            assert "Probably the deploy of checkout 42" in card.shown_text

            await rig.press(ALICE.id, card)
            done = await rig.card(incident.id, "Recovered")

            assert done.ts == card.ts
            assert "Probably the deploy of checkout 42" in done.shown_text
            assert [effect["after"] for effect in await rig.stage.effects()] == ["42", "41"]
