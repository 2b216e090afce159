"""The objects most like some examples: among some or all, without near-duplicates on the sky."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from anomaly_zoo.able import able
from anomaly_zoo.cutouts import CutoutError, Cutouts
from anomaly_zoo.encoders.protocol import Encoder
from anomaly_zoo.neighbours import Neighbours, nearest
from anomaly_zoo.positions import spread
from anomaly_zoo.representation import Representation

_MOST = 2**20  # so many near ones are looked through for those that are not the same on the sky
_NUMBERS = 2**21  # of a block that is searched at a time
_MASK = 2**20
_FEW = 16  # of more than one in so many, those that are able to be near are found first


def similar(
    space: Representation,
    queries: np.ndarray,
    k: int,
    *,
    among: np.ndarray | None = None,
    without: np.ndarray | None = None,
    apart: float | None = None,
    sky: tuple[np.ndarray, np.ndarray] | None = None,
) -> Neighbours:
    """The k objects nearest to the closest of the queries (q, d), nearest first, exactly.

    among : (n,) True for those that are searched; all by default. without : rows (e,) that are left
    out, such as those of the examples. apart : near-duplicates on the sky, within so many arcsec
    of an example or of a nearer result, are dropped, given right ascension and declination, degrees
    (n,) each, as `sky`; those without a position are kept. Fewer than k come back where there are
    no more (where positions repeat, of the 1,048,576 nearest). Raises what `nearest` raises.

    >>> space = Representation(["J1", "J2", "J3", "J4"], [[0.0], [1.0], [3.0], [7.0]])
    >>> similar(space, np.array([[0.0]]), 2, without=np.array([0])).rows.tolist()
    [1, 2]
    >>> dec = np.array([0.0, 0.0001, 5.0, 5.0001])
    >>> found = similar(space, np.array([[0.0]]), 2, without=np.array([0]), apart=1.0,
    ...                 sky=(np.zeros(4), dec))
    >>> found.rows.tolist(), found.distances.tolist()
    ([2], [3.0])
    """
    examples = np.zeros(0, dtype=np.int64) if without is None else without
    if among is not None and len(examples):
        among = among.copy()
        among[examples] = False
    if apart is None or sky is None:
        return _nearest(space, queries, k, among, examples)
    wanted = k
    while True:
        found = _nearest(space, queries, wanted, among, examples)
        rows = np.concatenate([examples, found.rows])
        left = spread(sky[0][rows], sky[1][rows], apart, len(examples), k) - len(examples)
        if len(left) == k or len(found) < wanted or wanted >= _MOST:
            return Neighbours(found.rows[left], found.distances[left])
        wanted = min(4 * wanted, _MOST)


def features_of(image: object, encoder: Encoder, stretch: str = "asinh") -> np.ndarray:
    """The features (1, d) of an image that is in no catalogue: a path, a PIL image, encoded bytes,
    or pixels (h, w) or (h, w, 3).

    The encoder is shown what the viewer would show; `stretch` is for single-band data, as in
    `Cutouts`. Raises TypeError for anything else, ValueError for an image that cannot be read.

    >>> from anomaly_zoo.encoders import Pixels
    >>> features_of(np.eye(64), Pixels()).shape
    (1, 176)
    >>> features_of(7, Pixels())
    Traceback (most recent call last):
    ...
    TypeError: expected an image: a path, a PIL image or pixels (h, w) or (h, w, 3), got int
    """
    path = isinstance(image, (str, os.PathLike))
    pixels = hasattr(image, "__array__") and not isinstance(image, np.generic)
    if not (path or pixels or isinstance(image, bytes) or hasattr(image, "getbands")):
        raise TypeError(
            "expected an image: a path, a PIL image or pixels (h, w) or (h, w, 3), got "
            f"{type(image).__name__}"
        )
    if path and "://" in os.fspath(image):  # type: ignore[call-overload]
        raise ValueError(f"image: expected a file, got the address {image!r}; download it first")
    try:
        picture = Cutouts(lambda _: image, stretch=stretch).image({})
    except CutoutError as error:
        raise ValueError(f"image: {str(error).replace('the cutout function gives ', '')}") from None
    return encoder.encode(np.asarray(picture)[None])


def _nearest(
    space: Representation,
    queries: np.ndarray,
    k: int,
    among: np.ndarray | None,
    without: np.ndarray,
) -> Neighbours:
    if among is None or np.count_nonzero(among) > len(space) / _FEW:
        among = able(space, queries, k + len(without), among)
        among[without] = False
    rows, distances, held = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], 0

    def narrow() -> Neighbours:
        every, far = np.concatenate(rows), np.concatenate(distances)
        order = np.lexsort((every, far))[:k]
        return Neighbours(every[order], far[order])

    for some in _blocks(among, max(1, _NUMBERS // space.d)):
        near = nearest(space.take(some), queries, k)
        rows.append(some[near.rows])
        distances.append(near.distances)
        held += len(near)
        if held > 8 * k:
            best = narrow()
            rows, distances, held = [best.rows], [best.distances], len(best)
    return narrow()


def _blocks(among: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """The rows (b,) that are True, so many at a time."""
    for first in range(0, len(among), _MASK):
        rows = first + np.flatnonzero(among[first : first + _MASK])
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
