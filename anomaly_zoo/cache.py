"""The folder for files that can be made again at any time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["cache_folder"]


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
