"""The most useful objects of one part of a source: what a scan over a survey is made of."""

from __future__ import annotations

import numpy as np
import torch

from anomaly_zoo.interest import InterestModel, mix
from anomaly_zoo.posterior import Posterior
from anomaly_zoo.process import Scorer, correlations
from anomaly_zoo.scan import Part, Top, first_of
from anomaly_zoo.shortlist import Rule, rises, utility
from anomaly_zoo.sweep import block_size
from anomaly_zoo.threads import one_thread

_FIRST = slice(0, 1)
_REST = slice(1, None)


def score_part(
    part: Part,
    model: InterestModel,
    rule: Rule,
    best_f: float,
    k: int,
    without: np.ndarray | None = None,
) -> Top:
    """The k objects of a part with the highest utility, best first, ties by id: a small table.

    Tables of several parts are merged by `scan.merged`, in any order, to that of the whole, so the
    parts may be scored by threads, processes or machines: all that is needed is the part and the
    model, plain values both. `without` are rows that are left out, such as the rated ones.

    The mean of every object is computed, and of its variance what the first 64 of the rated
    objects leaves: never less than the variance itself. For a rule that only rises with mean and
    spread (`acquisition.RISING`) this bounds its utility, and only objects whose bound reaches the
    k-th best so far have their variance computed. Rules that draw need a draw for the whole and
    are refused with a ValueError.

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
        found = _Best(k)
        score = _Bounded(model, rule, best_f)
        for first, block in part.batches(block_size(model.n_rated)):
            closed = None
            if without is not None:
                closed = without[(without >= first) & (without < first + len(block))] - first
            rows, values = score(block, found.least, closed)
            found.add(rows + first, values)
        rows, values = found.settled()
        return first_of(k, part.ids(rows), values, rows)


class _Bounded:
    """Utilities of the objects of a block that may reach a value."""

    def __init__(self, model: InterestModel, rule: Rule, best_f: float) -> None:
        self._rule, self._best_f = rule, best_f
        self._shares, self._noise = model.shares, model.noise
        self._scorers = [Scorer(process) for process in model.processes]
        self._correlations = correlations(self._scorers)
        self._bounds = rises(rule)

    def __call__(
        self, block: np.ndarray, least: float, closed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the block (m,) and their utilities (m,): all that are at least `least`."""
        pairs = list(zip(self._scorers, self._correlations(block), strict=True))
        means = [scorer.mean(k) for scorer, k in pairs]
        explained = [scorer.explained(k, _FIRST) for scorer, k in pairs]
        rows = np.arange(len(block))
        if self._bounds and least > -np.inf:
            rows = np.flatnonzero(self._utility(means, explained) >= least)
        if closed is not None and len(closed):
            rows = rows[~np.isin(rows, closed)]
        some = [m[rows] for m in means]
        whole = [
            part[rows] + scorer.explained(k[rows], _REST)
            for part, (scorer, k) in zip(explained, pairs, strict=True)
        ]
        values = self._utility(some, whole)
        good = (values >= least) & np.isfinite(values)
        return rows[good], values[good]

    def _utility(self, means: list[np.ndarray], explained: list[torch.Tensor]) -> np.ndarray:
        mean = np.empty(len(means[0]), dtype=np.float32)
        std = np.empty_like(mean)
        variances = []
        for scorer, part in zip(self._scorers, explained, strict=True):
            scale = scorer.hyper.outputscale
            variances.append((scale - part).clamp_(min=1e-7 * scale).numpy())
        mix(self._shares, means, variances, mean, std)
        belief = Posterior(mean, std, self._noise)
        return utility(self._rule, belief, self._best_f, _NO_DRAWS)


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

    def __init__(self, k: int) -> None:
        if k < 1:
            raise ValueError(f"k is how many objects are wanted, at least 1, got {k}")
        self._k = k
        self._rows, self._values = np.zeros(0, dtype=np.int64), np.zeros(0)
        self.least = -np.inf

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
