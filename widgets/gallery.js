// Small galaxies in tabs; a click shows one in the viewer. Twin of anomaly_zoo/ui/gallery.py.

const TABS = [
  ["top", "Top ranked"],
  ["near", "Neighbours"],
  ["found", "Selection"],
  ["rated", "Rated"],
];
const RATE = "Rate all that are shown here, or those that are marked";
const TAG = "Give a tag to all of this selection, or to those that are marked: #word and Enter";
const SAVE = [
  ["csv", "CSV"],
  ["parquet", "Parquet"],
  ["fits", "FITS"],
  ["vot", "VOTable"],
  ["ecsv", "ECSV"],
  ["png", "contact sheet, PNG"],
  ["pdf", "contact sheet, PDF"],
  ["reg", "DS9 regions"],
];

// The one to the left or right of another, around the ends.
const beside = (all, one, key) =>
  all.at((all.indexOf(one) + (key === "ArrowRight" ? 1 : -1)) % all.length);

function render({ model, el }) {
  const card = make("div", "az-card az-gallery");
  const head = make("div", "az-head");
  const about = make("span", "az-dim az-about");
  const tabs = make("div", "az-tabs");
  tabs.setAttribute("role", "tablist");
  tabs.setAttribute("aria-label", "Gallery");
  const buttons = TABS.map(([tab, text]) => {
    const button = make("button", "", text);
    button.type = "button";
    button.dataset.tab = tab;
    button.setAttribute("role", "tab");
    button.onclick = () => put(model, "tab", tab);
    button.dataset.keys = "ArrowLeft ArrowRight";
    button.addEventListener("az-key", ({ detail }) => {
      const next = beside(buttons, button, detail);
      next.focus();
      next.click();
    });
    tabs.append(button);
    return button;
  });
  const button = (text, title, act) => {
    const node = make("button", "az-small", text);
    node.type = "button";
    node.title = title;
    node.onclick = act;
    return node;
  };
  const picker = (name, title, options, act) => {
    const node = make("select", "az-plain az-small");
    node.title = title;
    node.setAttribute("aria-label", title);
    for (const [value, text] of [["", name], ...options]) {
      const option = make("option", "", text);
      option.value = value;
      node.append(option);
    }
    node.onchange = () => {
      act(node.value);
      node.value = "";
    };
    return node;
  };
  const ids = () => [...marked];
  const actions = make("span", "az-actions");
  const alike = button("Like these", "Show the galaxies closest to those that are marked", () =>
    tell(model, { kind: "like", ids: ids() }),
  );
  const queue = button("Look through", "Show these one after the other, at most 10,000", () =>
    tell(model, { kind: "queue", ids: ids() }),
  );
  const scores = [0, 1, 2, 3, 4, 5].map((score) => [String(score), `all ${score}`]);
  const rate = picker("Rate…", RATE, scores, (score) =>
    tell(model, { kind: "rate", score: Number(score), ids: marked.size ? ids() : shownIds() }),
  );
  const save = picker("Save…", "Save this selection", SAVE, (format) =>
    tell(model, { kind: "save", format, ids: ids() }),
  );
  const tag = make("input", "az-small az-tagging");
  tag.type = "text";
  tag.placeholder = "#tag";
  tag.maxLength = 200;
  tag.title = TAG;
  tag.spellcheck = false;
  tag.setAttribute("aria-label", TAG);
  tag.onkeydown = (event) => {
    if (event.key === "Escape") {
      tag.value = "";
      tag.blur();
    }
    if (event.key !== "Enter" || !tag.value.trim()) return;
    event.preventDefault();
    tell(model, { kind: "tag", ids: ids(), tag: tag.value });
    tag.value = "";
    tag.blur(); // the keys rate again
  };
  actions.append(alike, queue, rate, tag, save);
  const wide = button("⤢", "More at a time", () => put(model, "wide", !model.get("wide")));
  const right = make("span", "az-right");
  right.append(actions, wide);
  head.append(tabs, about, right);
  const row = make("div", "az-row");
  row.tabIndex = -1;
  row.id = `az-row-${Math.random().toString(36).slice(2)}`;
  row.setAttribute("role", "tabpanel");
  buttons.forEach((button) => button.setAttribute("aria-controls", row.id));
  card.append(head, row);
  el.append(card);
  const pictures = new Pictures(model, 192, 600);
  const nodes = new Map();
  const marked = new Set(); // with Shift and a click, or the space bar
  const shownIds = () => model.get("items").map((item) => item.id);

  function mark(id) {
    if (!marked.delete(id)) marked.add(id);
    nodes.get(id)?.classList.toggle("az-marked", marked.has(id));
    nodes.get(id)?.setAttribute("aria-pressed", String(marked.has(id)));
    label();
  }

  function thumb(item) {
    let node = nodes.get(item.id);
    if (!node) {
      node = make("button", "az-thumb");
      node.type = "button";
      node.dataset.id = item.id;
      node.append(make("span", "az-badge"), make("span", "az-tag"), make("span", "az-far"));
      node.onclick = (event) => {
        if (event.shiftKey) mark(item.id);
        else tell(model, { kind: "view", id: item.id });
      };
      node.dataset.keys = "ArrowLeft ArrowRight Space";
      node.addEventListener("az-key", ({ detail }) => {
        if (detail === "Space") mark(item.id);
        else beside([...row.children], node, detail).focus();
      });
      node.onfocus = () => reach(node);
      nodes.set(item.id, node);
    }
    const rated = item.score != null;
    const [badge, tag, far] = node.querySelectorAll("span");
    badge.textContent = rated ? String(Math.round(item.score)) : "";
    badge.className = rated ? `az-badge az-b${Math.round(item.score)}` : "az-badge";
    tag.textContent = item.interest.toFixed(1);
    far.textContent = item.distance != null ? item.distance.toPrecision(3) : "";
    const lines = [
      item.id,
      `interest ${item.interest.toFixed(2)} ± ${item.std.toFixed(2)}${rated ? `, rated ${item.score}` : ""}`,
      item.distance != null ? `distance ${item.distance.toPrecision(4)}` : "",
      (item.tags ?? []).join(" "),
    ];
    node.title = lines.filter(Boolean).join("\n");
    node.setAttribute("aria-label", node.title);
    node.classList.toggle("az-marked", marked.has(item.id));
    fill(item.id, node);
    return node;
  }

  function fill(id, node) {
    const picture = pictures.get(id);
    if (!picture?.ready || node.dataset.filled) return;
    node.dataset.filled = "1";
    node.prepend(picture.image ?? make("em", "", "no image"));
  }

  // The Tab key reaches one of them, the arrow keys the others.
  function reach(one) {
    for (const node of row.children) node.tabIndex = node === one ? 0 : -1;
  }

  let asked = 0; // how many there were when more was asked for
  const paint = () => {
    const items = model.get("items");
    pictures.want(items.map((item) => item.id));
    const shown = items.map(thumb);
    const focus = row.contains(document.activeElement) ? document.activeElement : null;
    row.replaceChildren(...shown);
    reach(focus?.isConnected ? focus : shown[0]);
    if (focus?.isConnected) focus.focus({ preventScroll: true });
    for (const [id, node] of nodes) {
      if (shown.includes(node)) continue;
      nodes.delete(id);
      marked.delete(id);
    }
    if (!items.length) row.append(make("span", "az-dim az-empty", model.get("empty")));
    if (items.length < asked) asked = 0;
    label();
  };
  row.onscroll = () => {
    const items = model.get("items").length;
    const right = row.scrollLeft + row.clientWidth > row.scrollWidth - 300;
    const below = row.scrollTop + row.clientHeight > row.scrollHeight - 200;
    if (right && below && items > asked) {
      asked = items;
      tell(model, { kind: "more" });
    }
  };
  const label = () => {
    const n = marked.size;
    about.textContent = n ? `${n} marked · ${model.get("about")}` : model.get("about");
    about.title = about.textContent;
    alike.hidden = !n; // what there is to read needs the room
    queue.disabled = save.disabled = tag.disabled = !model.get("items").length;
    const [rating, most] = [n || model.get("items").length, 100];
    rate.disabled = !rating || rating > most;
    rate.title = rating > most ? `At most ${most} are rated at once: mark some` : RATE;
    card.classList.toggle("az-wide", model.get("wide"));
    wide.setAttribute("aria-pressed", String(model.get("wide")));
    wide.textContent = model.get("wide") ? "⤡" : "⤢";
    wide.title = model.get("wide") ? "One row" : "More at a time";
    TABS.forEach(([tab], i) => {
      buttons[i].classList.toggle("az-on", tab === model.get("tab"));
      buttons[i].setAttribute("aria-selected", String(tab === model.get("tab")));
      buttons[i].tabIndex = tab === model.get("tab") ? 0 : -1;
      if (tab === model.get("tab")) row.setAttribute("aria-label", TABS[i][1]);
    });
  };
  const turned = () => {
    marked.clear();
    asked = 0;
    row.scrollTo({ left: 0, top: 0 });
    label();
  };
  pictures.changed = (id) => nodes.has(id) && fill(id, nodes.get(id));
  const receive = (message, buffers) => {
    if (message.kind !== "file") return;
    download(message.name, buffers[0]);
  };
  model.on("msg:custom", receive);
  model.on("change:items change:empty", paint);
  model.on("change:about change:wide", label);
  model.on("change:tab change:words", turned);
  paint();
  label();
  return () => {
    model.off("msg:custom", receive);
    model.off("change:items change:empty", paint);
    model.off("change:about change:wide", label);
    model.off("change:tab change:words", turned);
    pictures.close();
  };
}

export default { render };
