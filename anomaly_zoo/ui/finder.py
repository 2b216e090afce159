"""The line to ask for galaxies in words, and the cuts that write them: twin of finder.js."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from anomaly_zoo.ui.assets import asset


class Finder(anywidget.AnyWidget):
    """Asks which galaxies match some words: how many they are while they are typed, which they are
    when they are sent, and whether everything is to keep to them.

    The browser asks `count`, `describe`, `say`, `without` and `cuts`, and each answer carries the
    number of its question; it sends `show`, `limit` and `image`, with the bytes of a file, and gets
    none.
    """

    _esm = asset("make.js", "finder.js")
    words = t.Unicode("").tag(sync=True)
    """The words of what is shown: as the browser sends them, then as Python says them."""
    total = t.Int(0).tag(sync=True)
    """How many galaxies there are."""
    limit = t.Unicode("").tag(sync=True)
    """The words that everything keeps to now."""
    within = t.Int(0).tag(sync=True)
    """How many galaxies that leaves."""
    names = t.List(t.Dict()).tag(sync=True)
    """What can be asked of: name, group (votes, columns, model), and the words for it."""
    tags = t.List(t.Unicode()).tag(sync=True)
    images = t.Bool(False).tag(sync=True)
    """A picture can be asked with: the encoder is at hand."""
    unfolded = t.Bool(False).tag(sync=True)
    """The cuts are unfolded."""

    def answer(self, question: dict[str, Any], **said: Any) -> None:
        """Answer a question of the browser."""
        self.send({"kind": str(question.get("kind")), "n": question.get("n"), **said})
