"""Paint many objects into one picture: the mean value a pixel, brighter where there are more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anomaly_zoo.ui.colours import NONE

GROW = {0.2: 3, 2.0: 2, 8.0: 1}
"""Where fewer pixels in a hundred hold an object, each object grows by so many pixels."""
BLOCK = 2**18
"""Objects worked on at a time: what is made on the way stays small."""


@dataclass(frozen=True)
class Window:
    """A rectangle of the map in map coordinates."""

    x0: float
    x1: float
    y0: float
    y1: float

    def grown(self, margin: float) -> Window:
        """The window with `margin` times its size added on every side."""
        dx, dy = margin * (self.x1 - self.x0), margin * (self.y1 - self.y0)
        return Window(self.x0 - dx, self.x1 + dx, self.y0 - dy, self.y1 + dy)


class Raster:
    """Where objects at xy (n, 2) fall on a picture of a window: all that colours do not change.

    `rows` (m,) are the objects to look at, and None looks at all; those outside the window or
    without a position are left out. Where points are sparse each is grown to a disc. Holds 4 bytes
    for each object looked at and 8 with `rows`, besides the xy; a view is painted in new colours by
    `paint`.

    >>> raster = Raster(np.zeros((1, 2)), None, Window(-1, 1, -1, 1), 9, 9)
    >>> palette = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8)
    >>> picture = raster.paint(np.ones(1), palette, (0, 1))
    >>> raster.shown, picture.shape, hex(picture[4, 4]), int(picture[0, 0])
    (1, (9, 9), '0xffffffff', 0)
    """

    def __init__(
        self, xy: np.ndarray, rows: np.ndarray | None, window: Window, width: int, height: int
    ) -> None:
        self.xy, self.window = xy, window
        self.width, self.height = width, height
        self._rows = rows
        self._outside = width * height
        self.shown = 0
        """How many objects are in the window."""
        self._pixel = np.empty(len(xy) if rows is None else len(rows), dtype=np.int32)
        for part in blocks(len(self._pixel)):
            # In double precision: deep in the map float32 windows are too coarse.
            x, y = positions(xy, rows, part).T
            column = np.floor((x - window.x0) * (width / (window.x1 - window.x0)))
            row = np.floor((y - window.y0) * (height / (window.y1 - window.y0)))
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            with np.errstate(invalid="ignore"):
                self._pixel[part] = np.where(inside, row * width + column, self._outside)
            self.shown += int(np.count_nonzero(inside))

    def visible(self) -> np.ndarray:
        """The rows of the objects in the window."""
        inside = np.flatnonzero(self._pixel < self._outside)
        return inside if self._rows is None else self._rows[inside]

    def paint(
        self,
        values: np.ndarray | None,
        palette: np.ndarray,
        limits: tuple[float, float],
        kinds: bool = False,
    ) -> np.ndarray:
        """An RGBA picture (height, width) uint32, first row at the bottom.

        `values` (n,) are coloured by `palette` (m, 3) uint8 between the two `limits`; without them
        the colour is the number of objects. Where values are `kinds`, 0 to m - 1, the most frequent
        one is shown instead of the mean. Values that are NaN do not count; what has no other is
        grey.
        """
        crowd = self._crowd
        if values is None:
            count = np.log1p(crowd.count)
            shade = count / max(count.max(initial=0), 1e-6)
        elif kinds:
            shade = self._commonest(values, len(palette)) / max(len(palette) - 1, 1)
        else:
            low, high = limits
            total, missing = self._totals(values)
            known = crowd.count
            if missing is not None:
                known = known - crowd.grow(missing[crowd.filled])
            mean = crowd.grow(total[crowd.filled]) / np.where(known > 0, known, np.nan)
            shade = (mean - low) / max(high - low, 1e-9)
        # One object is well visible, a crowd is solid.
        colours = np.empty((2, len(palette) + 1, 4), dtype=np.uint8)
        colours[:, :-1, :3] = palette
        colours[:, -1, :3] = NONE
        colours[..., 3] = [[205], [255]]
        step = np.clip(shade * (len(palette) - 1) + 0.5, 0, len(palette) - 1)
        step = np.where(np.isnan(step), len(palette), step).astype(np.intp)
        step[crowd.solid] += len(palette) + 1
        picture = np.zeros(self._outside, dtype=np.uint32)
        picture[crowd.drawn] = colours.view(np.uint32).ravel()[step]
        return picture.reshape(self.height, self.width)

    def _totals(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The sum of the values in each pixel, and in a last place of those outside; how many there
        are NaN, None if none is."""
        total, missing = np.zeros(self._outside + 1), None
        for part, mine in self._worth(values):
            pixel = self._pixel[part].astype(np.intp)
            gap = np.isnan(mine)
            if gap.any():
                missing = np.zeros(self._outside + 1) if missing is None else missing
                np.add.at(missing, pixel[gap], 1.0)
                mine = np.where(gap, 0, mine)
            np.add.at(total, pixel, mine.astype(np.float64))
        return total, missing

    def _commonest(self, values: np.ndarray, m: int) -> np.ndarray:
        """The most frequent of the values 0 to m - 1 in each drawn pixel, the first of equals; NaN
        where there is none."""
        crowd = self._crowd
        place = np.full(self._outside + 1, len(crowd.filled), dtype=np.intp)
        place[crowd.filled] = np.arange(len(crowd.filled))
        count = np.zeros((len(crowd.filled) + 1) * m, dtype=np.int32)
        for part, mine in self._worth(values):
            known = ~np.isnan(mine)
            kind = np.clip(mine[known], 0, m - 1).astype(np.intp)
            # A plain 1 would be added the slow way.
            np.add.at(count, place[self._pixel[part][known]] * m + kind, np.int32(1))
        by_kind = count.reshape(-1, m)[:-1]
        best, most = np.full(len(crowd.drawn), np.nan), np.zeros(len(crowd.drawn))
        for kind in range(m):
            many = crowd.grow(by_kind[:, kind])
            best[many > most] = kind
            most = np.maximum(most, many)
        return best

    def _worth(self, values: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Parts of the objects looked at, each with their values."""
        for part in blocks(len(self._pixel)):
            yield part, values[part] if self._rows is None else values[self._rows[part]]

    @cached_property
    def _crowd(self) -> _Crowd:
        count = np.zeros(self._outside + 1, dtype=np.int64)
        for part in blocks(len(self._pixel)):
            np.add.at(count, self._pixel[part].astype(np.intp), 1)
        filled = np.flatnonzero(count[: self._outside])
        radius = _radius(len(filled), self._outside)
        if not radius:
            alone = count[filled]
            return _Crowd(filled, filled, alone, np.flatnonzero(alone > 1), None)
        source, target = _discs(filled, radius, self.width, self.height)
        place = np.zeros(self._outside, dtype=np.intp)
        place[target] = 1
        drawn = np.flatnonzero(place)
        place[drawn] = np.arange(len(drawn))
        target = place[target]
        grown = np.bincount(target, weights=count[filled][source])
        return _Crowd(filled, drawn, grown, np.arange(len(drawn)), (source, target))


@dataclass(frozen=True, eq=False)
class _Crowd:
    """Pixels with objects `filled` (f,), and with what grows out of them `drawn` (p,)."""

    filled: np.ndarray
    drawn: np.ndarray
    count: np.ndarray
    """(p,) how many objects, at least one each."""
    solid: np.ndarray
    """Which of the drawn pixels nothing shines through."""
    discs: tuple[np.ndarray, np.ndarray] | None

    def grow(self, sums: np.ndarray) -> np.ndarray:
        """Sums over the objects of each filled pixel (f,) as sums for each drawn pixel (p,)."""
        if self.discs is None:
            return sums
        source, target = self.discs
        return np.bincount(target, weights=sums[source], minlength=len(self.drawn))


def blocks(n: int) -> Iterator[slice]:
    """Slices that cover n objects in order."""
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def positions(xy: np.ndarray, rows: np.ndarray | None, part: slice) -> np.ndarray:
    """Positions (b, 2) in double precision of part of the rows, or of all objects."""
    mine = xy[part] if rows is None else xy.take(rows[part], axis=0)
    return mine.astype(np.float64)


def _radius(filled: int, pixels: int) -> int:
    """Pixels by which each point grows, so that sparse maps can be seen."""
    return next((radius for cover, radius in GROW.items() if 100 * filled < cover * pixels), 0)


def _discs(
    filled: np.ndarray, radius: int, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """All pixels within `radius` of the filled ones: (places in filled, pixel numbers)."""
    reach = np.arange(-radius, radius + 1)
    dx, dy = (step.ravel() for step in np.meshgrid(reach, reach))
    near = dx**2 + dy**2 <= radius**2 + 0.5
    column = filled % width + dx[near][:, None]
    row = filled // width + dy[near][:, None]
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    source = np.broadcast_to(np.arange(len(filled)), inside.shape)[inside]
    return source, (row * width + column)[inside]
