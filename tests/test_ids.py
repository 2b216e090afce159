"""Ids: found exactly whatever their hashes, named like an array, clear words for bad ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_zoo import ids as module
from anomaly_zoo.ids import Ids

TEXTS = ["J1", "naïve #3", "007", "x" * 1000, "星系", "a\x00", "a"]


@pytest.mark.parametrize(
    "values",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS),
        pd.Index(TEXTS, dtype=object),
        pa.array(TEXTS),
        pa.chunked_array([TEXTS[:3], [], TEXTS[3:]]),
        pa.array(TEXTS).dictionary_encode(),
        pa.array(["gone", *TEXTS])[1:],
        [text.encode() for text in TEXTS[:5]] + TEXTS[5:],
    ],
    ids=lambda values: type(values).__name__,
)
def test_ids_of_every_kind(values: object) -> None:
    ids = Ids.of(values)
    assert ids.tolist() == list(ids) == ids[:].tolist() == TEXTS
    assert ids == Ids.of(TEXTS) and ids != Ids.of(TEXTS[::-1])
    assert ids.rows(TEXTS[::-1]).tolist() == [6, 5, 4, 3, 2, 1, 0]
    assert [ids[row] for row in (0, -1, np.int64(2))] == ["J1", "a", "007"]
    assert ids[[2, -1]].tolist() == ids[np.array([2, 6])].tolist() == ["007", "a"]
    assert ids[::-2].tolist() == TEXTS[::-2] and ids[1:3].tolist() == TEXTS[1:3]
    assert ids[np.arange(7) == 4].tolist() == ["星系"] and ids[[]].tolist() == []
    assert "a" in ids and "b" not in ids and 7 not in ids
    assert np.asarray(ids).dtype == object
    assert Ids.of(ids) is ids


def test_what_is_out_of_place() -> None:
    ids = Ids.of(TEXTS)
    with pytest.raises(IndexError):
        ids[7]
    with pytest.raises(IndexError):
        ids[[0, 7]]
    with pytest.raises(IndexError, match="a mask of 7 rows, got 2"):
        ids[np.array([True, False])]
    with pytest.raises(TypeError):
        ids[0] = "other"  # type: ignore[index]
    with pytest.raises(AttributeError):
        ids.texts = pa.array(["a"])  # type: ignore[misc]
    with pytest.raises(TypeError, match="unhashable"):
        hash(ids)


@pytest.mark.parametrize(
    ("values", "error", "reason"),
    [
        (["a", None], ValueError, "1 id is missing or empty, in row 1"),
        (pa.array(["a", None, " \t"]), ValueError, "2 ids are missing or empty, in rows 1, 2"),
        (["a", " ", "", "\u2003", "x"], ValueError, "3 ids are missing or empty, in rows 1, 2, 3"),
        (["b", "a", "c", "a", "b"], ValueError, "2 ids are there more than once, such as 'a', 'b'"),
        (pa.array(["a", "b", "a"]), ValueError, "1 id is there more than once, such as 'a'"),
        (["a", "\udcff"], ValueError, r"'\\udcff' in row 1 is not Unicode text"),
        (["a", b"\xff"], ValueError, "in row 1 is not UTF-8 text"),
        (pa.array([1, 2]), TypeError, "expected strings, got the integer 1"),
        (pa.array([1.5, 2]), TypeError, "a float loses digits"),
        (np.array([["a"]]), ValueError, "one id an object"),
        ("ab", TypeError, "a list of ids, got the single value 'ab'"),
    ],
)
def test_bad_ids(values: object, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=f"names: .*{reason}"):
        Ids.of(values, what="names")


def test_integers_of_a_file_become_text() -> None:
    numbers = [5853498713190525696, -1, 0]
    for values in (numbers, np.array(numbers), pa.array(numbers), pd.Series(numbers)):
        assert Ids.of(values, integers=True).tolist() == ["5853498713190525696", "-1", "0"]
    with pytest.raises(ValueError, match="1 id is missing or empty, in row 1"):
        Ids.of(pa.array([1, None]), integers=True)


def test_what_is_not_there() -> None:
    ids = Ids.of(TEXTS)
    assert ids.known(["b", "a", "\udcff", ""]).tolist() == [6]
    assert ids.rows([]).tolist() == [] and ids.rows("007").tolist() == [2]
    with pytest.raises(ValueError, match=r"the id '\\udcff' is not in the zoo; its ids are like"):
        ids.rows("\udcff", where="the zoo")
    with pytest.raises(ValueError, match="2 of 3 ids are not in the zoo, such as 'b', 'c'"):
        ids.rows(["b", "a", "c"], where="the zoo")
    with pytest.raises(TypeError, match="expected an id as text, such as 'J1', got None"):
        ids.rows([None])  # type: ignore[list-item]
    assert ids.without(Ids.of(["a", "J1"])).tolist() == TEXTS[1:-1]


def test_texts_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_hashes", lambda texts: np.zeros(len(texts), dtype=np.uint64))
    ids = Ids.of(TEXTS)
    assert ids.rows(TEXTS[::-1] + TEXTS).tolist() == [6, 5, 4, 3, 2, 1, 0, *range(7)]
    assert ids.known(["b", "a"]).tolist() == [6]
    with pytest.raises(ValueError, match="1 id is there more than once, such as 'a'"):
        Ids.of([*TEXTS, "a"])


@given(st.lists(st.text(st.characters(codec="utf-8")).filter(str.strip), unique=True, min_size=1))
def test_a_hash_is_of_the_text_alone(texts: list[str]) -> None:
    alone = [module._hashes(pa.array([text], pa.large_string()))[0] for text in texts]
    together = module._hashes(pa.array(texts, pa.large_string()))
    assert together.tolist() == alone
    assert len(set(alone)) == len(texts)
    ids = Ids.of(texts)
    assert [ids.rows(text)[0] for text in texts] == list(range(len(texts)))


def test_many_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 1000)
    texts = [f"J{n * 7919}" for n in range(20_000)]
    ids = Ids.of(texts)
    order = np.random.default_rng(0).permutation(len(texts))
    assert (ids.rows(ids[order]) == order).all()
    assert ids.rows(Ids.of(ids[order])).tolist() == order.tolist()
    assert list(ids) == texts
    assert ids.digest != Ids.of(texts[::-1]).digest


def test_ids_are_mapped_from_a_file_and_sent_by_its_name(tmp_path: Path) -> None:
    ids = Ids.of([f"J{n}" for n in range(5000)])
    ids.save(str(tmp_path / "ids.arrow"), {"hash": "x"})
    mapped = Ids.open(str(tmp_path / "ids.arrow"))
    assert mapped == ids and mapped.rows(["J7", "J4999"]).tolist() == [7, 4999]
    part = mapped.part(10, 20)
    for sent in (mapped, part):
        told = pickle.dumps(sent)
        assert len(told) < 300
        assert pickle.loads(told) == sent
    again = pickle.loads(pickle.dumps(ids.part(4000, 4010)))
    assert again.tolist() == [f"J{n}" for n in range(4000, 4010)]
    assert again.rows("J4003").tolist() == [3]


def test_a_table_takes_them_as_a_column() -> None:
    ids = Ids.of(["b", "a"])
    frame = pd.DataFrame({"id_str": ids, "n": [1, 2]}, index=ids)
    assert frame["id_str"].tolist() == frame.index.tolist() == ["b", "a"]
    assert frame.loc["a", "n"] == 2
