// Sections with one text area: a text for a text model, and JSON for every tensor that has no control of its own.

import { showError } from "./dom.js";
import { flat, nested, shapeOf } from "./tensors.js";

class AreaSection {
  constructor(root, spec, control) {
    this.spec = spec;
    this.key = spec.name;
    this.control = control;
    this.error = root.querySelector("[data-error]");
    this.example = control.defaultValue;
    this.fields = [this];
    control.addEventListener("input", () => this.mark(""));
  }

  mark(text) {
    showError(this.error, this.control, text);
  }

  fill() {
    this.set(this.example);
  }

  clear() {
    this.set("");
  }

  set(text) {
    this.control.value = text;
    this.mark("");
  }
}

export class TextSection extends AreaSection {
  constructor(root, spec) {
    super(root, spec, root.querySelector("[data-text]"));
  }

  check() {
    const given = this.control.value !== "" || this.spec.optional;
    this.mark(given ? "" : "Write a text first.");
    return given ? undefined : this;
  }

  async tensors() {
    const text = this.control.value;
    if (text === "" && this.spec.optional) return new Map();
    const shape = (this.spec.shape ?? [-1]).map(() => 1);
    const rows = nested([text], shape);
    return new Map([[this.spec.name, { plain: [text], rows, tensor: { shape, data: [text] } }]]);
  }

  fill() {}
}

export class JsonSection extends AreaSection {
  constructor(root, spec) {
    super(root, spec, root.querySelector("[data-json]"));
  }

  check() {
    if (this.control.value.trim() === "" && this.spec.optional) return undefined;
    try {
      JSON.parse(this.control.value);
      this.mark("");
      return undefined;
    } catch (error) {
      this.mark(this.control.value.trim() === "" ? "Give a value as JSON." : `This is not JSON: ${error.message}`);
      return this;
    }
  }

  async tensors() {
    let value;
    try {
      value = JSON.parse(this.control.value);
    } catch {
      return new Map(this.spec.optional ? [] : [[this.spec.name, { plain: null, rows: null, tensor: null }]]);
    }
    const table = Array.isArray(value) && value.some((item) => item !== null && typeof item === "object" && !Array.isArray(item));
    const tensor = table ? null : { shape: shapeOf(value), data: flat(value) };
    return new Map([[this.spec.name, { plain: value, rows: value, tensor }]]);
  }
}
