"""The event that somebody opened the app's home tab."""

from collections.abc import Mapping

from adapters.slack.actions import HomeOpened, mapping_of, text_of
from bot.domain.ids import SlackUserId

HOME_OPENED = "app_home_opened"


def is_home_opened(body: Mapping[str, object]) -> bool:
    """Say whether *body* is the event of a person who opened us."""
    event = body.get("event")
    return (
        body.get("type") == "event_callback"
        and isinstance(event, Mapping)
        and event.get("type") == HOME_OPENED
    )


def parse_home_opened(body: Mapping[str, object]) -> HomeOpened | None:
    """Return who opened the home tab; None for the tab of messages, where nothing is drawn.

    Raises:
        Invalid: a field is missing.
    """
    event = mapping_of(body, "event")
    if event.get("tab") != "home":
        return None
    return HomeOpened(event_id=text_of(body, "event_id"), user_id=SlackUserId(text_of(event, "user")))
