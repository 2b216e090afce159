"""Small galaxies: top ranked, neighbours of the current one, a selection, rated; twin of
gallery.js."""

from __future__ import annotations

import anywidget
import traitlets as t

from anomaly_zoo.ui.assets import asset


class Gallery(anywidget.AnyWidget):
    """Thumbnails in tabs; a click shows the galaxy in the viewer.

    The browser sends `view`, `more` (the row is at its end), and what is to be done with what is
    shown or marked: `like`, `queue`, `rate`, `tag`, `save`.
    """

    _esm = asset("make.js", "images.js", "gallery.js")
    tab = t.Enum(["top", "near", "found", "rated"], "top").tag(sync=True)
    items = t.List(t.Dict()).tag(sync=True)
    """What the open tab shows: id, interest, std, score (or None), tags, distance (or None)."""
    about = t.Unicode("").tag(sync=True)
    """One line on what is shown."""
    empty = t.Unicode("nothing here yet").tag(sync=True)
    """What stands where nothing is shown."""
    words = t.Unicode("").tag(sync=True)
    """Those of the selection; another one begins at its start."""
    wide = t.Bool(False).tag(sync=True)
    """Several rows at a time."""
