"""The mixture: what the ratings weigh, and what its posterior says of difficult ratings."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch

from anomaly_zoo.geometry import family
from anomaly_zoo.interest import NOISE_FLOOR, InterestModel, weigh
from anomaly_zoo.process import GaussianProcess, Scorer


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


def test_the_posterior_has_the_moments_of_the_mixture():
    X, y, pool = problem(25, 6)
    model = InterestModel.fit(X, y)
    assert len(model.hypotheses) > 1, "one process alone would be no test"
    belief = model.posterior(pool)
    first = second = noise = 0.0
    for hypothesis in model.hypotheses:
        one = GaussianProcess.condition(X.astype(float), y, hypothesis.hyper, hypothesis.geometry)
        mean, variance = (part.astype(float) for part in Scorer(one)(pool))
        first = first + hypothesis.share * mean
        second = second + hypothesis.share * (variance + mean**2)
        noise += hypothesis.share * hypothesis.hyper.noise
    np.testing.assert_allclose(belief.mean, first, atol=2e-5)
    np.testing.assert_allclose(belief.std, np.sqrt(second - first**2), atol=2e-5)
    assert belief.noise == pytest.approx(math.sqrt(noise))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_float_type_and_any_batches_score_alike(dtype):
    X, y, pool = problem(40, 8)
    pool = pool[:300].astype(dtype)
    model = InterestModel.fit(X, y)
    whole = model.posterior(pool)
    cuts = [(200, pool[200:]), (0, pool[:1]), (1, pool[1:200])]
    parts = model.score_batches(iter(cuts), len(pool))
    np.testing.assert_allclose(parts.mean, whole.mean, atol=2e-6)
    np.testing.assert_allclose(parts.std, whole.std, atol=2e-6)


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
    one_block = model.score_batches([(0, pool)], len(pool))
    np.testing.assert_array_equal(one_block.mean, ours.mean)


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
    with pytest.raises(ValueError, match="finite"):
        InterestModel.fit(X, np.where(y > 2, np.nan, y))
    model = InterestModel.fit(X, y)
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        model.posterior(pool[:, :3])
    with pytest.raises(ValueError, match="every row"):
        model.score_batches([(0, pool)], len(pool) + 1)
    with pytest.raises(ValueError, match="reach row"):
        model.score_batches([(0, pool)], len(pool) - 1)
