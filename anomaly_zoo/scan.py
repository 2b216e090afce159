"""Parts of a source: what a scan over all objects is cut into, and how its results are merged.

A part is plain values, so it can be sent to another process or machine. It yields blocks of
features with the number of their first row, and names its objects when asked. Whatever is scanned
gives a small table for each part; tables merge in any order to the same one. Features in memory,
in a .npy file and in Parquet are three kinds of part with one result.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from anomaly_zoo.ids import Ids
from anomaly_zoo.threads import one_thread

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "BATCH",
    "ArrayPart",
    "MapPart",
    "ParquetPart",
    "Part",
    "Top",
    "convert",
    "merged",
    "numbers",
    "split",
    "stamp",
    "top",
    "unused",
    "width",
]

BATCH = 16_384
"""Rows of a block, unless asked otherwise."""
_NEAR = 2**14
"""Of rows so many bytes apart what lies between is read too: quicker than to go to each."""


class Part(Protocol):
    """Some rows of a source, in order: `first` is the number of the first one."""

    @property
    def first(self) -> int: ...

    def __len__(self) -> int: ...

    def batches(self, size: int = BATCH) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks in order: (its first row's number, float32 (b, d)), b at most `size`."""
        ...

    def ids(self, rows: np.ndarray) -> np.ndarray:
        """The ids (k,) of rows of this part, numbered as in the source."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayPart:
    """Rows held in memory.

    X : (n, d); names : their n ids.

    >>> part = ArrayPart(np.zeros((2, 3), np.float32), Ids.of(["J8", "J9"]), first=7)
    >>> [(first, X.shape) for first, X in part.batches()], part.ids(np.array([8]))
    ([(7, (2, 3))], array(['J9'], dtype=object))
    """

    X: np.ndarray
    names: Ids
    first: int = 0

    def __len__(self) -> int:
        return len(self.X)

    def batches(self, size: int = BATCH) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks in order: (its first row's number, float32 (b, d)), b at most `size`."""
        for start in _starts(len(self), size):
            yield self.first + start, np.asarray(self.X[start : start + size], dtype=np.float32)

    def ids(self, rows: np.ndarray) -> np.ndarray:
        """The ids (k,) of rows of this part, numbered as in the source."""
        return self.names[np.asarray(rows) - self.first]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The features of rows, float32 (k, d)."""
        return np.asarray(self.X[np.asarray(rows) - self.first], dtype=np.float32)

    def cut(self, start: int, stop: int) -> ArrayPart:
        """The rows from `start` to before `stop`, counted within this part."""
        return ArrayPart(
            self.X[start:stop], self.names.part(start, min(stop, len(self))), self.first + start
        )


@dataclass(frozen=True, eq=False)
class MapPart:
    """Rows of an (n, d) float32 or float16 array in a file, such as a .npy.

    `offset` is where row 0 of the source begins, `first` and `n` which rows these are, `stamp`
    what `stamp` said of the file when it was opened. Blocks are read, not mapped: a file that was
    cut short or changed since raises OSError and never ends the process.
    """

    path: str
    offset: int
    d: int
    dtype: str
    first: int
    n: int
    stamp: tuple[int, int]
    names: Ids

    def __len__(self) -> int:
        return self.n

    def batches(self, size: int = BATCH) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks in order: (its first row's number, float32 (b, d)), b at most `size`.

        The memory of a block is used again once nobody holds it. Raises OSError where the file
        is not as it was.
        """
        held: list[np.ndarray] = []
        stored = np.empty((min(size, self.n), self.d), dtype=self.dtype)
        with self._opened() as file:
            for start in _starts(self.n, size):
                first, count = self.first + start, min(size, self.n - start)
                block = unused(held, (min(size, self.n), self.d))[:count]
                direct = stored.dtype == np.float32
                self._read(file, first, block if direct else stored[:count])
                self._check(file)
                if not direct:
                    convert(stored[:count], block)
                yield first, block

    def ids(self, rows: np.ndarray) -> np.ndarray:
        """The ids (k,) of rows of this part, numbered as in the source."""
        return self.names[np.asarray(rows) - self.first]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The features of rows, float32 (k, d); raises OSError where the file is not as it was."""
        rows, back = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        if len(rows) and not self.first <= rows[0] <= rows[-1] < self.first + self.n:
            raise IndexError(f"expected rows of {self.first:,} to {self.first + self.n - 1:,}")
        stored = np.empty((len(rows), self.d), dtype=self.dtype)
        if not len(rows):
            return stored.astype(np.float32)
        near = max(1, _NEAR // (stored.itemsize * self.d))
        apart = np.diff(rows, prepend=-near - 1) > near
        runs = np.flatnonzero(apart | (np.diff(rows // BATCH, prepend=-1) > 0))
        with self._opened() as file:
            for start, stop in itertools.pairwise([*runs.tolist(), len(rows)]):
                first, last = int(rows[start]), int(rows[stop - 1])
                if last - first == stop - start - 1:
                    self._read(file, first, stored[start:stop])
                    continue
                between = np.empty((last - first + 1, self.d), dtype=self.dtype)
                self._read(file, first, between)
                np.take(between, rows[start:stop] - first, axis=0, out=stored[start:stop])
            self._check(file)
        out = np.empty(stored.shape, dtype=np.float32)
        convert(stored, out)
        return out if np.array_equal(back, np.arange(len(out))) else out[back]

    def cut(self, start: int, stop: int) -> MapPart:
        """The rows from `start` to before `stop`, counted within this part."""
        n = min(stop, self.n) - start
        names = self.names.part(start, start + n)
        return MapPart(
            *(self.path, self.offset, self.d, self.dtype),
            *(self.first + start, n, self.stamp, names),
        )

    def _opened(self) -> Any:
        file = open(self.path, "rb", buffering=0)  # noqa: SIM115 - the caller closes it
        try:
            self._check(file)
        except OSError:
            file.close()
            raise
        return file

    def _check(self, file: Any) -> None:
        now = stamp(file.fileno())
        if now != self.stamp:
            size = self.stamp[0]
            said = f"cut short, from {size:,} to {now[0]:,} bytes" if now[0] < size else "changed"
            raise OSError(
                f"{self.path} was {said} since it was opened; put it back or open it again"
            )

    def _read(self, file: Any, row: int, out: np.ndarray) -> None:
        file.seek(self.offset + row * out.itemsize * self.d)
        left = out.data.cast("B") if out.size else memoryview(b"")
        while left:
            got = file.readinto(left)
            if not got:
                self._check(file)
                raise OSError(f"{self.path} ended before row {row:,}; open it again")
            left = left[got:]


@dataclass(frozen=True)
class ParquetPart:
    """Row groups of a Parquet file, read when they are asked for.

    `columns` is the one column of lists, or the columns of numbers in order; `first` the number of
    the first row and `n` how many rows the groups hold; `stamp` as for `MapPart`.
    """

    path: str
    groups: tuple[int, ...]
    first: int
    n: int
    id_column: str
    columns: tuple[str, ...]
    stamp: tuple[int, int]

    @classmethod
    def of(cls, path: Path, id_column: str, columns: Iterable[str]) -> ParquetPart:
        """All row groups of a file."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            groups, n = tuple(range(file.num_row_groups)), file.metadata.num_rows
        return cls(str(path.absolute()), groups, 0, n, id_column, tuple(columns), stamp(path))

    def __len__(self) -> int:
        return self.n

    def batches(self, size: int = BATCH) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks in order: (its first row's number, float32 (b, d)), b at most `size`.

        Raises ValueError for lists that are missing or differ in length, OSError where the file
        was changed.
        """
        for first, stored in self.stored(size):
            block = np.empty(stored.shape, dtype=np.float32)
            convert(stored, block)
            yield first, block

    def stored(self, size: int) -> Iterator[tuple[int, np.ndarray]]:
        """The same in the precision of the file."""
        for first, table in self.tables(self.columns, size):
            yield first, numbers(table, self.columns, first)

    def tables(self, columns: Iterable[str], size: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Blocks of columns as they are, with the number of their first row."""
        import pyarrow.parquet as pq

        _starts(self.n, size)
        first = self.first
        with pq.ParquetFile(self.path) as file:
            for table in file.iter_batches(size, self.groups, list(columns)):
                if stamp(self.path) != self.stamp:
                    raise OSError(f"{self.path} was changed since it was opened; open it again")
                yield first, table
                first += len(table)

    def ids(self, rows: np.ndarray) -> np.ndarray:
        """The ids (k,) of rows of this part, numbered as in the source."""
        import pyarrow as pa

        rows = np.asarray(rows) - self.first
        columns = [table.column(0) for _, table in self.tables([self.id_column], 2**16)]
        texts = pa.chunked_array(columns).cast(pa.large_string())
        return texts.take(pa.array(rows)).to_numpy()

    def split(self, n: int) -> list[ParquetPart]:
        """At most n parts of whole row groups."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in self.groups]
        starts = self.first + np.concatenate([[0], np.cumsum(sizes)])
        cuts = np.linspace(0, len(self.groups), min(n, len(self.groups)) + 1).round().astype(int)
        return [
            ParquetPart(
                *(self.path, self.groups[a:b], int(starts[a]), int(starts[b] - starts[a])),
                *(self.id_column, self.columns, self.stamp),
            )
            for a, b in itertools.pairwise(cuts)
        ]


def split(whole: ArrayPart | MapPart, n: int) -> list[ArrayPart | MapPart]:
    """At most n parts of whole blocks, so that each block is that of the whole.

    >>> part = ArrayPart(np.zeros((3, 1), np.float32), Ids.of(["a", "b", "c"]))
    >>> [len(some) for some in split(part, 8)]
    [3]
    """
    blocks = -(-len(whole) // BATCH)
    cuts = np.linspace(0, blocks, min(max(1, n), blocks) + 1).round().astype(int) * BATCH
    return [whole.cut(int(a), int(b)) for a, b in itertools.pairwise(cuts)]


@dataclass(frozen=True, eq=False)
class Top:
    """The k objects of the highest values: by value, and by id where values are equal.

    k : how many were asked for; ids : (m,) with m at most k; values : (m,), highest first;
    rows : (m,) their numbers in the source.
    """

    k: int
    ids: np.ndarray
    values: np.ndarray
    rows: np.ndarray


def top(part: Part, values: np.ndarray, k: int) -> Top:
    """The k objects of a part with the highest of its values (n,); those of -inf are left out.

    Only the ids of those that may be among them are read. Raises ValueError where `values` are not
    one an object, or NaN.

    >>> part = ArrayPart(np.zeros((4, 1), np.float32), Ids.of(["d", "c", "b", "a"]))
    >>> found = top(part, np.array([1.0, 2.0, 1.0, 1.0]), 2)
    >>> found.ids.tolist(), found.values.tolist(), found.rows.tolist()
    (['c', 'a'], [2.0, 1.0], [1, 3])
    """
    if values.shape != (len(part),):
        raise ValueError(f"expected {len(part):,} values, one an object, got {values.shape}")
    if np.isnan(values).any():
        raise ValueError("a value is NaN: objects without one are given -inf")
    rows = np.flatnonzero(values > -np.inf)
    if len(rows) > k:
        least = np.partition(values[rows], len(rows) - k)[len(rows) - k]
        rows = rows[values[rows] >= least]
    return first_of(k, part.ids(rows + part.first), values[rows], rows + part.first)


def merged(tops: Iterable[Top]) -> Top:
    """The top of several parts together: the same in whatever order and groups they are merged.

    >>> parts = [ArrayPart(np.zeros((1, 1)), Ids.of([i]), first=r) for r, i in enumerate("ba")]
    >>> merged([top(part, np.array([1.0]), 1) for part in parts]).ids.tolist()
    ['a']
    """
    tops = list(tops)
    if len({each.k for each in tops}) != 1:
        raise ValueError("expected at least one top, all of the same k")
    return first_of(
        tops[0].k,
        *(np.concatenate([getattr(t, name) for t in tops]) for name in ("ids", "values", "rows")),
    )


def first_of(k: int, ids: np.ndarray, values: np.ndarray, rows: np.ndarray) -> Top:
    order = np.argsort(ids, kind="stable")
    order = order[np.argsort(-values[order], kind="stable")][:k]
    return Top(k, ids[order], values[order], rows[order])


def stamp(path: str | os.PathLike[str] | int) -> tuple[int, int]:
    """Size in bytes and time of the last change in nanoseconds: a file that differs was changed."""
    about = os.stat(path)
    return about.st_size, about.st_mtime_ns


def convert(values: np.ndarray, out: np.ndarray) -> None:
    """Write numbers into `out` in its precision; what is too large for it becomes infinite."""
    if np.float16 in (values.dtype, out.dtype) and values.dtype != out.dtype:
        import torch  # its conversion is some twenty times as quick as NumPy's

        known = values if values.flags.writeable else values.copy()  # torch warns of the others
        with one_thread():
            torch.from_numpy(out).copy_(torch.from_numpy(known))
    else:
        with np.errstate(over="ignore"):
            np.copyto(out, values, casting="same_kind")


def numbers(table: pa.RecordBatch, columns: tuple[str, ...], first: int = 0) -> np.ndarray:
    """The features (b, d) of Arrow columns: float16 if they are lists of it, else float32 or 64.

    One column holds lists of equal length, several hold numbers. `first` is the number of the
    first row, for messages. Raises ValueError for lists that are missing or differ in length, and
    for columns that hold no numbers.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(columns) == 1 and width(table.schema.field(columns[0]).type) is not None:
        name = columns[0]
        column = table[name]
        lists = getattr(column, "storage", column)
        if lists.null_count:
            row = int(np.flatnonzero(lists.is_null().to_numpy(zero_copy_only=False))[0])
            raise ValueError(
                f"{lists.null_count:,} of {len(lists):,} lists in {name!r} are missing, such as "
                f"that of row {first + row:,}"
            )
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        d = int(lengths[0]) if len(lengths) else 0
        other = np.flatnonzero(lengths != d)
        if len(other):
            raise ValueError(
                f"the lists in {name!r} differ in length: row {first:,} has {d}, row "
                f"{first + other[0]:,} has {lengths[other[0]]}"
            )
        values = lists.flatten().to_numpy(zero_copy_only=False)
        if values.dtype not in (np.float16, np.float32):
            values = values.astype(np.float64)
        return values.reshape(len(lists), d)
    X = np.empty((len(table), len(columns)), dtype=np.float32)
    for number, name in enumerate(columns):
        values = table[name]
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.uint8())
        if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
            raise ValueError(f"the feature column {name!r} holds {values.type}, expected numbers")
        with np.errstate(over="ignore"):
            X[:, number] = values.to_numpy(zero_copy_only=False)
    return X


def width(kind: pa.DataType) -> int | None:
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


def _starts(n: int, size: int) -> range:
    if size < 1:
        raise ValueError(f"size: expected at least one row a batch, got {size}")
    return range(0, n, size)


def unused(held: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """A float32 array that nobody but `held` refers to, by the reference counts of CPython up to
    3.13 (later ones count otherwise), new where there is none.

    Fresh memory costs more than what is written into it.
    """
    for array in held:
        if sys.getrefcount(array) <= 3:  # in held, named here, and as this argument
            return array
    held.append(np.empty(shape, dtype=np.float32))
    return held[-1]
