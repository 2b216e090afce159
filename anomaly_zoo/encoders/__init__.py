"""Frozen encoders: images in, one vector an image out.

An encoder is any object with a ``name``, a ``version`` (a short hash of all that decides its
output), an input ``size``, a length ``d`` and ``encode(images) -> (b, d) float32``. It is passed as
an object; there is nothing to register.
"""

from __future__ import annotations

from anomaly_zoo.encoders.pixels import Pixels

__all__ = ["Pixels"]
