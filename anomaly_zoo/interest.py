"""The model of one person's taste: a Gaussian process from representation to interest.

GPyTorch holds the model and gives the marginal likelihood that its hyper-parameters are fitted by;
the pool is scored from the cached Cholesky factor by plain matrix products, which is the same
posterior at a fraction of the cost. This is the only file that imports GPyTorch.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import gpytorch
import numpy as np
import torch
from gpytorch.constraints import GreaterThan, Positive
from gpytorch.priors import NormalPrior
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from anomaly_zoo.posterior import Posterior
from anomaly_zoo.threads import cores, one_thread

KERNELS = ("rq", "matern")
NOISE_FLOOR = 1e-2  # score^2: nobody repeats their own ratings to better than 0.1
_CHUNK = 4096
_ACCURACY = 3e-5  # what rounding may move a predicted interest by, score units

# Weak priors: (median, standard deviation of the natural logarithm); the mean's is a plain
# (mean, standard deviation). Scores run from 0 to 5 and interesting objects are rare, so before
# any rating an object is expected to be dull, and the variance of interest is known to within a
# factor of a few. The length scale is in units of the root mean square distance between two
# objects and never beyond it: under a flat field, which is what a run of dull ratings asks for,
# every place is as good as any other and the search is lost.
_MEAN = (0.5, 0.5)
_OUTPUTSCALE = (5.0, 0.35)
_LENGTHSCALE = (0.3, 0.5)
_LONGEST = 1.0
_ALPHA = (1.0, 1.0)
_NOISE = (0.1, 1.0)


@dataclass(frozen=True)
class Hyperparameters:
    """What the ratings decide about the Gaussian process beside the ratings themselves.

    kernel : "rq", outputscale * (1 + r^2 / (2 alpha lengthscale^2))^-alpha, or "matern",
        outputscale * (1 + s + s^2/3) exp(-s) with s = sqrt(5) r / lengthscale (Rasmussen &
        Williams 2006, eqs. 4.19 and 4.17), r being the Euclidean distance of two objects.
    mean : interest far away from all ratings, score units.
    outputscale : variance of the interest, score units squared.
    lengthscale : distance over which the interest changes, units of the representation.
    alpha : tail of the rq kernel (small: heavy, large: Gaussian); unused by "matern".
    noise : variance of one rating around the interest, score units squared.

    Raises ValueError for an unknown kernel, values that are not finite or not positive, or a
    noise below 1e-6 of the outputscale (duplicates could then not be told from rounding).

    >>> Hyperparameters("matern", mean=0.5, outputscale=2.0, lengthscale=1.0, noise=0.1).as_dict()
    {'kernel': 'matern', 'mean': 0.5, 'outputscale': 2.0, 'lengthscale': 1.0, 'noise': 0.1}
    """

    kernel: str
    mean: float
    outputscale: float
    lengthscale: float
    alpha: float = 1.0
    noise: float = 0.1

    def __post_init__(self) -> None:
        _check_kernel(self.kernel)
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

    def as_dict(self) -> dict[str, str | float]:
        """Return the values by name, for provenance, without `alpha` where it is not used."""
        values = asdict(self)
        if self.kernel != "rq":
            del values["alpha"]
        return values


def fit_hyperparameters(
    X: np.ndarray, y: np.ndarray, kernel: str = "rq", scale: float | None = None
) -> Hyperparameters:
    """Return the hyper-parameters of highest posterior density given the ratings.

    Maximises the marginal likelihood (Rasmussen & Williams 2006, eq. 5.8) times weak log-normal
    priors in the logarithms of the parameters (a normal one on the mean), by L-BFGS in float64
    from a fixed start: the same ratings give the same answer. The length scale's prior is
    relative to `scale`, so that the answer does not depend on the units of X. Ratings that are all
    equal say nothing about how interest varies: they give the priors' own values, as none do.

    X : (n, d) rated objects; y : (n,) scores, one each; n may be 0.
    scale : root mean square distance between two objects of the pool. By default that of the
        rated objects; give sqrt(2) for a representation of total variance 1, as
        `Representation.pca` makes, and the prior stands still while ratings come in.

    Raises ValueError for an unknown kernel, shapes that do not fit, or values not finite.

    >>> X = np.random.default_rng(0).normal(size=(30, 3))
    >>> hyper = fit_hyperparameters(X, np.where(X[:, 0] > 1, 5.0, 0.0))
    >>> hyper.kernel, hyper.noise >= NOISE_FLOOR, hyper == fit_hyperparameters(
    ...     X, np.where(X[:, 0] > 1, 5.0, 0.0))
    ('rq', True, True)
    """
    _check_kernel(kernel)
    X, y = _check_ratings(X, y)
    unit = _distance_scale(X) if scale is None else float(scale)
    if not (math.isfinite(unit) and unit > 0):
        raise ValueError(f"scale must be a finite number > 0, got {scale}")
    # Distances in units of `scale`: well conditioned whatever the units of X.
    model = _ExactGP(
        torch.from_numpy((X - X.mean(axis=0)) / unit if len(X) else X), torch.from_numpy(y), kernel
    )
    if len(y) and np.ptp(y) > 0:
        with one_thread():
            _maximise(model)
    covariance = model.covar_module
    return Hyperparameters(
        kernel=kernel,
        mean=model.mean_module.constant.item(),
        outputscale=covariance.outputscale.item(),
        lengthscale=covariance.base_kernel.lengthscale.item() * unit,
        alpha=covariance.base_kernel.alpha.item() if kernel == "rq" else 1.0,
        noise=model.likelihood.noise.item(),
    )


@dataclass(frozen=True, eq=False)
class InterestModel:
    """A Gaussian process conditioned on ratings: arrays only, so it can be sent anywhere.

    hyper : the hyper-parameters.
    centre : (d,) float32, subtracted from every object so that float32 distances keep their digits.
    rated : (n, d) float64, the rated objects, centred.
    weights : (n,) float64, (K + noise I)^-1 (y - mean).
    whiten : (n, n) float64, inverse of the lower Cholesky factor of K + noise I.

    >>> X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    >>> model = InterestModel.fit(X[:30], np.where(X[:30, 0] > 1, 5.0, 0.0))
    >>> belief = model.posterior(X)
    >>> len(belief), belief.mean[X[:, 0] > 1].mean() > belief.mean[X[:, 0] < 0].mean()
    (40, np.True_)
    """

    hyper: Hyperparameters
    centre: np.ndarray
    rated: np.ndarray
    weights: np.ndarray
    whiten: np.ndarray

    def __post_init__(self) -> None:
        for name in ("centre", "rated", "weights", "whiten"):
            array = getattr(self, name).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def fit(
        cls, X: np.ndarray, y: np.ndarray, kernel: str = "rq", scale: float | None = None
    ) -> InterestModel:
        """Fit the hyper-parameters to (n, d) rated objects and (n,) scores, then condition.

        Arguments and errors are those of `fit_hyperparameters`.
        """
        return cls.condition(X, y, fit_hyperparameters(X, y, kernel, scale))

    @classmethod
    def condition(cls, X: np.ndarray, y: np.ndarray, hyper: Hyperparameters) -> InterestModel:
        """Condition on (n, d) rated objects and (n,) scores at given hyper-parameters, exactly.

        One float64 Cholesky factorisation (Rasmussen & Williams 2006, algorithm 2.1); with n = 0
        the prior. Raises ValueError for shapes that do not fit or values that are not finite.
        """
        X, y = _check_ratings(X, y)
        # The median: a single rated outlier must not push all others away from the origin.
        centre = np.median(X, axis=0) if len(X) else np.zeros(X.shape[1])
        centre = centre.astype(np.float32)
        rated = X - centre
        distance2 = _squared_distances(torch.from_numpy(rated), torch.from_numpy(rated))
        K = _kernel_(distance2, hyper).numpy()
        K[np.diag_indices_from(K)] = hyper.outputscale + hyper.noise
        whiten = np.eye(len(K))
        if len(K):
            whiten = solve_triangular(np.linalg.cholesky(K), whiten, lower=True)
        weights = whiten.T @ (whiten @ (y - hyper.mean))
        return cls(hyper, centre, rated, weights, whiten)

    def posterior(self, X: np.ndarray) -> Posterior:
        """Return the belief about the (m, d) objects X, in memory or memory-mapped.

        Raises ValueError when d is not that of the rated objects.
        """
        X = np.asanyarray(X)
        blocks = ((i, X[i : i + _CHUNK]) for i in range(0, len(X), _CHUNK))
        return self.score_batches(blocks, len(X))

    def score_batches(self, batches: Iterable[tuple[int, np.ndarray]], n: int) -> Posterior:
        """Return the belief about n objects that come as (first row, (b, d) block) pairs.

        `batches` is what `Representation.batches()` yields; together they must cover every row.
        Raises ValueError when d is not that of the rated objects or the rows do not add up to n.
        """
        mean = np.empty(n, dtype=np.float32)
        std = np.empty(n, dtype=np.float32)
        pieces = _Pieces(batches, len(self.centre), n)

        def work() -> None:
            with one_thread():
                score = _Scorer(self)
                while (piece := pieces.take()) is not None:
                    first, block = piece
                    rows = slice(first, first + len(block))
                    mean[rows], std[rows] = score(block)

        count = min(cores(), 1 + n // _CHUNK)
        if count == 1:
            work()
        else:
            with ThreadPoolExecutor(count, thread_name_prefix="anomaly_zoo-score") as workers:
                for worker in [workers.submit(work) for _ in range(count)]:
                    worker.result()
        if pieces.done != n:
            raise ValueError(
                f"batches hold {pieces.done} objects, but n is {n}; give every row once"
            )
        return Posterior(mean, std, math.sqrt(self.hyper.noise))


class _Pieces:
    """Cuts batches into pieces whose kernel matrix stays small, taken by one worker at a time."""

    def __init__(self, batches: Iterable[tuple[int, np.ndarray]], d: int, n: int) -> None:
        self._iterator = self._cut(batches, d, n)
        self._lock = threading.Lock()
        self.done = 0

    def take(self) -> tuple[int, np.ndarray] | None:
        """The next piece with its first row; None when there is none left."""
        with self._lock:
            return next(self._iterator, None)

    def _cut(
        self, batches: Iterable[tuple[int, np.ndarray]], d: int, n: int
    ) -> Iterator[tuple[int, np.ndarray]]:
        for first, block in batches:
            if block.ndim != 2 or block.shape[1] != d:
                raise ValueError(
                    f"objects must be (n, {d}) like the rated ones, got shape {block.shape}; "
                    "give the same representation that was rated"
                )
            if first < 0 or first + len(block) > n:
                raise ValueError(f"batches reach row {first + len(block)}, but n is {n}")
            for start in range(0, len(block), _CHUNK):
                yield first + start, block[start : start + _CHUNK]
            self.done += len(block)


class _Scorer:
    """Scores blocks of objects with one model; holds its matrices as torch tensors."""

    def __init__(self, model: InterestModel) -> None:
        hyper = model.hyper
        epsilon = torch.finfo(torch.float32).eps
        # A relative error e of the covariances moves the mean by about e * gain, and the variance
        # by about e * outputscale^2 / noise: with hardly any noise float32 has too few digits.
        gain = hyper.outputscale * max(float(np.linalg.norm(model.weights)), 1.0)
        exact = epsilon * gain > _ACCURACY or hyper.noise < 1e-3 * hyper.outputscale
        self.dtype = torch.float64 if exact else torch.float32
        self.hyper = hyper
        self.centre = model.centre
        self.rated64 = torch.tensor(model.rated)
        self.rated = self.rated64.to(self.dtype)
        self.weights = torch.tensor(model.weights).to(self.dtype)
        self.whiten = torch.tensor(model.whiten.T).to(self.dtype)
        # |x - z|^2 from norms and a product is off by about eps |x|^2 where x is near z (and by a
        # relative eps where it is not): beyond this |x|^2 distances are taken in float64.
        self.far = _ACCURACY / gain * hyper.lengthscale**2 / epsilon

    @torch.no_grad()
    def __call__(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = torch.empty(block.shape, dtype=self.dtype)
        np.subtract(block, self.centre, out=x.numpy(), casting="same_kind")
        distance2 = self._squared_distances(x, block)
        k = _kernel_(distance2, self.hyper)
        mean = torch.mv(k, self.weights).add_(self.hyper.mean)
        variance = torch.mm(k, self.whiten).square_().sum(1)
        variance.neg_().add_(self.hyper.outputscale).clamp_(min=1e-7 * self.hyper.outputscale)
        return mean.numpy(), variance.sqrt_().numpy()

    def _squared_distances(self, x: torch.Tensor, block: np.ndarray) -> torch.Tensor:
        """Return squared distances of a block to the rated; x is the block, centred."""
        if self.dtype is torch.float64:
            return _squared_distances(x, self.rated64)
        far = (x.square().sum(1) > self.far).nonzero().squeeze(1)
        centre = self.centre.astype(np.float64)
        if 2 * len(far) > len(x):
            return _squared_distances(torch.from_numpy(block - centre), self.rated64).float()
        distance2 = _squared_distances(x, self.rated)
        if len(far):
            x64 = torch.from_numpy(block[far.numpy()] - centre)
            distance2[far] = _squared_distances(x64, self.rated64).float()
        return distance2


def _squared_distances(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return the (m, n) squared Euclidean distances between the rows of x and of z."""
    distance2 = torch.addmm(z.square().sum(1), x, z.T, alpha=-2)
    return distance2.add_(x.square().sum(1, keepdim=True)).clamp_(min=0)


def _kernel_(distance2: torch.Tensor, hyper: Hyperparameters) -> torch.Tensor:
    """Turn squared distances into covariances, in place (the formulas of Hyperparameters)."""
    if hyper.kernel == "rq":
        distance2.mul_(1 / (2 * hyper.alpha * hyper.lengthscale**2))
        return distance2.log1p_().mul_(-hyper.alpha).exp_().mul_(hyper.outputscale)
    s = distance2.mul_(5 / hyper.lengthscale**2).sqrt_()
    polynomial = s.square().mul_(1 / 3).add_(s).add_(1)
    return s.neg_().exp_().mul_(polynomial).mul_(hyper.outputscale)


class _ExactGP(gpytorch.models.ExactGP):
    """Constant mean, scaled RQ or Matern-5/2 kernel, learned noise, weak priors."""

    def __init__(self, X: torch.Tensor, y: torch.Tensor, kernel: str) -> None:
        def log_positive(above: float = 0.0) -> GreaterThan:
            return GreaterThan(above, transform=torch.exp, inv_transform=torch.log)

        likelihood = gpytorch.likelihoods.GaussianLikelihood(
            noise_constraint=log_positive(NOISE_FLOOR)
        )
        super().__init__(X, y, likelihood)
        positive = Positive(transform=torch.exp, inv_transform=torch.log)
        base = (
            gpytorch.kernels.RQKernel(lengthscale_constraint=positive, alpha_constraint=positive)
            if kernel == "rq"
            else gpytorch.kernels.MaternKernel(nu=2.5, lengthscale_constraint=positive)
        )
        self.mean_module = gpytorch.means.ConstantMean()
        self.covar_module = gpytorch.kernels.ScaleKernel(base, outputscale_constraint=positive)
        self.double()
        self.mean_module.constant = _MEAN[0]
        self.mean_module.register_prior("prior", NormalPrior(*_MEAN), "constant")
        parameters = [
            (self.covar_module, "outputscale", _OUTPUTSCALE),
            (base, "lengthscale", _LENGTHSCALE),
            (likelihood.noise_covar, "noise", _NOISE),
        ]
        if kernel == "rq":
            parameters.append((base, "alpha", _ALPHA))
        for module, name, (median, width) in parameters:
            setattr(module, name, median)
            module.register_prior(
                f"{name}_prior",
                NormalPrior(math.log(median), width),
                lambda m, name=name: getattr(m, name).log(),
            )

    def forward(self, X: torch.Tensor) -> gpytorch.distributions.MultivariateNormal:
        return gpytorch.distributions.MultivariateNormal(self.mean_module(X), self.covar_module(X))


def _maximise(model: _ExactGP) -> None:
    """Set the model's parameters to the maximum of log likelihood plus log priors.

    The Cholesky factor is taken here and not in GPyTorch, whose solver turns to random probes
    above 800 ratings unless settings are changed that all threads share.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    X, y = model.train_inputs[0], model.train_targets
    eye = torch.eye(len(y), dtype=torch.float64)

    def negative_log_density(values: np.ndarray) -> tuple[float, np.ndarray]:
        with torch.no_grad():
            for parameter, value in zip(parameters, values, strict=True):
                parameter.fill_(float(value))
        prior = model.forward(X)
        noise = model.likelihood.noise
        factor = torch.linalg.cholesky(prior.lazy_covariance_matrix.to_dense() + noise * eye)
        residual = torch.linalg.solve_triangular(factor, (y - prior.mean)[:, None], upper=False)
        loss = 0.5 * residual.square().sum() + factor.diagonal().log().sum()
        for _, module, log_prior, closure, _ in model.named_priors():
            loss = loss - log_prior.log_prob(closure(module)).sum()
        gradients = torch.autograd.grad(loss, parameters)
        return loss.item(), np.array([g.item() for g in gradients])

    start = np.array([p.item() for p in parameters])
    # Within e^6 of the priors' medians nothing overflows; no sensible answer lies further away.
    bounds = [(value - 6, value + 6) for value in start]
    for i, (name, _) in enumerate(model.named_parameters()):
        if name.endswith("raw_lengthscale"):
            bounds[i] = (start[i] - 6, math.log(_LONGEST))
    found = minimize(
        negative_log_density,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 100},
    )
    negative_log_density(found.x)


def _distance_scale(X: np.ndarray) -> float:
    """Return the root mean square distance between two rows; sqrt(2) where there is none."""
    if len(X) < 2:
        return math.sqrt(2)
    spread = math.sqrt(2 * float(X.var(axis=0, ddof=1).sum()))
    return spread if spread > 0 else math.sqrt(2)


def _check_kernel(kernel: str) -> None:
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")


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
