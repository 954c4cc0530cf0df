// A section that takes a recording: a WAV file that is dropped or chosen.

import { base64 } from "./base64.js";
import { showError } from "./dom.js";

const TYPES = ["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"];

export class RecordingSection {
  // `given` is called when a file is chosen or removed: the answer may follow at once.
  constructor(root, spec, given) {
    this.spec = spec;
    this.key = spec.name;
    this.fields = [this];
    this.root = root;
    this.given = given;
    this.error = root.querySelector("[data-error]");
    this.control = root.querySelector("[data-file]");
    this.player = root.querySelector("[data-player]");
    this.listen(root.querySelector("[data-drop]"));
  }

  mark(text) {
    showError(this.error, null, text);
  }

  check() {
    const missing = !this.file && !this.spec.optional;
    this.mark(missing ? "Choose a recording first." : "");
    return missing ? this : undefined;
  }

  async tensors() {
    if (!this.file && this.spec.optional) return new Map();
    const plain = [{ b64: this.file ? await base64(this.file) : "" }];
    const name = this.file?.name ?? "recording.wav";
    const picture = { blob: this.file ?? null, name, type: "audio/wav" };
    return new Map([[this.spec.name, { plain, rows: plain, picture, tensor: null }]]);
  }

  fill() {}

  clear() {
    this.choose(null);
  }

  listen(drop) {
    this.control.addEventListener("change", () => this.choose(this.control.files[0] ?? null));
    this.root.querySelector("[data-remove]").addEventListener("click", () => this.choose(null));
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("is-over", name === "dragover");
        if (name === "drop") this.choose(event.dataTransfer.files[0] ?? null);
      });
    }
  }

  choose(file) {
    if (file && !TYPES.includes(file.type) && !file.name.toLowerCase().endsWith(".wav")) {
      this.mark(`${file.name} is not a WAV file.`);
      return;
    }
    this.file = file;
    if (this.player.src) URL.revokeObjectURL(this.player.src);
    this.player.hidden = !file;
    if (file) this.player.src = URL.createObjectURL(file);
    else this.player.removeAttribute("src");
    this.root.querySelector("[data-drop-words]").hidden = Boolean(file);
    this.root.querySelector("[data-file-name]").textContent = file ? `${file.name}, ${Math.ceil(file.size / 1024)} KB` : "";
    this.root.querySelector("[data-remove]").hidden = !file;
    if (!file) this.control.value = "";
    this.mark("");
    this.given(!file);
  }
}
