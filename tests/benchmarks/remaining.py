"""Does the estimate of what is left hold? Searches with a known rater, 5 or 0, at several looks.

    python tests/benchmarks/remaining.py [seeds] [set ...]

Sets: the kinds of the simulated zoo, scikit-learn's digits with one of them rare, and the sets of
../shared/data where they are there. Prints estimate, interval and truth; then, by looks, how often
the interval held the truth and by which factor the estimate was off (geometric mean, half an object
added to both), beside that of the model's own probabilities; how p_interesting came true where it
was looked at; the coverage of the predictive intervals, overall and search by search; and the
precision of the checks beside the truth.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtr

import anomaly_zoo as az
from anomaly_zoo.posterior import INTERESTING
from anomaly_zoo.progress import TOP, Share

DATA = Path(__file__).parents[3] / "shared" / "data"
LOOKS = (25, 50, 100, 150, 200)
KINDS = (
    *("merger", "arc", "pair", "merger+arc+pair", "ring", "jellyfish", "clumpy", "polar_ring"),
    *("cigar", "collisional_ring", "satellite_trail", "warped_edge_on", "overlap"),
)


def sets() -> Iterator[tuple[str, az.Representation, np.ndarray]]:
    """Name, objects, and which of them are of the rare class."""
    for file in sorted(DATA.glob("*.npz")):
        with np.load(file) as stored:
            X, rare = stored["X"], stored["y"].ravel() > 0
        yield file.stem, az.Representation([f"J{i}" for i in range(len(X))], X), rare
    zoo = az.examples.zoo(progress=False)
    kind = zoo.catalog.table["kind"].astype(str).to_numpy()
    for name in KINDS:
        yield name, zoo.features, np.isin(kind, name.split("+"))
    from sklearn.datasets import load_digits

    X, digit = load_digits(return_X_y=True)
    for rare in (3, 8):
        drawn = np.random.default_rng(rare).permutation(np.flatnonzero(digit == rare))[:16]
        rows = np.sort(np.concatenate([np.flatnonzero(digit != rare), drawn]))
        ids = [f"J{i}" for i in rows]
        yield f"digit {rare}", az.Representation(ids, X[rows]), digit[rows] == rare


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    held: dict[int, list[bool]] = {looks: [] for looks in LOOKS}
    errors: dict[int, list[tuple[float, float]]] = {looks: [] for looks in LOOKS}
    shares: list[Share] = []
    bins: list[pd.DataFrame] = []
    for name, features, rare in sets():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        for seed in range(seeds):
            session = az.Session(features, seed=seed)
            for look in range(1, LOOKS[-1] + 1):
                pick = session.picks(1)[0]
                score = 5 if rare[features.row(pick.id_str)] else 0
                session.rate(pick.id_str, score, reason=pick.reason)
                if look not in LOOKS:
                    continue
                now = session.progress()
                truth = int(rare.sum()) - now.found
                state = session.state
                unrated = np.delete(np.arange(len(rare)), state.rated)
                belief = state.posterior
                model = ndtr((belief.mean - INTERESTING) / np.hypot(belief.std, belief.noise))
                ours, plain = (float(p[unrated].sum()) for p in (state.p_interesting, model))
                errors[look].append((error(ours, truth), error(plain, truth)))
                said = "too early"
                if left := now.remaining:
                    good = round(left.low) <= truth <= round(left.high)
                    held[look].append(good)
                    said = f"{left}{'' if good else '  MISSED'}"
                open_ = session.ranking()
                top = open_[open_["score"].isna()]["id_str"][:TOP]
                share = rare[features.rows(list(top))].mean()
                print(
                    f"{name:20s} seed {seed} looks {look:3d}: found {now.found:3d}, left {truth:3d}"
                    f" | {said:30s} | p_interesting {ours:4.0f}, the model's own {plain:4.0f}"
                    f" | 90% intervals {now.covered.k}/{now.covered.n}"
                    f" | top {TOP}: {share:.0%}, checks {now.precision}",
                    flush=True,
                )
            shares.append(now.covered)
            bins.append(now.calibration)
    for look, good in held.items():
        if good:
            print(f"{look:3d} looks: the 80% interval held {sum(good)} of {len(good)}")
    print(f"all: {sum(map(sum, held.values()))} of {sum(map(len, held.values()))}")
    for look, pairs in [
        *errors.items(),
        ("all", [pair for some in errors.values() for pair in some]),
    ]:
        size, bias = np.exp(np.abs(pairs).mean(axis=0)), np.exp(np.mean(pairs, axis=0))
        print(
            f"{look} looks: p_interesting off by a factor of {size[0]:.2f} (mean {bias[0]:.2f} of"
            f" the truth), the model's own by {size[1]:.2f} ({bias[1]:.2f})"
        )
    looked_at = sum(
        (table.set_index("p_interesting") for table in bins[1:]), bins[0].set_index("p_interesting")
    )
    print(looked_at.round(1).to_string())
    inside = [s.k / s.n for s in shares]
    print(
        f"90% intervals of the ratings: {sum(s.k for s in shares)} of {sum(s.n for s in shares)};"
        f" 85% to 95% in {sum(0.85 <= x <= 0.95 for x in inside)} of {len(inside)} searches,"
        f" {min(inside):.0%} to {max(inside):.0%}"
    )


def error(estimate: float, truth: int) -> float:
    """The logarithm of estimate over truth, which may be 0."""
    return float(np.log((estimate + 0.5) / (truth + 0.5)))


if __name__ == "__main__":
    main()
