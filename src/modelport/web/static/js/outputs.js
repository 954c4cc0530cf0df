// What one prediction says to people: a headline, scores for bars, and the values that are neither.

import { numberText, percentText } from "./numbers.js";

export function understood(signature, row) {
  const found = { headline: null, charts: [], values: [] };
  for (const spec of signature.outputs) {
    if (!Object.hasOwn(row, spec.name)) continue;
    const value = single(row[spec.name]);
    const scores = scoresOf(spec, value);
    if (scores) found.charts.push({ name: spec.name, scores });
    else if (!found.headline && isHeadline(spec, value)) found.headline = headlineOf(spec, value);
    else found.values.push([spec.name, value]);
  }
  nameTheBest(found);
  return found;
}

// What stands alone in lists, out of them.
function single(value) {
  return Array.isArray(value) && value.length === 1 ? single(value[0]) : value;
}

function isHeadline(spec, value) {
  return ["labels", "quantity"].includes(spec.meaning?.kind) || ["number", "string", "boolean"].includes(typeof value);
}

function headlineOf(spec, value) {
  const text = typeof value === "object" && value !== null ? JSON.stringify(value) : numberText(value);
  const { unit = "", description = "" } = spec.meaning ?? {};
  return { name: spec.name, value: text, unit, note: description, label: spec.meaning?.kind !== "quantity" };
}

// Scores by label; a plain list counts where it is said to be probabilities, or adds up to one as they do.
function scoresOf(spec, value) {
  if (value === null || typeof value !== "object") return null;
  if (!Array.isArray(value)) {
    const scores = Object.entries(value);
    return scores.every(([, score]) => score === null || typeof score === "number") && scores.length ? scores : null;
  }
  if (spec.meaning?.kind === "ranking") return value.map(({ item, score }) => [String(item), score]);
  if (spec.meaning?.kind === "embedding") return null;
  if (!value.length || value.some((item) => item !== null && typeof item !== "number")) return null;
  const sum = value.reduce((total, item) => total + item, 0);
  const like = value.length > 1 && value.every((item) => item >= 0 && item <= 1) && Math.abs(sum - 1) < 0.01;
  if (spec.meaning?.kind !== "probabilities" && !like) return null;
  const labels = spec.meaning?.labels ?? [];
  return value.map((score, at) => [labels[at] ?? (spec.meaning ? `class ${at}` : `[${at}]`), score]);
}

// The headline's label gets its score; where no output names a label, the best score does.
function nameTheBest(found) {
  const scores = found.charts[0]?.scores.filter(([, score]) => score !== null) ?? [];
  if (!scores.length) return;
  const inPercent = scores.every(([, score]) => score >= 0 && score <= 1.000001);
  const text = inPercent ? percentText : numberText;
  if (!found.headline) {
    const [label, score] = scores.reduce((best, item) => (item[1] > best[1] ? item : best));
    found.headline = { name: "", value: label, unit: "", note: text(score), label: true };
    return;
  }
  const own = scores.find(([label]) => label === found.headline.value);
  if (found.headline.label && own) found.headline.note = text(own[1]);
}
