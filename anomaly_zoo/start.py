"""The first galaxies to look at, before any rating: spread over the representation."""

from __future__ import annotations

import numpy as np

POOL = 20_000


def spread(X: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Rows (count,) of X (n, d), each drawn with probability growing with its squared distance
    from those before it (k-means++ seeding: Arthur & Vassilvitskii 2007).

    Of more than 20,000 objects a seeded sample of that many is considered. With fewer distinct
    objects than `count`, the rest are drawn at random.

    >>> X = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 50, axis=0)
    >>> sorted(int(row) // 50 for row in spread(X, 3, seed=1))
    [0, 1, 2]
    """
    rng = np.random.default_rng([seed, len(X)])
    pool = np.arange(len(X))
    if len(X) > POOL:
        pool = np.sort(rng.choice(len(X), POOL, replace=False))
    points = np.asarray(X[pool], dtype=np.float32)
    count = min(count, len(pool))
    chosen: list[int] = []
    distance = np.full(len(pool), np.inf, dtype=np.float64)
    left = np.ones(len(pool), dtype=bool)
    while len(chosen) < count:
        weight = np.where(left, distance, 0.0)
        if not chosen or not weight.sum() > 0:
            weight = left.astype(np.float64)
        pick = int(rng.choice(len(pool), p=weight / weight.sum()))
        chosen.append(pick)
        left[pick] = False
        distance = np.minimum(distance, np.square(points - points[pick]).sum(axis=1))
    return pool[chosen]
