"""Honest numbers: what follows from log and State, against counts made by hand."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

import anomaly_zoo as az
from anomaly_zoo.progress import AUDIT, EARLY, Progress, Remaining, Share, progress, remaining
from anomaly_zoo.ratings import Event

N = 1200
RARE = 40


def features() -> az.Representation:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 6)).astype(np.float32)
    X[:RARE] = [4, 3, 0, 0, 0, 0] + 0.7 * rng.normal(size=(RARE, 6))
    return az.Representation([f"J{i:04d}" for i in range(N)], X)


def truth(id_str: str) -> int:
    return 5 if int(id_str[1:]) < RARE else 0


def replay(session: az.Session, looks: int) -> None:
    for _ in range(looks):
        pick = session.picks(1)[0]
        session.rate(pick.id_str, truth(pick.id_str), reason=pick.reason)


@pytest.fixture(scope="module")
def searched() -> az.Session:
    session = az.Session(features(), seed=1, audit=0.2)
    replay(session, 60)
    return session


def test_counts_are_those_of_the_log(searched: az.Session) -> None:
    now = searched.progress()
    scores = [e.score or 0 for e in searched.log.events]
    assert (now.looks, now.found) == (60, sum(s >= 4 for s in scores))
    assert (now.recent.k, now.recent.n) == (sum(s >= 4 for s in scores[-40:]), 40)
    checks = [e for e in searched.log.events if e.reason == AUDIT]
    assert len(checks) == 10
    assert now.precision == Share(sum((e.score or 0) >= 4 for e in checks), 10)


def test_coverage_and_bins_are_of_what_was_predicted_before(searched: az.Session) -> None:
    now = searched.progress()
    held = 0
    for e in searched.log.events:
        assert None not in (e.score, e.interest, e.interest_std, e.noise, e.p_interesting)
        half = 1.6448536 * np.hypot(e.interest_std or 0, e.noise or 0)
        held += abs((e.score or 0) - (e.interest or 0)) <= half
    assert now.covered == Share(held, 60)
    table = now.calibration
    assert table["n"].sum() == 60
    assert table["found"].sum() == now.found
    expected = sum(e.p_interesting or 0 for e in searched.log.events)
    assert table["expected"].sum() == pytest.approx(expected)


def test_a_second_word_does_not_count_as_a_prediction(searched: az.Session) -> None:
    session = az.Session(features(), seed=1)
    replay(session, 25)
    before = session.progress()
    first = session.log.events[0]
    session.rate(first.id_str, 5 - truth(first.id_str))  # by now the model knows it
    session.undo()
    session.rate(first.id_str, truth(first.id_str))
    after = session.progress()
    assert (after.looks, after.covered) == (before.looks, before.covered)
    assert after.calibration.equals(before.calibration)


def test_an_artefact_among_the_checks_is_a_miss_and_an_undone_check_is_none() -> None:
    session = az.Session(features(), seed=1)
    for i, act in enumerate((session.rate, session.flag, session.skip)):
        id_str = f"J{i:04d}"
        act(id_str, 5, reason=AUDIT) if act == session.rate else act(id_str, reason=AUDIT)
    assert session.progress().precision == Share(1, 2)
    session.undo()
    session.undo()
    assert session.progress().precision == Share(1, 1)


def test_two_sessions_on_one_file_say_the_same(tmp_path: Path) -> None:
    session = az.Session(features(), ratings=tmp_path / "r.db", seed=2)
    replay(session, 45)
    session.flag(session.next()[0])
    again = az.Session(features(), ratings=tmp_path / "r.db", seed=2)
    assert str(again.progress()) == str(session.progress())
    assert again.progress().remaining == session.progress().remaining
    assert again.progress().calibration.equals(session.progress().calibration)


def test_it_says_what_it_cannot_know_yet() -> None:
    session = az.Session(features(), seed=0)
    assert session.progress().remaining is None
    assert session.progress().advice.endswith("20 more looks.")
    for id_str in session.representation.ids[RARE : RARE + EARLY - 1]:
        session.rate(str(id_str), 0)
    assert session.progress().advice.endswith("1 more look.")
    session.rate("J0100", 0)
    assert "Nothing found in 20 looks" in session.progress().advice
    assert session.progress().remaining is None
    session.rate("J0000", 5)
    assert session.progress().remaining is not None


def test_the_advice_of_a_finished_search_is_to_stop() -> None:
    session = az.Session(features(), seed=1)
    replay(session, 120)
    now = session.progress()
    assert now.found >= 0.95 * RARE
    assert now.remaining is not None
    assert round(now.remaining.low) <= RARE - now.found <= round(now.remaining.high)
    assert now.advice.endswith("time to stop.")
    assert now.advice in str(now) and repr(now) == str(now)


def test_ratings_of_an_older_version_are_used_as_far_as_they_go(tmp_path: Path) -> None:
    file = tmp_path / "r.db"
    replay(az.Session(features(), ratings=file, seed=1), 30)
    whole = az.Session(features(), ratings=file, seed=1).progress()
    with closing(sqlite3.connect(file)) as opened, opened:
        opened.execute("ALTER TABLE events DROP COLUMN noise")
        opened.execute("ALTER TABLE events DROP COLUMN p_interesting")
    old = az.Session(features(), ratings=file, seed=1).progress()
    assert old.covered.n == whole.covered.n == 30
    assert old.calibration["n"].sum() == 30


def test_without_any_prediction_the_model_alone_is_asked(searched: az.Session) -> None:
    bare = [
        replace(e, interest=None, interest_std=None, noise=None, p_interesting=None)
        for e in searched.log.events
    ]
    now = progress(bare, searched.state)
    assert now.covered == Share(0, 0)
    assert now.remaining is not None


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_share_is_jeffreys(k: int, more: int) -> None:
    share = Share(k, k + more)
    assert 0 <= share.low <= share.high <= 1
    if k and more:
        assert share.low == pytest.approx(beta(k + 0.5, more + 0.5).ppf(0.05))
        assert share.high == pytest.approx(beta(k + 0.5, more + 0.5).ppf(0.95))
    assert (share.low == 0) == (k == 0)
    assert (share.high == 1) == (more == 0)


@given(st.lists(st.floats(0, 1, width=32), max_size=60), st.integers(0, 3000))
def test_an_estimate_is_never_more_than_there_are(p: list[float], looks: int) -> None:
    left = remaining(np.array(p, dtype=np.float32), looks)
    assert 0 <= left.low <= left.estimate + 1e-9
    assert left.estimate <= left.high + 1e-9 <= len(p) + 2e-9


def test_more_looks_say_it_more_narrowly() -> None:
    p = np.linspace(0, 0.3, 1000)
    some, more = remaining(p, 100), remaining(p, 400)
    assert some.estimate == more.estimate == pytest.approx(150)
    assert some.low < more.low < 150 < more.high < some.high


def test_what_is_left_is_the_sum_of_the_probabilities_in_the_ranking(searched: az.Session) -> None:
    left = searched.progress().remaining
    ranking = searched.ranking()
    assert left is not None
    assert left.estimate == pytest.approx(
        ranking["p_interesting"][ranking["score"].isna()].sum(), rel=1e-4
    )


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (Remaining(0.2, 0.0, 1.4), "about 0 (0 to 1)"),
        (Remaining(12.3, 3.1, 44.0), "about 12 (3 to 44)"),
        (Remaining(1234.0, 333.3, 98765.0), "about 1,200 (330 to 99,000)"),
    ],
)
def test_numbers_are_said_to_two_digits(left: Remaining, said: str) -> None:
    assert str(left) == said


def test_progress_is_public() -> None:
    assert az.Progress is Progress
    assert Event("rate", "J1").p_interesting is None
