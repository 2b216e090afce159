"""Where to look before anything was found: far from all that was seen, and here and there."""

from __future__ import annotations

import numpy as np

from anomaly_zoo.geometry import weighted
from anomaly_zoo.representation import Representation

POOL = 100_000
DRAW = 10
"""Every so many looks one is drawn at random instead of the farthest."""


class Exploration:
    """Goes through a representation so that looks without a find are never lost.

    Of ten looks, nine go to the object that is farthest from everything seen so far, in a
    geometry between the plain and the whitened one: the traversal of Gonzalez (1985), after k of
    whose steps no object is farther from a seen one than twice what the best possible k looks would
    leave, so that it provably moves on. Outliers come first, where the rare things are found
    soonest. The tenth is drawn with a probability that grows with its squared distance (Arthur &
    Vassilvitskii 2007), which also reaches rare things in crowded places.

    space : n objects; variance : (d,) of each axis. Of more than 100,000 objects a seeded sample
    of that many is considered.

    >>> X = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 50, axis=0).astype("float32")
    >>> space = Representation([f"J{i}" for i in range(150)], X)
    >>> walk = Exploration(space, X.var(axis=0), seed=1)
    >>> everything = np.ones(150, dtype=bool)
    >>> sorted(int(row) // 50 for row in walk.next(3, np.array([], dtype=int), everything))
    [0, 1, 2]
    """

    def __init__(self, space: Representation, variance: np.ndarray, seed: int) -> None:
        self._seed = seed
        self._space = space
        self._rows, pool = space.sample(POOL, [seed, len(space)])
        half = weighted(variance, 0.5, len(variance), "half white")
        plain = weighted(variance, 0.0, len(variance), "as they are")
        self._spaces = [(geometry, *_squared(geometry(pool))) for geometry in (half, plain)]
        self._last = self._nothing()

    def _nothing(self) -> tuple[frozenset[int], list[np.ndarray]]:
        """No row seen, and the squared distances to the nearest of none."""
        n = len(self._rows)
        return frozenset(), [np.full(n, np.inf, dtype=np.float32) for _ in self._spaces]

    def next(self, n: int, seen: np.ndarray, open_: np.ndarray) -> list[int]:
        """Up to n rows to look at, in order: none but where `open_` (n,) is True.

        `seen` are the rows that were looked at, in any order; with the seed they decide.
        """
        known = frozenset(int(row) for row in seen)
        before, last = self._last  # read and set as one: threads may ask at once
        if not before <= known:
            before, last = self._nothing()
        away = [distance.copy() for distance in last]
        for row in known - before:
            self._see(away, row)
        self._last = known, [distance.copy() for distance in away]
        left = open_[self._rows]
        chosen: list[int] = []
        for look in range(len(known), len(known) + n):
            if not left.any():
                break
            place = self._choose(look, away, left)
            chosen.append(int(self._rows[place]))
            left[place] = False
            self._see(away, chosen[-1])
        return chosen

    def _choose(self, look: int, away: list[np.ndarray], left: np.ndarray) -> int:
        farthest, drawn = (np.where(left, distance, 0.0) for distance in away)
        first = not np.isfinite(farthest[left]).all()
        if not first and look % DRAW != DRAW - 1 and farthest.max() > 0:
            return int(farthest.argmax())
        chance = left.astype(np.float64) if first or not drawn.max() > 0 else drawn.astype(float)
        rng = np.random.default_rng([self._seed, look, len(self._rows)])
        return int(rng.choice(len(chance), p=chance / chance.sum()))

    def _see(self, away: list[np.ndarray], row: int) -> None:
        """Bring the distances to the nearest seen object up to date."""
        x = self._space.take(np.array([row]))
        for distance, (geometry, points, norms) in zip(away, self._spaces, strict=True):
            [z] = geometry(x)
            squared = norms - 2 * (points @ z) + z @ z
            # What lies within rounding of a seen object is a copy of it.
            squared[squared < 1e-6 * (norms + z @ z)] = 0.0
            np.minimum(distance, squared, out=distance)


def _squared(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points with their squared norms."""
    return points, np.einsum("ij,ij->i", points, points)


def alike(space: Representation, variance: np.ndarray, examples: np.ndarray, n: int) -> np.ndarray:
    """Up to n rows to begin with where examples (rows) are given: the examples, then the nearest
    neighbour of each, the second nearest of each, and so on.

    >>> X = np.array([[0.0], [0.1], [0.3], [5.0], [5.2], [9.0]])
    >>> space = Representation([f"J{i}" for i in range(6)], X)
    >>> alike(space, np.ones(1), np.array([0, 3]), 5).tolist()
    [0, 3, 1, 4, 2]
    """
    geometry = weighted(variance, 0.5, len(variance), "half white")
    wanted = min(n, len(space))
    own = geometry(space.take(examples))
    distances = np.empty((len(examples), len(space)), dtype=np.float32)
    for first, block in space.batches():
        near = geometry(block)
        for distance, z in zip(distances, own, strict=True):
            distance[first : first + len(block)] = np.square(near - z).sum(axis=1)
    lists = []
    for distance, row in zip(distances, examples, strict=True):
        distance[row] = -1.0
        nearest = np.argpartition(distance, wanted - 1)[:wanted]
        lists.append(nearest[np.lexsort((nearest, distance[nearest]))])
    order = dict.fromkeys(int(row) for row in np.stack(lists, axis=1).ravel())
    return np.array(list(order)[:wanted])
