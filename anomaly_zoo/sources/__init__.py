"""What images are embedded from: each kind of source, opened as one list of ids and images."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any

from anomaly_zoo import tables
from anomaly_zoo.catalog import Catalog
from anomaly_zoo.cutouts import STRETCHES
from anomaly_zoo.sources import archives, arrays, files, tabular
from anomaly_zoo.sources.source import Item, Source

__all__ = ["Item", "Source", "open_source"]

_HDF5 = (".h5", ".hdf5", ".hdf")
_KINDS = (
    "a folder of images, a pattern such as 'images/*.jpg', a catalogue (.parquet .csv .fits .ecsv "
    ".vot), a tar (.tar .tar.gz .tar.zst), an array (.h5 .zarr .npy) or a FITS cube"
)


def open_source(
    source: Any,
    *,
    cutouts: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    id_column: str | None = None,
    dataset: str | None = None,
    stretch: str | None = None,
) -> Source:
    """Open whatever holds images: nothing but names, ids and shapes is read.

    - A folder: all images in it and below, sorted; hidden ones and linked folders are passed over.
      The id of an image is its name without suffix; where two are the same in that, the path below
      the folder without suffix; where that is the same too, the whole path.
    - A pattern (``"images/*/J*.jpg"``) or a list of paths: the same with these files.
    - A catalogue as a file or a `Catalog`: ids and images are its own. `cutouts`, `root` and
      `id_column` are those of `Catalog.read`.
    - A tar (.tar, .tar.gz, .tar.bz2, .tar.xz, .tar.zst): ids as in a folder, in its own order.
    - An array (n, h, w), (n, h, w, c) or (n, c, h, w) in HDF5, Zarr or .npy: ids in an array
      id_str, ids or id beside it, else the row numbers, "0000000" first; `dataset` names it where
      there are several.
    - A FITS file with an image (n, h, w) or (n, 3, h, w): n images; ids in a column of a table
      beside it, else numbers. FITS tables are catalogues.

    `stretch` is that of `Cutouts`, "asinh" by default, for data that is no picture yet.

    Raises FileNotFoundError, ImportError for h5py or zarr, TypeError for anything that is no path,
    and ValueError where there are no images, ids are there twice, or an argument does not go with
    the kind of source.

    >>> import tempfile
    >>> import numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "two.npy"
    >>> np.save(path, np.zeros((2, 32, 32), np.float32))
    >>> source = open_source(path)
    >>> source.kind, source.ids.tolist()
    ('array', ['0000000', '0000001'])
    """
    given = {"cutouts": cutouts, "root": root, "id_column": id_column}
    if stretch is not None and stretch not in STRETCHES:
        raise ValueError(f"stretch: expected one of {', '.join(STRETCHES)}, got {stretch!r}")
    if isinstance(source, (Source, Catalog)):
        kind = "source" if isinstance(source, Source) else "catalogue"
        _refuse(f"a {kind} that is open already", **given, dataset=dataset, stretch=stretch)
        return source if isinstance(source, Source) else tabular.catalogue(source)
    stretch = stretch or "asinh"
    if isinstance(source, (list, tuple)):
        if len(source) != 1:
            _refuse("a list of files", **given, dataset=dataset)
            return files.listed(source, stretch)
        source = source[0]
    if not isinstance(source, (str, os.PathLike)):
        what = type(source).__name__
        hint = {
            "DataFrame": "; give az.Catalog(table), with cutouts= where it has no column of images",
            "ndarray": "; save it with np.save, or give images to the encoder: encoder.encode(X)",
        }
        raise TypeError(f"expected {_KINDS}, got {what}{hint.get(what, '')}")
    path, name = Path(source).expanduser(), Path(source).name.lower()
    if "://" in str(source):
        raise ValueError(
            f"{source} is an address; give a catalogue of ids and the address of an image as "
            "cutouts= (--cutouts), such as 'https://example.org/{id_str}.jpg'"
        )
    if not path.exists():
        if glob.has_magic(str(source)):
            _refuse("a pattern", **given, dataset=dataset)
            return files.pattern(os.fspath(source), stretch)
        raise FileNotFoundError(f"no such file or folder: {path} (looked in {Path.cwd()})")
    if path.is_dir():
        if name.endswith(".zarr") or arrays.is_zarr(path):
            _refuse("a Zarr array", **given)
            return arrays.zarr(path, dataset, stretch)
        _refuse("a folder", **given, dataset=dataset)
        return files.folder(path, stretch)
    if name.endswith(tuple(archives.SUFFIXES)):
        _refuse("a tar", **given, dataset=dataset)
        return archives.tar(path, stretch)
    if name.endswith(_HDF5):
        _refuse("an HDF5 file", **given)
        return arrays.hdf5(path, dataset, stretch)
    if name.endswith(".npy"):
        _refuse("a .npy file", **given, dataset=dataset)
        return arrays.npy(path, stretch)
    if name.endswith((".fits", ".fit", ".fits.gz", ".fit.gz", ".fits.fz")):
        cube = arrays.fits_cube(path, dataset, stretch)
        if cube is not None:
            _refuse("a FITS cube", **given)
            return cube
    try:
        tables.kind(path)
    except ValueError:
        if files.is_image(path.name):
            raise ValueError(f"{path.name} is one image; give the folder that it is in") from None
        raise ValueError(f"{path.name}: expected {_KINDS}") from None
    _refuse("a catalogue", dataset=dataset)
    return tabular.table(path, cutouts, root, id_column or "id_str", stretch)


def _refuse(what: str, **given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} (--{name.replace('_', '-')}) does not go with {what}")
