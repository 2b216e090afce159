"""No object that is among the nearest is left out, and hardly any other is let in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomaly_zoo import able as module
from anomaly_zoo.able import able
from anomaly_zoo.representation import Representation

N, D = 3000, 6


def cloud(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D))
    match kind:
        case "far":  # digits cancel: differences are a 100,000th of the values
            X = X + 1e5
        case "copies":
            X[: N // 2] = X[0]
        case "tight":  # many nearly equally far from the examples
            X = X / np.linalg.norm(X, axis=1, keepdims=True) * (1 + 1e-6 * rng.random((N, 1)))
        case "wild":
            X[::7] *= 1e12
        case "tiny":
            X *= 1e-18
    return X.astype(np.float32)


@pytest.mark.parametrize("kind", ["plain", "far", "copies", "tight", "wild", "tiny"])
@pytest.mark.parametrize("queries", [1, 3, 40])
@pytest.mark.parametrize("share", [None, 0.3])
def test_all_of_the_nearest_are_able(
    monkeypatch: pytest.MonkeyPatch, kind: str, queries: int, share: float | None
) -> None:
    monkeypatch.setattr(module, "_NUMBERS", 4096)
    X, rng = cloud(kind), np.random.default_rng(1)
    space = Representation([f"J{i}" for i in range(N)], X)
    asked = X[rng.choice(N, queries, replace=False)].astype(np.float64)
    if kind == "tight":
        asked *= 1e-3
    among = None if share is None else rng.random(N) < share
    truth = np.linalg.norm(X[:, None].astype(np.float64) - asked[None], axis=2).min(axis=1)
    for k in (1, 50, N, 2 * N):
        mask = able(space, asked, k, among)
        rows = np.arange(N) if among is None else np.flatnonzero(among)
        assert mask[rows[np.argsort(truth[rows])][:k]].all()
        assert among is None or not mask[~among].any()
        if kind == "plain" and k == 50:
            assert mask.sum() < 60


def test_features_on_disk(tmp_path: Path) -> None:
    X = cloud("plain").astype(np.float16)
    np.save(tmp_path / "X.npy", X)
    ids = [f"J{i}" for i in range(N)]
    stored = Representation(ids, np.load(tmp_path / "X.npy", mmap_mode="r"))
    held = Representation(ids, X.astype(np.float32))
    asked = X[:12].astype(np.float64)
    assert np.array_equal(able(stored, asked, 30), able(held, asked, 30))


def test_nothing_to_search() -> None:
    space = Representation([f"J{i}" for i in range(N)], cloud("plain"))
    assert not able(space, np.zeros((1, D)), 5, np.zeros(N, dtype=bool)).any()
