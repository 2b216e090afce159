"""What each act takes from 60 thousand objects to 8.7 million, beside others and the machine.

    python tests/benchmarks/scale.py --folder SURVEYS             # needs 0.8 GB there, and an hour
    python tests/benchmarks/scale.py --sizes 60000 253286 --rated 200
    python tests/benchmarks/scale.py --only similar refresh --no-peers

The survey (scale_pool.py, d = 40) lies in float16 files and is mapped. One table: a row an act and
number of rated objects, a column a size. A figure is the best of several after a warm-up, in
milliseconds; after ours stands how many times the machine's limit that is, which is what its
products of matrices would take at the measured sgemm or its bytes at the measured bandwidth,
whichever is more. After the peers' (scale_peers.py: the whole pool predicted and the next object
chosen, from the leading hypothesis alone) stands how many times our full refresh and our step from
a rating to the next galaxy that is. "growth" is the time an object, each size against the one
before: 1 is linear, less is better. A dash is what cannot be done here: it is not installed, or did
not fit --seconds or --megabytes.

Each size, number of ratings and peer has a process of its own. Its memory is what it holds itself
(RssAnon, watched from outside; Linux only), so pages of the mapped survey do not count; that of the
process with all libraries loaded is taken off. Times mean something where nothing else is at work:
the load at the start is said.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scale_peers
import scale_pool

READY = "ready"
LOOKS, AHEAD, TOP = 12, 24, 1000


def best(act: Callable[[], object], repeat: int = 7, budget: float = 15) -> float:
    """The least seconds of some runs after a warm-up; that of the warm-up where it takes long."""
    times: list[float] = []
    while len(times) <= repeat and (not times or sum(times) + times[-1] < budget):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return min(times[1:] or times)


# --- the machine ---------------------------------------------------------------------------------


class Limit(NamedTuple):
    """What all cores reach together: products of float32 matrices, and a copy of memory."""

    flops: float
    bandwidth: float

    def seconds(self, flops: float, bytes_moved: float) -> float:
        return max(flops / self.flops, bytes_moved / self.bandwidth)


def machine(pipe: Any) -> None:
    """Measure the Limit: one worker a core, one thread each."""
    import torch

    from anomaly_zoo.threads import cores, one_thread

    size, length, times = 2048, 2**26, 4
    matrices = [[torch.rand(size, size) for _ in range(3)] for _ in range(cores())]
    arrays = [[torch.rand(length) for _ in range(2)] for _ in range(cores())]

    def multiply(core: int) -> None:
        with one_thread():
            for _ in range(times):
                torch.mm(*matrices[core][:2], out=matrices[core][2])

    def copy(core: int) -> None:
        with one_thread():
            for _ in range(times):
                arrays[core][0].copy_(arrays[core][1])

    pipe.send(READY)
    with ThreadPoolExecutor(cores()) as workers:
        products = best(lambda: list(workers.map(multiply, range(cores()))))
        copies = best(lambda: list(workers.map(copy, range(cores()))))
    moved = cores() * times
    pipe.send(Limit(moved * 2 * size**3 / products, moved * 2 * 4 * length / copies))


# --- ours ----------------------------------------------------------------------------------------


class Work(NamedTuple):
    """What a row takes at the least: products of matrices, and bytes read and written."""

    flops: float = 0
    bytes: float = 0


@dataclass
class Bench:
    """A session over a survey with n rated objects, and what the rows share."""

    files: scale_pool.Files
    folder: Path
    n: int

    @cached_property
    def objects(self) -> np.ndarray:
        return np.load(self.files.features, mmap_mode="r")

    @cached_property
    def taste(self) -> scale_pool.Taste:
        return scale_pool.Taste.of(self.objects)

    def open(self) -> Any:
        import anomaly_zoo as az

        features = az.Representation.read(self.files.features, ids=self.files.ids)
        return az.Session(features, ratings=self.folder / "ratings.db", seed=0)

    @cached_property
    def session(self) -> Any:
        session = self.open()
        if not session.log.events:
            rows, scores = self.taste.rated(self.objects, self.n)
            for row, score in zip(rows, scores, strict=True):
                session.rate(str(session.representation.ids[row]), score)
        return session

    @cached_property
    def alone(self) -> Any:
        """The leading hypothesis alone, conditioned on the same ratings."""
        from anomaly_zoo.interest import Hypothesis, InterestModel

        state = self.session.state
        leading = state.hypotheses[0]
        alone = (Hypothesis(1.0, leading.geometry, leading.hyper),)
        return InterestModel.condition(self.session.space.take(state.rated), state.scores, alone)

    @cached_property
    def looks(self) -> list[float]:
        """Seconds from a rating to the next galaxy chosen, one a look."""
        [coming] = self.session.next(1)
        seconds = []
        for _ in range(LOOKS):
            row = self.session.representation.row(coming)
            self.session.prepare(coming)
            [score] = self.taste.scores(self.objects[[row]])
            began = time.perf_counter()
            self.session.rate(coming, score)
            [coming] = self.session.next(1)
            seconds.append(time.perf_counter() - began)
        return seconds

    def work(self, h: int = 0, square: int = 0, bytes: float = 0, alone: bool = False) -> Work:
        """An object takes h products with the rated and as many with their covariance if square,
        for each hypothesis, and `bytes`; its features are read."""
        N, d = self.objects.shape
        kinds = 1 if alone else len(self.session.state.hypotheses)
        each = 2 * d * self.n * h + 2 * self.n * self.n * square / 2
        return Work(N * kinds * each, N * (bytes + d * self.objects.itemsize))


def opening(bench: Bench) -> float:
    del bench.session  # it was opened, and the objects rated, by now
    return best(bench.open, repeat=3)


def first_galaxy(bench: Bench) -> float:
    seconds = []
    for _ in range(3):
        session = bench.open()
        began = time.perf_counter()
        session.next(1)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def next_galaxy(bench: Bench) -> float:
    return float(np.median(bench.looks))


def slowest_look(bench: Bench) -> float:
    return max(bench.looks)


def queue(bench: Bench) -> float:
    _ = bench.session.state
    return best(lambda: bench.session.next(AHEAD))


def batch(bench: Bench) -> float:
    _ = bench.session.state
    return best(lambda: bench.session.next(TOP))


def column(bench: Bench) -> float:
    rows = iter(range(scale_pool.KNOWN))
    return best(lambda: bench.session.pool.prepare(next(rows)))


def refresh(bench: Bench) -> float:
    model = bench.session.state.model
    return best(lambda: bench.session.pool.refresh(model))


def refresh_one(bench: Bench) -> float:
    return best(lambda: bench.session.pool.refresh(bench.alone))


def column_one(bench: Bench) -> float:
    state, pool = bench.session.state, bench.session.pool
    pool.believe(state.rated, state.scores, bench.alone.hypotheses)
    rows = iter(range(scale_pool.KNOWN))
    return best(lambda: pool.prepare(next(rows)))


def top(bench: Bench) -> float:
    return best_of(bench, bench.session.state.model)


def top_one(bench: Bench) -> float:
    return best_of(bench, bench.alone)


def best_of(bench: Bench, model: Any) -> float:
    from anomaly_zoo.acquisition import expected_improvement
    from anomaly_zoo.scan import Part, Top, merged
    from anomaly_zoo.scoring import score_part
    from anomaly_zoo.threads import cores

    session, state = bench.session, bench.session.state

    found: list[Top] = []

    def score(part: Part) -> Top:
        known = np.concatenate([top.values for top in found] or [[]])
        least = np.sort(known)[-TOP] if len(known) >= TOP else -np.inf
        rule, best_f = expected_improvement, state.best_f
        found.append(score_part(part, model, rule, best_f, TOP, state.rated, least))
        return found[-1]

    def act() -> None:
        found.clear()
        with ThreadPoolExecutor(cores()) as workers:
            merged(workers.map(score, session.space.parts(4 * cores())))

    return best(act)


def similar(bench: Bench) -> float:
    from anomaly_zoo.neighbours import nearest

    rows = iter(range(scale_pool.KNOWN))
    space = bench.session.space
    return best(lambda: nearest(space, space.take([next(rows)])[0], TOP))


def ranking(bench: Bench) -> float:
    _ = bench.session.state
    return best(lambda: bench.session.ranking(TOP), repeat=3)


def export(bench: Bench) -> float:
    _ = bench.session.state
    return best(lambda: bench.session.export(bench.folder / "all.parquet"), repeat=2)


def weighing(bench: Bench) -> float:
    from anomaly_zoo.interest import InterestModel

    rows, y = bench.taste.rated(bench.objects, bench.n)
    x, variance = bench.objects[rows].astype(np.float64), spread(bench.objects)
    return best(lambda: InterestModel.fit(x, y, variance))


class Row(NamedTuple):
    """A row of the table: what is measured, what it takes at least, whether n rated matter."""

    name: str
    seconds: Callable[[Bench], float]
    least: Callable[[Bench], Work] | None = None
    varies: bool = True


ROWS = {
    "open": Row("opened, with its ratings", opening, varies=False),
    "first": Row("the first galaxy after that", first_galaxy, varies=False),
    # Mean, variance and column are read, mean and variance written.
    "next": Row("rating -> next galaxy", next_galaxy, lambda b: Work(bytes=20.0 * len(b.objects))),
    "slowest": Row(f"the slowest of {LOOKS}", slowest_look),
    "queue": Row(f"{AHEAD} galaxies at once", queue),
    "batch": Row(f"{TOP:,} galaxies at once", batch),
    "column": Row("the column, prepared meanwhile", column, lambda b: b.work(1, bytes=4)),
    "column1": Row(
        "the same of one hypothesis", column_one, lambda b: b.work(1, bytes=4, alone=True)
    ),
    "refresh": Row("full refresh, mean + std", refresh, lambda b: b.work(1, 1, bytes=8)),
    "one": Row(
        "the same of one hypothesis",
        refresh_one,
        lambda b: b.work(1, 1, bytes=8, alone=True),
    ),
    "top": Row(f"exact top {TOP:,} by acquisition", top, lambda b: b.work(1, 1, bytes=8)),
    "top1": Row("the same of one hypothesis", top_one, lambda b: b.work(1, 1, bytes=8, alone=True)),
    "fit": Row("hypotheses weighed and conditioned", weighing),
    "similar": Row(f"{TOP:,} most similar, exact", similar, lambda b: b.work(), varies=False),
    "ranking": Row(f"ranking, first {TOP:,}", ranking, varies=False),
    "export": Row("export of everything, Parquet", export, varies=False),
}
MAP, MEMORY, LIBRARIES = "map", "memory", "libraries"
OTHERS = {
    MAP: "map recoloured and painted, in a browser",
    MEMORY: "peak memory beyond data and libraries, MB",
    LIBRARIES: "memory of the libraries, MB",
}


def ours(files: scale_pool.Files, n: int, names: list[str], pipe: Any) -> None:
    """Measure rows one by one and send (name, seconds, Work or None) of each."""
    import anomaly_zoo.ui.explorer  # noqa: F401 - the libraries of a notebook

    warm_up()
    pipe.send(READY)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(files, Path(folder), n)
        _ = bench.session
        for name in names:
            row = ROWS[name]
            try:
                seconds = row.seconds(bench)
            except Exception as error:  # the other rows are worth having
                print(f"  {name}: {type(error).__name__}: {error}", file=sys.stderr)
                continue
            pipe.send((name, seconds, row.least(bench) if row.least else None))


def warm_up() -> None:
    """A small session from start to end, so that every library is loaded."""
    import anomaly_zoo as az

    X, rows, y = scale_pool.make(300, 5, 20)
    session = az.Session(az.Representation([f"J{i}" for i in range(300)], X))
    for row, score in zip(rows, y, strict=True):
        session.rate(f"J{row}", score)
    session.next()
    with tempfile.TemporaryDirectory() as folder:
        session.export(Path(folder) / "all.parquet")


def spread(X: np.ndarray) -> np.ndarray:
    """The (d,) variance of each axis, from the first objects."""
    return np.asarray(X[: scale_pool.KNOWN], dtype=np.float64).var(axis=0)


# --- the peers -----------------------------------------------------------------------------------


def peer(name: str, files: scale_pool.Files, n: int, pipe: Any) -> None:
    """Measure one peer and send its seconds."""
    from anomaly_zoo.interest import weigh

    warnings.simplefilter("ignore")
    choose = getattr(scale_peers, name)
    X = np.load(files.features, mmap_mode="r")
    rows, y = scale_pool.Taste.of(X).rated(X, n)
    leading = weigh(X[rows].astype(np.float64), y, spread(X))[0]
    rated = np.asarray(leading.geometry(X[rows].astype(np.float64)), dtype=np.float64)
    Z = np.empty((len(X), rated.shape[1]))
    for start in range(0, len(X), scale_pool.BLOCK):
        part = slice(start, start + scale_pool.BLOCK)
        Z[part] = leading.geometry(X[part].astype(np.float64))
    choose(Z[:100], rated, y, leading.hyper)  # its libraries are loaded
    pipe.send(READY)
    pipe.send(best(lambda: choose(Z, rated, y, leading.hyper), repeat=3))


# --- the map -------------------------------------------------------------------------------------

CELL = """
import anomaly_zoo as az, numpy as np
features = az.Representation.read({features!r}, ids={ids!r})
session = az.Session(features)
for id_str, score in {scores!r}:
    session.rate(id_str, score)
X = np.load({features!r}, mmap_mode="r")
az.explore(session, {{"umap": X[:, :2].astype("f4")}})  # no UMAP is fitted meanwhile
"""
RECOLOUR = """async (name) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const choice = document.querySelector(".az-mapbar select");
  await new Promise((resolve) => setTimeout(resolve, 700));
  const [before, start] = [window.mapNow(), performance.now()];
  choice.value = name;
  choice.dispatchEvent(new Event("change"));
  for (;;) {
    await frame();
    const now = window.mapNow();
    let changed = 0;
    for (let i = 0; i < now.length; i++) changed += now[i] !== before[i];
    if (changed > 0.01 * now.length) return (performance.now() - start) / 1000;
    if (performance.now() - start > 60000) return null;
  }
}"""


def painted(files: scale_pool.Files, n: int, pipe: Any) -> None:
    """From a click on another colouring to the map painted anew, in JupyterLab and Chromium."""
    import nbformat
    from playwright.sync_api import sync_playwright
    from screen import CHROMIUM_FLAGS, WATCH, lab, new_home, stop

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # JupyterLab is stopped in any case
    X = np.load(files.features, mmap_mode="r")
    rows, y = scale_pool.Taste.of(X).rated(X, n)
    scores = [(f"J{row:08d}", score) for row, score in zip(rows.tolist(), y.tolist(), strict=True)]
    cell = CELL.format(features=str(files.features), ids=str(files.ids), scores=scores)
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        cells=[nbformat.v4.new_code_cell(cell)],
    )
    home, environment = new_home()
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    server, url = lab(home / "notebooks", environment)
    try:
        nbformat.write(book, home / "notebooks" / "scale.ipynb")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(300_000)
            page.goto(url.replace("01_find_anomalies", "scale") + "&reset")
            page.wait_for_selector(".jp-Notebook")
            page.wait_for_timeout(3000)
            page.click(".jp-Notebook .jp-Cell >> nth=0")
            page.keyboard.press("Shift+Enter")
            page.wait_for_selector('.az-pane[data-ready="1"]')
            page.wait_for_selector('.az-status[data-level="ready"]')
            page.evaluate("document.querySelector('.az-root').scrollIntoView()")
            page.evaluate(WATCH)
            names = ["uncertainty", "interest"] * 4
            seconds = [page.evaluate(RECOLOUR, name) for name in names]
            browser.close()
    finally:
        stop(server)
        shutil.rmtree(home, ignore_errors=True)
    pipe.send(READY)
    pipe.send(min(second for second in seconds[1:] if second))


# --- the table -----------------------------------------------------------------------------------


def apart(work: Callable[..., None], *args: Any, given: argparse.Namespace) -> Iterator[Any]:
    """What a function sends from a process of its own; in the end (libraries, peak) in MB.

    It is ended where it takes longer than --seconds or more than --megabytes.
    """
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe()
    child = processes.Process(target=work, args=(*args, there))
    child.start()
    there.close()
    loaded = peak = math.nan
    end = time.monotonic() + given.seconds
    try:
        while True:
            if here.poll(0.01):
                message = here.recv()
                if message == READY:
                    loaded = peak = anonymous(child.pid)
                else:
                    yield message
            peak = np.fmax(peak, anonymous(child.pid)) if loaded == loaded else peak
            if time.monotonic() > end or peak - loaded > given.megabytes:
                break
    except EOFError:
        pass
    child.join(1)
    if child.is_alive():
        child.terminate()
        child.join(20)
    if child.is_alive():
        child.kill()
        child.join()
    yield loaded, peak - loaded


def anonymous(pid: int | None) -> float:
    """MB that a process holds itself now; NaN where that is not known."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        return int(text.split("RssAnon:")[1].split()[0]) / 2**10
    except (OSError, IndexError):
        return math.nan


class Figure(NamedTuple):
    """A cell: the value, and what stands in brackets after it."""

    value: float
    after: str = ""


Figures = dict[tuple[str, int, int], Figure]
"""By row, number of rated (0 where it does not matter) and size."""


def measure(given: argparse.Namespace, limit: Limit) -> Figures:
    figures: Figures = {}
    middle = given.rated[len(given.rated) // 2]
    for size in given.sizes:
        files = scale_pool.write(given.folder, size, given.dimensions)
        for n in given.rated:
            names = [k for k in ROWS if k in given.only and (ROWS[k].varies or n == middle)]
            *sent, (libraries, memory) = apart(ours, files, n, names, given=given)
            for name, seconds, least in sent:
                after = f"{seconds / limit.seconds(*least):.1f}" if least else ""
                put(figures, (name, n if ROWS[name].varies else 0, size), seconds * 1e3, after)
            if MEMORY in given.only and sent:
                put(figures, (MEMORY, n, size), memory)
                if n == middle:
                    put(figures, (LIBRARIES, 0, size), libraries)
            for choose in [] if given.no_peers else scale_peers.installed():
                name = choose.__name__
                *sent, (_, memory) = apart(peer, name, files, n, given=given)
                if sent:
                    ratios = [
                        f"{1e3 * sent[0] / figures[key].value:.0f}"
                        for key in (("refresh", n, size), ("next", n, size))
                        if key in figures
                    ]
                    put(figures, (name, n, size), 1e3 * sent[0], ", ".join(ratios))
                    put(figures, (f"{name} MB", n, size), memory)
        if MAP in given.only and find_spec("playwright"):
            *sent, _ = apart(painted, files, middle, given=given)
            for seconds in sent:
                put(figures, (MAP, 0, size), seconds * 1e3)
    return figures


def put(figures: Figures, key: tuple[str, int, int], value: float, after: str = "") -> None:
    figures[key] = Figure(value, after)
    print(" ", *key, written(figures[key]), file=sys.stderr, flush=True)


def written(figure: Figure | None) -> str:
    if figure is None or math.isnan(figure.value):
        return "-"
    digits = 1 if figure.value < 100 else 0
    return f"{figure.value:,.{digits}f}" + (f" ({figure.after})" if figure.after else "")


def table(figures: Figures, sizes: list[int]) -> Iterator[str]:
    """The lines of the table, rows in the order in which they were first measured."""
    yield "| ms | rated | " + " | ".join(f"{size:,}" for size in sizes) + " | growth |"
    yield "|" + "---|" * (len(sizes) + 3)
    names = [*ROWS, *OTHERS]
    names += list(dict.fromkeys(name for name, _, _ in figures if name not in names))
    for name in names:
        for n in sorted({n for row, n, _ in figures if row == name}):
            cells = [figures.get((name, n, size)) for size in sizes]
            growth = [
                f"{b.value / a.value / (large / small):.2f}"
                for (small, a), (large, b) in pairwise(zip(sizes, cells, strict=True))
                if a and b
            ]
            title = ROWS[name].name if name in ROWS else OTHERS.get(name, name)
            line = [title, str(n or ""), *map(written, cells), " ".join(growth)]
            yield f"| {' | '.join(line)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = [60_000, 253_286, 1_000_000, 8_700_000]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes)
    parser.add_argument("--rated", type=int, nargs="+", default=[50, 200, 500])
    parser.add_argument("--dimensions", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "surveys")
    names = [*ROWS, MAP, MEMORY]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="ROW")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--seconds", type=float, default=600, help="for each process")
    parser.add_argument("--megabytes", type=float, default=8000, help="beyond data and libraries")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    limit: Limit = next(apart(machine, given=given))
    figures = measure(given, limit)

    from anomaly_zoo.threads import cores

    print(
        f"d = {given.dimensions}, {cores()} cores: {limit.flops / 1e9:.0f} GFLOP/s (sgemm), "
        f"{limit.bandwidth / 1e9:.1f} GB/s (copy), {load:.1f} others at work at the start\n"
    )
    for line in table(figures, given.sizes):
        print(line)


if __name__ == "__main__":
    main()
