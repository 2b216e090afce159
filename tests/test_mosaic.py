"""The mosaic without a browser: which galaxies are shown, that they stay, and how they look."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from waiting import until

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.ui.cells import Cells
from anomaly_zoo.ui.colours import by_column, by_density
from anomaly_zoo.ui.mosaic import MOST, TILE, Grid, Mosaic, Painted, choose
from anomaly_zoo.ui.pictures import Pictures
from anomaly_zoo.ui.raster import BLOCK, Window

N = 3_000
SIZE = 600, 400
EDGE = np.linspace(0.4, 0.5, 9, endpoint=False)


@pytest.fixture(scope="module")
def xy() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, 2)).astype(np.float32)


class Sky:
    """A catalogue of squares, each of one colour, whose pictures are counted and can be held up."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.open = threading.Event()
        self.open.set()
        ids = [f"J{i}" for i in range(N)]
        self.catalog = Catalog({"id_str": ids, "row": range(N)}, cutouts=self._image)
        self.ids = self.catalog.ids
        self.arrived = threading.Semaphore(0)
        self.mosaic = Mosaic(Pictures(self.catalog), self.ids, self.arrived.release)

    def _image(self, row: dict) -> np.ndarray:
        self.asked[row["id_str"]] += 1
        self.open.wait(10)
        if row["row"] % 7 == 3:
            raise OSError("the file is gone")
        image = np.zeros((20, 30, 3), dtype=np.uint8)
        image[:10, :] = (row["row"] % 200, 200, 50)  # the upper half
        image[10:, :] = (row["row"] % 200, 20, 50)
        return image

    def paint(self, xy: np.ndarray, window: Window, cells: Cells | None = None, **also) -> Painted:
        colouring = also.pop("colouring", by_density())
        return self.mosaic.paint(xy, cells, window, *SIZE, 1.0, colouring, **also)

    def settled(self, xy: np.ndarray, window: Window, **also) -> Painted:
        """The painting when all pictures are there, asked for again only when told to."""
        painted = self.paint(xy, window, **also)
        while painted.awaited:
            assert self.arrived.acquire(timeout=10)
            painted = self.paint(xy, window, **also)
        return painted


@pytest.fixture
def sky() -> Iterator[Sky]:
    made = Sky()
    yield made
    made.open.set()
    made.mosaic.close()


def colour_at(painted: Painted, x: float, y: float) -> list[int]:
    """RGBA of the picture where (x, y) of the map is."""
    window, (height, width) = painted.window, painted.image.shape
    column = int((x - window.x0) / (window.x1 - window.x0) * width)
    line = int((y - window.y0) / (window.y1 - window.y0) * height)
    return painted.image[line : line + 1, column].view(np.uint8).tolist()


def middle(painted: Painted, place: int) -> tuple[float, float]:
    """Where the middle of a tile is."""
    grid = painted.tiles.grid
    line, column = divmod(int(painted.tiles.cell[place]), grid.columns)
    return (grid.c0 + column + 0.5) * grid.width, (grid.r0 + line + 0.5) * grid.height


def test_each_cell_shows_the_object_nearest_its_centre(xy: np.ndarray) -> None:
    grid = Grid.over(Window(-1.1, 0.7, -0.9, 0.8), *SIZE, TILE)
    tiles = choose(xy, grid)
    at = xy.astype(np.float64) / (grid.width, grid.height)
    cell = np.floor(at).astype(int)
    away = np.linalg.norm(at - cell - 0.5, axis=1)
    found = {}
    for row in np.argsort(-away, kind="stable"):
        found[tuple(cell[row])] = row
    seen = {
        key: row
        for key, row in found.items()
        if grid.c0 <= key[0] < grid.c1 and grid.r0 <= key[1] < grid.r1
    }
    assert len(seen) == len(tiles.rows) > 20
    for (column, line), row in seen.items():
        x, y = (column + 0.5) * grid.width, (line + 0.5) * grid.height
        assert tiles.at(x, y) == row
    assert tiles.counts.sum() == sum(
        (grid.c0 <= c < grid.c1) and (grid.r0 <= r < grid.r1) for c, r in cell.tolist()
    )
    assert tiles.at(1e6, 0) is None


def test_cells_and_blocks_change_nothing() -> None:
    rng = np.random.default_rng(4)
    xy = (rng.integers(0, 40, (BLOCK + 50_000, 2)) / 10).astype(np.float32)  # many equal ones
    xy[::5] = np.nan
    cells = Cells(np.nan_to_num(xy, nan=-100))
    grid = Grid.over(Window(0.5, 1.0, 0.5, 1.0), *SIZE, TILE)
    rows = cells.around(grid.window)
    assert rows is not None
    one, other = choose(xy, grid), choose(xy, grid, rows[::-1])
    for name in ("cell", "rows", "counts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    same = np.flatnonzero((xy == xy[one.rows[0]]).all(axis=1))
    assert one.rows[0] == same[0]  # the first of equals


def test_galaxies_stay_while_the_view_moves(xy: np.ndarray) -> None:
    start = Window(-1, 1, -0.6, 0.6)
    shown = choose(xy, Grid.over(start, *SIZE, TILE))
    rng = np.random.default_rng(5)
    for dx, dy in rng.uniform(-0.5, 0.5, (20, 2)):
        window = Window(start.x0 + dx, start.x1 + dx, start.y0 + dy, start.y1 + dy)
        moved = choose(xy, Grid.over(window, *SIZE, TILE))
        inner = Window(max(start.x0, window.x0), 1, max(start.y0, window.y0), 0.6)
        for x, y in rng.uniform((inner.x0, inner.y0), (0.5, 0.1), (30, 2)):
            assert moved.at(x, y) == shown.at(x, y)


@pytest.mark.parametrize(
    ("window", "width", "height"),
    [
        (Window(0, 1, 0, 1), 600, 600),
        (Window(0, 1e-5, 5, 5.00001), 800, 300),
        (Window(-1e6, 1e6, 0, 1), 1500, 1000),  # axes of their own units
        (Window(0, 1, 0, 1), 8000, 6000),
        (Window(3, 3.1, 0, 9), 16, 16),
    ],
)
def test_tiles_are_square_and_of_their_size(window: Window, width: int, height: int) -> None:
    grid = Grid.over(window, width, height, TILE)
    across = grid.width * width / (window.x1 - window.x0)
    up = grid.height * height / (window.y1 - window.y0)
    assert across == pytest.approx(up, rel=0.003)
    assert 1 <= grid.columns * grid.lines <= MOST
    assert across > TILE / 1.42
    assert across < TILE * 1.42 or 4 * across**2 * MOST > width * height
    whole = grid.window
    assert whole.x0 <= window.x0 and whole.x1 >= window.x1 and whole.y1 >= window.y1


def test_the_picture_shows_each_galaxy_where_it_is(sky: Sky, xy: np.ndarray) -> None:
    window = Window(-1, 1, -0.7, 0.7)
    painted = sky.settled(xy, window)
    tiles = painted.tiles
    assert len(tiles.rows) > 50
    for place, row in enumerate(tiles.rows.tolist()):
        x, y = middle(painted, place)
        assert sky.mosaic.tile_at(x, y) == row
        red, green, _, alpha = colour_at(painted, x, y + tiles.grid.height / 5)
        assert alpha == 255
        if row % 7 != 3:
            assert abs(red - row % 200) < 12 and abs(green - 200) < 12  # the upper half is up
            assert colour_at(painted, x, y - tiles.grid.height / 5)[1] < 40
    step = tiles.grid.width
    assert colour_at(painted, tiles.grid.c0 * step + 1e-9, painted.window.y0)[3] == 0  # a gap


def test_frames_have_the_colour_of_the_map(sky: Sky, xy: np.ndarray) -> None:
    kinds = by_column(["E", "S", None] * (N // 3), "type")
    window = Window(-1, 1, -0.7, 0.7)
    painted = sky.settled(xy, window, colouring=kinds)
    colours = kinds.rgb(painted.tiles.rows)
    grid = painted.tiles.grid
    for place, colour in enumerate(colours.tolist()):
        x, y = middle(painted, place)
        edge = [colour_at(painted, x, y + share * grid.height)[:3] for share in EDGE]
        assert np.abs(np.array(edge) - colour).max(axis=1).min() < 5
    again = sky.paint(xy, window)  # in other colours at once
    assert not again.awaited and (again.image != painted.image).any()
    assert again.tiles is painted.tiles


def test_the_first_picture_does_not_wait(sky: Sky, xy: np.ndarray) -> None:
    sky.open.clear()
    window = Window(-1, 1, -0.7, 0.7)
    first = sky.paint(xy, window)
    assert first.awaited == len(first.tiles.rows) and (first.image > 0).any()
    assert not sky.arrived.acquire(blocking=False)
    until(lambda: len(sky.asked) == 4)
    elsewhere = sky.paint(xy, Window(1, 1.1, 1, 1.1))  # nothing else of the first is read then
    held = set(sky.asked)
    sky.open.set()
    assert sky.arrived.acquire(timeout=10)
    wanted = {str(sky.ids[row]) for row in elsewhere.tiles.rows.tolist()}
    until(lambda: wanted <= set(sky.asked))
    assert set(sky.asked) == held | wanted


def test_nothing_is_read_twice(sky: Sky, xy: np.ndarray) -> None:
    window = Window(-1, 1, -0.7, 0.7)
    painted = sky.settled(xy, window)
    assert all(n == 1 for n in sky.asked.values())  # those that fail too
    until(lambda: not sky.mosaic._thumbnails._readers)
    while sky.arrived.acquire(blocking=False):
        pass
    again = sky.paint(xy, window)
    np.testing.assert_array_equal(again.image, painted.image)
    assert not sky.arrived.acquire(timeout=0.1)
    assert all(n == 1 for n in sky.asked.values())


def test_only_some_may_be_shown(sky: Sky, xy: np.ndarray) -> None:
    among = np.arange(N) % 5 == 0
    cells = Cells(xy)
    for window in (Window(-3, 3, -3, 3), Window(0, 0.4, 0, 0.4)):
        painted = sky.paint(xy, window, cells, among=among)
        assert len(painted.tiles.rows) and among[painted.tiles.rows].all()
    nobody = sky.paint(xy, window, cells, among=np.zeros(N, dtype=bool))
    assert not nobody.image.any() and sky.mosaic.tile_at(0.1, 0.1) is None


def test_a_map_without_pictures_or_objects(xy: np.ndarray) -> None:
    mosaic = Mosaic(Pictures(None), [str(i) for i in range(N)], lambda: None)
    window = Window(-1, 1, -1, 1)
    assert mosaic.tile_at(0, 0) is None
    painted = mosaic.paint(xy, None, window, 300, 300, 2.0, by_density())
    assert (painted.image > 0).any()
    until(lambda: not mosaic._thumbnails._readers)
    assert mosaic.paint(xy, None, window, 300, 300, 2.0, by_density()).awaited == 0
    lost = np.full((N, 2), np.nan, dtype=np.float32)
    assert not mosaic.paint(lost, None, window, 300, 300, 1.0, by_density()).image.any()
    mosaic.close()
    mosaic.close()
    mosaic.paint(xy, None, Window(1, 2, 1, 2), 300, 300, 1.0, by_density())  # nothing is read
