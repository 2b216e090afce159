"""The index of the map gives what looking at all objects gives, on maps of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_zoo.ui import cells as module
from anomaly_zoo.ui.cells import Cells
from anomaly_zoo.ui.raster import Window

RNG = np.random.default_rng(8)


def crowds(n: int = 20_000) -> np.ndarray:
    centre = RNG.normal(size=(20, 2))[RNG.integers(0, 20, n)]
    return centre + RNG.normal(size=(n, 2)) * RNG.choice([1e-5, 0.01, 0.3], n)[:, None]


MAPS = {
    "one object": np.zeros((1, 2)),
    "two objects": np.array([[0, 0], [1, 1]]),
    "all at one point": np.full((5_000, 2), 0.3),
    "all at one point but one": np.vstack([np.full((5_000, 2), 0.3), [[1e30, -1e30]]]),
    "a line": np.column_stack([np.linspace(-1, 1, 5_000), np.zeros(5_000)]),
    "on the borders": RNG.integers(0, 40, (20_000, 2)) / 8,
    "crowds": crowds(),
    "crowds and an outlier": np.vstack([crowds(), [[1e6, 3]]]),
    "even": RNG.random((20_000, 2)),
}


@pytest.fixture(scope="module", params=MAPS)
def cells(request: pytest.FixtureRequest) -> Cells:
    return Cells(MAPS[request.param].astype(np.float32))


def spots(xy: np.ndarray, n: int) -> np.ndarray:
    """Objects, places near them, and places anywhere."""
    on = xy[RNG.integers(0, len(xy), n)].astype(np.float64)
    near = on + RNG.normal(size=(n, 2)) * 10 ** RNG.uniform(-6, 0, (n, 1))
    return np.vstack([on, near, RNG.uniform(-2, 2, (n, 2))])


def test_no_object_of_a_window_is_missed(cells: Cells) -> None:
    xy = cells.xy.astype(np.float64)
    for x, y in spots(cells.xy, 40):
        dx, dy = 10 ** RNG.uniform(-6, 1, 2)
        window = Window(x - dx, x + dx, y - dy, y + dy)
        rows = cells.around(window)
        if rows is not None:
            inside = (xy >= (x - dx, y - dy)) & (xy < (x + dx, y + dy))
            assert np.isin(np.flatnonzero(inside.all(axis=1)), rows).all()
            assert len(np.unique(rows)) == len(rows)


def test_the_nearest_is_the_nearest(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly_zoo.ui.raster.BLOCK", 1_000)
    xy = cells.xy.astype(np.float64)
    for x, y in spots(cells.xy, 30):
        reach = tuple(10 ** RNG.uniform(-4, 0.5, 2))
        away = (((xy - (x, y)) / reach) ** 2).sum(axis=1)
        expected = int(away.argmin()) if away.min() <= 1 else None
        assert cells.nearest(float(x), float(y), reach) == expected


def turns(xy: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """By how many edges a ray to the right is crossed, one object and one edge at a time."""
    count = np.zeros(len(xy), dtype=int)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        level = (np.minimum(y0, y1) <= xy[:, 1]) & (xy[:, 1] < np.maximum(y0, y1))
        with np.errstate(all="ignore"):
            count += level & (xy[:, 0] < x0 + (xy[:, 1] - y0) * ((x1 - x0) / (y1 - y0)))
    return count


def test_a_polygon_holds_what_is_inside_it(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly_zoo.ui.raster.BLOCK", 3_000)
    xy = cells.xy.astype(np.float64)
    among = RNG.random(len(xy)) < 0.5
    for x, y in spots(cells.xy, 6):
        size = 10 ** RNG.uniform(-3, 0.5, 2)
        free = (x, y) + RNG.normal(size=(RNG.integers(3, 40), 2)) * size  # its lines cross
        box = (x, y) + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
        for polygon in (free, box):
            expected = turns(xy, polygon) % 2 == 1
            assert cells.inside(polygon).tolist() == np.flatnonzero(expected).tolist()
            mine = np.flatnonzero(expected & among).tolist()
            assert cells.inside(polygon, among).tolist() == mine
    assert len(cells.inside(np.array([[0, 0], [1, 0], [2, 0]]))) == 0


def test_the_closest_are_the_closest(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly_zoo.ui.raster.BLOCK", 1_000)
    xy = cells.xy.astype(np.float64)
    among = RNG.random(len(xy)) < 0.1
    for x, y in spots(cells.xy, 8):
        unit = tuple(10 ** RNG.uniform(-4, 0.5, 2))
        away = (((xy - (x, y)) / unit) ** 2).sum(axis=1)
        order = np.argsort(away, kind="stable")
        assert cells.closest(float(x), float(y), 24, unit).tolist() == order[:24].tolist()
        mine = order[among[order]][:24].tolist()
        assert cells.closest(float(x), float(y), 24, unit, among).tolist() == mine


def test_objects_without_a_position_are_in_no_cell() -> None:
    xy = MAPS["crowds"].astype(np.float32)
    gone = np.arange(len(xy)) % 3 == 0
    holed = xy.copy()
    holed[gone] = np.nan
    holed[3, 0], holed[6] = 0.5, np.inf
    cells, rest = Cells(holed), Cells(xy[~gone])
    rows = np.flatnonzero(~gone)
    assert cells.n == rest.n == len(rows)
    square = np.array([[-2, -2], [2, -2], [2, 2], [-2, 2]])
    assert cells.inside(square).tolist() == rows[rest.inside(square)].tolist()
    for x, y in spots(xy[~gone], 10):
        assert cells.closest(x, y, 5).tolist() == rows[rest.closest(x, y, 5)].tolist()
    nobody = Cells(np.full((100, 2), np.nan, dtype=np.float32))
    assert nobody.n == 0 and nobody.nearest(0, 0, (1, 1)) is None
    assert len(nobody.closest(0, 0, 5)) == len(nobody.inside(square)) == 0


def test_few_are_looked_at_where_few_are_seen() -> None:
    xy = np.vstack([crowds(200_000), [[1e9, 1e9], [-1e9, 0]]]).astype(np.float32)
    cells = Cells(xy)
    for x, y in spots(xy, 20)[:40]:
        rows = cells.around(Window(x - 1e-6, x + 1e-6, y - 1e-6, y + 1e-6))
        assert rows is not None and len(rows) < len(xy) / 40
    assert cells.around(Window(-5, 5, -5, 5)) is None
    assert cells._order.nbytes == 4 * len(xy)


def test_an_empty_part_of_the_map_has_no_nearest() -> None:
    cells = Cells(MAPS["even"].astype(np.float32))
    assert cells.nearest(5, 5, (1, 1)) is None
    assert cells.nearest(1.5, 0.5, (1, 1)) is not None
    assert module.SIDE**2 == 2**16  # cells are numbered in sixteen bits
