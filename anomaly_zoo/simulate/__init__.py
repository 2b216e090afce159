"""A simulated zoo: galaxies with known truth, volunteers' votes, and rare kinds to find.

The light comes from GalSim (Rowe et al. 2015, Astronomy and Computing 10, 121) and from structure
drawn upon it: see `truth` for what is drawn of each kind, `galaxies` for how, `frame` for the air,
the noise and the picture, and `votes` for the volunteers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomaly_zoo import tables
from anomaly_zoo.simulate.truth import KINDS as _DRAWS
from anomaly_zoo.simulate.truth import TRUTH
from anomaly_zoo.simulate.votes import QUESTIONS
from anomaly_zoo.threads import cores

__all__ = ["CREDIT", "KINDS", "QUESTIONS", "RARE", "SHARES", "TRUTH", "save", "zoo"]

SHARES: dict[str, float] = {
    "round": 0.170,
    "elliptical": 0.215,
    "cigar": 0.030,
    "lenticular": 0.075,
    "spiral": 0.210,
    "barred_spiral": 0.080,
    "flocculent": 0.050,
    "edge_on": 0.078,
    "merger": 0.012,
    "pair": 0.012,
    "overlap": 0.010,
    "ring": 0.008,
    "collisional_ring": 0.005,
    "polar_ring": 0.004,
    "clumpy": 0.008,
    "arc": 0.005,
    "warped_edge_on": 0.006,
    "jellyfish": 0.004,
    "satellite_trail": 0.006,
    "saturated_star": 0.007,
    "missing_data": 0.005,
}
KINDS: tuple[str, ...] = tuple(_DRAWS)
RARE: tuple[str, ...] = tuple(kind for kind in KINDS if SHARES[kind] <= 0.015)

CREDIT = "GalSim: Rowe et al. 2015, Astronomy and Computing 10, 121"

SMALLEST, LARGEST = 32, 512  # side of a picture
_BATCH = 50


def zoo(
    n: int,
    seed: int = 0,
    *,
    shares: Mapping[str, float] | None = None,
    size: int = 128,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """`n` simulated galaxies as a table: pictures, their truth and the votes of volunteers.

    Each galaxy depends on the seed and its number alone: not on `n` nor on `workers`. `shares`
    gives kinds (of `KINDS`) and their weights, of any sum; by default `SHARES`. `size` is the side
    of a picture in pixels. Work is spread over `workers` processes, by default one a core when
    there is enough to do; a script that uses more than one keeps its own start behind
    ``if __name__ == "__main__":``.

    The columns: id_str (SIM-00001, …), ra and dec (deg, anywhere in the footprint of a northern
    survey), kind, image (JPEG bytes, RGB), those of `TRUTH`, and for each of `QUESTIONS` the counts
    `{question}_{answer}` and `{question}_total`.

    Raises ValueError for an `n` below 1, a negative seed, a size outside 32 to 512, fewer than one
    worker, unknown kinds, weights that are negative, not finite or all zero; TypeError for what is
    no whole number; ImportError without GalSim.

    >>> table = zoo(2, seed=1, shares={"ring": 1}, progress=False)
    >>> table[["id_str", "kind"]].values.tolist()
    [['SIM-00001', 'ring'], ['SIM-00002', 'ring']]
    >>> table["image"][0][:3] == b"\\xff\\xd8\\xff"
    True
    """
    n, seed, size = _whole(n, "n"), _whole(seed, "seed"), _whole(size, "size")
    if n < 1:
        raise ValueError(f"expected n, the number of galaxies, to be 1 or more, got {n}")
    if seed < 0:
        raise ValueError(f"expected a seed of 0 or more, got {seed}")
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"expected a size of {SMALLEST} to {LARGEST} pixels, got {size}")
    weights = _weights(SHARES if shares is None else shares)
    if workers is None:
        workers = max(1, min(cores(), n // 200))
    workers = _whole(workers, "workers")
    if workers < 1:
        raise ValueError(f"expected 1 or more workers, got {workers}")
    from anomaly_zoo.simulate.canvas import galsim

    galsim()
    tasks = [
        (seed, range(start, min(start + _BATCH, n)), weights, size) for start in range(0, n, _BATCH)
    ]
    rows: list[dict[str, Any]] = []
    from tqdm.auto import tqdm

    with tqdm(total=n, unit="galaxy", desc="simulate", disable=not progress) as bar:
        for batch in _batches(tasks, min(workers, len(tasks))):
            rows += batch
            bar.update(len(batch))
    table = pd.DataFrame(rows)
    digits = max(5, len(str(n)))
    table.insert(0, "id_str", [f"SIM-{i:0{digits}d}" for i in range(1, n + 1)])
    dtypes = {name: "float32" for name in TRUTH}
    counts = [name for name in table.columns if name.split("_")[0] in QUESTIONS]
    return table.astype(dtypes | dict.fromkeys(counts, "int16"))


def save(
    path: str | os.PathLike[str],
    n: int,
    seed: int = 0,
    *,
    shares: Mapping[str, float] | None = None,
    size: int = 128,
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Write `zoo(n, seed, …)` as Parquet; its metadata say that it is simulated, and how.

    A simulated table that is there already is replaced. Raises as `zoo` does; ValueError for any
    other suffix, FileNotFoundError where there is no such folder, FileExistsError for a file of
    anything else.

    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "zoo.parquet"
    >>> save(path, 2, seed=7, progress=False)
    >>> metadata = tables.metadata(path)
    >>> metadata["simulated"], metadata["seed"]
    ('true', '7')
    """
    if tables.kind(path) != "parquet":
        raise ValueError(f"expected a .parquet file, which holds pictures, got {path}")
    folder = Path(path).expanduser().absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder to write to: {folder}")
    if Path(path).expanduser().exists() and not _simulated(path):
        raise FileExistsError(
            f"{Path(path).name} exists and holds no simulated galaxies; choose another name, or "
            "remove it first"
        )
    table = zoo(n, seed, shares=shares, size=size, workers=workers, progress=progress)
    descriptions = {
        **TRUTH,
        "id_str": "name of the galaxy",
        "kind": "what was drawn",
        "image": "the picture as JPEG",
        "ra": "right ascension, at random",
        "dec": "declination, at random",
    }
    metadata = {
        "simulated": True,
        "simulator": f"anomaly_zoo {version('anomaly-zoo')} with GalSim {version('galsim')}",
        "seed": seed,
        "number": n,
        "size": size,
        "shares": dict(SHARES if shares is None else shares),
        "credit": CREDIT,
    }
    tables.write(table, path, metadata, units=_units(), descriptions=descriptions)


def _simulated(path: str | os.PathLike[str]) -> bool:
    try:
        return tables.metadata(path).get("simulated") == "true"
    except (ValueError, OSError):
        return False


def _units() -> dict[str, str]:
    found = {"ra": "deg", "dec": "deg"}
    for name in TRUTH:
        if name.endswith(("_arcsec", "_deg")):
            found[name] = name.rsplit("_", 1)[1]
    return found | {"truth_magnitude": "mag", "truth_redness": "mag"}


Task = tuple[int, range, dict[str, float], int]


def _batches(tasks: list[Task], workers: int) -> Iterator[list[dict[str, Any]]]:
    if workers == 1:
        yield from map(_batch, tasks)
        return
    # Spawned, not forked: other threads of this process may hold locks.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_batch, tasks)


def _batch(task: Task) -> list[dict[str, Any]]:
    seed, numbers, weights, size = task
    return [_one(seed, number, weights, size) for number in numbers]


def _one(seed: int, number: int, weights: dict[str, float], size: int) -> dict[str, Any]:
    """One galaxy; kind, light and votes have random numbers of their own."""
    from anomaly_zoo.simulate.frame import expose, jpeg
    from anomaly_zoo.simulate.truth import draw
    from anomaly_zoo.simulate.votes import votes

    of_kind, of_light, of_votes = (np.random.default_rng([seed, number, i]) for i in range(3))
    kind = list(weights)[int(np.searchsorted(np.cumsum(list(weights.values())), of_kind.random()))]
    ra = of_kind.uniform(120.0, 240.0)
    low, high = np.sin(np.radians([0.0, 60.0]))
    dec = np.degrees(np.arcsin(of_kind.uniform(low, high)))
    image, truth = expose(kind, draw(kind, of_light), size, of_light)
    return {
        "ra": round(float(ra), 6),
        "dec": round(float(dec), 6),
        "kind": kind,
        "image": jpeg(image),
        **truth.columns(),
        **votes(truth, of_votes),
    }


def _whole(value: object, name: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"expected {name} to be a whole number, got {value!r}")
    return int(value)


def _weights(shares: Mapping[str, float]) -> dict[str, float]:
    """The shares brought to a sum of 1, in the order of `KINDS`, those of zero left out."""
    if not isinstance(shares, Mapping):
        raise TypeError(
            "expected shares as a dictionary of kinds and weights, such as {'ring': 1}, got "
            f"{type(shares).__name__}"
        )
    unknown = sorted(str(kind) for kind in shares if kind not in KINDS)
    if unknown:
        raise ValueError(
            f"no such kind of galaxy: {', '.join(unknown)}; the kinds are {', '.join(KINDS)}"
        )
    weights = {kind: _weight(kind, shares[kind]) for kind in KINDS if kind in shares}
    total = sum(weights.values())
    if total <= 0:
        raise ValueError("expected at least one kind with a weight above zero in shares, got none")
    kept = {kind: weight / total for kind, weight in weights.items() if weight > 0}
    last = next(reversed(kept))
    kept[last] += 1.0 - sum(kept.values()) + 1e-9  # rounding never leaves a gap at the end
    return kept


def _weight(kind: str, weight: float) -> float:
    try:
        number = float(weight)
    except (TypeError, ValueError):
        raise TypeError(f"expected a number as the weight of {kind!r}, got {weight!r}") from None
    if not (np.isfinite(number) and number >= 0):
        raise ValueError(f"expected a weight of 0 or more for {kind!r}, got {number}")
    return number
