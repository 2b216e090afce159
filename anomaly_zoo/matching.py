"""Which objects match a search: a tree of conditions -> a mask, and an order where it has one."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np
import pandas as pd

from anomaly_zoo.columns import HOLDS, Column, Kind
from anomaly_zoo.expression import (
    Alike,
    Among,
    And,
    Arithmetic,
    Compare,
    Given,
    Name,
    Near,
    Negative,
    Node,
    Not,
    Number,
    Or,
    Rated,
    Tagged,
    Text,
    Truth,
    Votes,
    Within,
    check_conditions,
    moment,
)

__all__ = ["Context", "Matched", "Ordered", "evaluate"]

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_IN_ARROW = {
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "==": "equal",
    "!=": "not_equal",
}
_ARITHMETIC = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.true_divide}


class Ordered(Protocol):
    """Objects nearest first: rows (m,) and distances (m,), such as `Neighbours`."""

    @property
    def rows(self) -> np.ndarray:
        """(m,) int64."""

    @property
    def distances(self) -> np.ndarray:
        """(m,) float64."""


class Context(Protocol):
    """What a search is asked of: n objects, their columns, and how to look for others."""

    @property
    def n(self) -> int:
        """How many objects there are."""

    @property
    def names(self) -> Sequence[str]:
        """The names of all columns."""

    def column(self, name: str) -> np.ndarray | pd.Series:
        """(n,) values; KeyError for an unknown name. `score` is NaN for the unrated."""

    def tagged(self, tag: str) -> np.ndarray:
        """Rows (m,) of those that carry a tag."""

    def near(
        self,
        examples: tuple[str, ...] | np.ndarray,
        k: int,
        to: str,
        apart: float | None,
        within: np.ndarray | None,
    ) -> Ordered:
        """The k nearest to ids and tags, or to vectors (q, d), among those of a mask (n,)."""

    def within(self, ra: float, dec: float, radius: float) -> np.ndarray:
        """(n,) True for those within `radius` arcsec of a position in degrees."""

    def votes(self, question: str, answer: str) -> np.ndarray:
        """(n,) the posterior mean of a share of votes."""


@dataclass(frozen=True, eq=False)
class Matched:
    """The objects that match a search.

    mask : (n,) True for those. rows : (m,) int64, the same, nearest first, where a `near` orders
    them, and distances : (m,) float64, those to its examples; else None.
    """

    mask: np.ndarray
    rows: np.ndarray | None = None
    distances: np.ndarray | None = None


def evaluate(tree: Node, context: Context) -> Matched:
    """The objects for which a tree of conditions holds.

    A `near` that is joined by AND to other conditions means the nearest of those that match the
    others; of several, each does, and what all of them found is left, in the order of the first.

    Raises ValueError for unknown names, with those most like them, and for what cannot be compared,
    such as text with a number.
    """
    check_conditions(tree)
    mask, first = _Search(context).all(tree.parts if isinstance(tree, And) else (tree,))
    if first is None:
        return Matched(mask)
    rows = np.asarray(first.rows, dtype=np.int64)
    left = mask[rows]
    return Matched(mask, rows[left], np.asarray(first.distances, dtype=np.float64)[left])


@dataclass(frozen=True)
class _Constant:
    """A value that is the same for all objects."""

    kind: Kind
    value: Any

    @property
    def name(self) -> str:
        return repr(self.value)


class _Search:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.columns: dict[str, Column] = {}

    # Conditions: each a new mask (n,)

    def all(self, parts: Sequence[Node]) -> tuple[np.ndarray, Ordered | None]:
        """Where all parts hold, and the order of the first that has one."""
        rest: np.ndarray | None = None
        for part in parts:
            if not isinstance(part, Near | Alike):
                mask = self.condition(part)
                rest = mask if rest is None else np.logical_and(rest, mask, out=rest)
        found = [self.near(part, rest) for part in parts if isinstance(part, Near | Alike)]
        if not found:
            assert rest is not None
            return rest, None
        masks = [self.of_rows(one.rows) for one in found]
        return np.logical_and.reduce(masks), found[0]

    def condition(self, node: Node) -> np.ndarray:
        match node:
            case And():
                return self.all(node.parts)[0]
            case Or():
                mask = self.condition(node.parts[0])
                for part in node.parts[1:]:
                    mask |= self.condition(part)
                return mask
            case Not():
                mask = self.condition(node.part)
                return np.logical_not(mask, out=mask)
            case Compare():
                return self.compare(node)
            case Among():
                return self.among(node)
            case Near() | Alike():
                return self.of_rows(self.near(node, None).rows)
            case Tagged():
                return self.of_rows(self.context.tagged(node.tag))
            case Given():
                self.check_rows(node)
                return self.of_rows(node.rows)
            case Rated():
                absent = self.column("score").absent()
                return ~absent if node.rated else absent.copy()
            case Within():
                return np.array(self.context.within(node.ra, node.dec, node.radius), dtype=bool)
            case Name():
                return self.flag(node)
        raise TypeError(f"expected a condition, got {node!r}")

    def near(self, node: Near | Alike, within: np.ndarray | None) -> Ordered:
        k = self.context.n
        if within is not None:
            k = int(np.count_nonzero(within))
            within = None if k == self.context.n else within
        if not k:
            return _Nothing
        examples = node.examples if isinstance(node, Near) else node.vectors
        return self.context.near(examples, min(node.k, k), node.to, node.apart, within)

    def of_rows(self, rows: np.ndarray) -> np.ndarray:
        mask = np.zeros(self.context.n, dtype=bool)
        mask[rows] = True
        return mask

    def check_rows(self, node: Given) -> None:
        rows = node.rows
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.context.n:
            raise ValueError(f"{node} holds rows that are none of the {self.context.n:,} objects")

    def flag(self, node: Name) -> np.ndarray:
        column = self.column(node.name).spread()
        if column.kind == "nothing":
            return np.zeros(self.context.n, dtype=bool)
        if column.kind != "flag":
            example = {"text": '== "…"', "date": '>= "2020-01-31"'}.get(column.kind, "> 0.5")
            raise ValueError(
                f"{node} holds {HOLDS[column.kind]} and is no condition: compare it, such as "
                f"{node} {example}"
            )
        return column.values.copy() if column.missing is None else column.values & ~column.missing

    def compare(self, node: Compare) -> np.ndarray:
        values = [self.value(part) for part in node.parts]
        mask: np.ndarray | None = None
        for (sign, _), left, right in zip(node.others, values, values[1:], strict=False):
            one = self.pair(left, sign, right)
            mask = one if mask is None else np.logical_and(mask, one, out=mask)
        assert mask is not None
        return mask

    def pair(self, left: Column | _Constant, sign: str, right: Column | _Constant) -> np.ndarray:
        if isinstance(left, _Constant) and isinstance(right, Column):
            left, right, sign = right, left, _TURNED[sign]
        if isinstance(right, _Constant):
            right = _fitting(left, right)
        _refuse_unlike(left, right)
        if isinstance(left, _Constant):
            assert isinstance(right, _Constant)
            return np.full(self.context.n, bool(_SIGNS[sign](left.value, right.value)))
        if left.kind == "nothing" or right.kind == "nothing":
            return np.full(self.context.n, sign == "!=")
        if isinstance(right, _Constant):
            return _with_constant(left, sign, right)
        return _columns(left.spread(), sign, right.spread())

    def among(self, node: Among) -> np.ndarray:
        value = self.value(node.value)
        mask = np.zeros(self.context.n, dtype=bool)
        constants = [_constant(one) for one in node.several]
        if isinstance(value, Column) and value.kind == "text" and constants:
            for one in constants:
                _refuse_unlike(value, one)
            mask = _of_category(value, _texts_in(value, [one.value for one in constants]), False)
        else:
            for one in constants:
                mask |= self.pair(value, "==", one)
        return np.logical_not(mask, out=mask) if node.negated else mask

    # Values

    def column(self, name: str) -> Column:
        if name not in self.columns:
            try:
                given = self.context.column(name)
            except KeyError:
                raise ValueError(_unknown(name, self.context.names)) from None
            self.columns[name] = self.checked(given, name)
        return self.columns[name]

    def checked(self, given: Any, name: str) -> Column:
        if len(given) != self.context.n:
            raise ValueError(f"{name!r} has {len(given):,} values for {self.context.n:,} objects")
        return Column.of(given, name)

    def value(self, node: Node) -> Column | _Constant:
        match node:
            case Number() | Text() | Truth():
                return _constant(node)
            case Name():
                return self.column(node.name)
            case Votes():
                given = self.context.votes(node.question, node.answer)
                return self.checked(given, str(node))
            case Negative():
                zero = _Constant("number", 0)
                return self.arithmetic(zero, "-", self.value(node.value), str(node))
            case Arithmetic():
                left, right = self.value(node.left), self.value(node.right)
                return self.arithmetic(left, node.sign, right, str(node))
        raise TypeError(f"expected a value, got {node!r}")

    def arithmetic(
        self, left: Column | _Constant, sign: str, right: Column | _Constant, name: str
    ) -> Column | _Constant:
        for one in (left, right):
            if one.kind not in ("number", "nothing"):
                said = _said(one)
                raise ValueError(f"{said}; only numbers can be added, multiplied and so on")
        if "nothing" in (left.kind, right.kind):
            return Column(name, "nothing", None)
        if isinstance(left, _Constant) and isinstance(right, _Constant):
            with np.errstate(all="ignore"):
                both = np.float64(left.value), np.float64(right.value)
                return _Constant("number", float(_ARITHMETIC[sign](*both)))
        values, missing = [], None
        for one in (left, right):
            if isinstance(one, Column):
                one = one.spread()
                if one.missing is not None:
                    missing = one.missing if missing is None else missing | one.missing
                values.append(one.values)
            else:
                values.append(one.value)
        with np.errstate(all="ignore"):
            result = _ARITHMETIC[sign](*values, dtype=_precision(sign, *values))
        return Column(name, "number", result, missing)


@dataclass(frozen=True)
class _None:
    rows: np.ndarray
    distances: np.ndarray


_Nothing = _None(np.zeros(0, dtype=np.int64), np.zeros(0))


def _constant(node: Number | Text | Truth) -> _Constant:
    kinds: dict[type, Kind] = {Number: "number", Text: "text", Truth: "flag"}
    return _Constant(kinds[type(node)], node.value)


def _precision(sign: str, *values: Any) -> np.dtype:
    """What two are added or multiplied in: whole numbers in 64 bits, floats in at least 32."""
    arrays = [value.dtype for value in values if isinstance(value, np.ndarray)]
    constants = [value for value in values if not isinstance(value, np.ndarray)]
    whole = all(d.kind in "iu" and d != np.uint64 for d in arrays) and all(
        isinstance(c, int) and abs(c) < 2**31 for c in constants
    )
    if whole and sign != "/":
        return np.dtype(np.int64)
    if all(dtype.kind in "iu" for dtype in arrays):
        return np.dtype(np.float64)
    return np.result_type(*arrays, np.float32)


# Comparisons


def _fitting(left: Column | _Constant, right: _Constant) -> _Constant:
    """A constant as what it is compared with holds it: text becomes a date beside dates."""
    if left.kind != "date" or right.kind != "text":
        return right
    try:
        return _Constant("date", pd.Timestamp(moment(right.value)))
    except ValueError as error:
        raise ValueError(f"{left.name!r} holds dates: {error}") from None


def _refuse_unlike(left: Column | _Constant, right: Column | _Constant) -> None:
    alike = {"flag": "number"}
    kinds = [alike.get(one.kind, one.kind) for one in (left, right)]
    if kinds[0] == kinds[1] or "nothing" in kinds:
        return
    do = "compare like with like"
    if isinstance(left, Column) and isinstance(right, _Constant):
        do = {
            "text": f'write it in quotes: "{right.value}"',
            "number": "write a number, without quotes",
            "flag": "compare it with True or False",
            "date": 'write a date, such as "2020-01-31"',
        }[left.kind]
    raise ValueError(f"{_said(left)}, {_said(right)}: they cannot be compared; {do}")


def _said(one: Column | _Constant) -> str:
    if isinstance(one, Column):
        return f"{one.name!r} holds {HOLDS[one.kind]}"
    is_a = {"number": "a number", "text": "text", "flag": "True or False", "date": "a date"}
    return f"{one.name} is {is_a[one.kind]}"


def _with_constant(left: Column, sign: str, right: _Constant) -> np.ndarray:
    """Where the values of a column compare so with one value; each category is compared once."""
    if left.codes is not None and left.ordered and sign not in ("==", "!="):
        places = np.flatnonzero(_with_one(left, "==", right.value))
        if len(places) != 1:
            raise ValueError(f"{right.name} is no category of {left.name!r}, which are in order")
        k = len(left.values)
        return _of_category(left, _SIGNS[sign](np.arange(k), places[0]), sign == "!=")
    return _of_category(left, _with_one(left, sign, right.value), sign == "!=")


def _with_one(left: Column, sign: str, value: Any) -> np.ndarray:
    if left.kind == "text":
        return _in_arrow(sign, left.values, value)
    if left.kind == "date":
        return np.array(_SIGNS[sign](left.values, value))
    with np.errstate(all="ignore"):
        mask = _SIGNS[sign](left.values, value)
    return _with_missing(mask, sign, left.missing)


def _of_category(column: Column, mask: np.ndarray, absent: bool) -> np.ndarray:
    """What holds for each category (k,) for each object (n,); as it is for other columns."""
    if column.codes is None:
        return mask
    return np.append(mask, absent)[column.codes]


def _columns(left: Column, sign: str, right: Column) -> np.ndarray:
    if left.kind == "text":
        return _in_arrow(sign, left.values, right.values)
    if left.kind == "date":
        return _SIGNS[sign](left.values.to_numpy(), right.values.to_numpy())
    with np.errstate(all="ignore"):
        mask = _SIGNS[sign](left.values, right.values)
    return _with_missing(_with_missing(mask, sign, left.missing), sign, right.missing)


def _with_missing(mask: np.ndarray, sign: str, missing: np.ndarray | None) -> np.ndarray:
    if missing is not None:
        mask[missing] = sign == "!="
    return mask


def _in_arrow(sign: str, left: Any, right: Any) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(right, str):
        right = pa.scalar(right, left.type)
    elif left.type != right.type:
        left, right = left.cast(pa.large_string()), right.cast(pa.large_string())
    mask = pc.call_function(_IN_ARROW[sign], [left, right])
    return np.array(pc.fill_null(mask, sign == "!="))


def _texts_in(column: Column, texts: list[str]) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.values
    return np.array(pc.is_in(values, value_set=pa.array(texts, values.type)))


def _unknown(name: str, names: Sequence[str]) -> str:
    known = list(names)
    close = get_close_matches(name, known, 3) or [
        one for one in known if one.lower() == name.lower() or one.startswith(f"{name}-")
    ]
    shown = close[:3] or known[:5]
    quoted = [str(Name(one)) for one in shown]
    if close:
        return f"there is no column {name!r}; did you mean {' or '.join(quoted)}?"
    more = ", …" if len(known) > len(shown) else ""
    return f"there is no column {name!r}; there are {', '.join(quoted)}{more}"
