"""The best few of a large pool are those that ordering all of it gives."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from anomaly_zoo import acquisition as rules
from anomaly_zoo import extremes
from anomaly_zoo import highest as high
from anomaly_zoo import shortlist as short
from anomaly_zoo.extremes import Extremes
from anomaly_zoo.highest import highest
from anomaly_zoo.posterior import Posterior
from anomaly_zoo.shortlist import rises, shortlist, utility

N = 20_000
RULES = [
    rules.expected_improvement,
    rules.log_expected_improvement,
    rules.probability_of_improvement,
    rules.upper_confidence_bound,
    partial(rules.upper_confidence_bound, beta=0.3),
    rules.greedy,
    rules.uncertainty,
    lambda posterior, *, best_f, rng: -posterior.mean,
]


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty thousand count as many, and are cut into pieces."""
    monkeypatch.setattr(short, "SMALL", 1000)
    monkeypatch.setattr(high, "SMALL", 1000)
    monkeypatch.setattr(short, "BLOCK", 3000)
    for module in (high, extremes):
        monkeypatch.setattr(module, "STRETCH", 16)


def beliefs(kind: str) -> Posterior:
    rng = np.random.default_rng(0)
    mean = rng.normal(0.4, 0.3, N)
    std = rng.uniform(0.3, 1.4, N)
    match kind:
        case "a few finds":
            mean[rng.choice(N, 30)] += 4
        case "ties":
            mean, std = np.round(mean, 1), np.round(std, 1)
        case "all the same":
            mean[:], std[:] = 0.5, 1.0
        case "copies of the best":
            mean[100:200], std[100:200] = 4.0, 1.0
        case "sure of all":
            std *= 1e-4
        case "one far outlier":
            mean[77], std[78] = 1e6, 1e6
        case "hopeless":
            mean -= 60
    return Posterior(mean, std, 0.3)


KINDS = ["plain", "a few finds", "ties", "all the same", "copies of the best", "sure of all"]
KINDS += ["one far outlier", "hopeless"]


def by_order(values: np.ndarray, k: int, open_: np.ndarray) -> list[int]:
    values = np.where(open_, values, -np.inf)
    order = np.argsort(-values, kind="stable")[:k]
    return order[np.isfinite(values[order])].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("best_f", [0.7, 4.4])
def test_it_is_the_order_of_all(rule, kind: str, best_f: float) -> None:
    belief, rng = beliefs(kind), np.random.default_rng(1)
    values = utility(rule, belief, best_f, rng)
    best = int(np.argmax(values))
    for share in (1.0, 0.5, 0.01):
        open_ = rng.random(N) < share
        open_[best] = share != 0.5
        for k in (1, 24, 150):
            assert shortlist(rule, belief, best_f, rng, open_, k).tolist() == by_order(
                values, k, open_
            )


def test_hardly_any_object_is_evaluated() -> None:
    asked = []

    def counting(posterior, *, best_f, rng):  # type: ignore[no-untyped-def]
        asked.append(len(posterior))
        return rules.expected_improvement(posterior, best_f=best_f)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(short, "RISING", frozenset([counting]))
        belief, rng = beliefs("a few finds"), np.random.default_rng(1)
        open_ = np.ones(N, dtype=bool)
        found = shortlist(counting, belief, 2.0, rng, open_, 1).tolist()
        assert found == by_order(rules.expected_improvement(belief, best_f=2.0), 1, open_)
    bar = short._STEPS * (short._GRID - 1)
    assert asked.count(bar) == short._ROUNDS
    assert sum(size for size in asked if size != bar) < N / 100


def test_rules_that_draw_draw_once_for_all() -> None:
    belief, open_ = beliefs("plain"), np.ones(N, dtype=bool)
    for rule in (rules.thompson, rules.random):
        values = utility(rule, belief, 1.0, np.random.default_rng(7))
        found = shortlist(rule, belief, 1.0, np.random.default_rng(7), open_, 9)
        assert found.tolist() == by_order(values, 9, open_)
        assert not rises(rule)


@pytest.mark.parametrize("rule", sorted(rules.RISING, key=lambda rule: rule.__name__))
def test_a_rising_rule_never_falls(rule) -> None:
    mean, std = np.meshgrid(np.linspace(-3, 6, 60), np.geomspace(1e-3, 4, 60), indexing="ij")
    values = rule(Posterior(mean.ravel(), std.ravel()), best_f=1.5).reshape(mean.shape)
    assert (np.diff(values, axis=0) >= 0).all() and (np.diff(values, axis=1) >= -1e-12).all()


def test_highest_orders_and_breaks_ties_by_row() -> None:
    values, everything = np.array([0.0, 2.0, 1.0, 2.0, -np.inf, 1.0]), np.ones(6, dtype=bool)
    assert highest(values, 4, everything).tolist() == [1, 3, 2, 5]
    assert highest(values, 99, everything).tolist() == [1, 3, 2, 5, 0]
    assert highest(values, 0, everything).tolist() == []
    assert highest(np.full(3, -np.inf), 2, np.ones(3, dtype=bool)).tolist() == []
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=N), np.round(rng.normal(size=N), 1), np.zeros(N)):
        for share in (1.0, 0.3, 0.001, 0.0):
            open_ = rng.random(N) < share
            for k in (1, 50, 3000):
                assert highest(values, k, open_).tolist() == by_order(values, k, open_)


@pytest.mark.parametrize("n", [N, N - 5, 3])
def test_the_extremes_of_stretches_change_nothing(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    inside = high._in_stretches
    monkeypatch.setattr(high, "_in_stretches", lambda *a: used.append(inside(*a)) or used[-1])
    rng = np.random.default_rng(0)
    rare = np.where(rng.random(n) < 0.002, 4.0, 0.0)
    last = np.append(rng.random(n - 1), 2.0)
    for values in (rng.normal(size=n), rare, np.round(rng.normal(size=n), 2), np.zeros(n), last):
        values = values.astype(np.float32)
        found = Extremes.of(values)
        assert found.range == (values.min(), values.max())
        for share in (1.0, 0.3, 0.001, 0.0):
            open_ = rng.random(n) < share
            for k in (0, 1, 50, 3000):
                expected = by_order(values, k, open_)
                assert highest(values, k, open_, found).tolist() == expected
    assert n == 3 or any(rows is not None for rows in used)


def test_extremes_are_measured_in_pieces_too_and_show_what_is_no_number() -> None:
    values = np.random.default_rng(0).normal(size=N - 5).astype(np.float32)
    found = Extremes.empty(len(values))
    for first in (16_000, 0, 8_000):
        found.measure(values[first : first + (8_000 if first < 16_000 else N)], first)
    whole = Extremes.of(values)
    np.testing.assert_array_equal(found.low, whole.low)
    np.testing.assert_array_equal(found.high, whole.high)
    values[777] = np.nan
    assert np.isnan(Extremes.of(values).range).all()
    assert Extremes.of(values[:0]).range == (0.0, 0.0)


def test_what_is_no_number_comes_last_and_the_shape_is_checked() -> None:
    belief, rng = Posterior(np.zeros(4), np.ones(4)), np.random.default_rng(0)
    odd = [np.nan, np.inf, 1.0, -np.inf]
    told = utility(lambda posterior, *, best_f, rng: odd, belief, 0.0, rng)
    assert np.argsort(-told, kind="stable").tolist() == [1, 2, 3, 0]
    with pytest.raises(ValueError, match=r"one number per object, \(4,\), got \(3,\)"):
        utility(lambda posterior, *, best_f, rng: np.zeros(3), belief, 0.0, rng)
