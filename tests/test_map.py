"""The map without a browser: what it sends for a view, and what a tap finds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from bokeh.events import RangesUpdate, SelectionGeometry, Tap
from waiting import until

from anomaly_zoo.ui.colours import NONE, PALETTES, Colouring, by_column, by_density
from anomaly_zoo.ui.grids import Axis, ColumnGrid
from anomaly_zoo.ui.map import AROUND, DOTS, MARGIN, SMALL, GalaxyMap
from anomaly_zoo.ui.mosaic import Painted
from anomaly_zoo.ui.painting import RINGS
from anomaly_zoo.ui.raster import Raster, Window

N = 60_000


def shaded(values: np.ndarray) -> Colouring:
    return Colouring("interest", values, 0.0, 1.0, PALETTES["interest"])


class Screen:
    """A map whose events are kept; its views live on the painter's thread."""

    def __init__(self, xy: np.ndarray) -> None:
        self.tapped: list[int] = []
        self.hovered: list[int | None] = []
        self.selected: list[np.ndarray] = []
        self.places: list[tuple[float, float, np.ndarray]] = []
        self.troubles: list[Exception] = []
        self.values = np.random.default_rng(1).random(len(xy), dtype=np.float32)
        self.map = GalaxyMap(
            xy,
            self.tapped.append,
            self._soon,
            on_hover=self.hovered.append,
            on_select=self.selected.append,
            on_place=lambda *place: self.places.append(place),
        )
        self.map.colour(shaded(self.values))
        until(self.map._sorted)

    def _soon(self, function: Any, *args: Any) -> None:
        try:
            function(*args)
        except Exception as error:
            self.troubles.append(error)

    def settle(self) -> None:
        for _ in range(3):  # what is painted may ask for more
            self.map._painter.submit(lambda: None).result()
        assert not self.troubles

    def go(self, window: Window) -> None:
        self.map._moved(RangesUpdate(self.map.figure, **vars(window)))
        self.settle()

    def tap(self, x: float, y: float) -> None:
        self.map._tapped(Tap(self.map.figure, x=x, y=y))

    def lasso(self, polygon: np.ndarray) -> None:
        x, y = polygon.T.tolist()
        geometry = {"type": "poly", "x": x, "y": y, "sx": x, "sy": y}
        self.map._drawn(SelectionGeometry(self.map.figure, geometry=geometry))
        self.settle()

    def marked(self, name: str) -> list[tuple[float, float]]:
        data = self.map._sources[name].data
        return list(zip(data["x"], data["y"], strict=True))

    @property
    def dots(self) -> dict[str, Any]:
        return self.map._sources["dots"].data

    @property
    def pictures(self) -> list[np.ndarray]:
        return self.map._picture.data["image"]

    @property
    def pixels(self) -> np.ndarray:
        """The picture as (height, width, 4)."""
        [picture] = self.pictures
        return picture.view(np.uint8).reshape(*picture.shape, 4)


@pytest.fixture
def screen() -> Iterator[Screen]:
    xy = np.random.default_rng(0).normal(size=(N, 2)).astype(np.float32)
    shown = Screen(xy)
    yield shown
    shown.map.close()


def afresh(screen: Screen, values: np.ndarray) -> np.ndarray:
    """The picture of the present view, from all objects and nothing kept."""
    kept = screen.map._easel._raster
    whole = Raster(screen.map.xy, None, kept.window, kept.width, kept.height)
    return whole.paint(values, PALETTES["interest"], (0, 1))


def test_pictures_from_what_is_kept_are_those_made_afresh(screen: Screen) -> None:
    for window in (screen.map._home, Window(-1, 0, 0, 1), Window(-0.55, 0, 0, 0.55)):
        screen.go(window)
        for values in (screen.values, 1 - screen.values):
            screen.map.colour(shaded(values))
            screen.settle()
            assert len(screen.dots["x"]) == 0
            np.testing.assert_array_equal(screen.pictures[0], afresh(screen, values))
    assert screen.map._easel._raster._rows is not None  # the last view was looked up


def test_a_picture_is_sent_again_only_where_it_has_changed(screen: Screen) -> None:
    screen.settle()
    [sent] = screen.pictures
    screen.map.mark_selection(np.arange(5))
    screen.settle()
    assert len(screen.map._sources["chosen"].data["x"]) == 5
    assert screen.pictures[0] is sent, "rings are drawn over it"
    screen.map.mark_selection(np.arange(N // 2))
    screen.settle()
    assert screen.pictures[0] is not sent and (screen.pictures[0] != sent).any()
    screen.map.mark_selection(np.arange(0))
    screen.settle()
    np.testing.assert_array_equal(screen.pictures[0], sent)
    for _ in range(3):  # one limit after the other, each gone before the next is there
        screen.map.limit(np.random.default_rng(2).random(N) < 0.5)
        screen.settle()
        half = screen.pictures[0]
        screen.map.limit(np.arange(N) < N // 3)
        screen.settle()
        assert (screen.pictures[0] != half).any()
        screen.map.limit(None)
        screen.settle()
        np.testing.assert_array_equal(screen.pictures[0], sent)


def test_what_is_to_follow_waits_for_the_painting(screen: Screen) -> None:
    screen.settle()
    [sent] = screen.pictures
    later: list[bool] = []
    screen.map.colour(shaded(1 - screen.values))
    screen.map.then(lambda: later.append(screen.pictures[0] is not sent))
    screen.settle()
    assert later == [True]


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
        screen.tap(x, y)
        away = np.linalg.norm((screen.map.xy.astype(np.float64) - (x, y)) * pixels, axis=1)
        assert screen.tapped == ([int(away.argmin())] if away.min() <= 24 else [])


def test_new_positions_are_sorted_anew(screen: Screen) -> None:
    xy = screen.map.xy[::-1] * np.float32(3)
    screen.map.place(xy)
    screen.settle()
    until(screen.map._sorted)
    screen.go(Window(3, 3.01, 3, 3.01))
    x, y = map(float, xy[77])
    screen.tap(x, y)
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
    shown.tap(x, y)
    assert (shown.map.xy[shown.tapped[0]] == shown.map.xy[1]).all()
    shown.map.close()
    shown.map.repaint()  # nothing is painted any more
    assert not shown.troubles


def circle(x: float, y: float, radius: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle)])


def within(xy: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """The rows of the objects inside a convex polygon, counted around."""
    inside = np.ones(len(xy), dtype=bool)
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        side = (b[0] - a[0]) * (xy[:, 1] - a[1]) - (b[1] - a[1]) * (xy[:, 0] - a[0])
        inside &= side > 0
    return np.flatnonzero(inside)


def test_the_object_under_the_pointer(screen: Screen) -> None:
    x, y = screen.map.xy[123].astype(float)
    screen.map.pane.pointer = [x, y]
    assert screen.hovered == [123]
    assert screen.marked("hover") == [(x, y)]
    screen.map.pane.pointer = [x + 1e-6, y]  # still the same
    assert screen.hovered == [123]
    screen.map.pane.pointer = []
    assert screen.hovered == [123, None] and not screen.marked("hover")
    screen.map.pane.pointer = [90.0, 90.0]
    assert screen.hovered == [123, None]
    screen.map.pane.pointer = [x + 1e-3, y]
    assert screen.hovered[2:] == [123]
    screen.go(Window(x, x + 2e-3, y, y + 2e-3))  # the same place is far from it in a deeper view
    assert screen.hovered[3:] == [None]


def test_a_tap_beside_all_objects_means_those_around(screen: Screen) -> None:
    screen.map.pane.size = [800.0, 400.0, 1.0]
    screen.go(Window(4, 12, -3, 5))
    screen.tap(9.0, 1.0)
    [(x, y, rows)] = screen.places
    away = np.linalg.norm((screen.map.xy.astype(float) - (9, 1)) / (8 / 800, 8 / 400), axis=1)
    assert (x, y) == (9, 1) and not screen.tapped
    assert rows.tolist() == np.argsort(away, kind="stable")[:AROUND].tolist()


def test_a_lasso_selects_what_is_inside_it(screen: Screen) -> None:
    polygon = circle(0.3, -0.2, 0.4)
    inside = within(screen.map.xy.astype(float), polygon)
    assert RINGS < len(inside) < N / 5
    before = screen.pixels[..., 3].astype(int).sum()
    screen.lasso(polygon)
    [rows] = screen.selected
    assert rows.tolist() == inside.tolist()
    np.testing.assert_array_equal(screen.map.outline, polygon)
    assert screen.map.pane.picked and not screen.marked("chosen")
    assert screen.pixels[..., 3].astype(int).sum() < 0.7 * before  # the others are dim
    # Few of them in view have a ring each.
    screen.go(Window(0.25, 0.3, -0.2, -0.15))
    seen = screen.map._scene().window
    x, y = screen.map.xy[inside].astype(float).T
    near = (x >= seen.x0) & (x < seen.x1) & (y >= seen.y0) & (y < seen.y1)
    assert 0 < near.sum() <= RINGS
    assert sorted(screen.marked("chosen")) == sorted(zip(x[near], y[near], strict=True))
    # Escape leaves it.
    screen.map._told({"kind": "clear"})
    screen.settle()
    assert len(screen.selected[-1]) == 0 and not screen.map.pane.picked
    assert not screen.marked("chosen") and len(screen.map.outline) == 0


def test_no_lasso_is_made_of_a_click_or_of_nonsense(screen: Screen) -> None:
    for geometry in (
        {},
        {"type": "point", "x": 1.0, "y": 2.0},
        {"type": "poly", "x": [0], "y": [0]},
    ):
        screen.map._drawn(SelectionGeometry(screen.map.figure, geometry=geometry))
    screen.lasso(np.array([[0, 0], [1, np.nan], [1, 1]]))
    screen.lasso(circle(50, 50, 1))
    [rows] = screen.selected
    assert len(rows) == 0


def test_a_limit_leaves_the_others_grey_and_out_of_reach(screen: Screen) -> None:
    xy = screen.map.xy.astype(float)
    mask = xy[:, 0] > 0
    screen.map.limit(mask)
    screen.settle()
    pixels = screen.pixels
    left = pixels[:, : pixels.shape[1] // 2 - 5]
    painted = left[left[..., 3] > 0]
    assert len(painted) > 1000 and (painted[:, :3] == NONE).all() and painted[:, 3].max() < 128
    right = pixels[:, pixels.shape[1] // 2 + 5 :]
    colours = {tuple(c) for c in PALETTES["interest"].tolist()}
    assert {tuple(c) for c in right[right[..., 3] > 200][:, :3].tolist()} <= colours
    out, kept = np.flatnonzero(~mask)[5], np.flatnonzero(mask)[5]
    screen.go(Window(-2, 2, -2, 2))
    screen.map.pane.pointer = xy[out].tolist()
    assert screen.hovered in ([], [row for row in screen.hovered if mask[row]])
    screen.tap(*xy[kept].tolist())
    assert screen.tapped == [kept]
    around = screen.places[-1][2]  # those around it are said too
    assert len(around) == AROUND and around[0] == kept and mask[around].all()
    screen.lasso(circle(0, 0, 0.5))
    inside = within(xy, circle(0, 0, 0.5))
    assert screen.selected[0].tolist() == inside[mask[inside]].tolist()
    screen.map.limit(np.zeros(N, dtype=bool))  # nothing matches
    screen.settle()
    screen.tap(*xy[kept].tolist())
    assert screen.tapped == [kept] and len(screen.places[-1][2]) == 0
    screen.map.limit(None)
    screen.map.mark_selection(np.zeros(0, dtype=int))
    screen.settle()
    screen.go(screen.map._home)
    np.testing.assert_array_equal(screen.pictures[0], afresh(screen, screen.values))
    with pytest.raises(ValueError, match=r"expected a mask of 60,000 objects, got shape \(3,\)"):
        screen.map.limit(np.ones(3, dtype=bool))


def test_few_objects_of_a_limit_are_dots_on_a_grey_ground(screen: Screen) -> None:
    mask = np.zeros(N, dtype=bool)
    mask[[3, 77, 1000]] = True
    screen.map.limit(mask)
    screen.settle()
    assert len(screen.dots["x"]) == 3 and len(screen.pictures) == 1
    assert (screen.pixels[screen.pixels[..., 3] > 0][:, :3] == NONE).all()


def test_objects_without_a_position_are_not_on_the_map(screen: Screen) -> None:
    xy = screen.map.xy.copy()
    xy[::2] = np.nan
    xy[1] = np.inf
    screen.map.place(xy)
    screen.settle()
    until(screen.map._sorted)
    cells = screen.map._sorted()
    assert cells.n == N // 2 - 1
    screen.lasso(circle(0, 0, 3))
    assert len(screen.selected[0]) > N // 3 and (screen.selected[0] % 2 == 1).all()
    screen.tap(*xy[77].astype(float).tolist())
    assert screen.tapped == [77]
    screen.map.mark("current", np.array([0]))
    screen.go(Window(1, 1.2, -0.3, 0.1))
    assert len(screen.dots["x"]) and np.isfinite(screen.dots["x"]).all()
    screen.map.place(np.full((N, 2), np.nan))
    screen.settle()
    until(screen.map._sorted)
    screen.tap(0.0, 0.0)
    assert len(screen.places[-1][2]) == 0
    assert not len(screen.dots["x"]) and not screen.pictures


def test_values_that_are_missing_are_grey_and_kinds_are_not_mixed(screen: Screen) -> None:
    values = screen.values.copy()
    left = screen.map.xy[:, 0] < 0
    values[left] = np.nan
    screen.map.colour(shaded(values))
    screen.settle()
    half = screen.pixels[:, : screen.pixels.shape[1] // 2 - 5]
    assert (half[half[..., 3] > 0][:, :3] == NONE).all()
    words = np.array(["red", "green", "blue"])[np.arange(N) % 3]
    colouring = by_column(words, "kind")
    screen.map.colour(colouring)
    screen.settle()
    shown = screen.pixels[screen.pixels[..., 3] > 0][:, :3]
    assert {tuple(c) for c in shown.tolist()} == {tuple(c) for c in colouring.palette.tolist()}
    assert screen.map.bar.words == list(colouring.categories)
    assert screen.map.bar.ramp == colouring.ramp and not screen.map.bar.low
    screen.map.colour(by_density())
    assert (screen.map.bar.low, screen.map.bar.high, screen.map.bar.words) == ("few", "many", [])


def test_a_grid_is_drawn_for_what_is_seen(screen: Screen) -> None:
    grid = ColumnGrid(Axis("z"), Axis("mag"))
    screen.map.place(screen.map.xy, grid)
    screen.settle()
    whole = list(screen.map._labels.data["text"])
    assert len(whole) >= 6 and len(screen.map._lines.data["xs"]) >= len(whole)
    assert screen.map.where(1.0, 2.0) == "z 1, mag 2"
    home = screen.map._home
    x, y = (home.x0 + home.x1) / 2, (home.y0 + home.y1) / 2
    screen.go(Window(x, x + 0.1, y, y + 0.1))
    screen.settle()
    assert screen.map._labels.data["text"] != whole
    assert all(x <= place <= x + 0.1 for place in screen.map._labels.data["x"])
    screen.map.place(screen.map.xy)
    screen.settle()
    assert screen.map._labels.data["text"] == screen.map._lines.data["xs"] == []
    assert screen.map.where(1.0, 2.0) == "1, 2 on the map"


def test_a_tap_on_new_positions_waits_until_they_are_sorted(screen: Screen) -> None:
    screen.settle()
    xy = screen.map.xy[::-1].copy()
    hold = threading.Event()
    screen.map._painter.submit(hold.wait)
    screen.map.place(xy)
    assert screen.map._sorted() is None
    screen.tap(*map(float, xy[7]))
    hold.set()
    screen.settle()
    assert screen.tapped == [7]


def test_all_in_view_is_selected_by_a_key(screen: Screen) -> None:
    screen.settle()
    home = screen.map._home
    view = Window(home.x0, (home.x0 + home.x1) / 2, home.y0, home.y1)
    screen.go(view)
    screen.settle()
    screen.map._told({"kind": "enclose"})
    screen.settle()
    low, high = (view.x0, view.y0), (view.x1, view.y1)
    inside = ((screen.map.xy > low) & (screen.map.xy < high)).all(axis=1)
    assert screen.selected[-1].tolist() == np.flatnonzero(inside).tolist()
    assert screen.map.pane.picked


def test_keys_and_the_small_map_move_the_view(screen: Screen) -> None:
    screen.settle()
    assert len(screen.map.pane.small) == 4 * SMALL[0] * SMALL[1]
    assert any(screen.map.pane.small)
    screen.map.pane.view = [0.0, 0.5, 0.1, 0.2]
    screen.settle()
    assert screen.map._view == Window(0.0, 0.5, 0.1, 0.2)
    assert screen.map.figure.x_range.start == screen.map._home.x0  # it would come back too late
    screen.map.pane.view = [1.0, 0.0, 0.0, 1.0]  # no view
    assert screen.map._view == Window(0.0, 0.5, 0.1, 0.2)
    x, y = screen.map.xy[9].astype(float)
    screen.map.pane.pointer = [x, y]
    screen.map._told({"kind": "open"})
    assert screen.tapped == [9]


def test_marks_and_selection_follow_the_objects(screen: Screen) -> None:
    screen.map.mark_selection(np.array([5, 6]))
    screen.map.mark("near", np.array([7]))
    screen.map.place(screen.map.xy[::-1].copy())
    screen.settle()
    xy = screen.map.xy.astype(float)
    assert sorted(screen.marked("chosen")) == sorted(map(tuple, xy[[5, 6]].tolist()))
    assert screen.marked("near") == [tuple(xy[7].tolist())]


def test_tiles_are_met_where_they_are(screen: Screen) -> None:
    class Two:
        """Tiles that cover the left half of the map with object 4."""

        closed = False

        def paint(self, xy: np.ndarray, cells: Any, window: Window, *rest: Any) -> Painted:
            width, height, ratio, _, among = rest
            assert len(xy) == N and among is None and ratio == pytest.approx(1, abs=0.01)
            image = np.full((height, width), 0xFF0000FF, dtype=np.uint32)
            return Painted(image, window.grown(0.1), None, 0)  # type: ignore[arg-type]

        def tile_at(self, x: float, y: float) -> int | None:
            return 4 if x < 0 else None

        def close(self) -> None:
            self.closed = True

    mosaic = Two()
    assert not screen.map.bar.can_tile
    screen.map.tile(mosaic)  # type: ignore[arg-type]
    screen.map.bar.tiled = True
    screen.settle()
    assert screen.map.bar.can_tile and (screen.pictures[0] == 0xFF0000FF).all()
    seen = screen.map._scene().window.grown(0.1)
    assert screen.map._picture.data["x"] == [seen.x0] and not len(screen.dots["x"])
    screen.map.pane.pointer = [-2.0, 0.0]
    screen.tap(*screen.map.xy[np.argmax(screen.map.xy[:, 0])].astype(float).tolist())
    assert screen.hovered == [4] and screen.tapped == [int(np.argmax(screen.map.xy[:, 0]))]
    screen.map.bar.tiled = False
    screen.settle()
    np.testing.assert_array_equal(screen.pictures[0], afresh(screen, screen.values))
    screen.map.close()
    assert mosaic.closed
