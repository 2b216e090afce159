"""What is said of the galaxy under the pointer: twin of widgets/tip.js."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from anomaly_zoo.ui.assets import asset


class Tip(anywidget.AnyWidget):
    """A small card beside the pointer or the keyboard's cross on the map, with a picture.

    The browser asks for the picture as the gallery does: {"kind": "need", "ids": [...], "size"}.
    """

    _esm = asset("make.js", "images.js", "tip.js")
    item = t.Dict().tag(sync=True)
    """The galaxy: id, position, interest, std, score (or None), and values, pairs of a name and a
    text; nothing where no galaxy is under the pointer."""

    def show(self, item: dict[str, Any] | None) -> None:
        """Say this of the galaxy under the pointer, or that there is none."""
        self.item = item or {}
