"""What a search is asked of: the catalogue, the tags, and what one State says of all objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.expression import Node
from anomaly_zoo.matching import Matched, evaluate
from anomaly_zoo.neighbours import Neighbours
from anomaly_zoo.positions import around
from anomaly_zoo.representation import Representation
from anomaly_zoo.similar import similar
from anomaly_zoo.votes import fraction

if TYPE_CHECKING:
    from anomaly_zoo.state import State

BELIEFS = ("interest", "interest_std", "p_interesting", "p_artefact", "score")
"""What the model says; a column of the catalogue with one of these names is hidden by it."""


class Known:
    """The n objects of a session as a search sees them; rows are those of the representation.

    `space` is where they are near each other, `catalog` (in the order of `space`) has the columns,
    `state` what is believed (None: nothing yet), `tags` who carries which. A search that keeps to
    `limit` (n,) finds nothing but what is True there. `asked` collects what a search depended on
    beside the catalogue: "beliefs", "tags".
    """

    def __init__(
        self,
        space: Representation,
        catalog: Catalog | None,
        state: State | None,
        tags: Mapping[str, Sequence[str]],
        limit: np.ndarray | None = None,
    ) -> None:
        self._space = space
        self._catalog = catalog
        self._state = state
        self._tags = tags
        self._limit = limit
        self.asked: set[str] = set()

    def found(self, tree: Node) -> Matched:
        """The objects that match a search. Raises what `evaluate` raises."""
        match = evaluate(tree, self)
        if self._limit is None:
            return match
        mask = match.mask & self._limit
        if match.rows is None or match.distances is None:
            return Matched(mask)
        left = mask[match.rows]
        return Matched(mask, match.rows[left], match.distances[left])

    @property
    def n(self) -> int:
        """How many objects there are."""
        return len(self._space)

    @cached_property
    def names(self) -> Sequence[str]:
        """The names of all columns."""
        own = [] if self._catalog is None else list(self._catalog.table.columns)
        return [*BELIEFS, *(name for name in own if name not in BELIEFS)]

    def column(self, name: str) -> np.ndarray | pd.Series:
        """(n,) values; KeyError for an unknown name."""
        if name in BELIEFS:
            self.asked.add("beliefs")
            return self._belief(name)
        if self._catalog is None:
            raise KeyError(name)
        return self._catalog.table[name]

    def _belief(self, name: str) -> np.ndarray:
        state = self._state
        if state is None:
            raise ValueError(f"{name} is what the model says, and there is none yet")
        match name:
            case "interest":
                return state.posterior.mean
            case "interest_std":
                return state.posterior.std
            case "p_interesting":
                return state.p_interesting
            case "p_artefact":
                return state.p_artefact
        scores = np.full(self.n, np.nan, dtype=np.float32)
        scores[state.rated] = state.scores
        return scores

    def tagged(self, tag: str) -> np.ndarray:
        """Rows (m,) of those that carry a tag, in the order in which it was given."""
        self.asked.add("tags")
        return self._space.rows(self._tags.get(tag, ()))

    def near(
        self,
        examples: tuple[str, ...] | np.ndarray,
        k: int,
        to: str,
        apart: float | None,
        within: np.ndarray | None,
    ) -> Neighbours:
        """The k nearest to ids and tags, which are left out, or to vectors (q, d), among those of
        a mask (n,) and the limit. ValueError for unknown ids, and tags that no object carries."""
        if self._limit is not None:
            within = self._limit if within is None else within & self._limit
        rows = np.zeros(0, dtype=np.int64)
        if isinstance(examples, np.ndarray):
            queries = examples
        else:
            rows = np.concatenate([self._examples(example) for example in examples])
            rows = np.unique(rows)
            queries = self._space.take(rows)
        if to == "mean":
            queries = queries.mean(axis=0, dtype=np.float64, keepdims=True)
        sky = None if apart is None else self._positions("near with apart")
        return similar(self._space, queries, k, among=within, without=rows, apart=apart, sky=sky)

    def _examples(self, example: str) -> np.ndarray:
        if not example.startswith("#"):
            return self._space.rows([example])
        rows = self.tagged(example)
        if not len(rows):
            tags = ", ".join(list(self._tags)[:10])
            there = f"the tags there are: {tags}" if tags else "no object has a tag yet"
            raise ValueError(f"no object is tagged {example}; {there}")
        return rows

    def within(self, ra: float, dec: float, radius: float) -> np.ndarray:
        """(n,) True for those within `radius` arcsec of a position in degrees."""
        mask = np.zeros(self.n, dtype=bool)
        mask[around(*self._positions("within"), (ra, dec), radius)[0]] = True
        return mask

    def closest(self, at: tuple[float, float], radius: float) -> int:
        """The row of the object closest on the sky to a position (degrees); ValueError where none
        lies within `radius` arcsec."""
        rows, apart = around(*self._positions("sky"), at, radius)
        if not len(rows):
            raise ValueError(
                f"no object lies within {radius:g} arcsec of ra {at[0]:g}, dec {at[1]:g}; "
                "widen the radius"
            )
        return int(rows[np.lexsort((rows, apart))[0]])

    def _positions(self, what: str) -> tuple[np.ndarray, np.ndarray]:
        """Right ascension and declination (n,), degrees."""
        table = None if self._catalog is None else self._catalog.table
        if table is None or not {"ra", "dec"} <= set(table.columns):
            lacks = "there is no catalogue" if table is None else "the catalogue has no ra and dec"
            raise ValueError(f"{what} needs positions on the sky, and {lacks}")
        return table["ra"].to_numpy(), table["dec"].to_numpy()

    def votes(self, question: str, answer: str) -> np.ndarray:
        """(n,) the posterior mean of a share of votes."""
        if self._catalog is None:
            raise ValueError("votes are columns of a catalogue, and there is none")
        return fraction(question, answer, self._catalog.table)
