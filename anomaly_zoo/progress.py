"""How far a search is: what was found, how good the predictions are, and what may be left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import betaincinv, ndtr

from anomaly_zoo.calibration import Z90
from anomaly_zoo.posterior import INTERESTING
from anomaly_zoo.ratings import ACTS, Event, live

if TYPE_CHECKING:
    from anomaly_zoo.state import State

AUDIT = "random check of the top 50"
"""The reason of a look that measures the top of the ranking."""
TOP = 50
RECENT = 40
EARLY = 20
"""With fewer looks nothing is said about what is left."""
_CHECKS = 10  # the latest checks: those of a model long gone say little of this one
_EDGES = (0.0, 0.02, 0.1, 0.3, 0.6, 1.0)


@dataclass(frozen=True)
class Share:
    """k of n, and the central interval of probability 90% for the share behind it.

    The interval is that of Jeffreys' prior, Beta(k + 1/2, n - k + 1/2), with the ends 0 and 1
    where none or all were (Brown, Cai & DasGupta 2001, "Interval Estimation for a Binomial
    Proportion").

    >>> round(Share(9, 10).low, 3), Share(0, 0).low, Share(0, 0).high
    (0.669, 0.0, 1.0)
    """

    k: int
    n: int

    @property
    def low(self) -> float:
        """The lower end, 0 to 1."""
        return float(betaincinv(self.k + 0.5, self.n - self.k + 0.5, 0.05)) if self.k else 0.0

    @property
    def high(self) -> float:
        """The upper end, 0 to 1."""
        whole = self.k == self.n
        return 1.0 if whole else float(betaincinv(self.k + 0.5, self.n - self.k + 0.5, 0.95))

    def __str__(self) -> str:
        return f"{self.k} of {self.n} ({self.low:.0%} to {self.high:.0%})" if self.n else "none yet"


@dataclass(frozen=True)
class Remaining:
    """How many interesting objects nobody has rated: an estimate and its interval of 80%.

    >>> print(Remaining(161.0, 38.0, 655.0))
    about 160 (38 to 660)
    """

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"about {_count(self.estimate)} ({_count(self.low)} to {_count(self.high)})"


def remaining(p: np.ndarray, looks: int) -> Remaining:
    """Return how many of the objects that nobody has rated may be interesting.

    The sum of p (n,), the probability of each of them; nobody knows it better than to the factor
    exp(1.3 + 20 / looks) to both sides (4.1 after 200 looks, 5.5 after 50), which held the truth at
    216 of 267 stages of searches with a known rater, 25 to 200 looks, for 20 rare kinds
    (tests/benchmarks/remaining.py). The factor is measured, not derived: no model knows of objects
    that look like dull ones to the encoder.

    >>> print(remaining(np.full(1000, 0.012), looks=200))
    about 12 (3 to 50)
    """
    estimate = float(p.sum(dtype=np.float64))
    factor = math.exp(1.3 + 20 / max(looks, 1))
    low, high = (estimate + 0.5) / factor - 0.5, (estimate + 0.5) * factor - 0.5
    return Remaining(estimate, max(0.0, low), min(high, len(p)))


@dataclass(frozen=True, eq=False, repr=False)
class Progress:
    """Where a search stands, in numbers that follow from the log and the State alone."""

    looks: int
    """Objects rated."""
    found: int
    """Of these with a mean score of at least 4."""
    recent: Share
    """The same of the last 40."""
    covered: Share
    """Ratings that lay within the 90% interval predicted before, of all with a prediction."""
    calibration: pd.DataFrame
    """p_interesting as predicted, in bins: predicted, n, expected, found."""
    precision: Share
    """Interesting ones among the last ten random checks of the unrated top 50, as that was at the
    time of each: where finds run out quickly, the top of today is worse."""
    remaining: Remaining | None
    """None while it is too early to say."""
    artefacts: int
    """Objects that leave the ranking as likely artefacts, without a flag of their own."""
    advice: str

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.found} found in {self.looks} looks",
                f"precision of the top {TOP} not yet rated: {self.precision}",
                f"90% intervals held {self.covered}",
                f"{self.artefacts} likely artefacts left out",
                self.advice,
            ]
        )


def progress(events: Sequence[Event], state: State) -> Progress:
    """Count what the log and the State that answers it say."""
    means = state.opinions.mean_scores
    hits = np.array([score >= INTERESTING for score in means.values()], dtype=bool)
    recent = hits[-RECENT:]
    seen = _predicted(events, state)
    held = np.abs(seen["score"] - seen["interest"]) <= Z90 * np.hypot(seen["std"], seen["noise"])
    checks = [e for e in live(events) if e.reason == AUDIT and e.kind in ("rate", "artefact")]
    good = [e.kind == "rate" and (e.score or 0.0) >= INTERESTING for e in checks[-_CHECKS:]]
    found, looks = int(hits.sum()), len(hits)
    left = None
    if looks >= EARLY and found:
        unknown = ~state.artefact
        unknown[state.rated] = False
        if state.within is not None:
            unknown &= state.within
        left = remaining(state.p_interesting[unknown], looks)
    lately = Share(int(recent.sum()), len(recent))
    return Progress(
        looks=looks,
        found=found,
        recent=lately,
        covered=Share(int(held.sum()), len(held)),
        calibration=_bins(seen),
        precision=Share(sum(good), len(good)),
        remaining=left,
        artefacts=int(state.artefact.sum()) - len(state.opinions.artefacts),
        advice=_advice(looks, found, lately, left),
    )


def foreseen(events: Sequence[Event], rated: Mapping[str, float]) -> list[tuple[Event, float]]:
    """What was predicted for each rated object before anybody had said anything about it, and its
    score, in the order of the looks; `rated` maps ids to mean scores."""
    first: dict[str, Event] = {}
    for event in events:
        if event.kind in ACTS:
            first.setdefault(event.id_str, event)
    pairs = [(first[id_str], score) for id_str, score in rated.items()]
    return [(e, s) for e, s in pairs if e.interest is not None and e.interest_std is not None]


def _predicted(events: Sequence[Event], state: State) -> pd.DataFrame:
    """The same as a table: score, interest, std, noise, p (of being interesting)."""
    rows = []
    for event, score in foreseen(events, state.opinions.mean_scores):
        mean, std = event.interest or 0.0, event.interest_std or 0.0
        noise = state.calibration.noise if event.noise is None else event.noise
        p = event.p_interesting
        if p is None:  # a file of an older version: what the model alone says
            p = float(ndtr((mean - INTERESTING) / math.hypot(std, noise)))
        rows.append((score, mean, std, noise, p))
    columns = ["score", "interest", "std", "noise", "p"]
    return pd.DataFrame(rows, columns=columns, dtype=float)


def _bins(seen: pd.DataFrame) -> pd.DataFrame:
    """Expected and observed number of interesting objects, by the probability predicted."""
    edges = np.array(_EDGES)
    place = np.searchsorted(edges[1:-1], seen["p"], side="right")
    hits = (seen["score"] >= INTERESTING).to_numpy()
    n = len(edges) - 1
    return pd.DataFrame(
        {
            "p_interesting": [f"{a:g} to {b:g}" for a, b in pairwise(_EDGES)],
            "n": np.bincount(place, minlength=n),
            "expected": np.bincount(place, seen["p"], minlength=n),
            "found": np.bincount(place, hits, minlength=n).astype(int),
        }
    )


def _advice(looks: int, found: int, recent: Share, left: Remaining | None) -> str:
    """What to make of it, in plain words: nine tenths found and hardly a find lately is enough."""
    if looks < EARLY:
        more = EARLY - looks
        return f"Too early to say how many are left: {more} more look{'s' * (more > 1)}."
    if left is None:
        return f"Nothing found in {looks} looks: what is left cannot be known yet."
    said = (
        f"{str(left).capitalize()} of the top kind are left; "
        f"the last {recent.n} looks found {recent.k or 'none'}"
    )
    if recent.n < RECENT or recent.k > RECENT / 10:
        return f"{said}."
    enough = recent.k <= RECENT / 40 and left.estimate <= max(1.0, found / 10)
    return f"{said}: {'time to stop' if enough else 'they get harder to find'}."


def _count(value: float) -> str:
    """A number to two digits, as far as any estimate here is known."""
    size = 10 ** max(0, math.floor(math.log10(max(value, 1))) - 1)
    return f"{round(value / size) * size:,}"
