"""DS9 region files, read back by the grammar that DS9 itself reads them with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_zoo.regions import Regions, write_pixel_regions, write_regions

# As DS9's scanner has it: a text in braces ends at the first closing brace, on the same line.
LINE = re.compile(r'circle\(([\d.+-]+),([\d.+-]+),([\d.e+-]+)("?)\) # text=\{([^}\n]*)\}')


def read(file: Path) -> tuple[str, str, list[tuple[float, float, float, str]]]:
    """The global line, the frame, and the circles: x, y, radius, text."""
    head, common, frame, *lines = file.read_text(encoding="utf-8").split("\n")
    assert head == "# Region file format: DS9 version 4.1"
    assert lines.pop() == ""
    circles = []
    for line in lines:
        match = LINE.fullmatch(line)
        assert match, line
        x, y, radius, unit, text = match.groups()
        assert unit == ("" if frame == "image" else '"')
        circles.append((float(x), float(y), float(radius), text))
    return common, frame, circles


def test_read_back(tmp_path: Path) -> None:
    file = tmp_path / "a.reg"
    ra, dec = np.array([0.00000012, 184.74, np.nan, 359.99999]), np.array([-0.00000012, 89, 3, -90])
    done = write_regions(file, ["a", "b", "c", "d"], ra, dec, radius_arcsec=2.5, colour="#1f7a57")
    assert done == Regions(written=3, left_out=1)
    common, frame, circles = read(file)
    assert frame == "icrs"
    assert "color=#1f7a57 " in common and common.startswith("global ")
    assert [circle[3] for circle in circles] == ["a", "b", "d"]
    np.testing.assert_allclose([circle[0] for circle in circles], ra[[0, 1, 3]], atol=1e-7)
    np.testing.assert_allclose([circle[1] for circle in circles], dec[[0, 1, 3]], atol=1e-7)
    assert {circle[2] for circle in circles} == {2.5}


def test_texts_stay_texts(tmp_path: Path) -> None:
    file = tmp_path / "a.reg"
    texts = [
        "both \" and '",
        "{} } circle(1,2,3) # text={",
        "a\nicrs\rb\x00\u2028c",
        "; global color=red",
        "é λ #ring",
        "x" * 9000,
    ]
    n = len(texts)
    write_regions(file, [f"J{i}" for i in range(n)], [1.0] * n, [2.0] * n, text=texts)
    said = [circle[3] for circle in read(file)[2]]
    assert said[0] == texts[0]
    assert said[1] == "() ) circle(1,2,3) # text=("
    assert said[2] == "a icrs b c"
    assert said[3:5] == texts[3:5]
    assert len(said[5]) == 250  # DS9 keeps texts in a buffer of fixed length


def test_pixels_count_from_one(tmp_path: Path) -> None:
    file = tmp_path / "a.reg"
    assert write_pixel_regions(file, ["a", "b"], [0, 4.5], [0, None], radius=3) == (1, 1)
    assert read(file)[1:] == ("image", [(1, 1, 3, "a")])
    write_pixel_regions(file, ["a", "b"], [0, 9], [0, 99], height=100)  # rows from the top
    assert [circle[:2] for circle in read(file)[2]] == [(1, 100), (10, 1)]


def test_many(tmp_path: Path) -> None:
    n = 20_001
    ids = np.array([f"J{i}" for i in range(n)], dtype=object)
    write_regions(tmp_path / "a.reg", ids, np.linspace(0, 360, n), np.zeros(n))
    assert [circle[3] for circle in read(tmp_path / "a.reg")[2]] == ids.tolist()
    assert write_regions(tmp_path / "a.reg", [], [], []) == (0, 0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ra": [361.0]}, "ra must be between 0 and 360"),
        ({"dec": [-91.0]}, "dec must be between -90 and 90"),
        ({"ra": [1.0, 2.0]}, "ra: expected 1 numbers, one an object"),
        ({"radius_arcsec": 0}, "above zero, got 0"),
        ({"radius_arcsec": float("nan")}, "above zero, got nan"),
        ({"colour": "green\nimage"}, "colour: expected white"),
        ({"colour": "#12345"}, "#rgb or #rrggbb, got '#12345'"),
        ({"text": []}, "expected 1 texts"),
    ],
)
def test_refused(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    values = {"ra": [1.0], "dec": [2.0], **given}
    with pytest.raises(ValueError, match=said):
        write_regions(tmp_path / "a.reg", ["J1"], **values)
    assert not list(tmp_path.iterdir())
