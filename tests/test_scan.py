"""Parts of three kinds of source give one result; a changed file is an error, never nonsense."""

from __future__ import annotations

import itertools
import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_zoo import scan as module
from anomaly_zoo.ids import Ids
from anomaly_zoo.representation import Representation
from anomaly_zoo.scan import ArrayPart, MapPart, ParquetPart, Part, Top, merged, split, top

N, D = 1000, 3
IDS = [f"J{n * 7919 % N:03d}" for n in range(N)]
X = np.random.default_rng(0).normal(size=(N, D)).astype(np.float16)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 64)


def sources(folder: Path, n: int) -> dict[str, list[Part]]:
    """The same objects in memory, in a .npy file and in Parquet, each in about n parts."""
    np.save(folder / "x.npy", X)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), D)
    table = pa.table({"id_str": IDS, "features": lists})
    pq.write_table(table, folder / "x.parquet", row_group_size=150)
    mapped = Representation.read(folder / "x.npy", IDS)
    assert isinstance(mapped._whole, MapPart)
    return {
        "memory": list(Representation(IDS, X).parts(n)),
        "map": list(mapped.parts(n)),
        "parquet": list(ParquetPart.of(folder / "x.parquet", "id_str", ["features"]).split(n)),
    }


def scores(part: Part) -> np.ndarray:
    return np.concatenate([block[:, 0] + block[:, 1] for _, block in part.batches(64)])


@pytest.mark.parametrize("n", [1, 3, 99])
def test_three_sources_have_one_result(tmp_path: Path, n: int) -> None:
    expected = X.astype(np.float32)
    best = np.lexsort((IDS, -(expected[:, 0] + expected[:, 1])))[:20]
    for name, parts in sources(tmp_path, n).items():
        assert 1 <= len(parts) <= n
        assert [part.first for part in parts] == [
            0,
            *itertools.accumulate(len(part) for part in parts[:-1]),
        ]
        assert sum(map(len, parts)) == N
        for part in pickle.loads(pickle.dumps(parts)):
            for first, block in part.batches(50):
                assert block.dtype == np.float32 and len(block) <= 50
                np.testing.assert_array_equal(block, expected[first : first + len(block)])
            rows = np.array([len(part) - 1, 0]) + part.first
            assert part.ids(rows).tolist() == [IDS[row] for row in rows], name
            with pytest.raises(ValueError, match="at least one row a batch, got 0"):
                next(part.batches(0))
        found = merged([top(part, scores(part), 20) for part in parts])
        assert found.rows.tolist() == best.tolist(), name
        assert found.ids.tolist() == [IDS[row] for row in best]


def test_blocks_that_are_kept_stay_as_they_are(tmp_path: Path) -> None:
    for parts in sources(tmp_path, 1).values():
        blocks = list(parts[0].batches(7))
        np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), X)
        held = [block.base if block.base is not None else block for _, block in blocks]
        del blocks
        assert len(held) == -(-N // 7)


def test_memory_that_nobody_holds_is_used_again(tmp_path: Path) -> None:
    [part] = sources(tmp_path, 1)["map"]
    places = {block.__array_interface__["data"][0] for _, block in part.batches(7)}
    assert len(places) == 2


@given(
    values=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=4),
    k=st.integers(1, 12),
    rng=st.randoms(),
)
def test_tops_merge_in_any_order_and_grouping(values, cuts, k, rng) -> None:  # type: ignore[no-untyped-def]
    ids = [f"J{n}" for n in range(len(values))]
    rng.shuffle(ids)
    whole = ArrayPart(np.zeros((len(values), 1), np.float32), Ids.of(ids))
    array = np.array(values, dtype=np.float32)
    expected = top(whole, array, k)
    assert expected.rows.tolist() == np.lexsort((ids, -array))[:k].tolist()
    edges = sorted({0, len(values), *(min(cut, len(values)) for cut in cuts)})
    tops = [top(whole.cut(a, b), array[a:b], k) for a, b in itertools.pairwise(edges)]
    rng.shuffle(tops)
    one_by_one = tops[0]
    for other in tops[1:]:
        one_by_one = merged([other, one_by_one])
    for found in (merged(tops), one_by_one):
        assert found.rows.tolist() == expected.rows.tolist()
        assert found.ids.tolist() == expected.ids.tolist()
        assert found.values.tolist() == expected.values.tolist()


def test_one_long_id_makes_no_other_longer() -> None:
    ids = ["é", "b\0", "b", "B", "𝒵", "\uffee", *(f"J{n}" for n in range(1000)), "z" * 100_000]
    whole = ArrayPart(np.zeros((len(ids), 1), np.float32), Ids.of(ids))
    tracemalloc.start()
    found = top(whole, np.zeros(len(ids)), len(ids))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.ids.tolist() == sorted(ids)
    assert peak < 10 * len(ids[-1])


def test_what_has_no_value_is_left_out() -> None:
    part = ArrayPart(np.zeros((3, 1), np.float32), Ids.of(["a", "b", "c"]))
    none = np.full(3, -np.inf)
    assert len(top(part, none, 2).ids) == 0
    assert merged([top(part, none, 2)]).values.tolist() == []
    with pytest.raises(ValueError, match="a value is NaN"):
        top(part, np.array([1, np.nan, 2]), 2)
    with pytest.raises(ValueError, match="3 values, one an object"):
        top(part, np.zeros(2), 2)
    with pytest.raises(ValueError, match="at least one top, all of the same k"):
        merged([top(part, none, 2), Top(3, *(np.zeros(0),) * 3)])
    with pytest.raises(ValueError, match="at least one top"):
        merged([])


@pytest.mark.parametrize("how", ["shorter", "other", "later", "gone"])
def test_a_file_that_is_not_as_it_was(tmp_path: Path, how: str) -> None:
    np.save(tmp_path / "x.npy", X)
    features = Representation.read(tmp_path / "x.npy", IDS)
    assert features.take(np.array([999, 0, 999])).tolist() == X[[999, 0, 999]].tolist()
    blocks = features.batches(64)
    next(blocks)
    if how == "shorter":
        os.truncate(tmp_path / "x.npy", 3000)
    elif how == "other":
        np.save(tmp_path / "x.npy", X[:500])
    elif how == "later":
        about = os.stat(tmp_path / "x.npy")
        os.utime(tmp_path / "x.npy", ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    else:
        os.unlink(tmp_path / "x.npy")
    for read in (
        lambda: list(blocks),
        lambda: next(features.batches()),
        lambda: features.take(np.array([5])),
        lambda: features.pca(2),
        lambda: list(features.parts(2)[1].batches()),
    ):
        if how == "gone" and read.__code__.co_names == ("list",):
            continue  # the pass that has it open goes on
        with pytest.raises(OSError, match=r"x\.npy.* since it was opened|No such file.*x\.npy"):
            read()


@pytest.mark.parametrize("near", [0, 40, 2**14])
def test_rows_of_a_file_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    monkeypatch.setattr(module, "_NEAR", near)
    [part] = sources(tmp_path, 1)["map"]
    assert isinstance(part, MapPart)
    rows = np.random.default_rng(0).integers(0, N, 300)
    np.testing.assert_array_equal(part.take(rows), X[rows])
    assert part.take(np.array([], dtype=int)).shape == (0, D)
    for wrong in ([N], [-1]):
        with pytest.raises(IndexError, match="expected rows of 0 to 999"):
            part.take(np.array(wrong))


def test_a_parquet_file_that_was_changed(tmp_path: Path) -> None:
    [part] = sources(tmp_path, 1)["parquet"]
    os.utime(tmp_path / "x.parquet", ns=(0, 0))
    with pytest.raises(OSError, match=r"x\.parquet was changed since it was opened"):
        next(part.batches())


def test_parts_are_of_whole_blocks() -> None:
    whole = ArrayPart(X, Ids.of(IDS))
    for n in (1, 2, 3, 7, 100):
        parts = split(whole, n)
        assert len(parts) == min(n, 16)
        assert all(part.first % 64 == 0 for part in parts)
        assert max(map(len, parts)) - min(len(part) for part in parts[:-1] or parts) <= 64
