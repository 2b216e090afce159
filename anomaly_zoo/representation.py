"""The representation: one vector of features an object, read-only, in memory or memory-mapped."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from anomaly_zoo import tables
from anomaly_zoo.ids import as_ids, asked, known, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Representation", "feature_writer"]

BATCH = 16_384  # rows
PCA_ROWS = 100_000  # at most so many rows are fitted
PCA_DIMENSIONS = 4096  # above it the rows, not the features, are correlated
PREFIX = "feat_"
_AT_FLOAT32 = (
    "at float32 precision: there is nothing to learn from; where a large offset hides the "
    "differences, subtract the mean first"
)


@dataclass(frozen=True, eq=False, repr=False)
class Representation:
    """Feature vectors of objects, aligned with their ids.

    `ids` (n,) are unique strings, `X` (n, d) numbers; in memory they become write-locked float32
    (copied unless write-locked already), while a memory map of float32 or float16 stays on disk.
    `name` and `encoder` say where the features come from.

    Raises `ValueError` for fewer than two objects, lengths that differ, ids that are missing or
    there twice, and features that are NaN or infinite (also those too large for float32);
    `TypeError` for ids that are not strings.

    >>> features = Representation(["J1", "J2", "J3"], [[0, 1], [2, 3], [4, 5]])
    >>> features
    <Representation: 3 objects x 2 features>
    >>> features.X[features.row("J3")]
    array([4., 5.], dtype=float32)
    """

    ids: np.ndarray
    X: np.ndarray
    name: str = ""
    encoder: str = ""

    def __post_init__(self) -> None:
        ids = as_ids(self.ids)
        X = _matrix(self.X)
        if len(ids) != len(X):
            raise ValueError(
                f"{len(ids):,} ids but {len(X):,} rows of features; expected one row an id, in "
                "the same order"
            )
        if len(ids) < 2:
            raise ValueError(f"expected at least two objects, got {len(ids)}")
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "X", _finite(X, ids))

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        ids: Sequence[str] | np.ndarray | str | os.PathLike[str] | None = None,
        id_column: str = "id_str",
        *,
        column: str | None = None,
    ) -> Representation:
        """Read features from a table or from a NumPy file.

        A table (.parquet, .csv, .fits, .ecsv, .vot) holds the ids in `id_column` (text as it is
        written, integers as their decimal digits) and the features in the columns feat_*, in
        natural order (feat_2 before feat_10), or in one column of lists of equal length: the
        only one, the one called features, or `column`.

        A .npy file holds an array (n, d), which stays on disk when it is float32 or float16, with
        `ids` as a list or the path of a file: .txt (one a line), .npy, or a table. An .npz file
        holds X or features, and ids unless they are given.

        Raises `FileNotFoundError`, and `ValueError` or `TypeError` as `Representation` does, with
        the name of the file.

        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "zoobot.csv"
        >>> _ = path.write_text("id_str,feat_10,feat_2,mag\\n007,1,2,17\\n008,3,4,18\\n")
        >>> Representation.read(path).X
        array([[2., 1.],
               [4., 3.]], dtype=float32)
        """
        path = tables.existing(path)
        suffix = path.suffix.lower()
        try:
            if suffix == ".npy":
                if ids is None:
                    raise ValueError('a .npy file has no ids; give ids=[…] or ids="ids.txt"')
                read = _Read(_ids_from(ids, id_column), _load(path))
            elif suffix == ".npz":
                read = _npz(path, ids, id_column)
            else:
                if ids is not None:
                    raise ValueError("a table has its own ids: leave ids= out, or name id_column=")
                read = _table(path, id_column, column)
            return cls(read.ids, read.X, read.name or path.stem, read.encoder)
        except FileNotFoundError:
            raise
        except (ValueError, TypeError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            about = str(error)
            named = about if about.startswith(path.name) else f"{path.name}: {about}"
            raise kind(named) from None

    @property
    def d(self) -> int:
        """The number of features."""
        return int(self.X.shape[1])

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(self.ids, dtype=object)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        name = f" {self.name}" if self.name else ""
        where = ", on disk" if _on_disk(self.X) else ""
        return f"<Representation{name}: {len(self):,} objects x {self.d} features{where}>"

    def row(self, id: str) -> int:
        """The row number of one object; raises `ValueError` for an unknown id."""
        return int(self.rows([id])[0])

    def rows(self, ids: str | Iterable[str]) -> np.ndarray:
        """Row numbers (k,) of objects; raises `ValueError` for unknown ids and shows three.

        >>> Representation(["J1", "J2"], [[0], [1]]).rows(["J2", "J1"])
        array([1, 0])
        """
        return rows_of(self._index, ids, where="the representation")

    def only(self, ids: str | Iterable[str]) -> Representation:
        """The representation of those of `ids` that it knows, in that order, in memory.

        Raises `ValueError` when it knows fewer than two of them.

        >>> Representation(["J1", "J2", "J3"], [[0], [1], [2]]).only(["J3", "J9", "J1"]).ids
        array(['J3', 'J1'], dtype=object)
        """
        wanted = asked(self._index, ids)
        rows = known(self._index, wanted)
        if len(rows) < 2:
            raise ValueError(
                f"{len(rows)} of the {len(wanted):,} ids are in the representation, at least two "
                f"are needed; its ids are like {self.ids[0]!r}, those asked for like "
                f"{', '.join(repr(text) for text in wanted[:3]) or 'none'}"
            )
        X = np.asarray(self.X[rows], dtype=np.float32)
        return Representation(self.ids[rows], _locked(X), self.name, self.encoder)

    def batches(self, size: int = BATCH) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks in order: (the first row's number, float32 (b, d)), b at most `size`.

        >>> features = Representation(["J1", "J2", "J3"], [[0], [1], [2]])
        >>> [(first, X.shape) for first, X in features.batches(2)]
        [(0, (2, 1)), (2, (1, 1))]
        """
        if size < 1:
            raise ValueError(f"size: expected at least one row a batch, got {size}")
        for start in range(0, len(self), size):
            yield start, np.asarray(self.X[start : start + size], dtype=np.float32)

    def pca(self, d: int, seed: int = 0) -> Representation:
        """The `d` leading principal components, centred, with one scale for all of them.

        The scale makes the total variance one and keeps the axes' proportions (no whitening).
        Fewer than `d` come back where the features have no more dimensions than that. The axes
        are fitted to at most 100,000 rows, drawn with `seed`; the largest loading of each is
        positive.

        Raises `ValueError` for `d` below one, and when every object has the same features.

        >>> X = np.random.default_rng(0).normal(size=(50, 6)) * [9, 3, 1, 1, 1, 1]
        >>> leading = Representation([str(i) for i in range(50)], X).pca(2)
        >>> leading.d, round(float(leading.X.var(axis=0).sum()), 5)
        (2, 1.0)
        """
        if d < 1:
            raise ValueError(f"d: expected at least one component, got {d}")
        size = max(1, min(BATCH, 2**23 // self.d))
        if all(bool((block == self.X[0]).all()) for _, block in self.batches(size)):
            raise ValueError(f"every object has the same features {_AT_FLOAT32}")
        mean = np.zeros(self.d)
        largest = 0.0
        for _, block in self.batches(size):
            mean += block.sum(axis=0, dtype=np.float64) / len(self)
            largest = max(largest, float(np.abs(block).max()))
        axes = self._axes(mean, largest, min(d, self.d), np.random.default_rng(seed))
        out = np.empty((len(self), axes.shape[1]), dtype=np.float32)
        total = 0.0
        for start, block in self.batches(size):
            turned = ((block - mean) / largest) @ axes
            total += float((turned**2).sum()) / len(self)
            out[start : start + len(block)] = turned
        out /= np.float32(np.sqrt(total))
        name = f"{self.name} (PCA {axes.shape[1]})".strip()
        return Representation(self.ids, _locked(out), name, self.encoder)

    def _axes(
        self, mean: np.ndarray, largest: float, d: int, rng: np.random.Generator
    ) -> np.ndarray:
        """The d leading axes as columns (D, <= d), from the eigenvectors of the covariance."""
        from scipy.linalg import eigh

        dual = self.d > PCA_DIMENSIONS
        most = PCA_DIMENSIONS if dual else PCA_ROWS
        rows = np.arange(len(self))
        if len(self) > most:
            rows = np.sort(rng.choice(len(self), most, replace=False))
        precision = np.float64 if self.d <= 512 else np.float32
        if dual:
            Z = ((self.X[rows].astype(np.float64) - mean) / largest).astype(precision)
            gram = np.asarray(Z @ Z.T, dtype=np.float64)
        else:
            gram = np.zeros((self.d, self.d))
            for part in np.array_split(rows, range(2048, len(rows), 2048)):
                Z = ((self.X[part].astype(np.float64) - mean) / largest).astype(precision)
                gram += Z.T @ Z
        n = len(gram)
        values, vectors = eigh(gram, subset_by_index=(max(0, n - d), n - 1))
        values, vectors = values[::-1], vectors[:, ::-1]
        kept = values > values[0] * (1e-12 if precision is np.float64 else 1e-7)
        if values[0] <= 0 or not kept.any():
            raise ValueError(f"nearly every object has the same features {_AT_FLOAT32}")
        axes = vectors[:, kept]
        if dual:
            axes = Z.T.astype(np.float64) @ axes
            axes /= np.linalg.norm(axes, axis=0)
        signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        return axes * signs

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits that change with any id, any value (as float32) or their order.

        >>> a = Representation(["J1", "J2"], [[0], [1]])
        >>> a.hash == Representation(["J1", "J2"], [[0.0], [1.0]]).hash, len(a.hash)
        (True, 16)
        """
        digest = hashlib.blake2b(f"{len(self)} {self.d}\n".encode(), digest_size=8)
        for start, block in self.batches():
            for text in self.ids[start : start + len(block)]:
                encoded = text.encode("utf-8", "surrogatepass")
                digest.update(b"%d:%b" % (len(encoded), encoded))
            digest.update(np.ascontiguousarray(block, dtype="<f4").tobytes())
        return digest.hexdigest()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a .parquet file: id_str and features, a list of float32 of fixed length.

        Name and encoder are in the schema's metadata; `Representation.read` brings all of it back.
        Raises `ValueError` for another suffix, `OSError` when the disk is full or read-only.

        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "features.parquet"
        >>> Representation(["J1", "J2"], [[0, 1], [2, 3]], encoder="mine 1").write(path)
        >>> Representation.read(path).encoder
        'mine 1'
        """
        if tables.kind(path) != "parquet":
            raise ValueError(f"{Path(path).name}: a representation is written as .parquet")
        about = {"name": self.name, "encoder": self.encoder}
        with tables.replacing(path) as beside, feature_writer(beside, self.d, about) as add:
            for start, block in self.batches():
                add(self.ids[start : start + len(block)], block)


@contextmanager
def feature_writer(
    path: Path, d: int, metadata: Mapping[str, str], half: bool = False
) -> Iterator[Callable[[np.ndarray, np.ndarray], None]]:
    """A .parquet file of features, written block by block by the function that it gives.

    ``add(ids (b,), X (b, d))`` writes one row group: id_str, and features, a list of d float32
    (float16 where `half`). `metadata` becomes that of the schema. Raises OSError when the disk is
    full or read-only.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "features.parquet"
    >>> with feature_writer(path, 2, {"encoder": "mine 1"}, half=True) as add:
    ...     add(np.array(["J1"]), np.zeros((1, 2)))
    ...     add(np.array(["J2"]), np.ones((1, 2)))
    >>> Representation.read(path).X.tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number, kind = (np.float16, pa.float16()) if half else (np.float32, pa.float32())
    item = pa.field("element", kind, nullable=False)
    schema = pa.schema(
        [
            pa.field("id_str", pa.string(), nullable=False),
            pa.field("features", pa.list_(item, d), nullable=False),
        ],
        metadata=dict(metadata),
    )
    with pq.ParquetWriter(path, schema) as writer:

        def add(ids: np.ndarray, X: np.ndarray) -> None:
            values = pa.array(np.ascontiguousarray(X, dtype=number).ravel())
            lists = pa.FixedSizeListArray.from_arrays(values, type=schema.field(1).type)
            texts = pa.array(ids, pa.string())
            writer.write_batch(pa.record_batch([texts, lists], schema=schema))

        yield add


class _Read(NamedTuple):
    ids: np.ndarray
    X: np.ndarray
    name: str = ""
    encoder: str = ""


# the array


def _on_disk(X: np.ndarray) -> bool:
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base  # type: ignore[assignment]
    return False


def _locked(X: np.ndarray) -> np.ndarray:
    X.flags.writeable = False
    return X


def _matrix(X: Any) -> np.ndarray:
    """A numeric array (n, d) with d at least one."""
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(float), np.nan)
    elif isinstance(X, pd.DataFrame):
        _refuse_text(X)
        X = X.to_numpy(dtype=np.float64, na_value=np.nan)
    elif hasattr(X, "detach"):  # a torch tensor, with its gradient or on another device
        X = X.detach().cpu()
    X = np.asanyarray(X) if isinstance(X, np.memmap) else np.asarray(X)
    if X.ndim != 2 or X.dtype.kind not in "fiub":
        raise ValueError(
            f"features: expected an array (objects, features) of numbers, got the shape {X.shape} "
            f"of {X.dtype}"
        )
    if X.shape[1] < 1:
        raise ValueError("features: expected at least one feature an object, got none")
    return X


def _refuse_text(frame: pd.DataFrame) -> None:
    numbers = ("floating", "integer", "mixed-integer-float", "decimal", "boolean", "empty")
    for place, kind in enumerate(frame.dtypes):
        if pd.api.types.is_numeric_dtype(kind):
            continue
        found = pd.api.types.infer_dtype(frame.iloc[:, place].astype(object), skipna=True)
        if found not in numbers:
            raise ValueError(
                f"features: the column {frame.columns[place]!r} holds {found}, expected numbers; "
                "leave it out"
            )


def _finite(X: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The array write-locked, float32 unless it is a float16 map, all values checked."""
    on_disk = _on_disk(X)
    kept = X.dtype.isnative and X.dtype in ((np.float32, np.float16) if on_disk else (np.float32,))
    if not kept:
        out = np.empty(X.shape, dtype=np.float32)  # filled below
    elif X.flags.writeable:
        out = X.view() if on_disk else np.array(X, order="C")
    else:
        out = X
    bad: list[int] = []
    for start in range(0, len(X), BATCH):
        part = slice(start, start + BATCH)
        if not kept:
            with np.errstate(over="ignore"):
                out[part] = X[part]
        wrong = np.flatnonzero(~np.isfinite(out[part]).all(axis=1))
        bad.extend(int(row) for row in wrong + start)
    if bad:
        shown = ", ".join(repr(ids[row]) for row in bad[:3])
        raise ValueError(
            f"features: {len(bad):,} of {len(X):,} objects have values that are NaN, infinite or "
            f"too large for float32, such as {shown}; mend them or leave these objects out"
        )
    return _locked(out)


# reading


def _no_pickle(path: Path) -> ValueError:
    return ValueError(
        f"{path.name} holds Python objects (pickle), which are not loaded; save text ids with "
        "ids.astype(str) and features as float32"
    )


def _load(path: Path) -> Any:
    with open(path, "rb") as file:
        if not file.read(6).startswith((b"\x93NUMPY", b"PK")):
            raise ValueError("could not be read as a NumPy file: it does not begin as one")
    try:
        return np.load(path, mmap_mode=None if path.suffix == ".npz" else "r", allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" in str(error) or "Python objects" in str(error):
            raise _no_pickle(path) from None
        raise ValueError(f"could not be read as a NumPy file: {error}") from None
    except Exception as error:
        raise ValueError(f"could not be read as a NumPy file: {error}") from None


def _ids_from(ids: Any, id_column: str) -> np.ndarray:
    """Ids given as they are, or as the path of a file."""
    if not isinstance(ids, (str, os.PathLike)):
        return as_ids(ids)
    path = tables.existing(ids)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return as_ids(_load(path), what=path.name, integers=True)
    if suffix == ".txt":
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        while lines and not lines[-1].strip():
            lines.pop()
        return as_ids([line.strip() for line in lines], what=path.name)
    frame = tables.read(path, text=[id_column])
    if id_column not in frame.columns:
        raise _missing(id_column, list(frame.columns), "name it with id_column=")
    return as_ids(frame[id_column], what=path.name, integers=True)


def _npz(path: Path, ids: Any, id_column: str) -> _Read:
    with _load(path) as stored:
        names = list(stored.files)
        found = [name for name in ("X", "features") if name in names]
        if len(found) != 1:
            raise ValueError(
                f"expected one array X or features, found {', '.join(names) or 'none'}"
            )
        if ids is None and "ids" not in names:
            raise ValueError(f"no array ids, found {', '.join(names)}; give ids=")
        try:
            X = stored[found[0]]
            texts = {key: str(stored[key]) for key in ("name", "encoder") if key in names}
            given = stored["ids"] if ids is None else None
        except ValueError as error:
            if "allow_pickle" in str(error):
                raise _no_pickle(path) from None
            raise
    checked = _ids_from(ids, id_column) if given is None else as_ids(given, integers=True)
    return _Read(checked, X, **texts)


def _table(path: Path, id_column: str, column: str | None) -> _Read:
    if tables.kind(path) == "parquet":
        ids, X = _parquet(path, id_column, column)
    elif tables.kind(path) == "csv":
        frame = tables.read(path, text=[id_column])
        ids, X = _from_columns({name: frame[name] for name in frame}, id_column, column)
    else:
        table = tables.read_astropy(path)
        columns = {name: np.ma.asarray(table[name]) for name in table.colnames}
        ids, X = _from_columns(columns, id_column, column)
    about = tables.metadata(path) if tables.kind(path) == "parquet" else {}
    return _Read(
        as_ids(ids, what=id_column, integers=True),
        X,
        about.get("name", ""),
        about.get("encoder", ""),
    )


def _missing(name: str, found: list[str], do: str) -> ValueError:
    shown = ", ".join(repr(column) for column in found[:12]) + (", …" if len(found) > 12 else "")
    return ValueError(f"expected a column {name!r}, found {shown or 'no columns'}; {do}")


def _chosen(
    names: list[str], lists: list[str], id_column: str, column: str | None
) -> str | list[str]:
    """The one list column, or the feat_* columns in natural order."""
    if id_column not in names:
        raise _missing(id_column, names, "name your column of ids with id_column=")
    if column is not None:
        if column not in names:
            raise _missing(column, names, "column= names the column of lists")
        if column not in lists:
            raise ValueError(f"the column {column!r} does not hold lists of numbers")
        return column
    numbered = [name for name in names if name.startswith(PREFIX) and name not in lists]
    if numbered:
        return sorted(numbered, key=_natural)
    lists = [name for name in lists if name != id_column]
    if len(lists) == 1 or "features" in lists:
        return "features" if "features" in lists else lists[0]
    if lists:
        raise ValueError(
            f"several columns hold lists: {', '.join(lists[:12])}; name one with column="
        )
    raise _missing(f"{PREFIX}*", names, "features are feat_1, feat_2, … or one column of lists")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key with numbers in numeric order.

    >>> sorted(["feat_10", "feat_2", "feat_a"], key=_natural)
    ['feat_2', 'feat_10', 'feat_a']
    """
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pieces]


def _numbers(name: str, values: Any) -> np.ndarray:
    if values.dtype.kind not in "fiub":
        raise ValueError(f"the feature column {name!r} holds {values.dtype}, expected numbers")
    return np.ma.filled(values.astype(np.float64), np.nan)


def _from_columns(
    columns: dict[str, Any], id_column: str, column: str | None
) -> tuple[Any, np.ndarray]:
    """Ids and features of columns in memory: pandas Series, or masked arrays of any shape."""
    lists = [
        name
        for name, values in columns.items()
        if (values.ndim == 2 and values.dtype.kind in "fiu")
        or (values.dtype == object and len(values) and isinstance(values[0], np.ndarray))
    ]
    chosen = _chosen(list(columns), lists, id_column, column)
    if isinstance(chosen, str):
        values = columns[chosen]
        if values.ndim == 1:
            lengths = np.array([np.size(row) for row in values])
            _refuse_ragged(chosen, lengths)
            values = np.ma.stack([np.ma.asarray(row).ravel() for row in values])
        return columns[id_column], _numbers(chosen, values)
    X = np.empty((len(columns[id_column]), len(chosen)), dtype=np.float64)
    for number, name in enumerate(chosen):
        values = columns[name]
        if isinstance(values, pd.Series):
            if not pd.api.types.is_numeric_dtype(values.dtype):
                raise ValueError(
                    f"the feature column {name!r} holds {values.dtype}, expected numbers"
                )
            X[:, number] = values.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            X[:, number] = _numbers(name, values)
    return columns[id_column], X


def _refuse_ragged(name: str, lengths: np.ndarray) -> None:
    usual = int(np.bincount(lengths).argmax()) if len(lengths) else 0
    other = np.flatnonzero(lengths != usual)
    if len(other):
        raise ValueError(
            f"the lists in {name!r} differ in length: most have {usual}, {len(other):,} of "
            f"{len(lengths):,} do not (row {other[0]} has {lengths[other[0]]})"
        )


def _parquet(path: Path, id_column: str, column: str | None) -> tuple[Any, np.ndarray]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"could not be read as a Parquet table: {error}") from None
    schema = file.schema_arrow
    lists = [field.name for field in schema if _list_width(field.type) is not None]
    chosen = _chosen(schema.names, lists, id_column, column)
    names = [chosen] if isinstance(chosen, str) else chosen
    table = file.read(columns=[id_column, *names])
    ids = table[id_column].to_pandas()
    if isinstance(chosen, str):
        return ids, _from_lists(chosen, table[chosen])
    X = np.empty((len(table), len(chosen)), dtype=np.float32)
    for number, name in enumerate(chosen):
        values = table[name]
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.uint8())
        if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
            raise ValueError(f"the feature column {name!r} holds {values.type}, expected numbers")
        with np.errstate(over="ignore"):
            X[:, number] = values.to_numpy()
    return ids, _locked(X)


def _list_width(kind: pa.DataType) -> int | None:
    """The length of an Arrow list of numbers (0 where it varies), None for any other type."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if not (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        return None
    if not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        return None
    return kind.list_size if pa.types.is_fixed_size_list(kind) else 0


def _from_lists(name: str, column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists as an array (n, d), without a Python object for any number."""
    import pyarrow.compute as pc

    chunks = [getattr(chunk, "storage", chunk) for chunk in column.chunks]
    if column.null_count:
        raise ValueError(f"{column.null_count:,} of {len(column):,} lists in {name!r} are missing")
    lengths = [pc.list_value_length(chunk).to_numpy(zero_copy_only=False) for chunk in chunks]
    every = np.concatenate(lengths) if lengths else np.zeros(0, dtype=int)
    _refuse_ragged(name, every)
    d = int(every[0]) if len(every) else 0
    X = np.empty((len(column), d), dtype=np.float32)
    start = 0
    for chunk in chunks:
        values = chunk.flatten().to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            X[start : start + len(chunk)] = values.reshape(len(chunk), d)
        start += len(chunk)
    return _locked(X)
