"""The map of all galaxies: a Bokeh figure, painted as a picture, or as dots where few are seen."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import anywidget
import numpy as np
import traitlets as t
from bokeh import palettes
from bokeh.events import RangesUpdate, Tap
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    PanTool,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.plotting import figure

from anomaly_zoo.ui.assets import asset
from anomaly_zoo.ui.bokeh_pane import BokehPane
from anomaly_zoo.ui.cells import Cells
from anomaly_zoo.ui.raster import Raster, Window

DOTS = 5_000
"""Up to so many objects in view are drawn as crisp dots."""
MARGIN = 0.25
"""Painted beyond the edges, as a share of the view, so that a drag shows no border."""
PIXELS = 4_000_000
"""No picture is larger, however fine the screen."""
REACH = 24
"""A tap finds the nearest object within so many pixels."""
DEEPEST = 1e-6
"""No view is smaller, as a share of the map: positions are float32."""
_SAMPLE = 100_000


def _rgb(colours: tuple[str, ...]) -> np.ndarray:
    return np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], dtype=np.uint8)


PALETTES = {
    "interest": _rgb(palettes.Viridis256[24:]),  # the darkest would vanish on the dark ground
    "uncertainty": _rgb(palettes.Cividis256[24:]),
    "density": _rgb(palettes.Magma256[40:]),
}


class MapBar(anywidget.AnyWidget):
    """What the map is coloured by, and its colour scale: twin of widgets/mapbar.js."""

    _esm = asset("make.js", "mapbar.js")
    colour = t.Enum(list(PALETTES), "interest").tag(sync=True)
    low = t.Unicode("").tag(sync=True)
    high = t.Unicode("").tag(sync=True)
    about = t.Unicode("").tag(sync=True)


@dataclass(frozen=True, eq=False)
class Colouring:
    """What colours the objects: values (n,) or None for their density, and the limits shown."""

    name: str
    values: np.ndarray | None
    low: float
    high: float


class GalaxyMap:
    """Objects at xy (n, 2), coloured; painted on a thread of its own, the newest wish wins.

    `soon(function, *args)` has the thread that owns the views call the function; `on_tap` gets the
    row that was tapped. Holds 8 bytes an object besides xy, and for a moment 4 more, while it sorts
    the objects into cells after the first view is painted.
    """

    def __init__(
        self,
        xy: np.ndarray,
        on_tap: Callable[[int], None],
        soon: Callable[..., None],
    ) -> None:
        self._on_tap, self._soon = on_tap, soon
        self._painter = ThreadPoolExecutor(1, thread_name_prefix="anomaly_zoo-map")
        self._wish = 0
        self._lock = threading.Lock()
        self.colouring = Colouring("density", None, 0, 1)
        self._marked: dict[str, np.ndarray] = {}
        self._scores = np.zeros(0)
        self.xy = np.ascontiguousarray(xy, dtype=np.float32)
        self._home = self._view = _whole(self.xy)
        self._cells: Cells | None = None
        self._raster: Raster | None = None  # of the view painted last
        self.bar = MapBar()
        self._sources = {
            name: ColumnDataSource({"x": [], "y": [], "colour": []})
            for name in ("dots", "near", "rated", "current")
        }
        self._picture = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self.figure = self._draw()
        self.pane = BokehPane(self.figure, soon)
        self.pane.observe(lambda _: self.repaint(), "size")

    def _draw(self) -> figure:
        home = self._home
        plot = figure(
            x_range=Range1d(home.x0, home.x1),
            y_range=Range1d(home.y0, home.y1),
            sizing_mode="stretch_both",
            toolbar_location="right",
            tools=[
                PanTool(),
                BoxZoomTool(),
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
        plot.toolbar.logo = None
        plot.axis.visible = False
        plot.grid.visible = False
        plot.image_rgba("image", "x", "y", "dw", "dh", source=self._picture)
        dots = self._sources
        plot.scatter("x", "y", source=dots["dots"], size=6, color="colour", line_color=None)
        ring = {"fill_color": None, "line_width": 1.5}
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
        plot.on_event(RangesUpdate, self._moved)
        plot.on_event(Tap, self._tapped)
        self._set_home(plot, home)
        return plot

    def _set_home(self, plot: figure, home: Window) -> None:
        for axis, low, high in (
            (plot.x_range, home.x0, home.x1),
            (plot.y_range, home.y0, home.y1),
        ):
            axis.update(start=low, end=high, reset_start=low, reset_end=high)
            axis.min_interval = DEEPEST * (high - low)

    def place(self, xy: np.ndarray) -> None:
        """Move all objects to new positions and show the whole map."""
        self.xy = np.ascontiguousarray(xy, dtype=np.float32)
        self._home = self._view = _whole(self.xy)
        self._set_home(self.figure, self._home)
        for name, rows in self._marked.items():
            self.mark(name, rows, self._scores if name == "rated" else None)
        self.repaint()

    def colour(self, colouring: Colouring) -> None:
        """Recolour the objects."""
        self.colouring = colouring
        if colouring.values is None:
            self.bar.low, self.bar.high = "few", "many"
        else:
            self.bar.low, self.bar.high = f"{colouring.low:.1f}", f"{colouring.high:.1f}"
        self.repaint()

    def mark(self, name: str, rows: np.ndarray, scores: np.ndarray | None = None) -> None:
        """Mark rows as "near", "rated" (with their scores, 0 to 5) or "current"."""
        self._marked[name] = rows
        colours: list[str] | list[None] = [None] * len(rows)
        if scores is not None:
            self._scores = scores
            steps = np.clip(np.asarray(scores) / 5 * 255, 0, 255).astype(int)
            colours = [palettes.Viridis256[step] for step in steps]
        xy = self.xy[rows].astype(np.float64)
        self._sources[name].data = {"x": xy[:, 0], "y": xy[:, 1], "colour": colours}

    def repaint(self) -> None:
        """Paint the present view anew."""
        with self._lock:
            self._wish += 1
            wish = self._wish
        self._later(self._paint, wish)

    def close(self) -> None:
        """Stop painting."""
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

    def _paint(self, wish: int) -> None:
        if wish != self._wish:
            return
        colouring, raster = self.colouring, self._view_now()
        palette = PALETTES[colouring.name]
        dots: dict[str, Any] = {"x": [], "y": [], "colour": []}
        picture: dict[str, Any] = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
        if raster.shown <= DOTS:
            visible = raster.visible()
            if colouring.values is not None:
                visible = visible[np.argsort(colouring.values[visible], kind="stable")]
            spots = raster.xy[visible].astype(np.float64)
            shade = _shade(colouring, visible, palette)
            dots = {"x": spots[:, 0], "y": spots[:, 1], "colour": shade}
        else:
            view = raster.window
            spans = (view.x0, view.y0, view.x1 - view.x0, view.y1 - view.y0)
            picture = dict(zip(("x", "y", "dw", "dh"), ([v] for v in spans), strict=True))
            limits = (colouring.low, colouring.high)
            picture["image"] = [raster.paint(colouring.values, palette, limits)]
        self._soon(self._show, wish, dots, picture)
        if self._sorted() is None:
            self._later(self._sort)

    def _view_now(self) -> Raster:
        """Where the objects fall on the present view: the last one's where it has not changed."""
        xy, view = self.xy, self._view.grown(MARGIN)
        width, height, ratio = self.pane.size
        grown = ratio * (1 + 2 * MARGIN)
        grown *= min(1, (PIXELS / (width * height * grown**2 + 1)) ** 0.5)
        size = max(int(width * grown), 16), max(int(height * grown), 16)
        last = self._raster
        if last and last.xy is xy and (last.window, last.width, last.height) == (view, *size):
            return last
        self._raster = None  # its memory goes before the next one's comes
        cells = self._cells
        rows = cells.around(view) if cells and cells.xy is xy else None
        raster = self._raster = Raster(xy, rows, view, *size)
        return raster

    def _sort(self) -> None:
        if self._sorted() is None:
            self._cells = None
            self._cells = Cells(self.xy)

    def _sorted(self) -> Cells | None:
        """The cells of the present positions, once they are there."""
        cells = self._cells
        return cells if cells and cells.xy is self.xy else None

    def _show(self, wish: int, dots: dict[str, Any], picture: dict[str, Any]) -> None:
        if wish != self._wish:
            return
        for source, data in ((self._sources["dots"], dots), (self._picture, picture)):
            if len(data["x"]) or len(source.data["x"]):
                source.data = data

    def _moved(self, event: RangesUpdate) -> None:
        view = Window(event.x0, event.x1, event.y0, event.y1)
        if view != self._view:
            self._view = view
            self.repaint()

    def _tapped(self, event: Tap) -> None:
        cells, view = self._sorted(), self._view
        if cells is None or event.x is None or event.y is None:
            return
        width, height, _ = self.pane.size
        reach = REACH * (view.x1 - view.x0) / width, REACH * (view.y1 - view.y0) / height
        row = cells.nearest(event.x, event.y, reach)
        if row is not None:
            self._on_tap(row)


def _raise(error: Exception) -> None:
    raise error


def _shade(colouring: Colouring, rows: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """(m,) colours of the rows, as "#rrggbb"."""
    if colouring.values is None:
        return np.full(len(rows), "#b5367a")
    span = max(colouring.high - colouring.low, 1e-9)
    shade = np.clip((colouring.values[rows] - colouring.low) / span, 0, 1)
    names = np.array(["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in palette])
    return names[(shade * (len(palette) - 1)).astype(int)]


def _whole(xy: np.ndarray) -> Window:
    """The window that shows nearly everything: outliers beyond the last 0.05% may stick out."""
    sample = xy[:: -(-len(xy) // _SAMPLE)].astype(np.float64)
    shares = [0.0005, 0.9995] if len(xy) > DOTS else [0, 1]
    low, high = np.quantile(sample, shares, axis=0)
    pad = np.maximum(0.06 * (high - low), 1e-3)
    low, high = low - pad, high + pad
    return Window(float(low[0]), float(high[0]), float(low[1]), float(high[1]))
