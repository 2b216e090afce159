"""The belief about a pool, moved one rating at a time, is that of a model that knew them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anomaly_zoo as az
from anomaly_zoo import sweep as sweeping
from anomaly_zoo.acquisition import expected_improvement, greedy, log_expected_improvement
from anomaly_zoo.choice import STARTERS
from anomaly_zoo.geometry import family
from anomaly_zoo.interest import Hypothesis, InterestModel, weigh
from anomaly_zoo.pool import STEPS, Pool
from anomaly_zoo.process import GaussianProcess, Hyperparameters

N = 40_000


def cloud(n: int = N, d: int = 6, seed: int = 0) -> np.ndarray:
    """Clusters with copies, an object ten thousand times as far out, and axes that differ."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + 3 * rng.normal(size=(9, d))[rng.integers(0, 9, n)]
    X *= np.geomspace(1, 0.1, d)
    X /= np.sqrt(X.var(axis=0).sum())
    X[10:20] = X[30:40]
    X[50] *= 1e4
    return X.astype(np.float32)


def space(X: np.ndarray) -> az.Representation:
    return az.Representation([f"J{i}" for i in range(len(X))], X)


def rated(X: np.ndarray, n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rows and scores; among them both of a pair of copies, and the far one."""
    rng = np.random.default_rng(seed)
    rows = np.r_[[10, 30, 50], rng.choice(np.arange(100, len(X)), n - 3, replace=False)]
    rows = rng.permutation(rows)
    return rows, np.where(X[rows, 0] > 0.3, 5.0, np.round(X[rows, 1] % 2))


def both(pool: Pool, model: InterestModel, belief: az.Posterior, X: np.ndarray) -> None:
    """The belief is that of a model that learned everything at once."""
    told = model.posterior(X)
    np.testing.assert_allclose(belief.mean, told.mean, atol=1e-4)
    np.testing.assert_allclose(belief.std, told.std, atol=1e-4)
    assert belief.noise == pytest.approx(told.noise)


@pytest.mark.parametrize("n", [3, 20, 90])
@pytest.mark.parametrize("prepared", [True, False])
def test_one_rating_at_a_time_is_all_at_once(n: int, prepared: bool) -> None:
    X = cloud()
    rows, scores = rated(X, n + STEPS)
    hypotheses = weigh(X[rows[:n]], scores[:n], X.var(axis=0))
    pool = Pool(space(X))
    both(pool, *pool.believe(rows[:n], scores[:n], hypotheses), X)
    sweeps = counted(pool)
    for i in range(n, n + STEPS):
        if prepared:
            pool.prepare(int(rows[i]))
            del sweeps[:]
        model, belief = pool.believe(rows[: i + 1], scores[: i + 1], hypotheses)
        assert len(sweeps) == (0 if prepared else i - n + 1), "no column twice, no full refresh"
    both(pool, model, belief, X)
    alone = InterestModel.condition(X[rows].astype(float), scores, hypotheses)
    for ours, theirs in zip(model.processes, alone.processes, strict=True):
        np.testing.assert_allclose(ours.weights, theirs.weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("lengthscale", [1e-3, 0.1, 1.2, 50.0])
@pytest.mark.parametrize("alpha", [0.5, 2.0, 0.01, 30.0])
@pytest.mark.parametrize("noise", [1e-4, 0.4])
def test_at_the_bounds_of_the_hyper_parameters(
    lengthscale: float, alpha: float, noise: float
) -> None:
    X = cloud(3000)
    rows, scores = rated(X, 30)
    hyper = Hyperparameters(0.4, 2.0, lengthscale, alpha, noise)
    hypotheses = tuple(
        Hypothesis(1 / 3, geometry, hyper) for geometry in family(X.astype(float).var(axis=0))
    )
    pool = Pool(space(X))
    pool.believe(rows[:22], scores[:22], hypotheses)
    for i in range(22, 30):
        model, belief = pool.believe(rows[: i + 1], scores[: i + 1], hypotheses)
    both(pool, model, belief, X)


def test_a_belief_stays_as_it_is_while_somebody_has_it() -> None:
    X = cloud(3000)
    rows, scores = rated(X, 30)
    hypotheses = weigh(X[rows[:20]], scores[:20], X.var(axis=0))
    pool = Pool(space(X))
    kept, copies = [], []
    for i in range(20, 25):
        belief = pool.believe(rows[:i], scores[:i], hypotheses)[1]
        kept.append((belief.mean[:9], belief.std) if i % 2 else belief)
        copies.append((belief.mean.copy(), belief.std.copy()))
    for held, (mean, std) in zip(kept, copies, strict=True):
        now = held if isinstance(held, tuple) else (held.mean, held.std)
        assert np.array_equal(now[0], mean[: len(now[0])]) and np.array_equal(now[1], std)
    held = now = belief = None
    kept.clear()
    pool.believe(rows[:26], scores[:26], hypotheses)
    assert len(pool._beliefs) == 10, "what nobody has is used again"


def counted(pool: Pool) -> list[int]:
    """The widths of the sweeps that the pool makes from now on."""
    sweeps: list[int] = []
    original = pool._sweep

    def sweep(begin, width, progress, cancelled):  # type: ignore[no-untyped-def]
        sweeps.append(width)
        original(begin, width, progress, cancelled)

    pool._sweep = sweep  # type: ignore[method-assign]
    return sweeps


def test_what_does_not_follow_is_computed_anew() -> None:
    X = cloud(3000)
    rows, scores = rated(X, 30)
    hypotheses = weigh(X[rows[:20]], scores[:20], X.var(axis=0))
    pool = Pool(space(X))
    pool.believe(rows[:20], scores[:20], hypotheses)
    other = scores.copy()
    other[3] = 2.5
    fewer = np.delete(np.arange(30), 7)
    for some, told in (
        (rows[:21], other[:21]),  # a score was changed
        (rows[fewer][:21], scores[fewer][:21]),  # one was taken back
        (rows[:19], scores[:19]),
        (rows[:30], scores[:30]),  # many at once
        (rows[:1], scores[:1]),
        (rows[:0], scores[:0]),
    ):
        pool.prepare(int(rows[25]))
        both(pool, *pool.believe(some, told, hypotheses), X)
    alone = (Hypothesis(1.0, hypotheses[0].geometry, hypotheses[0].hyper),)
    both(pool, *pool.believe(rows[:5], scores[:5], alone), X)


def test_without_a_rating_nothing_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    X = cloud(500)
    pool = Pool(space(X))
    nothing = np.zeros(0, dtype=int), np.zeros(0)
    hypotheses = weigh(X[:0].astype(float), nothing[1], X.var(axis=0))
    monkeypatch.setattr(pool, "_sweep", lambda *_: pytest.fail("a sweep"))
    both(pool, *pool.believe(*nothing, hypotheses), X)
    pool.prepare(3)
    monkeypatch.undo()
    both(pool, *pool.believe(*rated(X, 5), hypotheses), X)
    monkeypatch.setattr(pool, "_sweep", lambda *_: pytest.fail("a sweep"))
    both(pool, *pool.believe(*nothing, hypotheses), X)


def test_a_column_for_another_object_is_not_taken() -> None:
    X = cloud(3000)
    rows, scores = rated(X, 12)
    hypotheses = weigh(X[rows[:10]], scores[:10], X.var(axis=0))
    pool = Pool(space(X))
    pool.prepare(3)  # nothing is believed yet: nothing to prepare
    pool.believe(rows[:10], scores[:10], hypotheses)
    pool.prepare(int(rows[11]))
    both(pool, *pool.believe(rows[:11], scores[:11], hypotheses), X)
    pool.prepare(int(rows[4]))  # rated already
    both(pool, *pool.believe(rows, scores, hypotheses), X)


def test_hundreds_of_ratings_do_not_drift() -> None:
    X = cloud(2000)
    rows, scores = rated(X, 160)
    hypotheses = weigh(X[rows[:40]], scores[:40], X.var(axis=0))
    pool = Pool(space(X))
    for i in range(40, 161):
        model, belief = pool.believe(rows[:i], scores[:i], hypotheses)
    both(pool, model, belief, X)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_file_gives_what_memory_gives(tmp_path: Path, dtype: type) -> None:
    X = cloud(30_000)
    X[50] /= 1e2
    X = X.astype(dtype)
    np.save(tmp_path / "x.npy", X)
    mapped = az.Representation.read(tmp_path / "x.npy", ids=[f"J{i}" for i in range(len(X))])
    rows, scores = rated(X.astype(np.float32), 12)
    hypotheses = weigh(X[rows].astype(float), scores, X.astype(float).var(axis=0))
    beliefs = []
    for source in (space(X), mapped):
        pool = Pool(source)
        pool.believe(rows[:11], scores[:11], hypotheses)
        beliefs.append(pool.believe(rows, scores, hypotheses)[1])
    np.testing.assert_array_equal(beliefs[0].mean, beliefs[1].mean)
    np.testing.assert_array_equal(beliefs[0].std, beliefs[1].std)


def test_a_refresh_can_be_cancelled_and_tells_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = cloud()
    rows, scores = rated(X, 30)
    hypotheses = weigh(X[rows], scores, X.var(axis=0))
    pool = Pool(space(X))
    told: list[float] = []
    pool.believe(rows[:20], scores[:20], hypotheses, told.append)
    assert told == sorted(told) and told[-1] == 1.0 and len(told) > 2
    del told[:]
    with pytest.raises(InterruptedError):
        pool.believe(rows, scores, hypotheses, told.append, lambda: len(told) > 0)
    assert told[-1] < 1.0
    pool.prepare(77)  # nothing is believed: nothing to prepare
    both(pool, *pool.believe(rows, scores, hypotheses), X)
    with pytest.raises(InterruptedError):
        pool.prepare(77, lambda: True)
    both(pool, *pool.believe(np.r_[rows, 77], np.r_[scores, 3.0], hypotheses), X)


def test_a_failing_worker_is_heard_and_stops_the_others() -> None:
    seen: list[int] = []

    def job(first: int, block: np.ndarray) -> None:
        seen.append(first)
        raise RuntimeError("broken")

    X = cloud()
    sources = [part.batches for part in sweeping.Rows(X).parts(10)]
    with pytest.raises(RuntimeError, match="broken"):
        sweeping.sweep(sources, N, lambda: job)
    assert len(seen) <= 4


def test_every_row_is_swept_once() -> None:
    X = cloud()
    times = np.zeros(N, dtype=int)

    def job(first: int, block: np.ndarray) -> None:
        assert len(block) <= 2048 and (block == X[first : first + len(block)]).all()
        times[first : first + len(block)] += 1

    sources = [part.batches for part in sweeping.Rows(X).parts(6)]
    sweeping.sweep(sources, N, lambda: job, width=1000)
    assert (times == 1).all()


def test_a_process_extended_by_a_copy_of_a_rated_object_stays_finite() -> None:
    X = cloud(60)[:50]
    X[40:] = X[0]
    hypothesis = weigh(X[:5].astype(float), np.arange(5.0), X.var(axis=0))[0]
    process = GaussianProcess.condition(
        X[:5].astype(float), np.arange(5.0), hypothesis.hyper, hypothesis.geometry
    )
    y = np.arange(5.0)
    for i in range(40, 50):
        y = np.r_[y, i % 2 * 5.0]
        process = process.extended(X[i].astype(float), y)
    whole = GaussianProcess.condition(
        X[[0, 1, 2, 3, 4, *range(40, 50)]].astype(float), y, hypothesis.hyper, hypothesis.geometry
    )
    ours, theirs = process.joint(X.astype(float)), whole.joint(X.astype(float))
    everything = np.arange(len(X))
    np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-6)
    np.testing.assert_allclose(
        ours.covariance(everything), theirs.covariance(everything), atol=1e-6
    )


@pytest.mark.parametrize("kind", ["cloud", "copies", "two places", "far out", "a line"])
@pytest.mark.parametrize("rule", [expected_improvement, log_expected_improvement, greedy])
def test_the_next_object_is_that_of_brute_force(kind: str, rule: Any) -> None:
    """Each step's choice has the highest utility by a model that learned all ratings at once and
    is asked about every object; of copies the one with the first id is shown."""
    X = cloud(400)
    match kind:
        case "copies":
            X = np.repeat(X[:40], 10, axis=0)
        case "two places":
            X = np.where(np.arange(400)[:, None] % 7 == 0, X[3], X[4])
        case "far out":
            X[::50] *= 1e4
        case "a line":
            X = np.linspace(0, 1, 400)[:, None] * np.ones((1, 3))
    X = X.astype(np.float32)
    session = az.Session(space(X), acquisition=rule, goal="best", audit=0, seed=1)
    Z, told = session.space.X, 0
    for look in range(45):
        state, [id_str] = session.state, session.next()
        row = int(id_str[1:])
        if look >= STARTERS and (state.scores >= 4).any():
            model = InterestModel.condition(Z[state.rated], state.scores, state.hypotheses)
            belief = model.posterior(Z)
            best_f = float(belief.mean[state.rated].max())
            values = np.where(state.open, rule(belief, best_f=best_f, rng=None), -np.inf)
            assert values[row] >= values.max() - 1e-4 * max(1.0, abs(values.max()))
            same = (Z[row] == Z).all(axis=1) & state.open
            assert id_str == min(session.representation.ids[same])
            told += 1
        session.prepare(id_str)
        session.rate(id_str, 5 if X[row, 0] > np.quantile(X[:, 0], 0.8) else look % 3)
    assert told > 20
