"""Which object to look at next: one function per rule, from a posterior to a utility per object.

Every rule has one signature, `rule(posterior, *, best_f, rng) -> (n,) float64`, and sees nothing
but the posterior: `best_f` is what an object is to improve on, by default the posterior mean of the
50th of those not yet seen, for who means to find many; in a session with goal="best" the textbook's
best posterior mean among the rated (`choice.Choice.best_f` derives both). `rng` is used by
the rules that draw. The object of highest utility is shown next. A rule of your own is a function
of the same signature; settings are bound with `functools.partial`:

>>> from functools import partial
>>> bold = partial(upper_confidence_bound, beta=4.0)
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from anomaly_zoo.posterior import Posterior

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_SMALLEST_STD = 1e-9


def expected_improvement(
    posterior: Posterior, *, best_f: float, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Return E[max(f - best_f, 0)], the interest that each object is expected to add.

    EI = std * h(z) with z = (mean - best_f) / std and h(z) = phi(z) + z Phi(z), in score units
    (Mockus 1975; Jones, Schonlau & Welch 1998). Computed from the logarithm, so the tail keeps
    its digits down to z = -37; still further below, the numbers underflow to 0 and tie: use
    `log_expected_improvement`, the same order without ties, to rank a whole pool.

    >>> expected_improvement(Posterior([1.0], [1.0]), best_f=1.0).round(6).tolist()
    [0.398942]
    """
    return np.exp(log_expected_improvement(posterior, best_f=best_f, rng=rng))


def log_expected_improvement(
    posterior: Posterior, *, best_f: float, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Return log E[max(f - best_f, 0)]: the order of expected improvement, never tied at 0.

    log EI = log h(z) + log std, with log h in the three stable pieces of Ament et al. 2023
    ("Unexpected Improvements to Expected Improvement for Bayesian Optimization", eq. 9), finite
    for every finite z that a float32 posterior can give.

    >>> far = Posterior([0.0, 0.1], [0.01, 0.01])
    >>> expected_improvement(far, best_f=5.0).tolist()
    [0.0, 0.0]
    >>> log_expected_improvement(far, best_f=5.0).round(1).tolist()
    [-125018.0, -120067.9]
    """
    mean, std = _moments(posterior)
    return _log_h((mean - best_f) / std) + np.log(std)


def probability_of_improvement(
    posterior: Posterior, *, best_f: float, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Return log P(f > best_f) = log Phi((mean - best_f) / std) (Kushner 1964), as a logarithm.

    >>> np.exp(probability_of_improvement(Posterior([1.0], [1.0]), best_f=1.0)).tolist()
    [0.5]
    """
    mean, std = _moments(posterior)
    return log_ndtr((mean - best_f) / std)


def upper_confidence_bound(
    posterior: Posterior,
    *,
    best_f: float,
    rng: np.random.Generator | None = None,
    beta: float = 2.0,
) -> np.ndarray:
    """Return mean + beta * std, optimism in the face of uncertainty (Srinivas et al. 2010).

    `beta` is the number of standard deviations; `best_f` is not used.
    Raises ValueError when beta is negative or not finite.

    >>> upper_confidence_bound(Posterior([1.0], [0.5]), best_f=0.0).tolist()
    [2.0]
    """
    if not (math.isfinite(beta) and beta >= 0):
        raise ValueError(f"beta must be a finite number >= 0, got {beta}")
    mean, std = _moments(posterior)
    return mean + beta * std


def thompson(posterior: Posterior, *, best_f: float, rng: np.random.Generator) -> np.ndarray:
    """Return one draw of every object's interest (Thompson 1933), each on its own.

    The draw is mean + std * N(0, 1) from the marginals, without the correlation between
    neighbours that a joint draw has, so it explores more than a joint draw would; in return it
    costs nothing at any n. `best_f` is not used.

    >>> belief = Posterior([0.0, 5.0], [0.1, 0.1])
    >>> int(thompson(belief, best_f=0.0, rng=np.random.default_rng(0)).argmax())
    1
    """
    mean, std = _moments(posterior)
    return mean + std * rng.standard_normal(len(mean))


def greedy(
    posterior: Posterior, *, best_f: float, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Return the mean: always the object believed to be the most interesting.

    >>> greedy(Posterior([1.0, 2.0], [1.0, 1.0]), best_f=0.0).tolist()
    [1.0, 2.0]
    """
    return _moments(posterior)[0]


def uncertainty(
    posterior: Posterior, *, best_f: float, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Return the std: always the object the model knows least about (Lewis & Gale 1994).

    >>> uncertainty(Posterior([1.0, 2.0], [0.5, 0.25]), best_f=0.0).tolist()
    [0.5, 0.25]
    """
    return _moments(posterior)[1]


def random(posterior: Posterior, *, best_f: float, rng: np.random.Generator) -> np.ndarray:
    """Return a uniform draw in [0, 1) per object: the baseline that every rule has to beat.

    >>> random(Posterior([1.0, 2.0], [1.0, 1.0]), best_f=0.0, rng=np.random.default_rng(0)).shape
    (2,)
    """
    return rng.random(len(posterior))


RISING = frozenset(
    (expected_improvement, log_expected_improvement, upper_confidence_bound, greedy, uncertainty)
)
"""The rules that never fall where mean or spread grow: a pool need not be evaluated everywhere."""


def _moments(posterior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and std as float64, the std clamped away from zero here and only here."""
    std = np.maximum(posterior.std.astype(np.float64), _SMALLEST_STD)
    return posterior.mean.astype(np.float64), std


def _log_h(z: np.ndarray) -> np.ndarray:
    """Return log(phi(z) + z Phi(z)) without cancellation or underflow (Ament et al. 2023)."""
    out = np.empty_like(z)
    near = z > -1
    x = z[near]
    out[near] = np.log(np.exp(-0.5 * x * x - _LOG_SQRT_2PI) + x * ndtr(x))
    # phi(z) (1 - |z| Phi(z)/phi(z)), the ratio by erfcx. Its bracket tends to 1/z^2 and loses
    # digits on the way; past |z| = 1000 the series 1/z^2 - 3/z^4 is the better number.
    tail = (z <= -1) & (z > -1e3)
    x = -z[tail]
    bracket = np.log1p(-x * erfcx(x / math.sqrt(2)) * math.sqrt(math.pi / 2))
    out[tail] = -0.5 * x * x - _LOG_SQRT_2PI + bracket
    far = z <= -1e3
    x = -z[far]
    out[far] = -0.5 * x * x - _LOG_SQRT_2PI - 2 * np.log(x) + np.log1p(-3 / x**2)
    return out
