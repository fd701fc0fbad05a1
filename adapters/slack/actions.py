"""What people do in Slack, as messages for the queue, parsed strictly as far as it is used."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, assert_never

from pydantic import Field, TypeAdapter, ValidationError

from bot.domain.approval import Action, Click, click_id
from bot.domain.errors import Invalid
from bot.domain.frozen import Frozen
from bot.domain.ids import ClickId, Digest, IncidentId, ProposalId, SlackUserId, sha256_hex

PREFIX = "handrail."
DETAILS = f"{PREFIX}details"
COMMAND = "/incident"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_TEXT = 4_000  # Slack's own limit for a message that a person types.


def action_id(action: Action) -> str:
    """Return the `action_id` of the button that asks for *action*."""
    return f"{PREFIX}{action.value}"


class ButtonPressed(Frozen):
    """Somebody pressed a button that decides something."""

    kind: Literal["button"] = "button"
    click_id: ClickId
    action: Action
    proposal_id: ProposalId
    digest: Digest
    user_id: SlackUserId
    team_id: str
    channel: str
    message_ts: str
    trigger_id: str

    @property
    def key(self) -> str:
        return self.click_id

    def to_click(self, received_at: datetime) -> Click:
        """Return the click for the gate; *received_at* is the queue's own time."""
        return Click(
            id=self.click_id,
            action=self.action,
            proposal_id=self.proposal_id,
            digest=self.digest,
            user_id=self.user_id,
            team_id=self.team_id,
            channel=self.channel,
            message_ts=self.message_ts,
            received_at=received_at,
        )


class DetailsAsked(Frozen):
    """Somebody pressed Details; the trigger opens one modal within 3 s."""

    kind: Literal["details"] = "details"
    click_id: ClickId
    incident_id: IncidentId
    user_id: SlackUserId
    channel: str
    message_ts: str
    trigger_id: str

    @property
    def key(self) -> str:
        return self.click_id


class CommandGiven(Frozen):
    """Somebody typed a slash command; *text* is what stands behind it, untrusted."""

    kind: Literal["command"] = "command"
    command: str
    text: str
    user_id: SlackUserId
    channel: str
    trigger_id: str

    @property
    def key(self) -> str:
        return sha256_hex("command", self.trigger_id)


SlackAction = Annotated[ButtonPressed | DetailsAsked | CommandGiven, Field(discriminator="kind")]
_ACTION: TypeAdapter[ButtonPressed | DetailsAsked | CommandGiven] = TypeAdapter(SlackAction)


def to_bytes(action: ButtonPressed | DetailsAsked | CommandGiven) -> bytes:
    """Return *action* as it lies in the queue."""
    return action.model_dump_json().encode()


def from_bytes(raw: bytes) -> ButtonPressed | DetailsAsked | CommandGiven:
    """Return the action that `to_bytes` wrote.

    Raises:
        Invalid: the bytes hold none, such as those of another version.
    """
    try:
        return _ACTION.validate_json(raw)
    except ValidationError as exc:
        raise Invalid(f"A Slack action in the queue cannot be read: {exc.error_count()} errors.") from exc


def parse_button(body: Mapping[str, object]) -> ButtonPressed | DetailsAsked:
    """Return what a `block_actions` payload asks for.

    Raises:
        Invalid: the payload is not of a button that this version of the card has.
    """
    pressed = _only_action(body)
    id_, value = _text(pressed, "action_id"), _text(pressed, "value")
    container = _mapping(body, "container")
    user, message_ts = _text(_mapping(body, "user"), "id"), _text(container, "message_ts")
    channel, trigger = _text(container, "channel_id"), _text(body, "trigger_id")
    team = _team(body)
    click = click_id(
        team=team,
        user=user,
        message_ts=message_ts,
        action_id=id_,
        action_ts=_text(pressed, "action_ts"),
        value=value,
    )
    said = _value(value)
    if id_ == DETAILS:
        return DetailsAsked(
            click_id=click,
            incident_id=IncidentId(_text(said, "i")),
            user_id=SlackUserId(user),
            channel=channel,
            message_ts=message_ts,
            trigger_id=trigger,
        )
    return ButtonPressed(
        click_id=click,
        action=_action(id_),
        proposal_id=ProposalId(_text(said, "p")),
        digest=_digest(said),
        user_id=SlackUserId(user),
        team_id=team,
        channel=channel,
        message_ts=message_ts,
        trigger_id=trigger,
    )


def parse_command(body: Mapping[str, object]) -> CommandGiven:
    """Return the command of a slash-command form.

    Raises:
        Invalid: a field is missing.
    """
    text = body.get("text")
    return CommandGiven(
        command=_text(body, "command"),
        text=text[:_LONGEST_TEXT] if isinstance(text, str) else "",
        user_id=SlackUserId(_text(body, "user_id")),
        channel=_text(body, "channel_id"),
        trigger_id=_text(body, "trigger_id"),
    )


def who_and_where(body: Mapping[str, object]) -> tuple[SlackUserId, str] | None:
    """Return the person and the channel of any payload, to answer one that cannot be read; None without."""
    user, channel = body.get("user"), body.get("channel")
    found_user = user.get("id") if isinstance(user, Mapping) else body.get("user_id")
    found_channel = channel.get("id") if isinstance(channel, Mapping) else body.get("channel_id")
    if isinstance(found_user, str) and isinstance(found_channel, str) and found_user and found_channel:
        return SlackUserId(found_user), found_channel
    return None


def summary_of(action: ButtonPressed | DetailsAsked | CommandGiven) -> str:
    """Name *action* for a log line, without anything that a person typed."""
    match action:
        case ButtonPressed():
            return action.action.value
        case DetailsAsked() | CommandGiven():
            return action.kind
        case _:
            assert_never(action)


def _only_action(body: Mapping[str, object]) -> Mapping[str, object]:
    found = body.get("actions")
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], Mapping):
        raise Invalid("A Slack payload holds no single action.")
    return found[0]


def _action(id_: str) -> Action:
    try:
        return Action(id_.removeprefix(PREFIX))
    except ValueError as exc:
        raise Invalid(f"No button of this version is called {id_[:80]!r}.") from exc


def _value(value: str) -> Mapping[str, object]:
    try:
        said = json.loads(value)
    except (ValueError, RecursionError) as exc:
        raise Invalid("A button's value is not JSON.") from exc
    if not isinstance(said, dict):
        raise Invalid("A button's value is not a JSON object.")
    return said


def _digest(said: Mapping[str, object]) -> Digest:
    digest = _text(said, "d")
    if not _DIGEST.fullmatch(digest):
        raise Invalid("A button's digest is not one.")
    return Digest(digest)


def _team(body: Mapping[str, object]) -> str:
    """Return the team in whose name the person acts; on a grid the payload's own may be absent."""
    team = body.get("team")
    return _text(team, "id") if isinstance(team, Mapping) else _text(_mapping(body, "user"), "team_id")


def _mapping(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = body.get(name)
    if not isinstance(found, Mapping):
        raise Invalid(f"A Slack payload has no {name!r}.")
    return found


def _text(body: Mapping[str, object], name: str) -> str:
    found = body.get(name)
    if not isinstance(found, str) or not found or len(found) > _LONGEST_TEXT:
        raise Invalid(f"A Slack payload has no usable {name!r}.")
    return found
