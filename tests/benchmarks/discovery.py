"""Rare objects found by 200 ratings: ours against its peers, one protocol, one table.

    pip install coniferest botorch         # the peers that need them are left out without
    python tests/benchmarks/discovery.py --data DATA --json runs.jsonl
    python tests/benchmarks/discovery.py --methods ours --starts 30 --json runs.jsonl
    python tests/benchmarks/discovery.py --methods ours --batch 1 --json runs.jsonl
    python tests/benchmarks/discovery.py --table --json runs.jsonl       # the table alone

A rater gives 5 to the rare class and 0 to all else. Each method (discovery_peers.py) asks for 200
ratings in batches of ten (coniferest's own session asks one by one), on each set
(discovery_sets.py), from each seed, which shuffles the rows too. The table has, over the seeds:

    found   rare objects among the first 50, 100 and 200 rated, the mean, and the worst for 200;
    top 50  the share of rare ones among the 50 *unrated* objects that the method then ranks first,
            nothing where none is left (and little where few are);
    AP      average precision of its ranking of all unrated objects;
    s       seconds for all of it, a run.

At the bottom stand ours, the best peer on each set and their ratio. With `--json` each run is
added to a file as one line, and what is in it already is not run again: runs can be stopped, split
and continued. `--again` runs them again (the last counts), `--label` keeps another version of ours
beside the first. BoTorch is slow and has fewer seeds, as the column says. With one thread a
process (OMP_NUM_THREADS=1) more `--jobs` are quickest.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import discovery_sets
import numpy as np
from discovery_peers import METHODS, Rater, missing
from sklearn.metrics import average_precision_score

BUDGET, LOOKED_AT, TOP = 200, (50, 100, 200), 50


class Run(NamedTuple):
    set: str
    method: str
    batch: int
    seed: int
    label: str

    @property
    def name(self) -> str:
        return self.label or self.method


def measure(run: Run, data: Path, cache: Path) -> dict[str, Any]:
    """One method on one set from one seed, as it is kept in the file."""
    from threadpoolctl import threadpool_limits

    X, rare = discovery_sets.load(run.set, data, cache)
    # The order of a file may tell its classes apart, and ties often go by row.
    order = np.random.default_rng([run.seed, len(X)]).permutation(len(X))
    X, rare = X[order], rare[order]
    rater = Rater(rare, BUDGET)
    with threadpool_limits(1):
        started = time.monotonic()
        ranked = np.asarray(METHODS[run.method](X, rater, run.batch, run.seed))
        seconds = time.monotonic() - started
    unrated = np.setdiff1d(np.arange(len(X)), rater.rows)
    best = unrated[np.argsort(-ranked[unrated], kind="stable")][:TOP]
    left = int(rare[unrated].sum())
    return {
        **{"set": run.set, "method": run.name, "batch": run.batch, "seed": run.seed},
        **{"n": len(X), "d": X.shape[1], "rare": int(rare.sum())},
        "found_at": [look + 1 for look, score in enumerate(rater.scores) if score > 0],
        "top": float(rare[best].mean()) if left else None,
        "ap": float(average_precision_score(rare[unrated], ranked[unrated])) if left else None,
        "seconds": round(seconds, 2),
    }


def key(record: dict[str, Any]) -> tuple[str, str, int, int]:
    return record["set"], record["method"], record["batch"], record["seed"]


def kept(file: Path | None) -> dict[tuple[str, str, int, int], dict[str, Any]]:
    """The runs in the file; the last of each counts."""
    if file is None or not file.exists():
        return {}
    lines = file.read_text(encoding="utf-8").splitlines()
    return {key(record): record for record in map(json.loads, filter(None, lines))}


def results(runs: list[Run], given: argparse.Namespace, cache: Path) -> Iterator[dict[str, Any]]:
    if given.jobs == 1:
        for run in runs:
            yield measure(run, given.data, cache)
        return
    with ProcessPoolExecutor(given.jobs, get_context("spawn")) as workers:
        waiting = [workers.submit(measure, run, given.data, cache) for run in runs]
        for done in as_completed(waiting):
            yield done.result()


# --- the table -----------------------------------------------------------------------------------


def found(record: dict[str, Any], looks: int) -> int:
    return sum(look <= looks for look in record["found_at"])


def mean(values: Iterable[float | None]) -> float:
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else float("nan")


def line(name: str, records: list[dict[str, Any]]) -> str:
    counts = " ".join(f"{mean(found(r, looks) for r in records):6.1f}" for looks in LOOKED_AT)
    worst = min(found(record, BUDGET) for record in records)
    top, ap, seconds = (mean(r[name] for r in records) for name in ("top", "ap", "seconds"))
    return (
        f"  {name:16s} {len(records):5d} {counts} {worst:6d}   {top:6.2f} {ap:6.3f} {seconds:7.1f}"
    )


def table(records: Iterable[dict[str, Any]], mine: str) -> Iterator[str]:
    """The lines of the table of one batch size; `mine` is set against the best of the others."""
    order = {name: at for at, name in enumerate([mine, *METHODS])}
    held = sorted(
        records,
        key=lambda r: (discovery_sets.NAMES.index(r["set"]), order.get(r["method"], -1), key(r)),
    )
    yield f"  {'':16s} seeds   f@50  f@100  f@200  worst   top 50     AP       s"
    against: dict[str, tuple[list[int], str, float]] = {}
    for name, of_set in groupby(held, lambda r: r["set"]):
        by_method = {m: list(runs) for m, runs in groupby(of_set, lambda r: r["method"])}
        one = next(iter(by_method.values()))[0]
        yield f"{name}: {one['rare']:,} of {one['n']:,}, d = {one['d']}"
        yield from (line(method, runs) for method, runs in by_method.items())
        peers = {m: mean(found(r, BUDGET) for r in by_method[m]) for m in by_method if m in METHODS}
        peers.pop("ours", None)
        if mine in by_method and peers:
            best = max(peers, key=lambda m: peers[m])
            against[name] = [found(r, BUDGET) for r in by_method[mine]], best, peers[best]
    if not against:
        return
    yield f"\nfound at {BUDGET}        {mine:>10s}  worst  worst/mean   best peer            ratio"
    ratios = []
    for name, (counts, best, peer) in against.items():
        average, worst = mean(counts), min(counts)
        ratios.append(max(average, 0.1) / max(peer, 0.1))
        yield (
            f"  {name:18s} {average:9.1f} {worst:6d} {worst / max(average, 0.1):11.2f}   "
            f"{peer:6.1f} {best:12s} {ratios[-1]:6.2f}{'' if ratios[-1] >= 1 else '  behind'}"
        )
    yield (
        f"  geometric mean of {len(ratios)} ratios {np.exp(np.mean(np.log(ratios))):.3f}, "
        f"the lowest {min(ratios):.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=discovery_sets.NAMES,
        metavar="SET",
        default=discovery_sets.NAMES,
        help=", ".join(discovery_sets.NAMES),
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        metavar="METHOD",
        default=list(METHODS),
        help=", ".join(METHODS),
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--slow-seeds", type=int, default=2, help="those of BoTorch")
    parser.add_argument("--starts", type=int, default=0, help="more seeds for ours alone")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where each run is kept, a line each")
    parser.add_argument("--cache", type=Path, help="where encoded images are kept")
    parser.add_argument("--label", default="", help="another name for this version of ours")
    parser.add_argument("--again", action="store_true", help="run what is kept, too")
    parser.add_argument("--table", action="store_true", help="run nothing")
    given = parser.parse_args()

    seeds = dict.fromkeys(METHODS, given.seeds)
    seeds |= {"ours": max(given.seeds, given.starts), "botorch": given.slow_seeds}
    for method in given.methods:
        if package := missing(method):
            print(f"{method} is left out: pip install {package}")
    there = kept(given.json)
    runs = [
        Run(name, method, given.batch, seed, given.label if method == "ours" else "")
        for name in given.sets
        for method in given.methods
        if not missing(method)
        for seed in range(seeds[method])
    ]
    if not given.again:
        runs = [r for r in runs if (r.set, r.name, r.batch, r.seed) not in there]
    default = given.json.parent if given.json else Path(tempfile.gettempdir())
    for record in results([] if given.table else runs, given, given.cache or default):
        there[key(record)] = record
        print(
            f"{record['set']}, {record['method']}, seed {record['seed']}: "
            f"{found(record, BUDGET)} of {record['rare']} in {record['seconds']} s",
            flush=True,
        )
        if given.json:
            with open(given.json, "a", encoding="utf-8") as out:
                out.write(json.dumps(record) + "\n")
    shown = [r for r in there.values() if r["batch"] == given.batch and r["set"] in given.sets]
    for text in table(shown, given.label or "ours"):
        print(text)


if __name__ == "__main__":
    main()
