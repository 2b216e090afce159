"""The representation: one vector of features an object, read-only, in memory or memory-mapped."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from anomaly_zoo import tables
from anomaly_zoo.cache import refused, room
from anomaly_zoo.ids import Ids, asked
from anomaly_zoo.scan import (
    BATCH,
    ArrayPart,
    MapPart,
    ParquetPart,
    convert,
    numbers,
    split,
    stamp,
    width,
)
from anomaly_zoo.stored import LARGE, Kept, Progress, array_file, digest, fingerprint
from anomaly_zoo.threads import one_thread

__all__ = ["Axes", "Representation", "feature_writer"]

PCA_ROWS = 100_000  # at most so many rows are fitted
PCA_DIMENSIONS = 4096  # above it the rows, not the features, are correlated
_SMALL = 128  # up to so many features a product is no work for several threads
PREFIX = "feat_"
_AT_FLOAT32 = (
    "at float32 precision: there is nothing to learn from; where a large offset hides the "
    "differences, subtract the mean first"
)


@dataclass(frozen=True, eq=False)
class Axes:
    """A rotation of features (b, D) to fewer (b, k), with one scale for all: what `pca` applies.

    mean : (D,); axes : (D, k), orthonormal columns; scale : the total standard deviation.

    >>> axes = Axes(np.array([1.0, 0.0]), np.array([[1.0], [0.0]]), 2.0)
    >>> axes(np.array([[5.0, 7.0]], np.float32))
    array([[2.]], dtype=float32)
    """

    mean: np.ndarray
    axes: np.ndarray
    scale: float

    def __post_init__(self) -> None:
        self.mean.flags.writeable = False
        self.axes.flags.writeable = False

    @cached_property
    def _narrow(self) -> tuple[np.ndarray, np.ndarray]:
        return self.mean.astype(np.float32), (self.axes / self.scale).astype(np.float32)

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """(block - mean) @ axes / scale, float32 (b, k)."""
        import torch

        mean, axes = self._narrow
        centred = torch.from_numpy(np.asarray(block - mean, dtype=np.float32))
        with one_thread():
            return torch.mm(centred, torch.from_numpy(axes)).numpy()


@dataclass(frozen=True, eq=False, repr=False)
class Representation:
    """Feature vectors of objects, aligned with their ids.

    `ids` (n,) are unique strings, `X` (n, d) numbers; in memory they become write-locked float32
    (copied unless write-locked already), while a memory map of float32 or float16 stays on disk.
    `batches` and `take` read it from there and raise OSError where the file was cut short or
    changed since; use them rather than `X`, which then is the bare map. `name` and `encoder` say
    where the features come from.

    Raises `ValueError` for fewer than two objects, lengths that differ, ids that are missing or
    there twice, and features that are NaN or infinite (also those too large for float32);
    `TypeError` for ids that are not strings.

    >>> features = Representation(["J1", "J2", "J3"], [[0, 1], [2, 3], [4, 5]])
    >>> features
    <Representation: 3 objects x 2 features>
    >>> features.X[features.row("J3")]
    array([4., 5.], dtype=float32)
    """

    ids: Ids
    X: np.ndarray
    name: str = ""
    encoder: str = ""

    def __post_init__(self) -> None:
        ids = Ids.of(self.ids)
        X = _matrix(self.X)
        if len(ids) != len(X):
            raise ValueError(
                f"{len(ids):,} ids but {len(X):,} rows of features; expected one row an id, in "
                "the same order"
            )
        if len(ids) < 2:
            raise ValueError(f"expected at least two objects, got {len(ids)}")
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "X", _locked_float(X))
        _refuse_not_finite(self)

    @classmethod
    def _trusted(
        cls, ids: Ids, X: np.ndarray, name: str, encoder: str, hash: str = ""
    ) -> Representation:
        """Of a write-locked array that is known to be finite."""
        made = cls.__new__(cls)
        for field, value in (("ids", ids), ("X", X), ("name", name), ("encoder", encoder)):
            object.__setattr__(made, field, value)
        if hash:
            made.__dict__["hash"] = hash
        _ = made._whole  # how the file is now
        return made

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        ids: Sequence[str] | np.ndarray | Ids | str | os.PathLike[str] | None = None,
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

        Of more than 128 MB (as float32) a Parquet table is converted once to an array in
        `anomaly_zoo.cache.cache_folder()`, in its own precision, and stays on disk; what the first
        reading of such a table or .npy file found out is kept there too, so that the next takes
        no time, as long as the files have the same size, time of change and sampled content.
        Where the cache has no room for it the features are held in memory, with a warning.

        Raises `FileNotFoundError`, `OSError` where neither disk nor memory can hold the features,
        and `ValueError` or `TypeError` as `Representation` does, with the name of the file.

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
                return cls._of_array(path, ids, id_column)
            if suffix == ".npz":
                read = _npz(path, ids, id_column)
            elif ids is not None:
                raise ValueError("a table has its own ids: leave ids= out, or name id_column=")
            elif tables.kind(path) == "parquet":
                return cls._of_parquet(path, id_column, column)
            else:
                read = _table(path, id_column, column)
            return cls(read.ids, read.X, read.name or path.stem, read.encoder)
        except OSError:
            raise
        except (ValueError, TypeError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            about = str(error)
            named = about if about.startswith(path.name) else f"{path.name}: {about}"
            raise kind(named) from None

    @classmethod
    def _of_array(cls, path: Path, ids: Any, id_column: str) -> Representation:
        X = _load(path)
        if X.size * 4 <= LARGE or not _stays(X):
            return cls(_ids_from(ids, id_column), X, path.stem)
        if isinstance(ids, (str, os.PathLike)):
            whose = fingerprint(tables.existing(ids))
        else:
            ids = Ids.of(ids)
            whose = ids.digest
        kept = Kept(digest(fingerprint(path), whose, id_column))
        known = kept.found(path)
        if known:
            return cls._trusted(known[0], _locked(X.view()), path.stem, "", known[1])
        made = cls(_ids_from(ids, id_column), X, path.stem)
        kept.keep(made.ids, made.hash, path)
        return made

    @classmethod
    def _of_parquet(cls, path: Path, id_column: str, column: str | None) -> Representation:
        import pyarrow as pa

        part = _parquet(path, id_column, column)
        about = tables.metadata(path)
        name, encoder = about.get("name", "") or path.stem, about.get("encoder", "")
        sample = next((X for _, X in part.stored(1)), None)
        if sample is None:
            raise ValueError("expected at least two objects, got 0")
        shape, half = (len(part), sample.shape[1]), sample.dtype == np.float16
        if shape[0] * shape[1] * 4 > LARGE:
            kept = Kept(digest(fingerprint(path), id_column, *part.columns))
            known = kept.found(kept.array_file) or cls._converted(part, shape, half, kept)
            if known:
                pa.default_memory_pool().release_unused()  # what the conversion took
                X = np.load(kept.array_file, mmap_mode="r")
                return cls._trusted(known[0], X, name, encoder, known[1])
        X = np.empty(shape, dtype=np.float32)
        ids = _poured(part, lambda first, block: convert(block, X[first : first + len(block)]))
        return cls(ids, _locked(X), name, encoder)

    @classmethod
    def _converted(
        cls, part: ParquetPart, shape: tuple[int, int], half: bool, kept: Kept
    ) -> tuple[Ids, str] | None:
        """The ids and the hash of what is now kept; None where there is no room for it."""
        need = shape[0] * (shape[1] * (2 if half else 4) + 100)
        if not room(need, "the features"):
            return None
        dtype = np.dtype("<f2" if half else "<f4")
        try:
            with array_file(kept.array_file, shape, dtype) as add:
                ids = _poured(part, lambda _, block: add(block))
        except OSError as error:
            refused(error, need, "the features")
            return None
        try:
            hash = cls(ids, np.load(kept.array_file, mmap_mode="r")).hash
        except ValueError:
            kept.array_file.unlink(missing_ok=True)
            raise
        return kept.keep(ids, hash, kept.array_file), hash

    @property
    def d(self) -> int:
        """The number of features."""
        return int(self.X.shape[1])

    @cached_property
    def _whole(self) -> ArrayPart | MapPart:
        """All rows as one part."""
        base = _on_disk(self.X)
        if base is None:
            return ArrayPart(self.X, self.ids)
        path = str(base.filename)
        within = self.X.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        offset = base.offset + within
        return MapPart(path, offset, self.d, self.X.dtype.str, 0, len(self), stamp(path), self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        name = f" {self.name}" if self.name else ""
        where = ", on disk" if _stays(self.X) else ""
        return f"<Representation{name}: {len(self):,} objects x {self.d} features{where}>"

    def row(self, id: str) -> int:
        """The row number of one object; raises `ValueError` for an unknown id."""
        return int(self.rows([id])[0])

    def rows(self, ids: str | Iterable[str]) -> np.ndarray:
        """Row numbers (k,) of objects; raises `ValueError` for unknown ids and shows three.

        >>> Representation(["J1", "J2"], [[0], [1]]).rows(["J2", "J1"])
        array([1, 0])
        """
        return self.ids.rows(ids, where="the representation")

    def only(self, ids: str | Iterable[str]) -> Representation:
        """The representation of those of `ids` that it knows, in that order, in memory.

        Raises `ValueError` when it knows fewer than two of them.

        >>> Representation(["J1", "J2", "J3"], [[0], [1], [2]]).only(["J3", "J9", "J1"]).ids
        <Ids: 2, such as 'J3', 'J1'>
        """
        wanted = asked(self.ids, ids)
        rows = self.ids.known(wanted)
        if len(rows) < 2:
            raise ValueError(
                f"{len(rows)} of the {len(wanted):,} ids are in the representation, at least two "
                f"are needed; its ids are like {self.ids[0]!r}, those asked for like "
                f"{', '.join(repr(text) for text in wanted[:3]) or 'none'}"
            )
        ids = Ids.of(self.ids[rows])
        return Representation(ids, _locked(self.take(rows)), self.name, self.encoder)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The features of some rows, float32 (k, d), read from the file where they are on disk.

        Raises OSError where that was cut short or changed since it was opened.

        >>> Representation(["J1", "J2", "J3"], [[0], [1], [2]]).take([2, 0]).tolist()
        [[2.0], [0.0]]
        """
        return self._whole.take(rows)

    def sample(
        self, size: int, seed: int | Sequence[int] | np.random.Generator = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """So many rows drawn without replacement, in order, and their features float32 (k, d).

        All of them where they are no more than `size`. Raises OSError as `take`.

        >>> rows, X = Representation(["J1", "J2", "J3"], [[0], [1], [2]]).sample(2)
        >>> rows.shape, X[:, 0].tolist() == rows.tolist()
        ((2,), True)
        """
        rows = np.arange(len(self))
        if len(rows) > size:
            rows = np.sort(np.random.default_rng(seed).choice(len(rows), size, replace=False))
        return rows, self.take(rows)

    def parts(self, n: int) -> list[ArrayPart | MapPart]:
        """At most n parts of consecutive rows, each of whole blocks, for a scan by several workers.

        >>> [len(part) for part in Representation(["J1", "J2"], [[0], [1]]).parts(4)]
        [2]
        """
        return split(self._whole, n)

    def batches(self, size: int = BATCH) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks in order: (the first row's number, float32 (b, d)), b at most `size`.

        >>> features = Representation(["J1", "J2", "J3"], [[0], [1], [2]])
        >>> [(first, X.shape) for first, X in features.batches(2)]
        [(0, (2, 1)), (2, (1, 1))]
        """
        return self._whole.batches(size)

    def pca(self, d: int, seed: int = 0, progress: Progress | None = None) -> Representation:
        """The `d` leading principal components, centred, with one scale for all of them.

        The scale makes the total variance one and keeps the axes' proportions (no whitening).
        Fewer than `d` come back where the features have no more dimensions than that. Everything
        is fitted to at most 100,000 rows or 128 MB, drawn with `seed`; the largest loading of each
        axis is positive. More than 128 MB of components are written once to the cache folder, in
        the precision of the features on disk, and stay there; `progress` is then told how many
        rows are done, and of how many.

        Raises `ValueError` for `d` below one, and when every object has the same features; OSError
        where neither disk nor memory can hold the result.

        >>> X = np.random.default_rng(0).normal(size=(50, 6)) * [9, 3, 1, 1, 1, 1]
        >>> leading = Representation([str(i) for i in range(50)], X).pca(2)
        >>> leading.d, round(float(leading.X.var(axis=0).sum()), 5)
        (2, 1.0)
        """
        large = len(self) * min(d, self.d) * 4 > LARGE
        key = digest("pca", self.hash, str(self.X.dtype), str(d), str(seed)) if large else ""
        kept = Kept(key)
        if large and (X := kept.sealed()) is not None:
            return self._turned(X, key)
        axes = self.axes(d, seed)
        shape = len(self), axes.axes.shape[1]
        need, what = shape[0] * shape[1] * self.X.itemsize, "the components"
        if large and room(need, what):
            try:
                return self._turned(self._turn(axes, kept, shape, progress), key)
            except OSError as error:
                refused(error, need, what)
        out = np.empty(shape, dtype=np.float32)
        for start, block in self.batches(self._block):
            out[start : start + len(block)] = axes(block)
        return self._turned(_locked(out))

    def _turn(
        self, axes: Axes, kept: Kept, shape: tuple[int, int], progress: Progress | None
    ) -> np.ndarray:
        """The components (n, k) on disk, in the precision of the features."""
        limit = np.finfo(self.X.dtype).max
        with array_file(kept.array_file, shape, self.X.dtype) as add:
            for start, block in self.batches(self._block):
                # A wild outlier stays one, at the end of what float16 holds.
                add(np.clip(axes(block), -limit, limit, dtype=np.float32))
                if progress:
                    progress(start + len(block), len(self))
        return kept.seal()

    def _turned(self, X: np.ndarray, hash: str = "") -> Representation:
        name = f"{self.name} (PCA {X.shape[1]})".strip()
        return Representation._trusted(self.ids, X, name, self.encoder, hash)

    @property
    def _block(self) -> int:
        """Rows of a block that is worked on in float64."""
        return max(1, min(BATCH, 2**23 // self.d))

    def axes(self, d: int, seed: int = 0) -> Axes:
        """The rotation that `pca` applies: block (b, D) -> (b, at most d) float32.

        Mean, axes and scale are those of the rows that `pca` draws. Raises as `pca`.

        >>> X = np.random.default_rng(0).normal(size=(50, 6)) * [9, 3, 1, 1, 1, 1]
        >>> features = Representation([str(i) for i in range(50)], X)
        >>> bool((features.axes(2)(features.X) == features.pca(2).X).all())
        True
        """
        if d < 1:
            raise ValueError(f"d: expected at least one component, got {d}")
        rng = np.random.default_rng(seed)
        source, size = self._whole, self._block
        if len(self) > PCA_ROWS:
            some = min(PCA_ROWS, max(2 * PCA_DIMENSIONS, LARGE // (4 * self.d)))
            source = ArrayPart(self.sample(some, rng)[1], self.ids)
        first = next(source.batches(1))[1]
        if all(bool((block == first).all()) for _, block in source.batches(size)):
            raise ValueError(f"every object has the same features {_AT_FLOAT32}")
        mean = np.zeros(self.d)
        largest = 0.0
        for _, block in source.batches(size):
            mean += block.sum(axis=0, dtype=np.float64) / len(source)
            largest = max(largest, float(np.abs(block).max()))
        axes = _leading(source, mean, largest, min(d, self.d), rng)
        total = 0.0
        for _, block in source.batches(size):
            total += float(np.square(((block - mean) / largest) @ axes).sum()) / len(source)
        return Axes(mean, axes, largest * float(np.sqrt(total)))

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits that change with any id, any value (as float32) or their order.

        >>> a = Representation(["J1", "J2"], [[0], [1]])
        >>> a.hash == Representation(["J1", "J2"], [[0.0], [1.0]]).hash, len(a.hash)
        (True, 16)
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        made = hashlib.blake2b(f"{len(self)} {self.d}\n".encode(), digest_size=8)
        plain = pa.large_binary()
        for start, block in self.batches():
            texts = self.ids.texts[start : start + len(block)]
            lengths = pc.binary_length(texts).cast(pa.large_string()).cast(plain)
            listed = pc.binary_join_element_wise(lengths, texts.cast(plain), pa.scalar(b":", plain))
            made.update(listed.buffers()[2])
            made.update(np.ascontiguousarray(block, dtype="<f4").data)
        return made.hexdigest()

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


def _leading(
    source: ArrayPart | MapPart, mean: np.ndarray, largest: float, d: int, rng: np.random.Generator
) -> np.ndarray:
    """The d leading axes as columns (D, <= d), from the eigenvectors of the covariance."""
    import torch
    from scipy.linalg import eigh

    dual = len(mean) > PCA_DIMENSIONS
    precision = np.float64 if len(mean) <= 512 else np.float32
    if dual:
        rows = np.arange(len(source))
        if len(rows) > PCA_DIMENSIONS:
            rows = np.sort(rng.choice(len(rows), PCA_DIMENSIONS, replace=False))
        Z = ((source.take(rows).astype(np.float64) - mean) / largest).astype(precision)
        gram = np.asarray(Z @ Z.T, dtype=np.float64)
    else:
        gram = np.zeros((len(mean), len(mean)))
        # Threads that wait for each other cost more than they give for small products.
        with one_thread() if len(mean) <= _SMALL else nullcontext():
            for _, block in source.batches(2048):
                Z = ((block.astype(np.float64) - mean) / largest).astype(precision)
                some = torch.from_numpy(Z)
                gram += torch.mm(some.T, some).numpy()
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
    ids: Ids
    X: np.ndarray
    name: str = ""
    encoder: str = ""


# the array


def _on_disk(X: np.ndarray) -> np.memmap | None:
    """The map of a file that an array is a view of, None where it is in memory.

    A copy-on-write map counts as memory, for what it holds may not be in the file.
    """
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap) and not isinstance(X.base, np.memmap):
            return X if X.filename is not None and X.mode != "c" else None
        X = X.base  # type: ignore[assignment]
    return None


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


def _stays(X: np.ndarray) -> bool:
    """Whether an array is one of those that are used from their file."""
    known = X.dtype.isnative and X.dtype in (np.float32, np.float16)
    return _on_disk(X) is not None and known and X.flags.c_contiguous


def _locked_float(X: np.ndarray) -> np.ndarray:
    """The array write-locked, as float32 unless it stays on disk."""
    if _stays(X):
        return _locked(X.view())
    if X.dtype == np.float32 and X.dtype.isnative and not isinstance(X, np.memmap):
        return _locked(np.array(X, order="C")) if X.flags.writeable else X
    out = np.empty(X.shape, dtype=np.float32)
    with np.errstate(over="ignore"):
        for start in range(0, len(X), BATCH):
            out[start : start + BATCH] = X[start : start + BATCH]
    return _locked(out)


def _refuse_not_finite(features: Representation) -> None:
    bad: list[int] = []
    where = ""
    for start, block in features.batches():
        finite = np.isfinite(block)
        if finite.all():
            continue
        wrong = np.flatnonzero(~finite.all(axis=1))
        if not bad:
            column = int(np.argmin(finite[wrong[0]]))
            where = f"{block[wrong[0], column]} in feature {column} (from 0) of the first"
        bad.extend(int(row) for row in wrong + start)
    if bad:
        half = features.X.dtype == np.float16
        limit = "float16 (at most 65,504)" if half else "float32"
        shown = ", ".join(repr(features.ids[row]) for row in bad[:3])
        raise ValueError(
            f"features: {len(bad):,} of {len(features):,} objects have values that are NaN, "
            f"infinite or too large for {limit}, such as {shown}; {where}; mend them or leave "
            "these objects out"
        )


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


def _ids_from(ids: Any, id_column: str) -> Ids:
    """Ids given as they are, or as the path of a file."""
    if not isinstance(ids, (str, os.PathLike)):
        return Ids.of(ids)
    path = tables.existing(ids)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return Ids.of(_load(path), what=path.name, integers=True)
    if suffix == ".txt":
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        while lines and not lines[-1].strip():
            lines.pop()
        return Ids.of([line.strip() for line in lines], what=path.name)
    frame = tables.read(path, text=[id_column])
    if id_column not in frame.columns:
        raise _missing(id_column, list(frame.columns), "name it with id_column=")
    return Ids.of(frame[id_column], what=path.name, integers=True)


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
    checked = _ids_from(ids, id_column) if given is None else Ids.of(given, integers=True)
    return _Read(checked, X, **texts)


def _table(path: Path, id_column: str, column: str | None) -> _Read:
    if tables.kind(path) == "csv":
        frame = tables.read(path, text=[id_column])
        ids, X = _from_columns({name: frame[name] for name in frame}, id_column, column)
    else:
        table = tables.read_astropy(path)
        columns = {name: np.ma.asarray(table[name]) for name in table.colnames}
        ids, X = _from_columns(columns, id_column, column)
    return _Read(Ids.of(ids, what=id_column, integers=True), X)


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


def _poured(part: ParquetPart, add: Callable[[int, np.ndarray], None]) -> Ids:
    """Hand all blocks to ``add(first row, X (b, d))``; the ids."""
    import pyarrow as pa

    names = []
    for first, table in part.tables((part.id_column, *part.columns), BATCH):
        names.append(table[part.id_column])
        add(first, numbers(table, part.columns, first))
    return Ids.of(pa.chunked_array(names), what=part.id_column, integers=True)


def _parquet(path: Path, id_column: str, column: str | None) -> ParquetPart:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"could not be read as a Parquet table: {error}") from None
    lists = [field.name for field in schema if width(field.type) is not None]
    chosen = _chosen(schema.names, lists, id_column, column)
    return ParquetPart.of(path, id_column, [chosen] if isinstance(chosen, str) else chosen)
