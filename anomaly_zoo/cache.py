"""The folder for files that can be made again at any time."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from contextlib import suppress
from pathlib import Path

__all__ = ["cache_folder", "refused", "room"]

SPARE = 2**28  # bytes that stay free on the disk


def cache_folder() -> Path:
    """The folder for cached files: $ANOMALY_ZOO_CACHE, else the user's cache folder of the system.

    It is made if it is not there. Where that is not allowed its path is returned all the same:
    nothing is found in it, and writing into it raises OSError, which the caller may only report.

    >>> cache_folder().is_absolute()
    True
    """
    named = os.environ.get("ANOMALY_ZOO_CACHE")
    if named:
        folder = Path(named).expanduser().absolute()
    else:
        from platformdirs import user_cache_path

        folder = user_cache_path("anomaly_zoo").absolute()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def room(need: int, what: str) -> bool:
    """Whether the cache folder has room for `need` bytes of `what`.

    Where it has not, but memory has, it warns that `what` is held in memory. Raises OSError where
    neither has. What is free in memory is known on Linux alone; elsewhere it is taken to be enough.

    >>> room(0, "nothing")
    True
    """
    folder = cache_folder()
    free = shutil.disk_usage(folder).free if os.access(folder, os.W_OK) else 0
    if free >= need + SPARE:
        return True
    here = f"{folder} has {free / 1e9:.1f} GB free" if free else f"{folder} cannot be written to"
    _held_in_memory(need, what, here)
    return False


def _held_in_memory(need: int, what: str, why: str) -> None:
    """Warn that `need` bytes of `what` are held in memory, as the cache cannot hold them; raise
    OSError where memory cannot either."""
    do = "make room there, or set ANOMALY_ZOO_CACHE to a folder on a larger disk"
    said = f"{what} take {need / 1e9:.1f} GB and {why}"
    memory = _free_memory()
    if memory is not None and memory < 2 * need:
        raise OSError(f"{said}, nor does memory hold them ({memory / 1e9:.1f} GB free); {do}")
    warnings.warn(f"{said}: they are held in memory; {do}", stacklevel=5)


def refused(error: OSError, need: int, what: str) -> None:
    """Go on with `what` in memory, as `room` does, where the cache folder did not take it; raise
    any other error again.

    >>> refused(OSError("features.npy was changed"), 0, "the features")
    Traceback (most recent call last):
    ...
    OSError: features.npy was changed
    """
    full = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG)
    if error.errno not in full:
        raise error
    _held_in_memory(need, what, f"{cache_folder()}: {error.strerror}")


def _free_memory() -> int | None:
    """Bytes of memory that can be had without swapping, None where that is not known."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
