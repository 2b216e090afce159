"""Region files for SAOImage DS9: circles with words around objects, on the sky or in pixels."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from anomaly_zoo import tables

__all__ = ["Regions", "write_pixel_regions", "write_regions"]

COLOURS = ("white", "black", "red", "green", "blue", "cyan", "magenta", "yellow")
"""The colours that DS9 knows by name; others are #rgb or #rrggbb."""
_HEX = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_LONGEST = 250  # characters of a text
_BLOCK = 8192  # lines written at a time
_BRACES = str.maketrans("{}", "()")


class Regions(NamedTuple):
    """How many regions were written, and how many objects were left out for want of a position."""

    written: int
    left_out: int


def write_regions(
    path: str | os.PathLike[str],
    ids: Sequence[str],
    ra: Any,
    dec: Any,
    *,
    radius_arcsec: float = 5.0,
    text: Sequence[str] | None = None,
    colour: str = "green",
) -> Regions:
    """Write a circle on the sky around each object, in the format of DS9 4.1 (ds9.si.edu).

    `ra` and `dec` (n,) are ICRS degrees, NaN where unknown: such objects are left out and counted.
    `text` is written beside each circle, the ids by default; what DS9 would take for its own
    (braces, line breaks, control characters) is replaced. `colour` is one of `COLOURS`, #rgb or
    #rrggbb. The file is written whole or not at all.

    Raises `ValueError` for lengths that differ, positions out of range, a radius that is none, or
    another colour; `FileNotFoundError` where there is no such folder.

    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "top.reg"
    >>> write_regions(file, ["J1", "J2"], [10.5, None], [-3.25, 2.0])
    Regions(written=1, left_out=1)
    >>> print(file.read_text().splitlines()[-1])
    circle(10.5000000,-3.2500000,5") # text={J1}
    """
    ids, text = _texts(ids, text)
    x, y = _numbers("ra", ra, len(ids)), _numbers("dec", dec, len(ids))
    _within("ra", x, 0, 360)
    _within("dec", y, -90, 90)
    return _write(path, "icrs", x, y, _radius("radius_arcsec", radius_arcsec) + '"', text, colour)


def write_pixel_regions(
    path: str | os.PathLike[str],
    ids: Sequence[str],
    x: Any,
    y: Any,
    *,
    radius: float = 10.0,
    text: Sequence[str] | None = None,
    colour: str = "green",
    height: int | None = None,
) -> Regions:
    """Write a circle in an image around each object, as `write_regions` does on the sky.

    `x` and `y` (n,) count pixels from 0 at the centre of the first, as photutils does; DS9 counts
    from 1. `radius` is in pixels. Give the `height` of a picture (JPEG, PNG) whose first row is on
    top: DS9 turns such pictures upside down, as y grows upwards there.

    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "top.reg"
    >>> _ = write_pixel_regions(file, ["J1"], [0.0], [0.0], height=100)
    >>> print(file.read_text().splitlines()[-1])
    circle(1.000,100.000,10) # text={J1}
    """
    ids, text = _texts(ids, text)
    x, y = _numbers("x", x, len(ids)) + 1, _numbers("y", y, len(ids)) + 1
    if height is not None:
        y = height + 1 - y
    return _write(path, "image", x, y, _radius("radius", radius), text, colour)


def _write(
    path: str | os.PathLike[str],
    frame: str,
    x: np.ndarray,
    y: np.ndarray,
    radius: str,
    text: Sequence[str],
    colour: str,
) -> Regions:
    if colour not in COLOURS and not (isinstance(colour, str) and _HEX.fullmatch(colour)):
        raise ValueError(f"colour: expected {', '.join(COLOURS)}, #rgb or #rrggbb, got {colour!r}")
    known = np.isfinite(x) & np.isfinite(y)
    digits = 3 if frame == "image" else 7  # 0.4 milliarcseconds
    lines = (
        f"circle({x[row]:.{digits}f},{y[row]:.{digits}f},{radius}) # text={{{_safe(text[row])}}}\n"
        for row in np.flatnonzero(known).tolist()
    )
    with (
        tables.replacing(path) as beside,
        open(beside, "w", encoding="utf-8", newline="\n") as file,
    ):
        file.write("# Region file format: DS9 version 4.1\n")
        file.write(
            f'global color={colour} dashlist=8 3 width=1 font="helvetica 10 normal roman" '
            "select=1 highlite=1 dash=0 fixed=0 edit=1 move=1 delete=1 include=1 source=1\n"
        )
        file.write(f"{frame}\n")
        while block := "".join(islice(lines, _BLOCK)):
            file.write(block)
    written = int(known.sum())
    return Regions(written, len(known) - written)


def _safe(text: str) -> str:
    """A text that ends where it should: DS9 reads {…} up to the first closing brace or line end.

    >>> _safe('a "ring" {of}\\n stars')
    'a "ring" (of) stars'
    """
    shown = "".join(c if c.isprintable() else " " for c in str(text)[:_LONGEST])
    return " ".join(shown.split()).translate(_BRACES)


def _texts(ids: Sequence[str], text: Sequence[str] | None) -> tuple[Sequence[str], Sequence[str]]:
    if text is not None and len(text) != len(ids):
        raise ValueError(f"text: expected {len(ids):,} texts, one an object, got {len(text):,}")
    return ids, ids if text is None else text


def _numbers(name: str, values: Any, n: int) -> np.ndarray:
    """Values (n,) as float64, NaN where unknown."""
    numbers = np.array(values, dtype=np.float64)
    if numbers.shape != (n,):
        raise ValueError(f"{name}: expected {n:,} numbers, one an object, got {numbers.shape}")
    return numbers


def _within(name: str, values: np.ndarray, low: float, high: float) -> None:
    wrong = values[(values < low) | (values > high)]
    if len(wrong):
        raise ValueError(f"{name} must be between {low} and {high} degrees, got {wrong[0]:g}")


def _radius(name: str, radius: float) -> str:
    if not 0 < radius < float("inf"):
        raise ValueError(f"{name}: expected a number above zero, got {radius!r}")
    return f"{radius:.6g}"
