"""Galaxies cut out of the Hubble eXtreme Deep Field image that scikit-image carries."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

__all__ = ["COLUMNS", "NAME", "galaxies", "made_by"]

NAME = "Hubble eXtreme Deep Field"
# All that decides which sources are kept and how they are cut; lengths in pixels of the image.
SETTINGS = {
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
COLUMNS = (
    "id_str",
    *("x", "y", "cutout_size_px", "flux", "area_px", "half_light_radius_px"),
    *("concentration", "ellipticity", "position_angle_deg", "gini", "red_to_blue"),
    "image",
)
_MISSING = (
    "the Hubble example needs photutils and scikit-image: "
    "pip install 'anomaly-zoo[lab]' brings both"
)


def made_by() -> str:
    """Whatever may change the galaxies: the settings and the versions of the libraries.

    Raises ImportError without photutils or scikit-image.
    """
    libraries = ("photutils", "scikit-image", "astropy", "scipy", "numpy", "pillow")
    try:
        versions = [version(name) for name in libraries]
    except ImportError as error:
        raise ImportError(_MISSING) from error
    return repr((sorted(SETTINGS.items()), versions))


def galaxies(progress: bool = True) -> pd.DataFrame:
    """The galaxies as a table with the columns `COLUMNS`, brightest first; takes some seconds.

    `anomaly_zoo.examples.hubble` says how they are found and what the columns mean. Raises
    ImportError without photutils or scikit-image.
    """
    from tqdm.auto import tqdm

    bar = tqdm(total=4, desc=NAME, unit="step", disable=not progress, leave=False)

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
            return table.assign(image=_cutouts(picture, table))


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
    box = SETTINGS["background_box"]
    sky = Background2D(light, (box, box), filter_size=(5, 5), bkg_estimator=MedianBackground())
    light = light - sky.background
    smooth = gaussian_filter(light, SETTINGS["smoothing"])
    noise = sigma_clipped_stats(smooth)[2]
    return (
        light,
        smooth,
        detect_sources(smooth, SETTINGS["threshold"] * noise, SETTINGS["connected"]),
    )


def _deblend(smooth: np.ndarray, segments: Any) -> Any:
    from photutils.segmentation import deblend_sources

    return deblend_sources(
        smooth,
        segments,
        SETTINGS["connected"],
        contrast=SETTINGS["contrast"],
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
    side = np.maximum(SETTINGS["margin"] * sources["extent"], SETTINGS["least_side"])
    x, y = sources["x"] + 0.5, sources["y"] + 0.5  # from pixel centres to edges
    whole = np.minimum(x, width - x).clip(upper=np.minimum(y, height - y)) >= side / 2
    good = sources["area_px"] >= SETTINGS["smallest"]
    good &= sources["flux"] / sources["area_px"] >= SETTINGS["faintest"]
    kept = sources.assign(cutout_size_px=side)[whole & good]
    kept = kept.sort_values("flux", ascending=False, kind="stable", ignore_index=True)
    kept.insert(0, "id_str", [f"XDF-{number:04d}" for number in range(1, len(kept) + 1)])
    return kept[list(COLUMNS[:-1])]


def _cutouts(picture: np.ndarray, sources: pd.DataFrame) -> list[bytes]:
    """A square JPEG about each source, with its surroundings as they are."""
    whole = Image.fromarray(picture)
    side, quality = int(SETTINGS["cutout"]), int(SETTINGS["quality"])
    encoded = []
    for x, y, size in sources[["x", "y", "cutout_size_px"]].itertuples(index=False):
        left, top = x + 0.5 - size / 2, y + 0.5 - size / 2
        box = (left, top, left + size, top + size)
        cutout = whole.resize((side, side), Image.Resampling.LANCZOS, box=box)
        file = io.BytesIO()
        cutout.save(file, "JPEG", quality=quality, subsampling=0)
        encoded.append(file.getvalue())
    return encoded
