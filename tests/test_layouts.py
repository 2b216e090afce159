"""Where objects stand on the map, by any choice, with odd columns too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.projection import pca_map
from anomaly_zoo.ui.layouts import by_columns, choices, coordinates, layout, numeric_columns

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
    given = coordinates({"mine": np.arange(2 * N).reshape(N, 2), "umap": -space[:, :2]}, N)
    for choice in choices(catalog, given):
        xy = layout(choice, space, catalog, given).xy
        assert xy.shape == (N, 2) and xy.dtype == np.float32
    np.testing.assert_array_equal(layout("pca", space).xy, pca_map(space))
    np.testing.assert_array_equal(layout("umap", space, given=given).xy, -space[:, :2])
    assert layout("given:mine", space, given=given) is given["mine"]


def test_the_sky_runs_east_to_the_left(space: np.ndarray, catalog: Catalog) -> None:
    for choice in ("sky", "aitoff"):
        x = layout(choice, space, catalog).xy[:, 0]
        assert np.corrcoef(x, catalog.table["ra"])[0, 1] < -0.99


def test_what_has_no_position_has_none_in_both(space: np.ndarray, catalog: Catalog) -> None:
    xy = layout("pixels", space, catalog).xy
    assert np.isnan(xy[:2]).all() and np.isfinite(xy[2:]).all()
    assert np.isnan(layout("x:huge,y:b", space, catalog).xy[0]).all()  # beyond float32


def test_two_columns(space: np.ndarray, catalog: Catalog) -> None:
    made = layout(by_columns("night", "one"), space, catalog)
    nights = [made.grid.where(x, 7.0) for x in made.xy[[0, -1], 0]]
    assert nights == ["night 2020-01-01T00:00:00, one 7", "night 2020-02-19T00:00:00, one 7"]
    assert (made.xy[:, 1] == 7).all()
    xy = layout(by_columns("a,y:b", "b"), space, catalog).xy
    np.testing.assert_array_equal(xy, np.arange(N)[:, None] * [1, 2])
    same = layout(by_columns("b", "b"), space, catalog).xy
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
        layout(choice, space, catalog)


@pytest.mark.parametrize("choice", ["sky", "pixels", "x:a,y:b"])
def test_without_a_catalogue(space: np.ndarray, choice: str) -> None:
    with pytest.raises(ValueError, match="there is no"):
        layout(choice, space)


FINE = {
    "julian day": 2460000.5 + np.linspace(-0.01, 0.01, 400),
    "seconds": 1_700_000_000 + np.arange(400),
    "nanoseconds": 1_700_000_000_000_000_000 + np.arange(400) * 1000,
    "luminosity": np.geomspace(1e38, 1e45, 400),
    "flux": np.geomspace(1e-18, 1e-15, 400),
    "night": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(400), unit="s"),
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_different_stands_in_different_places(name: str) -> None:
    values = FINE[name]
    ids = [f"J{i}" for i in range(400)]
    known = Catalog(pd.DataFrame({"id_str": ids, "v": values, "w": np.arange(400.0)}))
    made = layout("x:v,y:w", np.eye(400), known)
    assert len(np.unique(made.xy[:, 0])) == 400 and (np.diff(made.xy[:, 0]) > 0).all()
    (_, one), (_, other) = made.grid.x.ticks(*made.xy[[0, -1], 0].astype(float))[:2]
    assert one != other
    if name != "night":
        back = [made.grid.x.scale.true(place) for place in made.xy[:, 0]]
        spread = np.ptp(np.asarray(values, dtype=float))
        np.testing.assert_allclose(back, values, rtol=1e-5, atol=1e-5 * spread)
    [own] = coordinates(
        {"own": np.column_stack([np.asarray(values).astype(float)] * 2)}, 400
    ).values()
    assert name == "nanoseconds" or len(np.unique(own.xy[:, 0])) == 400


def test_coordinates_of_your_own() -> None:
    given = np.array([[0, 1], [np.inf, 2], [3, 4]])
    [mine] = (made.xy for made in coordinates({"mine": given}, 3).values())
    assert np.isnan(mine[1]).all() and np.isinf(given[1, 0])  # what was given is left alone
    [frame] = coordinates({"frame": pd.DataFrame({"x": [1], "y": [2]})}, 1).values()
    assert frame.xy.tolist() == [[1, 2]]
    assert coordinates(None, 3) == {}
    with pytest.raises(TypeError, match="dict of names"):
        coordinates(given, 3)
    with pytest.raises(ValueError, match=r"shape \(3, 2\); expected \(4, 2\)"):
        coordinates({"mine": given}, 4)
    with pytest.raises(ValueError, match="no numbers"):
        coordinates({"mine": [["a", "b"]]}, 1)
    with pytest.raises(ValueError, match="no object has a position"):
        coordinates({"mine": np.full((2, 2), np.nan)}, 2)
