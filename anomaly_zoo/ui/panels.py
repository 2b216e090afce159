"""The head of the tool, its curve and its outlook: twins of widgets/header.js, curve.js and
outlook.js."""

from __future__ import annotations

import anywidget
import traitlets as t

from anomaly_zoo.ui.assets import asset


class Header(anywidget.AnyWidget):
    """Title, status, counts and the export button; it carries the style sheet of the whole tool."""

    _esm = asset("make.js", "header.js")
    _css = asset("explorer.css", "finder.css", "map.css")
    subtitle = t.Unicode("").tag(sync=True)
    status = t.Unicode("").tag(sync=True)
    level = t.Enum(["ready", "busy", "error"], "busy").tag(sync=True)
    n_rated = t.Int(0).tag(sync=True)
    n_found = t.Int(0).tag(sync=True)


class Curve(anywidget.AnyWidget):
    """How many interesting galaxies the looks so far found, against looks at random."""

    _esm = asset("make.js", "curve.js")
    found = t.List(t.Int()).tag(sync=True)
    """Found after each rating."""
    expected = t.Float(0.0).tag(sync=True)
    """Share of interesting objects that the model expects among all: what a random look finds."""


class Outlook(anywidget.AnyWidget):
    """How far the search is: what may be left, how good the predictions are."""

    _esm = asset("make.js", "outlook.js")
    advice = t.Unicode("").tag(sync=True)
    facts = t.List(t.Dict()).tag(sync=True)
    """Short statements, each with what it means: name, value, about."""
