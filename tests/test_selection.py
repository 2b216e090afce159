"""Selections: frozen, in order, and joined by their words."""

from __future__ import annotations

import numpy as np
import pytest
from searched import Table

from anomaly_zoo.expression import Alike, Given, Near, Node
from anomaly_zoo.ids import Ids
from anomaly_zoo.matching import evaluate
from anomaly_zoo.query import parse
from anomaly_zoo.selection import Selection

IDS = Ids.of([f"J{i}" for i in range(10)])
TABLE = Table({"x": np.arange(10.0)}, tags={"#ring": [1, 3]})


def select(tree: Node | str) -> Selection:
    tree = parse(tree) if isinstance(tree, str) else tree
    found = evaluate(tree, TABLE)
    rows = np.flatnonzero(found.mask) if found.rows is None else found.rows
    return Selection(tree, rows, found.distances, IDS, select)


def test_it_holds_ids_in_order_and_says_its_words() -> None:
    found = select("near J4 and x != 5")
    assert found.words == "near J4 AND x != 5"
    assert found.ids[:3] == list(found)[:3] == ["J4", "J3", "J2"]
    assert found.distances is not None and found.distances[:3].tolist() == [0, 1, 2]
    assert len(found) == 9 and bool(found) and not select("x > 99")
    assert "J4" in found and "J5" not in found and "J77" not in found and 4 not in found
    assert repr(select("x > 99")) == "<Selection: 0 of 10 objects, x > 99>"


def test_it_is_frozen() -> None:
    rows = np.array([3, 1])
    found = Selection(parse("#ring"), rows, np.array([1.0, 2.0]), IDS)
    rows[0] = 7
    assert found.ids == ["J3", "J1"]
    for array in (found.rows, found.distances, found.mask):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        found.rows = rows  # type: ignore[misc]


def test_joined_selections_have_joined_words() -> None:
    low, ring = select("x < 5"), select("#ring")
    assert (low & ring).words == "x < 5 AND tagged #ring" and (low & ring).ids == ["J1", "J3"]
    assert (low | ring).words == "x < 5 OR tagged #ring" and len(low | ring) == 5
    assert (~low).words == "NOT (x < 5)" and (~low).ids == ["J5", "J6", "J7", "J8", "J9"]
    assert (~~low).words == "x < 5"
    assert (low & ring & select("x > 1")).words == "x < 5 AND tagged #ring AND x > 1"
    assert ((low | ring) & low).words == "(x < 5 OR tagged #ring) AND x < 5"


def test_near_joined_to_a_cut_is_near_within_the_cut() -> None:
    near = select(Near(("J0",), k=2))
    assert near.ids == ["J0", "J1"]
    assert (near & select("x > 6")).ids == ["J7", "J8"]
    assert (~near & near).ids == ["J2", "J3"]  # the nearest of the others


def test_what_is_no_words_joins_but_is_not_saved() -> None:
    lasso = select(Given("lasso", np.array([8, 2])))
    image = select(Alike("a.jpg", np.array([[6.2]])))
    assert (lasso & select("x > 5")).ids == ["J8"]
    assert (image & lasso).ids == ["J8", "J2"]
    assert (image & lasso).words == 'near <image "a.jpg"> AND <lasso of 2>'
    assert select("#ring").savable and not lasso.savable and not (~image).savable
    assert not select(Near(tuple(f"J{i % 10}" for i in range(900)))).savable


def test_what_cannot_be_joined_is_said() -> None:
    alone = Selection(parse("#ring"), np.array([1]), None, IDS)
    with pytest.raises(ValueError, match="does not know its session"):
        _ = ~alone
    other = Selection(parse("#ring"), np.array([1]), None, Ids.of(["J1"]))
    with pytest.raises(ValueError, match="different sessions"):
        _ = alone & other
    with pytest.raises(TypeError):
        _ = alone & "x > 3"
    with pytest.raises(ValueError, match="expected 1 distances"):
        Selection(parse("#ring"), np.array([1]), np.array([1.0, 2.0]), IDS)
