"""Nearest neighbours against the definition, where float32 would get them wrong."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_zoo import neighbours
from anomaly_zoo.neighbours import nearest


def by_definition(X, query, k):
    distances = np.sqrt(((X.astype(np.float64) - np.asarray(query, np.float64)) ** 2).sum(axis=1))
    rows = np.lexsort((np.arange(len(X)), distances))[:k]
    return rows, distances[rows]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 300.0])
@pytest.mark.parametrize("k", [1, 17, 5000, 9999])
def test_it_is_the_definition(dtype, offset, k, monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", 700)  # many blocks
    X = (np.random.default_rng(0).normal(size=(5000, 12)) + offset).astype(dtype)
    X.flags.writeable = False
    found = nearest(X, X[1234], k)
    rows, distances = by_definition(X, X[1234], k)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
    assert len(found) == min(k, 5000)


def test_ties_go_by_row_also_across_blocks(monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", 10)
    X = np.ones((100, 3), dtype=np.float32)
    X[55] = 0
    assert nearest(X, np.zeros(3), 4).rows.tolist() == [55, 0, 1, 2]


def test_rows_that_float32_cannot_tell_apart_are_told_apart():
    X = np.zeros((1000, 2))
    X[:, 0] = 1 + 1e-12 * np.arange(1000)[::-1]
    query = np.array([0.0, 0.1])
    found = nearest(X, query, 3)
    assert found.rows.tolist() == [999, 998, 997]


def test_tiny_and_huge_differences():
    X = np.array([[1e-25], [2e-25], [0.0], [1e30], [-1e30]], dtype=np.float32)
    assert nearest(X, np.array([0.0]), 5).rows.tolist() == [2, 0, 1, 3, 4]


def test_a_query_from_outside_keeps_its_digits():
    X = np.random.default_rng(1).normal(size=(500, 4)).astype(np.float32)
    query = np.array([0.1, 0.2, 0.3, 0.4])
    rows, distances = by_definition(X, query, 7)
    found = nearest(X, query, 7)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
    assert nearest(X, [0, 1, 0, 0], 1).rows.shape == (1,)


def test_bad_queries_are_refused():
    X = np.zeros((5, 3))
    with pytest.raises(ValueError, match=r"\(d,\) query"):
        nearest(X, np.zeros(2), 1)
    with pytest.raises(ValueError, match="finite"):
        nearest(X, np.array([0, np.nan, 0]), 1)
    with pytest.raises(ValueError, match="at least 1"):
        nearest(X, np.zeros(3), 0)
