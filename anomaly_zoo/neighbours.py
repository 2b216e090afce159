"""Which objects look most like these: exact nearest neighbours by brute force."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from anomaly_zoo.representation import Representation
from anomaly_zoo.sweep import Rows
from anomaly_zoo.threads import cores, each

_VALUES = 400_000  # numbers a block: the block and its differences stay in the cache


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


def nearest(X: np.ndarray | Representation, query: np.ndarray, k: int) -> Neighbours:
    """Return the k rows of X with the smallest Euclidean distance to a query, exactly.

    Of several queries the closest counts; for those closest to their mean, ask with their mean.
    Parts of X are scanned by a worker a core: every row is measured roughly (float32, or float64
    where X is), and a part keeps those that rounding could let into the first k; these are
    measured in float64, as the differences that they are, so that no digits cancel far from the
    origin. Equal distances are ordered by row. A row equal to the query is a neighbour at distance
    0: ask for k + 1 and drop it when it is the query itself. A row that holds NaN is nobody's
    neighbour.

    X : (n, d) numbers, or a Representation, which is read in parts from where it lies; query :
    (d,), or (q, d) for the closest of q; k : how many, all n when n is less. Beyond X it needs some
    MB a core and 100 bytes a neighbour. Raises ValueError when the query has another length or
    holds NaN, or k is less than 1; OSError where the file of a Representation is not as it was.

    >>> X = np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0], [0.0, 1.0]])
    >>> found = nearest(X, X[0], 3)
    >>> found.rows.tolist(), found.distances.tolist()
    ([0, 2, 3], [0.0, 1.0, 1.0])
    >>> nearest(X, X[:2], 2).rows.tolist()
    [0, 1]
    """
    source = X if isinstance(X, Representation) else Rows(np.asarray(X))
    queries = np.atleast_2d(np.asarray(query, dtype=np.float64))
    shape = source.X.shape
    if len(shape) != 2 or queries.ndim != 2 or not len(queries) or queries.shape[1] != shape[1]:
        raise ValueError(
            "expected (n, d) objects and a (d,) query or (q, d) queries, got shapes "
            f"{shape} and {np.shape(query)}"
        )
    if not np.isfinite(queries).all():
        raise ValueError("the query must be finite, got NaN or infinite values")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    k = min(int(k), len(source))
    measure = _Measure(source, queries)

    def scan(part: _Part) -> _Shortlist:
        shortlist = _Shortlist(measure, k)
        for first, squares in measure.roughly(part):
            shortlist.add(first, squares)
        return shortlist

    # More parts than cores, for a core may be busy with something else.
    found = _Shortlist(measure, k)
    for shortlist in each(scan, source.parts(4 * cores()), len(source)):
        found.merge(shortlist)
    rows = found.settled()
    distances = measure.exactly(rows)
    order = np.lexsort((rows, distances))[:k]
    return Neighbours(rows[order], distances[order])


class _Part(Protocol):
    """What is scanned: blocks of rows with the number of the first."""

    def batches(self, size: int) -> Iterator[tuple[int, np.ndarray]]: ...


class _Measure:
    """Distances to the closest query: those of all rows in few digits, of a few rows in all."""

    def __init__(self, source: Representation | Rows, queries: np.ndarray) -> None:
        self.source, self.queries = source, queries
        given = source.X.dtype
        known = given.kind == "f" and given.itemsize <= 8
        self.stored = given.newbyteorder("=") if known else np.dtype(np.float64)
        working = np.result_type(self.stored, np.float32)
        with np.errstate(over="ignore"):
            self.rounded = queries.astype(working)
            lost = np.linalg.norm(queries - self.rounded, axis=1).max()
        limits, d = np.finfo(working), queries.shape[1]
        # A sum of d squares is off by less than (d + 3) eps of itself, and by what underflows; a
        # query that was rounded moves each distance by no more than it was moved.
        self.relative = 2 * (d + 8) * float(limits.eps)
        self.absolute = 2 * d * float(limits.tiny)
        self.moved = 2 * float(lost)
        self.size = max(1, _VALUES // max(1, d))

    def roughly(self, part: _Part) -> Iterator[tuple[int, np.ndarray]]:
        """The first row of each block, and the (b,) squared distances to the closest query."""
        import torch

        queries = torch.from_numpy(self.rounded)
        shape = self.size, queries.shape[1]
        stored: np.ndarray | None = None
        differences = torch.empty(shape, dtype=queries.dtype)
        ones = torch.ones(shape[1], dtype=queries.dtype)
        for first, block in part.batches(self.size):
            b = len(block)
            if not block.flags.carray or block.dtype not in (np.float32, self.stored):
                # What torch cannot take as it is: locked, turned round, of other numbers.
                stored = np.empty(shape, dtype=self.stored) if stored is None else stored
                np.copyto(stored[:b], block)
                block = stored[:b]
            rows = torch.from_numpy(block)
            closest: torch.Tensor | None = None
            for query in queries:
                torch.sub(rows, query, out=differences[:b])
                squares = torch.mv(differences[:b].square_(), ones)
                closest = squares if closest is None else torch.minimum(closest, squares)
            assert closest is not None
            del rows, block  # so that the memory of the block can be used again
            yield first, closest.numpy()

    def exactly(self, rows: np.ndarray) -> np.ndarray:
        """The (m,) float64 distances of some rows."""
        distances = np.empty(len(rows))
        with np.errstate(over="ignore"):
            for start in range(0, len(rows), self.size):
                some = slice(start, start + self.size)
                block = self.source.take(rows[some]).astype(np.float64)
                apart = (block - query for query in self.queries)
                squares = np.min([np.einsum("ij,ij->i", a, a) for a in apart], axis=0)
                distances[some] = np.sqrt(squares)
        return distances

    def reach(self, square: float) -> float:
        """How large the rough square may be of a row no farther than one whose rough square this
        is."""
        root = math.sqrt((square + self.absolute) * (1 + self.relative)) + self.moved
        if root > 1e150:
            return math.inf
        return root * root * (1 + self.relative) + self.absolute


@dataclass(eq=False)
class _Shortlist:
    """The rows that may be among the k nearest of those added so far: k and hardly any more."""

    measure: _Measure
    k: int
    limit: float = math.inf
    rows: list[np.ndarray] = field(default_factory=list)
    squares: list[np.ndarray] = field(default_factory=list)
    held: int = 0

    def add(self, start: int, squares: np.ndarray) -> None:
        """Add the rows from `start` on, by their rough squared distances."""
        near = np.flatnonzero(squares <= self.limit)
        if len(near):
            self._take(near + start, squares[near])

    def merge(self, other: _Shortlist) -> None:
        """Add the rows of another shortlist."""
        for rows, squares in zip(other.rows, other.squares, strict=True):
            self._take(rows, squares)

    def settled(self) -> np.ndarray:
        """The rows that are left, in any order."""
        self._narrow()
        return np.concatenate(self.rows) if self.rows else np.empty(0, dtype=np.int64)

    def _take(self, rows: np.ndarray, squares: np.ndarray) -> None:
        self.rows.append(rows)
        self.squares.append(squares)
        self.held += len(rows)
        if self.held > 2 * self.k:
            self._narrow()

    def _narrow(self) -> None:
        """Leave out what is farther than the k-th by more than rounding."""
        if self.held <= self.k:
            return
        rows, squares = np.concatenate(self.rows), np.concatenate(self.squares)
        limit = self.measure.reach(float(np.partition(squares, self.k - 1)[self.k - 1]))
        with np.errstate(over="ignore"):
            self.limit = min(self.limit, float(squares.dtype.type(limit)))
        near = squares <= self.limit
        rows, squares = rows[near], squares[near]
        if len(rows) > 2 * self.k:  # few digits cannot tell so many apart
            order = np.lexsort((rows, self.measure.exactly(rows)))[: self.k]
            rows, squares = rows[order], squares[order]
        self.rows, self.squares, self.held = [rows], [squares], len(rows)
