"""What volunteers would say of a simulated galaxy: the questions of Galaxy Zoo and their votes.

The true share of each answer follows from the truth and from how well it can be seen: its size
against the seeing and its signal to noise. Volunteers differ, so the votes are drawn from a
Dirichlet-multinomial, the likelihood that Walmsley et al. (2022, MNRAS 509, 3966) use for Galaxy
Zoo DECaLS, whose questions and names of columns these are.
"""

from __future__ import annotations

import math

import numpy as np

from anomaly_zoo.simulate.truth import Truth

__all__ = ["CONCENTRATION", "QUESTIONS", "VOLUNTEERS", "shares", "visibility", "votes"]

QUESTIONS: dict[str, tuple[str, ...]] = {
    "smooth-or-featured": ("smooth", "featured-or-disk", "artifact"),
    "disk-edge-on": ("yes", "no"),
    "has-spiral-arms": ("yes", "no"),
    "bar": ("strong", "weak", "no"),
    "bulge-size": ("dominant", "large", "moderate", "small", "none"),
    "how-rounded": ("round", "in-between", "cigar-shaped"),
    "edge-on-bulge": ("boxy", "none", "rounded"),
    "spiral-winding": ("tight", "medium", "loose"),
    "spiral-arm-count": ("1", "2", "3", "4", "more-than-4", "cant-tell"),
    "merging": ("none", "minor-disturbance", "major-disturbance", "merger"),
    "rare-features": (
        *("none", "ring", "lens-or-arc", "overlapping", "irregular", "dust-lane", "other"),
    ),
}
# The answers of earlier questions that lead to a question; those without are asked of everyone.
ASKED_AFTER: dict[str, tuple[tuple[str, str], ...]] = {
    "disk-edge-on": (("smooth-or-featured", "featured-or-disk"),),
    "has-spiral-arms": (("disk-edge-on", "no"),),
    "bar": (("disk-edge-on", "no"),),
    "bulge-size": (("disk-edge-on", "no"),),
    "how-rounded": (("smooth-or-featured", "smooth"),),
    "edge-on-bulge": (("disk-edge-on", "yes"),),
    "spiral-winding": (("has-spiral-arms", "yes"),),
    "spiral-arm-count": (("has-spiral-arms", "yes"),),
    "merging": (("smooth-or-featured", "smooth"), ("smooth-or-featured", "featured-or-disk")),
    "rare-features": (("smooth-or-featured", "smooth"), ("smooth-or-featured", "featured-or-disk")),
}
VOLUNTEERS = 40  # that look at a galaxy, give or take four
CONCENTRATION = 25.0  # sum of the Dirichlet's parameters: how much volunteers agree


def _step(x: float) -> float:
    return 1 / (1 + math.exp(-max(min(x, 40.0), -40.0)))


def visibility(truth: Truth, size_arcsec: float | None = None) -> float:
    """How well structure of a size can be seen, 0 to 1: against the seeing and the noise.

    >>> small = Truth(half_light_radius_arcsec=1.5, snr=100.0)
    >>> large = Truth(half_light_radius_arcsec=9.0, snr=100.0)
    >>> visibility(small) < 0.4 < 0.8 < visibility(large)
    True
    """
    size = truth.half_light_radius_arcsec if size_arcsec is None else size_arcsec
    sharp = _step(2.0 * (math.log2(size / truth.psf_fwhm_arcsec) - 0.8))
    snr = 100.0 if math.isnan(truth.snr) else max(truth.snr, 1.0)
    return sharp * _step(1.6 * (math.log2(snr) - math.log2(45)))


def shares(truth: Truth) -> dict[str, np.ndarray]:
    """The true share of each answer, by question: arrays that sum to 1, in the answers' order.

    >>> found = shares(Truth(axis_ratio=0.95, snr=150.0))
    >>> QUESTIONS["how-rounded"][found["how-rounded"].argmax()]
    'round'
    >>> all(abs(share.sum() - 1) < 1e-9 for share in found.values())
    True
    """
    see = visibility(truth)
    disc = not math.isnan(truth.inclination_deg)
    tilt = truth.inclination_deg if disc else 0.0
    q = truth.axis_ratio
    # The seeing makes everything rounder.
    blur = (0.45 * truth.psf_fwhm_arcsec / truth.half_light_radius_arcsec) ** 2
    seen_q = math.sqrt((q * q + blur) / (1 + blur))

    flat = math.cos(math.radians(min(tilt, 85.0)))
    contrast = 1 - math.exp(-2.6 * truth.arm_strength - 1.1 * truth.flocculence)
    arms = see * contrast * min(1.0, 0.35 + 1.3 * flat) if truth.n_arms else 0.0
    bar = truth.bar_strength * visibility(truth, 0.9 * truth.half_light_radius_arcsec)
    ring = _step(9 * (truth.ring_strength - 0.14)) * see if truth.ring_strength else 0.0
    clumps = (1 - math.exp(-5 * truth.clump_fraction)) * see
    tails = (1 - math.exp(-9 * truth.tidal_strength)) * (0.4 + 0.6 * see)
    stripped = (1 - math.exp(-8 * truth.stripping)) * see
    edge_on = _step((tilt - 77) / 3.0) * (1 - _step(14 * (seen_q - 0.52))) if disc else 0.0
    lens = (1 - math.exp(-9 * truth.arc_strength)) * see if truth.arc_strength else 0.0

    plain = (
        (1 - 0.95 * arms) * (1 - 0.8 * bar) * (1 - 0.8 * ring) * (1 - 0.8 * clumps)
        * (1 - 0.6 * tails) * (1 - 0.8 * stripped) * (1 - 0.85 * edge_on) * (1 - 0.45 * lens)
    )  # fmt: skip
    featured = 1 - plain * (0.84 if disc else 0.95)
    artefact = 0.02 + 0.85 * truth.artefact_strength**0.7
    first = [(1 - featured) * (1 - artefact), featured * (1 - artefact), artefact]

    count = np.array([0.03, 0.12, 0.03, 0.02, 0.02, 0.03])
    n_arms = int(truth.n_arms) or 2
    clarity = see * max(0.15, 1 - 0.8 * truth.flocculence) * max(truth.arm_strength, 0.1) ** 0.5
    count[min(n_arms, 5) - 1] += 0.2 + 1.6 * clarity
    for neighbour in (n_arms - 1, n_arms + 1):
        if 1 <= neighbour <= 5:
            count[neighbour - 1] += 0.18 * (1 - clarity)
    count[5] += 0.8 * (1 - clarity)

    pitch = 20.0 if math.isnan(truth.arm_winding_deg) else truth.arm_winding_deg
    together = truth.overlap > 0
    apart = truth.separation if together else 9.0
    touching = _step(3 * (2.6 - apart)) if together else 0.0
    disturbed = 1 - (1 - tails) * (1 - 0.5 * truth.asymmetry**1.5) * (1 - 0.4 * stripped)
    in_line = touching * (1 - tails) * (1 - 0.7 * truth.asymmetry)

    size = math.log10(max(truth.bulge_fraction, 0.01)) if disc else math.log10(0.8)
    bulges = [-0.1, -0.42, -0.72, -1.1, -1.8]
    lane = _step(4 * (truth.dust - 0.7)) * see * edge_on
    odd = {
        "ring": ring,
        "lens-or-arc": lens,
        "overlapping": 0.8 * in_line,
        "irregular": max(0.7 * tails, 0.7 * clumps * _step(6 * (truth.clump_fraction - 0.25))),
        "dust-lane": lane,
        "other": max(0.8 * stripped, 0.7 * see * _step(4 * (abs(truth.warp) - 1))),
    }
    none = math.prod(1 - share for share in odd.values())
    raw: dict[str, list[float]] = {
        "smooth-or-featured": first,
        "disk-edge-on": [edge_on, 1 - edge_on],
        "has-spiral-arms": [min(0.97, 0.05 + 1.05 * arms), 1 - min(0.97, 0.05 + 1.05 * arms)],
        "bar": [bar * truth.bar_strength, bar * (1.1 - truth.bar_strength), 1 - bar],
        "bulge-size": [math.exp(-(((size - at) / 0.22) ** 2)) + 0.01 for at in bulges],
        "how-rounded": [
            _step(14 * (seen_q - 0.75)),
            _step(14 * (0.75 - seen_q)) * _step(14 * (seen_q - 0.42)),
            _step(14 * (0.42 - seen_q)),
        ],
        "edge-on-bulge": [
            0.05 + 0.1 * truth.bar_strength,
            _step(14 * (0.14 - truth.bulge_fraction)),
            _step(14 * (truth.bulge_fraction - 0.14)),
        ],
        "spiral-winding": [
            _step((14 - pitch) / 3),
            _step((pitch - 14) / 3) * _step((25 - pitch) / 3),
            _step((pitch - 25) / 3),
        ],
        "spiral-arm-count": list(count),
        "merging": [
            (1 - disturbed) * (1 - 0.5 * touching),
            disturbed * (1 - tails) * (1 - 0.5 * touching) + 0.3 * in_line,
            disturbed * tails * (1 - touching),
            touching * (0.35 + 0.65 * disturbed),
        ],
        "rare-features": [none, *odd.values()],
    }
    result = {}
    for question, values in raw.items():
        share = np.maximum(np.asarray(values, dtype=float), 0) + 0.006
        result[question] = share / share.sum()
    return result


def votes(truth: Truth, rng: np.random.Generator) -> dict[str, int]:
    """Votes for each answer and the total of each question: `question_answer`, `question_total`.

    >>> drawn = votes(Truth(snr=150.0), np.random.default_rng(0))
    >>> drawn["smooth-or-featured_smooth"] > drawn["smooth-or-featured_featured-or-disk"]
    True
    >>> drawn["how-rounded_total"] == drawn["smooth-or-featured_smooth"]
    True
    """
    drawn: dict[str, int] = {}
    everyone = max(10, round(rng.normal(VOLUNTEERS, 4)))
    for question, share in shares(truth).items():
        before = ASKED_AFTER.get(question)
        total = everyone if before is None else sum(drawn[f"{a}_{b}"] for a, b in before)
        counts = rng.multinomial(total, rng.dirichlet(CONCENTRATION * share))
        for answer, count in zip(QUESTIONS[question], counts, strict=True):
            drawn[f"{question}_{answer}"] = int(count)
        drawn[f"{question}_total"] = int(total)
    return drawn
