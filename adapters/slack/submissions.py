"""What people send with the window that confirms an approval or explains a denial, parsed strictly."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from adapters.slack.actions import ButtonPressed, digest_of, json_object, mapping_of, team_of, text_of
from bot.domain.approval import Action, Confirmation, click_id
from bot.domain.errors import Invalid
from bot.domain.ids import ProposalId, SlackUserId

CONFIRM = "handrail.confirm"
"""The `callback_id` of the window."""
TARGET, REASON, FIELD = "target", "reason", "typed"
_LONGEST = 1_000
_ACTIONS = {action.value: action for action in (Action.APPROVE, Action.SAY_WHY)}


@dataclass(frozen=True)
class Mistyped:
    """What was typed cannot be taken; the window stays open and says so under the fields."""

    errors: Mapping[str, str]


def parse_confirmation(body: Mapping[str, object]) -> ButtonPressed | Mistyped:
    """Return what a `view_submission` payload confirms, or what to say under its fields.

    The name is compared here so that the person can mend it; what counts is the gate's own comparison.

    Raises:
        Invalid: the payload is not of our window.
    """
    view = mapping_of(body, "view")
    if text_of(view, "callback_id") != CONFIRM:
        raise Invalid("A Slack window is none of this version.")
    metadata = text_of(view, "private_metadata")
    asked = json_object(metadata)
    wanted, overrides = asked.get("t"), asked.get("s")
    action = _ACTIONS.get(text_of(asked, "a"))
    if action is None:
        raise Invalid("A Slack window asks for something that no window of ours asks.")
    values = mapping_of(mapping_of(view, "state"), "values")
    reason, target = _typed(values, REASON), _typed(values, TARGET)
    if not reason:
        return Mistyped({REASON: "Write down why."})
    if wanted is not None and target != wanted:
        return Mistyped({TARGET: f"That is not the target's name. Type {wanted}"})
    user, message_ts = SlackUserId(text_of(mapping_of(body, "user"), "id")), text_of(asked, "m")
    try:
        confirmation = Confirmation.model_validate(
            {"target": target, "reason": reason, "overrides": overrides or ()}
        )
    except ValidationError as exc:
        raise Invalid("A Slack window carries something else than we gave it.") from exc
    return ButtonPressed(
        click_id=click_id(
            team=team_of(body),
            user=user,
            message_ts=message_ts,
            action_id=CONFIRM,
            action_ts=text_of(view, "id"),  # Each opening of the window has an id of its own.
            value=metadata,
        ),
        action=action,
        proposal_id=ProposalId(text_of(asked, "p")),
        digest=digest_of(asked),
        user_id=user,
        team_id=team_of(body),
        channel=text_of(asked, "c"),
        message_ts=message_ts,
        trigger_id=text_of(body, "trigger_id"),
        confirmation=confirmation,
    )


def _typed(values: Mapping[str, object], block: str) -> str:
    """Return what stands in a field, without blanks around it; empty when there is no such field."""
    found = values.get(block)
    field = found.get(FIELD) if isinstance(found, Mapping) else None
    typed = field.get("value") if isinstance(field, Mapping) else None
    return typed.strip()[:_LONGEST] if isinstance(typed, str) else ""
