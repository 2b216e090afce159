"""A small table that can be searched, for the tests of the language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from anomaly_zoo.neighbours import Neighbours


class Table:
    """Columns (n,), tags, and one dimension to be near in: the row number; ids are J0, J1, …"""

    def __init__(self, columns: Mapping[str, Any], tags: Mapping[str, list[int]] | None = None):
        self.columns = dict(columns)
        self.n = len(next(iter(self.columns.values())))
        self.names = tuple(self.columns)
        self.tags = tags or {}
        self.asked: list[tuple[Any, ...]] = []

    def column(self, name: str) -> np.ndarray | pd.Series:
        return self.columns[name]

    def tagged(self, tag: str) -> np.ndarray:
        return np.array(self.tags.get(tag, []), dtype=np.int64)

    def near(
        self,
        examples: tuple[str, ...] | np.ndarray,
        k: int,
        to: str,
        apart: float | None,
        within: np.ndarray | None,
    ) -> Neighbours:
        self.asked.append((examples, k, to, apart, within))
        if isinstance(examples, np.ndarray):
            at = examples[:, 0]
        else:
            places = (self.tags.get(e, []) if e[0] == "#" else [int(e[1:])] for e in examples)
            at = np.array([float(row) for rows in places for row in rows])
        at = at.mean(keepdims=True) if to == "mean" else at
        rows = np.arange(self.n) if within is None else np.flatnonzero(within)
        distances = np.abs(rows[:, None] - at).min(axis=1)
        order = np.lexsort((rows, distances))[:k]
        return Neighbours(rows[order], distances[order])

    def within(self, ra: float, dec: float, radius: float) -> np.ndarray:
        return np.hypot(self.columns["ra"] - ra, self.columns["dec"] - dec) * 3600 <= radius

    def votes(self, question: str, answer: str) -> np.ndarray:
        return self.columns[f"{question}_{answer}"]
