"""The mixture: what the ratings weigh, and what its posterior says of difficult ratings."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import invgamma, multivariate_normal, multivariate_t

from anomaly_zoo import interest
from anomaly_zoo.geometry import Geometry, family
from anomaly_zoo.interest import EVIDENCE, NOISE_FLOOR, Hypothesis, InterestModel, weigh
from anomaly_zoo.process import GaussianProcess


def problem(n: int, d: int, seed: int = 0):
    """Rated objects with duplicates and scores 0 to 5, and a pool that holds them and outliers."""
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, d)) / math.sqrt(d)).astype(np.float32)
    if n > 5:
        X[3] = X[1]  # rated twice, with two opinions
        X[4] = X[1] + np.float32(1e-4)
    y = rng.integers(0, 6, size=n).astype(float)
    pool = (rng.normal(size=(300, d)) / math.sqrt(d)).astype(np.float32)
    outliers = rng.normal(size=(6, d)) * np.array([3, 10, 100, 1e3, 1e4, 1e6])[:, None]
    return X, y, np.vstack([pool, pool[:5], X, outliers.astype(np.float32)])


# --- what the ratings weigh ----------------------------------------------------------------------


def grid(variance: np.ndarray) -> Iterator[tuple[Geometry, float, float, float]]:
    """Every geometry with every tail, length scale and share of noise."""
    for geometry in family(variance):
        for alpha in interest._ALPHAS:
            for lengthscale in interest._LENGTHSCALES:
                for noise in interest._NOISES:
                    yield geometry, alpha, lengthscale, noise


def unit_covariance(X, geometry, alpha, lengthscale, noise) -> np.ndarray:
    """Rational quadratic, outputscale 1, with the noise of a rating: from the formula."""
    Z = X.astype(float)[:, : len(geometry.weights)] * geometry.weights.astype(float)
    r2 = ((Z[:, None] - Z[None]) ** 2).sum(-1)
    return (1 + r2 / (2 * alpha * lengthscale**2)) ** -alpha + noise * np.eye(len(X))


def log_prior(lengthscale: float, noise: float) -> float:
    return sum(
        -0.5 * (math.log(value / median) / width) ** 2
        for value, (median, width) in (
            (lengthscale, interest._LENGTHSCALE),
            (noise, interest._NOISE),
        )
    )


def by_student(X, y, C) -> tuple[float, float, float]:
    """Log density of the scores at the best mean, that mean, and the mean outputscale.

    y ~ N(m, s C), s ~ InvGamma(a, b): given m a multivariate t. The normal prior of m, whose
    variance goes with s, adds to the rate of s; it is the same for all members but for its m.
    """
    (a, b), (m0, spread) = interest._OUTPUTSCALE, interest._MEAN
    pull = (b / a) / spread**2

    def log_density(m: float) -> float:
        rate = b + pull * (m - m0) ** 2 / 2
        t = multivariate_t(np.full(len(y), m), rate / a * C, df=2 * a)
        return float(t.logpdf(y)) + a * math.log(b / rate)

    found = minimize_scalar(lambda m: -log_density(m), bounds=(-10, 10), options={"xatol": 1e-9})
    residual = y - found.x
    misfit = residual @ np.linalg.solve(C, residual) + pull * (found.x - m0) ** 2
    return -found.fun, found.x, (b + misfit / 2) / (a + len(y) / 2 - 1)


def test_the_shares_are_marginal_likelihoods_times_priors():
    rng = np.random.default_rng(5)
    variance = np.array([1.0, 0.3, 0.1, 0.01])
    X = rng.normal(size=(14, 4)) * np.sqrt(variance)
    y = np.where(X[:, 1] > 0.3, 4.0, 1.0)
    members = list(grid(variance))
    expected = []
    for geometry, alpha, lengthscale, noise in members:
        C = unit_covariance(X, geometry, alpha, lengthscale, noise)
        log_density, mean, outputscale = by_student(X, y, C)
        expected.append((log_density + log_prior(lengthscale, noise), mean, outputscale))
    log_density = np.array([each[0] for each in expected])
    shares = np.exp(log_density - log_density.max())
    shares /= shares.sum()
    order = np.argsort(-shares)
    ours = weigh(X, y, variance)
    kept = shares[order[: len(ours)]]
    assert len(ours) == (4 if len(y) <= 100 else 2) or kept.sum() >= 0.95 > kept[:-1].sum()
    for hypothesis, i, share in zip(ours, order, kept / kept.sum(), strict=False):
        geometry, alpha, lengthscale, noise = members[i]
        assert hypothesis.geometry.name == geometry.name
        assert (hypothesis.hyper.alpha, hypothesis.hyper.lengthscale) == (alpha, lengthscale)
        assert hypothesis.share == pytest.approx(share, rel=1e-4)
        assert hypothesis.hyper.mean == pytest.approx(expected[i][1], abs=1e-4)
        assert hypothesis.hyper.outputscale == pytest.approx(expected[i][2], rel=1e-4)
        assert hypothesis.hyper.noise == pytest.approx(
            max(noise * expected[i][2], NOISE_FLOOR), rel=1e-4
        )


def test_the_outputscale_is_integrated_out():
    """The Student t of two members against an integral over the outputscale, done in numbers."""
    rng = np.random.default_rng(6)
    variance = np.array([1.0, 0.2])
    X = rng.normal(size=(5, 2)) * np.sqrt(variance)
    y = np.array([0.0, 0.0, 1.0, 5.0, 0.0])
    (a, b), (m0, spread) = interest._OUTPUTSCALE, interest._MEAN
    pull = (b / a) / spread**2
    differences = []
    for geometry, alpha, lengthscale, noise in list(grid(variance))[5:100:23]:
        C = unit_covariance(X, geometry, alpha, lengthscale, noise)
        by_formula, m, _ = by_student(X, y, C)

        def density(log_s: float, C: np.ndarray = C, m: float = m) -> float:
            s = math.exp(log_s)
            likelihood = multivariate_normal.pdf(y, np.full(len(y), m), s * C)
            prior = math.exp(-pull * (m - m0) ** 2 / (2 * s)) * invgamma.pdf(s, a, scale=b)
            return likelihood * prior * s

        total = quad(density, -4, 8, limit=500, epsabs=0, epsrel=1e-10)[0]
        differences.append(math.log(total) - by_formula)
    np.testing.assert_allclose(differences, 0, atol=1e-6)


def taste_on_a_tiny_axis(rng):
    std = np.array([1, 1, 1, 1, 0.05])
    X = rng.normal(size=(100, 5)) * std
    return X, np.where(X[:, 4] > 0.05, 5.0, 0.0), std**2


def taste_on_the_leading_axis(rng):
    std = np.r_[1.0, np.full(39, 0.1)]
    X = rng.normal(size=(100, 40)) * std
    return X, np.where(X[:, 0] > 1, 5.0, 0.0), std**2


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("made", "kind"),
    [(taste_on_a_tiny_axis, "axes, white"), (taste_on_the_leading_axis, "as they are")],
)
def test_the_geometry_that_the_taste_was_made_in_wins(made, kind, seed):
    X, y, variance = made(np.random.default_rng(seed))
    hypotheses = weigh(X, y, variance)
    assert sum(h.share for h in hypotheses if h.geometry.name.endswith(kind)) > 0.9


def test_whitening_what_is_noise_costs_what_it_should_gain():
    """The posterior, too, is better in the geometry that wins."""
    for made in (taste_on_a_tiny_axis, taste_on_the_leading_axis):
        rng = np.random.default_rng(10)
        X, y, variance = made(rng)
        new, truth, _ = made(rng)
        errors = {}
        for geometry in family(variance):
            hyper = weigh(X, y, variance)[0].hyper
            model = InterestModel.condition(X, y, (Hypothesis(1.0, geometry, hyper),))
            errors[geometry.name] = np.square(model.posterior(new).mean - truth).mean()
        mixed = np.square(InterestModel.fit(X, y, variance).posterior(new).mean - truth).mean()
        assert min(errors, key=errors.get) == weigh(X, y, variance)[0].geometry.name
        assert mixed < 1.2 * min(errors.values())


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1024.0, 1e6])
def test_units_do_not_matter(scale):
    X, y, pool = problem(40, 6)
    variance = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.0001])
    once, again = weigh(X, y, variance), weigh(X * scale, y, variance * scale**2)
    assert [h.geometry.name for h in once] == [h.geometry.name for h in again]
    np.testing.assert_allclose([h.share for h in once], [h.share for h in again], rtol=1e-4)
    for a, b in zip(once, again, strict=True):
        assert a.hyper.as_dict() == pytest.approx(b.hyper.as_dict(), rel=1e-4)
        np.testing.assert_allclose(a.geometry.weights, b.geometry.weights * scale, rtol=1e-5)
    ours = InterestModel.fit(X, y, variance).posterior(pool[:300])
    theirs = InterestModel.fit(X * scale, y, variance * scale**2).posterior(
        pool[:300].astype(float) * scale
    )
    np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-3)
    np.testing.assert_allclose(ours.std, theirs.std, atol=1e-3)


def test_the_same_ratings_give_the_same_answer_and_the_order_does_not_matter():
    X, y, pool = problem(40, 6)
    once, again = InterestModel.fit(X, y), InterestModel.fit(X, y)
    assert [h.as_dict() for h in once.hypotheses] == [h.as_dict() for h in again.hypotheses]
    np.testing.assert_array_equal(once.posterior(pool).std, again.posterior(pool).std)
    mixed = np.random.default_rng(0).permutation(len(y))
    shuffled = InterestModel.fit(X[mixed], y[mixed]).posterior(pool[:300])
    np.testing.assert_allclose(shuffled.mean, once.posterior(pool[:300]).mean, atol=1e-4)


def test_without_a_rating_the_priors_speak():
    variance = np.array([0.6, 0.3, 0.1])
    for hypothesis in weigh(np.zeros((0, 3)), np.zeros(0), variance):
        assert hypothesis.hyper.mean == pytest.approx(interest._MEAN[0])
        assert 0.1 <= hypothesis.hyper.lengthscale <= 0.8
    belief = InterestModel.fit(np.zeros((0, 3)), np.zeros(0), variance).posterior(np.eye(3))
    np.testing.assert_allclose(belief.mean, interest._MEAN[0], atol=1e-5)
    assert belief.std.min() > 1.5, "anything may be of interest still"


def test_many_ratings_are_weighed_by_as_many_as_are_said_and_conditioned_on_all():
    rng = np.random.default_rng(7)
    X = rng.normal(size=(500, 3))
    y = np.clip(np.round(2 + 2 * X[:, 0]), 0, 5)
    some = np.unique(np.linspace(0, 499, EVIDENCE).round().astype(int))
    assert len(some) == EVIDENCE
    every, few = weigh(X, y, np.ones(3)), weigh(X[some], y[some], np.ones(3))
    assert [h.as_dict() for h in every] == [h.as_dict() for h in few]
    left_out = np.setdiff1d(np.arange(500), some)[0]
    other = np.where(np.arange(500) == left_out, 5 - y, y)
    assert [h.as_dict() for h in weigh(X, other, np.ones(3))] == [h.as_dict() for h in every]
    before = InterestModel.condition(X, y, every).posterior(X[[left_out]]).mean
    after = InterestModel.condition(X, other, every).posterior(X[[left_out]]).mean
    assert abs(after - before)[0] > 0.01
    exactly = weigh(X[:EVIDENCE], y[:EVIDENCE], np.ones(3))
    assert [h.as_dict() for h in exactly] != [h.as_dict() for h in every]


@pytest.mark.parametrize("n", [30, 600])
def test_the_number_of_cores_changes_nothing(n, monkeypatch):
    X, y, pool = problem(n, 4)
    pool = np.tile(pool, (60, 1))
    answers = []
    for count in (1, 3):
        monkeypatch.setattr("anomaly_zoo.threads.cores", lambda count=count: count)
        monkeypatch.setattr("anomaly_zoo.sweep.cores", lambda count=count: count)
        model = InterestModel.fit(X, y)
        answers.append(([h.as_dict() for h in model.hypotheses], model.posterior(pool)))
    (one, alone), (three, together) = answers
    assert one == three
    np.testing.assert_array_equal(alone.mean, together.mean)
    np.testing.assert_array_equal(alone.std, together.std)


def test_two_thousand_ratings():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(2300, 10)).astype(np.float32)
    y = np.where(X[:, 0] + X[:, 1] > 2, 5.0, 0.0)
    model = InterestModel.fit(X[:2000], y[:2000])
    belief = model.posterior(X)
    assert np.isfinite(belief.mean).all() and (belief.std > 0).all()
    assert belief.mean.min() > -2.5 and belief.mean.max() < 8.5  # beyond all that was rated
    new = belief.mean[2000:]
    assert new[y[2000:] == 5].mean() > 3 and new[y[2000:] == 0].mean() < 0.5


# --- the posterior -------------------------------------------------------------------------------


def test_the_posterior_has_the_moments_of_the_mixture():
    X, y, pool = problem(25, 6)
    model = InterestModel.fit(X, y)
    assert len(model.hypotheses) > 1, "one process alone would be no test"
    belief = model.posterior(pool)
    first = second = noise = 0.0
    for hypothesis in model.hypotheses:
        one = GaussianProcess.condition(X.astype(float), y, hypothesis.hyper, hypothesis.geometry)
        own = one.joint(pool.astype(float))
        mean, variance = own.mean, own.variance
        first = first + hypothesis.share * mean
        second = second + hypothesis.share * (variance + mean**2)
        noise += hypothesis.share * hypothesis.hyper.noise
    np.testing.assert_allclose(belief.mean, first, atol=2e-5)
    np.testing.assert_allclose(belief.std, np.sqrt(second - first**2), atol=2e-5)
    assert belief.noise == pytest.approx(math.sqrt(noise))


def test_the_covariance_of_a_few_is_that_of_the_mixture():
    X, y, pool = problem(25, 6)
    few = np.vstack([pool[:30], X[:5]])
    model = InterestModel.fit(X, y)
    joint, belief, everything = model.joint(few), model.posterior(few), np.arange(len(few))
    covariance = joint.covariance(everything)
    np.testing.assert_allclose(joint.mean, belief.mean, atol=1e-4)
    np.testing.assert_allclose(np.sqrt(joint.variance), belief.std, atol=1e-4)
    np.testing.assert_allclose(covariance.diagonal(), joint.variance, atol=1e-9)
    np.testing.assert_allclose(joint.covariance(everything[3:5]), covariance[3:5], atol=1e-12)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9
    # Drawn from one process after the other, as often as it counts.
    rng, draws = np.random.default_rng(0), []
    for share, process in zip((h.share for h in model.hypotheses), model.processes, strict=True):
        own = process.joint(few.astype(float))
        size = round(60_000 * share)
        draws.append(rng.multivariate_normal(own.mean, own.covariance(everything), size=size))
    np.testing.assert_allclose(np.cov(np.vstack(draws).T), covariance, atol=0.1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_float_type_and_any_batches_score_alike(dtype):
    X, y, pool = problem(40, 8)
    pool = pool[:300].astype(dtype)
    model = InterestModel.fit(X, y)
    whole = model.posterior(pool)
    for cut in (slice(200, 300), slice(0, 1), slice(1, 200)):
        part = model.posterior(pool[cut])
        np.testing.assert_allclose(part.mean, whole.mean[cut], atol=2e-6)
        np.testing.assert_allclose(part.std, whole.std[cut], atol=2e-6)


def test_a_pool_of_more_than_one_chunk():
    X, y, _ = problem(20, 3)
    pool = np.random.default_rng(1).normal(size=(40_001, 3)).astype(np.float32)
    pool.flags.writeable = False
    model = InterestModel.fit(X, y)
    ours = model.posterior(pool)
    some = np.r_[0:20, 16_380:16_390, 32_760:32_770, 39_990:40_001]
    few = model.posterior(pool[some])
    np.testing.assert_allclose(ours.mean[some], few.mean, atol=2e-6)
    np.testing.assert_allclose(ours.std[some], few.std, atol=2e-6)


def test_it_learns_a_taste():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(600, 10)).astype(np.float32)
    y = np.clip(2.5 + 2 * X[:, 0], 0, 5)
    belief = InterestModel.fit(X[:200], y[:200]).posterior(X[200:])
    assert np.corrcoef(belief.mean, y[200:])[0, 1] > 0.9
    within = np.abs(y[200:] - belief.mean) < 2 * np.hypot(belief.std, belief.noise)
    assert within.mean() > 0.85


@pytest.mark.parametrize(
    "y",
    [[], [0], [5], [0, 0], [0] * 10, [5] * 10, [0] * 199 + [5], [0, 5] * 20],
    ids=["none", "one 0", "one 5", "two 0", "all 0", "all 5", "rare", "contradiction"],
)
def test_difficult_ratings_give_a_sane_model(y):
    y = np.array(y, dtype=float)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(len(y), 40)) / math.sqrt(40)
    if len(y) == 40:
        X[:] = X[0]  # forty opinions of one object
    model = InterestModel.fit(X, y, np.full(40, 1 / 40))
    for hypothesis in model.hypotheses:
        assert hypothesis.hyper.noise >= NOISE_FLOOR
        assert 0.1 <= hypothesis.hyper.lengthscale <= 1.2
    pool = np.vstack([X, rng.normal(size=(500, 40)) / math.sqrt(40)]).astype(np.float32)
    belief = model.posterior(pool)
    assert np.isfinite(belief.mean).all() and (belief.std > 0).all()
    assert belief.mean.min() > -1.5 and belief.mean.max() < 6.5
    if len(y) and (y == 0).all():
        assert belief.mean.max() < 1.5
        assert belief.std[len(y) :].min() > 0.5  # a few dull objects do not settle the rest
    if len(y) == 40:
        assert belief.mean[0] == pytest.approx(2.5, abs=0.3)
    if len(y) == 1:
        prior = sum(h.share * h.hyper.mean for h in model.hypotheses)
        assert np.sign(belief.mean[0] - prior) == np.sign(y[0] - prior)


def test_contradicting_opinions_of_one_object_and_near_duplicates():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(30, 8))
    y = np.where(X[:, 0] > 0.8, 5.0, 0.0)
    X[20] = X[10]
    y[[10, 20]] = 0.0, 5.0
    X[21:26] = X[11] + 1e-7 * rng.normal(size=(5, 8))
    y[[11, *range(21, 26)]] = 5, 5, 5, 0, 5, 5
    belief = InterestModel.fit(X, y).posterior(X)
    assert 0.5 < belief.mean[10] == pytest.approx(belief.mean[20], abs=1e-4)
    assert belief.mean[10] < 4.5
    assert belief.mean[11] > 3, "five of six say so"
    assert np.ptp(belief.mean[[11, *range(21, 26)]]) < 1e-3
    assert belief.std.min() > 0.01


def test_agreeing_opinions_of_one_object_make_it_surer():
    X = np.random.default_rng(0).normal(size=(1, 5))
    hypotheses = weigh(X, np.array([5.0]), np.ones(5))
    means, stds = [], []
    for n in (1, 2, 5, 20):
        model = InterestModel.condition(np.repeat(X, n, axis=0), np.full(n, 5.0), hypotheses)
        means.append(model.posterior(X).mean[0])
        stds.append(model.posterior(X).std[0])
    assert np.all(np.diff(means) > 0) and means[-1] < 5
    assert np.all(np.diff(stds) < 0) and stds[-1] > 0


@pytest.mark.parametrize("d", [3, 40, 41, 300, 1000])
def test_from_three_axes_to_a_thousand(d):
    rng = np.random.default_rng(d)
    spectrum = 1 / np.sqrt(np.arange(1, d + 1))
    X = rng.normal(size=(500, d)) * spectrum
    y = np.where(X[:, 0] > 1, 5.0, 0.0)
    variance = X.var(axis=0)
    belief = InterestModel.fit(X[:60], y[:60], variance).posterior(X)
    new, truth = belief.mean[60:], y[60:]
    assert np.isfinite(belief.mean).all() and belief.std.min() > 0
    assert belief.std[:60].mean() < belief.std[60:].mean()
    assert new[truth == 5].mean() > new[truth == 0].mean() + (1.5 if d < 50 else 0.1)


def test_one_of_a_million():
    """The only one of interest is rated last; its copies, and nothing else, come first."""
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(1_000_000, 3)).astype(np.float32)
    pool[123_456:123_466] = np.float32([6, -6, 6]) + np.float32(0.05) * pool[123_456:123_466]
    rated = np.r_[0:20, 123_456]
    y = np.r_[np.zeros(20), 5.0]
    belief = InterestModel.fit(pool[rated], y, pool.var(axis=0)).posterior(pool)
    assert np.isfinite(belief.mean).all() and (belief.std > 0).all()
    assert set(np.argsort(-belief.mean)[:10]) == set(range(123_456, 123_466))
    assert belief.mean.max() < 5.5 and np.median(belief.mean) < 1
    assert (belief.mean > 2.5).sum() < 100


@st.composite
def ratings(draw):
    """Rated objects with copies, constant columns and any units, their scores, and variances."""
    n, d = draw(st.integers(0, 30)), draw(st.integers(1, 50))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = 10.0 ** draw(st.integers(-6, 6))
    fall = 10.0 ** -draw(st.integers(0, 3))
    X = rng.normal(size=(n, d)) * np.geomspace(1, fall, d)
    if n:
        copies = rng.random(n) < draw(st.sampled_from([0.0, 0.3, 0.9]))
        jitter = draw(st.sampled_from([0.0, 1e-9, 1e-3])) * rng.normal(size=(n, d))
        X = np.where(copies[:, None], X[rng.integers(n, size=n)] + jitter, X)
    X[:, rng.random(d) < draw(st.sampled_from([0.0, 0.5, 1.0]))] = 1.0
    y = draw(
        st.lists(st.integers(0, 5).map(float), min_size=n, max_size=n)
        | st.lists(st.floats(0, 5), min_size=n, max_size=n)
    )
    return X * scale, np.array(y), scale


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ratings())
def test_any_ratings_give_a_sane_model(made):
    X, y, scale = made
    n, d = X.shape
    model = InterestModel.fit(X, y)
    assert sum(h.share for h in model.hypotheses) == pytest.approx(1)
    assert 1 <= len(model.hypotheses) <= 4
    shares = [h.share for h in model.hypotheses]
    assert shares == sorted(shares, reverse=True)
    others = np.random.default_rng(0).normal(size=(50, d)) * scale
    far = others[:5] * 1e6
    belief = model.posterior(np.vstack([X, others, far]).astype(np.float32))  # finite, or it raises
    assert belief.std.min() > 0 and belief.noise >= math.sqrt(NOISE_FLOOR) - 1e-9
    assert belief.mean.min() > -1.5 and belief.mean.max() < 6.5
    assert belief.std.max() < 10
    if n == 1:
        prior = [h.hyper.mean for h in model.hypotheses]
        low, high = min(*prior, y[0]), max(*prior, y[0])
        assert low - 1e-4 <= belief.mean[0] <= high + 1e-4


def test_constant_features_and_more_dimensions_than_objects():
    X = np.zeros((20, 300))
    X[:, 1] = 7.0
    X[:3, 0] = 1.0
    y = np.where(X[:, 0] == 1, 5.0, 0.0)
    belief = InterestModel.fit(X, y).posterior(X)
    assert belief.mean[:3].min() > 3 and belief.mean[3:].max() < 1


def test_the_frozen_model_travels_and_leaves_global_settings_alone():
    before = torch.get_default_dtype(), torch.get_num_threads()
    X, y, pool = problem(30, 4)
    model = InterestModel.fit(X, y)
    there = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(there.posterior(pool).mean, model.posterior(pool).mean)
    assert (torch.get_default_dtype(), torch.get_num_threads()) == before
    y[0] = 99  # the caller's array is not the model's
    np.testing.assert_array_equal(there.posterior(pool).mean, model.posterior(pool).mean)


@pytest.mark.filterwarnings("error")
def test_a_fit_is_quiet():
    X, y, pool = problem(30, 4)
    InterestModel.fit(X, y).posterior(pool)


def test_bad_input_says_what_to_do():
    X, y, pool = problem(10, 4)
    one = np.ones(4)
    with pytest.raises(ValueError, match="one score per rated object"):
        weigh(X, y[:-1], one)
    with pytest.raises(ValueError, match="4 variances, one an axis, got 3"):
        weigh(X, y, one[:3])
    with pytest.raises(ValueError, match="finite variances"):
        weigh(X, y, one * np.nan)
    with pytest.raises(ValueError, match="never negative"):
        family(-one)
    with pytest.raises(ValueError, match=r"sum to one, got 0\.\d"):
        InterestModel.condition(X, y, weigh(X, y, one)[:1])
    with pytest.raises(ValueError, match="finite"):
        InterestModel.fit(X, np.where(y > 2, np.nan, y))
    model = InterestModel.fit(X, y)
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        model.posterior(pool[:, :3])


def test_ratings_that_are_all_equal_leave_open_how_interest_varies():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(400, 5)).astype(np.float32)
    none = [h.as_dict() for h in weigh(X[:0], np.zeros(0), np.ones(5))]
    for score in (0.0, 5.0):
        assert [h.as_dict() for h in weigh(X[:60], np.full(60, score), np.ones(5))] == none
    belief = InterestModel.fit(X[:60], np.zeros(60), np.ones(5)).posterior(X[60:])
    assert belief.std.mean() > 1, "sixty dull objects do not settle the rest"
    assert belief.mean.max() < 1
