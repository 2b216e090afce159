"""A picture as a survey would take it: a galaxy among its neighbours, behind the air, with noise.

Seeing, sky noise and scale are those of SDSS imaging; the picture is the asinh image of Lupton et
al. (2004, PASP 116, 133) in i, r and g.
"""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from anomaly_zoo.simulate.canvas import Canvas, colour
from anomaly_zoo.simulate.galaxies import flux_of, paint
from anomaly_zoo.simulate.truth import Truth

__all__ = ["expose", "jpeg", "picture"]

Array = NDArray[Any]
Draw = np.random.Generator
SURVEY_PIXEL = 0.396  # arcsec
SKY_NOISE = np.array([0.017, 0.024, 0.040])  # nanomaggies in a survey pixel, in g, r, i
SKY = np.array([0.25, 0.62, 1.25])  # sky brightness, nanomaggies in a survey pixel
BLACK = np.array([0.0015, 0.002, 0.003], dtype=np.float32)  # light shown as black, in g, r, i
SCALES = np.array([2.0, 2.3, 3.1], dtype=np.float32)  # of i, r, g: shown as red, green, blue
SOFTENING = np.float32(1.9)
QUALITY = 76  # of the JPEG
RIM = 1.25  # side of the canvas in sides of the frame
LEAST = 128  # smaller pictures are drawn at this side and brought down


def expose(kind: str, truth: Truth, size: int, rng: Draw) -> tuple[Array, Truth]:
    """The picture (size, size, 3) uint8 of a galaxy, and its truth with what the frame adds."""
    side = max(size, LEAST)
    pixel = _scale(kind, truth, rng) / side
    n = scipy.fft.next_fast_len(math.ceil(side * RIM / 2)) * 2
    canvas = Canvas(n, pixel)
    paint(canvas, kind, truth, rng)
    _neighbours(canvas, rng)
    seeing = truth.psf_fwhm_arcsec * np.array([1.04, 1.0, 0.97])
    # g, r and i were taken one after another; small galaxies show how well they were aligned.
    shifts = rng.normal(0, 0.045 * (1 + (rng.random() < 0.15)), (3, 2)).astype(np.float32)
    if kind == "saturated_star":
        _bright_star(canvas, truth, rng)
    if kind == "satellite_trail":
        _trail(canvas, truth, rng)
    light = canvas.seen(seeing, shifts) * np.float32(SURVEY_PIXEL**2)
    rim = (n - side) // 2
    light = light[:, rim : rim + side, rim : rim + side]
    truth = replace(truth, snr=_signal(truth), pixel_arcsec=pixel * side / size)
    exposed = light + _noise(light, pixel, rng) + _glow(side, rng)
    if kind == "saturated_star":
        _bleed(exposed, rng, truth)
    if kind == "missing_data":
        _lose(exposed, truth, rng)
    return _sized(picture(exposed), size), truth


def _scale(kind: str, truth: Truth, rng: Draw) -> float:
    """Side of the frame in arcsec: some four times the radius that holds 90% of the light."""
    index = 1.0 if truth.bulge_fraction < 0.4 else min(truth.sersic_index, 4.0)
    r90 = truth.half_light_radius_arcsec * (2.25 + 0.25 * (index - 1))
    if truth.inclination_deg > 78:
        r90 *= 0.85
    if truth.ring_strength > 0.1:
        r90 = max(r90, 1.25 * truth.ring_radius * truth.half_light_radius_arcsec)
    if truth.arc_strength:
        r90 = max(0.7 * r90, 1.5 * truth.einstein_radius_arcsec)
    if kind in ("merger", "pair", "overlap", "jellyfish"):
        r90 *= 1.1
    r90 = math.hypot(r90, 0.9 * truth.psf_fwhm_arcsec)
    return float(max(3.0 * r90 * math.exp(rng.normal(0, 0.14)), 12.0))


def _signal(truth: Truth) -> float:
    """Signal to noise in r of the light within the half-light radius."""
    ratio = truth.axis_ratio
    radius = math.hypot(truth.half_light_radius_arcsec, 0.6 * truth.psf_fwhm_arcsec)
    area = math.pi * radius**2 * max(ratio, 0.2) / SURVEY_PIXEL**2
    light = 0.5 * flux_of(truth.magnitude)
    return light / (SKY_NOISE[1] * math.sqrt(area * (1 + light / area / SKY[1])))


def _noise(light: Array, pixel: float, rng: Draw) -> Array:
    """Noise of sky and light; where a survey pixel is wider than a pixel, neighbours share it."""
    white = rng.standard_normal(light.shape, dtype=np.float32)
    blur = 0.5 * SURVEY_PIXEL / pixel
    if blur > 0.25:
        white = gaussian_filter(white, (0, blur, blur), truncate=3.0)
    sigma = (SKY_NOISE * SURVEY_PIXEL / pixel).astype(np.float32)[:, None, None]
    brightness = np.maximum(light, 0) / SKY.astype(np.float32)[:, None, None]
    return white * sigma * np.sqrt(1 + brightness)


def _glow(side: int, rng: Draw) -> Array | float:
    """The far halo of a bright star outside the frame, or a sky that was taken too low: seldom."""
    if rng.random() > 0.05:
        return 0.0
    steps = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    slope = np.float32(rng.uniform(0, 2.5))
    ramp = np.exp(slope * (steps[None, :] * math.cos(turn) + steps[:, None] * math.sin(turn)))
    level = 0.015 * rng.exponential() * np.exp(rng.normal(0, 0.3, 3))
    tint = (level * np.array([0.6, 1.0, 1.6])).astype(np.float32)
    return tint[:, None, None] * ramp


def _neighbours(canvas: Canvas, rng: Draw) -> None:
    """Stars and small galaxies of the field, as many as a piece of sky of this size holds."""
    half = 0.5 * canvas.n * canvas.pixel
    minutes = (2 * half / 60) ** 2
    # Stars brighter than 21 at mid latitudes, steeply more of the faint ones; galaxies alike.
    for _ in range(rng.poisson(2.6 * minutes * rng.gamma(2.0, 0.5))):
        magnitude = 21.5 - rng.exponential(1.5)
        x, y = rng.uniform(-half, half, 2)
        if math.hypot(x, y) < 0.25 * half and magnitude < 19:
            continue
        g_r = float(np.clip(rng.normal(0.9, 0.45), 0.2, 1.5))
        canvas.point(x, y, flux_of(max(magnitude, 14.5)) * colour(g_r, 0.08 + 0.42 * g_r**1.6))
    for _ in range(rng.poisson(7.0 * minutes * rng.gamma(1.2, 0.85))):
        magnitude = max(22.3 - rng.exponential(1.15), 17.0)
        x, y = rng.uniform(-half, half, 2)
        radius = 10 ** (0.2 * (21.9 + rng.normal(0, 0.6) - magnitude) - 0.4)
        tint = float(np.clip(rng.normal(0.8, 0.35), 0.1, 1.6))
        flux = flux_of(magnitude) * colour(tint, 0.1 + 0.35 * tint)
        if magnitude > 20 or radius < 1.0:
            canvas.point(x, y, flux, 0.7 * radius)
        else:
            # Well inside the canvas: what leaves it on one side comes back on the other.
            index, ratio = float(rng.choice([1.0, 2.0, 4.0])), rng.uniform(0.3, 1.0)
            canvas.profile(index, radius, ratio, rng.uniform(0, np.pi), flux, 0.75 * x, 0.75 * y)


def _bright_star(canvas: Canvas, truth: Truth, rng: Draw) -> None:
    """A star far brighter than the detector holds: a wide halo and four spikes."""
    frame = canvas.n * canvas.pixel / RIM
    far, way = frame * rng.uniform(0.16, 0.5), rng.uniform(0, 2 * np.pi)
    x, y = far * math.cos(way), far * math.sin(way)
    magnitude = 14.6 - 3.4 * truth.artefact_strength
    tint = float(rng.uniform(0.2, 0.9))
    flux = flux_of(magnitude) * colour(tint, 0.4 * tint)
    canvas.point(x, y, flux)
    dx, dy = canvas.x - np.float32(x), canvas.y - np.float32(y)
    r2 = dx * dx + dy * dy
    halo = 1 / (1 + r2 / 9.0) ** 1.35
    canvas.light(halo, 0.05 * flux)
    tilt = math.radians(45 + rng.normal(0, 2))
    width = np.float32(0.35 * truth.psf_fwhm_arcsec)
    for turn in (tilt, tilt + np.pi / 2):
        along = dx * math.cos(turn) + dy * math.sin(turn)
        across = dy * math.cos(turn) - dx * math.sin(turn)
        spike = np.exp(-0.5 * (across / width) ** 2) / (1 + np.abs(along) / 2.0) ** 1.6
        canvas.light(spike, 0.012 * flux)


def _trail(canvas: Canvas, truth: Truth, rng: Draw) -> None:
    """A satellite crosses while one band is exposed, or, if slow, two of them."""
    frame = canvas.n * canvas.pixel / RIM
    turn, off = rng.uniform(0, np.pi), frame * rng.normal(0, 0.18)
    bands = rng.permutation(3)[: 1 + (rng.random() < 0.25)]
    if rng.random() < 0.15:
        bands = np.arange(3)
    across = canvas.y * math.cos(turn) - canvas.x * math.sin(turn) - off
    width = np.float32(0.4 * truth.psf_fwhm_arcsec * rng.uniform(0.2, 1.4))
    line = np.exp(-0.5 * (across / width) ** 2)
    if rng.random() < 0.3:  # a tumbling one blinks
        along = canvas.x * math.cos(turn) + canvas.y * math.sin(turn)
        line = line * (1 + 0.8 * np.cos(along * np.float32(2 * np.pi / (0.3 * frame))))
    peak = 0.2 * 10 ** (1.5 * truth.artefact_strength - 0.6) / SURVEY_PIXEL**2 * canvas.pixel**2
    flux = np.zeros(3, dtype=np.float32)
    flux[bands] = peak
    canvas.image += line * flux[:, None, None]


def _bleed(exposed: Array, rng: Draw, truth: Truth) -> None:
    """Charge runs along the columns of the brightest pixel, in place."""
    if truth.artefact_strength < 0.35:
        return
    side = exposed.shape[1]
    total = exposed.sum(axis=0)
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    length = side * (truth.artefact_strength - 0.2) * rng.uniform(0.3, 0.9)
    half = max(1, round(side * 0.006 * (1 + 2 * truth.artefact_strength)))
    low, high = max(0, round(row - length)), min(side, round(row + length * rng.uniform(0.4, 1.0)))
    columns = slice(max(0, column - half), column + half + 1)
    level = np.float32(total[row, column] / 3)
    fade = np.linspace(0.4, 1.0, max(high - low, 1), dtype=np.float32)[:, None]
    share = np.array([0.55, 1.0, 0.8], dtype=np.float32)
    for band in range(3):
        part = exposed[band, low:high, columns]
        np.maximum(part, level * share[band] * 0.25 * fade, out=part)


def _lose(exposed: Array, truth: Truth, rng: Draw) -> None:
    """A strip without data, in one band or in all, or a whole band missing; in place."""
    side = exposed.shape[1]
    if rng.random() < 0.25:
        exposed[rng.integers(3)] = 0
        return
    whole = rng.random() < 0.6
    bands = slice(None) if whole else [int(rng.integers(3))]
    width = max(side // 20, round(side * 0.45 * truth.artefact_strength * rng.uniform(0.3, 1.0)))
    # In one band alone it shows only where there is light.
    start = round((side - width) * (rng.random() if whole else rng.uniform(0.3, 0.7)))
    if whole and rng.random() < 0.4:  # the edge of the imaging
        start = 0 if rng.random() < 0.5 else side - width
    if rng.random() < 0.5:
        exposed[bands, start : start + width] = 0
    else:
        exposed[bands, :, start : start + width] = 0


def picture(light: Array) -> Array:
    """The colour picture (h, w, 3) uint8 of light (3, h, w) in g, r, i, nanomaggies a survey pixel.

    Colour is kept where a band would saturate (Lupton et al. 2004); far beyond, it is white.

    >>> picture(np.zeros((3, 1, 1))).tolist()
    [[[0, 0, 0]]]
    """
    above = np.asarray(light, dtype=np.float32) - BLACK[:, None, None]
    rgb = above[::-1] * SCALES[:, None, None]
    intensity = rgb.sum(axis=0)
    stretched = np.maximum(SOFTENING * intensity, 1e-6)
    rgb = rgb * (np.arcsinh(stretched) / stretched)
    brightest = np.maximum(rgb.max(axis=0), 1.0)
    rgb = rgb / brightest
    rgb += (1 - rgb) * np.minimum(0.8 * (brightest - 1), 0.9)
    rgb = np.clip(rgb, 0.0, 1.0)
    return np.rint(rgb * 255).astype(np.uint8).transpose(1, 2, 0)


def _sized(image: Array, size: int) -> Array:
    if image.shape[0] == size:
        return image
    from PIL import Image

    smaller = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(smaller)


def jpeg(image: Array) -> bytes:
    """A picture (h, w, 3) uint8 as JPEG bytes."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=QUALITY, optimize=True)
    return stream.getvalue()
