"""The head of the tool, its curve and its outlook: twins of widgets/header.js, curve.js and
outlook.js."""

from __future__ import annotations

import anywidget
import traitlets as t

from anomaly_zoo.progress import TOP, Progress
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


def facts(progress: Progress) -> list[dict[str, str]]:
    """What is known of the predictions, for the outlook; what nothing is known of is left out."""
    checks, held, hidden = progress.precision, progress.covered, progress.artefacts
    said = []
    if checks.n:
        said.append(
            {
                "name": f"top-{TOP} checks",
                "value": f"{checks.k} of {checks.n} good",
                "about": f"The last {checks.n} galaxies drawn at random from the {TOP} best not "
                f"yet rated: {checks.k} got 4 or 5. With a probability of 90% that is the case of "
                f"{checks.low:.0%} to {checks.high:.0%} of such ones.",
            }
        )
    if held.n:
        said.append(
            {
                "name": "in 90% intervals",
                "value": f"{held.k} of {held.n}",
                "about": "How many ratings lay within the interval of 90% that was predicted "
                "before the look: honest predictions hold nine of ten.",
            }
        )
    if hidden:
        said.append(
            {
                "name": "likely artefacts",
                "value": f"{hidden:,} left out",
                "about": "Like those that were flagged and unlike all that were rated; "
                "session.ranking(artefacts=True) lists them.",
            }
        )
    return said
