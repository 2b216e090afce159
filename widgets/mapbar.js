// What the map is coloured by, with its scale. Twin of MapBar in anomaly_zoo/ui/map.py.

const CHOICES = [
  ["interest", "Interest"],
  ["uncertainty", "Uncertainty"],
  ["density", "Density"],
];

function render({ model, el }) {
  const bar = make("div", "az-head az-mapbar");
  const about = make("span", "az-dim");
  const tabs = make("div", "az-tabs");
  const scale = make("div", "az-scale");
  const [low, ramp, high] = [make("span"), make("i"), make("span")];
  scale.append(low, ramp, high);
  const buttons = CHOICES.map(([value, text]) => {
    const button = make("button", "", text);
    button.type = "button";
    button.onclick = () => {
      put(model, "colour", value);
    };
    tabs.append(button);
    return button;
  });
  bar.append(make("b", "", "Galaxy map"), tabs, about, scale);
  el.append(bar);
  const paint = () => {
    about.textContent = model.get("about");
    low.textContent = model.get("low");
    high.textContent = model.get("high");
    ramp.className = `az-ramp-${model.get("colour")}`;
    CHOICES.forEach(([value], i) => {
      buttons[i].classList.toggle("az-on", value === model.get("colour"));
      buttons[i].setAttribute("aria-pressed", String(value === model.get("colour")));
    });
  };
  model.on("change", paint);
  paint();
  return () => model.off("change", paint);
}

export default { render };
