"""Maps: scaled alike, the same for the same seed, sensible with hardly any objects."""

from __future__ import annotations

import threading
import time
import tracemalloc

import numpy as np
import pytest

from anomaly_zoo import projection
from anomaly_zoo.projection import pca_map, umap_map, umap_map_apart
from anomaly_zoo.representation import Representation


def clusters(n: int, d: int = 8, seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, size=n)
    centres = 8 * np.eye(3, d)
    return (centres[labels] + rng.normal(size=(n, d))).astype(np.float32), labels


def check_map(positions, n: int):
    assert positions.shape == (n, 2) and positions.dtype == np.float32
    assert np.isfinite(positions).all()
    assert np.abs(positions).max() <= 1.5
    if n > 1:
        low, high = np.quantile(positions, [0.005, 0.995], axis=0)
        assert (high - low).max() == pytest.approx(2, abs=0.3)


def purity(positions, labels, k: int = 5) -> float:
    """Share of the k nearest on the map that carry the same label."""
    distances = ((positions[:, None] - positions[None]) ** 2).sum(axis=2)
    nearest = np.argsort(distances, axis=1)[:, 1 : k + 1]
    return float((labels[nearest] == labels[:, None]).mean())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_pca_map_shows_the_two_widest_directions_in_proportion(dtype):
    X = np.random.default_rng(0).normal(size=(4000, 6)) * [0.1, 4, 0.1, 1, 0.1, 0.1]
    positions = pca_map(X.astype(dtype))
    check_map(positions, 4000)
    assert abs(np.corrcoef(positions[:, 0], X[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(positions[:, 1], X[:, 3])[0, 1]) > 0.99
    assert positions[:, 0].std() / positions[:, 1].std() == pytest.approx(4, rel=0.1)


def test_pca_map_of_a_sample_is_that_of_all(monkeypatch):
    X = np.random.default_rng(0).gamma(2.0, size=(3000, 4)) * [8, 3, 0.1, 0.1]
    whole = pca_map(X)
    monkeypatch.setattr(projection, "SAMPLE", 700)
    np.testing.assert_allclose(pca_map(X), whole, atol=0.1)


def test_one_outlier_does_not_shrink_the_map():
    X, _ = clusters(1000)
    X[0] = 1e5
    positions = pca_map(X)
    check_map(positions, 1000)
    assert positions[1:].std(axis=0).min() > 0.1 or np.abs(positions[0]).max() > 1


@pytest.mark.parametrize("make", [pca_map, umap_map, umap_map_apart])
def test_hardly_any_objects(make):
    check_map(make(np.zeros((1, 3))), 1)
    check_map(make(np.eye(2, 3)), 2)
    check_map(make(np.eye(5, 3)), 5)
    assert make(np.zeros((4, 3))).tolist() == [[0, 0]] * 4
    check_map(make(np.arange(3.0)[:, None]), 3)


def test_a_file_that_was_cut_short_is_an_error_and_not_a_crash(tmp_path):
    np.save(tmp_path / "X.npy", clusters(5000)[0])
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    features = Representation([f"J{i}" for i in range(5000)], X)
    np.testing.assert_array_equal(pca_map(features), pca_map(X))
    with open(tmp_path / "X.npy", "rb+") as file:
        file.truncate(20_000)
    for make in (pca_map, umap_map):
        with pytest.raises(OSError, match="cut short"):
            make(features)


@pytest.mark.parametrize("make", [pca_map, umap_map, umap_map_apart])
def test_bad_input_is_refused(make):
    with pytest.raises(ValueError, match=r"\(n, d\)"):
        make(np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        make(np.array([[0.0, 1.0], [np.nan, 1.0]]))


@pytest.mark.parametrize("n", [6, 12, 20, 40])
@pytest.mark.filterwarnings("error")
def test_umap_of_fewer_objects_than_neighbours(n):
    X, _ = clusters(n)
    check_map(umap_map(X), n)


@pytest.mark.filterwarnings("error")
def test_umap_keeps_neighbours_together_and_repeats_itself():
    X, labels = clusters(300)
    positions = umap_map(X, seed=3)
    check_map(positions, 300)
    assert purity(positions, labels) > 0.95
    np.testing.assert_array_equal(umap_map(X, seed=3), positions)
    assert not np.array_equal(umap_map(X, seed=4), positions)


def test_umap_of_duplicates():
    X = np.repeat(np.eye(4, 6, dtype=np.float32), 15, axis=0)
    positions = umap_map(X)
    check_map(positions, 60)


def test_umap_places_objects_beyond_the_sample(monkeypatch):
    monkeypatch.setattr(projection, "SAMPLE", 300)
    monkeypatch.setattr(projection, "_PLACED", 130)
    X, labels = clusters(900)
    X[899] = X[0]
    positions = umap_map(X, seed=1)
    check_map(positions, 900)
    assert purity(positions, labels) > 0.95
    np.testing.assert_array_equal(umap_map(X, seed=1), positions)


def test_a_process_of_its_own_gives_the_same_map(tmp_path, monkeypatch):
    monkeypatch.setattr(projection, "SAMPLE", 60)
    monkeypatch.setattr(projection, "_PLACED", 40)
    np.save(tmp_path / "X.npy", clusters(150)[0].astype(np.float16))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    shares = []
    features = Representation([f"J{i}" for i in range(150)], X)
    positions = umap_map_apart(features, seed=2, progress=shares.append)
    np.testing.assert_allclose(positions, umap_map(X, seed=2), atol=1e-5)
    assert shares == [40 / 150, 80 / 150, 120 / 150, 1]
    assert np.isfinite(positions).all() and positions.flags.writeable


def test_an_object_that_is_not_finite_is_found_wherever_it_is(monkeypatch):
    monkeypatch.setattr(projection, "SAMPLE", 60)
    X = clusters(150)[0]
    sample = np.random.default_rng(0).choice(150, 60, replace=False)
    X[np.setdiff1d(np.arange(150), sample)[5]] = np.inf
    for make in (pca_map, umap_map):
        with pytest.raises(ValueError, match="finite"):
            make(X)


def test_a_map_takes_no_copy_of_what_is_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(projection, "SAMPLE", 10_000)
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float16, (600_000, 40))
    X[::7] = np.random.default_rng(1).normal(size=X[::7].shape)
    features = Representation(np.arange(600_000).astype(str), X)
    tracemalloc.start()
    try:
        positions = pca_map(features)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert positions.nbytes == 8 * 600_000
    assert peak < 30e6 < X.nbytes


def test_a_cancelled_map_leaves_no_process(monkeypatch):
    started = []
    popen = projection.subprocess.Popen

    def remember(*args, **kwargs):
        started.append(popen(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(projection.subprocess, "Popen", remember)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    with pytest.raises(InterruptedError, match="cancelled"):
        umap_map_apart(clusters(5000)[0], cancelled=stop.is_set)
    assert started[0].poll() is not None
    assert time.monotonic() - began < 60


def test_a_process_that_fails_later_says_why():
    with pytest.raises(RuntimeError, match=r"its own process: ValueError: .*negative"):
        umap_map_apart(clusters(20)[0], seed=-1)


def test_a_failing_process_says_why(monkeypatch):
    monkeypatch.setattr(projection.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="its own process"):
        umap_map_apart(clusters(20)[0])


@pytest.mark.parametrize("m", [5, 128, 129, 3000])
def test_the_nearest_landmarks_are_the_nearest(m):
    rng = np.random.default_rng(0)
    landmarks = rng.normal(size=(m, 6)).astype(np.float32)
    objects = rng.normal(size=(40, 6)).astype(np.float32)
    found, away = projection._search(landmarks)(objects)
    distances = np.linalg.norm(objects[:, None] - landmarks[None], axis=2)
    np.testing.assert_array_equal(found, np.argsort(distances, axis=1)[:, :5])
    np.testing.assert_allclose(away, np.sort(distances, axis=1)[:, :5], rtol=1e-5)


@pytest.mark.parametrize("apart", [0, 8])
def test_among_many_landmarks_the_found_are_nearly_the_nearest(apart):
    X = np.random.default_rng(0).normal(size=(8_500, 8)).astype(np.float32)
    X[::2, 0] += apart
    landmarks, objects = X[:8_000], X[8_000:]
    found, away = projection._search(landmarks)(objects)
    best = np.sort(np.linalg.norm(objects[:, None] - landmarks[None], axis=2), axis=1)[:, :5]
    assert away.mean() < 1.03 * best.mean()
    assert [len(set(rows)) for rows in found.tolist()] == [5] * len(objects)


def test_landmarks_that_nearly_all_coincide():
    landmarks = np.zeros((5_000, 3), dtype=np.float32)
    landmarks[::500] += np.arange(1, 11, dtype=np.float32)[:, None]
    found, away = projection._search(landmarks)(landmarks[::250])
    assert away[:, 0].tolist() == [0] * 20
    assert [len(set(rows)) for rows in found.tolist()] == [5] * 20
