"""The map without a browser: what it sends for a view, and what a tap finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from bokeh.events import RangesUpdate, Tap
from waiting import until

from anomaly_zoo.ui.map import DOTS, MARGIN, PALETTES, Colouring, GalaxyMap
from anomaly_zoo.ui.raster import Raster, Window

N = 60_000


class Screen:
    """A map of objects whose taps are kept; its views live on the painter's thread."""

    def __init__(self, xy: np.ndarray) -> None:
        self.tapped: list[int] = []
        self.troubles: list[Exception] = []
        self.values = np.random.default_rng(1).random(len(xy), dtype=np.float32)
        self.map = GalaxyMap(xy, self.tapped.append, self._soon)
        self.map.colour(Colouring("interest", self.values, 0, 1))
        until(self.map._sorted)

    def _soon(self, function: Any, *args: Any) -> None:
        try:
            function(*args)
        except Exception as error:
            self.troubles.append(error)

    def settle(self) -> None:
        self.map._painter.submit(lambda: None).result()
        assert not self.troubles

    def go(self, window: Window) -> None:
        self.map._moved(RangesUpdate(self.map.figure, **vars(window)))
        self.settle()

    @property
    def dots(self) -> dict[str, Any]:
        return self.map._sources["dots"].data

    @property
    def pictures(self) -> list[np.ndarray]:
        return self.map._picture.data["image"]


@pytest.fixture
def screen() -> Iterator[Screen]:
    xy = np.random.default_rng(0).normal(size=(N, 2)).astype(np.float32)
    shown = Screen(xy)
    yield shown
    shown.map.close()


def afresh(screen: Screen, values: np.ndarray) -> np.ndarray:
    """The picture of the present view, from all objects and nothing kept."""
    kept = screen.map._raster
    whole = Raster(screen.map.xy, None, kept.window, kept.width, kept.height)
    return whole.paint(values, PALETTES["interest"], (0, 1))


def test_pictures_from_what_is_kept_are_those_made_afresh(screen: Screen) -> None:
    for window in (screen.map._home, Window(-1, 0, 0, 1), Window(-0.55, 0, 0, 0.55)):
        screen.go(window)
        for values in (screen.values, 1 - screen.values):
            screen.map.colour(Colouring("interest", values, 0, 1))
            screen.settle()
            assert len(screen.dots["x"]) == 0
            np.testing.assert_array_equal(screen.pictures[0], afresh(screen, values))
    assert screen.map._raster._rows is not None  # the last view was looked up


def test_few_objects_are_dots_and_all_of_them(screen: Screen) -> None:
    window = Window(1, 1.2, -0.3, 0.1)
    screen.go(window)
    x, y = screen.map.xy.astype(np.float64).T
    seen = window.grown(MARGIN)
    inside = (x >= seen.x0) & (x < seen.x1) & (y >= seen.y0) & (y < seen.y1)
    assert 0 < inside.sum() <= DOTS and not screen.pictures
    assert sorted(screen.dots["x"]) == sorted(x[inside])
    screen.go(Window(50, 51, 50, 51))
    assert not len(screen.dots["x"]) and not screen.pictures


def test_a_tap_means_the_nearest_on_the_screen(screen: Screen) -> None:
    width, height, _ = screen.map.pane.size
    window = Window(-0.4, 0.1, 0.2, 0.25)
    screen.go(window)
    pixels = np.array([width / 0.5, height / 0.05])
    for x, y in np.random.default_rng(3).uniform((-0.4, 0.2), (0.1, 0.25), (20, 2)).tolist():
        screen.tapped.clear()
        screen.map._tapped(Tap(screen.map.figure, x=x, y=y))
        away = np.linalg.norm((screen.map.xy.astype(np.float64) - (x, y)) * pixels, axis=1)
        assert screen.tapped == ([int(away.argmin())] if away.min() <= 24 else [])


def test_new_positions_are_sorted_anew(screen: Screen) -> None:
    xy = screen.map.xy[::-1] * np.float32(3)
    screen.map.place(xy)
    screen.settle()
    until(screen.map._sorted)
    screen.go(Window(3, 3.01, 3, 3.01))
    x, y = map(float, xy[77])
    screen.map._tapped(Tap(screen.map.figure, x=x, y=y))
    assert screen.tapped == [77]


@pytest.mark.parametrize(
    "xy",
    [
        np.zeros((2, 2)),
        np.array([[0, 0], [1, 1]]),
        np.full((20_000, 2), 0.25),
        np.vstack([np.random.default_rng(0).random((20_000, 2)), [[1e7, -1e7]]]),
    ],
    ids=["one spot", "two", "a crowd on one spot", "an outlier"],
)
def test_odd_maps(xy: np.ndarray) -> None:
    shown = Screen(xy)
    shown.settle()
    assert bool(shown.pictures) == (len(xy) > DOTS)
    assert len(shown.dots["x"]) == (0 if shown.pictures else len(xy))
    if shown.pictures:
        assert (shown.pictures[0] > 0).any()
    x, y = map(float, shown.map.xy[1])
    shown.map._tapped(Tap(shown.map.figure, x=x, y=y))
    assert (shown.map.xy[shown.tapped[0]] == shown.map.xy[1]).all()
    shown.map.close()
    shown.map.repaint()  # nothing is painted any more
    assert not shown.troubles
