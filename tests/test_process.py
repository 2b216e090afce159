"""One Gaussian process against scikit-learn's and GPyTorch's own prediction, in a geometry."""

from __future__ import annotations

import math
import pickle
import warnings

import gpytorch
import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, RationalQuadratic

from anomaly_zoo.geometry import Geometry, family, weighted
from anomaly_zoo.process import GaussianProcess, Hyperparameters, Scorer, correlations, inverse

SHAPES = [
    (0, 4),
    (1, 1),
    (2, 5),
    (7, 3),
    (30, 2),
    (50, 40),
    (120, 200),
    (200, 40),
    (300, 6),
    (601, 3),
]
KINDS = ["as they are", "half white", "white"]


def problem(n: int, d: int, seed: int = 0, spread: float = 1.0):
    """Rated objects with duplicates and scores 0 to 5, and a pool that holds them and outliers."""
    rng = np.random.default_rng(seed)
    fall = np.geomspace(1, 0.2, d) * spread / math.sqrt(d)
    X = (rng.normal(size=(n, d)) * fall).astype(np.float32)
    if n > 5:
        X[3] = X[1]  # rated twice, with two opinions
        X[4] = X[1] + np.float32(1e-4 * spread)
    y = rng.integers(0, 6, size=n).astype(float)
    pool = (rng.normal(size=(300, d)) * fall).astype(np.float32)
    outliers = rng.normal(size=(6, d)) * np.array([3, 10, 100, 1e3, 1e4, 1e6])[:, None] * spread
    return X, y, np.vstack([pool, pool[:5], X, outliers.astype(np.float32)])


def geometry(X: np.ndarray, kind: str) -> Geometry:
    [found] = [g for g in family(X.astype(float).var(axis=0)) if g.name.endswith(f", {kind}")]
    return found


def hyperparameters(noise: float = 0.05, alpha: float = 0.6) -> Hyperparameters:
    return Hyperparameters(mean=0.7, outputscale=3.0, lengthscale=0.8, alpha=alpha, noise=noise)


def seen(X: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The objects as the geometry is to see them, in float64 and written here on its own."""
    k = len(geometry.weights)
    return X.astype(np.float64)[:, :k] * geometry.weights.astype(np.float64)[None, :]


def by_sklearn(X, y, pool, hyper):
    base = RationalQuadratic(length_scale=hyper.lengthscale, alpha=hyper.alpha)
    process = GaussianProcessRegressor(
        ConstantKernel(hyper.outputscale) * base, alpha=hyper.noise, optimizer=None
    )
    process.fit(X, y - hyper.mean)
    mean, std = process.predict(pool, return_std=True)
    return mean + hyper.mean, std


def by_gpytorch(X, y, pool, hyper):
    """GPyTorch's own ExactGP prediction, written here on its own, not with our model class."""

    class Process(gpytorch.models.ExactGP):
        def __init__(self, X, y, likelihood):
            super().__init__(X, y, likelihood)
            self.mean_module = gpytorch.means.ConstantMean()
            self.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RQKernel())

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(
                self.mean_module(x), self.covar_module(x)
            )

    likelihood = gpytorch.likelihoods.GaussianLikelihood()
    process = Process(torch.tensor(X), torch.tensor(y), likelihood).double()
    process.mean_module.constant = hyper.mean
    process.covar_module.outputscale = hyper.outputscale
    process.covar_module.base_kernel.lengthscale = hyper.lengthscale
    process.covar_module.base_kernel.alpha = hyper.alpha
    likelihood.noise = hyper.noise
    process.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prediction = process(torch.tensor(pool))
        return prediction.mean.numpy(), prediction.variance.clamp_min(0).sqrt().numpy()


def scored(process, pool):
    """The mean and variance of each object by the products that score a pool."""
    scorer = Scorer(process)
    [k] = correlations([scorer])(pool)
    return scorer.moments(k)


def check(X, y, pool, hyper, geometry, reference=by_sklearn):
    """Ours is the reference's posterior to 1e-4 of a score."""
    process = GaussianProcess.condition(X.astype(np.float64), y, hyper, geometry)
    mean, variance = scored(process, pool)
    expected, std = reference(seen(X, geometry), y, seen(pool, geometry), hyper)
    np.testing.assert_allclose(mean, expected, atol=1e-4)
    np.testing.assert_allclose(np.sqrt(variance), std, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("reference", [by_sklearn, by_gpytorch])
def test_posterior_is_that_of_the_reference(reference, n, d, kind):
    X, y, pool = problem(n, d)
    if n == 0:  # the references give no posterior without data: ours is the prior
        process = GaussianProcess.condition(
            X.astype(float), y, hyperparameters(), geometry(pool[:300], kind)
        )
        mean, variance = scored(process, pool)
        np.testing.assert_allclose(mean, 0.7, atol=1e-6)
        np.testing.assert_allclose(variance, 3.0, atol=1e-6)
        return
    check(X, y, pool, hyperparameters(), geometry(pool[:300], kind), reference)


@pytest.mark.parametrize("alpha", [0.5, 2.0, 30.0])
def test_posterior_is_that_of_the_reference_whatever_the_tail(alpha):
    X, y, pool = problem(60, 10)
    check(X, y, pool, hyperparameters(alpha=alpha), geometry(pool[:300], "half white"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spread", [1e-3, 1e3])
def test_units_of_the_representation_do_not_matter(kind, spread):
    X, y, pool = problem(60, 10, spread=spread)
    check(X, y, pool, hyperparameters(), geometry(pool[:300], kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noise", [1e-2, 1e-3, 1e-5])
def test_little_noise_keeps_its_digits(kind, noise):
    X, y, pool = problem(100, 5, seed=3)
    check(X, y, pool, hyperparameters(noise=noise), geometry(pool[:300], kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [30.0, 3000.0])
def test_a_common_offset_and_a_rated_outlier_do_not_cost_digits(kind, offset):
    X, y, pool = problem(60, 10)
    apart = geometry(pool[:300], kind)
    X, pool = X + np.float32(offset), pool + np.float32(offset)
    X[7] += np.float32(1000)
    pool = np.vstack([pool, X[7], X[7] + np.float32(0.25)])
    check(X, y, pool, hyperparameters(), apart)


def test_a_pool_that_is_mostly_far_away():
    """More than half of a block beyond what float32 distances can hold."""
    X, y, pool = problem(60, 10)
    away = pool[:300] + np.float32(500) * np.sign(pool[:300])
    check(X, y, np.vstack([away, X]), hyperparameters(), geometry(pool[:300], "as they are"))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("noise", [0.05, 1e-3])
def test_any_float_type_of_the_pool(dtype, noise):
    X, y, pool = problem(40, 8)
    check(X, y, pool[:300].astype(dtype), hyperparameters(noise), geometry(pool[:300], "white"))


def test_only_the_axes_of_the_geometry_count():
    X, y, pool = problem(30, 12)
    few = weighted(pool[:300].var(axis=0), 0.5, 3, "half white")
    check(X, y, pool, hyperparameters(), few)
    process = GaussianProcess.condition(X.astype(float), y, hyperparameters(), few)
    other = pool.copy()
    other[:, 3:] = 1e9
    for ours, theirs in zip(scored(process, pool), scored(process, other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 30])
def test_the_covariance_of_a_few_is_that_of_the_reference(n, kind):
    X, y, pool = problem(n, 6)
    hyper, apart = hyperparameters(), geometry(pool[:300], kind)
    few = np.vstack([pool[:40], X[:5], pool[-6:-2]])
    process = GaussianProcess.condition(X.astype(float), y, hyper, apart)
    joint = process.joint(few.astype(float))
    base = RationalQuadratic(length_scale=hyper.lengthscale, alpha=hyper.alpha)
    reference = GaussianProcessRegressor(
        ConstantKernel(hyper.outputscale) * base, alpha=hyper.noise, optimizer=None
    ).fit(seen(X, apart), y - hyper.mean)
    expected, covariance = reference.predict(seen(few, apart), return_cov=True)
    np.testing.assert_allclose(joint.mean, expected + hyper.mean, atol=1e-6)
    np.testing.assert_allclose(joint.variance, covariance.diagonal(), atol=1e-6)
    some = np.array([41, 3, 7])
    np.testing.assert_allclose(joint.covariance(some), covariance[some], atol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 513, 900])
def test_the_inverse_by_halves_is_the_inverse(n):
    rng = np.random.default_rng(n)
    L = torch.tensor(np.tril(rng.normal(size=(n, n)) / max(n, 1)) + np.diag(rng.uniform(1, 2, n)))
    np.testing.assert_allclose(inverse(L) @ L, np.eye(n), atol=1e-12)
    assert not inverse(L).triu(1).any()


def test_it_is_arrays_only_frozen_and_travels():
    X, y, pool = problem(30, 4)
    process = GaussianProcess.condition(
        X.astype(float), y, hyperparameters(), geometry(pool[:300], "white")
    )
    there = pickle.loads(pickle.dumps(process))
    for ours, theirs in zip(scored(process, pool), scored(there, pool), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not any(isinstance(v, torch.Tensor) for v in vars(process).values())
    for name in ("axes", "centre", "rated", "weights", "whiten"):
        assert not getattr(process, name).flags.writeable


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"mean": math.nan}, "mean"),
        ({"outputscale": -1.0}, "outputscale"),
        ({"lengthscale": 0.0}, "lengthscale"),
        ({"alpha": math.inf}, "alpha"),
        ({"noise": 0.0}, "noise"),
        ({"noise": 1e-9}, "1e-6"),
    ],
)
def test_hyperparameters_are_checked(wrong, says):
    right = {"mean": 0.0, "outputscale": 1.0, "lengthscale": 1.0, "alpha": 1.0, "noise": 0.1}
    with pytest.raises(ValueError, match=says):
        Hyperparameters(**{**right, **wrong})
