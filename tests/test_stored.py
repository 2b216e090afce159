"""Features beyond memory: converted once, opened at once, and never taken for another content."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_zoo import cache, stored, tables
from anomaly_zoo import representation as module
from anomaly_zoo.ids import Ids
from anomaly_zoo.representation import Representation, feature_writer

N, D = 500, 6
IDS = np.array([f"J{n}" for n in range(N)], dtype=object)
X = (np.random.default_rng(0).normal(size=(N, D)) * [9, 5, 3, 1, 1, 1]).astype(np.float16)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder in which everything is large."""
    monkeypatch.setenv("ANOMALY_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "LARGE", 1000)
    yield tmp_path


def write(path: Path, values: np.ndarray = X, ids: np.ndarray = IDS) -> Path:
    half = values.dtype == np.float16
    with feature_writer(path, values.shape[1], {"encoder": "mine 1"}, half) as add:
        for start in range(0, len(ids), 70):
            add(ids[start : start + 70], values[start : start + 70])
    return path


def kept(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (folder / "cache").iterdir()}


def cannot(*_: object, **__: object) -> None:
    raise AssertionError("this was known already")


@pytest.mark.parametrize("dtype", ["f2", "f4"])
def test_parquet_is_converted_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    path = write(folder / "x.parquet", X.astype(dtype))
    first = Representation.read(path)
    assert sorted(name.rsplit(".")[-1] for name in kept(folder)) == ["arrow", "npy"]
    before = kept(folder)
    plain = Representation(IDS, X.astype(np.float32))
    for name in ("_refuse_not_finite", "_poured"):
        monkeypatch.setattr(module, name, cannot)
    monkeypatch.setattr(Ids, "of", cannot)
    again = Representation.read(path)
    for features in (first, again):
        assert "on disk" in repr(features) and features.X.dtype == dtype
        assert (features.name, features.encoder, features.d) == ("x", "mine 1", D)
        np.testing.assert_array_equal(features.X, X)
        assert not features.X.flags.writeable
        assert features.hash == plain.hash
        assert features.ids == plain.ids and features.row("J77") == 77
    assert kept(folder) == before


@pytest.mark.parametrize("from_file", [True, False])
def test_an_array_is_checked_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, from_file: bool
) -> None:
    np.save(folder / "x.npy", X)
    (folder / "ids.txt").write_text("\n".join(IDS))
    ids = folder / "ids.txt" if from_file else IDS
    first = Representation.read(folder / "x.npy", ids)
    [file] = kept(folder)
    assert file.endswith(".arrow")  # the array stays where it is
    monkeypatch.setattr(module, "_refuse_not_finite", cannot)
    if from_file:
        monkeypatch.setattr(Ids, "of", cannot)
    again = Representation.read(folder / "x.npy", ids)
    assert again.hash == first.hash == Representation.hash.func(again)  # type: ignore[attr-defined]
    assert again.ids == first.ids and again.rows(["J499"]).tolist() == [499]


def test_another_content_is_read_anew(folder: Path) -> None:
    path = write(folder / "x.parquet")
    first = Representation.read(path)
    write(path, -X)
    assert Representation.read(path).X[3].tolist() == (-X[3]).tolist()
    assert first.X[3].tolist() == X[3].tolist()  # still open, of its own file
    np.save(folder / "x.npy", X)
    (folder / "ids.txt").write_text("\n".join(IDS))
    (folder / "other.txt").write_text("\n".join(IDS[::-1]))
    one = Representation.read(folder / "x.npy", folder / "ids.txt")
    other = Representation.read(folder / "x.npy", folder / "other.txt")
    assert (one.ids[0], other.ids[0]) == ("J0", "J499") and one.hash != other.hash
    assert Representation.read(folder / "x.npy", IDS[::-1]).ids[0] == "J499"


@pytest.mark.parametrize("how", ["shorter", "broken", "npy", "empty"])
def test_what_was_damaged_in_the_cache_is_made_again(folder: Path, how: str) -> None:
    path = write(folder / "x.parquet")
    Representation.read(path)
    for name in kept(folder):
        file = folder / "cache" / name
        if how == "broken" and name.endswith(".arrow"):
            file.write_bytes(b"no Arrow at all")
        elif how == "empty" and name.endswith(".arrow"):
            file.write_bytes(b"")
        elif how == "shorter" and name.endswith(".npy"):
            os.truncate(file, 2000)
        elif how == "npy" and name.endswith(".npy"):
            file.unlink()
    np.testing.assert_array_equal(Representation.read(path).X, X)


@pytest.mark.parametrize("how", ["shorter", "empty", "zeros", "nan", "no seal"])
def test_components_that_were_damaged_are_made_again(folder: Path, how: str) -> None:
    features = Representation(IDS, X.astype(np.float32))
    before = features.pca(3)
    expected = np.array(before.X)
    [file] = (folder / "cache").glob("*.npy")
    del before
    if how == "shorter":
        os.truncate(file, 2000)
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "no seal":
        file.with_suffix(".seal").unlink()
    else:
        np.save(file, np.full_like(expected, 0 if how == "zeros" else np.nan))
    np.testing.assert_array_equal(features.pca(3).X, expected)
    made = kept(folder)
    assert "on disk" in repr(features.pca(3)) and kept(folder) == made


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.inf, r"too large for float16 \(at most 65,504\), such as 'J77'; inf in feature 2"),
        (np.nan, "1 of 500 objects .*'J77'; nan in feature 2"),
    ],
)
def test_an_overflow_is_found_when_it_is_converted(folder: Path, value: float, reason: str) -> None:
    values = X.copy()
    values[77, 2] = value
    path = write(folder / "x.parquet", values)
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"x\.parquet: features: .*{reason}"):
            Representation.read(path)
    np.save(folder / "x.npy", values)
    with pytest.raises(ValueError, match=rf"x\.npy: features: .*{reason}"):
        Representation.read(folder / "x.npy", IDS)
    doubles = pa.array(list(np.full((N, 2), 1e300)))
    pq.write_table(pa.table({"id_str": IDS, "v": doubles}), folder / "d.parquet")
    with pytest.raises(ValueError, match="too large for float32, such as 'J0', 'J1', 'J2'; inf"):
        Representation.read(folder / "d.parquet")
    assert kept(folder) == {}


def test_ids_of_a_converted_table_are_checked(folder: Path) -> None:
    path = write(folder / "x.parquet", X, np.where(IDS == "J3", "J2", IDS))
    with pytest.raises(ValueError, match=r"x\.parquet: id_str: 1 id is there more than once.*'J2'"):
        Representation.read(path)
    lists = pa.array([[1.0, 2.0]] * 400 + [[3.0]] + [[1.0, 2.0]] * 99)
    pq.write_table(pa.table({"id_str": IDS, "v": lists}), folder / "r.parquet", row_group_size=90)
    with pytest.raises(ValueError, match="differ in length: row 0 has 2, row 400 has 1"):
        Representation.read(folder / "r.parquet")


def test_a_disk_without_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder / "x.parquet")
    usage = shutil.disk_usage(folder)._replace(free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(cache, "_free_memory", lambda: 10**9)
    with pytest.warns(UserWarning, match="0.0 GB free: they are held in memory; make room there"):
        features = Representation.read(path)
    np.testing.assert_array_equal(features.X, X)
    assert features.X.dtype == np.float32 and "on disk" not in repr(features)
    with pytest.warns(UserWarning, match="the components take .* held in memory"):
        assert features.pca(4).d == 4
    monkeypatch.setattr(cache, "_free_memory", lambda: 1000)
    with pytest.raises(
        OSError, match=r"nor does memory hold them .*; make room there, or set ANOM"
    ):
        Representation.read(path)
    assert kept(folder) == {}


def test_a_cache_that_cannot_be_written_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("no folder")
    monkeypatch.setenv("ANOMALY_ZOO_CACHE", str(folder / "file" / "cache"))
    with pytest.warns(UserWarning, match="cannot be written to: they are held in memory"):
        features = Representation.read(write(folder / "x.parquet"))
    np.testing.assert_array_equal(features.X, X)
    np.save(folder / "x.npy", X)
    with pytest.warns(UserWarning, match="ids could not be kept .* will take as long again"):
        assert "on disk" in repr(Representation.read(folder / "x.npy", IDS))


def test_a_conversion_that_is_broken_off_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder / "x.parquet")

    def stopped(*_: object) -> None:
        raise OSError("the source is gone")

    with monkeypatch.context() as patch:
        patch.setattr(stored, "convert", stopped)
        with pytest.raises(OSError, match="the source is gone"):
            Representation.read(path)
    assert kept(folder) == {}
    np.testing.assert_array_equal(Representation.read(path).X, X)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_meanwhile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder / "x.parquet")
    monkeypatch.setattr(stored, "convert", full)
    with pytest.warns(UserWarning, match="cache: No space left on device: they are held in memory"):
        features = Representation.read(path)
    np.testing.assert_array_equal(features.X, X)
    with pytest.warns(UserWarning, match="the components take .* No space left .* in memory"):
        assert features.pca(4).d == 4
    assert kept(folder) == {}
    monkeypatch.setattr(cache, "_free_memory", lambda: 1000)
    with pytest.raises(OSError, match="No space left on device, nor does memory hold them"):
        Representation.read(path)


def test_ids_that_cannot_be_kept_stop_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(folder / "x.npy", X)
    path = write(folder / "x.parquet")
    monkeypatch.setattr(Ids, "save", full)
    monkeypatch.setattr(cache, "_free_memory", lambda: 1000)  # none is needed
    for args in ((folder / "x.npy", IDS), (path,)):
        with pytest.warns(UserWarning, match=r"ids could not be kept \(.*No space left"):
            features = Representation.read(*args)
        assert "on disk" in repr(features) and features.row("J77") == 77
        np.testing.assert_array_equal(features.take([3]), X[[3]])


# the components


@pytest.mark.parametrize("dtype", ["f2", "f4"])
def test_components_are_kept_too(folder: Path, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    features = Representation.read(write(folder / "x.parquet", X.astype(dtype)))
    told: list[tuple[int, int]] = []
    made = features.pca(4, progress=lambda done, of: told.append((done, of)))
    assert told == [(N, N)]
    assert "on disk" in repr(made) and made.X.dtype == dtype and made.name == "x (PCA 4)"
    again = features.pca(4, progress=lambda *_: cannot())
    np.testing.assert_array_equal(made.X, again.X)
    assert made.hash == again.hash != features.pca(3).hash != features.hash
    with monkeypatch.context() as patch:
        patch.setattr(module, "LARGE", 2**28)
        in_memory = Representation(IDS, X.astype(np.float32)).pca(4)
    assert "on disk" not in repr(in_memory)
    np.testing.assert_allclose(made.X, in_memory.X, atol=1e-6 if dtype == "f4" else 2e-3)
    assert (features.axes(4)(X.astype(np.float32)) == in_memory.X).all()


def test_an_outlier_does_not_overflow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PCA_ROWS", 100)
    fitted = np.random.default_rng(0).choice(N, 100, replace=False)
    wild = next(row for row in range(N) if row not in fitted)
    values = X.copy()
    values[:, 0] = np.random.default_rng(1).normal(size=N) / 1e3
    values[:, 1:] = 0
    values[wild, 0] = 60_000
    space = Representation.read(write(folder / "x.parquet", values)).pca(1)
    assert np.isfinite(space.X).all()
    assert np.abs(space.X[:, 0]).argmax() == wild and np.abs(space.X[wild, 0]) == 65_504


# memory


BOUNDED = """
import re, sys
import numpy as np
import pyarrow.parquet, torch
from anomaly_zoo import representation as module
module.LARGE = 2**20

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

features = module.Representation.read(sys.argv[1])
n = len(features)
space = features.pca(8)
warm = [float(block.sum()) for _, block in space.batches()]
del features, space
before = anonymous()
features = module.Representation.read(sys.argv[1])
assert len(features.hash) == 16 and features.row(features.ids[n // 2]) == n // 2
space = features.pca(8)
total = sum(float(block.sum()) for _, block in space.batches())
features.take(np.arange(0, n, 1000))
print((anonymous() - before) / n)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_an_open_representation_takes_next_to_no_memory(folder: Path) -> None:
    n, d = 300_000, 8
    path = folder / "big.parquet"
    rng = np.random.default_rng(0)
    with feature_writer(path, d, {}, half=True) as add:
        for start in range(0, n, 100_000):
            ids = np.array([f"J{start + i:012d}" for i in range(100_000)], dtype=object)
            add(ids, rng.normal(size=(len(ids), d)))
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 10  # bytes an object; as Python strings the ids alone take 60
    assert tables.metadata(path) == {}
