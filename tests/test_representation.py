"""Features from every kind of file, the PCA against scikit-learn, and clear words for bad input."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from sklearn.decomposition import PCA

from anomaly_zoo import representation as module
from anomaly_zoo.representation import Representation

IDS = ["J1", "J2", "003"]
X = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12.5]], dtype=np.float32)


def save(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        table = Table({name: list(frame[name]) for name in frame})
        table.write(path, format="votable" if path.suffix == ".vot" else None)
    return path


def assert_same(features: Representation, ids: object = IDS, values: np.ndarray = X) -> None:
    assert features.ids.tolist() == list(ids)  # type: ignore[call-overload]
    assert set(map(type, features.ids)) == {str}
    assert not features.X.flags.writeable
    np.testing.assert_array_equal(features.X, values)


# reading


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".fits", ".ecsv", ".vot"])
def test_feature_columns_in_natural_order(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"id_str": IDS, "feat_10": X[:, 3], "mag": [1.0, 2, 3]})
    for number, name in enumerate(["feat_1", "feat_2", "feat_9"]):
        frame[name] = X[:, number]
    features = Representation.read(save(frame, tmp_path / f"zoobot{suffix}"))
    assert_same(features)
    assert features.X.dtype == np.float32
    assert features.name == "zoobot"


@pytest.mark.parametrize("suffix", [".parquet", ".fits", ".ecsv", ".vot"])
def test_one_list_column(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"objid": [11, 12, 13], "embedding": list(X), "mag": [1.0, 2, 3]})
    features = Representation.read(save(frame, tmp_path / f"e{suffix}"), id_column="objid")
    assert_same(features, ["11", "12", "13"])


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.large_list(pa.float64()),
        pa.list_(pa.float16(), 4),
        pa.list_(pa.float32(), 4),
        pa.list_(pa.int16()),
    ],
    ids=str,
)
def test_lists_of_every_arrow_kind_in_several_chunks(tmp_path: Path, kind: pa.DataType) -> None:
    values = np.arange(40).reshape(10, 4)
    cast = np.float16 if "half" in str(kind) else values.dtype
    lists = pa.array([list(row.astype(cast)) for row in values], kind)
    table = pa.table({"id_str": [f"J{n}" for n in range(10)], "v": lists})
    pq.write_table(table, tmp_path / "l.parquet", row_group_size=3)
    features = Representation.read(tmp_path / "l.parquet")
    assert_same(features, [f"J{n}" for n in range(10)], values)


def test_a_tensor_column(tmp_path: Path) -> None:
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(X)
    pq.write_table(pa.table({"id_str": IDS, "v": tensors}), tmp_path / "t.parquet")
    assert_same(Representation.read(tmp_path / "t.parquet"))


def test_which_list_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id_str": IDS, "a": list(X), "b": list(2 * X)})
    path = save(frame, tmp_path / "two.parquet")
    with pytest.raises(
        ValueError, match=r"several columns hold lists: a, b; name one with column="
    ):
        Representation.read(path)
    assert_same(Representation.read(path, column="b"), IDS, 2 * X)
    with pytest.raises(ValueError, match="expected a column 'c', found 'id_str', 'a', 'b'"):
        Representation.read(path, column="c")
    path = save(frame.rename(columns={"b": "features"}), tmp_path / "named.parquet")
    assert_same(Representation.read(path), IDS, 2 * X)
    path = save(frame.assign(feat_1=[7, 8, 9]), tmp_path / "feat.parquet")
    assert_same(Representation.read(path), IDS, np.array([[7], [8], [9]]))
    with pytest.raises(ValueError, match="'feat_1' does not hold lists"):
        Representation.read(path, column="feat_1")


@pytest.mark.parametrize("dtype", ["<f4", "<f2", ">f4", "f8", "i2"])
def test_npy(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "x.npy", X.astype(dtype))
    features = Representation.read(tmp_path / "x.npy", ids=IDS)
    assert_same(features, IDS, X.astype(dtype).astype(np.float32))
    assert ("on disk" in repr(features)) == (dtype in ("<f4", "<f2"))
    assert features.X.dtype == (np.float16 if dtype == "<f2" else np.float32)
    for _, block in features.batches(2):
        assert block.dtype == np.float32
    assert features.only(IDS[:2]).X.dtype == np.float32


def test_ids_from_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "ids.txt").write_text("\ufeffJ1\r\nJ2\r\n003\r\n\n", "utf-8")
    np.save(tmp_path / "ids.npy", np.array(IDS))
    np.save(tmp_path / "bytes.npy", np.array(IDS, dtype="S8"))
    pd.DataFrame({"id_str": IDS}).to_csv(tmp_path / "ids.csv", index=False)
    pd.DataFrame({"id_str": IDS}).to_parquet(tmp_path / "ids.parquet")
    for name in ("ids.txt", "ids.npy", "bytes.npy", "ids.csv", "ids.parquet"):
        assert_same(Representation.read(tmp_path / "x.npy", ids=tmp_path / name))
    np.save(tmp_path / "ids.npy", np.array([1, 2, 3]))
    numbered = Representation.read(tmp_path / "x.npy", ids=str(tmp_path / "ids.npy"))
    assert_same(numbered, ["1", "2", "3"])
    with pytest.raises(ValueError, match="expected a column 'name', found 'id_str'"):
        Representation.read(tmp_path / "x.npy", ids=tmp_path / "ids.csv", id_column="name")
    with pytest.raises(FileNotFoundError, match=r"gone\.txt"):
        Representation.read(tmp_path / "x.npy", ids=tmp_path / "gone.txt")


def test_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ids=np.array(IDS), X=X, encoder="resnet 3")
    features = Representation.read(tmp_path / "a.npz")
    assert_same(features)
    assert (features.name, features.encoder) == ("a", "resnet 3")
    np.savez(tmp_path / "b.npz", features=X, y=[0, 1, 0])
    assert_same(Representation.read(tmp_path / "b.npz", ids=IDS))
    with pytest.raises(ValueError, match=r"b\.npz: no array ids, found features, y; give ids="):
        Representation.read(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", ids=np.array(IDS), Z=X)
    with pytest.raises(ValueError, match="expected one array X or features, found ids, Z"):
        Representation.read(tmp_path / "c.npz")


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1, "a"]], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", ids=np.array(IDS, dtype=object), X=X)
    for path, ids in ((tmp_path / "x.npy", IDS), (tmp_path / "x.npz", None)):
        with pytest.raises(ValueError, match=r"holds Python objects .* not loaded; save text"):
            Representation.read(path, ids=ids)


def test_bad_files(tmp_path: Path) -> None:
    for name in ("x.npy", "x.npz", "x.parquet", "x.fits", "x.vot", "x.ecsv"):
        (tmp_path / name).write_bytes(b"\x00\x01not features" * 9)
        with pytest.raises(ValueError, match=rf"{name}.* could not be read as a"):
            Representation.read(tmp_path / name, ids=IDS if name == "x.npy" else None)
    with pytest.raises(FileNotFoundError, match="no such file"):
        Representation.read(tmp_path / "gone.npy", ids=IDS)
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(ValueError, match=r"x\.npy: a \.npy file has no ids; give ids="):
        Representation.read(tmp_path / "x.npy")
    with pytest.raises(ValueError, match=r"x\.npy: 2 ids but 3 rows of features"):
        Representation.read(tmp_path / "x.npy", ids=IDS[:2])
    path = save(pd.DataFrame({"id_str": IDS, "feat_1": [1, 2, 3]}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="a table has its own ids"):
        Representation.read(path, ids=IDS)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ecsv", ".fits"])
def test_missing_columns_and_text_features(tmp_path: Path, suffix: str) -> None:
    path = save(pd.DataFrame({"objid": IDS, "mag": [1, 2, 3]}), tmp_path / f"m{suffix}")
    with pytest.raises(ValueError, match="expected a column 'id_str', found 'objid', 'mag'; name"):
        Representation.read(path)
    with pytest.raises(ValueError, match=r"column 'feat_\*', found 'objid', 'mag'; features are"):
        Representation.read(path, id_column="objid")
    path = save(pd.DataFrame({"id_str": IDS, "feat_1": list("abc")}), tmp_path / f"t{suffix}")
    with pytest.raises(ValueError, match=r"feature column 'feat_1' holds .*, expected numbers"):
        Representation.read(path)


def test_missing_features_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id_str": IDS, "feat_1": pd.array([1, None, 3], dtype="Int64")})
    for suffix in (".parquet", ".csv"):
        with pytest.raises(ValueError, match=r"1 of 3 objects have values that are NaN.*'J2'"):
            Representation.read(save(frame, tmp_path / f"m{suffix}"))
    lists = pa.array([[1.0, 2.0], [1.0, None], [3.0, 4.0]])
    pq.write_table(pa.table({"id_str": IDS, "v": lists}), tmp_path / "l.parquet")
    with pytest.raises(ValueError, match=r"1 of 3 objects .*'J2'"):
        Representation.read(tmp_path / "l.parquet")
    lists = pa.array([[1.0, 2.0], None, [3.0, 4.0]])
    pq.write_table(pa.table({"id_str": IDS, "v": lists}), tmp_path / "n.parquet")
    with pytest.raises(ValueError, match="1 of 3 lists in 'v' are missing"):
        Representation.read(tmp_path / "n.parquet")
    masked = Table({"id_str": IDS, "feat_1": np.ma.array([1.0, 2, 3], mask=[0, 0, 1])})
    masked.write(tmp_path / "m.ecsv")
    with pytest.raises(ValueError, match=r"1 of 3 objects .*'003'"):
        Representation.read(tmp_path / "m.ecsv")


def test_lists_of_different_length(tmp_path: Path) -> None:
    lists = pa.array([[1.0, 2.0], [1.0, 2.0], [3.0]])
    pq.write_table(pa.table({"id_str": IDS, "v": lists}), tmp_path / "r.parquet")
    with pytest.raises(ValueError, match=r"row 0 has 2, row 2 has 1"):
        Representation.read(tmp_path / "r.parquet")


def test_write_and_read_back(tmp_path: Path) -> None:
    features = Representation(IDS, X, name="mine", encoder="zoobot 2.1")
    features.write(tmp_path / "f.parquet")
    back = Representation.read(tmp_path / "f.parquet")
    assert_same(back)
    assert (back.name, back.encoder, back.hash) == ("mine", "zoobot 2.1", features.hash)
    field = pq.read_schema(tmp_path / "f.parquet").field("features")
    assert (field.type.list_size, field.type.value_type, field.nullable) == (4, "float", False)
    assert os.listdir(tmp_path) == ["f.parquet"]
    with pytest.raises(ValueError, match=r"f\.csv: a representation is written as \.parquet"):
        features.write(tmp_path / "f.csv")


def test_write_in_several_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    features = Representation(IDS, X)
    features.write(tmp_path / "f.parquet")
    assert_same(Representation.read(tmp_path / "f.parquet"))


# construction


def test_the_callers_arrays_stay_theirs() -> None:
    mine = X.copy()
    features = Representation(IDS, mine)
    mine[0, 0] = 99
    assert features.X[0, 0] == 1
    assert mine.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        features.X[0, 0] = 5
    with pytest.raises(AttributeError):
        features.name = "other"  # type: ignore[misc]
    again = Representation(features.ids, features.X)
    assert again.X is features.X  # write-locked already: no copy


@pytest.mark.parametrize(
    "values",
    [X.tolist(), X.astype(np.float64), X.astype(">f4"), np.asfortranarray(X), pd.DataFrame(X),
     np.ma.array(X), X[::-1][::-1]],
)  # fmt: skip
def test_arrays_of_every_kind(values: object) -> None:
    features = Representation(IDS, values)  # type: ignore[arg-type]
    assert_same(features)
    assert features.X.dtype == np.float32
    assert (features.d, len(features)) == (4, 3)


def test_a_writeable_map_is_neither_copied_nor_written_through(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r+")
    features = Representation(IDS, mapped)
    assert np.shares_memory(features.X, mapped)
    assert not features.X.flags.writeable
    assert mapped.flags.writeable


@pytest.mark.parametrize(
    ("ids", "values", "error", "reason"),
    [
        (["a"], [[1.0]], ValueError, "at least two objects, got 1"),
        ([], np.zeros((0, 3)), ValueError, "at least two objects, got 0"),
        (["a", "b", "c"], X[:2], ValueError, "3 ids but 2 rows of features"),
        (["a", "b"], [1.0, 2.0], ValueError, r"\(objects, features\) of numbers, got the shape"),
        (["a", "b"], np.zeros((2, 0)), ValueError, "at least one feature"),
        (["a", "b"], [["x"], ["y"]], ValueError, "of numbers"),
        (["a", "b"], np.array([[1j], [2j]]), ValueError, "of numbers"),
        (["a", "a"], X[:2], ValueError, "1 id is there more than once, such as 'a'"),
        (["a", ""], X[:2], ValueError, "1 id is missing or empty, in row 1"),
        ([1, 2], X[:2], TypeError, "expected strings, got the integer 1"),
        (np.array([1.5, 2.5]), X[:2], TypeError, "a float loses digits"),
        ("ab", X[:2], TypeError, "expected a list of ids, got the single value 'ab'"),
    ],
)
def test_bad_input(ids: object, values: object, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        Representation(ids, values)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite(bad: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 7)
    values = np.zeros((50, 3))
    values[[3, 6, 7, 20, 49], [0, 1, 2, 0, 1]] = bad
    ids = [f"J{n}" for n in range(50)]
    reason = "5 of 50 objects have values that are NaN, infinite or too large.*"
    reason += "'J3', 'J6', 'J7'; .* in feature 0 "
    with pytest.raises(ValueError, match=reason):
        Representation(ids, values)


def test_a_map_is_checked_too(tmp_path: Path) -> None:
    values = X.astype(np.float16)
    values[2, 1] = np.inf
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(ValueError, match=r"x\.npy: features: 1 of 3 objects .*'003'"):
        Representation.read(tmp_path / "x.npy", ids=IDS)


# rows, batches, hash


def test_rows_and_only() -> None:
    features = Representation(IDS, X, "mine", "enc")
    assert features.row("003") == 2
    assert features.rows(["003", "J1", "003"]).tolist() == [2, 0, 2]
    assert features.rows(pd.Series(["J2"])).tolist() == [1]
    assert features.rows("J2").tolist() == [1]
    assert features.rows([]).tolist() == []
    part = features.only(["003", "gone", "J1"])
    assert_same(part, ["003", "J1"], X[[2, 0]])
    assert (part.name, part.encoder) == ("mine", "enc")
    reason = "4 of 5 ids are not in the representation, such as 'a', 'b', 'c'"
    with pytest.raises(ValueError, match=reason):
        features.rows(["a", "b", "J1", "c", "d"])
    with pytest.raises(ValueError, match="the id 'J9' is not in the representation"):
        features.row("J9")
    with pytest.raises(ValueError, match="1 of the 2 ids are in the representation, at least two"):
        features.only(["J1", "J9"])


def test_batches_cover_every_row_once() -> None:
    features = Representation([str(n) for n in range(10)], np.arange(10.0)[:, None])
    for size in (1, 3, 10, 99):
        blocks = list(features.batches(size))
        assert [first for first, _ in blocks] == list(range(0, 10, size))
        assert np.concatenate([block for _, block in blocks]).ravel().tolist() == list(range(10))
    with pytest.raises(ValueError, match="at least one row"):
        next(features.batches(0))


def test_the_hash_is_of_ids_values_and_order_alone(tmp_path: Path) -> None:
    features = Representation(IDS, X)
    assert len(features.hash) == 16
    int(features.hash, 16)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "half.npy", X.astype(np.float16))
    same = [
        Representation(IDS, X.astype(np.float64), name="other", encoder="other"),
        Representation(IDS, np.asfortranarray(X)),
        Representation.read(tmp_path / "x.npy", IDS),
        Representation.read(tmp_path / "half.npy", IDS),
    ]
    assert {other.hash for other in same} == {features.hash}
    changed = X.copy()
    changed[2, 3] = np.nextafter(changed[2, 3], np.float32(99))
    other = [
        Representation(IDS, changed),
        Representation(["J1", "J2", "03"], X),
        Representation(["J1", "J20", "03"], X),
        Representation(IDS[::-1], X),
        Representation(IDS[::-1], X[::-1]),
        Representation(IDS, X[:, :3]),
    ]
    assert len({o.hash for o in other} | {features.hash}) == 7


# PCA


def cloud(n: int, d: int, seed: int = 0) -> Representation:
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    values = rng.normal(size=(n, d)) * (0.8 ** np.arange(d)) @ turn.T + 5
    return Representation([f"J{k}" for k in range(n)], values)


@pytest.mark.parametrize(("n", "d", "k"), [(300, 20, 7), (300, 600, 7), (12, 20, 5)])
def test_pca_is_that_of_scikit_learn_up_to_sign_and_one_scale(n: int, d: int, k: int) -> None:
    features = cloud(n, d)
    ours = features.pca(k)
    theirs = PCA(k, svd_solver="full").fit_transform(features.X.astype(np.float64))
    theirs *= np.sign((theirs * ours.X).sum(axis=0))
    theirs /= np.sqrt(theirs.var(axis=0).sum())
    np.testing.assert_allclose(ours.X, theirs, atol=2e-4)
    assert ours.X.dtype == np.float32
    np.testing.assert_allclose(ours.X.mean(axis=0), 0, atol=1e-5)
    assert ours.X.var(axis=0).sum() == pytest.approx(1, abs=1e-4)
    assert ours.ids.tolist() == features.ids.tolist()


def test_all_components_keep_all_distances() -> None:
    features = cloud(100, 6)
    for d in (6, 60):
        whole = features.pca(d)
        assert whole.d == 6
        before = np.linalg.norm(features.X[0] - features.X, axis=1)
        after = np.linalg.norm(whole.X[0] - whole.X, axis=1)
        np.testing.assert_allclose(after[1:] / before[1:], after[1] / before[1], rtol=1e-4)


def test_more_features_than_can_be_correlated(monkeypatch: pytest.MonkeyPatch) -> None:
    features = cloud(60, 40)
    direct = features.pca(5)
    monkeypatch.setattr(module, "PCA_DIMENSIONS", 39)  # the fit sees 39 of the 60 rows
    dual = features.pca(5)
    assert dual.d == 5
    assert features.pca(60).d == 39
    # the same axis, fitted to fewer rows
    assert abs(np.corrcoef(direct.X[:, 0], dual.X[:, 0])[0, 1]) > 0.85
    small = features.only(features.ids[:30])
    same = small.pca(5)
    monkeypatch.setattr(module, "PCA_DIMENSIONS", 4096)
    np.testing.assert_allclose(same.X, small.pca(5).X, atol=1e-5)


def test_pca_of_many_rows_is_fitted_to_some_and_reproducible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features = cloud(5000, 10)
    whole = features.pca(3)
    monkeypatch.setattr(module, "PCA_ROWS", 2500)
    monkeypatch.setattr(module, "BATCH", 700)
    some = features.pca(3, seed=1)
    np.testing.assert_array_equal(some.X, features.pca(3, seed=1).X)
    assert (some.X != features.pca(3, seed=2).X).any()
    for number in range(3):
        assert np.corrcoef(whole.X[:, number], some.X[:, number])[0, 1] > 0.98
    np.testing.assert_allclose(some.X.mean(axis=0), 0, atol=0.03)  # as well as the half tells
    assert some.X.var(axis=0).sum() == pytest.approx(1, abs=0.05)


def test_pca_does_not_depend_on_units_or_offset() -> None:
    features = cloud(200, 8)
    for scale, offset in ((1e-20, 0.0), (1e30, 0.0), (1.0, 100.0)):
        other = Representation(features.ids, features.X.astype(np.float64) * scale + offset)
        np.testing.assert_allclose(other.pca(3).X, features.pca(3).X, atol=2e-3)


def test_constant_and_repeated_features() -> None:
    ids = [str(n) for n in range(20)]
    values = np.random.default_rng(0).normal(size=(20, 3))
    wide = np.hstack([values, np.full((20, 2), 7.0), values[:, :1]])
    assert Representation(ids, wide).pca(6).d == 3
    for constant in (0.0, 0.1, 1e6):
        same = Representation(ids, np.full((20, 4), constant))
        with pytest.raises(ValueError, match="every object has the same features"):
            same.pca(2)
    with pytest.raises(ValueError, match="at least one component, got 0"):
        Representation(ids, wide).pca(0)
    two = Representation(["a", "b"], [[0.0, 1.0], [1.0, 0.0]]).pca(2)
    np.testing.assert_allclose(np.abs(two.X), 1.0)
    assert two.d == 1


def test_pca_of_a_map(tmp_path: Path) -> None:
    features = cloud(100, 6)
    np.save(tmp_path / "x.npy", features.X)
    mapped = Representation.read(tmp_path / "x.npy", features.ids)
    np.testing.assert_array_equal(mapped.pca(2).X, features.pca(2).X)
    assert mapped.pca(2).name == "x (PCA 2)"


# what people have in memory


def test_a_frame_with_text_names_the_column() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "label": ["x", "y", "z"]})
    for column in (
        frame["label"],
        frame["label"].astype(object),
        frame["label"].astype("category"),
    ):
        with pytest.raises(ValueError, match="the column 'label' holds string, expected numbers"):
            Representation(IDS, frame.assign(label=column))
    numbers = pd.DataFrame({"a": np.array([1, 2.5, 3], dtype=object), "b": [True, False, True]})
    assert Representation(IDS, numbers).X.tolist() == [[1, 1], [2.5, 0], [3, 1]]


def test_a_tensor_with_a_gradient() -> None:
    import torch

    tensor = torch.tensor(X, requires_grad=True)
    assert_same(Representation(IDS, tensor))
    assert tensor.requires_grad


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_boolean_features(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"id_str": IDS, "feat_1": [True, False, True], "feat_2": [0.5, 1, 2]})
    features = Representation.read(save(frame, tmp_path / f"b{suffix}"))
    assert features.X.tolist() == [[1, 0.5], [0, 1], [1, 2]]


def test_an_offset_that_hides_the_differences_is_named() -> None:
    values = np.random.default_rng(0).normal(size=(20, 3)) + 1e8
    features = Representation([str(n) for n in range(20)], values)
    with pytest.raises(ValueError, match=r"at float32 precision.*subtract the mean first"):
        features.pca(2)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Representation(IDS, X).write("~/f.parquet")
    assert_same(Representation.read("~/f.parquet"))
    with pytest.raises(TypeError, match="expected the path of a file, got ndarray"):
        Representation.read(X)  # type: ignore[arg-type]
