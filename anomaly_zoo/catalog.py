"""The catalogue: one row an object, with its id, its position where known, and its image."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from anomaly_zoo import tables
from anomaly_zoo.cutouts import CutoutError, Cutouts
from anomaly_zoo.ids import Ids, asked

if TYPE_CHECKING:
    from astropy.table import Table
    from PIL import Image

__all__ = ["Catalog"]

HANDLES = frozenset({"id_str", "image", "file_loc"})
"""Columns that say which object it is and where its image lies: nothing to colour or cut by."""
_LIMITS = {"ra": (0.0, 360.0), "dec": (-90.0, 90.0)}
_WORDS = {
    "id_str": "identifier in the catalogue",
    "ra": "right ascension (ICRS)",
    "dec": "declination (ICRS)",
}


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Catalog:
    """Objects by id: positions, any other columns, and where the images are.

    `table` is a DataFrame, an astropy `Table` or a dict of columns. It needs a column `id_str` of
    unique strings; `ra` and `dec` (ICRS degrees, NaN where unknown; RA and DEC are renamed, an
    astropy column in other angular units is converted) are optional, and all other columns are
    kept. `cutouts` is whatever `Cutouts` takes as its source, or a `Cutouts`; paths in it are
    relative to `root`. Without it, a column `image` of encoded bytes is used if there is one, else
    a column `file_loc` of paths, else a column `image` of paths.

    The table is copied, its rows numbered from 0 and `id_str` put first; treat it as read-only.

    Raises `ValueError` for missing columns, ids that are missing or there twice, positions out of
    range, and no rows; `TypeError` for ids that are not strings.

    >>> catalog = Catalog({"id_str": ["J1", "J2"], "ra": [10.5, 11.0], "dec": [-3.0, None]})
    >>> catalog
    <Catalog: 2 objects, columns id_str, ra, dec; no images>
    >>> catalog.position("J1"), catalog.position("J2")
    ((10.5, -3.0), None)
    """

    table: pd.DataFrame
    cutouts: Cutouts | None
    name: str = field(default="")

    def __init__(
        self,
        table: pd.DataFrame | Table | Mapping[str, Any],
        cutouts: Cutouts | str | os.PathLike[str] | Callable[[dict[str, Any]], Any] | None = None,
        root: str | os.PathLike[str] = ".",
        *,
        stretch: str = "asinh",
        name: str = "",
    ) -> None:
        frame = _frame(table)
        if "id_str" not in frame.columns:
            raise ValueError(_no_column("id_str", frame, "name your column of ids id_str"))
        ids = Ids.of(frame["id_str"], what="id_str")
        frame = _positions(frame.drop(columns="id_str"))
        frame.insert(0, "id_str", ids.texts.to_pandas())
        if not len(frame):
            raise ValueError("the catalogue has no rows; expected one an object")
        if not isinstance(cutouts, Cutouts):
            source = _default_source(frame) if cutouts is None else cutouts
            cutouts = None if source is None else Cutouts(source, Path(root), stretch)
        if cutouts is not None:
            for column in cutouts.columns:
                if column not in frame.columns:
                    do = f"cutouts={cutouts.source!r} asks for it"
                    if column == cutouts.source and re.search(r"[/%.]", column):
                        do = 'a path template has a placeholder: "images/{id_str}.jpg"'
                    raise ValueError(_no_column(column, frame, do))
        object.__setattr__(self, "table", frame)
        object.__setattr__(self, "cutouts", cutouts)
        object.__setattr__(self, "name", name)
        self.__dict__["ids"] = ids

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        cutouts: Cutouts | str | os.PathLike[str] | Callable[[dict[str, Any]], Any] | None = None,
        root: str | os.PathLike[str] | None = None,
        id_column: str = "id_str",
        stretch: str = "asinh",
    ) -> Catalog:
        """Read a catalogue from Parquet, CSV, FITS (its first table), ECSV or VOTable.

        `root` is the folder that image paths are relative to, the file's own by default. The ids
        are the column `id_column`: text as it is written, integers as their decimal digits. Under
        another name than id_str that column is kept too, as numbers where they say the same.

        Raises `FileNotFoundError`, `TypeError` for a table in memory, and what `Catalog` raises,
        with the name of the file.

        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "galaxies.csv"
        >>> _ = path.write_text("objid,RA,DEC\\n0012,10.5,-3\\n0013,11,-4\\n")
        >>> Catalog.read(path, id_column="objid").record("0012")
        {'id_str': '0012', 'objid': '0012', 'ra': 10.5, 'dec': -3.0}
        """
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(
                f"expected a path, got {'None' if path is None else type(path).__name__}; a table "
                "in memory is made a catalogue with az.Catalog(table)"
            )
        path = tables.existing(path)
        astropy = tables.kind(path) not in ("parquet", "csv")
        table = tables.read_astropy(path) if astropy else tables.read(path, text=[id_column])
        try:
            frame = _frame(table)
            if id_column not in frame.columns:
                raise ValueError(_no_column(id_column, frame, "name it with id_column="))
            if id_column != "id_str" and "id_str" in frame.columns:
                raise ValueError(
                    f"the table has a column id_str beside {id_column!r}; rename it or use it"
                )
            ids = Ids.of(frame[id_column], what=id_column, integers=True)
            if id_column != "id_str" and not astropy:
                frame[id_column] = _numbers_as_written(frame[id_column])
            frame = frame.assign(id_str=ids.texts.to_pandas())
            folder = path.parent if root is None else root
            return cls(frame, cutouts, folder, stretch=stretch, name=path.name)
        except (ValueError, TypeError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{path.name}: {error}") from None

    @cached_property
    def ids(self) -> Ids:
        """The ids, in the order of the rows."""
        return Ids.of(self.table["id_str"], what="id_str")

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        columns = list(self.table.columns)
        shown = ", ".join(columns[:8]) + (", …" if len(columns) > 8 else "")
        source = "no images" if self.cutouts is None else f"images from {self.cutouts.source!r}"
        objects = "1 object" if len(self) == 1 else f"{len(self):,} objects"
        return f"<Catalog: {objects}, columns {shown}; {source}>"

    def row(self, id: str) -> int:
        """The row number of one object; raises `ValueError` for an unknown id.

        >>> Catalog({"id_str": ["J1", "J2"]}).row("J2")
        1
        """
        return int(self.ids.rows([id], where="the catalogue")[0])

    def only(self, ids: str | Iterable[str]) -> Catalog:
        """The catalogue of those of `ids` that it knows, in that order.

        Raises `ValueError` when it knows none of them.

        >>> Catalog({"id_str": ["J1", "J2", "J3"]}).only(["J3", "J9", "J1"]).ids.tolist()
        ['J3', 'J1']
        """
        wanted = asked(self.ids, ids)
        rows = self.ids.known(wanted)
        if len(rows) == len(wanted) == len(self) and (np.diff(rows) == 1).all():
            return self
        if not len(rows):
            shown = ", ".join(repr(text) for text in wanted[:3])
            raise ValueError(
                f"none of the {len(wanted):,} ids ({shown}) is in the catalogue, whose ids are "
                f"like {self.ids[0]!r}"
            )
        return Catalog(self.table.iloc[rows], self.cutouts, name=self.name)

    def record(self, id: str) -> dict[str, object]:
        """One row as plain Python values: None where missing, dates as text, bytes left out.

        Raises `ValueError` for an unknown id.

        >>> Catalog({"id_str": ["J1", "J2"], "mag": [17.5, None], "n": [1, 2]}).record("J2")
        {'id_str': 'J2', 'mag': None, 'n': 2}
        """
        row = self.row(id)
        values = {name: _cell(self.table[name].iloc[row]) for name in self.table.columns}
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in values.items()
            if not _holds_bytes(value)
        }

    def position(self, id: str) -> tuple[float, float] | None:
        """Right ascension and declination in ICRS degrees; None where either is missing.

        Raises `ValueError` for an unknown id.
        """
        row = self.row(id)
        if not {"ra", "dec"} <= set(self.table.columns):
            return None
        ra, dec = (float(self.table[name].iloc[row]) for name in ("ra", "dec"))
        return None if np.isnan(ra) or np.isnan(dec) else (ra, dec)

    def image(self, id: str) -> Image.Image:
        """The RGB image of one object, its longest side at most 1024 pixels.

        Raises `CutoutError`, with the reason in one sentence, for anything that is wrong with it,
        an unknown id included.

        >>> catalog = Catalog({"id_str": ["J1", "J2"]}, cutouts=lambda row: np.zeros((5, 7), "u1"))
        >>> catalog.image("J1").size
        (7, 5)
        """
        if self.cutouts is None:
            raise CutoutError("no images were given with this catalogue")
        try:
            row = self.row(id)
        except (ValueError, TypeError) as error:
            raise CutoutError(str(error)) from None
        columns = self.cutouts.columns or self.table.columns
        return self.cutouts.image({c: _cell(self.table[c].iloc[row]) for c in columns})

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the table as .parquet, .csv, .fits, .ecsv or .vot; images in files stay there.

        Raises `ValueError` for another suffix or a column that the format cannot hold.
        """
        tables.write(self.table, path, {}, {"ra": "deg", "dec": "deg"}, _WORDS)


def _frame(table: Any) -> pd.DataFrame:
    """A new DataFrame with rows numbered from 0, its positions in degrees."""
    if isinstance(table, pd.DataFrame):
        indexed = table.index.name is not None and table.index.name not in table.columns
        frame = table.reset_index(drop=not indexed)
    elif isinstance(table, Mapping):
        frame = pd.DataFrame(dict(table))
    elif hasattr(table, "colnames"):
        frame = tables.frame_of(_in_degrees(table))
    else:
        raise TypeError(
            "expected a DataFrame, an astropy Table or a dict of columns, got "
            f"{type(table).__name__}; Catalog.read reads a file"
        )
    names = pd.Index(frame.columns)
    if not names.is_unique:
        raise ValueError(f"the column {names[names.duplicated()][0]!r} is there twice")
    unnamed = [name for name in names if not isinstance(name, str)]
    if unnamed:
        raise ValueError(f"column names are strings, got {unnamed[0]!r}")
    return frame


def _in_degrees(table: Table) -> Table:
    from astropy import units as u

    for name in table.colnames:
        unit = getattr(table[name], "unit", None)
        if name.lower() in _LIMITS and unit is not None and unit != u.deg:
            try:
                factor = u.Unit(unit).to(u.deg)
            except (u.UnitConversionError, ValueError, TypeError):
                raise ValueError(f"{name} is in {unit}, which is no angle") from None
            table = table.copy(copy_data=False)
            values = getattr(table[name], "value", table[name])
            table[name] = np.ma.asarray(values, dtype=float) * factor
    return table


def _positions(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with ra and dec, where it has them, as float degrees within their limits."""
    for name, (low, high) in _LIMITS.items():
        if name not in frame.columns:
            spelled = [column for column in frame.columns if column.lower() == name]
            if len(spelled) != 1:
                continue
            frame = frame.rename(columns={spelled[0]: name})
        try:
            values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError):
            texts = [value for value in frame[name] if isinstance(value, str)]
            shown = next((text for text in texts if not _is_number(text)), frame[name].iloc[0])
            hint = "; write NaN (leave it empty) where it is unknown"
            raise ValueError(
                f"{name} must be in degrees as numbers, got {shown!r}"
                f"{'' if re.search('[0-9]', str(shown)) else hint}"
            ) from None
        wrong = np.flatnonzero((values < low) | (values > high))
        if len(wrong):
            shown = ", ".join(f"{values[row]:g} in row {row}" for row in wrong[:3])
            hint = "; write NaN (leave it empty) where it is unknown"
            if name == "ra" and ((values[wrong] >= -360) & (values[wrong] < 0)).all():
                hint = "; add 360 to negative values"
            raise ValueError(
                f"{name} must be between {low:g} and {high:g} degrees; {len(wrong):,} of "
                f"{len(values):,} values are not, such as {shown}{hint}"
            )
        frame = frame.assign(**{name: values})
    return frame


def _default_source(frame: pd.DataFrame) -> str | None:
    images = frame["image"].dropna() if "image" in frame.columns else pd.Series(dtype=object)
    first = images.iloc[0] if len(images) else None
    if _holds_bytes(first):
        return "image"
    if "file_loc" in frame.columns:
        return "file_loc"
    return "image" if isinstance(first, str) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers_as_written(column: pd.Series) -> pd.Series:
    """A column of text as integers where every text is one as Python writes it, "7" but no "007".

    >>> _numbers_as_written(pd.Series(["7", "12"])).tolist()
    [7, 12]
    """
    numbers = pd.to_numeric(column, errors="coerce")
    exact = numbers.dtype.kind in "iu" and (numbers.astype(str) == column.astype(str)).all()
    return numbers if exact else column


def _holds_bytes(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(isinstance(inner, bytes) for inner in value.values())
    return isinstance(value, (bytes, bytearray, memoryview))


def _cell(value: Any) -> Any:
    """A cell as a plain Python value; an array stays one."""
    if isinstance(value, np.generic):
        value = value.item()
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, date):  # datetimes and pandas timestamps are dates too
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value


def _no_column(name: str, frame: pd.DataFrame, do: str) -> str:
    found = ", ".join(repr(column) for column in frame.columns[:12])
    more = ", …" if len(frame.columns) > 12 else ""
    return f"expected a column {name!r}, found {found or 'no columns'}{more}; {do}"
