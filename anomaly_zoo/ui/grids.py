"""What places on the map stand for: lines over it at round values, and the words for a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from anomaly_zoo.rounding import digits, round_step
from anomaly_zoo.sky import Line, Projection, graticule, sky_position
from anomaly_zoo.ui.colours import years
from anomaly_zoo.ui.raster import Window
from anomaly_zoo.ui.scale import AS_IS, Scale

__all__ = ["Axis", "ColumnGrid", "Grid", "SkyGrid"]

LINES = 6
"""So many lines across a view, or fewer."""
# Steps of dates, coarsest first: how many of which unit.
_DATES = [
    *[("Y", k) for k in (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1)],
    *[("M", k) for k in (6, 3, 1)],
    *[("D", k) for k in (10, 5, 2, 1)],
    *[("h", k) for k in (12, 6, 3, 1)],
    *[("m", k) for k in (30, 10, 5, 2, 1)],
    *[("s", k) for k in (30, 10, 5, 2, 1)],
]
_SECONDS = {"Y": 31_556_952, "M": 2_629_746, "D": 86_400, "h": 3600, "m": 60, "s": 1}
_ROW = 0.055  # of the height: a line of text
_LETTERS = 40
_CORNER = 0.09  # of the width: labels would meet others at the left, and end at the right


class Grid(Protocol):
    """What a map lies on."""

    def lines(self, view: Window) -> list[Line]:
        """The lines to draw over what is seen, with their labels."""
        ...

    def where(self, x: float, y: float) -> str:
        """A place of the map in words."""
        ...


@dataclass(frozen=True)
class Axis:
    """A direction of the map: the column `name`, whose values are those of `scale`; of dates
    (`dated`) they are years."""

    name: str
    scale: Scale = AS_IS
    dated: bool = False

    def ticks(self, start: float, end: float) -> list[tuple[float, str]]:
        """Round values between two places: (place, label) for each.

        >>> Axis("z").ticks(0.0, 0.3)[:3]
        [(0.0, '0.00'), (0.05, '0.05'), (0.1, '0.10')]
        >>> [label for _, label in Axis("night", dated=True).ticks(2020.0, 2020.49)]
        ['2020-01', '2020-02', '2020-03', '2020-04', '2020-05', '2020-06']
        """
        low, high = self.scale.true(start), self.scale.true(end)
        if not (np.isfinite([low, high]).all() and low < high):
            return []
        found = _dates(low, high) if self.dated else _round(low, high)
        return [((value - self.scale.centre) / self.scale.unit, label) for value, label in found]

    def words(self, place: float) -> str:
        """A place in words.

        >>> Axis("mag").words(17.25), Axis("night", dated=True).words(2020.5)
        ('mag 17.25', 'night 2020-07-02')
        """
        value = self.scale.true(place)
        if not self.dated:
            return f"{self.name} {value:.{self.scale.digits(1000) + 1}g}"
        whole = self.scale == AS_IS
        half = np.timedelta64(500, "ms")
        return f"{self.name} {np.datetime_as_string(_date(value) + half, 'D' if whole else 's')}"


@dataclass(frozen=True)
class ColumnGrid:
    """Two columns, or coordinates of one's own, which have no lines."""

    x: Axis
    y: Axis
    ruled: bool = True

    def lines(self, view: Window) -> list[Line]:
        """Lines at round values, labelled at the lower and at the left edge, and the names."""
        if not self.ruled:
            return []
        x0, x1, y0, y1 = view.x0, view.x1, view.y0, view.y1
        nothing, row = np.zeros((0, 2), dtype=np.float32), _ROW * (y1 - y0)
        names = [
            Line(nothing, _short(self.x.name), (x1, y0 + row), "right"),
            Line(nothing, _short(self.y.name), (x0, y1 - row)),
        ]
        found = [
            Line(
                np.array([[x, y0], [x, y1]], dtype=np.float32),
                label if _CORNER < (x - x0) / (x1 - x0) < 1 - _CORNER else "",
                (x, y0),
            )
            for x, label in self.x.ticks(x0, x1)
        ]
        found += [
            Line(
                np.array([[x0, y], [x1, y]], dtype=np.float32),
                label if y < y1 - 2 * row else "",
                (x0, y),
            )
            for y, label in self.y.ticks(y0, y1)
        ]
        return found + names

    def where(self, x: float, y: float) -> str:
        """Both values in words."""
        return f"{self.x.words(x)}, {self.y.words(y)}"


@dataclass(frozen=True)
class SkyGrid:
    """The sky, with `centre` (degrees of right ascension) in the middle."""

    projection: Projection
    centre: float

    def lines(self, view: Window) -> list[Line]:
        """Meridians and parallels."""
        return graticule(self.projection, self.centre, (view.x0, view.x1, view.y0, view.y1))

    def where(self, x: float, y: float) -> str:
        """Right ascension and declination in degrees.

        >>> SkyGrid("plate carree", 359.0).where(-3.0, 10.0)
        'ra 2.0000, dec +10.0000'
        """
        place = sky_position(x, y, self.projection, self.centre)
        return "beside the sky" if place is None else f"ra {place[0]:.4f}, dec {place[1]:+.4f}"


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"


def _round(low: float, high: float) -> list[tuple[float, str]]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    step = round_step((high - low) / LINES)
    decimals = max(0, digits(step))
    size = max(abs(low), abs(high))
    plain = size < 1e9 and decimals <= 7
    telling = int(max(1, np.ceil(np.log10(size / step) + 1)))
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    values = [number * step for number in range(first, last + 1)]
    return [(v, f"{v + 0.0:.{decimals}f}" if plain else f"{v:.{telling}g}") for v in values]


def _dates(low: float, high: float) -> list[tuple[float, str]]:
    """The first of years, months and so on, as years."""
    span = (high - low) * _SECONDS["Y"]
    steps = [(unit, k) for unit, k in _DATES if k * _SECONDS[unit] * LINES >= span]
    unit, k = steps[-1] if steps else _DATES[0]
    if low < -4000 or high > 10_000:
        return []
    zero = 1970 if unit == "Y" else 0  # round years are counted from the year 0
    kind = f"datetime64[{unit}]"
    start, end = (int(_date(edge).astype(kind).astype(np.int64)) + zero for edge in (low, high))
    dates = (np.arange(start - start % k, end + k + 1, k) - zero).astype(kind)
    labels = np.datetime_as_string(dates, "s" if unit == "s" else None)
    short = [label[5:].replace("T", " ") if unit in "hms" else label for label in labels.tolist()]
    values = years(dates.astype("datetime64[us]")).tolist()
    return [(v, label) for v, label in zip(values, short, strict=True) if low <= v <= high]


def _date(year: float) -> np.datetime64:
    """The date of a year: 2020.5 is the middle of 2020, as `years` has it."""
    whole = int(np.floor(year))
    start, end = (np.datetime64(n - 1970, "Y").astype("datetime64[us]") for n in (whole, whole + 1))
    return start + np.timedelta64(round((year - whole) * int((end - start).astype(np.int64))), "us")
