"""What a view of the map shows: a picture, or dots where few are seen, and what is picked out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_zoo.ui.cells import Cells
from anomaly_zoo.ui.colours import NONE, Colouring
from anomaly_zoo.ui.raster import Raster, Window, blocks, positions

DOTS = 5_000
"""Up to so many objects in view are drawn as crisp dots."""
RINGS = 500
"""Up to so many picked out in view have a ring each; of more, all others are dimmed."""
_DIM = 0.3
_GREY = np.stack([NONE, NONE])


@dataclass(frozen=True, eq=False)
class Limit:
    """The objects the map keeps to: mask (n,) bool, the same by row number."""

    mask: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class Scene:
    """All that decides what a view looks like.

    xy : (n, 2) positions, NaN where there is none. cells : of these positions, if they are there.
    window, width, height : what is painted, in map coordinates and pixels. selected : (m,) rows
    picked out.
    """

    xy: np.ndarray
    cells: Cells | None
    window: Window
    width: int
    height: int
    colouring: Colouring
    limit: Limit | None
    selected: np.ndarray


@dataclass(frozen=True, eq=False)
class Painting:
    """A picture (height, width) uint32 RGBA or None, rows drawn as dots, and rows ringed."""

    picture: np.ndarray | None
    dots: np.ndarray
    rings: np.ndarray


class Easel:
    """Paints scenes one after the other, and keeps of the last what other colours do not change.

    >>> from anomaly_zoo.ui.colours import by_density
    >>> xy, nobody = np.zeros((3, 2), dtype=np.float32), np.zeros(0, dtype=int)
    >>> scene = Scene(xy, None, Window(-1, 1, -1, 1), 9, 9, by_density(), None, nobody)
    >>> Easel().paint(scene).dots.tolist()
    [0, 1, 2]
    """

    def __init__(self) -> None:
        self._size: tuple[object, ...] = ()
        self._limit: Limit | None = None
        self._raster: Raster | None = None
        self._ground: np.ndarray | None = None
        self._last: tuple[Raster, Colouring, np.ndarray] | None = None

    def paint(self, scene: Scene) -> Painting:
        """What the scene looks like. The picture is the very same array where nothing of it has
        changed since the last scene."""
        raster, colouring = self._look(scene), scene.colouring
        nobody = np.zeros(0, dtype=np.int64)
        few = raster.shown <= DOTS
        chosen = _seen(scene)
        rings = chosen if few or len(chosen) <= RINGS else nobody
        picture, dots = self._ground, nobody
        if few:
            self._last = None
            dots = raster.visible()
            if colouring.values is not None:  # the highest are not to be hidden
                worth = np.nan_to_num(colouring.values[dots], nan=-np.inf)
                dots = dots[np.argsort(worth, kind="stable")]
        else:
            picture = self._coloured(raster, colouring)
            if not len(rings) and len(chosen):
                picked = Raster(scene.xy, chosen, scene.window, scene.width, scene.height)
                picture = _over(_faint(picture), _coloured(picked, colouring))
        return Painting(picture, dots, rings)

    def _coloured(self, raster: Raster, colouring: Colouring) -> np.ndarray:
        """All objects over the ground: as for the last scene where that has not changed."""
        last = self._last
        if last is None or last[0] is not raster or last[1] is not colouring:
            picture = _over(self._ground, _coloured(raster, colouring))
            last = self._last = raster, colouring, picture
        return last[2]

    def _look(self, scene: Scene) -> Raster:
        """Where the objects fall: as for the last scene where that has not changed."""
        size, limit = (scene.window, scene.width, scene.height), scene.limit
        if (
            self._raster is not None
            and self._raster.xy is scene.xy
            and self._size == size
            and self._limit is limit
        ):
            return self._raster
        # Their memory goes before the next ones' comes.
        self._raster = self._ground = self._last = None
        around = scene.cells.around(scene.window) if scene.cells else None
        rows = around
        if limit is not None:
            rows = limit.rows if around is None else around[limit.mask[around]]
            everything = Raster(scene.xy, around, *size)
            if everything.shown:
                self._ground = _faint(everything.paint(None, _GREY, (0, 1)))
            del everything
        self._raster = Raster(scene.xy, rows, *size)
        self._size, self._limit = size, limit
        return self._raster


def _seen(scene: Scene) -> np.ndarray:
    """Those of the selected objects that are in view, and within the limit."""
    rows, window = scene.selected, scene.window
    if scene.limit is not None:
        rows = rows[scene.limit.mask[rows]]
    seen = np.zeros(len(rows), dtype=bool)
    for part in blocks(len(rows)):
        x, y = positions(scene.xy, rows, part).T
        seen[part] = (x >= window.x0) & (x < window.x1) & (y >= window.y0) & (y < window.y1)
    return rows[seen]


def _coloured(raster: Raster, colouring: Colouring) -> np.ndarray:
    limits = (colouring.low, colouring.high)
    kinds = colouring.categories is not None
    return raster.paint(colouring.values, colouring.palette, limits, kinds)


def _faint(picture: np.ndarray) -> np.ndarray:
    """The picture (height, width) uint32 RGBA, made dim."""
    faint = picture.copy()
    alpha = faint.view(np.uint8).reshape(*faint.shape, 4)[..., 3]
    alpha[...] = (alpha * _DIM).astype(np.uint8)
    return faint


def _over(below: np.ndarray | None, above: np.ndarray) -> np.ndarray:
    return above if below is None else np.where(above, above, below)
