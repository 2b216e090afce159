"""Rows of small galaxies: top ranked, neighbours of the current one, rated. Twin of gallery.js."""

from __future__ import annotations

import anywidget
import traitlets as t

from anomaly_zoo.ui.assets import asset


class Gallery(anywidget.AnyWidget):
    """Thumbnails in tabs; a click shows the galaxy in the viewer."""

    _esm = asset("make.js", "images.js", "gallery.js")
    tab = t.Enum(["top", "near", "rated"], "top").tag(sync=True)
    items = t.List(t.Dict()).tag(sync=True)
    """What the open tab shows: id, interest, score (or None)."""
    about = t.Unicode("").tag(sync=True)
    """One line on what is shown."""
