"""Links to viewers, read back as a browser and a server would."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from anomaly_zoo.links import links

HOSTS = {
    "Legacy Surveys": "www.legacysurvey.org",
    "Aladin Lite": "aladin.cds.unistra.fr",
    "ESASky": "sky.esa.int",
}


def values(address: str) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(address).query, strict_parsing=True).items()}


@pytest.mark.parametrize(
    ("ra", "dec"), [(184.7401, -0.5), (0.0, 0.0), (359.9999999, 89.5), (1e-9, -1e-9), (10, -90)]
)
def test_position_arrives(ra: float, dec: float) -> None:
    found = links(ra, dec, 30)
    assert {name: urlsplit(address).netloc for name, address in found.items()} == HOSTS
    for address in found.values():
        assert urlsplit(address).scheme == "https"
        assert " " not in address and "+" not in address  # a plus would be read as a blank
    legacy = values(found["Legacy Surveys"])
    assert (float(legacy["ra"]), float(legacy["dec"])) == pytest.approx((ra, dec), abs=1e-6)
    assert legacy["mark"] == f"{legacy['ra']},{legacy['dec']}"
    for name in ("Aladin Lite", "ESASky"):
        said = values(found[name])
        lon, lat = said["target"].split(" ")
        assert (float(lon), float(lat)) == pytest.approx((ra, dec), abs=1e-6)
        assert lat[0] in "+-"  # without a sign both would look for an object of that name
        assert float(said["fov"]) == pytest.approx(30 / 3600, rel=1e-4)
    assert values(found["ESASky"])["hips"] == "DSS2 color"


@pytest.mark.parametrize(("size", "zoom"), [(1, 16), (60, 16), (210, 14), (420, 13), (1e6, 4)])
def test_zoom_follows_size(size: float, zoom: int) -> None:
    assert values(links(10, 20, size)["Legacy Surveys"])["zoom"] == str(zoom)


def test_no_position_no_links() -> None:
    assert links(float("nan"), 2) == links(1, float("nan")) == {}
    assert links(None, None) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(("ra", "dec", "size"), [(-1, 0, 60), (361, 0, 60), (0, 91, 60), (0, 0, 0)])
def test_refused(ra: float, dec: float, size: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        links(ra, dec, size)
