"""The map in a real JupyterLab: pointing at galaxies, the lasso, the keys, the small map."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_page import PICTURE, Lab, OpenNotebook
from waiting import until

import anomaly_zoo as az

pytestmark = pytest.mark.browser

CELLS = [
    "import anomaly_zoo as az, json, pathlib\ngalaxies = az.examples.hubble(progress=False)",
    "session = az.Session(galaxies.features, galaxies.catalog, ratings='map.db')",
    # No UMAP is fitted: the map stands still from the start.
    "from anomaly_zoo.projection import pca_map\n"
    "tool = az.explore(session, {'umap': pca_map(galaxies.features)})\ntool",
]
# Where a galaxy is on the screen, from the pane's corner, and which ids are inside a polygon.
SPOT = """
import numpy as np
from anomaly_zoo.ui.cells import Cells
galaxy_map = tool.map
x, y = galaxy_map.figure.x_range, galaxy_map.figure.y_range
width, height, _ = galaxy_map.pane.size
shares = (galaxy_map.xy - [x.start, y.start]) / [x.end - x.start, y.end - y.start]
pixels = shares * [width, -height] + [0, height]
pathlib.Path("spots.json").write_text(json.dumps(
    {"ids": session.representation.ids.tolist(), "at": pixels.tolist(), "size": [width, height]}))
"""
# Whether the map shows a layout, all of it painted and sorted.
SHOWN = """
import threading
done = threading.Event()
tool.map.then(done.set)
done.wait(5)
there = tool._arrangement._shown == wanted and tool.map._sorted() is not None
pathlib.Path("spots.json").write_text(json.dumps(there))
"""
LABELS = 'pathlib.Path("spots.json").write_text(json.dumps(list(tool.map._labels.data["text"])))'
TILES = """
x, y = (tool.map._view.x0 + tool.map._view.x1) / 2, (tool.map._view.y0 + tool.map._view.y1) / 2
row = tool.map._mosaic.tile_at(x, y)
said = [None if row is None else session.representation.ids[row], tool.map._view.x1]
pathlib.Path("spots.json").write_text(json.dumps(said))
"""
Open = Callable[..., OpenNotebook]


class Map:
    """The map on the page, and where its galaxies are."""

    def __init__(self, page: Any, lab: Lab) -> None:
        self.page, self._lab = page, lab
        page.wait_for_selector('.az-pane[data-ready="1"]')
        page.wait_for_selector('.az-status[data-level="ready"]')
        page.wait_for_selector(".az-frame img")
        until(lambda: page.inner_text(".az-map-about") == "")
        page.evaluate("document.querySelector('.az-root').scrollIntoView()")

    def spots(self) -> dict[str, Any]:
        """The ids of all galaxies and their places in pixels of the pane, y downwards."""
        return dict(self.ask(SPOT))

    def ask(self, code: str) -> Any:
        """Run code in the kernel, and return what it writes to spots.json."""
        file = self._lab.folder / "spots.json"
        file.unlink(missing_ok=True)
        self.page.evaluate(
            "code => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
            ".requestExecute({code}).done.then(() => null)",
            code,
        )
        return json.loads(until(lambda: file.exists() and file.read_text()))

    def lay(self, *choices: str) -> None:
        """Choose a layout, and its columns, and wait until it is painted."""
        for number, choice in enumerate(choices, 1):
            self.page.select_option(f".az-mapbar select >> nth={number}", choice)
        name = "x:{},y:{}".format(*choices[1:]) if choices[1:] else choices[0]
        until(lambda: self.ask(f"wanted = {name!r}\n{SHOWN}"))

    def about(self, says: str) -> re.Match[str]:
        """The words on the gallery once they say something (a pattern)."""
        about = self.page.locator(".az-gallery .az-about")
        return until(lambda: re.search(says, about.inner_text()))  # type: ignore[no-any-return]

    def place(self, x: float, y: float) -> tuple[float, float]:
        box = self.page.locator(".az-pane-inner").bounding_box()
        return box["x"] + x, box["y"] + y

    def move(self, x: float, y: float) -> None:
        self.page.mouse.move(*self.place(x, y))

    def hover(self, x: float, y: float) -> str:
        """The id of the galaxy that the page has under (x, y) of the pane now."""
        self.move(x + 1, y)
        self.move(x, y)
        self.page.wait_for_timeout(150)
        return self.tip()

    def tip(self) -> str:
        """The id of the galaxy of the tip, nothing where there is none."""
        return str(
            self.page.evaluate(
                "(n => n.hidden ? '' : n.dataset.id)(document.querySelector('.az-tip'))"
            )
        )

    def view(self) -> list[float]:
        """Where the view is on the small map: left, right, top and bottom, in percent."""
        style = "document.querySelector('.az-small-map i').style"
        sides = self.page.evaluate(
            f"['left', 'right', 'top', 'bottom'].map(side => parseFloat({style}[side]) || 0)"
        )
        return list(map(float, sides))


def lonely(spots: dict[str, Any]) -> int:
    """The galaxy inside the map that is farthest from all others."""
    at, (width, height) = spots["at"], spots["size"]
    inner = [i for i, (x, y) in enumerate(at) if 250 < x < width - 300 and 60 < y < height - 60]
    return max(inner, key=lambda i: min(math.dist(at[i], at[j]) for j in range(len(at)) if j != i))


def clear(at: list[list[float]], x: float, y: float) -> tuple[float, float]:
    """Half the width and height of a box around (x, y) with no galaxy close to its edges."""
    return max(
        ((wide, high) for wide in range(50, 90, 2) for high in range(40, 55, 2)),
        key=lambda box: min(
            (
                min(abs(abs(a - x) - box[0]), abs(abs(b - y) - box[1]))
                for a, b in at
                if abs(a - x) < box[0] + 3 and abs(b - y) < box[1] + 3
            ),
        ),
    )


def test_pointing_lasso_and_keys(notebook: Open, lab: Lab) -> None:
    opened = notebook("map.ipynb", CELLS)
    page = opened.page
    galaxy_map = Map(page, lab)
    spots = galaxy_map.spots()
    ids, at = spots["ids"], spots["at"]
    one = lonely(spots)
    x, y = at[one]

    # The galaxy under the pointer is the one; nothing moves for it, and it goes with the pointer.
    before = page.locator(".az-pane").bounding_box()
    galaxy_map.move(x + 5, y - 4)
    until(lambda: galaxy_map.tip() == ids[one])
    page.wait_for_selector(".az-tip img")
    assert "interest" in page.inner_text(".az-tip")
    assert page.locator(".az-pane").bounding_box() == before
    page.mouse.move(before["x"] - 40, before["y"] + 60)
    until(lambda: galaxy_map.tip() == "")

    # A lasso selects exactly what is inside it, and Escape leaves that.
    page.click('.az-tools [data-act="LassoSelectTool"]')
    wide, high = clear(at, x, y)
    corners = [
        (x - wide, y - high),
        (x + wide, y - high),
        (x + wide, y + high),
        (x - wide, y + high),
    ]
    inside = sum(abs(a - x) < wide and abs(b - y) < high for a, b in at)
    assert inside > 1
    galaxy_map.move(*corners[0])
    page.mouse.down()
    for corner in (*corners[1:], corners[0]):
        page.mouse.move(*galaxy_map.place(*corner), steps=4)
    page.mouse.up()
    until(lambda: page.inner_text(".az-gallery .az-tabs .az-on") == "Selection")
    until(lambda: f"{inside}" in page.inner_text(".az-gallery .az-about"))
    page.wait_for_function("document.querySelector('.az-pane').dataset.keys.includes('Escape')")
    page.keyboard.press("Escape")
    page.keyboard.press("l")
    page.wait_for_selector('.az-tools [data-act="PanTool"][aria-pressed="true"]')
    page.wait_for_function("!document.querySelector('.az-pane').dataset.keys.includes('Escape')")

    # By keys alone: closer, to the left, the galaxy under the cross, the whole map again.
    page.focus(".az-mapbar select")
    page.evaluate("document.querySelector('.az-pane').focus({focusVisible: true})")
    page.wait_for_selector(".az-pane.az-crossed")
    cells = page.locator(".jp-Cell").count()
    for _ in range(3):
        page.keyboard.press("+")
    close = until(lambda: (view := galaxy_map.view())[0] > 30 and view)
    assert page.locator(".az-small-map").is_visible()
    page.keyboard.press("ArrowLeft")
    until(lambda: galaxy_map.view()[0] < close[0] - 1)
    until(lambda: galaxy_map.view()[1] > close[1] + 1)
    page.keyboard.press("d")  # twice, it would delete a cell of the notebook
    page.keyboard.press("d")
    assert page.locator(".jp-Cell").count() == cells

    def found() -> str:
        for _ in range(12):
            for key in ("ArrowRight", "ArrowDown"):
                page.keyboard.press(key)
                page.wait_for_timeout(150)
                if galaxy_map.tip():
                    return galaxy_map.tip()
        return ""

    under = until(found)
    page.keyboard.press("Enter")
    until(lambda: page.inner_text(".az-id") == under)
    page.keyboard.press("Home")
    page.wait_for_selector(".az-small-map", state="hidden")
    page.wait_for_selector(PICTURE)
    page.keyboard.press("3")  # digits rate, wherever the focus is
    until(lambda: page.inner_text(".az-rated b") == "1")

    # The wheel goes closer, a click on the small map goes elsewhere.
    galaxy_map.move(400, 200)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    page.wait_for_selector(".az-small-map", state="visible")
    small = page.locator(".az-small-map").bounding_box()
    page.mouse.click(small["x"] + 0.8 * small["width"], small["y"] + 0.7 * small["height"])
    until(lambda: galaxy_map.view()[0] > 60 and galaxy_map.view()[2] > 50)
    page.click('.az-tools [data-act="Home"]')
    page.wait_for_selector(".az-small-map", state="hidden")
    assert not opened.problems


def test_choosing_colours_and_layouts(notebook: Open, lab: Lab) -> None:
    galaxies = az.examples.hubble(progress=False).catalog.table
    sky = "t = galaxies.catalog.table\nt['ra'], t['dec'] = t['x'] / 50, t['y'] / 50"
    own = CELLS[2].replace("{", "{'mine': galaxies.catalog.table[['y', 'x']].to_numpy() + 2e9, ")
    opened = notebook(
        "choices.ipynb", [f"{CELLS[0]}\n{sky}", CELLS[1].replace("map.db", "c.db"), own]
    )
    page = opened.page
    galaxy_map = Map(page, lab)
    pane = page.locator(".az-pane").bounding_box()

    # On the sky, in coordinates of one's own and by two columns: a click meets the galaxy that is
    # there, and its place is said as what it is.
    for layout, says in (
        (["aitoff"], r"around ra ([\d.]+), dec \+([\d.]+)"),
        (["sky"], r"around ra ([\d.]+), dec \+([\d.]+)"),
        (["given:mine"], r"around x ([\d.]+), y ([\d.]+)"),
        (["columns", "x", "flux"], r"around x ([\d.]+), flux ([-\d.e+]+)"),
    ):
        galaxy_map.lay(*layout)
        spots = galaxy_map.spots()
        one = lonely(spots)
        at, id_str = spots["at"][one], spots["ids"][one]
        until(lambda at=at, id_str=id_str: galaxy_map.hover(*at) == id_str)  # the page shows it
        page.mouse.click(*galaxy_map.place(*at))
        until(lambda id_str=id_str: page.inner_text(".az-id") == id_str)
        said = galaxy_map.about(says)
        row = galaxies.set_index("id_str").loc[spots["ids"][one]]
        x, y = float(said[1]), float(said[2])
        if layout[0] in ("aitoff", "sky"):
            assert math.dist((x, y), (row["x"] / 50, row["y"] / 50)) < 0.3
        elif layout[0] == "given:mine":
            assert math.dist((x, y), (row["y"] + 2e9, row["x"] + 2e9)) < 15
        else:
            assert abs(x - row["x"]) < 15
        assert page.locator(".az-pane").bounding_box() == pane, "nothing jumps"
    labels = galaxy_map.ask(LABELS)
    assert {"x", "flux"} <= set(labels) and sum(label.isdecimal() for label in labels) >= 3
    galaxy_map.lay("aitoff")
    assert sum(label.endswith("°") for label in galaxy_map.ask(LABELS)) > 5

    # All in view, by a key.
    page.evaluate("document.querySelector('.az-pane').focus({focusVisible: true})")
    page.keyboard.press("v")
    galaxy_map.about("lasso")
    assert int(page.inner_text(".az-about").split()[0].replace(",", "")) > 0.9 * len(galaxies)
    page.keyboard.press("Escape")

    # The mosaic: what is under the cross is the galaxy of the tile, closer another one.
    galaxy_map.lay("umap")
    page.click("text=Mosaic")
    seen = []
    for _ in range(2):
        until(lambda: galaxy_map.ask(f"wanted = 'umap'\n{SHOWN}"))
        middle = pane["width"] / 2, pane["height"] / 2

        def shown_there(middle: tuple[float, float] = middle) -> Any:
            said = galaxy_map.ask(TILES)
            return said[0] and galaxy_map.hover(*middle) == said[0] and said

        tile, edge = until(shown_there)
        page.mouse.click(*galaxy_map.place(*middle))
        until(lambda tile=tile: page.inner_text(".az-id") == tile)
        seen.append(edge)
        for _ in range(3):
            page.click('.az-tools [data-act="+"]')
    assert seen[1] != seen[0]
    page.click("text=Mosaic")
    page.select_option(".az-mapbar select >> nth=0", "column:flux")
    until(lambda: page.inner_text(".az-scale") not in ("", "0\n5"))
    page.select_option(".az-mapbar select >> nth=0", "density")
    until(lambda: page.inner_text(".az-scale").split() == ["few", "many"])
    page.select_option(".az-mapbar select >> nth=1", "pca")
    until(lambda: page.evaluate("document.querySelectorAll('.az-mapbar select')[1].value") == "pca")
    page.select_option(".az-mapbar select >> nth=0", "rater")
    until(lambda: page.locator(".az-legend").is_visible())
    assert not opened.problems
