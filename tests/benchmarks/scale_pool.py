"""The synthetic survey of scale.py and screen.py: an embedding in clusters, and a taste to find.

Its covariance has eigenvalues that fall like i^-1.5, as the leading components of deep features do;
60 clusters of different sizes and widths hold nearly all objects, and three in a thousand are
outliers. It comes in blocks that depend on the seed alone, so a small survey is the beginning of a
large one, and none is ever held in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

BLOCK = 65_536
CLUSTERS = 60
OUTLIERS = 0.003
KNOWN = 50_000  # the rated are among the first so many, whatever the size of the survey


class Files(NamedTuple):
    """Where a survey lies: features (.npy, float16), and a table of its ids."""

    features: Path
    ids: Path


def blocks(n: int, d: int, seed: int = 0) -> Iterator[np.ndarray]:
    """The n objects as float32 blocks (b, d), total variance about 1."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, d + 1) ** -1.5
    spread = np.sqrt(spectrum / spectrum.sum() / 2).astype(np.float32)
    centres = rng.normal(size=(CLUSTERS, d)).astype(np.float32) * spread
    widths = np.exp(0.4 * rng.normal(size=CLUSTERS)).astype(np.float32)
    sizes = 1 / np.arange(1, CLUSTERS + 1)
    for number, start in enumerate(range(0, n, BLOCK)):
        rng = np.random.default_rng([seed, number])
        cluster = rng.choice(CLUSTERS, BLOCK, p=sizes / sizes.sum())
        width = widths[cluster] * np.where(rng.random(BLOCK) < OUTLIERS, 5, 1).astype(np.float32)
        X = rng.standard_normal((BLOCK, d), dtype=np.float32) * spread
        yield (X * width[:, None] + centres[cluster])[: n - start]


def write(folder: Path, n: int, d: int) -> Files:
    """The survey's files, written block by block unless they are there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = Files(folder / f"survey-{n}-{d}.npy", folder / f"survey-{n}.ids.parquet")
    folder.mkdir(parents=True, exist_ok=True)
    if not files.features.exists():
        beside = files.features.with_suffix(".part")
        X = np.lib.format.open_memmap(beside, mode="w+", dtype=np.float16, shape=(n, d))
        start = 0
        for block in blocks(n, d):
            X[start : start + len(block)] = block
            start += len(block)
        X.flush()
        beside.rename(files.features)
    if not files.ids.exists():
        beside = files.ids.with_suffix(".part")
        edges = [*range(0, n, BLOCK), n]
        with pq.ParquetWriter(beside, pa.schema([("id_str", pa.string())])) as table:
            for first, last in pairwise(edges):
                ids = [f"J{row:08d}" for row in range(first, last)]
                table.write(pa.table({"id_str": pa.array(ids, pa.string())}))
        beside.rename(files.ids)
    return files


@dataclass(frozen=True)
class Taste:
    """Interested (5) in what is near one object, and in nothing else (0)."""

    wanted: np.ndarray
    reach: float

    @classmethod
    def of(cls, X: np.ndarray) -> Taste:
        """One in a hundred of the first objects of X (n, d) is near the very first one."""
        first = np.asarray(X[:KNOWN], dtype=np.float64)
        apart = np.sqrt(((first - first[0]) ** 2).sum(axis=1))
        return cls(first[0], float(np.quantile(apart, 0.01)))

    def scores(self, X: np.ndarray) -> np.ndarray:
        """The scores (m,) of objects (m, d)."""
        apart = np.sqrt(((np.asarray(X, dtype=np.float64) - self.wanted) ** 2).sum(axis=1))
        return np.where(apart < self.reach, 5.0, 0.0)

    def rated(self, X: np.ndarray, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n,) that were rated and their scores: a quarter of them was found."""
        rng = np.random.default_rng(seed)
        scores = self.scores(X[:KNOWN])
        found = rng.permutation(np.flatnonzero(scores))[: n // 4]
        dull = rng.permutation(np.flatnonzero(scores == 0))[: n - len(found)]
        rows = rng.permutation(np.concatenate([found, dull]))
        return rows, scores[rows]


def make(n: int, d: int, rated: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A small survey in memory: X (n, d) float32, rated rows and their scores."""
    X = np.concatenate(list(blocks(n, d)))
    return X, *Taste.of(X).rated(X, min(rated, n))
