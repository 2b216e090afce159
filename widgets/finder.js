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
const DAY = 86_400;

// A place on a slider as the words will say it: a number, or a date as seconds since 1970.
function written(value, { date, step }) {
  if (date) return new Date(1000 * value).toISOString().slice(0, step < DAY ? 19 : 10);
  const size = Math.abs(value);
  const notation = size && (size < 1e-4 || size >= 1e9) ? "scientific" : "standard";
  return value.toLocaleString("en", { maximumSignificantDigits: 15, notation });
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
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-expanded", "false");
  const offers = make("div", "az-offers");
  offers.id = `az-offers-${Math.random().toString(36).slice(2)}`;
  offers.setAttribute("role", "listbox");
  offers.setAttribute("aria-label", "words that fit");
  field.setAttribute("aria-controls", offers.id);
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
  const trimmed = () => field.value.trim();
  const isLimit = () => Boolean(model.get("limit")) && trimmed() === model.get("limit");
  let follows = false; // the line holds the limit, which its cuts then move
  let sent = null; // the limit that a cut asked for last
  let typed = 0;
  let timer = 0;
  async function recount() {
    const mine = ++typed;
    const words = trimmed();
    if (!words) return say(null);
    const free = follows || !model.get("limit");
    const reply = await ask("count", { words, free });
    if (mine === typed) say({ ...reply, free });
  }
  function say(reply) {
    const free = reply?.free ?? true;
    const all = model.get(free ? "total" : "within").toLocaleString("en");
    const of = free ? `${all} galaxies` : `${all} within the limit`;
    const trouble = reply?.trouble ?? "";
    count.classList.toggle("az-wrong", Boolean(trouble));
    field.setAttribute("aria-invalid", String(Boolean(trouble)));
    if (trouble) count.textContent = trouble;
    else if (!reply) count.textContent = of;
    else if (!reply.count) count.textContent = `none of ${of} matches`;
    else count.textContent = `${reply.count.toLocaleString("en")} of ${of} match`;
    count.title = trouble;
  }
  const soon = (wait = 150) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      recount();
      follow(false);
    }, wait);
  };
  function write(words) {
    field.value = words;
    put(model, "words", words); // they are there after a reload
    recount();
    settle();
  }

  let chosen = -1;
  const token = () => {
    const before = field.value.slice(0, field.selectionStart ?? field.value.length);
    return /`?[#\p{L}\p{M}\p{N}_.-]*$/u.exec(before)[0];
  };
  function offer() {
    const begun = token().replace("`", "").toLowerCase();
    // What may be written, and the name that it is found by
    const known = [...model.get("tags"), ...WORDS].map((text) => [text, text]);
    for (const { name, words } of model.get("names"))
      known.push(...words.map((text) => [text, name]));
    const fits = known.filter(
      ([text, name]) =>
        text !== token() && [text, name].some((one) => one.toLowerCase().startsWith(begun)),
    );
    offers.replaceChildren(
      ...(begun ? fits.slice(0, 8) : []).map(([text], i) => {
        const node = make("div", "az-offer", text);
        node.id = `${offers.id}-${i}`;
        node.setAttribute("role", "option");
        node.onpointerdown = (event) => {
          event.preventDefault();
          take(text);
        };
        return node;
      }),
    );
    choose(-1);
    open(offers.childElementCount > 0);
  }
  function open(is) {
    offers.hidden = !is;
    field.setAttribute("aria-expanded", String(is));
  }
  function choose(i) {
    chosen = i;
    [...offers.children].forEach((node, j) => {
      node.classList.toggle("az-on", i === j);
      node.setAttribute("aria-selected", String(i === j));
    });
    if (i < 0) field.removeAttribute("aria-activedescendant");
    else field.setAttribute("aria-activedescendant", offers.children[i].id);
  }
  function take(text) {
    const at = field.selectionStart ?? field.value.length;
    const before = field.value.slice(0, at - token().length) + text;
    field.value = before + field.value.slice(at);
    field.setSelectionRange(before.length, before.length);
    open(false);
    follows = isLimit();
    settle();
    soon(0);
  }
  field.oninput = () => {
    follows = isLimit();
    offer();
    soon();
    settle();
  };
  field.onkeydown = (event) => {
    const all = offers.childElementCount;
    if (event.key === "Escape") {
      if (!offers.hidden) open(false);
      else field.blur();
      event.preventDefault();
    } else if (!offers.hidden && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      if (event.key === "ArrowDown") choose((chosen + 1) % all);
      else choose((Math.max(chosen, 0) + all - 1) % all);
      event.preventDefault();
    } else if (!offers.hidden && (event.key === "Tab" || (event.key === "Enter" && chosen >= 0))) {
      take(offers.children[Math.max(chosen, 0)].textContent);
      event.preventDefault();
    } else if (event.key === "Enter") {
      event.preventDefault(); // JupyterLab lets no form be sent by Enter
      line.requestSubmit();
      field.blur(); // the keys rate again
    }
  };
  field.onblur = () => open(false);
  line.onsubmit = (event) => {
    event.preventDefault();
    open(false);
    if (!trimmed()) return;
    put(model, "words", field.value);
    tell(model, { kind: "show", words: trimmed() });
  };
  limit.onclick = () => {
    put(model, "words", field.value);
    tell(model, { kind: "limit", words: isLimit() ? "" : trimmed() });
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
  function addCut({ name, group, answer, said = "", chosen = null }) {
    const cut = { name, group, said, chosen, node: make("div", "az-cut") };
    cutting.push(cut);
    rows.append(cut.node);
    cut.node.append(make("b", "", name), make("span", "az-dim", "…"));
    describe(cut, answer);
  }
  async function describe(cut, answer) {
    const { name, group } = cut;
    fillCut(cut, await ask("describe", { name, group, answer }));
  }
  // The sliders stand where the words say; those that are not there yet are added where `all` are
  // wanted.
  async function follow(all) {
    const words = trimmed();
    if (!model.get("unfolded") || (!all && !cutting.length)) return;
    const { cuts: said } = words ? await ask("cuts", { words }) : { cuts: [] };
    if (!said || words !== trimmed()) return; // no search yet, or another one
    const of = ({ name, group }) => (one) => one.name === name && one.group === group;
    for (const cut of cutting) {
      const now = said.find(of(cut)) ?? { said: "", chosen: null };
      if (now.said === cut.said) continue;
      cut.said = now.said;
      cut.chosen = now.chosen;
      describe(cut, now.answer || cut.answer);
    }
    if (all) said.filter((one) => !cutting.some(of(one))).forEach(addCut);
  }
  // The cuts that the words, or those of the limit, hold.
  function takeUp() {
    if (!trimmed() && model.get("limit")) {
      write(model.get("limit"));
      follows = true;
    }
    follow(true);
  }

  function fillCut(cut, about) {
    cut.node.replaceChildren();
    const head = make("div", "az-cut-head");
    const close = button("✕", `Take the cut on ${cut.name} away`);
    close.className = "az-bare";
    close.onclick = async () => {
      cutting.splice(cutting.indexOf(cut), 1);
      cut.node.remove();
      if (cut.said && (await rewrite("without", () => ({ said: cut.said })))) relimit();
    };
    const name = make("b", "", cut.name);
    name.title = about.note ?? cut.name;
    head.append(name, close);
    cut.node.append(head);
    if (about.trouble || about.form === "none") {
      cut.node.append(make("span", "az-dim az-why", about.trouble || about.why));
      return;
    }
    cut.answer = about.answer;
    if (about.answers) {
      const answers = make("select", "az-plain");
      answers.setAttribute("aria-label", `answer to ${cut.name}`);
      answers.title = about.note;
      for (const text of about.answers) answers.append(make("option", "", text));
      answers.value = about.answer;
      answers.onchange = () => {
        cut.chosen = null;
        describe(cut, answers.value);
      };
      cut.node.append(answers);
    }
    if (about.form === "range") range(cut, about);
    else choices(cut, about);
  }

  // Words come from Python, which knows how they are written and joined.
  async function said(cut, content, done) {
    cut.asked = content;
    const { name, group } = cut;
    const asking = () => ({ name, group, said: cut.said, ...content });
    const reply = await rewrite("say", asking, () => content === cut.asked && cutting.includes(cut));
    if (!reply) return;
    cut.said = reply.said;
    if (done) relimit();
  }
  // Write the words with a part of them changed, whatever else has changed them meanwhile; the
  // answer, or nothing where they cannot be changed or are no longer to be.
  async function rewrite(kind, content, wanted = () => true) {
    for (;;) {
      const words = field.value;
      const reply = await ask(kind, { ...content(), words });
      if (!wanted()) return null;
      if (words !== field.value) continue;
      if (reply.trouble) say(reply);
      else if (reply.words !== words) write(reply.words);
      return reply.trouble ? null : reply;
    }
  }
  function relimit() {
    if (!follows || isLimit()) return;
    sent = trimmed();
    tell(model, { kind: "limit", words: sent });
  }

  function range(cut, about) {
    const { low, step } = about;
    const steps = Math.round((about.high - low) / step);
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
      node.max = steps;
      node.value = value;
      node.setAttribute("aria-label", `${text} ${cut.name}`);
      return node;
    };
    const sliders = make("div", "az-range");
    const place = (value, otherwise) =>
      value == null ? otherwise : Math.round((value - low) / step); // clamped by the node
    const [start, end] = cut.chosen ?? [];
    const [from, to] = [slider(place(start, 0), "least"), slider(place(end, steps), "most")];
    sliders.append(chart, from, to);
    const ends = make("div", "az-cut-ends az-dim");
    const [least, most] = [make("span"), make("span")];
    ends.append(least, most);
    cut.node.append(sliders, ends);
    const at = (place) => Number((low + step * place).toPrecision(15));
    const paint = () => {
      const [a, b] = [Number(from.value), Number(to.value)];
      least.textContent = (a === 0 && about.below ? "≤ " : "") + written(at(a), about);
      most.textContent = (b === steps && about.above ? "≥ " : "") + written(at(b), about);
      from.setAttribute("aria-valuetext", least.textContent);
      to.setAttribute("aria-valuetext", most.textContent);
      bars.forEach((bar, i) => {
        const middle = ((i + 0.5) / bars.length) * steps;
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
      const chosen = [a ? at(a) : null, b < steps ? at(b) : null];
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
    limit.disabled = !trimmed() && !active;
    limit.classList.toggle("az-on", isLimit());
    limit.setAttribute("aria-pressed", String(isLimit()));
    show.disabled = !trimmed();
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
    follows = isLimit();
    recount();
    settle();
    follow(true);
  };
  const onLimit = () => {
    if (model.get("limit") !== sent) follows = isLimit();
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
  model.on("change:limit change:within", onLimit);
  model.on("change:names", fillPicker);
  model.on("change:unfolded", unfold);
  model.on("msg:custom", onMessage);
  field.value = model.get("words");
  follows = isLimit();
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
    model.off("change:limit change:within", onLimit);
    model.off("change:names", fillPicker);
    model.off("change:unfolded", unfold);
    model.off("msg:custom", onMessage);
  };
}

export default { render };
