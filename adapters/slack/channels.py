"""Whether the bot can post into a channel."""

from adapters.slack.api import Method, SlackApi
from adapters.slack.errors import ChannelUnknown


async def channel_problem(api: SlackApi, channel: str) -> str:
    """Return why the bot cannot post into *channel* and what to do, "" when it can.

    Raises:
        Unavailable, RateLimited, Invalid: Slack did not say.
    """
    try:
        answer = await api.read(Method.CHANNEL, channel=channel)
    except ChannelUnknown:
        return f"{channel} is no channel that the bot can see: correct the id, or /invite @handrail in it"
    found = answer.get("channel")
    about = found if isinstance(found, dict) else {}
    name = f"#{about.get('name') or channel}"
    if about.get("is_archived"):
        return f"{name} ({channel}) is archived: name another channel, or restore it"
    if not about.get("is_member") and not about.get("is_im"):
        return f"the bot is not in {name} ({channel}): /invite @handrail in {name}"
    return ""
