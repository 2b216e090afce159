"""What "near" means: ways to weigh the axes of a representation against each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FEW = 40
_FLOOR = 1e-6  # of the largest variance: an axis of hardly any spread is noise, not a direction


@dataclass(frozen=True, eq=False)
class Geometry:
    """A weight for each of the leading principal axes; distances are Euclidean after it.

    name : for people and provenance.
    weights : (k,) float32; the first k columns of a representation are multiplied by it.

    >>> plain, half, white = family(np.array([0.9, 0.1]))
    >>> white.name, (white.weights**2 * [0.9, 0.1]).round(3).tolist()
    ('2 axes, white', [0.5, 0.5])
    >>> plain(np.ones((5, 2), dtype=np.float32)).shape
    (5, 2)
    """

    name: str
    weights: np.ndarray

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """The rows of X (n, d) in this geometry, (n, k) in the float type of X or float32."""
        return X[:, : len(self.weights)] * self.weights


def weighted(variance: np.ndarray, power: float, axes: int, kind: str) -> Geometry:
    """The leading `axes` axes, each divided by its standard deviation to the `power`.

    `variance` (d,) is that of each axis over the pool. The scale makes the total variance one, so
    that two objects are sqrt(2) apart on average. A constant axis weighs nothing.
    """
    variance = np.asarray(variance, dtype=np.float64)[:axes]
    floor = max(_FLOOR * float(variance.max(initial=0.0)), np.finfo(np.float64).tiny)
    weights = np.where(variance > 0, np.maximum(variance, floor) ** (-power / 2), 0.0)
    total = float((weights**2 * variance).sum())
    weights = weights / math.sqrt(total) if total > 0 else np.ones_like(weights)
    weights = weights.astype(np.float32)
    weights.flags.writeable = False
    return Geometry(f"{len(weights)} axes, {kind}", weights)


def family(variance: np.ndarray) -> tuple[Geometry, ...]:
    """The three geometries that a model chooses among, from the (d,) variances of the axes.

    All axes as they are (the proportions of the representation stand), and the leading 40 with
    each axis divided by the square root of its standard deviation, or by all of it (whitened).
    Whitening trusts the small axes as much as the large ones, which helps where the taste lies in
    fine detail and drowns it in noise where the small axes hold nothing: hence fewer of them.

    Raises ValueError where the variances are not (d,) finite numbers >= 0.
    """
    variance = np.asarray(variance, dtype=np.float64)
    if variance.ndim != 1 or not len(variance) or not np.isfinite(variance).all():
        raise ValueError(f"expected the (d,) finite variances of the axes, got {variance!r}")
    if (variance < 0).any():
        raise ValueError(f"a variance is never negative, got {variance.min()}")
    few = min(FEW, len(variance))
    return (
        weighted(variance, 0.0, len(variance), "as they are"),
        weighted(variance, 0.5, few, "half white"),
        weighted(variance, 1.0, few, "white"),
    )
