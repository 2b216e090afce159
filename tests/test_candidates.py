"""A batch is that of a search through all objects, one after the other, whatever lies together."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import anomaly_zoo as az
from anomaly_zoo import acquisition as rules
from anomaly_zoo import candidates as module
from anomaly_zoo.candidates import Candidates
from anomaly_zoo.interest import Hypothesis, InterestModel, weigh

N, RATED = 1500, np.arange(30)


def sure(posterior: az.Posterior, *, best_f: float, rng: Any = None) -> np.ndarray:
    """Rises where others are taken."""
    return posterior.mean - 2.0 * posterior.std


RULES = [
    rules.expected_improvement,
    rules.log_expected_improvement,
    rules.probability_of_improvement,
    rules.upper_confidence_bound,
    partial(rules.upper_confidence_bound, beta=0.5),
    rules.greedy,
    rules.uncertainty,
    sure,
]


def objects(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4))
    match kind:
        case "a clump":  # far from all that was rated, so nothing is as unknown
            X[300:700] = [9, 9, 0, 0] + 1e-3 * rng.normal(size=(400, 4))
        case "a clump of the best":
            X[300:700] = X[RATED][X[RATED, 0] > 0.5][0] + 0.01 * rng.normal(size=(400, 4))
        case "behind one":  # nine of which hardly less is known, and more once one is taken
            ways = rng.normal(size=(N, 4))
            ways[300:310] = [1, 0, 0, 0]
            ways /= np.linalg.norm(ways, axis=1, keepdims=True)
            away = np.full(N, 30.0)
            away[310:], away[300], away[301:310] = 6.0, 5.0, 6.6 + 0.01 * np.arange(9)
            X[30:] = (ways * away[:, None])[30:]
        case "copies":  # of what is unknown, and of a find
            X[300:600] = [9, 9, 0, 0]
            X[600:900] = X[RATED][X[RATED, 0].argmax()]
    return X.astype(np.float32)


def known(X: np.ndarray, alone: bool = False) -> tuple[az.Representation, Any]:
    """The objects under ids in another order than the rows, and what was said of some of them."""
    y = np.where(X[RATED, 0] > 0.5, 5.0, 0.0)
    hypotheses = weigh(X[RATED], y, X.var(axis=0))
    if alone:
        leading = hypotheses[0]
        hypotheses = (Hypothesis(1.0, leading.geometry, leading.hyper),)
    model = InterestModel.condition(X[RATED], y, hypotheses)
    open_ = np.ones(len(X), dtype=bool)
    open_[RATED] = False
    state = SimpleNamespace(
        posterior=model.posterior(X), open=open_, model=model, rated=RATED, n_events=len(y)
    )
    names = np.random.default_rng(1).permutation(len(X))
    return az.Representation([f"J{name:04d}" for name in names], X), state


def joint(X: np.ndarray, state: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of everything, computed once."""
    if not hasattr(state, "joint"):
        of = state.model.joint(X)
        state.joint = of.mean, of.covariance(np.arange(len(X)))
    return state.joint


def through_all(X: np.ndarray, state: Any, rule: Any, best_f: float, taken: list[int]) -> Any:
    """(n,) what the rule gives for every open object, where those that were taken count."""
    mean, covariance = joint(X, state)
    own = covariance[np.ix_(taken, taken)] + state.posterior.noise**2 * np.eye(len(taken))
    explained = (covariance[taken] * np.linalg.solve(own, covariance[taken])).sum(axis=0)
    spread = np.sqrt(covariance.diagonal() - explained)
    values = rule(az.Posterior(mean, spread, state.posterior.noise), best_f=best_f)
    values[~state.open] = values[taken] = -np.inf
    return values


KINDS = ["plain", "a clump", "a clump of the best", "behind one", "copies"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("place", [50, 900])
def test_each_take_is_the_best_of_all(rule: Any, kind: str, place: int) -> None:
    X = objects(kind)
    space, state = known(X)
    best_f = float(np.sort(state.posterior.mean[state.open])[-place])
    candidates, taken = Candidates(space, state, 0, 12, [], []), []
    for _ in range(12):
        found = candidates.best(rule, best_f)
        assert found is not None
        row, gain = found
        values = through_all(X, state, rule, best_f, taken)
        assert gain == pytest.approx(values.max(), rel=1e-4)
        assert values[row] == pytest.approx(values.max(), rel=1e-5)
        taken.append(row)
        candidates.take(row)
    assert len(set(taken)) == 12


def test_a_clump_that_fills_the_first_candidates_is_left_after_one_of_it() -> None:
    X = objects("a clump")
    table, _ = known(X)
    session = az.Session(table, acquisition=rules.uncertainty, audit=0)
    for row in RATED:
        session.rate(table.ids[row], 5 if X[row, 0] > 0.5 else 0)
    rows = table.rows(session.next(12))
    assert rows[0] in range(300, 700)
    assert sum(row in range(300, 700) for row in rows) == 1


def test_what_is_taken_counts_as_rated_as_expected() -> None:
    """The spreads after a few are taken are those of a model that was told the means."""
    X = objects("plain")
    space, state = known(X, alone=True)
    mean = state.posterior.mean
    candidates, taken = Candidates(space, state, 0, 12, [40, 41], [50, 60]), [40, 41]
    for row in (None, 50, None, None, 60, None):
        if row is None:
            found = candidates.best(rules.expected_improvement, 1.0)
            assert found is not None
            row, gain = found
            told = InterestModel.condition(
                X[[*RATED, *taken]],
                np.r_[np.where(X[RATED, 0] > 0.5, 5.0, 0.0), mean[taken]],
                state.model.hypotheses,
            ).posterior(X)
            gains = rules.expected_improvement(told, best_f=1.0)
            gains[[*RATED, *taken]] = -np.inf
            assert row == gains.argmax() and gain == pytest.approx(gains.max(), abs=1e-4)
        taken.append(row)
        candidates.take(row)


def test_more_takes_than_are_held_are_still_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HELD", 20 * N)
    space, state = known(objects("plain"))
    n = int(state.open.sum())
    candidates, taken = Candidates(space, state, 0, N, [], []), []
    while found := candidates.best(rules.expected_improvement, 1.0):
        taken.append(found[0])
        candidates.take(found[0])
    assert sorted(taken) == np.flatnonzero(state.open).tolist() and len(taken) == n


def test_equals_go_by_id() -> None:
    X = objects("copies")
    space, state = known(X)
    state.open[900:] = state.open[:300] = False
    for rule in (rules.uncertainty, rules.expected_improvement):
        found = Candidates(space, state, 0, 1, [], []).best(rule, 1.0)
        values = through_all(X, state, rule, 1.0, [])
        tied = np.flatnonzero(values >= values.max() * (1 - 1e-6))
        assert len(tied) == 300, "all copies of one object"
        assert space.ids[found[0]] == min(space.ids[tied])
