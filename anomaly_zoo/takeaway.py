"""Ranked objects to take away as pictures or as marks on the sky: contact sheets, DS9 regions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.regions import write_pixel_regions, write_regions
from anomaly_zoo.sheet import LIMITS, Caption, contact_sheet

SHEETS = tuple(LIMITS)
"""Suffixes of contact sheets."""
REGIONS = ".reg"
"""That of a region file."""


def take_away(
    path: str | os.PathLike[str],
    ranking: pd.DataFrame,
    catalog: Catalog | None,
    about: Mapping[str, str],
) -> None:
    """Draw a ranking (`Session.ranking`) as a contact sheet (.png, .pdf), or mark its objects in a
    region file (.reg) on the sky, or in pixels where the catalogue has x and y alone.

    Its title is the words of the selection, and "about" says when it was made. Raises ValueError
    where there are no positions or too many galaxies for a sheet, and what the two writers raise.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "top.reg"
    >>> take_away(file, pd.DataFrame({"id_str": ["J1"], "ra": [10.5], "dec": [-3.25]}), None, {})
    >>> print(file.read_text().splitlines()[-1])
    circle(10.5000000,-3.2500000,5") # text={J1}
    """
    ids = ranking["id_str"].tolist()
    if Path(path).suffix.lower() == REGIONS:
        if {"ra", "dec"} <= set(ranking.columns):
            write_regions(path, ids, ranking["ra"], ranking["dec"])
        elif {"x", "y"} <= set(ranking.columns):
            write_pixel_regions(path, ids, ranking["x"], ranking["y"])
        else:
            raise ValueError("a region file marks positions, and the catalogue has none")
        return
    columns = {"interest": "interest", "interest_std": "std", "score": "score"}
    columns |= {"distance": "distance", "tags": "tags"}
    said = ranking[[name for name in columns if name in ranking]].rename(columns=columns)
    captions = [Caption(**caption) for caption in said.to_dict("records")]
    title = about.get("selection") or about.get("limit") or "Most interesting first"
    date = about.get("created", "")[:10]
    contact_sheet(path, catalog, ids, captions, title=title, date=date)
