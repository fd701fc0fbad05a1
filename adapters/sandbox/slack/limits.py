"""Slack's documented limits, as data. Lengths are in characters unless a name says otherwise."""

from dataclasses import dataclass
from types import MappingProxyType

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
MESSAGE_ATTACHMENTS = 100
MESSAGE_TEXT_CUT = 40_000  # chat.postMessage cuts longer text; it does not refuse it.
EDITED_TEXT = 4_000  # chat.update and chat.postEphemeral refuse longer text with msg_too_long.
METADATA_BYTES = 16_384
STREAM_S = 300.0  # Undocumented: Slack ends a stream by itself after some 5 minutes (python-slack-sdk, 1859).
VIEW_BYTES = 250_000

SECTION_TEXT = 3_000
SECTION_FIELDS = 10
FIELD_TEXT = 2_000
HEADER_TEXT = 150
CONTEXT_ELEMENTS = 10
CONTEXT_TEXT = 3_000
ACTIONS_ELEMENTS = 25
BLOCKS_TEXT = 12_000  # Undocumented: over all texts of one message, else msg_blocks_too_long (bolt-js, 2509).
MARKDOWN_TEXT = 12_000  # In total over the markdown blocks of one message.
TABLE_ROWS = 100
TABLE_COLUMNS = 20
INPUT_LABEL = 2_000
INPUT_HINT = 2_000
IMAGE_URL = 3_000
ALT_TEXT = 2_000
IMAGE_TITLE = 2_000

BLOCK_ID = 255
ACTION_ID = 255
BUTTON_TEXT = 75
BUTTON_VALUE = 2_000
BUTTON_URL = 3_000
ACCESSIBILITY_LABEL = 75
PLACEHOLDER = 150
INPUT_MAX_LENGTH = 3_000
OPTION_TEXT = 75
OPTION_VALUE = 150
OPTION_DESCRIPTION = 75
OPTION_GROUPS = 100
CONFIRM_TITLE = 100
CONFIRM_TEXT = 300
CONFIRM_BUTTON = 30

VIEW_TITLE = 24
VIEW_BUTTON = 24
PRIVATE_METADATA = 3_000
CALLBACK_ID = 255
EXTERNAL_ID = 255

# The most options that a choice of each type may offer.
OPTIONS = MappingProxyType(
    {
        "static_select": 100,
        "multi_static_select": 100,
        "overflow": 5,
        "checkboxes": 10,
        "radio_buttons": 10,
    }
)

ACK_S = 3.0
TRIGGER_S = 3.0
RESPONSE_URL_S = 30 * 60.0
RESPONSE_URL_USES = 5
SOCKET_TICKET_S = 30.0
SOCKET_CONNECTIONS = 10
EVENT_RETRY_DELAYS_S = (0.0, 60.0, 300.0)


@dataclass(frozen=True)
class Rate:
    """*burst* calls at once, then *per_s* a second."""

    burst: int
    per_s: float


# Slack promises "N or more a minute"; the promise is what a client may rely on. Bursts are our choice.
TIER_1 = Rate(burst=12, per_s=1 / 60)
TIER_2 = Rate(burst=20, per_s=20 / 60)
TIER_3 = Rate(burst=50, per_s=50 / 60)
TIER_4 = Rate(burst=100, per_s=100 / 60)
SPECIAL = Rate(burst=300, per_s=300 / 60)
POSTING = Rate(burst=3, per_s=1.0)  # One a second for each channel; Slack lets short bursts pass.
