from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import anomaly_zoo as az

N = 200
COLUMNS = (
    *("look", "id_str", "score", "said", "interest", "interest_std", "p_interesting"),
    *("reason", "found"),
)


def features() -> az.Representation:
    """A dull cloud, and ten interesting objects in a small cloud of their own."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 5)).astype(np.float32)
    X[:10] = [4, 3, 0, 0, 0] + 0.5 * rng.normal(size=(10, 5))
    return az.Representation([f"J{i:03d}" for i in range(N)], X, name="clouds")


def truth() -> dict[str, Any]:
    return {f"J{i:03d}": 5.0 if i < 10 else 0.0 for i in range(N)}


def test_it_finds_and_says_what_it_did() -> None:
    session = az.Session(features(), seed=1)
    looks = az.autopilot(session, truth(), n=45, batch=10)
    assert tuple(looks.columns) == COLUMNS
    assert looks["look"].tolist() == list(range(1, 46))
    assert looks["id_str"].is_unique
    assert (looks["score"] == [truth()[i] for i in looks["id_str"]]).all()
    assert looks["found"].tolist() == (looks["score"] >= 4).cumsum().tolist()
    assert looks["found"].iloc[-1] >= 8
    assert looks["p_interesting"].between(0, 1).all() and (looks["interest_std"] > 0).all()
    assert len(session.state.rated) == 45


@pytest.mark.parametrize("batch", [1, 7])
def test_it_is_what_next_and_rate_do_by_hand(batch: int) -> None:
    looks = az.autopilot(az.Session(features(), seed=2), truth(), n=25, batch=batch)
    session, seen = az.Session(features(), seed=2), []
    while len(seen) < 25:
        for id_str in session.next(min(batch, 25 - len(seen))):
            session.rate(id_str, truth()[id_str])
            seen.append(id_str)
    assert looks["id_str"].tolist() == seen


def test_it_tells_what_was_expected_before_the_batch_was_rated() -> None:
    session = az.Session(features(), seed=0)
    az.autopilot(session, truth(), n=20)
    state, picks = session.state, session.picks(5)
    rows = session.representation.rows([pick.id_str for pick in picks])
    looks = az.autopilot(session, truth(), n=5)
    assert looks["id_str"].tolist() == [pick.id_str for pick in picks]
    assert looks["reason"].tolist() == [pick.reason for pick in picks]
    assert np.allclose(looks["interest"], state.posterior.mean[rows])
    assert np.allclose(looks["interest_std"], state.posterior.std[rows])
    assert np.allclose(looks["p_interesting"], state.p_interesting[rows])
    assert looks["look"].tolist() == [1, 2, 3, 4, 5]
    logged = session.log.events[-5:]
    assert [event.reason for event in logged] == looks["reason"].tolist()
    assert np.allclose([event.interest for event in logged], looks["interest"])


def test_a_function_is_asked_for_what_the_session_asked_for_and_nothing_else() -> None:
    asked: list[str] = []

    def score(id_str: str) -> float:
        asked.append(id_str)
        return truth()[id_str]

    looks = az.autopilot(az.Session(features(), seed=4), score, n=23)
    assert asked == looks["id_str"].tolist()
    same = az.autopilot(az.Session(features(), seed=4), pd.Series(truth()), n=23)
    pd.testing.assert_frame_equal(looks, same)


def test_scores_that_were_not_asked_for_change_nothing() -> None:
    looks = az.autopilot(az.Session(features(), seed=5), truth(), n=30)
    other = {i: s if i in set(looks["id_str"]) else 5 - s for i, s in truth().items()}
    pd.testing.assert_frame_equal(looks, az.autopilot(az.Session(features(), seed=5), other, n=30))


def test_skips_and_artefacts_are_no_scores() -> None:
    answers = truth() | {f"J{i:03d}": None for i in range(50, 120)}
    answers |= {f"J{i:03d}": "artefact" for i in range(120, 200)}
    session = az.Session(features(), seed=0)
    looks = az.autopilot(session, answers, n=40)
    assert set(looks["said"]) == {"rated", "skipped", "artefact"}
    unscored = looks["said"] != "rated"
    assert looks.loc[unscored, "score"].isna().all()
    assert looks.loc[~unscored, "score"].notna().all()
    held = session.opinions
    assert sorted(held.mean_scores) == sorted(looks.loc[~unscored, "id_str"])
    assert held.artefacts == set(looks.loc[looks["said"] == "artefact", "id_str"])
    assert held.skipped == set(looks.loc[looks["said"] == "skipped", "id_str"])
    assert looks["found"].is_monotonic_increasing


def test_it_ends_when_nothing_is_left() -> None:
    session = az.Session(features().only([f"J{i:03d}" for i in range(30)]), seed=0)
    looks = az.autopilot(session, truth(), n=100, batch=8)
    assert len(looks) == 30 and looks["found"].iloc[-1] == 10
    rest = az.autopilot(session, truth(), n=3)
    assert len(rest) == 0 and tuple(rest.columns) == COLUMNS
    assert (rest.dtypes == looks.dtypes).all()


def test_ratings_are_in_the_file(tmp_path: Path) -> None:
    session = az.Session(features(), ratings=tmp_path / "r.db", seed=0)
    looks = az.autopilot(session, truth(), n=12)
    again = az.Session(features(), ratings=tmp_path / "r.db", seed=0)
    assert list(again.opinions.mean_scores) == looks["id_str"].tolist()


@pytest.mark.parametrize("number", [0, -1, 2.5, "ten"])
@pytest.mark.parametrize("name", ["n", "batch"])
def test_numbers_below_one_are_refused(name: str, number: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} is a whole number"):
        az.autopilot(az.Session(features()), truth(), **{name: number})


@pytest.mark.parametrize("bad", [np.nan, 5.5, -1, "four", "skip", [3]])
def test_a_bad_score_is_refused_before_the_first_look(bad: Any) -> None:
    session = az.Session(features())
    with pytest.raises(ValueError, match=r"score of 'J150'.*0 to 5"):
        az.autopilot(session, truth() | {"J150": bad}, n=1)
    assert session.log.events == ()


def test_a_bad_score_of_a_function_keeps_what_was_rated() -> None:
    session = az.Session(features(), seed=0)
    answers = iter([0, 1, np.nan])
    with pytest.raises(ValueError, match="got nan"):
        az.autopilot(session, lambda _: next(answers))
    assert list(session.opinions.mean_scores.values()) == [0, 1]


def test_objects_without_a_score_are_refused() -> None:
    session = az.Session(features())
    some = {i: s for i, s in truth().items() if i not in ("J007", "J008")}
    with pytest.raises(ValueError, match=r"nothing for 2 of the session's 200 .*'J007'"):
        az.autopilot(session, some)
    with pytest.raises(ValueError, match="nothing for 200"):
        az.autopilot(session, pd.Series(np.zeros(N)))
    with pytest.raises(ValueError, match="'J001' twice"):
        az.autopilot(session, pd.Series(0.0, index=["J001", "J001"]))
    assert session.log.events == ()


def test_others_may_be_scored_too() -> None:
    assert len(az.autopilot(az.Session(features()), truth() | {"elsewhere": 3}, n=1)) == 1


def test_what_is_no_session_and_what_gives_no_scores() -> None:
    with pytest.raises(TypeError, match=r"az\.Session first, got Representation"):
        az.autopilot(features(), truth())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a dict, a pandas Series"):
        az.autopilot(az.Session(features()), [1, 2])  # type: ignore[arg-type]
