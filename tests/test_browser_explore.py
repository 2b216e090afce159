"""Exploring in a real browser: finding in words, tags, cuts, limits, the map, and what is saved."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from jupyter_page import (
    ALL_RUN,
    COLOURS,
    KERNEL_READY,
    RUN_ALL,
    Lab,
    OpenNotebook,
    acts,
    press,
    rated,
    ready,
    shown,
)
from PIL import Image
from waiting import until

import anomaly_zoo as az
from anomaly_zoo.links import links

pytestmark = pytest.mark.browser

Open = Callable[..., OpenNotebook]
ZOO = [
    "import anomaly_zoo as az\ngalaxies = az.examples.zoo()",
    "session = az.Session(galaxies.features, galaxies.catalog, ratings={file!r}, rater='eve',"
    " encoder=az.encoders.Zoonet())",
    "tool = az.explore(session, {{'umap': galaxies.features.X[:, :2]}})\ntool",  # no time for UMAP
]
FIRST = 24
WRONG = ".az-count.az-wrong"


def zoo(file: str) -> list[str]:
    return [cell.format(file=file) for cell in ZOO]


@pytest.fixture(scope="module")
def galaxies() -> Any:
    return az.examples.zoo(progress=False)


@pytest.fixture(scope="module")
def known(galaxies: Any) -> az.Session:
    """The same galaxies here, to compare with what the page shows."""
    return az.Session(galaxies.features, galaxies.catalog)


def leave(page: Any) -> None:
    """Give the keys back to the galaxy on the screen."""
    for _ in range(2):  # the first may only fold the offers
        if page.evaluate("document.activeElement.matches('.az-root input')"):
            page.keyboard.press("Escape")


def find(page: Any, words: str, enter: bool = True) -> None:
    """Type words into the finder by the keys alone."""
    leave(page)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.className") == "az-words"
    page.keyboard.type(words)
    if enter:
        page.keyboard.press("Enter")


def hung(page: Any) -> list[str]:
    """The ids in the gallery."""
    return page.eval_on_selector_all(".az-thumb", "all => all.map(node => node.dataset.id)")


def open_tab(page: Any) -> str:
    return str(page.get_attribute('.az-gallery [aria-selected="true"]', "data-tab"))


def tag(page: Any, word: str) -> None:
    page.keyboard.press("t")
    assert page.evaluate("document.activeElement.className") == "az-word"
    page.keyboard.type(word)
    page.keyboard.press("Enter")


def add_cut(page: Any, group: str, name: str) -> Any:
    page.select_option(".az-drawer > select", json.dumps([group, name], separators=(",", ":")))
    cut = page.locator(".az-cut").last
    until(lambda: "…" not in cut.inner_text())
    return cut


def slide(page: Any, slider: Any, key: str, times: int) -> None:
    slider.focus()
    for _ in range(times):
        page.keyboard.press(key)


def words(page: Any) -> str:
    return str(page.input_value(".az-words"))


def settled(page: Any) -> str:
    """The words when the last key of a slider has been answered."""
    before = ""
    while before != words(page):
        before = words(page)
        page.wait_for_timeout(600)
    return before


def test_find_tag_cut_and_limit_by_the_keys(
    notebook: Open, lab: Lab, galaxies: Any, known: az.Session
) -> None:
    opened = notebook("search.ipynb", zoo("search.db"))
    page, file = opened.page, lab.folder / "search.db"
    table = galaxies.catalog.table.set_index("id_str")
    ready(page)
    press(page, "05301")
    until(lambda: rated(page) == 5)

    # How many match is said while it is typed; Enter shows them.
    n = int((table["truth_magnitude"] < 15).sum())
    find(page, "truth_magnitude < 1", enter=False)
    until(lambda: page.inner_text(".az-count") == "none of 5,000 galaxies matches")
    page.keyboard.type("5")
    until(lambda: page.inner_text(".az-count") == f"{n:,} of 5,000 galaxies match")
    assert rated(page) == 5, "digits in the line rate nothing"
    page.keyboard.press("Enter")
    until(lambda: open_tab(page) == "found" and len(hung(page)) == FIRST)
    until(lambda: page.inner_text(".az-about") == f"{n:,} · truth_magnitude < 15")
    assert (table["truth_magnitude"].loc[hung(page)] < 15).all()
    leave(page)

    # More like the one on the screen, nearest first, as `session.near` says.
    this = shown(page)
    page.keyboard.press("m")
    until(lambda: page.inner_text(".az-about") == f"1,000 · near {this}")
    until(lambda: hung(page) == list(known.near(this))[:FIRST])

    # A tag is kept on disk, offered again, and searched by.
    tag(page, "Ring")
    until(lambda: page.inner_text(".az-tags") == "#ring ✕")
    until(lambda: [(e.kind, e.id_str, e.word) for e in acts(file)[5:]] == [("tag", this, "#ring")])
    press(page, "4")
    page.wait_for_selector(".az-frame img")
    assert page.inner_text(".az-tags") == ""
    until(
        lambda: (
            page.eval_on_selector_all(".az-viewer datalist option", "all => all.map(o => o.value)")
            == ["#ring"]
        )
    )
    find(page, "near #r", enter=False)
    page.wait_for_selector(".az-offer:text-is('#ring')")
    page.keyboard.press("Tab")
    assert words(page) == "near #ring"
    page.keyboard.press("Enter")
    until(lambda: page.inner_text(".az-about") == "1,000 · near #ring")
    assert hung(page) == list(known.near(this))[:FIRST], "the tagged one is the only example"
    find(page, "#ring")
    until(lambda: hung(page) == [this])
    leave(page)

    # What is no tag is said as it was typed, and nothing of it becomes an element.
    tag(page, "<img/src=x>")
    assert page.inner_text(".az-message").endswith("got #<img/src=x>")
    assert page.locator(".az-root img[src=x]").count() == 0
    page.keyboard.press("Control+a")
    page.keyboard.type("blue, bar_red")
    page.keyboard.press("Enter")
    until(lambda: page.inner_text(".az-tags").split() == ["#blue", "✕", "#bar_red", "✕"])
    page.click(".az-tagged:has-text('#blue')")
    until(lambda: [e.kind for e in acts(file)[7:]] == ["tag", "tag", "untag"])
    assert page.inner_text(".az-tags") == "#bar_red ✕"

    # Cuts write the words: a column by its slider, a share of votes by the answer.
    page.click("text=Cuts")
    page.click(".az-words")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    cut = add_cut(page, "columns", "truth_magnitude")
    slide(page, cut.locator("input").first, "PageUp", 5)
    slide(page, cut.locator("input").first, "ArrowRight", 20)
    until(lambda: words(page).startswith("truth_magnitude >= "))
    faint = float(settled(page).split(">=")[1])
    votes = add_cut(page, "votes", "has-spiral-arms")
    assert votes.locator("option").all_inner_texts() == ["yes", "no"]
    slide(page, votes.locator("input").first, "PageUp", 7)
    until(lambda: 'votes("has-spiral-arms", "yes") >= 0.' in words(page))
    given = re.fullmatch(
        r'truth_magnitude >= ([\d.]+) AND votes\("has-spiral-arms", "yes"\) >= ([\d.]+)',
        settled(page),
    )
    assert given and float(given[1]) == faint > 15
    yes, total = table["has-spiral-arms_yes"], table["has-spiral-arms_total"]
    within = (table["truth_magnitude"] >= faint) & ((yes + 1) / (total + 2) >= float(given[2]))
    n = int(within.sum())
    assert 100 < n < 2000
    until(lambda: page.inner_text(".az-count") == f"{n:,} of 5,000 galaxies match")

    # The limit: map, gallery, and next galaxies keep to it.
    page.click('.az-gallery [data-tab="top"]')
    until(lambda: open_tab(page) == "top")
    wide = sum(page.evaluate(COLOURS).values())
    limited = words(page)
    page.click(".az-find >> text=Limit")
    page.wait_for_selector(f".az-kept:has-text('limited to {n:,}: truth_magnitude')")
    until(lambda: acts(file)[-1].kind == "limit" and acts(file)[-1].word == limited)
    until(lambda: hung(page) and within.loc[hung(page)].all())
    until(lambda: sum(page.evaluate(COLOURS).values()) < 0.8 * wide)
    page.click(".az-frame")
    before = rated(page)
    page.wait_for_selector('.az-status[data-level="ready"]')
    assert within.loc[press(page, "2410")[1:]].all()
    until(lambda: rated(page) == before + 4)

    # It is there after a reload, and with a new kernel.
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.reload()
    ready(page)
    assert page.inner_text(".az-kept") == f"limited to {n:,}: {limited} ✕"
    assert within.loc[[shown(page), *hung(page)]].all()
    until(lambda: page.locator(".az-cut input").count() == 4)
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    page.wait_for_function(KERNEL_READY)
    page.evaluate(RUN_ALL)
    page.wait_for_function(ALL_RUN)
    ready(page)
    until(lambda: page.inner_text(".az-kept") == f"limited to {n:,}: {limited} ✕")
    assert within.loc[[shown(page), *hung(page)]].all()

    # The sliders stand where they stood, and move the same cut on.
    page.click(".az-find button:has-text('Cuts')")
    until(lambda: page.locator(".az-cut input").count() == 4)
    assert words(page) == limited
    assert page.locator(".az-cut b").all_inner_texts() == ["truth_magnitude", "has-spiral-arms"]
    least, most = page.locator(".az-cut input").nth(0), page.locator(".az-cut input").nth(1)
    end = int(most.get_attribute("max"))
    assert 0 < int(least.input_value()) < end == int(most.input_value())
    said = page.locator(".az-cut").nth(0).locator(".az-cut-ends span").nth(0)
    assert said.inner_text() == least.get_attribute("aria-valuetext") == f"{faint:g}"
    slide(page, least, "PageDown", 2)
    until(lambda: words(page) != limited and words(page).startswith("truth_magnitude >= "))
    moved = settled(page)
    assert float(moved.split()[2]) < faint and moved.split(" AND ")[1] == limited.split(" AND ")[1]
    until(lambda: acts(file)[-1].word == moved)
    until(lambda: f": {moved} ✕" in page.inner_text(".az-kept"))

    # Another search beside the limit keeps within it, and its sliders leave the limit alone.
    kept = page.inner_text(".az-kept")
    find(page, 'kind == "elliptical" OR rated', enter=False)
    until(lambda: page.inner_text(".az-count").endswith(" within the limit match"))
    until(lambda: int(least.input_value()) == 0)  # they follow the words
    n_acts = len(acts(file))
    slide(page, most, "PageDown", 3)
    until(
        lambda: re.fullmatch(
            r'\(kind == "elliptical" OR rated\) AND truth_magnitude <= [\d.]+', words(page)
        )
    )
    settled(page)
    assert page.inner_text(".az-kept") == kept and len(acts(file)) == n_acts
    page.click(".az-cut .az-bare >> nth=0")
    until(lambda: words(page) == 'kind == "elliptical" OR rated')
    page.click(".az-kept")
    page.wait_for_selector(".az-kept", state="hidden")
    until(lambda: not within.loc[hung(page)].all())
    assert [p for p in opened.problems if "external" in p or "page error" in p] == []


def lasso(page: Any, left: float, right: float, top: float, bottom: float) -> None:
    """Draw around a part of the map, in shares of its size."""
    page.click('.az-tools [data-act="LassoSelectTool"]')
    box = page.locator(".az-pane").bounding_box()
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    places = [(box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def drawn_anew(page: Any, before: Any) -> Any:
    """Wait until the map has other colours, and no longer others."""
    until(lambda: page.evaluate(COLOURS) != before)
    while (drawn := page.evaluate(COLOURS)) != before:
        before = drawn
        page.wait_for_timeout(250)
    return drawn


def saved(page: Any, form: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.select_option('.az-actions select[title^="Save"]', form)
    assert download.value.suggested_filename == f"selection.{form}"
    download.value.save_as(folder / f"selection.{form}")
    return folder / f"selection.{form}"


def test_from_a_lasso_to_the_disk(
    notebook: Open, lab: Lab, galaxies: Any, known: az.Session, tmp_path: Path
) -> None:
    opened = notebook("around.ipynb", zoo("around.db"))
    page, file = opened.page, lab.folder / "around.db"
    ready(page)

    # The map by other columns: colours with a legend, places on the sky and by two columns.
    bar = page.locator(".az-mapbar select")
    drawn = page.evaluate(COLOURS)
    bar.nth(0).select_option("column:kind")
    until(lambda: page.locator(".az-kind").count() > 5)
    kinds = set(galaxies.catalog.table["kind"])
    assert set(page.locator(".az-kind").all_inner_texts()) <= kinds | {"other"}
    drawn = drawn_anew(page, drawn)
    for number, choice in (
        (0, "column:truth_magnitude"),
        *((1, "sky"), (1, "columns"), (2, "truth_magnitude"), (3, "truth_snr")),
    ):
        bar.nth(number).select_option(choice)
        drawn = drawn_anew(page, drawn)
    assert page.locator(".az-kind").count() == 0

    # A lasso around the bright half; those are looked through one after the other.
    lasso(page, 0.05, 0.5, 0.05, 0.95)
    until(lambda: open_tab(page) == "found" and page.inner_text(".az-about").endswith("lasso"))
    n = int(page.inner_text(".az-about").split()[0].replace(",", ""))
    inside = until(lambda: hung(page))
    magnitude = galaxies.catalog.table.set_index("id_str")["truth_magnitude"]
    assert 50 < n < 4000 and magnitude.loc[inside].max() < magnitude.max() - 1
    page.click("text=Look through")
    until(lambda: shown(page) == inside[0])
    assert page.inner_text(".az-reason") == "from your selection"
    assert press(page, "031") == inside[:3]
    until(
        lambda: (
            [(e.id_str, e.score) for e in acts(file)] == [*zip(inside[:3], (0, 3, 1), strict=True)]
        )
    )
    assert all(e.reason == "from your selection" for e in acts(file))

    # Where others show that place of the sky.
    place = galaxies.catalog.table.set_index("id_str").loc[shown(page)]
    opened_by = page.eval_on_selector_all(
        ".az-links a", "all => all.map(a => [a.textContent, a.href, a.target, a.rel])"
    )
    assert opened_by == [
        [name, url, "_blank", "noopener noreferrer"]
        for name, url in links(place["ra"], place["dec"]).items()
    ]

    # Marked with Shift and a click, and with the space bar: more like these, rate these.
    thumbs = page.locator(".az-thumb")
    assert page.locator("text=Like these").is_hidden()
    thumbs.nth(5).click(modifiers=["Shift"])
    thumbs.nth(5).press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert page.inner_text(".az-about").startswith("2 marked · ")
    assert page.locator(".az-marked").count() == 2
    two = [inside[5], inside[7]]
    assert [page.locator(f".az-row [tabindex='{n}']").count() for n in (0, -1)] == [1, FIRST - 1]
    page.click(".az-tagging")
    page.keyboard.type("Pair 1")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{WRONG}:has-text('a tag is')")
    page.click(".az-tagging")
    page.keyboard.type("pair")
    page.keyboard.press("Enter")
    until(lambda: [(e.id_str, e.word) for e in acts(file)[3:]] == [(i, "#pair") for i in two])
    page.click("text=Like these")
    until(lambda: hung(page) == list(known.near(two))[:FIRST])
    assert page.locator(".az-marked").count() == 0
    alike = hung(page)
    for place in (0, 2):
        thumbs.nth(place).click(modifiers=["Shift"])
    page.select_option('.az-actions select[title^="Rate"]', "5")
    until(lambda: rated(page) == 5)
    assert [(e.id_str, e.score) for e in acts(file)[5:]] == [(alike[0], 5.0), (alike[2], 5.0)]
    page.wait_for_selector('.az-thumb[aria-label*="rated 5"]')

    # What is marked is saved, and without marks all of it.
    frame = pd.read_csv(saved(page, "csv", tmp_path), comment="#")
    assert set(frame["id_str"]) == {alike[0], alike[2]}
    text = saved(page, "reg", tmp_path).read_text(encoding="utf-8")
    assert set(re.findall(r"text=\{(\S+?)[ }]", text)) == {alike[0], alike[2]}
    with Image.open(saved(page, "png", tmp_path)) as sheet:
        assert min(sheet.size) > 100 and len(sheet.convert("L").getcolors(256)) > 50
    for place in (0, 2):
        thumbs.nth(place).click(modifiers=["Shift"])
    frame = pd.read_csv(saved(page, "csv", tmp_path), comment="#")
    assert len(frame) == 1000 and set(frame["id_str"]) == set(known.near(two))

    # All that are shown at once.
    page.focus('.az-gallery [data-tab="found"]')
    for tab, key in (("rated", "Right"), ("top", "Right"), ("rated", "Left"), ("top", "Right")):
        page.keyboard.press(f"Arrow{key}")
        until(lambda tab=tab: open_tab(page) == tab)
    until(lambda: set(hung(page)).isdisjoint(alike[:1]))
    page.wait_for_selector('.az-status[data-level="ready"]')
    page.wait_for_timeout(300)
    best = hung(page)
    page.select_option('.az-actions select[title^="Rate"]', "2")
    until(lambda: rated(page) == 5 + FIRST)
    assert [e.id_str for e in acts(file)[7:]] == best
    until(lambda: set(hung(page)).isdisjoint(best))

    # A picture of one's own: the galaxy that it shows is the closest.
    one, picture = galaxies.catalog.table[["id_str", "image"]].iloc[4321]
    (tmp_path / "mine.jpg").write_bytes(picture)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    page.locator(".az-find input[type=file]").set_input_files(tmp_path / "broken.jpg")
    page.wait_for_selector(WRONG)
    page.locator(".az-find input[type=file]").set_input_files(tmp_path / "mine.jpg")
    until(lambda: open_tab(page) == "found" and hung(page)[:1] == [one])
    assert opened.problems == []


NASTY = """
import numpy as np, pandas as pd, anomaly_zoo as az
rng = np.random.default_rng(0)
n = 10_000
tag = '<img src=x onerror="window.hacked=1">'
sky = rng.uniform(0, 60, (n, 2))
sky[::3] = np.nan
table = pd.DataFrame({
    "id_str": [f"J{i}" for i in range(n)],
    "ra": sky[:, 0], "dec": sky[:, 1],
    "one": 7.0, "none": np.nan, "name": [f"{tag}{i}" for i in range(n)],
    "kind": rng.choice(["E", "S0", tag], n),
    "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(n) % 500, "D"),
    "good": rng.uniform(size=n) < 0.5,
    tag: np.arange(n) / n,
})
features = az.Representation(table["id_str"].tolist(), rng.normal(size=(n, 4)))
session = az.Session(features, az.Catalog(table), ratings="nasty.db")
tool = az.explore(session, {"umap": rng.normal(size=(n, 2))})
tool
"""
EVIL = '<img src=x onerror="window.hacked=1">'


def test_bad_input_is_said_and_the_tool_still_rates(notebook: Open, lab: Lab) -> None:
    opened = notebook("nasty2.ipynb", [NASTY])
    page, file = opened.page, lab.folder / "nasty.db"
    page.wait_for_selector('.az-status[data-level="ready"]')
    page.wait_for_selector('.az-pane[data-ready="1"]')
    page.evaluate("document.querySelector('.az-root').scrollIntoView()")

    def rate(key: str) -> None:
        n = rated(page)
        until(lambda: "no images" in page.inner_text(".az-note"))
        leave(page)
        page.keyboard.press(key)
        until(lambda: rated(page) == n + 1)

    rate("1")
    # Nothing matches: it is said, and the gallery is empty.
    find(page, "ra > 1000")
    until(lambda: page.inner_text(".az-count") == "none of 10,000 galaxies matches")
    until(lambda: open_tab(page) == "found" and page.locator(".az-empty").count() == 1)
    assert hung(page) == []
    rate("2")

    # Words that are none: why, in one line of text; nothing is run and nothing drawn.
    for evil, why in (
        ('__import__("os").system("touch hacked")', "what can be called is"),
        ("ra.__class__.mro()", "cannot read"),
        (EVIL, "cannot read"),
        ("colour > 3", "colour"),
        ("near J99999", "J99999"),
        ("kind > 3", "kind"),
        ("(" * 2500, "2,000"),
    ):
        find(page, "", enter=False)
        page.evaluate(
            "words => { const field = document.activeElement; field.value = words;"
            " field.dispatchEvent(new Event('input', { bubbles: true })); }",
            evil,
        )
        page.keyboard.press("Enter")
        page.wait_for_selector(f"{WRONG}:has-text({json.dumps(why)})")
    assert not (lab.folder / "hacked").exists()
    rate("3")

    # Cuts on columns that can hardly be cut.
    page.click("text=Cuts")
    for name, why in (
        ("one", "one value only, 7"),
        ("none", "no values"),
        ("name", "different"),
    ):
        assert why in add_cut(page, "columns", name).inner_text()
    assert add_cut(page, "columns", EVIL).inner_text().startswith(EVIL)
    page.click(".az-words")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    kinds = add_cut(page, "columns", "kind")
    assert sorted(kinds.locator(".az-choice span").all_inner_texts()) == sorted([EVIL, "E", "S0"])
    kinds.locator(".az-choice input").nth(
        kinds.locator(".az-choice span").all_inner_texts().index(EVIL)
    ).check()
    until(lambda: words(page).startswith("kind == "))
    until(lambda: re.fullmatch(r"3,\d{3} of 10,000 galaxies match", page.inner_text(".az-count")))
    days = add_cut(page, "columns", "day")
    slide(page, days.locator("input").last, "PageDown", 3)
    until(lambda: re.search(r' AND day <= "2020-\d\d-\d\d"$', words(page)))
    good = add_cut(page, "columns", "good")
    good.locator("input").first.click()
    until(lambda: words(page).endswith(" AND NOT good"))
    rate("3")  # the mouse has left the keys to the galaxy
    for _ in range(page.locator(".az-cut").count()):  # taken away, each takes its words along
        page.locator(".az-cut .az-bare").first.click()
    until(lambda: words(page) == "")
    rate("4")

    # A third has no place on the sky: the others are drawn, and it is said.
    page.locator(".az-mapbar select").nth(1).select_option("sky")
    until(lambda: "3,334 without a position" in page.inner_text(".az-map-about"))
    page.locator(".az-mapbar select").nth(0).select_option("column:name")
    until(lambda: page.locator(f".az-kind:has-text({json.dumps(EVIL)})").count() > 3)
    page.locator(".az-mapbar select").nth(0).select_option("column:none")
    until(lambda: page.locator(".az-kind").count() == 0)

    # A limit that leaves nothing is said, and lifted again.
    find(page, "ra > 1000", enter=False)
    page.click(".az-find >> text=Limit")
    page.wait_for_selector(".az-kept:has-text('limited to 0: ra > 1000')")
    page.click('.az-gallery [data-tab="top"]')
    until(lambda: hung(page) == [])
    page.click(".az-kept")
    page.wait_for_selector(".az-kept", state="hidden")
    until(lambda: len(hung(page)) == FIRST)
    page.click(".az-note")
    rate("5")

    assert [e.kind for e in acts(file)] == [*["rate"] * 5, "limit", "limit", "rate"]
    assert page.locator(".az-root script, .az-root img[src=x]").count() == 0
    assert page.evaluate("window.hacked") is None
    assert opened.problems == []


OWN = (  # what an empty notebook asks for or complains of there
    *("fontawesome-free", "mathjax", "ERR_NAME_NOT_RESOLVED", "shared.import: false"),
    "page error: Cannot read properties of undefined (reading 'schema')",
    "page error: Command 'filebrowser:open-path' not registered.",
)


@pytest.mark.parametrize("within", ["voila/render", "notebooks"])
def test_it_works_in_voila_and_in_notebook(
    within: str, notebook: Open, lab: Lab, known: az.Session
) -> None:
    name = within.split("/")[0]
    opened = notebook(f"{name}.ipynb", zoo(f"{name}.db"), within)
    page, file = opened.page, lab.folder / f"{name}.db"
    ready(page)
    page.click(".az-frame")
    ids = press(page, "042")
    until(lambda: [(e.id_str, e.score) for e in acts(file)] == [*zip(ids, (0, 4, 2), strict=True)])
    this = shown(page)
    tag(page, "odd")
    until(lambda: [(e.id_str, e.word) for e in acts(file)[3:]] == [(this, "#odd")])
    find(page, "near #odd")
    until(lambda: hung(page) == list(known.near(this))[:FIRST])
    leave(page)
    label = page.locator(".az-thumb").nth(3).get_attribute("data-id")
    page.locator(".az-thumb").nth(3).click()
    until(lambda: shown(page) == label)
    box = page.locator(".az-pane").bounding_box()
    for share in (0.5, 0.4, 0.6, 0.45, 0.55, 0.35):
        page.mouse.click(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        page.wait_for_timeout(400)
        if page.inner_text(".az-reason") == "chosen on the map":
            break
    [tapped] = press(page, "3")
    until(lambda: acts(file)[-1].id_str == tapped and acts(file)[-1].score == 3)
    assert acts(file)[-1].reason == "chosen on the map"
    assert [p for p in opened.problems if not any(own in p for own in OWN)] == []
