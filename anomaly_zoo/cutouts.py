"""An image for an object: from a file, FITS data, encoded bytes, a web address or a function."""

from __future__ import annotations

import gzip
import math
import os
import re
import string
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["CutoutError", "Cutouts"]

SIDE = 1024  # the longest side that is handed on, pixels
MAX_SIDE = 20_000
MAX_PIXELS = 100_000_000
MAX_BYTES = 512 * 2**20  # of a file on disk
MAX_DOWNLOAD = 32 * 2**20
TIMEOUT = 10.0  # seconds without an answer
DEADLINE = 30.0  # seconds for one download

STRETCHES = ("asinh", "linear", "log", "zscale")
LIMITS = (0.5, 99.7)  # percentiles of the finite pixels that become black and white
# Image extensions that go with a picture and are none.
NOT_PICTURES = {
    "ERR", "ERROR", "SIGMA", "RMS", "VAR", "VARIANCE", "IVAR", "INVVAR", "WHT", "WEIGHT", "DQ",
    "MASK", "MSK", "FLAGS", "CTX", "CON", "EXP", "BKG", "PSF",
}  # fmt: skip
BLUE_TO_RED = "ugrizy"

_SPEC = re.compile(r"[<>=^]?[+\- ]?0?\d{0,3}[,_]?(\.\d{1,2})?[bdeEfFgGnosxX%]?")
_QUIET = threading.Lock()  # threads that set and restore the warning filters would mix them up
_WEB = ("http://", "https://")
_ADDRESS = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.\-]+://")


class CutoutError(Exception):
    """Why there is no image to show, as one short plain sentence.

    >>> raise CutoutError("the file is empty")
    Traceback (most recent call last):
    ...
    anomaly_zoo.cutouts.CutoutError: the file is empty
    """


@dataclass(frozen=True)
class Cutouts:
    """Where the images of the objects are, and how data that is no picture yet becomes one.

    `source` is one of

    - a path template, ``"images/{id_str}.jpg"``, as text or a `Path`, relative to `root` (JPEG,
      PNG, WebP, GIF, TIFF, or FITS, also gzipped); what the columns fill in cannot lead out of
      the folder before the first placeholder;
    - an address template, ``"https://example.org/cut?ra={ra:.6f}&dec={dec:.6f}"``, values
      percent-encoded; addresses come from here alone, never from a column;
    - the name of a column of paths inside `root`, or of encoded bytes;
    - a function of the row (a dict) that returns an array (h, w) or (h, w, 3), a PIL image,
      encoded bytes, or a path.

    `stretch` is for single-band data (FITS, float and 16-bit images): "asinh", "linear", "log"
    between percentiles 0.5 and 99.7 of the finite pixels, or "zscale". Three bands, a FITS cube
    (3, h, w) or three image extensions ordered red first (blue first where the header's BANDS
    says so, as "grz"), become RGB after Lupton et al. (2004, PASP 116, 133). FITS rows are drawn
    from the bottom up.

    Raises `ValueError` for a template or a stretch that cannot be used, `TypeError` for any other
    kind of source.

    >>> Cutouts("https://example.org/{id_str}.jpg").columns
    ('id_str',)
    >>> Cutouts(lambda row: np.zeros((8, 6), np.uint8)).image({"id_str": "J1"}).size
    (6, 8)
    >>> Cutouts("{id_str}.jpg").image({"id_str": "/secret"})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    anomaly_zoo.cutouts.CutoutError: the path '/secret.jpg' leads out of the image folder ...
    """

    source: str | os.PathLike[str] | Callable[[dict[str, Any]], Any]
    root: Path = Path(".")
    stretch: str = "asinh"

    def __post_init__(self) -> None:
        if isinstance(self.source, os.PathLike):
            object.__setattr__(self, "source", os.fspath(self.source))
        if not isinstance(self.source, str) and not callable(self.source):
            raise TypeError(
                "cutouts: expected a path or address template, a column name or a function, got "
                f"{self.source!r} of type {type(self.source).__name__}"
            )
        if self.source == "":
            raise ValueError(
                'cutouts: the source is empty; give a template as "images/{id_str}.jpg"'
            )
        if self.stretch not in STRETCHES:
            raise ValueError(
                f"stretch: expected one of {', '.join(STRETCHES)}, got {self.stretch!r}"
            )
        object.__setattr__(self, "root", Path(self.root).expanduser().absolute())
        if self._kind == "template":
            _ = self._parts
        if self._kind == "web":
            address = urlsplit(self._parts[0][0])
            if not address.netloc or (self.columns and not (address.path or address.query)):
                raise ValueError(
                    f"cutouts: {self.source!r} leaves the host open; a column may fill in what "
                    "comes after the host alone"
                )

    @cached_property
    def _kind(self) -> str:
        if not isinstance(self.source, str):
            return "function"
        if self.source.lower().startswith(_WEB):
            return "web"
        if re.match(r"[A-Za-z][A-Za-z0-9+.\-]*://", self.source):
            raise ValueError(f"cutouts: only http:// and https:// addresses, got {self.source!r}")
        return "template" if "{" in self.source or "}" in self.source else "column"

    @cached_property
    def _parts(self) -> list[tuple[str, str | None, str]]:
        """The template as (text before, column, format)."""
        assert isinstance(self.source, str)
        try:
            parts = list(string.Formatter().parse(self.source))
        except ValueError as error:
            raise ValueError(f"cutouts: {self.source!r} is no template: {error}") from None
        for _, column, spec, conversion in parts:
            if column is None:
                continue
            if conversion or not column or re.search(r"[.\[\]{}!]", column):
                raise ValueError(
                    f"cutouts: {{{column}}} in {self.source!r} is no placeholder; write the name "
                    "of a column, {id_str}, or with a format, {ra:.5f}"
                )
            if not _SPEC.fullmatch(spec or ""):
                raise ValueError(
                    f"cutouts: the format {spec!r} in {self.source!r} is not supported; write one "
                    "as in {ra:.5f} or {number:06d}"
                )
        return [(text, column, spec or "") for text, column, spec, _ in parts]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that the source needs; none for a function."""
        if self._kind == "function":
            return ()
        if self._kind == "column":
            return (str(self.source),)
        return tuple(dict.fromkeys(column for _, column, _ in self._parts if column))

    def image(self, row: Mapping[str, Any]) -> Image.Image:
        """The RGB image of one object, its longest side at most 1024 pixels.

        `row` maps column names to values. Raises `CutoutError` whatever is wrong with the image.
        """
        try:
            picture = self._found(row)
            return _reduced(picture)
        except CutoutError:
            raise
        except MemoryError:
            raise CutoutError("the image does not fit into memory") from None
        except Exception as error:
            raise CutoutError(_sentence("the image could not be read", error)) from error

    def _found(self, row: Mapping[str, Any]) -> Image.Image:
        if callable(self.source):
            try:
                value = self.source(dict(row))
            except (CutoutError, MemoryError):
                raise
            except Exception as error:
                about = f"{type(error).__name__}: {error}".removesuffix(": ")
                raise CutoutError(_sentence("the cutout function failed", about)) from error
            if isinstance(value, (str, os.PathLike)):
                _refuse_address(str(value), "the cutout function gives")
                return self._from_file(Path(value).expanduser())
            return self._from_value(value, "the cutout function gives")
        if self._kind == "web":
            return self._from_bytes(_download(self._filled(row, encode=True)))
        if self._kind == "template":
            folder = self.root / self._folder
            filled = self._filled(row)
            _refuse_address(filled, f"the template {self.source!r} makes")
            return self._from_file(_inside(folder, self.root, filled))
        value = _value(row, self.source)
        if isinstance(value, str):
            _refuse_address(value, f"the column {self.source!r} holds")
            return self._from_file(_inside(self.root, self.root, value))
        return self._from_value(value, f"the column {self.source!r} holds")

    @cached_property
    def _folder(self) -> Path:
        """The folder before the first placeholder."""
        start = ""
        for text, column, _ in self._parts:
            start += text
            if column is not None:
                break
        return Path(start[: start.rfind("/") + 1]).expanduser()

    def _filled(self, row: Mapping[str, Any], encode: bool = False) -> str:
        filled = ""
        for text, column, spec in self._parts:
            filled += text
            if column is None:
                continue
            value = _value(row, column)
            if spec.endswith("d") and isinstance(value, str) and value.isdecimal():
                value = int(value)  # "007" of a text file
            try:
                written = format(value, spec) if spec else str(value)
            except (ValueError, TypeError):
                raise CutoutError(
                    f"the column {column!r} holds {str(value)[:40]!r}, which the format {spec!r} "
                    "cannot write"
                ) from None
            filled += quote(written, safe="") if encode else written
        return filled

    def _from_file(self, path: Path) -> Image.Image:
        try:
            if not path.is_file():
                there = "is not a file" if path.exists() else "is missing"
                raise CutoutError(f"the image file {self._short(path)} {there}")
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise CutoutError(
                    f"the image file is too large: {size / 2**20:,.0f} MB, at most "
                    f"{MAX_BYTES / 2**20:,.0f}"
                )
            data = path.read_bytes()
        except OSError as error:
            raise CutoutError(
                f"the image file {self._short(path)} could not be opened: {error.strerror or error}"
            ) from None
        return self._from_bytes(data)

    def _short(self, path: Path) -> str:
        root = self.root.resolve()
        name = str(path.relative_to(root) if path.is_relative_to(root) else path)
        return _tail(name)

    def _from_value(self, value: Any, origin: str) -> Image.Image:
        from PIL import Image

        if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
            value = value["bytes"]  # how some Parquet data sets keep their images
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._from_bytes(bytes(value))
        if isinstance(value, Image.Image):
            _refuse_huge(*value.size)
            return self._to_rgb(value)
        if hasattr(value, "__array__") and not isinstance(value, np.generic):
            return self._from_array(np.asarray(value))
        if value is None:
            raise CutoutError(f"{origin} no image for this object")
        raise CutoutError(
            f"{origin} {type(value).__name__}; expected a path, encoded bytes or pixels"
        )

    def _from_bytes(self, data: bytes) -> Image.Image:
        if not data:
            raise CutoutError("the image is empty (no bytes)")
        if data[:2] == b"\x1f\x8b":
            data = _unzipped(data)
        if data.startswith(b"SIMPLE  ="):
            return self._from_fits(data)
        opened = _opened(data)
        _refuse_huge(*opened.size)
        try:
            if opened.mode in ("L", "RGB"):
                opened.draft(None, (SIDE, SIDE))  # a large JPEG is decoded at a fraction
            opened.load()
        except (CutoutError, MemoryError):
            raise
        except Exception as error:
            if "truncated" in str(error) or "incomplete" in str(error).lower():
                raise CutoutError("the image is truncated: its end is missing") from error
            raise CutoutError(_sentence("the image is damaged", error)) from error
        return self._to_rgb(opened)

    def _to_rgb(self, image: Image.Image) -> Image.Image:
        from PIL import Image

        if image.mode == "RGB":
            return image
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            return self._from_array(np.asarray(image))
        if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
            pixels = image.convert("RGBA")
            black = Image.new("RGBA", pixels.size, (0, 0, 0, 255))
            return Image.alpha_composite(black, pixels).convert("RGB")
        return image.convert("RGB")

    def _from_array(self, pixels: np.ndarray) -> Image.Image:
        """An image of pixels (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), first row on top."""
        from PIL import Image

        pixels = np.asarray(pixels)
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
            first = pixels.ndim == 3 and pixels.shape[0] in (3, 4)
            hint = "; np.moveaxis(x, 0, -1) puts the bands last" if first else ""
            raise CutoutError(
                f"the image has the shape {pixels.shape}; expected (h, w) or (h, w, 3){hint}"
            )
        _refuse_huge(pixels.shape[1], pixels.shape[0])
        if pixels.dtype == bool:
            pixels = pixels.astype(np.uint8) * 255
        if pixels.dtype.kind not in "iuf":
            raise CutoutError(f"the image holds {pixels.dtype} values; expected numbers")
        if pixels.dtype == np.uint8:
            return self._to_rgb(Image.fromarray(np.ascontiguousarray(pixels)))
        if pixels.ndim == 2:
            return Image.fromarray(_stretched(_shrunk(pixels), self.stretch)).convert("RGB")
        bands = [_shrunk(pixels[:, :, band]) for band in range(3)]
        cube = np.stack(bands, axis=-1)
        finite = cube[np.isfinite(cube)]
        white = 1 if pixels.dtype.kind == "f" else 255
        if finite.size and finite.min() >= 0 and finite.max() <= white:  # ready to be shown
            return Image.fromarray(np.rint(255 / white * np.nan_to_num(cube)).astype(np.uint8))
        return Image.fromarray(_lupton(bands))

    def _from_fits(self, data: bytes) -> Image.Image:
        from PIL import Image

        bands = [_shrunk(band) for band in _fits_bands(data)]
        pixels = _stretched(bands[0], self.stretch) if len(bands) == 1 else _lupton(bands)
        return Image.fromarray(np.ascontiguousarray(pixels[::-1])).convert("RGB")


def _sentence(what: str, error: object) -> str:
    """One short line about an error, of printable characters."""
    about = " ".join(str(error).split()) or type(error).__name__
    about = "".join(c for c in about if c.isprintable())
    return f"{what}: {about if len(about) <= 160 else about[:159] + '…'}"


def _tail(name: str) -> str:
    """A path short enough for a sentence, of printable characters."""
    name = "".join(c for c in name if c.isprintable())
    return name if len(name) <= 80 else f"…{name[-79:]}"


def _refuse_address(text: str, origin: str) -> None:
    if _ADDRESS.match(text):
        raise CutoutError(
            f"{origin} a web address; addresses are only taken from a template you write, such as "
            '"https://example.org/{id_str}.jpg"'
        )


def _value(row: Mapping[str, Any], column: Any) -> Any:
    if column not in row:
        raise CutoutError(f"there is no column {column!r} to find the image with")
    value = row[column]
    if (isinstance(value, str) and not value.strip()) or (
        pd.api.types.is_scalar(value) and pd.isna(value)
    ):
        raise CutoutError(f"the column {column!r} is empty for this object")
    return value


def _inside(folder: Path, root: Path, name: str) -> Path:
    """The real path of `name` under `root`, which must stay in `folder`."""
    shown = name if len(name) <= 80 else f"…{name[-79:]}"
    if "\x00" in name:
        raise CutoutError(f"the path {shown!r} has a zero byte")
    bound = folder.resolve()
    path = (root / Path(name).expanduser() if name.startswith("~/") else root / name).resolve()
    if not path.is_relative_to(bound):
        remedy = "; name the folder that holds the images with root=" if folder == root else ""
        raise CutoutError(
            f"the path {shown!r} leads out of the image folder {_tail(str(bound))}{remedy}"
        )
    return path


def _refuse_huge(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise CutoutError(f"the image has no pixels: {width} x {height}")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise CutoutError(
            f"the image is too large: {width:,} x {height:,} pixels, at most "
            f"{MAX_PIXELS // 10**6} megapixels and {MAX_SIDE:,} a side"
        )


def _unzipped(data: bytes) -> bytes:
    try:
        with gzip.open(BytesIO(data)) as file:
            plain = file.read(MAX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise CutoutError(_sentence("the gzipped image is damaged", error)) from error
    if len(plain) > MAX_BYTES:
        raise CutoutError(f"the gzipped image is larger than {MAX_BYTES // 2**20} MB")
    return plain


def _opened(data: bytes) -> Image.Image:
    """The image by the format its first bytes name; only the header is read.

    The format's own class is called, because `Image.open` judges the size by other limits.
    """
    from PIL import (
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    if data.startswith(b"\xff\xd8\xff"):
        reader: Any = JpegImagePlugin.JpegImageFile
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        reader = PngImagePlugin.PngImageFile
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        reader = WebPImagePlugin.WebPImageFile
    elif data.startswith((b"GIF87a", b"GIF89a")):
        reader = GifImagePlugin.GifImageFile
    elif data.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        reader = TiffImagePlugin.TiffImageFile
    else:
        raise CutoutError("this is not an image (JPEG, PNG, WebP, GIF, TIFF or FITS)")
    try:
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged EXIF data
            return reader(BytesIO(data), "")
    except Exception as error:
        raise CutoutError(_sentence("the image header is damaged", error)) from error


def _fits_bands(data: bytes) -> list[np.ndarray]:
    """One band (h, w) or three, red first, of FITS data, as stored (first row at the bottom)."""
    from astropy.io import fits

    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers that bend the standard
        try:
            with fits.open(BytesIO(data), memmap=False, lazy_load_hdus=True) as hdus:
                planes: list[Any] = []
                for hdu in hdus:
                    if not hdu.is_image or not hdu.shape:
                        continue
                    if str(hdu.name).upper() in NOT_PICTURES and planes:
                        continue
                    shape = _without_ones(hdu.shape)
                    if len(shape) == 2:
                        _refuse_huge(shape[1], shape[0])
                        planes.append((hdu, shape))
                    elif not planes and len(shape) == 3:
                        return _cube_bands(hdu, shape)
                if not planes:
                    raise CutoutError("the FITS file has no image")
                shapes = [shape for _, shape in planes]
                if len(planes) == 3 and len(set(shapes)) > 1:
                    raise CutoutError(
                        "the FITS file has three images of different shapes, "
                        f"{', '.join(map(str, shapes))}; three bands need the same shape"
                    )
                chosen = [hdu for hdu, shape in planes if shape == planes[0][1]]
                if len(chosen) != 3:
                    chosen = chosen[:1]
                return [np.asarray(h.data).reshape(planes[0][1]) for h in chosen]
        except (CutoutError, MemoryError):
            raise
        except Exception as error:
            raise CutoutError(_sentence("the FITS file is damaged or truncated", error)) from error


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without its leading axes of length one."""
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return tuple(shape)


def _cube_bands(hdu: Any, shape: tuple[int, ...]) -> list[np.ndarray]:
    if shape[0] != 3:
        raise CutoutError(f"the FITS cube has {shape[0]} planes; expected one or three bands")
    _refuse_huge(shape[2], shape[1])
    cube = np.asarray(hdu.data).reshape(shape)
    order = [BLUE_TO_RED.find(band) for band in str(hdu.header.get("BANDS", "")).strip()]
    blue_first = len(order) == 3 and -1 not in order and order == sorted(order)
    return list(cube[::-1] if blue_first else cube)


def _shrunk(band: np.ndarray) -> np.ndarray:
    """A band (h, w) as float32, NaN where not finite, averaged over blocks where it is large."""
    with np.errstate(over="ignore"):
        pixels = band.astype(np.float32)
    pixels[~np.isfinite(pixels)] = np.nan
    block = math.ceil(max(pixels.shape) / (2 * SIDE))
    if block == 1 or min(pixels.shape) < block:
        return pixels
    h, w = (side // block for side in pixels.shape)
    blocks = pixels[: h * block, : w * block].reshape(h, block, w, block)
    good = np.isfinite(blocks)
    number = good.sum(axis=(1, 3))
    total = np.where(good, blocks, 0).sum(axis=(1, 3))
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)


def _limits(finite: np.ndarray, percentiles: tuple[float, float] = LIMITS) -> tuple[float, float]:
    low, high = (float(v) for v in np.percentile(finite, percentiles))
    if high <= low:
        low, high = float(finite.min()), float(finite.max())
    return low, high


def _stretched(band: np.ndarray, stretch: str) -> np.ndarray:
    """One band (h, w) as uint8: cut at the limits, stretched, NaN black."""
    from astropy.visualization import AsinhStretch, LinearStretch, LogStretch, ZScaleInterval

    finite = band[np.isfinite(band)].astype(np.float64)
    if not finite.size:
        raise CutoutError("every pixel of the image is NaN")
    if stretch == "zscale":
        low, high = (float(v) for v in ZScaleInterval().get_limits(finite))
    else:
        low, high = _limits(finite)
    if not high > low:
        return np.zeros(band.shape, np.uint8)
    curve = {
        "asinh": AsinhStretch(0.1),
        "linear": LinearStretch(),
        "log": LogStretch(1000.0),
        "zscale": LinearStretch(),
    }[stretch]
    scaled = np.clip((band.astype(np.float64) - low) / (high - low), 0, 1)
    return np.rint(255 * curve(np.nan_to_num(scaled))).astype(np.uint8)


def _lupton(bands: list[np.ndarray]) -> np.ndarray:
    """Three bands (h, w), red first, as RGB (h, w, 3) uint8, one scale for all three.

    Lupton et al. (2004, PASP 116, 133), as astropy.visualization has it. The bands' units are
    unknown, so each band's sky (its median, or its low percentile where that is nearly its
    high one) becomes zero and the 99.7th percentile of the mean of the bands one.
    """
    from astropy.visualization import make_lupton_rgb

    planes: list[Any] = []
    for band in bands:
        finite = band[np.isfinite(band)].astype(np.float64)
        if not finite.size:
            raise CutoutError("every pixel of a band of the image is NaN")
        low, high = _limits(finite)
        sky = min(float(np.median(finite)), low + 0.2 * (high - low))
        planes.append(np.nan_to_num(band.astype(np.float64) - sky))
    mean = np.mean(planes, axis=0)
    bright = _limits(mean)[1]
    if not bright > 0:
        return np.zeros((*mean.shape, 3), np.uint8)
    with np.errstate(divide="ignore", invalid="ignore"):  # where a pixel is zero in all bands
        return make_lupton_rgb(*(plane / bright for plane in planes), stretch=0.06, Q=8)


def _reduced(image: Image.Image) -> Image.Image:
    from PIL import Image

    if max(image.size) > SIDE:
        image = image.copy()  # a function may have lent its own image
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image


def _download(address: str) -> bytes:
    """What a web address gives, within the time and size limits."""
    import http.client
    import urllib.error
    import urllib.request

    host = urlsplit(address).netloc
    request = urllib.request.Request(address, headers={"User-Agent": "anomaly_zoo"})
    deadline = time.monotonic() + DEADLINE
    pieces: list[bytes] = []
    size = 0
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            while piece := answer.read1(2**16):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_DOWNLOAD:
                    raise CutoutError(
                        f"the image from {host} is larger than {MAX_DOWNLOAD / 2**20:.0f} MB"
                    )
                if time.monotonic() > deadline:
                    raise CutoutError(f"the image from {host} took longer than {DEADLINE:.0f} s")
            if answer.length:
                raise CutoutError(f"the image from {host} broke off after {size:,} bytes")
    except urllib.error.HTTPError as error:
        error.close()
        raise CutoutError(_sentence(f"{host} answered {error.code}", error.reason)) from None
    except TimeoutError:
        raise CutoutError(f"{host} gave no answer within {TIMEOUT:.0f} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if "timed out" in str(error):
            raise CutoutError(f"{host} gave no answer within {TIMEOUT:.0f} s") from None
        raise CutoutError(_sentence(f"{host} cannot be reached (no network?)", error)) from None
    return b"".join(pieces)
