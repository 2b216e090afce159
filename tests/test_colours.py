"""What the map is coloured by: any column of a catalogue, odd ones too, and who rated what."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from anomaly_zoo.posterior import Posterior
from anomaly_zoo.ui.colours import (
    NONE,
    PALETTES,
    SHOWN,
    Colouring,
    by_column,
    by_density,
    by_interest,
    by_probability,
    by_rater,
    by_uncertainty,
)

NAN = float("nan")


def sound(colouring: Colouring, n: int) -> None:
    """What any colouring keeps to."""
    assert colouring.values is not None
    assert colouring.values.shape == (n,) and colouring.values.dtype == np.float32
    assert not np.isinf(colouring.values).any()
    assert colouring.low <= colouring.high and np.isfinite([colouring.low, colouring.high]).all()
    assert colouring.palette.ndim == 2 and colouring.palette.dtype == np.uint8
    colours = colouring.rgb(np.arange(n))
    assert colours.shape == (n, 3)
    dim = (colours == NONE).all(axis=1)
    assert dim.tolist() == np.isnan(colouring.values).tolist()
    if colouring.categories:
        assert len(colouring.categories) == len(colouring.palette) <= SHOWN + 2
        known = colouring.values[~np.isnan(colouring.values)].astype(int)
        assert (colours[~dim] == colouring.palette[known]).all()
    assert all(len(colour) == 7 for colour in colouring.ramp)


@pytest.mark.parametrize(
    ("column", "values", "about"),
    [
        ([1, 2, 3], [1, 2, 3], ""),
        ([1.5, NAN, np.inf], [1.5, NAN, NAN], "all objects with a value have the same value, 1.5"),
        ([7, 7], [7, 7], "all objects have the same value, 7"),
        ([NAN, NAN], [NAN, NAN], "no object has a value"),
        ([None, None], [NAN, NAN], "no object has a value"),
        ([1e300, 1.0, 2.0], [NAN, 1, 2], ""),
        (pd.Series([1, None, 3], dtype="Int8"), [1, NAN, 3], ""),
        (pd.Series([1, None, 3], dtype=object), [1, NAN, 3], ""),
        (pd.Series([1.0, None, 3], dtype="float64[pyarrow]"), [1, NAN, 3], ""),
        ([decimal.Decimal("1.5"), decimal.Decimal("2.5")], [1.5, 2.5], ""),
        (pd.to_datetime(["2020-01-01", None, "2020-07-02"]), [2020, NAN, 2020.5], "in years"),
        (pd.to_datetime(["2020-01-01", "2021-01-01"], utc=True), [2020, 2021], "in years"),
        (pd.to_datetime([None, None]), [NAN, NAN], "no object has a value"),
        (pd.Series([[1], [2]]), [NAN, NAN], "neither numbers nor words"),
        (pd.Series([b"\xff\xd8", b"\xff"]), [NAN, NAN], "neither numbers nor words"),
    ],
)
def test_columns_of_numbers(column: Any, values: list[float], about: str) -> None:
    colouring = by_column(column, "it")
    sound(colouring, len(values))
    assert colouring.name == "it" and about in colouring.about
    assert bool(colouring.about) == bool(about)
    np.testing.assert_allclose(colouring.values, values, rtol=1e-6)


@pytest.mark.parametrize(
    ("column", "words", "values"),
    [
        (["E", "S", "S", None], ("S", "E"), [1, 0, 0, NAN]),
        ([True, False, False], ("False", "True"), [1, 0, 0]),
        (pd.Series([True, None, True], dtype="boolean"), ("True",), [0, NAN, 0]),
        (pd.Series(["b", "a", "b"], dtype="category"), ("b", "a"), [0, 1, 0]),
        (pd.Series([3, 5, 5], dtype="category"), ("5", "3"), [1, 0, 0]),
        (["x" * 500], ("x" * 59 + "…",), [0]),
        (["<b>\n</b>"], ("<b> </b>",), [0]),
        (pd.Series([None, None], dtype="str"), (), [NAN, NAN]),
    ],
)
def test_columns_of_words(column: Any, words: tuple[str, ...], values: list[float]) -> None:
    colouring = by_column(column, "it")
    sound(colouring, len(values))
    assert colouring.categories == words
    np.testing.assert_array_equal(colouring.values, values)
    assert colouring.ends == ("", "")


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        (2460000.5 + np.linspace(-0.01, 0.01, 400), ("2460000.490", "2460000.510")),
        (np.linspace(1e43, 5e43, 400), ("1.01e+43", "4.99e+43")),
        (np.linspace(1e-17, 5e-17, 400), ("1.01e-17", "4.99e-17")),
        (1_700_000_000_000_000_000 + np.arange(400) * 10**6, ("1.7e+18", "1.7000000004e+18")),
    ],
)
def test_close_and_huge_and_tiny_values_have_colours_of_their_own(
    values: np.ndarray, ends: tuple[str, str]
) -> None:
    colouring = by_column(values, "it")
    sound(colouring, 400)
    assert colouring.about == "" and len(np.unique(colouring.values)) == 400
    assert len(np.unique(colouring.rgb(np.arange(400)), axis=0)) > 200
    assert colouring.ends == ends


def test_dates_that_are_objects() -> None:
    colouring = by_column([datetime.date(2020, 1, 1), None, datetime.date(2021, 1, 1)], "night")
    np.testing.assert_array_equal(colouring.values, [2020, NAN, 2021])


def test_ten_thousand_categories() -> None:
    kinds = np.random.default_rng(0).permutation(np.repeat(np.arange(10_000), 2))
    kinds = np.r_[kinds, np.repeat(np.arange(9), np.arange(18, 0, -2))]
    colouring = by_column([f"kind {kind}" for kind in kinds], "kind")
    sound(colouring, len(kinds))
    assert colouring.categories == (*(f"kind {kind}" for kind in range(9)), "other")
    assert colouring.about == "the 9 most frequent of 10,000"
    np.testing.assert_array_equal(colouring.values, np.minimum(kinds, 9))


def test_limits_leave_outliers_out() -> None:
    values = np.random.default_rng(0).normal(size=300_000)
    values[:100], values[5_000] = 1e9, NAN
    colouring = by_column(values, "it")
    assert -2.7 < colouring.low < -2.4 and 2.4 < colouring.high < 2.7
    colours = colouring.rgb(np.array([0, 5_000]))
    assert (colours == [PALETTES["column"][-1], NONE]).all()


def test_few_values_among_many_are_found() -> None:
    values = np.full(300_000, NAN)
    values[[7, 11]] = 3, 4  # in no even sample
    colouring = by_column(values, "it")
    assert (colouring.low, colouring.high) == (3, 4)
    nearly = np.zeros(1000)
    nearly[500] = 1
    assert by_column(nearly, "it").high == 1  # not all the same


def test_what_the_column_holds_is_left_alone() -> None:
    column = pd.Series(np.array([1, np.inf, 2], dtype=np.float32))
    by_column(column, "it")
    assert column.tolist() == [1, np.inf, 2]


def test_raters() -> None:
    rows = np.array([0, 1, 1, 2, 2, 3, 4])
    colouring = by_rater(rows, ["ann", "ann", "ben", "ben", "ben", "ben", "cy"], 6)
    sound(colouring, 6)
    assert colouring.categories == ("ben", "ann", "cy", "several")
    np.testing.assert_array_equal(colouring.values, [1, 3, 0, 0, 2, NAN])
    nobody = by_rater(np.array([], dtype=int), [], 3)
    sound(nobody, 3)
    assert nobody.about == "no object has been rated"
    both = by_rater(np.array([1, 1]), ["ann", "ben"], 2)
    sound(both, 2)
    assert both.categories == ("several",)
    many = by_rater(np.arange(20), [f"r{i}" for i in range(20)], 20)
    sound(many, 20)
    assert many.categories is not None and many.categories[-1] == "other"


def test_what_the_model_says() -> None:
    belief = Posterior(np.linspace(-1, 4.5, 1000), np.linspace(0.2, 1, 1000))
    assert by_interest(belief).values is belief.mean
    assert by_interest(belief).low == 0 and by_interest(belief).high == pytest.approx(4.5)
    assert by_interest(Posterior([0.1], [1.0])).high == 1
    assert by_uncertainty(belief).ends == ("0.20", "1.00")
    assert by_uncertainty(Posterior([1, 1], [0.5, 0.5])).high == pytest.approx(0.6)
    assert by_probability(np.array([0.01, 0.02])).high == pytest.approx(0.1)
    density = by_density()
    assert density.values is None and density.ends == ("few", "many")
    assert density.rgb(np.arange(3)).shape == (3, 3)


def luminance(palette: np.ndarray) -> np.ndarray:
    """Relative luminance of colours (m, 3), as WCAG 2 defines it."""
    share = palette / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_colours_can_be_told_from_the_ground_and_from_each_other() -> None:
    ground = luminance(np.array([[11, 14, 20]]))[0]
    kinds = by_column([str(i) for i in range(SHOWN + 1)], "kind").palette
    assert len(kinds) == SHOWN + 1 == len({tuple(colour) for colour in kinds.tolist()})
    assert ((luminance(kinds) + 0.05) / (ground + 0.05) >= 3).all()
    for palette in PALETTES.values():
        light = luminance(palette)
        assert (np.diff(light) > -0.004).all() and light[-1] > light[0] + 0.3  # brighter is more
        assert light[0] > ground
