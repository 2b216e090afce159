"""Numbers about the next rating, corrected by the ratings before it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

import anomaly_zoo as az
from anomaly_zoo.calibration import Calibration, Left, calibrate
from anomaly_zoo.posterior import Posterior


def taste(n: int, seed: int, kind: str):
    """Predictions of a model that is right about the mean, and the ratings that follow."""
    rng = np.random.default_rng(seed)
    interest, std = rng.uniform(0, 5, n), rng.uniform(0.2, 1.0, n)
    if kind == "all or nothing":
        score = np.where(rng.random(n) < interest / 5, 5.0, 0.0)
    else:
        score = np.clip(np.round(interest + rng.normal(size=n) * np.hypot(std, 0.5)), 0, 5)
    return interest, std, score


@pytest.mark.parametrize("kind", ["all or nothing", "graded"])
def test_intervals_hold_what_they_say_on_ratings_still_to_come(kind: str) -> None:
    share = []
    for seed in range(10):
        ready = calibrate(*taste(200, seed, kind), noise=0.3)
        interest, std, score = taste(4000, 100 + seed, kind)
        held = np.abs(score - interest) <= 1.645 * np.hypot(std, ready.noise)
        share.append(held.mean())
    assert 0.86 < np.mean(share) < 0.95
    assert min(share) > 0.75


def test_the_last_looks_say_how_wide_the_next_interval_is() -> None:
    std = np.full(160, 0.2)
    score = np.r_[np.tile([0.0, 5.0], 50), np.full(60, 2.5)]
    early, late = (calibrate(np.full(n, 2.5), std[:n], score[:n], 0.3) for n in (100, 160))
    assert early.noise > 1 > 0.3 > late.noise


def chances(ready: Calibration, belief: Posterior, open_: np.ndarray) -> np.ndarray:
    return ready.p_interesting(belief.mean, belief.std, Left.of(belief, open_))


@pytest.mark.parametrize(("kind", "noise"), [("all or nothing", 0.3), ("graded", 0.5)])
def test_probabilities_are_the_frequencies_of_a_taste(kind: str, noise: float) -> None:
    ready = calibrate(*taste(300, 0, kind), noise=noise)
    interest, std, score = taste(20_000, 1, kind)
    p = chances(ready, Posterior(interest, std), np.full(len(std), False))
    for low in (0.1, 0.3, 0.5, 0.7):
        there = (p >= low) & (p < low + 0.2)
        assert abs((score[there] >= 4).mean() - p[there].mean()) < 0.08
    if kind == "all or nothing":
        gaussian = ndtr((interest - 4.0) / np.hypot(std, noise))
        error = [np.square(q - (score >= 4)).mean() for q in (p, gaussian)]
        assert error[0] < 0.9 * error[1]


def test_before_any_look_the_model_is_believed() -> None:
    none = np.zeros(0)
    ready = calibrate(none, none, none, noise=0.4)
    assert ready.noise == 0.4
    assert ready.threshold == pytest.approx(3.5, abs=0.1)
    one = calibrate(np.array([0.5]), np.array([1.0]), np.array([5.0]), noise=0.4)
    assert 0.4 < one.noise < 1.0, "one surprise does not widen it all"


def test_it_never_needs_a_negative_noise_and_keeps_the_order() -> None:
    sure = calibrate(np.full(500, 2.0), np.full(500, 2.0), np.full(500, 2.0), noise=0.3)
    assert 0 <= sure.noise < 0.3
    belief = Posterior([0.0, 3.5, 5.0], [0.5, 0.5, 0.5])
    p = chances(Calibration(0.3, 3.5, 0.7), belief, np.full(3, False))
    assert p.tolist() == pytest.approx([*ndtr(np.array([-3.5, 0, 1.5]) / np.hypot(0.5, 0.7))])
    assert p.dtype == np.float32


def test_the_many_that_nobody_picks_are_worth_less_than_the_best_of_equal_interest() -> None:
    rng = np.random.default_rng(0)
    mean, std = rng.gamma(0.5, 0.6, 5000), np.full(5000, 1.5)
    ready, belief = Calibration(0.3, 2.6, 1.0), Posterior(mean, std)
    plain = chances(ready, belief, np.full(5000, False))
    p = chances(ready, belief, np.full(5000, True))
    order = np.argsort(mean)
    assert (np.diff(p[order]) >= 0).all(), "the order is that of the interest"
    np.testing.assert_array_equal(p[order[-50:]], plain[order[-50:]])
    assert (p[order[:-50]] < plain[order[:-50]]).all()
    assert p.sum() < 0.25 * plain.sum(), "the many are what inflates the sum"
    few = np.zeros(5000, dtype=bool)
    few[order[-200:]] = True
    assert (chances(ready, belief, few)[order[:-200]] < plain[order[:-200]]).all()


@given(
    st.integers(0, 60),
    st.integers(1, 300),
    st.sampled_from([(0.0,), (5.0,), (2.5,), (0.0, 5.0), (0.0, 1.0, 2.0, 3.0, 3.5, 4.0, 5.0)]),
    st.booleans(),
)
def test_any_ratings_and_any_pool_give_probabilities(
    n: int, size: int, scores: tuple[float, ...], even: bool
) -> None:
    rng = np.random.default_rng(n)
    score = rng.choice(scores, n)
    ready = calibrate(rng.uniform(-1, 6, n), rng.uniform(0.01, 3, n), score, noise=0.3)
    mean = np.zeros(size) if even else rng.normal(0, 2, size)
    p = chances(ready, Posterior(mean, np.full(size, 1.0)), rng.random(size) < 0.9)
    assert p.dtype == np.float32 and (p >= 0).all() and (p <= 1).all()
    if even:
        assert np.ptp(p) == 0, "where nothing can be told apart, all are worth the same"


def test_a_session_gives_the_same_numbers_when_it_is_opened_again(tmp_path) -> None:
    X = np.random.default_rng(0).normal(size=(150, 5)).astype(np.float32)
    features = az.Representation([f"J{i}" for i in range(150)], X)
    scores = {f"J{i}": 5.0 if x[0] > 1 else 0.0 for i, x in enumerate(X)}
    session = az.Session(features, ratings=tmp_path / "r.db", seed=0)
    az.autopilot(session, scores, n=40)
    again = az.Session(features, ratings=tmp_path / "r.db", seed=0)
    assert again.state.calibration == session.state.calibration
    np.testing.assert_array_equal(again.state.p_interesting, session.state.p_interesting)
    ranking = session.ranking()
    assert ranking["p_interesting"].between(0, 1).all()
    assert session.state.calibration != calibrate(np.zeros(0), np.zeros(0), np.zeros(0), 0.3)
