"""What the map is coloured and laid out by, and the colours' meaning: twin of mapbar.js."""

from __future__ import annotations

import anywidget
import traitlets as t

from anomaly_zoo.ui.assets import asset
from anomaly_zoo.ui.colours import Colouring

COLOURS = [
    {"value": "interest", "text": "Interest", "group": ""},
    {"value": "uncertainty", "text": "Uncertainty", "group": ""},
    {"value": "density", "text": "Density", "group": ""},
]


class MapBar(anywidget.AnyWidget):
    """The choices are given by Python; what was chosen is set by the browser."""

    _esm = asset("make.js", "mapbar.js")
    colour = t.Unicode("interest").tag(sync=True)
    colours = t.List(t.Dict(), COLOURS).tag(sync=True)
    """What can be chosen: value, text, and group ("" for none)."""
    arrangement = t.Unicode("").tag(sync=True)
    layouts = t.List(t.Dict()).tag(sync=True)
    """What can be chosen: value and text; the choice is hidden where there are none."""
    axes = t.List(t.Unicode()).tag(sync=True)
    """Columns for the layout "columns"."""
    x = t.Unicode("").tag(sync=True)
    y = t.Unicode("").tag(sync=True)
    can_tile = t.Bool(False).tag(sync=True)
    """There are pictures to tile the map with."""
    tiled = t.Bool(False).tag(sync=True)
    about = t.Unicode("").tag(sync=True)
    """A word on the layout."""
    low = t.Unicode("").tag(sync=True)
    high = t.Unicode("").tag(sync=True)
    ramp = t.List(t.Unicode()).tag(sync=True)
    """Colours from low to high, or one for each of the words."""
    words = t.List(t.Unicode()).tag(sync=True)
    """The categories; none where the colours show a number."""
    note = t.Unicode("").tag(sync=True)
    """What is to be known of the colours."""

    def explain(self, colouring: Colouring) -> None:
        """Say what the colours mean."""
        low, high = colouring.ends
        words = list(colouring.categories or ())
        with self.hold_sync():
            self.low, self.high, self.note = low, high, colouring.about
            self.words, self.ramp = words, colouring.ramp if words or low else []
