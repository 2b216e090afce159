"""What each encoder is good for: rare galaxies found by a replayed rater, and like neighbours.

    python tests/benchmarks/representation.py gz2.parquet               # ten seeds, some 20 minutes
    python tests/benchmarks/representation.py gz2.parquet --seeds 2 --encoders zoonet pixels

The Parquet file holds Galaxy Zoo 2 cutouts (`id`, `morphology`, `image`); the simulated zoo is the
one in example_data/. The rater gives 5 to the rare kind and 0 to all else, 200 ratings in batches
of ten chosen by the Session with its defaults; found are the rare ones among the 200. "held out"
are the galaxies that zoonet was not trained on. `untrained` is zoonet's network as it starts out
(`python -m anomaly_zoo.encoders.train gz2.parquet --untrained -o FILE`, made here when needed).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import rotate
from sklearn.neighbors import NearestNeighbors

import anomaly_zoo as az
from anomaly_zoo.encoders import Encoder, Pixels, Zoonet, label
from anomaly_zoo.encoders.train import galaxies
from anomaly_zoo.simulate import RARE

RATINGS, BATCH = 200, 10
SHARE = 0.015  # to which a common class is cut down
ZOO = Path(__file__).parents[2] / "example_data" / "zoo.parquet"


class Task(NamedTuple):
    name: str
    rows: np.ndarray  # of the features
    rare: np.ndarray  # which of those rows are rare


def pictures(encoded: pd.Series) -> np.ndarray:
    """(n, 64, 64, 3) uint8."""
    return galaxies.pictures(encoded).permute(0, 2, 3, 1).contiguous().numpy()


def encoded(encoder: Encoder, images: np.ndarray) -> np.ndarray:
    return np.concatenate([encoder.encode(images[i : i + 512]) for i in range(0, len(images), 512)])


def found(X: np.ndarray, rare: np.ndarray, seed: int) -> int:
    """The rare objects among 200 that a Session asked for."""
    ids = [f"{row:06d}" for row in range(len(X))]
    session = az.Session(az.Representation(ids, X), seed=seed)
    for _ in range(RATINGS // BATCH):
        for id_str in session.next(BATCH):
            session.rate(id_str, 5 if rare[int(id_str)] else 0)
    return int(rare[session.state.rated].sum())


def tasks(morphology: np.ndarray, where: np.ndarray, name: str) -> Iterator[Task]:
    """The cigars as they are, and the spirals cut down to 1.5%, among the rows `where`."""
    said = morphology[where]
    yield Task(f"{name}: cigar", where, said == "cigar-shaped smooth")
    spirals, others = where[said == "spiral"], where[said != "spiral"]
    kept = np.random.default_rng(0).choice(
        spirals, round(SHARE * len(others) / (1 - SHARE)), replace=False
    )
    rows = np.sort(np.concatenate([others, kept]))
    yield Task(f"{name}: spirals cut to 1.5%", rows, morphology[rows] == "spiral")


def agreement(
    X: np.ndarray, query: np.ndarray, said: np.ndarray, out: np.ndarray
) -> tuple[float, float]:
    """Share of the five nearest galaxies that are of the query's class: a galaxy, a class.

    `X` (n, d) are all, `query` (m, d) the held-out ones, maybe turned; neighbours are those trained
    on.
    """
    near = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(X[~out])
    agree = (said[~out][near.kneighbors(query, return_distance=False)] == said[out][:, None]).mean(
        1
    )
    classes = [agree[said[out] == name].mean() for name in np.unique(said)]
    return float(agree.mean()), float(np.mean(classes))


def untrained(gz2: Path, folder: Path) -> Zoonet:
    path = folder / "untrained.safetensors"
    given = ["--work", str(folder), "--simulated", "200", "--untrained", "-o", str(path)]
    subprocess.run(
        [sys.executable, "-m", "anomaly_zoo.encoders.train", str(gz2), *given], check=True
    )
    return Zoonet(path)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("gz2", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--encoders", nargs="+", default=["pixels", "untrained", "zoonet"])
    parser.add_argument("--weights", type=Path, help="other weights for zoonet")
    given = parser.parse_args()

    table, zoo = pd.read_parquet(given.gz2), pd.read_parquet(ZOO)
    out = galaxies.held_out(table["id"])
    said = table["morphology"].to_numpy(dtype=object)
    images, simulated = pictures(table["image"]), pictures(zoo["image"])
    kinds = zoo["kind"].to_numpy(dtype=object)
    real = [
        *tasks(said, np.arange(len(table)), "GZ2"),
        *tasks(said, np.flatnonzero(out), "held out"),
    ]
    made = [Task(f"zoo: {kind}", np.arange(len(zoo)), kinds == kind) for kind in RARE]

    for name in given.encoders:
        started = time.monotonic()
        if name == "untrained":
            with tempfile.TemporaryDirectory() as folder:
                encoder: Encoder = untrained(given.gz2, Path(folder))
                encoder.encode(images[:1])
        else:
            encoder = Pixels() if name == "pixels" else Zoonet(*filter(None, [given.weights]))
        X, Z = encoded(encoder, images), encoded(encoder, simulated)
        print(f"\n{name} ({label(encoder) if name != 'untrained' else 'as it starts out'})")
        for angle in (0, 90, 37):
            turned = images[out]
            if angle == 90:
                turned = np.ascontiguousarray(np.rot90(turned, axes=(1, 2)))
            elif angle:
                turned = rotate(turned, angle, axes=(1, 2), reshape=False, order=1, mode="constant")
            a, b = agreement(X, encoded(encoder, turned), said, out)
            print(
                f"  five neighbours agree, query turned by {angle:2d}: "
                f"{a:.3f} a galaxy, {b:.3f} a class"
            )
        for features, some in ((X, real), (Z, made)):
            for task in some:
                counts = [
                    found(features[task.rows], task.rare, seed) for seed in range(given.seeds)
                ]
                print(
                    f"  {task.name:32s} {task.rare.sum():4d} of {len(task.rows):6,d}: found "
                    f"{np.mean(counts):6.1f} ({min(counts)} to {max(counts)})",
                    flush=True,
                )
        print(f"  {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
