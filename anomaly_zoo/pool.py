"""What is believed of every object, kept up to date one rating at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from anomaly_zoo.extremes import Extremes
from anomaly_zoo.interest import Hypothesis, InterestModel, mix
from anomaly_zoo.posterior import Posterior
from anomaly_zoo.process import Scorer
from anomaly_zoo.representation import Representation
from anomaly_zoo.scan import unused
from anomaly_zoo.sweep import BLOCK, Job, everywhere, sweep
from anomaly_zoo.threads import one_thread

STEPS = 10
"""After so many ratings more, one at a time, everything is computed anew: float32 drifts."""
_MOVED = 2 * BLOCK  # rows of a piece of a step


@dataclass(frozen=True, eq=False)
class _Column:
    """How far a rating of one object will move all others: it does not depend on the score.

    model : with this object as the last of the rated, whatever its score.
    covariances : h arrays (n,) float32, of every object with this one, in each process.
    """

    row: int
    model: InterestModel
    covariances: list[np.ndarray]


class Pool:
    """The objects of a representation and what a model believes of them.

    A new model is applied to all objects in one sweep. One rating more under the same hypotheses
    moves each mean and variance by a multiple of its covariance with the rated object (the
    rank-one form of Rasmussen & Williams 2006, eq. 2.25 and 2.26): with c that covariance, m, v the
    mean and variance of the rated object and s2 the noise, every mean grows by c (y - m) / (v + s2)
    and every variance shrinks by c^2 / (v + s2). The covariances do not depend on the score, so
    `prepare` can compute them while the rater still looks. Per object 8 bytes for each process, 4
    more for each where a column is prepared, and 8 for the belief.

    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> pool = Pool(Representation([f"J{i}" for i in range(60)], X))
    >>> hypotheses = InterestModel.fit(X[:2], np.array([0.0, 5.0])).hypotheses
    >>> _ = pool.believe(np.array([0, 1]), np.array([0.0, 5.0]), hypotheses)
    >>> pool.prepare(7)
    >>> model, belief = pool.believe(np.array([0, 1, 7]), np.array([0.0, 5.0, 3.0]), hypotheses)
    >>> bool(np.allclose(belief.mean, model.posterior(pool.space.X).mean, atol=1e-4))
    True
    """

    def __init__(self, space: Representation) -> None:
        self.space = space
        self._model: InterestModel | None = None  # of what the arrays hold; None: of nothing
        self._rows = np.zeros(0, dtype=int)
        self._scores = np.zeros(0)
        self._means: list[np.ndarray] = []
        self._variances: list[np.ndarray] = []
        self._column: _Column | None = None
        self._steps = 0
        self._beliefs: list[np.ndarray] = []  # what was given out, used again once nobody has it

    def believe(
        self,
        rows: np.ndarray,
        scores: np.ndarray,
        hypotheses: tuple[Hypothesis, ...],
        progress: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> tuple[InterestModel, Posterior]:
        """The model by the rated rows (m,) and their scores (m,), and its belief about all n.

        Under the hypotheses of the last call, with the ratings of then first, only what is new is
        applied. `progress` is told the share that is done of a sweep. Raises InterruptedError when
        `cancelled` says so; the next call then begins anew.
        """
        if (model := self._followed(rows, scores, hypotheses)) is not None:
            while (known := len(self._rows)) < len(rows):
                column = self._column_of(int(rows[known]), model, progress, cancelled)
                self._model = None  # while the arrays are on their way from one to the next
                with one_thread():
                    model, belief = self._step(column, scores[: known + 1])
                self._rows, self._scores = rows[: known + 1], scores[: known + 1]
                self._steps += 1
                self._model, self._column = model, None
            return model, belief
        model = InterestModel.condition(self.space.take(rows), scores, hypotheses)
        if not len(rows):
            return model, self._prior(model)
        belief = self.refresh(model, progress, cancelled)
        self._rows, self._scores, self._steps, self._model = rows, scores, 0, model
        return model, belief

    def prepare(self, row: int, cancelled: Callable[[], bool] | None = None) -> None:
        """Compute now what a rating of this object will need, so that it is there at once.

        Raises InterruptedError when `cancelled` says so.
        """
        if self._model is not None and row not in self._rows:
            self._column = self._column_of(row, self._model, None, cancelled)

    @property
    def _prepared(self) -> int | None:
        return None if self._column is None else self._column.row

    def _followed(
        self, rows: np.ndarray, scores: np.ndarray, hypotheses: tuple[Hypothesis, ...]
    ) -> InterestModel | None:
        """The present model, where steps lead from it to these ratings; at most one of them
        without its column at hand, as more would cost what a sweep costs."""
        model, known = self._model, len(self._rows)
        new = len(rows) - known
        if (
            model is None
            or model.hypotheses is not hypotheses
            or not 0 < new <= STEPS - self._steps
            or new - (self._prepared == rows[known]) > 1
            or not np.array_equal(rows[:known], self._rows)
            or not np.array_equal(scores[:known], self._scores)
        ):
            return None
        return model

    def refresh(
        self,
        model: InterestModel,
        progress: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Posterior:
        """What a model believes of all n objects, in one sweep."""
        self._model = self._column = None
        n, h = len(self.space), len(model.processes)
        self._means = _arrays(self._means, n, h)
        self._variances = _arrays(self._variances, n, h)
        mean, std = (unused(self._beliefs, (n,)) for _ in range(2))
        shares = model.shares

        def begin() -> Job:
            moments = model.scorer(Scorer.moments)

            def job(first: int, block: np.ndarray) -> None:
                rows = slice(first, first + len(block))
                means = [values[rows] for values in self._means]
                variances = [values[rows] for values in self._variances]
                for m, variance, said in zip(means, variances, moments(block), strict=True):
                    m[:], variance[:] = said
                mix(shares, means, variances, mean[rows], std[rows])

            return job

        self._sweep(begin, model.n_rated, progress, cancelled)
        return Posterior(mean, std, model.noise)

    def _prior(self, model: InterestModel) -> Posterior:
        """What a model without a rating believes: the same of every object."""
        self._model = self._column = None
        one = model.joint(self.space.take(np.array([0])))
        mean, std = (np.full(len(self.space), v, np.float32) for v in (one.mean, one.variance**0.5))
        return Posterior(mean, std, model.noise)

    def _column_of(
        self,
        row: int,
        model: InterestModel,
        progress: Callable[[float], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> _Column:
        n_rated = model.n_rated
        column = self._column
        if column is not None and (column.row, column.model.n_rated) == (row, n_rated + 1):
            return column
        self._column = None  # its memory goes to the next
        after = model.extended(self.space.take(np.array([row]))[0], np.zeros(n_rated + 1))
        covariances = [np.empty(len(self.space), dtype=np.float32) for _ in model.processes]

        def begin() -> Job:
            columns = after.scorer(Scorer.columns, variances=False)

            def job(first: int, block: np.ndarray) -> None:
                for column, said in zip(covariances, columns(block), strict=True):
                    column[first : first + len(block)] = said

            return job

        self._sweep(begin, n_rated, progress, cancelled)
        return _Column(row, after, covariances)

    def _step(self, column: _Column, scores: np.ndarray) -> tuple[InterestModel, Posterior]:
        """One rating more: its score is the last of `scores`."""
        model = column.model.scored(scores)
        n, shares, changes = len(self.space), model.shares, []
        for process in model.processes:
            gain, shrinkage = process.last
            changes.append((gain, -shrinkage, 1e-7 * process.hyper.outputscale))
        mean, std = (unused(self._beliefs, (n,)) for _ in range(2))
        extremes = Extremes.empty(n), Extremes.empty(n)
        kinds = self._means, self._variances, column.covariances

        def move(first: int) -> None:
            rows = slice(first, first + _MOVED)
            means, variances, covariances = ([array[rows] for array in kind] for kind in kinds)
            held = zip(means, variances, covariances, changes, strict=True)
            for *arrays, (gain, shrinkage, floor) in held:
                m, variance, c = map(torch.from_numpy, arrays)
                m.add_(c, alpha=gain)
                variance.addcmul_(c, c, value=shrinkage).clamp_(min=floor)
            mix(shares, means, variances, mean[rows], std[rows])
            for found, values in zip(extremes, (mean, std), strict=True):
                found.measure(values[rows], first)

        everywhere(move, n, _MOVED)
        return model, Posterior(mean, std, model.noise, *extremes)

    def _sweep(
        self,
        begin: Callable[[], Job],
        width: int,
        progress: Callable[[float], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        n = len(self.space)
        parts = self.space.parts(1 + n // BLOCK)
        sweep([part.batches for part in parts], n, begin, width, progress, cancelled)


def _arrays(old: list[np.ndarray], n: int, count: int) -> list[np.ndarray]:
    """So many (n,) float32 arrays to write to, the old ones first."""
    return [*old[:count], *(np.empty(n, dtype=np.float32) for _ in range(count - len(old)))]
