// Small galaxies in tabs; a click shows one in the viewer. Twin of anomaly_zoo/ui/gallery.py.

const TABS = [
  ["top", "Top ranked"],
  ["near", "Neighbours"],
  ["rated", "Rated"],
];

function render({ model, el }) {
  const card = make("div", "az-card az-gallery");
  const head = make("div", "az-head");
  const title = make("b", "", "Gallery");
  const about = make("span", "az-dim");
  const tabs = make("div", "az-tabs");
  tabs.setAttribute("role", "tablist");
  const buttons = TABS.map(([tab, text]) => {
    const button = make("button", "", text);
    button.type = "button";
    button.setAttribute("role", "tab");
    button.onclick = () => {
      put(model, "tab", tab);
    };
    tabs.append(button);
    return button;
  });
  head.append(title, about, tabs);
  const row = make("div", "az-row");
  card.append(head, row);
  el.append(card);
  const pictures = new Pictures(model, 192, 400);
  const nodes = new Map();

  function thumb(item) {
    let node = nodes.get(item.id);
    if (!node) {
      node = make("button", "az-thumb");
      node.type = "button";
      node.append(make("span", "az-badge"), make("span", "az-tag"));
      node.onclick = () => tell(model, { kind: "view", id: item.id });
      nodes.set(item.id, node);
    }
    const rated = item.score != null;
    const [badge, tag] = node.querySelectorAll("span");
    badge.textContent = rated ? String(Math.round(item.score)) : "";
    badge.className = rated ? `az-badge az-b${Math.round(item.score)}` : "az-badge";
    tag.textContent = item.interest.toFixed(1);
    const expected = `${item.interest.toFixed(2)} ± ${item.std.toFixed(2)}`;
    node.title = `${item.id}\ninterest ${expected}${rated ? `, rated ${item.score}` : ""}`;
    node.setAttribute("aria-label", node.title);
    fill(item.id, node);
    return node;
  }

  function fill(id, node) {
    const picture = pictures.get(id);
    if (!picture?.ready || node.dataset.filled) return;
    node.dataset.filled = "1";
    node.prepend(picture.image ?? make("em", "", "no image"));
  }

  const paint = () => {
    const items = model.get("items");
    pictures.want(items.map((item) => item.id));
    const shown = items.map(thumb);
    row.replaceChildren(...shown);
    for (const [id, node] of nodes) if (!shown.includes(node)) nodes.delete(id);
    if (!items.length) row.append(make("span", "az-dim az-empty", "nothing here yet"));
  };
  const label = () => {
    about.textContent = model.get("about");
    TABS.forEach(([tab], i) => {
      buttons[i].classList.toggle("az-on", tab === model.get("tab"));
      buttons[i].setAttribute("aria-selected", String(tab === model.get("tab")));
    });
  };
  pictures.changed = (id) => nodes.has(id) && fill(id, nodes.get(id));
  model.on("change:items", paint);
  model.on("change:about change:tab", label);
  paint();
  label();
  return () => {
    model.off("change:items", paint);
    model.off("change:about change:tab", label);
    pictures.close();
  };
}

export default { render };
