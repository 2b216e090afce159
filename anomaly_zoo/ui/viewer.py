"""The galaxy on the screen and the keys that rate it: twin of widgets/viewer.js."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from anomaly_zoo.ui.assets import asset


class Viewer(anywidget.AnyWidget):
    """Shows one galaxy of the queue at a time and says what the rater did with it.

    The browser keeps the coming galaxies with their pictures, so that the next one is there at the
    press of a key, and keeps every act in its own storage until Python has written it to disk.
    """

    _esm = asset("make.js", "images.js", "viewer.js")
    queue = t.List(t.Dict()).tag(sync=True)
    """What to look at next, best first: id, position, interest, std, rank, reason, score."""
    done = t.Bool(False).tag(sync=True)
    """Nothing is left to look at."""
    history = t.List(t.Dict()).tag(sync=True)
    """What this rater did last, oldest first, in the same form with `act` and `score`."""
    focus = t.Dict().tag(sync=True)
    """One object to show out of turn (tapped on the map, chosen in the gallery); `n` counts."""
    tags = t.Dict().tag(sync=True)
    """The tags of each object that has any: id -> list of words."""
    shown = t.Unicode("").tag(sync=True)
    """The id on the screen, set by the browser."""
    built = t.Bool(False).tag(sync=True)
    """The whole tool is on the page, set by the browser."""
    log_uid = t.Unicode("").tag(sync=True)
    """Which ratings file the acts in the browser's storage belong to."""

    def saved(self, token: str) -> None:
        """Tell the browser that the act is on disk."""
        self.send({"kind": "saved", "token": token})

    def refused(self, token: str, reason: str) -> None:
        """Tell the browser that the act was not kept, and why."""
        self.send({"kind": "refused", "token": token, "reason": reason})

    def look(self, item: dict[str, Any]) -> None:
        """Show one object out of turn."""
        self.focus = {**item, "n": int(self.focus.get("n", 0)) + 1}
