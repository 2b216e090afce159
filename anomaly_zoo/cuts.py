"""Cuts: what a slider or a list of choices needs of a column, and the words of where it stands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from anomaly_zoo.columns import Column
from anomaly_zoo.expression import (
    Among,
    Compare,
    Name,
    Node,
    Not,
    Number,
    Text,
    Value,
    Votes,
    moment,
)
from anomaly_zoo.rounding import digits, round_step

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BINS", "MISSING", "Cut", "codes", "describe", "histogram", "words"]

BINS = 64
"""Into how many bins a histogram of numbers is divided at most."""
MISSING = 255
"""The code of an object that has no value."""
CHOICES = 50
"""How many different texts there may be to choose among them."""
_ROBUST = (0.005, 0.995)
_SAMPLE = 2**18  # values that robust limits are taken from
_FIRST = 2**16  # texts that are looked at first
_STEPS = 500  # of a slider, or a few more
_EPOCH = datetime(1970, 1, 1)
_DAY = 86_400
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_YEARS = (-62_135_596_800, 253_402_214_400)  # from 0001-01-01 to 9999-12-31, as seconds

Kind = Literal["number", "integer", "date", "choice", "flag", "none"]


@dataclass(frozen=True)
class Cut:
    """How a column can be cut.

    of : the column, or a share of votes. kind : "none" where it cannot be cut by hand, and `why`
    not, in words. low, high : the ends of a slider, between which 99% of the values are; lowest,
    highest : the true ones; dates as seconds since 1970, UTC. step : of the slider. choices : the
    different texts. bins : how many a histogram has, equally wide from low to high (what is beyond
    them is in the first and the last), or one a choice.
    """

    of: Value
    kind: Kind
    why: str = ""
    low: float = math.nan
    high: float = math.nan
    lowest: float = math.nan
    highest: float = math.nan
    step: float = math.nan
    choices: tuple[str, ...] = ()
    bins: int = 0

    @property
    def name(self) -> str:
        """The column as it stands in words."""
        return self.of.name if isinstance(self.of, Name) else str(self.of)

    def words(self, chosen: Any) -> str:
        """What a slider or a choice says, in words: "" where it leaves nothing out.

        chosen : (low, high) of a slider, where None and an end of the slider mean no limit; a list
        of texts; True or False; None for no cut. Numbers are as short as tells the steps apart.

        Raises ValueError for what cannot be chosen.

        >>> redshift = describe(np.linspace(0, 0.2, 500), "redshift")
        >>> redshift.words((0.020001, 0.0999)), redshift.words((None, 0.1)), redshift.words((0, 1))
        ('0.02 <= redshift <= 0.0999', 'redshift <= 0.1', '')
        >>> describe(["E", "S0", "Sa"], "type").words(["S0", "E"])
        'type in ["S0", "E"]'
        """
        if chosen is None:
            return ""
        if self.kind == "none":
            raise ValueError(f"{self.name!r} cannot be cut by hand: {self.why}")
        if self.kind == "flag":
            if not isinstance(chosen, bool | np.bool_):
                raise ValueError(f"choose True or False of {self.name!r}, got {chosen!r}")
            return str(self.of if chosen else Not(self.of))
        if self.kind == "choice":
            return self._one_of(chosen)
        return self._between(chosen)

    def chosen(self, part: Node) -> Any:
        """What was chosen where a part of a search says so: the inverse of `words`, which also
        reads < and >; None for what this cut does not say.

        >>> redshift = describe(np.linspace(0, 0.2, 500), "redshift")
        >>> from anomaly_zoo.query import parse
        >>> redshift.chosen(parse("0.02 <= redshift < 0.1")), redshift.chosen(parse("z > 3"))
        ((0.02, 0.1), None)
        """
        if self.kind == "flag":
            return None if part not in (self.of, Not(self.of)) else part == self.of
        if self.kind == "choice":
            return self._texts(part)
        if self.kind == "none" or not isinstance(part, Compare) or self.of not in part.parts:
            return None
        values, at = part.parts, part.parts.index(self.of)
        bounds = [(_TURNED.get(part.others[at - 1][0], ""), values[at - 1])] if at else []
        bounds += part.others[at : at + 1]
        ends = {sign[:1]: self._place(value) for sign, value in bounds}
        if len(ends) + 1 != len(values) or not ends.keys() <= {"<", ">"} or None in ends.values():
            return None
        low, high = ends.get(">"), ends.get("<")
        return None if low is not None and high is not None and low > high else (low, high)

    def _texts(self, part: Node) -> list[str] | None:
        several: tuple[Node, ...] = ()
        if isinstance(part, Among) and part.value == self.of and not part.negated:
            several = part.several
        elif isinstance(part, Compare) and part.first == self.of and len(part.others) == 1:
            several = tuple(value for sign, value in part.others if sign == "==")
        texts = [text.value for text in several if isinstance(text, Text)]
        known = texts and len(texts) == len(several) and set(texts) <= set(self.choices)
        return texts if known else None

    def _place(self, value: Node) -> float | None:
        """The place of a value on the slider."""
        if self.kind != "date":
            return value.value if isinstance(value, Number) else None
        try:
            date = moment(value.value) if isinstance(value, Text) else None
        except ValueError:
            return None
        return None if date is None else (date - _EPOCH).total_seconds()

    def _one_of(self, chosen: Any) -> str:
        texts = [] if isinstance(chosen, str) else list(dict.fromkeys(chosen))
        unknown = [text for text in texts if text not in self.choices]
        if isinstance(chosen, str) or unknown:
            shown = chosen if isinstance(chosen, str) else unknown[0]
            raise ValueError(f"choose some of {self.choices} for {self.name!r}, got {shown!r}")
        if len(texts) == 1:
            return str(Compare(self.of, (("==", Text(texts[0])),)))
        return str(Among(self.of, tuple(map(Text, texts))))

    def _between(self, chosen: Any) -> str:
        try:
            low, high = (None if end is None else float(end) for end in chosen)
        except (TypeError, ValueError):
            raise ValueError(f"choose (low, high) of {self.name!r}, got {chosen!r}") from None
        if any(end is not None and math.isnan(end) for end in (low, high)):
            raise ValueError(f"choose (low, high) of {self.name!r}, got {chosen!r}")
        low = None if low is None or low <= self.low else low
        high = None if high is None or high >= self.high else high
        if low is not None and high is not None:
            others = (("<=", self.of), ("<=", self._value(high)))
            return str(Compare(self._value(low), others))
        if low is not None:
            return str(Compare(self.of, ((">=", self._value(low)),)))
        return "" if high is None else str(Compare(self.of, (("<=", self._value(high)),)))

    def _value(self, place: float) -> Node:
        """A place on the slider with as few digits as tell its steps apart."""
        if self.kind == "date":
            return Text(_as_date(place, days=self.step >= _DAY))
        rounded = round(place, digits(self.step))
        return Number(int(rounded) if rounded == int(rounded) else rounded)


def words(cuts: Iterable[tuple[Cut, Any]]) -> str:
    """Several cuts in words, joined by AND; "" where they leave nothing out.

    >>> x, kind = describe(np.arange(1000.0) / 10, "x"), describe(["E", "S0"], "type")
    >>> words([(x, (None, 20)), (kind, None), (kind, ["E"])])
    'x <= 20 AND type == "E"'
    """
    return " AND ".join(said for cut, chosen in cuts if (said := cut.words(chosen)))


def describe(column: Any, name: str | Value) -> Cut:
    """How a column (n,), a Series or an array, can be cut; `name` is its own, or a share of votes.

    Numbers and dates get a slider whose ends leave 0.5% of the values beyond each, which a handle
    at the end takes in; up to 50 different texts can be chosen; a column of True and False is a
    flag. Whatever else there is has the kind "none" and says why.

    >>> cut = describe(np.append(np.linspace(0, 1, 1000), 99.0), "z")
    >>> cut.kind, cut.low, cut.high, cut.lowest, cut.highest, cut.step
    ('number', 0.004, 0.996, 0.0, 99.0, 0.002)
    >>> describe([3.0, 3.0, np.nan], "z").why
    'it has one value only, 3'
    """
    of = Name(name) if isinstance(name, str) else name
    try:
        held = Column.of(column, str(name))
    except ValueError as error:
        return Cut(of, "none", str(error))
    if held.kind == "nothing":
        return Cut(of, "none", "it has no values")
    if held.kind == "text":
        return _choice(of, held)
    return _flag(of, held.spread()) if held.kind == "flag" else _slider(of, held.spread())


def codes(column: Any, cut: Cut) -> np.ndarray:
    """The bin (n,) uint8 of each object in the histogram of a column, 255 where it has no value.

    They are made once, and cost a byte an object; a histogram of any selection then costs a count.

    >>> cut = describe([1, 2, 2, 3], "n")
    >>> codes([1, 2, 2, 3], cut)
    array([0, 1, 1, 2], dtype=uint8)
    """
    if cut.kind == "none":
        raise ValueError(f"{cut.name!r} has no histogram: {cut.why}")
    held = Column.of(column, cut.name)
    if cut.kind == "choice":
        made = _code_of_text(held, cut.choices)
    else:
        held = held.spread()
        absent = held.absent()
        flag = cut.kind == "flag"
        made = held.values.astype(np.uint8) if flag else _bins(_as_numbers(held), cut)
        made[absent] = MISSING
    made.flags.writeable = False
    return made


def histogram(codes: np.ndarray, cut: Cut, of: np.ndarray | None = None) -> np.ndarray:
    """How many objects (bins,) int64 are in each bin: of all, of a mask (n,), or of rows (m,).

    >>> cut = describe(["E", "S0", "E"], "type")
    >>> histogram(codes(["E", "S0", "E"], cut), cut, np.array([True, True, False])).tolist()
    [1, 1]
    """
    some = codes if of is None else codes[of]
    return np.bincount(some, minlength=256)[: cut.bins]


# Sliders


def _flag(of: Value, held: Column) -> Cut:
    known = held.values[~held.absent()]
    if not len(known):
        return Cut(of, "none", "it has no values")
    if known.all() or not known.any():
        return Cut(of, "none", f"it has one value only, {known[0]}")
    return Cut(of, "flag", bins=2)


def _slider(of: Value, held: Column) -> Cut:
    values, absent = _as_numbers(held), held.absent()
    finite = ~absent & np.isfinite(values)
    n = int(np.count_nonzero(finite))
    if not n:
        return Cut(of, "none", "it has no values" if absent.all() else "it has no finite values")
    known = values if n == len(values) else values[finite]
    lowest, highest = float(known.min()), float(known.max())
    dated = held.kind == "date"
    if dated and not _YEARS[0] <= lowest <= highest <= _YEARS[1]:
        return Cut(of, "none", "its dates are not in the years 1 to 9999")
    if (known == known[0]).all():
        said = _as_date(lowest, days=False) if dated else f"{lowest:g}"
        return Cut(of, "none", f"it has one value only, {said}")
    if isinstance(of, Votes):
        return Cut(of, "number", "", 0.0, 1.0, lowest, highest, 0.01, bins=BINS)
    ids = known.dtype.kind in "iu"
    told = max(-lowest, highest) < 2**53  # whether a float tells whole numbers apart
    whole = not dated and (ids or (told and _whole(known)))
    if ids and not told:
        why = "its numbers have too many digits to be told apart on a slider; they may be ids"
        return Cut(of, "none", why)
    sample = known[:: -(-n // _SAMPLE)].astype(np.float64)
    with np.errstate(all="ignore"):
        low, high = (float(end) for end in np.quantile(sample, _ROBUST))
    if not low < high:
        low, high = lowest, highest
    if not 1e-290 < high - low < 1e300:
        return Cut(of, "none", "its numbers are too close or too far apart for a slider")
    step = _step(high - low, whole, dated)
    places = math.floor(low / step), math.ceil(high / step)
    low, high = (round(place * step, max(0, digits(step))) for place in places)
    bins = int(min(BINS, high - low + 1)) if whole else BINS
    kind: Kind = "date" if dated else "integer" if whole else "number"
    return Cut(of, kind, "", low, high, lowest, highest, step, bins=bins)


def _step(width: float, whole: bool, dated: bool) -> float:
    """1, 2 or 5 times a power of ten, some 500 of which make up a width; of dates, whole days."""
    step = round_step(width / _STEPS)
    if dated and step >= 3600:
        return max(1.0, step // _DAY) * _DAY
    return max(1.0, step) if whole or dated else step


def _whole(values: np.ndarray) -> bool:
    starts = range(0, len(values), _SAMPLE)
    return not any((values[start : start + _SAMPLE] % 1).any() for start in starts)


def _as_numbers(held: Column) -> np.ndarray:
    """Values (n,) as they are; dates as seconds since 1970, float64."""
    if held.kind != "date":
        values = held.values
        return values.astype(np.float32) if values.dtype == np.float16 else values
    stamps = held.values.to_numpy()
    unit = np.datetime_data(stamps.dtype)[0]
    per_second = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
    seconds = stamps.astype(np.int64) / per_second
    seconds[np.isnat(stamps)] = np.nan
    return seconds


def _bins(values: np.ndarray, cut: Cut) -> np.ndarray:
    """The bin (n,) of each value, without a copy of them all in more digits."""
    low, width = cut.low, cut.high - cut.low
    if cut.kind == "integer":  # a whole number is in the middle of its bin
        low, width = low - 0.5, width + 1
    made = np.empty(len(values), dtype=np.uint8)
    for start in range(0, len(values), _SAMPLE):
        with np.errstate(all="ignore"):
            places = (values[start : start + _SAMPLE].astype(np.float64) - low) * (cut.bins / width)
            np.nan_to_num(places, copy=False, nan=0, posinf=np.inf, neginf=-np.inf)
            made[start : start + _SAMPLE] = np.clip(places, 0, cut.bins - 1).astype(np.uint8)
    return made


def _as_date(seconds: float, days: bool) -> str:
    """The nearest second or midnight."""
    date = _EPOCH + timedelta(seconds=round(seconds / _DAY) * _DAY if days else round(seconds))
    return date.date().isoformat() if days else date.isoformat()


# Choices


def _choice(of: Value, held: Column) -> Cut:
    import pyarrow.compute as pc

    if held.codes is not None:
        there = np.bincount(held.codes[held.codes >= 0], minlength=len(held.values)) > 0
        texts = pc.drop_null(held.values.filter(_arrow(there)))
    else:
        texts = _different(held.values)
    if not len(texts):
        return Cut(of, "none", "it has no values")
    if len(texts) == 1:
        return Cut(of, "none", f"it has one value only, {texts[0].as_py()!r}")
    if len(texts) > CHOICES:
        why = f"it holds more than {CHOICES} different texts; ask for one in words, such as "
        return Cut(of, "none", why + str(Compare(of, (("==", Text(texts[0].as_py())),))))
    choices: Sequence[str] = texts.to_pylist()
    choices = choices if held.ordered else sorted(choices)
    return Cut(of, "choice", choices=tuple(choices), bins=len(choices))


def _different(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The different texts; where there are far too many, those of the first rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = pc.drop_null(pc.unique(texts[:_FIRST]))
    if len(first) > CHOICES or len(texts) <= _FIRST:
        return first
    every = pc.drop_null(pc.unique(texts))
    return every.combine_chunks() if isinstance(every, pa.ChunkedArray) else every


def _code_of_text(held: Column, choices: Sequence[str]) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    places = pc.index_in(held.values, value_set=pa.array(choices, held.values.type))
    made = np.array(pc.fill_null(places, MISSING).cast(pa.uint8()))
    return made if held.codes is None else np.append(made, np.uint8(MISSING))[held.codes]


def _arrow(mask: np.ndarray) -> pa.Array:
    import pyarrow as pa

    return pa.array(mask)
