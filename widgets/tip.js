// What is said of the galaxy under the pointer. Twin of anomaly_zoo/ui/tip.py.

const DWELL = 80; // milliseconds before a picture is asked for
const GAP = 18; // pixels from the pointer

function render({ model, el }) {
  el.classList.add("az-tip-place");
  const card = make("div", "az-tip");
  card.setAttribute("role", "status");
  card.hidden = true;
  const frame = make("div", "az-tip-frame");
  const note = make("span", "az-dim");
  frame.append(note);
  const said = make("div", "az-tip-said");
  card.append(frame, said);
  el.append(card);
  const pictures = new Pictures(model, 192, 80);
  const panel = () => el.closest(".az-map");
  let spot = null; // where the pointer is, from the corner of the pane
  let timer = 0;

  function line(name, text) {
    const row = make("div", "az-tip-line");
    row.append(make("span", "az-dim", name), make("span", "", text));
    return row;
  }
  function picture() {
    const { id } = model.get("item");
    const known = pictures.get(id);
    const image = known?.image ?? null;
    frame.querySelector("img")?.remove();
    if (image) frame.prepend(image);
    note.textContent = image ? "" : known?.error ? "no image" : "…";
  }
  function paint() {
    const item = model.get("item");
    clearTimeout(timer);
    if (item.id) {
      const rows = [make("b", "az-tip-id", item.id)];
      if (item.position) rows.push(make("span", "az-tip-position", item.position));
      if (item.interest != null) {
        const std = item.std != null ? ` ± ${item.std.toFixed(1)}` : "";
        rows.push(line("interest", `${item.interest.toFixed(1)}${std}`));
      }
      if (item.score != null) rows.push(line("rated", String(Math.round(10 * item.score) / 10)));
      for (const [name, text] of item.values ?? []) rows.push(line(name, text));
      said.replaceChildren(...rows);
      card.dataset.id = item.id;
      picture();
      if (!pictures.get(item.id)?.ready) timer = setTimeout(() => pictures.want([item.id]), DWELL);
    }
    place();
  }
  // Beside the pointer, on the side where there is room for it.
  function place() {
    const pane = panel()?.querySelector(".az-pane");
    card.hidden = !spot || !pane || !model.get("item").id;
    if (card.hidden) return;
    const within = panel().getBoundingClientRect();
    const { left, top, height: room } = pane.getBoundingClientRect();
    const [x, y] = [left - within.left + spot[0], top - within.top + spot[1]];
    const { offsetWidth: width, offsetHeight: height } = card;
    const right = x + GAP + width < within.width ? x + GAP : x - GAP - width;
    const least = top - within.top;
    const below = Math.min(y - 0.35 * height, least + room - height);
    card.style.left = `${Math.max(2, right)}px`;
    card.style.top = `${Math.max(least, below)}px`;
  }
  const onPoint = (event) => {
    if (!panel()?.contains(event.target)) return;
    spot = event.detail;
    place();
  };
  pictures.changed = (id) => id === model.get("item").id && picture();
  window.addEventListener("az-point", onPoint);
  model.on("change:item", paint);
  paint();
  return () => {
    clearTimeout(timer);
    window.removeEventListener("az-point", onPoint);
    model.off("change:item", paint);
    pictures.close();
  };
}

export default { render };
