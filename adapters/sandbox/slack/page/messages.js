// One message of a channel or thread.
import { el, link, timeOf } from "./dom.js";
import { emojiNode } from "./emoji.js";
import { mrkdwn } from "./mrkdwn.js";
import { renderBlocks } from "./blockkit.js";

export function renderMessage(message, view) {
  const author = view.names.author(message);
  const article = el(
    "article",
    {
      class: `message ${message.only_to_me ? "ephemeral" : ""}`.trim(),
      id: `${view.place}-${message.ts}`,
      data: { ts: message.ts, revision: message.revision },
      "aria-label": `${author.name}, ${clock(message.ts)}`,
    },
    el("div", { class: `avatar of-${author.kind}`, data: { tone: author.tone }, "aria-hidden": "true" }, author.initials),
    el("div", { class: "message-main" },
      el("div", { class: "byline" },
        el("span", { class: "author" }, author.name),
        message.by_app ? el("span", { class: "badge" }, "APP") : "",
        el("time", { datetime: timeOf(message.ts).toISOString(), title: timeOf(message.ts).toString() }, clock(message.ts)),
        toolsOf(message, view),
      ),
      message.only_to_me ? el("div", { class: "only-you" }, "Only visible to you") : "",
      ...bodyOf(message, view),
      ...(message.files ?? []).map(fileOf),
      reactionsOf(message),
      repliesOf(message, view),
    ),
  );
  return article;
}

// What a message's menu offers: its thread, and the app's shortcuts.
function toolsOf(message, view) {
  if (message.only_to_me) return "";
  const tool = (name, onclick) => el("button", { type: "button", class: "tool", onclick }, name);
  const thread = view.place === "thread" ? [] : [tool("Open thread", () => view.openThread(message.ts))];
  const shortcuts = Object.entries(view.shortcuts).map(([id, name]) => tool(name, () => view.choose(message, id, name)));
  return el("span", { class: "tools" }, ...thread, ...shortcuts);
}

function bodyOf(message, view) {
  const busy = (key) => view.busy(`${message.ts}/${key}`);
  const act = (element, value) => view.act(message, element, value);
  const blocks = message.blocks ?? [];
  const edited = message.edited ? el("span", { class: "edited" }, " (edited)") : "";
  if (blocks.length > 0) {
    return [el("div", { class: "blocks" }, ...renderBlocks(blocks, { names: view.names, act, busy }))];
  }
  return [el("div", { class: "text" }, ...mrkdwn(message.text, view.names), edited)];
}

function fileOf(file) {
  const picture = /\.(png|jpe?g|gif|webp)$/i.test(file.name);
  const description = file.alt_txt || file.title;
  return el("figure", { class: "file" },
    el("figcaption", {}, link(file.url_private, file.title), ` ${Math.ceil(file.size / 1024)} kB`),
    picture ? el("img", { src: new URL(file.url_private).pathname, alt: description, loading: "lazy" }) : "");
}

function reactionsOf(message) {
  if (!message.reactions) return "";
  const marks = message.reactions.map(({ name, count }) =>
    el("span", { class: "reaction", title: `:${name}:` }, emojiNode(name) ?? `:${name}:`, ` ${count}`));
  return el("div", { class: "reactions" }, ...marks);
}

function repliesOf(message, view) {
  if (!message.reply_count || view.place === "thread") return "";
  const count = message.reply_count;
  return el("button", { type: "button", class: "replies", data: { threadOf: message.ts }, onclick: () => view.openThread(message.ts) },
    `${count} ${count === 1 ? "reply" : "replies"}`,
    el("span", { class: "last-reply" }, `Last reply at ${clock(message.latest_reply)}`));
}

export function clock(ts) {
  return new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hour12: false }).format(timeOf(ts));
}

export function day(ts) {
  return new Intl.DateTimeFormat("en", { weekday: "long", month: "long", day: "numeric" }).format(timeOf(ts));
}
