"""Image files: a folder with all below it, a pattern, or a list of paths."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from anomaly_zoo.cutouts import Cutouts
from anomaly_zoo.sources.source import Item, Source, digest, plain

__all__ = ["SUFFIXES", "folder", "ids_of", "is_image", "listed", "pattern"]

SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff",
    ".fits", ".fit", ".fits.gz", ".fit.gz", ".fits.fz",
)  # fmt: skip


def is_image(name: str) -> bool:
    """Whether a file name is that of an image; hidden files (also those of macOS) are none.

    >>> is_image("a/J1.FITS.gz"), is_image("a/._J1.jpg"), is_image("notes.txt")
    (True, False, False)
    """
    last = name.rpartition("/")[2]
    return last.lower().endswith(SUFFIXES) and not last.startswith(".")


def ids_of(names: Sequence[str]) -> np.ndarray:
    """Ids (n,) for relative paths: the shortest of three forms in which all of them differ.

    The name without folder and suffix; else the path without suffix; else the path.

    >>> ids_of(["a/J1.jpg", "b/J2.fits.gz"]).tolist()
    ['J1', 'J2']
    >>> ids_of(["a/J1.jpg", "b/J1.jpg"]).tolist()
    ['a/J1', 'b/J1']
    >>> ids_of(["a/J1.jpg", "a/J1.png"]).tolist()
    ['a/J1.jpg', 'a/J1.png']
    """
    texts = [plain(name) for name in names]
    ids = np.empty(len(texts), dtype=object)
    for shortened in (lambda text: _bare(text).rpartition("/")[2], _bare, str):
        ids[:] = [shortened(text) for text in texts]
        if len(set(ids)) == len(ids) and all(text.strip() for text in ids):
            break
    ids.flags.writeable = False
    return ids


def _bare(name: str) -> str:
    """The name without the suffix of an image."""
    suffix = max((s for s in SUFFIXES if name.lower().endswith(s)), key=len, default="")
    return name[: len(name) - len(suffix)]


def folder(path: Path, stretch: str) -> Source:
    """All images in a folder and below it, sorted by their relative path.

    Hidden files and folders and linked folders are passed over; a linked file is read if it lies
    in the folder too. Raises ValueError where there is no image.
    """
    files: list[tuple[str, int, int]] = []
    others: list[str] = []
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(path / below) as entries:
            for entry in entries:
                name = below + entry.name
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name + "/")
                elif is_image(entry.name):
                    files.append((name, *_stamp(path / name)))
                elif len(others) < 3:
                    others.append(plain(name))
    if not files:
        found = f"only files such as {', '.join(others)}" if others else "no file"
        raise ValueError(
            f"there are no images in the folder {path}, {found}; the name of an image ends in "
            f"{', '.join(SUFFIXES)}"
        )
    return _source("folder", path.resolve().name, path, sorted(files), stretch)


def pattern(text: str, stretch: str) -> Source:
    """The files that a pattern such as ``images/*/J*.jpg`` matches, sorted; ** is any folder.

    Raises ValueError where it matches no file.
    """
    paths = glob.glob(os.path.expanduser(text), recursive=True)
    files = [path for path in paths if not os.path.isdir(path)]
    if not files:
        raise ValueError(f"no file matches the pattern {text!r} (looked in {Path.cwd()})")
    return listed(files, stretch, "pattern", plain(text).rpartition("/")[2])


def listed(
    paths: Sequence[str | os.PathLike[str]], stretch: str, kind: str = "files", name: str = ""
) -> Source:
    """The files of a list, sorted by their path below the folder that holds all of them.

    Raises FileNotFoundError for one that is missing, ValueError for a folder and for no file.
    """
    if not paths:
        raise ValueError("expected the paths of images, got an empty list")
    absolute = sorted({os.path.abspath(os.path.expanduser(path)) for path in paths})
    for path in absolute:
        if not os.path.lexists(path):
            raise FileNotFoundError(f"no such file: {plain(path)}")
        if os.path.isdir(path):
            raise ValueError(f"expected image files, got the folder {plain(path)}; give it alone")
    root = os.path.commonpath([os.path.dirname(path) for path in absolute])
    files = [(Path(path).relative_to(root).as_posix(), *_stamp(Path(path))) for path in absolute]
    return _source(kind, name or plain(os.path.basename(root)), Path(root), files, stretch)


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change; zeros for a link that leads nowhere."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


def _source(
    kind: str, name: str, root: Path, files: list[tuple[str, int, int]], stretch: str
) -> Source:
    names = [file[0] for file in files]
    ids = ids_of(names)
    cutouts = Cutouts("file_loc", root, stretch)

    def items(start: int, stop: int) -> Iterator[Item]:
        for row in range(start, stop):
            # "./" keeps a folder called ~ from being taken for the user's own.
            read = partial(cutouts.image, {"file_loc": f"./{names[row]}"})
            yield Item(ids[row], plain(names[row]), read)

    identity = digest(itertools.chain([stretch], itertools.chain.from_iterable(files)))
    return Source(kind, plain(name), ids, identity, items)
