// The panel with the call to copy: one language at a time, always for the present values.

import { element } from "./dom.js";
import { LANGUAGES } from "./snippets.js";
import { tabs } from "./tabs.js";

// Texts, comments and numbers; everything else is plain.
const TOKENS = /("(?:[^"\\\n]|\\.)*")|((?:^|\s)(?:#|\/\/ ).*$)|(?<=[\s[(,=])(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=[\s\]),}])/gm;
const MOST_COLOURED = 40_000;

export class CallPanel {
  constructor(root) {
    this.code = root.querySelector("[data-code]");
    this.panel = root.querySelector('[role="tabpanel"]');
    this.language = "curl";
    tabs(root.querySelector('[role="tablist"]'), (tab) => {
      this.language = tab.dataset.language;
      this.panel.setAttribute("aria-labelledby", tab.id);
      this.show();
    });
    root.querySelector("[data-copy]").addEventListener("click", () => this.copy(root));
  }

  update(call) {
    this.call = call;
    this.show();
  }

  show() {
    if (!this.call) return;
    const text = LANGUAGES[this.language](this.call);
    this.code.replaceChildren(...coloured(text));
  }

  async copy(root) {
    const done = await copied(this.code.textContent);
    const words = done ? "Copied" : "Press Ctrl+C";
    if (!done) getSelection().selectAllChildren(this.code);
    root.querySelector("[data-copied]").textContent = words;
    root.querySelector("[data-copy-words]").textContent = words;
    setTimeout(() => {
      root.querySelector("[data-copied]").textContent = "";
      root.querySelector("[data-copy-words]").textContent = "Copy";
    }, 1800);
  }
}

function coloured(text) {
  if (text.length > MOST_COLOURED) return [text];
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(TOKENS)) {
    parts.push(text.slice(at, match.index));
    const kind = match[1] ? "string" : match[2] ? "word" : "number";
    parts.push(element("span", { class: kind }, match[0]));
    at = match.index + match[0].length;
  }
  return [...parts, text.slice(at)];
}

// The clipboard where the page is trusted with it (HTTPS or this machine); elsewhere by way of a text area out of sight.
async function copied(text) {
  if (navigator.clipboard && isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch { /* refused: the old way may still work */ }
  }
  const area = element("textarea", { class: "visually-hidden", readonly: true, "aria-hidden": "true", tabindex: -1 });
  area.value = text;
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}
