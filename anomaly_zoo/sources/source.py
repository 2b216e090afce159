"""What all sources have in common: a list of ids, and an image for each of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_zoo.cutouts import CutoutError, Cutouts

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Digest", "Item", "Source", "digest", "picture_of", "plain", "unreadable"]


@dataclass(frozen=True, slots=True)
class Item:
    """One object of a source: its id, where its image is, and the function that reads it.

    `read` may be called from any thread; it raises `CutoutError` where there is no image to use.
    """

    id_str: str
    where: str
    """For the reader of a table: a relative path, a row number."""
    read: Callable[[], Image.Image]
    size: int = 0
    """Bytes that it holds in memory until it is read."""


@dataclass(frozen=True, eq=False)
class Source:
    """Objects in a fixed order, with their images.

    `kind` is a word ("folder"), `name` what people call it, without a path. `ids` (n,) are unique
    strings. `identity` is a text that differs where the images may differ: a run that was broken
    off goes on only with the same one. `items(start, stop)` yields the `Item`s of these rows, in
    order, and holds few images at a time.

    >>> from PIL import Image
    >>> blank = Image.new("RGB", (64, 64))
    >>> ids = np.array(["J1", "J2"], dtype=object)
    >>> source = Source(
    ...     "mine", "two", ids, "1",
    ...     lambda start, stop: (Item(i, "nowhere", lambda: blank) for i in ids[start:stop]),
    ... )
    >>> len(source), [item.id_str for item in source.items(1, 2)]
    (2, ['J2'])
    """

    kind: str
    name: str
    ids: np.ndarray
    identity: str
    items: Callable[[int, int], Iterator[Item]]

    def __len__(self) -> int:
        return len(self.ids)


def picture_of(stretch: str) -> Callable[[Any], Callable[[], Image.Image]]:
    """For encoded bytes or pixels, the function that makes them the picture the viewer shows.

    >>> picture_of("asinh")(np.zeros((9, 5), np.uint8))().size
    (5, 9)
    """
    cutouts = Cutouts(itemgetter("image"), stretch=stretch)
    return lambda value: partial(cutouts.image, {"image": value})


def unreadable(reason: str) -> Callable[[], Image.Image]:
    """The `read` of an image that is known to be of no use.

    >>> unreadable("the image is a link")()
    Traceback (most recent call last):
    ...
    anomaly_zoo.cutouts.CutoutError: the image is a link
    """

    def read() -> Image.Image:
        raise CutoutError(reason)

    return read


def plain(name: str | os.PathLike[str]) -> str:
    r"""A file name as text that can be written as UTF-8: bytes that are none become \xff.

    >>> plain(b"J1-\xff.jpg".decode("utf-8", "surrogateescape"))
    'J1-\\xff.jpg'
    """
    text = os.fspath(name)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class Digest:
    """Sixteen hex digits over pieces, bytes as they are and others as `str`, added one by one."""

    def __init__(self) -> None:
        self._made = hashlib.blake2b(digest_size=8)

    def add(self, *pieces: object) -> None:
        for piece in pieces:
            data = (
                bytes(piece)
                if isinstance(piece, (bytes, bytearray, memoryview))
                else str(piece).encode("utf-8", "surrogatepass")
            )
            self._made.update(b"%d:" % len(data))
            self._made.update(data)

    @property
    def text(self) -> str:
        return self._made.hexdigest()


def digest(pieces: Iterable[object]) -> str:
    """The `Digest` of some pieces.

    >>> digest(["ab", "c"]) == digest(["ab", "c"]) != digest(["a", "bc"])
    True
    """
    made = Digest()
    for piece in pieces:
        made.add(piece)
    return made.text
