"""What a source may be, with real files of each kind; what is wrong with one is said in words."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from astropy.io import fits
from PIL import Image

import anomaly_zoo as az
from anomaly_zoo import sources
from anomaly_zoo.sources import Source, open_source

N = 12


def pixels(number: int, side: int = 24) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)


def encoded(number: int, kind: str = "PNG", side: int = 24) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels(number, side)).save(file, kind)
    return file.getvalue()


def read(source: Source, start: int = 0, stop: int | None = None) -> dict[str, Any]:
    """Every image by its id, or the reason why there is none."""
    found: dict[str, Any] = {}
    for item in source.items(start, len(source) if stop is None else stop):
        try:
            found[item.id_str] = np.asarray(item.read())
        except az.CutoutError as error:
            found[item.id_str] = str(error)
    return found


def same_pictures(source: Source) -> None:
    """All N pictures in order, and any part of them by itself."""
    whole = read(source)
    assert list(whole) == list(source.ids) and len(source) == N
    for number, image in enumerate(whole.values()):
        np.testing.assert_array_equal(image, pixels(number))
    part = read(source, 5, 9)
    assert list(part) == list(source.ids[5:9])
    for id_str, image in part.items():
        np.testing.assert_array_equal(image, whole[id_str])


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(N):
        (tmp_path / "images" / f"J{number:02d}.png").write_bytes(encoded(number))
    return tmp_path / "images"


def test_a_folder_is_read_in_the_order_of_its_names(folder: Path) -> None:
    source = open_source(folder)
    assert (source.kind, source.name) == ("folder", "images")
    assert list(source.ids) == [f"J{number:02d}" for number in range(N)]
    same_pictures(source)


def test_a_folder_is_read_to_its_depth_and_hidden_files_are_not(folder: Path) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "J99.JPG").write_bytes(encoded(99, "JPEG"))
    (folder / ".ipynb_checkpoints").mkdir()
    for name in (".J1.png", "._J01.png", ".ipynb_checkpoints/J77.png", "notes.txt"):
        (folder / name).write_bytes(b"no image")
    source = open_source(folder)
    assert len(source) == N + 1 and "J99" in source.ids
    assert [item.where for item in source.items(N, N + 1)] == ["deep/er/J99.JPG"]


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["a/J1.png", "b/J2.fits.gz"], ["J1", "J2"]),
        (["a/J1.png", "b/J1.png"], ["a/J1", "b/J1"]),
        (["J1.jpg", "J1.png"], ["J1.jpg", "J1.png"]),
        (["a/J1.png", "b/J1.png", "b/J1.gif"], ["a/J1.png", "b/J1.gif", "b/J1.png"]),
        (["Grüße 星.png", 'a"b,c.png', "<b>.png", "a\nb.png"], None),
        ([" .png", "J1.png"], [" .png", "J1.png"]),
    ],
)
def test_ids_are_the_shortest_form_in_which_all_differ(
    tmp_path: Path, names: list[str], ids: list[str] | None
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(0))
    expected = sorted(name.removesuffix(".png") for name in names) if ids is None else ids
    source = open_source(tmp_path)
    assert list(source.ids) == expected
    good = {key for key, image in read(source).items() if not isinstance(image, str)}
    assert good == set(expected)


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX alone")
def test_names_that_are_no_text_can_be_written_all_the_same(tmp_path: Path) -> None:
    for name in (b"J\xff.png", b"J1.png"):
        try:
            (tmp_path / os.fsdecode(name)).write_bytes(encoded(0))
        except OSError:
            pytest.skip("this file system takes no such names")
    source = open_source(tmp_path)
    assert sorted(source.ids) == ["J1", "J\\xff"]
    assert all(isinstance(image, np.ndarray) for image in read(source).values())


def test_links_are_followed_within_the_folder_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(99))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "J50.png").write_bytes(encoded(50))
    try:
        (folder / "in.png").symlink_to(folder / "J00.png")
        (folder / "out.png").symlink_to(tmp_path / "secret.png")
        (folder / "lost.png").symlink_to(folder / "nowhere.png")
        (folder / "linked").symlink_to(tmp_path / "outside", target_is_directory=True)
    except OSError:
        pytest.skip("this file system has no links")
    found = read(open_source(folder))
    np.testing.assert_array_equal(found["in"], pixels(0))
    assert "leads out of the image folder" in found["out"]
    assert "missing" in found["lost"]
    assert "J50" not in found and len(found) == N + 3


def test_a_folder_called_tilde_is_not_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "J1.png").write_bytes(encoded(1))
    np.testing.assert_array_equal(read(open_source(tmp_path))["J1"], pixels(1))


def test_a_changed_file_is_another_source(folder: Path) -> None:
    before = open_source(folder).identity
    assert open_source(folder).identity == before
    assert open_source(folder, stretch="log").identity != before
    time.sleep(0.01)
    (folder / "J03.png").write_bytes(encoded(77))
    assert open_source(folder).identity != before


def test_empty_folders_say_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no images in the folder .*, no file"):
        open_source(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"only files such as notes\.txt; .* ends in \.jpg"):
        open_source(tmp_path)


def test_a_pattern_and_a_list_of_files_are_sources(folder: Path) -> None:
    same_pictures(open_source(f"{folder}/J*.png"))
    source = open_source(str(folder / "J0[1-3].png"))
    assert source.kind == "pattern" and list(source.ids) == ["J01", "J02", "J03"]
    assert len(open_source(f"{folder.parent}/**/J*.png")) == N
    some = [folder / "J05.png", folder / "J01.png", folder / "J01.png"]
    assert list(open_source(some).ids) == ["J01", "J05"]
    with pytest.raises(ValueError, match="no file matches the pattern"):
        open_source(f"{folder}/K*.png")
    with pytest.raises(FileNotFoundError, match=r"K\.png"):
        open_source([folder / "J01.png", folder / "K.png"])
    with pytest.raises(ValueError, match="folder"):
        open_source([folder / "J01.png", folder])


def test_a_folder_with_brackets_in_its_name_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "run[1]").mkdir()
    (tmp_path / "run[1]" / "J1.png").write_bytes(encoded(1))
    assert list(open_source(tmp_path / "run[1]").ids) == ["J1"]


# --- catalogues ----------------------------------------------------------------------------------


def table(path: Path, **columns: Any) -> Path:
    ids = [f"J{i}" for i in range(N)]
    frame = pd.DataFrame({"id_str": ids, **columns}, index=range(N))
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        pq.write_table(pa.Table.from_pandas(frame), path, row_group_size=5)
    return path


def test_a_parquet_with_images_is_read_a_few_rows_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "zoo.parquet", image=[encoded(i) for i in range(N)], ra=10.0)
    monkeypatch.setattr(sources.tabular, "ROWS", 2)
    asked = []
    whole = pq.ParquetFile.read
    monkeypatch.setattr(
        pq.ParquetFile, "read", lambda self, columns=None: asked.append(columns) or whole(self)
    )
    same_pictures(open_source(path))
    assert asked == [["id_str"]], "the images were read as a whole"


def test_a_parquet_of_one_row_group_is_not_read_as_a_whole(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(2**20)
    images = pa.array([noise[i:] for i in range(64)])
    columns = {"id_str": pa.array([f"J{i}" for i in range(64)]), "image": images}
    path = tmp_path / "big.parquet"
    pq.write_table(pa.table(columns), path, use_dictionary=False, write_batch_size=1)
    del images, columns
    before = pa.total_allocated_bytes()
    items = open_source(path).items(0, 64)
    assert next(items).size == pytest.approx(2**20, rel=1e-3)
    assert pa.total_allocated_bytes() - before < 2**25


def test_a_parquet_of_a_data_set_hub_keeps_bytes_and_path(tmp_path: Path) -> None:
    images = [{"bytes": encoded(i), "path": None} for i in range(N)]
    same_pictures(open_source(table(tmp_path / "zoo.parquet", image=images)))


def test_catalogues_name_files_or_a_template(folder: Path, tmp_path: Path) -> None:
    paths = [f"images/J{i:02d}.png" for i in range(N)]
    for suffix in (".parquet", ".csv"):
        same_pictures(open_source(table(tmp_path / f"a{suffix}", file_loc=paths)))
        plain = table(tmp_path / f"b{suffix}", number=range(N))
        same_pictures(open_source(plain, cutouts="images/J{number:02d}.png"))
    pd.DataFrame({"number": range(N)}).to_csv(tmp_path / "c.csv")
    numbered = open_source(
        tmp_path / "c.csv", cutouts="J{number:02d}.png", root=folder, id_column="number"
    )
    assert list(numbered.ids[:2]) == ["0", "1"]
    same_pictures(numbered)
    same_pictures(open_source(az.Catalog.read(tmp_path / "a.csv")))


def test_a_catalogue_of_other_images_is_another_source() -> None:
    def identity(**columns: Any) -> str:
        return open_source(az.Catalog({"id_str": ["a", "b"], **columns})).identity

    first = identity(image=[b"1", b"2"], mag=[1, 2])
    assert identity(image=[b"1", b"2"], mag=[3, 4]) == first, "a column that is not used"
    assert identity(image=[b"1", b"3"]) != first
    assert identity(file_loc=["1", "2"]) != first


def test_a_damaged_row_group_costs_its_own_rows_alone(tmp_path: Path) -> None:
    path = table(tmp_path / "zoo.parquet", image=[encoded(i) for i in range(N)])
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(1).column(1)
        start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    found = read(open_source(path))
    lost = {key for key, image in found.items() if isinstance(image, str)}
    assert lost == {f"J{i}" for i in range(5, 10)}
    assert all("damaged" in found[key] for key in lost)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"ra": 1.0}, "no images: expected a column image"),
        ({"file_loc": "a.png", "id_str": "same"}, "more than once, such as 'same'"),
        ({"file_loc": "a.png", "id_str": [None, *"abcdefghijk"]}, "1 id is missing"),
    ],
)
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_catalogues_that_cannot_be_used(
    tmp_path: Path, columns: dict[str, Any], said: str, suffix: str
) -> None:
    path = table(tmp_path / f"zoo{suffix}", **columns)
    with pytest.raises(ValueError, match=rf"^zoo{suffix}: .*{said}"):
        open_source(path)


def test_an_unknown_column_of_ids_is_named_with_those_there(tmp_path: Path) -> None:
    path = table(tmp_path / "zoo.parquet", image=[encoded(i) for i in range(N)])
    with pytest.raises(ValueError, match=r"expected a column 'objid', found 'id_str', 'image'"):
        open_source(path, id_column="objid")
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"zoo\.parquet could not be read as a Parquet table"):
        open_source(path)


# --- tar -----------------------------------------------------------------------------------------


def archive(path: Path, members: dict[str, bytes]) -> Path:
    if path.name.endswith(".zst"):
        plain = archive(path.with_suffix(""), members)
        with pa.output_stream(path, compression="zstd") as out:
            out.write(plain.read_bytes())
        return path
    how: Any = "w:" + path.name.partition(".tar.")[2]
    with tarfile.open(path, how) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst"])
def test_a_tar_is_read_where_it_lies(tmp_path: Path, suffix: str) -> None:
    members = {f"gz/J{i:02d}.png": encoded(i) for i in range(N)}
    path = archive(
        tmp_path / f"zoo{suffix}", {"gz/readme.txt": b"hi", "gz/._J00.png": b"", **members}
    )
    before = set(tmp_path.iterdir())
    source = open_source(path)
    assert source.kind == "tar" and list(source.ids)[:2] == ["J00", "J01"]
    same_pictures(source)
    assert set(tmp_path.iterdir()) == before, "something was unpacked"


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_names_and_links_of_a_tar_are_not_trusted(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(0))
    path = tmp_path / f"bad{suffix}"
    with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as tar:
        for name in ("../../up.png", "/etc/abs.png", "Grüße\n.png"):
            info = tarfile.TarInfo(name)
            info.size = len(encoded(1))
            tar.addfile(info, io.BytesIO(encoded(1)))
        for name, kind in (("soft.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(tmp_path / "secret.png")
            tar.addfile(info)
        info = tarfile.TarInfo("pipe.png")
        info.type = tarfile.FIFOTYPE
        tar.addfile(info)
    found = read(open_source(path))
    assert [key for key, image in found.items() if isinstance(image, np.ndarray)] == [
        "up",
        "abs",
        "Grüße\n",
    ]
    assert "link" in found["soft"] and "link" in found["hard"] and "no file" in found["pipe"]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_tar_that_breaks_off_is_refused(tmp_path: Path, suffix: str) -> None:
    path = archive(tmp_path / f"zoo{suffix}", {f"J{i}.png": encoded(i) for i in range(N)})
    data = path.read_bytes()
    # Within an image, on a border of two members, and within a header.
    for size in (len(data) // 3, 10 * 512, 10 * 512 + 100):
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match=r"damaged or breaks off after \d+ images"):
            open_source(path)
    path.write_bytes(b"this is no tar at all")
    with pytest.raises(ValueError, match=r"zoo\.tar.* could not be read as a tar"):
        open_source(path)


def test_a_tar_without_images_or_with_one_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no images in zoo\.tar"):
        open_source(archive(tmp_path / "zoo.tar", {"a.txt": b"hi"}))
    path = tmp_path / "two.tar"
    with tarfile.open(path, "w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("J1.png"), io.BytesIO())
    with pytest.raises(ValueError, match=r"two\.tar: 1 id is there more than once"):
        open_source(path)


# --- arrays --------------------------------------------------------------------------------------

Writer = Callable[[Path, dict[str, np.ndarray]], Path]


def in_hdf5(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    with h5py.File(folder / "zoo.h5", "w") as file:
        for name, array in arrays.items():
            values = array.astype("S") if array.dtype.kind == "U" else array
            chunks = (min(5, len(array)), *array.shape[1:])
            file.create_dataset(name, data=values, chunks=chunks)
    return folder / "zoo.h5"


def in_zarr(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    root = zarr.open_group(str(folder / "zoo.zarr"), mode="w", zarr_format=2)
    for name, array in arrays.items():
        chunks = (min(5, len(array)), *array.shape[1:])
        root.create_array(name, data=array, chunks=chunks)
    return folder / "zoo.zarr"


STACK = np.stack([pixels(i) for i in range(N)])


@pytest.mark.parametrize("write", [in_hdf5, in_zarr])
@pytest.mark.parametrize("layout", ["last", "first"])
def test_arrays_of_either_layout(tmp_path: Path, write: Writer, layout: str) -> None:
    stack = STACK if layout == "last" else np.ascontiguousarray(np.moveaxis(STACK, -1, 1))
    source = open_source(write(tmp_path, {"images": stack}))
    assert list(source.ids[:2]) == ["0000000", "0000001"]
    same_pictures(source)


@pytest.mark.parametrize("write", [in_hdf5, in_zarr])
def test_arrays_have_their_ids_beside_them(tmp_path: Path, write: Writer) -> None:
    ids = np.array([f"J{i}" for i in range(N)])
    path = write(tmp_path, {"set/images": STACK, "set/ids": ids, "set/noise": STACK})
    source = open_source(path)
    assert list(source.ids) == list(ids)
    same_pictures(source)
    assert list(open_source(path, dataset="set/noise").ids) == list(ids)
    with pytest.raises(ValueError, match=r"no dataset 'cats', only set/"):
        open_source(path, dataset="cats")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_of_other_values_is_another_source(tmp_path: Path, zarr_format: Any) -> None:
    path = tmp_path / "zoo.zarr"
    array = zarr.create_array(
        str(path), data=STACK, chunks=(5, *STACK.shape[1:]), zarr_format=zarr_format
    )
    before = open_source(path).identity
    assert open_source(path).identity == before
    array[3] = 255 - STACK[3]
    assert open_source(path).identity != before


@pytest.mark.parametrize("write", [in_hdf5, in_zarr])
def test_several_arrays_are_listed(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path, {"a": STACK, "b": STACK})
    with pytest.raises(ValueError, match=r"expected one dataset .*a \(12, 24, 24, 3\).*--dataset"):
        open_source(path)


@pytest.mark.parametrize("write", [in_hdf5, in_zarr])
@pytest.mark.parametrize(
    ("shape", "said"),
    [((4, 5, 24, 24), "three bands"), ((4, 24), "expected one dataset")],
)
def test_shapes_that_are_no_images(
    tmp_path: Path, write: Writer, shape: tuple[int, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        open_source(write(tmp_path, {"images": np.zeros(shape, np.float32)}))


@pytest.mark.parametrize("write", [in_hdf5, in_zarr])
def test_ids_that_are_there_twice(tmp_path: Path, write: Writer) -> None:
    with pytest.raises(ValueError, match=r"zoo\.\w+: ids: 1 id is there more than once"):
        open_source(write(tmp_path, {"images": STACK, "ids": np.array(["J1"] * N)}))


def test_survey_numbers_are_shown_as_the_viewer_shows_them(tmp_path: Path) -> None:
    sky = np.random.default_rng(0).normal(size=(N, 24, 24)).astype(np.float32)
    catalog = az.Catalog(
        {"id_str": [f"{i:07d}" for i in range(N)]},
        lambda row: sky[int(row["id_str"])],
        stretch="log",
    )
    np.save(tmp_path / "sky.npy", sky)
    for path in (in_hdf5(tmp_path, {"images": sky}), tmp_path / "sky.npy"):
        for id_str, image in read(open_source(path, stretch="log")).items():
            np.testing.assert_array_equal(image, np.asarray(catalog.image(id_str)))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    for name in ("zoo.h5", "zoo.npy", "zoo.fits"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(ValueError, match=rf"{name} could not be read as"):
            open_source(tmp_path / name)
    (tmp_path / "zoo.zarr").mkdir()
    (tmp_path / "zoo.zarr" / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match=r"zoo\.zarr could not be read as Zarr"):
        open_source(tmp_path / "zoo.zarr")


def test_a_damaged_block_costs_its_own_rows_alone(tmp_path: Path) -> None:
    path = tmp_path / "zoo.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "images", data=STACK, chunks=(4, 24, 24, 3), compression="gzip", fletcher32=True
        )
        offset = data.id.get_chunk_info(1).byte_offset
    with open(path, "r+b") as raw:
        raw.seek(offset + 30)
        raw.write(b"\xff" * 20)
    found = read(open_source(path))
    lost = [key for key, image in found.items() if isinstance(image, str)]
    assert lost == [f"{row:07d}" for row in range(4, 8)]
    assert "damaged" in found["0000004"]


@pytest.mark.parametrize("name", ["zoo.h5", "zoo.zarr"])
def test_a_missing_extra_says_what_to_install(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = (in_hdf5 if name.endswith("h5") else in_zarr)(tmp_path, {"images": STACK})
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(ImportError, match=r"pip install 'anomaly-zoo\[arrays\]'"):
        open_source(path)


# --- FITS ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["plain", "gzip", "scaled", "compressed", "extension"])
def test_a_fits_cube_is_as_many_images(tmp_path: Path, how: str) -> None:
    sky = np.random.default_rng(0).normal(100, 20, size=(N, 24, 30)).astype(np.float32)
    path = tmp_path / ("zoo.fits.gz" if how == "gzip" else "zoo.fits")
    if how == "scaled":
        sky = sky.astype(np.uint16)  # BZERO
    hdus: list[Any] = [fits.PrimaryHDU(None if how in ("compressed", "extension") else sky)]
    if how == "compressed":
        hdus.append(fits.CompImageHDU(sky, compression_type="GZIP_2", quantize_level=0))
    if how == "extension":
        hdus.append(fits.ImageHDU(sky, name="CUTOUTS"))
    names = fits.Column("id_str", "8A", array=[f"J{i}" for i in range(N)])
    hdus.append(fits.BinTableHDU.from_columns([names]))
    fits.HDUList(hdus).writeto(path)
    source = open_source(path)
    assert source.kind == "FITS cube" and list(source.ids) == [f"J{i}" for i in range(N)]
    single = tmp_path / "one.fits"
    for number in (0, 7):
        fits.writeto(single, sky[number], overwrite=True)
        shown = az.Catalog({"id_str": ["a"], "file_loc": [str(single)]}, root=tmp_path).image("a")
        np.testing.assert_array_equal(read(source)[f"J{number}"], np.asarray(shown))


def test_a_fits_table_is_a_catalogue_and_one_image_is_no_source(
    folder: Path, tmp_path: Path
) -> None:
    az.Catalog(
        {"id_str": [f"J{i}" for i in range(N)], "file_loc": [f"J{i:02d}.png" for i in range(N)]}
    ).write(tmp_path / "zoo.fits")
    same_pictures(open_source(tmp_path / "zoo.fits", root=folder))
    fits.writeto(tmp_path / "one.fits", np.zeros((24, 24)))
    with pytest.raises(ValueError, match=r"one\.fits is one image; give the folder"):
        open_source(tmp_path / "one.fits")
    cube = fits.ImageHDU(np.zeros((3, 9, 9)))
    fits.HDUList([fits.PrimaryHDU(), cube, cube.copy()]).writeto(tmp_path / "two.fits")
    with pytest.raises(ValueError, match=r"several cubes .*--dataset"):
        open_source(tmp_path / "two.fits")
    assert len(open_source(tmp_path / "two.fits", dataset="2")) == 3


# --- anything else -------------------------------------------------------------------------------


def test_what_is_no_source(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file or folder: .*nowhere"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is one image; give the folder"):
        open_source(folder / "J01.png")
    (tmp_path / "zoo.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"zoo\.zip: expected a folder of images, a pattern"):
        open_source(tmp_path / "zoo.zip")
    with pytest.raises(ValueError, match=r"address; .*--cutouts"):
        open_source("https://example.org/{id_str}.jpg")
    with pytest.raises(TypeError, match=r"expected a folder of images.* got int"):
        open_source(7)
    with pytest.raises(TypeError, match=r"got DataFrame; give az\.Catalog"):
        open_source(pd.DataFrame({"id_str": ["J1"]}))
    with pytest.raises(TypeError, match=r"got ndarray; save it"):
        open_source(STACK)
    with pytest.raises(ValueError, match="stretch: expected one of"):
        open_source(folder, stretch="sqrt")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("images", {"cutouts": "{id_str}.png"}),
        ("images", {"dataset": "images"}),
        ("zoo.tar", {"id_column": "objid"}),
        ("zoo.h5", {"root": "."}),
        ("zoo.csv", {"dataset": "images"}),
    ],
)
def test_an_argument_that_does_not_go_with_the_source_is_refused(
    folder: Path, tmp_path: Path, name: str, option: dict[str, Any]
) -> None:
    archive(tmp_path / "zoo.tar", {"a.png": encoded(1)})
    in_hdf5(tmp_path, {"images": STACK})
    table(tmp_path / "zoo.csv", file_loc="a.png")
    [(argument, _)] = option.items()
    with pytest.raises(ValueError, match=rf"{argument} \(--.*\) does not go with"):
        open_source(tmp_path / name, **option)
