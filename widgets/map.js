// The map: pointing at galaxies, going about by keys, the small map. Twin of MapPane in
// anomaly_zoo/ui/map.py.

const PACE = 50; // milliseconds between two questions to Python
const STEP = 0.12; // of the view, for an arrow key
const ZOOM = 1.4;
const KEYS = ["+", "=", "-", "_", "Home", "l", "L", "v", "V"];
const CROSS_KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Enter"];
const TOOLS = [
  ["PanTool", "Move the map with the mouse", "M12 3v18M3 12h18M9 6l3-3 3 3M9 18l3 3 3-3M6 9l-3 3 3 3M18 9l3 3-3 3"],
  ["LassoSelectTool", "Draw a lasso around galaxies (L), or press V for all in view", "M12 4c5 0 9 2.3 9 5.5S17 15 12 15s-9-2.3-9-5.5S7 4 12 4zM8 14.6c-3 1-2.5 4 0 3.4s2.5 1.5 1 3"],
  ["BoxZoomTool", "Draw a box to zoom into", "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5M9 12h6M12 9v6"],
  ["+", "Closer (+, or Ctrl and the wheel)", "M12 5v14M5 12h14"],
  ["-", "Farther (−)", "M5 12h14"],
  ["Home", "The whole map (Home)", "M3 12l9-8 9 8M6 10v10h12V10"],
];
const HELP =
  "Galaxy map. Arrow keys move, plus and minus zoom, Home shows all, Enter opens the galaxy " +
  "under the cross, L draws a lasso, V selects all in view, Escape clears the selection.";

// The map has one place for the focus, not another one inside it for Bokeh.
function unfocus(node) {
  if (node.classList?.contains("bk-events")) node.removeAttribute("tabindex");
  for (const child of node.shadowRoot?.children ?? []) unfocus(child);
  for (const child of node.children ?? []) unfocus(child);
}

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

function render({ model, el }) {
  let plot = null;
  el.tabIndex = 0;
  el.setAttribute("role", "application");
  el.setAttribute("aria-label", HELP);

  // Pointing: the newest place is asked about, a few times a second.
  let next = null;
  let timer = 0;
  let asked = 0;
  let dragging = false;
  function ask() {
    timer = 0;
    asked = Date.now();
    if (String(model.get("pointer")) !== String(next)) put(model, "pointer", next);
  }
  // A place on the map, and on the screen from the pane's corner; none: nothing is pointed at.
  function point(place, spot) {
    el.dispatchEvent(new CustomEvent("az-point", { bubbles: true, detail: spot ?? null }));
    next = place ?? [];
    if (place) timer ||= setTimeout(ask, Math.max(0, PACE - (Date.now() - asked)));
    else {
      clearTimeout(timer);
      ask();
    }
  }
  const away = () => el.classList.contains("az-crossed") || point(null);
  const down = (event) => {
    dragging = true;
    if (!event.target.closest?.(".az-small-map, .az-tools")) cross(false);
    point(null);
  };
  const up = () => {
    dragging = false;
  };
  el.addEventListener("pointerleave", away);
  el.addEventListener("pointerdown", down, true);
  el.addEventListener("wheel", away, { passive: true });
  window.addEventListener("pointerup", up, true);
  window.addEventListener("pointercancel", up, true);

  // Going about
  const ends = () => {
    const { x_range: x, y_range: y } = plot;
    return [x.start, x.end, y.start, y.end];
  };
  const home = () => {
    const { x_range: x, y_range: y } = plot;
    return [x.reset_start, x.reset_end, y.reset_start, y.reset_end];
  };
  let later = 0;
  function go([x0, x1, y0, y1]) {
    plot.x_range.setv({ start: x0, end: x1 });
    plot.y_range.setv({ start: y0, end: y1 });
    later ||= setTimeout(() => {
      later = 0;
      put(model, "view", ends());
    }, PACE);
  }
  function zoom(by) {
    const [x0, x1, y0, y1] = ends();
    const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
    const { x_range, y_range } = plot;
    const least = Math.max(x_range.min_interval / (x1 - x0), y_range.min_interval / (y1 - y0));
    const times = Math.max(by, least) / 2;
    const [dx, dy] = [times * (x1 - x0), times * (y1 - y0)];
    go([x - dx, x + dx, y - dy, y + dy]);
  }
  function pan(right, up) {
    const [x0, x1, y0, y1] = ends();
    const [dx, dy] = [STEP * right * (x1 - x0), STEP * up * (y1 - y0)];
    go([x0 + dx, x1 + dx, y0 + dy, y1 + dy]);
  }
  const small = new SmallMap(model, el, (shareX, shareY) => {
    if (!plot) return;
    const [x0, x1, y0, y1] = ends();
    const [left, right, bottom, top] = home();
    const [dx, dy] = [(x1 - x0) / 2, (y1 - y0) / 2];
    const [x, y] = [left + shareX * (right - left), bottom + shareY * (top - bottom)];
    go([x - dx, x + dx, y - dy, y + dy]);
  });
  let frame = 0;
  const moved = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      const [x0, x1, y0, y1] = ends();
      const [left, right, bottom, top] = home();
      const [width, height] = [right - left, top - bottom];
      small.show([
        (x0 - left) / width,
        (x1 - left) / width,
        (y0 - bottom) / height,
        (y1 - bottom) / height,
      ]);
      if (el.classList.contains("az-crossed")) aim();
    });
  };

  // The cross: where the keys point, the middle of the view.
  const mark = make("span", "az-cross");
  mark.setAttribute("aria-hidden", "true");
  el.append(mark);
  function cross(on) {
    el.classList.toggle("az-crossed", on);
    offer();
    if (on && plot) aim();
  }
  function aim() {
    const [x0, x1, y0, y1] = ends();
    point([(x0 + x1) / 2, (y0 + y1) / 2], [mark.offsetLeft, mark.offsetTop]);
  }
  // The keys that the viewer leaves to the map; the arrows only with the cross.
  function offer() {
    const keys = [...KEYS];
    if (el.classList.contains("az-crossed")) keys.push(...CROSS_KEYS);
    if (model.get("picked") || lassoing()) keys.push("Escape");
    el.dataset.keys = keys.join(" ");
    for (const button of tools.children) {
      const on = tool(button.dataset.act)?.active;
      if (button.dataset.act.endsWith("Tool")) button.setAttribute("aria-pressed", String(!!on));
    }
  }
  const tool = (type) => plot?.toolbar.tools.find((known) => known.type === type);
  const lassoing = () => Boolean(tool("LassoSelectTool")?.active);
  function take(type) {
    tool(type).active = true;
    offer();
  }
  const tools = make("div", "az-tools");
  tools.setAttribute("role", "toolbar");
  tools.setAttribute("aria-label", "Map");
  for (const [act, title, path] of TOOLS) {
    const button = make("button");
    button.type = "button";
    button.title = title;
    button.setAttribute("aria-label", title);
    button.dataset.act = act;
    button.append(icon(path));
    button.onclick = () => (act.endsWith("Tool") ? plot && take(act) : press(act));
    tools.append(button);
  }
  el.append(tools);
  function press(key) {
    if (!plot) return;
    if (key === "ArrowLeft") pan(-1, 0);
    else if (key === "ArrowRight") pan(1, 0);
    else if (key === "ArrowUp") pan(0, 1);
    else if (key === "ArrowDown") pan(0, -1);
    else if (key === "+" || key === "=") zoom(1 / ZOOM);
    else if (key === "-" || key === "_") zoom(ZOOM);
    else if (key === "Home") go(home());
    else if (key === "Enter") tell(model, { kind: "open" });
    else if (key === "l" || key === "L") take(lassoing() ? "PanTool" : "LassoSelectTool");
    else if (key === "v" || key === "V") tell(model, { kind: "enclose" });
    else if (key === "Escape" && lassoing() && !model.get("picked")) take("PanTool");
    else if (key === "Escape") tell(model, { kind: "clear" });
  }
  const onKey = ({ detail }) => press(detail);
  // The viewer does not take keys with Shift, and some keyboards have the plus there.
  const onShift = (event) => {
    if (!event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!el.contains(document.activeElement) || !["+", "_", "L", "V"].includes(event.key)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    press(event.key);
  };
  const onFocus = () => cross(el.matches(":focus-visible"));
  const onBlur = () => {
    if (!el.classList.contains("az-crossed")) return;
    cross(false);
    point(null);
  };
  el.addEventListener("az-key", onKey);
  el.addEventListener("focus", onFocus);
  el.addEventListener("blur", onBlur);
  window.addEventListener("keydown", onShift, true);
  model.on("change:picked", offer);

  const close = bokehPane({
    model,
    el,
    ready: (root, doc) => {
      plot = root;
      plot.on_event("mousemove", ({ x, y, sx, sy }) => {
        if (dragging) return;
        if (el.classList.contains("az-crossed")) cross(false);
        point([x, y], [sx, sy]);
      });
      doc.on_change(moved);
      moved();
      unfocus(el);
      offer();
      if (el.matches(":focus-visible")) cross(true);
    },
  });
  return () => {
    close();
    small.close();
    clearTimeout(timer);
    clearTimeout(later);
    cancelAnimationFrame(frame);
    window.removeEventListener("pointerup", up, true);
    window.removeEventListener("pointercancel", up, true);
    window.removeEventListener("keydown", onShift, true);
    model.off("change:picked", offer);
  };
}

export default { render };
