// The call for the present values in each language. Each gives code that runs as it is, given the named picture file.

const WIDTH = 88;

export const LANGUAGES = { curl, python, javascript, "open-inference": openInference };

// `call` is { origin, page, request, inference }: where, which model, the plain request, and the v2 request or null.
function curl({ origin, page, request }) {
  const url = quoted(origin + page.root + page.predict);
  if (request.kind === "picture") {
    const { name, type } = request.picture;
    return `curl ${url} \\\n  -H 'Content-Type: ${type}' \\\n  --data-binary ${quoted(`@${name}`)}\n`;
  }
  return `curl ${url} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(written(request.document, JSON_WORDS))}\n`;
}

function python({ origin, page, request, inputs }) {
  const picture = request.kind === "picture";
  const version = page.version === null ? "" : `, version=${page.version}`;
  const data = picture ? `Path(${JSON.stringify(request.picture.name)})` : written(pythonData(request.document, inputs), PYTHON_WORDS, "    ");
  return [
    picture ? "from pathlib import Path\n" : "",
    "from modelport.client import Client\n",
    `with Client(${JSON.stringify(origin + page.root)}) as client:`,
    `    predictions = client.predict(${JSON.stringify(page.model)}, ${data}${version})`,
    "print(predictions)",
    "",
  ].filter((line, at) => at || line).join("\n");
}

// The client takes a record or a text as it is; a record of one column could be taken for a whole request, and stays in its list.
function pythonData(document, inputs) {
  const rows = document.instances;
  if (!Array.isArray(rows)) return document;
  const record = rows.length === 1 && rows[0] !== null && typeof rows[0] === "object" && !Array.isArray(rows[0]);
  const values = record ? Object.values(rows[0]) : [];
  if (values.length > 1 && values.every((value) => value === null || typeof value !== "object")) return rows[0];
  const text = rows.length === 1 && typeof rows[0] === "string" && inputs.length === 1 && inputs[0].datatype === "BYTES";
  return text ? rows[0] : record ? document : rows;
}

function javascript({ origin, page, request }) {
  const url = JSON.stringify(origin + page.root + page.predict);
  const picture = request.kind === "picture";
  const type = JSON.stringify(picture ? request.picture.type : "application/json");
  const body = picture ? "file" : `JSON.stringify(${written(request.document, JSON_WORDS, "  ")})`;
  return [
    picture ? `const file = document.querySelector("input[type=file]").files[0]; // ${request.picture.name.replaceAll(/\s/g, " ")}` : "",
    `const response = await fetch(${url}, {`,
    '  method: "POST",',
    `  headers: { "Content-Type": ${type} },`,
    `  body: ${body},`,
    "});",
    "const answer = await response.json();",
    "if (!response.ok) throw new Error(answer.error);",
    `console.log(${page.signature.outputs.length ? "answer.predictions ?? answer.outputs" : "answer"});`,
    "",
  ].filter((line, at) => at || line).join("\n");
}

function openInference({ origin, page, inference }) {
  const url = quoted(origin + page.root + page.infer);
  if (!inference) return "# The tensor of these values is not written out here: draw, or give rows of numbers.\n# " + `POST ${origin}${page.root}${page.infer.replaceAll(/\s/g, "%20")}\n`;
  return `curl ${url} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(written(inference, JSON_WORDS))}\n`;
}

const JSON_WORDS = { true: "true", false: "false", null: "null" };
const PYTHON_WORDS = { true: "True", false: "False", null: "None" };

// A value as a literal: what fits on one line stays on it, numbers of a long list fill lines.
function written(value, words, indent = "") {
  const short = literal(value, words);
  if (indent.length + short.length <= WIDTH || value === null || typeof value !== "object") return short;
  const inner = `${indent}  `;
  if (!Array.isArray(value)) {
    const items = Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${written(item, words, inner)}`);
    return `{\n${items.join(",\n")}\n${indent}}`;
  }
  const items = value.map((item) => written(item, words, inner));
  const simple = value.every((item) => item === null || typeof item !== "object");
  return `[\n${simple ? filled(items, inner) : items.map((item) => inner + item).join(",\n")}\n${indent}]`;
}

function filled(items, indent) {
  const lines = [];
  for (const item of items) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + item.length + 2 <= WIDTH) lines[lines.length - 1] = `${line}, ${item}`;
    else lines.push(indent + item);
  }
  return lines.join(",\n");
}

function literal(value, words) {
  if (Array.isArray(value)) return `[${value.map((item) => literal(item, words)).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${literal(item, words)}`).join(", ")}}`;
  }
  return words[String(value)] && typeof value !== "string" ? words[String(value)] : JSON.stringify(value);
}

// One word of a POSIX shell.
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
