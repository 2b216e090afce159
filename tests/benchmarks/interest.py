"""Seconds to score a whole pool: ours, scikit-learn's GP, GPyTorch's own and BoTorch, in one run.

    python tests/benchmarks/interest.py                  # N = 1k, 60k, 253k; d = 40; n = 100 rated
    python tests/benchmarks/interest.py --pools 1000 --rated 20 --weigh 50

All hold the same ratings and the hypothesis that these speak most for (its geometry and
hyper-parameters), and give mean and standard deviation for the whole pool; then the whole mixture
of ours. The best of `--repeat` runs counts. Each of them runs in a process of its own, so that its
peak of memory is its own: it is given as what was added to that of the process with the data and
the libraries loaded. The second table is what it takes to weigh the hypotheses by `--weigh` ratings
and to condition those that are left. BoTorch is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import resource
import sys
import time
import warnings
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
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


def ours(X, x, y, hypotheses):
    from anomaly_zoo.interest import InterestModel

    leading = replace(hypotheses[0], share=1.0)
    belief = InterestModel.condition(x, y, (leading,)).posterior(X)
    return belief.mean, belief.std


def mixture(X, x, y, hypotheses):
    from anomaly_zoo.interest import InterestModel

    belief = InterestModel.condition(x, y, hypotheses).posterior(X)
    return belief.mean, belief.std


def sklearn(X, x, y, hypotheses):
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, RationalQuadratic

    hyper, geometry = hypotheses[0].hyper, hypotheses[0].geometry
    base = RationalQuadratic(hyper.lengthscale, hyper.alpha)
    kernel = ConstantKernel(hyper.outputscale) * base
    process = GaussianProcessRegressor(kernel, alpha=hyper.noise, optimizer=None)
    process.fit(geometry(x), y - hyper.mean)
    mean, std = process.predict(geometry(X), return_std=True)
    return mean + hyper.mean, std


def gpytorch(X, x, y, hypotheses):
    import gpytorch as gp
    import torch

    hyper, geometry = hypotheses[0].hyper, hypotheses[0].geometry

    class Process(gp.models.ExactGP):
        def __init__(self, x, y, likelihood):
            super().__init__(x, y, likelihood)
            self.mean_module = gp.means.ConstantMean()
            self.covar_module = gp.kernels.ScaleKernel(gp.kernels.RQKernel())

        def forward(self, x):
            return gp.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    likelihood = gp.likelihoods.GaussianLikelihood()
    process = Process(torch.tensor(geometry(x)).double(), torch.tensor(y), likelihood).double()
    process.mean_module.constant = hyper.mean
    process.covar_module.outputscale = hyper.outputscale
    process.covar_module.base_kernel.lengthscale = hyper.lengthscale
    process.covar_module.base_kernel.alpha = hyper.alpha
    likelihood.noise = hyper.noise
    process.eval()
    return in_parts(geometry(X), process)


def botorch(X, x, y, hypotheses):
    bo = import_module("botorch")
    import gpytorch as gp
    import torch

    hyper, geometry = hypotheses[0].hyper, hypotheses[0].geometry
    process = bo.models.SingleTaskGP(
        torch.tensor(geometry(x)).double(),
        torch.tensor(y)[:, None],
        likelihood=gp.likelihoods.GaussianLikelihood(),
        covar_module=gp.kernels.ScaleKernel(gp.kernels.RQKernel()),
        outcome_transform=None,
    ).double()
    process.mean_module.constant = hyper.mean
    process.covar_module.outputscale = hyper.outputscale
    process.covar_module.base_kernel.lengthscale = hyper.lengthscale
    process.covar_module.base_kernel.alpha = hyper.alpha
    process.likelihood.noise = hyper.noise
    process.eval()
    return in_parts(geometry(X), lambda part: process.posterior(part[:, None]))


def in_parts(Z, predict):
    """The prediction by parts: asked about all, GPyTorch holds the covariance of all pairs."""
    import gpytorch as gp
    import torch

    means, variances = [], []
    with torch.no_grad(), gp.settings.fast_pred_var():
        for start in range(0, len(Z), 1024):
            belief = predict(torch.from_numpy(Z[start : start + 1024]).double())
            means.append(belief.mean.flatten().clone())
            variances.append(belief.variance.flatten().clone())
    return torch.cat(means).numpy(), torch.cat(variances).clamp_min(0).sqrt().numpy()


def peers():
    """Those that are installed."""
    return [sklearn, gpytorch, *([botorch] if find_spec("botorch") else [])]


def megabytes(forget: bool = False) -> float:
    """Return this process's peak resident memory so far, MB; `forget` restarts it (Linux only)."""
    status, refs = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if status.exists():
        if forget:
            refs.write_text("5")
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(predict, n, d, rated, hypotheses, repeat, pipe):
    """Time one of them in this process, and send seconds, MB, mean and std."""
    warnings.simplefilter("ignore")
    X, rows, y = make(n, d, rated)
    x = X[rows]
    predict(X[:100], x, y, hypotheses)  # load the libraries
    before = megabytes(forget=True)
    seconds = []
    for _ in range(repeat):
        began = time.perf_counter()
        mean, std = predict(X, x, y, hypotheses)
        seconds.append(time.perf_counter() - began)
    pipe.send((min(seconds), megabytes() - before, megabytes(), mean, std))


def weighing(d: int, counts: list[int], repeat: int) -> None:
    """The table of what a fit takes."""
    from anomaly_zoo.interest import InterestModel, weigh

    print("| n rated | weigh, s | condition, s | hypotheses | leading |")
    print("|---|---|---|---|---|")
    for n in counts:
        X, rows, y = make(max(n, 10_000), d, n)
        x, variance, weighed, conditioned = X[rows], X.var(axis=0), [], []
        for _ in range(repeat):
            began = time.perf_counter()
            hypotheses = weigh(x, y, variance)
            weighed.append(time.perf_counter() - began)
            began = time.perf_counter()
            InterestModel.condition(x, y, hypotheses)
            conditioned.append(time.perf_counter() - began)
        print(
            f"| {n} | {min(weighed):.3f} | {min(conditioned):.3f} | {len(hypotheses)} "
            f"| {hypotheses[0].geometry.name}, {hypotheses[0].share:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=int, nargs="+", default=[1_000, 60_000, 253_286])
    parser.add_argument("--dimensions", type=int, default=40)
    parser.add_argument("--rated", type=int, default=100)
    parser.add_argument("--weigh", type=int, nargs="+", default=[50, 200, 500, 2000])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()

    from anomaly_zoo.interest import weigh
    from anomaly_zoo.threads import cores

    processes = multiprocessing.get_context("spawn")
    print(f"d = {options.dimensions}, n = {options.rated} rated, {cores()} cores")
    print("| N | who | mean + std, s | times ours | added peak MB | peak MB | off mean | off std |")
    print("|---|---|---|---|---|---|---|---|")
    for n in options.pools:
        X, rows, y = make(n, options.dimensions, options.rated)
        hypotheses = weigh(X[rows], y, X.var(axis=0))
        del X
        reference = None
        for predict in (ours, *peers(), mixture):
            here, there = processes.Pipe()
            arguments = (predict, n, options.dimensions, options.rated, hypotheses)
            child = processes.Process(target=measure, args=(*arguments, options.repeat, there))
            child.start()
            there.close()
            seconds, added, peak, mean, std = here.recv()
            child.join()
            if reference is None:
                reference = seconds, mean, std
            off = [np.abs(a - b).max() for a, b in zip(reference[1:], (mean, std), strict=True)]
            name = predict.__name__
            apart = f"{off[0]:.1e} | {off[1]:.1e}"
            if predict is mixture:
                name, apart = f"ours, all {len(hypotheses)} of the mixture", "|"
            print(
                f"| {n} | {name} | {seconds:.4f} | {seconds / reference[0]:.1f} "
                f"| {added:.0f} | {peak:.0f} | {apart} |",
                flush=True,
            )
    print()
    weighing(options.dimensions, options.weigh, options.repeat)


if __name__ == "__main__":
    main()
