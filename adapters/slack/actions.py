"""What people do in Slack, as messages for the queue, parsed strictly as far as it is used."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, assert_never

from pydantic import Field, TypeAdapter, ValidationError

from bot.app.commands.asked import Asked, Way
from bot.domain.approval import Action, Click, Confirmation, click_id
from bot.domain.errors import Invalid
from bot.domain.frozen import Frozen
from bot.domain.ids import ChangeId, ClickId, Digest, IncidentId, ProposalId, SlackUserId, sha256_hex
from bot.domain.label import Feedback, Verdict

PREFIX = "handrail."
DETAILS = f"{PREFIX}details"
COMMAND = "/incident"
SHORTCUT = f"{PREFIX}commands"
UNDO = f"{PREFIX}undo."
"""How the `action_id` of every Undo begins; a number follows, since no two of one block may be the same."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_TEXT = 4_000  # Slack's own limit for a message that a person types.


def action_id(action: Action) -> str:
    """Return the `action_id` of the button that asks for *action*."""
    return f"{PREFIX}{action.value}"


def verdict_action_id(verdict: Verdict) -> str:
    """Return the `action_id` of the button that says *verdict* of a suspect."""
    return f"{PREFIX}{verdict.value}"


_VERDICTS = {verdict_action_id(verdict): verdict for verdict in Verdict}


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
    action_ts: str = ""
    trigger_id: str
    confirmation: Confirmation | None = None
    """What was typed into the window that the button opened."""

    @property
    def key(self) -> str:
        return self.click_id

    def to_click(self, received_at: datetime) -> Click:
        """Return the click for the gate; *received_at* is when it was heard, by the record's clock."""
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
            action_ts=self.action_ts,
            trigger_id=self.trigger_id,
            confirmation=self.confirmation,
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


class FeedbackGiven(Frozen):
    """Somebody said whether a suspect was it; it decides about nothing."""

    kind: Literal["feedback"] = "feedback"
    click_id: ClickId
    verdict: Verdict
    incident_id: IncidentId
    change_id: ChangeId
    digest: Digest
    user_id: SlackUserId
    team_id: str
    channel: str
    message_ts: str | None
    """None in Details."""

    @property
    def key(self) -> str:
        return self.click_id

    def to_feedback(self, received_at: datetime) -> Feedback:
        """Return the press for the record; *received_at* is when it was heard, by the record's clock."""
        return Feedback(
            id=self.click_id,
            verdict=self.verdict,
            incident=self.incident_id,
            change=self.change_id,
            digest=self.digest,
            user_id=self.user_id,
            team_id=self.team_id,
            channel=self.channel,
            message_ts=self.message_ts,
            received_at=received_at,
        )


class UndoPressed(Frozen):
    """Somebody pressed Undo: an incident that was merged or muted is to have a card of its own."""

    kind: Literal["undo"] = "undo"
    click_id: ClickId
    incident_id: IncidentId
    user_id: SlackUserId
    channel: str

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

    def to_asked(self) -> Asked:
        return Asked(self.text, self.channel, self.user_id, self.key)


class Mentioned(Frozen):
    """Somebody mentioned us in a message; *text* is what stands around the mention, untrusted."""

    kind: Literal["mention"] = "mention"
    event_id: str
    text: str
    user_id: SlackUserId
    channel: str
    thread_ts: str | None = None
    """The root of the thread in which it stands."""

    @property
    def key(self) -> str:
        return sha256_hex("event", self.event_id)

    def to_asked(self) -> Asked:
        return Asked(self.text, self.channel, self.user_id, self.key, self.thread_ts, Way.MENTION)


class ShortcutUsed(Frozen):
    """Somebody chose “Incident commands” on a message."""

    kind: Literal["shortcut"] = "shortcut"
    user_id: SlackUserId
    channel: str
    thread_ts: str
    """The root of the message's thread, or the message itself."""
    trigger_id: str

    @property
    def key(self) -> str:
        return sha256_hex("shortcut", self.trigger_id)

    def to_asked(self) -> Asked:
        return Asked("", self.channel, self.user_id, self.key, self.thread_ts, Way.SHORTCUT)


class HomeOpened(Frozen):
    """Somebody opened the app's home tab."""

    kind: Literal["home"] = "home"
    event_id: str
    user_id: SlackUserId

    @property
    def key(self) -> str:
        return sha256_hex("event", self.event_id)


Done = (
    ButtonPressed
    | DetailsAsked
    | FeedbackGiven
    | UndoPressed
    | CommandGiven
    | Mentioned
    | ShortcutUsed
    | HomeOpened
)
"""Whatever somebody did."""

SlackAction = Annotated[Done, Field(discriminator="kind")]
_ACTION: TypeAdapter[Done] = TypeAdapter(SlackAction)


def to_bytes(action: Done) -> bytes:
    """Return *action* as it lies in the queue."""
    return action.model_dump_json().encode()


def from_bytes(raw: bytes) -> Done:
    """Return the action that `to_bytes` wrote.

    Raises:
        Invalid: the bytes hold none, such as those of another version.
    """
    try:
        return _ACTION.validate_json(raw)
    except ValidationError as exc:
        raise Invalid(f"A Slack action in the queue cannot be read: {exc.error_count()} errors.") from exc


def parse_button(body: Mapping[str, object]) -> ButtonPressed | DetailsAsked | FeedbackGiven | UndoPressed:
    """Return what a `block_actions` payload asks for.

    Raises:
        Invalid: the payload is not of a button that this version of the card has.
    """
    pressed = _only_action(body)
    id_, value = text_of(pressed, "action_id"), text_of(pressed, "value")
    container, user = mapping_of(body, "container"), SlackUserId(text_of(mapping_of(body, "user"), "id"))
    # A modal has no message: what was pressed in it is known by the view.
    where = text_of(container, "view_id" if container.get("type") == "view" else "message_ts")
    click = click_id(
        team=team_of(body),
        user=user,
        message_ts=where,
        action_id=id_,
        action_ts=text_of(pressed, "action_ts"),
        value=value,
    )
    said = json_object(value)
    if id_ in _VERDICTS:
        return _feedback(body, _VERDICTS[id_], said, click, user)
    channel, trigger = text_of(container, "channel_id"), text_of(body, "trigger_id")
    if id_.startswith(UNDO):
        incident = IncidentId(text_of(said, "i"))
        return UndoPressed(click_id=click, incident_id=incident, user_id=user, channel=channel)
    if id_ == DETAILS:
        return DetailsAsked(
            click_id=click,
            incident_id=IncidentId(text_of(said, "i")),
            user_id=user,
            channel=channel,
            message_ts=where,
            trigger_id=trigger,
        )
    return ButtonPressed(
        click_id=click,
        action=_action(id_),
        proposal_id=ProposalId(text_of(said, "p")),
        digest=digest_of(said),
        user_id=user,
        team_id=team_of(body),
        channel=channel,
        message_ts=where,
        action_ts=text_of(pressed, "action_ts"),
        trigger_id=trigger,
    )


def _feedback(
    body: Mapping[str, object],
    verdict: Verdict,
    said: Mapping[str, object],
    click: ClickId,
    user: SlackUserId,
) -> FeedbackGiven:
    """Return what was said of a suspect: on the card, in Details, or in Details shown as a message."""
    container = mapping_of(body, "container")
    is_on_card = container.get("type") == "message" and container.get("is_ephemeral") is not True
    return FeedbackGiven(
        click_id=click,
        verdict=verdict,
        incident_id=IncidentId(text_of(said, "i")),
        change_id=ChangeId(text_of(said, "c")),
        digest=digest_of(said),
        user_id=user,
        team_id=team_of(body),
        channel=text_of(container, "channel_id") if "channel_id" in container else text_of(said, "k"),
        message_ts=text_of(container, "message_ts") if is_on_card else None,
    )


def parse_command(body: Mapping[str, object]) -> CommandGiven:
    """Return the command of a slash-command form.

    Raises:
        Invalid: a field is missing.
    """
    text = body.get("text")
    return CommandGiven(
        command=text_of(body, "command"),
        text=text[:_LONGEST_TEXT] if isinstance(text, str) else "",
        user_id=SlackUserId(text_of(body, "user_id")),
        channel=text_of(body, "channel_id"),
        trigger_id=text_of(body, "trigger_id"),
    )


def who_and_where(body: Mapping[str, object]) -> tuple[SlackUserId, str] | None:
    """Return the person and the channel of any payload, to answer one that cannot be read; None without."""
    user, channel = body.get("user"), body.get("channel")
    found_user = user.get("id") if isinstance(user, Mapping) else body.get("user_id")
    found_channel = channel.get("id") if isinstance(channel, Mapping) else body.get("channel_id")
    if isinstance(found_user, str) and isinstance(found_channel, str) and found_user and found_channel:
        return SlackUserId(found_user), found_channel
    return None


def named_in(action: Done) -> dict[str, str]:
    """Return what a log line says of *action*: our words and ids, nothing that a person typed."""
    match action:
        case ButtonPressed():
            return {"what": action.action.value, "proposal_id": action.proposal_id}
        case FeedbackGiven():
            return {"what": action.verdict.value, "incident_id": action.incident_id}
        case DetailsAsked() | UndoPressed():
            return {"what": action.kind, "incident_id": action.incident_id}
        case CommandGiven() | Mentioned() | ShortcutUsed() | HomeOpened():
            return {"what": action.kind}
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


def json_object(value: str) -> Mapping[str, object]:
    """Return the object that a button or a window carries. Raises `Invalid`."""
    try:
        said = json.loads(value)
    except (ValueError, RecursionError) as exc:
        raise Invalid("A button's value is not JSON.") from exc
    if not isinstance(said, dict):
        raise Invalid("A button's value is not a JSON object.")
    return said


def digest_of(said: Mapping[str, object]) -> Digest:
    """Return the plan's digest that a button or a window carries. Raises `Invalid`."""
    digest = text_of(said, "d")
    if not _DIGEST.fullmatch(digest):
        raise Invalid("A button's digest is not one.")
    return Digest(digest)


def team_of(body: Mapping[str, object]) -> str:
    """Return the team in whose name the person acts; on a grid the payload's own may be absent."""
    team = body.get("team")
    return text_of(team, "id") if isinstance(team, Mapping) else text_of(mapping_of(body, "user"), "team_id")


def mapping_of(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return the object called *name*. Raises `Invalid`."""
    found = body.get(name)
    if not isinstance(found, Mapping):
        raise Invalid(f"A Slack payload has no {name!r}.")
    return found


def text_of(body: Mapping[str, object], name: str) -> str:
    """Return the text called *name*, which is not empty. Raises `Invalid`."""
    found = body.get(name)
    if not isinstance(found, str) or not found or len(found) > _LONGEST_TEXT:
        raise Invalid(f"A Slack payload has no usable {name!r}.")
    return found
