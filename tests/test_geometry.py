"""The geometries: weights from variances, by their formula and at their limits."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_zoo.geometry import FEW, Geometry, family, weighted

VARIANCE = np.array([4.0, 1.0, 0.25, 0.01])


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_each_axis_is_divided_by_its_deviation_to_the_power(power: float) -> None:
    weights = weighted(VARIANCE, power, 4, "").weights.astype(float)
    expected = np.sqrt(VARIANCE) ** -power
    np.testing.assert_allclose(weights / weights[0], expected / expected[0], rtol=1e-6)
    assert (weights**2 * VARIANCE).sum() == pytest.approx(1)


def test_two_objects_are_the_square_root_of_two_apart_on_average() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 4)) * np.sqrt(VARIANCE)
    for geometry in family(X.var(axis=0)):
        pairs = geometry(X[:2000]) - geometry(X[2000:])
        assert np.square(pairs).sum(axis=1).mean() == pytest.approx(2, rel=0.05)


def test_the_family_is_plain_half_white_and_white() -> None:
    plain, half, white = family(VARIANCE)
    assert np.ptp(plain.weights) == 0
    np.testing.assert_allclose(
        half.weights**2 / half.weights[0] ** 2,
        plain.weights * white.weights / (plain.weights * white.weights)[0],
        rtol=1e-6,
    )
    spread = white.weights**2 * VARIANCE
    np.testing.assert_allclose(spread, 0.25, rtol=1e-6)
    assert [g.name for g in (plain, half, white)] == [
        "4 axes, as they are",
        "4 axes, half white",
        "4 axes, white",
    ]


def test_only_the_leading_axes_are_whitened() -> None:
    plain, half, white = family(np.geomspace(1, 1e-4, 100))
    assert [len(g.weights) for g in (plain, half, white)] == [100, FEW, FEW]
    X = np.random.default_rng(0).normal(size=(7, 100)).astype(np.float32)
    assert [g(X).shape for g in (plain, half, white)] == [(7, 100), (7, FEW), (7, FEW)]
    other = X.copy()
    other[:, FEW:] = 99
    assert np.array_equal(white(X), white(other)) and not np.array_equal(plain(X), plain(other))


def test_a_constant_axis_weighs_nothing_and_one_of_hardly_any_spread_little() -> None:
    for geometry in family(np.array([1.0, 0.0, 0.5])):
        assert geometry.weights[1] == 0
    noise = family(np.array([1.0, 1e-12]))[2].weights
    assert noise[1] == pytest.approx(1e3 * noise[0], rel=1e-5), "not a million times as much"
    for geometry in family(np.zeros(3)):
        assert np.array_equal(geometry.weights, np.ones(3))


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_the_units_go_into_the_weights(scale: float) -> None:
    for ours, theirs in zip(family(VARIANCE), family(VARIANCE * scale**2), strict=True):
        np.testing.assert_allclose(theirs.weights * scale, ours.weights, rtol=1e-5)
        assert np.isfinite(theirs.weights).all()


@pytest.mark.parametrize(
    ("given", "made"),
    [(np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64)],
)
def test_the_float_type_is_kept_or_float32(given: type, made: type) -> None:
    assert family(VARIANCE)[1](np.ones((2, 4), dtype=given)).dtype == made


def test_weights_are_locked() -> None:
    for geometry in family(VARIANCE):
        assert isinstance(geometry, Geometry) and not geometry.weights.flags.writeable


@pytest.mark.parametrize(
    ("variance", "says"),
    [
        (np.ones((2, 2)), "finite variances"),
        (np.ones(0), "finite variances"),
        (np.array([1.0, np.nan]), "finite variances"),
        (np.array([1.0, np.inf]), "finite variances"),
        (np.array([1.0, -0.1]), "never negative, got -0.1"),
    ],
)
def test_what_is_no_variance_is_refused(variance: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        family(variance)
