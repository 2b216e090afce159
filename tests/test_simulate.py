"""The simulated zoo: the same galaxies for the same seed, kinds that differ, and errors said."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from anomaly_zoo import simulate, tables
from anomaly_zoo.catalog import Catalog

pytest.importorskip("galsim", reason="the simulated zoo needs galsim")


def zoo(n: int, seed: int = 0, **how: Any) -> pd.DataFrame:
    return simulate.zoo(n, seed, progress=False, **({"workers": 1} | how))


def pictures(encoded: Iterable[bytes]) -> np.ndarray:
    """(n, size, size, 3) float, 0 to 255."""
    return np.stack([np.asarray(Image.open(io.BytesIO(one)), dtype=float) for one in encoded])


@pytest.fixture(scope="module")
def every() -> pd.DataFrame:
    """Galaxies of all kinds, as many of each."""
    return zoo(8 * len(simulate.KINDS), 5, shares=dict.fromkeys(simulate.KINDS, 1.0))


# --- the table -----------------------------------------------------------------------------------


def test_columns_are_the_documented_ones_and_none_is_a_feature(every: pd.DataFrame) -> None:
    counts = [
        f"{question}_{answer}"
        for question, answers in simulate.QUESTIONS.items()
        for answer in (*answers, "total")
    ]
    front = ["id_str", "ra", "dec", "kind", "image"]
    assert every.columns.tolist() == [*front, *simulate.TRUTH, *counts]
    assert not [name for name in every.columns if name.startswith("feat")]
    assert every["id_str"].is_unique and every["id_str"][0] == "SIM-00001"
    assert all(every[name].dtype.kind == "f" for name in simulate.TRUTH)
    assert all(meaning for meaning in simulate.TRUTH.values())
    assert every["ra"].between(120, 240).all() and every["dec"].between(0, 60).all()


def test_the_pictures_are_rgb_jpeg_of_the_size(every: pd.DataFrame) -> None:
    assert all(one[:3] == b"\xff\xd8\xff" for one in every["image"])
    assert pictures(every["image"]).shape == (len(every), 128, 128, 3)
    assert pictures(zoo(1, size=64)["image"]).shape == (1, 64, 64, 3)
    assert pictures(zoo(1, size=200)["image"]).shape == (1, 200, 200, 3)


def test_the_galaxy_lies_in_the_middle_on_a_dark_sky() -> None:
    light = pictures(zoo(40, 2, shares={"round": 1, "spiral": 1})["image"]).mean(axis=(0, 3))
    middle, corner = light[56:72, 56:72].mean(), light[:12, :12].mean()
    assert middle > 80 and corner < 20


def test_a_catalogue_shows_the_pictures(tmp_path: Path) -> None:
    simulate.save(tmp_path / "zoo.parquet", 2, 3, progress=False)
    assert Catalog.read(tmp_path / "zoo.parquet").image("SIM-00002").size == (128, 128)


def test_only_a_simulated_table_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "zoo.parquet"
    pd.DataFrame({"id_str": ["J1"]}).to_parquet(path)
    with pytest.raises(FileExistsError, match=r"zoo\.parquet exists and holds no simulated"):
        simulate.save(path, 2, progress=False)
    assert pd.read_parquet(path)["id_str"].tolist() == ["J1"]
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        simulate.save(path, 2, progress=False)
    assert path.read_text() == "mine"
    path.unlink()
    simulate.save(path, 2, progress=False)
    simulate.save(path, 1, progress=False)
    assert len(pd.read_parquet(path)) == 1


# --- the same again ------------------------------------------------------------------------------


def test_a_galaxy_depends_on_its_number_and_the_seed_alone() -> None:
    again = zoo(6, 9)
    pd.testing.assert_frame_equal(again, zoo(6, 9))
    pd.testing.assert_frame_equal(again[:2], zoo(2, 9))
    assert not set(again["image"]) & set(zoo(6, 10)["image"])


def test_two_processes_draw_what_one_draws() -> None:
    pd.testing.assert_frame_equal(zoo(60, 4, workers=2, size=32), zoo(60, 4, size=32))


def test_the_order_of_the_shares_does_not_matter() -> None:
    one = zoo(5, shares={"ring": 1, "arc": 3})
    pd.testing.assert_frame_equal(one, zoo(5, shares={"arc": 30.0, "ring": 10.0, "round": 0}))


# --- kinds, truth and votes ----------------------------------------------------------------------


def test_default_shares_sum_to_one_and_rare_kinds_are_rare() -> None:
    assert sum(simulate.SHARES.values()) == pytest.approx(1)
    assert set(simulate.SHARES) == set(simulate.KINDS)
    assert len(simulate.RARE) >= 10
    assert all(0.003 <= simulate.SHARES[kind] <= 0.015 for kind in simulate.RARE)
    drawn = zoo(300, 1, size=32)["kind"].value_counts(normalize=True)
    for kind in ("round", "elliptical", "spiral"):
        assert abs(drawn[kind] - simulate.SHARES[kind]) < 0.09


def test_truth_says_what_makes_a_kind(every: pd.DataFrame) -> None:
    by = {kind: part for kind, part in every.groupby("kind")}
    assert set(by) == set(simulate.KINDS)
    for name, kinds in {
        "truth_arc_strength": {"arc"},
        "truth_stripping": {"jellyfish"},
        "truth_artefact_strength": {"satellite_trail", "saturated_star", "missing_data"},
    }.items():
        assert {kind for kind, part in by.items() if (part[name] > 0).any()} == kinds, name
        assert all((by[kind][name] > 0).all() for kind in kinds), name
    assert (by["merger"]["truth_tidal_strength"] > 0.05).all()
    assert (by["edge_on"]["truth_inclination_deg"] > 78).all()
    assert (by["overlap"]["truth_overlap"] > 0).all()
    assert by["round"]["truth_arm_winding_deg"].isna().all()
    assert (every["truth_separation"].isna() == (every["truth_overlap"] == 0)).all()
    assert every["truth_snr"].gt(0).all() and every["truth_pixel_arcsec"].gt(0).all()


def test_most_galaxies_are_faint_and_bright_ones_are_larger() -> None:
    from anomaly_zoo.simulate.truth import draw

    drawn = [draw("spiral", np.random.default_rng(i)) for i in range(400)]
    magnitude = np.array([one.magnitude for one in drawn])
    radius = np.array([one.half_light_radius_arcsec for one in drawn])
    assert (magnitude > 16.5).mean() > 0.5 > 0.2 > (magnitude < 15.5).mean() > 0
    assert np.median(radius[magnitude < 15.5]) > 1.5 * np.median(radius[magnitude > 16.5])


def test_ellipticals_are_red_and_clumpy_discs_blue(every: pd.DataFrame) -> None:
    def redness(kind: str) -> float:
        chosen = pictures(every["image"][every["kind"] == kind])
        middle = chosen[:, 52:76, 52:76].mean(axis=(0, 1, 2))
        return float(middle[0] / middle[2])

    assert redness("elliptical") > 1.3 > 1.1 > redness("clumpy")


def test_an_artefact_leaves_its_mark() -> None:
    lost = pictures(zoo(12, 3, shares={"missing_data": 1})["image"])
    rows = (lost.max(axis=(2, 3)) < 9).any(axis=1) | (lost.max(axis=(1, 3)) < 9).any(axis=1)
    bands = (lost.reshape(len(lost), -1, 3).mean(axis=1) < 2).any(axis=1)
    assert (rows | bands).sum() >= 4
    star = pictures(zoo(12, 3, shares={"saturated_star": 1})["image"])
    plain = pictures(zoo(12, 3, shares={"elliptical": 1})["image"])
    white = [(some.min(axis=3) > 230).any(axis=(1, 2)).mean() for some in (star, plain)]
    assert white[0] > 0.7 > 0.3 > white[1]


def test_votes_add_up_and_fewer_go_down_the_tree(every: pd.DataFrame) -> None:
    for question, answers in simulate.QUESTIONS.items():
        counts = every[[f"{question}_{answer}" for answer in answers]]
        assert (counts.sum(axis=1) == every[f"{question}_total"]).all(), question
        assert (counts >= 0).all(axis=None)
    assert every["smooth-or-featured_total"].between(20, 60).all()
    asked = every["disk-edge-on_total"]
    assert (asked == every["smooth-or-featured_featured-or-disk"]).all()
    assert (every["has-spiral-arms_total"] == every["disk-edge-on_no"]).all()
    assert (every["spiral-winding_total"] == every["has-spiral-arms_yes"]).all()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("disk-edge-on_yes", "edge_on"),
        ("has-spiral-arms_yes", "spiral"),
        ("bar_strong", "barred_spiral"),
        ("how-rounded_cigar-shaped", "cigar"),
        ("how-rounded_round", "round"),
        ("merging_merger", "merger"),
        ("rare-features_ring", "ring"),
        ("rare-features_lens-or-arc", "arc"),
        ("rare-features_overlapping", "overlap"),
        ("smooth-or-featured_artifact", "missing_data"),
    ],
)
def test_volunteers_see_what_is_there(every: pd.DataFrame, answer: str, kind: str) -> None:
    question = answer.split("_")[0]
    share = every[answer].groupby(every["kind"]).sum() / every[f"{question}_total"].groupby(
        every["kind"]
    ).sum().clip(lower=1)
    common = share[["elliptical", "lenticular"]].max()
    assert share[kind] > common + 0.15


def test_small_galaxies_hide_their_arms() -> None:
    from dataclasses import replace

    from anomaly_zoo.simulate.truth import Truth
    from anomaly_zoo.simulate.votes import shares

    large = Truth(
        half_light_radius_arcsec=9.0, snr=300.0, inclination_deg=30.0, axis_ratio=0.87,
        bulge_fraction=0.2, n_arms=2.0, arm_strength=0.8, arm_winding_deg=18.0,
    )  # fmt: skip
    small, noisy = replace(large, half_light_radius_arcsec=1.5), replace(large, snr=15.0)
    arms = [shares(one)["has-spiral-arms"][0] for one in (large, small, noisy)]
    assert arms[0] > 0.7 > 0.4 > max(arms[1:])


# --- what cannot be drawn ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"n": 0}, "n, the number of galaxies, to be 1 or more, got 0"),
        ({"n": -3}, "1 or more, got -3"),
        ({"seed": -1}, "seed of 0 or more, got -1"),
        ({"size": 31}, "size of 32 to 512 pixels, got 31"),
        ({"size": 513}, "32 to 512 pixels, got 513"),
        ({"workers": 0}, "1 or more workers, got 0"),
        ({"shares": {"unicorn": 1}}, "no such kind of galaxy: unicorn; the kinds are round"),
        ({"shares": {}}, "at least one kind"),
        ({"shares": {"ring": 0, "arc": 0.0}}, "weight above zero"),
        ({"shares": {"ring": -1}}, "0 or more for 'ring', got -1"),
        ({"shares": {"ring": float("nan")}}, "0 or more for 'ring', got nan"),
    ],
)
def test_bad_values_are_named(how: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        zoo(**({"n": 3} | how))


@pytest.mark.parametrize(
    "how",
    [
        *({"n": 2.5}, {"n": True}, {"n": "5"}, {"seed": None}, {"size": 64.0}),
        *({"shares": ["ring"]}, {"shares": {"ring": "many"}}),
    ],
)
def test_bad_types_are_named(how: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="expected"):
        zoo(**({"n": 3} | how))


def test_without_galsim_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(ImportError, match=r"pip install 'anomaly-zoo\[simulate\]'"):
        zoo(1)


# --- the file ------------------------------------------------------------------------------------


def test_the_command_writes_the_same_file_twice(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from anomaly_zoo.cli import app

    files = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for file in files:
        said = CliRunner().invoke(app, ["simulate", "-n", "3", "--seed", "11", "-o", str(file)])
        assert said.exit_code == 0 and "Simulated 3 galaxies" in said.output
    assert files[0].read_bytes() == files[1].read_bytes()
    pd.testing.assert_frame_equal(tables.read(files[0]), zoo(3, 11))
    metadata = tables.metadata(files[0])
    assert metadata["simulated"] == "true" and metadata["seed"] == "11"
    assert "GalSim" in metadata["simulator"] and "Rowe" in metadata["credit"]


@pytest.mark.parametrize(
    ("output", "said"),
    [("zoo.csv", ".parquet"), ("none/zoo.parquet", "no such folder")],
)
def test_the_command_says_what_it_cannot_write(tmp_path: Path, output: str, said: str) -> None:
    from typer.testing import CliRunner

    from anomaly_zoo.cli import app

    result = CliRunner().invoke(app, ["simulate", "-n", "1", "-o", str(tmp_path / output)])
    assert result.exit_code == 1 and said in result.output
    assert not list(tmp_path.iterdir())


def test_the_example_is_what_its_seed_gives() -> None:
    file = Path(__file__).parents[1] / "example_data" / "zoo.parquet"
    assert file.stat().st_size < 12e6
    metadata, stored = tables.metadata(file), tables.read(file)
    assert metadata["simulated"] == "true" and len(stored) == int(metadata["number"]) == 5000
    again = zoo(4, int(metadata["seed"]))
    numbers = ["ra", "dec", *simulate.TRUTH]
    assert again["kind"].tolist() == stored["kind"][:4].tolist()
    np.testing.assert_allclose(again[numbers], stored[numbers][:4], rtol=1e-4)
    # Other versions of the libraries may round otherwise.
    assert np.abs(pictures(again["image"]) - pictures(stored["image"][:4])).mean() < 2
    shares = stored["kind"].value_counts(normalize=True)
    assert all(0.002 < shares[kind] < 0.02 for kind in simulate.RARE)
