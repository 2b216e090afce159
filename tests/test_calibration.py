"""Numbers about the next rating, corrected by the ratings before it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

import anomaly_zoo as az
from anomaly_zoo.calibration import Calibration, calibrate
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
    for seed in range(5):
        ready = calibrate(*taste(200, seed, kind), noise=0.3)
        interest, std, score = taste(4000, 100 + seed, kind)
        held = np.abs(score - interest) <= 1.645 * np.hypot(std, ready.noise)
        assert 0.84 < held.mean() < 0.96


@pytest.mark.parametrize(("kind", "noise"), [("all or nothing", 0.3), ("graded", 0.5)])
def test_probabilities_are_the_frequencies_of_a_taste(kind: str, noise: float) -> None:
    ready = calibrate(*taste(300, 0, kind), noise=noise)
    interest, std, score = taste(20_000, 1, kind)
    p = ready.p_interesting(Posterior(interest, std))
    for low in (0.1, 0.3, 0.5, 0.7):
        there = (p >= low) & (p < low + 0.2)
        assert abs((score[there] >= 4).mean() - p[there].mean()) < 0.08
    if kind == "all or nothing":
        gaussian = Posterior(interest, std, noise).probability_above(4.0)
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
    p = Calibration(0.3, 3.5, 0.7).p_interesting(Posterior([0.0, 3.5, 5.0], [0.5, 0.5, 0.5]))
    assert p.tolist() == pytest.approx([*ndtr(np.array([-3.5, 0, 1.5]) / np.hypot(0.5, 0.7))])
    assert p.dtype == np.float32


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
