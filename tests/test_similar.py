"""The search among some, without some, and without near-duplicates, against brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomaly_zoo import similar as module
from anomaly_zoo.positions import separations
from anomaly_zoo.representation import Representation
from anomaly_zoo.similar import similar

N, D = 900, 5


def space(folder: Path | None = None) -> Representation:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)).astype(np.float16)
    X[100:120] = X[100]  # copies: ties
    ids = [f"J{row}" for row in range(N)]
    if folder is None:
        return Representation(ids, X.astype(np.float32))
    np.save(folder / "X.npy", X)
    return Representation(ids, np.load(folder / "X.npy", mmap_mode="r"))


def brute(X: np.ndarray, queries: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    apart = np.linalg.norm(X[:, None].astype(float) - queries[None].astype(float), axis=2).min(1)
    order = np.lexsort((np.arange(len(X)), apart))
    order = order[allowed[order]]
    return order, apart[order]


@pytest.mark.parametrize("disk", [False, True])
@pytest.mark.parametrize("share", [None, 0.0, 0.01, 0.4, 1.0])
@pytest.mark.parametrize("k", [1, 30, 5000])
def test_it_is_the_search_of_those_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: bool, share: float | None, k: int
) -> None:
    monkeypatch.setattr(module, "_NUMBERS", 70 * D)
    monkeypatch.setattr(module, "_MASK", 256)
    known = space(tmp_path if disk else None)
    X = np.asarray(known.X, dtype=np.float32)
    examples = np.array([100, 7, 899])
    rng = np.random.default_rng(1)
    among = None if share is None else rng.random(N) < share
    allowed = np.ones(N, dtype=bool) if among is None else among.copy()
    allowed[examples] = False
    before = None if among is None else among.copy()
    found = similar(known, X[examples], k, among=among, without=examples)
    rows, distances = brute(X, X[examples], allowed)
    assert found.rows.tolist() == rows[:k].tolist()
    np.testing.assert_allclose(found.distances, distances[:k])
    assert before is None or np.array_equal(among, before), "the mask given is left as it was"


@pytest.mark.parametrize("k", [5, 100, 800])
def test_near_duplicates_are_dropped_until_k_are_found(k: int) -> None:
    known, rng = space(), np.random.default_rng(2)
    group = rng.integers(0, 200, N)  # some five objects at each place of the sky
    ra, dec = 0.1 * group + rng.uniform(0, 1e-4, N), np.zeros(N)
    ra[::10] = np.nan
    examples = np.array([3, 4])
    found = similar(known, known.X[examples], k, without=examples, apart=2.0, sky=(ra, dec))
    expected: list[int] = []
    allowed = ~np.isin(np.arange(N), examples)
    for row in brute(known.X, known.X[examples], allowed)[0]:
        kept = [*examples, *expected]
        same = separations(ra[kept], dec[kept], (ra[row], dec[row])) <= 2.0
        if np.isnan(ra[row]) or not same.any():
            expected.append(row)
    assert found.rows.tolist() == expected[:k]
    assert np.all(np.diff(found.distances) >= 0)
    assert len(expected) < 400


def test_where_all_are_at_one_place_it_ends() -> None:
    known, zero = space(), np.zeros(N)
    first = np.array([5])
    found = similar(known, known.X[first], 10, without=first, apart=1.0, sky=(zero, zero))
    assert len(found) == 0
    assert len(similar(known, known.X[first], 10, apart=1.0, sky=(zero, zero))) == 1
