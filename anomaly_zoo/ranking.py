"""The ranked table: all objects but the artefacts, most interesting first."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

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
    "p_interesting": "probability that the score is at least 4",
    "p_artefact": "how likely it is an artefact like those that were flagged",
    "score": "mean score given by the raters; empty where not rated",
    "n_raters": "how many raters gave a score",
}
UNITS = {"ra": "deg", "dec": "deg"}
_POSITIONS = ("ra", "dec", "x", "y")


def ranked(
    ids: Ids,
    state: State,
    catalog: Catalog | None,
    top: int | None,
    artefacts: bool = False,
) -> pd.DataFrame:
    """The table of `Session.ranking`: ids (n,) are those of the representation, in its order."""
    if top is not None and (not isinstance(top, Integral) or top < 1):
        raise ValueError(f"top is a whole number of objects to keep, at least 1, got {top!r}")
    posterior = state.posterior
    order = np.argsort(-posterior.mean, kind="stable")
    order = (order if artefacts else order[~state.artefact[order]])[:top]
    frame = pd.DataFrame({"rank": np.arange(1, len(order) + 1), "id_str": ids[order]})
    if catalog is not None:
        for name in _POSITIONS:
            column = catalog.table.get(name)
            if column is not None and pd.api.types.is_numeric_dtype(column):
                frame[name] = column.to_numpy()[order]
    frame["interest"] = posterior.mean[order]
    frame["interest_std"] = posterior.std[order]
    frame["p_interesting"] = state.p_interesting[order]
    frame["p_artefact"] = state.p_artefact[order]
    scores = np.full(len(ids), np.nan, dtype=np.float32)
    scores[state.rated] = state.scores
    raters = np.zeros(len(ids), dtype=np.int32)
    raters[state.rated] = [len(by) for by in state.opinions.scores.values()]
    return frame.assign(score=scores[order], n_raters=raters[order])
