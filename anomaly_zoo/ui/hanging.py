"""What hangs in the gallery: the best, the neighbours, a selection or the rated galaxies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly_zoo.expression import Given, Rated
from anomaly_zoo.selection import Selection
from anomaly_zoo.session import Session, State
from anomaly_zoo.ui.gallery import Gallery
from anomaly_zoo.ui.items import Items

SHOWN = 24
"""Galaxies in the gallery at first."""
MORE, MOST = 48, 480
"""So many more at the end of its row, and no more than that."""
BEST = 1000
"""How many of the best are a selection."""


@dataclass(frozen=True, eq=False)
class Hung:
    """What the gallery shows, and what it was asked for."""

    tab: str
    depth: int
    selection: Selection | None
    items: list[dict[str, Any]]
    about: str


class Hanging:
    """Works out what each tab of the gallery holds, and hangs it there.

    `found` is the selection and `near` the neighbours of the galaxy on the screen; None where there
    is none.
    """

    def __init__(self, session: Session, items: Items, gallery: Gallery) -> None:
        self.found: Selection | None = None
        self.near: Selection | None = None
        self._session = session
        self._items = items
        self._gallery = gallery
        self._depth = SHOWN

    def begin(self) -> None:
        """Show the first few of something else."""
        self._depth = SHOWN

    def more(self) -> bool:
        """Show more of the same, unless there are as many as there can be."""
        before, self._depth = self._depth, min(self._depth + MORE, MOST)
        return self._depth > before

    def of(self, state: State) -> Hung:
        """What the gallery shows of a State."""
        tab, depth, found = self._gallery.tab, self._depth, self.found
        rows, distances, about = self._rows(tab, depth, state)
        reasons = ["chosen in the gallery"] * len(rows)
        items = self._items.of(rows.tolist(), reasons, state, distances, ranked=False)
        return Hung(tab, depth, found, items, about)

    def _rows(
        self, tab: str, depth: int, state: State
    ) -> tuple[np.ndarray, np.ndarray | None, str]:
        """Rows and distances of a tab, and a word on them."""
        if tab in ("near", "found"):
            held = self.near if tab == "near" else self.found
            if held is None:
                empty = "no galaxy on the screen" if tab == "near" else "nothing is selected"
                return np.zeros(0, dtype=int), None, empty
            words = held.tree.label if isinstance(held.tree, Given) else held.words
            distances = None if held.distances is None else held.distances[:depth]
            return held.rows[:depth], distances, f"{len(held):,} · {words}"
        if tab == "rated":
            best = np.argsort(-state.scores, kind="stable")
            return state.rated[best][:depth], None, f"{len(best)} rated, best first"
        unrated = ~state.artefact
        if state.within is not None:
            unrated &= state.within
        unrated[state.rated] = False
        best = state.posterior.best(depth, unrated)
        return best, None, "by the present model, not yet rated"

    def hang(self, hung: Hung) -> None:
        """Show it, unless something else was asked for meanwhile."""
        gallery = self._gallery
        if (hung.tab, hung.depth) != (gallery.tab, self._depth):
            return
        if hung.tab == "found" and hung.selection is not self.found:
            return
        with gallery.hold_sync():
            gallery.words = f"{hung.tab} {hung.about}"
            none = hung.tab == "found" and hung.selection is not None
            gallery.empty = "no galaxy matches" if none else "nothing here yet"
            gallery.items, gallery.about = hung.items, hung.about

    def held(self, ids: list[str], state: State) -> Selection:
        """What the gallery is about as a selection: these ids, or all of the open tab."""
        session, tab = self._session, self._gallery.tab
        if ids:
            rows = session.representation.rows(ids)
            return session.where(Given("marked in the gallery", rows), state)
        if tab == "found" and self.found is not None:
            return self.found
        if tab == "near" and self.near is not None:
            return self.near
        if tab == "rated":
            return session.where(Rated(), state)
        rows, _, _ = self._rows("top", BEST, state)
        best = Given("top ranked, not rated", rows)
        return Selection(best, rows, None, session.representation.ids, session.where)
