"""Seconds to score a whole pool: ours, scikit-learn's GP and GPyTorch's own, in one run.

    python tests/benchmarks/interest.py                       # N = 1k, 60k, 253k; d = 40; n = 100
    python tests/benchmarks/interest.py --pools 1000 --rated 20 --kernel matern

The three hold the same hyper-parameters (fitted by ours) and the same ratings and give mean and
standard deviation for the whole pool. The best of `--repeat` runs counts. Each of them runs in a
process of its own, so that its peak of memory is its own: it is given as what was added to that
of the process with the data and the libraries loaded.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def make(n: int, d: int, rated: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a clustered pool (total variance 1, falling spectrum), rated rows and scores."""
    rng = np.random.default_rng(seed)
    spectrum = 1 / np.arange(1, d + 1)
    centres = 2 * rng.normal(size=(30, d))
    X = (centres[rng.integers(0, 30, size=n)] + rng.normal(size=(n, d))) * spectrum
    X = ((X - X.mean(0)) / math.sqrt(X.var(0).sum())).astype(np.float32)
    rows = rng.choice(n, min(rated, n), replace=False)
    y = np.where(((X[rows] - X[rows[0]]) ** 2).sum(1) < 0.8, 5.0, 0.0)
    return X, rows, y


def ours(X, x, y, hyper):
    from anomaly_zoo.interest import InterestModel

    belief = InterestModel.condition(x, y, hyper).posterior(X)
    return belief.mean, belief.std


def sklearn(X, x, y, hyper):
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, RationalQuadratic

    base = (
        RationalQuadratic(hyper.lengthscale, hyper.alpha)
        if hyper.kernel == "rq"
        else Matern(hyper.lengthscale, nu=2.5)
    )
    kernel = ConstantKernel(hyper.outputscale) * base
    process = GaussianProcessRegressor(kernel, alpha=hyper.noise, optimizer=None)
    process.fit(x, y - hyper.mean)
    mean, std = process.predict(X, return_std=True)
    return mean + hyper.mean, std


def gpytorch(X, x, y, hyper):
    import gpytorch as gp
    import torch

    class Process(gp.models.ExactGP):
        def __init__(self, x, y, likelihood):
            super().__init__(x, y, likelihood)
            self.mean_module = gp.means.ConstantMean()
            rq = hyper.kernel == "rq"
            base = gp.kernels.RQKernel() if rq else gp.kernels.MaternKernel(nu=2.5)
            self.covar_module = gp.kernels.ScaleKernel(base)

        def forward(self, x):
            return gp.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    likelihood = gp.likelihoods.GaussianLikelihood()
    process = Process(torch.tensor(x).double(), torch.tensor(y), likelihood).double()
    process.mean_module.constant = hyper.mean
    process.covar_module.outputscale = hyper.outputscale
    process.covar_module.base_kernel.lengthscale = hyper.lengthscale
    if hyper.kernel == "rq":
        process.covar_module.base_kernel.alpha = hyper.alpha
    likelihood.noise = hyper.noise
    process.eval()
    with torch.no_grad(), gp.settings.fast_pred_var():
        # By parts: it holds the covariance of all pairs it is asked about, 0.5 TB at 253k.
        means, variances = [], []
        for start in range(0, len(X), 1024):
            belief = process(torch.from_numpy(X[start : start + 1024]).double())
            means.append(belief.mean.clone())
            variances.append(belief.variance.clone())
        mean, variance = torch.cat(means), torch.cat(variances)
        return mean.numpy(), variance.clamp_min(0).sqrt().numpy()


def megabytes(forget: bool = False) -> float:
    """Return this process's peak resident memory so far, MB; `forget` restarts it (Linux only)."""
    status, refs = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if status.exists():
        if forget:
            refs.write_text("5")
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(predict, n, d, rated, hyper, repeat, pipe):
    """Time one of the three in this process, and send seconds, MB, mean and std."""
    warnings.simplefilter("ignore")
    X, rows, y = make(n, d, rated)
    x = X[rows]
    predict(X[:100], x, y, hyper)  # load the libraries
    before = megabytes(forget=True)
    seconds = []
    for _ in range(repeat):
        began = time.perf_counter()
        mean, std = predict(X, x, y, hyper)
        seconds.append(time.perf_counter() - began)
    pipe.send((min(seconds), megabytes() - before, megabytes(), mean, std))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=int, nargs="+", default=[1_000, 60_000, 253_286])
    parser.add_argument("--dimensions", type=int, default=40)
    parser.add_argument("--rated", type=int, default=100)
    parser.add_argument("--kernel", choices=["rq", "matern"], default="rq")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()

    from anomaly_zoo.interest import fit_hyperparameters

    processes = multiprocessing.get_context("spawn")
    print(f"d = {options.dimensions}, n = {options.rated} rated, kernel {options.kernel}")
    print("| N | who | mean + std, s | times ours | added peak MB | peak MB | off mean | off std |")
    print("|---|---|---|---|---|---|---|---|")
    for n in options.pools:
        X, rows, y = make(n, options.dimensions, options.rated)
        fit_hyperparameters(X[rows], y, options.kernel, scale=math.sqrt(2))
        began = time.perf_counter()
        hyper = fit_hyperparameters(X[rows], y, options.kernel, scale=math.sqrt(2))
        fit = time.perf_counter() - began
        del X
        reference = None
        for predict in (ours, sklearn, gpytorch):
            here, there = processes.Pipe()
            arguments = (predict, n, options.dimensions, options.rated, hyper)
            child = processes.Process(target=measure, args=(*arguments, options.repeat, there))
            child.start()
            there.close()
            seconds, added, peak, mean, std = here.recv()
            child.join()
            if reference is None:
                reference = seconds, mean, std
            off = [np.abs(a - b).max() for a, b in zip(reference[1:], (mean, std), strict=True)]
            print(
                f"| {n} | {predict.__name__} | {seconds:.4f} | {seconds / reference[0]:.1f} "
                f"| {added:.0f} | {peak:.0f} | {off[0]:.1e} | {off[1]:.1e} |",
                flush=True,
            )
        print(f"| {n} | fit of the hyper-parameters | {fit:.3f} | | | | | |", flush=True)


if __name__ == "__main__":
    main()
