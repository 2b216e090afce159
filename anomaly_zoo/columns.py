"""What a column of a catalogue holds: numbers, text, flags or dates, and where nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["HOLDS", "Column", "Kind"]

Kind = Literal["number", "text", "flag", "date", "nothing"]

HOLDS: dict[Kind, str] = {
    "number": "numbers",
    "text": "text",
    "flag": "True or False",
    "date": "dates",
    "nothing": "nothing in any row",
}
"""What a column of each kind holds, in words."""
_OBJECTS: dict[str, Kind] = {
    "string": "text",
    "boolean": "flag",
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "integer-na": "number",
    "decimal": "number",
    "datetime": "date",
    "datetime64": "date",
    "date": "date",
    "empty": "nothing",
}


@dataclass(frozen=True, eq=False)
class Column:
    """A column by what it holds, as it lies in memory wherever that is possible.

    values : of "number" and "flag" an array (n,); of "text" an Arrow array of strings; of "date" a
        Series of datetimes in UTC without a zone; of "nothing" None.
    missing : (n,) True where there is no value, None where the values say so themselves (as NaN,
        null or NaT) or none is missing.
    codes : for a category (n,) places among `values`, which are then those of the categories (k,),
        and -1 where there is none; None for all other columns.
    ordered : whether its categories stand in an order that counts.

    >>> Column.of([1.5, None], "z").kind, Column.of(["E", "S0"], "type").kind
    ('number', 'text')
    >>> Column.of(pd.Series([1, None], dtype="Int8"), "n").missing
    array([False,  True])
    """

    name: str
    kind: Kind
    values: Any
    missing: np.ndarray | None = None
    codes: np.ndarray | None = None
    ordered: bool = False

    @classmethod
    def of(cls, column: Any, name: str) -> Column:
        """Read a Series, an array (n,) or a list; `name` is for messages.

        Raises `ValueError` for a column of another kind: images, lists, durations, mixed values.
        """
        if not isinstance(column, pd.Series):
            if not isinstance(column, np.ndarray) or isinstance(column, np.ma.MaskedArray):
                column = pd.Series(column)
            elif column.ndim != 1:
                raise ValueError(f"{name!r} has the shape {column.shape}; expected one value a row")
        if isinstance(column, pd.Series) and isinstance(column.dtype, pd.CategoricalDtype):
            inner = cls.of(pd.Series(column.cat.categories), name)
            if not len(column.cat.categories):
                return cls(name, "nothing", None)
            codes = column.cat.codes.to_numpy()
            return cls(name, inner.kind, inner.values, inner.missing, codes, column.cat.ordered)
        return _read(column, name)

    def spread(self) -> Column:
        """The same with one value a row: a category is looked up, any other is as it is."""
        if self.codes is None or self.values is None:
            return self
        if self.kind == "text":
            import pyarrow as pa

            places = pa.array(self.codes, mask=self.codes < 0)
            return Column(self.name, self.kind, self.values.take(places))
        if self.kind == "date":
            indexer = self.codes.astype(np.intp)
            dates = pd.DatetimeIndex(self.values).take(indexer, allow_fill=True, fill_value=pd.NaT)
            return Column(self.name, self.kind, pd.Series(dates))
        return Column(self.name, self.kind, self.values[self.codes], self.codes < 0)

    def absent(self) -> np.ndarray:
        """(n,) True where there is no value; not for a column of nothing, which has no length."""
        if self.codes is not None:
            return self.codes < 0
        if self.kind == "text":
            return np.asarray(self.values.is_null())
        if self.kind == "date":
            return self.values.isna().to_numpy()
        if self.values.dtype.kind == "f":
            absent = np.isnan(self.values)
            return absent if self.missing is None else absent | self.missing
        return np.zeros(len(self.values), bool) if self.missing is None else self.missing


def _read(column: pd.Series | np.ndarray, name: str) -> Column:
    dtype: Any = column.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind in "iuf" and dtype.itemsize <= 8:
            return Column(name, "number", np.asarray(column))
        if dtype.kind == "f":  # longer floats than most machines have
            return Column(name, "number", np.asarray(column, dtype=np.float64))
        if dtype.kind == "b":
            return Column(name, "flag", np.asarray(column))
        if dtype.kind == "M":
            return Column(name, "date", pd.Series(column, copy=False))
        if dtype.kind in "OUS":
            return _objects(np.asarray(column), name)
        raise _no_kind(name, dtype)
    series = pd.Series(column)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return Column(name, "date", _without_zone(series))
    if isinstance(dtype, pd.StringDtype):
        return Column(name, "text", _text(series))
    if isinstance(dtype, pd.SparseDtype):
        return _read(np.asarray(series), name)
    if isinstance(dtype, pd.ArrowDtype):
        return _arrow(series, dtype, name)
    if pd.api.types.is_bool_dtype(dtype):
        return _nullable(series, "flag", np.dtype(bool), name)
    if pd.api.types.is_numeric_dtype(dtype):
        return _nullable(series, "number", np.dtype(dtype.numpy_dtype), name)
    raise _no_kind(name, dtype)


def _nullable(series: pd.Series, kind: Kind, dtype: np.dtype, name: str) -> Column:
    """A column that marks what is missing beside its values."""
    missing = series.isna().to_numpy()
    if dtype.kind == "f":
        return Column(name, kind, series.to_numpy(dtype=dtype, na_value=np.nan))
    values = series.to_numpy(dtype=dtype, na_value=dtype.type(0))
    return Column(name, kind, values, missing if missing.any() else None)


def _arrow(series: pd.Series, dtype: Any, name: str) -> Column:
    import pyarrow as pa

    kind, types = dtype.pyarrow_dtype, pa.types
    if types.is_dictionary(kind):
        return Column.of(pa.array(series).to_pandas(), name)
    if types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view":
        return Column(name, "text", _text(series))
    if types.is_boolean(kind):
        return _nullable(series, "flag", np.dtype(bool), name)
    if types.is_decimal(kind):
        return _nullable(series, "number", np.dtype(np.float64), name)
    if types.is_integer(kind) or types.is_floating(kind):
        return _nullable(series, "number", np.dtype(kind.to_pandas_dtype()), name)
    if types.is_timestamp(kind) or types.is_date(kind):  # an array of stamps is in UTC
        return Column(name, "date", pd.Series(np.asarray(pa.array(series)), copy=False))
    if types.is_null(kind):
        return Column(name, "nothing", None)
    raise _no_kind(name, dtype)


def _objects(values: np.ndarray, name: str) -> Column:
    """A column of Python objects, by what they are."""
    held = pd.api.types.infer_dtype(values, skipna=True)
    kind = _OBJECTS.get(held)
    if kind == "nothing" or not len(values):
        return Column(name, "nothing", None)
    if kind == "text" or (held == "bytes" and values.dtype.kind == "S"):
        return Column(name, "text", _text(values))
    if kind == "flag":
        return _nullable(pd.Series(values).astype("boolean"), "flag", np.dtype(bool), name)
    if kind == "number":
        return Column(name, "number", pd.to_numeric(pd.Series(values)).to_numpy(dtype=np.float64))
    if kind == "date":
        stamps = pd.to_datetime(pd.Series(values), utc=True, errors="coerce")
        return Column(name, "date", _without_zone(stamps))
    raise _no_kind(name, "text and numbers" if held == "mixed-integer" else held)


def _without_zone(stamps: pd.Series) -> pd.Series:
    return stamps.dt.tz_convert("UTC").dt.tz_localize(None)


def _text(values: pd.Series | np.ndarray) -> pa.Array | pa.ChunkedArray:
    import pyarrow as pa

    texts = pa.array(values, from_pandas=True)
    if pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type):
        return texts
    return texts.cast(pa.large_string())


def _no_kind(name: str, held: object) -> ValueError:
    return ValueError(
        f"{name!r} holds values of type {held}, which cannot be compared; a condition is on "
        "numbers, text, True or False, or dates"
    )
