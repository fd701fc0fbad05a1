// The emoji that carry a state are drawn, so that they look the same on every machine.
const SVG = "http://www.w3.org/2000/svg";

const disc = (fill, stroke = fill) => [["circle", { cx: 8, cy: 8, r: 7, fill, stroke }]];
const RED = "#dd2e44";
const GREEN = "#5a9a2f";

const hourglass = [
  ["path", { d: "M3 1h10v2c0 3-4 4-4 5s4 2 4 5v2H3v-2c0-3 4-4 4-5S3 6 3 3z", fill: "#f3d9a4", stroke: "#8a6116" }],
  ["path", { d: "M5 13c0-1 3-2 3-2s3 1 3 2z", fill: "#c98a1b" }],
];

const ICONS = {
  red_circle: disc(RED),
  large_orange_circle: disc("#f4900c"),
  large_yellow_circle: disc("#fdcb58", "#d9a520"),
  large_green_circle: disc("#78b159"),
  large_blue_circle: disc("#4289c1"),
  white_circle: disc("#ffffff", "#9a9a9a"),
  black_circle: disc("#31373d"),
  white_check_mark: [
    ["rect", { x: 1, y: 1, width: 14, height: 14, rx: 3, fill: GREEN }],
    ["path", { d: "M4 8.5l3 3 5-7", fill: "none", stroke: "#ffffff", "stroke-width": 2.2 }],
  ],
  heavy_check_mark: [["path", { d: "M2 9l4 4 8-10", fill: "none", stroke: "#31373d", "stroke-width": 2.6 }]],
  x: [["path", { d: "M3 3l10 10M13 3L3 13", stroke: RED, "stroke-width": 3 }]],
  warning: [
    ["path", { d: "M8 1l7 13.5H1z", fill: "#ffcc4d", stroke: "#d9a520" }],
    ["path", { d: "M8 5.5v4.5M8 11.6v1.6", stroke: "#31373d", "stroke-width": 1.7 }],
  ],
  no_entry: [...disc(RED), ["rect", { x: 3, y: 6.7, width: 10, height: 2.6, fill: "#ffffff" }]],
  no_entry_sign: [
    ["circle", { cx: 8, cy: 8, r: 6, fill: "#ffffff", stroke: RED, "stroke-width": 2.4 }],
    ["path", { d: "M4 4l8 8", stroke: RED, "stroke-width": 2.4 }],
  ],
  rotating_light: [
    ["path", { d: "M4 12V8a4 4 0 018 0v4z", fill: RED }],
    ["rect", { x: 2, y: 12, width: 12, height: 3, rx: 1, fill: "#66757f" }],
    ["path", { d: "M8 0v2M2 2l1.5 1.5M14 2l-1.5 1.5", stroke: "#f4900c", "stroke-width": 1.4 }],
  ],
  information_source: [
    ["rect", { x: 1, y: 1, width: 14, height: 14, rx: 3, fill: "#3b88c3" }],
    ["path", { d: "M8 4v1.6M8 7v5", stroke: "#ffffff", "stroke-width": 2 }],
  ],
  lock: [
    ["path", { d: "M5 7V5a3 3 0 016 0v2", fill: "none", stroke: "#9aaab4", "stroke-width": 1.8 }],
    ["rect", { x: 3, y: 7, width: 10, height: 8, rx: 1.5, fill: "#ffac33" }],
  ],
  hourglass,
  hourglass_flowing_sand: hourglass,
};
const SAME = {
  orange_circle: "large_orange_circle",
  yellow_circle: "large_yellow_circle",
  green_circle: "large_green_circle",
};

// The icon of a shortcode, or null when there is none.
export function drawn(name) {
  const shapes = ICONS[SAME[name] ?? name];
  if (shapes === undefined) return null;
  const icon = document.createElementNS(SVG, "svg");
  const own = { class: "emoji", viewBox: "0 0 16 16", role: "img", "aria-label": name.replaceAll("_", " ") };
  for (const [key, value] of Object.entries(own)) icon.setAttribute(key, value);
  for (const [tag, attributes] of shapes) {
    const shape = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    icon.append(shape);
  }
  return icon;
}
