"""The simulated zoo that ships: whole, in step with its features, and telling nobody the truth."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_examples import Corner

from anomaly_zoo import examples, tables
from anomaly_zoo.encoders import Zoonet, label
from anomaly_zoo.examples import Example, zoo, zoo_images
from anomaly_zoo.representation import Representation
from anomaly_zoo.session import Session
from anomaly_zoo.sources import open_source

FOLDER = Path(__file__).parents[1] / "example_data"
TRUTH = ("kind", "truth_", "smooth-or-featured", "rare-features")


@pytest.fixture(scope="module")
def shipped() -> Example:
    return zoo(progress=False)


@pytest.fixture
def small(shipped: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of 30 with its features by `Corner`, in place of the one that ships, and no cache."""
    folder = tmp_path / "example_data"
    folder.mkdir()
    catalog = shipped.catalog.only(shipped.catalog.ids[:30])
    catalog.write(folder / "zoo.parquet")
    features = examples.embedding.embed(catalog, Corner(), progress=False)
    features.write(folder / "zoo_features.parquet")
    monkeypatch.setattr(examples, "_PACKAGE", tmp_path)
    monkeypatch.setenv("ANOMALY_ZOO_CACHE", str(tmp_path / "cache"))
    return folder


def cached(small: Path) -> list[Path]:
    return sorted((small.parent / "cache").glob("*"))


def test_five_thousand_galaxies_with_the_same_ids_in_both(shipped: Example) -> None:
    assert len(shipped.catalog) == 5000
    assert list(shipped.catalog.ids) == list(shipped.features.ids)
    assert shipped.catalog.name == "Simulated zoo"
    assert shipped.catalog.image("SIM-00001").size == (128, 128)
    assert shipped.features.encoder == label(Zoonet())
    assert shipped.features.X.shape == (5000, Zoonet().d)


def test_the_features_that_ship_are_of_the_images_that_ship_and_of_zoonet_as_it_is() -> None:
    about = tables.metadata(FOLDER / "zoo_features.parquet")
    assert about["encoder"] == label(Zoonet())
    assert json.loads(about["run"])["identity"] == open_source(FOLDER / "zoo.parquet").identity


def test_all_that_ships_stays_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.rglob("*")) < 15e6


def test_features_that_ship_are_taken_as_they_are(small: Path) -> None:
    taken = zoo(encoder=Corner())
    assert taken.features.hash == Representation.read(small / "zoo_features.parquet").hash
    assert cached(small) == []


@pytest.mark.parametrize("why", ["version", "gone", "broken", "other galaxies"])
def test_features_that_do_not_fit_are_made_once_and_kept(why: str, small: Path) -> None:
    file, encoder = small / "zoo_features.parquet", Corner()
    right = Representation.read(file)
    if why == "version":
        encoder = Corner("00000002")
    elif why == "gone":
        file.unlink()
    elif why == "broken":
        file.write_bytes(file.read_bytes()[:-9])
    else:
        right.only(right.ids[::-1]).write(file)
    made = zoo(progress=False, encoder=encoder)
    assert made.features.encoder == label(encoder)
    assert np.array_equal(made.features.X, right.X)
    (kept,) = cached(small)
    before = kept.stat().st_mtime_ns
    assert zoo(progress=False, encoder=encoder).features.hash == made.features.hash
    assert kept.stat().st_mtime_ns == before


def test_other_images_are_never_given_the_features_of_before(small: Path) -> None:
    newer = Corner("00000002")
    zoo(progress=False, encoder=newer)
    table = zoo(progress=False, encoder=newer).catalog.table
    table.assign(image=list(table["image"][::-1])).to_parquet(small / "zoo.parquet")
    turned = zoo(progress=False, encoder=newer)
    assert len(cached(small)) == 2
    first = np.asarray(turned.catalog.image(turned.catalog.ids[0]))[None]
    np.testing.assert_allclose(turned.features.X[0], newer.encode(first)[0], atol=1e-6)


def test_a_cache_that_cannot_be_written_only_warns(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small / "file").write_text("in the way")
    monkeypatch.setenv("ANOMALY_ZOO_CACHE", str(small / "file" / "cache"))
    with pytest.warns(UserWarning, match="set ANOMALY_ZOO_CACHE") as caught:
        assert len(zoo(progress=False, encoder=Corner("00000002")).features) == 30
    assert [warning.filename for warning in caught] == [__file__]


def test_an_installation_that_is_not_whole_says_so(small: Path) -> None:
    shutil.rmtree(small)
    with pytest.raises(FileNotFoundError, match=r"zoo\.parquet is missing .* install"):
        zoo()


def test_the_documented_command_makes_the_features_and_nothing_else(small: Path) -> None:
    (small / "zoo_features.parquet").unlink()
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    command = (
        "anomaly-zoo embed example_data/zoo.parquet -o example_data/zoo_features.parquet --float16"
    )
    assert command in readme.splitlines()
    done = subprocess.run(
        [sys.executable, "-m", "anomaly_zoo.cli", *command.split()[1:], "--no-progress"],
        cwd=small.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in small.iterdir()) == ["zoo.parquet", "zoo_features.parquet"]
    made = zoo(progress=False)
    assert made.features.encoder == label(Zoonet())
    assert cached(small) == [], "it is taken, not made again"


def test_truth_is_in_the_catalogue_and_neither_on_the_screen_nor_in_what_is_learnt(
    small: Path,
) -> None:
    from anomaly_zoo.ui.explorer import explore

    galaxies = zoo(encoder=Corner())
    columns = list(galaxies.catalog.table.columns)
    assert all(any(column.startswith(word) for column in columns) for word in TRUTH)
    session = Session(galaxies.features, galaxies.catalog, seed=0)
    for id_str in session.next(3):
        session.rate(id_str, 4)
    tool = explore(session)
    try:
        tool.show(tool._prepare(session.state))
        tool._look(7, "chosen on the map")
        states = [widget.get_state() for widget in tool._widgets]
    finally:
        tool.close()
    code = ("_esm", "_css")  # of the widgets: the same for every catalogue
    asked = ("names", "colours", "axes")  # what can be asked for, by name alone
    left = [{k: v for k, v in s.items() if k not in (*code, *asked)} for s in states]
    sent = json.dumps(left, default=str)
    assert galaxies.catalog.ids[7] in sent
    told = set(session.ranking().columns) & set(columns)
    assert told == {"id_str", "ra", "dec"}
    kinds = [f'"{kind}"' for kind in set(galaxies.catalog.table["kind"])]
    assert [word for word in (*TRUTH, *kinds) if word in sent] == []


def test_ids_and_their_order_say_nothing_of_the_kind(shipped: Example) -> None:
    assert list(shipped.catalog.ids) == [f"SIM-{i:05d}" for i in range(1, 5001)]
    kinds = shipped.catalog.table["kind"]
    assert (kinds == kinds.shift()).mean() < 2 * (kinds.value_counts(normalize=True) ** 2).sum()


def test_images_of_the_zoo_as_files(shipped: Example, tmp_path: Path) -> None:
    folder = zoo_images(tmp_path / "images", n=5)
    names = [f"SIM-0000{i}.jpg" for i in range(1, 6)]
    assert sorted(p.name for p in folder.iterdir()) == names
    content = (folder / names[2]).read_bytes()
    assert content == shipped.catalog.table["image"][2]
    assert Image.open(io.BytesIO(content)).size == (128, 128)


def test_images_are_written_once_and_nobody_elses_is_replaced(tmp_path: Path) -> None:
    folder = zoo_images(tmp_path, n=3)
    one, two, three = sorted(folder.iterdir())
    before = one.stat().st_mtime_ns
    two.write_bytes(b"another picture")
    three.unlink()
    assert zoo_images(tmp_path, n=3) == tmp_path
    assert two.read_bytes() == b"another picture" and three.exists()
    assert one.stat().st_mtime_ns == before


def test_an_encoder_may_be_named() -> None:
    with pytest.raises(ValueError, match='encoder: expected "zoonet"'):
        zoo(encoder="resnet")
    with pytest.raises(TypeError, match="expected an encoder such as"):
        zoo(encoder=7)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [0, 5001])
def test_number_of_images_that_cannot_be(n: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected 1 to 5,000 galaxies"):
        zoo_images(tmp_path, n=n)
