// Found against looks at random. Twin of Curve in anomaly_zoo/ui/panels.py.

const SVG = "http://www.w3.org/2000/svg";

function render({ model, el }) {
  const card = make("div", "az-card az-curve");
  const head = make("div", "az-head");
  const gain = make("span", "az-dim");
  head.append(make("b", "", "Anomalies found"), gain);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 40");
  svg.setAttribute("preserveAspectRatio", "none");
  const [area, line, random] = ["path", "path", "path"].map((tag, i) => {
    const path = document.createElementNS(SVG, tag);
    path.setAttribute("class", ["az-area", "az-line-found", "az-random"][i]);
    path.setAttribute("vector-effect", "non-scaling-stroke");
    svg.append(path);
    return path;
  });
  const foot = make("div", "az-head az-dim");
  const looks = make("span");
  const legend = make("span", "", "- - at random");
  legend.title =
    "Looks at random, as the model expects: the number of ratings times the mean probability, " +
    "over all galaxies, that the score is 4 or 5";
  foot.append(looks, legend);
  card.append(head, svg, foot);
  el.append(card);

  const paint = () => {
    const found = model.get("found");
    const n = found.length;
    const chance = n * model.get("expected");
    const total = n ? found[n - 1] : 0;
    const highest = Math.max(total, chance, 1);
    const x = (i) => (100 * i) / Math.max(n, 1);
    const y = (value) => 39 - (37 * value) / highest;
    const steps = found.map((value, i) => `L${x(i + 1).toFixed(2)} ${y(value).toFixed(2)}`);
    const path = `M0 ${y(0)}${steps.join("")}`;
    line.setAttribute("d", path);
    area.setAttribute("d", `${path}L${x(n)} 40L0 40Z`);
    random.setAttribute("d", `M0 ${y(0)}L${n ? 100 : 0} ${y(chance)}`);
    const times = chance > 0 ? total / chance : 0;
    gain.textContent = total && n >= 10 ? `${times.toFixed(1)}× random` : "";
    looks.textContent = `${total} in ${n} rating${n === 1 ? "" : "s"}`;
  };
  model.on("change", paint);
  paint();
  return () => model.off("change", paint);
}

export default { render };
