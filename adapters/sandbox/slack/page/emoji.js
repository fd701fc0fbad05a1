// The shortcodes that alerts and cards use; an unknown one stays as it was written.
import { drawn } from "./icons.js";
import { el } from "./dom.js";

const EMOJI = {
  "+1": "👍", "-1": "👎", alarm_clock: "⏰", ambulance: "🚑", arrow_down: "⬇️", arrow_left: "⬅️", arrow_right: "➡️",
  arrow_up: "⬆️", arrows_counterclockwise: "🔄", bar_chart: "📊", bell: "🔔", black_circle: "⚫", book: "📖",
  bookmark: "🔖", boom: "💥", bug: "🐛", bulb: "💡", calendar: "📅", chart_with_downwards_trend: "📉",
  chart_with_upwards_trend: "📈", clipboard: "📋", clock1: "🕐", construction: "🚧", eyes: "👀", fire: "🔥",
  fire_engine: "🚒", gear: "⚙️", green_circle: "🟢", hammer_and_wrench: "🛠️", heavy_check_mark: "✔️",
  heavy_multiplication_x: "✖️", hourglass: "⌛", hourglass_flowing_sand: "⏳", information_source: "ℹ️", key: "🔑",
  label: "🏷️", large_blue_circle: "🔵", large_green_circle: "🟢", large_orange_circle: "🟠", large_yellow_circle: "🟡",
  leftwards_arrow_with_hook: "↩️", link: "🔗", lock: "🔒", loudspeaker: "📢", mag: "🔍", memo: "📝",
  mute: "🔇", no_bell: "🔕", no_entry: "⛔", no_entry_sign: "🚫", ok: "🆗", ok_hand: "👌", orange_circle: "🟠",
  package: "📦", page_facing_up: "📄", pager: "📟", point_right: "👉", pushpin: "📌", question: "❓", raised_hand: "✋",
  recycle: "♻️", red_circle: "🔴", rewind: "⏪", robot_face: "🤖", rocket: "🚀", rotating_light: "🚨", shield: "🛡️",
  sleeping: "😴", small_red_triangle: "🔺", sos: "🆘", sparkles: "✨", speech_balloon: "💬", stopwatch: "⏱️",
  tada: "🎉", thinking_face: "🤔", thumbsdown: "👎", thumbsup: "👍", ticket: "🎫", traffic_light: "🚥", unlock: "🔓",
  warning: "⚠️", wastebasket: "🗑️", wave: "👋", white_check_mark: "✅", white_circle: "⚪", wrench: "🔧", x: "❌",
  yellow_circle: "🟡", zap: "⚡", zzz: "💤",
};

const SHORTCODE = /:([a-z0-9_+-]+):/g;

// A machine without an emoji font would show empty boxes: there, the shortcode itself is shown.
const hasEmojiFont = (() => {
  const pixels = (text) => {
    const canvas = el("canvas", { width: 20, height: 20 });
    const context = canvas.getContext("2d");
    context.font = "16px sans-serif";
    context.fillText(text, 0, 16);
    return canvas.toDataURL();
  };
  return pixels("\u{1F514}") !== pixels("\u{10FFFD}");
})();

// The text with its shortcodes drawn, as nodes.
export function withEmoji(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(SHORTCODE)) {
    const node = emojiNode(match[1]);
    if (node === null) continue;
    nodes.push(document.createTextNode(text.slice(from, match.index)), node);
    from = match.index + match[0].length;
  }
  nodes.push(document.createTextNode(text.slice(from)));
  return nodes.filter((node) => node.nodeType !== Node.TEXT_NODE || node.data !== "");
}

// The same for places that hold text only, such as the options of a select.
export function withEmojiText(text) {
  return text.replace(SHORTCODE, (whole, name) => (hasEmojiFont && charOf(name)) || whole);
}

export function emojiNode(name) {
  const char = charOf(name);
  const icon = drawn(name);
  if (icon !== null) return icon;
  if (char === null) return null;
  return hasEmojiFont ? document.createTextNode(char) : el("span", { class: "shortcode" }, `:${name}:`);
}

function charOf(name) {
  return Object.hasOwn(EMOJI, name) ? EMOJI[name] : null;
}
