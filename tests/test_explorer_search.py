"""Searching in the tool without a browser: messages as the browser sends them, traits as shown."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from waiting import until

import anomaly_zoo as az
from anomaly_zoo.ratings import read_events
from anomaly_zoo.ui.explorer import AHEAD, TOGETHER, Explorer
from anomaly_zoo.ui.hanging import MOST, SHOWN

N = 600
IDS = [f"J{i:03d}" for i in range(N)]


def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    sky = np.column_stack([np.linspace(10, 20, N), np.linspace(-5, 5, N)])
    sky[::10] = np.nan
    frame = pd.DataFrame({"id_str": IDS, "ra": sky[:, 0], "dec": sky[:, 1]})
    frame["mag"] = np.linspace(14, 20, N)
    frame["type"] = rng.choice(["E", "S0", "Sa"], N)
    frame["flag"] = rng.uniform(size=N) < 0.3
    frame["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(N), "D")
    frame["one"], frame["none"] = 7.0, np.nan
    frame["petro r"] = frame["and"] = frame["größe"] = frame["mag"]
    frame["name"] = [f"<b>{i}</b>" for i in range(N)]
    frame["score"] = 1.0  # hidden by what the model says
    frame["smooth_yes"], frame["smooth_total-votes"] = np.arange(N) % 40, 40
    frame["smooth_no"] = 40 - frame["smooth_yes"]
    return frame


def session(ratings: Path | None = None, **options: Any) -> az.Session:
    X = np.random.default_rng(0).normal(size=(N, 5))
    features = az.Representation(IDS, X)
    return az.Session(features, az.Catalog(table()), ratings=ratings, rater="eve", **options)


class Page:
    """The browser's side of a tool: what it sends, and what it was sent."""

    def __init__(self, tool: Explorer) -> None:
        self.tool = tool
        self.heard: list[tuple[str, dict[str, Any], list[Any] | None]] = []
        self.numbers = count(1000)
        for name in ("finder", "viewer", "gallery"):
            self._listen(name, getattr(tool, name))

    def _listen(self, name: str, view: Any) -> None:
        def heard(content: dict[str, Any], buffers: list[Any] | None = None) -> None:
            self.heard.append((name, content, buffers))

        view.send = heard

    def say(self, view: str, data: bytes | None = None, /, **content: Any) -> None:
        buffers = [] if data is None else [memoryview(data)]
        getattr(self.tool, view)._handle_custom_msg(content, buffers)

    def ask(self, kind: str, **content: Any) -> dict[str, Any]:
        """Ask as the finder does, and wait for the answer of the same number."""
        content = {"kind": kind, "n": next(self.numbers), **content}
        self.say("finder", **content)
        return until(
            lambda: next((c for _, c, _ in self.heard if c.get("n") == content["n"]), None)
        )

    def trouble(self) -> str:
        """Wait for the one thing that is wrong, and forget it."""
        [said] = until(lambda: [c for _, c, _ in self.heard if c.get("kind") == "trouble"])
        self.heard.clear()
        return str(said["trouble"])

    def act(self, kind: str, id_str: str, **more: Any) -> dict[str, Any]:
        """Send an act as the viewer does, and wait for what becomes of it."""
        token = f"t{next(self.numbers)}"
        self.say("viewer", kind="acts", acts=[{"act": kind, "id": id_str, "token": token, **more}])
        return until(lambda: next((c for _, c, _ in self.heard if c.get("token") == token), None))

    def file(self) -> tuple[str, bytes]:
        found = until(lambda: [(c, b) for _, c, b in self.heard if c.get("kind") == "file"])
        self.heard.clear()
        return found[-1][0]["name"], bytes(found[-1][1][0])

    @property
    def hung(self) -> list[str]:
        return [item["id"] for item in self.tool.gallery.items]

    @property
    def queue(self) -> list[str]:
        return [item["id"] for item in self.tool.viewer.queue]

    def found(self, about: str) -> list[str]:
        """Wait until the gallery says this of what it shows."""
        until(lambda: (self.tool.gallery.tab, self.tool.gallery.about) == ("found", about))
        return self.hung

    def settled(self) -> None:
        log = self.tool.session.log
        until(lambda: self.tool.header.level == "ready" and self.tool._drawn is not None)
        until(lambda: self.tool._drawn.n_events == len(log.events))


def opened(held: az.Session) -> Page:
    tool = az.explore(held, {"umap": held.representation.X[:, :2]})
    page = Page(tool)
    page.settled()
    return page


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = opened(session(tmp_path / "r.db"))
    yield made
    made.tool.close()


def marked(page: Page) -> list[str]:
    return sorted(IDS[row] for row in page.tool.map._selected)


# Finding


def test_words_are_counted_shown_and_marked(page: Page) -> None:
    frame = table()
    for words, mask in (
        ("mag < 15", frame["mag"] < 15),
        ("mag < 15 and type in ['E', 'Sa'] & ~flag", (frame["mag"] < 15) & (frame["type"] != "S0")),
        ('day >= "2021-01-01" AND unrated', frame["day"] >= "2021-01-01"),
        ('votes("smooth", "yes") > 0.5', (frame["smooth_yes"] + 1) / 42 > 0.5),
        ("ra > 0", frame["ra"] > 0),
        ("score > 0", frame["mag"] > 99),
    ):
        if "flag" in words:
            mask &= ~frame["flag"]
        assert page.ask("count", words=words)["count"] == mask.sum(), words
    page.say("finder", kind="show", words="mag<15 & type == 'E'")
    expected = session().where("mag < 15 AND type == 'E'")
    shown = page.found(f'{len(expected)} · mag < 15 AND type == "E"')
    assert sorted(shown) == sorted(expected)[:SHOWN] or len(expected) > SHOWN
    assert set(shown) <= set(expected) and len(shown) == SHOWN
    assert marked(page) == sorted(expected)
    assert page.tool.finder.words == 'mag < 15 AND type == "E"'
    # More of it at the end of the row, and no more than there are.
    page.say("gallery", kind="more")
    until(lambda: len(page.hung) == len(expected))
    assert page.hung[:SHOWN] == shown


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ('__import__("os").system("touch hacked")', "what can be called is"),
        ("mag.__class__", "cannot read"),
        ("<img src=x onerror=alert(1)>", "cannot read"),
        ("colour > 3", "colour"),
        ("near J999", "J999"),
        ("near #ring", "#ring"),
        ("type > 3", "type"),
        ("(" * 60 + "mag > 1" + ")" * 60, "deep"),
        ("mag > 1 AND " * 400, "2,000"),
        ("", "no words"),
    ],
)
def test_words_that_are_none_are_said_and_change_nothing(page: Page, words: str, why: str) -> None:
    before = page.hung
    assert why in page.ask("count", words=words)["trouble"]
    page.say("finder", kind="show", words=words)
    assert why in page.trouble()
    page.say("finder", kind="limit", words=words) if words else None
    assert not words or why in page.trouble()
    assert (page.tool.gallery.tab, page.hung) == ("top", before)
    assert page.tool.header.level == "ready" and page.tool.session.log.events == ()


def test_what_matches_nothing_shows_nothing(page: Page) -> None:
    assert page.ask("count", words="mag > 99")["count"] == 0
    page.say("finder", kind="show", words="mag > 99")
    assert page.found("0 · mag > 99") == [] and marked(page) == []
    page.say("gallery", kind="queue", ids=[])
    page.say("gallery", kind="rate", score=3, ids=[])
    page.act("rate", page.queue[0], score=3)
    page.settled()
    assert page.tool.header.n_rated == 1 and page.hung == [] and marked(page) == []


def test_only_the_last_of_many_counts_is_worked_out(page: Page) -> None:
    for n in range(1, 40):
        page.say("finder", kind="count", n=n, words=f"mag < {14 + n / 10}")
    until(lambda: [c for _, c, _ in page.heard if c.get("n") == 39])
    assert len([c for _, c, _ in page.heard if c.get("kind") == "count"]) < 39


def test_before_the_model_is_there_only_a_search_is_told_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = session(tmp_path / "r.db")
    held.limit("mag < 16")
    ready = threading.Event()
    update = az.Session.update

    def slowly(self: az.Session, *given: Any) -> Any:
        ready.wait(30)
        return update(self, *given)

    monkeypatch.setattr(az.Session, "update", slowly)
    made = Page(az.explore(session(tmp_path / "r.db")))
    assert made.act("rate", "J001", score=3)["kind"] == "saved"
    assert made.act("tag", "J001", tag="#ring")["kind"] == "saved"
    until(lambda: made.tool.header.n_rated == 1)
    made.say("finder", kind="show", words="mag < 15")
    assert "wait for the model" in made.trouble()
    made.tool._desk.submit(lambda: None).result()
    assert made.heard == []
    ready.set()
    made.settled()
    assert made.tool.finder.limit == "mag < 16"
    made.tool.close()


def test_a_selection_made_in_a_cell_is_shown(page: Page) -> None:
    held = page.tool.session
    page.tool.select(held.near("J100") & held.where("mag > 16"))
    about = f"{(table()['mag'] > 16).sum()} · near J100 AND mag > 16"
    assert page.found(about) == list(held.near("J100") & held.where("mag > 16"))[:SHOWN]
    assert page.tool.gallery.items[0]["distance"] > 0
    page.tool.select("mag < 15")
    assert len(page.found("100 · mag < 15")) == SHOWN
    with pytest.raises(TypeError, match=r"select shows a selection, such as .* got int"):
        page.tool.select(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="of another session"):
        page.tool.select(session().where("mag < 15"))
    with pytest.raises(ValueError, match="cannot read"):
        page.tool.select("mag <")


# Cuts


def test_each_column_says_how_it_can_be_cut(page: Page) -> None:
    names = {(entry["group"], entry["name"]) for entry in page.tool.finder.names}
    assert {("votes", "smooth"), ("columns", "mag"), ("model", "interest")} <= names
    assert ("columns", "score") not in names and ("columns", "smooth_yes") not in names

    def described(name: str, group: str = "columns", **more: Any) -> dict[str, Any]:
        return page.ask("describe", name=name, group=group, **more)

    assert described("mag")["form"] == "range" and sum(described("mag")["counts"]) == N
    assert "one value only, 7" in described("one")["why"]
    assert described("none")["form"] == "none" and described("name")["form"] == "none"
    assert {c["value"] for c in described("type")["choices"]} == {"E", "S0", "Sa"}
    assert sum(c["count"] for c in described("type")["choices"]) == N
    assert [c["value"] for c in described("flag")["choices"]] == ["no", "yes"]
    assert described("day")["date"] and described("day")["low"] > 1.5e9
    votes = described("smooth", "votes")
    assert votes["answers"] == ["yes", "no"] and votes["answer"] == "yes"
    assert votes["note"].endswith("(k + 1) / (N + 2) for k of N votes")
    assert described("smooth", "votes", answer="no")["answer"] == "no"
    assert "nothing" in described("nothing")["trouble"]


def test_sliders_and_choices_write_words_that_match_as_they_say(page: Page) -> None:
    frame = table()
    total = (frame["smooth_no"] + 1) / 42
    for name, group, more, words, mask in (
        ("mag", "columns", {"chosen": [15, None]}, "mag >= 15", frame["mag"] >= 15),
        ("mag", "columns", {"chosen": [15, 16]}, "15 <= mag <= 16", frame["mag"].between(15, 16)),
        ("mag", "columns", {"chosen": [None, None]}, "", None),
        ("type", "columns", {"chosen": ["E"]}, 'type == "E"', frame["type"] == "E"),
        ("type", "columns", {"chosen": []}, "", None),
        ("flag", "columns", {"chosen": ["no"]}, "NOT flag", ~frame["flag"]),
        ("flag", "columns", {"chosen": ["no", "yes"]}, "", None),
        (
            *("smooth", "votes", {"chosen": [0.5, None], "answer": "no"}),
            *('votes("smooth", "no") >= 0.5', total >= 0.5),
        ),
    ):
        reply = page.ask("say", name=name, group=group, **more)
        assert reply["words"] == reply["said"] == words
        if mask is not None:
            assert page.ask("count", words=words)["count"] == mask.sum()
    reply = page.ask("say", name="type", group="columns", chosen=["<b>"])
    assert "<b>" in reply["trouble"]


def test_a_cut_takes_its_own_place_in_the_words(page: Page) -> None:
    for before, words, chosen, after in (
        ("", "flag", [15, None], "flag AND mag >= 15"),
        ("", "flag OR ra > 15", [15, None], "(flag OR ra > 15) AND mag >= 15"),
        ("mag >= 15", "mag >= 15 AND mag >= 15.5", [16, None], "mag >= 16 AND mag >= 15.5"),
        ("mag >= 15", "mag>=15 & flag", None, "flag"),
        ("mag >= 15", "flag OR mag >= 15", None, "flag OR mag >= 15"),
    ):
        asked = {"name": "mag", "group": "columns", "said": before, "words": words}
        reply = page.ask("say", **asked, chosen=chosen)
        assert reply["words"] == after
        if chosen is None:
            assert page.ask("without", said=before, words=words)["words"] == after
        else:
            assert reply["said"] == f"mag >= {chosen[0]}"
    half = page.ask("say", name="mag", group="columns", words="flag AND", chosen=[15, None])
    assert "ends where more is expected" in half["trouble"]


def test_what_is_offered_can_be_read(page: Page) -> None:
    offered = [words for known in page.tool.finder.names for words in known["words"]]
    votes = {'votes("smooth", "yes")', 'votes("smooth", "no")'}
    assert {"mag", "interest", "`petro r`", "`and`", "größe", *votes} <= set(offered)
    for words in ("mag", "interest", "`petro r`", "`and`", "größe", *votes):
        assert "count" in page.ask("count", words=f"{words} < 3"), words


def test_cuts_are_found_in_words(page: Page) -> None:
    said = 'mag>15 & type in ["E","Sa"] AND votes("smooth", "no") >= 0.5 AND NOT flag AND near J007'
    reply = page.ask("cuts", words=said)
    found = {cut["name"]: cut for cut in reply["cuts"]}
    assert found["mag"]["said"] == "mag > 15"
    chosen = {"mag": [15, None], "type": ["E", "Sa"], "smooth": [0.5, None], "flag": ["no"]}
    assert {name: list(cut["chosen"]) for name, cut in found.items()} == chosen
    assert (found["smooth"]["group"], found["smooth"]["answer"]) == ("votes", "no")
    for words in (
        *("near J007", "mag > 15 OR flag", "one < 7", "17 < mag < 15"),
        'votes("smooth", "maybe") > 0.5',
    ):
        reply = page.ask("cuts", words=words)
        assert "trouble" in reply or reply["cuts"] == [], words
    assert "colour" in page.ask("count", words="colour > 3")["trouble"]


def test_a_cut_on_the_model_follows_it(page: Page) -> None:
    before = page.ask("describe", name="interest", group="model")
    for i, id_str in enumerate(page.queue[:12]):
        page.act("rate", id_str, score=5 * (i % 2))
    page.settled()
    after = page.ask("describe", name="interest", group="model")
    assert after != before and after["form"] == "range"
    mean = page.tool.session.state.posterior.mean
    reply = page.ask("count", words=f"interest > {np.median(mean)}")
    assert reply["count"] == N / 2


# More like these


def test_more_like_one_or_like_those_that_are_marked(page: Page) -> None:
    held = session()
    page.say("viewer", kind="like", id="J007")
    assert page.found(f"{N - 1} · near J007") == list(held.near("J007"))[:SHOWN]
    page.say("gallery", kind="like", ids=["J001", "J002"])
    two = list(held.near(["J001", "J002"]))[:SHOWN]
    until(lambda: page.hung == two)
    distances = [item["distance"] for item in page.tool.gallery.items]
    assert distances == sorted(distances)
    page.say("gallery", kind="like", ids=[])
    page.say("viewer", kind="like", id="nobody")
    assert "nobody" in page.trouble()
    assert page.hung == two


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (48, 48, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_finds_its_like() -> None:
    encoder = az.encoders.Pixels()
    catalog = az.Catalog({"id_str": IDS[:60], "image": [picture(i) for i in range(60)]})
    made = opened(az.Session(az.embed(catalog, encoder, progress=False), catalog, encoder=encoder))
    assert made.tool.finder.images
    made.say("finder", picture(42), kind="image", name="<b>mine</b>.png")
    until(lambda: made.tool.gallery.tab == "found" and made.hung[:1] == ["J042"])
    assert made.tool.finder.words == "", "no words say what a picture holds"
    shown = made.hung
    for data in (b"", b"no picture", picture(1)[:60], b"\x00" * 5000):
        made.say("finder", data, kind="image", name="x.png")
        assert "image" in made.trouble()
    assert made.hung == shown and made.tool.header.level == "ready"
    made.tool.close()


def test_without_the_encoder_a_picture_cannot_be_asked_with(page: Page) -> None:
    assert not page.tool.finder.images
    page.say("finder", picture(0), kind="image", name="x.png")
    assert "encoder" in page.trouble()


# Tags


def test_a_tag_is_stored_shown_offered_and_searched(page: Page, tmp_path: Path) -> None:
    page.act("tag", "J005", tag="#Ring")
    page.act("tag", "J006", tag="#ring")
    page.act("tag", "J006", tag="#blau_ü-2")
    assert page.tool.viewer.tags == {"J005": ["#ring"], "J006": ["#ring", "#blau_ü-2"]}
    until(lambda: set(page.tool.finder.tags) == {"#ring", "#blau_ü-2"})
    assert [e.word for e in read_events(tmp_path / "r.db")] == ["#ring", "#ring", "#blau_ü-2"]
    page.say("finder", kind="show", words="#ring")
    assert set(page.found("2 · tagged #ring")) == {"J005", "J006"}
    carried = {("#ring",), ("#ring", "#blau_ü-2")}
    until(lambda: {tuple(item["tags"]) for item in page.tool.gallery.items} == carried)
    page.say("finder", kind="show", words="near #ring AND unrated")
    expected = list(session().near(["J005", "J006"]))[:SHOWN]
    assert page.found(f"{N - 2} · near #ring AND unrated") == expected
    page.act("untag", "J005", tag="#ring")
    until(lambda: page.tool.viewer.tags == {"J006": ["#ring", "#blau_ü-2"]})
    assert page.tool.header.n_rated == 0 and page.tool.viewer.history == []


def test_many_are_tagged_together(page: Page, tmp_path: Path) -> None:
    ids = page.hung[:3]
    page.say("gallery", kind="tag", ids=ids, tag="Odd")
    until(lambda: page.tool.session.tags == {"#odd": tuple(ids)})
    page.say("finder", kind="show", words="mag < 14.5")
    expected = session().where("mag < 14.5")
    page.found(f"{len(expected)} · mag < 14.5")
    page.say("gallery", kind="tag", ids=[], tag="#bright")
    until(lambda: "#bright" in page.tool.finder.tags)
    assert set(page.tool.session.tags["#bright"]) == set(expected)
    assert len(read_events(tmp_path / "r.db")) == 3 + len(expected)
    for many, tag, why in ((["nobody"], "#odd", "nobody"), (ids, "two words", "a tag is")):
        page.say("gallery", kind="tag", ids=many, tag=tag)
        assert why in page.trouble()
    assert len(read_events(tmp_path / "r.db")) == 3 + len(expected)


@pytest.mark.parametrize("tag", ["", "#", "#a b", "#<img/src=x>", "ring;drop", "#" + "x" * 60])
def test_what_is_no_tag_is_refused_and_said(page: Page, tag: str) -> None:
    refused = page.act("tag", "J005", tag=tag)
    assert refused["kind"] == "refused" and "tag" in refused["reason"]
    assert page.tool.header.level == "error" and page.tool.session.log.events == ()
    page.act("tag", "J005", tag="#good")
    until(lambda: page.tool.viewer.tags == {"J005": ["#good"]})
    page.settled()


def test_the_tags_are_known_before_the_browser_forgets_the_act(page: Page) -> None:
    known: list[dict[str, Any]] = []
    send = page.tool.viewer.send

    def heard(content: dict[str, Any], buffers: Any = None) -> None:
        if content["kind"] == "saved":
            known.append(dict(page.tool.viewer.tags))
        send(content, buffers)

    page.tool.viewer.send = heard  # type: ignore[method-assign]
    page.act("tag", "J005", tag="#ring")
    page.act("untag", "J005", tag="#ring")
    until(lambda: len(known) == 2)
    assert known == [{"J005": ["#ring"]}, {}]


# The limit


def test_everything_keeps_to_a_limit_and_is_free_again(page: Page, tmp_path: Path) -> None:
    for i, id_str in enumerate(page.queue[:6]):
        page.act("rate", id_str, score=i % 6)
    page.settled()
    within = set(session().where("mag < 16"))
    page.say("finder", kind="limit", words="mag<16")
    until(lambda: page.tool.finder.limit == "mag < 16" and page.tool.finder.within == len(within))
    page.settled()
    assert page.queue and set(page.queue) <= within
    until(lambda: set(page.hung) <= within and page.tool.map._limit is not None)
    assert {IDS[row] for row in page.tool.map._limit.rows} == within
    # What is found, and more like this, keep to it, too.
    page.say("finder", kind="show", words="type == 'E'")
    until(lambda: page.tool.gallery.tab == "found" and page.hung)
    assert set(page.hung) <= within
    page.say("viewer", kind="like", id="J500")
    until(lambda: page.tool.gallery.about == f"{len(within)} · near J500")
    assert set(page.hung) <= within
    # It is there in the tool of another day.
    again = opened(session(tmp_path / "r.db"))
    until(lambda: again.tool.finder.limit == "mag < 16")
    assert set(again.queue) <= within and set(again.hung) <= within
    assert again.tool.finder.within == len(within)
    again.say("finder", kind="limit", words="")
    until(lambda: again.tool.finder.limit == "" and again.tool.finder.within == N)
    until(lambda: not set(again.hung) <= within and again.tool.map._limit is None)
    again.tool.close()


def test_matches_are_counted_within_the_limit_or_of_all(page: Page) -> None:
    frame = table()
    page.tool.finder.words = "mag<15"
    page.say("finder", kind="limit", words="mag<15")
    until(lambda: page.tool.finder.limit == page.tool.finder.words == "mag < 15")
    both = int(((frame["mag"] < 15) & (frame["ra"] > 11)).sum())
    assert page.ask("count", words="ra > 11")["count"] == both > 0
    assert page.ask("count", words="ra > 11", free=True)["count"] == (frame["ra"] > 11).sum()
    page.tool.finder.words = "mag < 16 AND"  # typed on meanwhile
    page.say("finder", kind="limit", words="mag<16")
    until(lambda: page.tool.finder.limit == "mag < 16")
    assert page.tool.finder.words == "mag < 16 AND"


def test_a_limit_that_leaves_nothing(page: Page) -> None:
    page.act("rate", page.queue[0], score=3)
    page.settled()
    page.say("finder", kind="limit", words="mag > 99")
    until(lambda: page.tool.finder.within == 0 and page.tool.viewer.done)
    page.settled()
    assert page.queue == [] and page.hung == []
    assert page.ask("count", words="mag < 15")["count"] == 0
    page.say("gallery", kind="queue", ids=[])
    page.say("finder", kind="limit", words="")
    until(lambda: len(page.queue) == AHEAD and not page.tool.viewer.done)
    page.settled()


def test_a_limit_on_interest_is_asked_again(page: Page) -> None:
    for i, id_str in enumerate(page.queue[:12]):
        page.act("rate", id_str, score=5 * (i % 2))
    page.settled()
    page.say("finder", kind="limit", words="interest > 2.5")
    until(lambda: page.tool.finder.limit == "interest > 2.5")
    page.settled()
    first = page.tool.finder.within
    assert first == (page.tool.session.state.posterior.mean > 2.5).sum()
    for id_str in page.queue[:5]:
        page.act("rate", id_str, score=0)
    page.settled()
    until(lambda: page.tool.finder.within == (page.tool.session.state.posterior.mean > 2.5).sum())
    assert page.tool.finder.within != first


# Look through, rate, save


def test_what_is_looked_through_comes_next_in_its_order(page: Page) -> None:
    page.say("viewer", kind="like", id="J300")
    near = list(session().near("J300"))
    until(lambda: page.hung == near[:SHOWN])
    page.say("gallery", kind="queue", ids=[])
    until(lambda: page.queue[:AHEAD] == near[:AHEAD])
    assert {item["reason"] for item in page.tool.viewer.queue[:AHEAD]} == {"from your selection"}
    until(lambda: [c for n, c, _ in page.heard if (n, c["kind"]) == ("viewer", "first")])
    for turn in range(3):
        page.act("rate", near[turn], score=turn)
    until(lambda: page.queue[:10] == near[3:13])
    page.settled()
    assert page.queue[:10] == near[3:13], "the model does not take them away"
    page.say("gallery", kind="queue", ids=["J010", "J020"])
    until(lambda: page.queue[:2] == ["J010", "J020"])
    assert "from your selection" not in {item["reason"] for item in page.tool.viewer.queue[2:]}


def test_a_lasso_is_looked_through_and_let_go(page: Page) -> None:
    rows = np.arange(50, 90)
    page.tool._soon(page.tool._enclosed, rows)
    assert set(page.found("40 · lasso")) <= set(IDS[50:90])
    page.say("gallery", kind="queue", ids=[])
    until(lambda: set(page.queue[:AHEAD]) <= set(IDS[50:90]))
    page.tool._soon(page.tool._enclosed, np.zeros(0, dtype=int))
    until(lambda: page.tool.gallery.about == "nothing is selected")
    assert page.hung == []


def test_many_are_rated_together(page: Page) -> None:
    ids = page.hung[:5]
    page.say("gallery", kind="rate", score=4, ids=ids)
    until(lambda: page.tool.header.n_rated == 5)
    assert page.tool.session.opinions.mean_scores == dict.fromkeys(ids, 4.0)
    assert all(e.reason.startswith("rated together") for e in page.tool.session.log.events)
    page.settled()
    for score, many, why in (
        (4, IDS[: TOGETHER + 1], f"at most {TOGETHER}"),
        (9, IDS[:3], "9"),
        (None, IDS[:3], "None"),
        (4, ["nobody"], "nobody"),
    ):
        page.say("gallery", kind="rate", score=score, ids=many)
        until(lambda why=why: page.tool.header.level == "error" and why in page.tool.header.status)
        assert len(page.tool.session.log.events) == 5
    page.act("rate", IDS[0], score=1)
    page.settled()


@pytest.mark.parametrize("form", ["csv", "parquet", "fits", "vot", "ecsv", "png", "pdf", "reg"])
def test_what_is_shown_is_saved(page: Page, form: str, tmp_path: Path) -> None:
    page.say("finder", kind="show", words="mag < 14.5")
    ids = set(session().where("mag < 14.5"))
    page.found(f"{len(ids)} · mag < 14.5")
    page.say("gallery", kind="save", format=form, ids=[])
    name, data = page.file()
    assert name == f"selection.{form}"
    if form in ("png", "pdf"):
        assert data.startswith(b"\x89PNG" if form == "png" else b"%PDF")
    elif form == "reg":
        placed = table().dropna(subset="ra")["id_str"]
        said = {
            line.split("text={")[1].split()[0].rstrip("}")
            for line in data.decode().splitlines()
            if "text={" in line
        }
        assert said == ids & set(placed)
    else:
        (tmp_path / name).write_bytes(data)
        assert set(az.Catalog.read(tmp_path / name).ids.tolist()) == ids
    page.say("gallery", kind="save", format="exe", ids=[])
    page.say("gallery", kind="save", format="csv", ids=["J003", "J001"])
    name, data = page.file()
    lines = [line for line in data.decode().splitlines() if not line.startswith("#")]
    assert {line.split(",")[1] for line in lines[1:]} == {"J001", "J003"}


def test_a_sheet_of_some_says_that_there_are_more(tmp_path: Path) -> None:
    made = session()
    for words, top, title in (
        ("mag > 14", None, "mag > 14, the first 500 of 599"),
        ("mag > 14", 20, "mag > 14"),
        ("mag < 14.5", None, "mag < 14.5"),
    ):
        made.export(tmp_path / "sheet.png", top, of=words)
        with Image.open(tmp_path / "sheet.png") as sheet:
            assert sheet.info["Title"] == title


def test_each_tab_is_saved_as_what_it_is(page: Page) -> None:
    for i, id_str in enumerate(page.queue[:3]):
        page.act("rate", id_str, score=i)
    page.settled()

    def saved() -> list[str]:
        page.say("gallery", kind="save", format="csv", ids=[])
        _, data = page.file()
        lines = [line for line in data.decode().splitlines() if not line.startswith("#")]
        return [line.split(",")[1] for line in lines[1:]]

    rated = set(page.tool.session.opinions.scores)
    assert len(saved()) == N - 3 and not rated & set(saved())
    page.tool.gallery.tab = "rated"
    until(lambda: set(page.hung) == rated)
    assert set(saved()) == rated
    page.tool.viewer.shown = "J050"
    page.tool.gallery.tab = "near"
    until(lambda: "J050" in page.tool.gallery.about and page.hung)
    assert page.hung == list(session().near("J050"))[:SHOWN]
    assert set(page.hung) <= set(saved())


def test_the_gallery_grows_to_its_end_and_begins_anew(page: Page) -> None:
    lengths = [len(page.hung)]
    for _ in range(12):
        before = len(page.hung)
        page.say("gallery", kind="more")
        if before == MOST:
            break
        until(lambda before=before: len(page.hung) > before)
        lengths.append(len(page.hung))
    assert lengths[0] == SHOWN and lengths[-1] == MOST
    page.say("finder", kind="show", words="mag > 15")
    assert len(page.found("500 · mag > 15")) == SHOWN


# The map


def test_the_map_takes_the_colours_and_places_of_columns(page: Page) -> None:
    bar = page.tool.map.bar
    assert "column:type" in {choice["value"] for choice in bar.colours}
    bar.colour = "column:type"
    until(lambda: set(bar.words) == {"E", "S0", "Sa"})
    page.tool._soon(page.tool._hovered, 33)
    item = until(lambda: page.tool.map.tip.item)
    assert item["id"] == "J033" and item["values"] == [["type", table()["type"][33]]]
    for column in ("mag", "one", "none", "name", "day", "flag"):
        bar.colour = f"column:{column}"
        until(lambda column=column: page.tool.map.colouring.name == column)
    assert page.tool.header.level == "ready"
    for arrangement in ("sky", "aitoff", "columns", "pca", "umap"):
        bar.arrangement = arrangement
        until(
            lambda arrangement=arrangement: page.tool._arrangement._shown.startswith(
                {"columns": "x:"}.get(arrangement, arrangement)
            )
        )
        if arrangement == "sky":
            assert bar.about.endswith(f"{N // 10} without a position")
    assert page.tool.header.level == "ready"
