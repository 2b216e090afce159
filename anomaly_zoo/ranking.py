"""The ranked table: all objects but the artefacts, or those of a selection, in order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anomaly_zoo import tables
from anomaly_zoo.tags import tags_by_id

if TYPE_CHECKING:
    from anomaly_zoo.catalog import Catalog
    from anomaly_zoo.ids import Ids
    from anomaly_zoo.selection import Selection
    from anomaly_zoo.state import State

DESCRIPTIONS = {
    "rank": "place in this table: 1 is the most interesting, or the closest where it has distances",
    "id_str": "identifier in the catalogue",
    "x": "position in pixels of the image",
    "y": "position in pixels of the image",
    "ra": "right ascension (ICRS)",
    "dec": "declination (ICRS)",
    "distance": "from the examples, in components of which all objects have the total variance 1",
    "interest": "expected score, 0 (dull) to 5 (wow)",
    "interest_std": "standard deviation of the interest",
    "p_interesting": "probability that the score is at least 4, by how earlier predictions fared",
    "p_artefact": "how likely it is an artefact like those that were flagged",
    "score": "mean score given by the raters; empty where not rated",
    "n_raters": "how many raters gave a score",
    "tags": "words that raters gave it",
}
UNITS = {"ra": "deg", "dec": "deg"}
BLOCK = 2**18
"""Rows that are written at a time."""
_POSITIONS = ("ra", "dec", "x", "y")


def ranked(
    ids: Ids,
    state: State,
    catalog: Catalog | None,
    top: int | None,
    artefacts: bool | None = None,
    of: Selection | None = None,
) -> pd.DataFrame:
    """The table of `Session.ranking`: ids (n,) are those of the representation, in its order."""
    rows, distances = _order(state, top, artefacts, of)
    return _table(rows, distances, 1, ids, state, catalog)


def export(
    path: str | os.PathLike[str],
    ids: Ids,
    state: State,
    catalog: Catalog | None,
    provenance: Mapping[str, str],
    top: int | None,
    artefacts: bool | None = None,
    of: Selection | None = None,
) -> None:
    """Write the table of `Session.export`, 262,144 rows at a time.

    Beyond what is given it takes some 20 bytes an object for their order, and one block.
    """
    rows, distances = _order(state, top, artefacts, of)

    def block(start: int) -> pd.DataFrame:
        some = slice(start, start + BLOCK)
        far = None if distances is None else distances[some]
        return _table(rows[some], far, start + 1, ids, state, catalog)

    blocks = map(block, range(0, max(1, len(rows)), BLOCK))
    tables.write_blocks(blocks, len(rows), path, provenance, UNITS, DESCRIPTIONS)


def check_top(top: int | None) -> None:
    """Raise ValueError for what is no number of objects to keep."""
    if top is not None and (isinstance(top, bool) or not isinstance(top, Integral) or top < 1):
        raise ValueError(f"top is a whole number of objects to keep, at least 1, got {top!r}")


def _order(
    state: State, top: int | None, artefacts: bool | None, of: Selection | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows (m,) of the table, by interest, and in their own order where it is equal, or in the
    order of a selection; and the distances (m,) where that has some."""
    check_top(top)
    mean = state.posterior.mean
    if artefacts is None:  # who selects them wants them
        artefacts = of is not None
    shown = np.ones(len(mean), dtype=bool) if artefacts else ~state.artefact
    if state.within is not None:
        shown &= state.within
    if of is not None:
        kept = np.flatnonzero(shown[of.rows])[: None if top is None else int(top)]
        return of.rows[kept], None if of.distances is None else of.distances[kept]
    if top is not None:
        return state.posterior.best(int(top), shown).astype(np.int32), None
    rows = np.flatnonzero(shown).astype(np.int32)
    return rows[np.argsort(-mean[rows], kind="stable")], None


def _table(
    rows: np.ndarray,
    distances: np.ndarray | None,
    first: int,
    ids: Ids,
    state: State,
    catalog: Catalog | None,
) -> pd.DataFrame:
    """Those rows (m,) of the table, of which the first has the rank `first`."""
    posterior = state.posterior
    frame = pd.DataFrame({"rank": np.arange(first, first + len(rows)), "id_str": ids[rows]})
    if catalog is not None:
        for name in _POSITIONS:
            column = catalog.table.get(name)
            if column is not None and pd.api.types.is_numeric_dtype(column):
                frame[name] = column.to_numpy()[rows]
    if distances is not None:
        frame["distance"] = distances
    mean, std = posterior.mean[rows], posterior.std[rows]
    frame["interest"], frame["interest_std"] = mean, std
    frame["p_interesting"] = state.calibration.p_interesting(mean, std, state.left)
    frame["p_artefact"] = state.p_artefact[rows]
    scores = pd.Series(state.scores, index=state.rated, dtype=np.float32)
    raters = pd.Series([len(by) for by in state.opinions.scores.values()], index=state.rated)
    frame["score"] = scores.reindex(rows).to_numpy()
    frame["n_raters"] = raters.reindex(rows, fill_value=0).to_numpy(dtype=np.int32)
    if state.opinions.tags:
        carried = tags_by_id(state.opinions.tags)
        frame["tags"] = [" ".join(carried.get(id_str, ())) for id_str in frame["id_str"]]
    return frame
