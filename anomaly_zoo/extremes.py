"""The lowest and the highest of every thousand of many numbers: a search for the best few reads
these, and then little else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STRETCH = 1024
"""So many numbers, one after the other, make a stretch."""


@dataclass(frozen=True, eq=False)
class Extremes:
    """The lowest and the highest number of each stretch of n; n: how many there are.

    low, high : (s,) float32; NaN where a stretch holds NaN.

    >>> found = Extremes.of(np.arange(3000, dtype=np.float32))
    >>> found.low.tolist(), found.high.tolist(), found.range
    ([0.0, 1024.0, 2048.0], [1023.0, 2047.0, 2999.0], (0.0, 2999.0))
    """

    n: int
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def empty(cls, n: int) -> Extremes:
        """Of n numbers that are still to be measured."""
        count = -(-n // STRETCH)
        return cls(n, np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32))

    @classmethod
    def of(cls, values: np.ndarray) -> Extremes:
        """Of values (n,)."""
        found = cls.empty(len(values))
        found.measure(values, 0)
        return found

    def measure(self, values: np.ndarray, first: int) -> None:
        """Note those of values (b,), which are the numbers from `first`, a multiple of the
        stretch, on; b is another one, or they are the last."""
        whole, place = len(values) // STRETCH, first // STRETCH
        stretches = values[: whole * STRETCH].reshape(whole, STRETCH)
        stretches.min(axis=1, out=self.low[place : place + whole])
        stretches.max(axis=1, out=self.high[place : place + whole])
        if len(rest := values[whole * STRETCH :]):
            self.low[place + whole], self.high[place + whole] = rest.min(), rest.max()

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest of all; zeros where there is none."""
        return (float(self.low.min()), float(self.high.max())) if self.n else (0.0, 0.0)
