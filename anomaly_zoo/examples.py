"""Real galaxies to start with: no download, no account."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from anomaly_zoo.cache import cache_folder
from anomaly_zoo.catalog import Catalog
from anomaly_zoo.encoders.pixels import Pixels
from anomaly_zoo.representation import Representation

__all__ = ["HUBBLE_CREDIT", "Example", "hubble"]

HUBBLE_CREDIT = (
    "NASA, ESA, G. Illingworth, D. Magee and P. Oesch (University of California, Santa Cruz), "
    "R. Bouwens (Leiden University), and the HUDF09 team"
)
HUBBLE_NAME = "Hubble eXtreme Deep Field"
# All that decides which sources are kept and how they are cut; lengths in pixels of the image.
HUBBLE = {
    "background_box": 48,
    "smoothing": 1.0,  # standard deviation of the Gaussian
    "threshold": 4.0,  # in standard deviations of the smoothed background
    "connected": 12,  # pixels a source must have above the threshold
    "contrast": 0.01,  # of a part, to be deblended from the rest
    "smallest": 20,  # area of a source that is kept
    "faintest": 22.0,  # mean brightness of a source that is kept, of 255
    "margin": 3.4,  # side of a cutout in units of the radius that holds 90% of the source's area
    "least_side": 18.0,
    "cutout": 212,  # side of a stored cutout in its own pixels
    "quality": 95,  # of its JPEG
}


class Example(NamedTuple):
    """A catalogue with images and a representation of the same objects, in the same order."""

    catalog: Catalog
    features: Representation


def hubble(progress: bool = True) -> Example:
    """Some 1,000 galaxies cut from the Hubble eXtreme Deep Field that scikit-image carries.

    Sources are detected and deblended with photutils on the mean of the three bands. Those too
    small, too faint or cut off by the image's edge are left out; two or three stars are not. Each
    is cut out at about three times its size and brought to 212 x 212 pixels. The features are
    those of `anomaly_zoo.encoders.Pixels`: a baseline without any learning.

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
    that cannot be written there is a warning. ``progress`` shows a bar while it is made. Raises
    ImportError without photutils or scikit-image. Credit for the image: `HUBBLE_CREDIT`.

    >>> galaxies = hubble(progress=False)
    >>> 900 < len(galaxies.catalog) < 1500
    True
    >>> galaxies.catalog.image("XDF-0001").size
    (212, 212)
    >>> galaxies.features.d
    176
    """
    encoder = Pixels()
    key = _key(encoder)
    files = [cache_folder() / f"hubble-{key}-{part}.parquet" for part in ("catalog", "features")]
    try:
        table = pd.read_parquet(files[0])
        features = Representation.read(files[1])
        if list(table["id_str"]) != list(features.ids):
            raise ValueError("the cached catalogue and features are not of the same galaxies")
        return Example(_catalog(table), features)
    except Exception:  # not there, or broken in whatever way: made anew
        table, features = _make_hubble(encoder, progress)
    example = Example(_catalog(table), features)
    try:
        example.catalog.write(files[0])
        example.features.write(files[1])
    except OSError as error:
        warnings.warn(
            f"the example could not be kept in {files[0].parent} and is made anew each time "
            f"({error}); set ANOMALY_ZOO_CACHE to a folder you may write to",
            stacklevel=2,
        )
    return example


def _catalog(table: pd.DataFrame) -> Catalog:
    return Catalog(table, name=HUBBLE_NAME)


def _key(encoder: Pixels) -> str:
    """Changes with whatever may change the result: the settings and the libraries."""
    libraries = ("photutils", "scikit-image", "astropy", "scipy", "numpy", "pillow")
    try:
        made_by = [version(name) for name in libraries]
    except ImportError as error:
        raise ImportError(_MISSING) from error
    text = repr((sorted(HUBBLE.items()), made_by, encoder.version))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


_MISSING = (
    "the Hubble example needs photutils and scikit-image: "
    "pip install 'anomaly-zoo[lab]' brings both"
)


def _make_hubble(encoder: Pixels, progress: bool) -> tuple[pd.DataFrame, Representation]:
    from threadpoolctl import threadpool_limits
    from tqdm.auto import tqdm

    bar = tqdm(total=5, desc=HUBBLE_NAME, unit="step", disable=not progress, leave=False)

    @contextmanager
    def step(what: str) -> Iterator[None]:
        bar.set_postfix_str(what)
        yield
        bar.update()

    with bar, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sources at the edge, without wings, or renamed names
        with step("finding sources"):
            picture = _picture()
            light, smooth, segments = _detect(picture)
        with step("parting those that touch"):
            segments = _deblend(smooth, segments)
        with step("measuring"):
            table = _measure(picture, light, smooth, segments)
        with step("cutting out"):
            table = _select(table, picture)
            table = table.assign(image=_cutouts(picture, table))
        # More threads than one would only wait for each other on products this small.
        with step("encoding"), threadpool_limits(1, user_api="blas"):
            X = _encode(encoder, list(table["image"]))
    label = f"{encoder.name} {encoder.version}"
    return table, Representation(table["id_str"].to_numpy(), X, name="hubble-pixels", encoder=label)


def _picture() -> np.ndarray:
    """The image, (872, 1000, 3) uint8."""
    try:
        from skimage.data import hubble_deep_field
    except ImportError as error:
        raise ImportError(_MISSING) from error
    return hubble_deep_field()


def _detect(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
    """Brightness above the sky (h, w), the same smoothed, and a photutils SegmentationImage."""
    from astropy.stats import sigma_clipped_stats
    from photutils.background import Background2D, MedianBackground
    from photutils.segmentation import detect_sources
    from scipy.ndimage import gaussian_filter

    light = picture.mean(axis=2, dtype=np.float64)
    box = HUBBLE["background_box"]
    sky = Background2D(light, (box, box), filter_size=(5, 5), bkg_estimator=MedianBackground())
    light = light - sky.background
    smooth = gaussian_filter(light, HUBBLE["smoothing"])
    noise = sigma_clipped_stats(smooth)[2]
    return light, smooth, detect_sources(smooth, HUBBLE["threshold"] * noise, HUBBLE["connected"])


def _deblend(smooth: np.ndarray, segments: Any) -> Any:
    from photutils.segmentation import deblend_sources

    return deblend_sources(
        smooth,
        segments,
        HUBBLE["connected"],
        contrast=HUBBLE["contrast"],
        progress_bar=False,
    )


def _measure(
    picture: np.ndarray, light: np.ndarray, smooth: np.ndarray, segments: Any
) -> pd.DataFrame:
    """One row a source, in the order of the segments' labels."""
    from photutils.segmentation import SourceCatalog

    sources = SourceCatalog(light, segments, convolved_data=smooth)
    centres = np.asarray(sources.centroid)
    red = picture[..., 0] - np.median(picture[..., 0])
    blue = picture[..., 2] - np.median(picture[..., 2])
    rows = []
    for label, (x, y), window in zip(segments.labels, centres, segments.slices, strict=True):
        inside = segments.data[window] == label
        rows_y, rows_x = np.nonzero(inside)
        r = np.hypot(rows_x + window[1].start - x, rows_y + window[0].start - y)
        order = np.argsort(r, kind="stable")
        growth = np.cumsum(light[window][inside][order])
        r20, r50, r80 = r[order][np.searchsorted(growth / growth[-1], (0.2, 0.5, 0.8))]
        rows.append(
            {
                "half_light_radius_px": r50,
                "concentration": 5 * np.log10(max(r80, 0.5) / max(r20, 0.5)),
                "red_to_blue": red[window][inside].sum() / max(blue[window][inside].sum(), 1.0),
                "extent": np.quantile(r, 0.9),
            }
        )
    measured = pd.DataFrame(rows)
    measured["x"], measured["y"] = centres.T
    measured["flux"] = np.asarray(sources.segment_flux)
    measured["area_px"] = np.asarray(sources.area.value, dtype=int)
    measured["ellipticity"] = np.asarray(sources.ellipticity.value)
    measured["position_angle_deg"] = np.asarray(sources.orientation.value) % 180
    measured["gini"] = np.asarray(sources.gini)
    return measured


def _select(sources: pd.DataFrame, picture: np.ndarray) -> pd.DataFrame:
    """Those large and bright enough whose cutout lies within the image, brightest first."""
    height, width = picture.shape[:2]
    side = np.maximum(HUBBLE["margin"] * sources["extent"], HUBBLE["least_side"])
    x, y = sources["x"] + 0.5, sources["y"] + 0.5  # from pixel centres to edges
    whole = np.minimum(x, width - x).clip(upper=np.minimum(y, height - y)) >= side / 2
    good = sources["area_px"] >= HUBBLE["smallest"]
    good &= sources["flux"] / sources["area_px"] >= HUBBLE["faintest"]
    kept = sources.assign(cutout_size_px=side)[whole & good]
    kept = kept.sort_values("flux", ascending=False, kind="stable", ignore_index=True)
    kept.insert(0, "id_str", [f"XDF-{number:04d}" for number in range(1, len(kept) + 1)])
    numbers = ["concentration", "ellipticity", "position_angle_deg", "gini", "red_to_blue"]
    place = ["x", "y", "cutout_size_px", "flux", "area_px", "half_light_radius_px"]
    return kept[["id_str", *place, *numbers]]


def _cutouts(picture: np.ndarray, sources: pd.DataFrame) -> list[bytes]:
    """A square JPEG about each source, with its surroundings as they are."""
    whole = Image.fromarray(picture)
    side, quality = int(HUBBLE["cutout"]), int(HUBBLE["quality"])
    encoded = []
    for x, y, size in sources[["x", "y", "cutout_size_px"]].itertuples(index=False):
        left, top = x + 0.5 - size / 2, y + 0.5 - size / 2
        box = (left, top, left + size, top + size)
        cutout = whole.resize((side, side), Image.Resampling.LANCZOS, box=box)
        file = io.BytesIO()
        cutout.save(file, "JPEG", quality=quality, subsampling=0)
        encoded.append(file.getvalue())
    return encoded


def _encode(encoder: Pixels, jpegs: list[bytes], batch: int = 128) -> np.ndarray:
    parts = []
    for first in range(0, len(jpegs), batch):
        files = [io.BytesIO(jpeg) for jpeg in jpegs[first : first + batch]]
        parts.append(encoder.encode(np.stack([np.asarray(Image.open(file)) for file in files])))
    return np.concatenate(parts)
