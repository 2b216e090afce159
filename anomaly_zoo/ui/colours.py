"""What the map is coloured by: a number or a category of each object, and the colours for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from bokeh import palettes

from anomaly_zoo.columns import Column
from anomaly_zoo.posterior import Posterior
from anomaly_zoo.ui.scale import AS_IS, Scale, narrow

SHOWN = 9
"""So many categories have a colour of their own, the most frequent ones."""
_SAMPLE = 100_000
_LETTERS = 60


def _rgb(colours: Sequence[str]) -> np.ndarray:
    return np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], dtype=np.uint8)


# Perceptually uniform, for colour-blind eyes too; the darkest would vanish on the dark ground.
PALETTES = {
    "interest": _rgb(palettes.Viridis256[24:]),
    "uncertainty": _rgb(palettes.Cividis256[24:]),
    "density": _rgb(palettes.Magma256[40:]),
    "probability": _rgb(palettes.Inferno256[48:]),
    "column": _rgb(palettes.Plasma256[24:]),
}
NONE = np.array([58, 65, 80], dtype=np.uint8)
"""The colour of an object without a value: a dim grey."""
ALONE = np.array([181, 54, 122], dtype=np.uint8)
"""The colour of a single object where density is shown."""
# Seven of Okabe & Ito (2008, https://jfly.uni-koeln.de/color/) without black, pale grey and green
# of Tol (2021, https://sronpersonalpages.nl/~pault/): the nine that stay farthest apart from each
# other and from the grey of all others for any kind of colour vision.
_OKABE_ITO = ["#56B4E9", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#0072B2", "#D55E00"]
_CATEGORIES = _rgb([*_OKABE_ITO, "#DDDDDD", "#117733"])
_OTHERS = _rgb(["#5F6773"])


@dataclass(frozen=True, eq=False)
class Colouring:
    """What colours the objects, and how.

    name : what is shown. values : (n,) float32, NaN where an object has none; None for the density
    of objects. low, high : the limits of the scale. palette : (m, 3) uint8, from low to high.
    categories : the words for the values 0, 1, …, one for each colour of the palette; a mean of
    such values means nothing. about : what is to be known about it, in words, or nothing. scale :
    what values and limits stand for.

    >>> by_column(["E", "S", "S", None], "type").categories
    ('S', 'E')
    """

    name: str
    values: np.ndarray | None
    low: float
    high: float
    palette: np.ndarray
    categories: tuple[str, ...] | None = None
    about: str = ""
    scale: Scale = AS_IS

    @property
    def ends(self) -> tuple[str, str]:
        """The limits in words.

        >>> Colouring("redshift", np.zeros(1), 0.012, 0.2, PALETTES["column"]).ends
        ('0.01', '0.20')
        """
        if self.values is None:
            return "few", "many"
        if self.categories is not None:
            return "", ""
        return _written(self.scale.true(self.low), self.scale.true(self.high))

    @property
    def ramp(self) -> list[str]:
        """At most 16 colours from low to high, or that of each category, as "#rrggbb"."""
        steps = np.arange(len(self.palette))
        if self.categories is None:
            steps = np.linspace(0, len(self.palette) - 1, 16).astype(int)
        return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in self.palette[steps]]

    def rgb(self, rows: np.ndarray) -> np.ndarray:
        """Colours (m, 3) uint8 of the objects in `rows` (m,).

        >>> by_column([1.0, 5.0, np.nan], "size").rgb(np.array([0, 2])).tolist()
        [[63, 3, 156], [58, 65, 80]]
        """
        if self.values is None:
            return np.broadcast_to(ALONE, (len(rows), 3))
        mine = self.values[rows].astype(np.float64)
        shade = (mine - self.low) / ((self.high - self.low) or 1.0) * (len(self.palette) - 1)
        steps = np.clip(np.where(np.isnan(mine), len(self.palette), shade) + 0.5, 0, None)
        last = np.where(np.isnan(mine), len(self.palette), len(self.palette) - 1)
        return self._colours[np.minimum(steps, last).astype(np.intp)]

    @cached_property
    def _colours(self) -> np.ndarray:
        """The palette, and last the colour of those without a value."""
        return np.vstack([self.palette, NONE])


def by_interest(posterior: Posterior) -> Colouring:
    """Coloured by expected interest, 0 to 5 at most.

    >>> by_interest(Posterior([0.2, 3.0], [0.5, 0.5])).ends
    ('0', '3')
    """
    high = float(np.clip(_limits(_some(posterior.mean), 0.001)[1], 1.0, 5.0))
    return Colouring("interest", posterior.mean, 0.0, high, PALETTES["interest"])


def by_uncertainty(posterior: Posterior) -> Colouring:
    """Coloured by the standard deviation of the interest."""
    low, high = _limits(_some(posterior.std), 0.001)
    palette = PALETTES["uncertainty"]
    return Colouring("uncertainty", posterior.std, low, max(high, low + 0.1), palette)


def by_probability(p: np.ndarray) -> Colouring:
    """Coloured by the probability (n,) that an object is interesting, from 0 to 1 at most."""
    p = np.asarray(p, dtype=np.float32)
    high = float(np.clip(_limits(_some(p), 0.001)[1], 0.1, 1.0))
    return Colouring("probability", p, 0.0, high, PALETTES["probability"])


def by_density() -> Colouring:
    """Coloured by how many objects there are."""
    return Colouring("density", None, 0.0, 1.0, PALETTES["density"])


def by_column(series: pd.Series | Sequence[object] | np.ndarray, name: str) -> Colouring:
    """Coloured by a column (n,), whatever it holds; nothing is raised, `about` says what is odd.

    Numbers are shown between their 0.5% and 99.5% quantiles, dates as years; of words the nine
    most frequent have a colour each and all others one. What is missing or infinite has no value.

    >>> by_column([True, False, True, None], "barred").categories
    ('True', 'False')
    >>> by_column([7, 7, 7], "size").about
    'all objects have the same value, 7'
    """
    column = pd.Series(series, copy=False)
    values = numbers(column)
    if values is None:
        return _by_category(column, name)
    shown, scale = narrow(values)
    if not np.isfinite(shown.sum(dtype=np.float64)):
        shown[~np.isfinite(shown)] = np.nan
    known = _known(_some(shown))
    if not len(known):
        known = _known(shown)  # as few as none of the sample has one
    if not len(known):
        said = "no object has a value"
        return Colouring(name, shown, 0.0, 1.0, PALETTES["column"], about=said)
    low, high = _limits(known, 0.005)
    if not low < high:
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    about = ""
    if low == high:
        whose = "all objects" if not np.isnan(shown).any() else "all objects with a value"
        about = f"{whose} have the same value, {_written(scale.true(low), scale.true(low))[0]}"
    elif pd.api.types.is_datetime64_any_dtype(column.dtype):
        about = "in years"
    return Colouring(name, shown, low, high, PALETTES["column"], about=about, scale=scale)


def by_rater(rows: np.ndarray, raters: Sequence[str], n: int) -> Colouring:
    """Coloured by who rated it, of n objects; `raters` (m,) rated those in `rows` (m,).

    What two or more have rated is a category of its own.

    >>> shown = by_rater(np.array([0, 1, 1]), ["ann", "ann", "ben"], 3)
    >>> shown.categories, shown.values.tolist()
    (('ann', 'several'), [0.0, 1.0, nan])
    """
    by = pd.DataFrame({"row": np.asarray(rows, dtype=np.int64), "rater": list(raters)})
    by = by.drop_duplicates()
    several = by["row"].duplicated(keep=False)
    single = _by_category(by["rater"][~several], "rater")
    values = np.full(n, np.nan, dtype=np.float32)
    values[by["row"][~several]] = single.values
    words, palette = single.categories or (), single.palette[: len(single.categories or ())]
    if several.any():
        values[by["row"][several]] = len(words)
        words, palette = (*words, "several"), np.vstack([palette, [[255, 255, 255]]])
    if not words:
        return Colouring("rater", values, 0.0, 1.0, _OTHERS, (), "no object has been rated")
    high = float(max(len(words) - 1, 1))
    about = single.about if len(words) > 1 else ""
    return Colouring("rater", values, 0.0, high, palette.astype(np.uint8), words, about)


def numbers(column: pd.Series) -> np.ndarray | None:
    """The values of a column (n,) as floats, NaN where missing, dates as years; None where it holds
    something else, yes and no included.

    >>> numbers(pd.Series([1, None, 3])).tolist()
    [1.0, nan, 3.0]
    >>> numbers(pd.Series(pd.to_datetime(["2020-07-02"]))).tolist()
    [2020.5]
    >>> numbers(pd.Series(["1", "2"])) is None
    True
    """
    try:
        read = Column.of(column, "it")
    except ValueError:
        return None
    if read.kind == "nothing":
        return np.full(len(column), np.nan)
    if read.codes is not None or read.kind not in ("number", "date"):
        return None
    if read.kind == "date":
        return years(read.values.to_numpy(dtype="datetime64[us]"))
    return read.values if read.missing is None else np.where(read.missing, np.nan, read.values)


def years(dates: np.ndarray) -> np.ndarray:
    """Dates (n,) as years: the middle of 2020 is 2020.5."""
    year = dates.astype("datetime64[Y]")
    start, end = (edge.astype(dates.dtype) for edge in (year, year + 1))
    share = (dates - start) / (end - start)
    return np.where(np.isnat(dates), np.nan, 1970.0 + year.astype(np.int64) + share)


def _by_category(column: pd.Series, name: str) -> Colouring:
    """Words and whatever else has no order, by the most frequent of them."""
    try:
        if pd.api.types.infer_dtype(column, skipna=True) == "bytes":
            raise TypeError("pictures or the like")
        codes, found = pd.factorize(column)
    except (TypeError, NotImplementedError):  # lists, arrays, tables
        nothing = np.full(len(column), np.nan, dtype=np.float32)
        said = "the column holds neither numbers nor words"
        return Colouring(name, nothing, 0.0, 1.0, PALETTES["column"], about=said)
    counts = np.bincount(codes[codes >= 0], minlength=len(found))
    if not len(found):
        nothing = np.full(len(column), np.nan, dtype=np.float32)
        said = "no object has a value"
        return Colouring(name, nothing, 0.0, 1.0, _OTHERS, (), said)
    best = np.argsort(-counts, kind="stable")[:SHOWN]
    words = [_short(found[place]) for place in best]
    palette = _CATEGORIES[: len(best)]
    about = ""
    if len(found) > SHOWN:
        words.append("other")
        palette = np.vstack([palette, _OTHERS])
        about = f"the {SHOWN} most frequent of {len(found):,}"
    elif len(found) == 1:
        whose = "all objects" if counts[0] == len(column) else "all objects with a value"
        about = f"{whose} have the same value, {words[0]}"
    value = np.full(len(found) + 1, SHOWN, dtype=np.float32)
    value[best] = np.arange(len(best))
    value[-1] = np.nan  # where there is none its code is -1
    high = float(max(len(words) - 1, 1))
    return Colouring(name, value[codes], 0.0, high, palette, tuple(words), about)


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def _written(low: float, high: float) -> tuple[str, str]:
    """Two numbers with as many decimals as tell them apart."""
    span = high - low if high > low else abs(high) or 1.0
    size = max(abs(low), abs(high))
    if not 1e-6 <= span < 1e9 or size >= 1e12:
        digits = max(3, 2 + int(np.ceil(np.log10(size / span)))) if size else 3
        return f"{low:.{digits}g}", f"{high:.{digits}g}"
    whole = float(low).is_integer() and float(high).is_integer()
    decimals = 0 if whole else int(max(0, 1 - np.floor(np.log10(span))))
    return f"{low:.{decimals}f}", f"{high:.{decimals}f}"


def _some(values: np.ndarray) -> np.ndarray:
    """An even sample of at most 100,000: quantiles for colours need no more."""
    return values[:: 1 + len(values) // _SAMPLE]


def _limits(values: np.ndarray, beyond: float) -> tuple[float, float]:
    """Two of the values, with at most such a share of them beyond either."""
    low = np.quantile(values, beyond, method="lower")
    return float(low), float(np.quantile(values, 1 - beyond, method="higher"))


def _known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]
