"""Links to the same place on the sky in three viewers on the web; nothing is asked of them here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from urllib.parse import quote, urlencode

__all__ = ["links"]

_WINDOW = 800  # pixels of a viewer's window that the field should fill
# The Legacy Survey's viewer shows 0.262 arcsec a pixel at zoom 14 and half of it a step further.
_PIXEL, _NATIVE, _ZOOMS = 0.262, 14, (4, 16)


def links(ra: float, dec: float, size_arcsec: float = 60.0) -> dict[str, str]:
    """Addresses that show the field around a position in three viewers, by the viewer's name.

    `ra` and `dec` are ICRS degrees; `size_arcsec` is the width of the field to show. Where the
    position is not known (NaN or None) there are no links. The viewers: Legacy Surveys
    (legacysurvey.org/viewer), with a mark at the position, Aladin Lite (aladin.cds.unistra.fr)
    and ESASky (sky.esa.int).

    Raises `ValueError` for a position out of range or a size that is none.

    >>> links(184.7401, -0.5, 60)["Legacy Surveys"]
    'https://www.legacysurvey.org/viewer?ra=184.740100&dec=-0.500000&layer=ls-dr10&zoom=16&mark=184.740100,-0.500000'
    >>> links(float("nan"), 2.0)
    {}
    """
    if ra is None or dec is None or not (math.isfinite(ra) and math.isfinite(dec)):
        return {}
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise ValueError(
            f"expected ra within 0 to 360 and dec within -90 to 90 degrees, got {ra:g}, {dec:g}"
        )
    if not 0 < size_arcsec < math.inf:
        raise ValueError(f"size_arcsec: expected a number above zero, got {size_arcsec!r}")
    place = f"{ra:.6f} {dec:+.6f}"
    field = f"{size_arcsec / 3600:.6g}"
    zoom = round(_NATIVE + math.log2(_PIXEL * _WINDOW / size_arcsec))
    legacy = {
        "ra": f"{ra:.6f}",
        "dec": f"{dec:.6f}",
        "layer": "ls-dr10",
        "zoom": min(max(zoom, _ZOOMS[0]), _ZOOMS[1]),
        "mark": f"{ra:.6f},{dec:.6f}",
    }
    esasky = {
        "target": place,
        "hips": "DSS2 color",
        "fov": field,
        "cooframe": "J2000",
        "sci": "true",
    }
    return {
        "Legacy Surveys": _address("https://www.legacysurvey.org/viewer", legacy),
        "Aladin Lite": _address(
            "https://aladin.cds.unistra.fr/AladinLite/", {"target": place, "fov": field}
        ),
        "ESASky": _address("https://sky.esa.int/", esasky),
    }


def _address(page: str, values: Mapping[str, object]) -> str:
    return f"{page}?{urlencode(values, safe=',', quote_via=quote)}"
