"""Galaxies as the views show them: plain values, ready to travel to the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

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
        for number, (row, rank, place) in enumerate(
            zip(rows, ranks, self.places(rows), strict=True)
        ):
            score = state.opinions.scores.get(place["id"])
            items.append(
                {
                    **place,
                    "interest": float(state.posterior.mean[row]),
                    "std": float(state.posterior.std[row]),
                    "rank": rank,
                    "reason": reasons[number],
                    "score": sum(score.values()) / len(score) if score else None,
                    "tags": tags.get(place["id"], []),
                    "distance": None if distances is None else float(distances[number]),
                }
            )
        return items

    def acts(self, events: Sequence[Event]) -> list[dict[str, Any]]:
        """What raters did, with what was expected then."""
        rows = self._session.representation.rows([event.id_str for event in events])
        return [
            {
                **place,
                "interest": event.interest,
                "std": event.interest_std,
                "rank": None,
                "reason": event.reason,
                "act": event.kind,
                "token": event.token,
                "score": event.score,
            }
            for event, place in zip(events, self.places(rows.tolist()), strict=True)
        ]

    def places(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """The id of each row, its position in words, and links to where others show that place of
        the sky."""
        places = np.asarray(rows, dtype=np.int64)
        ids = self._session.representation.ids[places].tolist()
        sky, pixels = self._columns(("ra", "dec"), places), self._columns(("x", "y"), places)
        return [_place(*place) for place in zip(ids, sky, pixels, strict=True)]

    def _columns(self, names: tuple[str, str], rows: np.ndarray) -> list[tuple[float, float]]:
        """Two columns of the catalogue; NaN where it has none, or no numbers."""
        catalog = self._session.catalog
        table = None if catalog is None else catalog.table
        if table is None or not set(names) <= set(table.columns):
            return [(np.nan, np.nan)] * len(rows)
        numbers = (pd.to_numeric(table[name].iloc[rows], errors="coerce") for name in names)
        x, y = (column.to_numpy(np.float64, na_value=np.nan).tolist() for column in numbers)
        return list(zip(x, y, strict=True))


def _place(id_str: str, sky: tuple[float, float], pixels: tuple[float, float]) -> dict[str, Any]:
    if np.isfinite(sky).all():
        position = f"{sky[0]:.5f} {sky[1]:+.5f}"
        return {"id": id_str, "position": position, "links": links(*sky)}
    position = f"x {pixels[0]:.0f}, y {pixels[1]:.0f} px" if np.isfinite(pixels).all() else ""
    return {"id": id_str, "position": position, "links": {}}


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
