"""Nearest neighbours against the definition, where float32 would get them wrong."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_zoo import neighbours
from anomaly_zoo.neighbours import nearest
from anomaly_zoo.representation import Representation


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(neighbours, "_VALUES", 300)


def by_definition(X, query, k):
    queries = np.atleast_2d(np.asarray(query, np.float64))
    with np.errstate(over="ignore"):
        apart = X.astype(np.float64)[:, None] - queries
        distances = np.sqrt(np.einsum("nqd,nqd->nq", apart, apart)).min(axis=1)
    rows = np.lexsort((np.arange(len(X)), distances))[:k]
    return rows, distances[rows]


def check(X, query, k):
    X.flags.writeable = False
    found = nearest(X, query, k)
    rows, distances = by_definition(X, query, k)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
    assert len(found) == min(k, len(X))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("k", [1, 17, 5000, 9999])
def test_it_is_the_definition(dtype, offset, k):
    X = (np.random.default_rng(0).normal(size=(5000, 12)) + offset).astype(dtype)
    check(X, X[1234], k)
    check(X, X[:3], k)


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 400),
    d=st.integers(1, 9),
    k=st.integers(1, 60),
    q=st.integers(1, 3),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    scale=st.sampled_from([1e-41, 1e-30, 1e-3, 1.0, 1e4]),
    offset=st.sampled_from([0.0, 1.0, 3e4]),
    distinct=st.sampled_from([1, 3, 400]),
    outliers=st.sampled_from([0.0, 0.05, 0.9]),
    order=st.sampled_from(["any", "nearest last"]),
    inside=st.booleans(),
)
def test_whatever_the_objects_are(
    seed, n, d, k, q, dtype, scale, offset, distinct, outliers, order, inside
):
    """Duplicates, ties, offsets, far outliers, squares that underflow, the worst order."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * scale
    X = X[rng.integers(0, min(n, distinct), size=n)]
    X[rng.random(n) < outliers] *= 1e25 if dtype != np.float16 else 100
    limit = float(np.finfo(dtype).max)
    X = np.clip(X + offset, -limit, limit).astype(dtype)
    queries = X[rng.integers(0, n, size=q)].astype(np.float64)
    if not inside:
        queries += rng.normal(size=(q, d)) * scale
    if order == "nearest last":
        X = X[by_definition(X, queries, n)[0][::-1]]
    check(X, queries, k)


def test_ties_go_by_row_also_across_blocks():
    X = np.ones((1000, 30), dtype=np.float32)
    X[55] = 0
    assert nearest(X, np.zeros(30), 4).rows.tolist() == [55, 0, 1, 2]


def test_rows_that_float32_cannot_tell_apart_are_told_apart():
    X = np.zeros((1000, 2))
    X[:, 0] = 1 + 1e-12 * np.arange(1000)[::-1]
    assert nearest(X, np.array([0.0, 0.1]), 3).rows.tolist() == [999, 998, 997]
    X = X.astype(np.float32)  # all the same now
    assert nearest(X, np.array([0.0, 0.1]), 3).rows.tolist() == [0, 1, 2]


def test_tiny_and_huge_differences():
    X = np.array([[1e-25], [2e-25], [0.0], [1e30], [-1e30], [3e38]], dtype=np.float32)
    assert nearest(X, np.array([0.0]), 6).rows.tolist() == [2, 0, 1, 3, 4, 5]
    assert nearest(X, np.array([1e300]), 2).rows.tolist() == [0, 1]  # all as far, in float64


def test_a_query_from_outside_keeps_its_digits():
    X = np.random.default_rng(1).normal(size=(500, 4)).astype(np.float32)
    check(X, np.array([0.1, 0.2, 0.3, 0.4]), 7)
    assert nearest(X, [0, 1, 0, 0], 1).rows.shape == (1,)


def test_a_slice_and_an_array_turned_round_are_read_where_they_are():
    X = np.random.default_rng(2).normal(size=(2000, 20)).astype(np.float16)
    for view in (X[:, :7], X[::-1], X.T[:, :50], X.astype(">f4")):
        wanted = by_definition(view, view[3], 20)[0]
        assert nearest(view, view[3], 20).rows.tolist() == wanted.tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_representation_is_read_in_parts(dtype, tmp_path):
    X = np.random.default_rng(2).normal(size=(40_000, 3)).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    ids = [f"J{row}" for row in range(len(X))]
    on_disk = Representation.read(tmp_path / "X.npy", ids=ids)
    assert len(on_disk.parts(4)) > 1
    wanted = by_definition(X, X[:2], 300)[0].tolist()
    assert nearest(on_disk, X[:2], 300).rows.tolist() == wanted
    assert nearest(Representation(ids, X), X[:2], 300).rows.tolist() == wanted


def test_a_file_that_was_cut_short_is_said(tmp_path):
    X = np.random.default_rng(2).normal(size=(40_000, 3)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    features = Representation.read(tmp_path / "X.npy", ids=[f"J{row}" for row in range(len(X))])
    os.truncate(tmp_path / "X.npy", 100_000)
    with pytest.raises(OSError, match="cut short"):
        nearest(features, X[0], 5)


def test_no_row_with_nan_is_a_neighbour():
    X = np.array([[0.0], [np.nan], [2.0], [np.inf]], dtype=np.float32)
    assert nearest(X, np.array([0.5]), 4).rows.tolist() == [0, 2, 3]


def test_no_objects_have_no_neighbours():
    assert len(nearest(np.zeros((0, 3)), np.zeros(3), 5)) == 0


def test_few_rows_are_measured_twice(monkeypatch):
    """The nearest come last, so that every block holds nearer ones than all before."""
    measured = []
    plain = neighbours._Measure.exactly

    def counted(self, rows):
        measured.append(len(rows))
        return plain(self, rows)

    monkeypatch.setattr(neighbours._Measure, "exactly", counted)
    X = np.linspace(9, 1, 50_000, dtype=np.float32)[:, None]
    found = nearest(X, np.zeros(1), 10)
    assert found.rows.tolist() == list(range(49_999, 49_989, -1))
    assert sum(measured) <= 20


def test_bad_queries_are_refused():
    X = np.zeros((5, 3))
    with pytest.raises(ValueError, match=r"\(d,\) query"):
        nearest(X, np.zeros(2), 1)
    with pytest.raises(ValueError, match=r"\(d,\) query"):
        nearest(X, np.zeros((0, 3)), 1)
    with pytest.raises(ValueError, match="finite"):
        nearest(X, np.array([0, np.nan, 0]), 1)
    with pytest.raises(ValueError, match="at least 1"):
        nearest(X, np.zeros(3), 0)
