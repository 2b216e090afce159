"""The exact highest few of many numbers, without ordering all of them."""

from __future__ import annotations

import numpy as np

from anomaly_zoo.extremes import STRETCH, Extremes

SMALL = 65_536
"""Up to so many every one is looked at."""
STRIDE = 128
"""Of more, each of so many tells what the highest reach at least."""
_CLOSED = 32  # so many stretches more than k are looked at first, for their best may not be open
_WORTH = 4  # the extremes help where they leave out three quarters


def highest(
    values: np.ndarray, k: int, open_: np.ndarray, extremes: Extremes | None = None
) -> np.ndarray:
    """The rows (at most k) of the highest of values (n,) where `open_` (n,), best first.

    Ties go to the lower row; what is not finite is never among them. The k-th highest of some of
    the values is never above the k-th highest of all: what lies below it is left out unsorted, and
    with the `extremes` of the values, finite ones then, unread.

    >>> highest(np.array([1.0, 3.0, -np.inf, 3.0]), 3, np.ones(4, dtype=bool))
    array([1, 3, 0])
    """
    if extremes is not None and (rows := _in_stretches(values, k, open_, extremes)) is not None:
        return rows[np.argsort(-values[rows], kind="stable")][:k]
    least = _kth(values, k, open_)
    rows = np.flatnonzero(values > least)
    rows = rows[open_[rows] & np.isfinite(values[rows])]
    if len(rows) < k and np.isfinite(least):
        rows = np.concatenate([rows, _equal(values, least, open_, k - len(rows))])
    if len(rows) > k > 0:
        rows = rows[values[rows] >= np.partition(values[rows], -k)[-k]]
    return rows[np.argsort(-values[rows], kind="stable")][: max(k, 0)]


def _in_stretches(
    values: np.ndarray, k: int, open_: np.ndarray, extremes: Extremes
) -> np.ndarray | None:
    """The rows of the k highest and maybe some more, in order, from the few stretches that hold
    them; None where these are not few."""
    n, count = len(values) // STRETCH * STRETCH, k + _CLOSED
    highs = extremes.high[: n // STRETCH]
    if k < 1 or _WORTH * count >= len(highs):
        return None
    blocks, opened = values[:n].reshape(-1, STRETCH), open_[:n].reshape(-1, STRETCH)
    some = np.argpartition(-highs, count)[:count]
    best = np.where(opened[some], blocks[some], -np.inf).max(axis=1)  # one of each stretch
    least = np.partition(best, -k)[-k]
    stretches = np.flatnonzero(highs >= least)
    if not np.isfinite(least) or _WORTH * len(stretches) >= len(highs):
        return None
    places, within = np.nonzero((blocks[stretches] >= least) & opened[stretches])
    rest = n + np.flatnonzero((values[n:] >= least) & open_[n:])
    return np.concatenate([stretches[places] * STRETCH + within, rest])


def _kth(values: np.ndarray, k: int, open_: np.ndarray) -> float:
    """A number that the k-th highest of the values reaches at least."""
    if len(values) <= SMALL or k < 1:
        return -np.inf
    some = values[::STRIDE][open_[::STRIDE]]
    return float(np.partition(some, -k)[-k]) if len(some) >= k else -np.inf


def _equal(values: np.ndarray, value: float, open_: np.ndarray, count: int) -> np.ndarray:
    """The first rows (count,), or all there are, that are open and of this value."""
    found = [np.zeros(0, dtype=np.intp)]
    for first in range(0, len(values), SMALL):
        if sum(map(len, found)) >= count:
            break
        rows = slice(first, first + SMALL)
        found.append(first + np.flatnonzero((values[rows] == value) & open_[rows]))
    return np.concatenate(found)[:count]
