// Scores as bars: sorted, the ten best first, every value also as text.

import { element } from "./dom.js";
import { numberText, percentText } from "./numbers.js";

const SHOWN = 10;

// `scores` are [label, number or null] pairs.
export function barChart(title, scores) {
  const sorted = [...scores].sort(([, a], [, b]) => (b ?? -Infinity) - (a ?? -Infinity));
  const values = sorted.map(([, value]) => value ?? 0);
  const percent = values.every((value) => value >= 0 && value <= 1.000001);
  const most = percent ? 1 : Math.max(...values.map(Math.abs), Number.MIN_VALUE);
  const text = percent ? percentText : numberText;
  const list = element("ol", { class: "bars" });
  const show = (number) => list.append(...sorted.slice(list.children.length, number).map((score) => bar(score, most, text)));
  show(SHOWN);
  const chart = element("div", { class: "chart", role: "group", "aria-label": title }, element("h3", { class: "chart-title" }, title), list);
  if (sorted.length > SHOWN) chart.append(moreButton(sorted.length, list, () => show(sorted.length)));
  return chart;
}

function bar([label, value], most, text) {
  const fill = element("span", { class: "bar-fill" });
  fill.style.width = `${Math.min(100, (Math.abs(value ?? 0) / most) * 100)}%`;
  return element("li", { class: "bar-row" },
    element("span", { class: "bar-label" }, label),
    element("span", { class: "bar-track", role: "img", "aria-label": `${label}: ${text(value)}` }, fill),
    element("span", { class: "bar-value", "aria-hidden": "true" }, text(value)));
}

function moreButton(number, list, show) {
  const button = element("button", { type: "button", class: "link-button" }, `Show all ${number}`);
  button.addEventListener("click", () => {
    show();
    list.tabIndex = -1;
    button.remove();
    list.focus({ preventScroll: true });
  });
  return button;
}
