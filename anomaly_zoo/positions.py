"""Positions on the sky: how far apart, what lies near one, and which of several are the same."""

from __future__ import annotations

import math

import numpy as np

ARCSEC = math.pi / 648_000
"""Radians."""
_BLOCK = 2**18


def check_position(ra: object, dec: object) -> tuple[float, float]:
    """Right ascension and declination as floats, or a ValueError where they are no position.

    >>> check_position(10, -3.5)
    (10.0, -3.5)
    """
    try:
        at = float(ra), float(dec)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        at = math.nan, math.nan
    if not (0 <= at[0] <= 360 and -90 <= at[1] <= 90):
        raise ValueError(
            "a position is right ascension (0 to 360) and declination (-90 to 90) in degrees, "
            f"ICRS, got {ra!r}, {dec!r}"
        )
    return at


def check_angle(angle: object, what: str) -> float:
    """An angle in arcsec as a float, or a ValueError where it is none between 0 and 648,000."""
    try:
        value = float(angle)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = math.nan
    if isinstance(angle, bool | str) or not 0 < value <= 648_000:
        raise ValueError(f"{what} is an angle in arcsec, above 0, got {angle!r}")
    return value


def separations(ra: np.ndarray, dec: np.ndarray, at: tuple[float, float]) -> np.ndarray:
    """The (m,) angles in arcsec between positions (degrees) and one; NaN where one is unknown.

    By the haversine formula, which keeps its digits where angles are small.

    >>> separations(np.array([10.0, np.nan]), np.array([0.0, 0.0]), (10.0, 0.001)).round(6)
    array([3.6, nan])
    """
    ra, dec = np.radians(ra), np.radians(dec)
    ra0, dec0 = math.radians(at[0]), math.radians(at[1])
    half = np.sin((dec - dec0) / 2) ** 2
    half += np.cos(dec) * math.cos(dec0) * np.sin((ra - ra0) / 2) ** 2
    return 2 * np.arcsin(np.sqrt(np.minimum(half, 1.0))) / ARCSEC


def around(
    ra: np.ndarray, dec: np.ndarray, at: tuple[float, float], radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """The rows (m,) of positions (n,) within `radius` arcsec of one, and their separations (m,).

    Nothing is farther than that in declination alone: only what is not is measured. An unknown
    position (NaN) is nowhere.

    >>> rows, apart = around(np.array([10.0, 50.0, 10.0]), np.array([0.0, 0.0, 0.001]), (10, 0), 5)
    >>> rows.tolist(), apart.round(6).tolist()
    ([0, 2], [0.0, 3.6])
    """
    rows, apart = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    width = radius / 3600 + 1e-9
    for first in range(0, len(dec), _BLOCK):
        block = slice(first, first + _BLOCK)
        near = np.flatnonzero(np.abs(dec[block] - at[1]) <= width)
        angles = separations(ra[block][near], dec[block][near], at)
        inside = angles <= radius
        rows.append(first + near[inside])
        apart.append(angles[inside])
    return np.concatenate(rows), np.concatenate(apart)


def spread(
    ra: np.ndarray, dec: np.ndarray, apart: float, given: int, most: int | None = None
) -> np.ndarray:
    """The places (k,) of the positions (m,) that are left when near-duplicates are dropped.

    In order: one is dropped that lies within `apart` arcsec of one kept before it, or of the first
    `given`, which are themselves not among those left. Of unknown positions (NaN) none is dropped.
    It ends when `most` are found.

    >>> ra = np.array([10.0, 10.0001, 20.0, np.nan, 20.0001])
    >>> spread(ra, np.zeros(5), apart=1.0, given=1).tolist()
    [2, 3]
    """
    from scipy.spatial import cKDTree

    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    kept = np.ones(len(ra), dtype=bool)
    place = np.full(len(ra), -1)
    place[known] = np.arange(len(known))
    directions = _directions(ra[known], dec[known])
    tree = cKDTree(directions)
    chord = 2 * math.sin(apart * ARCSEC / 2)
    left: list[int] = []
    for row in range(len(ra)):
        if row >= given:
            if not kept[row]:
                continue
            left.append(row)
            if len(left) == most:
                break
        if place[row] >= 0:
            kept[known[tree.query_ball_point(directions[place[row]], chord)]] = False
    return np.array(left, dtype=np.int64)


def _directions(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Unit vectors (m, 3)."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
