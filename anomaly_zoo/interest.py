"""The model of one person's taste: Gaussian processes from representation to interest.

No one scaling of the axes, length scale or covariance is right for every taste and every
representation, so a small family is laid out on a grid, GPyTorch evaluates its covariances in one
batch a geometry, and the ratings weigh its members by marginal likelihood. The pool is scored by
the few that matter. This is the only file that imports GPyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import gpytorch
import numpy as np
import torch
from gpytorch.kernels import RQKernel

from anomaly_zoo.geometry import Geometry, family
from anomaly_zoo.posterior import Posterior
from anomaly_zoo.process import GaussianProcess, Hyperparameters, Joint, Scorer, correlations
from anomaly_zoo.sweep import Job, Rows, sweep
from anomaly_zoo.threads import each

T = TypeVar("T")
NOISE_FLOOR = 1e-2  # score^2: nobody repeats their own ratings to better than 0.1
EVIDENCE = 300
"""At most so many ratings weigh the family against each other; all of them condition it."""
_CHUNK = 16_384

# The grid. Length scales are in units in which two objects of the pool are sqrt(2) apart on
# average, noise is a share of the outputscale. Nothing much longer: under a flat field, which is
# what a run of dull ratings asks for, every place is as good as any other and the search is lost.
_LENGTHSCALES = (0.1, 0.18, 0.3, 0.5, 0.8, 1.2)
_ALPHAS = (0.5, 2.0)
_NOISES = (0.01, 0.05, 0.2)
# Priors: (median, standard deviation of the natural logarithm) of length scale and noise; of the
# mean (mean, standard deviation), scores; of the outputscale an inverse gamma (shape, rate): before
# any rating an object is expected to be dull, and interest varies by some 2 score units.
_LENGTHSCALE = (0.3, 0.6)
_NOISE = (0.04, 1.2)
_MEAN = (0.5, 0.5)
_OUTPUTSCALE = (4.0, 15.0)
_MASS = 0.95
_FEW, _MEMBERS = 100, (4, 2)  # hypotheses kept of up to so many ratings, and of more


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One way to see the taste, and how much the ratings speak for it.

    share : probability among the hypotheses that are kept, which sum to one.
    geometry : how near two objects are.
    hyper : the Gaussian process over it.
    """

    share: float
    geometry: Geometry
    hyper: Hyperparameters

    def as_dict(self) -> dict[str, str | float]:
        """Return share, geometry and hyper-parameters by name, for provenance."""
        return {"share": self.share, "geometry": self.geometry.name, **self.hyper.as_dict()}


def weigh(X: np.ndarray, y: np.ndarray, variance: np.ndarray) -> tuple[Hypothesis, ...]:
    """Return the hypotheses that the ratings leave standing, the most probable first.

    Every geometry of `geometry.family` with every length scale, tail and noise of a grid has its
    marginal likelihood (Rasmussen & Williams 2006, eq. 5.8) taken with the outputscale integrated
    out against an inverse gamma prior, which makes it a Student t density (O'Hagan 1978; Gelman et
    al. 2013, section 14.2), and the mean at its most probable value. Times the priors and
    normalised these are the shares; the leading ones up to 95% are kept, at most four of up to 100
    ratings, which leave much open, and two of more: a third found no more in searches, and each has
    its cost for every object of the pool. No optimiser, no start: the same ratings give the same
    answer, and none, one or all equal give a sane one: ratings that are all equal say nothing about
    how interest varies and weigh as none do. Of more than 300 ratings that many, evenly spread over
    them in the order given, weigh the hypotheses.

    X : (n, d) rated objects, y : (n,) their scores; n may be 0. variance : (d,) of each axis over
    the pool. Raises ValueError for shapes that do not fit, or values not finite.

    >>> X = np.random.default_rng(0).normal(size=(40, 3))
    >>> hypotheses = weigh(X, np.where(X[:, 0] > 1, 5.0, 0.0), np.ones(3))
    >>> round(sum(h.share for h in hypotheses), 6), len(hypotheses) <= 4
    (1.0, True)
    """
    X, y = _check_ratings(X, y)
    n, geometries = len(y), family(variance)
    if len(variance) != X.shape[1]:
        raise ValueError(f"expected {X.shape[1]} variances, one an axis, got {len(variance)}")
    if len(y) and np.ptp(y) == 0:
        X, y = X[:0], y[:0]
    if len(y) > EVIDENCE:
        some = np.unique(np.linspace(0, len(y) - 1, EVIDENCE).round().astype(int))
        X, y = X[some], y[some]
    found: list[tuple[float, Geometry, Hyperparameters]] = []
    centred = X - X.mean(axis=0) if len(X) else X
    evidence = each(lambda geometry: _evidence(geometry(centred), y), geometries, 3 * len(y))
    for geometry, (log_densities, members) in zip(geometries, evidence, strict=True):
        found += [(float(p), geometry, m) for p, m in zip(log_densities, members, strict=True)]
    log_density = np.array([p for p, _, _ in found])
    shares = np.exp(log_density - log_density.max())
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")
    most = _MEMBERS[n > _FEW]
    order = order[: min(most, 1 + int(np.searchsorted(np.cumsum(shares[order]), _MASS)))]
    total = float(shares[order].sum())
    return tuple(Hypothesis(float(shares[i]) / total, *found[i][1:]) for i in order)


class _Grid(gpytorch.models.ExactGP):
    """One geometry's Gaussian processes of unit outputscale: a batch of tails x length scales."""

    def __init__(self, X: torch.Tensor, y: torch.Tensor) -> None:
        super().__init__(X, y, gpytorch.likelihoods.GaussianLikelihood())
        alphas = torch.tensor(_ALPHAS, dtype=torch.float64)
        scales = torch.tensor(_LENGTHSCALES, dtype=torch.float64)
        shape = torch.Size([len(alphas) * len(scales)])
        self.mean_module = gpytorch.means.ZeroMean(batch_shape=shape)
        self.covar_module = RQKernel(batch_shape=shape)
        self.double()
        self.covar_module.alpha = alphas.repeat_interleave(len(scales))[:, None]
        self.covar_module.lengthscale = scales.repeat(len(alphas))[:, None, None]

    def forward(self, X: torch.Tensor) -> gpytorch.distributions.MultivariateNormal:
        return gpytorch.distributions.MultivariateNormal(self.mean_module(X), self.covar_module(X))


@torch.no_grad()
def _evidence(Z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, list[Hyperparameters]]:
    """Return the log densities (g,) of the scores under a grid over objects Z (n, k), with its g
    sets of hyper-parameters at their most probable mean and the mean outputscale."""
    n, scores = len(y), torch.from_numpy(y)
    if n:
        grid = _Grid(torch.from_numpy(Z), scores)
        K = grid.forward(grid.train_inputs[0]).lazy_covariance_matrix.to_dense()
    else:
        K = torch.zeros(len(_ALPHAS) * len(_LENGTHSCALES), 0, 0, dtype=torch.float64)
    noises = torch.tensor(_NOISES, dtype=torch.float64)
    eye = torch.eye(n, dtype=torch.float64)
    K = (K[:, None] + noises[:, None, None] * eye).flatten(0, 1)
    factor = torch.linalg.cholesky(K)
    right = torch.stack([scores, torch.ones(n, dtype=torch.float64)], dim=1)
    solved = torch.linalg.solve_triangular(factor, right.expand(len(K), n, 2), upper=False)
    white, ones = solved[..., 0], solved[..., 1]
    shape, rate = _OUTPUTSCALE
    pull = (rate / shape) / _MEAN[1] ** 2  # the prior of the mean, as so many ratings of it
    mean = ((ones * white).sum(1) + pull * _MEAN[0]) / (ones.square().sum(1) + pull)
    residual = white - mean[:, None] * ones
    misfit = residual.square().sum(1) + pull * (mean - _MEAN[0]) ** 2
    shape, rates = shape + n / 2, rate + misfit / 2
    log_density = -factor.diagonal(dim1=1, dim2=2).log().sum(1) - shape * rates.log()
    members = []
    settings = [(a, s, e) for a in _ALPHAS for s in _LENGTHSCALES for e in _NOISES]
    for i, (alpha, lengthscale, noise) in enumerate(settings):
        for value, (median, width) in ((lengthscale, _LENGTHSCALE), (noise, _NOISE)):
            log_density[i] -= 0.5 * (math.log(value / median) / width) ** 2
        outputscale = rates[i].item() / (shape - 1)
        noise = max(noise * outputscale, NOISE_FLOOR)
        members.append(Hyperparameters(mean[i].item(), outputscale, lengthscale, alpha, noise))
    return log_density.numpy(), members


@dataclass(frozen=True, eq=False)
class InterestModel:
    """Gaussian processes conditioned on the same ratings, and how much each of them counts.

    Its belief about an object is the mixture's mean and variance; the variance holds what the
    processes are unsure of and where they disagree. Arrays only, so it can be sent anywhere.

    >>> X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    >>> model = InterestModel.fit(X[:30], np.where(X[:30, 0] > 1, 5.0, 0.0))
    >>> belief = model.posterior(X)
    >>> len(belief), belief.mean[X[:, 0] > 1].mean() > belief.mean[X[:, 0] < 0].mean()
    (40, np.True_)
    """

    d: int
    """The length of an object's vector."""
    hypotheses: tuple[Hypothesis, ...]
    processes: tuple[GaussianProcess, ...]

    @classmethod
    def fit(cls, X: np.ndarray, y: np.ndarray, variance: np.ndarray | None = None) -> InterestModel:
        """Weigh the hypotheses by (n, d) rated objects and (n,) scores, then condition them.

        `variance` (d,) is that of each axis over the pool; by default that of the rated objects.
        Raises what `weigh` raises.
        """
        X, y = _check_ratings(X, y)
        if variance is None:
            variance = X.var(axis=0) if len(X) > 1 else np.ones(X.shape[1])
            # What varies by no more than the rounding of a float32 does not vary.
            variance[variance < (1e-7 * np.abs(X).max(axis=0, initial=0.0)) ** 2] = 0.0
        return cls.condition(X, y, weigh(X, y, variance))

    @classmethod
    def condition(
        cls, X: np.ndarray, y: np.ndarray, hypotheses: tuple[Hypothesis, ...]
    ) -> InterestModel:
        """Condition every hypothesis on (n, d) rated objects and (n,) scores, exactly.

        Raises ValueError for shapes that do not fit, values that are not finite, or shares that do
        not sum to one.
        """
        X, y = _check_ratings(X, y)
        if not math.isclose(total := sum(h.share for h in hypotheses), 1.0, rel_tol=1e-6):
            raise ValueError(f"the shares of the hypotheses must sum to one, got {total:g}")
        processes = each(
            lambda h: GaussianProcess.condition(X, y, h.hyper, h.geometry), hypotheses, len(y)
        )
        return cls(X.shape[1], hypotheses, tuple(processes))

    def posterior(self, X: np.ndarray) -> Posterior:
        """Return the belief about the (m, d) objects X, in memory or memory-mapped.

        Raises ValueError when d is not that of the rated objects.
        """
        X = np.asanyarray(X)
        if X.ndim != 2 or X.shape[1] != self.d:
            raise ValueError(
                f"objects must be (n, {self.d}) like the rated ones, got shape {X.shape}; "
                "give the same representation that was rated"
            )
        n, shares = len(X), self.shares
        mean, std = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32)

        def begin() -> Job:
            moments = self.scorer(Scorer.moments)

            def job(first: int, block: np.ndarray) -> None:
                rows = slice(first, first + len(block))
                means, variances = zip(*moments(block), strict=True)
                mix(shares, means, variances, mean[rows], std[rows])

            return job

        cuts = range(0, n, _CHUNK)
        sources = [Rows(X[first : first + _CHUNK], first).batches for first in cuts]
        sweep(sources, n, begin, self.n_rated)
        return Posterior(mean, std, self.noise)

    def extended(self, x: np.ndarray, y: np.ndarray) -> InterestModel:
        """The same hypotheses conditioned on one object more, exactly, at a cost of n^2.

        x : (d,) the object; y : (n + 1,) all scores, its own last.
        """
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        processes = tuple(process.extended(x, y) for process in self.processes)
        return replace(self, processes=processes)

    def scored(self, y: np.ndarray) -> InterestModel:
        """The same hypotheses where the rated objects have other scores, (n,)."""
        y = np.asarray(y, dtype=np.float64)
        return replace(self, processes=tuple(process.scored(y) for process in self.processes))

    def joint(self, X: np.ndarray) -> JointMixture:
        """The joint belief about a few objects (m, d)."""
        X = np.asarray(X, dtype=np.float64)
        shares = np.array([h.share for h in self.hypotheses])
        return JointMixture(shares, [process.joint(X) for process in self.processes])

    def scorer(
        self, what: Callable[[Scorer, torch.Tensor], T], variances: bool = True
    ) -> Callable[[np.ndarray], list[T]]:
        """A function from a block (b, d) to what a method of Scorer says of it by each process.

        One function for each worker.
        """
        scorers = [Scorer(process, variances) for process in self.processes]
        of = correlations(scorers)
        return lambda block: [what(*pair) for pair in zip(scorers, of(block), strict=True)]

    @property
    def n_rated(self) -> int:
        """How many ratings it is conditioned on."""
        return len(self.processes[0].rated)

    @property
    def shares(self) -> np.ndarray:
        """(h,) float32, how much each process counts."""
        return np.array([h.share for h in self.hypotheses], dtype=np.float32)

    @property
    def noise(self) -> float:
        """Standard deviation of one rating around the interest, score units."""
        return math.sqrt(sum(h.share * h.hyper.noise for h in self.hypotheses))


class JointMixture:
    """What a mixture believes of m objects together: what each process leaves open, and where they
    disagree together.

    mean : (m,) float64, expected interest.
    """

    def __init__(self, shares: np.ndarray, joints: list[Joint]) -> None:
        self._shares, self._joints = shares, joints
        means = np.array([joint.mean for joint in joints])
        self.mean = shares @ means
        self._apart = np.sqrt(shares)[:, None] * (means - self.mean)

    @property
    def variance(self) -> np.ndarray:
        """(m,) float64."""
        within = self._shares @ np.array([joint.variance for joint in self._joints])
        return np.asarray(within + np.square(self._apart).sum(axis=0))

    def covariance(self, places: np.ndarray) -> np.ndarray:
        """(p, m) float64, of p of them with all."""
        total = self._apart[:, places].T @ self._apart
        for share, joint in zip(self._shares, self._joints, strict=True):
            total += share * joint.covariance(places)
        return total


def mix(
    shares: np.ndarray,
    means: Sequence[np.ndarray],
    variances: Sequence[np.ndarray],
    mean: np.ndarray,
    std: np.ndarray,
) -> None:
    """Write the mean (b,) and standard deviation (b,) of a mixture of h Gaussians.

    shares (h,) sum to one; means and variances are h arrays (b,). The variance is that within the
    Gaussians and that between them.

    >>> mean, std = np.empty(1, "float32"), np.empty(1, "float32")
    >>> mix(np.float32([0.5, 0.5]), np.float32([[1], [3]]), np.float32([[3], [3]]), mean, std)
    >>> mean.item(), std.item()
    (2.0, 2.0)
    """
    order = np.argsort(-shares, kind="stable")
    (share, m0, v0), *others = (
        (float(shares[i]), torch.from_numpy(means[i]), torch.from_numpy(variances[i]))
        for i in order
    )
    out, spread = torch.from_numpy(mean), torch.from_numpy(std)
    # All as seen from the leading one: E[x^2] - E[x]^2 is then at least its share of E[x^2], so
    # hardly a digit cancels.
    out.zero_()
    torch.mul(v0, share, out=spread)
    for share, m, variance in others:
        apart = m - m0
        out.add_(apart, alpha=share)
        spread.add_(variance, alpha=share).addcmul_(apart, apart, value=share)
    spread.addcmul_(out, out, value=-1).sqrt_()
    out.add_(m0)


def _check_ratings(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return X and y as float64 after checking that they belong together."""
    X = np.array(X, dtype=np.float64)
    y = np.array(y, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] == 0 or y.shape != X.shape[:1]:
        raise ValueError(
            f"expected (n, d) objects and (n,) scores, got shapes {X.shape} and {y.shape}; "
            "give one score per rated object"
        )
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise ValueError("objects and scores must be finite, got NaN or infinite values")
    return X, y
