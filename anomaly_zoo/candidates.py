"""The few objects that the looks of a batch may go to, and which of them is the most useful."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from anomaly_zoo.posterior import Posterior
from anomaly_zoo.representation import Representation
from anomaly_zoo.shortlist import Rule, rises, shortlist, utility

if TYPE_CHECKING:
    from anomaly_zoo.state import State

_FEW = 16  # for one look: those that rounding might put in another order
_SEVERAL = 100
_ANY_RULE = 2000
_WIDER = 8
_HELD = 2**23  # numbers of 8 bytes
_TOGETHER = 32  # objects whose covariances are computed at a time
_ROUNDING = 1e-6  # of a utility of a float32 belief, relative


class Candidates:
    """Objects from which one after the other is taken, the most useful of all open ones first.

    Their beliefs are computed exactly. Each that is taken counts as rated with the score that the
    model expects (the kriging believer of Ginsbourger, Le Riche & Carraro 2010): the means stay,
    the variances around it shrink, and what is useful only because nothing is known there is not
    taken twice.

    The candidates are those of the highest utility before anything was taken. Under a rule that
    never falls as the spread grows (`acquisition.RISING`) a take can only lower the others, so no
    object outside is worth more than the least of them was at first. Where none that is left is
    worth that, eight times as many become candidates: each take is the one that a search through
    all would make. Under any other rule it is the best of 2,000. Both end where 64 MB do: of 200
    rated at some 15,000 candidates, or 2,000 takes in a batch. What is equal but for rounding goes
    by id.

    n : how many are taken at most. taken : rows that are already. others : rows that may be taken
    beside those that `best` finds.
    """

    def __init__(
        self,
        space: Representation,
        state: State,
        seed: int,
        n: int,
        taken: list[int],
        others: list[int],
    ) -> None:
        self._space, self._state, self._seed, self._n = space, state, seed, n
        self._first = max(_SEVERAL, 2 * n) if n > 1 else _FEW
        width = n + len(state.model.processes) * (state.model.n_rated + space.d)
        self._most = max(self._first, _HELD // width)
        self._noise = state.posterior.noise**2 + 1e-12
        self._shortlists: dict[tuple[Rule, float], tuple[int, float]] = {}
        self._taken = list(taken)
        self._rows = np.array([*taken, *others], dtype=np.int64)

    def best(self, rule: Rule, best_f: float) -> tuple[int, float] | None:
        """The row of highest utility that is left, with that; None where none is."""
        asked = rule, best_f
        count, bar = self._shortlists.get(asked) or self._widened(rule, best_f, 0)
        worth = self._worth(rule, best_f)
        while worth.max(initial=-np.inf) < bar and count < self._most:
            count, bar = self._widened(rule, best_f, count)
            worth = self._worth(rule, best_f)
        self._shortlists[asked] = count, bar
        if not self._left.any():
            return None
        self._likely = np.argsort(-worth, kind="stable")[:_TOGETHER]
        gain = float(worth[self._likely[0]])
        place = np.argmax(self._left & (worth >= gain - _ROUNDING * abs(gain)))
        return int(self._rows[place]), gain

    def take(self, row: int) -> None:
        """Count a candidate as rated as expected."""
        self._taken.append(row)

    def _widened(self, rule: Rule, best_f: float, count: int) -> tuple[int, float]:
        """Have more candidates of a rule: how many, and what none of the others is worth."""
        bounds = rises(rule)
        first = self._first if bounds or self._n == 1 else max(self._first, _ANY_RULE)
        count = min(_WIDER * count or first, self._most)
        rng = np.random.default_rng([self._seed, self._state.n_events])
        belief, open_ = self._state.posterior, self._state.open
        rows = shortlist(rule, belief, best_f, rng, open_, count)
        self._hold(rows)
        if len(rows) < count or not bounds:
            return count, -np.inf
        at_first = self._utility(rule, best_f)  # nothing taken is applied to them yet
        bar = at_first[np.isin(self._rows, rows)].min()
        return count, bar + _ROUNDING * abs(bar)

    def _hold(self, rows: np.ndarray) -> None:
        """Have these rows among the candidates, with the beliefs before any of them is taken."""
        rows = np.union1d(self._rows, rows)
        self._rows = rows[np.argsort(self._space.ids[rows].astype(str), kind="stable")]
        self._left = self._state.open[self._rows]
        self._joint = self._state.model.joint(self._space.take(self._rows))
        self._variance = self._joint.variance
        room = min(self._n, _HELD // max(1, len(rows)))
        self._columns = torch.empty(room, len(rows), dtype=torch.float64)
        self._known = 0
        self._ahead: dict[int, torch.Tensor] = {}
        self._likely = np.zeros(0, dtype=np.int64)

    def _worth(self, rule: Rule, best_f: float) -> np.ndarray:
        """(m,) the utilities after all that was taken, -inf for those that are gone."""
        while new := self._taken[self._known :][:_TOGETHER]:
            self._apply(np.array([np.flatnonzero(self._rows == row)[0] for row in new]))
        return np.where(self._left, self._utility(rule, best_f), -np.inf)

    def _utility(self, rule: Rule, best_f: float) -> np.ndarray:
        spread = np.sqrt(np.maximum(self._variance, 1e-12))
        belief = Posterior(self._joint.mean, spread, self._state.posterior.noise)
        return utility(rule, belief, best_f, np.random.default_rng([self._seed, len(spread)]))

    def _apply(self, places: np.ndarray) -> None:
        """Take p candidates, and what they explain off the variances: p steps of a Cholesky
        factorisation that has the taken as its pivots."""
        covariances = self._covariances(places)
        self._left[places] = False
        before = self._columns[: self._known]
        columns = self._columns[self._known : self._known + len(places)]
        self._known += len(places)
        places, covariances = places[: len(columns)], covariances[: len(columns)]
        torch.addmm(covariances, before[:, places].T, before, alpha=-1, out=columns)
        own = columns[:, places] + self._noise * torch.eye(len(places), dtype=torch.float64)
        factor = torch.linalg.cholesky(own)
        columns.copy_(torch.linalg.solve_triangular(factor, columns, upper=False))
        self._variance -= columns.square().sum(0).numpy()

    def _covariances(self, places: np.ndarray) -> torch.Tensor:
        """(p, m) of some candidates with all. Those of what is likely next are computed with them,
        which costs less together."""
        if not self._ahead.keys() >= set(places.tolist()):
            together = np.union1d(places, self._likely[self._left[self._likely]])
            columns = map(torch.from_numpy, self._joint.covariance(together))
            self._ahead = dict(zip(together.tolist(), columns, strict=True))
        return torch.stack([self._ahead.pop(place) for place in places.tolist()])
