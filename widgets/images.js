// Pictures of galaxies by id: asked for once, decoded ahead, kept. Put before the modules that use it.

class Pictures {
  constructor(model, size, keep = 240) {
    this.model = model;
    this.size = size;
    this.keep = keep;
    this.entries = new Map(); // id -> {image, error, ready}
    this.changed = () => {};
    this.receive = (message, buffers) => {
      if (message.kind !== "images") return;
      message.pictures.forEach((picture, i) => this.arrive(picture, buffers[i]));
    };
    model.on("msg:custom", this.receive);
  }

  get(id) {
    return this.entries.get(id);
  }

  // Have these ready soon, in this order.
  want(ids) {
    const now = Date.now();
    const missing = ids.filter((id) => {
      const entry = this.entries.get(id);
      return !entry || (!entry.ready && now - entry.asked > 15_000);
    });
    for (const id of ids) {
      const entry = this.entries.get(id) ?? { ready: false };
      if (missing.includes(id)) entry.asked = now;
      this.entries.delete(id); // the last wanted are the last to go
      this.entries.set(id, entry);
    }
    for (const [id, entry] of this.entries) {
      if (this.entries.size <= this.keep) break;
      if (entry.image) URL.revokeObjectURL(entry.image.src);
      this.entries.delete(id);
    }
    if (missing.length) tell(this.model, { kind: "need", ids: missing, size: this.size });
  }

  async arrive({ id, error }, bytes) {
    const entry = this.entries.get(id);
    if (!entry || entry.ready) return;
    if (error) {
      entry.error = error;
    } else {
      const image = new Image();
      image.alt = "";
      image.draggable = false;
      image.src = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
      try {
        await image.decode();
        entry.image = image;
      } catch {
        entry.error = "the browser could not decode this picture";
      }
      if (this.entries.get(id) !== entry) return URL.revokeObjectURL(image.src);
    }
    entry.ready = true;
    this.changed(id);
  }

  close() {
    this.model.off("msg:custom", this.receive);
    for (const entry of this.entries.values()) {
      if (entry.image) URL.revokeObjectURL(entry.image.src);
    }
  }
}
