"""Where objects stand on the map, by any choice, with odd columns too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.projection import pca_map
from anomaly_zoo.ui.layouts import by_columns, choices, coordinates, layout_xy, numeric_columns

N = 50


@pytest.fixture(scope="module")
def space() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    rng = np.random.default_rng(1)
    return Catalog(
        pd.DataFrame(
            {
                "id_str": [f"J{i}" for i in range(N)],
                "ra": rng.uniform(0, 20, N),
                "dec": rng.uniform(-5, 5, N),
                "x": rng.uniform(0, 1000, N),
                "y": [np.nan, np.inf, *rng.uniform(0, 1000, N - 2)],
                "one": np.full(N, 7.0),
                "lost": np.full(N, np.nan),
                "huge": [1e300, *range(1, N)],
                "night": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(N), unit="D"),
                "type": ["S", "E"] * (N // 2),
                "bar": [True, False] * (N // 2),
                "a,y:b": np.arange(N),
                "b": np.arange(N) * 2.0,
            }
        )
    )


def test_what_there_is(catalog: Catalog) -> None:
    assert choices(None) == {"umap": "UMAP", "pca": "PCA"}
    said = choices(catalog, {"mine": np.zeros((N, 2))})
    assert list(said) == ["umap", "pca", "sky", "aitoff", "pixels", "given:mine"]
    assert said["given:mine"] == "mine"
    names = numeric_columns(catalog)
    assert "night" in names and "lost" in names and "a,y:b" in names
    assert not {"id_str", "type", "bar"} & set(names)


def test_every_choice_is_a_map(space: np.ndarray, catalog: Catalog) -> None:
    given = {"mine": np.arange(2 * N).reshape(N, 2), "umap": -space[:, :2]}
    for choice in choices(catalog, given):
        xy = layout_xy(choice, space, catalog, given)
        assert xy.shape == (N, 2) and xy.dtype == np.float32
    np.testing.assert_array_equal(layout_xy("pca", space), pca_map(space))
    np.testing.assert_array_equal(layout_xy("umap", space, given=given), given["umap"])
    np.testing.assert_array_equal(layout_xy("given:mine", space, given=given), given["mine"])


def test_the_sky_runs_east_to_the_left(space: np.ndarray, catalog: Catalog) -> None:
    for choice in ("sky", "aitoff"):
        x = layout_xy(choice, space, catalog)[:, 0]
        assert np.corrcoef(x, catalog.table["ra"])[0, 1] < -0.99


def test_what_has_no_position_has_none_in_both(space: np.ndarray, catalog: Catalog) -> None:
    xy = layout_xy("pixels", space, catalog)
    assert np.isnan(xy[:2]).all() and np.isfinite(xy[2:]).all()
    assert np.isnan(layout_xy("x:huge,y:b", space, catalog)[0]).all()  # beyond float32


def test_two_columns(space: np.ndarray, catalog: Catalog) -> None:
    xy = layout_xy(by_columns("night", "one"), space, catalog)
    assert xy[0, 0] == 2020 and xy[-1, 0] == pytest.approx(2020 + (N - 1) / 366)
    assert (xy[:, 1] == 7).all()
    xy = layout_xy(by_columns("a,y:b", "b"), space, catalog)
    np.testing.assert_array_equal(xy, np.arange(N)[:, None] * [1, 2])
    same = layout_xy(by_columns("b", "b"), space, catalog)
    assert (same[:, 0] == same[:, 1]).all()


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("umap", "not there yet"),
        ("polar", "there is no layout 'polar'; there are umap, pca, sky"),
        ("given:yours", "there is no layout"),
        ("x:type,y:b", "'type' holds 'S'"),
        ("x:b,y:bar", "'bar' holds True or False"),
        ("x:b,y:none", "no column 'none'; its columns of numbers are ra"),
        ("x:b", "expected a layout like"),
        ("x:lost,y:b", "no object has a position by lost and b"),
    ],
)
def test_what_there_is_not(space: np.ndarray, catalog: Catalog, choice: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        layout_xy(choice, space, catalog)


@pytest.mark.parametrize("choice", ["sky", "pixels", "x:a,y:b"])
def test_without_a_catalogue(space: np.ndarray, choice: str) -> None:
    with pytest.raises(ValueError, match="there is no"):
        layout_xy(choice, space)


def test_coordinates_of_your_own() -> None:
    given = np.array([[0, 1], [np.inf, 2], [3, 4]])
    [mine] = coordinates({"mine": given}, 3).values()
    assert np.isnan(mine[1]).all() and np.isinf(given[1, 0])  # what was given is left alone
    assert coordinates({"frame": pd.DataFrame({"x": [1], "y": [2]})}, 1)["frame"].tolist() == [
        [1, 2]
    ]
    assert coordinates(None, 3) == {}
    with pytest.raises(TypeError, match="dict of names"):
        coordinates(given, 3)
    with pytest.raises(ValueError, match=r"shape \(3, 2\); expected \(4, 2\)"):
        coordinates({"mine": given}, 4)
    with pytest.raises(ValueError, match="no numbers"):
        coordinates({"mine": [["a", "b"]]}, 1)
    with pytest.raises(ValueError, match="no object has a position"):
        coordinates({"mine": np.full((2, 2), np.nan)}, 2)
