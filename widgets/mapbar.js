// What the map is coloured and laid out by, and what the colours mean. Twin of
// anomaly_zoo/ui/mapbar.py.

const AT_MOST = 11; // categories named in the legend

function render({ model, el }) {
  el.classList.add("az-mapbar-place");
  const bar = make("div", "az-head az-mapbar");
  const about = make("span", "az-dim az-map-about");
  const scale = make("div", "az-scale");
  const [low, ramp, high] = [make("span"), make("i"), make("span")];
  scale.append(low, ramp, high);
  const legend = make("div", "az-legend");

  const choice = (trait, label, list) => {
    const box = make("label", "az-choose");
    const select = make("select", "az-plain");
    select.onchange = () => put(model, trait, select.value);
    box.append(make("span", "az-dim", label), select);
    const fill = () => {
      const groups = new Map([["", select]]);
      select.replaceChildren();
      for (const entry of model.get(list)) {
        const { value, text, group = "" } = entry.text ? entry : { value: entry, text: entry };
        if (!groups.has(group)) {
          const own = make("optgroup");
          own.label = group;
          groups.set(group, own);
          select.append(own);
        }
        const option = make("option", "", text);
        option.value = value;
        groups.get(group).append(option);
      }
      box.hidden = !select.options.length;
      choose();
    };
    const choose = () => {
      select.value = model.get(trait);
      const text = select.selectedOptions[0]?.textContent ?? "";
      select.title = `${label} ${text}`;
    };
    model.on(`change:${list}`, fill);
    model.on(`change:${trait}`, choose);
    fill();
    return [box, () => (model.off(`change:${list}`, fill), model.off(`change:${trait}`, choose))];
  };
  const [colour, closeColour] = choice("colour", "colour", "colours");
  const [layout, closeLayout] = choice("arrangement", "layout", "layouts");
  const [x, closeX] = choice("x", "x", "axes");
  const [y, closeY] = choice("y", "y", "axes");
  const tiles = make("button", "az-small", "Mosaic");
  tiles.type = "button";
  tiles.title = "Tile the map with galaxies, each framed in its colour";
  tiles.onclick = () => put(model, "tiled", !model.get("tiled"));
  bar.append(make("b", "", "Galaxy map"), colour, layout, x, y, tiles, about, scale);
  el.append(bar, legend);

  const paint = () => {
    const [words, colours, note] = [model.get("words"), model.get("ramp"), model.get("note")];
    x.hidden = y.hidden = model.get("arrangement") !== "columns";
    tiles.hidden = !model.get("can_tile");
    tiles.setAttribute("aria-pressed", String(model.get("tiled")));
    const chosen = model.get("layouts").find(({ value }) => value === model.get("arrangement"));
    about.textContent = model.get("about") === chosen?.text ? "" : model.get("about");
    about.title = about.textContent;
    low.textContent = model.get("low");
    high.textContent = model.get("high");
    ramp.style.background = `linear-gradient(90deg, ${colours.join(", ") || "none"})`;
    scale.title = note;
    scale.hidden = Boolean(words.length) || !colours.length;
    legend.replaceChildren(
      ...words.slice(0, AT_MOST).map((word, i) => {
        const row = make("span", "az-kind");
        const swatch = make("i");
        swatch.style.background = colours[i];
        row.append(swatch, make("span", "", word));
        return row;
      }),
      ...(note ? [make("span", "az-dim", note)] : []),
    );
    legend.hidden = !legend.childNodes.length;
  };
  model.on("change", paint);
  paint();
  return () => {
    model.off("change", paint);
    closeColour();
    closeLayout();
    closeX();
    closeY();
  };
}

export default { render };
