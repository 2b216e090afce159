"""State: a frozen snapshot of what a session knows; Pick: an object it says to look at next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from anomaly_zoo.calibration import Calibration, Left
from anomaly_zoo.interest import Hypothesis, InterestModel
from anomaly_zoo.posterior import Posterior
from anomaly_zoo.ratings import Opinions
from anomaly_zoo.sweep import BLOCK, everywhere


@dataclass(frozen=True)
class Pick:
    """An object to look at next: what the model expects of it, and why it is shown."""

    id_str: str
    interest: float
    interest_std: float
    reason: str


@dataclass(frozen=True, eq=False)
class State:
    """What follows from the representation, the log so far and the seed; nothing else enters.

    Arrays are aligned with the n rows of the representation.
    """

    n_events: int
    """How many events of the log it answers."""
    opinions: Opinions
    rated: np.ndarray
    """Rows (m,) of the rated objects, in the order of their first rating."""
    scores: np.ndarray
    """Their mean scores (m,), 0 to 5."""
    artefact: np.ndarray
    """(n,) True for artefacts, flagged or taken for one by `p_artefact`: they leave the ranking."""
    p_artefact: np.ndarray
    """(n,) float32, how likely each object is an artefact like the flagged ones; 1 for those."""
    posterior: Posterior
    calibration: Calibration
    """What the ratings so far say about the worth of the posterior's own spread."""
    left: Left
    """How the interest of the objects that may be shown stands."""
    best_f: float
    """What an object is to improve on: the posterior mean of the 50th of the unrated ("many"), or
    the highest among the rated ("best")."""
    open: np.ndarray
    """(n,) True for what may be shown: within the limit, neither rated nor skipped nor an
    artefact."""
    model: InterestModel
    """What the posterior comes from."""
    seen: np.ndarray
    """Rows of all objects that were rated, skipped or flagged."""
    limit: str = ""
    """What the search is limited to, in words; "" for nothing."""
    within: np.ndarray | None = None
    """(n,) True for what the search is limited to; None where it is not limited."""
    limit_trouble: str = ""
    """Why there is nothing within although there is a limit: it cannot be worked out any more."""

    @cached_property
    def p_interesting(self) -> np.ndarray:
        """(n,) float32, the probability that a rating is at least 4; its sum over the objects that
        are left is how many of them may be interesting. Computed when it is first asked for."""
        p = np.empty(len(self.posterior), dtype=np.float32)

        def work(first: int) -> None:
            rows = slice(first, first + BLOCK)
            mean, std = self.posterior.mean[rows], self.posterior.std[rows]
            p[rows] = self.calibration.p_interesting(mean, std, self.left)

        everywhere(work, len(p))
        p.flags.writeable = False
        return p

    def foretold(self, row: int) -> dict[str, Any]:
        """What is expected of a rating of one object, for the log."""
        mean, std = self.posterior.mean[row : row + 1], self.posterior.std[row : row + 1]
        return {
            "interest": float(mean[0]),
            "interest_std": float(std[0]),
            "noise": self.calibration.noise,
            "p_interesting": float(self.calibration.p_interesting(mean, std, self.left)[0]),
        }

    @cached_property
    def hidden(self) -> np.ndarray:
        """Rows of the artefacts."""
        return np.flatnonzero(self.artefact)

    @property
    def hypotheses(self) -> tuple[Hypothesis, ...]:
        """The Gaussian processes behind the posterior, and their shares."""
        return self.model.hypotheses
