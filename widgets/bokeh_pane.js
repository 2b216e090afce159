// A live Bokeh document in an element. Twin of anomaly_zoo/ui/bokeh_pane.py; put before the modules
// that use it.

// BokehJS comes over the comm, and is kept for the other maps of the page.
function bokehjs(model) {
  const version = model.get("bokeh_version");
  const loaded = (window.__anomaly_zoo_bokeh ??= new Map());
  if (loaded.has(version)) return Promise.resolve(loaded.get(version));
  return new Promise((resolve) => {
    const receive = (message, buffers) => {
      if (message.kind !== "bokehjs") return;
      model.off("msg:custom", receive);
      if (!loaded.has(version)) {
        const before = window.Bokeh;
        const script = document.createElement("script");
        script.textContent = new TextDecoder().decode(buffers[0]);
        document.head.append(script);
        script.remove();
        loaded.set(version, window.Bokeh);
        if (before) window.Bokeh = before; // leave another Bokeh of the page in its place
      }
      resolve(loaded.get(version));
    };
    model.on("msg:custom", receive);
    tell(model, { kind: "need-bokehjs" });
  });
}

// Bokeh wants whole ArrayBuffers by id.
function buffersById(ids, views) {
  const own = (view) =>
    view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  return new Map(ids.map((id, i) => [id, own(views[i])]));
}

// Show the document in `el`; `ready(plot)` gets its first model. Returns what takes it away again.
function bokehPane({ model, el, ready = () => {} }) {
  el.classList.add("az-pane");
  const place = document.createElement("div");
  place.className = "az-pane-inner";
  place.textContent = "drawing the map…";
  el.append(place);
  const view = Math.random().toString(36).slice(2);
  let doc = null;
  let Bokeh = null;
  let applying = false;
  let outgoing = [];
  let timer = 0;

  // Changes go to Python a few at a time: a drag makes hundreds.
  function flush() {
    timer = 0;
    const events = outgoing;
    outgoing = [];
    if (!doc || !events.length) return;
    const { Buffer } = Bokeh.require("core/serialization/buffer");
    const buffers = [];
    const json = JSON.stringify(doc.create_json_patch(events), (_, value) =>
      value instanceof Buffer ? { id: `b${buffers.push(value.buffer) - 1}` } : value,
    );
    tell(model, { kind: "patch", json }, buffers);
  }
  function changed(event) {
    if (applying || event.sync === false) return;
    outgoing.push(event);
    timer ||= setTimeout(flush, 60);
  }
  async function receive(message, buffers) {
    if (message.kind === "document" && message.view === view) {
      const { Document } = Bokeh.require("document/document");
      const { add_document_standalone } = Bokeh.require("embed/standalone");
      place.replaceChildren();
      doc = Document.from_json(
        JSON.parse(message.json),
        undefined,
        buffersById(message.ids, buffers),
      );
      await add_document_standalone(doc, place);
      doc.on_change(changed);
      ready(doc.roots()[0], doc);
      el.dataset.ready = "1";
    } else if (message.kind === "patch" && doc) {
      applying = true;
      try {
        doc.apply_json_patch(JSON.parse(message.json), buffersById(message.ids, buffers));
      } finally {
        applying = false;
      }
    }
  }
  const measure = () => {
    const { clientWidth: width, clientHeight: height } = place;
    if (!width || !height) return;
    put(model, "size", [width, height, window.devicePixelRatio]);
  };
  const watcher = new ResizeObserver(measure);
  watcher.observe(place);
  model.on("msg:custom", receive);
  bokehjs(model).then((loaded) => {
    Bokeh = loaded;
    tell(model, { kind: "pull", view });
  });
  return () => {
    watcher.disconnect();
    clearTimeout(timer);
    model.off("msg:custom", receive);
    doc?.clear();
  };
}
