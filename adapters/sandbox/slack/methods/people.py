"""Who is who: auth.test, team.info, users.* and usergroups.*."""

from ..arguments import Arguments
from ..errors import SlackRefusedError
from ..presenting import user_json
from ..wire import JsonObject
from ..workspace import Workspace
from ..world import SlackUser, SlackUserGroup
from .channels import paged


def api_test(workspace: Workspace, args: Arguments) -> JsonObject:
    """api.test: answers its arguments, or the error one asks for."""
    if args.text("error"):
        raise SlackRefusedError(args.required("error"))
    return {"args": {name: value for name, value in args.values.items() if name != "token"}}


def auth_test(workspace: Workspace, args: Arguments) -> JsonObject:
    """auth.test: whose token this is."""
    config = workspace.config
    return {
        "url": f"{workspace.base_url}/",
        "team": config.team_name,
        "user": config.bot_user.name,
        "team_id": config.team_id,
        "user_id": config.bot_user_id,
        "bot_id": config.bot_id,
        "is_enterprise_install": False,
    }


def team_info(workspace: Workspace, args: Arguments) -> JsonObject:
    """team.info."""
    config = workspace.config
    return {"team": {"id": config.team_id, "name": config.team_name, "domain": config.team_domain}}


def info(workspace: Workspace, args: Arguments) -> JsonObject:
    """users.info."""
    return {"user": _shown(workspace, workspace.user(args.text("user")))}


def list_all(workspace: Workspace, args: Arguments) -> JsonObject:
    """users.list: deactivated people and apps among them."""
    page, cursor = paged([_shown(workspace, user) for user in workspace.users], args)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


def by_email(workspace: Workspace, args: Arguments) -> JsonObject:
    """users.lookupByEmail: active people only."""
    wanted = args.required("email").casefold()
    for user in workspace.users:
        if user.email.casefold() == wanted and not user.deleted:
            return {"user": _shown(workspace, user)}
    raise SlackRefusedError("users_not_found")


def groups(workspace: Workspace, args: Arguments) -> JsonObject:
    """usergroups.list."""
    with_users = args.flag("include_users")
    return {"usergroups": [_group(workspace, g, with_users) for g in workspace.config.usergroups]}


def group_members(workspace: Workspace, args: Arguments) -> JsonObject:
    """usergroups.users.list: ids of people."""
    wanted = args.required("usergroup")
    for group in workspace.config.usergroups:
        if group.id == wanted:
            return {"users": list(group.users)}
    raise SlackRefusedError("no_such_subteam")


def _shown(workspace: Workspace, user: SlackUser) -> JsonObject:
    return user_json(workspace, user, with_email="users:read.email" in workspace.config.scopes)


def _group(workspace: Workspace, group: SlackUserGroup, with_users: bool) -> JsonObject:
    shown: JsonObject = {
        "id": group.id,
        "team_id": workspace.config.team_id,
        "is_usergroup": True,
        "handle": group.handle,
        "name": group.name,
        "user_count": len(group.users),
        "date_delete": 0,
    }
    return {**shown, "users": list(group.users)} if with_users else shown
