"""What to show next: the rule's choice, spread over a batch, with bold looks and random checks."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from anomaly_zoo.acquisition import expected_improvement
from anomaly_zoo.calibration import BEST
from anomaly_zoo.candidates import Candidates
from anomaly_zoo.posterior import INTERESTING
from anomaly_zoo.progress import AUDIT, TOP
from anomaly_zoo.representation import Representation
from anomaly_zoo.shortlist import Rule
from anomaly_zoo.start import Exploration, alike
from anomaly_zoo.threads import one_thread

if TYPE_CHECKING:
    from anomaly_zoo.state import State

STARTERS = 10
"""So many first looks explore, whatever the ratings."""
GOALS = ("many", "best")
PROMISING = 1.0
"""Expected interest below which every second look is a bold one."""


class Choice:
    """Chooses rows of a representation, given a State; with the seed, the State alone decides.

    The first ten looks, and all until something interesting is found, explore; where the scores
    differ already, every second one of these is the rule's. Later the rule chooses. A search for
    many that expects little of its choice (an interest below 1) takes a bold look every second
    time: the textbook's expected improvement over the best rated, which goes where the model is
    least sure. A share `audit` of all looks checks the top 50 at random.

    variance : (d,) of each axis. examples : rows to begin with, followed by what is like them.
    """

    def __init__(
        self,
        space: Representation,
        variance: np.ndarray,
        seed: int,
        rule: Rule = expected_improvement,
        goal: str = "many",
        audit: float = 0.05,
        examples: np.ndarray | None = None,
    ) -> None:
        self._space = space
        self._seed = seed
        self._rule = rule
        self._goal = goal
        self._block = round(1 / audit) if audit else 0  # looks that hold one random check
        self._variance = variance
        self._first: list[int] = []
        if examples is not None and len(examples):
            self._first = alike(space, variance, examples, STARTERS).tolist()

    @cached_property
    def _exploration(self) -> Exploration:
        return Exploration(self._space, self._variance, self._seed)

    def best_f(self, mean: np.ndarray, rated: np.ndarray, best: np.ndarray) -> float:
        """What an object is to improve on, given the posterior means (n,) and the rows of the 50
        best of the open ones, or of as many as there are.

        To find many with the looks that are left, one looks at the highest means; any other object
        takes the place of the last of these, and is worth what it is expected to add to that. So
        the bar is the 50th highest mean of the open ones: the gain of the top 50 instead of that of
        the maximum, in the spirit of active search (Garnett et al. 2012, "Bayesian Optimal Active
        Search and Surveying"). For "best", the highest mean among the rated (the highest score
        itself would be 5 after the first find, and hardly anything could improve on it).
        """
        if self._goal == "best":
            return float(mean[rated].max() if len(rated) else mean.max())
        return float(mean[best[-1]] if len(best) == BEST else mean[best].min(initial=0.0))

    def choose(self, n: int, state: State, name: str = "") -> list[tuple[int, str]]:
        """Up to n (row, why) pairs, the first to look at first. `name` is that of the rule."""
        with one_thread():
            return self._checked(list(self._chosen(n, state, name).items()), state)

    def _chosen(self, n: int, state: State, name: str) -> dict[int, str]:
        """Up to n rows, each with why, before any check."""
        looks = len(state.seen)
        open_ = state.open
        first = [row for row in self._first if open_[row]] if looks < STARTERS else []
        chosen = dict.fromkeys(first[:n], "like your examples")
        exploring = looks < STARTERS or not (state.scores >= INTERESTING).any()
        learning = looks >= STARTERS and len(np.unique(state.scores)) > 1
        walk: list[int] = []
        if exploring:
            seen = np.concatenate([state.seen, list(chosen)]).astype(int)
            walk = self._exploration.next(n, seen, open_)[::-1]
        candidates: Candidates | None = None
        while len(chosen) < n:
            odd = (looks + len(chosen)) % 2 == 1
            if walk and (odd or not learning):
                if (row := walk.pop()) not in chosen:
                    chosen[row] = "a first look around" if looks < STARTERS else "far from all seen"
                    if candidates is not None:
                        candidates.take(row)
                continue
            if candidates is None:
                candidates = Candidates(self._space, state, self._seed, n, list(chosen), walk)
            found = candidates.best(self._rule, state.best_f)
            if found is None:
                break
            best, gain = found
            why = f"{name} {gain:.2g}"
            dull = state.posterior.mean[best] < PROMISING
            if dull and odd and self._alternates and not exploring:
                bold = candidates.best(expected_improvement, _best_rated(state))
                best, why = (best, why) if bold is None else (bold[0], "a bold look")
            chosen[best] = why
            candidates.take(best)
        return chosen

    @property
    def _alternates(self) -> bool:
        return self._goal == "many" and self._rule is expected_improvement

    def _checked(self, chosen: list[tuple[int, str]], state: State) -> list[tuple[int, str]]:
        """The (row, why) pairs with random checks of the top 50 where one is due.

        Looks are counted in blocks of 1 / audit; a draw by seed and block says which look of each
        block is a check. What is checked is the one of the 50 with the lowest of random numbers
        that belong to block and object: as uniform as any draw, and mostly the same object when a
        rating more changes a few of the 50. The first ten looks are never checks.
        """
        if not self._block:
            return chosen
        looks, length = len(state.seen), len(chosen)
        for place in range(length):
            block, within = divmod(looks + place, self._block)
            due = np.random.default_rng([self._seed, block]).integers(self._block)
            if within != due or looks + place < STARTERS:
                continue
            before = [row for row, _ in chosen[:place]]
            rows = state.posterior.best(TOP + place, state.open)
            if len(rows := rows[~np.isin(rows, before)][:TOP]):
                row = min(map(int, rows), key=lambda row: self._lot(block, row))
                rest = [pair for pair in chosen[place:] if pair[0] != row]
                chosen = [*chosen[:place], (row, AUDIT), *rest][:length]
        return chosen

    def _lot(self, block: int, row: int) -> float:
        return float(np.random.default_rng([self._seed, block, 1, row]).random())


def _best_rated(state: State) -> float:
    return float(state.posterior.mean[state.rated].max())
