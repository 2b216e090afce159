"""The Hubble example: real galaxies, whole and finite, made once and then read from the cache."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from anomaly_zoo import deep_field, examples
from anomaly_zoo.cache import cache_folder
from anomaly_zoo.catalog import Catalog
from anomaly_zoo.encoders import Pixels, Zoonet, label
from anomaly_zoo.encoders.images import checked, prepared, square, unit
from anomaly_zoo.examples import Example, hubble
from anomaly_zoo.representation import Representation

pytest.importorskip("photutils")
pytest.importorskip("skimage")


class Corner:
    """A quick encoder: the image itself at 8 x 8 pixels."""

    name, size, d = "corner", 8, 192

    def __init__(self, version: str = "00000001") -> None:
        self.version = version

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return square(image, self.size)

    def encode(self, images: np.ndarray) -> np.ndarray:
        return unit(prepared(self, checked(images))).reshape(len(images), -1)


CORNER = Corner()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def made(cache: Path) -> Example:
    """The example made from nothing: the one slow step, taken once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANOMALY_ZOO_CACHE", str(cache))
        return hubble(progress=False, encoder=CORNER)


@pytest.fixture
def cached(made: Example, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache folder in use; what a test leaves in it is put back as it was."""
    kept = {path: path.read_bytes() for path in cache.iterdir()}
    monkeypatch.setenv("ANOMALY_ZOO_CACHE", str(cache))
    yield cache
    for path in cache.iterdir():
        path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)


@pytest.fixture
def makings(made: Example, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes each making, and stands in for the slow one."""
    calls: list[str] = []
    embed = examples.embedding.embed

    def galaxies(*_: object) -> pd.DataFrame:
        calls.append("galaxies")
        return made.catalog.table

    def noted(*args: Any, **options: Any) -> Representation:
        calls.append("features")
        return embed(*args, **options)

    monkeypatch.setattr(deep_field, "galaxies", galaxies)
    monkeypatch.setattr(examples.embedding, "embed", noted)
    return calls


def same(one: Example, other: Example) -> bool:
    tables = one.catalog.table.equals(other.catalog.table)
    return tables and one.features.hash == other.features.hash


def test_about_a_thousand_galaxies_with_the_same_ids_in_both(made: Example) -> None:
    catalog, features = made
    assert 900 <= len(catalog) <= 1500
    assert list(catalog.ids) == list(features.ids)
    assert list(catalog.ids) == [f"XDF-{n:04d}" for n in range(1, len(catalog) + 1)]
    assert catalog.table["flux"].is_monotonic_decreasing


def test_says_where_it_is_from(made: Example) -> None:
    assert made.catalog.name == made.features.name == "Hubble eXtreme Deep Field"
    assert made.features.encoder == "corner 00000001"
    assert "NASA, ESA" in examples.HUBBLE_CREDIT


def test_columns_are_finite_and_within_their_ranges(made: Example) -> None:
    table = made.catalog.table
    assert tuple(table.columns) == deep_field.COLUMNS
    numbers = table.drop(columns=["id_str", "image"])
    assert np.isfinite(numbers.to_numpy(dtype=float)).all()
    assert not {"ra", "dec"} & set(table)
    assert made.catalog.position("XDF-0001") is None
    half = table["cutout_size_px"] / 2
    assert ((table["x"] + 0.5 >= half) & (table["x"] + 0.5 + half <= 1000)).all()
    assert ((table["y"] + 0.5 >= half) & (table["y"] + 0.5 + half <= 872)).all()
    assert table["ellipticity"].between(0, 1).all()
    assert table["position_angle_deg"].between(0, 180).all()
    assert (table[["flux", "half_light_radius_px", "red_to_blue"]] > 0).all(axis=None)


def test_no_galaxy_is_there_twice(made: Example) -> None:
    places = made.catalog.table[["x", "y"]].to_numpy()
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert apart[~np.eye(len(places), dtype=bool)].min() > 2


def test_images_are_squares_in_colour(made: Example) -> None:
    for content in made.catalog.table["image"]:
        with Image.open(io.BytesIO(content)) as image:
            assert image.size == (212, 212)
            assert image.mode == "RGB"
    shown = made.catalog.image("XDF-0002")
    assert np.ptp(np.asarray(shown)) > 100


def test_galaxies_are_in_the_middle_of_their_cutouts(made: Example) -> None:
    """On average the light is where the galaxy is said to be; few have a brighter neighbour."""
    middle, whole = [], []
    for content in made.catalog.table["image"]:
        light = np.asarray(Image.open(io.BytesIO(content)).convert("L"), dtype=float)
        middle.append(light[66:146, 66:146].mean())
        whole.append(light.mean())
    brighter = np.array(middle) > 1.2 * np.array(whole)
    assert brighter.mean() > 0.85


def test_known_galaxies_are_found(made: Example) -> None:
    """The large spiral on the left and the largest elliptical, by eye on the published image."""
    table = made.catalog.table
    for x, y in [(124, 401), (727, 473)]:
        nearest = np.hypot(table["x"] - x, table["y"] - y).idxmin()
        assert np.hypot(table["x"][nearest] - x, table["y"][nearest] - y) < 5
        assert nearest < 10  # among the brightest


def test_features_are_finite_all_different_and_those_of_the_stored_images(made: Example) -> None:
    X = made.features.X
    assert X.shape == (len(made.catalog), CORNER.d)
    assert np.isfinite(X).all()
    assert len(np.unique(X, axis=0)) == len(X)
    images = np.stack([np.asarray(made.catalog.image(id)) for id in made.catalog.ids[:20]])
    np.testing.assert_allclose(CORNER.encode(images), X[:20], atol=1e-6)


def test_neighbours_of_edge_on_galaxies_are_not_round_and_the_reverse(
    made: Example, cached: Path
) -> None:
    pixels = hubble(progress=False, encoder=Pixels())
    table, X = pixels.catalog.table, pixels.features.pca(50).X
    thin = (table["ellipticity"] > 0.55).to_numpy() & (table["area_px"] > 60).to_numpy()
    ball = (table["ellipticity"] < 0.15).to_numpy() & (table["area_px"] > 60).to_numpy()
    assert min(thin.sum(), ball.sum()) >= 20
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    nearest = np.argsort(distances, axis=1)[:, 1:6]
    assert ball[nearest[thin]].mean() < ball.mean() / 3
    assert thin[nearest[ball]].mean() < thin.mean() / 3
    assert thin[nearest[thin]].mean() > 3 * thin.mean()


def test_zoonet_is_the_encoder_unless_another_is_given(
    made: Example, cached: Path, makings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Catalog(made.catalog.table[:4], name="few")
    monkeypatch.setattr(examples, "_hubble_catalog", lambda file: few)
    assert hubble(progress=False).features.encoder == label(Zoonet())
    assert makings == ["features"]


def test_second_time_it_is_read_from_the_cache(
    made: Example, cached: Path, makings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(list(cached.iterdir())) == 2
    again = hubble(encoder=CORNER)
    assert same(again, made)
    assert makings == []
    assert again.catalog.name == made.catalog.name
    assert again.features.encoder == made.features.encoder
    assert capsys.readouterr() == ("", "")


def test_made_again_it_is_the_same(made: Example, capfd: pytest.CaptureFixture[str]) -> None:
    assert deep_field.galaxies(progress=False).equals(made.catalog.table)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("part", ["catalog", "features"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "other", "gone", "folder"])
def test_broken_cache_is_made_anew(
    part: str, damage: str, made: Example, cached: Path, makings: list[str]
) -> None:
    (file,) = cached.glob(f"hubble-{part}-*.parquet")
    content = file.read_bytes()
    if damage == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "other":
        pd.DataFrame({"id_str": ["a", "b"], "feat_0": [1.0, 2.0]}).to_parquet(file)
    else:
        file.unlink()
    if damage == "folder":
        file.mkdir()
        with pytest.warns(UserWarning, match="could not be kept"):
            assert same(hubble(progress=False, encoder=CORNER), made)
        file.rmdir()
        return
    assert same(hubble(progress=False, encoder=CORNER), made)
    remade = ["galaxies" if part == "catalog" else "features"]
    assert makings == remade
    assert same(hubble(progress=False, encoder=CORNER), made)
    assert makings == remade
    assert sorted(path.suffix for path in cached.iterdir()) == [".parquet", ".parquet"]


def test_features_of_other_galaxies_are_not_taken(
    made: Example, cached: Path, makings: list[str]
) -> None:
    (file,) = cached.glob("hubble-features-*.parquet")
    made.features.only(made.features.ids[::-1]).write(file)
    assert same(hubble(progress=False, encoder=CORNER), made)
    assert makings == ["features"]


def test_another_version_of_the_encoder_makes_only_the_features_anew(
    made: Example, cached: Path, makings: list[str]
) -> None:
    newer = hubble(progress=False, encoder=Corner("00000002"))
    assert newer.features.encoder == "corner 00000002"
    assert makings == ["features"]
    assert len(list(cached.iterdir())) == 3
    hubble(progress=False, encoder=Corner("00000002"))
    assert same(hubble(progress=False, encoder=CORNER), made)
    assert makings == ["features"], "each is kept"


def test_other_settings_are_kept_apart(
    cached: Path, makings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(deep_field.SETTINGS, "threshold", 5.0)
    hubble(progress=False, encoder=CORNER)
    assert makings == ["galaxies", "features"]
    assert len(list(cached.iterdir())) == 4


def test_a_cache_that_cannot_be_written_only_warns(
    made: Example, tmp_path: Path, makings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ANOMALY_ZOO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="set ANOMALY_ZOO_CACHE to a folder") as caught:
        assert same(hubble(progress=False, encoder=CORNER), made)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_read_only_cache_only_warns(
    made: Example, tmp_path: Path, makings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv("ANOMALY_ZOO_CACHE", str(tmp_path))
    with pytest.warns(UserWarning, match="could not be kept"):
        assert same(hubble(progress=False, encoder=CORNER), made)


def test_without_photutils_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(deep_field, "version", missing)
    with pytest.raises(ImportError, match=r"pip install 'anomaly-zoo\[lab\]'"):
        hubble()


def test_progress_goes_to_a_bar(
    made: Example, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real making, with its slow parts replaced."""
    table = made.catalog.table
    monkeypatch.setattr(deep_field, "_detect", lambda *_: (None, None, None))
    monkeypatch.setattr(deep_field, "_deblend", lambda *_: None)
    monkeypatch.setattr(deep_field, "_measure", lambda *_: None)
    monkeypatch.setattr(deep_field, "_select", lambda *_: table[:3])
    monkeypatch.setattr(deep_field, "_cutouts", lambda *_: list(table["image"][:3]))
    deep_field.galaxies(progress=True)
    written = capsys.readouterr()
    assert written.out == ""
    assert "Hubble eXtreme Deep Field" in written.err
    assert "finding sources" in written.err


def test_cache_folder_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOMALY_ZOO_CACHE", str(tmp_path / "a" / "b"))
    assert cache_folder() == tmp_path / "a" / "b"
    assert cache_folder().is_dir()
    monkeypatch.setenv("ANOMALY_ZOO_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder().is_absolute()
    assert "anomaly_zoo" in str(cache_folder())
