"""One Gaussian process, conditioned on ratings: plain arrays and the matrix products that score.

The pool is scored from the cached Cholesky factor by float32 products (float64 where float32 has
too few digits), which is the exact posterior at a fraction of a library's cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np
import torch

from anomaly_zoo.geometry import Geometry

_ACCURACY = 3e-5  # what rounding may move a predicted interest by, score units
_BAND = 64  # columns, a width that products like


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

    def extended(self, x: np.ndarray, y: np.ndarray) -> GaussianProcess:
        """The same process conditioned on one object more, exactly, at a cost of n^2.

        x : (d,) float64, the object; y : (n + 1,) float64, all scores, its own last. The factor
        grows by one row (Rasmussen & Williams 2006, section A.3), the hyper-parameters stand.
        """
        n, axes = len(self.rated), self.axes.astype(np.float64)
        z = (x[: len(axes)] - self.centre.astype(np.float64)) * axes
        rated = torch.tensor(np.vstack([self.rated, z]))
        k = covariance_(squared_distances(rated[:-1], rated[-1:]), self.hyper)[:, 0]
        whiten = torch.zeros(n + 1, n + 1, dtype=torch.float64)
        whiten[:n, :n] = torch.tensor(self.whiten)
        white = torch.mv(whiten[:n, :n], k)
        own = self.hyper.outputscale + self.hyper.noise - torch.dot(white, white).item()
        whiten[n, :n] = -torch.mv(whiten[:n, :n].T, white)
        whiten[n, n] = 1.0
        # What is left of its variance is never less than the noise, but for rounding.
        whiten[n] /= math.sqrt(max(own, 0.5 * self.hyper.noise))
        return replace(self, rated=rated.numpy(), whiten=whiten.numpy()).scored(y)

    def scored(self, y: np.ndarray) -> GaussianProcess:
        """The same process where the rated objects have other scores, (n,) float64."""
        whiten = torch.tensor(self.whiten)
        weights = torch.mv(whiten.T, torch.mv(whiten, torch.from_numpy(y - self.hyper.mean)))
        return replace(self, weights=weights.numpy())

    def joint(self, X: np.ndarray) -> Joint:
        """The joint belief about a few objects (m, d)."""
        points = torch.from_numpy(
            (X[:, : len(self.axes)] - self.centre.astype(np.float64)) * self.axes.astype(np.float64)
        )
        # Torch, not NumPy, for the products: `one_thread` holds for it.
        k = covariance_(squared_distances(points, torch.tensor(self.rated)), self.hyper)
        mean = torch.mv(k, torch.tensor(self.weights)).add_(self.hyper.mean)
        return Joint(self.hyper, mean.numpy(), points, k @ torch.tensor(self.whiten).T)

    def column(self) -> np.ndarray:
        """(n,) float64 weights of the covariances with the rated that give, for any object, its
        posterior covariance with the last rated one before that was rated, whatever its score:
        c(x) = k(x, z) - k(x, Z) (K + noise I)^-1 k(Z, z)."""
        # The last row of the whitening is the part of z that the others do not explain, scaled.
        return self.whiten[-1] / self.whiten[-1, -1]

    @property
    def last(self) -> tuple[float, float]:
        """What the last rating does to any object of covariance c with it: the mean grows by c
        times the first number, (y - m) / (v + noise), and the variance shrinks by c^2 times the
        second, 1 / (v + noise), with m and v the mean and variance of the rated object before."""
        return float(self.weights[-1]), float(self.whiten[-1, -1]) ** 2


@dataclass(frozen=True, eq=False)
class Joint:
    """What a process believes of m objects together; a covariance is computed when asked for.

    mean : (m,) float64, expected interest.
    points : (m, k), the objects in the geometry.
    white : (m, n), their whitened covariances with the n rated.
    """

    hyper: Hyperparameters
    mean: np.ndarray
    points: torch.Tensor
    white: torch.Tensor

    @property
    def variance(self) -> np.ndarray:
        """(m,) float64."""
        return (self.hyper.outputscale - self.white.square().sum(1)).numpy()

    def covariance(self, places: np.ndarray) -> np.ndarray:
        """(p, m) float64, of p of them with all."""
        some = torch.from_numpy(places)
        k = covariance_(squared_distances(self.points[some], self.points), self.hyper)
        return k.addmm_(self.white[some], self.white.T, alpha=-1).numpy()


class Scorer:
    """Scores blocks of objects with one process; holds its matrices as torch tensors.

    The variance comes from the triangular factor in bands of columns, so that hardly a product
    with its zeros is made.
    """

    def __init__(self, process: GaussianProcess, variances: bool = True) -> None:
        hyper = process.hyper
        epsilon = torch.finfo(torch.float32).eps
        # A relative error e of the covariances moves the mean by about e * gain, and the variance
        # by about e * outputscale^2 / noise: with hardly any noise float32 has too few digits. The
        # rounding of 1 + u counts alpha times in its power.
        gain = hyper.outputscale * max(float(np.linalg.norm(process.weights)), 1.0)
        exact = (
            epsilon * gain * max(hyper.alpha, 1.0) > _ACCURACY
            or hyper.noise < 1e-3 * hyper.outputscale
        )
        self.dtype = torch.float64 if exact else torch.float32
        self.process, self.hyper = process, hyper
        self.unit = 1 / (2 * hyper.alpha * hyper.lengthscale**2)
        self._memory = _Memory(self.dtype)
        n, scale = len(process.rated), hyper.outputscale
        self.weights = torch.tensor(process.weights * scale).to(self.dtype)
        self.column = torch.tensor(process.column() * scale if n else np.zeros(0)).to(self.dtype)
        whiten = process.whiten * scale
        edges = [*range(0, n, _BAND), n]
        self.bands = [
            # Laid out so that the products read along it: they are a fifth quicker.
            (last, torch.tensor(whiten[first:last, :last]).to(self.dtype).contiguous().T)
            for first, last in pairwise(edges)
            if variances and last > first
        ]
        # |x - z|^2 from norms and a product is off by about eps |x|^2, which counts relative to
        # 1 + u: an object that lies so much farther out than from the nearest rated one has its
        # distances taken in float64.
        self.far = _ACCURACY / gain / (2 * hyper.alpha) / epsilon

    def moments(self, k: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The mean (b,) and variance (b,) of the interest of objects, from their correlations
        (b, n)."""
        variance = self.explained(k).neg_().add_(self.hyper.outputscale)
        return self.mean(k), variance.clamp_(min=1e-7 * self.hyper.outputscale).numpy()

    def mean(self, k: torch.Tensor) -> np.ndarray:
        """The mean (b,) from the correlations (b, n)."""
        return torch.mv(k, self.weights).add_(self.hyper.mean).numpy()

    def explained(self, k: torch.Tensor, bands: slice = slice(None)) -> torch.Tensor:
        """(b,) the variance that the rated objects explain. That of the first bands alone is what
        the first rated objects explain: never more than all."""
        total = torch.zeros(len(k), dtype=self.dtype)
        for place, (last, band) in list(enumerate(self.bands))[bands]:
            white = self._memory(place, len(k), band.shape[1])
            total += torch.mm(k[:, :last], band, out=white).square_().sum(1)
        return total

    def columns(self, k: torch.Tensor) -> np.ndarray:
        """(b,) covariances with the last rated object, before it was rated, of the objects with
        the correlations (b, n)."""
        return torch.mv(k, self.column).numpy()


def correlations(scorers: Sequence[Scorer]) -> Callable[[np.ndarray], list[torch.Tensor]]:
    """A function from (b, d) objects to their correlations (b, n) with the rated by each process:
    the covariances at unit outputscale.

    Processes of one geometry have their distances computed once, those of one kernel its values
    too. They lie in memory that the next call overwrites: one function for each worker.
    """
    geometries: dict[tuple[torch.dtype, bytes], list[Scorer]] = {}
    for one in scorers:
        geometries.setdefault((one.dtype, one.process.axes.tobytes()), []).append(one)
    # The shortest length scale comes last: its values are written over the distances.
    shared = [
        (key, _Distances(group), sorted({(one.unit, one.hyper.alpha) for one in group}))
        for key, group in geometries.items()
    ]

    def of(block: np.ndarray) -> list[torch.Tensor]:
        found: dict[tuple[object, ...], torch.Tensor] = {}
        for key, distances, kernels in shared:
            u = distances(block)
            for unit, alpha in kernels:
                k = u if (unit, alpha) == kernels[-1] else distances.scaled(u, unit, alpha)
                found[*key, unit, alpha] = power_(k, alpha)
        return [
            found[one.dtype, one.process.axes.tobytes(), one.unit, one.hyper.alpha]
            for one in scorers
        ]

    return of


class _Distances:
    """The distances of objects from the rated, for the processes of one geometry.

    With u = r^2 / (2 alpha lengthscale^2), one product gives 1 + u for a block and all rated
    objects: (x, |x|^2, 1) times (-2 z, 1, |z|^2 + 1). Here u is that of the shortest length scale;
    others are a part of it.
    """

    def __init__(self, scorers: Sequence[Scorer]) -> None:
        process, self.dtype = scorers[0].process, scorers[0].dtype
        self.unit = max(one.unit for one in scorers)
        # In units of the shortest scale the 1 + u of another one is (u + its unit / ours) / that.
        self.far = [(one.far, self.unit / one.unit - 1) for one in scorers]
        self.near = min(limit * (1 + more) for limit, more in self.far)
        self.centre = process.centre
        self.axes64 = process.axes.astype(np.float64) * math.sqrt(self.unit)
        self.axes = torch.from_numpy(self.axes64).to(self.dtype)
        rated = torch.tensor(process.rated * math.sqrt(self.unit))
        norms = rated.square().sum(1, keepdim=True)
        right = torch.cat([-2 * rated, torch.ones_like(norms), norms + 1], dim=1)
        self.right64 = right.T.contiguous()
        self.right = self.right64.to(self.dtype)
        self._memory = _Memory(self.dtype)

    def __call__(self, block: np.ndarray) -> torch.Tensor:
        """(b, n) of 1 + u for the (b, d) objects."""
        block = block[:, : len(self.axes)]
        left = self._memory("left", len(block), block.shape[1] + 2)
        x, norms = left[:, :-2], left[:, -2]
        np.subtract(block, self.centre, out=x.numpy(), casting="same_kind")
        norms.copy_(x.mul_(self.axes).square().sum(1))
        left[:, -1] = 1
        u = torch.mm(left, self.right, out=self._memory("u", len(block), self.right.shape[1]))
        if self.dtype is torch.float32 and u.numel():
            rows = (norms > self.near).nonzero().squeeze(1)
            if len(rows):
                nearest, out = u[rows].amin(1), norms[rows]
                far = torch.stack([out > limit * (nearest + more) for limit, more in self.far])
                rows = rows[far.any(0)]
                u[rows] = self._far(block[rows.numpy()])
        return u

    def scaled(self, u: torch.Tensor, unit: float, alpha: float) -> torch.Tensor:
        """The same of a longer length scale, elsewhere in memory."""
        ratio = unit / self.unit
        out = self._memory((unit, alpha), *u.shape)
        return torch.add(torch.tensor(1 - ratio, dtype=self.dtype), u, alpha=ratio, out=out)

    def _far(self, block: np.ndarray) -> torch.Tensor:
        """(b, n) float32 of 1 + u for objects far out, with the digits of float64."""
        x = torch.from_numpy((block - self.centre.astype(np.float64)) * self.axes64)
        ones = torch.ones(len(x), 1, dtype=torch.float64)
        left = torch.cat([x, x.square().sum(1, keepdim=True), ones], dim=1)
        return torch.mm(left, self.right64).float()


class _Memory:
    """Memory that is used again by the next block: to get new memory costs as much as to fill
    it."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._held: dict[object, torch.Tensor] = {}

    def __call__(self, name: object, rows: int, columns: int) -> torch.Tensor:
        held = self._held.get(name)
        if held is None or len(held) < rows:
            held = self._held[name] = torch.empty(rows, columns, dtype=self._dtype)
        return held[:rows]


def squared_distances(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return the (m, n) squared Euclidean distances between the rows of x and of z."""
    distance2 = torch.addmm(z.square().sum(1), x, z.T, alpha=-2)
    return distance2.add_(x.square().sum(1, keepdim=True)).clamp_(min=0)


def covariance_(distance2: torch.Tensor, hyper: Hyperparameters) -> torch.Tensor:
    """Turn squared distances into covariances, in place (the formula of Hyperparameters)."""
    distance2.mul_(1 / (2 * hyper.alpha * hyper.lengthscale**2)).add_(1)
    return power_(distance2, hyper.alpha).mul_(hyper.outputscale)


def power_(u: torch.Tensor, alpha: float) -> torch.Tensor:
    """u to the power of -alpha, in place; the tails of our family need no logarithm."""
    if alpha == 2.0:
        return u.pow_(-2)
    if alpha == 0.5:
        return u.rsqrt_()
    return u.log_().mul_(-alpha).exp_()


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
