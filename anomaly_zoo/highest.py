"""The exact highest few of many numbers, without ordering all of them."""

from __future__ import annotations

import numpy as np

SMALL = 65_536
"""Up to so many every one is looked at."""
STRIDE = 128
"""Of more, each of so many tells what the highest reach at least."""


def highest(values: np.ndarray, k: int, open_: np.ndarray) -> np.ndarray:
    """The rows (at most k) of the highest of values (n,) where `open_` (n,), best first.

    Ties go to the lower row; what is not finite is never among them. The k-th highest of some of
    the values is never above the k-th highest of all: what lies below it is left out unsorted.

    >>> highest(np.array([1.0, 3.0, -np.inf, 3.0]), 3, np.ones(4, dtype=bool))
    array([1, 3, 0])
    """
    rows = _at_least(values, _kth(values, k, open_))
    rows = rows[open_[rows] & np.isfinite(values[rows])]
    if len(rows) > k > 0:
        rows = rows[values[rows] >= np.partition(values[rows], -k)[-k]]
    return rows[np.argsort(-values[rows], kind="stable")][: max(k, 0)]


def _kth(values: np.ndarray, k: int, open_: np.ndarray) -> float:
    """A number that the k-th highest of the values reaches at least."""
    if len(values) <= SMALL or k < 1:
        return -np.inf
    some = values[::STRIDE][open_[::STRIDE]]
    return float(np.partition(some, -k)[-k]) if len(some) >= k else -np.inf


def _at_least(values: np.ndarray, least: float) -> np.ndarray:
    if not np.isfinite(least):
        return np.arange(len(values))
    return np.flatnonzero(values >= least)
