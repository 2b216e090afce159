"""What a prediction was worth: spread and probabilities corrected by the ratings that followed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr

from anomaly_zoo.posterior import INTERESTING, Posterior

Z90 = 1.6448536269514722
"""Nine tenths of a Gaussian lie within so many standard deviations."""
_LOOKS = 20
"""The model's own noise counts as much as so many looks."""
_RECENT = 60  # looks whose errors say how wide the next interval is
# Grid and priors (median, standard deviation; of the width its logarithm) of the probit. Of whole
# scores the ones of at least 4 are those above 3.5.
_THRESHOLDS = np.linspace(2.0, 4.5, 26)
_WIDTHS = np.geomspace(0.2, 4.0, 25)
_THRESHOLD, _WIDTH = (3.5, 0.5), (0.7, 0.7)
_T, _W = np.meshgrid(_THRESHOLDS, _WIDTHS, indexing="ij")
_PRIOR = -0.5 * ((_T - _THRESHOLD[0]) / _THRESHOLD[1]) ** 2
_PRIOR -= 0.5 * (np.log(_W / _WIDTH[0]) / _WIDTH[1]) ** 2
BEST = 50
"""The place of the last of the best."""
_LAG = 1.6  # what the argument of the probit loses from there to the ordinary object
_SAMPLE = 50_000
_EVEN = 0.3  # score units: an ordinary object so near to the best is nearly as good


@dataclass(frozen=True)
class Calibration:
    """How predictions become honest numbers about the next rating.

    noise : standard deviation of one rating around the interest, such that nine tenths of the
        last 60 ratings lay within interest ± 1.645 sqrt(interest_std^2 + noise^2).
    threshold, width : the probability that a rating of an object among the best of those that
        nobody has rated is at least 4 is
        Phi((interest - threshold) / sqrt(interest_std^2 + width^2)).

    >>> ready = calibrate(np.zeros(0), np.zeros(0), np.zeros(0), noise=0.3)
    >>> ready.noise, round(ready.threshold, 2)
    (0.3, 3.5)
    """

    noise: float
    threshold: float
    width: float

    def p_interesting(self, mean: np.ndarray, std: np.ndarray, left: Left) -> np.ndarray:
        """The (n,) float32 probability that a rating of each object is at least 4.

        mean, std : (n,) float32, of the posterior; left : of those that may still be shown.

        What was looked at was picked as the best there was, so its ratings say what the best are
        worth. Of the other objects, which nobody picks, there are so many that their sum would be
        far too high if they were worth as much as a best one of equal interest and std. The
        argument of Phi is lowered by 1.6 sqrt(lag) for them, where lag is 0 for the best and about
        1 for the ordinary: (bar - interest) / (bar - median + 0.3). The form and its numbers were
        measured: with them the sum over what is left is what was left, in the geometric mean of
        searches for 20 rare kinds (tests/benchmarks/remaining.py), and what is looked at is as
        well calibrated as without.

        >>> belief = Posterior([0.2] * 95 + [3.0] * 5, [1.0] * 100)
        >>> left = Left.of(belief, np.full(100, True))
        >>> p = Calibration(0.3, 3.0, 1.0).p_interesting(belief.mean, belief.std, left)
        >>> float(p[-1]), round(float(p[0]), 4)
        (0.5, 0.0002)
        """
        z = (mean - np.float32(self.threshold)) / np.hypot(std, np.float32(self.width))
        lag = np.maximum(np.float32(left.bar) - mean, 0)
        lag *= np.float32(1 / (left.bar - left.median + _EVEN))
        z -= np.float32(_LAG) * np.sqrt(lag)
        return ndtr(z).astype(np.float32, copy=False)


class Left(NamedTuple):
    """How the objects that may still be shown stand.

    bar : the 50th highest interest of them, of fewer than 1,000 that of the twentieth part.
    median : the median interest; of more than 50,000 that of an even sample of so many.
    """

    bar: float
    median: float

    @classmethod
    def of(cls, posterior: Posterior, open_: np.ndarray, best: np.ndarray | None = None) -> Left:
        """Measure the interest of those that are open (n,); where none is, all are the best.
        `best` are the rows of the 50 best of them, where those are known.

        >>> belief = Posterior(np.arange(1001), np.ones(1001))
        >>> Left.of(belief, np.arange(1001) < 1000)
        Left(bar=950.0, median=499.0)
        """
        n, mean = int(np.count_nonzero(open_)), posterior.mean
        if not n:
            return cls(float(mean.min()), float(mean.min()))
        best = posterior.best(BEST, open_) if best is None else best
        bar = mean[best[min(BEST, math.ceil(n / 20)) - 1]]
        step = 1 + len(mean) // _SAMPLE
        some = mean[::step][open_[::step]]
        middle = (len(some) - 1) // 2
        return cls(float(bar), float(np.partition(some, middle)[middle] if len(some) else bar))


class Probit:
    """The posterior density of threshold and width on their grid, one look after the other.

    The looks of before are remembered and only new ones added, for a look costs 650 evaluations;
    each by itself, so that the sum is the same whenever it is made.
    """

    def __init__(self) -> None:
        self._looks: list[tuple[float, float, bool]] = []
        self._density = _PRIOR

    def fit(self, looks: list[tuple[float, float, bool]]) -> tuple[float, float]:
        """The threshold and width of the highest density, given interest, std and whether it was a
        find of each look."""
        known = len(self._looks)
        if looks[:known] != self._looks:
            known, self._density = 0, _PRIOR
        for interest, std, hit in looks[known:]:
            z = (interest - _T) / np.hypot(std, _W)
            self._density = self._density + log_ndtr(z if hit else -z)
        self._looks = looks
        best = int(self._density.argmax())
        return float(_T.flat[best]), float(_W.flat[best])


def calibrate(
    interest: np.ndarray,
    std: np.ndarray,
    score: np.ndarray,
    noise: float,
    probit: Probit | None = None,
) -> Calibration:
    """The Calibration by what was predicted for objects before they were rated.

    interest, std, score : (n,) expected score, its standard deviation, and the score given, in the
        order of the looks.
    noise : the model's own noise (standard deviation), which the looks correct as they come.
    probit : one that knows the first looks, to be quick.

    The spread of ratings is the conformal one (Vovk, Gammerman & Shafer 2005): the 90% quantile of
    the noise that each of the last 60 ratings would have needed to lie within its interval; where
    finds become harder the errors of the first say little. The probability is a probit of threshold
    and width at their highest posterior density on a grid (Platt 1999, with priors): a taste of all
    or nothing, 0 or 5, is above 4 whenever it is above the middle.
    """
    interest, std, score = (np.asarray(a, dtype=np.float64) for a in (interest, std, score))
    needed = np.sqrt(np.maximum((np.abs(score - interest) / Z90) ** 2 - std**2, 0.0))
    weight = len(score) / (len(score) + _LOOKS)
    recent = needed[-_RECENT:]
    quantile = float(np.quantile(recent, 0.9, method="higher")) if len(recent) else 0.0
    spread = math.sqrt(weight * quantile**2 + (1 - weight) * noise**2)
    hits = (score >= INTERESTING).tolist()
    looks = list(zip(interest.tolist(), std.tolist(), hits, strict=True))
    return Calibration(spread, *(probit or Probit()).fit(looks))
