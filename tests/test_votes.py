"""Votes: which questions a table holds, and the posterior means of their answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, dirichlet

from anomaly_zoo.simulate import QUESTIONS
from anomaly_zoo.votes import Question, fraction, questions

DECALS = [
    "iauname", "ra", "dec", "redshift", "petro_th50",
    "smooth-or-featured_total-votes", "smooth-or-featured_smooth",
    "smooth-or-featured_smooth_fraction", "smooth-or-featured_smooth_debiased",
    "smooth-or-featured_featured-or-disk", "smooth-or-featured_featured-or-disk_fraction",
    "smooth-or-featured_artifact", "smooth-or-featured_artifact_fraction",
    "disk-edge-on_total-votes", "disk-edge-on_yes", "disk-edge-on_no",
    "bar_total-votes", "bar_strong_fraction", "bar_weak_fraction", "bar_no_fraction",
]  # fmt: skip


def test_questions_of_galaxy_zoo_decals() -> None:
    found = questions(DECALS)
    assert list(found) == ["smooth-or-featured", "disk-edge-on", "bar"]
    assert found["smooth-or-featured"] == Question(
        "smooth-or-featured",
        ("smooth", "featured-or-disk", "artifact"),
        tuple(f"smooth-or-featured_{a}" for a in ("smooth", "featured-or-disk", "artifact")),
        "smooth-or-featured_total-votes",
    )
    assert found["bar"].as_fractions and found["bar"].answers == ("strong", "weak", "no")


def test_questions_without_totals_are_those_of_galaxy_zoo() -> None:
    names = ["bar-gz2_yes", "bar-gz2_no", "smooth-or-featured-dr12_smooth", "bar_length", "bar_pa"]
    found = questions([*names, "smooth-or-featured-dr12_artifact", "flux_total", "flux_disk"])
    assert list(found) == ["bar-gz2", "smooth-or-featured-dr12"]
    assert found["bar-gz2"].total == ""
    numbered = ["t03_bar_a06_bar_count", "t03_bar_a07_no_bar_count", "t03_bar_a06_bar_fraction"]
    assert questions(numbered)["t03_bar"].answers == ("a06_bar", "a07_no_bar")
    assert questions(["disk-edge-on_yes"]) == questions([]) == {}
    assert questions(["smooth-or-featured_smooth_fraction", "smooth-or-featured_a_fraction"]) == {}


def test_questions_of_the_example() -> None:
    table = pd.read_parquet(Path(__file__).parents[1] / "example_data/zoo.parquet")
    found = questions(list(table.columns))
    assert {name: question.answers for name, question in found.items()} == QUESTIONS
    for question in found.values():
        each = [fraction(question, answer, table) for answer in question.answers]
        np.testing.assert_allclose(np.sum(each, axis=0), 1, rtol=1e-5)


def test_it_is_the_mean_of_the_posterior() -> None:
    k, n = np.array([3, 0, 17]), np.array([5, 0, 40])
    table = pd.DataFrame({"a_yes": k, "a_no": n - k, "a_total-votes": n})
    np.testing.assert_allclose(fraction("a", "yes", table), beta(k + 1, n - k + 1).mean(), 1e-6)
    votes = np.array([[3, 1, 9], [0, 0, 0]])
    names = ["bulge-size-gz2_none", "bulge-size-gz2_some", "bulge-size-gz2_all"]
    three = pd.DataFrame(dict(zip(names, votes.T, strict=True)))
    means = [dirichlet(row + 1).mean() for row in votes]
    for column, answer in enumerate(["none", "some", "all"]):
        found = fraction("bulge-size-gz2", answer, three)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, [mean[column] for mean in means], 1e-6)


def test_fractions_with_totals_are_votes_as_well() -> None:
    counts = {"bar_yes": [3, 0], "bar_no": [1, 8], "bar_total-votes": [4, 8]}
    shares = {"bar_yes_fraction": [0.75, 0], "bar_no_fraction": [0.25, 1]}
    shares |= {"bar_total-votes": [4, 8]}
    np.testing.assert_allclose(fraction("bar", "yes", shares), fraction("bar", "yes", counts))


@pytest.mark.parametrize("dtype", ["float64", "Int64", "int64[pyarrow]", "object"])
def test_nobody_asked_is_the_prior(dtype: str) -> None:
    table = pd.DataFrame({"bar_total-votes": [0, None, 5], "bar_yes": [0, 1, None]}, dtype=dtype)
    table["bar_no"] = 0
    assert fraction("bar", "yes", table).tolist() == [0.5, 0.5, 0.5]
    table["bar_yes"] = None
    assert fraction("bar", "yes", table).tolist() == [0.5, 0.5, 0.5]


def test_a_row_with_more_votes_than_voters_spoils_no_other() -> None:
    table = {"bar_yes": [5, 3, 0], "bar_no": [0, 1, 4], "bar_total-votes": [4, 4, 4]}
    np.testing.assert_allclose(fraction("bar", "yes", table), [1 / 2, 4 / 6, 1 / 6])
    np.testing.assert_allclose(fraction("bar", "no", table), [1 / 6, 2 / 6, 5 / 6])


def test_what_follows_an_answer_is_no_answer() -> None:
    names = ["bar_total-votes", "bar_yes_lo", "bar_yes", "bar_yes_hi", "bar_no", "bar_no-bar"]
    assert questions(names)["bar"].answers == ("yes", "no", "no-bar")
    shares = [f"{name}_fraction" for name in names[1:]]
    assert questions([names[0], *shares])["bar"].answers == ("yes", "no", "no-bar")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bar_total-votes": [4, -1]}, "'bar_total-votes' holds -1 in row 1"),
        ({"bar_yes": [-9, 1]}, "'bar_yes' holds -9 in row 0"),
        ({"bar_yes": [5, 1]}, "'bar_yes' holds 5 in row 0.*more than the bar_total-votes"),
        ({"bar_yes": ["5", "1"]}, "should hold votes, as numbers; it holds text"),
        ({"bar_total-votes": [np.inf, 4]}, "holds inf in row 0"),
    ],
)
def test_what_is_no_votes_is_refused(changes: dict[str, list[object]], said: str) -> None:
    table = {"bar_yes": [1, 2], "bar_no": [3, 2], "bar_total-votes": [4, 4]} | changes
    with pytest.raises(ValueError, match=said):
        fraction("bar", "yes", table)


def test_fractions_are_between_0_and_1() -> None:
    table = {"bar_yes_fraction": [1.5], "bar_no_fraction": [0.1], "bar_total-votes": [4]}
    with pytest.raises(ValueError, match="a fraction is at most 1"):
        fraction("bar", "yes", table)


def test_unknown_questions_and_answers_are_said() -> None:
    table = {"bar-gz2_yes": [1], "bar-gz2_no": [1]}
    with pytest.raises(ValueError, match="no votes on 'bar'; did you mean 'bar-gz2'"):
        fraction("bar", "yes", table)
    with pytest.raises(ValueError, match="are 'yes', 'no', got 'maybe'"):
        fraction("bar-gz2", "maybe", table)
    with pytest.raises(ValueError, match="holds no votes on 'bar' or any other"):
        fraction("bar", "yes", {"ra": [1]})
