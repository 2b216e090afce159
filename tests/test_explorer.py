"""The tool without a browser: messages as the browser sends them, traits as it shows them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bokeh.events import Tap
from waiting import until

import anomaly_zoo as az
from anomaly_zoo import sweep as sweeping
from anomaly_zoo.interest import weigh
from anomaly_zoo.progress import AUDIT
from anomaly_zoo.projection import pca_map
from anomaly_zoo.ratings import read_events
from anomaly_zoo.ui.arrangement import _read_map, _write_map
from anomaly_zoo.ui.explorer import Explorer
from anomaly_zoo.ui.items import _ranks

N = 400


def session(tmp_path: Path | None = None, **options: Any) -> az.Session:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 5))
    ids = [f"J{i:03d}" for i in range(N)]
    catalog = az.Catalog(
        pd.DataFrame({"id_str": ids, "ra": np.linspace(0, 359, N), "dec": np.linspace(-80, 80, N)}),
        name="Field",
    )
    path = None if tmp_path is None else tmp_path / "r.db"
    return az.Session(az.Representation(ids, X), catalog, ratings=path, rater="eve", **options)


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[Explorer]:
    opened = az.explore(session(tmp_path))
    until(lambda: opened.header.level == "ready")
    yield opened
    opened.close()


def say(view: Any, **content: Any) -> None:
    view._handle_custom_msg(content, [])


def act(tool: Explorer, kind: str, id_str: str, token: str, **more: Any) -> None:
    say(tool.viewer, kind="acts", acts=[{"act": kind, "id": id_str, "token": token, **more}])


def settled(tool: Explorer) -> Any:
    """Wait until the views show the whole log."""
    log = tool.session.log
    return until(lambda: tool.header.level == "ready" and tool._drawn.n_events == len(log.events))


def test_it_opens_with_a_queue_and_a_map(tool: Explorer) -> None:
    assert [item["id"] for item in tool.viewer.queue] == tool.session.next(24)
    assert tool.viewer.queue[0]["reason"] == "a first look around"
    assert tool.header.subtitle == "Field · 400 galaxies"
    assert tool.map.bar.low == "0"
    until(lambda: len(tool.map._sources["dots"].data["x"]) == N)
    assert "application/vnd.jupyter.widget-view+json" in tool._repr_mimebundle_()


def test_ratings_from_the_browser_are_stored_and_shown(tool: Explorer, tmp_path: Path) -> None:
    ids = [item["id"] for item in tool.viewer.queue[:12]]
    until(lambda: len(tool.map._sources["dots"].data["x"]) == N)
    before = set(tool.map._sources["dots"].data["colour"])
    for i, id_str in enumerate(ids):
        act(tool, "rate", id_str, f"t{i}", score=i % 6, reason="a first look around")
    until(lambda: len(tool.session.log.events) == 12)
    settled(tool)
    assert [(e.id_str, e.score) for e in read_events(tmp_path / "r.db")] == [
        (id_str, i % 6) for i, id_str in enumerate(ids)
    ]
    assert (tool.header.n_rated, tool.header.n_found) == (12, 4)
    assert tool.curve.found[-1] == 4 and len(tool.curve.found) == 12
    assert not {item["id"] for item in tool.viewer.queue} & set(ids)
    assert tool.viewer.queue[0]["reason"].startswith("expected improvement")
    assert [item["id"] for item in tool.viewer.history] == ids
    assert len(tool.map._sources["rated"].data["x"]) == 12
    until(lambda: len(set(tool.map._sources["dots"].data["colour"])) > len(before))


def test_what_belongs_together_is_sent_in_one_message(tool: Explorer) -> None:
    sent: list[set[str]] = []
    for view in (tool.header, tool.outlook):
        view.send_state = lambda key=None: sent.append({key} if isinstance(key, str) else set(key))
    act(tool, "rate", tool.viewer.queue[0]["id"], "t", score=5)
    until(lambda: len(tool.session.log.events) == 1)
    settled(tool)
    until(lambda: tool.outlook.facts)
    for together in ({"level", "status"}, {"n_rated", "n_found"}, {"advice", "facts"}):
        assert any(keys >= together for keys in sent), together


def test_an_act_sent_twice_counts_once(tool: Explorer) -> None:
    for _ in range(3):
        act(tool, "rate", "J001", "same", score=4)
    act(tool, "skip", "J002", "other")
    until(lambda: len(tool.session.log.events) == 2)
    settled(tool)
    act(tool, "undo", "J002", "third", undoes="other")
    act(tool, "undo", "J002", "third", undoes="other")
    until(lambda: len(tool.session.log.events) == 3)
    settled(tool)
    assert tool.session.opinions.mean_scores == {"J001": 4.0}


@pytest.mark.parametrize("kind", ["skip", "artefact"])
def test_ten_looks_without_a_score_are_followed_by_more(tool: Explorer, kind: str) -> None:
    looks = tool.session.next(12)
    for number, id_str in enumerate(looks[:10]):
        act(tool, kind, id_str, f"t{number}")
    until(lambda: len(tool.session.log.events) == 10)
    settled(tool)
    coming = until(lambda: [item["id"] for item in tool.viewer.queue if item["id"] not in looks])
    act(tool, "rate", coming[0], "score", score=5)
    until(lambda: len(tool.session.log.events) == 11)
    settled(tool)
    assert tool.session.opinions.mean_scores == {coming[0]: 5.0}


@pytest.mark.parametrize(
    ("kind", "id_str", "score"),
    [("rate", "J001", 9), ("rate", "J001", None), ("rate", "nobody", 3), ("love", "J001", 3)],
)
def test_nonsense_is_refused_and_said(
    tool: Explorer, kind: str, id_str: str, score: int | None
) -> None:
    act(tool, kind, id_str, "bad", score=score)
    until(lambda: tool.header.level == "error")
    assert tool.header.status.startswith("not saved")
    assert tool.session.log.events == ()
    act(tool, "rate", "J003", "good", score=3)
    until(lambda: len(tool.session.log.events) == 1)
    settled(tool)


def test_an_undo_takes_back_what_it_names_and_nothing_else(tool: Explorer) -> None:
    act(tool, "rate", "J001", "a", score=4)
    act(tool, "rate", "J002", "b", score=9)  # refused
    act(tool, "undo", "J002", "c", undoes="b")
    until(lambda: "taken back" in tool.header.status)
    assert tool.session.opinions.mean_scores == {"J001": 4.0}
    act(tool, "rate", "J003", "d", score=1)
    act(tool, "undo", "J001", "e", undoes="a")
    until(lambda: len(tool.session.log.events) == 3)
    settled(tool)
    assert tool.session.opinions.mean_scores == {"J003": 1.0}
    assert [item["token"] for item in tool.viewer.history] == ["d"]


def test_each_rater_has_a_browser_storage_of_its_own(tmp_path: Path) -> None:
    eve = az.explore(session(tmp_path))
    bob = az.Session(eve.session.representation, ratings=tmp_path / "r.db", rater="bob")
    other = az.explore(bob)
    assert not eve._closed.is_set()
    assert eve.viewer.log_uid != other.viewer.log_uid
    eve.close()
    other.close()


def test_a_rating_in_another_cell_is_shown(tool: Explorer) -> None:
    first = tool.viewer.queue[0]["id"]
    tool.session.rate(first, 5)
    until(lambda: tool.header.n_rated == 1)
    settled(tool)
    assert first not in {item["id"] for item in tool.viewer.queue}


def test_a_model_that_fails_keeps_the_ratings_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = threading.Event()

    def failing(*given: Any) -> Any:
        if trouble.is_set():
            raise RuntimeError("out of ideas")
        return weigh(*given)

    monkeypatch.setattr("anomaly_zoo.session.weigh", failing)
    tool = az.explore(session(tmp_path))
    until(lambda: tool.header.level == "ready")
    queue = tool.viewer.queue
    trouble.set()
    act(tool, "rate", queue[0]["id"], "t", score=5)
    until(lambda: tool.header.level == "error")
    assert "out of ideas" in tool.header.status and "ratings are kept" in tool.header.status
    assert len(read_events(tmp_path / "r.db")) == 1
    assert tool.viewer.queue == queue
    trouble.clear()
    act(tool, "rate", queue[1]["id"], "u", score=1)
    until(lambda: tool.header.level == "ready" and tool.header.n_rated == 2)
    tool.close()


def test_how_far_a_long_update_is_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly_zoo.ui.explorer.PATIENCE", 0.0)
    tool = az.explore(session())
    said: list[str] = []
    tool.header.observe(lambda change: said.append(change["new"]), "status")
    settled(tool)
    act(tool, "rate", tool.viewer.queue[0]["id"], "t", score=5)
    until(lambda: tool.header.level == "ready" and tool.header.n_rated == 1)
    assert "updating model… 100%" in said and said[-1] == "ready"
    tool.close()


def test_the_column_of_the_galaxy_on_the_screen_is_prepared(tool: Explorer) -> None:
    for id_str in tool.session.next(21):
        tool.session.rate(id_str, int(id_str[1:]) % 6)
    for turn in range(3):
        settled(tool)
        shown = tool.viewer.queue[0]["id"]
        tool.viewer.shown = shown
        row = tool.session.representation.row(shown)
        until(lambda row=row: tool.session.pool._prepared == row)
        act(tool, "rate", shown, f"t{turn}", score=turn)
        until(lambda turn=turn: len(tool.session.log.events) == 22 + turn)


def test_the_gallery_and_its_tabs(tool: Explorer) -> None:
    for i, score in enumerate((1, 5, 3)):
        act(tool, "rate", f"J{i:03d}", f"t{i}", score=score)
    act(tool, "artefact", "J003", "t3")
    until(lambda: len(tool.session.log.events) == 4)
    settled(tool)
    ranking = tool.session.ranking()
    best = ranking[ranking["score"].isna()]["id_str"][:24].tolist()
    until(lambda: [item["id"] for item in tool.gallery.items] == best)
    tool.gallery.tab = "rated"
    until(lambda: [item["score"] for item in tool.gallery.items] == [5.0, 3.0, 1.0])
    tool.viewer.shown = "J010"
    tool.gallery.tab = "near"
    until(lambda: tool.gallery.about == "399 · near J010" and len(tool.gallery.items) == 24)
    until(lambda: len(tool.map._sources["near"].data["x"]) == 8)
    X = tool.session.representation.X
    away = np.linalg.norm(X - X[10], axis=1)
    assert tool.gallery.items[0]["id"] == f"J{np.argsort(away)[1]:03d}"
    say(tool.gallery, kind="view", id="J020")
    until(lambda: tool.viewer.focus.get("id") == "J020")


def test_a_tap_shows_the_nearest_galaxy_and_a_tap_nowhere_does_not(tool: Explorer) -> None:
    until(tool.map._sorted)
    x, y = map(float, tool.map.xy[77])
    tool.map._tapped(Tap(tool.map.figure, x=x + 1e-4, y=y))
    until(lambda: tool.viewer.focus.get("id"))
    assert tool.viewer.focus["id"] == "J077"
    assert tool.viewer.focus["reason"] == "chosen on the map"
    assert tool.viewer.focus["position"] == f"{359 * 77 / 399:.5f} {-80 + 160 * 77 / 399:+.5f}"
    number = tool.viewer.focus["n"]
    tool.map._tapped(Tap(tool.map.figure, x=x + 50, y=y + 50))
    time.sleep(0.2)
    assert tool.viewer.focus["n"] == number


def test_the_map_is_coloured_as_asked(tool: Explorer) -> None:
    for choice in ("uncertainty", "density", "interest"):
        tool.map.bar.colour = choice
        until(lambda choice=choice: tool.map.colouring.name == choice)
        assert (tool.map.bar.low == "few") == (choice == "density")


def test_the_umap_takes_the_place_of_the_pca_and_is_kept(tool: Explorer, cache: Path) -> None:
    until(lambda: tool.map.bar.about == "UMAP", 120)
    assert not np.array_equal(tool.map.xy, pca_map(tool.session.space.X))
    [kept] = cache.glob(f"umap-*-{tool.session.space.hash}-*.npy")
    again = az.explore(tool.session)
    until(lambda: again.map.bar.about == "UMAP", 5)
    assert np.array_equal(again.map.xy, np.load(kept))
    again.close()


def test_a_kept_umap_that_was_damaged_is_none(tmp_path: Path) -> None:
    file, xy = tmp_path / "umap.npy", np.ones((3, 2))
    assert _read_map(file, 3) is None
    _write_map(file, xy)
    whole = file.read_bytes()
    np.testing.assert_array_equal(_read_map(file, 3), xy)
    for damaged in (b"", whole[:20], whole[:-1], b"PK\x03\x04 no archive", b"no numbers"):
        file.write_bytes(damaged)
        assert _read_map(file, 3) is None, damaged
    for other in (np.ones((4, 2)), np.full((3, 2), np.nan), np.array([{}, {}, {}])):
        np.save(file, other)
        assert _read_map(file, 3) is None


def running(before: set[threading.Thread]) -> list[threading.Thread]:
    """The threads of the tools opened since."""
    mine = set(threading.enumerate()) - before
    return [thread for thread in mine if thread.name.startswith("anomaly_zoo")]


def test_opening_it_again_ends_the_first() -> None:
    held = session()
    before = set(threading.enumerate())
    first = az.explore(held)
    until(lambda: first.header.level == "ready")
    threads = running(before)
    second = az.explore(held)
    until(lambda: not any(thread.is_alive() for thread in threads), 10)
    assert first.root.layout.display == "none" and second.root.layout.display is None
    held.rate("J001", 3)
    until(lambda: second.header.n_rated == 1)
    assert first.header.n_rated == 0
    # The browser may be about to build the first: its views are closed once they are there.
    assert first.viewer.comm is not None
    first.viewer.built = True
    assert first.viewer.comm is None and first.map.pane.comm is None
    assert first.root.children == () and first.root.comm is not None
    second.viewer.built = True
    assert second.viewer.comm is not None
    third = az.explore(held)
    assert second.viewer.comm is None
    for tool in (first, second, third):
        tool.close()
        assert tool.root.comm is None


def test_closing_ends_its_threads_and_removes_its_views() -> None:
    before = set(threading.enumerate())
    tool = az.explore(session())
    until(lambda: tool.header.level == "ready")
    threads = running(before)
    assert threads
    tool.close()
    assert all(widget.comm is None for widget in tool._widgets)
    until(lambda: not any(thread.is_alive() for thread in threads), 10)


def test_without_images_the_viewer_says_so() -> None:
    tool = az.explore(session())
    sent: list[dict[str, Any]] = []
    tool.viewer.send = lambda content, buffers=None: sent.append(content)  # type: ignore
    say(tool.viewer, kind="need", ids=["J001"], size=300)
    until(lambda: sent)
    [picture] = sent[0]["pictures"]
    assert picture["id"] == "J001" and "no images" in picture["error"]
    tool.close()


def test_only_a_session_can_be_explored() -> None:
    with pytest.raises(TypeError, match=r"az\.Session, got list"):
        az.explore([1, 2])  # type: ignore[arg-type]


def test_the_outlook_follows_the_ratings(tool: Explorer) -> None:
    assert tool.outlook.advice.startswith("Too early") and tool.outlook.facts == []
    for i, item in enumerate(tool.viewer.queue[:10]):
        act(tool, "rate", item["id"], f"t{i}", score=5 * (i % 2), reason=item["reason"])
    until(lambda: len(tool.session.log.events) == 10)
    settled(tool)
    until(lambda: tool.outlook.advice.endswith("10 more looks."))
    [fact] = tool.outlook.facts
    assert fact["name"] == "in 90% intervals" and fact["value"].endswith("of 10")
    for i, item in enumerate(tool.viewer.queue[:12]):
        act(tool, "rate", item["id"], f"u{i}", score=0, reason=AUDIT)
    until(lambda: len(tool.session.log.events) == 22)
    settled(tool)
    until(lambda: tool.outlook.advice.endswith("the last 22 looks found 5."))
    assert tool.outlook.advice == tool.session.progress().advice
    assert tool.outlook.facts[0]["value"] == "0 of 10 good"
    assert "0% to 17%" in tool.outlook.facts[0]["about"]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While this is not set, no sweep of the pool comes to its end."""
    ready = threading.Event()
    ready.set()

    def slowly(source: sweeping.Source, size: int) -> Iterator[tuple[int, np.ndarray]]:
        for first, block in source(size):
            yield first, block
            while not ready.wait(0.01):
                yield first, block

    def held(sources: list[sweeping.Source], *given: Any) -> None:
        sweeping.sweep([partial(slowly, source) for source in sources], *given)

    monkeypatch.setattr("anomaly_zoo.pool.sweep", held)
    monkeypatch.setattr("anomaly_zoo.ui.explorer.PATIENCE", 0.0)
    yield ready
    ready.set()


def begun(tmp_path: Path) -> Explorer:
    """A tool of which something interesting was found, so that the model chooses."""
    held = session(tmp_path)
    for number in range(12) if not held.log.events else ():
        held.rate(f"J{number:03d}", float(held.representation.X[number, 0] > 0.5) * 5)
    tool = az.explore(held)
    until(lambda: tool.header.level == "ready")
    return tool


def test_the_queue_follows_the_ratings_during_a_long_update(
    tmp_path: Path, slow: threading.Event
) -> None:
    tool = begun(tmp_path)
    before = tool.session.latest
    tool.viewer.shown = "J200"
    until(lambda: len(tool.map._sources["near"].data["x"]) == 8)
    best = {item["id"] for item in tool.gallery.items}
    assert best & {item["id"] for item in tool.viewer.queue[:9]}  # some of these will be rated
    slow.clear()
    given = []
    for turn in range(10):
        left = [item["id"] for item in tool.viewer.queue if item["id"] not in dict(given)]
        given.append((left[0], turn % 6))
        act(tool, "rate", left[0], f"t{turn}", score=turn % 6)
        time.sleep(0.05)
    rated = {id_str for id_str, _ in given}
    until(lambda: tool.header.n_rated == 22 and len(tool.map._sources["rated"].data["x"]) == 22)
    until(lambda: not rated & {item["id"] for item in tool.viewer.queue})
    until(lambda: not rated & {item["id"] for item in tool.gallery.items})
    tool.viewer.shown = given[0][0]
    near = tool.session.near(given[0][0], state=before).rows[:8]
    until(lambda: tool.map._sources["near"].data["x"].tolist() == tool.map.xy[near, 0].tolist())
    assert tool.session.latest is before
    assert len(tool.viewer.queue) == 24
    assert tool.header.level == "busy" and tool.header.status.startswith("updating model… ")
    stored = [(e.id_str, e.score) for e in read_events(tmp_path / "r.db")]
    assert stored[12:] == given
    slow.set()
    settled(tool)
    assert tool.session.latest.n_events == 22
    again = session(tmp_path)
    until(lambda: [item["id"] for item in tool.viewer.queue] == again.next(24))
    until(lambda: [i["id"] for i in tool.gallery.items] == _best(again))
    tool.close()


def _best(held: az.Session) -> list[str]:
    ranking = held.ranking()
    return ranking[ranking["score"].isna()]["id_str"][:24].tolist()


def test_ratings_of_another_day_show_a_galaxy_before_all_are_scored(
    tmp_path: Path, slow: threading.Event
) -> None:
    begun(tmp_path).close()
    slow.clear()
    tool = az.explore(session(tmp_path))
    until(lambda: tool.viewer.queue)
    assert tool.session.latest is None
    assert len(tool.viewer.queue) == 24
    assert not {item["id"] for item in tool.viewer.queue} & {f"J{n:03d}" for n in range(12)}
    assert {item["reason"] for item in tool.viewer.queue} == {"promising among 400"}
    believed = {item["id"]: (item["interest"], item["std"]) for item in tool.viewer.queue}
    for turn, item in enumerate(tool.viewer.queue):
        act(tool, "rate", item["id"], f"t{turn}", score=turn % 6)
    until(lambda: not believed.keys() & {item["id"] for item in tool.viewer.queue})
    assert tool.session.latest is None and len(tool.session.log.events) == 36
    slow.set()
    settled(tool)
    again = begun(tmp_path)
    until(lambda: [i["id"] for i in tool.viewer.queue] == again.session.next(24))
    first = session()
    for number in range(12):
        first.rate(f"J{number:03d}", float(first.representation.X[number, 0] > 0.5) * 5)
    belief, row = first.state.posterior, first.representation.row
    assert believed == {
        i: pytest.approx((belief.mean[row(i)], belief.std[row(i)]), abs=1e-4) for i in believed
    }
    again.close()
    tool.close()


def test_an_undo_during_a_long_update(tmp_path: Path, slow: threading.Event) -> None:
    tool = begun(tmp_path)
    slow.clear()
    first, second = (item["id"] for item in tool.viewer.queue[:2])
    act(tool, "rate", first, "a", score=5)
    until(lambda: first not in {item["id"] for item in tool.viewer.queue})
    act(tool, "skip", second, "b")
    act(tool, "undo", first, "c", undoes="a")
    until(lambda: tool._led.n_events == 15 and second not in {i["id"] for i in tool.viewer.queue})
    assert first in {item["id"] for item in tool.viewer.queue}
    assert tool.header.n_rated == len(tool.map._sources["rated"].data["x"]) == 12
    slow.set()
    settled(tool)
    again = session(tmp_path)
    until(lambda: [item["id"] for item in tool.viewer.queue] == again.next(24))
    tool.close()


def test_closing_during_a_long_update_ends_it(tmp_path: Path, slow: threading.Event) -> None:
    before = set(threading.enumerate())
    tool = begun(tmp_path)
    slow.clear()
    act(tool, "rate", tool.viewer.queue[0]["id"], "a", score=5)
    until(lambda: tool.header.status.startswith("updating model… "))
    threads = running(before)
    assert any(thread.name == "anomaly_zoo-model" for thread in threads)
    tool.close()
    until(lambda: not any(thread.is_alive() for thread in threads), 10)
    slow.set()
    assert tool.session.state.n_events == 13


def test_ranks_are_those_of_the_ranking() -> None:
    held = session()
    for number in range(12):
        held.rate(f"J{number:03d}", number % 6)
    held.flag("J300")
    ranking = held.ranking().set_index("id_str")["rank"]
    shown = [row for row in range(N) if f"J{row:03d}" in ranking.index]
    assert _ranks(shown, held.state) == [ranking[f"J{row:03d}"] for row in shown]
    assert _ranks([], held.state) == []
