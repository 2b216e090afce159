"""What wandering, searching and cutting take, in a real JupyterLab and Chromium.

    python tests/benchmarks/explore.py                     # N = 253k, 1M; d = 40; n = 100 rated
    python tests/benchmarks/explore.py --pools 20000 --acts click lasso --shots pictures/

From the press that starts an act (the mouse is let go, the key goes down, the slider is moved) to
what it changes on the screen: the gallery's galaxies, their pictures in view, the count, the map.
Each the median and the slowest of `--tries`, in milliseconds, beside the reach. A dash is what did
not change within ten seconds. The survey is that of scale_pool.py with a catalogue of positions,
redshifts, magnitudes, types, votes and pictures; it is kept in `--folder`. The acts begin when the
UMAP is there, which takes minutes. Needs Chromium.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import scale_pool
from screen import lab, milliseconds, new_home, stop

sys.path.insert(0, str(Path(__file__).parents[1]))
from jupyter_page import CANVASES, CHROMIUM_FLAGS

# What the acts touch, and where the page shows what came of them.
MAP = ".az-pane"
CELLS = ".az-gallery .az-thumb"
ROW = ".az-gallery .az-row"
ABOUT_GALLERY = ".az-gallery .az-about"
WORDS = ".az-words"
COUNT = ".az-count"
LIFT = ".az-kept"
LIMIT = ".az-find button:has-text('Limit')"
CUTS = ".az-find button:has-text('Cuts')"
PICKER = ".az-drawer select.az-plain"
MOST = ".az-range input >> nth=1"  # the upper end of a cut
LASSO = ".az-tools [data-act='LassoSelectTool']"
PAN = ".az-tools [data-act='PanTool']"
HOME = ".az-tools [data-act='Home']"
NEIGHBOURS = ".az-gallery [data-tab='near']"
MOSAIC = ".az-mapbar button:has-text('Mosaic')"

LASSOED = 50_000
TAGS = ("#ring", "#merger")
PICTURES = 256

WATCH = (
    "() => { const canvases = ("
    + CANVASES
    + """)();
  const small = new OffscreenCanvas(96, 54).getContext("2d", { willReadFrequently: true });
  const map = () => {
    small.clearRect(0, 0, 96, 54);
    for (const canvas of canvases) small.drawImage(canvas, 0, 0, 96, 54);
    return small.getImageData(0, 0, 96, 54).data;
  };
  const differs = (a, b) => { let n = 0; for (let i = 0; i < a.length; i++) n += a[i] !== b[i];
    return n > 0.003 * a.length; };
  const cells = () => [...document.querySelectorAll(%(cells)s)];
  const gallery = () => cells().map((cell) => cell.dataset.id).join();
  const count = () => document.querySelector(%(count)s)?.textContent;
  const filled = () => {
    const row = document.querySelector(%(row)s).getBoundingClientRect();
    return cells().every((cell) => cell.getBoundingClientRect().left > row.right
      || cell.querySelector("img, em"));
  };
  const watch = (window.watch = { began: null, seen: {}, turn: 0 });
  for (const kind of ["pointerup", "keydown", "change"])
    window.addEventListener(kind, () => (watch.began ??= performance.now()), true);
  watch.arm = () => {
    const turn = ++watch.turn;
    const before = { gallery: gallery(), count: count(), map: map() };
    let last = before.map;
    watch.seen = {};
    watch.began = null;
    const look = () => {
      if (turn !== watch.turn) return;
      requestAnimationFrame(look);
      if (watch.began === null) return;
      const [seen, now] = [watch.seen, performance.now() - watch.began];
      if (!seen.gallery && gallery() !== before.gallery) seen.gallery = now;
      if (!seen.pictures && seen.gallery && filled()) seen.pictures = now;
      if (!seen.count && count() !== before.count) seen.count = now;
      const present = map();
      if (!seen.map && differs(before.map, present)) seen.map = now;
      if (differs(last, present)) seen.still = now; // the last change before it is quiet
      last = present;
    };
    look();
  };
}"""
) % {"cells": json.dumps(CELLS), "count": json.dumps(COUNT), "row": json.dumps(ROW)}
SEEN = """async ([wanted, quiet]) => {
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  for (let waited = 0; waited < 10_000; waited += 50) {
    await wait(50);
    if (wanted.every((name) => window.watch.seen[name])) break;
  }
  await wait(quiet);
  return wanted.map((name) => window.watch.seen[name] ?? null);
}"""


# --- the survey, in the kernel -------------------------------------------------------------------


def catalogue(folder: Path, n: int) -> Path:
    """The file of a catalogue of n galaxies, written unless it is there."""
    import pandas as pd

    file = folder / f"survey-{n}.catalogue.parquet"
    if file.exists():
        return file
    rng = np.random.default_rng(7)
    asked = rng.integers(5, 60, n)
    smooth = rng.binomial(asked, rng.beta(2, 2, n))
    featured = rng.binomial(asked - smooth, 0.9)
    bars = rng.binomial(featured, 0.3)
    mag = 17.7 - rng.exponential(1.0, n)
    table = pd.DataFrame(
        {
            "id_str": [f"J{row:08d}" for row in range(n)],
            "ra": rng.uniform(0, 360, n),
            "dec": np.degrees(np.arcsin(rng.uniform(-0.3, 0.99, n))),
            "redshift": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(2, 0.05, n)),
            "mag": mag.astype(np.float32),
            "type": rng.choice(["E", "S0", "Sa", "Sb", "Sc", "Irr"], n),
            "smooth-or-featured_total-votes": asked,
            "smooth-or-featured_smooth": smooth,
            "smooth-or-featured_featured-or-disk": featured,
            "smooth-or-featured_artifact": asked - smooth - featured,
            "bar_total-votes": featured,
            "bar_yes": bars,
            "bar_no": featured - bars,
        }
    )
    beside = file.with_suffix(".part")
    table.to_parquet(beside, index=False)
    beside.rename(file)
    return file


def pictures() -> list[bytes]:
    """Galaxies as JPEG files of 212 x 212 pixels, different in size, shape and colour."""
    from PIL import Image

    y, x = np.mgrid[-1:1:212j, -1:1:212j]
    files = []
    for seed in range(PICTURES):
        rng = np.random.default_rng(seed)
        a, q, turn = rng.uniform(0.1, 0.4), rng.uniform(0.3, 1), rng.uniform(0, math.pi)
        u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        light = np.exp(-np.hypot(u / a, v / (a * q)))[..., None] * rng.uniform(0.5, 1, 3)
        noisy = np.clip(light + 0.05 * rng.random((212, 212, 3)), 0, 1)
        file = io.BytesIO()
        Image.fromarray((255 * noisy).astype(np.uint8)).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files


def session(folder: str, n: int, d: int, rated: int) -> Any:
    """A session over n galaxies, some of them rated and tagged."""
    import anomaly_zoo as az

    survey = scale_pool.write(Path(folder), n, d)
    files = pictures()
    catalog = az.Catalog.read(
        catalogue(Path(folder), n), cutouts=lambda row: files[int(row["id_str"][1:]) % PICTURES]
    )
    opened = az.Session(az.Representation.read(survey.features, ids=survey.ids), catalog)
    objects = np.load(survey.features, mmap_mode="r")
    rows, scores = scale_pool.Taste.of(objects).rated(objects, rated)
    for row, score in zip(rows, scores, strict=True):
        opened.rate(f"J{row:08d}", score)
    for number, row in enumerate(rows):
        opened.tag(f"J{row:08d}", TAGS[number % 2])
    return opened


def settle(tool: Any, seconds: float = 1200) -> None:
    """Wait until the UMAP is there: while it is made it takes the machine, then the map changes."""
    end = time.monotonic() + seconds
    while tool.map.bar.about.startswith("PCA, ") and time.monotonic() < end:
        time.sleep(1)


def about(tool: Any) -> dict[str, Any]:
    """Places as shares of the map's view, from its lower left corner: the circle about the middle
    galaxy that holds `LASSOED` of them (x, y, radius), and some in it where there is none nearby;
    and the most memory that this process took, MB."""
    import resource

    from scipy.spatial import cKDTree

    plot, xy = tool.map.figure, tool.map.xy
    low = np.array([plot.x_range.start, plot.y_range.start])
    size = np.array([plot.x_range.end, plot.y_range.end]) - low
    place = (xy - low) / size
    middle = np.nanmedian(place, axis=0)
    away = np.hypot(*(place - middle).T)
    k = min(LASSOED, len(xy) // 3)
    spots = np.stack(np.meshgrid(np.linspace(0.1, 0.9, 25), np.linspace(0.1, 0.9, 25)), -1)
    spots = spots.reshape(-1, 2)
    far = cKDTree(place[np.isfinite(place).all(axis=1)]).query(spots)[0]
    empty = spots[(far > 0.08) & (far < 0.2)]  # 24 pixels are within reach of a click
    return {
        "lasso": [*middle.tolist(), float(np.partition(away, k)[k])],
        "empty": empty[:: max(1, len(empty) // 12)].tolist(),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    }


CELL = """
import sys
sys.path.insert(0, {here!r})
import anomaly_zoo as az, explore as acts
session = acts.session({folder!r}, {n}, {d}, {rated})
tool = az.explore(session)
tool
"""
ABOUT = """
import json
acts.settle(tool)
print("AT-THE-START", json.dumps(acts.about(tool)))
"""


# --- the acts, in the page -----------------------------------------------------------------------


@dataclass
class Tool:
    """The tool on the page, and what `about` says of its map."""

    page: Any
    lasso: list[float]
    empty: list[list[float]]
    peak: float

    def spot(self, x: float, y: float) -> tuple[float, float]:
        """A place on the page from shares of the map, from its lower left corner."""
        box = self.page.locator(MAP).bounding_box()
        return box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"]

    def press(self, selector: str) -> None:
        self.page.locator(selector).first.click(timeout=5000)

    def search(self, words: str) -> None:
        self.page.locator(WORDS).fill(words, timeout=5000)
        self.page.wait_for_timeout(600)  # until the count of what was typed has come


def arm(tool: Tool) -> None:
    tool.page.evaluate("window.watch.arm()")


def click(tool: Tool, turn: int) -> None:
    """A galaxy on the map: it is shown, and those around it."""
    x, y, r = tool.lasso
    angle = 2.4 * turn
    place = tool.spot(x + 0.7 * r * math.cos(angle), y + 0.7 * r * math.sin(angle))
    tool.page.mouse.move(*place)
    arm(tool)
    tool.page.mouse.click(*place)


def wander(tool: Tool, turn: int) -> None:
    """A place on the map where there is no galaxy: those around it."""
    place = tool.spot(*tool.empty[turn % len(tool.empty)])
    tool.page.mouse.move(*place)
    arm(tool)
    tool.page.mouse.click(*place)


def lasso(tool: Tool, turn: int) -> None:
    """Around some 50,000, a little elsewhere each time."""
    x, y, r = tool.lasso
    x += 0.02 * (turn % 3 - 1)
    tool.page.focus(MAP)
    tool.page.keyboard.press("Escape")  # the best of the last lasso may be those of the next
    tool.page.wait_for_timeout(600)
    tool.press(LASSO)
    angles = np.linspace(0, 2 * math.pi, 48)
    way = [tool.spot(x + r * math.cos(a), y + r * math.sin(a)) for a in angles]
    tool.page.mouse.move(*way[0])
    tool.page.mouse.down()
    for place in way[1:]:
        tool.page.mouse.move(*place)
    arm(tool)
    tool.page.mouse.up()


def after_lasso(tool: Tool) -> None:
    print(f"  lasso: {tool.page.inner_text(ABOUT_GALLERY)}", file=sys.stderr)
    tool.press(PAN)


def tag(tool: Tool, turn: int) -> None:
    tool.search(f"near {TAGS[turn % 2]}")
    tool.page.focus(WORDS)
    arm(tool)
    tool.page.keyboard.press("Enter")


def hasty(tool: Tool, turn: int) -> None:
    """The same, sent before its count can be there."""
    tool.page.focus(WORDS)
    tool.page.locator(WORDS).fill(f"near {TAGS[turn % 2]}", timeout=5000)
    arm(tool)
    tool.page.keyboard.press("Enter")


def before_like(tool: Tool) -> None:
    """The neighbours of what is on the screen, which the search begins with."""
    tool.press(NEIGHBOURS)
    tool.page.wait_for_timeout(1500)


def like(tool: Tool, turn: int) -> None:
    """More like another one: the next neighbour is looked at, and its neighbours are shown."""
    cell = tool.page.locator(CELLS).nth(1 + turn)
    cell.scroll_into_view_if_needed(timeout=5000)
    box = cell.bounding_box()
    tool.page.mouse.move(box["x"] + 20, box["y"] + 20)
    arm(tool)
    tool.page.mouse.click(box["x"] + 20, box["y"] + 20)


def words(tool: Tool, turn: int) -> None:
    """A search that joins a cut, a tag and the model."""
    tool.search(f"redshift < {0.1 + 0.01 * turn:.2f} AND near {TAGS[0]} AND interest > 0.1")
    tool.page.focus(WORDS)
    arm(tool)
    tool.page.keyboard.press("Enter")


def before_cut(tool: Tool) -> None:
    """A cut on the redshift to which all is limited."""
    tool.page.locator(WORDS).fill("", timeout=5000)
    tool.press(CUTS)
    choice = json.dumps(["columns", "redshift"], separators=(",", ":"))
    tool.page.locator(PICKER).last.select_option(choice, timeout=5000)
    move_cut(tool, 0.6)
    tool.page.wait_for_timeout(1000)
    tool.press(LIMIT)
    tool.page.wait_for_timeout(3000)


def move_cut(tool: Tool, share: float) -> None:
    tool.page.locator(MOST).evaluate(
        """(node, share) => {
          node.focus();
          node.value = Math.round(share * node.max);
          for (const kind of ["input", "change"]) node.dispatchEvent(new Event(kind));
        }""",
        share,
        timeout=5000,
    )


def cut(tool: Tool, turn: int) -> None:
    arm(tool)
    tool.page.evaluate("window.watch.began = performance.now()")  # the slider's event is ours
    move_cut(tool, (0.12, 0.4)[turn % 2] + 0.01 * turn)


def after_cut(tool: Tool) -> None:
    tool.press(LIFT)
    tool.press(CUTS)
    tool.page.wait_for_timeout(3000)


def before_mosaic(tool: Tool) -> None:
    tool.press(MOSAIC)
    tool.page.wait_for_timeout(3000)


def mosaic(tool: Tool, turn: int) -> None:
    """Drag the map a third of its width: a third of the tiles is new."""
    step = 0.3 if turn % 2 else -0.3
    tool.page.mouse.move(*tool.spot(0.5 - step / 2, 0.5))
    tool.page.mouse.down()
    tool.page.mouse.move(*tool.spot(0.5, 0.52), steps=4)
    tool.page.mouse.move(*tool.spot(0.5 + step / 2, 0.5), steps=4)
    arm(tool)
    tool.page.mouse.up()


def nothing(tool: Tool) -> None:
    """Before and after most acts."""


@dataclass(frozen=True)
class Act:
    """A row of the table: what is done, what has to change, and how soon (ms)."""

    text: str
    do: Callable[[Tool, int], None]
    wanted: tuple[str, ...]
    reach: int = 300
    before: Callable[[Tool], None] = nothing
    after: Callable[[Tool], None] = nothing


ACTS = {
    "click": Act("galaxy clicked -> those around it", click, ("gallery", "pictures")),
    "wander": Act("map clicked -> those around", wander, ("gallery", "pictures")),
    "lasso": Act("lasso of 50,000 -> gallery", lasso, ("gallery", "pictures"), after=after_lasso),
    "tag": Act("tag search -> gallery", tag, ("gallery", "pictures")),
    "hasty": Act("the same, Enter at once", hasty, ("gallery", "pictures")),
    "like": Act("neighbour clicked -> its own", like, ("gallery", "pictures"), before=before_like),
    "words": Act("cut AND near AND interest -> gallery", words, ("gallery", "pictures")),
    "cut": Act("cut -> map and count", cut, ("map", "count"), before=before_cut, after=after_cut),
    "mosaic": Act("mosaic dragged -> repainted", mosaic, ("still",), 1000, before_mosaic, nothing),
}


def measure(tool: Tool, act: Act, tries: int) -> dict[str, list[float]]:
    """Milliseconds of the tries for each of what has to change; the first try warms up."""
    from playwright.sync_api import Error

    times: dict[str, list[float]] = {name: [] for name in act.wanted}
    try:
        act.before(tool)
        for turn in range(tries + 1):
            act.do(tool, turn)
            seen = tool.page.evaluate(SEEN, [list(act.wanted), 700 if "still" in act.wanted else 0])
            for name, value in zip(act.wanted, seen, strict=True):
                if value is not None and turn:
                    times[name].append(value)
            tool.page.wait_for_selector('.az-status[data-level="ready"]')
            tool.page.wait_for_timeout(400)
        act.after(tool)
    except Error as error:
        print(f"  {act.text}: {error.message.splitlines()[0]}", file=sys.stderr)
    return times


def opened(browser: Any, url: str, n: int) -> Tool:
    """The tool in a new page, when its UMAP is there."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(600_000)
    page.goto(url.replace("01_find_anomalies", f"explore-{n}") + "&reset")
    page.wait_for_selector(".jp-Notebook")
    page.wait_for_timeout(3000)
    page.keyboard.press("Control+Home")
    for cell, done in (
        (0, '.az-pane[data-ready="1"]'),
        (1, '.jp-OutputArea-output:has-text("AT-THE-START")'),
    ):
        page.click(f".jp-Notebook .jp-CodeCell >> nth={cell}")
        page.keyboard.press("Shift+Enter")
        page.wait_for_selector(done)
        page.wait_for_selector('.az-status[data-level="ready"]')
    said = page.inner_text('.jp-OutputArea-output:has-text("AT-THE-START")').split("AT-THE-START")[
        1
    ]
    page.evaluate("document.querySelector('.az-root').scrollIntoView()")
    page.wait_for_timeout(2000)
    page.evaluate(WATCH)
    return Tool(page, **json.loads(said))


def rows(tool: Tool, n: int, given: argparse.Namespace) -> None:
    """Print what each act takes."""
    for name in given.acts:
        act = ACTS[name]
        times = measure(tool, act, given.tries)
        shown = {("map" if key == "still" else key): value for key, value in times.items()}
        cells = [
            (milliseconds(shown[key]) if shown[key] else "-") if key in shown else ""
            for key in ("gallery", "pictures", "map", "count")
        ]
        print(f"| {n:,} | {act.text} | {act.reach} | {' | '.join(cells)} |", flush=True)
        if given.shots:
            given.shots.mkdir(exist_ok=True)
            tool.page.locator(".az-root").screenshot(path=given.shots / f"{name}-{n}.png")
    print(f"| {n:,} | kernel peak at the start, MB | | {tool.peak:,.0f} | | | |", flush=True)
    tool.page.close()


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=int, nargs="*", default=[253_286, 1_000_000])
    parser.add_argument("--dimensions", type=int, default=40)
    parser.add_argument("--rated", type=int, default=100)
    parser.add_argument("--tries", type=int, default=7)
    parser.add_argument("--acts", nargs="*", choices=ACTS, default=list(ACTS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "surveys")
    parser.add_argument("--shots", type=Path, help="a folder for screenshots")
    given = parser.parse_args()
    home, environment = new_home()
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    print(f"d = {given.dimensions}, n = {given.rated} rated; ms, median (slowest)")
    print("| N | act | reach | " + " | ".join(("gallery", "pictures", "map", "count")) + " |")
    print("|---|---|---|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        for n in given.pools:
            cell = CELL.format(
                here=str(Path(__file__).parent.absolute()),
                folder=str(given.folder.absolute()),
                n=n,
                d=given.dimensions,
                rated=given.rated,
            )
            book = nbformat.v4.new_notebook(
                metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
                cells=[nbformat.v4.new_code_cell(text) for text in (cell, ABOUT)],
            )
            server, url = lab(home / "notebooks", environment)
            nbformat.write(book, home / "notebooks" / f"explore-{n}.ipynb")
            try:
                rows(opened(browser, url, n), n, given)
            finally:
                stop(server)
        browser.close()
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
