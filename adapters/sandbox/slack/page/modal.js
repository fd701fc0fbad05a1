// Modals: the view in front of this person, and the question before a dangerous button.
import { el, replaceChildren } from "./dom.js";
import { optionsOf, renderBlocks, textOf } from "./blockkit.js";
import { plain } from "./mrkdwn.js";

export class Modals {
  constructor({ onSubmit, onClose }) {
    this.dialog = document.getElementById("modal");
    this.question = document.getElementById("confirm");
    this.shown = null;
    this.onSubmit = onSubmit;
    this.onClose = onClose;
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.dismiss();
    });
  }

  // Draw the view again only when it changed, so that what a person is typing stays.
  show(view, context) {
    if (view === null) {
      this.shown = null;
      this.dialog.close();
      return;
    }
    const mark = `${view.id} ${view.hash}`;
    if (this.shown !== mark) {
      this.shown = mark;
      this.view = view;
      replaceChildren(this.dialog, this.form(view, context));
      if (!this.dialog.open) this.dialog.showModal();
    }
    this.showErrors(view.errors);
  }

  form(view, context) {
    const body = view.blocks.flatMap((block) =>
      block.type === "input" ? [inputBlock(block, context)] : renderBlocks([block], context));
    return el(
      "form",
      { class: "modal-form", data: { viewId: view.id }, onsubmit: (event) => this.submit(event) },
      el(
        "header",
        {},
        el("h2", { id: "modal-title" }, plain(view.title.text)),
        el("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => this.dismiss() }, "✕"),
      ),
      el("div", { class: "modal-body" }, el("p", { class: "error view-error", role: "alert" }), ...body),
      el(
        "footer",
        {},
        el("button", { type: "button", class: "bk-button", onclick: () => this.dismiss() }, view.close?.text ?? "Close"),
        view.submit ? el("button", { type: "submit", class: "bk-button primary" }, plain(view.submit.text)) : "",
      ),
    );
  }

  showErrors(errors) {
    for (const place of this.dialog.querySelectorAll(".error")) {
      place.textContent = errors[place.dataset.errorOf ?? ""] ?? "";
    }
  }

  async submit(event) {
    event.preventDefault();
    const values = {};
    for (const field of this.dialog.querySelectorAll("[data-input-of]")) {
      if (field.type === "radio" && !field.checked) continue;
      if (field.type === "checkbox") {
        if (field.checked) values[field.dataset.inputOf] = [values[field.dataset.inputOf], field.value].filter(Boolean).join(",");
        continue;
      }
      values[field.dataset.inputOf] = field.value;
    }
    const send = this.dialog.querySelector("button[type=submit]");
    send.disabled = true;
    await this.onSubmit(this.view.id, values);
    send.disabled = false;
  }

  dismiss() {
    if (this.view) this.onClose(this.view.id);
  }

  // Ask before a button that carries a confirm object; resolves to whether the person agreed.
  ask(confirm, names) {
    return new Promise((resolve) => {
      const answer = (agreed) => {
        this.question.close();
        resolve(agreed);
      };
      this.question.oncancel = () => resolve(false);
      const style = confirm.style === "danger" ? "danger" : "primary";
      replaceChildren(
        this.question,
        el("header", {}, el("h2", { id: "confirm-title" }, plain(confirm.title.text))),
        el("div", { class: "modal-body text" }, ...textOf(confirm.text, names)),
        el(
          "footer",
          {},
          el("button", { type: "button", class: "bk-button", data: { confirm: "no" }, onclick: () => answer(false) },
            plain(confirm.deny.text)),
          el("button", { type: "button", class: `bk-button ${style}`, data: { confirm: "yes" }, onclick: () => answer(true) },
            plain(confirm.confirm.text)),
        ),
      );
      this.question.showModal();
    });
  }
}

function inputBlock(block, context) {
  const id = `field-${block.block_id}`;
  const group = ["radio_buttons", "checkboxes"].includes(block.element.type);
  return el(
    group ? "fieldset" : "div",
    { class: "block field", data: { blockId: block.block_id } },
    el(group ? "legend" : "label", group ? {} : { for: id }, plain(block.label.text),
      block.optional ? el("span", { class: "optional" }, " (optional)") : ""),
    field(block, id, context),
    block.hint ? el("p", { class: "hint" }, plain(block.hint.text)) : "",
    el("p", { class: "error", role: "alert", data: { errorOf: block.block_id } }),
  );
}

function field(block, id, context) {
  const element = block.element;
  const shared = {
    id,
    required: !block.optional,
    placeholder: element.placeholder?.text,
    data: { inputOf: block.block_id, actionId: element.action_id },
  };
  switch (element.type) {
    case "plain_text_input": {
      const input = el(element.multiline ? "textarea" : "input", {
        ...shared,
        minlength: element.min_length,
        maxlength: element.max_length,
      });
      input.value = element.initial_value ?? "";
      return input;
    }
    case "static_select":
    case "users_select": {
      const options = element.type === "users_select" ? context.names.people() : element.options;
      return el("select", shared, el("option", { value: "" }, element.placeholder?.text ?? "Choose…"),
        ...optionsOf({ ...element, options }));
    }
    case "radio_buttons":
    case "checkboxes":
      return el("div", { class: "choices" }, ...element.options.map((option) => choice(element, block, option)));
    case "datepicker":
      return el("input", { ...shared, type: "date", value: element.initial_date });
    default:
      return el("span", { class: "unknown" }, `(${element.type})`);
  }
}

function choice(element, block, option) {
  const radio = element.type === "radio_buttons";
  const initial = radio ? [element.initial_option] : element.initial_options ?? [];
  return el("label", {},
    el("input", {
      type: radio ? "radio" : "checkbox",
      name: block.block_id,
      value: option.value,
      checked: initial.some((one) => one?.value === option.value),
      data: { inputOf: block.block_id, actionId: element.action_id },
    }),
    " ", plain(option.text.text));
}
