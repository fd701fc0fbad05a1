"""The port `Directory`: who a Slack user is at this moment."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.slack.api import Installation, Method, SlackApi
from bot.domain.errors import NotFound, Unavailable
from bot.domain.ids import SlackUserId
from bot.domain.person import Person

_SLACKBOT = "USLACKBOT"  # Slack's own voice, which users.info does not call a bot.


class _Tolerant(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Profile(_Tolerant):
    email: str | None = None
    real_name: str | None = None
    display_name: str | None = None


class _EnterpriseUser(_Tolerant):
    id: str | None = None
    enterprise_id: str | None = None


class _User(_Tolerant):
    """A user as users.info shows one, as far as it is read."""

    id: str
    team_id: str = ""
    name: str = ""
    deleted: bool = False
    is_bot: bool = False
    is_workflow_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    is_email_confirmed: bool | None = None
    profile: _Profile = _Profile()
    enterprise_user: _EnterpriseUser | None = None


class SlackDirectory:
    """Asks Slack each time: nothing about a person is remembered between two decisions."""

    def __init__(self, api: SlackApi, installation: Installation) -> None:
        self._api = api
        self._us = installation

    async def person(self, user: SlackUserId) -> Person:
        return self._person(_user(await self._api.read(Method.USER, user=user)))

    async def by_email(self, email: str) -> SlackUserId | None:
        try:
            found = _user(await self._api.read(Method.USER_BY_EMAIL, email=email))
        except NotFound:
            return None
        return SlackUserId(found.id)

    async def group_members(self, group: str) -> frozenset[SlackUserId]:
        answer = await self._api.read(Method.GROUP_MEMBERS, usergroup=group)
        users = answer.get("users")
        if not isinstance(users, list) or not all(isinstance(user, str) for user in users):
            raise Unavailable("Slack's answer about a user group has no list of users.")
        return frozenset(SlackUserId(user) for user in users)

    def _person(self, user: _User) -> Person:
        enterprise = user.enterprise_user
        return Person(
            id=SlackUserId(user.id),
            team_id=user.team_id,
            enterprise_user_id=enterprise.id if enterprise is not None else None,
            name=user.profile.real_name or user.profile.display_name or user.name or user.id,
            # An address that its owner has not confirmed proves nothing.
            email=None if user.is_email_confirmed is False else user.profile.email,
            is_bot=user.is_bot or user.is_workflow_bot or user.id == _SLACKBOT,
            is_guest=user.is_restricted or user.is_ultra_restricted,
            is_deactivated=user.deleted,
            is_external=user.is_stranger or not self._is_colleague(user),
        )

    def _is_colleague(self, user: _User) -> bool:
        if user.team_id == self._us.team_id:
            return True
        enterprise = user.enterprise_user
        ours = self._us.enterprise_id
        return ours is not None and enterprise is not None and enterprise.enterprise_id == ours


def _user(answer: Mapping[str, object]) -> _User:
    try:
        return _User.model_validate(answer.get("user"))
    except ValidationError as exc:
        raise Unavailable(
            f"Slack's answer about a person cannot be read: {exc.error_count()} errors."
        ) from exc
