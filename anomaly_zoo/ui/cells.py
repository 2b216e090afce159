"""Which objects are near a place of the map, without looking at all of them."""

from __future__ import annotations

import numpy as np

from anomaly_zoo.ui.raster import Window, blocks, positions

SIDE = 256
"""Columns of cells, and rows."""
MANY = 8
"""More than one object in so many is looked up no faster than all of them in order."""
_STEPS = 2**16
_SAMPLE = 100_000


class Cells:
    """Finite positions xy (n, 2) sorted into 256 x 256 cells; holds 4 bytes an object besides xy.

    The lines between cells are quantiles of the positions, so that a crowded part of the map has
    small cells and a far outlier takes none. Sorting ten million takes less than a second.

    >>> xy = np.random.default_rng(0).random((10_000, 2), dtype=np.float32)
    >>> cells = Cells(xy)
    >>> near = cells.around(Window(0.4, 0.5, 0.4, 0.5))
    >>> 90 < len(near) < 150, cells.nearest(*xy[77], (0.1, 0.1))
    (True, 77)
    """

    def __init__(self, xy: np.ndarray) -> None:
        self.xy = xy
        sample = xy[:: -(-len(xy) // _SAMPLE)].astype(np.float64)
        self._axes = [_lines(sample[:, 0]), _lines(sample[:, 1])]
        cell = np.empty(len(xy), dtype=np.uint16)
        sizes = np.zeros(SIDE**2, dtype=np.int64)
        for part in blocks(len(xy)):
            x, y = positions(xy, None, part).T
            cell[part] = self._number(1, y) * SIDE + self._number(0, x)
            sizes += np.bincount(cell[part], minlength=SIDE**2)
        self._bounds = np.append(0, np.cumsum(sizes))
        self._order = np.empty(len(xy), dtype=np.int32)
        free = self._bounds[:-1].copy()
        for part in blocks(len(xy)):
            order = np.argsort(cell[part], kind="stable")  # counts, for sixteen bits
            sizes = np.bincount(cell[part], minlength=SIDE**2)
            places = np.arange(len(order)) + np.repeat(free - np.cumsum(sizes) + sizes, sizes)
            self._order[places] = part.start + order
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
        if (stops - starts).sum() > len(self._order) // MANY:
            return None
        return np.concatenate([self._order[a:b] for a, b in zip(starts, stops, strict=True)])

    def nearest(self, x: float, y: float, reach: tuple[float, float]) -> int | None:
        """The row of the object nearest to (x, y), the first of equals; None if there is none
        within the ellipse of half axes `reach`, in which distances are measured."""
        for share in (1 / 16, 1 / 4, 1):
            dx, dy = share * reach[0], share * reach[1]
            rows = self.around(Window(x - dx, x + dx, y - dy, y + dy))
            best = (np.inf, -1)
            for part in blocks(len(self.xy) if rows is None else len(rows)):
                away = (positions(self.xy, rows, part) - (x, y)) / reach
                square = np.einsum("ij,ij->i", away, away)
                equal = np.flatnonzero(square == square.min())
                first = part.start + equal[0] if rows is None else rows[part][equal].min()
                best = min(best, (float(square.min()), int(first)))
            if best[0] <= share**2:
                return best[1]
        return None

    def _number(self, axis: int, values: np.ndarray) -> np.ndarray:
        """Columns (axis 0) or rows (axis 1) of values: never falls where the values rise."""
        low, scale, table = self._axes[axis]
        return table[np.clip((values - low) * scale, 0, _STEPS - 1).astype(np.intp)]


def _lines(values: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Of a sample of one coordinate: where steps start, steps a unit, the cell of each step."""
    low, high = np.quantile(values, [0.0005, 0.9995])
    scale = _STEPS / (high - low) if high > low else 0.0
    steps = np.clip((values - low) * scale, 0, _STEPS - 1)
    lines = np.quantile(steps, np.arange(1, SIDE) / SIDE)
    return low, scale, np.searchsorted(lines, np.arange(_STEPS)).astype(np.uint16)
