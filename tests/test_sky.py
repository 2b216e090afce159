"""Maps of the sky against astropy's, and where they are cut."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS

from anomaly_zoo.sky import graticule, sky_centre, sky_map


def by_fits(ra: np.ndarray, dec: np.ndarray, code: str, centre: float) -> np.ndarray:
    """Positions (n, 2) by the FITS projection of that name, RA to the left."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"RA---{code}", f"DEC--{code}"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [centre, 0], [0, 0], [-1, 1]
    x, y = wcs.wcs_world2pix(ra, dec, 0)
    return np.column_stack([-(-x - 1), y + 1])


@pytest.mark.parametrize(("projection", "code"), [("plate carree", "CAR"), ("aitoff", "AIT")])
def test_positions_are_those_of_fits(projection: str, code: str) -> None:
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))
    xy = sky_map(ra, dec, projection, centre=75.0)
    assert xy.dtype == np.float32
    np.testing.assert_allclose(xy, by_fits(ra, dec, code, 75.0), atol=3e-5)


def test_east_is_left_and_areas_are_kept() -> None:
    x, y = sky_map([100, 110], [0, 0], "aitoff", centre=100)[:, 0], 81.0285
    assert x[1] < x[0] == 0
    rng = np.random.default_rng(1)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, 200_000)))
    xy = sky_map(rng.uniform(0, 360, 200_000), dec, "aitoff", centre=0)
    assert np.abs(xy[:, 1]).max() < y + 0.01 and np.abs(xy[:, 0]).max() < 2 * y + 0.01
    inner = ((np.abs(xy) < [60, 30]).all(axis=1)).mean()
    assert inner == pytest.approx(120 * 60 / (np.pi * 2 * 81.0285 * 81.0285), rel=0.02)


@pytest.mark.parametrize(
    ("ra", "centre"),
    [
        ([350, 355, 5, 10], 0),  # across zero hours
        ([110, 180, 260], 185),
        ([*range(300, 360), *range(60)], 359.5),
        ([200.0], 200),
        ([], 180),
        ([np.nan, np.inf], 180),
        ([np.nan, 30, 40, 360.0], 20),
    ],
)
def test_the_edge_lies_in_the_widest_gap(ra: list[float], centre: float) -> None:
    assert sky_centre(np.array(ra, dtype=float)) == pytest.approx(centre, abs=0.11)


def test_no_survey_is_cut() -> None:
    rng = np.random.default_rng(2)
    for start in rng.uniform(0, 360, 20):
        ra = (start + rng.uniform(0, 200, 1000)) % 360
        x = sky_map(ra, np.zeros(1000))[:, 0]
        assert np.ptp(x) < 200.2


def test_what_has_no_position_stays_without() -> None:
    xy = sky_map([10.0, np.nan, 20.0, np.inf], [1.0, 2.0, np.nan, 3.0], "aitoff")
    assert np.isnan(xy).tolist() == [[False] * 2, [True] * 2, [True] * 2, [True] * 2]
    assert np.isnan(sky_map([np.nan], [np.nan])).all()
    assert sky_map([], []).shape == (0, 2)


def test_a_small_field_keeps_its_details() -> None:
    ra = 189.2 + np.arange(5) * 1e-5  # 0.04 arcsec apart
    assert len(np.unique(sky_map(ra, np.full(5, 62.2))[:, 0])) == 5


def test_what_is_no_sky() -> None:
    with pytest.raises(ValueError, match="projection is one of"):
        sky_map([1], [1], "mercator")
    with pytest.raises(ValueError, match="shapes"):
        sky_map([1, 2], [1])
    with pytest.raises(ValueError, match="between -90 and 90"):
        sky_map([1], [91])


@pytest.mark.parametrize("projection", ["plate carree", "aitoff"])
def test_lines_lie_where_objects_of_their_coordinates_do(projection: str) -> None:
    lines = graticule(projection, centre=100)
    labels = [line.label for line in lines]
    assert "120°" in labels and "+30°" in labels and "−60°" in labels
    x, y = sky_map([120], [0], projection, centre=100)[0]
    assert lines[labels.index("120°")].at == pytest.approx((x, y), abs=1e-4)
    up = lines[labels.index("+30°")].xy
    on = sky_map([100], [30], projection, centre=100)[0]
    assert np.abs(up - on).max(axis=1).min() < 1e-4


@pytest.mark.parametrize("projection", ["plate carree", "aitoff"])
@pytest.mark.parametrize("view", [(-3, 5, 20, 24), (-0.2, 0.2, -0.1, 0.1), (100, 120, 20, 30)])
def test_a_part_of_the_sky_has_some_lines(projection: str, view: tuple) -> None:
    lines = [line for line in graticule(projection, 10.0, view) if line.label]
    assert 4 <= len(lines) <= 26
    assert len({line.label for line in lines}) == len(lines)
    assert all(np.isfinite(line.xy).all() for line in lines)


def test_beside_the_sky_there_are_none() -> None:
    assert graticule("aitoff", 0, (170, 200, 80, 100)) == []
    assert graticule("plate carree", 0, (190, 200, 80, 100)) == []
