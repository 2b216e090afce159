"""The ranked table: all objects but the artefacts, most interesting first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anomaly_zoo import tables
from anomaly_zoo.highest import highest

if TYPE_CHECKING:
    from anomaly_zoo.catalog import Catalog
    from anomaly_zoo.ids import Ids
    from anomaly_zoo.session import State

DESCRIPTIONS = {
    "rank": "1 is the most interesting",
    "id_str": "identifier in the catalogue",
    "x": "position in pixels of the image",
    "y": "position in pixels of the image",
    "ra": "right ascension (ICRS)",
    "dec": "declination (ICRS)",
    "interest": "expected score, 0 (dull) to 5 (wow)",
    "interest_std": "standard deviation of the interest",
    "p_interesting": "probability that the score is at least 4, by how earlier predictions fared",
    "p_artefact": "how likely it is an artefact like those that were flagged",
    "score": "mean score given by the raters; empty where not rated",
    "n_raters": "how many raters gave a score",
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
    artefacts: bool = False,
) -> pd.DataFrame:
    """The table of `Session.ranking`: ids (n,) are those of the representation, in its order."""
    return _table(_order(state, top, artefacts), 1, ids, state, catalog)


def export(
    path: str | os.PathLike[str],
    ids: Ids,
    state: State,
    catalog: Catalog | None,
    provenance: Mapping[str, str],
    top: int | None,
    artefacts: bool = False,
) -> None:
    """Write the table of `Session.export`, 262,144 rows at a time.

    Beyond what is given it takes some 20 bytes an object for their order, and one block.
    """
    rows = _order(state, top, artefacts)
    blocks = (
        _table(rows[start : start + BLOCK], start + 1, ids, state, catalog)
        for start in range(0, max(1, len(rows)), BLOCK)
    )
    tables.write_blocks(blocks, len(rows), path, provenance, UNITS, DESCRIPTIONS)


def _order(state: State, top: int | None, artefacts: bool) -> np.ndarray:
    """The rows (m,) int32 of the table, by interest, and in their own order where it is equal."""
    if top is not None and (not isinstance(top, Integral) or top < 1):
        raise ValueError(f"top is a whole number of objects to keep, at least 1, got {top!r}")
    mean = state.posterior.mean
    if top is not None:
        shown = np.ones(len(mean), dtype=bool) if artefacts else ~state.artefact
        return highest(mean, int(top), shown).astype(np.int32)
    rows = None if artefacts else np.flatnonzero(~state.artefact).astype(np.int32)
    order = np.argsort(-mean if rows is None else -mean[rows], kind="stable")
    return order.astype(np.int32) if rows is None else rows[order]


def _table(
    rows: np.ndarray, first: int, ids: Ids, state: State, catalog: Catalog | None
) -> pd.DataFrame:
    """Those rows (m,) of the table, of which the first has the rank `first`."""
    posterior = state.posterior
    frame = pd.DataFrame({"rank": np.arange(first, first + len(rows)), "id_str": ids[rows]})
    if catalog is not None:
        for name in _POSITIONS:
            column = catalog.table.get(name)
            if column is not None and pd.api.types.is_numeric_dtype(column):
                frame[name] = column.to_numpy()[rows]
    mean, std = posterior.mean[rows], posterior.std[rows]
    frame["interest"], frame["interest_std"] = mean, std
    frame["p_interesting"] = state.calibration.p_interesting(mean, std, state.left)
    frame["p_artefact"] = state.p_artefact[rows]
    scores = pd.Series(state.scores, index=state.rated, dtype=np.float32)
    raters = pd.Series([len(by) for by in state.opinions.scores.values()], index=state.rated)
    return frame.assign(
        score=scores.reindex(rows).to_numpy(),
        n_raters=raters.reindex(rows, fill_value=0).to_numpy(dtype=np.int32),
    )
