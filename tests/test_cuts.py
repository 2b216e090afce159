"""Cuts: sliders and choices from columns of every kind, their histograms, and their words."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searched import Table

from anomaly_zoo.cuts import BINS, MISSING, codes, describe, histogram, words
from anomaly_zoo.expression import Votes
from anomaly_zoo.matching import evaluate
from anomaly_zoo.query import parse

RNG = np.random.default_rng(0)
DAYS = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(1000), "D"))


def test_a_slider_is_not_stretched_by_a_few_far_values() -> None:
    values = np.append(RNG.normal(size=10_000), [1e9, -1e9, np.nan, np.inf]).astype(np.float32)
    cut = describe(values, "x")
    assert cut.kind == "number" and -3 < cut.low < -2 and 2 < cut.high < 3
    assert (cut.lowest, cut.highest) == (-1e9, 1e9)
    assert cut.step == 0.02
    everything = (cut.low, cut.high)
    assert cut.words(everything) == cut.words((None, None)) == cut.words(None) == ""


def test_whole_numbers_are_whole() -> None:
    for values in (
        np.array([0, 4, 9], "i2"),
        np.array([0.0, 4, 9, np.nan]),
        pd.Series([0, 4, 9, None], dtype="Int64"),
        pd.Series([0, 4, 9, None], dtype=pd.ArrowDtype(pa.uint8())),
        pd.Series([0, 4, 9, None], dtype="category"),
    ):
        cut = describe(values, "n")
        assert (cut.kind, cut.low, cut.high, cut.step, cut.bins) == ("integer", 0, 9, 1, 10)
        counts = histogram(codes(values, cut), cut)
        assert counts.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 0, 1]
        assert cut.words((0.6, 8.2)) == "1 <= n <= 8"
    large = describe(np.arange(0, 1_000_000, 7), "n")
    assert (large.kind, large.bins, large.step) == ("integer", BINS, 2000)
    assert large.words((123_456, None)) == "n >= 123000"


def test_huge_numbers_that_are_no_ids_have_a_slider() -> None:
    luminosity = np.random.default_rng(0).uniform(1e42, 9e42, 10_000)
    cut = describe(luminosity, "L")
    assert cut.kind == "number" and 1e42 <= cut.low < cut.high <= 9.1e42
    words = cut.words((5e42, None))
    assert words == "L >= 5e+42"
    assert abs(histogram(codes(luminosity, cut), cut).sum() - 10_000) == 0
    whole = describe(np.array([1e17, 2e17, 3e17, 4e17]), "L")
    assert whole.kind == "number"
    assert describe(np.array([2**60, 2**60 + 1, 2**60 + 5]), "objid").kind == "none"


def test_dates_move_by_days() -> None:
    cut = describe(DAYS, "taken")
    assert cut.kind == "date" and cut.step % 86_400 == cut.low % 86_400 == 0
    at = pd.Timestamp("2021-05-01 09:00").timestamp()
    assert cut.words((at, None)) == 'taken >= "2021-05-01"'
    assert cut.words((None, at)) == 'taken <= "2021-05-01"'
    within_a_day = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(60), "s"))
    cut = describe(within_a_day, "taken")
    assert cut.step == 1 and cut.words((cut.low + 10, None)) == 'taken >= "2020-01-01T00:00:10"'
    for column in (
        DAYS.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
        DAYS.dt.date,
        DAYS.astype(pd.ArrowDtype(pa.date32())),
        DAYS.astype("datetime64[ns]").astype("category"),
    ):
        assert describe(column, "taken") == describe(DAYS, "taken")
        assert np.array_equal(codes(column, cut), codes(DAYS, cut))


def test_few_texts_are_choices() -> None:
    texts = ["S0", "E", None, "Sa", "E"]
    for column in (
        pd.Series(texts),
        pd.Series(texts, dtype=object),
        pd.Series(texts, dtype="category"),
        pd.Series(texts, dtype="category").cat.add_categories(["never there"]),
        pd.Series(texts, dtype=pd.ArrowDtype(pa.string())),
    ):
        cut = describe(column, "type")
        assert cut.kind == "choice" and cut.choices == ("E", "S0", "Sa")
        found = codes(column, cut)
        assert found.tolist() == [1, 0, MISSING, 2, 0]
        assert histogram(found, cut).tolist() == [2, 1, 1]
    ordered = pd.Categorical(texts, ["Sa", "S0", "E"], ordered=True)
    assert describe(ordered, "type").choices == ("Sa", "S0", "E")
    assert cut.words(["Sa", "E", "Sa"]) == 'type in ["Sa", "E"]'
    assert cut.words(["E"]) == 'type == "E"'
    assert cut.words([]) == "type in []"


def test_flags_are_flags() -> None:
    for column in (np.array([True, False]), pd.array([True, None, False], dtype="boolean")):
        cut = describe(column, "is good")
        assert cut.kind == "flag" and cut.words(True) == "`is good`"
        assert cut.words(False) == "NOT `is good`" and cut.words(None) == ""
        assert histogram(codes(column, cut), cut).tolist() == [1, 1]


def test_votes_have_a_slider_from_0_to_1() -> None:
    cut = describe(np.array([0.25, 0.5, 0.9], dtype=np.float32), Votes("bar", "yes"))
    assert (cut.kind, cut.low, cut.high, cut.step) == ("number", 0, 1, 0.01)
    assert cut.name == 'votes("bar", "yes")'
    assert cut.words((0.801, 1)) == 'votes("bar", "yes") >= 0.8'
    assert cut.words((0.2, 0.8)) == '0.2 <= votes("bar", "yes") <= 0.8'


NONE: dict[str, tuple[Any, str]] = {
    "one value": ([3.5, 3.5, np.nan], "one value only, 3.5"),
    "one text": (["E", "E", None], "one value only, 'E'"),
    "one flag": (np.array([True, True]), "one value only, True"),
    "one date": (DAYS[:1], "one value only, 2020-01-01"),
    "one category": (pd.Series(["E"], dtype="category"), "one value only, 'E'"),
    "all NaN": (np.full(3, np.nan), "no values"),
    "all inf": (np.full(3, np.inf), "no finite values"),
    "all None": (pd.Series([None, None], dtype=object), "no values"),
    "all NA": (pd.array([None, None], dtype="Int64"), "no values"),
    "no texts": (pd.Series([None, None], dtype="string"), "no values"),
    "no flags": (pd.array([None], dtype="boolean"), "no values"),
    "no dates": (pd.Series([pd.NaT, pd.NaT]), "no values"),
    "no rows": (np.zeros(0), "no values"),
    "all different": (pd.Series(np.arange(200).astype(str)), "more than 50 different.*== \"0\""),
    "10,000 categories": (pd.Categorical(np.arange(10_000).astype(str)), "more than 50 different"),
    "different late": (
        pd.Series(["E"] * 70_000 + [f"a{i}" for i in range(60)]),
        "more than 50 different",
    ),
    "ids": (np.arange(3) + 2**60, "too many digits"),
    "images": (pd.Series([b"x", b"y"]), "type bytes"),
    "lists": (pd.Series([[1], [2]]), "cannot be compared"),
    "durations": (pd.Series([dt.timedelta(1)]), "cannot be compared"),
    "mixed": (pd.Series(["a", 1]), "text and numbers"),
    "two-dimensional": (np.ones((2, 2)), "the shape"),
    "too far apart": (np.array([-1.7e308, 0.5, 1.7e308]), "too far apart"),
    "too close": (np.array([0, 5e-324]), "too close"),
    "far dates": (np.array(["2020-01-01", "20000-01-01"], "M8[s]"), "years 1 to 9999"),
}  # fmt: skip


@pytest.mark.parametrize("name", NONE)
def test_what_cannot_be_cut_says_why(name: str) -> None:
    column, why = NONE[name]
    cut = describe(column, "c")
    assert cut.kind == "none"
    with pytest.raises(ValueError, match=f"'c' cannot be cut by hand: .*{why}"):
        cut.words((0, 1))
    with pytest.raises(ValueError, match="has no histogram"):
        codes(column, cut)


@pytest.mark.parametrize(
    ("column", "chosen"),
    [
        (np.arange(9.5), "low"),
        (np.arange(9.5), (1,)),
        (np.arange(9.5), (1, "high")),
        (np.arange(9.5), (np.nan, 3)),
        (np.arange(9.5), 3),
        (["E", "S0"], "E"),
        (["E", "S0"], ["<b>"]),
        (np.array([True, False]), 1),
    ],
)
def test_what_cannot_be_chosen_is_refused(column: Any, chosen: Any) -> None:
    with pytest.raises(ValueError, match="choose"):
        describe(column, "c").words(chosen)


def test_a_histogram_of_a_selection() -> None:
    values = RNG.normal(size=5000)
    values[::7] = np.nan
    cut = describe(values, "x")
    found = codes(values, cut)
    assert found.dtype == np.uint8 and not found.flags.writeable
    inside = np.clip(values[~np.isnan(values)], cut.low, cut.high)
    expected = np.histogram(inside, BINS, (cut.low, cut.high))[0]
    np.testing.assert_allclose(histogram(found, cut), expected, atol=2)
    assert histogram(found, cut).sum() == len(inside)
    mask = values > 0.5
    by_mask = histogram(found, cut, mask)
    assert by_mask.tolist() == histogram(found, cut, np.flatnonzero(mask)).tolist()
    assert by_mask.sum() == mask.sum() and not by_mask[: BINS // 2].any()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([1e-20, 1e-5, 1.0, 300.0, 1e8]),
    st.floats(-1000, 1000),
    st.sampled_from(["f4", "f8"]),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_words_say_what_the_slider_says(
    scale: float, shift: float, dtype: str, one: float, other: float
) -> None:
    values = ((np.random.default_rng(1).normal(size=300) + shift) * scale).astype(dtype)
    cut = describe(values, "x")
    ends = sorted(cut.low + (cut.high - cut.low) * share for share in (one, other))
    said = cut.words(ends)
    mask = evaluate(parse(said), Table({"x": values})).mask if said else np.ones(300, bool)
    near = cut.step + 1e-6 * max(abs(cut.low), abs(cut.high))
    low = -np.inf if ends[0] <= cut.low else ends[0]
    high = np.inf if ends[1] >= cut.high else ends[1]
    assert mask[(values >= low + near) & (values <= high - near)].all()
    assert not mask[(values < low - near) | (values > high + near)].any()


def test_several_cuts_are_joined() -> None:
    x, kind = describe(np.linspace(0, 1, 999), "x"), describe(["E", "S0"], "type")
    said = words([(x, (0.2, 0.3)), (kind, ["E"]), (x, None)])
    assert said == '0.2 <= x <= 0.3 AND type == "E"'
    assert words([]) == words([(x, None)]) == ""
    assert str(parse(said)) == said


@pytest.mark.parametrize(
    ("column", "chosen"),
    [
        (np.linspace(0, 0.2, 500), [(0.02, 0.1), (None, 0.1), (0.02, None)]),
        (np.arange(100), [(3, 70), (None, 5), (7, None)]),
        (DAYS, [(1_600_000_000 // 86_400 * 86_400.0, None)]),
        (["E", "S0", "Sa"], [["E"], ["S0", "Sa"]]),
        ([True, False], [True, False]),
    ],
)
def test_what_words_say_was_chosen_is_what_was_chosen(column: Any, chosen: list[Any]) -> None:
    cut = describe(column, "x")
    for one in chosen:
        assert cut.chosen(parse(cut.words(one))) == one
    for other in (
        "y > 3",
        "x > y",
        "near J1",
        "x > 3 OR x < 1",
        "x != 3",
        "x + 1 > 3",
        "1 < x > 3",
    ):
        assert cut.chosen(parse(other)) is None, other


def test_words_by_hand_are_read_too() -> None:
    cut = describe(np.linspace(0, 0.2, 500), "z")
    for text, ends in (
        ("z < 0.1", (None, 0.1)),
        ("0.1 < z", (0.1, None)),
        ("0.1 >= z", (None, 0.1)),
        ("0.01 < z <= 0.1", (0.01, 0.1)),
        ("0.1 > z > 0.01", (0.01, 0.1)),
    ):
        assert cut.chosen(parse(text)) == ends
    share = describe(np.linspace(0, 1, 50), Votes("bar", "yes"))
    assert share.chosen(parse('votes("bar", "yes") >= 0.8')) == (0.8, None)
    assert share.chosen(parse('votes("bar", "no") >= 0.8')) is None
    kinds = describe(["E", "S0", "Sa"], "type")
    assert kinds.chosen(parse('type in ["E", "Irr"]')) is None, "a choice there is none of"
    assert kinds.chosen(parse('type not in ["E"]')) is None
    days = describe(DAYS, "taken")
    assert days.chosen(parse('taken > "no day"')) is None
