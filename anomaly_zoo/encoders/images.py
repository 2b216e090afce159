"""The checks that all encoders share, and the one resize."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from anomaly_zoo.encoders.protocol import Encoder

MIN_SIDE = 8
MAX_SIDE = 10_000  # of the central square: 10,000 x 10,000 pixels in three bands are 400 MB
ROUNDING = 1e-3  # by which a float image may leave 0 to 1

Resample = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
RESAMPLES: tuple[Resample, ...] = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")


def checked(images: np.ndarray) -> np.ndarray:
    """The batch of images as it came, if it is (b, h, w, c), c = 1 or 3, uint8 or finite float.

    Raises ValueError for another shape, for sides under 8 pixels and for values that are missing
    (by the images' numbers), TypeError for another type.

    >>> checked(np.zeros((2, 3, 64, 64), np.uint8))
    Traceback (most recent call last):
    ...
    ValueError: images must have 1 band or 3 (red, green, blue), got 64; are the bands first? \
move them last
    """
    if not isinstance(images, np.ndarray):
        kind = type(images).__name__
        raise TypeError(
            f"images must be one NumPy array of shape (b, h, w, c), got {kind}; "
            "bring images of different sizes to one size first, or encode them one by one"
        )
    if images.ndim != 4:
        hint = "; give a single image as image[None]" if images.ndim == 3 else ""
        raise ValueError(f"images must have the shape (b, h, w, c), got {images.shape}{hint}")
    b, h, w, c = images.shape
    _check_form(h, w, c, images.dtype, "images")
    missing = _missing(images)
    if missing is not None:
        bad = np.flatnonzero(missing.any(axis=(1, 2, 3)))
        shown = ", ".join(map(str, bad[:3]))
        raise ValueError(
            f"{bad.size} of {b} images have NaN or infinite pixels (numbers {shown}"
            f"{', …' if bad.size > 3 else ''}); fill or leave out such pixels first"
        )
    return np.asarray(images)


def checked_image(image: np.ndarray) -> np.ndarray:
    """One image (h, w), (h, w, 1) or (h, w, 3) as (h, w, c), if it is uint8 or finite float.

    Raises ValueError for another shape, for sides under 8 pixels, for a central square of more than
    10,000 and for values that are missing, TypeError for another type.

    >>> checked_image(np.full((64, 64), np.nan))
    Traceback (most recent call last):
    ...
    ValueError: all 4096 values of the image are NaN or infinite: there is nothing to encode
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"an image must be one NumPy array of shape (h, w) or (h, w, c), got "
            f"{type(image).__name__}; turn it into one with np.asarray(image)"
        )
    if image.ndim not in (2, 3):
        hint = "; give the images of a batch one by one" if image.ndim == 4 else ""
        raise ValueError(
            f"an image must have the shape (h, w, 3) or (h, w), got {image.shape}{hint}"
        )
    bands = image if image.ndim == 3 else image[:, :, None]
    h, w, c = bands.shape
    _check_form(h, w, c, image.dtype, "an image")
    if min(h, w) > MAX_SIDE:
        raise ValueError(
            f"an image's central square may have {MAX_SIDE:,} pixels a side, got {h:,} x {w:,}; "
            "cut the object out first"
        )
    missing = _missing(bands)
    if missing is not None:
        count = np.count_nonzero(missing)
        if count == bands.size:
            raise ValueError(
                f"all {bands.size} values of the image are NaN or infinite: there is nothing to "
                "encode"
            )
        raise ValueError(
            f"{count} of {bands.size} values of the image are NaN or infinite; fill such pixels "
            "first"
        )
    return np.asarray(bands)


def square(image: np.ndarray, size: int, resample: Resample = "bilinear") -> np.ndarray:
    """The central square of one image (h, w), (h, w, 1) or (h, w, 3) as (size, size, 3).

    Pillow resizes it without aliasing: uint8 images as RGB, float ones band by band in float32.
    One band is repeated to three. A square of that size already keeps its pixels as they are, so
    a second call changes nothing. Float images within 0 and 1 stay within. Raises as
    `checked_image` does.

    >>> square(np.zeros((100, 80), np.uint8), 64).shape
    (64, 64, 3)
    >>> square(np.ones((32, 32, 3)), 64).dtype
    dtype('float32')
    """
    image = checked_image(image)
    h, w, c = image.shape
    side = min(h, w)
    if image.dtype != np.uint8 and image.dtype != np.float32:
        with np.errstate(over="ignore"):
            image = image.astype(np.float32)
        if not np.isfinite(image).all():
            raise ValueError("an image has values beyond 3.4e38; divide it by its maximum first")
    if side == size:
        top, left = (h - size) // 2, (w - size) // 2
        image = image[top : top + size, left : left + size]
    else:
        image = _resized(image, side, size, resample)
    if c == 1:
        image = np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image)


def prepared(encoder: Encoder, images: np.ndarray) -> np.ndarray:
    """Checked images (b, h, w, c) as (b, size, size, 3): as they are, or each by `prepare`.

    >>> from anomaly_zoo.encoders import Pixels
    >>> prepared(Pixels(), np.zeros((2, 80, 100, 1), np.uint8)).shape
    (2, 64, 64, 3)
    """
    shape = (encoder.size, encoder.size, 3)
    if images.shape[1:] == shape:
        return images
    if not len(images):
        return np.empty((0, *shape), np.uint8 if images.dtype == np.uint8 else np.float32)
    return np.stack([encoder.prepare(image) for image in images])


def picture(image: np.ndarray, size: int, resample: Resample = "bilinear") -> np.ndarray:
    """The central square of one picture, as `square`, for encoders that look at brightness too.

    Raises as `square` does, and ValueError for a float image that goes beyond 0 to 1.

    >>> picture(np.full((8, 8), 300.0), 64)
    Traceback (most recent call last):
    ...
    ValueError: float images must go from 0 to 1, got 300 to 300; divide pictures by 255, and \
stretch survey data first, as Cutouts does
    """
    _check_range(checked_image(image))
    return square(image, size, resample)


def unit(images: np.ndarray) -> np.ndarray:
    """Images of any shape, uint8 or float, as float32 from 0 to 1.

    Raises ValueError for float images that go beyond, as those of a survey do before a stretch.

    >>> unit(np.array([0, 51, 255], np.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    >>> unit(np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    _check_range(images)
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255)
    return np.clip(images, 0, 1).astype(np.float32, copy=False)


def finite(vectors: np.ndarray, network: str) -> np.ndarray:
    """The vectors (b, d) as they came, or ValueError where one of them is no number.

    >>> finite(np.array([[1.0], [np.nan]]), "my network")
    Traceback (most recent call last):
    ...
    ValueError: my network gave NaN or infinity for 1 of 2 images (the first is number 1); check \
its preprocessing
    """
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{network} gave NaN or infinity for {bad.size} of {len(vectors)} images "
            f"(the first is number {bad[0]}); check its preprocessing"
        )
    return vectors


def _check_range(images: np.ndarray) -> None:
    if images.dtype == np.uint8 or not images.size:
        return
    low, high = float(images.min()), float(images.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ValueError(
            f"float images must go from 0 to 1, got {low:.4g} to {high:.4g}; divide pictures by "
            "255, and stretch survey data first, as Cutouts does"
        )


def _check_form(h: int, w: int, c: int, dtype: np.dtype, what: str) -> None:
    if c not in (1, 3):
        hint = "; drop the last band, which is transparency" if c == 4 else ""
        if h in (1, 3):
            hint = "; are the bands first? move them last"
        raise ValueError(f"{what} must have 1 band or 3 (red, green, blue), got {c}{hint}")
    if min(h, w) < MIN_SIDE:
        raise ValueError(f"{what} must be at least {MIN_SIDE} x {MIN_SIDE} pixels, got {h} x {w}")
    if dtype != np.uint8 and not np.issubdtype(dtype, np.floating):
        wide = dtype.kind in "iu"
        hint = (
            "divide by the largest value, or stretch it as Cutouts does" if wide else "convert it"
        )
        raise TypeError(f"{what} must be uint8 or float, got {dtype}; {hint} first")


def _missing(images: np.ndarray) -> np.ndarray | None:
    """Where values are NaN, infinite or masked, or None where none is."""
    masked = np.ma.getmaskarray(images) if isinstance(images, np.ma.MaskedArray) else None
    if images.dtype == np.uint8:
        missing = masked
    else:
        missing = ~np.isfinite(np.asarray(images))
        if masked is not None:
            missing |= masked
    return missing if missing is not None and missing.any() else None


def _resized(image: np.ndarray, side: int, size: int, resample: Resample) -> np.ndarray:
    from PIL import Image

    if resample not in RESAMPLES:
        raise ValueError(f"resample: expected one of {', '.join(RESAMPLES)}, got {resample!r}")
    h, w, c = image.shape
    # Pillow copies what it is given: no more than the square and a rim that counts for nothing.
    top, left = (h - side) // 2, (w - side) // 2
    image = image[top : top + side + (h - side) % 2, left : left + side + (w - side) % 2]
    # An odd rim is shared by both sides, half a pixel each.
    x, y = (image.shape[1] - side) / 2, (image.shape[0] - side) / 2
    box = (x, y, x + side, y + side)
    how = Image.Resampling[resample.upper()]
    whole = image.dtype == np.uint8 and c == 3
    bands = [image] if whole else [image[:, :, k] for k in range(c)]
    done = []
    for band in bands:
        picture = Image.fromarray(np.ascontiguousarray(band))
        done.append(np.asarray(picture.resize((size, size), how, box)))
    out = done[0] if whole else np.stack(done, axis=-1)
    if image.dtype != np.uint8 and image.min() >= 0 and image.max() <= 1:
        out = np.clip(out, 0, 1)  # what overshoots at an edge, cut as it is in uint8
    return out
