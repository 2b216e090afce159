"""A catalogue: its own images, files or addresses; a large Parquet is read a few rows at a time."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_zoo import tables
from anomaly_zoo.catalog import Catalog
from anomaly_zoo.cutouts import Cutouts
from anomaly_zoo.ids import Ids
from anomaly_zoo.sources.source import Item, Source, digest, plain, unreadable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["catalogue", "table"]

ROWS = 256  # images in memory at a time, as they are encoded, at most
BLOCK = 8 * 2**20  # bytes of them, more or less
BUFFER = 2**20  # bytes read ahead in a column


def catalogue(catalog: Catalog) -> Source:
    """The objects of a Catalog with the images that `Catalog.image` gives.

    A function that finds the images is called from several threads at a time. The source is known
    by its ids and the columns it uses: a change in the files or addresses that these name goes
    unnoticed. Raises ValueError for a catalogue without images.
    """
    cutouts = catalog.cutouts
    if cutouts is None:
        raise ValueError(
            "the catalogue has no images: expected a column image of encoded bytes, a column "
            "file_loc of paths, or cutouts= with a template such as 'images/{id_str}.jpg'"
        )
    catalog.row(str(catalog.ids[0]))  # builds the index that the threads share

    def items(start: int, stop: int) -> Iterator[Item]:
        for row in range(start, stop):
            id_str = str(catalog.ids[row])
            yield Item(id_str, f"row {row}", partial(catalog.image, id_str))

    name = catalog.name or "catalogue"
    return Source("catalogue", plain(name), catalog.ids[:], _content(catalog, cutouts), items)


def _content(catalog: Catalog, cutouts: Cutouts) -> str:
    def pieces() -> Iterator[object]:
        yield cutouts.stretch
        function = callable(cutouts.source)
        yield getattr(cutouts.source, "__qualname__", "") if function else cutouts.source
        yield from catalog.ids
        for name in cutouts.columns:
            for value in catalog.table[name]:
                yield value.get("bytes") if isinstance(value, dict) else value

    return digest(pieces())


def table(
    path: Path,
    cutouts: str | os.PathLike[str] | None,
    root: str | os.PathLike[str] | None,
    id_column: str,
    stretch: str,
) -> Source:
    """A file with a catalogue, as `Catalog.read` reads it.

    Of a Parquet with a column of encoded images, or of paths, only the ids are kept in memory.
    Raises as `Catalog.read` does, and ValueError where there are no images.
    """
    if tables.kind(path) == "parquet":
        source = _parquet(path, cutouts, path.parent if root is None else root, id_column, stretch)
        if source is not None:
            return source
    read = Catalog.read(path, cutouts, root, id_column, stretch)
    try:
        return catalogue(read)
    except ValueError as error:
        raise ValueError(f"{plain(path.name)}: {error}") from None


def _parquet(
    path: Path,
    cutouts: str | os.PathLike[str] | None,
    root: str | os.PathLike[str],
    id_column: str,
    stretch: str,
) -> Source | None:
    """The table read in pieces; None where a template needs several columns of it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            found = _image_column(schema) if cutouts is None else os.fspath(cutouts)
            if found is None:
                return None
            reader = Cutouts(found, Path(root), stretch)
            if reader.columns != (found,) or not {found, id_column} <= set(schema.names):
                return None  # Catalog.read says what is missing
            if id_column != "id_str" and "id_str" in schema.names:
                return None  # and that one of the two is too many
            given = file.read(columns=[id_column])[id_column].to_pandas()
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(
            f"{plain(path.name)} could not be read as a Parquet table: {error}"
        ) from None
    if not len(given):
        raise ValueError(f"{plain(path.name)}: the table has no rows; expected one an object")
    try:
        ids = Ids.of(given, what=id_column, integers=True)[:]
    except (ValueError, TypeError) as error:
        raise type(error)(f"{plain(path.name)}: {error}") from None
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    firsts = np.concatenate([[0], np.cumsum([group.num_rows for group in groups])]).astype(int)
    each = [_bytes(group, found) // max(group.num_rows, 1) for group in groups]

    def items(start: int, stop: int) -> Iterator[Item]:
        # Without these two a whole row group is read at once, which may be the whole file.
        with pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            for group, (first, after) in enumerate(itertools.pairwise(firsts)):
                if after <= start or first >= stop:
                    continue
                row = int(first)
                size = max(1, min(ROWS, BLOCK // max(each[group], 1)))
                for value in _values(file, group, found, int(after - first), size):
                    if row >= stop:
                        return
                    if row >= start:
                        read = (
                            unreadable(f"the table is damaged here: {value}")
                            if isinstance(value, Exception)
                            else partial(reader.image, {found: value})
                        )
                        yield Item(str(ids[row]), f"row {row}", read, each[group])
                    row += 1

    identity = digest([stretch, _footer(path), path.stat().st_size, id_column, found])
    return Source("catalogue", plain(path.name), ids, identity, items)


def _bytes(group: Any, column: str) -> int:
    """The size of one column in a row group, all that is within it included."""
    parts = [group.column(number) for number in range(group.num_columns)]
    return sum(
        part.total_uncompressed_size
        for part in parts
        if part.path_in_schema == column or part.path_in_schema.startswith(f"{column}.")
    )


def _values(file: Any, group: int, column: str, rows: int, size: int) -> Iterator[Any]:
    """The values of one column in one row group; an error for each that cannot be read."""
    done = 0
    try:
        for batch in file.iter_batches(size, row_groups=[group], columns=[column]):
            for value in batch.column(0):
                yield value.as_py()
                done += 1
    except (OSError, ValueError) as error:  # Arrow's own errors are among these
        for _ in range(rows - done):
            yield error


def _image_column(schema: pa.Schema) -> str | None:
    """The column that `Catalog` would take the images from, told by the types alone."""
    import pyarrow as pa

    kind = schema.field("image").type if "image" in schema.names else None
    if kind is not None:
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        struct = pa.types.is_struct(kind)  # how some data sets keep their images
        inner = [kind.field(i).name for i in range(kind.num_fields)] if struct else []
        if "bytes" in inner or (not struct and "binary" in str(kind)):
            return "image"
    if "file_loc" in schema.names:
        return "file_loc"
    return "image" if kind is not None and "string" in str(kind) else None


def _footer(path: Path) -> bytes:
    """The end of a Parquet file, which knows where every column of every row group lies."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        length = int.from_bytes(file.read(4), "little") + 8
        file.seek(max(0, size - length))
        return file.read()
