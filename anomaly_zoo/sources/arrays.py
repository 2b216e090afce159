"""Arrays of images: HDF5, Zarr, NumPy and FITS cubes, read a block at a time."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_zoo.ids import Ids
from anomaly_zoo.sources.source import Digest, Item, Source, digest, picture_of, plain, unreadable

__all__ = ["fits_cube", "hdf5", "is_zarr", "npy", "zarr"]

BLOCK = 32 * 2**20  # bytes read at a time
MOST = 256 * 2**20  # bytes of a stored chunk that is still read as a whole
IDS = ("id_str", "ids", "id")
IMAGES = ("images", "image", "X", "data")
_MISSING = "{} files are read with {}: pip install 'anomaly-zoo[arrays]' brings it"


@dataclass(frozen=True)
class _Cube:
    """An array open for reading, its ids if it has any, and how many rows are stored together."""

    array: Any
    name: str
    ids: Any = None
    together: int = 1


def hdf5(path: Path, dataset: str | None, stretch: str) -> Source:
    """An HDF5 dataset (n, h, w), (n, h, w, c) or (n, c, h, w), its ids in one beside it.

    The only such dataset is taken, or `dataset`. Without a dataset id_str, ids or id of n entries
    the ids are the row numbers, "0000000" first. Raises ImportError without h5py, and ValueError
    for a file or shape that cannot be used.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(_MISSING.format("HDF5", "h5py")) from error

    @contextmanager
    def opened() -> Iterator[_Cube]:
        with _readable(path, "an HDF5 file", h5py.File, path, "r") as file:
            found: dict[str, Any] = {}

            def note(name: str, thing: Any) -> None:
                if isinstance(thing, h5py.Dataset):
                    found[name] = thing

            file.visititems(note)  # follows no link out of the file
            array, name = _chosen(found, dataset, path)
            if array.external:
                raise ValueError(f"{plain(path.name)}: the values of {name!r} are in another file")
            ids = _beside(found, name, len(array), path)
            yield _Cube(array, name, ids, (array.chunks or (1,))[0])

    return _source("HDF5", path, opened, stretch, _stamp(path))


def zarr(path: Path, dataset: str | None, stretch: str) -> Source:
    """A Zarr array, or the one of a group, in the shapes and with the ids of `hdf5`.

    Raises ImportError without zarr, and ValueError for what cannot be used.
    """
    try:
        import zarr
    except ImportError as error:
        raise ImportError(_MISSING.format("Zarr", "zarr")) from error

    @contextmanager
    def opened() -> Iterator[_Cube]:
        with _readable(path, "Zarr", lambda: nullcontext(zarr.open(str(path), mode="r"))) as root:
            found: dict[str, Any] = {}
            if isinstance(root, zarr.Array):
                found[path.name] = root
                array, name = _chosen(found, None, path)
            else:
                _gather(root, "", found)
                array, name = _chosen(found, dataset, path)
            stored = getattr(array, "shards", None) or array.chunks
            yield _Cube(array, name, _beside(found, name, array.shape[0], path), stored[0])

    return _source("Zarr", path, opened, stretch, _stamps(path))


def _gather(group: Any, prefix: str, found: dict[str, Any]) -> None:
    for name, array in group.arrays():
        found[prefix + name] = array
    for name, inner in group.groups():
        _gather(inner, f"{prefix}{name}/", found)


def npy(path: Path, stretch: str) -> Source:
    """A .npy file in the shapes of `hdf5`; the ids are its row numbers, "0000000" first."""

    @contextmanager
    def opened() -> Iterator[_Cube]:
        def mapped() -> AbstractContextManager[Any]:
            return nullcontext(np.load(path, mmap_mode="r", allow_pickle=False))

        with _readable(path, "an array in a .npy file", mapped) as array:
            yield _Cube(array, plain(path.name))

    return _source("array", path, opened, stretch, _stamp(path))


def fits_cube(path: Path, dataset: str | None, stretch: str) -> Source | None:
    """A FITS image (n, h, w) or (n, 3, h, w), with the ids of a table beside it if there is one.

    `dataset` names the extension. Rows are drawn from the bottom up. None where the file holds no
    image of three axes or more but perhaps a table. Raises ValueError where a cube cannot be used,
    and for a single image.
    """
    from astropy.io import fits

    def file() -> AbstractContextManager[Any]:
        return fits.open(path, memmap=False, lazy_load_hdus=True)

    @contextmanager
    def opened() -> Iterator[_Cube | None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers that bend the standard
            with _readable(path, "a FITS file", file) as hdus:
                yield _fits(hdus, dataset, path)

    with opened() as cube:
        if cube is None:
            return None
    some: Any = opened
    return _source("FITS cube", path, some, stretch, _stamp(path), upwards=True)


def _fits(hdus: Any, dataset: str | None, path: Path) -> _Cube | None:
    cubes = {
        f"{number} {hdu.name}".strip(): hdu
        for number, hdu in enumerate(hdus)
        if hdu.is_image and len(hdu.shape) >= 3 and dataset in (None, hdu.name, str(number))
    }
    if not cubes:
        if dataset is not None:
            raise ValueError(f"{plain(path.name)} has no cube of images {dataset!r}")
        if all(hdu.is_image for hdu in hdus) and any(hdu.shape for hdu in hdus):
            raise ValueError(f"{plain(path.name)} is one image; give the folder that it is in")
        return None
    if len(cubes) > 1:
        raise ValueError(
            f"{plain(path.name)} has several cubes ({', '.join(cubes)}); name one with dataset= "
            "(--dataset)"
        )
    [(name, hdu)] = cubes.items()
    n = hdu.shape[0]
    for table in hdus:
        columns = getattr(table, "columns", None)
        names = getattr(columns, "names", ())
        wanted = next((key for key in IDS if key in names), None)
        if wanted and len(table.data) == n:
            values = np.asarray(table.data[wanted])
            if values.dtype.kind == "U":
                values = np.char.rstrip(values)
            return _Cube(hdu.section, name, Ids.of(values, what=wanted, integers=True)[:])
    return _Cube(hdu.section, name)


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


@contextmanager
def _readable(path: Path, what: str, function: Callable[..., Any], *given: Any) -> Iterator[Any]:
    """What `function` opens, its errors as one ValueError with the name of the file."""
    try:
        opened = function(*given)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        about = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{plain(path.name)} could not be read as {what}: {about}") from None
    with opened as inner:
        yield inner


def _chosen(found: dict[str, Any], dataset: str | None, path: Path) -> tuple[Any, str]:
    """The array of images, and its name."""
    about = f"{plain(path.name)}: "
    shapes = {name: tuple(array.shape) for name, array in found.items()}
    shown = ", ".join(f"{plain(name)} {shape}" for name, shape in list(shapes.items())[:8])
    if dataset is not None:
        name = dataset.strip("/")
        if name not in found:
            raise ValueError(f"{about}there is no dataset {dataset!r}, only {shown or 'none'}")
        return found[name], name
    images = [
        name
        for name, array in found.items()
        if len(shapes[name]) in (3, 4) and np.dtype(array.dtype).kind in "biuf"
    ]
    named = [name for name in images if name.rpartition("/")[2] in IMAGES]
    chosen = images if len(images) == 1 else named
    if len(chosen) != 1:
        raise ValueError(
            f"{about}expected one dataset of images (n, h, w) or (n, h, w, 3), found "
            f"{shown or 'none'}; name it with dataset= (--dataset)"
        )
    return found[chosen[0]], chosen[0]


def _beside(found: dict[str, Any], name: str, n: int, path: Path) -> Any:
    """The ids that lie beside the images or at the top of the file, None where there are none."""
    folder = name.rpartition("/")[0]
    places = [f"{folder}/" if folder else "", ""]
    for key in (place + ids for place in places for ids in IDS):
        if key in found and tuple(found[key].shape) == (n,):
            ids = np.asarray(found[key][:]).astype(object)
            return Ids.of(ids, what=f"{plain(path.name)}: {plain(key)}", integers=True)[:]
    return None


def _source(
    kind: str,
    path: Path,
    opened: Callable[[], AbstractContextManager[_Cube]],
    stretch: str,
    stamp: object,
    upwards: bool = False,
) -> Source:
    picture = picture_of(stretch)
    with opened() as cube:
        shape, ids = tuple(cube.array.shape), cube.ids
        bands = _bands(shape, f"{plain(path.name)}: the array {plain(cube.name)}")
        if np.dtype(cube.array.dtype).kind not in "biuf":
            raise ValueError(
                f"{plain(path.name)}: the array {plain(cube.name)} holds {cube.array.dtype}; "
                "expected numbers"
            )
        each = math.prod(shape[1:]) * np.dtype(cube.array.dtype).itemsize
        size = max(1, min(shape[0], BLOCK // max(each, 1)))
        if cube.together > 1 and cube.together * each <= MOST:  # no chunk is unpacked twice
            size = cube.together * max(1, size // cube.together)
        label = plain(cube.name)
    if ids is None:
        numbers = np.empty(shape[0], dtype=object)
        numbers[:] = [f"{row:07d}" for row in range(shape[0])]
        ids = numbers
        ids.flags.writeable = False

    def items(start: int, stop: int) -> Iterator[Item]:
        with opened() as cube:
            for first in range(start - start % size, stop, size):
                rows = range(max(first, start), min(first + size, stop))
                for row, value in zip(rows, _block(cube.array, rows), strict=True):
                    if isinstance(value, Exception):
                        read = unreadable(f"the file is damaged here: {value}")
                    else:
                        if bands == "first":
                            value = np.moveaxis(value, 0, -1)
                        read = picture(value[::-1] if upwards else value)
                    yield Item(str(ids[row]), f"{label}[{row}]", read, each)

    identity = digest([stretch, stamp, label, shape, *ids])
    return Source(kind, plain(path.name), ids, identity, items)


def _bands(shape: tuple[int, ...], about: str) -> str:
    """Where the bands of images of this shape are: "none", "last" or "first"."""
    if not shape or shape[0] < 1:
        raise ValueError(f"{about} has the shape {shape}; expected (n, h, w), n at least 1")
    if len(shape) == 3:
        return "none"
    if len(shape) == 4 and shape[3] in (1, 3, 4):
        return "last"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "first"
    raise ValueError(
        f"{about} has the shape {shape}; expected (n, h, w), (n, h, w, c) or (n, c, h, w) with one "
        "band or three (red, green, blue): write one array of the three bands to look at"
    )


def _block(array: Any, rows: range) -> list[Any]:
    """The images of some rows; where the block is damaged, one by one, an error for each lost."""
    try:
        return list(np.asarray(array[rows.start : rows.stop]))
    except MemoryError:
        raise
    except Exception:
        values: list[Any] = []
        for row in rows:
            try:
                values.append(np.asarray(array[row]))
            except Exception as error:
                values.append(error)
        return values


def _stamps(folder: Path) -> str:
    """Size and time of all files in a folder and below it, as one short text."""
    made = Digest()
    for at, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(at, name)
            made.add(file.relative_to(folder).as_posix(), *_stamp(file))
    return made.text


def _stamp(path: Path) -> tuple[int, int]:
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns
