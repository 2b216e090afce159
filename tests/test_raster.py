from __future__ import annotations

import numpy as np
import pytest

from anomaly_zoo.ui import raster
from anomaly_zoo.ui.raster import Raster, Window

GREY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
UNIT = Window(0, 1, 0, 1)


def paint(
    xy: np.ndarray,
    values: np.ndarray | None,
    limits: tuple[float, float],
    window: Window,
    width: int,
    height: int,
) -> np.ndarray:
    return Raster(xy, None, window, width, height).paint(values, GREY, limits)


def channels(picture: np.ndarray) -> np.ndarray:
    return picture.view(np.uint8).reshape(*picture.shape, 4)


def dense(n: int = 200_000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 2))


def test_a_pixel_shows_the_mean_of_its_objects() -> None:
    xy = dense()
    values = np.where(xy[:, 0] < 0.5, 0.2, 0.8)
    picture = channels(paint(xy, values, (0, 1), UNIT, 100, 50))
    assert picture.shape == (50, 100, 4)
    assert np.all(picture[:, :50, 0] == 51) and np.all(picture[:, 50:, 0] == 204)
    mixed = channels(paint(np.repeat(xy, 2, 0), np.tile([0.0, 1.0], len(xy)), (0, 1), UNIT, 20, 20))
    assert np.all(np.abs(mixed[..., 0].astype(int) - 128) <= 1)


def test_rows_go_up_and_nothing_outside_is_painted() -> None:
    xy = np.array([[0.95, 0.05], [2.0, 0.5], [0.5, -1.0]])
    picture = channels(paint(xy, np.ones(3), (0, 1), UNIT, 60, 60))
    rows, columns = np.nonzero(picture[..., 3])
    assert rows.max() < 10 and columns.min() > 50


def test_sparse_objects_grow_to_discs_and_crowds_do_not() -> None:
    few = np.random.default_rng(1).random((20, 2)) * 0.9 + 0.05
    sparse = channels(paint(few, np.ones(20), (0, 1), UNIT, 400, 400))
    assert (sparse[..., 3] > 0).sum() > 20 * 20
    full = channels(paint(dense(), np.ones(200_000), (0, 1), UNIT, 100, 100))
    assert np.all(full[..., 3] > 0)


@pytest.mark.parametrize("limits", [(0.0, 1.0), (5.0, 5.0)])
def test_values_beyond_the_limits_take_the_end_colours(limits: tuple[float, float]) -> None:
    xy = np.array([[0.2, 0.5], [0.8, 0.5]])
    picture = channels(paint(xy, np.array([-9.0, 99.0]), limits, UNIT, 50, 50))
    seen = picture[picture[..., 3] > 0]
    assert set(seen[:, 0].tolist()) == {0, 255}


def test_density_and_an_empty_view() -> None:
    xy = np.vstack([dense(5_000) * [0.5, 1], dense(50_000, 1) * [0.5, 1] + [0.5, 0]])
    picture = channels(paint(xy, None, (0, 1), UNIT, 50, 50))
    assert picture[:, 30:, 0].mean() > 1.3 * picture[:, :20, 0].mean()
    nothing = paint(xy, None, (0, 1), Window(5, 6, 5, 6), 10, 10)
    assert not nothing.any()


def test_zooming_in_keeps_positions() -> None:
    xy = np.array([[0.25, 0.25]])
    for window in (UNIT, Window(0.2, 0.3, 0.2, 0.3), UNIT.grown(0.25)):
        picture = channels(paint(xy, np.ones(1), (0, 1), window, 101, 101))
        row, column = (where.mean() for where in np.nonzero(picture[..., 3]))
        x = window.x0 + (column + 0.5) / 101 * (window.x1 - window.x0)
        y = window.y0 + (row + 0.5) / 101 * (window.y1 - window.y0)
        assert (x, y) == pytest.approx((0.25, 0.25), abs=0.02 * (window.x1 - window.x0))


def plain(
    xy: np.ndarray, values: np.ndarray | None, window: Window, width: int, height: int
) -> np.ndarray:
    """The picture as one would make it object by object, crowds of it only: no discs."""
    count, total = np.zeros((height, width)), np.zeros((height, width))
    for i, (x, y) in enumerate(xy.astype(float)):
        column = np.floor((x - window.x0) / (window.x1 - window.x0) * width)
        row = np.floor((y - window.y0) / (window.y1 - window.y0) * height)
        if 0 <= column < width and 0 <= row < height:
            count[int(row), int(column)] += 1
            total[int(row), int(column)] += 0 if values is None else values[i]
    if values is None:
        shade = np.log1p(count) / np.log1p(count.max())
    else:
        shade = total / np.maximum(count, 1)
    step = (np.clip(shade, 0, 1) * 255 + 0.5).astype(int)
    picture = np.zeros((height, width, 4), dtype=np.uint8)
    picture[..., :3] = GREY[step]
    picture[..., 3] = np.where(count == 1, 205, 255)
    picture[count == 0] = 0
    return picture


@pytest.mark.parametrize("block", [2**18, 77])
@pytest.mark.parametrize("window", [UNIT, Window(0.25, 0.5, 0.5, 0.75), Window(-1, 7, 0.125, 0.25)])
@pytest.mark.parametrize("some", [False, True])
def test_a_picture_is_that_of_its_objects_one_by_one(
    monkeypatch: pytest.MonkeyPatch, block: int, window: Window, some: bool
) -> None:
    monkeypatch.setattr(raster, "BLOCK", block)
    rng = np.random.default_rng(5)
    xy = rng.integers(0, 33, (4_000, 2)).astype(np.float32) / 32  # many on the borders of pixels
    values = rng.integers(0, 5, 4_000).astype(np.float32) / 4
    rows = np.sort(rng.choice(4_000, 3_000, replace=False)).astype(np.int32) if some else None
    mine, worth = (xy, values) if rows is None else (xy[rows], values[rows])
    view = Raster(xy, rows, window, 16, 8)
    inside = (mine >= (window.x0, window.y0)) & (mine < (window.x1, window.y1))
    seen = np.flatnonzero(inside.all(axis=1))
    np.testing.assert_array_equal(view.visible(), seen if rows is None else rows[seen])
    assert view.shown == len(seen)
    for _ in range(2):  # the second time from what is kept
        for given, known in ((values, worth), (None, None)):
            picture = channels(view.paint(given, GREY, (0, 1)))
            np.testing.assert_array_equal(picture, plain(mine, known, window, 16, 8))


def test_discs_hold_the_mean_of_what_they_cover() -> None:
    xy = np.array([[0.505, 0.505], [0.505, 0.505], [0.525, 0.505]], dtype=np.float32)
    picture = channels(paint(xy, np.array([0, 0.3, 0.9]), (0, 1), UNIT, 100, 100))
    assert picture[50, 50 - 3, 0] == round(0.15 * 255)
    assert picture[50, 51, 0] == round(0.4 * 255)
    assert picture[50, 52 + 3, 0] == round(0.9 * 255)
    assert np.all(picture[..., 3][picture[..., 3] > 0] == 255)


def test_a_crowd_on_one_spot_keeps_its_mean() -> None:
    n = 3_000_000
    xy = np.full((n, 2), 0.5, dtype=np.float32)
    values = np.full(n, 0.8, dtype=np.float32)
    picture = channels(paint(xy, values, (0, 1), UNIT, 64, 64))
    assert picture[32, 32].tolist() == [204, 204, 204, 255]


def test_deep_views_show_neighbouring_float32_positions_apart() -> None:
    x = np.nextafter(np.float32(0.7), np.float32([0, 1]))
    xy = np.column_stack([x, x])
    gap = float(x[1]) - float(x[0])
    window = Window(float(x[0]) - gap, float(x[1]) + gap, float(x[0]) - gap, float(x[1]) + gap)
    view = Raster(xy, None, window, 300, 300)
    assert view.shown == 2
    rows, columns = np.nonzero(channels(view.paint(None, GREY, (0, 1)))[..., 3])
    assert set(rows // 50) == set(columns // 50) == {1, 2, 3, 4}  # around 100 and 200
