"""The encoder that comes with the package: a small network trained on real and simulated galaxies.

A vector has two parts. The first is the network's. It looks at 64 x 64 pixels through a round
window, so that the corners, which change when an image is turned, do not count, at the image as it
lies and turned by 90 degrees, and gives the mean of both. The second is what `Pixels` measures by
hand, brought to its principal axes and half the first's variance: a network tends to overlook what
it was never taught, and measurements do not. How the weights were made is in
`anomaly_zoo.encoders.train`; what they are good and bad at, in `zoonet.md` beside this file.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from anomaly_zoo.encoders.images import checked, picture, prepared, unit
from anomaly_zoo.encoders.pixels import Pixels
from anomaly_zoo.threads import cores, one_thread

if TYPE_CHECKING:
    import torch

WEIGHTS = Path(__file__).with_name("zoonet.safetensors")
REVISION = 1  # raise it when the code changes what comes out
SIZE = 64
MEAN, STD = 0.1, 0.2  # of the pixels of real cutouts, roughly
EDGE = 0.15  # width of the window's edge, in half sides
TURNS = 2  # by 90 degrees each, that the network's vector is the mean of
BATCH = 32  # images that a worker takes at once

Weights = dict[str, "torch.Tensor"]


@dataclass(frozen=True)
class Zoonet:
    """A small convolutional network for galaxy images of any survey, weights included.

    `weights` is a safetensors file as `anomaly_zoo.encoders.train` writes it, by default the one
    in the package. Images are pictures (uint8, or float from 0 to 1) of one band or three (red,
    green, blue) with the galaxy in the middle, filling about a quarter to three quarters of it;
    they are brought to 64 x 64 pixels. Raises FileNotFoundError without the file, ValueError where
    it is not one of this network.

    >>> import numpy as np
    >>> y, x = np.mgrid[-1:1:64j, -1:1:64j]
    >>> disc = np.exp(-8 * np.hypot(x, 3 * y))[None, :, :, None] * [1.0, 0.8, 0.6]
    >>> encoder = Zoonet()
    >>> v = encoder.encode(disc)
    >>> v.shape == (1, encoder.d), v.dtype == np.float32
    (True, True)
    >>> turned = encoder.encode(np.rot90(disc, axes=(1, 2)))
    >>> bool(np.linalg.norm(turned - v) < 0.2 * np.linalg.norm(v))
    True
    """

    weights: str | os.PathLike[str] = WEIGHTS
    name: ClassVar[str] = "zoonet"
    size: ClassVar[int] = SIZE

    @property
    def d(self) -> int:
        """The length of a vector."""
        return len(self._loaded["out.bias"]) + len(self._loaded["measured.bias"])

    @cached_property
    def version(self) -> str:
        """Eight hex characters that change with the weights and with how they are used."""
        settings = (REVISION, SIZE, MEAN, STD, EDGE, TURNS, Pixels().version)
        text = repr(settings).encode() + _existing(self.weights).read_bytes()
        return hashlib.blake2b(text, digest_size=4).hexdigest()

    @cached_property
    def _loaded(self) -> Weights:
        return load(self.weights)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Bring one image (h, w), (h, w, 1) or (h, w, 3) to (64, 64, 3): see `images.square`."""
        return picture(image, self.size)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode images (b, h, w, c), c = 1 or 3 (RGB), uint8 or float, as (b, d) float32."""
        from threadpoolctl import threadpool_limits

        images = prepared(self, checked(images))
        out = np.empty((len(images), self.d), np.float32)

        def work(start: int) -> None:
            with one_thread():
                out[start : start + BATCH] = _vectors(images[start : start + BATCH], self._loaded)

        starts = range(0, len(images), BATCH)
        count = max(1, min(cores(), len(starts)))
        with (
            threadpool_limits(1, user_api="blas"),
            ThreadPoolExecutor(count, "anomaly_zoo-zoonet") as workers,
        ):
            for _ in workers.map(work, starts):
                pass
        return out


def _vectors(images: np.ndarray, weights: Weights) -> np.ndarray:
    """Prepared images (b, 64, 64, 3) as (b, d): what the network sees and what is measured."""
    import torch
    from torch.nn.functional import linear

    with torch.inference_mode():
        seen = windowed(torch.from_numpy(unit(images)).permute(0, 3, 1, 2))
        # The window is round: it turns with the image.
        turned = torch.cat([torch.rot90(seen, k, (2, 3)) for k in range(TURNS)])
        network = through(turned, weights).view(TURNS, len(images), -1).mean(0)
        measured = torch.from_numpy(Pixels().encode(images))
        measured = linear(measured, weights["measured.weight"], weights["measured.bias"])
        return torch.cat([network, measured], 1).numpy()


def load(path: str | os.PathLike[str]) -> Weights:
    """The network's weights as float32 tensors; raises ValueError where they are another's."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = _existing(path)
    try:
        weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    except SafetensorError as error:
        raise ValueError(f"{path.name} is not a safetensors file: {error}") from None
    needed = {
        f"{layer}.{part}" for layer in ("stem", "out", "measured") for part in ("weight", "bias")
    }
    if missing := sorted(needed - weights.keys()):
        raise ValueError(f"{path.name} holds another network: it has no {missing[0]}")
    try:
        features(torch.zeros(1, 3, SIZE, SIZE), weights)
    except (RuntimeError, KeyError) as error:
        raise ValueError(f"{path.name} holds another network: {error}") from None
    return weights


def _existing(path: str | os.PathLike[str]) -> Path:
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"there are no weights at {path}; reinstall anomaly-zoo, or make them with "
            "python -m anomaly_zoo.encoders.train"
        )
    return Path(path)


def window() -> torch.Tensor:
    """(64, 64) weights of the pixels: one within 0.85 of the half side, zero from the side on."""
    import torch

    place = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    return ((1 - torch.hypot(place[:, None], place)) / EDGE).clamp(0, 1)


def windowed(images: torch.Tensor) -> torch.Tensor:
    """Images (b, 3, 64, 64), 0 to 1, as the network sees them: about zero, through the window."""
    return (images - MEAN) * (window() / STD)


def features(images: torch.Tensor, weights: Weights) -> torch.Tensor:
    """Images (b, 3, 64, 64), 0 to 1, as (b, d), each as it lies."""
    return through(windowed(images), weights)


def through(x: torch.Tensor, weights: Weights) -> torch.Tensor:
    """What `windowed` gives, through the network: (b, d).

    A stem with a stride of 4 pixels, then stages of residual blocks, each
    stage at half the resolution of the one before; the mean over all places; a linear map.
    """
    from torch.nn.functional import conv2d, linear

    def conv(x: torch.Tensor, layer: str, stride: int = 1) -> torch.Tensor:
        return conv2d(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"], stride, padding=1)

    x = conv(x, "stem", stride=4).relu_()
    stage = 0
    while f"stages.{stage}.0.first.weight" in weights:
        if f"stages.{stage}.down.weight" in weights:
            x = conv(x, f"stages.{stage}.down", stride=2).relu_()
        block = 0
        while f"stages.{stage}.{block}.first.weight" in weights:
            name = f"stages.{stage}.{block}"
            inner = conv(x, f"{name}.first").relu_()
            x = conv(inner, f"{name}.second").add_(x).relu_()
            block += 1
        stage += 1
    return linear(x.mean((2, 3)), weights["out.weight"], weights["out.bias"])
