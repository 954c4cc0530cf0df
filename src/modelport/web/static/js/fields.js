// A section of labelled fields: the columns of one tabular input, or inputs that take one value each.
//
// Every section has tensors() → Map of input name → { plain, tensor } for the present values, marks what is missing when
// asked to check(), and gives fields() for errors of the server that name one.

import { showError } from "./dom.js";
import { nested } from "./tensors.js";

export class FieldsSection {
  constructor(root, specs) {
    this.fields = [...root.querySelectorAll("[data-field]")].map((item) => new Field(item));
    this.specs = specs;
    this.tabular = specs.length === 1 && specs[0].meaning?.kind === "tabular";
    filterFields(root, this.fields);
  }

  check() {
    const missing = this.fields.filter((field) => !field.check());
    return missing[0];
  }

  async tensors() {
    const found = new Map();
    if (this.tabular) {
      const row = this.fields.map((field) => field.value);
      const record = Object.fromEntries(this.fields.map((field, at) => [field.key, row[at]]));
      const codes = this.fields.map((field, at) => field.coded(row[at], this.specs[0]));
      found.set(this.specs[0].name, { plain: [record], record: true, rows: [codes], tensor: { shape: [1, row.length], data: codes } });
      return found;
    }
    for (const spec of this.specs) {
      const value = this.fields.find((field) => field.tensor === spec.name).value;
      if (value === null && spec.optional) continue;
      const shape = spec.shape.map(() => 1);
      const rows = nested([value], shape);
      found.set(spec.name, { plain: [value], rows, tensor: { shape, data: [value] } });
    }
    return found;
  }

  fill() {
    for (const field of this.fields) field.fill();
  }

  clear() {
    for (const field of this.fields) field.clear();
  }
}

class Field {
  constructor(root) {
    this.root = root;
    this.key = root.dataset.key;
    this.tensor = root.dataset.tensor;
    this.control = root.querySelector("input, select");
    this.error = root.querySelector("[data-error]");
    this.control.addEventListener("input", () => this.changed());
    this.changed();
  }

  // What the request carries: a number, a text or a boolean; null where nothing is given.
  get value() {
    const text = this.control.value;
    if (text === "" && this.control.dataset.value !== "text") return null;
    if (this.control.dataset.value === "number") return Number(text);
    if (this.control.dataset.value === "boolean") return text === "true";
    return text === "" && this.control.localName === "select" ? null : text;
  }

  // A choice in a tensor of numbers is its place among the choices.
  coded(value, spec) {
    const choices = this.control.localName === "select" && this.control.dataset.value === "text";
    if (!choices || value === null || spec.datatype === "BYTES") return value;
    return [...this.control.options].findIndex((option) => option.value === value) - 1;
  }

  check() {
    const bad = this.control.validity.badInput;
    const missing = this.value === null && !("optional" in this.control.dataset);
    this.mark(bad ? "This is not a number." : missing ? "Give a value." : "");
    return !bad && !missing;
  }

  mark(text) {
    showError(this.error, this.control, text);
  }

  changed() {
    this.mark("");
    const { rangeOverflow, rangeUnderflow } = this.control.validity;
    this.root.classList.toggle("is-unusual", rangeOverflow || rangeUnderflow);
  }

  fill() {
    this.control.value = this.control.dataset.example;
    this.changed();
  }

  clear() {
    this.control.value = "";
    this.changed();
  }
}

// The filter box hides the fields, and then the groups, that have none of its text in their names.
function filterFields(root, fields) {
  const filter = root.querySelector("[data-filter]");
  filter?.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  filter?.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const field of fields) field.root.hidden = !field.key.toLowerCase().includes(wanted);
    for (const group of root.querySelectorAll("[data-group]")) {
      group.hidden = !group.querySelector("[data-field]:not([hidden])");
    }
    root.querySelector("[data-nothing]").hidden = fields.some((field) => !field.root.hidden);
  });
}
