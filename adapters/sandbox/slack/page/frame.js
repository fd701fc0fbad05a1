// What stands around the messages: the sidebar, the header, the bookmarks.
import { el, replaceChildren } from "./dom.js";

const $ = (id) => document.getElementById(id);

export function drawSidebar(page, { goTo, goHome }) {
  const { state } = page;
  $("workspace-name").textContent = state.team.name;
  const room = (channel) => {
    const here = channel.id === page.channel && !page.home;
    return el("li", {}, el("button", {
      type: "button",
      class: `room ${here ? "here" : ""} ${isUnread(page, channel.id) ? "unread" : ""}`,
      "aria-current": here ? "page" : undefined,
      data: { channel: channel.id },
      onclick: () => goTo(channel.id),
    }, channel.direct ? state.app.name : `# ${channel.name}`));
  };
  replaceChildren($("channels"), state.channels.filter((channel) => !channel.direct).map(room));
  replaceChildren($("directs"), state.channels.filter((channel) => channel.direct).map(room));
  replaceChildren($("apps"), el("li", {}, el("button", {
    type: "button", class: `room ${page.home ? "here" : ""}`, data: { home: "" }, onclick: goHome,
  }, `⌂ ${state.app.name}`)));
  replaceChildren($("people"), state.users.filter((user) => !user.is_bot).map((user) =>
    el("li", { class: user.deleted ? "deleted" : "" },
      el("span", { class: `presence ${user.deleted ? "" : "on"}`, "aria-hidden": "true" }),
      user.real_name,
      user.id === state.me ? el("span", { class: "tag" }, "you") : "",
      user.is_restricted ? el("span", { class: "tag" }, "guest") : "",
      user.deleted ? el("span", { class: "tag" }, "deactivated") : "")));
}

export function drawHeader(page) {
  const { state } = page;
  const channel = state.channels.find((one) => one.id === page.channel);
  const title = page.home || channel?.direct ? state.app.name : `# ${channel?.name ?? ""}`;
  $("channel-name").textContent = title;
  $("channel-topic").textContent = page.home ? "Home" : channel?.topic ?? "";
  document.title = `${title} · ${state.team.name}`;
  const people = state.users.filter((user) => !user.is_bot && !user.deleted);
  const options = people.map((user) => el("option", { value: user.id, selected: user.id === state.me }, user.real_name));
  const shown = [...$("me").options].map((option) => option.value).join();
  if (shown !== people.map((user) => user.id).join()) replaceChildren($("me"), options);
  $("me").value = page.me; // Who presses from now on, though what is drawn may be another's for a moment.
  const links = state.bookmarks.filter((bookmark) => bookmark.channel_id === page.channel);
  $("bookmarks").hidden = links.length === 0 || page.home;
  replaceChildren($("bookmarks"), links.map((one) =>
    el("a", { href: one.link, target: "_blank", rel: "noopener noreferrer" }, `↗ ${one.title}`)));
  $("composer").hidden = page.home;
  $("composer-text").placeholder = channel?.direct ? `Message ${state.app.name}` : `Message #${channel?.name ?? ""}`;
  $("composer-hint").textContent = `Try ${state.commands[0]} help`;
  $("thread-hint").textContent = `Try @${state.app.name} status`;
}

function isUnread(page, channel) {
  const last = page.state.messages[channel]?.at(-1)?.ts ?? "0";
  if (channel === page.channel && !page.home) page.seen.set(channel, last);
  if (!page.seen.has(channel)) page.seen.set(channel, last);
  return Number(last) > Number(page.seen.get(channel));
}
