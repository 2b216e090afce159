"""Tables in five formats: Parquet, CSV, FITS, ECSV and VOTable, told apart by the file's suffix.

Metadata are lines of ``key: value``: in Parquet the schema metadata, in ECSV the table's meta, in
VOTable `INFO` elements, in FITS `COMMENT` cards of the table's header, in CSV comment lines before
the header (``pandas.read_csv(path, comment="#")`` skips them). A value that is no string is
written as JSON.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import secrets
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = [
    "frame_of",
    "kind",
    "metadata",
    "read",
    "read_astropy",
    "replacing",
    "target",
    "write",
    "write_blocks",
]

_SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".fits": "fits",
    ".fit": "fits",
    ".fits.gz": "fits",
    ".ecsv": "ecsv",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
}
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_LINE = re.compile(rf"({_KEY.pattern}): (.*)", re.DOTALL)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*")
_WHOLE = 1_000_000  # rows that astropy, which builds a table as a whole, is given at most
_CARD = 70  # characters of a metadata line in one FITS COMMENT card
_NAMES = {
    "FITS": r"(?=.{1,68}\Z)[!-~]([ -~]*[!-~])?",
    "ECSV": r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+",
    "VOTable": r"[^\x00-\x1f\ufffe\uffff]+",
}  # of columns that a format can hold
_LOST = {
    "FITS": r"(?a:[\s\0])\Z",
    "ECSV": r"^\s|\s\Z|\0\Z|\s\n|\n[\s#]|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]",
    "VOTable": r"^[ \t\n]|[ \t\n]\Z|[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]",
}  # of a text that a format holds otherwise or not at all
_WIDENED = {
    "FITS": (np.int8,),
    "VOTable": (np.int8, np.uint16, np.uint32, np.uint64),
}  # integers that a format has not, written as int64


def kind(path: str | os.PathLike[str]) -> str:
    """The format of a table file, from its suffix: parquet, csv, fits, ecsv or votable.

    Raises `ValueError` for any other suffix.

    >>> kind("galaxies.FITS.gz")
    'fits'
    """
    name = Path(path).name.lower()
    for suffix, format_name in _SUFFIXES.items():
        if name.endswith(suffix):
            return format_name
    raise ValueError(
        f"{Path(path).name}: the suffix names no table format; use .parquet, .csv, .fits, .ecsv "
        "or .vot"
    )


def read(path: str | os.PathLike[str], text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table into a DataFrame with a plain row index.

    The columns in `text` are kept as written in a CSV file (leading zeros, an object named "NA").
    A CSV file is UTF-8; commas, semicolons or tabs separate it, whichever its header has most of,
    and spaces around names and before values are dropped. Byte strings are decoded; a FITS column
    of vectors becomes a column of arrays.

    Raises `FileNotFoundError` where there is no such file, `ValueError` when the suffix is unknown
    or the file is not what its suffix says.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.csv"
    >>> _ = path.write_text("id_str,ra\\n007,10.5\\n008,11\\n")
    >>> read(path, text=["id_str"]).to_dict("list")
    {'id_str': ['007', '008'], 'ra': [10.5, 11.0]}
    """
    path = existing(path)
    format_name = kind(path)
    if format_name == "parquet":
        with _readable(path, "a Parquet table"):
            return _parquet(path)
    if format_name == "csv":
        with _readable(path, "a CSV table"):
            return _csv(path, text)
    return frame_of(read_astropy(path))


def read_astropy(path: str | os.PathLike[str]) -> Table:
    """Read a FITS (its first table), ECSV or VOTable file into an astropy `Table`, text as `str`.

    Raises as `read` does.
    """
    from astropy.table import Table

    path = existing(path)
    format_name = kind(path)
    if format_name not in ("fits", "ecsv", "votable"):
        raise ValueError(f"{path.name}: astropy reads .fits, .ecsv and .vot here")
    with _readable(path, f"a table in {format_name} format"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units that astropy does not know, missing versions
        if format_name == "fits":
            table = Table.read(path, format="fits", hdu=_first_table(path), memmap=False)
        elif format_name == "ecsv":
            table = Table.read(path, format="ascii.ecsv")
        else:
            table = Table.read(path, format="votable", table_id=0, use_names_over_ids=True)
        for name in table.colnames:
            if getattr(table[name], "dtype", np.dtype(float)).kind == "S":
                table[name] = _decoded(table[name])
    return table


def frame_of(table: Table) -> pd.DataFrame:
    """An astropy table as a DataFrame; a column of vectors becomes a column of arrays.

    >>> from astropy.table import Table
    >>> frame_of(Table({"id_str": ["a", "b"], "colour": [[1, 2], [3, 4]]}))["colour"].tolist()
    [array([1, 2]), array([3, 4])]
    """
    from astropy.table.serialize import represent_mixins_as_columns

    if any(not hasattr(table[name], "dtype") for name in table.colnames):
        table = represent_mixins_as_columns(table)  # a SkyCoord becomes coord.ra and coord.dec
    columns = {}
    for name in table.colnames:
        column = table[name]
        values = np.asarray(getattr(column, "value", column))
        if values.dtype.byteorder not in ("=", "|"):
            values = values.astype(values.dtype.newbyteorder("="))
        if values.ndim > 1:
            rows = np.empty(len(values), dtype=object)
            rows[:] = list(values)
            columns[name] = pd.Series(rows)
            continue
        if values.dtype.kind == "S":
            values = _decode(values)
        series = pd.Series(values)
        mask = getattr(column, "mask", None)
        if mask is not None and np.any(mask):
            if values.dtype.kind in "iu":
                unsigned = "U" if values.dtype.kind == "u" else ""
                series = series.astype(f"{unsigned}Int{8 * values.dtype.itemsize}")
            elif values.dtype.kind == "b":
                series = series.astype("boolean")
            series = series.mask(np.asarray(mask, dtype=bool))
        columns[name] = series
    return pd.DataFrame(columns)


def write(
    frame: pd.DataFrame,
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any] | None = None,
    units: Mapping[str, str] | None = None,
    descriptions: Mapping[str, str] | None = None,
) -> None:
    """Write a table in the format that the suffix names, whole or not at all.

    `units` and `descriptions` belong to columns by name (names that are no column are passed
    over); CSV has no place for them. The file is written beside its final place and then moved
    there, so that a reader never sees half a file. Text is written as it is: a spreadsheet computes
    one such as ``=1+1`` in a CSV file unless it is told to read the column as text.

    Raises `TypeError` for any other table than a DataFrame; `ValueError` for an unknown suffix, a
    metadata key that is no plain word, and a column, its name or a text in it that would not come
    back from the format as it is (Parquet holds them all); `FileNotFoundError` where there is no
    such folder; `OSError` when the disk is full or read-only.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "top.ecsv"
    >>> table = pd.DataFrame({"id_str": ["J1"], "ra": [10.5]})
    >>> write(table, path, {"seed": 0, "rater": "me"}, units={"ra": "deg"})
    >>> read(path).to_dict("list"), globals()["metadata"](path)
    ({'id_str': ['J1'], 'ra': [10.5]}, {'seed': '0', 'rater': 'me'})
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"expected a table (a pandas DataFrame) to write, got {_type(frame)}")
    write_blocks([frame], len(frame), path, metadata, units, descriptions)


def write_blocks(
    blocks: Iterable[pd.DataFrame],
    n: int,
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any] | None = None,
    units: Mapping[str, str] | None = None,
    descriptions: Mapping[str, str] | None = None,
) -> None:
    """Write a table of `n` rows that comes in blocks of the same columns, as `write` does.

    Parquet and CSV take it block by block (a row group each), so it is never in memory as a whole.
    The other formats are built as a whole: ValueError, before anything is written, for more than
    a million rows.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "top.csv"
    >>> write_blocks((pd.DataFrame({"id_str": [name]}) for name in ("J1", "J2")), 2, path)
    >>> read(path)["id_str"].tolist()
    ['J1', 'J2']
    """
    format_name = kind(path)
    if format_name not in ("parquet", "csv") and n > _WHOLE:
        raise ValueError(
            f"{Path(path).name}: {n:,} rows are too many for a {format_name} file, which is built "
            f"in memory (at most {_WHOLE:,}); use .parquet or .csv, or write the top alone"
        )
    texts = {_key(key): _value(value) for key, value in (metadata or {}).items()}
    frames: Iterator[pd.DataFrame] = map(_plain_rows, blocks)
    first = next(frames, None)
    if first is None:
        raise ValueError("expected at least one block of the table")
    frames = itertools.chain([first], frames)
    labels = {
        name: ((units or {}).get(name, ""), (descriptions or {}).get(name, ""))
        for name in first.columns
    }
    with replacing(path) as beside:
        if format_name == "parquet":
            _write_parquet(frames, beside, texts, labels)
        elif format_name == "csv":
            _write_csv(frames, beside, texts)
        else:
            writer = {"fits": _write_fits, "ecsv": _write_ecsv, "votable": _write_votable}
            whole = list(frames)
            frame = pd.concat(whole, ignore_index=True) if len(whole) > 1 else whole[0]
            writer[format_name](frame, beside, texts, labels)


def _plain_rows(frame: pd.DataFrame) -> pd.DataFrame:
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise ValueError(f"the table has the column {repeated[0]!r} twice; names must differ")
    for name in frame.columns:
        if not isinstance(name, str):
            raise ValueError(f"the name of a column is text, got {name!r}; rename it {str(name)!r}")
    return frame.reset_index(drop=True)


def metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of a table file as text; what was not a string is JSON.

    Raises as `read` does.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "top.csv"
    >>> write(pd.DataFrame({"id_str": ["J1"]}), path, {"version": "0.1", "kernel": {"alpha": 2.0}})
    >>> metadata(path)
    {'version': '0.1', 'kernel': '{"alpha": 2.0}'}
    >>> print(path.read_text())
    # version: 0.1
    # kernel: {"alpha": 2.0}
    id_str
    J1
    <BLANKLINE>
    """
    path = existing(path)
    format_name = kind(path)
    with _readable(path, f"a table in {format_name} format"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if format_name == "parquet":
            import pyarrow.parquet as pq

            stored = pq.read_schema(path).metadata or {}
            return {
                key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
                for key, value in stored.items()
                if key not in (b"pandas", b"ARROW:schema")
            }
        if format_name == "csv":
            return _from_lines(line[1:].strip() for line in _comment_lines(path))
        if format_name == "fits":
            from astropy.io import fits

            return _from_lines(_unwrapped(fits.getheader(path, _first_table(path))))
        if format_name == "ecsv":
            meta = read_astropy(path).meta
            return {str(key): _plain(_value(value)) for key, value in meta.items()}
        from astropy.io.votable import parse

        infos = parse(str(path)).get_first_table().infos
        return {info.name: _plain(info.value) for info in infos if info.name != "QUERY_STATUS"}


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` to write to; moved to `path` at the end, deleted after an error.

    What was written is on the disk before it is moved: after a power cut there is the old file or
    the new one. Raises as `target` does.
    """
    path = target(path)
    beside = path.with_name(f".{secrets.token_hex(6)}-{path.name}")
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def target(path: str | os.PathLike[str]) -> Path:
    """The real path of a file to write: where a link leads, absolute.

    Raises `FileNotFoundError` where there is no such folder, `IsADirectoryError` for a folder.

    >>> target("galaxies.csv") == Path.cwd().resolve() / "galaxies.csv"
    True
    """
    real = Path(os.path.realpath(Path(path).expanduser()))
    if not real.parent.is_dir():
        raise FileNotFoundError(f"no such folder to write to: {real.parent}")
    if real.is_dir():
        raise IsADirectoryError(f"expected a file to write to, got the folder {real}")
    return real


def existing(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there; raises `FileNotFoundError` where it is not.

    Raises `TypeError` for anything but a path.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"expected the path of a file, got {_type(path)}")
    found = Path(path).expanduser()
    if not found.exists():
        raise FileNotFoundError(f"no such file: {found} (looked in {Path.cwd()})")
    if found.is_dir():
        raise IsADirectoryError(f"expected a file, got the folder {found}")
    return found


def _type(value: Any) -> str:
    return "None" if value is None else type(value).__name__


@contextmanager
def _readable(path: Path, expected: str) -> Iterator[None]:
    """Whatever a reader raises over a broken file, as one `ValueError` that names the file."""
    try:
        yield
    except (OSError, MemoryError) as error:
        if isinstance(error, MemoryError) or error.errno is not None:
            raise
        raise ValueError(f"{path.name} could not be read as {expected}: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path.name} could not be read as {expected}: it is not UTF-8 text; save it as UTF-8"
        ) from error
    except Exception as error:
        raise ValueError(f"{path.name} could not be read as {expected}: {error}") from error


# Parquet


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    frame = pq.ParquetFile(path).read().to_pandas()
    return frame.reset_index(drop=all(name is None for name in frame.index.names))


def _write_parquet(
    frames: Iterator[pd.DataFrame],
    path: Path,
    texts: dict[str, str],
    labels: dict[str, tuple[str, str]],
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(next(frames), preserve_index=False)
    fields = [
        field.with_metadata(
            {
                key: value
                for key, value in zip(("unit", "description"), labels[field.name], strict=True)
                if value
            }
        )
        for field in table.schema
    ]
    both = {**(table.schema.metadata or {}), **{k.encode(): v.encode() for k, v in texts.items()}}
    schema = pa.schema(fields, metadata=both)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        writer.write_table(table.cast(schema))
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False))


# CSV


def _comment_lines(path: Path) -> list[str]:
    lines = []
    with open(path, encoding="utf-8-sig", newline="") as file:
        for line in file:
            if not line.startswith("#"):
                break
            lines.append(line)
    return lines


def _header(path: Path, skipped: int) -> str:
    """The first line of a CSV file with anything on it after the `skipped` ones."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = itertools.islice(file, skipped, None)
        return next((line for line in lines if line.strip()), "")


def _fields(line: str, separator: str) -> list[str]:
    fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [field.strip() for field in fields]


def _csv(path: Path, text: Sequence[str]) -> pd.DataFrame:
    comments = _comment_lines(path)
    header = _header(path, len(comments))
    unquoted = re.sub(r'"[^"]*"', "", header)
    separator = max(",;\t", key=unquoted.count)  # a comma where none is there more often
    if comments and not set(text) & set(_fields(header, separator)):
        last = comments[-1].lstrip("#").strip()
        if any(set(text) & set(_fields(last, mark)) for mark in ",;\t"):
            raise ValueError("the header line begins with '#'; remove it")
    settings: dict[str, Any] = {
        "sep": separator,
        "skipinitialspace": True,
        "skiprows": len(comments),
        "encoding": "utf-8-sig",
        "index_col": False,
        "low_memory": False,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
        frame = pd.read_csv(path, **settings)
    frame.columns = frame.columns.str.strip()
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise ValueError(f"the column {repeated[0]!r} is there twice")
    as_written = [number for number, name in enumerate(frame.columns) if name in text]
    if as_written:
        texts = pd.read_csv(path, usecols=as_written, dtype=str, keep_default_na=False, **settings)
        for name in texts:
            frame[name.strip()] = texts[name]
    if separator != ",":
        _refuse_decimal_commas(frame.drop(columns=[n for n in text if n in frame]))
    return frame


def _refuse_decimal_commas(frame: pd.DataFrame) -> None:
    for name in _texts_of(frame):
        values = [value for value in frame[name] if isinstance(value, str)]
        if values and all(map(_DECIMAL_COMMA.fullmatch, values)):
            raise ValueError(
                f"the column {name!r} holds {values[0]!r}, a decimal comma; save the numbers with "
                "a decimal point"
            )


def _write_csv(frames: Iterator[pd.DataFrame], path: Path, texts: dict[str, str]) -> None:
    marks = r"#|\r|^\s"  # a comment, an end of line, a space that is dropped, unless quoted
    with open(path, "w", encoding="utf-8", newline="") as file:
        for line in _to_lines(texts):
            file.write(f"# {line}\n")
        for number, frame in enumerate(frames):
            _plain_columns(frame, "CSV")
            columns = (_text_column(frame[name]) for name in _texts_of(frame))
            words = itertools.chain([frame.columns.astype(object)], columns)
            quoted = any(column.str.contains(marks).any() for column in words)
            quoting = csv.QUOTE_NONNUMERIC if quoted else csv.QUOTE_MINIMAL
            frame.to_csv(file, index=False, header=not number, lineterminator="\n", quoting=quoting)


# FITS, ECSV, VOTable


def _first_table(path: Path) -> int:
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        for number, hdu in enumerate(hdus):
            if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU)) and not isinstance(
                hdu, fits.CompImageHDU
            ):
                return number
    raise ValueError("the file has no table, only images")


def _write_fits(
    frame: pd.DataFrame, path: Path, texts: dict[str, str], labels: dict[str, tuple[str, str]]
) -> None:
    from astropy.io import fits

    table = _astropy(frame, "FITS", labels, encoded=True)
    for column in table.columns.values():
        column.description = None  # TCOMM below: readable without astropy
    hdu = fits.table_to_hdu(table)
    for number, name in enumerate(frame.columns, start=1):
        if labels[name][1]:
            described = labels[name][1].encode("ascii", "backslashreplace").decode("ascii")
            hdu.header[f"TCOMM{number}"] = described
    for line in _to_lines(texts, ascii_only=True):
        for card in _wrapped(line):
            hdu.header.add_comment(card)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)


def _write_ecsv(
    frame: pd.DataFrame, path: Path, texts: dict[str, str], labels: dict[str, tuple[str, str]]
) -> None:
    table = _astropy(frame, "ECSV", labels)
    table.meta.update({key: _line_value(value) for key, value in texts.items()})
    table.write(path, format="ascii.ecsv", delimiter=",")


def _write_votable(
    frame: pd.DataFrame, path: Path, texts: dict[str, str], labels: dict[str, tuple[str, str]]
) -> None:
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Info

    votable = from_table(_astropy(frame, "VOTable", labels))
    first = votable.get_first_table()
    for key, value in texts.items():
        first.infos.append(Info(name=key, value=_line_value(value)))
    votable.to_xml(str(path))


def _astropy(
    frame: pd.DataFrame, format_name: str, labels: dict[str, tuple[str, str]], encoded: bool = False
) -> Table:
    """The frame as an astropy table of plain columns, missing values masked, text as UTF-8."""
    from astropy import units as u
    from astropy.table import MaskedColumn, Table

    _plain_columns(frame, format_name)
    _refuse_names(frame, format_name)
    table = Table()
    text_columns = set(_texts_of(frame))
    for name in frame.columns:
        series = frame[name]
        mask: Any = series.isna().to_numpy()
        if name in text_columns:
            text = _text_column(series).to_numpy(dtype=object)
            _refuse_lost(text, name, format_name, first=name == frame.columns[0])
            values = np.array(text, dtype=str) if len(text) else np.array([], dtype="U1")
            if encoded:
                values = np.char.encode(values, "utf-8")
        else:
            values = _numbers(series, format_name)
            if isinstance(series.dtype, np.dtype):  # a float keeps NaN, a nullable column a mask
                mask = False
        column = MaskedColumn(values, name=name, mask=mask) if np.any(mask) else values
        table[name] = column
        unit, description = labels[name]
        if unit:
            table[name].unit = u.Unit(unit, parse_strict="silent")
        if description:
            table[name].description = description
    return table


def _refuse_names(frame: pd.DataFrame, format_name: str) -> None:
    for name in frame.columns:
        if not re.fullmatch(_NAMES[format_name], name):
            raise ValueError(
                f"{format_name} cannot hold the name of the column {name!r}; rename it, or write "
                ".parquet"
            )


def _refuse_lost(text: np.ndarray, name: str, format_name: str, first: bool) -> None:
    lost = _LOST[format_name]
    if first and format_name == "ECSV":
        lost = f"^#|{lost}"  # the line would be a comment
    found = next(filter(re.compile(lost).search, text), None)
    if found is not None:
        raise ValueError(
            f"{format_name} cannot hold {found!r} of the column {name!r} as it is; leave the "
            "column out, or write .parquet"
        )


def _numbers(series: pd.Series, format_name: str) -> np.ndarray:
    """Numbers in a type that the format has, 0 where a nullable column has none."""
    if not pd.api.types.is_numeric_dtype(series.dtype):
        raise ValueError(
            f"{format_name} cannot hold the column {series.name!r} of {series.dtype}; leave it "
            "out, or write .parquet"
        )
    if isinstance(series.dtype, np.dtype):
        values = series.to_numpy()
    else:
        plain = getattr(series.dtype, "numpy_dtype", np.dtype(float))
        values = series.to_numpy(dtype=plain, na_value=plain.type(0))
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype not in _WIDENED.get(format_name, ()):
        return values
    if values.max(initial=0) > np.iinfo(np.int64).max:
        raise ValueError(
            f"{format_name} cannot hold {values.max()} of the column {series.name!r}, an integer "
            "of 2^63 or more; leave the column out, or write .parquet"
        )
    return values.astype(np.int64)


def _texts_of(frame: pd.DataFrame) -> list[str]:
    """Columns that go into a file as text: strings, categories of them, and dates."""
    return [
        name
        for name in frame.columns
        if pd.api.types.is_object_dtype(frame[name].dtype)
        or pd.api.types.is_string_dtype(frame[name].dtype)
        or isinstance(frame[name].dtype, pd.CategoricalDtype)
        or pd.api.types.is_datetime64_any_dtype(frame[name].dtype)
    ]


def _text_column(series: pd.Series) -> pd.Series:
    """A column as text, dates in ISO 8601, "" for a missing value."""
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        text = series.map(lambda moment: "" if pd.isna(moment) else moment.isoformat())
    else:
        text = series.astype(object).where(series.notna(), "").map(str)
    return text.astype(object)


def _plain_columns(frame: pd.DataFrame, format_name: str) -> None:
    for name in frame.columns:
        if pd.api.types.is_object_dtype(frame[name].dtype):
            kinds = set(map(type, frame[name]))
            if any(issubclass(k, (bytes, bytearray, list, tuple, dict, np.ndarray)) for k in kinds):
                raise ValueError(
                    f"{format_name} cannot hold the column {name!r} of bytes or lists; leave it "
                    "out, or write .parquet"
                )


def _decoded(column: Any) -> Any:
    """A column of byte strings as one of text, with its mask."""
    from astropy.table import Column, MaskedColumn

    values = _decode(np.asarray(column))
    mask = getattr(column, "mask", None)
    info = {"name": column.name, "description": column.description}
    if mask is not None and np.any(mask):
        return MaskedColumn(values, mask=mask, **info)
    return Column(values, **info)


def _decode(values: np.ndarray) -> np.ndarray:
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError:
        return np.char.decode(values, "latin-1")


# metadata as lines


def _key(key: str) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(f"a metadata key is one plain word (letters, digits, _ . -), got {key!r}")
    return key


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=_for_json)


def _for_json(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)


def _line_value(text: str, ascii_only: bool = False) -> str:
    """A text that survives as the end of one line: quoted as JSON where it would not."""
    safe = (
        text == text.strip()
        and text.isprintable()
        and not text.startswith('"')
        and not text.endswith("&")
        and (text.isascii() or not ascii_only)
    )
    return text if safe else json.dumps(text, ensure_ascii=ascii_only)


def _plain(text: str) -> str:
    """The inverse of `_line_value`."""
    if text.startswith('"'):
        try:
            value = json.loads(text)
        except ValueError:
            return text
        return value if isinstance(value, str) else text
    return text


def _to_lines(texts: Mapping[str, str], ascii_only: bool = False) -> list[str]:
    return [f"{key}: {_line_value(value, ascii_only)}" for key, value in texts.items()]


def _from_lines(lines: Any) -> dict[str, str]:
    pairs = {}
    for line in lines:
        found = _LINE.fullmatch(line) or _LINE.fullmatch(f"{line} ")  # an empty value
        if found:
            pairs[found[1]] = _plain(found[2].strip())
    return pairs


def _wrapped(line: str) -> list[str]:
    """A line in pieces that fit a FITS card; all but the last end with `&`."""
    pieces = [line[start : start + _CARD] for start in range(0, len(line), _CARD)]
    return [piece + "&" for piece in pieces[:-1]] + pieces[-1:]


def _unwrapped(header: Any) -> list[str]:
    lines: list[str] = []
    unfinished = ""
    for card in header.get("COMMENT", ()):
        unfinished += str(card)
        if unfinished.endswith("&"):
            unfinished = unfinished[:-1]
        else:
            lines.append(unfinished)
            unfinished = ""
    return [*lines, unfinished] if unfinished else lines
