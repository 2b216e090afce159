// The galaxy on the screen and the keys that rate it. Twin of anomaly_zoo/ui/viewer.py.
// An act is kept in the browser's storage until Python says that it is on disk.

const WORDS = ["junk", "dull", "ok", "fun", "rare", "wow"];
const HINTS = [
  ["S", "skip", "skip"],
  ["X", "artefact", "artefact"],
  ["Z", "undo", "undo"],
  ["←", "", "back"],
  ["→", "", "forward"],
  ["T", "tag", "tag"],
  ["M", "more", "like"],
];
const TITLES = {
  skip: "Skip: not shown again, nothing is learnt from it",
  artefact: "Artefact: a trail, a star, bad data; it leaves the ranking",
  undo: "Take the last one back",
  back: "Look at what you rated before",
  forward: "Forward again",
  tag: "Give this galaxy a tag, such as #ring",
  like: "More like this: show the closest galaxies in the gallery",
};
const KEYS = { s: "skip", x: "artefact", z: "undo", arrowleft: "back", arrowright: "forward" };
const GOING = ["wheel", "touchmove", "pointerdown", "keydown"]; // how a reader goes elsewhere
const CALLS = { m: "like", t: "tag", "/": "find" }; // keys that lead elsewhere in the tool

// Acts not yet on disk: one entry each in localStorage, so that a reload or a dead kernel loses none.
class Outbox {
  constructor(uid) {
    this.prefix = `anomaly_zoo:${uid}:`;
    this.count = 0;
  }

  put(act) {
    const stamp = String(Date.now()).padStart(15, "0") + String(this.count++).padStart(5, "0");
    act.key = `${this.prefix}${stamp}:${act.token}`;
    try {
      localStorage.setItem(act.key, JSON.stringify(act));
    } catch {
      // no storage here: the act still goes to Python at once
    }
  }

  drop(act) {
    try {
      localStorage.removeItem(act.key);
    } catch {
      // no storage here
    }
  }

  waiting() {
    let keys = [];
    try {
      keys = Object.keys(localStorage).filter((key) => key.startsWith(this.prefix));
    } catch {
      // no storage here
    }
    return keys.sort().flatMap((key) => {
      try {
        return [JSON.parse(localStorage.getItem(key))];
      } catch {
        return []; // damaged: the others still count
      }
    });
  }
}

function token() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) =>
    b.toString(16).padStart(2, "0"),
  ).join("");
}

function build(el) {
  const parts = {};
  const card = make("div", "az-card az-viewer");
  const frame = (parts.frame = make("div", "az-frame"));
  parts.note = make("div", "az-note");
  parts.reason = make("span", "az-reason");
  parts.reason.title = "why this galaxy is shown";
  parts.rank = make("span", "az-rank");
  parts.rank.title = "its place in the ranking";
  parts.hint = make("span", "az-keys-off", "click here to rate with the keys");
  const extra = make("div", "az-extra");
  parts.tags = make("span", "az-tags");
  parts.word = make("input", "az-word");
  parts.word.placeholder = "#tag";
  parts.word.maxLength = 51;
  parts.word.spellcheck = false;
  parts.word.title = "Give this galaxy a tag (T), such as #ring; Enter keeps it";
  parts.word.setAttribute("aria-label", "tag for this galaxy");
  parts.known = make("datalist");
  parts.known.id = `az-tags-${token()}`;
  parts.word.setAttribute("list", parts.known.id);
  parts.links = make("span", "az-links");
  extra.append(parts.tags, parts.word, parts.known);
  parts.message = make("div", "az-message");
  parts.message.setAttribute("role", "status");
  frame.append(parts.note, parts.reason, parts.rank, parts.hint, parts.links, extra, parts.message);
  const line = make("div", "az-line");
  parts.id = make("span", "az-id");
  parts.position = make("span", "az-position");
  line.append(parts.id, parts.position);
  const expected = make("div", "az-line az-expected");
  const bar = make("div", "az-bar");
  parts.spread = make("div", "az-spread");
  parts.mean = make("div", "az-mean");
  bar.append(parts.spread, parts.mean);
  parts.number = make("span", "az-number");
  expected.append(make("span", "", "predicted interest"), bar, parts.number);
  const scores = make("div", "az-scores");
  parts.buttons = WORDS.map((word, score) => {
    const button = make("button", `az-score az-s${score}`);
    button.type = "button";
    button.title = `Rate ${score}: ${word}`;
    button.append(make("b", "", String(score)), make("span", "", word));
    scores.append(button);
    return button;
  });
  const hints = make("div", "az-hints");
  parts.acts = HINTS.map(([key, text, act]) => {
    const button = make("button", "az-hint");
    button.type = "button";
    button.dataset.act = act;
    button.title = TITLES[act];
    button.append(make("kbd", "", key), make("span", "", text));
    hints.append(button);
    return button;
  });
  card.append(frame, line, expected, scores, hints);
  el.append(card);
  return parts;
}

function render({ model, el }) {
  const parts = build(el);
  const pictures = new Pictures(model, 840);
  const outbox = new Outbox(model.get("log_uid"));
  let local = outbox.waiting(); // acts that the history from Python does not hold yet
  let again = []; // acts that were refused: shown once more, first
  let current = null;
  let resume = null; // what to go on with after looking back or elsewhere
  let back = 0; // how many acts ago, while looking back

  const waiting = () => local.filter((act) => !act.saved);

  // Everything this rater did, oldest first, with what is on its way; nothing counts twice.
  function acts() {
    const list = [...model.get("history")];
    for (const act of local) {
      if (act.tag) continue; // says nothing of how interesting it is
      const undo = act.act === "undo";
      const at = list.findIndex((entry) => entry.token === (undo ? act.undoes : act.token));
      if (undo && at >= 0) list.splice(at, 1);
      if (!undo && at < 0) {
        list.push({ ...act.item, act: act.act, score: act.score ?? null, token: act.token });
      }
    }
    return list;
  }

  function upNext() {
    const done = new Set(acts().map((act) => act.id)); // the queue may be older than the last act
    while (again.length) {
      const item = again.shift();
      if (!done.has(item.id)) return item;
    }
    if (current) done.add(current.id);
    const left = model.get("queue").filter((item) => !done.has(item.id));
    // A slow picture does not hold up the others; its galaxy stays in the queue.
    return left.find((item) => pictures.get(item.id)?.ready) ?? left[0] ?? null;
  }

  function show(item) {
    current = item;
    paint();
    if (item && model.get("shown") !== item.id) put(model, "shown", item.id);
    prefetch();
  }

  function prefetch() {
    const ids = model.get("queue").map((item) => item.id);
    const recent = model.get("history").slice(-3).map((item) => item.id);
    pictures.want([...new Set([...(current ? [current.id] : []), ...ids, ...recent])]);
  }

  function paint() {
    const picture = current && pictures.get(current.id);
    const old = parts.frame.querySelector("img");
    if (picture?.image) {
      if (old !== picture.image) {
        old?.remove();
        parts.frame.prepend(picture.image);
      }
      parts.note.textContent = "";
    } else {
      old?.remove();
      parts.note.textContent = !current
        ? model.get("done")
          ? "no galaxy is left to look at"
          : "choosing the next galaxy…"
        : (picture?.error ?? "loading…");
    }
    parts.frame.classList.toggle("az-bad", Boolean(picture?.error));
    parts.id.textContent = current?.id ?? "";
    parts.id.title = current?.id ?? "";
    parts.position.textContent = current?.position ?? "";
    parts.links.replaceChildren(
      ...Object.entries(current?.links ?? {}).map(([name, url]) => {
        const link = make("a", "", name);
        if (url.startsWith("https://")) link.href = url;
        link.target = "_blank";
        link.rel = "noopener noreferrer";
        link.title = `See this place of the sky in ${name}`;
        return link;
      }),
    );
    paintTags();
    const said = current?.act === "rate" ? `you gave ${current.score}` : current?.act;
    parts.reason.textContent = back ? `looking back: ${said}` : (current?.reason ?? "");
    parts.rank.textContent = current?.rank ? `#${current.rank.toLocaleString("en")}` : "";
    const known = current?.interest != null;
    const [mean, std] = known ? [current.interest, current.std] : [0, 0];
    const percent = (value) => `${Math.min(100, Math.max(0, 20 * value))}%`;
    parts.spread.style.left = percent(mean - std);
    parts.spread.style.right = `calc(100% - ${percent(mean + std)})`;
    parts.mean.style.left = percent(mean);
    parts.mean.hidden = parts.spread.hidden = !known;
    parts.number.textContent = known ? `${mean.toFixed(1)} ± ${std.toFixed(1)}` : "–";
    const given = current?.score;
    parts.buttons.forEach((button, score) =>
      button.classList.toggle("az-given", given != null && Math.round(given) === score),
    );
    if (!waiting().length && parts.message.classList.contains("az-late")) say("");
  }

  function say(text, error = false) {
    parts.message.textContent = text;
    parts.message.classList.toggle("az-error", error);
    parts.message.classList.remove("az-late");
  }

  function send(list) {
    const acts = list.map((act) => ({
      act: act.act,
      id: act.id,
      score: act.score,
      reason: act.item?.reason ?? "",
      tag: act.tag ?? "",
      token: act.token,
      undoes: act.undoes ?? "",
    }));
    if (acts.length) tell(model, { kind: "acts", acts });
  }

  // What is not answered for a while is sent again, all of it and in order: a token counts once.
  let timer = 0;
  function watch() {
    timer ||= setTimeout(() => {
      timer = 0;
      const list = waiting();
      if (!list.length) return;
      if (Date.now() - list[0].at > 2500) {
        send(list);
        say(`${list.length} not on disk yet, kept in this browser until the kernel answers`);
        parts.message.classList.add("az-late");
      }
      watch();
    }, 3000);
  }

  function record(kind, item, score, undoes, tag) {
    const act = { act: kind, id: item.id, score, item, undoes, tag, token: token(), at: Date.now() };
    outbox.put(act);
    local.push(act);
    const list = waiting();
    send(act.at - list[0].at > 1000 ? list : [act]);
    watch();
  }

  // What a key or a button does. Nothing is rated that is not on the screen.
  function act(kind, score) {
    if (kind === "undo") return undo();
    if (kind === "tag" || kind === "like") return call(kind);
    if (kind === "back" || kind === "forward") return look(kind === "back" ? 1 : -1);
    if (!current) return;
    if (kind !== "skip" && !pictures.get(current.id)?.ready) {
      return say("wait for the picture, then rate it");
    }
    say("");
    record(kind, { ...current, act: undefined, score: undefined, token: undefined }, score);
    const on = resume;
    resume = null;
    back = 0;
    show(on && on.id !== current.id ? on : upNext());
  }

  // Tags: those that are stored, and those on their way.
  function tagsOf(id) {
    const tags = new Set(model.get("tags")[id] ?? []);
    for (const act of local) {
      if (act.tag && act.id === id) act.act === "tag" ? tags.add(act.tag) : tags.delete(act.tag);
    }
    return [...tags];
  }
  function paintTags() {
    const tags = current ? tagsOf(current.id) : [];
    parts.tags.replaceChildren(
      ...tags.map((tag) => {
        const chip = make("button", "az-chip az-tagged", `${tag} ✕`);
        chip.type = "button";
        chip.title = `Take ${tag} away`;
        chip.onclick = () => {
          if (current) record("untag", { id: current.id }, undefined, undefined, tag);
          paintTags();
        };
        return chip;
      }),
    );
    const known = Object.values(model.get("tags")).flat();
    parts.known.replaceChildren(
      ...[...new Set(known)].map((tag) => {
        const option = make("option");
        option.value = tag;
        return option;
      }),
    );
    parts.word.disabled = !current;
  }
  function keepTag() {
    const words = parts.word.value.trim().toLowerCase().split(/[\s,]+/).filter(Boolean);
    const tags = words.map((word) => (word.startsWith("#") ? word : `#${word}`));
    const wrong = tags.find((tag) => !/^#[\p{L}\p{M}\p{N}_-]{1,49}$/u.test(tag));
    if (wrong) return say(`a tag is # and letters, digits, - or _, got ${wrong}`, true);
    if (!current) return;
    const had = tagsOf(current.id);
    for (const tag of tags.filter((tag) => !had.includes(tag))) {
      record("tag", { id: current.id }, undefined, undefined, tag);
    }
    parts.word.value = "";
    parts.word.blur();
    say(tags.length ? `tagged ${tags.join(" ")}` : "");
    paintTags();
  }
  parts.word.onkeydown = (event) => {
    if (event.key === "Enter") keepTag();
    else if (event.key === "Escape") parts.word.blur();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  // What other views answer to: the finder takes the words, Python finds what is alike.
  function call(to) {
    if (to === "find") window.dispatchEvent(new CustomEvent("anomaly_zoo:find", { detail: root() }));
    else if (to === "tag") parts.word.focus();
    else if (current) tell(model, { kind: "like", id: current.id });
  }

  function undo() {
    const last = acts().at(-1);
    if (!last) return say("nothing to undo");
    record("undo", { id: last.id }, undefined, last.token);
    const open = resume ?? current;
    if (open && open.id !== last.id && !open.act) again.unshift(open);
    resume = null;
    back = 0;
    say(`took back ${last.id}`);
    show({ ...last, act: undefined, token: undefined, score: null, reason: "once more" });
  }

  function look(step) {
    const list = acts();
    const to = Math.min(list.length, back + step);
    if (to === back && step > 0) return say("this is as far back as it goes");
    if (to < 0 && !resume) return;
    resume ??= current;
    back = Math.max(0, to);
    if (back) return show(list[list.length - back]);
    const on = resume;
    resume = null;
    show(on);
  }

  const onQueue = () => {
    const fresh = current && model.get("queue").find((item) => item.id === current.id);
    if (fresh && !back && !current.act) {
      Object.assign(current, { interest: fresh.interest, std: fresh.std, rank: fresh.rank });
    }
    prefetch();
    if (current) paint();
    else show(upNext()); // nothing was left until now
  };
  const onHistory = () => {
    local = local.filter((act) => !act.saved);
    paint();
  };
  const onFocus = () => {
    const item = { ...model.get("focus") };
    if (!item.id || item.id === current?.id) return;
    if (!back && !resume) resume = current;
    back = 0;
    say("");
    show(item);
  };
  const onMessage = (message) => {
    if (message.kind === "first") {
      const [first] = model.get("queue");
      resume = null;
      back = 0;
      if (first) show(first);
      return;
    }
    const sent = local.find((entry) => entry.token === message.token);
    if (!sent) return;
    if (message.kind === "saved") {
      sent.saved = true;
      outbox.drop(sent);
      if (sent.tag) local = local.filter((entry) => entry !== sent); // Python has said it by now
      paint();
    } else if (message.kind === "refused") {
      // What was to be taken back and never arrived is gone with its undo.
      const gone = local.filter(
        (entry) => entry === sent || (entry.token === sent.undoes && !entry.saved),
      );
      local = local.filter((entry) => !gone.includes(entry));
      gone.forEach((entry) => outbox.drop(entry));
      say(message.reason, true);
      if (sent.act === "undo" || sent.tag) return paint();
      // Back to the galaxy whose rating was not kept; those after it wait their turn.
      const item = { ...sent.item, reason: "not saved: rate it again" };
      if (current?.id === item.id) return paint();
      if (current?.reason === item.reason) return again.push(item);
      if (current && !back) again.push(current);
      back = 0;
      show(item);
    }
  };

  // Keys belong to the tool once it was clicked, until something outside is.
  const root = () => el.closest(".az-root") ?? el;
  // Of sliders, lists and boxes JupyterLab would take the arrows; of what is typed into it does not.
  const TYPED = "input:not([type=range], [type=checkbox]), textarea, [contenteditable='true']";
  const editable = (node) => node?.closest?.("input, textarea, select, [contenteditable='true']");
  let active = false;
  const setActive = (value) => {
    active = value;
    root().classList.toggle("az-active", value);
    if (value) window.dispatchEvent(new CustomEvent("anomaly_zoo:active", { detail: root() }));
  };
  const onOther = (event) => active && event.detail !== root() && setActive(false);
  const onPointer = (event) => {
    const inside = event.composedPath().includes(root());
    if (!inside && event.target.contains?.(root())) return; // a scrollbar around the tool
    setActive(inside);
    if (inside && document.activeElement && !root().contains(document.activeElement)) {
      document.activeElement.blur();
    }
  };
  const onFocusIn = (event) => {
    const node = event.target;
    if (active && editable(node) && !root().contains(node)) setActive(false);
    if (!active && root().contains(node)) setActive(true);
  };
  // What was chosen with the mouse does not keep the keys from the galaxy.
  const onChange = ({ target }) => {
    const chosen = root().contains(target) && target.matches("select, [type=checkbox]");
    if (chosen && !target.matches(":focus-visible")) target.blur();
  };
  const place = () => parts.frame.getBoundingClientRect();
  const hidden = () => !el.isConnected || !place().width; // in a tab behind another
  const away = () => place().bottom < 20 || place().top > window.innerHeight - 20;
  const elsewhere = () => {
    const focus = document.activeElement;
    const ours = !focus || root().contains(focus) || focus.contains(root());
    const menu = "dialog, [role=dialog], [role=menu], .jp-Dialog, .lm-Menu";
    return (!ours && focus.closest(menu)) || document.querySelector(".jp-Dialog");
  };
  const onKey = (event) => {
    if (!active || hidden() || event.ctrlKey || event.metaKey || event.altKey) return;
    const field = editable(document.activeElement);
    if (field && root().contains(field) && !field.matches(TYPED)) {
      event.stopImmediatePropagation();
      if (event.key === "Escape") field.blur(); // the keys rate again
    }
    if (field || elsewhere()) return;
    if (event.key === "Tab") {
      setTimeout(() => {
        const focus = document.activeElement;
        if (!root().contains(focus) && !focus?.contains(root())) setActive(false);
      });
      return;
    }
    // Some keyboards have their digits on the shifted row.
    const digit = /^[0-5]$/.test(event.key) ? event.key : /^Digit([0-5])$/.exec(event.code)?.[1];
    if (event.shiftKey && digit !== event.key && event.key !== "/") return;
    event.stopImmediatePropagation(); // the notebook must not see it: `d d` deletes cells there
    const key = event.key;
    // What has the focus may have keys of its own, and gets those alone.
    const focused = document.activeElement?.closest?.("[data-keys]");
    const name = key === " " ? "Space" : key;
    if (root().contains(focused) && focused.dataset.keys.split(" ").includes(name)) {
      event.preventDefault();
      focused.dispatchEvent(new CustomEvent("az-key", { detail: name }));
      return;
    }
    const kind = KEYS[key.toLowerCase()];
    const to = CALLS[key.toLowerCase()];
    if (key === "Escape") setActive(false);
    else if (event.repeat && (key === "Enter" || key === " ")) event.preventDefault();
    else if ((digit || kind) && away()) {
      event.preventDefault(); // nothing is rated that cannot be seen
      root().scrollIntoView({ block: "nearest" });
    } else if (digit) {
      event.preventDefault();
      if (!event.repeat) act("rate", Number(digit));
    } else if (kind) {
      event.preventDefault();
      if (!event.repeat || kind === "back" || kind === "forward") act(kind);
    } else if (to) {
      event.preventDefault(); // what is typed is not to hold the key itself
      if (!event.repeat) call(to);
    }
  };
  window.addEventListener("anomaly_zoo:active", onOther);
  window.addEventListener("pointerdown", onPointer, true);
  window.addEventListener("focusin", onFocusIn, true);
  window.addEventListener("change", onChange);
  window.addEventListener("keydown", onKey, true);
  const click = (button, kind, score) => {
    button.onclick = (event) => {
      act(kind, score);
      if (event.detail && document.activeElement === button) button.blur(); // a click by mouse: Space is not to press it again
    };
  };
  parts.buttons.forEach((button, score) => click(button, "rate", score));
  parts.acts.forEach((button) => click(button, button.dataset.act));

  pictures.changed = (id) => id === current?.id && paint();
  model.on("change:queue change:done", onQueue);
  model.on("change:history", onHistory);
  model.on("change:focus", onFocus);
  model.on("change:tags", paintTags);
  model.on("msg:custom", onMessage);
  send(local); // written once even where it arrived before
  watch();
  const stuck = setInterval(() => current && !pictures.get(current.id)?.ready && prefetch(), 5000);
  show(upNext());
  // A view that is not built yet is an empty place in its box.
  let building = 0;
  const whole = () => {
    const views = [...root().querySelectorAll(".az-grid > *, .az-map > *")];
    if (views.length && views.every((view) => view.firstChild)) put(model, "built", true);
    else building = setTimeout(whole, 100);
  };
  whole();
  // The page may still grow above the tool: it is kept in view until the reader goes elsewhere.
  const inView = () => active && !hidden() && root().scrollIntoView({ block: "nearest" });
  const keeping = setInterval(inView, 200);
  const leave = (event) => {
    if (event?.type === "keydown" && event.key.length === 1) return; // such as a rating
    clearInterval(keeping);
    GOING.forEach((kind) => window.removeEventListener(kind, leave, true));
  };
  GOING.forEach((kind) => window.addEventListener(kind, leave, true));
  const settled = setTimeout(leave, 10_000);
  requestAnimationFrame(() => {
    if (hidden() || editable(document.activeElement)) return;
    setActive(true);
    inView();
  });

  return () => {
    leave();
    clearTimeout(settled);
    clearTimeout(timer);
    clearTimeout(building);
    clearInterval(stuck);
    window.removeEventListener("anomaly_zoo:active", onOther);
    window.removeEventListener("pointerdown", onPointer, true);
    window.removeEventListener("focusin", onFocusIn, true);
    window.removeEventListener("change", onChange);
    window.removeEventListener("keydown", onKey, true);
    model.off("change:queue change:done", onQueue);
    model.off("change:history", onHistory);
    model.off("change:focus", onFocus);
    model.off("change:tags", paintTags);
    model.off("msg:custom", onMessage);
    pictures.close();
  };
}

export default { render };
