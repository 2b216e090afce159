"""Contact sheets: what is drawn where, what cannot be drawn, and files whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomaly_zoo import Catalog, sheet
from anomaly_zoo.sheet import LIMITS, Caption, contact_sheet

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30), (200, 30, 200)]


def patches(n: int = 5, shape: tuple[int, int] = (40, 40)) -> Catalog:
    """Galaxies of one colour each."""

    def picture(row: dict[str, Any]) -> np.ndarray:
        return np.full((*shape, 3), COLOURS[int(row["id_str"][1:]) % 5], np.uint8)

    return Catalog({"id_str": [f"J{i}" for i in range(n)]}, picture)


def found(page: Image.Image) -> dict[int, tuple[int, int, int, int]]:
    """Where each of the colours is: left, top, right, bottom."""
    pixels = np.asarray(page).astype(int)
    places = {}
    for number, colour in enumerate(COLOURS):
        same = (abs(pixels - colour) < 12).all(axis=2)
        x, y = (np.flatnonzero(same.sum(axis=axis) > 100) for axis in (0, 1))
        if len(x):
            places[number] = (int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1)
    return places


def pages_of(file: Path) -> list[Image.Image]:
    """The pictures in a PDF as Pillow writes it, one a page."""
    from io import BytesIO

    data = file.read_bytes()
    jpegs = re.findall(rb"stream\r?\n(\xff\xd8.*?)\r?\nendstream", data, re.DOTALL)
    return [Image.open(BytesIO(jpeg)).convert("RGB") for jpeg in jpegs]


def test_png_shows_all_in_order(tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    ids = ["J3", "J0", "J4", "J1", "J2"]
    captions = [Caption(4.5, 0.2, 5, 0.1, ["#ring"], "z = 0.1")] * 5
    told: list[float] = []
    done = contact_sheet(
        file, patches(), ids, captions, title="near #ring", columns=3, progress=told.append
    )
    assert done == (5, 1, 0)
    page = Image.open(file)
    assert page.info["Title"] == "near #ring"
    places = found(page.convert("RGB"))
    reading = sorted(places, key=lambda number: (places[number][1] // 50, places[number][0]))
    assert [f"J{number}" for number in reading] == ids
    assert {(x1 - x0, y1 - y0) for x0, y0, x1, y1 in places.values()} == {(240, 240)}
    assert told == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_images_are_cropped_to_their_middle(tmp_path: Path) -> None:
    def picture(row: dict[str, Any]) -> np.ndarray:
        pixels = np.full((40, 100, 3), COLOURS[0], np.uint8)
        pixels[:, 30:70] = COLOURS[1]
        return pixels

    contact_sheet(tmp_path / "a.png", Catalog({"id_str": ["J0"]}, picture), ["J0"])
    assert list(found(Image.open(tmp_path / "a.png").convert("RGB"))) == [1]


def test_pdf_has_pages(tmp_path: Path) -> None:
    file = tmp_path / "sheet.pdf"
    ids = [f"J{i}" for i in range(50)]
    captions = [Caption(i / 10, 0.3) for i in range(50)]
    done = contact_sheet(file, patches(50), ids, captions, title="all", date="2026-03-01")
    assert done.pages == len(pages_of(file)) > 1
    assert b"/Count %d" % done.pages in file.read_bytes()
    first = pages_of(file)[0]
    assert first.size == (1654, 2339)  # A4 at 200 dpi
    assert set(found(first)) == set(range(5))
    wide = contact_sheet(tmp_path / "b.pdf", patches(50), ids, captions, paper="letter", columns=8)
    assert wide.pages < done.pages
    assert pages_of(tmp_path / "b.pdf")[0].size == (1700, 2200)


def test_an_image_that_is_broken_is_a_grey_tile(tmp_path: Path) -> None:
    def picture(row: dict[str, Any]) -> np.ndarray:
        if row["id_str"] == "J1":
            raise OSError("the disk <b>is</b> gone")
        return np.full((40, 40, 3), COLOURS[0], np.uint8)

    catalog = Catalog({"id_str": ["J0", "J1"]}, picture)
    file = tmp_path / "a.png"
    assert contact_sheet(file, catalog, ["J0", "J1", "unknown"]).without_image == 2
    page = np.asarray(Image.open(file).convert("RGB")).astype(int)
    _, top, right, bottom = found(Image.fromarray(page.astype(np.uint8)))[0]
    tile = page[top:bottom, right + 22 : right + 22 + 240]
    assert tile.max(axis=2).min() < 40  # dark stripes
    assert (tile.max(axis=2) > 120).any()  # and words
    assert contact_sheet(file, None, ["J0"]) == (1, 1, 1)
    nothing = Catalog({"id_str": ["J0"]})
    assert contact_sheet(file, nothing, ["J0"]) == (1, 1, 1)


def test_any_text_is_drawn_as_text(tmp_path: Path) -> None:
    names = [
        "J" + "x" * 5000,
        "a\nb\x00\u202ec",
        "<script>alert(1)</script>",
        "Галактика 中文 é",
        "%s{}",
    ]
    captions = [
        Caption(float("nan"), None, float("inf"), None, "#кольцо #é"),
        Caption(1e9, -1.0, -3, 1e-30),
        Caption(-5, 1e9, 99.25, 1e300, note="\n" * 50),
        Caption(tags=["#" + "a" * 5000], note="b" * 5000),
        Caption(),
    ]
    file = tmp_path / "a.png"
    title = "x" * 5000 + " <b>\x00 \n AND y"
    assert contact_sheet(file, None, names, captions, title=title, date="\u2028 now").galaxies == 5
    with Image.open(file) as page:
        assert page.size[0] < 2000
        assert "\x00" not in page.info["Title"]
    assert contact_sheet(tmp_path / "a.pdf", None, names, captions, title=title).pages == 1


def test_without_a_font_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "_system_font", lambda: None)
    sheet._font.cache_clear()
    assert sheet._printable("Méchain Галактика ½") == "Mechain ????????? 1⁄2".replace("⁄", "?")
    contact_sheet(tmp_path / "a.png", None, ["Галактика"])
    sheet._font.cache_clear()


def test_a_text_is_shortened_to_its_room() -> None:
    name = "J" + "0123456789" * 8
    assert sheet._fitted(name, 16, 2000) == name
    cut = sheet._fitted(name, 16, 200, middle=True)
    assert sheet._width(cut, 16) <= 200
    assert cut.startswith("J0123") and cut.endswith("6789") and cut.count("…") == 1
    assert len(cut) > 15
    assert sheet._fitted(name, 16, 200).endswith("…")
    lines = sheet._wrapped("redshift < 0.1 AND near #ring " * 20, 16, 300, 3)
    assert len(lines) == 3 and lines[-1].endswith("…")
    assert all(sheet._width(line, 16) <= 300 for line in lines)


def test_numbers_that_are_none_are_left_out() -> None:
    import pandas as pd

    caption = Caption(np.float32(3.5), pd.NA, None, float("nan"))  # type: ignore[arg-type]
    assert caption == Caption(3.5)
    plain, full = (
        sheet._parts([caption]),
        sheet._parts([Caption(), Caption(1, tags="#a", note="b")]),
    )
    assert plain == ("bar", "id", "numbers")
    assert full == ("bar", "id", "numbers", "tags", "note")
    assert sheet._parts([Caption()]) == ("id",)
    assert (
        sheet._legend([Caption(distance=1), Caption(score=0)]) == "d: distance  ·  circle: rating"
    )


@pytest.mark.parametrize(
    ("name", "n", "more", "said"),
    [
        ("a.jpg", 1, {}, "a .png or a .pdf"),
        ("a", 1, {}, "a .png or a .pdf"),
        ("a.png", 0, {}, "selection is empty"),
        ("a.png", LIMITS[".png"] + 1, {}, r"at most 500\); write a .pdf .* or draw .* ids\[:500\]"),
        ("a.pdf", LIMITS[".pdf"] + 1, {}, r"at most 2,000\); draw the first"),
        ("a.png", 2, {"captions": [Caption()]}, "expected 2 captions, one a galaxy, got 1"),
        ("a.png", 2, {"columns": 0}, "1 to 20, got 0"),
        ("a.png", 2, {"columns": "3"}, "1 to 20, got '3'"),
        ("a.png", 500, {"columns": 1}, "give more columns or write a .pdf"),
        ("a.pdf", 2, {"paper": "a0"}, "a4, letter, got 'a0'"),
    ],
)
def test_refused(tmp_path: Path, name: str, n: int, more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        contact_sheet(tmp_path / name, None, [f"J{i}" for i in range(n)], **more)
    assert not list(tmp_path.iterdir())


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        contact_sheet(tmp_path / "not" / "a.png", None, ["J0"])


@pytest.mark.parametrize("name", ["a.png", "a.pdf"])
def test_whole_or_not_at_all(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    contact_sheet(file, patches(), ["J0"])
    before = file.read_bytes()

    def stop(done: float) -> None:
        if done > 0.9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contact_sheet(file, patches(60), [f"J{i}" for i in range(60)], progress=stop)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
