// The page: one person's view of the workspace, drawn again after every change.
import { el, replaceChildren } from "./dom.js";
import { loadState, send, watch } from "./client.js";
import { renderBlocks } from "./blockkit.js";
import { composer } from "./composer.js";
import { drawHeader, drawSidebar } from "./frame.js";
import { drawLog } from "./log.js";
import { Modals } from "./modal.js";
import { Names } from "./names.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const page = {
  me: query.get("user"),
  channel: query.get("channel"),
  thread: query.get("thread"),
  jumpTo: query.get("ts"),
  home: query.has("home"),
  state: null,
  names: null,
  busy: new Set(),
  seen: new Map(),
};
const modals = new Modals({
  onSubmit: (viewId, values) => act("view_submit", { view_id: viewId, values }, null),
  onClose: (viewId) => act("view_close", { view_id: viewId }, null),
});

async function refresh() {
  const asked = page.me;
  let state;
  try {
    state = await loadState(asked);
  } catch (error) {
    showOutcome(error.message, false);
    return;
  }
  if (asked !== page.me && state.me !== page.me) return; // Somebody else was chosen meanwhile.
  if (page.state !== null && state.me === page.state.me && state.version < page.state.version) return;
  page.state = state;
  page.me = state.me;
  page.names = new Names(state);
  if (!state.channels.some((channel) => channel.id === page.channel)) page.channel = state.channels[0]?.id ?? null;
  draw();
}

// A button that is replaced between press and release takes no click: what changes meanwhile is drawn after it.
let isHeld = false;
let isOwed = false;
addEventListener("pointerdown", () => { isHeld = true; }, true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(letGo), true);

function letGo() {
  isHeld = false;
  if (isOwed) draw();
}

function draw() {
  isOwed = isHeld;
  if (isHeld) return;
  rememberPlace();
  drawSidebar(page, { goTo, goHome });
  drawHeader(page);
  if (page.home) drawHome();
  else drawLog($("log"), channelMessages(), page, viewOf("channel"));
  drawThread();
  modals.show(page.state.view, viewContext(page.state.view));
  document.body.dataset.version = page.state.version;
}

function rememberPlace() {
  const address = new URL(location.href);
  const place = { user: page.me, channel: page.channel, thread: page.thread };
  for (const [name, value] of Object.entries(place)) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  address.searchParams.delete("ts");
  if (page.home) address.searchParams.set("home", "");
  else address.searchParams.delete("home");
  history.replaceState(null, "", address);
}

function channelMessages() {
  const { state } = page;
  const roots = (state.messages[page.channel] ?? []).filter((message) => !isReply(message));
  const mine = state.ephemerals.filter((message) => message.channel === page.channel && !message.thread_ts);
  return [...roots, ...mine.map((message) => ({ ...message, only_to_me: true }))].sort(byTs);
}

function threadMessages() {
  const { state } = page;
  const inThread = (message) => message.ts === page.thread || message.thread_ts === page.thread;
  const shared = (state.messages[page.channel] ?? []).filter(inThread);
  const mine = state.ephemerals.filter((message) => message.channel === page.channel && message.thread_ts === page.thread);
  return [...shared, ...mine.map((message) => ({ ...message, only_to_me: true }))].sort(byTs);
}

const byTs = (one, other) => Number(one.ts) - Number(other.ts) || one.ts.localeCompare(other.ts);
const isReply = (message) => message.thread_ts && message.thread_ts !== message.ts;

// What a button in a modal or the home tab does.
function viewContext(view) {
  const pressed = async (element, value) => {
    if (element.confirm && !(await modals.ask(element.confirm, page.names))) return;
    const what = { action_id: element.action_id, block_id: element.block_id, value };
    await act("view_press", { view_id: view.id, ...what }, element.text?.text ?? "Choice");
  };
  return { names: page.names, act: pressed, busy: () => false };
}

function viewOf(place) {
  const { shortcuts } = page.state;
  return { names: page.names, place, act: press, busy: (key) => page.busy.has(key), openThread, shortcuts, choose };
}

function drawThread() {
  const messages = page.thread && !page.home ? threadMessages() : [];
  $("thread").hidden = messages.length === 0;
  $("app").classList.toggle("with-thread", messages.length > 0);
  if (messages.length === 0) return;
  $("thread-place").textContent = $("channel-name").textContent;
  drawLog($("thread-log"), messages, page, viewOf("thread"));
}

function drawHome() {
  const home = page.state.home;
    const log = $("log");
  log.dataset.key = "home";
  replaceChildren(log, home
    ? el("div", { class: "blocks home" }, ...renderBlocks(home.blocks, viewContext(home)))
    : el("p", { class: "empty" }, `${page.state.app.name} has not published a home tab for you.`));
}

function goTo(channel) {
  Object.assign(page, { channel, thread: null, home: false });
  showMenu(false);
  draw();
}

function goHome() {
  Object.assign(page, { home: true, thread: null });
  showMenu(false);
  draw();
  act("home", {}, null);
}

function openThread(ts) {
  page.thread = ts;
  draw();
  $("thread-close").focus();
}

async function press(message, element, value) {
  if (element.confirm && !(await modals.ask(element.confirm, page.names))) return;
  if (element.url) open(element.url, "_blank", "noopener");
  const key = `${message.ts}/${element.block_id}/${element.action_id}`;
  page.busy.add(key);
  draw();
  const place = { channel: message.channel, message_ts: message.ts };
  const what = { action_id: element.action_id, block_id: element.block_id, value };
  await act("press", { ...place, ...what }, element.text?.text ?? "Choice");
  page.busy.delete(key);
  draw();
}

async function choose(message, id, name) {
  await act("shortcut", { channel: message.channel, message_ts: message.ts, callback_id: id }, name);
}

// Do something as this person; with a label, show how the delivery went.
async function act(route, body, label) {
  const answer = await send(route, { user: page.me, ...body });
  if (answer.error) showOutcome(answer.error, false);
  else if (label && answer.delivery) showDelivery(label, answer.delivery);
  await refresh();
  return answer;
}

function showDelivery(label, delivery) {
  const took = `${Math.round(delivery.latency_ms)} ms`;
  const way = delivery.transport === "socket" ? "Socket Mode" : `HTTP ${delivery.status || "no answer"}`;
  // Delivered is not allowed: only the app's own answer says what became of it.
  if (delivery.ok) showOutcome(`“${label}” sent; the answer appears below`, true);
  else showOutcome(`“${label}” failed: ${delivery.failure} · ${way} · ${took}`, false);
}

let fading = null;
function showOutcome(text, good) {
  const place = $("outcome");
  place.textContent = text;
  place.className = `outcome shown ${good ? "good" : "bad"}`;
  clearTimeout(fading);
  fading = setTimeout(() => place.classList.remove("shown"), good ? 3500 : 9000);
}

function showMenu(open) {
  $("app").classList.toggle("with-menu", open);
  $("scrim").hidden = !open;
  $("menu").setAttribute("aria-expanded", String(open));
}

function closeThread() {
  page.thread = null;
  draw();
}

composer(page, $("composer"), $("composer-text"), () => null, { act, showOutcome });
composer(page, $("thread-composer"), $("thread-text"), () => page.thread, { act, showOutcome });
$("menu").addEventListener("click", () => showMenu(!$("app").classList.contains("with-menu")));
$("scrim").addEventListener("click", () => showMenu(false));
$("thread-close").addEventListener("click", closeThread);
$("me").addEventListener("change", () => {
  page.me = $("me").value;
  refresh();
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if ($("app").classList.contains("with-menu")) showMenu(false);
  else if (page.thread) closeThread();
});
watch(refresh, (connected) => {
  document.body.classList.toggle("offline", !connected);
  if (!connected) showOutcome("Connection to the sandbox lost. Trying again…", false);
});
