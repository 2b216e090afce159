"""Catalogues from five formats, positions, records, images, and clear words for bad input."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from PIL import Image

from anomaly_zoo.catalog import Catalog
from anomaly_zoo.cutouts import CutoutError, Cutouts

SUFFIXES = [".parquet", ".csv", ".fits", ".ecsv", ".vot"]


def jpeg(colour: tuple[int, int, int] = (200, 10, 10)) -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 6), colour).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ra": [10.5, 359.99, np.nan],
            "id_str": ["J1", "<b>J2</b>", "003"],
            "dec": [-3.25, 90.0, 1.0],
            "file_loc": ["images/a.jpg", "images/gone.jpg", None],
            "mag": np.array([17.5, np.nan, 18.25], dtype=np.float32),
            "n": [1, 2, 3],
        }
    )


# reading and writing


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_five_formats(tmp_path: Path, frame: pd.DataFrame, suffix: str) -> None:
    path = tmp_path / f"galaxies{suffix}"
    Catalog(frame).write(path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(jpeg())

    catalog = Catalog.read(path)
    assert len(catalog) == 3
    assert catalog.name == path.name
    assert catalog.ids.tolist() == ["J1", "<b>J2</b>", "003"]
    assert set(map(type, catalog.ids)) == {str}
    assert list(catalog.table.columns) == ["id_str", "ra", "dec", "file_loc", "mag", "n"]
    assert catalog.position("J1") == (10.5, -3.25)
    assert catalog.position("003") is None
    record = catalog.record("<b>J2</b>")
    assert record == {
        "id_str": "<b>J2</b>",
        "ra": 359.99,
        "dec": 90.0,
        "file_loc": "images/gone.jpg",
        "mag": None,
        "n": 2,
    }
    assert {type(value) for value in record.values()} == {str, float, int, type(None)}
    assert catalog.image("J1").size == (8, 6)
    with pytest.raises(CutoutError, match=r"images/gone\.jpg is missing"):
        catalog.image("<b>J2</b>")
    with pytest.raises(CutoutError, match="'file_loc' is empty"):
        catalog.image("003")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_integer_ids_in_a_file_become_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"gaia{suffix}"
    table = Table({"source_id": np.array([5853498713190525696, 12]), "ra": [1.0, 2.0]})
    if suffix in (".parquet", ".csv"):
        frame = table.to_pandas()
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    else:
        table.write(path, format="votable" if suffix == ".vot" else None)
    catalog = Catalog.read(path, id_column="source_id", cutouts="{source_id:d}.jpg")
    assert catalog.ids.tolist() == ["5853498713190525696", "12"]
    assert catalog.record("12")["source_id"] == 12


def test_csv_ids_are_kept_as_written(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("id_str,RA,Dec,label\n0012,1,2,NA\nNA,3,4,x\n1e5,5,6,\n")
    catalog = Catalog.read(path)
    assert catalog.ids.tolist() == ["0012", "NA", "1e5"]
    assert list(catalog.table.columns) == ["id_str", "ra", "dec", "label"]
    assert catalog.position("NA") == (3.0, 4.0)


def test_root_is_the_folder_of_the_file_unless_given(tmp_path: Path, frame: pd.DataFrame) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "J1.jpg").write_bytes(jpeg())
    frame.to_csv(tmp_path / "tables" / "c.csv", index=False)
    near = Catalog.read(tmp_path / "tables" / "c.csv", cutouts="images/{id_str}.jpg")
    with pytest.raises(CutoutError, match="is missing"):
        near.image("J1")
    there = Catalog.read(tmp_path / "tables" / "c.csv", "images/{id_str}.jpg", root=tmp_path)
    assert there.image("J1").size == (8, 6)


def test_fits_masked_values_and_byte_strings(tmp_path: Path) -> None:
    table = Table({"id_str": np.array([b"a ", b"b"]), "k": MaskedColumn([1, 2], mask=[0, 1])})
    hdus = [fits.PrimaryHDU(np.zeros((3, 3))), fits.table_to_hdu(table)]
    fits.HDUList(hdus).writeto(tmp_path / "t.fits.gz")
    catalog = Catalog.read(tmp_path / "t.fits.gz")
    assert catalog.ids.tolist() == ["a", "b"]
    assert catalog.record("a") == {"id_str": "a", "k": 1}
    assert catalog.record("b") == {"id_str": "b", "k": None}


# what a catalogue may be made of


def test_tables_of_every_kind(frame: pd.DataFrame) -> None:
    columns = {name: frame[name].tolist() for name in frame}
    for table in (
        frame,
        columns,
        frame.set_index("id_str"),
        frame.set_index(np.array([7, 8, 9])),
        Table.from_pandas(frame),
        frame.astype({"id_str": "category"}),
        frame.astype({"id_str": object}),
    ):
        catalog = Catalog(table)
        assert catalog.ids.tolist() == frame["id_str"].tolist()
        assert catalog.table.index.tolist() == [0, 1, 2]
        assert catalog.position("J1") == (10.5, -3.25)


def test_the_callers_table_and_the_ids_are_safe(frame: pd.DataFrame) -> None:
    before = frame.copy()
    catalog = Catalog(frame)
    frame.loc[0, "mag"] = 99.0
    assert catalog.record("J1")["mag"] == 17.5
    assert list(before.columns) == list(frame.columns)
    with pytest.raises(TypeError, match="does not support item assignment"):
        catalog.ids[0] = "other"
    with pytest.raises(AttributeError):
        catalog.name = "other"  # type: ignore[misc]


def test_angles_in_other_units_become_degrees() -> None:
    table = QTable({"id_str": ["a", "b"], "RA": [1, 12] * u.hourangle, "DEC": [0.5, 1] * u.rad})
    catalog = Catalog(table)
    np.testing.assert_allclose(catalog.table["ra"], [15, 180])
    np.testing.assert_allclose(catalog.table["dec"], np.degrees([0.5, 1]))
    masked = Table({"id_str": ["a", "b"], "ra": MaskedColumn([1.0, 2.0], mask=[0, 1], unit="hour")})
    with pytest.raises(ValueError, match="ra is in h, which is no angle"):
        Catalog(masked)


def test_capital_positions_are_renamed_unless_small_ones_are_there() -> None:
    catalog = Catalog({"id_str": ["a"], "RA": ["x"], "ra": [1.0], "Dec": [2.0]})
    assert list(catalog.table.columns) == ["id_str", "RA", "ra", "dec"]
    assert catalog.position("a") == (1.0, 2.0)


def test_no_positions_at_all() -> None:
    assert Catalog({"id_str": ["a"]}).position("a") is None
    assert Catalog({"id_str": ["a"], "ra": [3]}).position("a") is None
    assert Catalog({"id_str": ["a", "b"], "ra": [3, 4], "dec": [1, None]}).position("b") is None


def test_records_are_plain(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id_str": ["a"],
            "image": [jpeg()],
            "packed": [{"bytes": b"x", "path": None}],
            "when": [pd.Timestamp("2024-01-02T03:04:05Z")],
            "day": [datetime(2024, 1, 2).date()],
            "took": [pd.Timedelta("90s")],
            "votes": [np.arange(3)],
            "flag": [True],
            "small": np.array([7], dtype=np.int8),
            "none": pd.array([None], dtype="Int64"),
            "html": ["<script>alert(1)</script>"],
        }
    )
    assert Catalog(frame).record("a") == {
        "id_str": "a",
        "when": "2024-01-02T03:04:05+00:00",
        "day": "2024-01-02",
        "took": 90.0,
        "votes": [0, 1, 2],
        "flag": True,
        "small": 7,
        "none": None,
        "html": "<script>alert(1)</script>",
    }


# rows


def test_row_and_only(frame: pd.DataFrame) -> None:
    catalog = Catalog(frame, name="mine")
    assert [catalog.row(i) for i in catalog.ids] == [0, 1, 2]
    part = catalog.only(np.array(["003", "unknown", "J1"], dtype=object))
    assert part.ids.tolist() == ["003", "J1"]
    assert part.position("J1") == (10.5, -3.25)
    assert part.name == "mine"
    assert part.cutouts == catalog.cutouts
    with pytest.raises(ValueError, match="the id 'J9' is not in the catalogue"):
        catalog.row("J9")
    with pytest.raises(ValueError, match=r"none of the 1 ids \('J9'\) is in the catalogue"):
        catalog.only(["J9"])
    for ask in (catalog.record, catalog.position):
        with pytest.raises(ValueError, match="'J9' is not in the catalogue; its ids are like 'J1'"):
            ask("J9")


@pytest.mark.parametrize(
    ("id", "got"),
    [
        (["J1"], "got a list"),
        (np.array(["J1"]), "got an ndarray"),
        (1, "got the integer 1; ids are text: '1'"),
        (np.int64(1), "got the integer 1; ids are text: '1'"),
        (1.5, "got a float"),
        (None, "got None"),
        (object(), "got an object"),
    ],
)
def test_ids_that_are_no_text(frame: pd.DataFrame, id: object, got: str) -> None:
    catalog = Catalog(frame)
    for ask in (catalog.row, catalog.record, catalog.position, lambda id: catalog.only([id])):
        with pytest.raises(TypeError, match=f"expected an id as text, such as 'J1', {got}"):
            ask(id)  # type: ignore[arg-type]
    with pytest.raises(CutoutError, match=got):
        catalog.image(id)  # type: ignore[arg-type]


def test_one_id_is_as_good_as_a_list(frame: pd.DataFrame) -> None:
    catalog = Catalog(frame)
    assert catalog.only("003").ids.tolist() == ["003"]
    assert catalog.row(np.str_("003")) == 2
    with pytest.raises(TypeError, match="expected an id as text, such as 'J1', got the integer 5"):
        catalog.only(5)  # type: ignore[arg-type]


# images


def test_images_that_are_found_without_being_named(tmp_path: Path) -> None:
    both = {"id_str": ["a"], "image": [jpeg()], "file_loc": ["a.jpg"]}
    assert Catalog(both).cutouts == Cutouts("image")
    assert Catalog(both).image("a").size == (8, 6)
    (tmp_path / "p.jpg").write_bytes(jpeg())
    path = {"id_str": ["b", "a"], "image": [None, "p.jpg"]}
    assert Catalog(path, root=tmp_path).image("a").size == (8, 6)
    text = both | {"image": ["spiral"]}
    assert Catalog(text, root=tmp_path).cutouts == Cutouts("file_loc", tmp_path)
    none = Catalog({"id_str": ["a"]})
    assert none.cutouts is None
    with pytest.raises(CutoutError, match="no images were given with this catalogue"):
        none.image("a")


def test_bytes_in_parquet(tmp_path: Path) -> None:
    structs = [{"bytes": jpeg(), "path": "x"}, {"bytes": None, "path": None}]
    table = pa.table({"id_str": ["a", "b"], "image": structs})
    pq.write_table(table, tmp_path / "c.parquet")
    catalog = Catalog.read(tmp_path / "c.parquet")
    assert catalog.image("a").size == (8, 6)
    assert "image" not in catalog.record("a")
    with pytest.raises(CutoutError):
        catalog.image("b")


def test_functions_get_the_whole_row(frame: pd.DataFrame) -> None:
    rows = []
    catalog = Catalog(frame, lambda row: rows.append(row) or np.zeros((4, 4), np.uint8))
    assert catalog.image("J1").size == (4, 4)
    assert set(rows[0]) == set(frame.columns)
    assert type(rows[0]["n"]) is int
    with pytest.raises(CutoutError, match="'J9' is not in the catalogue"):
        catalog.image("J9")


def test_a_stretch_and_a_cutouts_object_are_taken_over(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(tmp_path / "c.csv", index=False)
    catalog = Catalog.read(tmp_path / "c.csv", "{id_str}.fits", stretch="log")
    assert catalog.cutouts == Cutouts("{id_str}.fits", tmp_path, "log")
    ready = Cutouts("{n}.fits", tmp_path, "zscale")
    assert Catalog(frame, ready).cutouts is ready


# bad input


@pytest.mark.parametrize(
    ("table", "error", "reason"),
    [
        ({"objid": ["a"], "ra": [1.0]}, ValueError, "column 'id_str', found 'objid', 'ra'"),
        ({"id_str": ["a", "b", "a"]}, ValueError, "1 id is there more than once, such as 'a'"),
        ({"id_str": list("abcdabcd")}, ValueError, "4 ids are .* such as 'a', 'b', 'c';"),
        (
            {"id_str": ["a", None, "b", ""]},
            ValueError,
            "2 ids are missing or empty, in rows 1, 3;",
        ),
        ({"id_str": ["a", float("nan")]}, ValueError, "1 id is missing or empty, in row 1"),
        ({"id_str": ["a", "  "]}, ValueError, "1 id is missing or empty, in row 1"),
        ({"id_str": [1, 2]}, TypeError, "got the integer 1 in row 0.*id_column="),
        ({"id_str": [1.0, 2.0]}, TypeError, "float 1.0 in row 0; a float loses digits"),
        ({"id_str": [("a",), ("b",)]}, TypeError, "of type tuple"),
        ({"id_str": []}, ValueError, "no rows"),
        ({"id_str": ["a"], "ra": [361.0]}, ValueError, "ra must be between 0 and 360 degrees"),
        ({"id_str": ["a"], "ra": [-0.1]}, ValueError, "-0.1 in row 0; add 360"),
        ({"id_str": ["a"], "ra": [-999.0]}, ValueError, "row 0; write NaN .leave it empty. where"),
        ({"id_str": ["a"], "ra": [np.inf]}, ValueError, "inf in row 0; write NaN"),
        ({"id_str": ["a", "b"], "ra": ["1.5", "--"]}, ValueError, "got '--'; write NaN"),
        ({"id_str": ["a"], "dec": [-90.5]}, ValueError, "dec must be between -90 and 90 degrees"),
        ({"id_str": ["a"], "dec": [np.inf]}, ValueError, "1 of 1 values are not, such as inf"),
        ({"id_str": ["a"], "ra": ["12:30:00"]}, ValueError, "as numbers, got '12:30:00'"),
        ({"id_str": ["a", "b"], "ra": [1.0]}, ValueError, "same length"),
        (
            [1, 2],
            TypeError,
            "expected a DataFrame, an astropy Table or a dict of columns, got list",
        ),
    ],
)
def test_bad_tables(table: object, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        Catalog(table)  # type: ignore[arg-type]


def test_columns_that_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match="column 'a' is there twice"):
        Catalog(pd.DataFrame([["x", 1, 2]], columns=["id_str", "a", "a"]))
    with pytest.raises(ValueError, match="column names are strings, got 5"):
        Catalog(pd.DataFrame([["x", 1]], columns=["id_str", 5]))


def test_cutouts_that_ask_for_columns_that_are_not_there(frame: pd.DataFrame) -> None:
    for source, column in (("{name}.jpg", "name"), ("picture", "picture")):
        with pytest.raises(ValueError, match=f"expected a column '{column}', found 'id_str', 'ra'"):
            Catalog(frame, source)


def test_bad_files_name_themselves(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("objid,ra\n1,2\n")
    with pytest.raises(
        ValueError, match=r"c\.csv: expected a column 'id_str', found 'objid', 'ra'"
    ):
        Catalog.read(tmp_path / "c.csv")
    pd.DataFrame({"id_str": [1.5, 2.5]}).to_parquet(tmp_path / "f.parquet")
    with pytest.raises(TypeError, match=r"f\.parquet: id_str: .* a float loses digits"):
        Catalog.read(tmp_path / "f.parquet")
    pd.DataFrame({"id_str": ["a"], "objid": [1]}).to_parquet(tmp_path / "two.parquet")
    with pytest.raises(ValueError, match="a column id_str beside 'objid'"):
        Catalog.read(tmp_path / "two.parquet", id_column="objid")
    with pytest.raises(FileNotFoundError, match="no such file"):
        Catalog.read(tmp_path / "gone.parquet")
    with pytest.raises(ValueError, match="suffix names no table format"):
        (tmp_path / "c.txt").write_text("x")
        Catalog.read(tmp_path / "c.txt")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match=r"empty\.csv could not be read as a CSV table"):
        Catalog.read(tmp_path / "empty.csv")
    (tmp_path / "latin.csv").write_bytes("id_str,n\na,caf\xe9\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.csv could not be read as a CSV table"):
        Catalog.read(tmp_path / "latin.csv")


def test_a_million_rows() -> None:
    n = 1_000_000
    ids = np.array([f"J{number:07d}" for number in range(n)], dtype=object)
    catalog = Catalog(pd.DataFrame({"id_str": ids, "ra": np.linspace(0, 360, n)}))
    assert catalog.row("J0765432") == 765_432
    assert catalog.record("J0000001")["ra"] == pytest.approx(360 / (n - 1))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_number_in_a_template(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    frame = pd.DataFrame({"objid": [7, 12]})
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    (tmp_path / "007.jpg").write_bytes(jpeg())
    catalog = Catalog.read(path, Path("{objid:03d}.jpg"), id_column="objid")
    assert catalog.image("7").size == (8, 6)
    assert catalog.ids.tolist() == ["7", "12"]


def test_a_number_written_with_zeros_in_a_template(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("objid\n007\n012\n")
    (tmp_path / "007.jpg").write_bytes(jpeg())
    for template in ("{objid:03d}.jpg", "{objid}.jpg"):
        assert Catalog.read(tmp_path / "t.csv", template, id_column="objid").image("007")


@pytest.mark.parametrize("source", ["images/J1.jpg", "images/%s.jpg", "%s", "J1.jpg"])
def test_a_path_without_a_placeholder(frame: pd.DataFrame, source: str) -> None:
    with pytest.raises(ValueError, match=r'has a placeholder: "images/\{id_str\}\.jpg"'):
        Catalog(frame, source)


def test_a_table_in_memory_is_not_read(frame: pd.DataFrame) -> None:
    for table, named in ((frame, "DataFrame"), (None, "None")):
        with pytest.raises(TypeError, match=rf"a path, got {named}; .*az\.Catalog\(table\)"):
            Catalog.read(table)  # type: ignore[arg-type]
