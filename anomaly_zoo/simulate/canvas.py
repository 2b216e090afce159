"""The light of one frame in g, r and i before the atmosphere: what is drawn and how it adds up.

Smooth profiles are added as their Fourier transforms, which GalSim (Rowe et al. 2015, Astronomy and
Computing 10, 121) gives; structure is added as an image. Both are then convolved with the
point-spread function in one transform back. Fluxes are nanomaggies (a magnitude of 22.5 is 1).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["Canvas", "colour", "galsim", "smooth_noise"]

Array = NDArray[Any]
SERSIC = (0.5, 0.7, 0.85, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)
MOFFAT = 3.2  # beta of the atmosphere with wings as those of SDSS


def galsim() -> Any:
    """The module galsim. Raises `ImportError` with the line that installs it."""
    try:
        import galsim
    except ImportError as error:
        raise ImportError(
            "the simulated zoo needs GalSim: pip install 'anomaly-zoo[simulate]'"
        ) from error
    return galsim


def colour(g_r: float, r_i: float) -> Array:
    """Fluxes in g, r, i relative to r of light with these colours (mag).

    >>> colour(0.0, 0.0)
    array([1., 1., 1.], dtype=float32)
    """
    return np.array([10 ** (-0.4 * g_r), 1.0, 10 ** (0.4 * r_i)], dtype=np.float32)


@lru_cache(maxsize=32)
def _radial(name: str, index: float) -> tuple[Array, Array]:
    """The transform of a round profile of unit size against the log of the wave number."""
    k = np.geomspace(1e-3, 400.0, 700)
    if name == "sersic":
        profile = galsim().Sersic(n=index, half_light_radius=1.0)
    else:
        profile = galsim().Moffat(beta=index, fwhm=1.0)
    values = np.array([profile.kValue(float(one), 0.0).real for one in k])
    return np.log(k).astype(np.float32), np.maximum(values, 0.0).astype(np.float32)


def _transform(name: str, index: float, k_squared: Array) -> Array:
    log_k, values = _radial(name, index)
    # A regular grid in log k: the neighbours are found by arithmetic.
    step = float(log_k[1] - log_k[0])
    at = (0.5 * np.log(k_squared + 1e-12) - log_k[0]) / step
    np.clip(at, 0.0, len(values) - 1.001, out=at)
    low = at.astype(np.int32)
    at -= low
    return values[low] * (1 - at) + values[low + 1] * at


@lru_cache(maxsize=8)
def _pixels(n: int) -> tuple[Array, Array, Array, Array]:
    centred = np.arange(n, dtype=np.float32) - n // 2
    x = np.broadcast_to(centred, (n, n))
    kx = 2 * np.pi * scipy.fft.rfftfreq(n).astype(np.float32)[None, :]
    ky = 2 * np.pi * scipy.fft.fftfreq(n).astype(np.float32)[:, None]
    return x, -x.T, kx, -ky


class Canvas:
    """A square of sky under construction: n by n pixels, `pixel` arcsec a side, centre at (0, 0).

    `x` grows to the right and `y` upwards, both in arcsec and of shape (n, n). The frame that is
    kept later is the middle; the rim takes what the transforms carry over the edge.
    """

    def __init__(self, n: int, pixel: float) -> None:
        self.n, self.pixel = n, pixel
        x, y, self._kx, self._ky = _pixels(n)
        self.x, self.y = x * np.float32(pixel), y * np.float32(pixel)
        self._hat = np.zeros((3, n, n // 2 + 1), dtype=np.complex64)
        self.image = np.zeros((3, n, n), dtype=np.float32)  # flux a pixel

    def profile(
        self,
        index: float,
        radius: float,
        ratio: float,
        angle: float,
        flux: Array,
        x: float = 0.0,
        y: float = 0.0,
    ) -> None:
        """Add a Sérsic profile: half-light radius (arcsec, major axis), axis ratio, angle (rad)."""
        index = min(SERSIC, key=lambda one: abs(one - index))
        cos, sin = math.cos(angle), math.sin(angle)
        scale = radius / self.pixel
        major = (self._kx * cos + self._ky * sin) * scale
        minor = (self._ky * cos - self._kx * sin) * (scale * ratio)
        values = _transform("sersic", index, major * major + minor * minor)
        self._hat += (flux[:, None, None] * values) * self._shift(x, y)

    def _shift(self, x: float, y: float) -> Array:
        half = self.n // 2
        right, up = half + x / self.pixel, -half + y / self.pixel
        turn_x = np.exp(-1j * self._kx * right).astype(np.complex64)
        turn_y = np.exp(-1j * self._ky * up).astype(np.complex64)
        return turn_x * turn_y

    def light(self, shape: Array, flux: Array, total: float | None = None) -> None:
        """Add an image (n, n) of any scale, brought to `flux` in all (or by its given `total`)."""
        total = float(shape.sum()) if total is None else total
        if total > 0:
            self.image += shape * (flux / np.float32(total))[:, None, None]

    def point(self, x: float, y: float, flux: Array, width: float = 0.0) -> None:
        """Add a star, or a round Gaussian knot of standard deviation `width` (arcsec)."""
        column, row = self.n // 2 + x / self.pixel, self.n // 2 - y / self.pixel
        sigma = max(width / self.pixel, 0.3)
        reach = math.ceil(3.2 * sigma)
        left, top = round(column) - reach, round(row) - reach
        across = np.arange(left, left + 2 * reach + 1)
        down = np.arange(top, top + 2 * reach + 1)
        a = np.exp(-0.5 * ((across - column) / sigma) ** 2)
        b = np.exp(-0.5 * ((down - row) / sigma) ** 2)
        patch = np.outer(b / b.sum(), a / a.sum()).astype(np.float32)
        in_x, in_y = (across >= 0) & (across < self.n), (down >= 0) & (down < self.n)
        if in_x.any() and in_y.any():
            patch = patch[np.ix_(in_y, in_x)]
            rows = slice(down[in_y][0], down[in_y][-1] + 1)
            columns = slice(across[in_x][0], across[in_x][-1] + 1)
            self.image[:, rows, columns] += flux[:, None, None] * patch

    def settle(self) -> None:
        """Turn the profiles added so far into an image, so that dust can lie before them."""
        smooth = np.exp(-0.5 * 0.35**2 * (self._kx**2 + self._ky**2)).astype(np.float32)
        self.image += scipy.fft.irfft2(self._hat * smooth, s=(self.n, self.n), axes=(1, 2))
        np.maximum(self.image, 0, out=self.image)
        self._hat[:] = 0

    def seen(self, fwhm: Array, shifts: Array) -> Array:
        """The surface brightness (3, n, n) in nanomaggies per square arcsec behind the atmosphere.

        `fwhm` (3,) is the seeing in each band, `shifts` (3, 2) how far each band lies off, both in
        arcsec.
        """
        hat = self._hat + scipy.fft.rfft2(self.image, axes=(1, 2))
        k_squared = self._kx**2 + self._ky**2
        # The resampling of the survey's pixels to those of the picture softens a little.
        soft = np.exp(-0.5 * 0.55**2 * k_squared)
        for band in range(3):
            blur = _transform("moffat", MOFFAT, k_squared * (float(fwhm[band]) / self.pixel) ** 2)
            dx, dy = shifts[band] / self.pixel
            turn = np.exp(-1j * (self._kx * dx + self._ky * dy)).astype(np.complex64)
            hat[band] *= blur * soft * turn
        seen: Array = scipy.fft.irfft2(hat, s=(self.n, self.n), axes=(1, 2))
        return seen / np.float32(self.pixel**2)


def smooth_noise(rng: np.random.Generator, shape: Array, waves: int, finest: float) -> Array:
    """A smooth random field on the coordinates `shape` (2, n, n), about unit variance.

    The sum of `waves` plane waves with wave numbers up to `finest` (radians a unit of length).
    """
    angle = rng.uniform(0, 2 * np.pi, waves)
    number = finest * rng.uniform(0.35, 1.0, waves)
    phase = rng.uniform(0, 2 * np.pi, waves)
    field = np.zeros(shape.shape[1:], dtype=np.float32)
    for a, k, p in zip(angle, number, phase, strict=True):
        x, y = np.float32(k * math.cos(a)), np.float32(k * math.sin(a))
        field += np.cos(shape[0] * x + shape[1] * y + np.float32(p))
    return field * np.float32(math.sqrt(2 / waves))
