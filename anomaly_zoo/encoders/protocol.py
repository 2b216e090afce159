"""What an encoder is: any object with these few members."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Encoder(Protocol):
    """A frozen encoder: images in, one vector an image out, the same for ever.

    Any object with these members is one: there is no base class and nothing to register. Images
    of type uint8 are display pictures, 0 to 255; float images go from 0 to 1. An encoder is safe
    to call from one thread for `encode`, and from many at a time for `prepare`.

    >>> class Mean:
    ...     name, size, d, version = "mean", 8, 3, "00000001"
    ...
    ...     def prepare(self, image):
    ...         return square(image, self.size)
    ...
    ...     def encode(self, images):
    ...         return unit(prepared(self, checked(images))).mean(axis=(1, 2))
    >>> from anomaly_zoo.encoders.images import checked, prepared, square, unit
    >>> Mean().encode(np.full((2, 12, 9, 1), 255, np.uint8)).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    >>> label(Mean())
    'mean 00000001'
    """

    @property
    def name(self) -> str:
        """One word: "zoonet"."""

    @property
    def size(self) -> int:
        """The side in pixels of the square that an image is brought to."""

    @property
    def d(self) -> int:
        """The length of a vector."""

    @property
    def version(self) -> str:
        """Eight hex characters that change with all that decides what comes out."""

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Bring one image (h, w), (h, w, 1) or (h, w, 3) to (size, size, 3), uint8 or float32.

        The central square, resized without aliasing, one band repeated to three; uint8 stays
        uint8. A prepared image comes back as it is. Raises ValueError or TypeError, with what was
        expected and what to do, for what cannot be used.
        """

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode images (b, h, w, c), c = 1 or 3 (RGB), uint8 or float, as (b, d) float32.

        Images that are not (size, size, 3) are prepared first. A vector depends on its own image
        alone, not on the others of the batch. Raises as `prepare` does.
        """


def label(encoder: Encoder) -> str:
    """Name and version in one: what a file of features says it was made with.

    >>> from anomaly_zoo.encoders import Pixels
    >>> label(Pixels()) == f"pixels {Pixels().version}"
    True
    """
    return f"{encoder.name} {encoder.version}"
