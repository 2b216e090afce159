"""Acquisition rules against known numbers, with a stub posterior, extremes included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from anomaly_zoo import acquisition
from anomaly_zoo.posterior import Posterior

RULES = [
    acquisition.expected_improvement,
    acquisition.log_expected_improvement,
    acquisition.probability_of_improvement,
    acquisition.upper_confidence_bound,
    acquisition.thompson,
    acquisition.greedy,
    acquisition.uncertainty,
    acquisition.random,
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_the_one_signature_and_leaves_the_posterior_alone(rule):
    belief = Posterior([0.0, 4.9, 2.0], [0.5, 0.01, 3.0], 0.3)
    utility = rule(belief, best_f=4.0, rng=rng())
    assert utility.shape == (3,) and utility.dtype == np.float64
    assert np.isfinite(utility).all()
    np.testing.assert_array_equal(utility, rule(belief, best_f=4.0, rng=rng()))
    utility[:] = 0  # the caller masks rated rows in place
    assert belief.mean.tolist() == pytest.approx([0.0, 4.9, 2.0])
    assert rule(Posterior([], []), best_f=4.0, rng=rng()).shape == (0,)


@pytest.mark.parametrize(
    ("mean", "std", "best"), [(3, 1, 4), (5, 0.5, 2), (0, 2, 4.5), (4, 0.1, 4), (1, 0.5, 4)]
)
def test_expected_improvement_is_the_integral_that_defines_it(mean, std, best):
    expected, _ = quad(
        lambda f: (f - best) * norm.pdf(f, mean, std),
        best,
        max(best, mean) + 12 * std,
        points=[max(best, mean)],
        epsabs=1e-15,
    )
    got = acquisition.expected_improvement(Posterior([mean], [std]), best_f=best)
    assert got[0] == pytest.approx(expected, rel=1e-6)


def test_log_expected_improvement_in_its_far_tail():
    """Against 50 digits (mpmath): log(phi(z) + z Phi(z))."""
    mpmath = pytest.importorskip("mpmath")
    z = np.array([3.0, 0.5, -0.5, -0.999, -1.001, -3, -10, -37, -38.5, -200, -999, -1001, -1e5])
    with mpmath.workdps(50):
        known = [
            float(mpmath.log(mpmath.npdf(v) + v * mpmath.erfc(-v / mpmath.sqrt(2)) / 2))
            for v in map(mpmath.mpf, map(float, z[:-1]))
        ]
    known.append(-0.5e10 - 0.5 * math.log(2 * math.pi) - 2 * math.log(1e5))
    np.testing.assert_allclose(acquisition._log_h(z), known, rtol=1e-10)


def test_the_default_order_has_no_ties_where_the_textbook_form_underflows():
    mean = np.linspace(-1, 5, 1001)
    belief = Posterior(mean, np.full(1001, 0.02))
    textbook = acquisition.expected_improvement(belief, best_f=5.0)
    logarithm = acquisition.log_expected_improvement(belief, best_f=5.0)
    assert (textbook == 0).sum() > 500
    assert (np.diff(logarithm) > 0).all()
    ordered = textbook > 1e-300
    np.testing.assert_allclose(np.log(textbook[ordered]), logarithm[ordered], rtol=1e-9)
    # all the float32 range, the pieces' joints included
    z = -np.geomspace(1e-3, 1e9, 20_001)
    assert (np.diff(acquisition._log_h(z)) < 0).all()
    assert np.isfinite(acquisition._log_h(np.array([-1e38, 1e38]))).all()


def test_improvement_grows_with_mean_and_with_std():
    grows = acquisition.log_expected_improvement
    means = grows(Posterior([0, 1, 2, 3], [0.5] * 4), best_f=4.0)
    stds = grows(Posterior([2.0] * 4, [0.01, 0.1, 1, 10]), best_f=4.0)
    assert (np.diff(means) > 0).all() and (np.diff(stds) > 0).all()


def test_probability_of_improvement():
    got = acquisition.probability_of_improvement(Posterior([3, 0], [1, 0.01]), best_f=4.0)
    assert got[0] == pytest.approx(norm.logsf(1))
    assert got[1] == pytest.approx(norm.logsf(400), rel=1e-6)


def test_upper_confidence_bound():
    belief = Posterior([1.0, 2.0], [1.0, 0.25])
    bound = acquisition.upper_confidence_bound
    assert bound(belief, best_f=9.0).tolist() == [3.0, 2.5]
    assert bound(belief, best_f=9.0, beta=0.0).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="beta"):
        bound(belief, best_f=0.0, beta=-1.0)
    with pytest.raises(ValueError, match="beta"):
        bound(belief, best_f=0.0, beta=float("nan"))


def test_thompson_draws_from_the_posterior():
    n = 20_000
    belief = Posterior(np.full(n, 2.0), np.full(n, 0.5))
    draws = acquisition.thompson(belief, best_f=0.0, rng=rng())
    assert draws.mean() == pytest.approx(2.0, abs=0.02)
    assert draws.std() == pytest.approx(0.5, abs=0.02)
    assert not np.array_equal(draws, acquisition.thompson(belief, best_f=0.0, rng=rng(1)))


def test_random_does_not_look():
    one = acquisition.random(Posterior([0.0, 5.0], [1, 1]), best_f=0.0, rng=rng())
    other = acquisition.random(Posterior([5.0, 0.0], [1, 9]), best_f=4.0, rng=rng())
    np.testing.assert_array_equal(one, other)
