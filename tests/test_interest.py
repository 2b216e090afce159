"""The interest model against GPyTorch's own prediction, scikit-learn, and difficult ratings."""

from __future__ import annotations

import math
import pickle
import warnings

import gpytorch
import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, RationalQuadratic

from anomaly_zoo.interest import (
    NOISE_FLOOR,
    Hyperparameters,
    InterestModel,
    fit_hyperparameters,
)

SHAPES = [(1, 1), (2, 5), (7, 3), (30, 2), (50, 40), (120, 200), (200, 40)]


def problem(n: int, d: int, seed: int = 0, spread: float = 1.0):
    """Rated objects with duplicates and scores 0 to 5, and a pool that holds them and outliers."""
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, d)) * spread / math.sqrt(d)).astype(np.float32)
    if n > 5:
        X[3] = X[1]  # rated twice, with two opinions
        X[4] = X[1] + np.float32(1e-4)
    y = rng.integers(0, 6, size=n).astype(float)
    pool = (rng.normal(size=(300, d)) * spread / math.sqrt(d)).astype(np.float32)
    outliers = rng.normal(size=(6, d)) * np.array([3, 10, 100, 1e3, 1e4, 1e6])[:, None]
    return X, y, np.vstack([pool, pool[:5], X, outliers.astype(np.float32)])


def hyperparameters(kernel: str, spread: float = 1.0, noise: float = 0.05) -> Hyperparameters:
    return Hyperparameters(
        kernel, mean=0.7, outputscale=3.0, lengthscale=0.8 * spread, alpha=0.6, noise=noise
    )


def by_sklearn(X, y, pool, hyper):
    base = (
        RationalQuadratic(length_scale=hyper.lengthscale, alpha=hyper.alpha)
        if hyper.kernel == "rq"
        else Matern(length_scale=hyper.lengthscale, nu=2.5)
    )
    process = GaussianProcessRegressor(
        ConstantKernel(hyper.outputscale) * base, alpha=hyper.noise, optimizer=None
    )
    process.fit(X.astype(float), y - hyper.mean)
    mean, std = process.predict(pool.astype(float), return_std=True)
    return mean + hyper.mean, std


def by_gpytorch(X, y, pool, hyper):
    """GPyTorch's own ExactGP prediction, written here on its own, not with our model class."""

    class Process(gpytorch.models.ExactGP):
        def __init__(self, X, y, likelihood):
            super().__init__(X, y, likelihood)
            self.mean_module = gpytorch.means.ConstantMean()
            base = (
                gpytorch.kernels.RQKernel()
                if hyper.kernel == "rq"
                else gpytorch.kernels.MaternKernel(nu=2.5)
            )
            self.covar_module = gpytorch.kernels.ScaleKernel(base)

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(
                self.mean_module(x), self.covar_module(x)
            )

    likelihood = gpytorch.likelihoods.GaussianLikelihood()
    process = Process(torch.tensor(X).double(), torch.tensor(y), likelihood).double()
    process.mean_module.constant = hyper.mean
    process.covar_module.outputscale = hyper.outputscale
    process.covar_module.base_kernel.lengthscale = hyper.lengthscale
    if hyper.kernel == "rq":
        process.covar_module.base_kernel.alpha = hyper.alpha
    likelihood.noise = hyper.noise
    process.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prediction = process(torch.tensor(pool).double())
        return prediction.mean.numpy(), prediction.variance.clamp_min(0).sqrt().numpy()


@pytest.mark.parametrize("kernel", ["rq", "matern"])
@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("reference", [by_sklearn, by_gpytorch])
def test_posterior_is_that_of_the_reference(reference, n, d, kernel):
    X, y, pool = problem(n, d)
    hyper = hyperparameters(kernel)
    ours = InterestModel.condition(X, y, hyper).posterior(pool)
    mean, std = reference(X, y, pool, hyper)
    np.testing.assert_allclose(ours.mean, mean, atol=1e-4)
    np.testing.assert_allclose(ours.std, std, atol=1e-4)
    assert ours.noise == pytest.approx(math.sqrt(hyper.noise))


@pytest.mark.parametrize("kernel", ["rq", "matern"])
@pytest.mark.parametrize("spread", [1e-3, 1e3])
def test_units_of_the_representation_do_not_matter(kernel, spread):
    X, y, pool = problem(60, 10, spread=spread)
    hyper = hyperparameters(kernel, spread)
    ours = InterestModel.condition(X, y, hyper).posterior(pool)
    mean, std = by_sklearn(X, y, pool, hyper)
    np.testing.assert_allclose(ours.mean, mean, atol=1e-4)
    np.testing.assert_allclose(ours.std, std, atol=1e-4)


@pytest.mark.parametrize("kernel", ["rq", "matern"])
@pytest.mark.parametrize("noise", [1e-2, 1e-3, 1e-5])
def test_little_noise_keeps_its_digits(kernel, noise):
    X, y, pool = problem(100, 5, seed=3)
    hyper = hyperparameters(kernel, noise=noise)
    ours = InterestModel.condition(X, y, hyper).posterior(pool)
    mean, std = by_sklearn(X, y, pool, hyper)
    np.testing.assert_allclose(ours.mean, mean, atol=1e-4)
    np.testing.assert_allclose(ours.std, std, atol=1e-4)


@pytest.mark.parametrize("kernel", ["rq", "matern"])
@pytest.mark.parametrize("offset", [30.0, 3000.0])
def test_a_common_offset_and_a_rated_outlier_do_not_cost_digits(kernel, offset):
    X, y, pool = problem(60, 10)
    X, pool = X + np.float32(offset), pool + np.float32(offset)
    X[7] += np.float32(1000)
    pool = np.vstack([pool, X[7], X[7] + np.float32(0.25)])
    hyper = hyperparameters(kernel)
    ours = InterestModel.condition(X, y, hyper).posterior(pool)
    mean, std = by_sklearn(X, y, pool, hyper)
    np.testing.assert_allclose(ours.mean, mean, atol=1e-4)
    np.testing.assert_allclose(ours.std, std, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_float_type_and_any_batches_score_alike(dtype):
    X, y, pool = problem(40, 8)
    pool = pool[:300].astype(dtype)
    model = InterestModel.condition(X, y, hyperparameters("rq"))
    whole = model.posterior(pool)
    cuts = [(200, pool[200:]), (0, pool[:1]), (1, pool[1:200])]
    parts = model.score_batches(iter(cuts), len(pool))
    np.testing.assert_allclose(parts.mean, whole.mean, atol=2e-6)
    np.testing.assert_allclose(parts.std, whole.std, atol=2e-6)
    mean, std = by_sklearn(X, y, pool, model.hyper)
    np.testing.assert_allclose(whole.mean, mean, atol=1e-4)
    np.testing.assert_allclose(whole.std, std, atol=1e-4)


def test_a_pool_of_more_than_one_chunk():
    X, y, _ = problem(20, 3)
    pool = np.random.default_rng(1).normal(size=(40_001, 3)).astype(np.float32)
    pool.flags.writeable = False
    model = InterestModel.condition(X, y, hyperparameters("matern"))
    ours = model.posterior(pool)
    some = np.r_[0:20, 16_380:16_390, 32_760:32_770, 39_990:40_001]
    mean, std = by_sklearn(X, y, pool[some], model.hyper)
    np.testing.assert_allclose(ours.mean[some], mean, atol=1e-4)
    np.testing.assert_allclose(ours.std[some], std, atol=1e-4)
    one_block = model.score_batches([(0, pool)], len(pool))
    np.testing.assert_array_equal(one_block.mean, ours.mean)


def test_the_fit_finds_the_maximum_that_gpytorch_sees():
    """At the fitted values the gradient of GPyTorch's own marginal likelihood + priors vanishes."""
    from anomaly_zoo import interest

    X, y, _ = problem(60, 4)
    hyper = fit_hyperparameters(X, y, scale=1.0)
    model = interest._ExactGP(torch.tensor(X - X.astype(float).mean(0)), torch.tensor(y), "rq")
    model.mean_module.constant = hyper.mean
    model.covar_module.outputscale = hyper.outputscale
    model.covar_module.base_kernel.lengthscale = hyper.lengthscale
    model.covar_module.base_kernel.alpha = hyper.alpha
    model.likelihood.noise = hyper.noise
    model.train()
    mll = gpytorch.mlls.ExactMarginalLogLikelihood(model.likelihood, model)
    loss = -mll(model(*model.train_inputs), model.train_targets) * len(y)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert max(abs(g.item()) for g in gradients) < 0.02


@pytest.mark.parametrize("kernel", ["rq", "matern"])
def test_the_fit_is_deterministic_and_follows_the_units(kernel):
    X, y, _ = problem(50, 6)
    once = fit_hyperparameters(X, y, kernel)
    assert once == fit_hyperparameters(X, y, kernel)
    metres = fit_hyperparameters(X * np.float32(1024), y, kernel)
    assert metres.lengthscale == pytest.approx(1024 * once.lengthscale, rel=1e-3)
    assert metres.outputscale == pytest.approx(once.outputscale, rel=1e-3)
    assert metres.noise == pytest.approx(once.noise, rel=1e-3)


@pytest.mark.parametrize("kernel", ["rq", "matern"])
@pytest.mark.parametrize(
    "y",
    [[], [0], [5], [0, 0], [0] * 10, [5] * 10, [0] * 199 + [5], [0, 5] * 20],
    ids=["none", "one 0", "one 5", "two 0", "all 0", "all 5", "rare", "contradiction"],
)
def test_difficult_ratings_give_a_sane_model(kernel, y):
    y = np.array(y, dtype=float)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(len(y), 40)) / math.sqrt(40)
    if len(y) == 40:
        X[:] = X[0]  # forty opinions of one object
    model = InterestModel.fit(X, y, kernel, scale=math.sqrt(2))
    hyper = model.hyper
    assert hyper.noise >= NOISE_FLOOR
    assert 0.05 < hyper.lengthscale <= 1.01 * math.sqrt(2)
    pool = np.vstack([X, rng.normal(size=(500, 40)) / math.sqrt(40)]).astype(np.float32)
    belief = model.posterior(pool)
    assert np.isfinite(belief.mean).all() and (belief.std > 0).all()
    assert belief.mean.min() > -1.5 and belief.mean.max() < 6.5
    if len(y) and (y == 0).all():
        assert belief.mean.max() < 1.5
        assert belief.std[len(y) :].min() > 1  # a few dull objects do not settle the rest
    if len(y) == 40:
        assert belief.mean[0] == pytest.approx(2.5, abs=0.3)
    if len(y) == 1:
        assert np.sign(belief.mean[0] - hyper.mean) == np.sign(y[0] - hyper.mean)


@pytest.mark.parametrize("kernel", ["rq", "matern"])
def test_constant_features_and_more_dimensions_than_objects(kernel):
    X = np.zeros((20, 300))
    X[:, 1] = 7.0
    X[:3, 0] = 1.0
    y = np.where(X[:, 0] == 1, 5.0, 0.0)
    belief = InterestModel.fit(X, y, kernel).posterior(X)
    assert belief.mean[:3].min() > 3 and belief.mean[3:].max() < 1


def test_it_learns_a_taste():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(600, 10)).astype(np.float32)
    y = np.clip(2.5 + 2 * X[:, 0], 0, 5)
    for kernel in ("rq", "matern"):
        belief = InterestModel.fit(X[:200], y[:200], kernel).posterior(X[200:])
        assert np.corrcoef(belief.mean, y[200:])[0, 1] > 0.9
        within = np.abs(y[200:] - belief.mean) < 2 * np.hypot(belief.std, belief.noise)
        assert within.mean() > 0.85


def test_the_frozen_model_travels_and_leaves_global_settings_alone():
    before = torch.get_default_dtype(), torch.get_num_threads()
    X, y, pool = problem(30, 4)
    model = InterestModel.fit(X, y)
    there = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(there.posterior(pool).mean, model.posterior(pool).mean)
    assert (torch.get_default_dtype(), torch.get_num_threads()) == before
    assert not any(isinstance(v, torch.Tensor) for v in vars(model).values())
    assert not model.weights.flags.writeable
    y[0] = 99  # the caller's array is not the model's
    np.testing.assert_array_equal(there.posterior(pool).mean, model.posterior(pool).mean)


@pytest.mark.filterwarnings("error")
def test_a_fit_is_quiet():
    X, y, pool = problem(30, 4)
    InterestModel.fit(X, y).posterior(pool)


def test_bad_input_says_what_to_do():
    X, y, pool = problem(10, 4)
    with pytest.raises(ValueError, match="rq, matern"):
        fit_hyperparameters(X, y, "rbf")
    with pytest.raises(ValueError, match="one score per rated object"):
        fit_hyperparameters(X, y[:-1])
    with pytest.raises(ValueError, match="finite"):
        InterestModel.fit(X, np.where(y > 2, np.nan, y))
    with pytest.raises(ValueError, match="scale"):
        fit_hyperparameters(X, y, scale=0.0)
    model = InterestModel.condition(X, y, hyperparameters("rq"))
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        model.posterior(pool[:, :3])
    with pytest.raises(ValueError, match="every row"):
        model.score_batches([(0, pool)], len(pool) + 1)
    with pytest.raises(ValueError, match="reach row"):
        model.score_batches([(0, pool)], len(pool) - 1)
    with pytest.raises(ValueError, match="outputscale"):
        Hyperparameters("rq", 0.0, -1.0, 1.0)
    with pytest.raises(ValueError, match="1e-6"):
        Hyperparameters("rq", 0.0, 1.0, 1.0, noise=1e-9)
