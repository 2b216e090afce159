// The whole map in a corner, with the part that is in view. Put before the module that uses it.

class SmallMap {
  // `go(x, y)` is told where the view is to be centred, as shares of the map from its lower left.
  constructor(model, el, go) {
    this.model = model;
    this.box = make("div", "az-small-map");
    this.box.title = "The whole map: click to go there";
    this.box.hidden = true;
    this.canvas = make("canvas");
    this.part = make("i");
    this.box.append(this.canvas, this.part);
    el.append(this.box);
    const move = (event) => {
      if (!(event.buttons & 1)) return;
      const { left, top, width, height } = this.canvas.getBoundingClientRect();
      const share = (value) => Math.min(1, Math.max(0, value));
      go(share((event.clientX - left) / width), 1 - share((event.clientY - top) / height));
      event.preventDefault();
    };
    this.box.onpointerdown = (event) => {
      this.box.setPointerCapture(event.pointerId);
      move(event);
    };
    this.box.onpointermove = move;
    this.paint = () => {
      const [width, height] = model.get("small_size");
      const bytes = model.get("small");
      if (bytes.byteLength !== 4 * width * height) return;
      Object.assign(this.canvas, { width, height });
      const { buffer, byteOffset, byteLength } = bytes;
      const pixels = new Uint8ClampedArray(buffer.slice(byteOffset, byteOffset + byteLength));
      this.canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
    };
    model.on("change:small", this.paint);
    this.paint();
  }

  // The view as shares of the map: left, right, bottom, top.
  show([x0, x1, y0, y1]) {
    this.box.hidden = x0 <= 0.001 && y0 <= 0.001 && x1 >= 0.999 && y1 >= 0.999;
    const percent = (value) => `${100 * Math.min(1, Math.max(0, value))}%`;
    Object.assign(this.part.style, {
      left: percent(Math.min(x0, 0.98)),
      right: percent(Math.min(1 - x1, 0.98)),
      bottom: percent(Math.min(y0, 0.97)),
      top: percent(Math.min(1 - y1, 0.97)),
    });
  }

  close() {
    this.model.off("change:small", this.paint);
  }
}
