// Asking the control API. What is refused comes back as an error whose `text`, `kind` and `document` say why.

export class Refused extends Error {
  constructor(status, document) {
    super(document?.error ?? `The server answered with ${status}.`);
    this.status = status;
    this.kind = document?.kind ?? "";
    this.document = document ?? {};
  }
}

export async function ask(method, url, body) {
  const options = { method, headers: { accept: "application/json" }, cache: "no-store" };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Refused(0, { error: "The server can't be reached. Try again.", kind: "unavailable" });
  }
  const text = await response.text();
  const document = parsed(text);
  if (!response.ok) throw new Refused(response.status, document ?? { error: text.slice(0, 500) || undefined });
  return document;
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
