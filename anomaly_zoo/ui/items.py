"""Galaxies as the views show them: plain values, ready to travel to the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from anomaly_zoo.links import links
from anomaly_zoo.ratings import Event
from anomaly_zoo.session import Session, State
from anomaly_zoo.sweep import BLOCK, everywhere
from anomaly_zoo.tags import tags_by_id


class Items:
    """Describes galaxies of one session: id, position, what the model expects, what was said."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(
        self,
        rows: Sequence[int],
        reasons: Sequence[str],
        state: State,
        distances: np.ndarray | None = None,
        ranked: bool = True,
    ) -> list[dict[str, Any]]:
        """Some rows (m,) with why each is shown, and how far each is from what was asked for.

        Their places in the ranking cost a pass over all objects.
        """
        tags = tags_by_id(state.opinions.tags)
        ranks = _ranks(rows, state) if ranked and len(state.rated) else [None] * len(rows)
        items = []
        for place, (row, rank) in enumerate(zip(rows, ranks, strict=True)):
            id_str = str(self._session.representation.ids[row])
            score = state.opinions.scores.get(id_str)
            items.append(
                {
                    **self.place(id_str),
                    "interest": float(state.posterior.mean[row]),
                    "std": float(state.posterior.std[row]),
                    "rank": rank,
                    "reason": reasons[place],
                    "score": sum(score.values()) / len(score) if score else None,
                    "tags": tags.get(id_str, []),
                    "distance": None if distances is None else float(distances[place]),
                }
            )
        return items

    def place(self, id_str: str) -> dict[str, Any]:
        """The id, the position in words, and links to where others show that place of the sky."""
        where = self._session.catalog and self._session.catalog.position(id_str)
        if where:
            position = f"{where[0]:.5f} {where[1]:+.5f}"
            return {"id": id_str, "position": position, "links": links(*where)}
        return {"id": id_str, "position": self._pixels(id_str), "links": {}}

    def act(self, event: Event) -> dict[str, Any]:
        """What a rater did, with what was expected then."""
        return {
            **self.place(event.id_str),
            "interest": event.interest,
            "std": event.interest_std,
            "rank": None,
            "reason": event.reason,
            "act": event.kind,
            "token": event.token,
            "score": event.score,
        }

    def _pixels(self, id_str: str) -> str:
        catalog = self._session.catalog
        if catalog is None or not {"x", "y"} <= set(catalog.table.columns):
            return ""
        row = catalog.row(id_str)
        x, y = (catalog.table[name].iloc[row] for name in ("x", "y"))
        numbers = isinstance(x, int | float | np.number) and isinstance(y, int | float | np.number)
        return f"x {x:.0f}, y {y:.0f} px" if numbers and np.isfinite([x, y]).all() else ""


def _ranks(rows: Sequence[int], state: State) -> list[int]:
    """The exact places of some rows in the ranking, from 1, in one pass over all objects."""
    means = state.posterior.mean
    values = means[list(rows)]

    def above(means: np.ndarray) -> np.ndarray:
        return np.array([np.count_nonzero(means > value) for value in values], dtype=int)

    def block(first: int) -> np.ndarray:
        rows = slice(first, first + BLOCK)
        return above(means[rows] if state.within is None else means[rows][state.within[rows]])

    hidden = state.hidden if state.within is None else state.hidden[state.within[state.hidden]]
    return (sum(everywhere(block, len(means))) - above(means[hidden]) + 1).tolist()
