"""The card beside the pointer and the head of the map: what they send to the browser."""

from __future__ import annotations

import numpy as np

from anomaly_zoo.ui.colours import by_column, by_density
from anomaly_zoo.ui.mapbar import MapBar
from anomaly_zoo.ui.tip import Tip

ITEM = {"id": "J1", "position": "", "interest": 1.5, "std": 0.5, "score": None, "values": []}


def test_the_tip_says_one_galaxy_or_nothing() -> None:
    tip = Tip()
    assert tip.get_state()["item"] == {}
    tip.show(ITEM)
    assert tip.get_state()["item"] == ITEM
    tip.show(None)
    assert tip.get_state()["item"] == {}


def test_the_bar_explains_numbers_and_kinds() -> None:
    bar = MapBar()
    bar.explain(by_column(np.array([0.0, 2.0, np.nan]), "size"))
    assert (bar.low, bar.high, bar.words, len(bar.ramp)) == ("0", "2", [], 16)
    bar.explain(by_column(["<b>a</b>", "b", "b"], "kind"))
    assert (bar.low, bar.high, bar.words) == ("", "", ["b", "<b>a</b>"])
    assert len(bar.ramp) == 2 and all(len(colour) == 7 for colour in bar.ramp)
    bar.explain(by_column(np.full(3, np.nan), "nothing"))
    assert bar.note == "no object has a value"
    bar.explain(by_density())
    assert (bar.low, bar.high, bar.note) == ("few", "many", "")


def test_choices_are_pythons() -> None:
    bar = MapBar(layouts=[{"value": "umap", "text": "UMAP"}], arrangement="umap")
    bar.colours = [*bar.colours, {"value": "column:z", "text": "z", "group": "Columns"}]
    bar.colour = "column:z"
    state = bar.get_state()
    assert state["colour"] == "column:z" and state["arrangement"] == "umap"
    assert state["colours"][-1]["group"] == "Columns"
