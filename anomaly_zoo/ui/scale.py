"""Numbers as float32 that keep what tells them apart: shifted and stretched where they need it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SAMPLE = 100_000
_BLOCK = 2**18
_CLOSE = 1e-4  # float32 tells some 1,000 steps of such a share of a number apart
_TINY, _HUGE = 1e-6, 1e30  # beyond, sums and squares may leave float32


@dataclass(frozen=True)
class Scale:
    """What places stand for: the value is centre + unit * place.

    >>> Scale(2460000.5, 0.01).true(2.0)
    2460000.52
    """

    centre: float = 0.0
    unit: float = 1.0

    def true(self, place: float) -> float:
        """The value at a place."""
        return float(self.centre + self.unit * float(place))

    def digits(self, parts: int) -> int:
        """How many digits a value needs for so many parts of a unit to be told apart."""
        size = max(abs(self.centre) / self.unit, 1.0)
        return int(np.ceil(np.log10(size * parts)))


AS_IS = Scale()
"""Places that are the values themselves."""


def narrow(values: np.ndarray) -> tuple[np.ndarray, Scale]:
    """Values (n,) as places (n,) float32 and what these stand for: themselves where float32 tells
    the bulk of them apart, otherwise counted from their median in units of their spread.

    NaN stays; what is too far away for float32 becomes infinite.

    >>> places, scale = narrow(np.array([2460000.50, 2460000.51, 2460000.52]))
    >>> [round(scale.true(place), 5) for place in places]
    [2460000.5, 2460000.51, 2460000.52]
    >>> narrow(np.array([1, 2]))
    (array([1., 2.], dtype=float32), Scale(centre=0.0, unit=1.0))
    """
    values = np.asarray(values)
    scale = _scale(values)
    places = np.empty(len(values), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(values), _BLOCK):
            block = values[start : start + _BLOCK]
            if scale != AS_IS:
                if block.dtype.kind == "i":  # of 64 bits a float loses some
                    block = (block - block.dtype.type(scale.centre)) / scale.unit
                else:
                    block = (block.astype(np.float64) - scale.centre) / scale.unit
            places[start : start + _BLOCK] = block
    return places, scale


def _scale(values: np.ndarray) -> Scale:
    sample = _finite(values[:: 1 + len(values) // _SAMPLE])
    if not len(sample):
        sample = _finite(values)
    if not len(sample):
        return AS_IS
    shares = (0.0, 0.005, 0.25, 0.5, 0.75, 0.995, 1.0)
    least, low, first, middle, third, high, most = np.quantile(
        sample.astype(np.float64), shares, method="lower"
    ).tolist()
    large = max(abs(low), abs(high))
    wide = next((width for width in (third - first, high - low, most - least) if width > 0), 0.0)
    if large == 0 or (_TINY < large < _HUGE and (wide > _CLOSE * large or not wide)):
        return AS_IS
    centre = round(middle) if values.dtype.kind in "iu" else middle
    return Scale(centre, min(wide, large) if wide else large)


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values
