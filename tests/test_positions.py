"""Angles on the sky against astropy's, near the poles and across 0 h too."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from anomaly_zoo import positions
from anomaly_zoo.positions import around, check_angle, check_position, separations, spread

PLACES = [(10.0, -3.0), (0.0, 0.0), (359.9999, 45.0), (120.0, 89.9999), (77.0, -90.0)]


def sky(n: int, at: tuple[float, float], arcsec: float, seed: int = 0) -> SkyCoord:
    """Positions scattered about one, and as many anywhere."""
    rng = np.random.default_rng(seed)
    centre = SkyCoord(*at, unit="deg")
    near = centre.directional_offset_by(
        rng.uniform(0, 360, n) * u.deg, rng.uniform(0, 2 * arcsec, n) * u.arcsec
    )
    ra = np.concatenate([near.ra.deg, rng.uniform(0, 360, n)])
    dec = np.concatenate([near.dec.deg, np.degrees(np.arcsin(rng.uniform(-1, 1, n)))])
    return SkyCoord(ra, dec, unit="deg")


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("arcsec", [0.01, 30.0, 7200.0])
def test_angles_are_those_of_astropy(at: tuple[float, float], arcsec: float) -> None:
    stars = sky(200, at, arcsec)
    truth = SkyCoord(*at, unit="deg").separation(stars).arcsec
    ra, dec = stars.ra.deg, stars.dec.deg
    np.testing.assert_allclose(separations(ra, dec, at), truth, rtol=1e-7, atol=1e-6)
    rows, apart = around(ra, dec, at, arcsec)
    sure = np.abs(truth - arcsec) > 1e-6
    inside = np.isin(np.arange(400), rows)
    assert np.array_equal(inside[sure], (truth <= arcsec)[sure])
    assert 50 < len(rows) < 350
    np.testing.assert_allclose(apart, truth[rows], rtol=1e-7, atol=1e-6)


def test_unknown_positions_are_nowhere_and_blocks_make_no_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stars = sky(200, (10.0, 5.0), 60.0)
    ra, dec = stars.ra.deg.copy(), stars.dec.deg.copy()
    ra[::3] = np.nan
    dec[1::7] = np.nan
    rows, apart = around(ra, dec, (10.0, 5.0), 60.0)
    assert len(rows) and np.isfinite(ra[rows]).all() and np.isfinite(dec[rows]).all()
    monkeypatch.setattr(positions, "_BLOCK", 7)
    again, then = around(ra, dec, (10.0, 5.0), 60.0)
    assert np.array_equal(rows, again) and np.array_equal(apart, then)


@pytest.mark.parametrize("at", PLACES)
def test_near_duplicates_are_dropped_as_one_by_one(at: tuple[float, float]) -> None:
    stars = sky(60, at, 20.0, seed=3)
    ra, dec = stars.ra.deg.copy(), stars.dec.deg.copy()
    ra[::11] = np.nan
    order = np.random.default_rng(1).permutation(len(ra))
    ra, dec = ra[order], dec[order]
    expected: list[int] = []
    for row in range(len(ra)):
        before = [*range(4), *expected]
        near = separations(ra[before], dec[before], (ra[row], dec[row])) <= 5.0
        if row >= 4 and (np.isnan(ra[row]) or not near.any()):
            expected.append(row)
    assert spread(ra, dec, 5.0, given=4).tolist() == expected
    assert spread(ra, dec, 5.0, given=4, most=7).tolist() == expected[:7]
    assert len(expected) < len(ra) - 10


def test_all_at_one_place() -> None:
    ra = dec = np.zeros(20_000)
    assert spread(ra, dec, 1.0, given=0).tolist() == [0]
    assert spread(ra, dec, 1.0, given=1).tolist() == []
    nowhere = np.full(5, np.nan)
    assert spread(nowhere, nowhere, 1.0, given=1).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "at", [(-1, 0), (361, 0), (10, 91), (np.nan, 0), (None, 0), ("north", 0), (10, np.inf)]
)
def test_what_is_no_position_is_refused(at: tuple[object, object]) -> None:
    with pytest.raises(ValueError, match="right ascension"):
        check_position(*at)


@pytest.mark.parametrize("angle", [0, -1, np.nan, np.inf, "5", True, None, 1e7])
def test_what_is_no_angle_is_refused(angle: object) -> None:
    with pytest.raises(ValueError, match="radius is an angle in arcsec"):
        check_angle(angle, "radius")
