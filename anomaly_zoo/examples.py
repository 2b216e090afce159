"""Galaxies to start with: real ones, and simulated ones whose truth is known. No download."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from anomaly_zoo import deep_field, embedding, tables
from anomaly_zoo.cache import cache_folder
from anomaly_zoo.catalog import Catalog
from anomaly_zoo.encoders import chosen
from anomaly_zoo.encoders.protocol import Encoder, label
from anomaly_zoo.representation import Representation

__all__ = ["HUBBLE_CREDIT", "Example", "hubble", "zoo", "zoo_images"]

HUBBLE_CREDIT = (
    "NASA, ESA, G. Illingworth, D. Magee and P. Oesch (University of California, Santa Cruz), "
    "R. Bouwens (Leiden University), and the HUDF09 team"
)
ZOO_NAME = "Simulated zoo"
_PACKAGE = Path(__file__).resolve().parent


class Example(NamedTuple):
    """A catalogue with images and a representation of the same objects, in the same order."""

    catalog: Catalog
    features: Representation


def hubble(progress: bool = True, *, encoder: Encoder | str | None = None) -> Example:
    """Some 1,000 galaxies cut from the Hubble eXtreme Deep Field that scikit-image carries.

    Sources are detected and deblended with photutils on the mean of the three bands. Those too
    small, too faint or cut off by the image's edge are left out; two or three stars are not. Each
    is cut out at about three times its size and brought to 212 x 212 pixels. The features are
    those of `encoder`, zoonet by default.

    The image is a picture, not a calibrated exposure, and has no sky coordinates, so there is no
    ra or dec. The columns of the catalogue:

    * id_str: XDF-0001, XDF-0002, … from the brightest to the faintest;
    * x, y: centre in pixels of the image (1000 x 872, row 0 on top), cutout_size_px: side there;
    * flux: summed brightness above the sky (0 to 255 a pixel), area_px: number of pixels;
    * half_light_radius_px, concentration (5 log10 of the radii of 80% and 20% of the light),
      ellipticity (1 - b/a), position_angle_deg (0 to 180, from the x axis towards growing y), gini;
    * red_to_blue: ratio of the summed brightness of the red and the blue band;
    * image: the cutout as JPEG.

    Made in some seconds the first time, then read from `anomaly_zoo.cache.cache_folder()`; where
    that cannot be written there is a warning. Features are kept for each encoder and version.
    ``progress`` shows bars while they are made. Raises ImportError without photutils or
    scikit-image. Credit for the image: `HUBBLE_CREDIT`.

    >>> from anomaly_zoo.encoders import Pixels
    >>> galaxies = hubble(progress=False, encoder=Pixels())
    >>> 900 < len(galaxies.catalog) < 1500
    True
    >>> galaxies.catalog.image("XDF-0001").size
    (212, 212)
    >>> galaxies.features.d
    176
    """
    encoder = chosen(encoder)
    made_by = deep_field.made_by()
    kept = _cached("hubble-catalog", made_by), _features_file("hubble", made_by, encoder)
    made: dict[Path, Catalog | Representation] = {}
    catalog = _hubble_catalog(kept[0])
    if catalog is None:
        catalog = made[kept[0]] = Catalog(deep_field.galaxies(progress), name=deep_field.NAME)
    features = _read(kept[1], catalog, encoder)
    if features is None:
        features = made[kept[1]] = embedding.embed(catalog, encoder, progress=progress)
    _keep(made)
    return Example(catalog, features)


def zoo(progress: bool = True, *, encoder: Encoder | str | None = None) -> Example:
    """The 5,000 simulated galaxies that come with the package, with their zoonet features.

    Made by `anomaly_zoo.simulate`, with 0.4 to 1.2% of each rare kind. The catalogue has the
    truth in its columns, to see afterwards what a rater has found: kind, truth_… and the votes
    (`anomaly_zoo.simulate.zoo` says more). The notebook tool and the ranking show none of them,
    and the features are those of the images alone.

    With another `encoder`, or where the features shipped are of another version of it, they are
    made in some seconds and kept in `anomaly_zoo.cache.cache_folder()`; where that cannot be
    written there is a warning. Raises FileNotFoundError where the package is not whole.

    >>> galaxies = zoo(progress=False)
    >>> galaxies.catalog.name, len(galaxies.catalog), len(galaxies.features)
    ('Simulated zoo', 5000, 5000)
    >>> int((galaxies.catalog.table["kind"] == "ring").sum())
    26
    """
    encoder = chosen(encoder)
    file = _shipped("zoo.parquet")
    catalog = Catalog(pd.read_parquet(file), name=ZOO_NAME)
    features = _read(file.with_name("zoo_features.parquet"), catalog, encoder)
    if features is None:
        with open(file, "rb") as content:
            images = hashlib.file_digest(content, "blake2b").hexdigest()
        kept = _features_file("zoo", images, encoder)
        features = _read(kept, catalog, encoder)
        if features is None:
            features = embedding.embed(catalog, encoder, progress=progress)
            _keep({kept: features})
    return Example(catalog, features)


def zoo_images(folder: str | os.PathLike[str] = "zoo_images", n: int = 600) -> Path:
    """The first `n` galaxies of `zoo` as image files, {id_str}.jpg, in `folder`; the folder.

    It is made where it is missing. Files that are there already stay as they are, so that a second
    call changes nothing. Raises ValueError for an `n` below one or above 5,000, OSError
    where nothing can be written.

    >>> import tempfile
    >>> folder = zoo_images(tempfile.mkdtemp(), n=2)
    >>> sorted(path.name for path in folder.iterdir())
    ['SIM-00001.jpg', 'SIM-00002.jpg']
    """
    galaxies = pd.read_parquet(_shipped("zoo.parquet"), columns=["id_str", "image"])
    if not 1 <= n <= len(galaxies):
        raise ValueError(f"n: expected 1 to {len(galaxies):,} galaxies, got {n!r}")
    folder = Path(folder).expanduser()
    folder.mkdir(exist_ok=True)
    for id_str, jpeg in galaxies[:n].itertuples(index=False):
        if not (file := folder / f"{id_str}.jpg").exists():
            with tables.replacing(file) as beside:
                beside.write_bytes(jpeg)
    return folder


def _shipped(name: str) -> Path:
    """A file of example_data/: in the package, or beside it in a checkout."""
    for home in (_PACKAGE, _PACKAGE.parent):
        if (home / "example_data" / name).is_file():
            return home / "example_data" / name
    raise FileNotFoundError(
        f"example_data/{name} is missing from this installation; install anomaly_zoo again"
    )


def _cached(name: str, made_by: str) -> Path:
    """The file in the cache for what is made in one way alone."""
    key = hashlib.blake2b(made_by.encode(), digest_size=6).hexdigest()
    return cache_folder() / f"{name}-{key}.parquet"


def _features_file(name: str, images: str, encoder: Encoder) -> Path:
    """The file for features that these images, this encoder and this code give."""
    return _cached(f"{name}-features", repr((images, label(encoder), embedding.REVISION)))


def _hubble_catalog(file: Path) -> Catalog | None:
    """The catalogue of before; None where it is not there, or broken in whatever way."""
    try:
        table = pd.read_parquet(file)
        if tuple(table.columns) == deep_field.COLUMNS:
            return Catalog(table, name=deep_field.NAME)
    except Exception:
        pass
    return None


def _read(file: Path, catalog: Catalog, encoder: Encoder) -> Representation | None:
    """Features of just these objects by just this encoder; None where the file has others."""
    try:
        features = Representation.read(file)
    except Exception:  # not there, or broken in whatever way: made anew
        return None
    same = features.encoder == label(encoder) and features.d == encoder.d
    return features if same and features.ids.tolist() == catalog.ids.tolist() else None


def _keep(made: Mapping[Path, Catalog | Representation]) -> None:
    """Write what was made to the cache, for the next time."""
    try:
        for file, part in made.items():
            part.write(file)
    except OSError as error:
        warnings.warn(
            f"the example could not be kept in {cache_folder()} and is made anew each time "
            f"({error}); set ANOMALY_ZOO_CACHE to a folder you may write to",
            stacklevel=3,
        )
