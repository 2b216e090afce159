"""Images from real files of every kind, and a plain reason for each one that cannot be shown."""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from anomaly_zoo import cutouts as module
from anomaly_zoo.cutouts import CutoutError, Cutouts

RAMP = np.arange(48, dtype=np.float32).reshape(6, 8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + end

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def shown(value: object, stretch: str = "asinh") -> np.ndarray:
    """The pixels that a column holding `value` leads to."""
    image = Cutouts("image", stretch=stretch).image({"image": value})
    assert image.mode == "RGB"
    return np.asarray(image)


def refused(value: object, source: object = "image", **options: object) -> str:
    row = value if isinstance(value, dict) else {"image": value}
    with pytest.raises(CutoutError) as caught:
        Cutouts(source, **options).image(row)  # type: ignore[arg-type]
    reason = str(caught.value)
    assert 5 < len(reason) < 300
    assert reason.isprintable()
    return reason


# encoded bytes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_formats(kind: str) -> None:
    red = Image.new("RGB", (8, 6), (200, 10, 10))
    pixels = shown(encoded(red, kind))
    assert pixels.shape == (6, 8, 3)
    np.testing.assert_allclose(pixels[3, 4], [200, 10, 10], atol=12)


def test_formats_that_are_not_asked_for_are_not_decoded() -> None:
    picture = Image.new("RGB", (8, 6))
    for kind in ("BMP", "PPM", "ICO", "EPS"):
        assert "not an image" in refused(encoded(picture, kind))


def test_gray_palette_and_transparent_images_become_rgb() -> None:
    gray = Image.fromarray(np.full((4, 4), 90, np.uint8))
    assert shown(encoded(gray))[0, 0].tolist() == [90, 90, 90]
    palette = Image.new("RGB", (4, 4), (0, 0, 255)).convert("P")
    np.testing.assert_allclose(shown(encoded(palette))[0, 0], [0, 0, 255], atol=3)
    glass = Image.new("RGBA", (4, 4), (255, 255, 255, 0))
    assert shown(encoded(glass)).max() == 0  # on black, as the sky
    half = Image.new("LA", (4, 4), (200, 128))
    np.testing.assert_allclose(shown(encoded(half))[0, 0], [100, 100, 100], atol=2)
    cmyk = Image.new("CMYK", (4, 4), (0, 0, 0, 0))
    assert shown(encoded(cmyk, "JPEG")).min() > 250


def test_16_bit_and_float_images_are_stretched() -> None:
    faint = Image.fromarray((RAMP * 20).astype(np.uint16))
    for image in (encoded(faint), encoded(Image.fromarray(RAMP), "TIFF")):
        pixels = shown(image, "linear")
        assert pixels.min() == 0
        assert pixels.max() == 255
        assert (np.diff(pixels[:, :, 0].ravel().astype(int)) >= 0).all()


def test_a_large_image_is_reduced() -> None:
    large = Image.new("RGB", (3000, 1500), (9, 99, 199))
    for kind in ("JPEG", "PNG"):
        pixels = shown(encoded(large, kind))
        assert pixels.shape == (512, 1024, 3)
        np.testing.assert_allclose(pixels[5, 5], [9, 99, 199], atol=4)
    assert shown(np.zeros((3000, 30), np.uint8)).shape == (1024, 10, 3)


@pytest.mark.parametrize(
    ("width", "height"), [(20_001, 1), (1, 20_001), (10_001, 10_000), (60_000, 60_000)]
)
def test_a_huge_image_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    reason = refused(png_header(width, height))
    assert f"too large: {width:,} x {height:,} pixels" in reason


def test_broken_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    for kind in ("JPEG", "PNG", "TIFF", "WEBP", "GIF"):
        whole = encoded(Image.fromarray(noise), kind)
        reason = refused(whole[: len(whole) // 2])
        assert "truncated" in reason or "damaged" in reason, (kind, reason)
        refused(whole[:12])
    assert "no bytes" in refused(b"")
    assert "not an image" in refused(b"<html>no such galaxy</html>")
    assert "damaged" in refused(png_header(0, 5))
    assert "truncated" in refused(png_header(5, 5))


@settings(max_examples=60, deadline=None)
@given(
    start=st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\x00", b"RIFF\0\0\0\0WEBP",
         b"SIMPLE  =", b"\x1f\x8b"]
    ),
    rest=st.binary(max_size=300),
)  # fmt: skip
def test_any_bytes_give_an_image_or_a_reason(start: bytes, rest: bytes) -> None:
    try:
        Cutouts("image").image({"image": start + rest})
    except CutoutError as error:
        assert str(error).isprintable()


def test_values_that_are_no_image() -> None:
    assert "is empty for this object" in refused(None)
    assert "is empty for this object" in refused(float("nan"))
    assert "is empty for this object" in refused(pd.NA)
    assert "is empty for this object" in refused(" ")
    assert "holds int" in refused(7)
    assert "no column 'image'" in refused({"id_str": "J1"})


def test_bytes_inside_a_struct_and_other_byte_types() -> None:
    data = encoded(Image.new("RGB", (8, 6)))
    for value in ({"bytes": data, "path": "x.png"}, bytearray(data), memoryview(data)):
        assert shown(value).shape == (6, 8, 3)


# FITS


def fits_file(path: Path, *hdus: object) -> Path:
    fits.HDUList(list(hdus)).writeto(path)
    return path


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
@pytest.mark.parametrize("stretch", module.STRETCHES)
def test_one_band(tmp_path: Path, stretch: str, suffix: str) -> None:
    fits_file(tmp_path / f"J1{suffix}", fits.PrimaryHDU(RAMP))
    image = Cutouts(f"{{id_str}}{suffix}", tmp_path, stretch).image({"id_str": "J1"})
    assert image.mode == "RGB"
    pixels = np.asarray(image)[:, :, 0].astype(int)
    assert pixels.shape == (6, 8)
    assert pixels[0, 7] == pixels.max() > 200  # the last FITS row is drawn on top
    assert pixels[5, 0] == pixels.min() == 0
    assert (np.diff(pixels[::-1].ravel()) >= 0).all()


def test_stretches_differ_as_they_should() -> None:
    data = np.linspace(0, 1, 1001, dtype=np.float32).reshape(7, 143)
    middle = {name: shown(data, name)[3, 71, 0] for name in ("linear", "asinh", "log")}
    assert abs(int(middle["linear"]) - 128) <= 1
    assert middle["linear"] < middle["asinh"] < middle["log"]


def test_nan_pixels_are_black_and_all_nan_is_refused(tmp_path: Path) -> None:
    data = RAMP.copy()
    data[2, 3] = np.nan
    data[2, 4] = np.inf
    data[0, 0] = 5
    fits_file(tmp_path / "a.fits", fits.PrimaryHDU(data))
    pixels = np.asarray(Cutouts("{id}.fits", tmp_path).image({"id": "a"}))[::-1]
    assert pixels[2, 3].max() == pixels[2, 4].max() == 0
    assert pixels[0, 0].max() > 0
    fits_file(tmp_path / "b.fits", fits.PrimaryHDU(np.full((4, 4), np.nan)))
    assert "every pixel" in refused({"id": "b"}, "{id}.fits", root=tmp_path)


def test_a_flat_image_is_shown(tmp_path: Path) -> None:
    for stretch in module.STRETCHES:
        assert shown(np.full((4, 4), 3.5), stretch).max() == 0
        assert shown(np.full((1, 1), 3.5), stretch).shape == (1, 1, 3)
    assert shown(np.full((4, 4, 3), 300.5)).max() == 0


def three_bands() -> np.ndarray:
    """Red, green, blue (3, 40, 40): a red source in one corner, a blue one in another."""
    cube = np.random.default_rng(0).normal(0, 0.01, (3, 40, 40)).astype(np.float32)
    cube[0, 5:9, 5:9] += 5
    cube[2, 30:34, 30:34] += 5
    return cube


def assert_coloured(pixels: np.ndarray) -> None:
    red, blue = pixels[::-1][7, 7].astype(int), pixels[::-1][32, 32].astype(int)
    assert red[0] > red[2] + 100
    assert blue[2] > blue[0] + 100
    assert pixels[20, 20].max() < 80


def test_three_bands_red_first(tmp_path: Path) -> None:
    cube = three_bands()
    sources = {
        "cube": [fits.PrimaryHDU(cube)],
        "extension": [fits.PrimaryHDU(), fits.ImageHDU(cube)],
        "compressed": [fits.PrimaryHDU(), fits.CompImageHDU(cube)],
        "three": [fits.PrimaryHDU(cube[0]), fits.ImageHDU(cube[1]), fits.ImageHDU(cube[2])],
    }
    for name, hdus in sources.items():
        fits_file(tmp_path / f"{name}.fits", *hdus)
        assert_coloured(np.asarray(Cutouts("{id}.fits", tmp_path).image({"id": name})))


def test_three_bands_that_the_header_calls_blue_first(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(three_bands()[::-1])
    hdu.header["BANDS"] = "grz"
    fits_file(tmp_path / "a.fits", hdu)
    assert_coloured(np.asarray(Cutouts("{id}.fits", tmp_path).image({"id": "a"})))


def test_error_and_mask_planes_are_not_colours(tmp_path: Path) -> None:
    hdus = [fits.ImageHDU(RAMP * k, name=n) for k, n in enumerate(["SCI", "ERR", "DQ"], start=1)]
    fits_file(tmp_path / "a.fits", fits.PrimaryHDU(), *hdus)
    pixels = np.asarray(Cutouts("{id}.fits", tmp_path).image({"id": "a"}))
    assert (pixels[:, :, 0] == pixels[:, :, 2]).all()
    assert pixels.max() > 200


def test_scaled_integers_degenerate_axes_and_nan_in_a_band(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU((RAMP * 100).astype(np.int16).reshape(1, 1, 6, 8))
    hdu.header["BLANK"] = -32768
    fits_file(tmp_path / "a.fits", hdu)
    unsigned = fits.PrimaryHDU((RAMP * 1000).astype(np.uint16))  # stored with BZERO
    fits_file(tmp_path / "b.fits", unsigned)
    for name in "ab":
        assert np.asarray(Cutouts("{id}.fits", tmp_path).image({"id": name})).shape == (6, 8, 3)
    cube = three_bands()
    cube[:, 0, 0] = np.nan
    fits_file(tmp_path / "c.fits", fits.PrimaryHDU(cube))
    assert_coloured(np.asarray(Cutouts("{id}.fits", tmp_path).image({"id": "c"})))


def test_broken_fits(tmp_path: Path) -> None:
    whole = fits_file(tmp_path / "a.fits", fits.PrimaryHDU(np.ones((100, 100)))).read_bytes()
    assert "truncated" in refused(whole[:20000])
    assert "FITS" in refused(whole[:1000])
    fits_file(tmp_path / "t.fits", fits.PrimaryHDU(), fits.BinTableHDU.from_columns([]))
    assert "has no image" in refused({"id": "t"}, "{id}.fits", root=tmp_path)
    five = fits_file(tmp_path / "5.fits", fits.PrimaryHDU(np.ones((5, 4, 4)))).read_bytes()
    assert "5 planes" in refused(five)
    assert "gzipped" in refused(b"\x1f\x8b" + whole[:500])


def test_a_fits_header_may_claim_too_many_pixels() -> None:
    header = fits.PrimaryHDU().header
    for key, value in (("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", 90_000), ("NAXIS2", 90_000)):
        header[key] = value
    assert "too large: 90,000 x 90,000" in refused(header.tostring().encode("ascii"))


# a function


def test_what_a_function_may_return(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 6), (1, 2, 3))
    picture.save(tmp_path / "p.png")
    for value in (
        picture,
        encoded(picture),
        np.full((6, 8), 7, np.uint8),
        np.full((6, 8, 1), 7, np.uint8),
        np.full((6, 8, 3), 7, np.uint8),
        np.full((6, 8, 4), 7, np.uint8),
        RAMP,
        np.stack([RAMP] * 3, axis=2),
        RAMP.astype(np.int64),
        RAMP > 4,
        tmp_path / "p.png",
        str(tmp_path / "p.png"),
    ):
        image = Cutouts(lambda row, value=value: value).image({})
        assert (image.mode, image.size) == ("RGB", (8, 6))


def test_colour_arrays_that_are_ready_to_be_shown_keep_their_values() -> None:
    colour = np.zeros((4, 4, 3))
    colour[..., 0], colour[..., 1] = 1.0, 0.2
    assert shown(colour)[0, 0].tolist() == [255, 51, 0]
    assert shown((colour * 255).astype(np.int64))[0, 0].tolist() == [255, 51, 0]


def test_a_function_keeps_its_image_and_gets_its_own_row() -> None:
    lent = Image.new("RGB", (3000, 10))
    row = {"id_str": "J1"}

    def cut(own: dict) -> Image.Image:
        own["id_str"] = "changed"
        return lent

    assert Cutouts(cut).image(row).size == (1024, 3)
    assert lent.size == (3000, 10)
    assert row == {"id_str": "J1"}


def test_what_a_function_may_do_wrong() -> None:
    def fails(row: dict) -> None:
        raise KeyError("flux\n\x1b[31m")

    def explains(row: dict) -> None:
        raise CutoutError("not observed yet")

    assert refused({}, fails).startswith("the cutout function failed: KeyError: 'flux")
    assert refused({}, explains) == "not observed yet"
    assert "gives no image" in refused({}, lambda row: None)
    assert "the cutout function gives list" in refused({}, lambda row: [[1]])
    assert "gives a web address" in refused({}, lambda row: "https://example.org/a.jpg")
    assert "np.moveaxis(x, 0, -1)" in refused({}, lambda row: np.zeros((3, 9, 8)))
    assert "moveaxis" not in refused({}, lambda row: np.zeros((2, 9, 8)))
    assert "shape (5,)" in refused({}, lambda row: np.zeros(5))
    assert "shape (3, 4, 4, 1)" in refused({}, lambda row: np.zeros((3, 4, 4, 1)))
    assert "no pixels" in refused({}, lambda row: np.zeros((0, 4)))
    assert "expected numbers" in refused({}, lambda row: np.zeros((4, 4), "U1"))
    assert "too large" in refused({}, lambda row: np.broadcast_to(np.uint8(0), (30_000, 5)))
    assert "memory" in refused({}, lambda row: np.zeros((2**40, 2**10)))


# paths


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """images/J1.png and images/deep/J2.png, beside secret.png that is nobody's business."""
    (tmp_path / "images" / "deep").mkdir(parents=True)
    for name in ("images/J1.png", "images/deep/J2.png", "secret.png"):
        Image.new("RGB", (8, 6)).save(tmp_path / name)
    return tmp_path


def test_templates(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Cutouts("images/{id_str}.png", folder)
    assert inside.columns == ("id_str",)
    assert inside.image({"id_str": "J1"}).size == (8, 6)
    assert inside.image({"id_str": "deep/J2"}).size == (8, 6)
    assert Cutouts(f"{folder}/images/{{id_str}}.png").image({"id_str": "J1"}).size == (8, 6)
    assert Cutouts("images/J{n:d}.{ext}", folder).image({"n": 1, "ext": "png"}).size == (8, 6)
    monkeypatch.chdir(folder)
    here = Cutouts("images/{id_str}.png")
    monkeypatch.chdir("/")
    assert here.image({"id_str": "J1"}).size == (8, 6)
    monkeypatch.setenv("HOME", str(folder))
    assert Cutouts("~/images/{id_str}.png").image({"id_str": "J1"}).size == (8, 6)


def test_a_column_of_paths(folder: Path) -> None:
    column = Cutouts("file_loc", folder)
    for path in ("images/J1.png", f"{folder}/images/J1.png", "images/../images/J1.png"):
        assert column.image({"file_loc": path}).size == (8, 6)


@pytest.mark.parametrize(
    "value", ["../secret", "deep/../../secret", "../images/../secret", "{folder}/secret"]
)
def test_a_template_holds_its_values_in_its_folder(folder: Path, value: str) -> None:
    reason = refused({"id_str": value.format(folder=folder)}, "images/{id_str}.png", root=folder)
    assert "leads out" in reason if ".." in value else "is missing" in reason


def test_a_column_of_paths_holds_to_the_root(folder: Path) -> None:
    for path in ("../secret.png", f"{folder}/secret.png", "/etc/hostname", "~root/.profile"):
        reason = refused({"file_loc": path}, "file_loc", root=folder / "images")
        assert "leads out of the image folder" in reason or "is missing" in reason
        if "leads out" in reason:
            assert reason.endswith("/images; name the folder that holds the images with root=")
    assert "zero byte" in refused({"file_loc": "a\x00b"}, "file_loc", root=folder)


def test_links_out_of_the_folder_are_not_followed(folder: Path) -> None:
    (folder / "images" / "link.png").symlink_to(folder / "secret.png")
    (folder / "images" / "up").symlink_to(folder)
    (folder / "images" / "in.png").symlink_to(folder / "images" / "J1.png")
    template = {"source": "images/{id_str}.png", "root": folder}
    assert "leads out" in refused({"id_str": "link"}, **template)
    assert "leads out" in refused({"id_str": "up/secret"}, **template)
    assert Cutouts(**template).image({"id_str": "in"}).size == (8, 6)
    (folder / "alias").symlink_to(folder / "images")  # the folder itself may be a link
    assert Cutouts("alias/{id_str}.png", folder).image({"id_str": "J1"}).size == (8, 6)


PIECES = st.lists(
    st.sampled_from(["..", ".", "/", "\\", "~", "secret", "deep", "J1", "%2e", "\x00", " ", "ä"]),
    max_size=8,
).map("".join)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=PIECES | st.text(max_size=20))
def test_no_value_leads_out_of_the_folder(folder: Path, value: str) -> None:
    opened: list[Path] = []

    class Watched(Cutouts):
        def _from_file(self, path: Path) -> Image.Image:
            opened.append(path)
            return super()._from_file(path)

    for source in ("images/{v}.png", "images/{v}/secret.png", "v"):
        root = folder if "{" in source else folder / "images"
        try:
            Watched(source, root).image({"v": value})
        except CutoutError as error:
            assert str(error).isprintable()
    assert all(path.is_relative_to((folder / "images").resolve()) for path in opened)


def test_files_that_are_not_there_or_no_files(folder: Path) -> None:
    template = {"source": "images/{id_str}", "root": folder}
    reason = refused({"id_str": "gone.png"}, **template)
    assert reason == "the image file images/gone.png is missing"
    assert "is not a file" in refused({"id_str": "deep"}, **template)
    os.mkfifo(folder / "images" / "pipe.png")
    assert "is not a file" in refused({"id_str": "pipe.png"}, **template)
    assert refused({"id_str": "x" * 5000}, **template)
    (folder / "images" / "none.png").write_bytes(b"")
    assert "no bytes" in refused({"id_str": "none.png"}, **template)
    (folder / "images" / "loop").symlink_to(folder / "images" / "loop")
    assert refused({"id_str": "loop"}, **template)


def test_a_file_that_is_too_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    assert "file is too large" in refused({"n": "J1"}, "images/{n}.png", root=folder)


def test_values_that_do_not_fit_their_format(folder: Path) -> None:
    assert "'.5f' cannot write" in refused({"ra": "12:30:00"}, "{ra:.5f}.png", root=folder)
    assert "is empty" in refused({"ra": float("nan")}, "{ra:.5f}.png", root=folder)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{row.__class__}.png", "no placeholder"),
        ("{row[0]}.png", "no placeholder"),
        ("{id_str!r}.png", "no placeholder"),
        ("{}.png", "no placeholder"),
        ("{ra:{width}}.png", "the format"),
        ("{ra:>99999999}.png", "the format"),
        ("{ra.png", "is no template"),
        ("ra}.png", "is no template"),
        ("", "source is empty"),
        ("file:///etc/{id_str}", "only http:// and https://"),
        ("ftp://example.org/{id_str}.png", "only http:// and https://"),
        ("https://{host}/{id_str}.png", "leaves the host open"),
        ("https://example.org{id_str}", "leaves the host open"),
        ("https://example.org:{port}/a", "leaves the host open"),
        ("https://me@{id_str}/a", "leaves the host open"),
    ],
)
def test_templates_that_are_refused(source: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Cutouts(source)


def test_bad_stretch_and_source() -> None:
    with pytest.raises(ValueError, match="expected one of asinh, linear, log, zscale, got 'sqrt'"):
        Cutouts("image", stretch="sqrt")
    with pytest.raises(TypeError, match=r"expected a path or address template.*got 7"):
        Cutouts(7)  # type: ignore[arg-type]


# the web


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """A local image server: its address, and the paths it was asked for."""
    asked: list[str] = []
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if "gone" in self.path:
                return self.send_error(404)
            if "slow" in self.path:
                released.wait(20)
                return None
            if "away" in self.path:
                self.send_response(302)
                self.send_header("Location", "file:///etc/hostname")
                return self.end_headers()
            body = encoded(Image.new("RGB", (8, 6)))
            body = b"<html>" if "page" in self.path else body
            body = b"x" * 5000 if "large" in self.path else body
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:40] if "short" in self.path else body)
            return None

        def log_message(self, *args: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", asked
        released.set()
        http.shutdown()
        thread.join()


def test_an_image_from_the_web(server: tuple[str, list[str]]) -> None:
    address, asked = server
    source = Cutouts(address + "/cut?ra={ra:.3f}&dec={dec:+.2f}&name={id_str}")
    assert source.columns == ("ra", "dec", "id_str")
    row = {"ra": 10.12345, "dec": 3.0, "id_str": "a b&size=9/../#"}
    assert source.image(row).size == (8, 6)
    assert asked == ["/cut?ra=10.123&dec=%2B3.00&name=a%20b%26size%3D9%2F..%2F%23"]


def test_what_a_server_may_do_wrong(
    server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _ = server
    source = address + "/{id_str}"
    monkeypatch.setattr(module, "MAX_DOWNLOAD", 4000)
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    assert "answered 404: Not Found" in refused({"id_str": "gone"}, source)
    assert "not an image" in refused({"id_str": "page"}, source)
    assert "is larger than" in refused({"id_str": "large"}, source)
    assert "no answer within" in refused({"id_str": "slow"}, source)
    assert "302" in refused({"id_str": "away"}, source)
    assert "broke off" in refused({"id_str": "short"}, source)


def test_no_network(server: tuple[str, list[str]]) -> None:
    reason = refused({"id_str": "J1"}, "http://127.0.0.1:9/{id_str}.jpg")
    assert "127.0.0.1:9 cannot be reached (no network?)" in reason


def test_a_column_never_names_an_address(server: tuple[str, list[str]]) -> None:
    address, asked = server
    assert "holds a web address" in refused(f"{address}/J1.png")
    assert refused({"file_loc": f"{address}/J1.png"}, "{file_loc}")
    assert asked == []


def test_a_template_does_not_turn_a_column_into_addresses() -> None:
    reason = refused({"url": "https://example.org/a.jpg"}, "{url}")
    assert "only taken from a template you write" in reason


def test_a_path_object_is_a_template(folder: Path) -> None:
    source = Cutouts(Path("images") / "{id_str}.png", folder)
    assert source == Cutouts("images/{id_str}.png", folder)
    assert source.image({"id_str": "J1"}).size == (8, 6)


def test_three_images_of_different_shapes_are_no_bands(tmp_path: Path) -> None:
    shapes = [(6, 8), (6, 8), (3, 4)]
    hdus = [fits.ImageHDU(np.ones(shape)) for shape in shapes]
    fits_file(tmp_path / "a.fits", fits.PrimaryHDU(), *hdus)
    reason = refused({"id": "a"}, "{id}.fits", root=tmp_path)
    assert "three images of different shapes, (6, 8), (6, 8), (3, 4)" in reason
