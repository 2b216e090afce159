"""A tar of images, also compressed: read member by member, nothing is ever unpacked to the disk."""

from __future__ import annotations

import os
import tarfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from anomaly_zoo.cutouts import MAX_BYTES, CutoutError
from anomaly_zoo.ids import Ids
from anomaly_zoo.sources.files import ids_of, is_image
from anomaly_zoo.sources.source import Digest, Item, Source, picture_of, plain, unreadable

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SUFFIXES", "tar"]

# How a name ends, and how the archive is compressed.
SUFFIXES = {
    ".tar": "",
    ".tar.gz": "gz",
    ".tgz": "gz",
    ".tar.bz2": "bz2",
    ".tar.xz": "xz",
    ".tar.zst": "zstd",
}


def tar(path: Path, stretch: str) -> Source:
    """The images of a tar, in its order.

    It is read through once for the names; a compressed one is then read again for the images.
    Raises ValueError where it is damaged or breaks off, has no image, or one name twice.
    """
    names: list[str] = []
    places = array("q")  # offset and size, one after the other
    refused: dict[int, str] = {}
    headers = Digest()
    headers.add(stretch, path.stat().st_size)
    compression = next(how for end, how in SUFFIXES.items() if path.name.lower().endswith(end))
    try:
        for member in _members(path, compression):
            reason = _refusal(member)
            if reason:
                refused[len(names)] = reason
            headers.add(member.name, member.size, member.mtime)
            names.append(member.name)
            places.extend((member.offset_data, member.size))
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(
            f"{plain(path.name)} could not be read as a tar, it is damaged or breaks off after "
            f"{len(names):,} images: {error}"
        ) from None
    if not names:
        raise ValueError(f"there are no images in {plain(path.name)}")
    ids = Ids.of(ids_of(names), what=f"names in {plain(path.name)}")[:]
    picture = picture_of(stretch)

    def stored(start: int, stop: int) -> Iterator[Item]:
        for row in range(start, stop):
            offset, size = places[2 * row : 2 * row + 2]
            read = (
                unreadable(refused[row])
                if row in refused
                else partial(_picture_at, path, offset, size, picture)
            )
            yield Item(ids[row], plain(names[row]), read)

    def streamed(start: int, stop: int) -> Iterator[Item]:
        with _opened(path, compression) as archive:
            for row, member in enumerate(_images(archive)):
                if row >= stop:
                    return
                if row < start:
                    continue
                if row in refused:
                    read = unreadable(refused[row])
                else:
                    file = archive.extractfile(member)
                    read = picture(file.read() if file else b"")
                yield Item(ids[row], plain(names[row]), read, member.size)

    items = streamed if compression else stored
    return Source("tar", plain(path.name), ids, headers.text, items)


class _Header(tarfile.TarInfo):
    """A header that tells the archive of its own end mark."""

    @classmethod
    def fromtarfile(cls, tarfile_: Any) -> Any:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            tarfile_.ended = True
            raise


def _refusal(member: tarfile.TarInfo) -> str:
    """Why a member that is named like an image is not read."""
    if not member.isfile():
        return "the member is a link or no file, and links of an archive are not followed"
    if member.issparse():
        return "the member is a sparse file"
    if member.size > MAX_BYTES:
        return f"the image file is too large: {member.size / 2**20:,.0f} MB"
    return ""


@contextmanager
def _opened(path: Path, compression: str) -> Iterator[tarfile.TarFile]:
    with _plain_stream(path, compression) as file:
        mode: Any = "r|" if compression == "zstd" else f"r|{compression}" if compression else "r:"
        with tarfile.open(fileobj=file, mode=mode, tarinfo=_Header) as archive:
            yield archive


@contextmanager
def _plain_stream(path: Path, compression: str) -> Iterator[IO[bytes]]:
    if compression == "zstd":
        import pyarrow as pa

        with pa.input_stream(path, compression="zstd") as stream:
            yield stream
    else:
        with open(path, "rb") as file:
            yield file


def _members(path: Path, compression: str) -> Iterator[tarfile.TarInfo]:
    with _opened(path, compression) as archive:
        yield from _images(archive)


def _images(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members that are named like images, in order, none kept.

    Raises `tarfile.ReadError` where the end is missing; tarfile takes a broken header for one.
    """
    while (member := archive.next()) is not None:
        cast(Any, archive).members.clear()  # it would keep a kilobyte a member
        if is_image(member.name) and not member.isdir():
            yield member
    if not getattr(archive, "ended", False):
        raise tarfile.ReadError("its end is missing; fetch it again, or repack it with tar")


def _picture_at(path: Path, offset: int, size: int, picture: Any) -> Image.Image:
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise CutoutError(
            f"the archive could not be read: {os.strerror(error.errno or 0)}"
        ) from None
    if len(data) < size:
        raise CutoutError("the archive ends before the image does")
    return picture(data)()
