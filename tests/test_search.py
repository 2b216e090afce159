"""What a session finds in words, by likeness and by tag, and the limit that it keeps to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from clouds import N, features
from PIL import Image

import anomaly_zoo as az
from anomaly_zoo import tables
from anomaly_zoo.expression import Given, Number
from anomaly_zoo.positions import separations

Z = np.linspace(0.0, 1.0, N)


def catalog(**more: Any) -> az.Catalog:
    """Objects on a line of the sky, in pairs an arcsec apart; every tenth has no position."""
    row = np.arange(N)
    ra = 100 + 0.1 * (row // 2) + (row % 2) / 3600
    ra[::10] = np.nan
    ids = [f"J{i:04d}" for i in row]
    columns = {"z": Z, "type": np.where(row % 3 == 0, "E", "S"), **more}
    return az.Catalog({"id_str": ids, "ra": ra, "dec": np.zeros(N), **columns}, name="Clouds")


def session(path: Path | None = None, rated: int = 14, **options: Any) -> az.Session:
    made = az.Session(features(), catalog(), ratings=path, seed=1, **options)
    rate(made, rated)
    return made


def rate(made: az.Session, looks: int) -> None:
    for _ in range(looks):
        [id_str] = made.next()
        made.rate(id_str, 5 if int(id_str[1:]) < 10 else 0)


def rows(ids: object) -> np.ndarray:
    return np.array([int(id_str[1:]) for id_str in ids])  # type: ignore[attr-defined]


def distances(made: az.Session, examples: list[int]) -> np.ndarray:
    X = made.space.X.astype(float)
    return np.linalg.norm(X[:, None] - X[None, examples], axis=2).min(axis=1)


# Likeness


def test_near_is_the_nearest_in_the_components_and_leaves_the_examples_out() -> None:
    made = session(rated=0)
    for examples in ([7], [7, 3, 150]):
        truth = distances(made, examples)
        order = [row for row in np.argsort(truth, kind="stable") if row not in examples]
        found = made.near([f"J{row:04d}" for row in examples], k=20)
        assert rows(found).tolist() == order[:20]
        np.testing.assert_allclose(found.distances, truth[order[:20]])
    mean = made.space.X[[7, 3, 150]].astype(float).mean(axis=0)
    truth = np.linalg.norm(made.space.X - mean, axis=1)
    found = made.near(["J0007", "J0003", "J0150"], k=5, to="mean")
    assert rows(found).tolist() == [r for r in np.argsort(truth) if r not in (7, 3, 150)][:5]
    assert found.words == 'near("J0007", "J0003", "J0150", k=5, to="mean")'
    assert len(made.near("J0007")) == N - 1, "all others, where there are fewer than a thousand"
    several = ["J0007", "J0003"]
    for given in (np.array(several), pd.Series(several), pd.Index(several), iter(several)):
        assert made.near(given, k=5).words == 'near("J0007", "J0003", k=5)'


def test_the_spread_of_all_objects_is_the_unit_of_distance() -> None:
    made = session(rated=0)
    assert made.space.X.astype(float).var(axis=0).sum() == pytest.approx(1, rel=1e-4)


def test_near_duplicates_on_the_sky_are_dropped_and_others_come_instead() -> None:
    made = session(rated=0)
    ra = made.catalog.table["ra"].to_numpy()  # type: ignore[union-attr]
    found = rows(made.near("J0007", k=100, apart=2.0))
    assert len(found) == 100
    places = [7, *found]
    for i, row in enumerate(places):
        others = np.array(places[:i], dtype=int)
        apart = separations(ra[others], np.zeros(i), (ra[row], 0.0)) if i else np.zeros(0)
        assert not (apart <= 2.0).any()
    assert np.isnan(ra[found]).any(), "those without a position stay"
    assert 6 not in found, "the companion of the example"
    assert set(found) != set(rows(made.near("J0007", k=100)))


def test_near_a_position_is_near_the_object_closest_to_it() -> None:
    made = session(rated=0)
    at = float(made.catalog.table["ra"][41])  # type: ignore[union-attr]
    found = made.near(sky=(at + 0.4 / 3600, 0.0), radius=3, k=10)
    assert found.words == 'near("J0041", k=10)'
    assert list(found) == list(made.near("J0041", k=10))
    with pytest.raises(ValueError, match="no object lies within 3 arcsec of ra 10, dec 5"):
        made.near(sky=(10, 5), radius=3)


@pytest.mark.parametrize("kind", ["path", "text", "pil", "array", "float"])
def test_an_image_from_elsewhere_finds_its_like(tmp_path: Path, kind: str) -> None:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    discs = {f"J{i}": np.exp(-9 * np.hypot(x, (1 + i / 4) * y)) for i in range(30)}
    pictures = {
        i: (255 * disc[..., None] * [1, 0.8, 0.6]).astype(np.uint8) for i, disc in discs.items()
    }
    known = az.Catalog({"id_str": list(discs)}, lambda row: pictures[row["id_str"]])
    encoder = az.encoders.Pixels()
    made = az.Session(az.embed(known, encoder, progress=False), known, encoder=encoder)
    Image.fromarray(pictures["J12"]).save(tmp_path / "ring.png")
    image = {
        "path": tmp_path / "ring.png",
        "text": str(tmp_path / "ring.png"),
        "pil": Image.fromarray(pictures["J12"]),
        "array": pictures["J12"],
        "float": pictures["J12"] / 255,
    }[kind]
    found = made.near(image=image, k=3)
    assert found.ids[0] == "J12" and set(found) == {"J11", "J12", "J13"}
    assert found.distances is not None
    if kind != "float":
        assert found.distances[0] == pytest.approx(0, abs=1e-3)
    assert not found.savable
    with pytest.raises(ValueError, match="no words say what"):
        made.limit(found)
    both = found & made.where("unrated")
    assert set(both) == set(found)


def test_an_image_needs_the_encoder_and_has_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"through the encoder .*Session\(…, encoder="):
        session(rated=0).near(image=np.zeros((64, 64, 3), np.uint8))
    encoder = az.encoders.Pixels()
    X = np.random.default_rng(0).normal(size=(20, encoder.d))
    plain = az.Representation([f"J{i}" for i in range(20)], X, encoder=az.encoders.label(encoder))
    made = az.Session(plain, encoder=encoder)
    for wrong in (7, ["a.png"], object()):
        with pytest.raises(TypeError, match="expected an image"):
            made.near(image=wrong)
    (tmp_path / "notes.txt").write_text("no image")
    for wrong in (
        tmp_path / "missing.png",
        tmp_path / "notes.txt",
        tmp_path,
        "https://example.org/a.png",
        np.zeros((3, 64, 64)),
        np.zeros((64, 64, 7)),
        np.zeros(5),
        np.full((64, 64), np.nan),
        b"not an image",
        b"",
    ):
        with pytest.raises(ValueError, match="image") as said:
            made.near(image=wrong)
        assert "cutout function" not in str(said.value)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        ({}, ValueError, "near wants examples"),
        ({"examples": "J0001", "sky": (1, 2), "radius": 1}, ValueError, "near wants examples"),
        ({"examples": []}, ValueError, "wants an example"),
        ({"examples": 7}, TypeError, "expected an id, a tag, or several, got int"),
        ({"examples": ["J0001", 7]}, ValueError, "an example is an id or a tag, got 7"),
        ({"examples": "J9999"}, ValueError, "J9999.* is not in the representation"),
        ({"examples": "#ring"}, ValueError, "no object is tagged #ring; no object has a tag yet"),
        ({"examples": "#<b>"}, ValueError, "a tag is # and then"),
        ({"examples": "J0001", "k": 0}, ValueError, "at least 1"),
        ({"examples": "J0001", "k": 2.5}, ValueError, "at least 1"),
        ({"examples": "J0001", "to": "all"}, ValueError, 'to is "any"'),
        ({"examples": "J0001", "apart": -1}, ValueError, "apart is an angle"),
        ({"examples": "J0001", "radius": 3}, ValueError, "belong together"),
        ({"sky": (1, 2)}, ValueError, "belong together"),
        ({"sky": (1, 2), "radius": 0}, ValueError, "radius is an angle"),
        ({"sky": (1, 2, 3), "radius": 1}, ValueError, r"sky is \(ra, dec\)"),
        ({"sky": 7, "radius": 1}, ValueError, r"sky is \(ra, dec\)"),
        ({"sky": (400, 2), "radius": 1}, ValueError, "right ascension"),
    ],
)
def test_what_cannot_be_near(call: dict[str, Any], error: type[Exception], says: str) -> None:
    made = session(rated=0)
    with pytest.raises(error, match=says):
        made.near(**call)


def test_positions_and_votes_need_a_catalogue_that_has_them() -> None:
    bare = az.Session(features())
    table = pd.DataFrame({"id_str": [f"J{i:04d}" for i in range(N)]})
    plain = az.Session(features(), az.Catalog(table))
    for made, says in ((bare, "there is no catalogue"), (plain, "has no ra and dec")):
        for ask in (
            lambda made: made.near("J0001", apart=5),
            lambda made: made.near(sky=(1, 2), radius=3),
            lambda made: made.where("within(1, 2, 3)"),
        ):
            with pytest.raises(ValueError, match=f"needs positions on the sky, .*{says}"):
                ask(made)
    with pytest.raises(ValueError, match="votes are columns of a catalogue"):
        bare.where('votes("bar", "yes") > 0.5')
    with pytest.raises(ValueError, match="no column 'z'"):
        bare.where("z < 0.5")
    assert len(bare.where("interest < 9")) == N


# Words


def test_a_cut_is_in_order_of_interest_and_a_likeness_in_order_of_distance() -> None:
    made = session()
    mean = made.state.posterior.mean
    found = made.where('0.2 < z <= 0.6 and type == "E"')
    truth = np.flatnonzero((Z > 0.2) & (Z <= 0.6) & (np.arange(N) % 3 == 0))
    assert rows(found).tolist() == truth[np.argsort(-mean[truth], kind="stable")].tolist()
    assert found.distances is None
    near = made.where("near J0007 AND interest_std < 9 AND z > 0.5")
    allowed = [r for r in np.argsort(distances(made, [7]), kind="stable") if Z[r] > 0.5]
    assert rows(near).tolist() == allowed
    some = made.where('near("J0007", k=4) AND z > 0.5')
    assert rows(some).tolist() == allowed[:4], "the nearest of those within the cut"


def test_what_the_model_and_the_raters_say_can_be_asked_for() -> None:
    made = session()
    state = made.state
    assert set(rows(made.where("interest > 1"))) == set(np.flatnonzero(state.posterior.mean > 1))
    likely = np.flatnonzero(state.p_interesting >= 0.1)
    assert set(rows(made.where("p_interesting >= 0.1"))) == set(likely)
    assert set(rows(made.rated)) == set(state.rated)
    assert len(made.where("unrated")) == N - 14
    assert set(rows(made.where("score == 5"))) == set(state.rated[state.scores == 5])
    assert len(made.where("score >= 0 OR score < 0")) == 14, "without a score nothing matches"


def test_the_words_of_the_model_hide_columns_of_the_same_name() -> None:
    made = az.Session(features(), catalog(interest=np.full(N, 99.0)))
    assert len(made.where("interest > 50")) == 0
    assert made.known(made.state).names.count("interest") == 1


def test_a_search_that_is_remembered_is_as_good_as_a_new_one() -> None:
    made = session()
    made.tag("J0007", "#ring")
    words = "near(#ring, k=30) AND z < 0.5"
    assert made.count(words) == len(made.where(words)) == 30
    first = rows(made.where(words)).tolist()
    assert rows(made.where(words)).tolist() == first
    made.tag("J0200", "#ring")
    assert rows(made.where(words)).tolist() != first, "another tag, another search"
    before = made.count("interest > 1")
    made.rate("J0250", 5)
    assert made.count("interest > 1") == np.count_nonzero(made.state.posterior.mean > 1) != before
    made.limit("z < 0.3")
    assert made.count("z < 0.5") == np.count_nonzero(Z < 0.3)
    made.limit(None)
    assert made.count("z < 0.5") == np.count_nonzero(Z < 0.5)
    with pytest.raises(ValueError, match="colour"):
        made.count("colour > 3")


def test_selections_join() -> None:
    made = session()
    cut, near = made.where("z < 0.3"), made.near("J0200", k=50)
    both = near & cut
    assert both.words == 'near("J0200", k=50) AND z < 0.3'
    assert len(both) == 50 and (Z[rows(both)] < 0.3).all()
    assert len(cut | near) == len(set(cut) | set(near))
    assert set(~cut) == set(made.where("z >= 0.3"))
    lasso = made.where(Given("lasso", np.array([5, 200, 7])))
    assert set(lasso & cut) == {"J0005", "J0007"}


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('touch x')", "z.__class__", "@z", "z < (lambda: 1)()", "z <", ""],
)
def test_what_is_no_search_is_refused(text: str) -> None:
    made = session(rated=0)
    with pytest.raises(ValueError):
        made.where(text)
    if text:
        with pytest.raises(ValueError):
            made.limit(text)
    assert made.log.events == ()


# Tags


def test_tags_are_given_found_and_taken_off(tmp_path: Path) -> None:
    made = session(tmp_path / "r.db", rater="eve")
    made.tag("J0003", "#Ring")
    made.tag("J0001", "#ring")
    made.tag("J0001", "#blue")
    assert made.tags == {"#ring": ("J0003", "J0001"), "#blue": ("J0001",)}
    assert set(made.tagged("#RING")) == {"J0001", "J0003"}
    assert set(made.where("#ring AND tagged #blue")) == {"J0001"}
    assert not made.tagged("#never")
    near = made.near("#ring", k=8)
    assert (
        list(near)
        == list(made.near(["J0003", "J0001"], k=8))
        == list(made.where('near("#ring", k=8)'))
    )
    assert not set(near) & {"J0001", "J0003"}
    again = az.Session(features(), catalog(), ratings=tmp_path / "r.db", rater="bob")
    assert again.tags == made.tags
    again.tag("J0003", "#ring")
    again.untag("J0001", "#blue")  # bob never said so: eve's word stands
    made.untag("J0003", "#ring")
    assert made.tags == {"#ring": ("J0003", "J0001"), "#blue": ("J0001",)}
    with pytest.raises(ValueError, match="no object is tagged #never; the tags there are: #ring"):
        made.near("#never")


def test_a_selection_is_tagged_at_once(tmp_path: Path) -> None:
    made = session(tmp_path / "r.db", rated=0, rater="eve")
    heard: list[int] = []
    made.subscribe(lambda: heard.append(1))
    lasso = made.where(Given("lasso", np.arange(50)))
    made.tag(lasso, "#Mine")
    made.tag(np.array(["J0051", "J0052"]), "#mine")
    made.tag([], "#mine")
    assert len(heard) == 2 and made.limit("#mine") == 52
    again = az.Session(features(), catalog(), ratings=tmp_path / "r.db", rater="eve")
    assert set(again.tagged("#mine")) == {*lasso, "J0051", "J0052"}
    made.untag(lasso, "#mine")
    assert made.tags == {"#mine": ("J0051", "J0052")}
    n = len(made.log.events)
    for ids, tag in ((["J0001", "J9999"], "#mine"), (lasso, "two words")):
        with pytest.raises(ValueError):
            made.tag(ids, tag)
    with pytest.raises(ValueError, match="a token is that of one event"):
        made.tag(["J0001", "J0002"], "#mine", token="t")
    assert len(made.log.events) == n


def test_tags_teach_nothing_and_hide_no_rating() -> None:
    made = session()
    before, coming = made.state, made.next(5)
    last = made.log.events[-1].id_str
    made.tag(last, "#ring")
    made.tag("J0123", "#ring")
    after = made.state
    assert after.posterior is before.posterior
    assert np.array_equal(after.open, before.open)
    assert after.opinions.mean_scores == before.opinions.mean_scores
    assert made.progress().looks == 14
    assert str(made.progress()) == str(progress_of(before, made))
    assert made.undo() == last, "a tag is not what is taken back"
    assert made.tags == {"#ring": (last, "J0123")}
    assert coming


def progress_of(state: az.State, made: az.Session) -> object:
    return made.progress(state)


def test_a_tag_before_a_rating_is_not_taken_for_what_was_predicted() -> None:
    made = session()
    [coming] = made.next()
    made.tag(coming, "#ring")
    made.rate(coming, 5)
    assert made.progress().covered.n == len(made.where("rated"))


@pytest.mark.parametrize("tag", ["ring", "#two words", "#<img src=x>", "#" + "a" * 60, "", None, 7])
def test_what_is_no_tag_is_refused(tag: Any) -> None:
    made = session(rated=0)
    for act in (made.tag, made.untag):
        with pytest.raises(ValueError, match="a tag "):
            act("J0001", tag)
        with pytest.raises(ValueError, match="J9999"):
            act("J9999", "#ring")
    assert made.log.events == ()


def test_a_tag_sent_twice_is_written_once_and_cannot_be_undone() -> None:
    made = session(rated=0)
    made.tag("J0001", "#ring", token="t")
    made.tag("J0001", "#ring", token="t")
    assert len(made.log.events) == 1
    with pytest.raises(ValueError, match="had not been saved"):
        made.undo(of="t")
    assert made.undo() is None


def test_tags_are_adopted_and_limits_are_not(tmp_path: Path) -> None:
    old = session(tmp_path / "old.db", rated=3)
    old.limit("z < 0.9")
    old.tag("J0007", "#ring")
    old.tag("J0250", "#ring")
    new = az.Session(features(200), ratings=tmp_path / "new.db")
    new.adopt(tmp_path / "old.db")
    assert new.tags == {"#ring": ("J0007",)}
    assert new.opinions.limit == ""
    count = len(new.log.events)
    assert new.adopt(tmp_path / "old.db") == 0
    assert len(new.log.events) == count
    only = session(tmp_path / "only.db", rated=0)
    only.limit("z < 0.9")
    assert az.Session(features(200)).adopt(tmp_path / "only.db") == 0


# The limit


def test_everything_keeps_to_the_limit(tmp_path: Path) -> None:
    made = session(rated=30)
    assert made.limit("z < 0.5") == int((Z < 0.5).sum())
    state = made.state
    assert (state.limit, state.limit_trouble) == ("z < 0.5", "")
    assert state.within is not None and np.array_equal(state.within, Z < 0.5)
    assert not state.within.flags.writeable and state.within.dtype == bool
    assert not (state.open & (Z >= 0.5)).any()
    coming = rows(made.next(N))
    assert (Z[coming] < 0.5).all() and len(coming) == int(state.open.sum())
    assert len(state.rated) == 30, "what was rated beyond it still counts"
    ranking = made.ranking()
    assert (Z[rows(ranking["id_str"])] < 0.5).all()
    assert len(ranking) == int((state.within & ~state.artefact).sum())
    assert list(made.ranking(7)["id_str"]) == list(ranking["id_str"][:7])
    frame = tables.read(made.export(tmp_path / "a.csv"), text=["id_str"])
    assert frame["id_str"].tolist() == ranking["id_str"].tolist()
    assert tables.metadata(tmp_path / "a.csv")["limit"] == "z < 0.5"
    for found in (made.where("z > 0.4"), made.near("J0290"), ~made.where("z < 0.1")):
        assert len(found) and (Z[rows(found)] < 0.5).all()
    assert (
        rows(made.near("J0290", k=9)).tolist()
        == [r for r in np.argsort(distances(made, [290]), kind="stable") if Z[r] < 0.5][:9]
    )
    left = made.progress().remaining
    p = state.p_interesting[state.within & ~state.artefact & np.isnan(scores(made))]
    assert left is not None and left.estimate == pytest.approx(float(p.sum()))
    assert made.limit(None) == N
    assert made.state.within is None and made.state.limit == ""
    assert len(made.ranking()) > len(ranking)
    assert "limit" not in made.provenance()


def scores(made: az.Session) -> np.ndarray:
    given = np.full(N, np.nan)
    given[made.state.rated] = made.state.scores
    return given


def test_a_limit_is_saved_with_the_ratings(tmp_path: Path) -> None:
    made = session(tmp_path / "r.db")
    made.limit("z<.5 & type in ['E']")
    again = az.Session(features(), catalog(), ratings=tmp_path / "r.db", seed=1)
    assert again.state.limit == 'z < 0.5 AND type in ["E"]'
    assert again.next(5) == made.next(5)
    assert again.state.left == made.state.left and again.state.best_f == made.state.best_f
    events = len(made.log.events)
    made.limit('z < 0.5 AND type in ["E"]')
    assert len(made.log.events) == events, "nothing new was said"
    made.limit("  ")
    again.log.refresh()
    assert again.state.within is None


def test_a_selection_can_be_the_limit() -> None:
    made = session()
    found = made.near("J0007", k=40) & made.where("z < 0.8")
    assert made.limit(found) == 40
    assert set(made.next(N)) <= set(found)
    lasso = made.where(Given("lasso", np.arange(5)))
    with pytest.raises(ValueError, match=r"no words say what '<lasso of 5>' holds.*tag"):
        made.limit(lasso)


@pytest.mark.parametrize("to", [3, 0, False, ["J0001"], Number(1)])
def test_what_is_no_search_is_no_limit(to: Any) -> None:
    made = session(rated=0)
    made.limit("z < 0.1")
    with pytest.raises(TypeError, match="limit keeps to a search in words"):
        made.limit(to)
    assert made.opinions.limit == "z < 0.1"


def test_a_limit_by_belief_follows_the_ratings_and_one_by_tag_the_tags() -> None:
    made = session()
    made.limit("interest > 0.5")
    for _ in range(3):
        state = made.state
        assert state.within is not None
        assert np.array_equal(state.within, state.posterior.mean > 0.5)
        rate(made, 1)
    made.tag("J0150", "#ring")
    made.limit("#ring OR z < 0.1")
    assert made.state.within is not None and made.state.within[150] and not made.state.within[151]
    made.tag("J0151", "#ring")
    assert made.state.within is not None and made.state.within[151]
    made.untag("J0150", "#ring")
    assert not made.state.within[150]


def test_what_does_not_depend_on_ratings_is_worked_out_once() -> None:
    made = session()
    made.limit("near J0007 AND z < 0.5")
    within = made.state.within
    rate(made, 2)
    made.tag("J0150", "#ring")
    assert made.state.within is within


def test_a_limit_on_unrated_and_p_interesting() -> None:
    made = session()
    free = made.state
    made.limit("unrated AND p_interesting > 0.01")
    truth = free.p_interesting > 0.01
    truth[free.rated] = False
    assert np.array_equal(made.state.within, truth)


def test_a_limit_that_matches_nothing_breaks_nothing(tmp_path: Path) -> None:
    for rated in (0, 14):
        made = session(rated=rated)
        assert made.limit("z > 2") == 0
        assert made.next(3) == [] and made.picks(3) == []
        assert len(made.ranking()) == len(made.ranking(5)) == 0
        assert not made.where("z < 0.5") and not made.near("J0007")
        assert str(made.progress())
        assert np.isfinite(made.state.p_interesting).all()
        made.export(tmp_path / "none.csv")
        made.rate("J0007", 5)
        assert made.next() == []
        made.limit("")
        assert len(made.next(3)) == 3


@pytest.mark.parametrize("looks", [0, 4, 12])
def test_a_narrow_limit_is_searched_to_its_end(looks: int) -> None:
    made = session(rated=looks)
    made.limit("z < 0.05")
    left = int(made.state.open.sum())
    seen = []
    while coming := made.next():
        seen += coming
        made.rate(coming[0], 5 if int(coming[0][1:]) < 10 else 0)
    assert len(seen) == len(set(seen)) == left and (Z[rows(seen)] < 0.05).all()


@pytest.mark.parametrize("change", ["column", "catalogue", "words"])
def test_a_limit_that_cannot_be_worked_out_any_more_is_said_and_left_aside(
    tmp_path: Path, change: str
) -> None:
    made = session(tmp_path / "r.db")
    free = made.next(5)
    made.limit("z < 0.5")
    if change == "words":
        made.log.append(type(made.log.events[0])("limit", "", word="z <"))
    table = pd.DataFrame({"id_str": [f"J{i:04d}" for i in range(N)]})
    other = {"column": az.Catalog(table), "catalogue": None, "words": catalog()}[change]
    again = az.Session(features(), other, ratings=tmp_path / "r.db", seed=1)
    state = again.state
    assert state.limit and state.within is None
    assert ("cannot read" if change == "words" else "no column 'z'") in state.limit_trouble
    assert again.next(5) == free
    assert len(again.ranking()) == N
    assert "limit" not in again.provenance()
    again.rate(free[0], 0)
    assert again.next()
    again.limit(None)
    assert again.state.limit_trouble == ""


def test_a_state_abreast_of_the_log_keeps_to_the_limit_too() -> None:
    made = session(rated=20)
    before = made.state
    made.limit("z < 0.5")
    assert made.abreast(before).within is not None
    limited = made.state
    now = made.abreast(limited)
    assert now.within is limited.within and np.array_equal(now.open, limited.open)
    [coming] = made.next()
    made.rate(coming, 5)
    now = made.abreast(limited)
    assert not now.open[rows([coming])[0]] and not (now.open & (Z >= 0.5)).any()
    assert now.best_f == limited.best_f
    made.limit("")
    lifted = made.abreast(limited)
    assert lifted.within is None and lifted.limit == "" and (lifted.open & (Z > 0.5)).any()


# What is taken away


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ecsv", "fits", "vot"])
def test_a_selection_is_exported_in_its_order_with_distances_and_tags(
    tmp_path: Path, suffix: str
) -> None:
    made = session()
    made.tag("J0003", "#Einstein-ring")
    made.tag("J0003", "#環")
    made.tag("J0005", "#blue")
    made.limit('z < 0.9 AND type in ["E", "S", "é"]')
    found = made.where('near("J0007", k=12) AND type != "ö"')
    path = made.export(tmp_path / f"near.{suffix}", of=found)
    frame = tables.read(path, text=["id_str"])
    assert frame["id_str"].tolist() == list(found)
    assert frame["rank"].tolist() == list(range(1, 13))
    np.testing.assert_allclose(frame["distance"], found.distances)
    carried = dict(zip(frame["id_str"], frame["tags"].fillna(""), strict=True))
    assert carried["J0003"] == "#einstein-ring #環" and carried["J0005"] == "#blue"
    assert set(map(str, carried.values())) == {"", "#einstein-ring #環", "#blue"}
    told = tables.metadata(path)
    assert told["selection"] == found.words
    assert told["limit"] == 'z < 0.9 AND type in ["E", "S", "é"]'
    assert made.ranking(of=found).columns.tolist() == frame.columns.tolist()
    short = made.ranking(5, of=found)
    assert short["id_str"].tolist() == list(found)[:5]


def test_a_cut_is_ranked_by_interest_without_distances() -> None:
    made = session()
    found = made.ranking(of="z < 0.1")
    assert "distance" not in found and "tags" not in found
    assert np.all(np.diff(found["interest"]) <= 0) and len(found) == int((Z < 0.1).sum())


def test_who_selects_artefacts_gets_them(tmp_path: Path) -> None:
    made = session()
    made.flag("J0003")
    made.flag("J0150")
    flagged = made.where("p_artefact == 1")
    assert set(made.ranking(of=flagged)["id_str"]) == set(flagged) == {"J0003", "J0150"}
    path = made.export(tmp_path / "flagged.csv", of=flagged)
    assert set(tables.read(path, text=["id_str"])["id_str"]) == set(flagged)
    assert "J0003" in set(made.ranking(of="z < 0.1")["id_str"])
    assert "J0003" not in set(made.ranking(of="z < 0.1", artefacts=False)["id_str"])
    assert "J0003" not in set(made.ranking()["id_str"])
    assert "J0003" in set(made.ranking(artefacts=True)["id_str"])


def test_only_selections_of_this_session_are_ranked(tmp_path: Path) -> None:
    made = session(rated=0)
    with pytest.raises(ValueError, match="of another session"):
        made.ranking(of=session(rated=0).where("z < 0.1"))
    with pytest.raises(TypeError, match="of= is a selection"):
        made.ranking(of=["J0001"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no column"):
        made.export(tmp_path / "a.csv", of="zz < 1")
    assert not list(tmp_path.iterdir())
