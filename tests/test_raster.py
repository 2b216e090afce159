from __future__ import annotations

import numpy as np
import pytest

from anomaly_zoo.ui.raster import Window, paint

GREY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
UNIT = Window(0, 1, 0, 1)


def channels(picture: np.ndarray) -> np.ndarray:
    return picture.view(np.uint8).reshape(*picture.shape, 4)


def dense(n: int = 200_000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 2))


def test_a_pixel_shows_the_mean_of_its_objects() -> None:
    xy = dense()
    values = np.where(xy[:, 0] < 0.5, 0.2, 0.8)
    picture = channels(paint(xy, values, GREY, (0, 1), UNIT, 100, 50))
    assert picture.shape == (50, 100, 4)
    assert np.all(picture[:, :50, 0] == 51) and np.all(picture[:, 50:, 0] == 204)
    mixed = channels(
        paint(np.repeat(xy, 2, 0), np.tile([0.0, 1.0], len(xy)), GREY, (0, 1), UNIT, 20, 20)
    )
    assert np.all(np.abs(mixed[..., 0].astype(int) - 128) <= 1)


def test_rows_go_up_and_nothing_outside_is_painted() -> None:
    xy = np.array([[0.95, 0.05], [2.0, 0.5], [0.5, -1.0]])
    picture = channels(paint(xy, np.ones(3), GREY, (0, 1), UNIT, 60, 60))
    rows, columns = np.nonzero(picture[..., 3])
    assert rows.max() < 10 and columns.min() > 50


def test_sparse_objects_grow_to_discs_and_crowds_do_not() -> None:
    few = np.random.default_rng(1).random((20, 2)) * 0.9 + 0.05
    sparse = channels(paint(few, np.ones(20), GREY, (0, 1), UNIT, 400, 400))
    assert (sparse[..., 3] > 0).sum() > 20 * 20
    full = channels(paint(dense(), np.ones(200_000), GREY, (0, 1), UNIT, 100, 100))
    assert np.all(full[..., 3] > 0)


@pytest.mark.parametrize("limits", [(0.0, 1.0), (5.0, 5.0)])
def test_values_beyond_the_limits_take_the_end_colours(limits: tuple[float, float]) -> None:
    xy = np.array([[0.2, 0.5], [0.8, 0.5]])
    picture = channels(paint(xy, np.array([-9.0, 99.0]), GREY, limits, UNIT, 50, 50))
    seen = picture[picture[..., 3] > 0]
    assert set(seen[:, 0].tolist()) == {0, 255}


def test_density_and_an_empty_view() -> None:
    xy = np.vstack([dense(5_000) * [0.5, 1], dense(50_000, 1) * [0.5, 1] + [0.5, 0]])
    picture = channels(paint(xy, None, GREY, (0, 1), UNIT, 50, 50))
    assert picture[:, 30:, 0].mean() > 1.3 * picture[:, :20, 0].mean()
    nothing = paint(xy, None, GREY, (0, 1), Window(5, 6, 5, 6), 10, 10)
    assert not nothing.any()


def test_zooming_in_keeps_positions() -> None:
    xy = np.array([[0.25, 0.25]])
    for window in (UNIT, Window(0.2, 0.3, 0.2, 0.3), UNIT.grown(0.25)):
        picture = channels(paint(xy, np.ones(1), GREY, (0, 1), window, 101, 101))
        row, column = (where.mean() for where in np.nonzero(picture[..., 3]))
        x = window.x0 + (column + 0.5) / 101 * (window.x1 - window.x0)
        y = window.y0 + (row + 0.5) / 101 * (window.y1 - window.y0)
        assert (x, y) == pytest.approx((0.25, 0.25), abs=0.02 * (window.x1 - window.x0))
