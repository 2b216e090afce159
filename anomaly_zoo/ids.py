"""The ids that objects travel by: unique, non-empty texts, checked once and held compactly."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Ids", "asked"]

SHOWN = 3  # how many examples an error message shows
BLOCK = 32_768  # ids that are hashed, or become Python strings, at a time
_PIECE = 64  # bytes of a text that are hashed at a time
_MULTIPLIER = 0xBF58476D1CE4E5B9


@dataclass(frozen=True, eq=False, repr=False)
class Ids:
    """The ids of n objects: a sequence of unique `str` in some 40 bytes an object.

    `texts` is an Arrow array of strings, in memory or mapped from the file `file`, of which they
    are the rows from `first` on. Indexed like an array, one row gives a `str`, several give a new
    (k,) object array of them. A sorted hash finds the rows of ids; equal hashes are told apart by
    the texts themselves. Make one with `Ids.of`, which checks them.

    >>> ids = Ids.of(["J1", "J2", "J3"])
    >>> ids
    <Ids: 3, such as 'J1', 'J2', 'J3'>
    >>> ids[1], ids[[2, 0]], len(ids), "J2" in ids
    ('J2', array(['J3', 'J1'], dtype=object), 3, True)
    """

    texts: pa.LargeStringArray
    file: str = ""
    first: int = 0

    @classmethod
    def of(cls, values: Any, *, what: str = "ids", integers: bool = False) -> Ids:
        """Check ids and hold them: a list, an array, a column, an Arrow array, or Ids as they are.

        Byte strings are decoded as UTF-8. Integers become their decimal text only where `integers`
        is true (ids read from a file); floats never do, because a float loses digits of a long id.

        Raises `TypeError` when an id is not a string, `ValueError` when one is missing, empty,
        there twice or no Unicode text. `what` names the ids in the message.

        >>> Ids.of([5853498713190525696], integers=True)[0]
        '5853498713190525696'
        >>> Ids.of(["J1", "J2", "J1"])
        Traceback (most recent call last):
        ...
        ValueError: ids: 1 id is there more than once, such as 'J1'; each object needs its own id
        """
        if isinstance(values, cls):
            return values
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = _arrow(values, integers)
        if texts is None:
            texts = _from_objects(_objects(values, what), what, integers)
        blank = np.empty(len(texts), dtype=bool)
        for start in range(0, len(texts), BLOCK):
            some = pc.equal(pc.utf8_trim_whitespace(texts[start : start + BLOCK]), "")
            blank[start : start + BLOCK] = pc.fill_null(some, True).to_numpy(zero_copy_only=False)
        _refuse_missing(np.flatnonzero(blank), what)
        ids = cls(texts)
        ids._refuse_repeated(what)
        if len(ids) > BLOCK:
            pa.default_memory_pool().release_unused()  # what it took to build them
        return ids

    @cached_property
    def keys(self) -> np.ndarray:
        """(n,) sorted uint64: the hash of a text in the high bits, its row in the low ones."""
        keys = _hashes(self.texts)
        keys &= ~self._row_bits
        keys |= np.arange(len(self), dtype=np.uint64)
        keys.sort()
        keys.flags.writeable = False
        return keys

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits of the texts in their order."""
        made = hashlib.blake2b(f"{len(self)} ".encode(), digest_size=8)
        for start in range(0, len(self), BLOCK):
            made.update(_hashes(self.texts[start : start + BLOCK]).data)
        return made.hexdigest()

    @property
    def _row_bits(self) -> np.uint64:
        return np.uint64((1 << len(self).bit_length()) - 1)

    def _refuse_repeated(self, what: str) -> None:
        hashes = self.keys & ~self._row_bits
        same = np.flatnonzero(hashes[1:] == hashes[:-1])
        rows = np.unique(self.keys[np.concatenate([same, same + 1])] & self._row_bits)
        among = pd.Index(self[rows.astype(np.int64)], dtype=object)
        twice = among[among.duplicated()].unique()
        if len(twice):
            raise ValueError(
                f"{what}: {_count(len(twice), 'id is', 'ids are')} there more than once, "
                f"such as {_examples(twice)}; each object needs its own id"
            )

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"<Ids: {len(self):,}, such as {_examples(self[:SHOWN])}>"

    @overload
    def __getitem__(self, rows: int | np.integer) -> str: ...
    @overload
    def __getitem__(self, rows: slice | np.ndarray | list[int]) -> np.ndarray: ...
    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice) and rows.step in (None, 1):
            return self.texts[rows].to_numpy(zero_copy_only=False)
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        if rows.ndim == 0:
            return self.texts[int(rows)].as_py()
        if rows.dtype == bool:
            if len(rows) != len(self):
                raise IndexError(f"expected a mask of {len(self):,} rows, got {len(rows):,}")
            rows = np.flatnonzero(rows)
        rows = rows.astype(np.int64, copy=False)
        if rows.size and rows.min() < 0:
            rows = np.where(rows < 0, rows + len(self), rows)
        return self.texts.take(_array(rows)).to_numpy(zero_copy_only=False)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            yield from self.texts[start : start + BLOCK].to_pylist()

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and bool(len(self.known([id])))

    def __eq__(self, other: object) -> bool:
        return self.texts.equals(other.texts) if isinstance(other, Ids) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self[:]
        return array if dtype is None else array.astype(dtype)

    def __reduce__(self) -> tuple[Callable[..., Ids], tuple[Any, ...]]:
        if not self.file:
            return Ids, (self.texts,)
        return _reopened, (self.file, self.first, len(self))

    def tolist(self) -> list[str]:
        """All of them as a list of `str`."""
        return self.texts.to_pylist()

    def part(self, start: int, stop: int) -> Ids:
        """Those of the rows from `start` to before `stop`, without a copy of them."""
        return Ids(self.texts[start:stop], self.file, self.first + start)

    def rows(self, ids: str | Iterable[str], *, where: str = "these ids") -> np.ndarray:
        """Row numbers (k,) of `ids`.

        Raises `ValueError` for unknown ids, with how many there are and three of them, `TypeError`
        for ids that are no text. `where` names the place that was searched.

        >>> Ids.of(["J1", "J2", "J3"]).rows(["J3", "J1"], where="the catalogue")
        array([2, 0])
        """
        wanted = asked(self, ids)
        rows = self._find(wanted)
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            shown = _examples([wanted[int(i)] for i in unknown[:SHOWN]])
            like = f"its ids are like {_examples(self[:2])}"
            if len(wanted) == 1:
                raise ValueError(f"the id {shown} is not in {where}; {like}")
            raise ValueError(
                f"{len(unknown):,} of {len(wanted):,} ids {'is' if len(unknown) == 1 else 'are'} "
                f"not in {where}, such as {shown}; {like}"
            )
        return rows

    def known(self, ids: str | Iterable[str]) -> np.ndarray:
        """Row numbers of those of `ids` that are among these, in the order of `ids`.

        >>> Ids.of(["J1", "J2", "J3"]).known(["J9", "J3", "J1"])
        array([2, 0])
        """
        rows = self._find(asked(self, ids))
        return rows[rows >= 0]

    def without(self, others: Ids) -> np.ndarray:
        """Those of these ids that are not among `others`, in order.

        >>> Ids.of(["J1", "J2", "J3"]).without(Ids.of(["J2"])).tolist()
        ['J1', 'J3']
        """
        return self[np.flatnonzero(others._find(self) < 0)]

    def _find(self, wanted: Ids | list[str]) -> np.ndarray:
        """The rows (k,) of texts, -1 where there is none."""
        texts = wanted.texts if isinstance(wanted, Ids) else _as_found(wanted)
        if texts.equals(self.texts):
            return np.arange(len(self))
        starts = range(0, max(1, len(texts)), 8 * BLOCK)
        return np.concatenate([self._found(texts[start : start + 8 * BLOCK]) for start in starts])

    def _found(self, texts: pa.LargeStringArray) -> np.ndarray:
        import pyarrow.compute as pc

        hashes = _hashes(texts) & ~self._row_bits
        order = np.argsort(hashes)  # neighbours in the index are neighbours in memory
        places = np.searchsorted(self.keys, hashes[order])
        found = np.full(len(texts), -1, dtype=np.intp)
        open_ = np.arange(len(texts))
        for step in count():  # more than one where different texts have the same hash
            open_ = open_[places[open_] + step < len(self)]
            keys = self.keys[places[open_] + step]
            alike = keys & ~self._row_bits == hashes[order[open_]]
            open_, rows = open_[alike], (keys[alike] & self._row_bits).astype(np.int64)
            if not len(open_):
                return found
            there = pc.equal(self.texts.take(_array(rows)), texts.take(_array(order[open_])))
            same = there.to_numpy(zero_copy_only=False)
            found[order[open_[same]]] = rows[same]
            open_ = open_[~same]
        raise AssertionError("unreachable")

    def save(self, path: str, metadata: dict[str, str]) -> None:
        """Write texts and index as an Arrow file, which `Ids.open` maps."""
        import pyarrow as pa

        table = pa.table({"id_str": self.texts, "key": self.keys}).replace_schema_metadata(metadata)
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)

    @classmethod
    def open(cls, path: str) -> Ids:
        """The ids that were saved at `path`, mapped from there; no check is made again."""
        import pyarrow as pa

        with pa.memory_map(path) as file:
            table = pa.ipc.open_file(file).read_all()
        ids = cls(table["id_str"].chunk(0), path)
        ids.__dict__["keys"] = table["key"].chunk(0).to_numpy()
        return ids


def _reopened(path: str, first: int, n: int) -> Ids:
    ids = Ids.open(path)
    return ids if n == len(ids) else ids.part(first, first + n)


def asked(known: Ids, ids: Any) -> Ids | list[str]:
    """The ids that a caller asks for, one or several; `TypeError` for any but text.

    >>> asked(Ids.of(["J1"]), [7])
    Traceback (most recent call last):
    ...
    TypeError: expected an id as text, such as 'J1', got the integer 7; ids are text: '7'
    """
    if isinstance(ids, Ids):
        return ids
    one = (
        isinstance(ids, (str, bytes))
        or not isinstance(ids, Iterable)
        or getattr(ids, "ndim", 1) == 0
    )
    wanted = [ids] if one else list(ids)
    if not set(map(type, wanted)) <= {str}:
        for value in wanted:
            if not isinstance(value, str):
                raise TypeError(f"expected an id as text, such as {known[0]!r}, got {_kind(value)}")
    return wanted


def _hashes(texts: pa.LargeStringArray) -> np.ndarray:
    """A uint64 for each text, from its length and its bytes: a sum over words of eight bytes, each
    times its own odd number, folded. Missing words count as zeros, which add nothing.
    """
    _, offsets, data = texts.buffers()
    first, n = texts.offset, len(texts)
    hashes = np.empty(n, dtype=np.uint64)
    if not n:
        return hashes
    ends = np.frombuffer(offsets, dtype=np.int64)[first : first + n + 1]
    raw = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, np.uint8)
    for start in range(0, n, BLOCK):
        begin, end = ends[start : start + BLOCK + 1][:-1], ends[start + 1 : start + BLOCK + 1]
        length = end - begin
        mixed = length.astype(np.uint64)
        rows = np.arange(len(length))
        for done in range(0, int(length.max()), _PIECE):  # a second time for long texts alone
            if done:
                rows = rows[length[rows] > done]
            size = np.minimum(length[rows] - done, _PIECE)
            width = -(-int(size.max()) // 8) * 8
            inside = np.arange(width) < size[:, None]
            padded = np.zeros((len(rows), width), dtype=np.uint8)
            if len(rows) == len(length) and length.max() <= _PIECE:
                padded[inside] = raw[begin[0] : end[-1]]
            else:
                padded[inside] = raw[((begin[rows] + done)[:, None] + np.arange(width))[inside]]
            words = padded.view("<u8")
            words ^= words >> np.uint64(32)
            mixed[rows] += words @ _odd(done // 8, width // 8)
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(_MULTIPLIER)
        hashes[start : start + BLOCK] = mixed ^ (mixed >> np.uint64(32))
    return hashes


def _odd(first: int, n: int) -> np.ndarray:
    """The odd numbers (n,) for the words from `first` on, as SplitMix64 makes them (Steele, Lea &
    Flood 2014)."""
    numbers = np.arange(first + 1, first + n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, _MULTIPLIER), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers | np.uint64(1)


def _array(rows: np.ndarray) -> pa.Array:
    import pyarrow as pa

    return pa.array(rows)


def _as_found(wanted: list[str]) -> pa.LargeStringArray:
    """Texts to look for as an Arrow array; what is no Unicode text is "", which is no id."""
    import pyarrow as pa

    try:
        return pa.array(wanted, pa.large_string())
    except UnicodeEncodeError:
        return pa.array(map(_only_unicode, wanted), pa.large_string())


def _only_unicode(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return ""
    return text


def _kind(value: Any) -> str:
    """What a value is that is no id, in words."""
    if value is None:
        return "None"
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return f"the integer {value}; ids are text: '{value}'"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' or name == 'ndarray' else 'a'} {name}"


def _arrow(values: Any, integers: bool) -> pa.LargeStringArray | None:
    """A column that holds text (or integers, where allowed) in Arrow, None for any other."""
    import pyarrow as pa

    if isinstance(values, (pd.Series, pd.Index)) and isinstance(values.dtype, pd.StringDtype):
        values = pa.array(values, from_pandas=True)
    if isinstance(values, np.ndarray) and values.dtype.kind == "U" and values.ndim == 1:
        try:
            values = pa.array(values, pa.large_string())
        except (UnicodeError, pa.ArrowInvalid):  # said by whoever looks at them one by one
            return None
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # of no chunk, or of more than one array holds
        values = pa.concat_arrays(values.cast(pa.large_string()).chunks or [pa.array([], "str")])
    if not isinstance(values, pa.Array):
        return None
    kind = values.type
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if text or (integers and pa.types.is_integer(kind)):
        return values.cast(pa.large_string())
    return None


def _objects(values: Any, what: str) -> np.ndarray:
    """A new (n,) object array of the values as they are."""
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{what}: expected a list of ids, got the single value {values!r}")
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(object), None)
    if hasattr(values, "to_pandas"):  # Arrow
        values = values.to_pandas()
    if isinstance(values, (pd.Series, pd.Index)):
        array = values.to_numpy(dtype=object)
    elif isinstance(values, np.ndarray):
        array = values.astype(object, copy=False)
    else:
        values = list(values)
        array = np.empty(len(values), dtype=object)
        array[:] = values
    if array.ndim != 1:
        raise ValueError(f"{what}: expected one id an object, got an array of shape {array.shape}")
    return array


def _from_objects(array: np.ndarray, what: str, integers: bool) -> pa.LargeStringArray:
    """Python objects as an Arrow array of text."""
    import pyarrow as pa

    types = set(map(type, array))
    if not types <= {str}:
        array = _as_text(array, types, what, integers)
    try:
        return pa.array(array, pa.large_string())
    except UnicodeEncodeError:
        row = next(row for row, text in enumerate(array) if _only_unicode(text) != text)
        raise ValueError(f"{what}: {array[row]!r} in row {row} is not Unicode text") from None


def _as_text(array: np.ndarray, types: set[type], what: str, integers: bool) -> np.ndarray:
    """The ids as plain `str`, or the error that says why one cannot be."""
    if types & {float, np.float64, np.float32, np.float16, type(None), type(pd.NA), type(pd.NaT)}:
        empty = [isinstance(text, str) and not text.strip() for text in array]
        _refuse_missing(np.flatnonzero(pd.isna(array) | np.array(empty)), what)
    text = np.empty(len(array), dtype=object)
    for row, value in enumerate(array):
        if isinstance(value, str):
            text[row] = str(value)
        elif isinstance(value, bytes):
            try:
                text[row] = value.decode("utf-8").rstrip("\x00")
            except UnicodeDecodeError:
                raise ValueError(f"{what}: {value!r} in row {row} is not UTF-8 text") from None
        elif isinstance(value, (int, np.integer)) and not isinstance(value, bool):
            if not integers:
                raise TypeError(
                    f"{what}: expected strings, got the integer {value} in row {row}; turn them "
                    "into text with [str(i) for i in ids], or read the file with "
                    'id_column="the column\'s name"'
                )
            text[row] = str(int(value))
        elif isinstance(value, (float, np.floating)):
            raise TypeError(
                f"{what}: expected strings, got the float {value} in row {row}; a float loses "
                "digits of a long id, so store the ids as text"
            )
        else:
            raise TypeError(
                f"{what}: expected strings, got {value!r} of type {type(value).__name__} in row "
                f"{row}; store the ids as text"
            )
    return text


def _refuse_missing(rows: np.ndarray, what: str) -> None:
    if len(rows):
        shown = ", ".join(str(row) for row in rows[:SHOWN])
        raise ValueError(
            f"{what}: {_count(len(rows), 'id is', 'ids are')} missing or empty, in row"
            f"{'' if len(rows) == 1 else 's'} {shown}{', …' if len(rows) > SHOWN else ''}; "
            "each object needs an id"
        )


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _examples(ids: Iterable[Any]) -> str:
    return ", ".join(repr(text) for text in list(ids)[:SHOWN])
