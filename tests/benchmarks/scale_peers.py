"""What others take to choose the next object from a whole pool, each one function of scale.py.

A peer is `peer(Z, rated, y, hyper) -> row`: it conditions its Gaussian process with the given
hyper-parameters, predicts mean and standard deviation of every object in Z (N, k) float64, and
returns the one of the highest expected improvement. Nothing is fitted, and the geometry has been
applied already, so all hold the same model as the leading hypothesis of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.stats import norm

from anomaly_zoo.process import Hyperparameters

Peer = Callable[[np.ndarray, np.ndarray, np.ndarray, Hyperparameters], int]
PART = 1024
"""Objects that GPyTorch predicts at once: asked about all, it holds the covariance of all pairs."""


def scikit_learn(Z: np.ndarray, rated: np.ndarray, y: np.ndarray, hyper: Hyperparameters) -> int:
    """scikit-learn's GaussianProcessRegressor and modAL's max_EI (Danka & Horvath 2018,
    arXiv:1805.00979; modAL/acquisition.py, trade-off 0), which asks for all at once:
    (mean - max) Phi(z) + std phi(z), z = (mean - max) / std, max the highest score seen.

    The formula is written out because modAL itself does not run with the present scikit-learn."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, RationalQuadratic

    base = RationalQuadratic(hyper.lengthscale, hyper.alpha)
    kernel = ConstantKernel(hyper.outputscale) * base
    process = GaussianProcessRegressor(kernel, alpha=hyper.noise, optimizer=None)
    process.fit(rated, y - hyper.mean)
    mean, std = process.predict(Z, return_std=True)
    mean += hyper.mean
    return int(np.argmax(improvement(mean, std, y.max())))


def gpytorch(Z: np.ndarray, rated: np.ndarray, y: np.ndarray, hyper: Hyperparameters) -> int:
    """GPyTorch's own prediction (Gardner et al. 2018, arXiv:1809.11165) with fast_pred_var (Pleiss
    et al. 2018, arXiv:1803.06058), and the same improvement."""
    import gpytorch as gp
    import torch

    class Process(gp.models.ExactGP):
        def __init__(self, x: Any, y: Any, likelihood: Any) -> None:
            super().__init__(x, y, likelihood)
            self.mean_module = gp.means.ConstantMean()
            self.covar_module = gp.kernels.ScaleKernel(gp.kernels.RQKernel())

        def forward(self, x: Any) -> Any:
            return gp.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    likelihood = gp.likelihoods.GaussianLikelihood()
    process = Process(torch.tensor(rated), torch.tensor(y), likelihood).double()
    believe(process, hyper)
    means, variances = [], []
    with torch.no_grad(), gp.settings.fast_pred_var():
        for part in parts(Z):
            belief = process(part)
            means.append(belief.mean)
            variances.append(belief.variance)
    std = torch.cat(variances).clamp_min(0).sqrt().numpy()
    return int(np.argmax(improvement(torch.cat(means).numpy(), std, y.max())))


def botorch(Z: np.ndarray, rated: np.ndarray, y: np.ndarray, hyper: Hyperparameters) -> int:
    """BoTorch's LogExpectedImprovement (Ament et al. 2023, arXiv:2310.20708) of each object."""
    import gpytorch as gp
    import torch

    process = (
        import_module("botorch.models")
        .SingleTaskGP(
            torch.tensor(rated),
            torch.tensor(y)[:, None],
            likelihood=gp.likelihoods.GaussianLikelihood(),
            covar_module=gp.kernels.ScaleKernel(gp.kernels.RQKernel()),
            outcome_transform=None,
        )
        .double()
    )
    believe(process, hyper)
    rule = import_module("botorch.acquisition").LogExpectedImprovement(process, best_f=y.max())
    with torch.no_grad(), gp.settings.fast_pred_var():
        return int(torch.cat([rule(part[:, None]) for part in parts(Z)]).argmax())


def believe(process: Any, hyper: Hyperparameters) -> None:
    """Give a process of GPyTorch the hyper-parameters."""
    process.mean_module.constant = hyper.mean
    process.covar_module.outputscale = hyper.outputscale
    process.covar_module.base_kernel.lengthscale = hyper.lengthscale
    process.covar_module.base_kernel.alpha = hyper.alpha
    process.likelihood.noise = hyper.noise
    process.eval()


def parts(Z: np.ndarray) -> Iterator[Any]:
    import torch

    return iter(torch.from_numpy(Z).split(PART))


def improvement(mean: np.ndarray, std: np.ndarray, highest: float) -> np.ndarray:
    std = np.maximum(std, 1e-6)
    z = (mean - highest) / std
    return (mean - highest) * norm.cdf(z) + std * norm.pdf(z)


def installed() -> list[Peer]:
    """The peers that are there."""
    return [scikit_learn, gpytorch, *([botorch] if find_spec("botorch") else [])]
