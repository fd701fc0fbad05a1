"""A question in words over a whole bot: the model answers in the thread; silent, the nearest command does."""

from pathlib import Path

import pytest

from adapters.sandbox.model import KEY, MODEL, Behaviour, ModelServer
from adapters.sandbox.serving import serving
from adapters.sandbox.slack import SandboxSlack
from adapters.sandbox.stage import BEN, CHANNEL
from tests.scenarios.running import Rig, running

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]


async def answered(rig: Rig, text: str, thread_ts: str, said: str) -> list[str]:
    """Ask in the thread; return the answer to it once *said* is in one, and what came before."""
    assert (await rig.slack.mention(BEN.id, CHANNEL, text, thread_ts)).ok

    def find(slack: SandboxSlack) -> list[str] | None:
        replies = [m.shown_text for m in slack.messages(CHANNEL) if m.by_app and m.thread_ts == thread_ts]
        return replies if any(said in reply for reply in replies) else None

    return await rig.seen(find)


async def test_a_model_answers_in_the_thread_and_a_command_when_it_is_silent(tmp_path: Path) -> None:
    model = ModelServer()
    async with serving(model.app()) as address:
        settings = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{address}/v1",
            "OPENAI_MODEL": MODEL,
            "HANDRAIL_MODEL_TIMEOUT_S": "5",
        }
        async with running(tmp_path, settings=settings) as rig:
            _, card = await rig.offered()
            replies = await answered(rig, "did checkout change today?", card.ts, "What it rests on")
            assert not any("Looking" in reply for reply in replies)
            assert any("The record says: C1 deploy" in reply and "[E1]" in reply for reply in replies)

            streamed = [call.method for call in rig.slack.calls if call.method.endswith("Stream")]
            assert ("chat.startStream", "chat.stopStream") == (streamed[0], streamed[-1])

            model.default = Behaviour.SERVER_ERROR
            replies = await answered(rig, "who is on call?", card.ts, "No model answered")
            assert any("I took this as: /incident who." in reply for reply in replies)
