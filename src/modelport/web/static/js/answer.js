// The panel with the answer: a headline, bars, values; or what went wrong.

import { barChart } from "./chart.js";
import { element } from "./dom.js";
import { numberText, percentText, timeText } from "./numbers.js";
import { understood } from "./outputs.js";

const MOST_ROWS = 200;
const MOST_TEXT = 200_000;

export class AnswerPanel {
  constructor(root, signature) {
    this.root = root;
    this.signature = signature;
    this.part = (name) => root.querySelector(`[data-${name}]`);
    this.idle = [...this.part("answer").childNodes];
  }

  busy(is) {
    this.root.classList.toggle("is-busy", is);
    this.root.setAttribute("aria-busy", String(is));
  }

  reset() {
    this.show(this.idle, "", "");
    this.part("raw").hidden = true;
  }

  answered(answer, text, milliseconds) {
    const rows = answer.predictions ?? [answer.outputs ?? {}];
    const outputs = understood(this.signature, rows[0] ?? {});
    const many = rows.length > 1;
    const nodes = many ? [rowsTable(rows, this.signature)] : [headline(outputs), ...details(outputs)];
    const said = many ? `${rows.length} predictions` : [outputs.headline?.value, outputs.headline?.note].filter(Boolean).join(", ");
    this.show(nodes.filter(Boolean), timeText(milliseconds), said || "answered");
    this.part("raw").hidden = false;
    this.part("raw-text").textContent = rawText(answer, text);
  }

  failed(error) {
    const failure = element("div", { class: "failure", role: "alert" },
      element("p", { class: "failure-title" }, "No answer"),
      element("p", { class: "failure-text" }, error.message),
      error.kind ? element("p", { class: "failure-kind" }, error.kind) : null);
    this.show([failure], "", "");
    this.part("raw").hidden = true;
  }

  show(nodes, latency, said) {
    this.part("answer").replaceChildren(...nodes);
    this.part("latency").hidden = !latency;
    this.part("latency").textContent = latency;
    this.part("latency").title = "From sending the request to reading the whole answer, in this browser";
    this.part("said").textContent = said;
  }
}

function headline({ headline: found }) {
  if (!found) return null;
  const value = element("p", { class: found.value.length > 14 ? "headline-value is-long" : "headline-value" }, found.value);
  if (found.unit) value.append(element("span", { class: "headline-unit" }, found.unit));
  const name = found.name ? element("h3", { class: "chart-title" }, found.name) : null;
  return element("div", { class: "headline" }, name, value, found.note ? element("p", { class: "headline-note" }, found.note) : null);
}

function details({ charts, values }) {
  const made = charts.map(({ name, scores }) => barChart(name, scores));
  if (!values.length) return made;
  const rows = values.map(([name, value]) =>
    element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, shortText(value))));
  return [...made, element("table", { class: "values", "aria-label": "Other outputs" }, element("tbody", {}, ...rows))];
}

function rowsTable(rows, signature) {
  const shown = rows.slice(0, MOST_ROWS);
  const names = signature.outputs.map(({ name }) => name);
  const head = ["Row", ...names].map((name) => element("th", { scope: "col" }, name));
  const body = shown.map((row, at) => element("tr", {},
    element("th", { scope: "row" }, String(at + 1)),
    ...names.map((name) => element("td", {}, shortText(row[name])))));
  const table = element("table", { class: "values" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  const note = rows.length > shown.length ? `The first ${shown.length} of ${rows.length}; all of them are in the raw JSON.` : "";
  return element("div", { class: "chart" }, element("p", { class: "chart-title" }, `${rows.length} predictions`), table, note ? element("p", { class: "hint" }, note) : null);
}

function shortText(value) {
  if (typeof value === "number" || value === null) return numberText(value);
  if (typeof value === "string") return value;
  const scores = value && !Array.isArray(value) ? Object.entries(value) : [];
  if (scores.length && scores.every(([, score]) => typeof score === "number")) {
    const [label, score] = scores.reduce((best, item) => (item[1] > best[1] ? item : best));
    return `${label} ${percentText(score)}`;
  }
  const text = JSON.stringify(value) ?? "";
  return text.length > 200 ? `${text.slice(0, 200)} …` : text;
}

// Indented, unless a number has more digits than this language keeps.
function rawText(answer, text) {
  const raw = /(?<![.\d])\d{16,}(?![.\d])/.test(text) ? text : JSON.stringify(answer, null, 2);
  return raw.length > MOST_TEXT ? `${raw.slice(0, MOST_TEXT)}\n… cut` : raw;
}
