"""Maps of the sky: positions in plate carrée or Aitoff, and the lines of a graticule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from anomaly_zoo.rounding import digits

__all__ = ["Line", "Projection", "graticule", "sky_centre", "sky_map", "sky_position"]

Projection = Literal["plate carree", "aitoff"]

_BLOCK = 2**18
_BINS = 3600
_STEPS = (30.0, 15.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
_POINTS = 61


def sky_map(
    ra: np.ndarray,
    dec: np.ndarray,
    projection: Projection = "plate carree",
    centre: float | None = None,
) -> np.ndarray:
    """Positions (n, 2) float32 on a map of the sky, with RA increasing to the left and north up.

    ra, dec : (n,) in degrees; where either is NaN both coordinates are. centre : the right
    ascension in the middle, in degrees; by default that of `sky_centre`, so that the map's edge
    cuts no survey. Coordinates are degrees from the middle at the equator.

    "plate carree" has x = -(ra - centre) and y = dec. "aitoff" is the Hammer-Aitoff projection,
    equal in area, which FITS calls AIT (Calabretta & Greisen 2002, A&A 395, 1077): with
    g = sqrt(2 / (1 + cos(dec) cos(a / 2))), a = ra - centre, x = -2 g cos(dec) sin(a / 2) and
    y = g sin(dec), in radians.

    Raises ValueError for another projection, arrays of other shapes and |dec| > 90.

    >>> sky_map([359, 1], [10, 20]).tolist()
    [[1.0, 10.0], [-1.0, 20.0]]
    >>> sky_map([10.0], [90.0], "aitoff", centre=40.0).round().tolist()
    [[0.0, 81.0]]
    """
    if projection not in get_args(Projection):
        raise ValueError(f"projection is one of {get_args(Projection)}, got {projection!r}")
    ra, dec = np.asarray(ra), np.asarray(dec)
    if ra.ndim != 1 or ra.shape != dec.shape:
        raise ValueError(f"expected ra and dec (n,), got shapes {ra.shape} and {dec.shape}")
    middle = sky_centre(ra) if centre is None else float(centre)
    xy = np.empty((len(ra), 2), dtype=np.float32)
    for start in range(0, len(ra), _BLOCK):
        part = slice(start, start + _BLOCK)
        up = dec[part].astype(np.float64)
        if (np.abs(up) > 90).any():
            raise ValueError("dec must be between -90 and 90 degrees")
        with np.errstate(invalid="ignore"):  # an infinite right ascension is none
            away = np.mod(ra[part].astype(np.float64) - middle + 180, 360) - 180
        up[np.isnan(away)] = np.nan
        away[np.isnan(up)] = np.nan
        xy[part] = _project(away, up, projection)
    return xy


def sky_centre(ra: np.ndarray) -> float:
    """The right ascension in degrees opposite the middle of the widest gap in ra (n,).

    It is known to a tenth of a degree; 180 where no position is known.

    >>> sky_centre(np.array([350.0, 355.0, 2.0, 10.0]))
    0.0
    """
    filled = np.zeros(_BINS, dtype=bool)
    ra = np.asarray(ra)
    for start in range(0, len(ra), _BLOCK):
        some = ra[start : start + _BLOCK].astype(np.float64)
        some = some[np.isfinite(some)]
        filled[np.floor(some * (_BINS / 360)).astype(np.int64) % _BINS] = True
    bins = np.flatnonzero(filled)
    if not len(bins):
        return 180.0
    gaps = np.diff(bins, append=bins[0] + _BINS)
    widest = int(gaps.argmax())
    middle = bins[widest] + gaps[widest] / 2  # of the gap, in bins
    return round(float((middle * 360 / _BINS + 180) % 360), 2) % 360


@dataclass(frozen=True, eq=False)
class Line:
    """A line over a map: its points (m, 2) float32, and its label with where it stands, to the
    right of that place or, of `align` "right", to the left."""

    xy: np.ndarray
    label: str
    at: tuple[float, float]
    align: str = "left"


def graticule(
    projection: Projection = "plate carree",
    centre: float = 180.0,
    view: tuple[float, float, float, float] | None = None,
) -> list[Line]:
    """Meridians and parallels at round degrees, to be drawn over `sky_map` with the same centre.

    view : x0, x1, y0, y1 of what is seen, in the map's coordinates; lines are as far apart as is
    sensible there, and labels stand within it. The whole sky where it is not given. The outline of
    an Aitoff map has no label.

    >>> [line.label for line in graticule(centre=0, view=(-2, 2, 9, 11))][:5]
    ['358.0°', '358.5°', '359.0°', '359.5°', '0.0°']
    """
    a0, a1, d0, d1 = _bounds(projection, view)
    if not (a0 < a1 and d0 < d1):
        return []
    across, up = _step((a1 - a0) / 12), _step((d1 - d0) / 6)
    lines = []
    decs = np.linspace(d0, d1, _POINTS)
    shown = float(np.clip(0, d0, d1))
    for number in range(int(np.ceil((centre + a0) / across)), _last(centre + a1, across)):
        ra = number * across
        label = f"{ra % 360:.{max(0, digits(across))}f}°"
        lines.append(_line(ra - centre, decs, projection, label, (ra - centre, shown)))
    aways = np.linspace(a0, a1, _POINTS)
    for number in range(int(np.ceil(d0 / up)), _last(d1, up)):
        dec = number * up
        if abs(dec) < 90:
            label = f"{dec:+.{max(0, digits(up))}f}°".replace("-", "−") if number else "0°"
            line = _line(aways, dec, projection, label, (a1, dec))
            lines.append(line if view is None else _labelled(line, view))
    if projection == "aitoff":
        edge = np.linspace(-90, 90, 2 * _POINTS)
        lines += [_line(side, edge, projection, "", (side, 0.0)) for side in (-180.0, 180.0)]
    return lines


def _line(
    away: float | np.ndarray,
    dec: float | np.ndarray,
    projection: Projection,
    label: str,
    at: tuple[float, float],
) -> Line:
    aways, decs = np.broadcast_arrays(np.asarray(away, float), np.asarray(dec, float))
    x, y = _project(np.array([at[0]]), np.array([at[1]]), projection)[0].tolist()
    return Line(_project(aways, decs, projection).astype(np.float32), label, (x, y))


def _labelled(line: Line, view: tuple[float, float, float, float]) -> Line:
    """The line with its label at the leftmost of its points that are seen."""
    x0, x1, y0, y1 = view
    x, y = line.xy.T
    seen = line.xy[(x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)]
    if not len(seen):
        return line
    left, height = seen[seen[:, 0].argmin()].tolist()
    return replace(line, at=(left, height))


def sky_position(
    x: float, y: float, projection: Projection = "plate carree", centre: float = 180.0
) -> tuple[float, float] | None:
    """Right ascension and declination, degrees, of a place of `sky_map`; None beside the sky.

    >>> sky_position(-3.0, 10.0, centre=359.0)
    (2.0, 10.0)
    >>> sky_position(0.0, 100.0, "aitoff") is None
    True
    """
    if projection == "plate carree":
        away, dec = np.array([-float(x)]), np.array([float(y)])
    else:
        away, dec = _unproject(np.radians([float(x)]), np.radians([float(y)]))
    if not (len(away) and abs(away[0]) <= 180 and abs(dec[0]) <= 90):
        return None
    return float((centre + away[0]) % 360), float(dec[0])


def _unproject(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Degrees east of the centre, and declinations, of places (m,) of an Aitoff map in radians;
    those beside the sky are left out."""
    left = 1 - (x / 4) ** 2 - (y / 2) ** 2
    inside = left >= 0.5
    z, x, y = np.sqrt(left[inside]), x[inside], y[inside]
    dec = np.degrees(np.arcsin(np.clip(z * y, -1, 1)))
    return -2 * np.degrees(np.arctan2(z * x, 2 * (2 * z**2 - 1))), dec


def _project(away: np.ndarray, dec: np.ndarray, projection: Projection) -> np.ndarray:
    """(m, 2) positions of degrees east of the centre and declinations."""
    if projection == "plate carree":
        return np.column_stack([-away, dec])
    half, up = np.radians(away) / 2, np.radians(dec)
    scale = np.degrees(np.sqrt(2 / (1 + np.cos(up) * np.cos(half))))
    return np.column_stack([-2 * scale * np.cos(up) * np.sin(half), scale * np.sin(up)])


def _bounds(
    projection: Projection, view: tuple[float, float, float, float] | None
) -> tuple[float, float, float, float]:
    """The degrees east of the centre, and the declinations, that a view shows."""
    if view is None:
        return -180.0, 180.0, -90.0, 90.0
    x0, x1, y0, y1 = view
    if projection == "plate carree":
        return max(-x1, -180.0), min(-x0, 180.0), max(y0, -90.0), min(y1, 90.0)
    x, y = np.radians(np.meshgrid(np.linspace(x0, x1, 41), np.linspace(y0, y1, 41)))
    away, dec = _unproject(x.ravel(), y.ravel())
    if not len(away):
        return 0.0, 0.0, 0.0, 0.0
    low, high = float(away.min()), float(away.max())
    if high - low > 340:  # the samples just miss the edge
        low, high = -180.0, 180.0
    d0, d1 = float(dec.min()), float(dec.max())
    return low, high, -90.0 if d0 < -85 else d0, 90.0 if d1 > 85 else d1


def _step(least: float) -> float:
    """The finest round step that is at least so many degrees."""
    return min((step for step in _STEPS if step >= least), default=_STEPS[0])


def _last(end: float, step: float) -> int:
    return int(np.floor(end / step)) + 1
