"""Tables survive five formats: values, units, descriptions, metadata; a write is all or none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomaly_zoo import tables

SUFFIXES = [".parquet", ".csv", ".fits", ".ecsv", ".vot"]
METADATA = {
    "version": "0.1.0",
    "rater": 'Zoë "Z" <b>#1</b>',
    "gp": {"kernel": "rq", "alpha": 2.5, "n": np.int64(3)},
    "note": "two\nlines, and " + "a very long tail " * 20 + "&",
    "empty": "",
    "n_rated": 12,
}
AS_TEXT = METADATA | {"gp": '{"kernel": "rq", "alpha": 2.5, "n": 3}', "n_rated": "12"}


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rank": np.arange(1, 4),
            "id_str": ["007", "<script>alert('J2')</script>", 'naïve #3, "quoted"'],
            "ra": [10.123456789012345, np.nan, 359.9],
            "interest": np.array([4.5, 3.25, 0.1], dtype=np.float32),
            "n_raters": pd.array([1, None, 3], dtype="Int64"),
            "rated": [True, False, True],
            "note": ["first", None, "third"],
        }
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_comes_back_as_it_was(tmp_path: Path, frame: pd.DataFrame, suffix: str) -> None:
    path = tmp_path / f"top{suffix}"
    tables.write(frame, path, METADATA, {"ra": "deg"}, {"ra": "right ascension (ICRS), °"})
    back = tables.read(path, text=["id_str"])
    assert list(back.columns) == list(frame.columns)
    assert back["id_str"].tolist() == frame["id_str"].tolist()
    assert back["rank"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(back["ra"].to_numpy(float), frame["ra"])
    np.testing.assert_allclose(back["interest"].to_numpy(float), frame["interest"], rtol=1e-6)
    assert back["n_raters"].isna().tolist() == [False, True, False]
    assert back["n_raters"].iloc[2] == 3
    assert back["rated"].tolist() == [True, False, True]
    notes = [note if isinstance(note, str) and note else None for note in back["note"]]
    assert notes == ["first", None, "third"]
    assert tables.metadata(path) == AS_TEXT
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".fits", ".ecsv", ".vot"])
def test_units_and_descriptions_are_where_astropy_looks(
    tmp_path: Path, frame: pd.DataFrame, suffix: str
) -> None:
    path = tmp_path / f"top{suffix}"
    tables.write(frame, path, {}, {"ra": "deg", "gone": "m"}, {"ra": "right ascension (ICRS)"})
    table = Table.read(path)
    assert str(table["ra"].unit) == "deg"
    if suffix == ".fits":
        header = fits.getheader(path, 1)
        assert header[f"TCOMM{table.colnames.index('ra') + 1}"] == "right ascension (ICRS)"
    else:
        assert table["ra"].description == "right ascension (ICRS)"


def test_units_and_descriptions_in_parquet_belong_to_the_field(
    tmp_path: Path, frame: pd.DataFrame
) -> None:
    import pyarrow.parquet as pq

    tables.write(frame, tmp_path / "t.parquet", {}, {"ra": "deg"}, {"ra": "right ascension"})
    field = pq.read_schema(tmp_path / "t.parquet").field("ra")
    assert field.metadata[b"unit"] == b"deg"
    assert field.metadata[b"description"] == b"right ascension"
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), frame)


def test_other_readers_understand_the_csv(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = tmp_path / "top.csv"
    tables.write(frame, path, METADATA)
    plain = pd.read_csv(path, comment="#", dtype={"id_str": str})
    assert plain["id_str"].tolist() == frame["id_str"].tolist()
    assert list(Table.read(path, format="ascii.csv", comment="#").colnames) == list(frame.columns)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=st.dictionaries(
        st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True),
        st.text(
            st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cn", "Co"]),
            max_size=120,
        ),
        max_size=4,
    ),
    suffix=st.sampled_from(SUFFIXES),
)
def test_any_text_survives_as_metadata(tmp_path: Path, values: dict[str, str], suffix: str) -> None:
    path = tmp_path / f"any{suffix}"
    tables.write(pd.DataFrame({"id_str": ["a", "b"]}), path, values)
    assert tables.metadata(path) == values


def test_csv_keeps_ids_as_written(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("\ufeff# a comment\nid_str,ra,objid\n0012,1,5\nNA,2,6\nnull,,7\n", "utf-8")
    frame = tables.read(path, text=["id_str"])
    assert frame["id_str"].tolist() == ["0012", "NA", "null"]
    assert frame["objid"].tolist() == [5, 6, 7]
    assert np.isnan(frame["ra"].iloc[2])


def test_fits_with_images_vectors_and_latin_text(tmp_path: Path) -> None:
    table = Table({"id": np.array([b"a", b"\xe9t\xe9"]), "v": np.arange(4.0).reshape(2, 2)})
    hdus = [fits.PrimaryHDU(np.zeros((4, 4))), fits.ImageHDU(np.zeros((4, 4)))]
    hdu = fits.BinTableHDU(table)
    for suffix in (".fits", ".fits.gz"):
        fits.HDUList([*hdus, hdu]).writeto(tmp_path / f"t{suffix}")
        frame = tables.read(tmp_path / f"t{suffix}")
        assert frame["id"].tolist() == ["a", "été"]
        assert [list(row) for row in frame["v"]] == [[0, 1], [2, 3]]


def test_a_parquet_index_becomes_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id_str": ["a", "b"], "ra": [1.0, 2.0]}).set_index("id_str")
    frame.to_parquet(tmp_path / "i.parquet")
    assert tables.read(tmp_path / "i.parquet")["id_str"].tolist() == ["a", "b"]


def test_a_skycoord_column_becomes_plain_columns(tmp_path: Path) -> None:
    from astropy.coordinates import SkyCoord

    table = Table({"id_str": ["a", "b"], "at": SkyCoord([1, 2], [3, 4], unit="deg")})
    table.write(tmp_path / "s.ecsv")
    assert tables.read(tmp_path / "s.ecsv")["at.ra"].tolist() == [1.0, 2.0]


def test_dates_and_half_floats(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "when": pd.to_datetime(["2024-01-02T03:04:05Z", None]),
            "f": np.array([0.5, 2.0], dtype=np.float16),
        }
    )
    for suffix in (".fits", ".ecsv", ".vot"):
        tables.write(frame, tmp_path / f"d{suffix}")
        back = tables.read(tmp_path / f"d{suffix}")
        assert back["when"].iloc[0] == "2024-01-02T03:04:05+00:00"
        assert back["f"].tolist() == [0.5, 2.0]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows_is_a_table_too(tmp_path: Path, frame: pd.DataFrame, suffix: str) -> None:
    tables.write(frame.iloc[:0], tmp_path / f"e{suffix}")
    assert list(tables.read(tmp_path / f"e{suffix}").columns) == list(frame.columns)


def test_unknown_suffix() -> None:
    with pytest.raises(ValueError, match=r"top\.txt: the suffix names no table format; use \.parq"):
        tables.write(pd.DataFrame({"a": [1]}), "top.txt")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file: .*gone\.csv"):
        tables.read(tmp_path / "gone.csv")
    with pytest.raises(FileNotFoundError, match="no such folder to write to"):
        tables.write(pd.DataFrame({"a": [1]}), tmp_path / "gone" / "top.csv")
    with pytest.raises(IsADirectoryError, match="got the folder"):
        tables.read(tmp_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_not_what_its_suffix_says(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(b"\x00\xff\xfe not a table \x89" * 10)
    with pytest.raises(ValueError, match=f"broken{suffix} could not be read as a"):
        tables.read(path)


def test_rows_longer_than_the_header_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("id_str,ra\na,1,9\nb,2,9\n")
    with pytest.raises(ValueError, match="could not be read as a CSV table"):
        tables.read(tmp_path / "w.csv")


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_bytes_need_parquet(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"id_str": ["a"], "image": [b"\xff\xd8"]})
    with pytest.raises(ValueError, match=r"cannot hold the column 'image'.*\.parquet"):
        tables.write(frame, tmp_path / f"b{suffix}")
    assert os.listdir(tmp_path) == []
    tables.write(frame, tmp_path / "b.parquet")
    assert tables.read(tmp_path / "b.parquet")["image"].iloc[0] == b"\xff\xd8"


ODD = st.text(
    st.sampled_from(
        " \t\n\r\0\x01\x0b\x0c\x1c\x1f\x7f\x85\xa0\u2028\ufeff\uffff#,;\"'\\&<>=-é😀ab1"
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(id=ODD, note=ODD, suffix=st.sampled_from(SUFFIXES))
def test_any_text_comes_back_or_is_refused(tmp_path: Path, id: str, note: str, suffix: str) -> None:
    path = tmp_path / f"odd{suffix}"
    frame = pd.DataFrame({"id_str": ["J1", id], "n": [1, 2], "note": [note, "x"]})
    try:
        tables.write(frame, path)
    except ValueError as error:
        assert suffix not in (".parquet", ".csv") and "write .parquet" in str(error)
        return
    back = tables.read(path, text=["id_str", "note"])
    assert back.to_dict("list") == frame.to_dict("list")


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".fits", "J2 "),
        (".ecsv", " J2"),
        (".ecsv", "#J2"),
        (".ecsv", "a\rb"),
        (".ecsv", "a \nb"),
        (".vot", " J2"),
        (".vot", "a\0b"),
        (".vot", "a\x1bb"),
    ],
)
def test_a_text_that_would_come_back_changed_is_refused(
    tmp_path: Path, suffix: str, text: str
) -> None:
    frame = pd.DataFrame({"id_str": ["J1", text], "n": [1, 2]})
    with pytest.raises(
        ValueError, match=r"cannot hold '.*' of the column 'id_str' as it is; .*\.pa"
    ):
        tables.write(frame, tmp_path / f"t{suffix}")
    assert os.listdir(tmp_path) == []
    for held in (".parquet", ".csv"):
        tables.write(frame, tmp_path / f"t{held}")
        assert tables.read(tmp_path / f"t{held}", ["id_str"])["id_str"].tolist() == ["J1", text]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "UInt64", "Int8"]
)
def test_integers_of_every_size(tmp_path: Path, suffix: str, dtype: str) -> None:
    largest = min(np.iinfo(dtype.lower()).max, 2**63 - 1)
    frame = pd.DataFrame({"id_str": ["a", "b"], "pixel": pd.array([0, largest], dtype=dtype)})
    tables.write(frame, tmp_path / f"i{suffix}")
    assert tables.read(tmp_path / f"i{suffix}")["pixel"].tolist() == [0, largest]


def test_integers_beyond_those_of_a_votable(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id_str": ["a"], "pixel": np.array([2**63], dtype=np.uint64)})
    for suffix in (".parquet", ".csv", ".fits", ".ecsv"):
        tables.write(frame, tmp_path / f"i{suffix}")
        assert tables.read(tmp_path / f"i{suffix}")["pixel"].tolist() == [2**63]
    with pytest.raises(ValueError, match=r"hold 9223372036854775808 of .*'pixel', .*\.parquet"):
        tables.write(frame, tmp_path / "i.vot")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["größe", "a b", "#a", "a,b", "a\tb", "x" * 69])
def test_names_of_columns_come_back_or_are_refused(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"n{suffix}"
    frame = pd.DataFrame({name: [1, 2], "id_str": ["a", "b"]})
    refused = {"größe": [".fits"], "x" * 69: [".fits"], "a\tb": [".fits", ".ecsv", ".vot"]}
    if suffix in refused.get(name, []):
        with pytest.raises(ValueError, match=r"the name of the column '.*'; rename it, or write"):
            tables.write(frame, path)
    else:
        tables.write(frame, path)
        assert list(tables.read(path).columns) == [name, "id_str"]


@pytest.mark.parametrize("suffix", SUFFIXES[2:])
def test_durations_and_periods_need_parquet(tmp_path: Path, suffix: str) -> None:
    for times in (pd.to_timedelta([1], "s"), pd.period_range("2026", periods=1)):
        frame = pd.DataFrame({"id_str": ["a"], "t": times})
        with pytest.raises(ValueError, match=r"cannot hold the column 't' of .*; leave it out, or"):
            tables.write(frame, tmp_path / f"d{suffix}")


def test_bad_metadata_key_and_repeated_columns(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one plain word"):
        tables.write(pd.DataFrame({"a": [1]}), tmp_path / "a.csv", {"two words": 1})
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(ValueError, match="the column 'a' twice"):
        tables.write(twice, tmp_path / "a.csv")
    with pytest.raises(ValueError, match="name of a column is text, got 5; rename it '5'"):
        tables.write(pd.DataFrame({5: [1]}), tmp_path / "a.parquet")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, frame: pd.DataFrame, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"top{suffix}"
    tables.write(frame, path)
    before = path.read_bytes()

    def full(source: Path, target: Path) -> None:
        assert Path(source).parent == tmp_path
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        tables.write(frame.iloc[:1], path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_a_table_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def call(*args: object, name: str = name, real: Callable[..., None] = real) -> None:
            done.append(name)
            real(*args)

        monkeypatch.setattr(os, name, call)
    tables.write(frame, tmp_path / "top.csv")
    assert done == ["fsync", "replace"]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "real" / "t.csv")
    tables.write(pd.DataFrame({"a": [1]}), link)
    assert link.is_symlink()
    assert (tmp_path / "real" / "t.csv").read_text() == "a\n1\n"


# what people's files look like


@pytest.mark.parametrize("separator", [",", ", ", ";", "; ", "\t"])
def test_csv_separators_and_spaces(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "c.csv"
    lines = [["id_str", "ra ", '"a, b; c; d, e"'], ["007", "10.5", '"a, b; c"'], ["008", "", "x"]]
    path.write_text("# note: one, two\n\n" + "\n".join(map(separator.join, lines)) + "\n")
    frame = tables.read(path, text=["id_str"])
    assert list(frame.columns) == ["id_str", "ra", "a, b; c; d, e"]
    assert frame["id_str"].tolist() == ["007", "008"]
    assert frame["ra"].iloc[0] == 10.5
    assert np.isnan(frame["ra"].iloc[1])
    assert frame.iloc[:, 2].tolist() == ["a, b; c", "x"]


def test_leading_spaces_survive_our_own_csv(tmp_path: Path) -> None:
    tables.write(pd.DataFrame({"id_str": [" J1", "J2 "], "n": [1, 2]}), tmp_path / "c.csv")
    assert tables.read(tmp_path / "c.csv", ["id_str"])["id_str"].tolist() == [" J1", "J2 "]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"id_str;ra\nJ1;10,5\nJ2;\n", "column 'ra' holds '10,5', a decimal comma; save the"),
        (b"id_str,n\nJ1,caf\xe9\n", "it is not UTF-8 text; save it as UTF-8"),
        ("id_str,n\nJ1,2\n".encode("utf-16"), "it is not UTF-8 text; save it as UTF-8"),
        (b"# made today\n# id_str, ra\nJ1,2\n", "the header line begins with '#'; remove it"),
        (b"id_str,a,a \nJ1,2,3\n", "the column 'a' is there twice"),
    ],
)
def test_csv_files_that_cannot_be_read_say_why(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "c.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"c\.csv could not be read as a CSV table: .*{reason}"):
        tables.read(tmp_path / "c.csv", text=["id_str"])


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    tables.write(pd.DataFrame({"a": [1]}), "~/t.csv", {"version": "1"})
    assert os.listdir(tmp_path) == ["t.csv"]
    assert tables.read("~/t.csv")["a"].tolist() == [1]
    assert tables.metadata("~/t.csv") == {"version": "1"}


def test_what_is_no_table_and_no_path(tmp_path: Path) -> None:
    for table, named in ((None, "None"), ([1], "list")):
        with pytest.raises(TypeError, match=rf"\(a pandas DataFrame\) to write, got {named}"):
            tables.write(table, tmp_path / "t.csv")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected the path of a file, got None"):
        tables.read(None)  # type: ignore[arg-type]
