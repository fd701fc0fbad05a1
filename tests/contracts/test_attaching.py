"""Files in a card's thread, on the sandbox Slack and in memory."""

from collections.abc import AsyncIterator

import httpx
import pytest

from adapters.sandbox.slack import SandboxSlack
from adapters.slack.api import SlackApi, read_installation
from adapters.slack.chat import SlackChat
from adapters.slack.manifest import bot_scopes
from adapters.slack.memory import MemoryChat
from adapters.slack.pace import Pace
from adapters.slack.uploads import is_slacks
from bot.domain.attachment import Attachment, AttachmentKind
from bot.domain.errors import Unavailable, Unclear
from bot.ports import Chat
from tests.contracts.sandbox_slack_builders import INCIDENTS, ManualClock
from tests.slack_builders import a_card

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001"
    "f61738550000000049454e44ae426082"
)
PICTURE = Attachment(
    kind=AttachmentKind.PNG, title="Timeline of <!channel> *it*", alt="From 0.3 to 0", content=PIXEL
)
DRAFT = Attachment(
    kind=AttachmentKind.MARKDOWN, title="Postmortem draft", alt="A draft", content="# Entwürfe\n".encode()
)


@pytest.fixture
async def chat(api: SlackApi, slack: SandboxSlack, clock: ManualClock) -> AsyncIterator[SlackChat]:
    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    us = await read_installation(api, app_id=slack.config.app_id)
    chat = SlackChat(api, us, pace=Pace(monotonic=clock, sleep=sleep))
    yield chat
    await chat.aclose()


@pytest.fixture(params=["memory", "slack"])
def either(request: pytest.FixtureRequest) -> Chat:
    chat: Chat = MemoryChat() if request.param == "memory" else request.getfixturevalue("chat")
    return chat


async def test_an_attachment_is_found_in_its_thread_only(either: Chat) -> None:
    ref = await either.post_card(INCIDENTS, a_card(), key="k1")
    other = await either.post_card(INCIDENTS, a_card(), key="k2")

    await either.attach(ref, PICTURE, key="timeline:Q1:1")

    assert await either.has_attachment(ref, key="timeline:Q1:1")
    assert not await either.has_attachment(ref, key="timeline:Q1:2")
    assert not await either.has_attachment(other, key="timeline:Q1:1")


async def test_a_picture_stands_in_the_thread_with_its_words(
    chat: SlackChat, slack: SandboxSlack, client: httpx.AsyncClient
) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(), key="k")

    await chat.attach(ref, PICTURE, key="timeline:Q1:1")

    (message,) = [one for one in slack.thread(INCIDENTS, ref.ts) if one.is_reply]
    (file,) = message.files
    assert ("timeline-Q1-1.png", "From 0.3 to 0", len(PIXEL)) == (file["name"], file["alt_txt"], file["size"])
    assert "Timeline of &lt;!channel&gt; ∗it∗" == message.text
    shown = await client.get(str(file["url_private"]))
    assert ("image/png", PIXEL) == (shown.headers["content-type"], shown.content)


async def test_a_text_keeps_its_bytes(
    chat: SlackChat, slack: SandboxSlack, client: httpx.AsyncClient
) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(), key="k")

    await chat.attach(ref, DRAFT, key="postmortem:Q1:1")

    (message,) = [one for one in slack.thread(INCIDENTS, ref.ts) if one.is_reply]
    assert ["postmortem-Q1-1.md"] == [file["name"] for file in message.files]
    assert DRAFT.content == (await client.get(str(message.files[0]["url_private"]))).content


async def test_a_sharing_whose_answer_was_lost_is_unclear_and_can_be_looked_for(
    chat: SlackChat, slack: SandboxSlack
) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(), key="k")
    slack.fail("files.completeUploadExternal", drop_answer=True)

    with pytest.raises(Unclear):
        await chat.attach(ref, PICTURE, key="timeline:Q1:1")
    assert await chat.has_attachment(ref, key="timeline:Q1:1")


async def test_an_upload_that_never_began_left_nothing(chat: SlackChat, slack: SandboxSlack) -> None:
    ref = await chat.post_card(INCIDENTS, a_card(), key="k")
    slack.fail("files.getUploadURLExternal", status=503)

    with pytest.raises(Unavailable):
        await chat.attach(ref, PICTURE, key="timeline:Q1:1")
    assert not await chat.has_attachment(ref, key="timeline:Q1:1")


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [
        ("https://files.slack.com/upload/v1/abc", True),
        ("http://127.0.0.1:8030/upload/v1/F1", True),
        ("https://files.slack.com.evil.example/upload", False),
        ("https://evilslack.com/upload", False),
        ("http://files.slack.com/upload", False),
        ("http://127.0.0.1:8031/upload/v1/F1", False),
    ],
)
def test_bytes_go_to_slack_alone(address: str, is_ours: bool) -> None:
    assert is_ours == is_slacks(address, "http://127.0.0.1:8030/api/")


def test_the_manifest_asks_for_the_scope() -> None:
    assert "files:write" in bot_scopes()
