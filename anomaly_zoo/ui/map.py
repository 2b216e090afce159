"""The map of all galaxies: a Bokeh figure, painted as a picture, or as dots where few are seen."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import traitlets as t
from bokeh import palettes
from bokeh.events import RangesUpdate, SelectionGeometry, Tap
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    LassoSelectTool,
    PanTool,
    PolyAnnotation,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.plotting import figure

from anomaly_zoo.sky import Line
from anomaly_zoo.ui.assets import asset
from anomaly_zoo.ui.bokeh_pane import BokehPane
from anomaly_zoo.ui.cells import Cells
from anomaly_zoo.ui.colours import Colouring, by_density
from anomaly_zoo.ui.grids import Grid
from anomaly_zoo.ui.mapbar import MapBar
from anomaly_zoo.ui.mosaic import Mosaic
from anomaly_zoo.ui.painting import DOTS, Easel, Limit, Painting, Scene
from anomaly_zoo.ui.raster import Raster, Window
from anomaly_zoo.ui.tip import Tip

MARGIN = 0.25
"""Painted beyond the edges, as a share of the view, so that a drag shows no border."""
PIXELS = 4_000_000
"""No picture is larger, however fine the screen."""
REACH = 24
"""The pointer means the nearest object within so many pixels."""
AROUND = 24
"""So many are the nearest of a place where there is none."""
DEEPEST = 1e-6
"""No view is smaller, as a share of the map: positions are float32."""
SMALL = (132, 84)
"""Pixels of the small picture of the whole map."""
_LABEL: dict[str, Any] = {
    "text_color": "#a9b4c7",
    "text_font_size": "11px",
    "text_font": "system-ui, sans-serif",
    "background_fill_color": "#12161f",
    "background_fill_alpha": 0.75,
    "y_offset": -2,
    "padding": 2,
}
_SMALL_RAMP = np.linspace([58, 68, 90], [200, 212, 232], 64).astype(np.uint8)
_SAMPLE = 100_000
_NOBODY = np.zeros(0, dtype=np.int64)


class MapPane(BokehPane):
    """The figure with what one does on it: points, goes about by keys, and the small map."""

    _esm = asset("make.js", "bokeh_pane.js", "smallmap.js", "map.js")
    pointer = t.List(t.Float()).tag(sync=True)
    """Where the pointer or the keyboard's cross is, [x, y] on the map or nothing; set by the
    browser a few times a second at most."""
    view = t.List(t.Float()).tag(sync=True)
    """Where keys and the small map went, [x0, x1, y0, y1]; set by the browser."""
    small = t.Bytes(b"").tag(sync=True)
    """The picture of the whole map: RGBA, rows from the top."""
    small_size = t.List(t.Int(), list(SMALL)).tag(sync=True)
    picked = t.Bool(False).tag(sync=True)
    """Something is selected that Escape would leave."""


class GalaxyMap:
    """Objects at xy (n, 2), coloured; painted on a thread of its own, the newest wish wins.

    An object whose position is not finite is not on the map. `soon(function, *args)` has the thread
    that owns the views call the function. Holds 8 bytes an object besides xy, and for a moment 4
    more, while it sorts the objects into cells after the first view is painted.

    on_place(x, y, rows) : a place that was tapped, and the objects nearest to it on the screen,
    closest first. on_tap(row) : the object that is there, if there is one. on_hover(row) : the one
    under the pointer, None when there is none any more. on_select(rows) : the objects inside a
    lasso, in order; none where Escape was pressed.
    """

    def __init__(
        self,
        xy: np.ndarray,
        on_tap: Callable[[int], None],
        soon: Callable[..., None],
        on_hover: Callable[[int | None], None] = lambda row: None,
        on_select: Callable[[np.ndarray], None] = lambda rows: None,
        on_place: Callable[[float, float, np.ndarray], None] = lambda x, y, rows: None,
    ) -> None:
        self._on_tap, self._on_hover, self._soon = on_tap, on_hover, soon
        self._on_select, self._on_place = on_select, on_place
        self._painter = ThreadPoolExecutor(1, thread_name_prefix="anomaly_zoo-map")
        self._wish = 0
        self._lock = threading.Lock()
        self.colouring = by_density()
        self._marked: dict[str, np.ndarray] = {}
        self._scores = np.zeros(0)
        self._selected, self.outline = _NOBODY, np.zeros((0, 2))
        self._enclosed = _NOBODY
        self._limit: Limit | None = None
        self._hovered: int | None = None
        self.xy = np.ascontiguousarray(xy, dtype=np.float32)
        self._home = self._view = _whole(self.xy)
        self._grid: Grid | None = None
        self._cells: Cells | None = None
        self._easel = Easel()
        self._mosaic: Mosaic | None = None
        self.bar, self.tip = MapBar(), Tip()
        self.bar.observe(lambda _: self.repaint(), "tiled")
        self._sources = {
            name: ColumnDataSource({"x": [], "y": [], "colour": []})
            for name in ("dots", "chosen", "near", "rated", "current", "hover")
        }
        self._picture = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self._outline = ColumnDataSource({"x": [], "y": []})
        self._lines = ColumnDataSource({"xs": [], "ys": []})
        self._labels = ColumnDataSource({"x": [], "y": [], "text": [], "align": []})
        self.figure = self._draw()
        self.pane = MapPane(self.figure, soon)
        self.pane.observe(lambda _: self.repaint(), "size")
        self.pane.observe(lambda _: soon(self._pointed), "pointer")
        self.pane.observe(lambda change: soon(self._go, change["new"]), "view")
        self.pane.on_msg(lambda _, content, __: soon(self._told, content))

    def _draw(self) -> figure:
        home = self._home
        line = {"line_color": "#e6eaf2", "line_width": 1.5, "line_dash": [5, 4]}
        lasso = PolyAnnotation(
            syncable=False, visible=False, level="overlay", fill_color="#7dd3fc", fill_alpha=0.1
        )
        lasso.update(xs_units="data", ys_units="data", **line)
        plot = figure(
            x_range=Range1d(home.x0, home.x1),
            y_range=Range1d(home.y0, home.y1),
            sizing_mode="stretch_both",
            toolbar_location=None,  # the pane has buttons of its own
            tools=[
                PanTool(),
                BoxZoomTool(),
                LassoSelectTool(continuous=False, renderers=[], overlay=lasso),
                wheel := WheelZoomTool(modifiers="ctrl"),
                ResetTool(),
            ],
            background_fill_color=None,
            border_fill_color=None,
            outline_line_color=None,
            min_border=0,
            lod_timeout=120,
        )
        plot.toolbar.active_scroll = wheel
        plot.axis.visible = False
        plot.grid.visible = False
        plot.multi_line("xs", "ys", source=self._lines, line_color="#333f57", level="underlay")
        plot.image_rgba("image", "x", "y", "dw", "dh", source=self._picture)
        dots = self._sources
        plot.scatter("x", "y", source=dots["dots"], size=6, color="colour", line_color=None)
        plot.text("x", "y", "text", text_align="align", source=self._labels, **_LABEL)
        plot.patch("x", "y", source=self._outline, fill_color=None, **line)
        ring = {"fill_color": None, "line_width": 1.5}
        plot.scatter(
            "x", "y", source=dots["chosen"], size=10, line_color="#f8fafc", fill_color=None
        )
        plot.scatter("x", "y", source=dots["near"], size=11, line_color="#7dd3fc", **ring)
        plot.scatter(
            "x", "y", source=dots["rated"], size=9, fill_color="colour", line_color="#f8fafc"
        )
        plot.scatter(
            "x",
            "y",
            source=dots["current"],
            size=22,
            marker="circle_cross",
            fill_color=None,
            line_color="#ff5d5d",
            line_width=2,
        )
        plot.scatter("x", "y", source=dots["hover"], size=15, line_color="#ffffff", **ring)
        plot.on_event(RangesUpdate, self._moved)
        plot.on_event(Tap, self._tapped)
        plot.on_event(SelectionGeometry, self._drawn)
        self._set_home(plot, home)
        return plot

    def _set_home(self, plot: figure, home: Window) -> None:
        for axis, low, high in (
            (plot.x_range, home.x0, home.x1),
            (plot.y_range, home.y0, home.y1),
        ):
            axis.update(start=low, end=high, reset_start=low, reset_end=high)
            axis.min_interval = DEEPEST * (high - low)

    def place(self, xy: np.ndarray, grid: Grid | None = None) -> None:
        """Move all objects to new positions, on a grid if there is one, and show the whole map."""
        self.xy, self._grid = np.ascontiguousarray(xy, dtype=np.float32), grid
        self._home = self._view = _whole(self.xy)
        self._set_home(self.figure, self._home)
        self._hover(None)
        for name, rows in self._marked.items():
            self.mark(name, rows, self._scores if name == "rated" else None)
        self._enclosed = _NOBODY
        self.mark_selection(self._selected)

    def where(self, x: float, y: float) -> str:
        """A place of the map in words."""
        return f"{x:.3g}, {y:.3g} on the map" if self._grid is None else self._grid.where(x, y)

    def colour(self, colouring: Colouring) -> None:
        """Recolour the objects."""
        self.colouring = colouring
        self.bar.explain(colouring)
        self.repaint()

    def limit(self, mask: np.ndarray | None) -> None:
        """Keep to the objects of mask (n,) bool: the others are grey and cannot be met; None shows
        all again."""
        if mask is not None and mask.shape != (len(self.xy),):
            raise ValueError(
                f"expected a mask of {len(self.xy):,} objects, got shape {mask.shape}; "
                "give one True or False for each object of the map"
            )
        self._limit = None
        if mask is not None:
            self._limit = Limit(mask, np.flatnonzero(mask).astype(np.int32))
        if self._hovered is not None and mask is not None and not mask[self._hovered]:
            self._hover(None)
        self.repaint()
        self._later(self._shrink)

    def tile(self, mosaic: Mosaic) -> None:
        """Offer to tile the map with galaxies; paint anew, by `repaint`, when more have arrived."""
        self._mosaic = mosaic
        self.bar.can_tile = True

    def mark(self, name: str, rows: np.ndarray, scores: np.ndarray | None = None) -> None:
        """Mark rows as "near", "rated" (with their scores, 0 to 5) or "current"."""
        self._marked[name] = rows
        colours: list[str] | list[None] = [None] * len(rows)
        if scores is not None:
            self._scores = scores
            steps = np.clip(np.asarray(scores) / 5 * 255, 0, 255).astype(int)
            colours = [palettes.Viridis256[step] for step in steps]
        self._put(name, rows, colours)

    def mark_selection(self, rows: np.ndarray, polygon: np.ndarray | None = None) -> None:
        """Pick out some rows (m,), none for nothing, and draw the polygon (k, 2) around them: few
        in view get a ring each, otherwise all others are dimmed. The outline of a lasso stays while
        the objects inside it are marked, in whatever order."""
        self._selected = np.asarray(rows, dtype=np.int64)
        if polygon is not None:
            self.outline, self._enclosed = np.asarray(polygon, dtype=np.float64), np.sort(rows)
        elif len(rows) != len(self._enclosed) or (np.sort(rows) != self._enclosed).any():
            self.outline, self._enclosed = np.zeros((0, 2)), _NOBODY
        self._outline.data = {"x": self.outline[:, 0], "y": self.outline[:, 1]}
        self.pane.picked = bool(len(self._selected) or len(self.outline))
        self.repaint()

    def repaint(self) -> None:
        """Paint the present view anew."""
        with self._lock:
            self._wish += 1
            wish = self._wish
        self._later(self._paint, wish)

    def then(self, work: Callable[[], None]) -> None:
        """Call `work` when all that was asked for has been painted."""
        self._later(work)

    def close(self) -> None:
        """Stop painting."""
        if self._mosaic is not None:
            self._mosaic.close()
        self._painter.shutdown(wait=False, cancel_futures=True)

    def _later(self, work: Callable[..., None], *args: Any) -> None:
        """Have the painter's thread do it; what goes wrong is raised where it is said."""

        def attempt() -> None:
            try:
                work(*args)
            except Exception as error:
                self._soon(_raise, error)

        with contextlib.suppress(RuntimeError):  # the map was closed meanwhile
            self._painter.submit(attempt)

    # Painting

    def _paint(self, wish: int) -> None:
        if wish != self._wish:
            return
        scene = self._scene()
        tiles = self._tiles()
        if tiles is None:
            painting, covered = self._easel.paint(scene), scene.window
        else:
            mask = None if scene.limit is None else scene.limit.mask
            ratio = scene.width / self.pane.size[0] / (1 + 2 * MARGIN)
            size = (scene.width, scene.height, ratio)
            tiled = tiles.paint(scene.xy, scene.cells, scene.window, *size, scene.colouring, mask)
            painting, covered = Painting(tiled.image, _NOBODY, _NOBODY), tiled.window
        dots, rings = (
            {"x": x, "y": y, "colour": colours}
            for rows, colours in (
                (painting.dots, _written(scene.colouring.rgb(painting.dots))),
                (painting.rings, [None] * len(painting.rings)),
            )
            for x, y in [scene.xy[rows].astype(np.float64).T]
        )
        picture: dict[str, Any] = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
        if painting.picture is not None:
            spans = (covered.x0, covered.y0, covered.x1 - covered.x0, covered.y1 - covered.y0)
            picture = dict(zip(("x", "y", "dw", "dh"), ([v] for v in spans), strict=True))
            picture["image"] = [painting.picture]
        lines = [] if self._grid is None else self._grid.lines(self._view)
        self._soon(self._show, wish, dots, rings, picture, lines)
        if self._sorted() is None:
            self._later(self._sort)

    def _scene(self) -> Scene:
        xy, view = self.xy, self._view.grown(MARGIN)
        width, height, ratio = self.pane.size
        grown = ratio * (1 + 2 * MARGIN)
        grown *= min(1, (PIXELS / (width * height * grown**2 + 1)) ** 0.5)
        size = max(int(width * grown), 16), max(int(height * grown), 16)
        cells = self._cells
        cells = cells if cells and cells.xy is xy else None
        return Scene(xy, cells, view, *size, self.colouring, self._limit, self._selected)

    def _sort(self) -> None:
        if self._sorted() is None:
            self._cells = None
            self._cells = Cells(self.xy)
            self._shrink()

    def _sorted(self) -> Cells | None:
        """The cells of the present positions, once they are there."""
        cells = self._cells
        return cells if cells and cells.xy is self.xy else None

    def _shrink(self) -> None:
        """Paint the small picture of the whole map."""
        limit = self._limit
        rows = None if limit is None else limit.rows
        whole = Raster(self.xy, rows, self._home, *SMALL)
        picture = np.ascontiguousarray(whole.paint(None, _SMALL_RAMP, (0, 1))[::-1])
        self._soon(setattr, self.pane, "small", picture.tobytes())

    def _show(
        self, wish: int, dots: Any, rings: Any, picture: dict[str, Any], lines: list[Line]
    ) -> None:
        if wish != self._wish:
            return
        ends = {"xs": [line.xy[:, 0] for line in lines], "ys": [line.xy[:, 1] for line in lines]}
        said = [line for line in lines if line.label]
        labels = {
            "x": [line.at[0] for line in said],
            "y": [line.at[1] for line in said],
            "text": [line.label for line in said],
            "align": [line.align for line in said],
        }
        if self._labels.data != labels or len(self._lines.data["xs"]) != len(lines):
            self._lines.data, self._labels.data = ends, labels
        for source, data in (
            (self._sources["dots"], dots),
            (self._sources["chosen"], rings),
            (self._picture, picture),
        ):
            same = all(_same(values, source.data[name]) for name, values in data.items())
            if not same:  # a picture is some megabytes on its way to the browser
                source.data = data

    def _put(self, name: str, rows: np.ndarray, colours: list[str] | list[None]) -> None:
        xy = self.xy[rows].astype(np.float64)
        self._sources[name].data = {"x": xy[:, 0], "y": xy[:, 1], "colour": colours}

    # What the browser says

    def _moved(self, event: RangesUpdate) -> None:
        self._see(Window(event.x0, event.x1, event.y0, event.y1))

    def _go(self, ends: list[float]) -> None:
        if len(ends) == 4 and np.isfinite(ends).all() and ends[0] < ends[1] and ends[2] < ends[3]:
            self._see(Window(*ends))  # the ranges of the figure come by themselves

    def _see(self, view: Window) -> None:
        if view != self._view:
            self._view = view
            self.repaint()
            self._pointed()

    def _told(self, content: dict[str, Any]) -> None:
        if content.get("kind") == "clear":
            self.mark_selection(_NOBODY)
            self._on_select(_NOBODY)
        elif content.get("kind") == "enclose":
            x0, x1, y0, y1 = self._view.x0, self._view.x1, self._view.y0, self._view.y1
            self._later(self._enclose, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
        elif content.get("kind") == "open" and len(self.pane.pointer) == 2:
            self._meet(*self.pane.pointer)

    def _tapped(self, event: Tap) -> None:
        if event.x is not None and event.y is not None:
            self._meet(event.x, event.y)

    def _meet(self, x: float, y: float) -> None:
        """What is at a place, and around it."""
        cells = self._sorted()
        if cells is None:  # the positions are new; they are answered once they are sorted
            self._later(self._sort)
            self._later(self._soon, self._meet, x, y)
            return
        row = self._under(cells, x, y)
        if row is not None:
            self._on_tap(row)
        self._on_place(x, y, cells.closest(x, y, AROUND, self._reach(), self._among()))

    def _pointed(self) -> None:
        cells, place = self._sorted(), self.pane.pointer
        row = None
        if cells is not None and len(place) == 2:
            row = self._under(cells, place[0], place[1])
        self._hover(row)

    def _under(self, cells: Cells, x: float, y: float) -> int | None:
        """The object at a place: the galaxy of its tile, otherwise the nearest within reach."""
        tiles = self._tiles()
        row = None if tiles is None else tiles.tile_at(x, y)
        return cells.nearest(x, y, self._reach(), self._among()) if row is None else row

    def _tiles(self) -> Mosaic | None:
        return self._mosaic if self.bar.tiled else None

    def _hover(self, row: int | None) -> None:
        if row == self._hovered:
            return
        self._hovered = row
        self._put("hover", _NOBODY if row is None else np.array([row]), [None] * (row is not None))
        self._on_hover(row)

    def _drawn(self, event: SelectionGeometry) -> None:
        lines = event.geometry or {}
        polygon = np.column_stack(
            [np.asarray(lines.get(axis, ()), dtype=np.float64) for axis in "xy"]
        )
        if lines.get("type") == "poly" and len(polygon) > 2 and np.isfinite(polygon).all():
            self._later(self._enclose, polygon)

    def _enclose(self, polygon: np.ndarray) -> None:
        self._sort()
        cells = self._sorted()
        if cells is not None:
            self._soon(self._picked, cells.inside(polygon, self._among()), polygon)

    def _picked(self, rows: np.ndarray, polygon: np.ndarray) -> None:
        self.mark_selection(rows, polygon)
        self._on_select(rows)

    def _reach(self) -> tuple[float, float]:
        """So far in x and in y is what can be meant."""
        view, (width, height, _) = self._view, self.pane.size
        return REACH * (view.x1 - view.x0) / width, REACH * (view.y1 - view.y0) / height

    def _among(self) -> np.ndarray | None:
        return None if self._limit is None else self._limit.mask


def _same(column: Any, other: Any) -> bool:
    """Whether two columns are equal; of pictures, whether they are the very same."""
    if isinstance(column, np.ndarray):
        return np.array_equal(column, other)
    if column and isinstance(column[0], np.ndarray):
        return len(other) == 1 and column[0] is other[0]
    return column == list(other)


def _raise(error: Exception) -> None:
    raise error


def _written(rgb: np.ndarray) -> list[str]:
    """Colours (m, 3) as "#rrggbb"."""
    return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in rgb.tolist()]


def _whole(xy: np.ndarray) -> Window:
    """The window that shows nearly everything: outliers beyond the last 0.05% may stick out."""
    sample = xy[:: -(-len(xy) // _SAMPLE)].astype(np.float64)
    sample = sample[np.isfinite(sample).all(axis=1)]
    if not len(sample):
        some = xy[np.isfinite(xy).all(axis=1)][:_SAMPLE].astype(np.float64)
        sample = some if len(some) else np.array([[-1.0, -1.0], [1.0, 1.0]])
    shares = [0.0005, 0.9995] if len(xy) > DOTS else [0, 1]
    low, high = np.quantile(sample, shares, axis=0)
    span, size = high - low, np.maximum(np.abs(low), np.abs(high))
    pad = np.where(span > 0, np.maximum(0.06 * span, 1e-5 * size), 1e-3 + 1e-3 * size)
    low, high = low - pad, high + pad
    return Window(float(low[0]), float(high[0]), float(low[1]), float(high[1]))
