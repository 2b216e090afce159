"""Three hundred objects of which ten are interesting: the small search of several tests."""

from __future__ import annotations

import numpy as np

import anomaly_zoo as az

N = 300


def features(n: int = N, seed: int = 0) -> az.Representation:
    """Dull objects in one cloud, ten interesting ones in a small cloud of their own."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    X[:10] = [4, 3, 0, 0, 0, 0] + 0.5 * rng.normal(size=(10, 6))
    return az.Representation([f"J{i:04d}" for i in range(n)], X, name="clouds")
