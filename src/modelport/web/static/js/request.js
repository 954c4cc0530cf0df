// The request for the present values, and its sending.

import { isBatched } from "./tensors.js";

// What all sections say now: input name → { plain, rows, tensor, picture?, text? }.
export async function readings(sections) {
  const maps = await Promise.all(sections.map((section) => section.tensors()));
  return new Map(maps.flatMap((map) => [...map]));
}

// The plain prediction that carries them: a picture as it is, rows of the only input, one record, or tensors by name.
export function plainRequest(page, values) {
  const inputs = page.signature.inputs;
  const only = inputs.length === 1 ? values.get(inputs[0].name) : undefined;
  if (only?.picture) return { kind: "picture", picture: only.picture };
  const wrapped = (wrappers, content) => ({ kind: "json", document: { [unused(wrappers, inputs)]: content } });
  if (only && isBatched(inputs[0])) return wrapped(["instances", "inputs", "data"], only.plain);
  const record = inputs.length > 1 && inputs.every(isBatched) ? merged(values) : null;
  if (record) return wrapped(["instances", "inputs", "data"], [record]);
  const named = [...values].map(([name, { rows }]) => [name, rows]);
  return wrapped(["inputs", "instances", "data"], Object.fromEntries(named));
}

// One record of all inputs, where each has one row and no two share a name.
function merged(values) {
  const pairs = [];
  for (const [name, { plain, record }] of values) {
    if (!Array.isArray(plain) || plain.length !== 1) return null;
    pairs.push(...(record ? Object.entries(plain[0]) : [[name, plain[0]]]));
  }
  return new Set(pairs.map(([name]) => name)).size === pairs.length ? Object.fromEntries(pairs) : null;
}

// The first word that is not itself the name of an input or a column.
function unused(wrappers, inputs) {
  const names = new Set(inputs.flatMap(({ name, meaning }) => [name, ...(meaning?.columns ?? []).map((column) => column.name)]));
  return wrappers.find((word) => !names.has(word)) ?? wrappers[0];
}

// The Open Inference Protocol's request, or null where a tensor can't be written out.
export function openInferenceRequest(page, values) {
  const tensors = page.signature.inputs.filter((spec) => values.has(spec.name)).map((spec) => ({ spec, ...values.get(spec.name).tensor }));
  if (tensors.some(({ data }) => !data)) return null;
  return { inputs: tensors.map(({ spec, shape, data }) => ({ name: spec.name, datatype: spec.datatype, shape, data })) };
}

export class PredictionError extends Error {
  constructor(text, kind) {
    super(text);
    this.kind = kind;
  }
}

// Sends it. Gives { answer, text, milliseconds }; raises PredictionError with the server's own words.
export async function send(page, request, signal) {
  const picture = request.kind === "picture";
  const body = picture ? request.picture.blob : JSON.stringify(request.document);
  const headers = { "content-type": picture ? request.picture.type : "application/json", accept: "application/json" };
  const began = performance.now();
  let response;
  let text;
  try {
    response = await fetch(page.root + page.predict, { method: "POST", headers, body, signal });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new PredictionError("The server did not answer. Is it still running?", "unreachable");
  }
  const milliseconds = performance.now() - began;
  const answer = parsed(text);
  if (response.ok && isPrediction(answer)) return { answer, text, milliseconds };
  if (response.ok) throw new PredictionError("The server's answer is not a prediction. Does something stand between it and this page?", "");
  const words = answer?.error ?? (text.slice(0, 500) || `The server answered with status ${response.status}.`);
  throw new PredictionError(typeof words === "string" ? words : JSON.stringify(words), answer?.kind ?? `status ${response.status}`);
}

const isPrediction = (answer) => Array.isArray(answer?.predictions) || (answer?.outputs ?? null) instanceof Object;

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
