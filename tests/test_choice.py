"""What a session shows next: while nothing was found, after a find, and in batches."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clouds import N, features

import anomaly_zoo as az
from anomaly_zoo import acquisition
from anomaly_zoo.acquisition import expected_improvement
from anomaly_zoo.calibration import BEST
from anomaly_zoo.choice import PROMISING, STARTERS
from anomaly_zoo.geometry import weighted
from anomaly_zoo.progress import AUDIT
from anomaly_zoo.start import DRAW, alike

LOOK, FAR, BOLD, LIKE = (
    *("a first look around", "far from all seen", "a bold look", "like your examples"),
)


def rare(id_str: str) -> bool:
    return int(id_str[1:]) < 10


def apart(session: az.Session) -> np.ndarray:
    """(n, n) distances of all objects as the exploration measures them, by pairs."""
    X = session.space.X.astype(float)
    Z = X * weighted(X.var(axis=0), 0.5, X.shape[1], "").weights.astype(float)
    return np.sqrt(np.square(Z[:, None] - Z[None]).sum(axis=-1))


def dull(session: az.Session, looks: int) -> None:
    """Rate as many as 0, whatever they are, and skip the rare ones."""
    done = 0
    while done < looks:
        [id_str] = session.next()
        if rare(id_str):
            session.skip(id_str)
        else:
            session.rate(id_str, 0)
            done += 1


# --- while nothing was found ---------------------------------------------------------------------


def copied(places: int = 100, copies: int = 5) -> az.Representation:
    """Every object with four near copies of it."""
    rng = np.random.default_rng(2)
    X = np.repeat(rng.normal(size=(places, 5)), copies, axis=0)
    X += 1e-3 * rng.normal(size=X.shape)
    return az.Representation([f"J{i:04d}" for i in range(len(X))], X.astype(np.float32))


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("audit", [0, 0.05])
@pytest.mark.parametrize("seed", range(2))
def test_sixty_zeros_in_a_row_do_not_lock(seed: int, audit: float, batch: int) -> None:
    session = az.Session(copied(), seed=seed, audit=audit)
    distance, seen, gaps, checks = apart(session), [], [], 0
    while len(seen) < 60:
        for pick in session.picks(batch):
            row = session.representation.row(pick.id_str)
            look, checked = len(seen), pick.reason == AUDIT
            checks += checked
            assert checked or pick.reason == (LOOK if look < STARTERS else FAR)
            if look and not checked:
                nearest = distance[:, seen].min(axis=1)
                gaps.append(nearest[row])
                if look % DRAW != DRAW - 1 and not checks:
                    assert nearest[row] >= (1 - 1e-3) * nearest.max()
            seen.append(row)
            session.rate(pick.id_str, 0, reason=pick.reason)
    assert len(set(seen)) == 60
    assert len({row // 5 for row in seen}) >= 60 - checks - 1, "hardly ever a copy of a dull one"
    assert np.median(gaps) > 100 * 1e-3, "and far from all of them"
    assert checks <= (4 if audit else 0)
    belief = session.state.posterior
    assert belief.mean.max() < 1.5, "nothing is expected"


def test_ten_zeros_and_all_of_another_score_explore_alike() -> None:
    for score in (0, 2, 3.5):
        session = az.Session(features(), seed=1, audit=0)
        for _ in range(15):
            pick = session.picks()[0]
            session.rate(pick.id_str, score, reason=pick.reason)
        assert session.picks()[0].reason == FAR


@pytest.mark.parametrize("act", ["skip", "flag"])
def test_ten_looks_without_a_score_explore_on(act: str) -> None:
    session = az.Session(features(), audit=0)
    for _ in range(STARTERS):
        getattr(session, act)(session.next()[0])
    for n in (1, 5):
        assert len(session.next(n)) == n
        assert {pick.reason for pick in session.picks(n)} == {FAR}


def test_scores_without_a_find_guide_every_second_look() -> None:
    """3 for the rare, 0 or 1 for the others: below 4 nothing is found, but there is something to
    learn from."""
    session = az.Session(features(), seed=0, audit=0)
    reasons = []
    for _ in range(50):
        pick = session.picks()[0]
        row = int(pick.id_str[1:])
        session.rate(pick.id_str, 3 if rare(pick.id_str) else row % 2, reason=pick.reason)
        reasons.append(pick.reason)
    assert reasons[:STARTERS] == [LOOK] * STARTERS
    assert reasons[STARTERS + 1 :: 2] == [FAR] * 20
    assert all(reason.startswith("expected improvement") for reason in reasons[STARTERS::2])
    assert sum(map(rare, session.opinions.scores)) == 10


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("zeros", [10, 60])
def test_after_a_first_find_the_model_goes_near_it(zeros: int, seed: int) -> None:
    session = az.Session(features(), seed=seed, audit=0)
    dull(session, zeros)
    left = [f"J{i:04d}" for i in range(10) if f"J{i:04d}" not in session.opinions.skipped]
    assert session.picks()[0].reason == FAR
    session.rate(left[0], 5)
    for picks in (session.picks(1), session.picks(len(left) - 1)):
        assert all(rare(pick.id_str) for pick in picks)
        assert all(pick.reason.startswith("expected improvement") for pick in picks)
    session.undo()
    assert session.picks()[0].reason == FAR, "no find, no more of it"


# --- examples ------------------------------------------------------------------------------------


def test_examples_come_first_then_what_is_like_them() -> None:
    table = features()
    session = az.Session(table, start_like=["J0003", "J0150", "J0003"])
    expected = alike(session.space, session.space.X.var(axis=0), np.array([3, 150]), STARTERS)
    picks = session.picks(14)
    assert [pick.id_str for pick in picks[:STARTERS]] == list(table.ids[expected])
    assert [pick.id_str for pick in picks[:2]] == ["J0003", "J0150"]
    assert [pick.reason for pick in picks[:STARTERS]] == [LIKE] * STARTERS
    assert sum(rare(pick.id_str) for pick in picks[:STARTERS]) >= 4
    one_by_one = []
    for _ in range(14):
        pick = session.picks()[0]
        session.rate(pick.id_str, 5 if rare(pick.id_str) else 0, reason=pick.reason)
        one_by_one.append(pick)
    assert [p.id_str for p in one_by_one[:STARTERS]] == [p.id_str for p in picks[:STARTERS]]
    assert LIKE not in [pick.reason for pick in one_by_one[STARTERS:]]
    assert all(rare(pick.id_str) for pick in one_by_one[STARTERS:]), "four of ten are known"


def test_examples_that_are_gone_make_room_for_a_look_around() -> None:
    session = az.Session(features(), start_like=["J0003"], audit=0.5)
    for pick in session.picks(4):
        session.skip(pick.id_str)
    picks = session.picks(6)
    assert [pick.reason for pick in picks] == [LIKE] * 6
    for pick in picks[:3]:
        session.rate(pick.id_str, 0)
    session.flag(picks[3].id_str)  # its likes leave with it
    assert {p.reason for p in session.picks(2)} <= {LIKE, LOOK}
    few = az.Session(features(11), start_like=["J0003"])
    assert sorted(few.next(20)) == sorted(few.representation.ids)


def test_more_examples_than_first_looks() -> None:
    ids = [f"J{i:04d}" for i in range(100, 115)]
    session = az.Session(features(), start_like=np.array(ids))
    assert session.next(STARTERS) == ids[:STARTERS]


@pytest.mark.parametrize("wrong", ["J0003", b"J0003", 3, None])
def test_examples_are_a_list(wrong: Any) -> None:
    with pytest.raises(TypeError, match="start_like is a list of ids"):
        az.Session(features(20), start_like=wrong)


def test_examples_are_known() -> None:
    with pytest.raises(ValueError, match="J9999"):
        az.Session(features(20), start_like=["J0001", "J9999"])
    with pytest.raises(TypeError, match="as text"):
        az.Session(features(20), start_like=[3])  # type: ignore[list-item]
    assert az.Session(features(20), start_like=[]).picks()[0].reason == LOOK


# --- what an object is to improve on -------------------------------------------------------------


def rated(session: az.Session, looks: int = 15) -> az.Session:
    for _ in range(looks):
        [id_str] = session.next()
        session.rate(id_str, 5 if rare(id_str) else int(id_str[1:]) % 2)
    return session


def test_best_is_the_textbooks_expected_improvement() -> None:
    session = rated(az.Session(features(), goal="best", seed=2))
    session.skip("J0250")
    state = session.state
    best_f = float(state.posterior.mean[state.rated].max())
    assert state.best_f == best_f
    open_ = np.ones(N, dtype=bool)
    open_[[*state.rated, 250]] = False
    np.testing.assert_array_equal(state.open, open_)
    assert session.provenance()["goal"] == "best"
    before = az.Session(features(), goal="best").state
    assert before.best_f == float(before.posterior.mean.max())


def test_many_improves_on_the_fiftieth_of_the_unseen() -> None:
    session = rated(az.Session(features(), seed=2))
    session.skip("J0250")
    state = session.state
    open_ = np.ones(N, dtype=bool)
    open_[[*state.rated, 250]] = False
    best_f = float(np.sort(state.posterior.mean[open_])[-BEST])
    assert state.best_f == best_f and BEST == 50
    np.testing.assert_array_equal(state.open, open_)
    assert session.provenance()["goal"] == "many"


def test_with_fewer_than_fifty_left_the_bar_is_the_lowest() -> None:
    session = rated(az.Session(features(60), seed=2))
    state = session.state
    left = state.posterior.mean[state.open]
    assert len(left) == 45 and state.best_f == min(0.0, float(left.min()))
    for id_str in session.next(100):
        session.rate(id_str, 1)
    assert session.state.best_f == 0.0 and session.next(3) == []


# --- bold looks ----------------------------------------------------------------------------------


def useful(rule: Any, state: az.State) -> np.ndarray:
    """What the rule gives for every object, -inf for those not to be shown."""
    utility = rule(state.posterior, best_f=state.best_f, rng=None)
    return np.where(state.open, utility, -np.inf)


def replayed(session: az.Session, looks: int) -> list[tuple[az.State, int, str]]:
    """State, row and reason of each look."""
    told = []
    for _ in range(looks):
        state, pick = session.state, session.picks()[0]
        told.append((state, session.representation.row(pick.id_str), pick.reason))
        session.rate(pick.id_str, 5 if rare(pick.id_str) else 0, reason=pick.reason)
    return told


def test_a_bold_look_is_taken_only_where_little_is_expected() -> None:
    told = replayed(az.Session(features(), seed=0, audit=0), 60)
    bold = [i for i, (_, _, reason) in enumerate(told) if reason == BOLD]
    assert len(bold) > 10
    for i, (state, row, _) in enumerate(told):
        gain = useful(expected_improvement, state)
        expects = state.posterior.mean[gain.argmax()]
        found = (state.scores >= 4).any() and i >= STARTERS
        assert (i in bold) == (found and i % 2 == 1 and expects < PROMISING)
        if i in bold:
            textbook = expected_improvement(
                state.posterior, best_f=float(state.posterior.mean[state.rated].max())
            )
            assert row == np.where(state.open, textbook, -np.inf).argmax()
        elif found:
            assert row == gain.argmax()


@pytest.mark.parametrize(
    "options",
    [
        {"goal": "best"},
        {"acquisition": acquisition.greedy},
        {"acquisition": acquisition.log_expected_improvement},
        {"acquisition": partial(acquisition.upper_confidence_bound, beta=1.0)},
    ],
)
def test_who_asks_for_another_rule_gets_that_rule(options: dict[str, Any]) -> None:
    told = replayed(az.Session(features(), seed=0, audit=0, **options), 45)
    assert BOLD not in {reason for _, _, reason in told}
    for state, row, _ in told[STARTERS:]:
        if (state.scores >= 4).any():
            rule = options.get("acquisition", expected_improvement)
            assert row == useful(rule, state).argmax()


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("looks", [0, 6, 12, 25, 40])
@pytest.mark.parametrize("audit", [0, 0.3])
@pytest.mark.parametrize("start_like", [(), ("J0200",)])
def test_the_first_of_a_batch_is_what_one_alone_would_be(
    looks: int, audit: float, start_like: tuple[str, ...]
) -> None:
    session = az.Session(features(), seed=3, audit=audit, start_like=start_like)
    rated(session, looks)
    batch = session.picks(20)
    assert len({pick.id_str for pick in batch}) == 20
    assert batch[0] == session.picks(1)[0]
    assert batch == session.picks(20)
    assert not {pick.id_str for pick in batch} & set(session.opinions.scores)


def test_a_batch_holds_no_copies_of_what_is_only_unknown() -> None:
    """Ten unknown places with ten copies each: a batch of ten that goes for what is unsure."""
    rng = np.random.default_rng(0)
    X = np.vstack(
        [rng.normal(size=(50, 3)), np.repeat(40 * rng.normal(size=(10, 3)), 10, axis=0)]
    ).astype(np.float32)
    table = az.Representation([f"J{i:04d}" for i in range(150)], X)
    session = az.Session(table, acquisition=acquisition.uncertainty, audit=0)
    for i in range(20):
        session.rate(f"J{i:04d}", 5 if i % 4 == 0 else 0)
    places = {(int(i[1:]) - 50) // 10 for i in session.next(8)}
    assert len(places) == 8
    assert min(places) >= 0


def test_a_rule_that_draws_or_has_no_number_still_fills_the_batch() -> None:
    def odd(posterior: az.Posterior, *, best_f: float, rng: np.random.Generator) -> np.ndarray:
        return np.where(np.arange(len(posterior)) % 2 == 0, np.nan, np.inf)

    for rule in (odd, acquisition.random, acquisition.thompson):
        session = rated(az.Session(features(100), acquisition=rule, audit=0), 12)
        assert len(set(session.next(10))) == 10
        assert not set(session.next(10)) & set(session.opinions.scores)


# --- the rest of the rules -----------------------------------------------------------------------


@pytest.mark.parametrize("looks", [5, 16])
def test_a_skip_changes_neither_the_model_nor_what_it_is_made_of(looks: int) -> None:
    session = rated(az.Session(features(), seed=1), looks)
    before = session.state
    for id_str in session.next(3):
        session.skip(id_str)
    after = session.state
    assert np.array_equal(before.posterior.mean, after.posterior.mean)
    assert np.array_equal(before.posterior.std, after.posterior.std)
    assert before.hypotheses == after.hypotheses
    assert len(after.seen) == len(before.seen) + 3


@pytest.mark.parametrize("start_like", [(), ("J0001", "J0002")])
def test_no_check_among_the_first_looks(start_like: tuple[str, ...]) -> None:
    for seed in range(5):
        session = az.Session(features(), seed=seed, audit=0.5, start_like=start_like)
        reasons = [pick.reason for pick in session.picks(30)]
        assert AUDIT not in reasons[:STARTERS] and AUDIT in reasons[STARTERS:]
        rated(session, 4)
        assert AUDIT not in [pick.reason for pick in session.picks(STARTERS - 4)]


@pytest.mark.parametrize("goal", ["many", "best"])
def test_a_reopened_session_goes_on_alike(tmp_path: Path, goal: str) -> None:
    def opened() -> az.Session:
        options: dict[str, Any] = {"goal": goal, "seed": 4, "start_like": ["J0002"]}
        return az.Session(features(), ratings=tmp_path / "r.db", **options)

    for looks in (3, 9, 13):
        session = rated(opened(), looks)
        session.skip(session.next()[0])
        again = opened()
        said = [[(pick.id_str, pick.reason) for pick in s.picks(12)] for s in (session, again)]
        assert said[0] == said[1]
        assert session.state.best_f == pytest.approx(again.state.best_f, abs=1e-4)
        assert np.array_equal(session.state.open, again.state.open)
        assert set(session.state.seen) == set(again.state.seen)


@pytest.mark.parametrize("seed", range(15))
def test_a_session_that_grew_step_by_step_is_the_reopened_one(tmp_path: Path, seed: int) -> None:
    """The steps leave other roundings of what is believed than a sweep: no other choice."""
    table = features(1000, seed)

    def opened() -> az.Session:
        return az.Session(table, ratings=tmp_path / "r.db", seed=seed)

    session = rated(opened(), 34)
    again = opened()
    assert not np.array_equal(session.state.posterior.mean, again.state.posterior.mean)
    assert [p.id_str for p in session.picks(12)] == [p.id_str for p in again.picks(12)]
