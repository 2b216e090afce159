"""The exact best few of a large pool, without ordering or even evaluating all of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from anomaly_zoo.acquisition import RISING
from anomaly_zoo.highest import SMALL, STRIDE, highest
from anomaly_zoo.posterior import Posterior
from anomaly_zoo.sweep import BLOCK, everywhere

Rule = Callable[..., np.ndarray]
_STEPS = 256
_HALVINGS = 22
_CHUNK = BLOCK


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
    mean and spread (`acquisition.RISING`) is not evaluated everywhere: some objects give a value
    that the k-th best reaches at least; for each of 256 steps of the spread bisection finds the
    least mean that could reach it, and only objects above that are evaluated. ValueError where the
    rule does not give one number an object.

    >>> from anomaly_zoo.acquisition import greedy
    >>> belief = Posterior([1.0, 4.0, 2.0], [0.1, 0.1, 0.1])
    >>> everything, rng = np.ones(3, dtype=bool), np.random.default_rng(0)
    >>> shortlist(greedy, belief, 0.0, rng, everything, 2)
    array([1, 2])
    """
    n = len(posterior)
    if n <= SMALL or not rises(rule):
        return highest(utility(rule, posterior, best_f, rng), k, open_)
    evaluate = partial(_some, rule, posterior, best_f, rng)
    some = np.arange(0, n, STRIDE)
    some = some[open_[some]]
    if len(some) < k:
        return highest(utility(rule, posterior, best_f, rng), k, open_)
    least = float(np.partition(evaluate(some), -k)[-k])
    low, high = float(posterior.std.min()), float(posterior.std.max())
    width = max((high - low) / _STEPS, 1e-9)
    spreads = low + width * np.arange(1, _STEPS + 1)
    means = _least_means(rule, least, spreads, best_f, rng, posterior)

    def able(first: int) -> np.ndarray:
        rows = slice(first, first + _CHUNK)
        step = ((posterior.std[rows] - np.float32(low)) * np.float32(1 / width)).astype(np.int32)
        # A little up, so that no rounding puts an object below its step.
        np.clip(step + 1, 0, _STEPS - 1, out=step)
        return first + np.flatnonzero(posterior.mean[rows] >= means[step])

    rows = np.concatenate(everywhere(able, n, _CHUNK))
    rows = rows[open_[rows]]
    return rows[highest(evaluate(rows), k, np.ones(len(rows), dtype=bool))]


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


def _some(
    rule: Rule, posterior: Posterior, best_f: float, rng: np.random.Generator, rows: np.ndarray
) -> np.ndarray:
    belief = Posterior(posterior.mean[rows], posterior.std[rows], posterior.noise)
    return utility(rule, belief, best_f, rng)


def _least_means(
    rule: Rule,
    least: float,
    spreads: np.ndarray,
    best_f: float,
    rng: np.random.Generator,
    posterior: Posterior,
) -> np.ndarray:
    """(s,) float32: the mean below which no object of each spread reaches `least`."""
    low = np.full(len(spreads), float(posterior.mean.min()))
    high = np.full(len(spreads), float(posterior.mean.max()))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        belief = Posterior(middle, spreads, posterior.noise)
        short = utility(rule, belief, best_f, rng) < least
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return (low - 1e-5 * (1 + np.abs(low))).astype(np.float32)
