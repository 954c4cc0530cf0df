// A section that takes a picture: drawn on the easel, or a file that is dropped, pasted or chosen.

import { base64 } from "./base64.js";
import { showError } from "./dom.js";
import { Easel } from "./easel.js";
import { tabs } from "./tabs.js";

const TYPES = ["image/png", "image/jpeg", "image/webp"];
const MOST_ELEMENTS = 4096; // longer tensors are not written out in the call to copy

export class PictureSection {
  // `given` is called when a stroke is done or a file chosen: the answer may follow at once.
  constructor(root, spec, given) {
    this.spec = spec;
    this.key = spec.name;
    this.fields = [this];
    this.root = root;
    this.given = given;
    this.image = spec.meaning;
    this.error = root.querySelector("[data-error]");
    this.easel = new Easel(root, this.image, () => this.changed());
    this.listenToTabs();
    this.listenToFiles();
  }

  get control() {
    return this.way === "draw" ? this.easel.canvas : this.root.querySelector("[data-file]");
  }

  get empty() {
    return this.way === "draw" ? this.easel.empty : !this.file;
  }

  mark(text) {
    showError(this.error, null, text);
  }

  check() {
    const words = this.way === "draw" ? "Draw something first." : "Choose a picture first.";
    const missing = this.empty && !this.spec.optional;
    this.mark(missing ? words : "");
    return missing ? this : undefined;
  }

  async tensors() {
    const drawn = this.way === "draw";
    if (this.empty && this.spec.optional) return new Map();
    const blob = this.empty ? null : drawn ? await this.easel.picture() : this.file;
    const name = drawn || !this.file ? "drawing.png" : this.file.name;
    const plain = [{ b64: blob ? await base64(blob) : "" }];
    const tensor = drawn && !this.empty ? pixelTensor(this.easel.pixels(), this.image, this.spec) : null;
    return new Map([[this.spec.name, { plain, rows: plain, picture: { blob, name, type: blob?.type || "image/png" }, tensor }]]);
  }

  fill() {}

  clear() {
    this.choose(null);
    this.easel.wipe();
  }

  listenToTabs() {
    const list = this.root.querySelector('[role="tablist"]');
    this.way = list.querySelector('[aria-selected="true"]').dataset.way;
    this.tabs = tabs(list, (tab) => {
      const changed = this.way !== tab.dataset.way;
      this.way = tab.dataset.way;
      for (const panel of this.root.querySelectorAll('[role="tabpanel"]')) {
        panel.hidden = panel.id !== tab.getAttribute("aria-controls");
      }
      if (changed) this.changed();
    });
  }

  listenToFiles() {
    const drop = this.root.querySelector("[data-drop]");
    const input = this.root.querySelector("[data-file]");
    input.addEventListener("change", () => this.choose(input.files[0] ?? null));
    this.root.querySelector("[data-remove]").addEventListener("click", () => this.choose(null));
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("is-over", name === "dragover");
        if (name === "drop") this.choose(event.dataTransfer.files[0] ?? null);
      });
    }
    document.addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find((item) => TYPES.includes(item.type));
      if (!file) return;
      this.tabs.choose(this.root.querySelector('[data-way="file"]'));
      this.choose(file);
    });
  }

  choose(file) {
    if (file && !TYPES.includes(file.type)) {
      this.mark(`${file.name} is not a PNG, JPEG or WebP picture.`);
      return;
    }
    this.file = file;
    const preview = this.root.querySelector("[data-preview]");
    if (preview.src) URL.revokeObjectURL(preview.src);
    preview.onload = () => preview.classList.toggle("is-tiny", preview.naturalWidth < 100);
    preview.hidden = !file;
    if (file) preview.src = URL.createObjectURL(file);
    else preview.removeAttribute("src");
    this.root.querySelector("[data-drop-words]").hidden = Boolean(file);
    this.root.querySelector("[data-file-name]").textContent = file ? `${file.name}, ${Math.ceil(file.size / 1024)} KB` : "";
    this.root.querySelector("[data-remove]").hidden = !file;
    if (!file) this.root.querySelector("[data-file]").value = "";
    this.changed();
  }

  async changed() {
    this.mark("");
    this.given(this.empty);
    const link = this.root.querySelector("[data-save]");
    link.hidden = this.way !== "draw" || this.easel.empty;
    if (link.href) URL.revokeObjectURL(link.href);
    if (link.hidden) return;
    link.download = "drawing.png";
    link.href = URL.createObjectURL(await this.easel.picture());
  }
}

// The numbers that the server makes of the drawing: (p × scale − mean) ÷ std, in the order of the layout.
function pixelTensor(pixels, image, spec) {
  const { height, width, channels = 1, layout = "HWC", scale = 1, mean = [], std = [] } = image;
  if (height * width * channels > MOST_ELEMENTS) return null;
  const value = (place, channel) => {
    const made = (pixels[place * 4 + channel] * scale - (mean[channel] ?? 0)) / (std[channel] ?? 1);
    return spec.datatype.includes("INT") ? Math.round(made) : Number(made.toPrecision(6));
  };
  const places = [...Array(height * width).keys()];
  const all = [...Array(channels).keys()];
  const data = layout === "CHW"
    ? all.flatMap((channel) => places.map((place) => value(place, channel)))
    : places.flatMap((place) => all.map((channel) => value(place, channel)));
  const shapes = { HW: [height, width], HWC: [height, width, channels], CHW: [channels, height, width], flat: [data.length] };
  return { shape: [1, ...shapes[layout]], data };
}
