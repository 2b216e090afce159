"""The map tiled with galaxies: one picture for each occupied cell of a grid."""

from __future__ import annotations

import io
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from PIL import Image

from anomaly_zoo.ids import Ids
from anomaly_zoo.ui.cells import Cells
from anomaly_zoo.ui.colours import Colouring
from anomaly_zoo.ui.pictures import Pictures
from anomaly_zoo.ui.raster import Window, blocks, positions

TILE = 48
"""Pixels of the screen a tile takes, give or take a factor of the root of two."""
MOST = 640
"""No more cells than this; on a large screen tiles are larger."""
KEPT = 64 * 2**20
"""Bytes of small pictures kept: more than the largest mosaic needs."""
OFTEN = 0.25
"""Seconds between paintings while pictures come in."""
RETRY = 60.0
"""Seconds after which a picture that could not be read is tried again."""
_READERS = 4
_SIZES = (64, 128)
_ASPECTS = 256  # steps of the aspect ratio of a cell to a factor of two
_DIM = 72  # of 255: what is shown of the colour before the picture


@dataclass(frozen=True)
class Grid:
    """Cells of the map, all alike, the first of them with a corner at (0, 0) of the map.

    Columns c0 to before c1 and lines r0 to before r1 are seen. A cell is a power of two wide, so
    that the same cells are seen while the view moves, and over a while of zooming.

    >>> grid = Grid.over(Window(0, 1, 0, 0.5), 800, 400, 48)
    >>> grid.width, grid.columns, grid.lines
    (0.0625, 16, 8)
    >>> Grid.over(Window(0.01, 1.01, 0, 0.5), 800, 400, 48).width
    0.0625
    """

    width: float
    height: float
    c0: int
    c1: int
    r0: int
    r1: int

    @classmethod
    def over(cls, window: Window, width: int, height: int, tile: float) -> Grid:
        """The cells that cover a window of so many pixels, about `tile` pixels wide and high."""
        across, up = (window.x1 - window.x0) / width, (window.y1 - window.y0) / height
        level = round(float(np.log2(tile * across)))
        aspect = 2 ** (round(_ASPECTS * float(np.log2(up / across))) / _ASPECTS)
        while True:
            dx = 2.0**level
            dy = dx * aspect
            c0, c1 = int(np.floor(window.x0 / dx)), int(np.ceil(window.x1 / dx))
            r0, r1 = int(np.floor(window.y0 / dy)), int(np.ceil(window.y1 / dy))
            if (c1 - c0) * (r1 - r0) <= MOST:
                return cls(dx, dy, c0, c1, r0, r1)
            level += 1

    @property
    def columns(self) -> int:
        return self.c1 - self.c0

    @property
    def lines(self) -> int:
        return self.r1 - self.r0

    @property
    def window(self) -> Window:
        """What all the cells cover."""
        x, y = self.width, self.height
        return Window(self.c0 * x, self.c1 * x, self.r0 * y, self.r1 * y)


@dataclass(frozen=True, eq=False)
class Tiles:
    """The object shown in each occupied cell of a grid.

    cell : (m,) numbers of the cells, line by line from the bottom, rising. rows : (m,) the object
    nearest to the cell's centre. counts : (m,) how many objects are in the cell.
    """

    grid: Grid
    cell: np.ndarray
    rows: np.ndarray
    counts: np.ndarray

    def at(self, x: float, y: float) -> int | None:
        """The row of the object whose tile is at (x, y) of the map; None where there is none."""
        grid = self.grid
        column = int(np.floor(x / grid.width)) - grid.c0
        line = int(np.floor(y / grid.height)) - grid.r0
        if not (0 <= column < grid.columns and 0 <= line < grid.lines):
            return None
        cell = line * grid.columns + column
        place = int(np.searchsorted(self.cell, cell))
        found = place < len(self.cell) and self.cell[place] == cell
        return int(self.rows[place]) if found else None


def choose(
    xy: np.ndarray, grid: Grid, rows: np.ndarray | None = None, among: np.ndarray | None = None
) -> Tiles:
    """The object nearest to the centre of each cell, the first of equals.

    xy : (n, 2); objects at NaN are nowhere. rows : (k,) the objects to look at, all where not
    given. among : (n,) bool, those that may be shown. Which object a cell shows depends on the
    cell alone, whatever else is seen.

    >>> xy = np.array([[0.1, 0.1], [0.4, 0.6], [3.5, 0.5]])
    >>> tiles = choose(xy, Grid(1.0, 1.0, 0, 4, 0, 1))
    >>> tiles.cell.tolist(), tiles.rows.tolist(), tiles.counts.tolist()
    ([0, 3], [1, 2], [2, 1])
    >>> tiles.at(0.9, 0.1), tiles.at(1.5, 0.5)
    (1, None)
    """
    cells = grid.columns * grid.lines
    nearest = np.full(cells, np.inf)
    shown = np.full(cells, len(xy), dtype=np.int64)
    counts = np.zeros(cells, dtype=np.int64)
    for part in blocks(len(xy) if rows is None else len(rows)):
        at = positions(xy, rows, part) / (grid.width, grid.height)
        corner = np.floor(at)
        column, line = (corner - (grid.c0, grid.r0)).T
        seen = (column >= 0) & (column < grid.columns) & (line >= 0) & (line < grid.lines)
        if among is not None:
            seen &= among[part] if rows is None else among[rows[part]]
        mine = np.flatnonzero(seen)
        if not len(mine):
            continue
        cell = (line[mine] * grid.columns + column[mine]).astype(np.intp)
        away = at[mine] - corner[mine] - 0.5
        square = np.einsum("ij,ij->i", away, away)
        best = nearest.copy()
        np.minimum.at(best, cell, square)
        shown[best < nearest] = len(xy)
        nearest = best
        first = np.flatnonzero(square == best[cell])
        found = mine[first] + part.start if rows is None else rows[part][mine[first]]
        np.minimum.at(shown, cell[first], found)
        counts += np.bincount(cell, minlength=cells)
    filled = np.flatnonzero(counts)
    return Tiles(grid, filled, shown[filled], counts[filled])


@dataclass(frozen=True, eq=False)
class Painted:
    """A picture (h, w) uint32 of RGBA, first row at the bottom, and the part of the map it covers.

    `awaited` : how many of its tiles wait for their galaxy.
    """

    image: np.ndarray
    window: Window
    tiles: Tiles
    awaited: int


class Mosaic:
    """Paints the map as tiles, each a galaxy framed in the colour it has on the map.

    pictures : where they come from. ids : the id of each row. arrived : called from some thread
    when more of the galaxies of the last painting are there, four times a second at most; then
    paint again. Tiles whose picture is not there yet, or cannot be had, show their colour.

    `paint` is called by one thread, `tile_at` by any.
    """

    def __init__(
        self, pictures: Pictures, ids: Ids | Sequence[str], arrived: Callable[[], None]
    ) -> None:
        self._thumbnails = Thumbnails(pictures, ids, arrived)
        self._chosen: tuple[object, object, Tiles] | None = None
        self._drawn: tuple[int, dict[int, np.ndarray]] = (0, {})

    def paint(
        self,
        xy: np.ndarray,
        cells: Cells | None,
        window: Window,
        width: int,
        height: int,
        ratio: float,
        colouring: Colouring,
        among: np.ndarray | None = None,
    ) -> Painted:
        """Paint what a window of width x height pixels shows of objects at xy (n, 2).

        cells : those of xy, where they are there. ratio : of these pixels to one of the screen's
        layout. among : (n,) bool, the objects that may be shown. The picture covers whole cells,
        thus a little more than the window.
        """
        grid = Grid.over(window, width, height, TILE * ratio)
        tiles = self._choose(xy, cells, grid, among)
        step = grid.width * width / (window.x1 - window.x0)
        side = max(int(step) - max(1, round(step / 24)), 3)
        there = self._thumbnails.some(tiles.rows, _centre_first(tiles), side)
        drawn = self._drawn[1] if self._drawn[0] == side else {}
        faces = {}
        for row, thumbnail in there.items():
            face = drawn.get(row)
            faces[row] = _face(thumbnail, side) if face is None else face
        self._drawn = side, faces
        picture = _compose(tiles, faces, side, step, colouring)
        return Painted(picture, grid.window, tiles, self._thumbnails.awaited)

    def tile_at(self, x: float, y: float) -> int | None:
        """The row of the galaxy shown at (x, y) of the map in the last painting, or None."""
        chosen = self._chosen
        return None if chosen is None else chosen[2].at(x, y)

    def close(self) -> None:
        """Stop reading pictures."""
        self._thumbnails.close()

    def _choose(
        self, xy: np.ndarray, cells: Cells | None, grid: Grid, among: np.ndarray | None
    ) -> Tiles:
        last = self._chosen
        if last and last[0] is xy and last[1] is among and last[2].grid == grid:
            return last[2]
        tiles = choose(xy, grid, None if cells is None else cells.around(grid.window), among)
        self._chosen = xy, among, tiles
        return tiles


class Thumbnails:
    """Small pictures of objects, decoded on threads of their own; the last ones are kept."""

    def __init__(
        self, pictures: Pictures, ids: Ids | Sequence[str], arrived: Callable[[], None]
    ) -> None:
        self._pictures, self._ids, self._arrived = pictures, ids, arrived
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="anomaly_zoo-mosaic")
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int], Image.Image] = OrderedDict()
        self._bytes = 0
        self._failed: dict[tuple[int, int], float] = {}
        self._wanted: list[tuple[int, int]] = []
        self._reading: set[tuple[int, int]] = set()
        self._readers = 0
        self._closed = False
        self._news = False
        self._told = 0.0
        self.awaited = 0
        """How many of those asked for last were still to come then."""

    def some(self, rows: np.ndarray, order: np.ndarray, side: int) -> dict[int, Image.Image]:
        """Those pictures of rows (m,) that are there, by row, for tiles of `side` pixels.

        All others are read from now on, in the order (m,) given, and nothing else is.
        """
        size = next((size for size in _SIZES if size >= side), _SIZES[-1])
        now = time.monotonic()
        with self._lock:
            there, missing = {}, []
            for row in rows[order].tolist():
                key = row, size
                if key in self._kept:
                    self._kept.move_to_end(key)
                    there[row] = self._kept[key]
                elif not self._closed and now - self._failed.get(key, -RETRY) >= RETRY:
                    missing.append(key)
            self.awaited, self._told = len(missing), now
            self._wanted = [key for key in reversed(missing) if key not in self._reading]
            new = min(_READERS, len(self._wanted)) - self._readers
            for _ in range(max(new, 0)):
                self._readers += 1
                self._threads.submit(self._read)
        return there

    def close(self) -> None:
        """Stop reading."""
        with self._lock:
            self._closed, self._wanted = True, []
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read(self) -> None:
        """Read what is wanted until nothing is."""
        while True:
            with self._lock:
                if not self._wanted:
                    self._readers -= 1
                    tell = self._news and not self._readers
                    self._news = self._news and not tell
                    break
                key = self._wanted.pop()
                self._reading.add(key)
            image = self._thumbnail(*key)
            with self._lock:
                self._reading.discard(key)
                self._keep(key, image)
                tell = self._news and time.monotonic() - self._told > OFTEN
                if tell:
                    self._told, self._news = time.monotonic(), False
            if tell:
                self._arrived()
        if tell:
            self._arrived()

    def _keep(self, key: tuple[int, int], image: Image.Image | None) -> None:
        if image is None:
            self._failed[key] = time.monotonic()
            return
        self._news = True
        self._failed.pop(key, None)
        self._kept[key] = image
        self._bytes += 4 * image.width * image.height
        while self._bytes > KEPT:
            _, old = self._kept.popitem(last=False)
            self._bytes -= 4 * old.width * old.height

    def _thumbnail(self, row: int, size: int) -> Image.Image | None:
        """The middle square of an object's picture; None where it cannot be had."""
        try:
            data = self._pictures.get(str(self._ids[row]), size)
            with Image.open(io.BytesIO(data)) as image:
                side = min(image.size)
                left, top = (image.width - side) // 2, (image.height - side) // 2
                return image.convert("RGB").crop((left, top, left + side, top + side))
        except Exception:  # whatever it is: the viewer says it when the galaxy is looked at
            return None


def _centre_first(tiles: Tiles) -> np.ndarray:
    """(m,) places of the tiles, from the middle of the view outwards."""
    line, column = np.divmod(tiles.cell, tiles.grid.columns)
    away = np.hypot(column - (tiles.grid.columns - 1) / 2, line - (tiles.grid.lines - 1) / 2)
    return np.argsort(away, kind="stable")


def _face(image: Image.Image, side: int) -> np.ndarray:
    """A picture as (side, side, 3) uint8, first row at the bottom."""
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))[::-1]


def _compose(
    tiles: Tiles, faces: dict[int, np.ndarray], side: int, step: float, colouring: Colouring
) -> np.ndarray:
    """The picture (h, w) uint32 of all tiles."""
    grid = tiles.grid
    picture = np.zeros((round(grid.lines * step), round(grid.columns * step)), dtype=np.uint32)
    if not len(tiles.rows):
        return picture
    shape = _shape(side)
    colours = _frames(tiles, colouring)
    dim = (colours.astype(np.uint16) * _DIM // 255).astype(np.uint8)
    stack = np.empty((len(colours), side, side, 4), dtype=np.uint8)
    for place, row in enumerate(tiles.rows.tolist()):
        stack[place, ..., :3] = faces.get(row, dim[place])
    flat = stack.reshape(len(stack), side**2, 4)
    share = shape.face[shape.edge][:, None].astype(np.uint16)
    mixed = flat[:, shape.edge, :3] * share + colours[:, None] * (255 - share)
    flat[:, shape.edge, :3] = mixed // 255
    stack[..., 3] = shape.outline
    line, column = np.divmod(tiles.cell, grid.columns)
    margin = (step - side) / 2
    tops, lefts = (np.rint(part * step + margin).astype(int).tolist() for part in (line, column))
    for tile, top, left in zip(stack.view(np.uint32)[..., 0], tops, lefts, strict=True):
        picture[top : top + side, left : left + side] = tile
    return picture


def _frames(tiles: Tiles, colouring: Colouring) -> np.ndarray:
    """(m, 3) the colour of each tile; that of its cell's crowd where density is shown."""
    if colouring.values is not None:
        return colouring.rgb(tiles.rows)
    crowd = np.log1p(tiles.counts)
    shade = crowd / crowd.max() * (len(colouring.palette) - 1)
    return colouring.palette[shade.astype(int)]


@dataclass(frozen=True, eq=False)
class _Shape:
    """How much of 255 the outline of a tile covers, (side, side), and its face, (side**2,)."""

    outline: np.ndarray
    face: np.ndarray

    @cached_property
    def edge(self) -> np.ndarray:
        """The pixels that are not only face."""
        return np.flatnonzero(self.face < 255)


@lru_cache(8)
def _shape(side: int) -> _Shape:
    frame = max(1.0, side / 32)
    radius = side / 9
    face = _rounded(side, frame, radius - frame / 2)
    return _Shape(_rounded(side, 0, radius), face.ravel())


def _rounded(side: int, inset: float, radius: float) -> np.ndarray:
    """A square with round corners (side, side) uint8, `inset` pixels within its pixels."""
    reach = np.abs(np.arange(side) + 0.5 - side / 2)
    corner = side / 2 - inset - radius
    dx, dy = np.meshgrid(*[np.maximum(reach - corner, 0)] * 2)
    return np.rint(255 * np.clip(radius - np.hypot(dx, dy) + 0.5, 0, 1)).astype(np.uint8)
