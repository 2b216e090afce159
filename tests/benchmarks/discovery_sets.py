"""The sets of discovery.py: features of many objects, and which of them are the rare ones.

From the data folder: CIFAR10_0, _4, _6, 23_mammography and 31_satimage-2 of ADBench as .npz (`X`,
`y`), and Galaxy Zoo 2 cutouts (`id`, `morphology`, `image`) encoded by zoonet, with the cigars as
they are or the spirals cut down to 1.5%. From the package: five rare kinds of the simulated zoo.
From scikit-learn: its digits with one of them cut down to 1%. The columns of the two tables have
unlike units and are standardised, whatever the method; all else is given as it is. The Hubble
example has no truth and is left out.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import anomaly_zoo as az

ADBENCH = ("CIFAR10_0", "CIFAR10_4", "CIFAR10_6")
TABLES = ("23_mammography", "31_satimage-2")
GZ2 = "gz2_28k_64px.parquet"
KINDS = ("merger", "pair", "arc", "jellyfish", "warped_edge_on")
DIGITS = (0, 3, 8)
SPIRALS, DIGIT = 0.015, 0.01  # the shares to which they are cut down


class Truth(NamedTuple):
    X: np.ndarray  # (n, d) float32
    rare: np.ndarray  # (n,) bool


@lru_cache(2)
def load(name: str, data: Path, cache: Path) -> Truth:
    """One of `NAMES`; the features of the Galaxy Zoo cutouts are kept in the folder `cache`."""
    X, rare = _SETS[name](data, cache)
    X = np.ascontiguousarray(X, dtype=np.float32)
    X.flags.writeable = rare.flags.writeable = False
    return Truth(X, rare)


def adbench(file: str, data: Path, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(data / f"{file}.npz") as held:
        return held["X"], held["y"] == 1


def table(file: str, data: Path, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    X, rare = adbench(file, data, cache)
    return (X - X.mean(0)) / np.maximum(X.std(0), 1e-12), rare


def cigars(data: Path, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    said = pd.read_parquet(data / GZ2, columns=["morphology"])["morphology"].to_numpy(object)
    return zoonet(data, cache), said == "cigar-shaped smooth"


def spirals(data: Path, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    said = pd.read_parquet(data / GZ2, columns=["morphology"])["morphology"].to_numpy(object)
    rows = cut_down(said == "spiral", SPIRALS / (1 - SPIRALS))
    return zoonet(data, cache)[rows], said[rows] == "spiral"


def simulated(kind: str, data: Path, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    zoo = az.examples.zoo(progress=False)
    return np.asarray(zoo.features.X), (zoo.catalog.table["kind"] == kind).to_numpy()


def digits(digit: int, data: Path, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    rows = cut_down(y == digit, DIGIT)
    return X[rows] / 16, y[rows] == digit


def cut_down(rare: np.ndarray, share: float) -> np.ndarray:
    """The rows that stay where only `share` times the others are kept of the rare ones."""
    others = np.flatnonzero(~rare)
    kept = np.random.default_rng(0).choice(
        np.flatnonzero(rare), round(share * len(others)), replace=False
    )
    return np.sort(np.concatenate([others, kept]))


def zoonet(data: Path, cache: Path) -> np.ndarray:
    """The (n, d) features of the cutouts, made once for each version of zoonet."""
    from PIL import Image

    from anomaly_zoo.encoders import Zoonet, label
    from anomaly_zoo.encoders.images import square

    encoder = Zoonet()
    file = cache / f"gz2 {label(encoder)}.npy".replace(" ", "_")
    if not file.exists():
        images = [
            square(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")), 64)
            for content in pd.read_parquet(data / GZ2, columns=["image"])["image"]
        ]
        parts = [encoder.encode(np.stack(images[i : i + 512])) for i in range(0, len(images), 512)]
        cache.mkdir(parents=True, exist_ok=True)
        half_written = file.with_suffix(f".{os.getpid()}.tmp")
        with open(half_written, "wb") as out:
            np.save(out, np.concatenate(parts))
        half_written.replace(file)
    return np.load(file)


_SETS: dict[str, Callable[[Path, Path], tuple[np.ndarray, np.ndarray]]] = {
    **{file: partial(adbench, file) for file in ADBENCH},
    **{file: partial(table, file) for file in TABLES},
    "gz2_cigar": cigars,
    "gz2_spiral": spirals,
    **{f"zoo_{kind}": partial(simulated, kind) for kind in KINDS},
    **{f"digits_{digit}": partial(digits, digit) for digit in DIGITS},
}
NAMES = tuple(_SETS)
