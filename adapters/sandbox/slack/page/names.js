// Names for ids, from the state of the workspace.
export class Names {
  constructor(state) {
    this.state = state;
    this.users = new Map(state.users.map((user) => [user.id, user]));
    this.channels = new Map(state.channels.map((channel) => [channel.id, channel.name]));
    this.groups = new Map(state.groups.map((group) => [group.id, group.handle]));
  }

  user(id) {
    return this.users.get(id)?.real_name ?? null;
  }

  channel(id) {
    return this.channels.get(id) ?? null;
  }

  group(id) {
    return this.groups.get(id) ?? null;
  }

  people() {
    return this.state.users
      .filter((user) => !user.is_bot && !user.deleted)
      .map((user) => ({ value: user.id, text: { type: "plain_text", text: user.real_name } }));
  }

  author(message) {
    if (message.by_app) return face(this.state.app.name, "app", message.user);
    if (message.user === this.state.slackbot) return face("Slackbot", "slackbot", message.user);
    return face(this.user(message.user) ?? message.user, "person", message.user);
  }
}

function face(name, kind, id) {
  const initials = kind === "person" ? name.split(/\s+/).map((word) => word[0]).join("").slice(0, 2) : name[0];
  const tone = [...id].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6;
  return { name, kind, tone, initials: initials.toUpperCase() };
}
