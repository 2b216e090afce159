"""The baseline encoder: what a galaxy looks like, measured by hand, whichever way it lies.

Nothing here is learned. Each image is cut down to a small square, its sky is subtracted and its
brightness divided out. In eight soft rings about the centre it is then described by

* profiles: mean light, red minus blue, and green excess in each ring;
* waves: the strength of the m-fold pattern around each ring, m = 1 to 6 (a two-armed spiral, a bar
  and an edge-on disc are strong in m = 2), and how waves of neighbouring rings line up (a bar or a
  disc keeps its angle with the radius, a spiral arm winds);
* texture: how much light there is, of either sign, between two scales of smoothing, and its waves;
* shape: asymmetry, second moments, Gini, M20, radii of 20, 50 and 80% of the light, concentration
  and clumpiness, after Conselice (2003, ApJS 147, 1) and Lotz, Primack & Madau (2004, AJ 128, 163).

Turning an image changes only the phase of its waves, and mirroring it only the sign of that phase.
What is kept is the size of each wave, and the cosine and absolute sine of the angle between
neighbours, so turns by 90 degrees and mirror images give the same vector up to rounding; any other
turn changes it as little as the pixels allow.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from anomaly_zoo.encoders.images import checked, checked_image, prepared, square

REVISION = 2  # raise it when the code changes what comes out
RINGS = 8
WAVES = 6
PHASED = 3  # the waves m = 1 to 3 are compared from ring to ring
TEXTURE_WAVES = (2, 4)
SCALES = (0.7, 1.5, 3.0)  # widths of the Gaussians, in pixels of a 64-pixel image
CHUNK = 4_000_000  # pixel values worked on at once

# The statistics of shape, and the unit each is counted in: its spread over galaxies. This and the
# spreads below are rounded geometric means over ground-based (SDSS) and Hubble images.
SHAPE_UNITS = {
    "asymmetry": 0.115,
    "size": 0.041,
    "elongation": 0.18,
    "core_size": 0.057,
    "core_elongation": 0.23,
    "gini": 0.035,
    "m20": 0.21,
    "r20": 0.029,
    "r50": 0.054,
    "r80": 0.068,
    "concentration": 0.074,
    "clumpiness": 0.054,
}
# Per block: number of values, share of the variance, and spread (root of the summed variance over
# galaxies) before scaling. Light, colour, waves, texture and shape weigh about the same, so that
# none decides alone which galaxies are alike.
BLOCKS = {
    "light": (RINGS, 0.7, 0.48),
    "red_blue": (RINGS, 0.5, 0.71),
    "green": (RINGS, 0.2, 0.24),
    "colour": (2, 0.3, 0.28),
    "waves": (WAVES * RINGS, 1.0, 0.19),
    "winding_cos": (PHASED * (RINGS - 1), 0.5, 0.17),
    "winding_sin": (PHASED * (RINGS - 1), 0.5, 0.045),
    "texture_fine": (RINGS, 0.5, 0.063),
    "texture_coarse": (RINGS, 0.5, 0.135),
    "clumps_fine": (len(TEXTURE_WAVES) * RINGS, 0.5, 0.0097),
    "clumps_coarse": (len(TEXTURE_WAVES) * RINGS, 0.5, 0.0236),
    "shape": (len(SHAPE_UNITS), 1.0, 3.7),
}


@dataclass(frozen=True)
class Pixels:
    """A classical, learning-free image encoder that ignores rotation, mirroring and brightness.

    ``size`` is the side in pixels to which images are brought first. Images may have any sides of
    at least 8 pixels; of an oblong one the central square is used. Each image is encoded by itself:
    the batch it comes in does not matter.

    >>> import numpy as np
    >>> y, x = np.mgrid[-1:1:64j, -1:1:64j]
    >>> disc = np.exp(-8 * np.hypot(x, 3 * y))[None, :, :, None] * [1.0, 0.8, 0.6]
    >>> encoder = Pixels()
    >>> v = encoder.encode(disc)
    >>> v.shape, v.dtype == np.float32
    ((1, 176), True)
    >>> bool(np.allclose(v, encoder.encode(np.rot90(disc, axes=(1, 2))), atol=1e-4))
    True
    """

    name: str = "pixels"
    size: int = 64

    def __post_init__(self) -> None:
        if self.size < 16:
            raise ValueError(f"size must be at least 16 pixels, got {self.size}")

    @property
    def d(self) -> int:
        """The length of a vector."""
        return sum(count for count, _, _ in BLOCKS.values())

    @property
    def version(self) -> str:
        """Eight hex characters that change with anything that changes the vectors.

        >>> Pixels().version == Pixels().version != Pixels(size=32).version
        True
        """
        settings = (REVISION, self.size, RINGS, WAVES, PHASED, TEXTURE_WAVES, SCALES)
        text = repr((settings, BLOCKS, SHAPE_UNITS))
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Bring one image (h, w), (h, w, 1) or (h, w, 3), uint8 or float, to (size, size, 3).

        The central square, one band repeated to three; uint8 stays uint8, float becomes float32.
        Values too large or too small for float32 are divided by their peak, which the vectors
        do not depend on. Raises as `encode` does.
        """
        image = checked_image(image)
        if image.dtype != np.uint8:
            peak = float(np.abs(image).max())
            if peak > 0 and not 1e-30 < peak < 1e30:
                image = image / peak
        return square(image, self.size)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode images (b, h, w, c), c = 1 or 3 (RGB), uint8 or float, as (b, 176) float32.

        Float images may have any scale, but not NaN or infinite values. Raises ValueError for
        another shape or such values, TypeError for another type.
        """
        images = checked(images)
        step = max(1, CHUNK // (3 * self.size**2))
        chunks = (images[i : i + step] for i in range(0, len(images), step))
        parts = [self._encode(prepared(self, chunk)) for chunk in chunks]
        return np.concatenate(parts) if parts else np.empty((0, self.d), np.float32)

    def _encode(self, images: np.ndarray) -> np.ndarray:
        values = _measure(_bands(images), self.size)
        columns = []
        for block, (count, share, spread) in BLOCKS.items():
            columns.append(values[block].reshape(len(images), count) * (share**0.5 / spread))
        return np.concatenate(columns, axis=1).astype(np.float32)


def _bands(images: np.ndarray) -> np.ndarray:
    """Prepared images (b, size, size, 3) at peak 1 as (3, b, size * size) float32."""
    peak = np.maximum(images.max(axis=(1, 2, 3)), -images.min(axis=(1, 2, 3), initial=0.0))
    peak = np.where(peak > 0, peak, 1)[:, None, None, None]
    scaled = images / peak if images.dtype == np.float64 else images / peak.astype(np.float32)
    bands = np.ascontiguousarray(np.moveaxis(scaled, -1, 0), dtype=np.float32)
    return bands.reshape(3, len(images), -1)


def _along_both(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """rows @ image @ columns.T for each of images (b, h, w), as two large products."""
    b, h, w = images.shape
    across = (images.reshape(b * h, w) @ columns.T).reshape(b, h, len(columns))
    turned = np.ascontiguousarray(across.transpose(0, 2, 1)).reshape(b * len(columns), h)
    return (turned @ rows.T).reshape(b, len(columns), len(rows)).transpose(0, 2, 1)


class _Basis(NamedTuple):
    """Linear measurements of a flattened size x size image; p = size * size."""

    inside: np.ndarray  # (p,) weight: 1 to half way out, falling to 0 on the inscribed circle
    rim: np.ndarray  # (p,) bool: the outermost ring, taken for sky
    rings: np.ndarray  # (RINGS, p) mean over each ring, times the weight
    waves: np.ndarray  # (2 * WAVES * RINGS, p) real, then imaginary parts of each wave
    moments: np.ndarray  # (4, p) r^2, x^2 - y^2, 2 x y, 1 in units of the half side
    growth: np.ndarray  # (n, p) sum within growing radii
    radii: np.ndarray  # (n,) those radii in units of the half side
    blurs: tuple[np.ndarray, ...]  # (size, size) Gaussian smoothing along one axis, per scale


@lru_cache(maxsize=8)
def _basis(size: int) -> _Basis:
    y, x = np.mgrid[:size, :size].reshape(2, -1) - (size - 1) / 2
    r, angle, half = np.hypot(x, y), np.arctan2(y, x), size / 2
    # Ring j is a hat over the radius with its top at half * (j / RINGS)^1.5; all add up to 1.
    place = np.interp(r, half * (np.arange(RINGS + 1) / RINGS) ** 1.5, np.arange(RINGS + 1.0))
    hats = np.clip(1 - np.abs(place - np.arange(RINGS)[:, None]), 0, None)
    # Neighbours far out count less and less.
    inside = np.cos(np.clip(2 * r / half - 1, 0, 1) * np.pi / 2) ** 2
    rings = inside * hats / hats.sum(axis=1, keepdims=True)
    waves = []
    for m in range(1, WAVES + 1):
        # Within m pixels of the centre there are too few pixels around to carry m waves.
        wave = rings * np.clip(r / m, 0, 1) ** 2 * np.exp(1j * m * angle)
        # A ring of few pixels is no perfect circle: take out what a constant would leave.
        constant = wave.sum(axis=1, keepdims=True) / rings.sum(axis=1, keepdims=True)
        waves.append(wave - rings * constant)
    stacked = np.concatenate(waves)
    moments = np.stack([x**2 + y**2, x**2 - y**2, 2 * x * y, np.full_like(x, half**2)]) / half**2
    radii = np.linspace(0, 1, size // 2 + 1)
    blurs = []
    for sigma in SCALES:
        distance = (np.arange(size) - np.arange(size)[:, None]) / (sigma * size / 64)
        weights = np.exp(-(distance**2) / 2)
        blurs.append((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))
    return _Basis(
        inside=inside.astype(np.float32),
        rim=(r > 0.85 * half) & (r < half),
        rings=rings.astype(np.float32),
        waves=np.concatenate([stacked.real, stacked.imag]).astype(np.float32),
        moments=moments.astype(np.float32),
        growth=np.clip(radii[:, None] * half - r + 0.5, 0, 1).astype(np.float32),
        radii=radii,
        blurs=tuple(blurs),
    )


def _measure(bands: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Every block of values of the bands (3, b, p), each as (b, …)."""
    basis = _basis(size)
    bands = bands - np.median(bands[:, :, basis.rim], axis=2, keepdims=True)
    light = bands.mean(axis=0)
    held = light * basis.inside
    positive = np.maximum(held, 0)
    square = positive**2
    # The surface brightness that the light itself has on average; the floor is for blank images.
    level = square.sum(axis=1) / np.maximum(positive.sum(axis=1), 1e-6) + 1e-3
    red, green, blue = np.arcsinh(bands / level[:, None]) / np.arcsinh(1)
    stretched = np.arcsinh(light / level[:, None]) / np.arcsinh(1)

    scales = [_blur(stretched, blur) for blur in basis.blurs]
    waves = _waves(scales[0], basis)  # (b, WAVES, RINGS) complex
    pair = waves[:, :PHASED, :-1] * waves[:, :PHASED, 1:].conj()
    pair /= np.sqrt(np.abs(pair)) + 1e-6
    fine, coarse = np.abs(scales[0] - scales[1]), np.abs(scales[1] - scales[2])
    chosen = [m - 1 for m in TEXTURE_WAVES]
    weight = np.maximum(square.sum(axis=1), 1e-9)
    return {
        "light": stretched @ basis.rings.T,
        "red_blue": (red - blue) @ basis.rings.T,
        "green": (green - (red + blue) / 2) @ basis.rings.T,
        "colour": np.stack([(bands[k] * positive).sum(axis=1) / weight for k in (0, 2)], axis=1),
        "waves": np.abs(waves),
        "winding_cos": pair.real,
        "winding_sin": np.abs(pair.imag),
        "texture_fine": fine @ basis.rings.T,
        "texture_coarse": coarse @ basis.rings.T,
        "clumps_fine": np.abs(_waves(fine, basis)[:, chosen]),
        "clumps_coarse": np.abs(_waves(coarse, basis)[:, chosen]),
        "shape": _shape(held, positive, square, basis) / list(SHAPE_UNITS.values()),
    }


def _waves(images: np.ndarray, basis: _Basis) -> np.ndarray:
    real, imaginary = np.split(images @ basis.waves.T, 2, axis=1)
    return (real + 1j * imaginary).reshape(len(images), WAVES, RINGS)


def _blur(images: np.ndarray, blur: np.ndarray) -> np.ndarray:
    square = images.reshape(len(images), *blur.shape)
    return _along_both(square, blur, blur).reshape(images.shape)


def _shape(held: np.ndarray, positive: np.ndarray, square: np.ndarray, basis: _Basis) -> np.ndarray:
    """The statistics named in SHAPE_UNITS, (b, 12), of light held within the circle (b, p)."""
    tiny = 1e-9
    total = np.maximum(positive.sum(axis=1), tiny)
    absolute = np.maximum(np.abs(held).sum(axis=1), tiny)
    asymmetry = np.abs(held - held[:, ::-1]).sum(axis=1) / (2 * absolute)
    sizes = []
    for weights in (positive, square):
        r2, plus, cross, norm = (weights @ basis.moments.T).T
        sizes.append(np.sqrt(r2 / np.maximum(norm, tiny)))
        sizes.append(np.hypot(plus, cross) / np.maximum(r2, tiny))
    ordered = np.sort(positive, axis=1)
    n = ordered.shape[1]
    gini = ordered @ (2 * np.arange(1, n + 1, dtype=np.float32) - n - 1) / (total * (n - 1))
    # The brightest pixels that hold 20% of the light, ties included.
    faint = (np.cumsum(ordered, axis=1) < 0.8 * total[:, None]).sum(axis=1)
    least = np.take_along_axis(ordered, np.minimum(faint, n - 1)[:, None], axis=1)
    bright = np.where(positive >= least * (1 - 1e-5), positive, 0)
    spread_bright = bright @ basis.moments[0] / np.maximum(bright.sum(axis=1), tiny)
    spread_all = positive @ basis.moments[0] / total
    m20 = np.log10(0.2 * spread_bright / np.maximum(spread_all, tiny) + 1e-2)
    growth = positive @ basis.growth.T / total[:, None]
    r20, r50, r80 = (_crossing(growth, basis.radii, level) for level in (0.2, 0.5, 0.8))
    concentration = np.log10((r80 + 0.02) / (r20 + 0.02))
    clumpiness = np.abs(held - _blur(held, basis.blurs[1])).sum(axis=1) / absolute
    columns = [asymmetry, *sizes, gini, m20, r20, r50, r80, concentration, clumpiness]
    return np.stack(columns, axis=1)


def _crossing(growth: np.ndarray, radii: np.ndarray, level: float) -> np.ndarray:
    """The radius at which each row of ``growth`` (b, n), which only grows, passes ``level``."""
    after = np.clip((growth < level).sum(axis=1), 1, len(radii) - 1)
    rows = np.arange(len(growth))
    low, high = growth[rows, after - 1], growth[rows, after]
    part = np.clip((level - low) / np.maximum(high - low, 1e-9), 0, 1)
    return radii[after - 1] + part * (radii[after] - radii[after - 1])
