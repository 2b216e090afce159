"""Seconds from a rating to the next galaxy chosen: the whole step, beside other libraries.

    python tests/benchmarks/loop.py                    # N = 1k, 60k, 253k; d = 40; n = 100
    python tests/benchmarks/loop.py --pools 1000 --rated 20

Ours is `session.rate` (on disk) and `session.next`, with the whole mixture and all weighing of its
hypotheses that falls due: median and slowest of `--looks` ratings. The others are given the leading
hypothesis, so they only condition, predict mean and standard deviation over the pool, and take the
highest expected improvement; best of two. Peak memory is that of the whole process, data included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from interest import make, megabytes, peers


def truth(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Interest of every object: 5 around the first rated one, else 0."""
    return np.where(((X - X[rows[0]]) ** 2).sum(1) < 0.8, 5.0, 0.0)


def session_step(n: int, d: int, rated: int, looks: int, pipe) -> None:
    import anomaly_zoo as az

    X, rows, _ = make(n, d, rated)
    scores = truth(X, rows)
    with tempfile.TemporaryDirectory() as folder:
        features = az.Representation([f"J{i:07d}" for i in range(n)], X)
        data = megabytes()
        session = az.Session(features, ratings=Path(folder) / "r.db")
        for row in rows:
            session.rate(features.ids[row], scores[row])
        [coming] = session.next()
        seconds = []
        for _ in range(looks):
            score = scores[features.row(coming)]
            began = time.perf_counter()
            session.rate(coming, score)
            [coming] = session.next()
            seconds.append(time.perf_counter() - began)
        hypotheses = session.state.hypotheses
    pipe.send((float(np.median(seconds)), max(seconds), megabytes(), data, hypotheses))


def peer_step(predict, n: int, d: int, rated: int, hypotheses, pipe) -> None:
    from anomaly_zoo.acquisition import expected_improvement
    from anomaly_zoo.posterior import Posterior

    warnings.simplefilter("ignore")
    X, rows, _ = make(n, d, rated)
    x, y = X[rows], truth(X, rows)[rows]
    predict(X[:100], x, y, hypotheses)  # load the libraries
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        mean, std = predict(X, x, y, hypotheses)
        belief = Posterior(mean, np.maximum(std, 1e-6))
        int(np.argmax(expected_improvement(belief, best_f=float(mean[rows].max()))))
        seconds.append(time.perf_counter() - began)
    pipe.send((min(seconds), max(seconds), megabytes()))


def apart(function, *arguments):
    """Run a function in a process of its own and return what it sends."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(target=function, args=(*arguments, there))
    child.start()
    there.close()
    try:
        return here.recv()
    finally:
        child.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=int, nargs="+", default=[1_000, 60_000, 253_286])
    parser.add_argument("--dimensions", type=int, default=40)
    parser.add_argument("--rated", type=int, default=100)
    parser.add_argument("--looks", type=int, default=20)
    options = parser.parse_args()
    size = (options.dimensions, options.rated)
    print(f"d = {size[0]}, n = {size[1]} rated")
    print("| N | who | rating -> next, s | slowest, s | times ours | peak MB |")
    print("|---|---|---|---|---|---|")
    for n in options.pools:
        ours, slowest, peak, data, hypotheses = apart(session_step, n, *size, options.looks)
        print(
            f"| {n:,} | anomaly_zoo, {len(hypotheses)} hypotheses | {ours:.3f} | {slowest:.3f} | 1 "
            f"| {peak:.0f} ({data:.0f} before the session) |"
        )
        for predict in peers():
            best, worst, peak = apart(peer_step, predict, n, *size, hypotheses)
            print(
                f"| {n:,} | {predict.__name__} | {best:.3f} | {worst:.3f} | {best / ours:.1f} "
                f"| {peak:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
