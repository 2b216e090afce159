// Title, status, counts and export. Twin of Header in anomaly_zoo/ui/panels.py.

const FORMATS = [
  ["csv", "CSV"],
  ["parquet", "Parquet"],
  ["ecsv", "ECSV"],
  ["fits", "FITS"],
  ["vot", "VOTable"],
];

function render({ model, el }) {
  const head = make("div", "az-header");
  const brand = make("span", "az-brand", "anomaly_zoo");
  const subtitle = make("span", "az-dim az-subtitle");
  const status = make("span", "az-pill az-status");
  status.setAttribute("role", "status");
  const rated = make("span", "az-pill az-rated");
  const found = make("span", "az-pill az-found");
  found.title = "galaxies that you rated 4 or 5";
  const exporter = make("span", "az-export");
  const button = make("button", "az-go", "Export");
  button.type = "button";
  button.title = "Download the ranked list";
  const format = make("select");
  format.setAttribute("aria-label", "format of the exported list");
  for (const [value, text] of FORMATS) {
    const option = make("option", "", text);
    option.value = value;
    format.append(option);
  }
  exporter.append(button, format);
  head.append(brand, subtitle, status, rated, found, exporter);
  el.append(head);

  const paint = () => {
    subtitle.textContent = model.get("subtitle");
    subtitle.title = model.get("subtitle");
    status.dataset.level = model.get("level");
    status.textContent = model.get("status");
    status.title = model.get("status");
    const count = (n, text) => [make("b", "", n.toLocaleString("en")), ` ${text}`];
    rated.replaceChildren(...count(model.get("n_rated"), "rated"));
    found.replaceChildren(...count(model.get("n_found"), "found"), make("span", "az-more", " (≥ 4)"));
  };
  button.onclick = () => {
    button.disabled = true;
    tell(model, { kind: "export", format: format.value });
    setTimeout(() => (button.disabled = false), 10_000);
  };
  const receive = (message, buffers) => {
    if (message.kind !== "file") return;
    button.disabled = false;
    download(message.name, buffers[0]);
  };
  model.on("change", paint);
  model.on("msg:custom", receive);
  paint();
  return () => {
    model.off("change", paint);
    model.off("msg:custom", receive);
  };
}

export default { render };
