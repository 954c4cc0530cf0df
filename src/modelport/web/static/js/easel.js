// Drawing by pen, finger or mouse, and beside it the drawing as the model gets it.

const SIDE = 336; // pixels of the drawing's longer side: enough for smooth strokes, little enough to read back quickly

export class Easel {
  constructor(root, { width, height, ink, fit }, changed) {
    this.width = width;
    this.height = height;
    this.colours = ink === "dark" ? { ink: "#000000", ground: "#ffffff" } : { ink: "#ffffff", ground: "#000000" };
    this.canvas = root.querySelector("[data-canvas]");
    this.seen = root.querySelector("[data-seen]");
    this.brush = root.querySelector("[data-brush]");
    this.fit = fit;
    this.undoButton = root.querySelector("[data-undo]");
    this.wipeButton = root.querySelector("[data-wipe]");
    this.changed = changed;
    this.strokes = [];
    const scale = SIDE / Math.max(width, height);
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.small = this.seen.getContext("2d", { willReadFrequently: true });
    this.listen();
    this.redraw();
  }

  get empty() {
    return this.strokes.length === 0;
  }

  listen() {
    this.canvas.addEventListener("pointerdown", (event) => this.start(event));
    this.canvas.addEventListener("pointermove", (event) => this.extend(event));
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, (event) => this.finish(event));
    this.canvas.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "z") this.undo();
      if (event.key === "Delete" || event.key === "Backspace") this.wipe();
    });
    this.undoButton.addEventListener("click", () => this.undo());
    this.wipeButton.addEventListener("click", () => this.wipe());
  }

  start(event) {
    if (event.button !== 0 || this.stroke) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true, focusVisible: false });
    this.canvas.setPointerCapture(event.pointerId);
    const size = (Number(this.brush.value) / 100) * Math.max(this.canvas.width, this.canvas.height);
    this.stroke = { pointer: event.pointerId, size, points: [this.point(event)] };
    this.strokes.push(this.stroke);
    this.redraw();
  }

  extend(event) {
    if (this.stroke?.pointer !== event.pointerId) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const part of events.length ? events : [event]) this.stroke.points.push(this.point(part));
    this.redraw();
  }

  finish(event) {
    if (this.stroke?.pointer !== event.pointerId) return;
    this.stroke = undefined;
    this.redraw(true);
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.canvas.width, ((event.clientY - box.top) / box.height) * this.canvas.height];
  }

  undo() {
    this.strokes.pop();
    this.redraw(true);
  }

  wipe() {
    this.strokes = [];
    this.redraw(true);
  }

  redraw(settled = false) {
    this.paint();
    this.paintSeen();
    this.undoButton.disabled = this.wipeButton.disabled = this.empty;
    if (settled) this.changed();
  }

  paint() {
    const { context, canvas } = this;
    context.fillStyle = this.colours.ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.strokeStyle = this.colours.ink;
    context.lineCap = context.lineJoin = "round";
    for (const { points, size } of this.strokes) {
      const [first, ...rest] = points;
      context.beginPath();
      context.lineWidth = size;
      context.moveTo(...first);
      for (const point of rest.length ? rest : [first]) context.lineTo(...point);
      context.stroke();
    }
  }

  // The drawing as the server will size it: each pixel is the mean of what lies under it.
  paintSeen() {
    const times = Math.max(1, Math.ceil(SIDE / Math.max(this.width, this.height)));
    const large = new OffscreenCanvas(this.width * times, this.height * times);
    const context = large.getContext("2d", { willReadFrequently: true });
    context.fillStyle = this.colours.ground;
    context.fillRect(0, 0, large.width, large.height);
    const from = (this.fit === "ink" && this.inked()) || { left: 0, top: 0, width: this.canvas.width, height: this.canvas.height, fill: 1 };
    const scale = Math.min(large.width / from.width, large.height / from.height) * from.fill;
    const [width, height] = [from.width * scale, from.height * scale];
    context.drawImage(this.canvas, from.left, from.top, from.width, from.height, (large.width - width) / 2, (large.height - height) / 2, width, height);
    this.small.putImageData(averaged(context.getImageData(0, 0, large.width, large.height), times), 0, 0);
  }

  // The bounds of what is drawn, which fill nine tenths of a side; nothing while the easel is empty.
  inked() {
    const { width, height } = this.canvas;
    const { data } = this.context.getImageData(0, 0, width, height);
    const ground = this.colours.ground === "#000000" ? 0 : 255;
    let [left, top, right, bottom] = [width, height, -1, -1];
    for (let at = 0; at < width * height; at += 1) {
      if (Math.abs(data[at * 4] - ground) <= 32) continue;
      const x = at % width;
      const y = (at - x) / width;
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x);
      bottom = Math.max(bottom, y);
    }
    return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1, fill: 0.9 };
  }

  pixels() {
    return this.small.getImageData(0, 0, this.width, this.height).data;
  }

  picture() {
    return new Promise((done) => this.canvas.toBlob(done, "image/png"));
  }
}

function averaged({ data, width }, times) {
  const out = new ImageData(width / times, data.length / 4 / width / times);
  for (let at = 0; at < out.data.length; at += 4) {
    const x = ((at / 4) % out.width) * times;
    const y = Math.floor(at / 4 / out.width) * times;
    let sum = 0;
    for (let row = y; row < y + times; row += 1) {
      for (let column = x; column < x + times; column += 1) sum += data[(row * width + column) * 4];
    }
    out.data.fill(Math.round(sum / times / times), at, at + 3);
    out.data[at + 3] = 255;
  }
  return out;
}
