"""Artefacts leave the queue and the ranking; the galaxies beside them lose nothing."""

from __future__ import annotations

import numpy as np
import pytest

import anomaly_zoo as az
from anomaly_zoo.artefacts import HIDDEN, SHARE, Surroundings, artefact_probability

KINDS = ("satellite_trail", "saturated_star", "missing_data")


def cloud(n: int = 2000, seed: int = 0) -> np.ndarray:
    """Galaxies in one cloud of six dimensions; the first twelve are artefacts apart from it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    X[:12] = [7, 0, 0, 0, 0, 0] + 0.3 * rng.normal(size=(12, 6))
    return X


def space(X: np.ndarray) -> az.Representation:
    return az.Representation([f"J{i}" for i in range(len(X))], X)


def session(n: int = 2000, **options: object) -> az.Session:
    X = cloud(n)
    return az.Session(az.Representation([f"J{i:04d}" for i in range(n)], X), **options)  # type: ignore


def rows(*given: int) -> np.ndarray:
    return np.array(given, dtype=int)


def test_one_flag_finds_its_like_and_nothing_else() -> None:
    X = cloud()
    p = artefact_probability(space(X), rows(0), rows(*range(100, 140)), Surroundings.of(space(X)))
    hidden = np.flatnonzero(p >= HIDDEN)
    assert p[0] == 1
    assert len(hidden) >= 9
    assert hidden.max() < 12


def test_a_rated_galaxy_beside_a_flag_guards_those_around_it() -> None:
    X = cloud()
    around = Surroundings.of(space(X))
    without = artefact_probability(space(X), rows(0), rows(100), around)
    guarded = artefact_probability(space(X), rows(0), rows(100, 1), around)
    assert (guarded <= without + 1e-6).all()
    assert guarded[1] < HIDDEN <= without[1]
    assert guarded[2:12].mean() < without[2:12].mean()


def test_p_follows_the_formula() -> None:
    X = cloud(300)
    around = Surroundings.of(space(X))
    p = artefact_probability(space(X), rows(0), rows(50, 60), around)
    for i in (3, 8, 11):
        r = np.linalg.norm(X[i] - X[0])
        apart = min(np.linalg.norm(X[i] - X[50]), np.linalg.norm(X[i] - X[60]))
        share = around.share * (r / around.distance[i]) ** around.dimension
        odds = share / SHARE + (r / apart) ** around.dimension
        assert p[i] == pytest.approx(1 / (1 + odds), rel=1e-3)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_the_local_dimension_is_seen_in_more_columns(dimension: int) -> None:
    rng = np.random.default_rng(1)
    X = rng.uniform(size=(4000, dimension)) @ rng.normal(size=(dimension, 20))
    assert Surroundings.of(space(X)).dimension == pytest.approx(dimension, rel=0.2)


@pytest.mark.parametrize("n", [2, 7])
def test_few_or_equal_objects_break_nothing(n: int) -> None:
    for X in (np.zeros((n, 3)), np.random.default_rng(0).normal(size=(n, 3))):
        p = artefact_probability(space(X), rows(0), rows(*range(1, n)), Surroundings.of(space(X)))
        assert p[0] == 1
        assert np.isfinite(p).all() and (p[1:] < HIDDEN).all()


def test_without_a_flag_nothing_is_an_artefact() -> None:
    X = cloud(100)
    assert not artefact_probability(space(X), rows(), rows(3), Surroundings.of(space(X))).any()


def test_the_surroundings_are_the_same_from_a_file_and_in_pieces(tmp_path: object) -> None:
    X = np.random.default_rng(0).normal(size=(9000, 4)).astype(np.float32)
    file = f"{tmp_path}/x.npy"
    np.save(file, X)
    mapped = np.load(file, mmap_mode="r")
    ours, theirs = (Surroundings.of(space(objects), 3) for objects in (X, mapped))
    assert np.array_equal(ours.distance, theirs.distance) and ours.dimension == theirs.dimension


def test_likely_artefacts_leave_queue_and_ranking_and_come_back() -> None:
    held = session(seed=1)
    for id_str in ("J0100", "J0200", "J0300"):
        held.rate(id_str, 2)
    whole, before = held.ranking(), held.state.posterior
    assert whole["p_artefact"].eq(0).all()
    held.flag("J0000")
    state = held.state
    assert np.array_equal(state.posterior.mean, before.mean), "a flag says nothing of interest"
    gone = set(held.representation.ids[state.artefact])
    assert {"J0000"} < gone <= {f"J{i:04d}" for i in range(12)}
    assert not gone & set(held.next(3000))
    assert not gone & set(held.ranking()["id_str"])
    assert held.ranking()["p_artefact"].max() < HIDDEN
    every = held.ranking(artefacts=True)
    assert list(every["id_str"]) == list(whole["id_str"])
    assert set(every[every["p_artefact"] >= HIDDEN]["id_str"]) == gone
    assert held.progress().artefacts == len(gone) - 1
    assert held.provenance()["n_likely_artefacts"] == str(len(gone) - 1)
    held.undo()
    assert not held.state.artefact.any()


def test_a_rated_object_is_never_hidden_and_a_skip_is_no_evidence() -> None:
    held = session()
    held.flag("J0000")
    hidden = np.flatnonzero(held.state.artefact)[1:]
    first, second = held.representation.ids[hidden[:2]]
    p = held.state.p_artefact
    held.skip("J0500")
    assert np.array_equal(held.state.p_artefact, p)
    held.rate(first, 5)
    assert first in set(held.ranking()["id_str"])
    assert not held.state.artefact[hidden[0]]
    other = az.Session(held.representation, rater="bob")
    other.flag(second)
    assert other.state.artefact[hidden[1]]


def test_a_reopened_session_hides_the_same(tmp_path: object) -> None:
    one = session(ratings=f"{tmp_path}/r.db")
    one.flag("J0003")
    one.rate("J0004", 0)
    one.flag("J0005")
    two = session(ratings=f"{tmp_path}/r.db")
    assert np.array_equal(one.state.p_artefact, two.state.p_artefact)


def test_flags_on_the_simulated_zoo_cost_no_galaxy() -> None:
    """Five flags: the artefacts of these kinds that go, and the galaxies lost with them."""
    zoo = az.examples.zoo(progress=False)
    kind = zoo.catalog.table["kind"].astype(str).to_numpy()
    artefact = np.isin(kind, KINDS)
    X = zoo.features.pca(100).X
    around = Surroundings.of(space(X))
    found, lost = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        flagged = rng.choice(np.flatnonzero(artefact), 5, replace=False)
        rated = rng.choice(np.flatnonzero(~artefact), 100, replace=False)
        hidden = artefact_probability(space(X), flagged, rated, around) >= HIDDEN
        hidden[flagged] = hidden[rated] = False
        found.append(int(hidden[artefact].sum()))
        lost.append(int(hidden[~artefact].sum()))
    assert np.mean(found) > 7, found
    assert np.mean(lost) < 2, lost
