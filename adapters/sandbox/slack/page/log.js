// A list of messages, changed in place.
import { el } from "./dom.js";
import { day, renderMessage } from "./messages.js";

// Redraw only the messages that changed: a reader keeps the place, and a screen reader hears only what is new.
export function drawLog(log, messages, page, view) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const key = `${page.me} ${page.channel} ${view.place === "thread" ? page.thread : ""}`;
  const fresh = log.dataset.key !== key;
  if (fresh) log.replaceChildren();
  log.dataset.key = key;
  const isNew = log.lastElementChild?.dataset.part !== `message ${messages.at(-1)?.ts}`;
  const before = new Map([...log.children].map((child) => [child.dataset.part, child]));
  const wanted = withDays(messages, page, view, before);
  const told = concerning(messages, before, page);
  for (const child of [...log.children]) if (!wanted.includes(child)) child.remove();
  wanted.forEach((child, index) => {
    if (log.children[index] !== child) log.insertBefore(child, log.children[index] ?? null);
  });
  if (messages.length === 0) log.append(el("p", { class: "empty", data: { part: "empty" } }, "Nothing has been said here yet."));
  if (view.place === "channel" && page.jumpTo) jump(log, page);
  else if (fresh || (atEnd && isNew)) show(log, log.lastElementChild);
  else if (told) show(log, wanted.find((child) => child.dataset.ts === told.ts));
  else if (atEnd) log.scrollTop = log.scrollHeight;
}

// What I said, and what is told to me alone: it answers what I did, so it is shown wherever I was reading.
function concerning(messages, before, page) {
  return messages.findLast((message) =>
    (message.only_to_me || message.user === page.me) && !before.has(`message ${message.ts}`));
}

// A message taller than the screen is read from its beginning.
function show(log, child) {
  const beginning = child ? child.offsetTop - log.offsetTop : 0;
  log.scrollTop = Math.min(beginning, log.scrollHeight - log.clientHeight);
}

function withDays(messages, page, view, before) {
  const wanted = [];
  let today = null;
  for (const message of messages) {
    const name = day(message.ts);
    if (name !== today) {
      today = name;
      wanted.push(before.get(`day ${name}`) ?? el("div", { class: "day", data: { part: `day ${name}` } }, el("span", {}, name)));
    }
    wanted.push(sameOrDrawn(message, page, view, before));
  }
  return wanted;
}

function sameOrDrawn(message, page, view, before) {
  const busy = [...page.busy].filter((key) => key.startsWith(`${message.ts}/`));
  const mark = JSON.stringify([message, busy]);
  const old = before.get(`message ${message.ts}`);
  if (old && old.mark === mark) return old;
  const drawn = renderMessage(message, view);
  drawn.mark = mark;
  drawn.dataset.part = `message ${message.ts}`;
  if (old && old.dataset.revision !== drawn.dataset.revision) drawn.classList.add("changed");
  keepFocus(old, drawn);
  return drawn;
}

function keepFocus(old, drawn) {
  const focused = old?.contains(document.activeElement) ? document.activeElement.dataset.actionId : null;
  if (!focused) return;
  requestAnimationFrame(() => drawn.querySelector(`[data-action-id="${CSS.escape(focused)}"]`)?.focus());
}

function jump(log, page) {
  const target = log.querySelector(`[data-ts="${CSS.escape(page.jumpTo)}"]`);
  page.jumpTo = null;
  if (!target) return;
  target.scrollIntoView({ block: "center" });
  target.classList.add("changed");
}
