"""The ids that objects travel by: unique, non-empty Python strings, checked at the boundary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["as_ids", "asked", "known", "rows_of"]

SHOWN = 3  # how many examples an error message shows


def as_ids(values: Any, *, what: str = "ids", integers: bool = False) -> np.ndarray:
    """Check ids and return them as a write-locked (n,) object array of `str`.

    `values` is a list, an array or a column; byte strings are decoded as UTF-8. Integers become
    their decimal text only where `integers` is true (ids read from a file); floats never do,
    because a float loses digits of a long id.

    Raises `TypeError` when an id is not a string, `ValueError` when one is missing, empty or there
    twice. `what` names the ids in the message.

    >>> as_ids(["J1", "J2"])
    array(['J1', 'J2'], dtype=object)
    >>> as_ids([5853498713190525696], integers=True)
    array(['5853498713190525696'], dtype=object)
    >>> as_ids(["J1", "J2", "J1"])
    Traceback (most recent call last):
    ...
    ValueError: ids: 1 id is there more than once, such as 'J1'; each object needs its own id
    """
    array = _objects(values, what)
    types = set(map(type, array))
    if not types <= {str}:
        array = _as_text(array, types, what, integers)
    stripped = np.fromiter((not text.strip() for text in array), dtype=bool, count=len(array))
    _refuse_missing(np.flatnonzero(stripped), what)
    index = pd.Index(array, dtype=object)
    if not index.is_unique:
        twice = index[index.duplicated()].unique()
        raise ValueError(
            f"{what}: {_count(len(twice), 'id is', 'ids are')} there more than once, "
            f"such as {_examples(twice)}; each object needs its own id"
        )
    array.flags.writeable = False
    return array


def rows_of(index: pd.Index, ids: str | Iterable[str], *, where: str) -> np.ndarray:
    """Row numbers (k,) of `ids` in a unique `index`.

    Raises `ValueError` for unknown ids, with how many there are and three of them, `TypeError`
    for ids that are no text. `where` names the place that was searched.

    >>> rows_of(pd.Index(["J1", "J2", "J3"]), ["J3", "J1"], where="the catalogue")
    array([2, 0])
    """
    wanted = asked(index, ids)
    rows = index.get_indexer(pd.Index(wanted, dtype=object))
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        shown = _examples([wanted[i] for i in unknown[:SHOWN]])
        like = f"its ids are like {_examples(index[:2])}"
        if len(wanted) == 1:
            raise ValueError(f"the id {shown} is not in {where}; {like}")
        raise ValueError(
            f"{len(unknown):,} of {len(wanted):,} ids {'is' if len(unknown) == 1 else 'are'} not "
            f"in {where}, such as {shown}; {like}"
        )
    return np.asarray(rows, dtype=np.intp)


def known(index: pd.Index, ids: Iterable[str]) -> np.ndarray:
    """Row numbers of those of `ids` that are in `index`, in the order of `ids`.

    >>> known(pd.Index(["J1", "J2", "J3"]), ["J9", "J3", "J1"])
    array([2, 0])
    """
    rows = index.get_indexer(pd.Index(asked(index, ids), dtype=object))
    return np.asarray(rows[rows >= 0], dtype=np.intp)


def asked(index: pd.Index, ids: Any) -> list[str]:
    """The ids that a caller asks for, one or several, as a list; `TypeError` for any but text.

    >>> asked(pd.Index(["J1"]), [7])
    Traceback (most recent call last):
    ...
    TypeError: expected an id as text, such as 'J1', got the integer 7; ids are text: '7'
    """
    one = (
        isinstance(ids, (str, bytes))
        or not isinstance(ids, Iterable)
        or getattr(ids, "ndim", 1) == 0
    )
    wanted = [ids] if one else list(ids)
    if not set(map(type, wanted)) <= {str}:
        for value in wanted:
            if not isinstance(value, str):
                raise TypeError(f"expected an id as text, such as {index[0]!r}, got {_kind(value)}")
    return wanted


def _kind(value: Any) -> str:
    """What a value is that is no id, in words."""
    if value is None:
        return "None"
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return f"the integer {value}; ids are text: '{value}'"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' or name == 'ndarray' else 'a'} {name}"


def _objects(values: Any, what: str) -> np.ndarray:
    """A new (n,) object array of the values as they are."""
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{what}: expected a list of ids, got the single value {values!r}")
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(object), None)
    if isinstance(values, (pd.Series, pd.Index)):
        array = values.to_numpy(dtype=object, copy=True)
    elif isinstance(values, np.ndarray):
        array = values.astype(object)
    else:
        values = list(values)
        array = np.empty(len(values), dtype=object)
        array[:] = values
    if array.ndim != 1:
        raise ValueError(f"{what}: expected one id an object, got an array of shape {array.shape}")
    return array


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
