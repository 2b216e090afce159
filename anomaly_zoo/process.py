"""One Gaussian process, conditioned on ratings: plain arrays and the matrix products that score.

The pool is scored from the cached Cholesky factor by float32 products (float64 where float32 has
too few digits), which is the exact posterior at a fraction of a library's cost.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch

from anomaly_zoo.geometry import Geometry

_ACCURACY = 3e-5  # what rounding may move a predicted interest by, score units


@dataclass(frozen=True)
class Hyperparameters:
    """What the ratings decide about a Gaussian process beside the ratings themselves.

    The covariance of two objects at distance r is the rational quadratic one,
    outputscale * (1 + r^2 / (2 alpha lengthscale^2))^-alpha (Rasmussen & Williams 2006, eq. 4.19).

    mean : interest far away from all ratings, score units.
    outputscale : variance of the interest, score units squared.
    lengthscale : distance over which the interest changes, units of the geometry.
    alpha : tail of the covariance (small: heavy, large: Gaussian).
    noise : variance of one rating around the interest, score units squared.

    Raises ValueError for values that are not finite or not positive, or a noise below 1e-6 of the
    outputscale (duplicates could then not be told from rounding).

    >>> Hyperparameters(mean=0.5, outputscale=2.0, lengthscale=1.0, alpha=2.0, noise=0.1).as_dict()
    {'mean': 0.5, 'outputscale': 2.0, 'lengthscale': 1.0, 'alpha': 2.0, 'noise': 0.1}
    """

    mean: float
    outputscale: float
    lengthscale: float
    alpha: float = 1.0
    noise: float = 0.1

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise ValueError(f"mean must be finite, got {self.mean}")
        for name in ("outputscale", "lengthscale", "alpha", "noise"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a finite number > 0, got {value}")
        if self.noise < 1e-6 * self.outputscale:
            raise ValueError(
                f"noise must be at least 1e-6 of the outputscale, got {self.noise} and "
                f"{self.outputscale}; give a larger noise"
            )

    def as_dict(self) -> dict[str, float]:
        """Return the values by name, for provenance."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """A Gaussian process conditioned on ratings: arrays only, so it can be sent anywhere.

    hyper : the hyper-parameters.
    axes : (k,) float32, the weights of the geometry: the first k columns of an object count.
    centre : (k,) float32, subtracted from every object so that float32 distances keep their digits.
    rated : (n, k) float64, the rated objects, centred and weighted.
    weights : (n,) float64, (K + noise I)^-1 (y - mean).
    whiten : (n, n) float64, inverse of the lower Cholesky factor of K + noise I.
    """

    hyper: Hyperparameters
    axes: np.ndarray
    centre: np.ndarray
    rated: np.ndarray
    weights: np.ndarray
    whiten: np.ndarray

    def __post_init__(self) -> None:
        for name in ("axes", "centre", "rated", "weights", "whiten"):
            array = getattr(self, name).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def condition(
        cls, X: np.ndarray, y: np.ndarray, hyper: Hyperparameters, geometry: Geometry
    ) -> GaussianProcess:
        """Condition on (n, d) rated objects and (n,) scores at given hyper-parameters, exactly.

        One float64 Cholesky factorisation (Rasmussen & Williams 2006, algorithm 2.1); with n = 0
        the prior. The arrays must be float64, finite and of fitting shapes.
        """
        axes = geometry.weights
        X = X[:, : len(axes)]
        # The median: a single rated outlier must not push all others away from the origin.
        centre = np.median(X, axis=0) if len(X) else np.zeros(len(axes))
        centre = centre.astype(np.float32)
        rated = (X - centre) * axes.astype(np.float64)
        points = torch.from_numpy(rated)
        K = covariance_(squared_distances(points, points), hyper)
        K.fill_diagonal_(hyper.outputscale + hyper.noise)
        whiten = inverse(torch.linalg.cholesky(K))
        weights = whiten.T @ (whiten @ torch.from_numpy(y - hyper.mean))
        return cls(hyper, axes, centre, rated, weights.numpy(), whiten.numpy())

    def moments(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean (m,) and covariance (m, m), float64, of the interest of a few objects (m, d)."""
        points = torch.from_numpy(
            (X[:, : len(self.axes)] - self.centre.astype(np.float64)) * self.axes.astype(np.float64)
        )
        k = covariance_(squared_distances(points, torch.tensor(self.rated)), self.hyper).numpy()
        own = covariance_(squared_distances(points, points), self.hyper).numpy()
        white = k @ self.whiten.T
        return k @ self.weights + self.hyper.mean, own - white @ white.T


class Scorer:
    """Scores blocks of objects with one process; holds its matrices as torch tensors."""

    def __init__(self, model: GaussianProcess) -> None:
        hyper = model.hyper
        epsilon = torch.finfo(torch.float32).eps
        # A relative error e of the covariances moves the mean by about e * gain, and the variance
        # by about e * outputscale^2 / noise: with hardly any noise float32 has too few digits.
        gain = hyper.outputscale * max(float(np.linalg.norm(model.weights)), 1.0)
        exact = epsilon * gain > _ACCURACY or hyper.noise < 1e-3 * hyper.outputscale
        self.dtype = torch.float64 if exact else torch.float32
        self.hyper = hyper
        self.centre = model.centre
        self.axes = model.axes
        self.rated64 = torch.tensor(model.rated)
        self.rated = self.rated64.to(self.dtype)
        self.weights = torch.tensor(model.weights).to(self.dtype)
        self.whiten = torch.tensor(model.whiten.T).to(self.dtype)
        # |x - z|^2 from norms and a product is off by about eps |x|^2 where x is near z (and by a
        # relative eps where it is not): beyond this |x|^2 distances are taken in float64.
        self.far = _ACCURACY / gain * hyper.lengthscale**2 / epsilon

    @torch.no_grad()
    def __call__(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean (b,) and variance (b,) of the interest of the (b, d) objects."""
        block = block[:, : len(self.axes)]
        x = torch.empty(block.shape, dtype=self.dtype)
        np.subtract(block, self.centre, out=x.numpy(), casting="same_kind")
        np.multiply(x.numpy(), self.axes, out=x.numpy())
        distance2 = self._squared_distances(x, block)
        k = covariance_(distance2, self.hyper)
        mean = torch.mv(k, self.weights).add_(self.hyper.mean)
        variance = torch.mm(k, self.whiten).square_().sum(1)
        variance.neg_().add_(self.hyper.outputscale).clamp_(min=1e-7 * self.hyper.outputscale)
        return mean.numpy(), variance.numpy()

    def _squared_distances(self, x: torch.Tensor, block: np.ndarray) -> torch.Tensor:
        """Return squared distances of a block to the rated; x is the block, centred."""
        if self.dtype is torch.float64:
            return squared_distances(x, self.rated64)
        far = (x.square().sum(1) > self.far).nonzero().squeeze(1)
        centre, axes = self.centre.astype(np.float64), self.axes.astype(np.float64)
        if 2 * len(far) > len(x):
            x64 = torch.from_numpy((block - centre) * axes)
            return squared_distances(x64, self.rated64).float()
        distance2 = squared_distances(x, self.rated)
        if len(far):
            x64 = torch.from_numpy((block[far.numpy()] - centre) * axes)
            distance2[far] = squared_distances(x64, self.rated64).float()
        return distance2


def squared_distances(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return the (m, n) squared Euclidean distances between the rows of x and of z."""
    distance2 = torch.addmm(z.square().sum(1), x, z.T, alpha=-2)
    return distance2.add_(x.square().sum(1, keepdim=True)).clamp_(min=0)


def covariance_(distance2: torch.Tensor, hyper: Hyperparameters) -> torch.Tensor:
    """Turn squared distances into covariances, in place (the formula of Hyperparameters)."""
    distance2.mul_(1 / (2 * hyper.alpha * hyper.lengthscale**2))
    return distance2.log1p_().mul_(-hyper.alpha).exp_().mul_(hyper.outputscale)


def inverse(L: torch.Tensor) -> torch.Tensor:
    """Return the inverse of a lower triangular matrix, by halves: a third of a full solve.

    >>> inverse(torch.tensor([[2.0, 0.0], [1.0, 4.0]])).tolist()
    [[0.5, 0.0], [-0.125, 0.25]]
    """
    n = len(L)
    if n <= 256:
        return torch.linalg.solve_triangular(L, torch.eye(n, dtype=L.dtype), upper=False)
    half = n // 2
    out = torch.zeros_like(L)
    out[:half, :half] = inverse(L[:half, :half])
    out[half:, half:] = inverse(L[half:, half:])
    out[half:, :half] = -out[half:, half:] @ (L[half:, :half] @ out[:half, :half])
    return out
