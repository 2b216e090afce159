"""Which objects are near a place of the map, without looking at all of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from anomaly_zoo.ui.raster import Window, blocks, positions

SIDE = 256
"""Columns of cells, and rows."""
MANY = 8
"""More than one object in so many is looked up no faster than all of them in order."""
_STEPS = 2**16
_SAMPLE = 100_000


class Cells:
    """Positions xy (n, 2) sorted into 256 x 256 cells; holds 4 bytes an object besides xy.

    The lines between cells are quantiles of the positions, so that a crowded part of the map has
    small cells and a far outlier takes none. Sorting ten million takes less than a second. Objects
    without a finite position are in no cell; `among` (n,) bool leaves out others.

    >>> xy = np.random.default_rng(0).random((10_000, 2), dtype=np.float32)
    >>> cells = Cells(xy)
    >>> near = cells.around(Window(0.4, 0.5, 0.4, 0.5))
    >>> 90 < len(near) < 150, cells.nearest(*xy[77], (0.1, 0.1))
    (True, 77)
    >>> square = np.array([[0.4, 0.4], [0.5, 0.4], [0.5, 0.5], [0.4, 0.5]])
    >>> len(cells.inside(square)), len(cells.closest(0.2, 0.2, 24))
    (93, 24)
    """

    def __init__(self, xy: np.ndarray) -> None:
        self.xy = xy
        here = np.isfinite(xy).all(axis=1)
        rows = None if here.all() else np.flatnonzero(here).astype(np.int32)
        self.n = len(xy) if rows is None else len(rows)
        """How many objects are on the map."""
        sample = xy if rows is None else xy[rows[:: max(-(-self.n // _SAMPLE), 1)]]
        sample = sample[:: max(-(-len(sample) // _SAMPLE), 1)].astype(np.float64)
        self._axes = [_lines(sample[:, 0]), _lines(sample[:, 1])]
        cell = np.empty(self.n, dtype=np.uint16)
        sizes = np.zeros(SIDE**2, dtype=np.int64)
        for part in blocks(self.n):
            x, y = positions(xy, rows, part).T
            cell[part] = self._number(1, y) * SIDE + self._number(0, x)
            sizes += np.bincount(cell[part], minlength=SIDE**2)
        self._bounds = np.append(0, np.cumsum(sizes))
        self._order = np.empty(self.n, dtype=np.int32)
        free = self._bounds[:-1].copy()
        for part in blocks(self.n):
            order = np.argsort(cell[part], kind="stable")  # counts, for sixteen bits
            sizes = np.bincount(cell[part], minlength=SIDE**2)
            places = np.arange(len(order)) + np.repeat(free - np.cumsum(sizes) + sizes, sizes)
            self._order[places] = part.start + order if rows is None else rows[part][order]
            free += sizes

    def around(self, window: Window) -> np.ndarray | None:
        """Rows of all objects in the window and of few others; None where it may hold so many
        that all are to be looked at."""
        (c0, c1), (r0, r1) = (
            self._number(axis, np.array(ends)).tolist()
            for axis, ends in enumerate(((window.x0, window.x1), (window.y0, window.y1)))
        )
        lines = np.arange(r0, r1 + 1) * SIDE
        starts, stops = self._bounds[lines + c0], self._bounds[lines + c1 + 1]
        if (stops - starts).sum() > self.n // MANY:
            return None
        return np.concatenate([self._order[a:b] for a, b in zip(starts, stops, strict=True)])

    def nearest(
        self, x: float, y: float, reach: tuple[float, float], among: np.ndarray | None = None
    ) -> int | None:
        """The row of the object nearest to (x, y), the first of equals; None if there is none
        within the ellipse of half axes `reach`, in which distances are measured."""
        for share in (1 / 16, 1 / 4, 1):
            dx, dy = share * reach[0], share * reach[1]
            best = (np.inf, -1)
            for rows, square in self._far(Window(x - dx, x + dx, y - dy, y + dy), reach, among):
                least = square.min(initial=np.inf)
                if least < np.inf:
                    best = min(best, (float(least), int(rows[square == least].min())))
            if best[0] <= share**2:
                return best[1]
        return None

    def closest(
        self,
        x: float,
        y: float,
        k: int,
        unit: tuple[float, float] = (1, 1),
        among: np.ndarray | None = None,
    ) -> np.ndarray:
        """Rows of the k objects closest to (x, y), closest first, equals in order, or of all where
        there are fewer; `unit` (x, y) are lengths that count as equal."""
        share = 1 / 16
        while self.n:
            dx, dy = share * unit[0], share * unit[1]
            window = Window(x - dx, x + dx, y - dy, y + dy)
            found = (np.zeros(0), np.zeros(0, dtype=np.int64))
            for rows, square in self._far(window, unit, among):
                found = _first(np.append(found[0], square), np.append(found[1], rows), k)
            if self.around(window) is None or (len(found[0]) == k and found[0][-1] <= share**2):
                return found[1]
            share *= 2
        return np.zeros(0, dtype=np.int64)

    def inside(self, polygon: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """Rows, in order, of the objects inside a polygon (k, 2), closed from last to first; where
        its lines cross, what they enclose an even number of times is outside."""
        corners = np.asarray(polygon, dtype=np.float64)
        (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
        found = [
            rows[_enclosed(xy, corners)] for rows, xy in self._parts(Window(x0, x1, y0, y1), among)
        ]
        return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *found]))

    def _parts(
        self, window: Window, among: np.ndarray | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Some rows (b,) at a time and their positions (b, 2) in double precision: all objects of
        the window, and others."""
        known = self.around(window)
        for part in blocks(len(self.xy) if known is None else len(known)):
            rows = np.arange(part.start, part.stop) if known is None else known[part]
            if among is not None:
                rows = rows[among[rows]]
            yield rows, positions(self.xy, rows, slice(None))

    def _far(
        self, window: Window, unit: tuple[float, float], among: np.ndarray | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same, and squared distances (b,) from the middle of the window."""
        middle = ((window.x0 + window.x1) / 2, (window.y0 + window.y1) / 2)
        for rows, xy in self._parts(window, among):
            away = (xy - middle) / unit
            square = np.einsum("ij,ij->i", away, away)
            square[~(square < np.inf)] = np.inf  # not on the map
            yield rows, square

    def _number(self, axis: int, values: np.ndarray) -> np.ndarray:
        """Columns (axis 0) or rows (axis 1) of values: never falls where the values rise."""
        low, scale, table = self._axes[axis]
        return table[np.clip((values - low) * scale, 0, _STEPS - 1).astype(np.intp)]


def _lines(values: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Of a sample of one coordinate: where steps start, steps a unit, the cell of each step."""
    low, high = np.quantile(values, [0.0005, 0.9995]) if len(values) else (0.0, 0.0)
    scale = _STEPS / (high - low) if high > low else 0.0
    steps = np.clip((values - low) * scale, 0, _STEPS - 1) if len(values) else np.zeros(1)
    lines = np.quantile(steps, np.arange(1, SIDE) / SIDE)
    return low, scale, np.searchsorted(lines, np.arange(_STEPS)).astype(np.uint16)


def _first(square: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k least of some finite squares, in order, and their rows; of equals the first rows."""
    keep = square < np.inf
    if np.count_nonzero(keep) > k:
        keep = square <= np.partition(square, k - 1)[k - 1]
    square, rows = square[keep], rows[keep]
    order = np.lexsort((rows, square))[:k]
    return square[order], rows[order]


def _enclosed(xy: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Which of the positions (b, 2) are inside the polygon: from where they are, an odd number of
    its edges lies to the right. Each edge is only asked about what is level with it.

    >>> _enclosed(np.array([[1, 1], [3, 1]]), np.array([[0, 0], [2, 0], [2, 2], [0, 2]])).tolist()
    [True, False]
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    x, y = xy.T
    near = np.flatnonzero((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]))
    # Put in order by height, in steps: sixteen bits are sorted by counting.
    scale = (_STEPS - 1) / max(high[1] - low[1], 1e-300)
    step = ((xy[near, 1] - low[1]) * scale).astype(np.uint16)
    order = np.argsort(step, kind="stable")
    near, step = near[order], step[order]
    x, y = xy[near].T
    odd = np.zeros(len(near), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        least, most = min(y0, y1), max(y0, y1)
        ends = ((np.array([least, most]) - low[1]) * scale).astype(np.uint16)
        level = slice(np.searchsorted(step, ends[0]), np.searchsorted(step, ends[1], "right"))
        beside = (y[level] >= least) & (y[level] < most)
        if y0 != y1:
            beside &= x[level] < x0 + (y[level] - y0) * ((x1 - x0) / (y1 - y0))
        odd[level] ^= beside
    inside = np.zeros(len(xy), dtype=bool)
    inside[near] = odd
    return inside
