"""Lines over the map at round values, and the words for its places."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from anomaly_zoo.sky import sky_map, sky_position
from anomaly_zoo.ui.colours import years
from anomaly_zoo.ui.grids import LINES, Axis, ColumnGrid, SkyGrid
from anomaly_zoo.ui.raster import Window
from anomaly_zoo.ui.scale import Scale, narrow


@pytest.mark.parametrize("decades", range(-20, 40, 3))
@pytest.mark.parametrize("offset", [0.0, 1.0, 3.7])
def test_round_numbers_lie_where_they_are(decades: int, offset: float) -> None:
    rng = np.random.default_rng(decades + 50)
    for _ in range(30):
        low, width = rng.normal() * 10.0**decades * (1 + offset), 10.0 ** (decades - offset)
        values = np.linspace(low, low + width, 1000)
        places, scale = narrow(values)
        ticks = Axis("x", scale).ticks(float(places[0]), float(places[-1]))
        assert 3 <= len(ticks) <= LINES + 1
        said = np.array([float(label) for _, label in ticks])
        true = [scale.true(place) for place, _ in ticks]
        assert len(set(said)) == len(said)
        np.testing.assert_allclose(said, true, atol=0.02 * width)
        assert ((values[0] - 0.02 * width < said) & (said < values[-1] + 0.02 * width)).all()


@pytest.mark.parametrize(
    ("start", "end", "labels"),
    [
        ("1850-06-01", "2020-01-01", ["1900", "1950", "2000"]),
        ("2015-01-01", "2021-01-02", ["2016", "2018", "2020"]),
        ("2020-01-15", "2021-12-01", ["2020-07", "2021-01", "2021-07"]),
        ("2020-02-27T12", "2020-03-02", ["2020-02-28", "2020-02-29", "2020-03-01", "2020-03-02"]),
        ("2020-02-28T19", "2020-02-29T07", ["02-28 21", "02-29 00", "02-29 03", "02-29 06"]),
        ("2020-01-01T23:59:40", "2020-01-02T00:00:05", None),
    ],
)
def test_round_dates(start: str, end: str, labels: list[str] | None) -> None:
    edges = years(np.array([start, end], dtype="datetime64[us]"))
    ticks = Axis("night", dated=True).ticks(*edges)
    assert labels is None or [label for _, label in ticks] == labels
    if labels is None:
        assert [label for _, label in ticks][-2:] == ["01-02 00:00:00", "01-02 00:00:05"]
    fine = Axis("night", Scale(float(edges.mean()), 1e-3), dated=True)
    shifted = fine.ticks(*((edges - edges.mean()) / 1e-3))
    assert [label for _, label in shifted] == [label for _, label in ticks]


def test_what_has_no_round_values_has_no_lines() -> None:
    for axis in (Axis("x"), Axis("x", dated=True)):
        for start, end in ((np.nan, 1.0), (1.0, 1.0), (2.0, 1.0), (0.0, np.inf)):
            assert axis.ticks(start, end) == []
    assert Axis("x", dated=True).ticks(-9e9, 9e9) == []


def test_lines_of_columns_are_labelled_at_the_edges() -> None:
    grid, view = ColumnGrid(Axis("z"), Axis("mag")), Window(0.0, 0.3, 14.0, 20.0)
    lines = grid.lines(view)
    down = [line for line in lines if len(line.xy) and line.xy[0, 0] == line.xy[1, 0]]
    across = [line for line in lines if len(line.xy) and line.xy[0, 1] == line.xy[1, 1]]
    assert len(down) > 3 < len(across)
    assert [line.label for line in across] == ["14", "15", "16", "17", "18", "19", ""]
    names = {line.label: line.at for line in lines if not len(line.xy)}
    assert len(down) + len(across) + 2 == len(lines)
    assert names["z"][0] == 0.3 and names["mag"][0] == 0.0 and names["z"][1] < names["mag"][1]
    assert [line.label for line in down][:3] == ["", "0.05", "0.10"]  # not in the corner
    assert all(line.at[1] == 14.0 for line in down) and all(line.at[0] == 0.0 for line in across)
    assert grid.where(0.123456, 17.0) == "z 0.1235, mag 17"
    own = ColumnGrid(Axis("x"), Axis("y"), ruled=False)
    assert own.lines(view) == [] and own.where(1, 2) == "x 1, y 2"


@pytest.mark.parametrize("projection", ["plate carree", "aitoff"])
def test_places_on_the_sky_are_read_back(projection: str) -> None:
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))
    for place, a, d in zip(sky_map(ra, dec, projection, 40.0), ra, dec, strict=True):  # type: ignore[arg-type]
        found = sky_position(*place.tolist(), projection, 40.0)  # type: ignore[arg-type]
        assert found is not None
        assert abs((found[0] - a + 180) % 360 - 180) * np.cos(np.radians(d)) < 1e-3
        assert abs(found[1] - d) < 1e-3
    grid = SkyGrid(projection, 40.0)  # type: ignore[arg-type]
    assert grid.where(0.0, 0.0) == "ra 40.0000, dec +0.0000"
    assert grid.where(300.0, 0.0) == "beside the sky"
    labels = {line.label for line in grid.lines(Window(-200, 200, -100, 100))}
    assert {"0°", "+30°", "60°"} <= labels


def test_what_float32_tells_apart_is_left_as_it_is() -> None:
    for values in (
        np.arange(5.0),
        np.array([np.nan, 1.0, np.inf]),
        np.array([np.nan, np.nan]),
        np.zeros(3),
        np.array([17.0] * 9),
        np.array([], dtype=float),
        np.append(np.random.default_rng(0).normal(size=999), 1e300),
    ):
        places, scale = narrow(values)
        assert scale == Scale() and places.dtype == np.float32
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(places, values.astype(np.float32))
    assert narrow(np.full(4, 1e43))[0].tolist() == [0.0] * 4
    wide, _ = narrow(np.array([-1.7e308, 0.0, 1.7e308]))
    assert np.isfinite(wide).all() and len(set(wide.tolist())) == 3
    assert pd.isna(narrow(np.array([np.nan, 1e43, 2e43]))[0]).tolist() == [True, False, False]
