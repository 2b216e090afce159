"""What is likely an artefact: a small model of the flagged objects, apart from that of interest.

Flags never enter the model of interest, so a trail beside a lovely galaxy takes nothing from it.
Here the flagged objects are compared with the rated ones, which a person has seen and not flagged,
and weakly with the pool, in which artefacts are rare. A skipped object is evidence of nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_zoo.representation import Representation
from anomaly_zoo.sweep import Job, sweep

HIDDEN = 0.5
"""From this probability on an object that nobody rated is taken for an artefact."""
SHARE = 3e-4
"""The share of the pool that one flag accounts for where nothing else is known."""
_SAMPLE = 1000
_NEIGHBOUR = 6


@dataclass(frozen=True, eq=False)
class Surroundings:
    """How densely the pool lies around each of its objects; it knows nothing of any rating.

    distance : (n,) float32, from each object to the sixth nearest of a seeded sample of the pool.
    share : how much of the sample is that near: six of it, as a fraction.
    dimension : how many dimensions the objects fill locally: the share of the pool within a small
        distance grows with that power of it.
    """

    distance: np.ndarray
    share: float
    dimension: float

    @classmethod
    def of(cls, space: Representation, seed: int = 0) -> Surroundings:
        """Measure n objects against 1,000 of them.

        The dimension is the maximum-likelihood estimate of Levina & Bickel (2005, "Maximum
        likelihood estimation of intrinsic dimension", eq. 8, its inverse averaged over the
        sample: MacKay & Ghahramani 2005), kept within 1 and 20.

        >>> flat = np.random.default_rng(0).uniform(size=(3000, 2)) @ np.ones((2, 9))
        >>> space = Representation([f"J{i}" for i in range(3000)], flat)
        >>> 0.8 < Surroundings.of(space).dimension < 1.2
        True
        """
        n = len(space)
        rows = np.random.default_rng([seed, n]).permutation(n)[:_SAMPLE]
        sample = space.take(rows)
        k = min(_NEIGHBOUR, max(1, len(rows) - 1))
        distance = np.empty(n, dtype=np.float32)
        place = np.full(n, -1, dtype=np.int32)
        place[rows] = np.arange(len(rows))
        logs: dict[int, np.ndarray] = {}

        def job(first: int, block: np.ndarray) -> None:
            away = _squared_distances(block, sample)
            own = place[first : first + len(block)]
            mine = np.flatnonzero(own >= 0)
            away[mine, own[mine]] = np.inf
            distance[first : first + len(block)] = np.sqrt(_kth(away, k))
            within = np.sqrt(np.partition(away[mine], k - 1, axis=1)[:, :k])
            good = (within > 0).all(axis=1) & np.isfinite(within).all(axis=1)
            within = within[good]
            logs[first] = np.log(within.max(axis=1, keepdims=True) / within).sum(axis=1)

        _sweep(space, job, _SAMPLE)
        told = np.concatenate([logs[first] for first in sorted(logs)])
        total = float(told.mean()) if len(told) else 0.0
        dimension = float(np.clip((k - 1) / max(total, 1e-9), 1.0, 20.0))
        distance.flags.writeable = False
        return cls(distance, k / max(len(rows), 1), dimension)


def artefact_probability(
    space: Representation, flagged: np.ndarray, rated: np.ndarray, around: Surroundings
) -> np.ndarray:
    """Return (n,) float32, how likely each object is an artefact like those that were flagged.

    A nearest-neighbour estimate of three densities (Loftsgaarden & Quesenberry 1965) and Bayes'
    rule: with D the local dimension and r the distance to the nearest flagged object, its density
    is 1 / r^D, that of the rated 1 / r'^D with r' the distance to the nearest of them, and the
    pool counts by the share c of it that is nearer than r:

        p = 1 / (1 + c / SHARE + (r / r')^D)

    So p is at least 1/2 only where the nearest flagged object is nearer than the nearest rated one
    and hardly anything else is as near. It is a cautious number to decide by, not a calibrated
    probability. Without a flag it is 0; the flagged have 1.

    space : n objects; flagged, rated : rows of it; around : of the same.

    >>> X = np.random.default_rng(0).normal(size=(2000, 3))
    >>> X[:5] = [9, 9, 9] + 0.1 * X[:5]
    >>> space = Representation([f"J{i}" for i in range(2000)], X)
    >>> around = Surroundings.of(space)
    >>> p = artefact_probability(space, np.array([0]), np.array([100, 101]), around)
    >>> (p >= HIDDEN).nonzero()[0].tolist()
    [0, 1, 2, 3, 4]
    """
    p = np.zeros(len(space), dtype=np.float32)
    if not len(flagged):
        return p
    bad, good = space.take(flagged), space.take(rated)

    def job(first: int, block: np.ndarray) -> None:
        rows = slice(first, first + len(block))
        r = np.sqrt(_squared_distances(block, bad).min(axis=1))
        usual = around.distance[rows]
        ratio = np.divide(r, usual, out=np.full_like(r, np.inf), where=usual > 0)
        odds = around.share / SHARE * _power(ratio, around.dimension)
        near = np.flatnonzero(odds < 1e3)  # all others are certainly none
        if len(near) and len(good):
            apart = np.sqrt(_squared_distances(block[near], good).min(axis=1))
            ratio = np.divide(r[near], apart, out=np.full(len(near), np.inf), where=apart > 0)
            odds[near] += _power(ratio, around.dimension)
        p[rows] = 1 / (1 + odds)

    _sweep(space, job, len(bad))
    p[flagged] = 1.0
    return p


def _sweep(space: Representation, job: Job, width: int) -> None:
    parts = space.parts(1 + len(space) // 2**16)
    sweep([part.batches for part in parts], len(space), lambda: job, width)


def _kth(away: np.ndarray, k: int) -> np.ndarray:
    """Return the k-th smallest of each row, of a large one that of the minima of eight at a time:
    a little more where two of the k share their eight, and several times as fast.

    >>> _kth(np.array([[3.0, 1.0, 2.0]]), 2).tolist()
    [2.0]
    """
    if away.shape[1] == _SAMPLE:
        width = _SAMPLE // 8
        away = np.minimum.reduce([away[:, i * width : (i + 1) * width] for i in range(8)])
    return np.partition(away, k - 1, axis=1)[:, k - 1]


def _power(ratio: np.ndarray, dimension: float) -> np.ndarray:
    return np.minimum(ratio.astype(np.float64), 1e6) ** dimension


def _squared_distances(block: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the (b, m) squared Euclidean distances of a block of objects to some points."""
    block = np.asarray(block, dtype=np.float32)
    away = block @ points.T
    away *= -2
    away += np.einsum("ij,ij->i", block, block)[:, None]
    away += np.einsum("ij,ij->i", points, points)
    return np.maximum(away, 0, out=away)
