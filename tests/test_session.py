from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from clouds import N, features

import anomaly_zoo as az
from anomaly_zoo import acquisition, tables
from anomaly_zoo.progress import AUDIT, TOP
from anomaly_zoo.ratings import read_events


def truth(id_str: str) -> float:
    return 5.0 if int(id_str[1:]) < 10 else 0.0


def replay(session: az.Session, looks: int, batch: int = 1) -> list[str]:
    seen = []
    while len(seen) < looks:
        for id_str in session.next(batch):
            session.rate(id_str, truth(id_str))
            seen.append(id_str)
    return seen


def catalog(n: int = N) -> az.Catalog:
    table = pd.DataFrame({"id_str": [f"J{i:04d}" for i in range(n)]})
    table["ra"], table["dec"] = np.linspace(0, 359, n), np.linspace(-80, 80, n)
    return az.Catalog(table, name="Clouds")


def same_state(a: az.State, b: az.State) -> bool:
    return (
        a.opinions == b.opinions
        and [h.as_dict() for h in a.hypotheses] == [h.as_dict() for h in b.hypotheses]
        and np.allclose(a.posterior.mean, b.posterior.mean, atol=1e-4)
        and np.allclose(a.posterior.std, b.posterior.std, atol=1e-4)
        and np.array_equal(a.open, b.open)
        and np.array_equal(a.seen, b.seen)
        and np.isclose(a.best_f, b.best_f, atol=1e-4)
    )


def test_a_known_rater_finds_the_rare_ones() -> None:
    session = az.Session(features(), seed=1)
    seen = replay(session, 40)
    assert len(set(seen)) == 40
    assert sum(truth(i) == 5 for i in seen) == 10
    assert set(session.ranking(10)["id_str"]) == {f"J{i:04d}" for i in range(10)}


def test_the_replay_is_the_same_every_time() -> None:
    assert replay(az.Session(features(), seed=3), 25) == replay(az.Session(features(), seed=3), 25)
    assert az.Session(features(), seed=3).next(5) != az.Session(features(), seed=4).next(5)


@pytest.mark.parametrize("looks", [0, 3, 13, 24])
def test_a_reopened_session_is_the_same(tmp_path: Path, looks: int) -> None:
    session = az.Session(features(), ratings=tmp_path / "r.db", seed=5)
    replay(session, looks)
    for act in (session.skip, session.flag):
        act(session.next()[0])
    again = az.Session(features(), ratings=tmp_path / "r.db", seed=5)
    assert same_state(session.state, again.state)
    assert session.next(5) == again.next(5)


def test_undo_returns_to_the_state_before() -> None:
    session = az.Session(features(), seed=2)
    replay(session, 15)
    before, coming = session.state, session.next(4)
    session.rate(coming[0], 5)
    session.flag(coming[1])
    assert session.next(4) != coming
    assert session.undo() == coming[1]
    assert session.undo() == coming[0]
    assert same_state(session.state, before)
    assert session.next(4) == coming


def test_undo_with_nothing_to_undo() -> None:
    session = az.Session(features())
    assert session.undo() is None
    assert session.log.events == ()


def test_skip_is_no_evidence_and_artefacts_leave_the_ranking() -> None:
    session = az.Session(features(), seed=2)
    replay(session, 12)
    mean = session.state.posterior.mean
    skipped, flagged = session.next(2)
    session.skip(skipped)
    session.flag(flagged, "artefact")
    assert np.array_equal(session.state.posterior.mean, mean)
    assert not {skipped, flagged} & set(session.next(N))
    ranking = session.ranking()
    assert flagged not in set(ranking["id_str"])
    assert skipped in set(ranking["id_str"])
    assert len(ranking) == N - 1


def test_next_gives_all_that_is_left_and_no_more() -> None:
    session = az.Session(features(12), seed=0)
    assert sorted(session.next(100)) == sorted(session.representation.ids)
    for id_str in session.next(100):
        session.rate(id_str, 1)
    assert session.next(3) == []
    assert len(session.ranking()) == 12


def test_a_rating_is_logged_with_what_the_model_predicted(tmp_path: Path) -> None:
    session = az.Session(features(), ratings=tmp_path / "r.db", seed=0, rater="eve")
    replay(session, 12)
    pick, before = session.picks(1)[0], session.state
    session.rate(pick.id_str, 2, reason=pick.reason)
    event = read_events(tmp_path / "r.db")[-1]
    assert (event.rater, event.score) == ("eve", 2.0)
    assert event.interest == pytest.approx(pick.interest)
    assert event.interest_std == pytest.approx(pick.interest_std)
    assert event.reason.startswith("expected improvement")
    row = session.representation.row(pick.id_str)
    assert event.noise == before.calibration.noise
    assert event.p_interesting == pytest.approx(before.p_interesting[row])


def test_several_raters_share_a_file(tmp_path: Path) -> None:
    for rater, score in (("eve", 5), ("bob", 2)):
        session = az.Session(features(), ratings=tmp_path / "r.db", rater=rater)
        session.rate("J0000", score)
    row = session.ranking().set_index("id_str").loc["J0000"]
    assert (row["score"], row["n_raters"]) == (3.5, 2)
    assert session.undo() == "J0000"
    assert session.opinions.mean_scores == {"J0000": 5.0}


def test_listeners_hear_of_every_event() -> None:
    session = az.Session(features())
    heard: list[int] = []
    stop = session.subscribe(lambda: heard.append(len(session.log.events)))
    session.rate("J0001", 3)
    session.undo()
    stop()
    session.rate("J0002", 3)
    assert heard == [1, 2]


@pytest.mark.parametrize(
    "rule",
    [
        acquisition.log_expected_improvement,
        acquisition.upper_confidence_bound,
        acquisition.thompson,
        acquisition.greedy,
        acquisition.uncertainty,
        acquisition.random,
        partial(acquisition.upper_confidence_bound, beta=5.0),
        lambda posterior, *, best_f, rng: -posterior.mean,
    ],
)
@pytest.mark.parametrize("goal", ["many", "best"])
def test_any_rule_and_goal_drive_the_loop(rule: object, goal: str) -> None:
    session = az.Session(features(60), acquisition=rule, goal=goal, seed=1)  # type: ignore
    assert len(set(replay(session, 20, batch=5))) == 20


@pytest.mark.parametrize("score", [0, 5])
def test_all_ratings_equal(score: int) -> None:
    session = az.Session(features(), seed=0)
    for id_str in session.next(12):
        session.rate(id_str, score)
    assert np.isfinite(session.state.posterior.mean).all()
    assert (session.state.posterior.std > 0).all()
    assert len(session.next(3)) == 3


def test_the_catalogue_may_be_in_another_order() -> None:
    shuffled = catalog().only(list(reversed(catalog().ids)))
    session = az.Session(features(), shuffled)
    row = session.ranking().set_index("id_str").loc["J0299"]
    assert (row["ra"], row["dec"]) == (359.0, 80.0)


def test_a_catalogue_of_other_objects_is_refused() -> None:
    with pytest.raises(ValueError, match=r"100 objects have features.*'J0200', 'J0201', 'J0202'"):
        az.Session(features(), catalog(200))
    with pytest.raises(ValueError, match=r"200 objects have a row.*'J0100', 'J0101', 'J0102'"):
        az.Session(features(100), catalog())


def test_unknown_ids_bad_scores_and_bad_counts() -> None:
    session = az.Session(features())
    for act in (lambda: session.rate("J9999", 3), lambda: session.skip("J9999")):
        with pytest.raises(ValueError, match="J9999"):
            act()
    with pytest.raises(ValueError, match=r"0 .*to 5"):
        session.rate("J0001", 6)
    with pytest.raises(ValueError, match="artefact"):
        session.flag("J0001", "lovely")
    for count in (0, 2.0, "2"):
        with pytest.raises(ValueError, match="at least one"):
            session.next(count)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="at least 1"):
            session.ranking(count)  # type: ignore[arg-type]
    for not_one in (["J0001"], session.next(2), 1, session.picks(1)[0]):
        with pytest.raises(TypeError, match="as text"):
            session.rate(not_one, 3)  # type: ignore[arg-type]
    assert session.log.events == ()
    session.rate(np.str_("J0001"), np.float32(3))  # type: ignore[arg-type]
    session.undo()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "says"),
    [
        (("features.parquet",), {}, TypeError, r"az\.Representation first, got str"),
        ((np.zeros((3, 2)),), {}, TypeError, "got ndarray"),
        ((None, "galaxies.csv"), {}, TypeError, r"az\.Catalog, got str"),
        ((None,), {"seed": -1}, ValueError, "seed is a whole number"),
        ((None,), {"seed": None}, ValueError, "seed is a whole number"),
        ((None,), {"components": 2.5}, ValueError, "components is a whole number"),
        ((None,), {"goal": "all"}, ValueError, "'many' or 'best', got 'all'"),
        ((None,), {"acquisition": "greedy"}, TypeError, "is a function, such as"),
        ((None,), {"ratings": ""}, ValueError, "name of a file"),
    ],
)
def test_settings_are_checked_at_once(
    arguments: tuple[object, ...], options: dict[str, object], error: type[Exception], says: str
) -> None:
    first = features(20) if arguments[0] is None else arguments[0]
    with pytest.raises(error, match=says):
        az.Session(first, *arguments[1:], **options)  # type: ignore[arg-type]


def test_ids_written_differently_are_shown_side_by_side() -> None:
    table = pd.DataFrame({"id_str": [f"J{i}" for i in range(20)]})
    with pytest.raises(ValueError, match=r"'J0000'.*'J0'.*not one id is in both"):
        az.Session(features(20), az.Catalog(table))


def test_a_rater_named_by_a_number_can_undo() -> None:
    session = az.Session(features(20), rater=3)  # type: ignore[arg-type]
    session.rate("J0001", 4)
    assert session.undo() == "J0001"


def test_one_flag_is_enough_whoever_else_rated(tmp_path: Path) -> None:
    az.Session(features(), ratings=tmp_path / "r.db", rater="eve").rate("J0001", 4)
    session = az.Session(features(), ratings=tmp_path / "r.db", rater="bob")
    session.flag("J0001")
    assert "J0001" not in set(session.ranking()["id_str"])
    session.undo()
    assert "J0001" in set(session.ranking()["id_str"])


def test_adopting_ratings_of_other_objects_is_refused(tmp_path: Path) -> None:
    az.Session(features(), ratings=tmp_path / "old.db").rate("J0250", 4)
    with pytest.raises(ValueError, match=r"'J0250'.*'J0000'"):
        az.Session(features(200), ratings=tmp_path / "new.db").adopt(tmp_path / "old.db")


def test_ratings_of_another_representation_can_be_adopted(tmp_path: Path) -> None:
    old = az.Session(features(seed=0), ratings=tmp_path / "old.db", rater="eve")
    replay(old, 12)
    old.flag("J0299")
    old.undo()
    with pytest.raises(ValueError, match="adopt"):
        az.Session(features(200, seed=1), ratings=tmp_path / "old.db")
    new = az.Session(features(200, seed=1), ratings=tmp_path / "new.db")
    known = [e for e in old.log.events if int(e.id_str[1:]) < 200]
    assert new.adopt(tmp_path / "old.db") == len(known)
    assert new.adopt(tmp_path / "old.db") == 0
    assert new.opinions.mean_scores == {
        i: s for i, s in old.opinions.mean_scores.items() if int(i[1:]) < 200
    }


def test_ratings_made_with_another_encoder_name_both(tmp_path: Path) -> None:
    def made_with(encoder: str, seed: int) -> az.Representation:
        plain = features(60, seed=seed)
        return az.Representation(plain.ids, plain.X, encoder=encoder)

    az.Session(made_with("zoonet 11111111", 0), ratings=tmp_path / "r.db").rate("J0001", 4)
    with pytest.raises(
        ValueError, match=r"'zoonet 11111111'.*'zoonet 22222222', another version.*adopt"
    ):
        az.Session(made_with("zoonet 22222222", 1), ratings=tmp_path / "r.db")
    new = az.Session(made_with("zoonet 22222222", 1), ratings=tmp_path / "new.db")
    assert new.adopt(tmp_path / "r.db") == 1


def test_an_encoder_given_must_be_that_of_the_features() -> None:
    plain, pixels = features(60), az.encoders.Pixels()
    label = az.encoders.label(pixels)

    def session(made_with: str, encoder: object, d: int | None = None) -> az.Session:
        X = plain.X if d is None else np.random.default_rng(0).normal(size=(60, d))
        return az.Session(
            az.Representation(plain.ids, X, encoder=made_with),
            encoder=encoder,  # type: ignore[arg-type]
        )

    assert session(label, pixels, pixels.d).encoder is pixels
    assert session("pixels 01234567", None).encoder is None, "no encoder is needed to rank"
    with pytest.raises(ValueError, match=r"'pixels 01234567', .*another version of the encoder"):
        session("pixels 01234567", pixels)
    with pytest.raises(ValueError, match=rf"'zoobot 1', the encoder given is '{label}', another e"):
        session("zoobot 1", pixels)
    with pytest.raises(ValueError, match=rf"do not say which .*encoder='{label}'"):
        session("", pixels)
    with pytest.raises(ValueError, match=rf"gives {pixels.d} features"):
        session(label, pixels, 7)
    for wrong in ("pixels", az.encoders.Pixels, 7):
        with pytest.raises(TypeError, match="expected an encoder such as"):
            session(label, wrong)


def test_a_failing_fit_keeps_the_rating_and_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no idea")

    session = az.Session(features(), ratings=tmp_path / "r.db")
    before = session.state
    with monkeypatch.context() as patch:
        patch.setattr("anomaly_zoo.session.weigh", broken)
        session.rate("J0003", 4)
        with pytest.raises(RuntimeError, match="no idea"):
            session.next()
    assert session.latest is before
    assert [e.id_str for e in read_events(tmp_path / "r.db")] == ["J0003"]
    assert session.next()[0] != "J0003"


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ecsv", "fits", "vot"])
def test_export_in_every_format(tmp_path: Path, suffix: str) -> None:
    session = az.Session(features(), catalog(), seed=7)
    replay(session, 14)
    session.flag("J0200")
    path = session.export(tmp_path / f"anomalies.{suffix}", top=50)
    frame = tables.read(path)
    assert list(frame.columns) == list(session.ranking().columns)
    assert len(frame) == 50
    assert list(frame["rank"]) == list(range(1, 51))
    assert np.allclose(frame["interest"], session.ranking(50)["interest"])
    assert np.all(np.diff(frame["interest"]) <= 0)
    assert frame["score"].notna().sum() == session.ranking(50)["score"].notna().sum()
    told = tables.metadata(path)
    assert told["representation_hash"] == session.representation.hash
    assert told["creator"] == f"anomaly_zoo {az.__version__}"
    assert (told["n_rated"], told["n_artefacts"], told["seed"]) == ("14", "1", "7")
    assert told["goal"] == "many"
    hypotheses = told["hypotheses"]
    hypotheses = json.loads(hypotheses) if isinstance(hypotheses, str) else hypotheses
    assert hypotheses == [h.as_dict() for h in session.state.hypotheses]
    if suffix in ("ecsv", "fits", "vot"):
        assert Table.read(path)["ra"].unit == "deg"


def test_the_ranking_says_how_probable_it_is() -> None:
    session = az.Session(features(), seed=1)
    replay(session, 30)
    ranking = session.ranking()
    assert ranking["p_interesting"].between(0, 1).all()
    found = ranking[ranking["score"] == 5]
    dull = ranking[ranking["score"] == 0]
    assert found["p_interesting"].min() > 0.5 > dull["p_interesting"].max()


def test_an_unknown_suffix_writes_nothing(tmp_path: Path) -> None:
    session = az.Session(features())
    with pytest.raises(ValueError, match="suffix"):
        session.export(tmp_path / "anomalies.doc")
    assert list(tmp_path.iterdir()) == []


def test_checks_of_the_top_are_shown_at_their_share_and_never_among_the_first() -> None:
    session = az.Session(features(), seed=4, audit=0.1)
    replay_with_reasons(session, 70)
    reasons = [e.reason for e in session.log.events]
    checks = [i for i, reason in enumerate(reasons) if reason == AUDIT]
    assert len(checks) in (6, 7) and min(checks) >= 10
    assert len({i // 10 for i in checks}) == len(checks), "one in each block of ten looks"
    without = az.Session(features(), seed=4, audit=0)
    replay_with_reasons(without, 40)
    assert AUDIT not in {e.reason for e in without.log.events}


def replay_with_reasons(session: az.Session, looks: int) -> None:
    for _ in range(looks):
        pick = session.picks(1)[0]
        session.rate(pick.id_str, truth(pick.id_str), reason=pick.reason)


def test_a_check_is_drawn_from_the_unrated_top_and_the_same_again(tmp_path: Path) -> None:
    drawn = []
    for seed in range(12):
        session = az.Session(features(), ratings=tmp_path / f"{seed}.db", seed=seed, audit=0.5)
        replay(session, 12)
        ranking = session.ranking()
        best = ranking[ranking["score"].isna()]["id_str"].tolist()
        picks = session.picks(6)
        again = az.Session(features(), ratings=tmp_path / f"{seed}.db", seed=seed, audit=0.5)
        assert again.picks(6) == picks
        assert len({p.id_str for p in picks}) == 6
        checks = [p.id_str for p in picks if p.reason == AUDIT]
        assert len(checks) == 3
        assert set(checks) <= set(best[: TOP + 5]), "those before it count as looked at"
        drawn += [best.index(i) for i in checks]
    assert min(drawn) < 15 and max(drawn) > 35, "from all over the top"


def test_a_check_stays_the_same_while_a_rating_comes_in() -> None:
    same = 0
    for seed in range(20):
        session = az.Session(features(), seed=seed, audit=0.05)
        replay(session, 12)
        picks = session.picks(40)
        [place] = [i for i, p in enumerate(picks) if p.reason == AUDIT][:1]
        if place == 0:
            continue
        session.rate(picks[0].id_str, truth(picks[0].id_str))
        then = [p.id_str for p in session.picks(40) if p.reason == AUDIT][:1]
        same += then == [picks[place].id_str]
    assert same >= 12


def test_next_and_rate_log_why_an_object_was_shown() -> None:
    session = az.Session(features(), seed=4, audit=0.5)
    replay(session, 14)
    assert [e.reason for e in session.log.events][:10] == ["a first look around"] * 10
    assert AUDIT in {e.reason for e in session.log.events}
    session.rate("J0123", 1)
    assert session.log.events[-1].reason == "by id"


@pytest.mark.parametrize("audit", [-0.1, 0.6, "often", None])
def test_the_share_of_checks_is_checked(audit: object) -> None:
    with pytest.raises(ValueError, match="share of looks"):
        az.Session(features(20), audit=audit)  # type: ignore[arg-type]
