"""What a simulated galaxy is: the truth columns, and one draw of them a kind.

Sizes and brightness follow what a survey such as SDSS selects. Number counts rise towards the
faint end (a little less steeply than 10^(0.6 m)), and the half-light radius follows from the
magnitude and a log-normal spread of surface brightness, so that bright galaxies are large
(Shen et al. 2003, MNRAS 343, 978) and most are small and noisy. Inclinations are random on the
sphere, pitch angles between 5 and 45 degrees, bar strengths and arm contrasts from none to strong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

__all__ = ["KINDS", "TRUTH", "Truth", "draw"]

NAN = float("nan")

TRUTH: dict[str, str] = {
    "truth_magnitude": "total magnitude in r, without neighbours (AB mag)",
    "truth_half_light_radius_arcsec": "half-light radius of the galaxy on its major axis (arcsec)",
    "truth_sersic_index": "Sérsic index of the light that is no disc (of the bulge in a disc)",
    "truth_bulge_fraction": "light in the bulge, as a share of the whole (0 to 1)",
    "truth_axis_ratio": "minor to major axis as projected (0 to 1)",
    "truth_inclination_deg": "inclination of the disc, 90 is edge-on (deg); NaN without a disc",
    "truth_position_angle_deg": "direction of the major axis, from right towards up (deg)",
    "truth_bar_strength": "brightness of the bar (0 none to 1)",
    "truth_bar_length": "half length of the bar in scale lengths of the disc; NaN without a bar",
    "truth_n_arms": "number of spiral arms; 0 without",
    "truth_arm_winding_deg": "pitch angle of the arms, small is tight (deg); NaN without arms",
    "truth_arm_strength": "contrast of the arms over the disc (0 none to 1)",
    "truth_flocculence": "contrast of patches along the arms (0 to 1)",
    "truth_ring_strength": "light in a ring, as a share of the whole (0 to 1)",
    "truth_ring_radius": "radius of the ring in half-light radii; NaN without a ring",
    "truth_tidal_strength": "light in tails and plumes, as a share of the whole (0 to 1)",
    "truth_n_clumps": "number of bright knots",
    "truth_clump_fraction": "light in the knots, as a share of the whole (0 to 1)",
    "truth_arc_strength": "light of the lensed arcs relative to the lens galaxy",
    "truth_einstein_radius_arcsec": "Einstein radius of the lens (arcsec); NaN without a lens",
    "truth_overlap": "flux of the second galaxy relative to the first; 0 without one",
    "truth_separation": "distance to the second galaxy in half-light radii; NaN without one",
    "truth_asymmetry": "lopsidedness and disturbance (0 to 1)",
    "truth_warp": "bending of the disc's edge, in scale heights",
    "truth_stripping": "light in one-sided streamers, as a share of the whole (0 to 1)",
    "truth_dust": "optical depth of the dust in r through the disc seen face-on",
    "truth_redness": "shift of g - r against the mean of the kind (mag)",
    "truth_psf_fwhm_arcsec": "full width at half maximum of the seeing in r (arcsec)",
    "truth_snr": "signal to noise of the light within the half-light radius, in r",
    "truth_pixel_arcsec": "side of a pixel of the stored image (arcsec)",
    "truth_artefact_strength": "how much an artefact covers or outshines (0 none to 1)",
}


@dataclass(frozen=True)
class Truth:
    """The parameters of one simulated galaxy; `TRUTH` says the meaning and the unit of each."""

    magnitude: float = 17.0
    half_light_radius_arcsec: float = 3.0
    sersic_index: float = 4.0
    bulge_fraction: float = 1.0
    axis_ratio: float = 1.0
    inclination_deg: float = NAN
    position_angle_deg: float = 0.0
    bar_strength: float = 0.0
    bar_length: float = NAN
    n_arms: float = 0.0
    arm_winding_deg: float = NAN
    arm_strength: float = 0.0
    flocculence: float = 0.0
    ring_strength: float = 0.0
    ring_radius: float = NAN
    tidal_strength: float = 0.0
    n_clumps: float = 0.0
    clump_fraction: float = 0.0
    arc_strength: float = 0.0
    einstein_radius_arcsec: float = NAN
    overlap: float = 0.0
    separation: float = NAN
    asymmetry: float = 0.0
    warp: float = 0.0
    stripping: float = 0.0
    dust: float = 0.0
    redness: float = 0.0
    psf_fwhm_arcsec: float = 1.3
    snr: float = NAN
    pixel_arcsec: float = NAN
    artefact_strength: float = 0.0

    def columns(self) -> dict[str, float]:
        """The values under their column names, `truth_` before each."""
        return {f"truth_{field.name}": float(getattr(self, field.name)) for field in fields(self)}


Draw = np.random.Generator


def draw(kind: str, rng: Draw) -> Truth:
    """One galaxy of a kind. Raises `KeyError` for a kind that is none of `KINDS`.

    >>> truth = draw("ring", np.random.default_rng(0))
    >>> truth.ring_strength > 0.1, truth.n_arms
    (True, 0.0)
    """
    truth = KINDS[kind](rng)
    return replace(
        truth,
        bar_length=truth.bar_length if truth.bar_strength else NAN,
        ring_radius=truth.ring_radius if truth.ring_strength else NAN,
        arm_winding_deg=truth.arm_winding_deg if truth.n_arms else NAN,
        separation=truth.separation if truth.overlap else NAN,
        position_angle_deg=float(rng.uniform(0, 180)),
        # The seeing of SDSS in r: median 1.32 arcsec.
        psf_fwhm_arcsec=float(np.clip(1.3 * math.exp(rng.normal(0, 0.14)), 0.85, 2.2)),
    )


def _light(rng: Draw, brightness: float, spread: float, floor: float = 1.6) -> dict[str, float]:
    """Magnitude and half-light radius: counts rise to the faint end, r50 from the brightness.

    `brightness` is the mean surface brightness within the half-light radius (mag/arcsec^2). What
    has a smaller radius than `floor` (arcsec) is no galaxy to look at: it is drawn again.
    """
    slope, bright, faint = 0.45, 13.6, 17.6
    for _ in range(60):
        low, high = 10 ** (slope * bright), 10 ** (slope * faint)
        magnitude = math.log10(rng.uniform(low, high)) / slope
        # Fainter galaxies of one kind are of lower surface brightness too.
        surface = brightness + 0.12 * (magnitude - 16.5) + rng.normal(0, spread)
        radius = math.sqrt(10 ** (0.4 * (surface - magnitude)) / (2 * math.pi))
        if floor < radius < 22:
            break
    else:
        radius = floor
    return {"magnitude": magnitude, "half_light_radius_arcsec": radius}


def _early(rng: Draw, low: float, high: float) -> Truth:
    return Truth(
        **_light(rng, 20.7, 0.6),
        sersic_index=float(np.clip(rng.normal(2.7, 0.9), 0.9, 5.5)),
        axis_ratio=float(rng.uniform(low, high)),
        redness=float(rng.normal(0, 0.08) - (rng.random() < 0.2) * rng.uniform(0.08, 0.5)),
        asymmetry=float(0.05 * rng.random()),
    )


def _round(rng: Draw) -> Truth:
    return _early(rng, 0.8, 1.0)


def _elliptical(rng: Draw) -> Truth:
    return _early(rng, 0.45, 0.8)


def _cigar(rng: Draw) -> Truth:
    truth = _early(rng, 0.22, 0.42)
    return replace(
        truth,
        sersic_index=float(rng.uniform(1.0, 2.6)),
        redness=float(rng.normal(-0.12, 0.16)),
    )


def _projected(inclination: float, thickness: float = 0.18) -> float:
    cosine = math.cos(math.radians(inclination)) ** 2
    return math.sqrt(cosine * (1 - thickness**2) + thickness**2)


def _disc(rng: Draw, brightness: float = 21.35, most: float = 72.0, floor: float = 2.2) -> Truth:
    """A disc without structure, inclined at random on the sphere up to `most` degrees."""
    inclination = math.degrees(math.acos(rng.uniform(math.cos(math.radians(most)), 1.0)))
    return Truth(
        **_light(rng, brightness, 0.55, floor),
        sersic_index=float(rng.uniform(1.0, 2.8)),
        bulge_fraction=float(np.clip(rng.beta(1.4, 6.0), 0.0, 0.7)),
        inclination_deg=inclination,
        axis_ratio=_projected(inclination),
        asymmetry=float(rng.beta(1.5, 8.0)),
        redness=float(rng.normal(0, 0.14)),
        dust=float(rng.gamma(2.0, 0.12)),
    )


def _lenticular(rng: Draw) -> Truth:
    truth = _disc(rng, 20.8)
    return replace(
        truth,
        bulge_fraction=float(rng.uniform(0.2, 0.65)),
        bar_strength=float(rng.uniform(0.1, 0.5)) if rng.random() < 0.2 else 0.0,
        bar_length=float(rng.uniform(0.6, 1.3)),
        ring_strength=float(rng.uniform(0.02, 0.08)) if rng.random() < 0.15 else 0.0,
        ring_radius=float(rng.uniform(1.0, 1.7)),
        redness=float(rng.normal(0.13, 0.09)),
        asymmetry=float(0.1 * rng.random()),
        dust=0.03,
    )


def _spiral(rng: Draw) -> Truth:
    truth = _disc(rng, floor=2.7)
    arms = float(rng.choice([1, 2, 3, 4, 5], p=[0.06, 0.60, 0.17, 0.11, 0.06]))
    # Early spirals have large bulges and tightly wound arms, with much scatter.
    winding = rng.normal(20 - 14 * (truth.bulge_fraction - 0.2), 7)
    return replace(
        truth,
        n_arms=arms,
        arm_winding_deg=float(np.clip(winding, 6, 42)),
        arm_strength=float(np.clip(rng.beta(2.2, 1.6), 0.12, 1.0)),
        flocculence=float(0.2 + 0.8 * rng.beta(2.0, 2.5)),
        n_clumps=float(rng.poisson(14 * rng.random())),
        clump_fraction=float(0.1 * rng.random()),
        redness=truth.redness + 0.5 * (truth.bulge_fraction - 0.2),
    )


def _barred_spiral(rng: Draw) -> Truth:
    truth = _spiral(rng)
    ringed = rng.random() < 0.2
    return replace(
        truth,
        n_arms=float(rng.choice([2, 2, 2, 3])),
        bulge_fraction=0.6 * truth.bulge_fraction,
        bar_strength=float(rng.uniform(0.2, 1.0)),
        bar_length=float(rng.uniform(0.7, 1.8)),
        ring_strength=float(rng.uniform(0.03, 0.12)) if ringed else 0.0,
        ring_radius=float(rng.uniform(0.9, 1.4)) if ringed else NAN,
        redness=truth.redness + 0.04,
    )


def _flocculent(rng: Draw) -> Truth:
    truth = _disc(rng, 21.5)
    return replace(
        truth,
        bulge_fraction=0.4 * truth.bulge_fraction,
        n_arms=float(rng.choice([3, 4, 5, 6])),
        arm_winding_deg=float(rng.uniform(12, 32)),
        arm_strength=float(rng.uniform(0.05, 0.3)),
        flocculence=float(rng.uniform(0.6, 1.0)),
        n_clumps=float(rng.poisson(16)),
        clump_fraction=float(rng.uniform(0.03, 0.15)),
        redness=truth.redness - 0.1,
        asymmetry=float(rng.beta(2.5, 6.0)),
    )


def _edge_on(rng: Draw) -> Truth:
    truth = _disc(rng, 21.2)
    inclination = float(rng.uniform(80, 90))
    return replace(
        truth,
        bulge_fraction=float(np.clip(rng.beta(1.3, 4.5), 0.0, 0.6)),
        inclination_deg=inclination,
        axis_ratio=_projected(inclination, float(rng.uniform(0.09, 0.2))),
        dust=float(rng.gamma(1.6, 0.35)),
        redness=float(rng.normal(0.08, 0.12)),
        warp=float(abs(rng.normal(0, 0.12))),
    )


def _warped_edge_on(rng: Draw) -> Truth:
    truth = _edge_on(rng)
    return replace(
        truth,
        warp=float(rng.uniform(0.8, 2.6)) * float(rng.choice([-1, 1])),
        bulge_fraction=0.6 * truth.bulge_fraction,
        asymmetry=float(rng.beta(2, 6)),
    )


def _merger(rng: Draw) -> Truth:
    truth = _spiral(rng)
    return replace(
        truth,
        **_light(rng, 20.9, 0.55, floor=2.4),
        bulge_fraction=float(rng.uniform(0.15, 0.6)),
        tidal_strength=float(rng.uniform(0.1, 0.4)),
        # One in three is past coalescence: a single body with tails.
        overlap=float(rng.uniform(0.25, 1.0)) if rng.random() < 0.66 else 0.0,
        separation=float(rng.uniform(0.5, 1.9)),
        asymmetry=float(rng.uniform(0.35, 1.0)),
        arm_strength=0.4 * truth.arm_strength,
        n_clumps=float(rng.poisson(8)),
        clump_fraction=float(0.12 * rng.random()),
        dust=float(rng.gamma(2.0, 0.3)),
        redness=float(rng.normal(-0.02, 0.12)),
    )


def _pair(rng: Draw) -> Truth:
    """Two galaxies that touch each other, disturbed a little, without tails."""
    truth = _spiral(rng) if rng.random() < 0.55 else _early(rng, 0.5, 1.0)
    return replace(
        truth,
        overlap=float(rng.uniform(0.3, 1.0)),
        separation=float(rng.uniform(1.5, 2.6)),
        tidal_strength=float(rng.uniform(0.0, 0.08)),
        asymmetry=float(rng.uniform(0.15, 0.4)),
    )


def _overlap(rng: Draw) -> Truth:
    """Two galaxies that are only in line, each undisturbed."""
    truth = _spiral(rng) if rng.random() < 0.6 else _early(rng, 0.4, 1.0)
    return replace(
        truth,
        overlap=float(rng.uniform(0.35, 1.2)),
        separation=float(rng.uniform(0.8, 2.0)),
        dust=truth.dust + 0.4 * float(rng.random()),
    )


def _ring(rng: Draw) -> Truth:
    """A round old core, a gap and a detached ring, as Hoag's object."""
    truth = _disc(rng, 21.2, most=62.0)
    return replace(
        truth,
        sersic_index=float(rng.uniform(1.8, 3.6)),
        bulge_fraction=float(rng.uniform(0.3, 0.6)),
        ring_strength=float(rng.uniform(0.2, 0.55)),
        ring_radius=float(rng.uniform(1.2, 1.9)),
        n_clumps=float(rng.poisson(10)),
        clump_fraction=float(0.06 * rng.random()),
        redness=float(rng.normal(0, 0.1)),
        dust=0.03,
    )


def _collisional_ring(rng: Draw) -> Truth:
    """A knotty uneven ring with its nucleus off the centre, as the Cartwheel."""
    truth = _disc(rng, 21.3, most=65.0)
    return replace(
        truth,
        bulge_fraction=float(rng.uniform(0.1, 0.35)),
        ring_strength=float(rng.uniform(0.3, 0.65)),
        ring_radius=float(rng.uniform(1.0, 1.6)),
        n_clumps=float(rng.integers(6, 22)),
        clump_fraction=float(rng.uniform(0.05, 0.2)),
        asymmetry=float(rng.uniform(0.4, 0.9)),
        redness=float(rng.normal(-0.08, 0.1)),
    )


def _polar_ring(rng: Draw) -> Truth:
    """A lenticular body and, nearly at right angles, a ring of young stars."""
    truth = _lenticular(rng)
    inclination = float(rng.uniform(66, 86))
    return replace(
        truth,
        inclination_deg=inclination,
        axis_ratio=_projected(inclination, 0.3),
        bar_strength=0.0,
        bar_length=NAN,
        ring_strength=float(rng.uniform(0.15, 0.45)),
        ring_radius=float(rng.uniform(1.5, 2.3)),
        n_clumps=float(rng.poisson(5)),
        clump_fraction=0.03,
    )


def _clumpy(rng: Draw) -> Truth:
    truth = _disc(rng, 21.5, most=84.0)
    return replace(
        truth,
        bulge_fraction=0.0,
        n_clumps=float(rng.integers(4, 11)),
        clump_fraction=float(rng.uniform(0.2, 0.6)),
        asymmetry=float(rng.uniform(0.2, 0.8)),
        redness=float(rng.normal(-0.16, 0.08)),
        dust=0.05,
    )


def _arc(rng: Draw) -> Truth:
    """A massive early-type galaxy and, lensed around it, a blue one far behind."""
    truth = _early(rng, 0.62, 1.0)
    radius = truth.half_light_radius_arcsec
    return replace(
        truth,
        sersic_index=float(rng.uniform(3, 5)),
        redness=float(rng.normal(0.12, 0.05)),
        arc_strength=float(rng.uniform(0.08, 0.4)),
        einstein_radius_arcsec=float(max(radius * rng.uniform(1.0, 1.9), 3.0)),
    )


def _jellyfish(rng: Draw) -> Truth:
    truth = _flocculent(rng) if rng.random() < 0.5 else _spiral(rng)
    return replace(
        truth,
        stripping=float(rng.uniform(0.1, 0.35)),
        asymmetry=float(rng.uniform(0.3, 0.7)),
        n_clumps=float(rng.poisson(12)),
        clump_fraction=float(rng.uniform(0.03, 0.1)),
    )


def _common(rng: Draw) -> Truth:
    maker = [_round, _elliptical, _spiral, _barred_spiral, _lenticular, _edge_on]
    return maker[rng.choice(6, p=[0.22, 0.28, 0.22, 0.08, 0.08, 0.12])](rng)


def _spoilt(rng: Draw) -> Truth:
    return replace(_common(rng), artefact_strength=float(rng.uniform(0.2, 1.0)))


KINDS: dict[str, Callable[[Draw], Truth]] = {
    "round": _round,
    "elliptical": _elliptical,
    "cigar": _cigar,
    "lenticular": _lenticular,
    "spiral": _spiral,
    "barred_spiral": _barred_spiral,
    "flocculent": _flocculent,
    "edge_on": _edge_on,
    "warped_edge_on": _warped_edge_on,
    "merger": _merger,
    "pair": _pair,
    "overlap": _overlap,
    "ring": _ring,
    "collisional_ring": _collisional_ring,
    "polar_ring": _polar_ring,
    "clumpy": _clumpy,
    "arc": _arc,
    "jellyfish": _jellyfish,
    "satellite_trail": _spoilt,
    "saturated_star": _spoilt,
    "missing_data": _spoilt,
}
