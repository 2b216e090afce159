"""Exploration: what is shown as long as nothing was found, by brute force beside it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest

import anomaly_zoo as az
from anomaly_zoo import start
from anomaly_zoo.geometry import weighted
from anomaly_zoo.start import DRAW, Exploration, alike

NONE = np.array([], dtype=int)


def cloud(n: int = 400, d: int = 5, seed: int = 0) -> np.ndarray:
    """Objects in clusters, some alone, with axes of falling variance."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + 6 * rng.normal(size=(8, d))[rng.integers(0, 8, n)]
    X[:10] *= 4
    return (X * np.geomspace(1, 0.1, d)).astype(np.float32)


def space(X: np.ndarray) -> az.Representation:
    return az.Representation([f"J{i}" for i in range(len(X))], X)


def walk(X: np.ndarray, seed: int = 0) -> Exploration:
    return Exploration(space(X), X.var(axis=0), seed)


def everything(X: np.ndarray) -> np.ndarray:
    return np.ones(len(X), dtype=bool)


def distances(X: np.ndarray, kind: float = 0.5) -> np.ndarray:
    """(n, n) distances in the half white geometry, float64, by pairs."""
    Z = X.astype(float) * weighted(X.var(axis=0), kind, X.shape[1], "").weights.astype(float)
    return np.sqrt(np.square(Z[:, None] - Z[None]).sum(axis=-1))


def test_no_row_comes_twice_and_all_come() -> None:
    X = cloud(150)
    exploration, open_, seen = walk(X), everything(X), []
    while new := exploration.next(7, np.array(seen, dtype=int), open_):
        seen += new
        open_[new] = False
    assert sorted(seen) == list(range(150))
    assert sorted(walk(X).next(1000, NONE, everything(X))) == list(range(150))


def test_threads_that_ask_at_once_get_what_they_would_alone() -> None:
    X = cloud(3000)
    looked = [np.random.default_rng(n).choice(3000, 2 + n % 30, replace=False) for n in range(200)]
    asked = [seen[: len(seen) // 2] if n % 2 else seen for n, seen in enumerate(looked)]
    alone = [walk(X).next(3, seen, everything(X)) for seen in asked]
    shared = walk(X)
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda seen: shared.next(3, seen, everything(X)), asked))
    assert together == alone


@pytest.mark.parametrize("seed", range(4))
def test_all_but_the_draws_go_to_the_farthest_of_all(seed: int) -> None:
    X = cloud(seed=seed)
    apart = distances(X)
    chosen = walk(X, seed).next(60, NONE, everything(X))
    for look, row in enumerate(chosen):
        if look == 0 or look % DRAW == DRAW - 1:
            continue
        nearest = apart[:, chosen[:look]].min(axis=1)
        assert nearest[row] >= (1 - 1e-3) * nearest.max()


def test_the_draws_are_drawn() -> None:
    """They go by the squared distance: to many places, hardly ever beside a seen object."""
    X = cloud()
    apart = distances(X, 0.0)
    seen = np.array(walk(X).next(DRAW - 1, NONE, everything(X)))
    nearest = apart[:, seen].min(axis=1)
    drawn = [walk(X, seed).next(1, seen, everything(X))[0] for seed in range(200)]
    assert len(set(drawn)) > 50
    expected = (nearest**2 * nearest).sum() / (nearest**2).sum()
    spread = nearest.std() / np.sqrt(200)
    assert nearest[drawn].mean() == pytest.approx(expected, abs=4 * spread)


@pytest.mark.parametrize("seed", range(20))
def test_no_object_is_left_farther_than_twice_the_best_possible(seed: int) -> None:
    """Gonzalez (1985), with the draws between: after the first look and f looks to the farthest,
    no object is farther from a seen one than twice the best radius that f + 1 looks can leave.

    Each of the f and the first lie at least the radius r from all looks before them, and so does
    the object at r in the end: two of these f + 2 share one of the best f + 1 centres.
    """
    X = cloud(13, 2, seed=seed)
    apart = distances(X)
    looks = 4 + seed % 2
    chosen = walk(X, seed).next(looks, NONE, everything(X))
    farthest = 1 + sum(1 for look in range(1, looks) if look % DRAW != DRAW - 1)
    best = min(
        apart[:, list(centres)].min(axis=1).max() for centres in combinations(range(13), farthest)
    )
    assert apart[:, chosen].min(axis=1).max() <= 2 * best + 1e-5


@pytest.mark.parametrize("seed", range(10))
def test_the_bound_holds_with_many_draws_and_from_any_start(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "DRAW", 2)  # every second look is a draw
    X = cloud(12, 2, seed=seed)
    apart = distances(X)
    seen = np.array([seed % 12])
    chosen = [int(seen[0]), *walk(X, seed).next(5, seen, everything(X) & (np.arange(12) != seen))]
    best = min(apart[:, list(c)].min(axis=1).max() for c in combinations(range(12), 3))
    assert apart[:, chosen].min(axis=1).max() <= 2 * best + 1e-5, "looks 2 and 4 went farthest"


def test_it_moves_on_to_every_cluster() -> None:
    """Seven tight clusters, one of them of two objects among a thousand: found in seven looks."""
    rng = np.random.default_rng(0)
    centres = 10 * rng.normal(size=(7, 4))
    which = np.r_[rng.integers(0, 6, 1000), 6, 6]
    X = (centres[which] + 0.1 * rng.normal(size=(1002, 4))).astype(np.float32)
    for seed in range(10):
        chosen = walk(X, seed).next(7, NONE, everything(X))
        assert set(which[chosen]) == set(range(7))


def test_the_seed_and_what_was_seen_decide_alone() -> None:
    X = cloud()
    open_ = everything(X)
    first = walk(X, 3).next(30, NONE, open_)
    assert first == walk(X, 3).next(30, NONE, open_)
    assert first != walk(X, 4).next(30, NONE, open_)
    # One by one, at once, reopened in any order, or after going back: the same looks follow.
    stepwise, exploration = [], walk(X, 3)
    for _ in range(30):
        stepwise += exploration.next(1, np.array(stepwise, dtype=int), open_)
    assert stepwise == first
    shuffled = np.random.default_rng(0).permutation(first[:17])
    assert walk(X, 3).next(13, shuffled, open_) == first[17:]
    assert exploration.next(13, shuffled, open_) == first[17:], "went back from 30 to 17 looks"
    assert exploration.next(30, NONE, open_) == first


def test_asking_changes_nothing() -> None:
    X = cloud()
    exploration, open_ = walk(X), everything(X)
    seen = np.array(exploration.next(12, NONE, open_))
    assert exploration.next(5, seen, open_) == exploration.next(9, seen, open_)[:5]
    assert open_.all()


def test_what_is_not_open_is_never_chosen_but_counts_as_seen() -> None:
    X = cloud()
    open_ = everything(X)
    open_[::2] = False
    chosen = walk(X).next(50, NONE, open_)
    assert len(chosen) == 50 and all(row % 2 for row in chosen)
    # A flagged outlier: what lies around it is not shown next.
    apart = distances(X)
    seen = np.array([int(apart.sum(axis=1).argmax()), 100])
    for row in walk(X).next(4, seen, open_ & (np.arange(len(X)) != seen[0])):
        assert apart[row, seen].min() > np.median(apart[:, seen].min(axis=1))


@pytest.mark.parametrize("n", [2, 30])
def test_all_objects_alike(n: int) -> None:
    X = np.full((n, 3), 7.0, dtype=np.float32)
    assert sorted(walk(X).next(100, NONE, everything(X))) == list(range(n))


def test_copies_of_seen_objects_come_last() -> None:
    """Twenty places with 15 copies each: the first 20 looks see every place."""
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(20, 6)), 15, axis=0).astype(np.float32)
    X += 1e-6 * rng.normal(size=X.shape).astype(np.float32)
    chosen = walk(X).next(60, NONE, everything(X))
    assert {row // 15 for row in chosen[:20]} == set(range(20))
    assert len(set(chosen)) == 60


@pytest.mark.parametrize("offset", [0.0, 300.0])
@pytest.mark.parametrize("far", [1e3, 1e6])
def test_outliers_come_first_and_hide_nothing(far: float, offset: float) -> None:
    rng = np.random.default_rng(1)
    centres = 10 * rng.normal(size=(6, 4))
    which = rng.integers(0, 6, 600)
    X = centres[which] + 0.1 * rng.normal(size=(600, 4)) + offset
    X[:3] = far * np.eye(4)[:3]
    X = (X - X.mean(axis=0)).astype(np.float32)
    chosen = walk(X).next(25, NONE, everything(X))
    assert set(chosen[:5]) >= {0, 1, 2}
    assert set(which[chosen]) == set(range(6))


def test_more_left_to_ask_for_than_there_is() -> None:
    X = cloud(12)
    open_ = everything(X)
    open_[:9] = False
    assert sorted(walk(X).next(50, np.arange(9), open_)) == [9, 10, 11]
    assert walk(X).next(5, np.arange(12), ~everything(X)) == []


def test_of_a_large_pool_a_sample_is_explored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "POOL", 50)
    X = cloud(200)
    exploration, open_ = walk(X, 1), everything(X)
    chosen = exploration.next(200, NONE, open_)
    assert len(set(chosen)) == 50 and chosen == walk(X, 1).next(200, NONE, open_)
    outside = np.setdiff1d(np.arange(200), chosen)[:5]
    apart = distances(X)
    [row] = exploration.next(1, outside, open_)
    nearest = apart[:, outside].min(axis=1)
    assert nearest[row] >= (1 - 1e-3) * nearest[chosen].max(), "objects outside count as seen"


# --- examples ------------------------------------------------------------------------------------


def test_examples_are_followed_by_their_neighbours_in_turn() -> None:
    X = cloud()
    apart = distances(X)
    examples = np.array([50, 51, 390])
    order = alike(space(X), X.var(axis=0), examples, 12)
    assert order[:3].tolist() == [50, 51, 390]
    assert len(set(order.tolist())) == 12
    ranks = {
        int(row): min(np.argsort(apart[e]).tolist().index(row) for e in examples) for row in order
    }
    assert list(ranks.values()) == sorted(ranks.values()), "nearest first, of any example"
    assert max(ranks.values()) <= 12


def test_more_examples_than_asked_for_and_fewer_objects() -> None:
    X = cloud(20)
    variance = X.var(axis=0)
    assert alike(space(X), variance, np.arange(15), 10).tolist() == list(range(10))
    assert sorted(alike(space(X), variance, np.array([3]), 50).tolist()) == list(range(20))
