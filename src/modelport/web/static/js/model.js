// A model's page: its sections make a request, the request makes an answer and the call to copy.

import { AnswerPanel } from "./answer.js";
import { CallPanel } from "./call.js";
import { later } from "./dom.js";
import { FieldsSection } from "./fields.js";
import { PictureSection } from "./picture.js";
import { RecordingSection } from "./recording.js";
import { openInferenceRequest, plainRequest, readings, send } from "./request.js";
import { JsonSection, TextSection } from "./texts.js";

class ModelPage {
  constructor(page, form) {
    this.page = page;
    this.form = form;
    this.answer = new AnswerPanel(document.getElementById("answer"), page.signature);
    this.call = new CallPanel(document.getElementById("call"));
    this.sections = [...form.querySelectorAll("[data-section]")].map((root) => this.section(root));
    this.fields = this.sections.flatMap((section) => section.fields);
    this.live = form.querySelector("[data-live]");
    this.listen();
    this.showCall();
  }

  section(root) {
    const inputs = this.page.signature.inputs;
    const first = inputs.find(({ name }) => name === root.dataset.tensor);
    if (root.dataset.section === "image") return new PictureSection(root, first, (empty) => this.drawn(empty));
    if (root.dataset.section === "audio") return new RecordingSection(root, first, (empty) => this.drawn(empty));
    if (root.dataset.section === "text") return new TextSection(root, first);
    if (root.dataset.section === "json") return new JsonSection(root, first);
    const tensors = new Set([...root.querySelectorAll("[data-field]")].map((field) => field.dataset.tensor));
    return new FieldsSection(root, inputs.filter(({ name }) => tensors.has(name)));
  }

  listen() {
    const soon = later(250, () => this.live?.checked && this.predict(false));
    const showCall = later(60, () => this.showCall());
    this.form.addEventListener("input", (event) => {
      if (event.target.closest("[data-filter], [data-live], [data-picture], [data-recording]")) return;
      showCall();
      soon();
    });
    this.live?.addEventListener("change", soon);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.predict(true);
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
    });
    this.form.querySelector("[data-fill]")?.addEventListener("click", () => this.each((section) => section.fill()));
    this.form.querySelector("[data-clear]")?.addEventListener("click", () => {
      this.each((section) => section.clear());
      this.forget();
    });
    this.predictSoon = later(120, () => this.predict(false));
  }

  each(action) {
    this.sections.forEach(action);
    this.showCall();
  }

  // A picture is predicted as soon as it is there, where it is all that the model needs.
  drawn(empty) {
    this.showCall();
    if (empty) this.forget();
    else if (this.sections.length === 1 || this.live?.checked) this.predictSoon();
  }

  forget() {
    this.pending?.abort();
    this.answer.busy(false);
    this.answer.reset();
  }

  async showCall() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const values = await readings(this.sections);
    if (turn !== this.turn) return;
    this.call.update({
      origin: location.origin,
      page: this.page,
      inputs: this.page.signature.inputs,
      request: plainRequest(this.page, values),
      inference: openInferenceRequest(this.page, values),
    });
  }

  // `asked` is true when a person pressed Predict: only then does the page move to what is missing or to the answer.
  async predict(asked) {
    const wrong = this.sections.map((section) => section.check()).find(Boolean);
    if (wrong) {
      if (asked) this.point(wrong);
      return;
    }
    this.pending?.abort();
    const pending = (this.pending = new AbortController());
    this.answer.busy(true);
    try {
      const values = await readings(this.sections);
      const { answer, text, milliseconds } = await send(this.page, plainRequest(this.page, values), pending.signal);
      if (pending === this.pending) this.answer.answered(answer, text, milliseconds);
    } catch (error) {
      if (pending !== this.pending || error.name === "AbortError") return;
      this.failed(error, asked);
    } finally {
      if (pending === this.pending) this.answer.busy(false);
    }
    if (asked) this.reveal();
  }

  failed(error, asked) {
    this.answer.failed(error);
    const named = this.named(error.message);
    named?.mark(error.message);
    if (named && asked) this.point(named);
  }

  // The field that an error's text names in quotes.
  named(text) {
    for (const [, single, double] of text.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)) {
      const field = this.fields.find(({ key }) => key === (single ?? double));
      if (field) return field;
    }
    return undefined;
  }

  point(field) {
    if (field.root?.closest("[hidden]")) this.showAll();
    field.control.focus();
  }

  showAll() {
    for (const filter of this.form.querySelectorAll("[data-filter]")) {
      filter.value = "";
      filter.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  // On a narrow screen the answer stands below the form.
  reveal() {
    const smooth = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    const { top } = this.answer.root.getBoundingClientRect();
    if (top > innerHeight * 0.6) this.answer.root.scrollIntoView({ block: "start", behavior: smooth });
  }
}

const page = JSON.parse(document.getElementById("model-data").textContent);
new ModelPage(page, document.getElementById("try"));

for (const time of document.querySelectorAll("time[data-time]")) {
  time.title = time.textContent;
  time.textContent = new Date(Number(time.dataset.time) * 1000).toLocaleString();
}
