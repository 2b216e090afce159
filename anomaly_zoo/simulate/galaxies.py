"""The light of each kind of galaxy, drawn on a canvas from its truth.

Formulae: an exponential disc with logarithmic arms, phase m (phi - ln(R / R0) / tan(pitch)), whose
profile across is a von Mises function; edge-on discs as sech^2; a lens as a singular isothermal
ellipse (Kormann et al. 1994, A&A 284, 285), its source found by ray shooting.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e

from anomaly_zoo.simulate.canvas import Canvas, colour, smooth_noise
from anomaly_zoo.simulate.truth import Truth

__all__ = ["flux_of", "paint"]

Array = NDArray[Any]
Draw = np.random.Generator
EXTINCTION = np.array([1.32, 1.0, 0.74], dtype=np.float32)  # of dust in g, r, i relative to r
SCALE = 1.678  # half-light radius of an exponential disc in scale lengths

OLD = (0.77, 0.40)  # colours g - r, r - i
DISC = (0.47, 0.31)
YOUNG = (0.18, 0.14)
KNOT = (0.12, 0.02)
GAS = (0.42, -0.12)  # H alpha lies in r


def flux_of(magnitude: float) -> float:
    """Nanomaggies of a magnitude.

    >>> flux_of(22.5)
    1.0
    """
    return float(10 ** (-0.4 * (magnitude - 22.5)))


def _step(x: Array) -> Array:
    """The logistic function, from 0 to 1; without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def _tint(colours: tuple[float, float], truth: Truth, share: float = 1.0) -> Array:
    shift = share * truth.redness
    return colour(colours[0] + shift, colours[1] + 0.45 * shift)


@dataclass(frozen=True)
class Place:
    """Where a galaxy lies on the canvas (arcsec) and how its coordinates are bent."""

    x: float = 0.0
    y: float = 0.0
    bend: tuple[Array, Array] | None = None

    def on(self, canvas: Canvas, angle: float) -> tuple[Array, Array]:
        """Coordinates along the major and the minor axis, arcsec."""
        x, y = canvas.x - np.float32(self.x), canvas.y - np.float32(self.y)
        if self.bend is not None:
            x, y = x + self.bend[0], y + self.bend[1]
        cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        return x * cos + y * sin, y * cos - x * sin


def paint(canvas: Canvas, kind: str, truth: Truth, rng: Draw) -> None:
    """Draw the galaxy of a truth, with all that belongs to its kind."""
    SPECIAL.get(kind, _galaxy)(canvas, truth, rng)


def _galaxy(canvas: Canvas, truth: Truth, rng: Draw, place: Place | None = None) -> None:
    """A plain galaxy: a spheroid, a disc with all its structure, or a disc from the side."""
    place = place or Place()
    if math.isnan(truth.inclination_deg):
        _spheroid(canvas, truth, rng, place)
    elif truth.inclination_deg > 78:
        _side(canvas, truth, rng, place)
    else:
        _disc(canvas, truth, rng, place)


def _spheroid(canvas: Canvas, truth: Truth, rng: Draw, place: Place) -> None:
    angle = math.radians(truth.position_angle_deg)
    flux = flux_of(truth.magnitude)
    radius, ratio = truth.half_light_radius_arcsec, truth.axis_ratio
    if truth.sersic_index < 1.7:  # disc-like inside, with a rounder envelope
        parts = ((0.75, 1.0, ratio, truth.sersic_index), (0.25, 1.5, min(1.0, ratio + 0.1), 1.0))
    else:  # a core a little redder than the halo
        parts = ((0.6, 0.8, ratio, truth.sersic_index), (0.4, 1.4, ratio, truth.sersic_index))
    for i, (share, size, squeezed, index) in enumerate(parts):
        light = (
            share
            * flux
            * colour(OLD[0] + truth.redness + 0.04 - 0.08 * i, OLD[1] + 0.45 * truth.redness)
        )
        canvas.profile(index, size * radius, squeezed, angle, light, place.x, place.y)


def _disc(canvas: Canvas, truth: Truth, rng: Draw, place: Place) -> None:
    angle = math.radians(truth.position_angle_deg)
    ratio = truth.axis_ratio
    h = truth.half_light_radius_arcsec / SCALE
    major, minor = place.on(canvas, angle)
    minor = minor / np.float32(ratio)
    r = np.sqrt(major * major + minor * minor) / np.float32(h) + np.float32(1e-3)
    phi = np.arctan2(minor, major)
    flux = flux_of(truth.magnitude)

    structure = truth.arm_strength + truth.flocculence
    # Lopsidedness: the disc reaches further on one side.
    lop = rng.uniform(0, 2 * np.pi)
    stretch = 1 + np.float32(0.35 * truth.asymmetry) * np.cos(phi - np.float32(lop)) * np.minimum(
        r / 2, 1
    )
    edge = rng.uniform(3.4, 5.5) if structure else rng.uniform(5.0, 8.0)
    disc = np.exp(-r / stretch) * _step(2.2 * (np.float32(edge) - r))
    total = float(disc.sum())

    arms, dust = _arms(truth, rng, r, phi, major / h, minor / h) if structure else (None, None)

    bar_share = 0.3 * truth.bar_strength
    shares = {
        "bulge": truth.bulge_fraction,
        "ring": truth.ring_strength,
        "knots": truth.clump_fraction,
        "bar": bar_share * (1 - truth.bulge_fraction),
        "tails": truth.tidal_strength + truth.stripping,
    }
    rest = max(1 - sum(shares.values()), 0.05)
    fade = _tint(DISC, truth)
    if arms is not None:
        # The arms are young stars over the disc's older ones; between them it is dim.
        contrast = np.maximum(arms, 0)
        young = float(np.clip(0.25 + 0.45 * truth.arm_strength, 0, 0.75))
        canvas.light(disc, rest * (1 - young) * flux * fade, total)
        spread = disc * contrast * np.exp(r * np.float32(0.1))
        canvas.light(spread, rest * young * flux * _tint(YOUNG, truth))
    else:
        canvas.light(disc, rest * flux * fade, total)
        if truth.redness < 0.1:  # outskirts bluer than the centre
            canvas.light(disc * r, 0.12 * rest * flux * _tint(YOUNG, truth))

    if truth.bar_strength:
        _bar(canvas, truth, shares["bar"] * flux, r, phi)
    if truth.ring_strength:
        _ring_light(canvas, truth, rng, shares["ring"] * flux, r, phi)
    if truth.n_clumps and truth.clump_fraction:
        _knots(canvas, truth, rng, shares["knots"] * flux, place, angle, h, disc, arms)
    if shares["bulge"]:
        size = truth.half_light_radius_arcsec * (0.12 + 0.42 * truth.bulge_fraction)
        round_ = min(1.0, ratio + 0.35 * (1 - ratio) + 0.2)
        light = shares["bulge"] * flux * _tint(OLD, truth, 0.5)
        canvas.profile(truth.sersic_index, size, round_, angle, light, place.x, place.y)
    if truth.dust > 0.08 and place == Place():
        canvas.settle()
        depth = np.float32(0.9 * truth.dust) * np.exp(-r / 2.2) / np.float32(max(ratio, 0.35))
        # The half of the disc before the bulge dims it, the far one lies behind.
        near = 0.6 + 0.4 * np.sign(minor) * np.minimum(np.abs(minor) / np.float32(0.5 * h), 1)
        if dust is not None:
            depth = depth * (0.35 + dust)
        canvas.image *= np.exp(-EXTINCTION[:, None, None] * (depth * near))


def _arms(truth: Truth, rng: Draw, r: Array, phi: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Brightness of the arms, about 1 in the mean, and the dust on their inner edge; both (n, n).

    `r`, `x` and `y` are in scale lengths in the plane of the disc.
    """
    pitch = math.tan(math.radians(truth.arm_winding_deg))
    log_r = np.log(r)
    handed = rng.choice([-1.0, 1.0])
    n_arms = int(truth.n_arms)
    start = truth.bar_length if truth.bar_strength else rng.uniform(0.35, 0.9)
    turn = 0.0 if truth.bar_strength > 0.25 else rng.uniform(0, 2 * np.pi)
    wander = smooth_noise(rng, np.stack([x, y]), 7, 2.2) * np.float32(
        0.12 + 0.3 * truth.asymmetry + 0.25 * truth.flocculence
    )
    theta = np.float32(handed) * (phi - np.float32(turn)) - (
        log_r - np.float32(math.log(start))
    ) / np.float32(pitch)
    theta += wander
    along = n_arms * theta
    sharp = np.float32(0.8 + 4.0 * truth.arm_strength)
    arms = np.exp(sharp * (np.cos(along) - 1)) / np.float32(i0e(sharp))
    # A faint spur beside each arm, and arms of unequal strength.
    spur = rng.uniform(0.0, 0.5)
    arms += np.float32(spur) * np.exp(3 * (np.cos(2 * along + np.float32(rng.uniform(0, 6))) - 1))
    uneven = np.float32(rng.uniform(0.05, 0.25) + 0.5 * truth.asymmetry)
    arms *= 1 + uneven * np.cos(theta + np.float32(rng.uniform(0, 6)))
    if truth.flocculence:
        # Patches that differential rotation has drawn out along the arms.
        patches = smooth_noise(
            rng, np.stack([max(n_arms, 2) * theta, 6 * log_r]), 14, 2.6
        ) + smooth_noise(rng, np.stack([x, y]), 10, 9.0)
        arms = arms * np.exp(np.float32(0.55 * truth.flocculence) * patches)
    begins = _step((r - np.float32(start * 0.85)) * np.float32(7 / start))
    weight = np.float32(min(1.0, 0.25 + truth.arm_strength + 0.6 * truth.flocculence))
    shape = (1 - weight) + weight * arms
    shape = begins * shape + (1 - begins) * (0.35 if truth.bar_strength else 0.8)
    lane = np.exp(4 * (np.cos(along + np.float32(0.9)) - 1)) * begins * weight * 1.6
    return shape.astype(np.float32), lane


def _bar(canvas: Canvas, truth: Truth, flux: float, r: Array, phi: Array) -> None:
    """A bar along the disc's own x axis: a box-like ellipse with soft ends."""
    length = np.float32(truth.bar_length)
    width = length * np.float32(0.24 + 0.12 * (1 - truth.bar_strength))
    x, y = np.abs(r * np.cos(phi)) / length, np.abs(r * np.sin(phi)) / width
    shape = np.exp(-((x**2.6 + y**2.2) ** np.float32(1.1)) * 1.3)
    canvas.light(shape, flux * _tint((0.70, 0.36), truth))


def _ring_light(canvas: Canvas, truth: Truth, rng: Draw, flux: float, r: Array, phi: Array) -> None:
    """An elliptical annulus, patchy, brighter on one side by the asymmetry."""
    radius = np.float32(truth.ring_radius * SCALE)
    width = radius * np.float32(rng.uniform(0.07, 0.16))
    rough = np.stack([np.cos(phi) * 3, np.sin(phi) * 3])
    patches = np.exp(np.float32(0.3 + 0.4 * truth.asymmetry) * smooth_noise(rng, rough, 8, 3.0))
    side = 1 + np.float32(0.75 * truth.asymmetry) * np.cos(phi - np.float32(rng.uniform(0, 6.28)))
    wobble = radius * (1 + 0.04 * np.cos(2 * phi + np.float32(rng.uniform(0, 6.28))))
    shape = np.exp(-0.5 * ((r - wobble) / width) ** 2) * patches * side
    canvas.light(shape, flux * _tint(YOUNG, truth))


def _knots(
    canvas: Canvas, truth: Truth, rng: Draw, flux: float, place: Place, angle: float, h: float,
    disc: Array, arms: Array | None,
) -> None:  # fmt: skip
    """Star-forming knots where arms (or the ring) are bright."""
    weight = (disc if arms is None else disc * arms**3).ravel()
    if truth.ring_strength > 0.1:
        major, minor = place.on(canvas, angle)
        r = np.hypot(major, minor / np.float32(truth.axis_ratio)) / np.float32(h)
        ring = np.float32(truth.ring_radius * SCALE)
        weight = np.exp(-0.5 * ((r - ring) / (0.1 * ring)) ** 2).ravel()
    cumulative = np.cumsum(weight, dtype=np.float64)
    n = int(truth.n_clumps)
    at = np.searchsorted(cumulative, rng.random(n) * cumulative[-1])
    row, column = np.unravel_index(np.minimum(at, weight.size - 1), disc.shape)
    shares = rng.exponential(size=n) + 0.15
    shares /= shares.sum()
    inner = canvas.pixel
    for i in range(n):
        width = h * rng.uniform(0.04, 0.11)
        tint = _tint(GAS if rng.random() < 0.35 else KNOT, truth, 0.5)
        canvas.point(
            float(canvas.x[row[i], column[i]]) + inner * rng.uniform(-0.5, 0.5),
            float(canvas.y[row[i], column[i]]) + inner * rng.uniform(-0.5, 0.5),
            (flux * shares[i]) * tint,
            width,
        )


def _side(canvas: Canvas, truth: Truth, rng: Draw, place: Place) -> None:
    """A disc seen from the side: sech^2 across, a dust lane in the middle, perhaps bent."""
    angle = math.radians(truth.position_angle_deg)
    h = truth.half_light_radius_arcsec / SCALE
    height = truth.axis_ratio * truth.half_light_radius_arcsec * 0.62
    major, minor = place.on(canvas, angle)
    u = major / np.float32(h)
    flux = flux_of(truth.magnitude)
    if truth.warp:
        # The edge leaves the plane beyond two scale lengths: like an S, or like a U.
        beyond = np.maximum(np.abs(u) - 1.1, 0)
        sense = np.sign(u) if rng.random() < 0.75 else 1.0
        lift = np.float32(truth.warp * height * 0.55) * beyond ** np.float32(1.4) * sense
        minor = minor - np.clip(lift, -8 * height, 8 * height)
    flare = 1 + 0.06 * np.abs(u)
    z = minor / (np.float32(height) * flare)
    lop = 1 + np.float32(0.5 * truth.asymmetry * rng.choice([-1, 1])) * np.tanh(u)
    edge = rng.uniform(3.2, 5.5)
    cosh = np.cosh(np.minimum(np.abs(z), 20))
    # K1(u) u, the light of an exponential disc in projection, is close to this.
    along = np.exp(-1.1 * np.sqrt(u * u + 0.1)) * (1 + 0.35 * np.abs(u))
    thin = along * lop / cosh**2 * _step(2.5 * (np.float32(edge) - np.abs(u)))
    if truth.flocculence or rng.random() < 0.5:
        lumps = smooth_noise(rng, np.stack([u, 0.4 * z]), 10, 6.0)
        thin = thin * np.exp(np.float32(0.22) * lumps)
    rest = max(1 - truth.bulge_fraction - truth.tidal_strength - truth.stripping, 0.1)
    canvas.light(thin, 0.62 * rest * flux * _tint(DISC, truth))
    canvas.light(
        thin * (0.6 + 0.3 * np.minimum(np.abs(u), 4)), 0.38 * rest * flux * _tint(YOUNG, truth)
    )
    if truth.bulge_fraction:
        size = truth.half_light_radius_arcsec * (0.1 + 0.35 * truth.bulge_fraction)
        flat = rng.uniform(0.55, 0.9)
        canvas.profile(
            truth.sersic_index, size, flat, angle,
            truth.bulge_fraction * flux * _tint(OLD, truth, 0.5), place.x, place.y,
        )  # fmt: skip
    if truth.dust > 0.05:
        canvas.settle()
        lane = np.exp(-0.5 * ((z - np.float32(rng.normal(0, 0.15))) / 0.38) ** 2)
        lumps = np.exp(0.3 * smooth_noise(rng, np.stack([u, 2 * z]), 8, 4.0))
        depth = np.float32(1.8 * truth.dust) * lane * lumps * np.exp(-((np.abs(u) / 2.6) ** 2))
        canvas.image *= np.exp(-EXTINCTION[:, None, None] * np.minimum(depth, 4))


# --- the rare kinds ------------------------------------------------------------------------------


def _tail(
    canvas: Canvas, rng: Draw, x: float, y: float, size: float, flux: Array, turn: float,
    handed: float, length: float,
) -> None:  # fmt: skip
    """A tidal tail: a widening, fading band that leaves a galaxy of half-light radius `size`."""
    dx, dy = canvas.x - np.float32(x), canvas.y - np.float32(y)
    cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    squeeze = np.float32(rng.uniform(0.55, 1.0))
    a, b = dx * cos + dy * sin, (dy * cos - dx * sin) * np.float32(handed) / squeeze
    r = np.hypot(a, b) / np.float32(size) + np.float32(1e-3)
    curl = rng.uniform(0.45, 1.3)
    way = np.arctan2(b, a) - np.float32(curl) * np.log1p(r)
    way = np.angle(np.exp(1j * way)).astype(np.float32)
    way += 0.12 * smooth_noise(rng, np.stack([dx, dy]) / np.float32(size), 5, 1.6)
    width = np.float32(rng.uniform(0.14, 0.26)) * (0.7 + 0.25 * r)
    band = np.exp(-0.5 * (r * way / width) ** 2) * _step(5 * (r - 0.6))
    fade = np.exp(-r / np.float32(length)) * _step(3 * (np.float32(2.2 * length) - r))
    canvas.light(band * fade, flux)


def _bend(canvas: Canvas, rng: Draw, size: float, amount: float) -> tuple[Array, Array]:
    """Smooth displacements (arcsec) that pull a galaxy out of shape."""
    where = np.stack([canvas.x, canvas.y]) / np.float32(size)
    scale = np.float32(0.3 * amount * size)
    return (
        scale * smooth_noise(rng, where, 5, 1.7),
        scale * smooth_noise(rng, where, 5, 1.7),
    )


def _companion(truth: Truth, rng: Draw, early: bool) -> Truth:
    """Another galaxy of `overlap` times the flux of the first."""
    size = truth.half_light_radius_arcsec * math.sqrt(truth.overlap) * rng.uniform(0.65, 1.15)
    bare = Truth(
        magnitude=truth.magnitude - 2.5 * math.log10(truth.overlap),
        half_light_radius_arcsec=max(size, 1.3),
        sersic_index=float(rng.uniform(1.5, 4)),
        axis_ratio=float(rng.uniform(0.45, 1.0)),
        position_angle_deg=float(rng.uniform(0, 180)),
        redness=truth.redness + float(rng.normal(0, 0.12)),
        asymmetry=truth.asymmetry,
    )
    if early:
        return bare
    inclination = math.degrees(math.acos(rng.uniform(0.15, 1.0)))
    return replace(
        bare,
        inclination_deg=inclination,
        axis_ratio=max(math.cos(math.radians(inclination)), 0.2),
        bulge_fraction=float(rng.uniform(0.05, 0.5)),
        n_arms=2.0,
        arm_winding_deg=float(rng.uniform(12, 30)),
        arm_strength=float(rng.uniform(0.1, 0.7)),
        flocculence=float(rng.random()),
        dust=0.0,
    )


def _merger(canvas: Canvas, truth: Truth, rng: Draw) -> None:
    size = truth.half_light_radius_arcsec
    direction = rng.uniform(0, 2 * np.pi)
    distance = truth.separation * size if truth.overlap else 0.0
    weight = truth.overlap / (1 + truth.overlap)
    way_x, way_y = distance * math.cos(direction), distance * math.sin(direction)
    centres = [(-weight * way_x, -weight * way_y), ((1 - weight) * way_x, (1 - weight) * way_y)]
    share = 1 / (1 + truth.overlap)
    body = replace(truth, magnitude=truth.magnitude - 2.5 * math.log10(share))
    bend = _bend(canvas, rng, size, truth.asymmetry)
    _galaxy(canvas, body, rng, Place(*centres[0], bend))
    if truth.overlap:
        other = _companion(body, rng, early=rng.random() < 0.3)
        bend = _bend(canvas, rng, size, truth.asymmetry)
        _galaxy(canvas, other, rng, Place(*centres[1], bend))
    # Tails take their light from the tidal share: one or two, and a diffuse plume round all.
    light = truth.tidal_strength * flux_of(truth.magnitude) * _tint((0.46, 0.24), truth)
    handed = float(rng.choice([-1, 1]))
    two = rng.random() < 0.75
    turn = direction + rng.normal(0, 0.5)
    lean = rng.uniform(0.4, 0.75) if two else 0.85
    length = rng.uniform(1.3, 2.6)
    _tail(canvas, rng, *centres[0], size, lean * light, turn + np.pi, handed, length)
    if two:
        start = centres[1] if truth.overlap else centres[0]
        _tail(canvas, rng, *start, size, (0.85 - lean) * light, turn, handed, length * 0.8)
    plume = np.exp(
        -((canvas.x + bend[0] * 3) ** 2 + (canvas.y + bend[1] * 3) ** 2)
        / np.float32((2.0 * size) ** 2)
    )
    canvas.light(plume, 0.15 * light)


def _beside(canvas: Canvas, truth: Truth, rng: Draw) -> None:
    """Two galaxies in line or in touch; the first is the one in the middle."""
    direction = rng.uniform(0, 2 * np.pi)
    distance = truth.separation * truth.half_light_radius_arcsec
    x, y = distance * math.cos(direction), distance * math.sin(direction)
    disturbed = truth.tidal_strength > 0
    other = _companion(truth, rng, early=rng.random() < 0.45)
    if disturbed:
        bend = _bend(canvas, rng, truth.half_light_radius_arcsec, truth.asymmetry)
        _galaxy(canvas, truth, rng, Place(0.0, 0.0, bend))
        light = truth.tidal_strength * flux_of(truth.magnitude) * _tint(DISC, truth)
        _tail(canvas, rng, 0.0, 0.0, truth.half_light_radius_arcsec, light, direction, 1.0, 1.5)
    else:
        other = replace(other, redness=other.redness + float(rng.normal(0.05, 0.12)))
        _galaxy(canvas, truth, rng)
    _galaxy(canvas, other, rng, Place(x, y))


def _plane(
    canvas: Canvas, angle: float, ratio: float, h: float
) -> tuple[Array, Array, Array, Array]:
    """Coordinates in the plane of a ring: along both axes (arcsec), radius (in `h`) and angle."""
    major, minor = Place().on(canvas, angle)
    minor = minor / np.float32(ratio)
    r = np.hypot(major, minor) / np.float32(h) + np.float32(1e-3)
    return major, minor, r, np.arctan2(minor, major)


def _hoag(canvas: Canvas, truth: Truth, rng: Draw) -> None:
    """A core of old stars, hardly any light in the gap, and a ring of young ones."""
    angle, h = math.radians(truth.position_angle_deg), truth.half_light_radius_arcsec / SCALE
    *_, r, phi = _plane(canvas, angle, truth.axis_ratio, h)
    flux = flux_of(truth.magnitude)
    ratio = min(1.0, truth.axis_ratio + 0.25)
    core = truth.bulge_fraction * flux * _tint(OLD, truth)
    canvas.profile(truth.sersic_index, 0.36 * h * SCALE, ratio, angle, core)
    _ring_light(canvas, truth, rng, truth.ring_strength * flux, r, phi)
    disc = np.exp(-r) * _step(3 * (np.float32(1.25 * truth.ring_radius * SCALE) - r))
    rest = max(1 - truth.bulge_fraction - truth.ring_strength - truth.clump_fraction, 0.02)
    canvas.light(disc, rest * flux * _tint(DISC, truth))
    _knots(canvas, truth, rng, truth.clump_fraction * flux, Place(), angle, h, disc, None)


def _collisional_ring(canvas: Canvas, truth: Truth, rng: Draw) -> None:
    angle, h = math.radians(truth.position_angle_deg), truth.half_light_radius_arcsec / SCALE
    major, minor, r, phi = _plane(canvas, angle, truth.axis_ratio, h)
    flux = flux_of(truth.magnitude)
    _ring_light(canvas, truth, rng, truth.ring_strength * flux, r, phi)
    # The nucleus was pushed off the centre, part of the way to the ring.
    way = rng.uniform(0, 2 * np.pi)
    off = truth.asymmetry * 0.8 * truth.ring_radius * SCALE * h
    along, across = off * math.cos(way), off * math.sin(way) * truth.axis_ratio
    x = along * math.cos(angle) - across * math.sin(angle)
    y = along * math.sin(angle) + across * math.cos(angle)
    canvas.profile(
        2.0, 0.4 * h * SCALE, 0.75, rng.uniform(0, np.pi),
        truth.bulge_fraction * flux * _tint((0.66, 0.35), truth), x, y,
    )  # fmt: skip
    inside = _step(3 * (np.float32(truth.ring_radius * SCALE) - r))
    mist = inside * np.exp(0.5 * smooth_noise(rng, np.stack([major, minor]) / h, 8, 2.5))
    rest = max(1 - truth.bulge_fraction - truth.ring_strength - truth.clump_fraction, 0.02)
    canvas.light(mist, rest * flux * _tint((0.42, 0.22), truth))
    _knots(canvas, truth, rng, truth.clump_fraction * flux, Place(), angle, h, inside, None)
    if rng.random() < 0.5:  # the galaxy that went through
        way = rng.uniform(0, 2 * np.pi)
        far = rng.uniform(1.5, 2.1) * truth.ring_radius * SCALE * h
        light = rng.uniform(0.08, 0.3) * flux * _tint((0.7, 0.36), truth)
        canvas.profile(
            1.5, 0.3 * h * SCALE, 0.7, way, light, far * math.cos(way), far * math.sin(way)
        )


def _polar_ring(canvas: Canvas, truth: Truth, rng: Draw) -> None:
    body = replace(truth, ring_strength=0.0, n_clumps=0.0, clump_fraction=0.0)
    share = max(1 - truth.ring_strength, 0.3)
    body = replace(body, magnitude=truth.magnitude - 2.5 * math.log10(share), dust=0.0)
    _galaxy(canvas, body, rng)
    angle = math.radians(truth.position_angle_deg) + np.pi / 2 + rng.normal(0, 0.2)
    h = truth.half_light_radius_arcsec / SCALE
    *_, r, phi = _plane(canvas, angle, rng.uniform(0.1, 0.35), h)
    flux = truth.ring_strength * flux_of(truth.magnitude)
    wide = replace(truth, asymmetry=0.2, redness=truth.redness - 0.2)
    _ring_light(canvas, wide, rng, flux, r, phi)


def _clumpy(canvas: Canvas, truth: Truth, rng: Draw) -> None:
    angle, h = math.radians(truth.position_angle_deg), truth.half_light_radius_arcsec / SCALE
    place = Place(bend=_bend(canvas, rng, h * SCALE, 0.6 * truth.asymmetry))
    major, minor = place.on(canvas, angle)
    r = np.hypot(major, minor / np.float32(truth.axis_ratio)) / np.float32(h)
    flux = flux_of(truth.magnitude)
    disc = np.exp(-(np.minimum(r, 20) ** 1.3) / 1.5)
    canvas.light(disc, (1 - truth.clump_fraction) * flux * _tint(DISC, truth))
    n = int(truth.n_clumps)
    shares = rng.dirichlet(np.full(n, 2.2)) * truth.clump_fraction * flux
    for share in shares:
        far, way = h * SCALE * 1.25 * math.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        along, across = far * math.cos(way), far * math.sin(way) * truth.axis_ratio
        tint = _tint(KNOT if rng.random() < 0.75 else GAS, truth, 0.8)
        canvas.point(
            along * math.cos(angle) - across * math.sin(angle),
            along * math.sin(angle) + across * math.cos(angle),
            share * tint,
            h * rng.uniform(0.12, 0.28),
        )


def _arc(canvas: Canvas, truth: Truth, rng: Draw) -> None:
    """A singular isothermal ellipse with a little shear before a blue exponential source."""
    _galaxy(canvas, truth, rng)
    angle = math.radians(truth.position_angle_deg) + rng.normal(0, 0.15)
    theta = np.float32(truth.einstein_radius_arcsec)
    q = np.float32(min(0.97, truth.axis_ratio + 0.1))
    x, y = Place().on(canvas, angle)
    root = np.float32(math.sqrt(1 - float(q) ** 2))
    psi = np.sqrt(q * q * x * x + y * y) + np.float32(1e-4)
    factor = theta * np.float32(math.sqrt(float(q))) / root
    gx, gy = rng.normal(0, 0.04, 2).astype(np.float32)
    source_x = x - factor * np.arctan(root * x / psi) - gx * x - gy * y
    source_y = y - factor * np.arctanh(root * y / psi) + gx * y - gy * x
    # From a whole ring (source behind the lens) to a single arc and a counter-image.
    off = float(theta) * rng.choice([rng.uniform(0, 0.12), rng.uniform(0.15, 0.6)], p=[0.4, 0.6])
    way = rng.uniform(0, 2 * np.pi)
    size = float(theta) * rng.uniform(0.05, 0.15)
    turned, squeezed = rng.uniform(0, np.pi), rng.uniform(0.5, 1.0)
    dx, dy = source_x - np.float32(off * math.cos(way)), source_y - np.float32(off * math.sin(way))
    a = (dx * math.cos(turned) + dy * math.sin(turned)) / size
    b = (dy * math.cos(turned) - dx * math.sin(turned)) / (size * squeezed)
    shape = np.exp(-np.sqrt(a * a + b * b + 0.04))
    blue = colour(float(rng.normal(0.1, 0.12)), float(rng.normal(0.05, 0.08)))
    canvas.light(shape, truth.arc_strength * flux_of(truth.magnitude) * blue)


def _jellyfish(canvas: Canvas, truth: Truth, rng: Draw) -> None:
    """A disc whose gas the wind of a cluster blows out to one side, with young stars in it."""
    size = truth.half_light_radius_arcsec
    wind = rng.uniform(0, 2 * np.pi)
    _galaxy(canvas, truth, rng)
    light = truth.stripping * flux_of(truth.magnitude)
    cos, sin = math.cos(wind), math.sin(wind)
    along, across = canvas.x * cos + canvas.y * sin, canvas.y * cos - canvas.x * sin
    along, across = along / np.float32(size), across / np.float32(size)
    across = across + 0.1 * smooth_noise(rng, np.stack([along, across]), 5, 2.0)
    shape = np.zeros_like(across)
    for _ in range(int(rng.integers(3, 7))):
        at, reach, width = rng.uniform(-0.9, 0.9), rng.uniform(0.8, 2.2), rng.uniform(0.06, 0.17)
        fan = at * (1 + 0.15 * along)
        streamer = np.exp(-0.5 * ((across - fan) / np.float32(width)) ** 2)
        shape += streamer * np.exp(-np.abs(along) / reach) * _step(6 * (along - 0.3))
    canvas.light(shape, 0.8 * light * _tint(YOUNG, truth))
    for _ in range(int(rng.integers(4, 10))):
        far, aside = size * rng.uniform(0.7, 2.6), size * rng.uniform(-0.9, 0.9)
        canvas.point(
            far * cos - aside * sin, far * sin + aside * cos,
            0.03 * light * rng.exponential() * _tint(KNOT, truth), size * rng.uniform(0.03, 0.07),
        )  # fmt: skip


SPECIAL: dict[str, Callable[[Canvas, Truth, Draw], None]] = {
    "merger": _merger,
    "pair": _beside,
    "overlap": _beside,
    "ring": _hoag,
    "collisional_ring": _collisional_ring,
    "polar_ring": _polar_ring,
    "clumpy": _clumpy,
    "arc": _arc,
    "jellyfish": _jellyfish,
}
