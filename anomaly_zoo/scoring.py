"""The most useful objects of one part of a source: what a scan over a survey is made of."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from anomaly_zoo.interest import InterestModel, mix
from anomaly_zoo.posterior import Posterior
from anomaly_zoo.process import Scorer, correlations
from anomaly_zoo.scan import Part, Top, first_of
from anomaly_zoo.shortlist import Bar, Rule, rises, utility
from anomaly_zoo.sweep import block_size
from anomaly_zoo.threads import one_thread

_FIRST = slice(0, 1)
_REST = slice(1, None)
_ENOUGH = 2_048
"""So many objects have their variance computed together."""
_MEANS = -50.0, 50.0
"""Interest is nowhere outside, or it is computed."""


def score_part(
    part: Part,
    model: InterestModel,
    rule: Rule,
    best_f: float,
    k: int,
    without: np.ndarray | None = None,
    least: float = -np.inf,
) -> Top:
    """The k objects of a part with the highest utility, best first, ties by id: a small table.

    Tables of several parts are merged by `scan.merged`, in any order, to that of the whole, so the
    parts may be scored by threads, processes or machines: all that is needed is the part and the
    model, plain values both. `without` are rows that are left out, such as the rated ones. `least`
    is a utility that k objects of other parts are known to reach: fewer come back, and sooner.

    The mean of every object is computed. For a rule that only rises with mean and spread
    (`acquisition.RISING`) it bounds the utility, with the variance before any rating, which is
    never less than the variance itself; where that reaches the k-th best so far, with what the
    first 64 of the rated objects leave of it; and only where that does, too, the variance is
    computed. Rules that draw need a draw for the whole and are refused with a ValueError.

    >>> from anomaly_zoo.acquisition import greedy
    >>> from anomaly_zoo.representation import Representation
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> space = Representation([f"J{i}" for i in range(50)], X)
    >>> model = InterestModel.fit(X[:9], np.where(X[:9, 0] > 0, 5.0, 0.0))
    >>> tables = [score_part(part, model, greedy, 0.0, 3) for part in space.parts(2)]
    >>> bool(tables[0].values[0] == model.posterior(space.X).mean.max())
    True
    """
    with one_thread():
        found = _Best(k, least)
        bounded = _Bounded(model, rule, best_f)
        waiting: list[_Able] = []
        for first, block in part.batches(block_size(model.n_rated)):
            waiting.append(bounded.able(first, block, found.least, without))
            if sum(len(able.rows) for able in waiting) >= _ENOUGH:
                found.add(*bounded.values(waiting, found.least))
                waiting.clear()
        if waiting:
            found.add(*bounded.values(waiting, found.least))
        rows, values = found.settled()
        return first_of(k, part.ids(rows), values, rows)


class _Able(NamedTuple):
    """Objects that may be among the best: their rows (m,), and for each process their means (m,)
    and their correlations (m, n) with the rated."""

    rows: np.ndarray
    means: list[np.ndarray]
    correlations: list[torch.Tensor]


class _Bounded:
    """Finds out which objects may reach a utility, and what theirs is."""

    def __init__(self, model: InterestModel, rule: Rule, best_f: float) -> None:
        self._rule, self._best_f = rule, best_f
        self._shares, self._noise = model.shares, model.noise
        self._scorers = [Scorer(process) for process in model.processes]
        self._correlations = correlations(self._scorers)
        self._bounds = rises(rule)
        self._least = -np.inf
        self._bar: Bar | None = None

    def able(
        self, first: int, block: np.ndarray, least: float, without: np.ndarray | None
    ) -> _Able:
        """Those of a block, whose first row is given, that may reach `least` by their mean."""
        found = self._correlations(block)
        means = [scorer.mean(k) for scorer, k in zip(self._scorers, found, strict=True)]
        rows = np.arange(len(block))
        if (bar := self._raised(least)) is not None:
            rows = bar(*self._moments(means, [torch.zeros(len(block))] * len(means)))
        if without is not None:
            rows = rows[~np.isin(rows + first, without)]
        return _Able(rows + first, [m[rows] for m in means], [k[rows] for k in found])

    def values(self, waiting: list[_Able], least: float) -> tuple[np.ndarray, np.ndarray]:
        """The rows (m,) and utilities (m,) of those that reach `least`."""
        rows = np.concatenate([able.rows for able in waiting])
        means = list(map(np.concatenate, zip(*(able.means for able in waiting), strict=True)))
        found = list(map(torch.cat, zip(*(able.correlations for able in waiting), strict=True)))
        explained = self._explained(found, _FIRST)
        if (bar := self._raised(least)) is not None:
            able = bar(*self._moments(means, explained))
            rows, means = rows[able], [m[able] for m in means]
            found, explained = [k[able] for k in found], [part[able] for part in explained]
        rest = self._explained(found, _REST)
        whole = [a.add_(b) for a, b in zip(explained, rest, strict=True)]
        values = self._worth(Posterior(*self._moments(means, whole), self._noise))
        good = (values >= least) & np.isfinite(values)
        return rows[good], values[good]

    def _explained(self, found: list[torch.Tensor], bands: slice) -> list[torch.Tensor]:
        pairs = zip(self._scorers, found, strict=True)
        return [scorer.explained(k, bands) for scorer, k in pairs]

    def _raised(self, least: float) -> Bar | None:
        """What an object has to pass to reach `least`; None where that cannot be said."""
        if self._bounds and least > self._least:
            self._least = least
            spread = math.sqrt(max(scorer.hyper.outputscale for scorer in self._scorers))
            self._bar = Bar(self._worth, least, _MEANS, (0.0, 2 * spread), self._noise)
        return self._bar

    def _worth(self, belief: Posterior) -> np.ndarray:
        return utility(self._rule, belief, self._best_f, _NO_DRAWS)

    def _moments(
        self, means: list[np.ndarray], explained: list[torch.Tensor]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the mixture."""
        mean = np.empty(len(means[0]), dtype=np.float32)
        std = np.empty_like(mean)
        variances = []
        for scorer, part in zip(self._scorers, explained, strict=True):
            scale = scorer.hyper.outputscale
            variances.append((scale - part).clamp_(min=1e-7 * scale).numpy())
        mix(self._shares, means, variances, mean, std)
        return mean, std


class _NoDraws:
    """Stands where a rule expects a generator."""

    def __getattr__(self, name: str) -> object:
        raise ValueError(
            "a rule that draws cannot score one part alone; use one without draws, such as "
            "expected_improvement"
        )


_NO_DRAWS: np.random.Generator = _NoDraws()  # type: ignore[assignment]


class _Best:
    """The rows of the k highest values so far, and some more while that is less work."""

    def __init__(self, k: int, least: float) -> None:
        if k < 1:
            raise ValueError(f"k is how many objects are wanted, at least 1, got {k}")
        self._k = k
        self._rows, self._values = np.zeros(0, dtype=np.int64), np.zeros(0)
        self.least = least

    def add(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Take what may be among them."""
        self._rows = np.concatenate([self._rows, rows])
        self._values = np.concatenate([self._values, values])
        if len(self._rows) > 2 * self._k or (self.least == -np.inf and len(rows)):
            self._narrow()

    def settled(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and values of the k highest and of all that are equal to the last of them."""
        self._narrow()
        return self._rows, self._values

    def _narrow(self) -> None:
        if len(self._rows) < self._k:
            return
        self.least = float(np.partition(self._values, -self._k)[-self._k])
        kept = self._values >= self.least
        self._rows, self._values = self._rows[kept], self._values[kept]
