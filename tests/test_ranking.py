"""The ranked table: the top of it is its beginning, and in blocks it is the same as whole."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import anomaly_zoo as az
from anomaly_zoo import ranking, tables
from anomaly_zoo.calibration import Calibration, Left
from anomaly_zoo.catalog import Catalog
from anomaly_zoo.ids import Ids
from anomaly_zoo.posterior import Posterior

N = 1000
IDS = Ids.of([f"J{n}" for n in range(N)])


def state(seed: int = 0, rated: int = 30) -> Any:
    """What a session knows of N objects, many of them with equal interest."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(N, rated, replace=False)
    artefact = rng.random(N) < 0.1
    posterior = Posterior(rng.integers(0, 40, N) / 8, rng.random(N) + 0.1)
    return SimpleNamespace(
        posterior=posterior,
        artefact=artefact,
        p_artefact=artefact.astype(np.float32),
        calibration=Calibration(0.3, 3.0, 1.0),
        left=Left.of(posterior, ~artefact),
        rated=rows,
        scores=rng.integers(0, 6, rated).astype(float),
        within=None,
        opinions=SimpleNamespace(
            scores={IDS[int(row)]: dict.fromkeys("ab"[: 1 + row % 2]) for row in rows},
            tags={},
        ),
    )


@pytest.mark.parametrize("artefacts", [True, False])
@pytest.mark.parametrize("top", [1, 7, 120, 899, 5000, None])
def test_the_order_is_by_interest_and_then_by_row(top: int | None, artefacts: bool) -> None:
    known = state()
    rows = np.lexsort((np.arange(N), -known.posterior.mean))
    rows = rows if artefacts else rows[~known.artefact[rows]]
    frame = ranking.ranked(IDS, known, None, top, artefacts)
    assert frame["id_str"].tolist() == [f"J{row}" for row in rows[:top]]
    assert frame["rank"].tolist() == list(range(1, len(frame) + 1))
    np.testing.assert_array_equal(frame["interest_std"], known.posterior.std[rows[:top]])
    by_row = dict(zip(known.rated.tolist(), known.scores.tolist(), strict=True))
    expected = [by_row.get(int(row), np.nan) for row in rows[:top]]
    np.testing.assert_array_equal(frame["score"], np.float32(expected))
    raters = [0 if int(row) not in by_row else 1 + row % 2 for row in rows[:top]]
    assert frame["n_raters"].tolist() == raters


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".fits"])
@pytest.mark.parametrize("rated", [0, 30])
def test_an_export_in_blocks_is_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, rated: int
) -> None:
    known = state(1, rated)
    place = np.random.default_rng(2).random(N)
    catalog = Catalog({"id_str": IDS, "ra": place, "dec": -place})
    whole = ranking.ranked(IDS, known, catalog, None)
    path = tmp_path / f"all{suffix}"
    ranking.export(path, IDS, known, catalog, {"seed": "0"}, None)
    one = path.read_bytes()
    monkeypatch.setattr(ranking, "BLOCK", 64)
    ranking.export(path, IDS, known, catalog, {"seed": "0"}, None)
    back = tables.read(path, text=["id_str"])
    assert back["id_str"].tolist() == whole["id_str"].tolist()
    for name in whole.columns.drop("id_str"):
        np.testing.assert_allclose(back[name].to_numpy(float), whole[name], rtol=1e-6)
    assert tables.metadata(path) == {"seed": "0"}
    if suffix == ".parquet":
        assert pq.ParquetFile(path).num_row_groups == -(-len(whole) // 64)
        field = pq.read_schema(path).field("ra")
        assert field.metadata == {b"unit": b"deg", b"description": b"right ascension (ICRS)"}
    else:
        assert path.read_bytes() == one


def test_nothing_to_rank(tmp_path: Path) -> None:
    known = state()
    known.artefact[:] = True
    for suffix in (".parquet", ".csv"):
        ranking.export(tmp_path / f"none{suffix}", IDS, known, None, {}, None)
        assert len(tables.read(tmp_path / f"none{suffix}", text=["id_str"])) == 0
    assert len(ranking.ranked(IDS, known, None, 5)) == 0


@pytest.mark.parametrize("top", [0, -1, 2.5, "ten", True])
def test_bad_top(tmp_path: Path, top: Any) -> None:
    with pytest.raises(ValueError, match="top is a whole number of objects to keep, at least 1"):
        ranking.export(tmp_path / "t.csv", IDS, state(), None, {}, top)
    made = az.Session(az.Representation(["J1", "J2"], [[0.0], [1.0]]))
    for suffix in ("csv", "png", "pdf", "reg"):
        with pytest.raises(ValueError, match="top is a whole number of objects to keep"):
            made.export(tmp_path / f"t.{suffix}", top)
    assert not list(tmp_path.iterdir())


def test_formats_that_are_built_as_a_whole_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_WHOLE", 100)
    for name, word in (("a.fits", "fits"), ("a.vot", "votable"), ("a.ecsv", "ecsv")):
        said = f"{name}: 1,000 rows are too many for a {word} file.*use .parquet or .csv"
        with pytest.raises(ValueError, match=said):
            ranking.export(tmp_path / name, IDS, state(), None, {}, None, artefacts=True)
    assert not list(tmp_path.iterdir())
    ranking.export(tmp_path / "top.fits", IDS, state(), None, {}, 100)
    assert len(tables.read(tmp_path / "top.fits")) == 100


def test_blocks_of_any_table(tmp_path: Path) -> None:
    def blocks(broken: bool = False) -> Any:
        yield pd.DataFrame({"id_str": ["007"], "n": [1]})
        if broken:
            raise OSError("the source is gone")
        yield pd.DataFrame({"id_str": ["#8", " 9"], "n": [2, 3]}, index=[5, 5])

    for suffix in (".parquet", ".csv", ".fits"):
        path = tmp_path / f"t{suffix}"
        tables.write_blocks(blocks(), 3, path)
        kept = path.read_bytes()
        frame = tables.read(path, text=["id_str"])
        assert frame["id_str"].tolist() == ["007", "#8", " 9"]
        assert frame["n"].tolist() == [1, 2, 3]
        with pytest.raises(OSError, match="the source is gone"):
            tables.write_blocks(blocks(broken=True), 3, path)
        assert path.read_bytes() == kept
    with pytest.raises(ValueError, match="at least one block"):
        tables.write_blocks([], 0, tmp_path / "none.csv")
    assert len(list(tmp_path.iterdir())) == 3
