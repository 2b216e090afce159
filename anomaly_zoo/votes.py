"""Votes of volunteers: which questions a table holds, and how they were probably answered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_zoo.columns import Column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Question", "fraction", "questions"]

_TOTAL = re.compile(r"(?P<question>.+)_total[-_]votes")
_STEMS = "|".join(
    (
        *("smooth-or-featured", "disk-edge-on", "has-spiral-arms", "bar", "bulge-size"),
        *("bulge-shape", "how-rounded", "edge-on-bulge", "spiral-winding", "spiral-arm-count"),
        *("merging", "rare-features", "something-odd", "clumps", "clumpy-appearance", "wrong-size"),
        *("problem", "artifact", "lensing"),
    )
)
_SHORT_TOTAL = re.compile(rf"(?P<question>(?:{_STEMS})(?:-[a-z0-9-]+)?)_total")
_ASKED = re.compile(rf"(?P<question>(?=[a-z]+-)(?:{_STEMS})(?:-[a-z0-9-]+)?)_")
_NUMBERED = re.compile(r"(?P<question>t\d\d_\w+?)_a\d\d_\w+_count")
_NO_COUNT = re.compile(
    r"(.*_)?(fraction|debiased|weight|flag|mask|std|err|error|proportion|proportion-asked"
    r"|concentration|total|total-votes|total_votes)"
)


@dataclass(frozen=True)
class Question:
    """A question that volunteers were asked, its answers, and the columns that hold the votes.

    columns : one an answer, with how many gave it or (`as_fractions`) their share.
    total : the column with how many were asked; "" where it is the sum of the counts.
    """

    name: str
    answers: tuple[str, ...]
    columns: tuple[str, ...]
    total: str = ""
    as_fractions: bool = False


def questions(columns: Sequence[str]) -> dict[str, Question]:
    """The questions whose votes are in a table with these columns, by name, as they come in it.

    Votes are found by their names, as Galaxy Zoo writes them: `question_answer` for counts with
    `question_total-votes` (or `question_total_votes`), or `question_answer_fraction` with it; for
    the questions of Galaxy Zoo itself also with `question_total`, and counts without a total where
    the question has a hyphen (`bar-gz2_yes`) or is numbered (`t03_bar_a06_bar_count`). Other
    columns of a question, such as `question_answer_debiased` or what else follows an answer, are
    left out, and so is a question with fewer than two answers.

    >>> names = ["id_str", "bar_total-votes", "bar_yes", "bar_yes_fraction", "bar_no"]
    >>> questions(names)["bar"].answers
    ('yes', 'no')
    >>> list(questions(["disk-edge-on-gz2_yes", "disk-edge-on-gz2_no", "flux_disk", "flux_bulge"]))
    ['disk-edge-on-gz2']
    """
    totals = {
        match["question"]: column
        for column in columns
        if (match := _TOTAL.fullmatch(column) or _SHORT_TOTAL.fullmatch(column))
    }
    untotalled = (_ASKED.match(column) or _NUMBERED.fullmatch(column) for column in columns)
    names = {*totals, *(match["question"] for match in untotalled if match)}
    counts: dict[str, dict[str, str]] = {}
    shares: dict[str, dict[str, str]] = {}
    for column in columns:
        places = [place for place, sign in enumerate(column) if sign == "_"]
        name = next((column[:p] for p in reversed(places) if column[:p] in names), None)
        if name is None:
            continue
        answer = column[len(name) + 1 :]
        if answer.endswith("_fraction"):
            shares.setdefault(name, {})[answer.removesuffix("_fraction")] = column
        elif not _NO_COUNT.fullmatch(answer):
            counts.setdefault(name, {})[answer.removesuffix("_count")] = column
    found = {}
    for name in dict.fromkeys([*counts, *shares]):
        total = totals.get(name, "")
        held = _answers(counts.get(name, {}))
        as_fractions = len(held) < 2 and bool(total)
        if as_fractions:
            held = _answers(shares.get(name, {}))
        if len(held) >= 2:
            answers, where = tuple(held), tuple(held.values())
            found[name] = Question(name, answers, where, total, as_fractions)
    return found


def _answers(held: dict[str, str]) -> dict[str, str]:
    """Answers and their columns without what is known of another one, such as yes_low of yes."""
    return {
        answer: column
        for answer, column in held.items()
        if not any(answer.startswith(f"{other}_") for other in held)
    }


def fraction(
    question: Question | str, answer: str, table: pd.DataFrame | Mapping[str, Any]
) -> np.ndarray:
    """How large a share of volunteers would give an answer: the posterior mean (n,) float32.

    It is (k + 1) / (N + m) for k of N votes and m answers, the mean of the posterior under a prior
    that takes all shares for equally likely: Beta(1, 1) for two answers, Dirichlet(1, …, 1) for
    more (Gelman et al. 2013, Bayesian Data Analysis, 3.4). Few votes say little: 3 of 3 is 0.8.
    An object nobody was asked about (N is 0, or a vote is missing) has the prior mean 1/m, and a
    cut that holds for 1/m takes it in: cut on the total as well to leave it out. So has one with
    more votes than voters.

    Raises ValueError for a question or an answer that the table does not have, and for votes that
    are none: text, counts below 0 or, for half of the objects, above the total, fractions outside 0
    to 1.

    >>> table = {"bar_yes": [3, 0, 0], "bar_no": [0, 8, 0], "bar_total-votes": [3, 8, 0]}
    >>> fraction("bar", "yes", table).round(3).tolist()
    [0.800000011920929, 0.10000000149011612, 0.5]
    """
    if isinstance(question, str):
        question = _named(question, questions(list(table.keys())))
    if answer not in question.answers:
        raise ValueError(
            f"the answers to {question.name!r} are {', '.join(map(repr, question.answers))}, "
            f"got {answer!r}"
        )
    column = question.columns[question.answers.index(answer)]
    given = _numbers(table, column)
    if question.total:
        asked = _numbers(table, question.total)
    else:
        asked = np.sum([_numbers(table, name) for name in question.columns], axis=0)
    if question.as_fractions:
        _refuse(given > 1, given, column, "a fraction is at most 1")
        given = given * asked
    else:
        over = given > asked
        if 2 * np.count_nonzero(over) >= len(over):
            _refuse(over, given, column, f"more than the {question.total or 'sum'} of all votes")
        given[over] = np.nan
    m = len(question.answers)
    mean = given
    mean += 1
    mean /= asked + np.float32(m)
    mean[np.isnan(mean)] = 1 / m
    return mean


def _named(name: str, known: Mapping[str, Question]) -> Question:
    if name in known:
        return known[name]
    if not known:
        raise ValueError(
            f"the catalogue holds no votes on {name!r} or any other question; they are found by "
            "their columns, such as bar_yes, bar_no and bar_total-votes"
        )
    close = get_close_matches(name, known, cutoff=0.4) or list(known)[:5]
    raise ValueError(
        f"the catalogue holds no votes on {name!r}; did you mean {' or '.join(map(repr, close))}?"
    )


def _numbers(table: pd.DataFrame | Mapping[str, Any], name: str) -> np.ndarray:
    """A column of votes as a new array (n,) float32, NaN where there is none."""
    column = Column.of(table[name], name).spread()
    if column.kind == "nothing":
        return np.full(len(table[name]), np.nan, dtype=np.float32)
    if column.kind != "number":
        raise ValueError(f"{name!r} should hold votes, as numbers; it holds {column.kind}")
    votes = column.values.astype(np.float32)
    votes[column.absent()] = np.nan
    _refuse(votes < 0, votes, name, "leave unknown votes empty")
    _refuse(np.isinf(votes), votes, name, "leave unknown votes empty")
    return votes


def _refuse(wrong: np.ndarray, votes: np.ndarray, name: str, why: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise ValueError(
            f"{name!r} holds {votes[rows[0]]:g} in row {rows[0]}, and {len(rows):,} of "
            f"{len(votes):,} values are no votes like it: {why}"
        )
