"""The exact best few of a large pool, without ordering or even evaluating all of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from anomaly_zoo.acquisition import RISING
from anomaly_zoo.highest import SMALL, highest
from anomaly_zoo.posterior import Posterior
from anomaly_zoo.sweep import BLOCK

Rule = Callable[..., np.ndarray]
_STEPS = 32
_GRID, _ROUNDS = 40, 3  # means that are tried at a time, each time between two of the last


def shortlist(
    rule: Rule,
    posterior: Posterior,
    best_f: float,
    rng: np.random.Generator,
    open_: np.ndarray,
    k: int,
) -> np.ndarray:
    """The rows (at most k) of the highest utility where `open_` (n,), best first, ties by row.

    The same as ordering the rule's values of all objects, for every rule. One that only rises with
    mean and spread (`acquisition.RISING`) is not evaluated everywhere: those of the highest mean or
    spread give a value that the k-th best reaches at least; for each of 32 steps of the spread the
    least mean that could reach it is found, and only objects above that are evaluated. ValueError
    where the rule does not give one number an object.

    >>> from anomaly_zoo.acquisition import greedy
    >>> belief = Posterior([1.0, 4.0, 2.0], [0.1, 0.1, 0.1])
    >>> everything, rng = np.ones(3, dtype=bool), np.random.default_rng(0)
    >>> shortlist(greedy, belief, 0.0, rng, everything, 2)
    array([1, 2])
    """
    n, mean, std = len(posterior), posterior.mean, posterior.std

    def worth(belief: Posterior) -> np.ndarray:
        return utility(rule, belief, best_f, rng)

    def some_worth(rows: np.ndarray) -> np.ndarray:
        return worth(Posterior(mean[rows], std[rows], posterior.noise))

    if n <= SMALL or not rises(rule):
        return highest(worth(posterior), k, open_)
    means, stds = posterior.means, posterior.stds
    likely = [highest(mean, 2 * k, open_, means), highest(std, 2 * k, open_, stds)]
    some = np.unique(np.concatenate(likely))
    if len(some) < k:
        return highest(worth(posterior), k, open_)
    least = float(np.partition(some_worth(some), -k)[-k])
    bar = Bar(worth, least, means.range, stds.range, posterior.noise)
    found = []
    for first in range(0, n, BLOCK):  # faster than it is to start workers for it
        rows = first + np.flatnonzero(mean[first : first + BLOCK] >= bar.least)
        rows = rows[bar(mean[rows], std[rows])]
        found.append(rows[open_[rows]])
    rows = np.concatenate(found)
    return rows[highest(some_worth(rows), k, np.ones(len(rows), dtype=bool))]


class Bar:
    """Which objects may reach a utility, where that never falls as mean or spread grow.

    For each of 32 steps of the spread a mean is found below which nothing reaches it.
    `means` and `spreads` are ranges, lowest and highest; what lies above one is let through.

    >>> bar = Bar(lambda belief: belief.mean + 2 * belief.std, 3.0, (0.0, 5.0), (0.0, 1.0))
    >>> bar(np.float32([0.5, 1.5, 2.5]), np.float32([0.9, 0.9, 0.1]))
    array([1])
    """

    def __init__(
        self,
        worth: Callable[[Posterior], np.ndarray],
        least: float,
        means: tuple[float, float],
        spreads: tuple[float, float],
        noise: float = 0.0,
    ) -> None:
        width = max((spreads[1] - spreads[0]) / (_STEPS - 2), 1e-9)
        self._lowest, self._per_width = np.float32(spreads[0]), np.float32(1 / width)
        # The upper end of each step; two more than the range has, as a step up is taken below.
        upper = spreads[0] + width * np.arange(1, _STEPS + 1)
        low, gap = np.full(_STEPS, float(means[0])), means[1] - means[0]
        for _ in range(_ROUNDS):
            gap /= _GRID
            tried = low[:, None] + gap * np.arange(1, _GRID)
            spread = np.broadcast_to(upper[:, None], tried.shape)
            short = worth(Posterior(tried.ravel(), spread.ravel(), noise)) < least
            low += gap * np.count_nonzero(short.reshape(tried.shape), axis=1)
        bars = np.where(low > means[0], low - 1e-5 * (1 + np.abs(low)), -np.inf)
        self._bars = np.append(bars, -np.inf).astype(np.float32)
        self.least = self._bars[:-1].min()
        """Nothing of a lower mean reaches it, whatever its spread in the range."""
        self._highest = np.float32(spreads[1])

    def __call__(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The rows (m,) of those that may, by their mean (n,) and std (n,), float32."""
        rows = np.flatnonzero((mean >= self.least) | (std > self._highest))
        step = ((std[rows] - self._lowest) * self._per_width).astype(np.int32)
        # A step up, so that no rounding puts an object below its own.
        np.clip(step + 1, 0, _STEPS, out=step)
        return rows[mean[rows] >= self._bars[step]]


def utility(
    rule: Rule, posterior: Posterior, best_f: float, rng: np.random.Generator
) -> np.ndarray:
    """(n,) float64: what the rule gives, -inf for what is no number; infinities keep their order.

    Raises ValueError where it is not one number an object.
    """
    values = np.array(rule(posterior, best_f=best_f, rng=rng), dtype=np.float64)
    if values.shape != posterior.mean.shape:
        raise ValueError(
            f"the acquisition rule gives one number per object, {posterior.mean.shape}, "
            f"got {values.shape}"
        )
    largest = np.finfo(np.float64).max
    return np.nan_to_num(values, nan=-np.inf, posinf=largest, neginf=-largest, copy=False)


def rises(rule: Rule) -> bool:
    """Whether the rule never falls where mean or spread grow."""
    while isinstance(rule, partial):
        rule = rule.func
    return rule in RISING
