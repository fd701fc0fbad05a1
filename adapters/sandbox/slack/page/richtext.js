// rich_text blocks: sections, lists, quotes and preformatted text.
import { el, link } from "./dom.js";
import { emojiNode } from "./emoji.js";

export function richText(block, names) {
  return el("div", { class: "rich-text" }, ...block.elements.map((part) => partOf(part, names)));
}

function partOf(part, names) {
  const inner = () => part.elements.map((run) => runOf(run, names));
  switch (part.type) {
    case "rich_text_preformatted":
      return el("pre", {}, ...inner());
    case "rich_text_quote":
      return el("blockquote", {}, ...inner());
    case "rich_text_list":
      return el(
        part.style === "ordered" ? "ol" : "ul",
        {},
        ...part.elements.map((item) => el("li", {}, partOf(item, names))),
      );
    default:
      return el("div", {}, ...inner());
  }
}

function runOf(run, names) {
  switch (run.type) {
    case "text":
      return styled(run.text, run.style);
    case "link":
      return link(run.url, run.text ?? run.url);
    case "emoji":
      return emojiNode(run.name) ?? document.createTextNode(`:${run.name}:`);
    case "user":
      return el("span", { class: "mention" }, `@${names.user(run.user_id) ?? run.user_id}`);
    case "channel":
      return el("span", { class: "mention" }, `#${names.channel(run.channel_id) ?? run.channel_id}`);
    case "usergroup":
      return el("span", { class: "mention" }, `@${names.group(run.usergroup_id) ?? run.usergroup_id}`);
    case "broadcast":
      return el("span", { class: "mention loud" }, `@${run.range}`);
    default:
      return document.createTextNode(run.text ?? run.fallback ?? "");
  }
}

function styled(text, style = {}) {
  let node = document.createTextNode(text);
  for (const [name, tag] of [["code", "code"], ["bold", "strong"], ["italic", "em"], ["strike", "s"]]) {
    if (style[name]) node = el(tag, {}, node);
  }
  return node;
}
