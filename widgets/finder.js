// A line to ask for galaxies in words, and cuts that write them. Twin of anomaly_zoo/ui/finder.py.

const HELP = [
  "interest > 3 AND unrated",
  "mag < 17 AND redshift < 0.1     any columns of the catalogue",
  "near #ring          closest to those tagged",
  "near J1234          closest to one galaxy",
  "within(10.5, -3.2, 30)   ra, dec, arcsec",
].join("\n");
const WORDS = ["AND", "OR", "NOT", "near", "tagged", "rated", "unrated", "within("];
const LARGEST = 64 * 2 ** 20;
const STEPS = 500; // of a slider

const number = (value) => Number(value).toLocaleString("en", { maximumSignificantDigits: 4 });

// The words without one part of them, and without the AND that joined it.
function without(words, part) {
  const at = part ? words.indexOf(part) : -1;
  if (at < 0) return words;
  const before = words.slice(0, at).replace(/\s*\bAND\s*$/i, "");
  const after = words.slice(at + part.length).replace(/^\s*AND\b\s*/i, "");
  return [before.trim(), after.trim()].filter(Boolean).join(" AND ");
}

// The words with one part of them replaced, or joined to their end.
function replaced(words, old, part) {
  if (old && words.includes(old)) return part ? words.replace(old, () => part) : without(words, old);
  return [words.trim(), part].filter(Boolean).join(" AND ");
}

function render({ model, el }) {
  const root = () => el.closest(".az-root") ?? el;
  const card = make("div", "az-card az-finder");
  const line = make("form", "az-find");
  const field = make("input", "az-words");
  field.type = "search";
  field.placeholder = "Find galaxies:  interest > 3 AND near #ring";
  field.title = HELP;
  field.spellcheck = false;
  field.autocomplete = "off";
  field.setAttribute("aria-label", "which galaxies to find");
  field.setAttribute("role", "combobox");
  const offers = make("div", "az-offers");
  offers.setAttribute("role", "listbox");
  offers.hidden = true;
  const box = make("div", "az-asked");
  box.append(field, offers);
  const count = make("span", "az-count");
  count.setAttribute("role", "status");
  const button = (text, title) => {
    const node = make("button", "", text);
    node.type = "button";
    node.title = title;
    return node;
  };
  const show = button("Show", "Show them in the gallery and on the map (Enter)");
  show.type = "submit";
  const limit = button("Limit", "Keep map, gallery, the next galaxy and the export to these");
  const cuts = button("Cuts ▾", "Cut on columns and votes with sliders");
  const kept = button("", "Show all galaxies again");
  kept.className = "az-chip az-kept";
  const image = button("Image…", "Find the galaxies most like a picture of your own");
  const file = make("input");
  file.type = "file";
  file.accept = "image/*,.fits,.fit,.fits.gz";
  file.hidden = true;
  line.append(box, count, show, limit, cuts, image, file, kept);
  const drawer = make("div", "az-drawer");
  const picker = make("select", "az-plain");
  picker.setAttribute("aria-label", "column to cut on");
  const rows = make("div", "az-cuts");
  drawer.append(rows, picker);
  card.append(line, drawer);
  el.append(card);

  let asked = 0;
  const waiting = new Map(); // the answers that are still to come, by number
  const ask = (kind, content) =>
    new Promise((resolve) => {
      const n = ++asked;
      waiting.set(n, resolve);
      tell(model, { kind, n, ...content });
    });

  // Typing: how many match, and what could come next
  let typed = 0;
  let timer = 0;
  async function recount() {
    const mine = ++typed;
    const words = field.value.trim();
    if (!words) return say(null);
    const reply = await ask("count", { words });
    if (mine === typed) say(reply);
  }
  function say(reply) {
    const total = model.get("total").toLocaleString("en");
    const trouble = reply?.trouble ?? "";
    count.classList.toggle("az-wrong", Boolean(trouble));
    field.setAttribute("aria-invalid", String(Boolean(trouble)));
    if (trouble) count.textContent = trouble;
    else if (!reply) count.textContent = `${total} galaxies`;
    else if (!reply.count) count.textContent = `none of ${total} galaxies matches`;
    else count.textContent = `${reply.count.toLocaleString("en")} of ${total} galaxies match`;
    count.title = trouble;
  }
  const soon = (wait = 150) => {
    clearTimeout(timer);
    timer = setTimeout(recount, wait);
  };
  function write(words) {
    field.value = words;
    put(model, "words", words); // they are there after a reload
    recount();
    settle();
  }

  let chosen = -1;
  const token = () => /[#\w.-]*$/.exec(field.value.slice(0, field.selectionStart ?? 0))[0];
  function offer() {
    const begun = token().toLowerCase();
    const known = [...model.get("tags"), ...WORDS, ...model.get("names").map(({ name }) => name)];
    const fits = begun
      ? known.filter((name) => name.toLowerCase().startsWith(begun) && name !== token()).slice(0, 8)
      : [];
    chosen = -1;
    offers.replaceChildren(
      ...fits.map((name) => {
        const node = make("div", "az-offer", name);
        node.setAttribute("role", "option");
        node.onpointerdown = (event) => {
          event.preventDefault();
          take(name);
        };
        return node;
      }),
    );
    offers.hidden = !fits.length;
    field.setAttribute("aria-expanded", String(!offers.hidden));
  }
  function take(name) {
    const at = field.selectionStart ?? field.value.length;
    const plain = /^[#A-Za-z_][\w-]*\(?$/.test(name) && !(name.includes("-") && name[0] !== "#");
    const text = plain ? name : `\`${name}\``;
    const before = field.value.slice(0, at - token().length) + text;
    field.value = before + field.value.slice(at);
    field.setSelectionRange(before.length, before.length);
    offers.hidden = true;
    soon(0);
  }
  field.oninput = () => {
    offer();
    soon();
    settle();
  };
  field.onkeydown = (event) => {
    const open = [...offers.children];
    if (event.key === "Escape") {
      if (!offers.hidden) offers.hidden = true;
      else field.blur();
      event.preventDefault();
    } else if (!offers.hidden && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : -1) + open.length) % open.length;
      open.forEach((node, i) => node.classList.toggle("az-on", i === chosen));
      event.preventDefault();
    } else if (!offers.hidden && (event.key === "Tab" || (event.key === "Enter" && chosen >= 0))) {
      take(open[Math.max(chosen, 0)].textContent);
      event.preventDefault();
    } else if (event.key === "Enter") {
      event.preventDefault(); // JupyterLab lets no form be sent by Enter
      line.requestSubmit();
      field.blur(); // the keys rate again
    }
  };
  field.onblur = () => (offers.hidden = true);
  line.onsubmit = (event) => {
    event.preventDefault();
    offers.hidden = true;
    if (!field.value.trim()) return;
    put(model, "words", field.value);
    tell(model, { kind: "show", words: field.value.trim() });
  };
  limit.onclick = () => {
    const words = field.value.trim();
    const lifted = words === model.get("limit");
    tell(model, { kind: "limit", words: lifted ? "" : words });
  };
  image.onclick = () => file.click();
  file.onchange = async () => {
    const [given] = file.files;
    file.value = "";
    if (!given) return;
    if (given.size > LARGEST) return say({ trouble: "a picture has at most 64 MB" });
    tell(model, { kind: "image", name: given.name }, [await given.arrayBuffer()]);
  };
  kept.onclick = () => tell(model, { kind: "limit", words: "" });

  // Cuts: each writes its own part of the words
  const cutting = [];
  const GROUPS = { votes: "Votes: share of an answer", columns: "Columns", model: "The model says" };
  function fillPicker() {
    const groups = new Map();
    for (const { name, group } of model.get("names")) {
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(name);
    }
    const first = make("option", "", "add a cut…");
    first.value = "";
    picker.replaceChildren(first);
    for (const [group, names] of groups) {
      const node = make("optgroup");
      node.label = GROUPS[group];
      for (const name of names) {
        const option = make("option", "", name);
        option.value = JSON.stringify([group, name]);
        node.append(option);
      }
      picker.append(node);
    }
  }
  picker.onchange = async () => {
    if (!picker.value) return;
    const [group, name] = JSON.parse(picker.value);
    picker.value = "";
    if (!cutting.some((cut) => cut.name === name && cut.group === group)) addCut({ name, group });
  };
  // What is chosen already, and its words, come with a cut that was found in the words.
  async function addCut({ name, group, answer, said = "", chosen = null }) {
    const cut = { name, group, said, chosen, node: make("div", "az-cut") };
    cutting.push(cut);
    rows.append(cut.node);
    cut.node.append(make("b", "", name), make("span", "az-dim", "…"));
    fillCut(cut, await ask("describe", { name, group, answer }));
  }
  // The cuts that the words, or those of the limit, hold.
  async function takeUp() {
    const words = field.value.trim() || model.get("limit");
    if (cutting.length || !words) return;
    const reply = await ask("cuts", { words });
    if (cutting.length || !reply.cuts?.length) return;
    write(reply.words);
    reply.cuts.forEach(addCut);
  }

  function fillCut(cut, about) {
    cut.node.replaceChildren();
    const head = make("div", "az-cut-head");
    const close = button("✕", `Take the cut on ${cut.name} away`);
    close.className = "az-bare";
    close.onclick = () => {
      cutting.splice(cutting.indexOf(cut), 1);
      cut.node.remove();
      const had = cut.said && field.value.includes(cut.said);
      if (had) write(without(field.value, cut.said));
      if (had && model.get("limit")) relimit();
    };
    const name = make("b", "", cut.name);
    name.title = cut.name;
    head.append(name, close);
    cut.node.append(head);
    if (about.trouble || about.form === "none") {
      cut.node.append(make("span", "az-dim az-why", about.trouble || about.why));
      return;
    }
    if (about.answers) {
      const answers = make("select", "az-plain");
      answers.setAttribute("aria-label", `answer to ${cut.name}`);
      for (const text of about.answers) answers.append(make("option", "", text));
      answers.value = about.answer;
      answers.onchange = async () => {
        const { name, group } = cut;
        cut.chosen = null;
        fillCut(cut, await ask("describe", { name, group, answer: answers.value }));
      };
      cut.node.append(answers);
    }
    if (about.form === "range") range(cut, about);
    else choices(cut, about);
  }

  // Words of a cut come from Python, which knows how they are written.
  async function said(cut, content, done) {
    const asked = JSON.stringify(content);
    const known = asked === cut.asked;
    cut.asked = asked;
    if (!known) cut.reply = ask("say", { name: cut.name, group: cut.group, ...content });
    const reply = await cut.reply;
    if (asked !== cut.asked || !cutting.includes(cut) || reply.trouble) return;
    if (reply.words !== cut.said) {
      const words = replaced(field.value, cut.said, reply.words);
      cut.said = reply.words;
      write(words);
    }
    if (done && model.get("limit")) relimit();
  }
  function relimit() {
    tell(model, { kind: "limit", words: field.value.trim() });
  }

  function range(cut, about) {
    const { low, high } = about;
    const span = high - low || 1;
    const chart = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    chart.setAttribute("viewBox", `0 0 ${about.counts.length} 24`);
    chart.setAttribute("preserveAspectRatio", "none");
    chart.setAttribute("aria-hidden", "true");
    const top = Math.max(...about.counts, 1);
    const bars = about.counts.map((value, i) => {
      const bar = document.createElementNS(chart.namespaceURI, "rect");
      const height = value ? Math.max(1, 24 * Math.sqrt(value / top)) : 0;
      bar.setAttribute("x", i);
      bar.setAttribute("y", 24 - height);
      bar.setAttribute("width", 0.92);
      bar.setAttribute("height", height);
      chart.append(bar);
      return bar;
    });
    const slider = (value, text) => {
      const node = make("input");
      node.type = "range";
      node.min = 0;
      node.max = STEPS;
      node.value = value;
      node.setAttribute("aria-label", `${text} ${cut.name}`);
      return node;
    };
    const sliders = make("div", "az-range");
    const place = (value, otherwise) =>
      value == null ? otherwise : Math.round((STEPS * (value - low)) / span); // clamped by the node
    const [start, end] = cut.chosen ?? [];
    const [from, to] = [slider(place(start, 0), "least"), slider(place(end, STEPS), "most")];
    sliders.append(chart, from, to);
    const ends = make("div", "az-cut-ends az-dim");
    const [least, most] = [make("span"), make("span")];
    ends.append(least, most);
    cut.node.append(sliders, ends);
    const at = (step) => low + (span * step) / STEPS;
    const day = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 10);
    const text = (value) => (about.date ? day(value) : number(value));
    const paint = () => {
      const [a, b] = [Number(from.value), Number(to.value)];
      least.textContent = a === 0 && about.below ? `≤ ${text(low)}` : text(at(a));
      most.textContent = b === STEPS && about.above ? `≥ ${text(high)}` : text(at(b));
      bars.forEach((bar, i) => {
        const middle = ((i + 0.5) / bars.length) * STEPS;
        bar.classList.toggle("az-out", middle < a || middle > b);
      });
    };
    const move = (done) => {
      if (Number(from.value) > Number(to.value)) {
        if (document.activeElement === from) from.value = to.value;
        else to.value = from.value;
      }
      paint();
      const [a, b] = [Number(from.value), Number(to.value)];
      const chosen = [a ? at(a) : null, b < STEPS ? at(b) : null];
      said(cut, { chosen, answer: about.answer }, done);
    };
    for (const node of [from, to]) {
      node.oninput = () => move(false);
      node.onchange = () => move(true);
    }
    paint();
  }

  function choices(cut, about) {
    const list = make("div", "az-choices");
    const boxes = about.choices.map(({ value, count }) => {
      const label = make("label", "az-choice");
      const box = make("input");
      box.type = "checkbox";
      box.checked = cut.chosen?.includes(value) ?? false;
      const text = make("span", "", value);
      text.title = value;
      label.append(box, text, make("i", "az-dim", count.toLocaleString("en")));
      box.onchange = () => {
        const all = about.choices.map(({ value }) => value);
        said(cut, { chosen: all.filter((_, i) => boxes[i].checked) }, true);
      };
      list.append(label);
      return box;
    });
    cut.node.append(list);
  }

  // What Python says
  const settle = () => {
    image.hidden = !model.get("images");
    const active = model.get("limit");
    const words = field.value.trim();
    limit.disabled = !words && !active;
    limit.classList.toggle("az-on", Boolean(active) && words === active);
    limit.setAttribute("aria-pressed", String(Boolean(active) && words === active));
    show.disabled = !words;
    kept.hidden = !active;
    const within = model.get("within").toLocaleString("en");
    kept.textContent = `limited to ${within}: ${active} ✕`;
    kept.title = `${active}\nClick to show all galaxies again`;
  };
  const unfold = () => {
    drawer.hidden = !model.get("unfolded");
    cuts.textContent = model.get("unfolded") ? "Cuts ▴" : "Cuts ▾";
    cuts.setAttribute("aria-expanded", String(model.get("unfolded")));
  };
  cuts.onclick = () => {
    put(model, "unfolded", !model.get("unfolded"));
    if (model.get("unfolded")) takeUp();
  };
  const onWords = () => {
    if (field.value === model.get("words")) return;
    field.value = model.get("words");
    recount();
    settle();
  };
  const onMessage = (message) => {
    if (message.kind === "trouble") return say(message);
    waiting.get(message.n)?.(message);
    waiting.delete(message.n);
  };
  const onFind = (event) => {
    if (event.detail !== root()) return;
    field.focus();
    field.select();
  };
  window.addEventListener("anomaly_zoo:find", onFind);
  model.on("change:words", onWords);
  model.on("change:total", recount);
  model.on("change:limit change:within", settle);
  model.on("change:names", fillPicker);
  model.on("change:unfolded", unfold);
  model.on("msg:custom", onMessage);
  field.value = model.get("words");
  say(null);
  if (field.value) recount();
  fillPicker();
  unfold();
  settle();
  if (model.get("unfolded")) takeUp();
  return () => {
    clearTimeout(timer);
    window.removeEventListener("anomaly_zoo:find", onFind);
    model.off("change:words", onWords);
    model.off("change:total", recount);
    model.off("change:limit change:within", settle);
    model.off("change:names", fillPicker);
    model.off("change:unfolded", unfold);
    model.off("msg:custom", onMessage);
  };
}

export default { render };
