// Slack's mrkdwn as elements: blocks first (code, quotes), then links and mentions, then emphasis.
import { el, link } from "./dom.js";
import { withEmoji } from "./emoji.js";

const FORMATS = {
  "*": () => el("strong"),
  _: () => el("em"),
  "~": () => el("s"),
};

export function mrkdwn(text, names) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(/```\n?([\s\S]*?)\n?```/g)) {
    parts.push(...lines(text.slice(from, match.index), names));
    parts.push(el("pre", {}, ...inline(match[1], names, true)));
    from = match.index + match[0].length;
  }
  parts.push(...lines(text.slice(from), names));
  return parts;
}

export function plain(text) {
  return withEmoji(text);
}

function lines(text, names) {
  const parts = [];
  let quoted = null;
  // A line break beside a code block belongs to the block, which already begins its own line.
  const rows = text.replace(/^\n|\n$/g, "").split("\n");
  if (rows.length === 1 && rows[0] === "") return parts;
  rows.forEach((row, index) => {
    const quote = row.match(/^(?:&gt;|>) ?(.*)$/);
    if (quote) {
      if (quoted === null) parts.push((quoted = el("blockquote")));
      else quoted.append(el("br"));
      quoted.append(...inline(quote[1], names));
      return;
    }
    if (index > 0 && quoted === null) parts.push(el("br"));
    quoted = null;
    parts.push(...inline(row, names));
  });
  return parts;
}

function inline(text, names, verbatim = false) {
  const parts = [];
  const pattern = verbatim ? /<([^<>\n]+)>/g : /`([^`\n]+)`|<([^<>\n]+)>/g;
  let pending = "";
  const held = [];
  let from = 0;
  // Links and code are set aside behind a private-use character, so that emphasis may span them.
  for (const match of text.matchAll(pattern)) {
    pending += text.slice(from, match.index);
    const code = verbatim ? undefined : match[1];
    held.push(code !== undefined ? el("code", {}, ...inline(code, names, true)) : token(verbatim ? match[1] : match[2], names));
    pending += "\uE000";
    from = match.index + match[0].length;
  }
  pending += text.slice(from);
  parts.push(...(verbatim ? fill(pending, held, false) : emphasis(pending, held)));
  return parts;
}

function emphasis(text, held) {
  const match = text.match(/(^|[\s([{"'.,:;!?\uE000-])([*_~])(?=\S)((?:(?!\2).)*?\S)\2(?=$|[\s)\]}"'.,:;!?…\uE000-])/);
  if (!match) return fill(text, held, true);
  const before = text.slice(0, match.index) + match[1];
  const after = text.slice(match.index + match[0].length);
  const head = fill(before, held, true);
  const element = FORMATS[match[2]]();
  element.append(...emphasis(match[3], held));
  return [...head, element, ...emphasis(after, held)];
}

// Put the elements set aside back into their places; `held` is used up from its beginning.
function fill(text, held, shortcodes) {
  const pieces = text.split("\uE000");
  return pieces.flatMap((piece, index) => {
    const shown = unescape(piece);
    const parts = shortcodes ? withEmoji(shown) : [document.createTextNode(shown)];
    if (index < pieces.length - 1) parts.push(held.shift());
    return parts;
  });
}

function unescape(text) {
  return text.replace(/&(lt|gt|amp);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&" })[name]);
}

function token(body, names) {
  const [target, label] = split(body);
  if (target.startsWith("@")) return mention(`@${names.user(target.slice(1)) ?? target.slice(1)}`);
  if (target.startsWith("#")) return mention(`#${names.channel(target.slice(1)) ?? target.slice(1)}`);
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!subteam^")) return mention(`@${names.group(target.slice(9)) ?? label ?? "group"}`);
  if (target.startsWith("!")) return mention(`@${target.slice(1)}`, "loud");
  return link(unescape(target), unescape(label ?? target));
}

function split(body) {
  const bar = body.indexOf("|");
  return bar < 0 ? [body, null] : [body.slice(0, bar), body.slice(bar + 1)];
}

function mention(text, extra = "") {
  return el("span", { class: `mention ${extra}`.trim() }, text);
}

// <!date^SECONDS^FORMAT^LINK|FALLBACK>, shown in the reader's own time zone.
function date(target, fallback) {
  const [, seconds, format, address] = target.split("^");
  const when = new Date(Number(seconds) * 1000);
  if (Number.isNaN(when.getTime()) || !format) return document.createTextNode(fallback ?? "");
  const shown = format.replace(/\{(\w+)\}/g, (whole, name) => dateParts(when)[name] ?? whole);
  const element = el("time", { datetime: when.toISOString(), title: fallback ?? when.toISOString() }, shown);
  return address ? link(address, shown) : element;
}

function dateParts(when) {
  const part = (options) => new Intl.DateTimeFormat("en", options).format(when);
  const time = part({ hour: "2-digit", minute: "2-digit", hour12: false });
  const long = part({ weekday: "long", year: "numeric", month: "long", day: "numeric" });
  const short = part({ month: "short", day: "numeric", year: "numeric" });
  const day = relativeDay(when);
  return {
    time,
    time_secs: part({ hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }),
    date: part({ month: "long", day: "numeric", year: "numeric" }),
    date_short: short,
    date_long: long,
    date_num: when.toISOString().slice(0, 10),
    date_pretty: day ?? part({ month: "long", day: "numeric", year: "numeric" }),
    date_short_pretty: day ?? short,
    date_long_pretty: day ?? long,
    ago: ago(when),
  };
}

function relativeDay(when) {
  const day = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const days = Math.round((day(when) - day(new Date())) / 86_400_000);
  return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days] ?? null;
}

function ago(when) {
  const minutes = Math.round((when.getTime() - Date.now()) / 60_000);
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (Math.abs(minutes) < 60) return relative.format(minutes, "minute");
  return Math.abs(minutes) < 1440
    ? relative.format(Math.round(minutes / 60), "hour")
    : relative.format(Math.round(minutes / 1440), "day");
}
