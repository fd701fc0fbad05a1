// Block Kit as elements. `context` gives: names (ids to names), act(element, value) and busy(element).
import { el, link, safeUrl } from "./dom.js";
import { withEmojiText } from "./emoji.js";
import { mrkdwn, plain } from "./mrkdwn.js";
import { richText } from "./richtext.js";

export function renderBlocks(blocks, context) {
  return blocks.map((block) => {
    const element = (RENDERERS[block.type] ?? unknown)(block, context);
    element.dataset.blockId = block.block_id;
    return element;
  });
}

export function textOf(object, names) {
  return object.type === "mrkdwn" ? mrkdwn(object.text, names) : plain(object.text);
}

const RENDERERS = {
  header: (block) => el("h3", { class: "block header" }, plain(block.text.text)),
  divider: () => el("hr", { class: "block divider" }),
  section: renderSection,
  context: (block, { names }) =>
    el("div", { class: "block context" }, ...block.elements.map((part) => contextPart(part, names))),
  actions: (block, context) =>
    el(
      "div",
      { class: "block actions" },
      ...block.elements.map((element) => renderElement({ ...element, block_id: block.block_id }, context)),
    ),
  image: (block) =>
    el("figure", { class: "block" }, block.title ? el("figcaption", {}, plain(block.title.text)) : "", picture(block)),
  rich_text: (block, { names }) => {
    const element = richText(block, names);
    element.classList.add("block");
    return element;
  },
  markdown: (block) => el("div", { class: "block pre-wrap" }, block.text),
  table: renderTable,
};

function renderSection(block, context) {
  const body = el("div", { class: "section-body" });
  if (block.text) body.append(el("div", { class: "text" }, ...textOf(block.text, context.names)));
  if (block.fields) {
    const fields = block.fields.map((field) => el("div", { class: "text" }, ...textOf(field, context.names)));
    body.append(el("div", { class: "fields" }, ...fields));
  }
  const section = el("div", { class: "block section" }, body);
  if (block.accessory) {
    const accessory = renderElement({ ...block.accessory, block_id: block.block_id }, context);
    section.append(el("div", { class: "accessory" }, accessory));
  }
  return section;
}

function contextPart(part, names) {
  if (part.type === "image") return picture(part);
  return el("span", {}, ...textOf(part, names));
}

function renderTable(block, { names }) {
  const cell = (value, tag) =>
    el(tag, {}, value.type === "rich_text" ? richText(value, names) : plain(value.text ?? ""));
  const rows = block.rows.map((row, index) =>
    el("tr", {}, ...row.map((value) => cell(value, index === 0 ? "th" : "td"))));
  return el("div", { class: "block table-scroll" }, el("table", {}, ...rows));
}

// Pictures from elsewhere are not fetched: the page loads nothing from outside, so it shows their description.
function picture({ image_url: address, alt_text: description }) {
  const href = address ? safeUrl(address) : null;
  if (href !== null && new URL(href).origin === location.origin) {
    return el("img", { src: href, alt: description, loading: "lazy" });
  }
  return el("span", { class: "no-picture" }, href === null ? description : link(href, description));
}

function unknown(block) {
  return el("div", { class: "block unknown" }, `(a ${block.type} block, which this page does not draw)`);
}

export function renderElement(element, context) {
  switch (element.type) {
    case "button":
      return renderButton(element, context);
    case "image":
      return picture(element);
    case "overflow":
    case "static_select":
      return renderSelect(element, context);
    case "users_select":
      return renderSelect({ ...element, options: context.names.people() }, context);
    default:
      return el("span", { class: "unknown" }, `(${element.type})`);
  }
}

function renderButton(element, context) {
  const key = `${element.block_id}/${element.action_id}`;
  const busy = context.busy(key);
  return el(
    "button",
    {
      type: "button",
      class: `bk-button ${element.style ?? ""}`.trim(),
      data: { actionId: element.action_id, blockId: element.block_id },
      disabled: busy,
      "aria-busy": busy ? "true" : undefined,
      "aria-label": element.accessibility_label,
      onclick: () => context.act(element, element.value),
    },
    busy ? el("span", { class: "spinner", "aria-hidden": "true" }) : "",
    plain(element.text.text),
  );
}

function renderSelect(element, context) {
  const placeholder = element.placeholder ? element.placeholder.text : "⋯";
  const select = el(
    "select",
    {
      class: "bk-select",
      "aria-label": placeholder === "⋯" ? "More" : placeholder,
      data: { actionId: element.action_id, blockId: element.block_id },
      onchange: () => context.act(element, select.value),
    },
    el("option", { value: "", disabled: true, selected: !element.initial_option }, placeholder),
    ...optionsOf(element),
  );
  return select;
}

export function optionsOf(element) {
  const chosen = element.initial_option?.value;
  const option = ({ text, value }) => el("option", { value, selected: value === chosen }, withEmojiText(text.text));
  if (!element.option_groups) return (element.options ?? []).map(option);
  return element.option_groups.map((group) =>
    el("optgroup", { label: group.label.text }, ...group.options.map(option)));
}
