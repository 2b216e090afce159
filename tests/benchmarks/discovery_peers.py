"""The methods of discovery.py: ours and its peers, each one function.

A method is `method(X, rater, batch, seed) -> (n,)`: it sees the features (n, d), asks the rater
about rows until nothing is left of its budget, and returns how it ranks all objects in the end,
the most interesting highest. The rater is the only way to a label, so no other can leak in.

Each peer has the form that its authors published, with what they leave open chosen in its favour:
no peer spends a look on an object that it has rated already, and all rank with a model of all the
ratings. What that form is stands in each docstring.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel, Matern, RationalQuadratic, WhiteKernel
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import anomaly_zoo as az

START = 10
HIGHEST = 5.0  # the score of a rare object; that of all others is 0


class Rater:
    """Gives 5 for the rare objects and 0 for all else, `budget` times; keeps what it was asked."""

    def __init__(self, rare: np.ndarray, budget: int) -> None:
        self._rare = rare
        self.budget = min(budget, len(rare))
        self.rows: list[int] = []
        self.scores: list[float] = []

    @property
    def left(self) -> int:
        return self.budget - len(self.rows)

    def rate(self, row: int) -> float:
        if not self.left or row in self.rows:
            raise RuntimeError("no rating is left, or this object has been rated")
        self.rows.append(int(row))
        self.scores.append(HIGHEST if self._rare[row] else 0.0)
        return self.scores[-1]

    def rate_all(self, rows: np.ndarray) -> None:
        for row in rows[: self.left]:
            self.rate(row)

    def rate_top(self, utility: np.ndarray, n: int) -> None:
        """Rate the n unrated objects of the highest utility; ties go by row."""
        utility = np.array(utility, dtype=np.float64)
        utility[self.rows] = -np.inf
        self.rate_all(np.argsort(-utility, kind="stable")[:n])

    @property
    def both(self) -> bool:
        return len(set(self.scores)) == 2


Method = Callable[[np.ndarray, Rater, int, int], np.ndarray]


def ours(X: np.ndarray, rater: Rater, batch: int, seed: int) -> np.ndarray:
    """az.Session and az.autopilot with their defaults; ranked by the session's own ranking."""
    ids = [f"{row:07d}" for row in range(len(X))]
    session = az.Session(az.Representation(ids, X), seed=seed)
    az.autopilot(session, lambda id_str: rater.rate(int(id_str)), n=rater.left, batch=batch)
    ranking = session.ranking()
    ranks = np.empty(len(X))
    ranks[ranking["id_str"].astype(int)] = -np.arange(len(X))
    return ranks


def published(
    X: np.ndarray, rater: Rater, batch: int, seed: int, tradeoff: float = 0.5
) -> np.ndarray:
    """The recipe of Galaxy Zoo: PCA 40, each component to unit variance, scikit-learn's GP with
    RationalQuadratic + WhiteKernel, expected improvement on the highest score seen with a
    trade-off, ten random starters (Walmsley et al. 2022, MNRAS 513, 1581). `published_0` has no
    trade-off, modAL's default: with one, all improvements may underflow to 0 where nothing was
    found at the start, and any rows are next, as they come."""
    Z = whitened(X, 40)
    rater.rate_all(np.random.default_rng(seed).permutation(len(X))[:START])
    return improving(Z, rater, batch, RationalQuadratic() + WhiteKernel(), tradeoff)


def protege(
    X: np.ndarray, rater: Rater, batch: int, seed: int, tradeoff: float = 3.0
) -> np.ndarray:
    """Astronomaly: Protege: as many components of a PCA as hold 95% of the variance, unwhitened,
    scikit-learn's GP with Matern + WhiteKernel, expected improvement on the highest score seen
    with a trade-off of 3, and ten starters evenly spaced along the first component (Lochner &
    Rudnick 2024, arXiv:2411.04188). The seed moves that comb by less than a spacing. `protege_0`
    has no trade-off, which its authors do not propose but which does better here."""
    Z = components(X, 0.95)
    order, spacing = np.argsort(Z[:, 0], kind="stable"), len(X) / START
    comb = (np.arange(START) + np.random.default_rng(seed).random()) * spacing
    rater.rate_all(order[comb.astype(int)])
    return improving(Z, rater, batch, Matern() + WhiteKernel(), tradeoff)


def astronomaly(X: np.ndarray, rater: Rater, batch: int, seed: int) -> np.ndarray:
    """Astronomaly: an isolation forest starts; then a random forest of the scores U and the
    distance d to the nearest rated object correct its score S, brought to 0 to 5:

        S tanh(exp(d / mean(d)) - 1 + arctanh(0.1 + 0.85 U / 5))

    (Lochner & Bassett 2021, Astronomy and Computing 36, 100481, equations 1 to 3, alpha = 1), on
    standardised features as in its own examples."""
    Z = StandardScaler().fit_transform(X.astype(np.float64))
    strange = -IsolationForest(random_state=seed).fit(Z).decision_function(Z)
    strange = HIGHEST * (strange - strange.min()) / np.ptp(strange)
    rater.rate_top(strange, START)
    distance, known = np.full(len(Z), np.inf), 0
    while True:
        for row in rater.rows[known:]:
            distance = np.minimum(distance, np.sqrt(np.square(Z - Z[row]).sum(1)))
        known = len(rater.rows)
        forest = RandomForestRegressor(100, random_state=seed)
        user = forest.fit(Z[rater.rows], rater.scores).predict(Z)
        trust = np.exp(distance / distance.mean()) - 1
        score = strange * np.tanh(trust + np.arctanh(0.1 + 0.85 * user / HIGHEST))
        if not rater.left:
            return score
        rater.rate_top(score, batch)


def logistic(X: np.ndarray, rater: Rater, batch: int, seed: int) -> np.ndarray:
    """Balanced logistic regression on a PCA of 200 that keeps the ratio of the axes (one scale for
    all: a total variance of 1) and C = 10, the best of those tried from 0.1 to 10; the highest
    score is next, and random ones are until both classes were seen."""
    Z = components(X, min(200, X.shape[1]))
    Z /= np.sqrt(Z.var(0).sum())
    rng = np.random.default_rng(seed)
    score = rng.random(len(X))
    rater.rate_top(score, START)
    while True:
        if rater.both:
            model = LogisticRegression(C=10, class_weight="balanced", max_iter=1000)
            score = model.fit(Z[rater.rows], np.greater(rater.scores, 0)).decision_function(Z)
        if not rater.left:
            return score
        rater.rate_top(score, batch)


def pineforest(X: np.ndarray, rater: Rater, batch: int, seed: int) -> np.ndarray:
    """coniferest's PineForest in its own Session, which asks for one object at a time whatever
    `batch` is, to its advantage (Kornilov et al. 2024, arXiv:2410.17142)."""
    model = import_module("coniferest.pineforest").PineForest(n_jobs=1, random_seed=seed)
    return grown(X, rater, model)


def aadforest(X: np.ndarray, rater: Rater, batch: int, seed: int) -> np.ndarray:
    """coniferest's AADForest (Das et al. 2017, arXiv:1708.09441) in its own Session, one object at
    a time."""
    model = import_module("coniferest.aadforest").AADForest(n_jobs=1, random_seed=seed)
    return grown(X, rater, model)


def botorch(X: np.ndarray, rater: Rater, batch: int, seed: int) -> np.ndarray:
    """BoTorch's SingleTaskGP with its defaults on PCA 40 brought to the unit cube, and its LogEI
    on the highest score seen (Ament et al. 2023); ten random starters."""
    import torch

    models = import_module("botorch.models")
    Z = torch.as_tensor(components(X, min(40, X.shape[1])))
    Z = (Z - Z.amin(0)) / (Z.amax(0) - Z.amin(0)).clamp_min(1e-9)
    rater.rate_all(np.random.default_rng(seed).permutation(len(X))[:START])
    while True:
        y = torch.tensor(rater.scores, dtype=Z.dtype)[:, None]
        torch.manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # all scores may still be equal
            model = models.SingleTaskGP(Z[rater.rows], y)
            likelihood = import_module("gpytorch.mlls").ExactMarginalLogLikelihood
            import_module("botorch.fit").fit_gpytorch_mll(likelihood(model.likelihood, model))
        with torch.no_grad():
            if not rater.left:
                return np.concatenate(
                    [model.posterior(part).mean[:, 0].numpy() for part in Z.split(4096)]
                )
            rule = import_module("botorch.acquisition").LogExpectedImprovement(model, y.max())
            utility = [rule(part[:, None]).numpy() for part in Z.split(1024)]
        rater.rate_top(np.concatenate(utility), batch)


def random(X: np.ndarray, rater: Rater, batch: int, seed: int) -> np.ndarray:
    """Any order."""
    rng = np.random.default_rng(seed)
    rater.rate_all(rng.permutation(len(X)))
    return rng.random(len(X))


METHODS: dict[str, Method] = {
    "ours": ours,
    "logistic": logistic,
    "published": published,
    "published_0": partial(published, tradeoff=0.0),
    "protege": protege,
    "protege_0": partial(protege, tradeoff=0.0),
    "astronomaly": astronomaly,
    "pineforest": pineforest,
    "aadforest": aadforest,
    "botorch": botorch,
    "random": random,
}
NEEDS = {"pineforest": "coniferest", "aadforest": "coniferest", "botorch": "botorch"}


def missing(method: str) -> str | None:
    """The package that a method needs and that is not installed."""
    package = NEEDS.get(method)
    return package if package and find_spec(package) is None else None


# --- what several of them share ------------------------------------------------------------------


def components(X: np.ndarray, n: float) -> np.ndarray:
    """The first n principal components, or as many as hold the share n of the variance."""
    return PCA(n, svd_solver="covariance_eigh").fit_transform(X.astype(np.float64))


def whitened(X: np.ndarray, n: int) -> np.ndarray:
    Z = components(X, min(n, X.shape[1]))
    return Z / np.maximum(Z.std(0), 1e-9)


def improving(
    Z: np.ndarray, rater: Rater, batch: int, kernel: Kernel, tradeoff: float
) -> np.ndarray:
    """scikit-learn's GP on raw scores, and modAL's expected improvement on the highest of them."""
    while True:
        process = GaussianProcessRegressor(kernel)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as its users see it, too
            process.fit(Z[rater.rows], rater.scores)
        if not rater.left:
            return np.concatenate([process.predict(part) for part in parts(Z)])
        mean, std = (
            np.concatenate(values)
            for values in zip(*(process.predict(p, return_std=True) for p in parts(Z)), strict=True)
        )
        gain = mean - max(rater.scores) - tradeoff
        z = gain / std
        rater.rate_top(gain * ndtr(z) + std * norm.pdf(z), batch)


def parts(Z: np.ndarray) -> list[np.ndarray]:
    return np.array_split(Z, max(1, len(Z) // 4096))


def grown(X: np.ndarray, rater: Rater, model: object) -> np.ndarray:
    """A forest of coniferest after a Session with the rater, which ends it."""
    session, label = import_module("coniferest.session"), import_module("coniferest.label").Label
    X = np.ascontiguousarray(X, dtype=np.float64)

    def decide(row: int, x: np.ndarray, running: object) -> object:
        said = label.ANOMALY if rater.rate(row) > 0 else label.REGULAR
        if not rater.left:
            running.terminate()  # type: ignore[attr-defined]
        return said

    ended = session.Session(X, np.arange(len(X)), decide, model=model).run()
    known = np.array(list(ended.known_labels))
    labels = np.array(list(ended.known_labels.values()), dtype=int)
    model.fit_known(X, X[known], labels)  # type: ignore[attr-defined]
    return -model.score_samples(X)  # type: ignore[attr-defined]
