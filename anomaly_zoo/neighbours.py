"""Which objects look most like this one: exact nearest neighbours by brute force."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BLOCK = 16_384


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest objects to a query, nearest first.

    rows : (k,) int64, their rows.
    distances : (k,) float64, their Euclidean distances, units of the representation.
    """

    rows: np.ndarray
    distances: np.ndarray

    def __post_init__(self) -> None:
        self.rows.flags.writeable = False
        self.distances.flags.writeable = False

    def __len__(self) -> int:
        """Return how many neighbours were found."""
        return len(self.rows)


def nearest(X: np.ndarray, query: np.ndarray, k: int) -> Neighbours:
    """Return the k rows of X with the smallest Euclidean distance to a query, exactly.

    Every row is measured in float32, block by block; all rows that its rounding could let into
    the first k are measured again in float64. Equal distances are ordered by row. A row equal to
    the query is a neighbour at distance 0: ask for k + 1 and drop it when it is the query itself.

    X : (n, d), in memory or memory-mapped; query : (d,); k : how many, all n when n is less.
    Raises ValueError when the query has another length or holds NaN, or k is less than 1.

    >>> X = np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0], [0.0, 1.0]])
    >>> found = nearest(X, X[0], 3)
    >>> found.rows.tolist(), found.distances.tolist()
    ([0, 2, 3], [0.0, 1.0, 1.0])
    """
    X = np.asanyarray(X)
    query = np.asarray(query)
    if X.ndim != 2 or query.shape != X.shape[1:]:
        raise ValueError(
            f"expected (n, d) objects and a (d,) query, got shapes {X.shape} and {query.shape}"
        )
    if not np.isfinite(query).all():
        raise ValueError("the query must be finite, got NaN or infinite values")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    k = min(int(k), len(X))
    # Work in the precision of X (a float16 one is lifted to float32), unless that would round
    # the query; differences before squares, so that no digits cancel far from the origin.
    working = np.result_type(X.dtype, np.float32)
    narrow = query.astype(working)
    query = narrow if np.array_equal(narrow, query) else query.astype(np.float64)
    # A float32 sum of d squares is off by less than (d + 4) eps of itself.
    slack = (X.shape[1] + 4) * float(np.finfo(np.float32).eps)
    buffer = np.empty((min(_BLOCK, len(X)), X.shape[1]), dtype=np.float32)
    rows = np.empty(0, dtype=np.int64)
    distances = np.empty(0)
    for start in range(0, len(X), _BLOCK):
        block = X[start : start + _BLOCK]
        difference = np.subtract(block, query, out=buffer[: len(block)], casting="same_kind")
        rough = np.einsum("ij,ij->i", difference, difference)
        if len(rows) == k:
            limit = distances[-1] ** 2
        else:
            limit = np.partition(rough, k - 1)[k - 1] if len(rough) > k else np.inf
            limit = float(limit) * (1 + slack)
        # A little more for squares that underflow in float32.
        candidates = np.flatnonzero(rough <= limit * (1 + 2 * slack) + 1e-36)
        exact = block[candidates].astype(np.float64) - query
        rows = np.concatenate([rows, candidates + start])
        distances = np.concatenate([distances, np.sqrt(np.einsum("ij,ij->i", exact, exact))])
        first = np.lexsort((rows, distances))[:k]
        rows, distances = rows[first], distances[first]
    return Neighbours(rows, distances)
