"""What the map takes without a browser: sorting, painting, recolouring, zooming, tapping.

    python tests/benchmarks/map.py                          # N = 253k, 1M, 8.7M
    python tests/benchmarks/map.py --sizes 1000000 --umap   # and the UMAP itself: minutes

Positions lie in clusters. Milliseconds, the best of several; each size has a process of its own,
whose peak is what it held beyond positions and values. The picture is that of a map of 700 x 470
pixels with its margins. PCA and UMAP are those of scale_pool.py's survey (d = 40, float16 on disk).
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import scale_pool

SIZE = (1050, 705)
CLUSTERS = 300


def positions(n: int, seed: int = 0) -> np.ndarray:
    """(n, 2) float32, in clusters of different sizes and widths, in any order."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(CLUSTERS, 2)).astype(np.float32) * 0.4
    widths = rng.gamma(1, 0.05, CLUSTERS).astype(np.float32)
    xy = rng.standard_normal((n, 2), dtype=np.float32)
    for start in range(0, n, 2**18):
        part = slice(start, start + 2**18)
        cluster = rng.integers(0, CLUSTERS, len(xy[part]))
        xy[part] = centres[cluster] + xy[part] * widths[cluster, None]
    return xy


def best(act: Callable[[], object], repeat: int = 7) -> float:
    """The least milliseconds of some runs."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times)


def resident(what: str) -> float:
    """MB of this process (Linux only): now "VmRSS", at most so far "VmHWM"."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.split(f"{what}:")[1].split()[0]) / 2**10


def measure(n: int) -> dict[str, float]:
    """All rows for n objects: milliseconds, and MB."""
    from anomaly_zoo.ui.cells import Cells
    from anomaly_zoo.ui.colours import PALETTES, Colouring
    from anomaly_zoo.ui.map import MARGIN, GalaxyMap, _whole
    from anomaly_zoo.ui.painting import Easel, Limit, Scene
    from anomaly_zoo.ui.raster import Raster, Window

    xy = positions(n)
    values = np.random.default_rng(1).random(n, dtype=np.float32)
    colouring = Colouring("interest", values, 0.0, 1.0, PALETTES["interest"])
    warm = Raster(xy[:1000], None, Window(-1, 1, -1, 1), *SIZE)
    warm.paint(values, PALETTES["interest"], (0, 1))
    data = resident("VmRSS")
    rows: dict[str, float] = {}

    ready = threading.Event()

    def soon(function: Callable[..., None], *args: object) -> None:
        function(*args)
        ready.set()

    began = time.perf_counter()
    shown = GalaxyMap(xy, lambda row: None, soon)
    shown.colour(colouring)
    ready.wait()
    rows["open: first picture of a new map"] = 1e3 * (time.perf_counter() - began)
    while shown._sorted() is None:
        time.sleep(0.01)
    rows["peak beyond the data, MB"] = resident("VmHWM") - data
    shown.close()
    cells, raster = shown._sorted(), shown._easel._look(shown._scene())
    held = cells._order.nbytes + raster._pixel.nbytes
    rows["  held, bytes an object"] = held / n

    rows["sorted into cells"] = best(lambda: Cells(xy), 3)
    home = _whole(xy)
    view = home.grown(MARGIN)
    rows["full view placed"] = best(lambda: Raster(xy, None, view, *SIZE))
    rows["full view recoloured"] = best(lambda: raster.paint(values, PALETTES["interest"], (0, 1)))
    for share in (0.3, 0.1, 0.01):
        (x, y), side = xy[5].tolist(), share * (home.x1 - home.x0) / 2
        window = Window(x - side, x + side, y - side, y + side)

        def painted(window: Window = window) -> Raster:
            zoomed = Raster(xy, cells.around(window), window, *SIZE)
            zoomed.paint(values, PALETTES["interest"], (0, 1))
            return zoomed

        rows[f"view of {share:.0%} of the width painted"] = best(painted)
        rows[f"  objects in it, of {share:.0%}"] = painted().shown
    reach = 24 * (home.x1 - home.x0) / 700
    spots = xy[:: -(-n // 100)].astype(np.float64) + 0.3 * reach
    rows["tap"] = best(lambda: [cells.nearest(x, y, (reach, reach)) for x, y in spots]) / len(spots)
    around = best(lambda: [cells.closest(x, y, 24, (reach, reach)) for x, y in spots])
    rows["tap beside all: the 24 around"] = around / len(spots)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    away = np.hypot(*(xy - xy[5]).T)
    for share in (0.05, 0.3):
        side = float(np.quantile(away, share))
        lasso = xy[5] + side * np.column_stack([np.cos(angle), np.sin(angle)])
        rows[f"lasso of {share:.0%}"] = best(lambda lasso=lasso: cells.inside(lasso))
    kinds = np.random.default_rng(2).integers(0, 10, n).astype(np.float32)
    palette = PALETTES["interest"][:10]
    rows["recoloured by ten kinds"] = best(lambda: raster.paint(kinds, palette, (0, 9), True))
    mask = np.random.default_rng(3).random(n) < 0.1

    def limited() -> None:
        limit = Limit(mask, np.flatnonzero(mask).astype(np.int32))
        nobody = np.zeros(0, dtype=np.int64)
        Easel().paint(Scene(xy, cells, view, *SIZE, colouring, limit, nobody))

    rows["limited to a tenth"] = best(limited)
    return rows


def pca(n: int, folder: Path) -> dict[str, float]:
    import anomaly_zoo as az
    from anomaly_zoo.projection import pca_map

    survey = scale_pool.write(folder, n, 40)
    features = az.Representation.read(survey.features, ids=survey.ids)
    return {"PCA map": best(lambda: pca_map(features), 3)}


def umap(n: int, folder: Path) -> dict[str, float]:
    import anomaly_zoo as az
    from anomaly_zoo.projection import umap_map_apart

    survey = scale_pool.write(folder, n, 40)
    features = az.Representation.read(survey.features, ids=survey.ids)
    told: list[float] = []
    began = time.perf_counter()
    umap_map_apart(features, progress=lambda _: told.append(time.perf_counter()))
    end = time.perf_counter()
    return {
        "UMAP": 1e3 * (end - began),
        "  of it placing, us an object": 1e6 * (told[-1] - told[0]) / n if told else 0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[253_286, 1_000_000, 8_700_000])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "surveys")
    parser.add_argument("--umap", action="store_true")
    given = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    columns: list[dict[str, float]] = []
    for n in given.sizes:
        with ProcessPoolExecutor(1, mp_context=spawn) as alone:
            columns.append(alone.submit(measure, n).result())
        with ProcessPoolExecutor(1, mp_context=spawn) as alone:
            columns[-1] |= alone.submit(pca, n, given.folder).result()
            if given.umap:
                columns[-1] |= alone.submit(umap, n, given.folder).result()
    print("| ms | " + " | ".join(f"{n:,}" for n in given.sizes) + " |")
    print("|" + "---|" * (len(given.sizes) + 1))
    for name in columns[0]:
        cells = [f"{column[name]:,.{0 if column[name] >= 100 else 1}f}" for column in columns]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
