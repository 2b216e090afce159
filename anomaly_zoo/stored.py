"""Features too large to read each time: kept once in the cache folder and mapped from there.

What is kept belongs to one content: its name is a digest of the size, the time of the last change
and 64 samples of 4 KiB of each file that it comes from, and of how that was read. Ids and their
index are an Arrow file whose metadata say what was found out: it is written last, so what it
describes is whole. Features are a .npy beside it, unless they are already in one. Components are a
.npy and a seal beside it. What is no longer as it was when that was written is made again.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomaly_zoo import tables
from anomaly_zoo.cache import cache_folder
from anomaly_zoo.ids import Ids
from anomaly_zoo.scan import convert, stamp

__all__ = ["LARGE", "Kept", "Progress", "array_file", "digest", "fingerprint"]

LARGE = 2**27
"""Bytes of float32 above which features are kept in the cache instead of in memory."""
_VERSION = "2"
_SAMPLES, _SAMPLE = 64, 4096

Progress = Callable[[int, int], None]
"""Is told how many rows are done, and of how many."""


@dataclass(frozen=True)
class Kept:
    """What is kept under one key: ``features-<key>.arrow``, and .npy beside it."""

    key: str

    @property
    def ids_file(self) -> Path:
        return cache_folder() / f"features-{self.key}.arrow"

    @property
    def array_file(self) -> Path:
        return cache_folder() / f"features-{self.key}.npy"

    def found(self, array: Path) -> tuple[Ids, str] | None:
        """The ids and the hash of the features in the file `array`; None where they are not kept,
        or not those of the file as it is now."""
        import pyarrow as pa

        try:
            ids = Ids.open(str(self.ids_file))
            with pa.memory_map(str(self.ids_file)) as file:
                about = pa.ipc.open_file(file).schema.metadata or {}
            if about[b"array"].decode() != fingerprint(array):
                return None
            return ids, about[b"hash"].decode()
        except (OSError, KeyError, ValueError, IndexError, pa.ArrowException):
            return None

    def keep(self, ids: Ids, hash: str, array: Path) -> Ids:
        """Write ids and hash of the features in the file `array`; the ids as they are there, or
        as they were, with a warning, where the folder does not take them."""
        try:
            with tables.replacing(self.ids_file) as beside:
                ids.save(str(beside), {"hash": hash, "array": fingerprint(array)})
            return Ids.open(str(self.ids_file))
        except OSError as error:
            warnings.warn(
                f"the ids could not be kept ({error}); to open {array.name} will "
                "take as long again",
                stacklevel=5,
            )
            return ids

    @property
    def _seal(self) -> Path:
        return self.array_file.with_suffix(".seal")

    def seal(self) -> np.ndarray:
        """The array, mapped, with a note beside it of how it is now."""
        with tables.replacing(self._seal) as beside:
            beside.write_text(fingerprint(self.array_file), encoding="ascii")
        return np.load(self.array_file, mmap_mode="r")

    def sealed(self) -> np.ndarray | None:
        """The array, mapped; None where it is not as it was when it was sealed, or not there."""
        try:
            if self._seal.read_text(encoding="ascii") == fingerprint(self.array_file):
                return np.load(self.array_file, mmap_mode="r")
        except (OSError, ValueError):
            pass
        return None


def fingerprint(path: Path) -> str:
    """What tells one content of a file from another: size, time of change, a digest of samples.

    The samples are 64 blocks of 4 KiB, evenly spread from the first byte to the last.
    """
    size, changed = stamp(path)
    sampled = hashlib.blake2b(digest_size=16)
    with open(path, "rb", buffering=0) as file:
        for place in np.linspace(0, max(0, size - _SAMPLE), _SAMPLES).astype(np.int64):
            file.seek(int(place))
            sampled.update(file.read(_SAMPLE))
    return f"{size} {changed} {sampled.hexdigest()}"


def digest(*pieces: str | bytes) -> str:
    """Sixteen hex digits for some pieces of text, and this version of what is kept."""
    made = hashlib.blake2b(digest_size=8)
    for piece in (_VERSION, *pieces):
        data = piece.encode() if isinstance(piece, str) else piece
        made.update(b"%d:" % len(data))
        made.update(data)
    return made.hexdigest()


@contextmanager
def array_file(
    path: Path, shape: tuple[int, int], dtype: np.dtype
) -> Iterator[Callable[[np.ndarray], None]]:
    """A .npy file of (n, d) numbers, written block by block by the function that it gives, whole
    or not at all. Raises OSError when the disk is full or read-only."""
    with tables.replacing(path) as beside, open(beside, "wb") as file:
        about = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, about)

        def add(block: np.ndarray) -> None:
            written = np.empty(block.shape, dtype=dtype)
            convert(block, written)
            file.write(written.data.cast("B"))

        yield add
