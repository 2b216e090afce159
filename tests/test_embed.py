"""From images to features: skipped, resumed, refused, and always the same result."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from PIL import Image
from typer.testing import CliRunner
from waiting import until

import anomaly_zoo as az
from anomaly_zoo import cli, embedding, parts, tables
from anomaly_zoo.embedding import embed_to
from anomaly_zoo.encoders.images import checked, prepared, square, unit
from anomaly_zoo.sources import Item, Source

N = 50
CHUNK = 8
run = CliRunner().invoke
pytestmark = pytest.mark.usefixtures("small_chunks")


class Mean:
    """The mean colour, and a count of what was asked of it."""

    name, size, d = "mean", 8, 3

    def __init__(self, version: str = "00000001", fails_after: int = 10**9) -> None:
        self.version = version
        self.rows = 0
        self.fails_after = fails_after

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return square(image, self.size)

    def encode(self, images: np.ndarray) -> np.ndarray:
        if self.rows >= self.fails_after:
            raise RuntimeError("the power went out")
        self.rows += len(images)
        return unit(prepared(self, checked(images))).mean(axis=(1, 2))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "CHUNK", CHUNK)
    monkeypatch.setattr(embedding, "BATCH", 3)
    monkeypatch.setattr(embedding, "TASK", 2)


def pixels(number: int, side: int = 24) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)


def encoded(array: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(N):
        (tmp_path / "images" / f"J{number:02d}.png").write_bytes(encoded(pixels(number)))
    return tmp_path / "images"


def expected() -> np.ndarray:
    return Mean().encode(np.stack([square(pixels(number), 8) for number in range(N)]))


def left_behind(output: Path) -> list[str]:
    """What lies beside the output and belongs to it."""
    names = {path.name for path in output.parent.iterdir()} - {output.name}
    return sorted(name for name in names if name.lstrip(".").startswith(output.stem + "."))


# --- what comes out ------------------------------------------------------------------------------


def test_features_in_memory_and_in_a_file_are_the_same(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "f.parquet"
    in_memory = az.embed(folder, Mean(), progress=False)
    in_file = az.embed(folder, Mean(), output, progress=False)
    for features in (in_memory, in_file):
        assert list(features.ids) == [f"J{number:02d}" for number in range(N)]
        np.testing.assert_array_equal(features.X, expected())
        assert (features.encoder, features.name) == ("mean 00000001", "images")
    assert in_memory.hash == in_file.hash
    assert left_behind(output) == []


def test_the_file_says_where_it_comes_from_and_holds_no_path(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "f.parquet"
    az.embed(folder, Mean(), output, progress=False)
    about = tables.metadata(output)
    assert about["encoder"] == "mean 00000001"
    assert about["creator"] == f"anomaly_zoo {az.__version__}"
    assert (about["name"], about["n_skipped"]) == ("images", "0")
    assert json.loads(about["run"])["rows"] == N
    assert str(tmp_path).encode() not in output.read_bytes()
    schema = pq.read_schema(output)
    assert str(schema.field("features").type) == "fixed_size_list<element: float not null>[3]"


def test_half_the_numbers(folder: Path, tmp_path: Path) -> None:
    features = az.embed(folder, Mean(), tmp_path / "f.parquet", half=True, progress=False)
    assert "halffloat" in str(pq.read_schema(tmp_path / "f.parquet").field("features").type)
    np.testing.assert_allclose(features.X, expected(), atol=1e-3)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_number_of_threads_changes_no_byte(folder: Path, tmp_path: Path, workers: int) -> None:
    embed_to(folder, Mean(), tmp_path / "a.parquet", progress=False)
    embed_to(folder, Mean(), tmp_path / "b.parquet", workers=workers, progress=False)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_real_encoders_take_catalogues(folder: Path) -> None:
    table = {"id_str": ["b", "a"], "file_loc": ["J01.png", "J00.png"]}
    pixels_encoder = az.encoders.Pixels()
    features = az.embed(az.Catalog(table, root=folder), "pixels", progress=False)
    assert list(features.ids) == ["b", "a"]
    images = np.stack([pixels(1), pixels(0)])
    np.testing.assert_allclose(features.X, pixels_encoder.encode(images), atol=1e-4)
    assert features.encoder == az.encoders.label(pixels_encoder)


def test_progress_is_shown_or_not(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    az.embed(folder, Mean(), tmp_path / "a.parquet", progress=False)
    assert capfd.readouterr() == ("", "")
    az.embed(folder, Mean(), tmp_path / "b.parquet")
    out, err = capfd.readouterr()
    assert not out and f"{N}/{N}" in err and "img/s" in err


def test_many_images_are_never_held_at_once() -> None:
    """What is read ahead is bounded, whatever the encoder's speed."""
    read: list[int] = []
    most = 0

    class Slow(Mean):
        def encode(self, images: np.ndarray) -> np.ndarray:
            nonlocal most
            time.sleep(0.002)
            most = max(most, len(read) - self.rows)
            return super().encode(images)

    def items(start: int, stop: int) -> Iterator[Item]:
        for row in range(start, stop):
            yield Item(ids[row], "", lambda: read.append(1) or Image.fromarray(pixels(0)))

    ids = np.array([f"J{i}" for i in range(2000)], dtype=object)
    az.embed(Source("made", "up", ids, "1", items), Slow(), workers=3, progress=False)
    assert len(read) == 2000
    assert most <= embedding.AHEAD + 2 * (embedding.CHUNK + embedding.BATCH)


def test_large_images_are_read_ahead_in_small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "HELD", 100)
    monkeypatch.setattr(embedding, "TASK", 64)
    waiting = most = 0

    def read() -> Image.Image:
        nonlocal waiting
        waiting -= 1
        return Image.fromarray(pixels(0))

    def items(start: int, stop: int) -> Iterator[Item]:
        nonlocal waiting, most
        for row in range(start, stop):
            waiting += 1
            most = max(most, waiting)
            yield Item(ids[row], "", read, 40)

    ids = np.array([f"J{i}" for i in range(200)], dtype=object)
    features = az.embed(Source("made", "up", ids, "1", items), Mean(), workers=2, progress=False)
    assert list(features.ids) == list(ids)
    assert most <= 10  # three of 40 bytes are over the limit, for each of two threads and one more


def test_broken_off_no_thread_begins_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "TASK", 64)
    read: list[int] = []

    class Broken(Mean):
        def encode(self, images: np.ndarray) -> np.ndarray:
            raise KeyboardInterrupt

    def slow() -> Image.Image:
        read.append(1)
        time.sleep(0.02)
        return Image.fromarray(pixels(0))

    def items(start: int, stop: int) -> Iterator[Item]:
        for row in range(start, stop):
            yield Item(ids[row], "", slow if row >= embedding.TASK else quick)

    def quick() -> Image.Image:
        return Image.fromarray(pixels(0))

    ids = np.array([f"J{i}" for i in range(400)], dtype=object)
    with pytest.raises(KeyboardInterrupt):
        az.embed(Source("made", "up", ids, "1", items), Broken(), workers=2, progress=False)
    assert len(read) < 64  # a task that goes on to its end reads as many


# --- images that cannot be used ------------------------------------------------------------------


def spoil(folder: Path) -> dict[str, str]:
    """Put bad images into a folder: their ids, and a word of the reason."""
    (folder / "damaged.png").write_bytes(encoded(pixels(0))[:200])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("<script>alert(1)</script>")
    (folder / "tiny.png").write_bytes(encoded(pixels(0, 1)))
    (folder / "narrow.png").write_bytes(encoded(np.zeros((20_000, 90, 3), np.uint8)))
    # A header of 30,000 x 30,000 pixels is refused before anything is unpacked.
    vast = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(vast, "PNG")
    (folder / "vast.png").write_bytes(vast.getvalue())
    fits.writeto(folder / "nan.fits", np.full((30, 30), np.nan, np.float32))
    fits.writeto(folder / "five.fits", np.zeros((5, 30, 30), np.float32))
    return {
        "damaged": "truncated",
        "empty": "no bytes",
        "text": "not an image",
        "tiny": "at least 8 x 8",
        "narrow": "at least 8 x 8",
        "vast": "too large",
        "nan": "NaN",
        "five": "5 planes",
    }


def test_what_cannot_be_used_is_listed_and_stops_nothing(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "f.parquet"
    bad = spoil(folder)
    (folder / "large.jpg").write_bytes(encoded(np.full((3000, 2000, 3), 90, np.uint8), "JPEG"))
    (folder / "grey.png").write_bytes(encoded(np.full((40, 90), 90, np.uint8)))
    fits.writeto(folder / "sky.fits", np.random.default_rng(0).normal(size=(30, 50)))
    with pytest.warns(UserWarning, match=r"8 of 61 images were skipped: .*f\.skipped\.csv"):
        features = az.embed(folder, Mean(), output, progress=False)
    assert len(features) == N + 3 and not set(bad) & set(features.ids)
    skipped = tables.read(tmp_path / "f.skipped.csv", text=["id_str"])
    assert list(skipped.columns) == ["id_str", "where", "reason"]
    assert list(skipped["id_str"]) == sorted(bad)
    for id_str, where, reason in skipped.itertuples(index=False):
        assert bad[id_str] in reason, reason
        assert (folder / where).is_file()
    with pytest.warns(UserWarning, match=r"8 of 61 .*output='features\.parquet'"):
        in_memory = az.embed(folder, Mean(), progress=False)
    assert in_memory.hash == features.hash


def test_shapes_types_and_orders_that_are_no_images_are_listed(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "good": np.zeros((24, 24, 3), np.uint8),
        "float": np.random.default_rng(0).normal(size=(30, 24)),
        "first": np.zeros((3, 24, 24), np.uint8),
        "five": np.zeros((24, 24, 5)),
        "flat": np.zeros(24),
        "batch": np.zeros((2, 24, 24, 3), np.uint8),
        "text": np.full((24, 24), "a"),
        "complex": np.zeros((24, 24), complex),
        "nan": np.full((24, 24), np.nan),
        "none": None,
        "number": 7,
    }

    def cutout(row: dict[str, Any]) -> Any:
        return arrays[row["id_str"]]

    catalog = az.Catalog({"id_str": list(arrays)}, cutout)
    with pytest.warns(UserWarning, match="9 of 11"):
        features = az.embed(catalog, Mean(), tmp_path / "f.parquet", progress=False)
    assert list(features.ids) == ["good", "float"]
    skipped = pd.read_csv(tmp_path / "f.skipped.csv", keep_default_na=False)
    reasons = dict(zip(skipped["id_str"], skipped["reason"], strict=True))
    assert "np.moveaxis(x, 0, -1)" in reasons["first"]
    assert "complex" in reasons["complex"] and "NaN" in reasons["nan"]


def test_features_that_are_no_numbers_are_listed(folder: Path, tmp_path: Path) -> None:
    class Odd(Mean):
        def encode(self, images: np.ndarray) -> np.ndarray:
            X = super().encode(images)
            X[X[:, 0] > 0.51] = np.nan
            X[X[:, 0] < 0.49] = 1e30
            return X

    with pytest.warns(UserWarning, match="images were skipped"):
        whole = az.embed(folder, Odd(), progress=False)
    with pytest.warns(UserWarning, match="images were skipped"):
        half = az.embed(folder, Odd(), tmp_path / "f.parquet", half=True, progress=False)
    assert 2 <= len(half) < len(whole) < N
    reasons = set(pd.read_csv(tmp_path / "f.skipped.csv")["reason"])
    assert reasons == {
        "the encoder gave NaN or infinite features",
        "the features are too large for float16",
    }


def test_a_source_of_nothing_but_bad_images_is_an_error(tmp_path: Path) -> None:
    output = tmp_path / "f.parquet"
    (tmp_path / "bad").mkdir()
    for number in range(20):
        (tmp_path / "bad" / f"J{number:02d}.png").write_bytes(b"")
    for target in (None, output):
        with pytest.raises(
            ValueError, match=r"not one of 20 images .*'J00': .* \(no bytes\); 'J01'"
        ):
            az.embed(tmp_path / "bad", Mean(), target, progress=False)
    assert left_behind(output) == [] and not output.exists()
    (tmp_path / "bad" / "J05.png").write_bytes(encoded(pixels(5)))
    with pytest.raises(ValueError, match=r"only one of 20 images .* at least two are needed"):
        az.embed(tmp_path / "bad", Mean(), output, progress=False)


def test_an_old_list_of_skipped_images_goes_with_its_output(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.png").write_bytes(b"")
    output = tmp_path / "f.parquet"
    assert embed_to(folder, Mean(), output, progress=False).skipped == 1
    again = embed_to(folder, Mean(), output, progress=False)
    assert (again.skipped, again.reused, again.table) == (1, N + 1, tmp_path / "f.skipped.csv")
    (folder / "bad.png").unlink()
    done = embed_to(folder, Mean(), output, progress=False, overwrite=True)
    assert done.skipped == 0 and done.table is None
    assert left_behind(output) == []


def test_odd_ids_come_through(tmp_path: Path) -> None:
    ids = [
        "Grüße 星 \U0001f30c",
        'a"b,c',
        "<b>x</b>",
        "../up",
        "=1+1",
        "a\nb",
        "NA",
        "007",
        "'; --",
    ]
    bad = ["bad " + text for text in ids]
    images = [encoded(pixels(i)) for i in range(len(ids))] + [b""] * len(bad)
    output = tmp_path / "Grüße 星.parquet"
    catalog = az.Catalog({"id_str": ids + bad, "image": images})
    with pytest.warns(UserWarning):
        features = az.embed(catalog, Mean(), output, progress=False)
    assert list(features.ids) == ids
    skipped = tables.read(output.with_suffix(".skipped.csv"), text=["id_str"])
    assert list(skipped["id_str"]) == bad


# --- broken off and gone on with -----------------------------------------------------------------


def reference(folder: Path, tmp_path: Path) -> bytes:
    embed_to(folder, Mean(), tmp_path / "reference.parquet", progress=False)
    return (tmp_path / "reference.parquet").read_bytes()


def test_a_broken_run_goes_on_and_computes_nothing_twice(folder: Path, tmp_path: Path) -> None:
    (folder / "J03.png").write_bytes(b"")
    whole, output = reference(folder, tmp_path), tmp_path / "f.parquet"
    with pytest.raises(RuntimeError, match="power"):
        embed_to(folder, Mean(fails_after=26), output, progress=False)
    assert not output.exists()
    kept = sorted((tmp_path / "f.parquet.parts").glob("0*.parquet"))
    assert [path.name for path in kept] == ["000000.parquet", "000001.parquet", "000002.parquet"]
    encoder = Mean()
    done = embed_to(folder, encoder, output, progress=False)
    assert encoder.rows == N - 3 * CHUNK and done.reused == 3 * CHUNK and done.skipped == 1
    assert output.read_bytes() == whole
    assert left_behind(output) == ["f.skipped.csv"]
    idle = Mean()
    assert embed_to(folder, idle, output, progress=False).reused == N and idle.rows == 0


def test_lost_and_damaged_parts_are_made_again(folder: Path, tmp_path: Path) -> None:
    whole, output = reference(folder, tmp_path), tmp_path / "f.parquet"
    with pytest.raises(RuntimeError):
        embed_to(folder, Mean(fails_after=40), output, progress=False)
    store = tmp_path / "f.parquet.parts"
    (store / "000001.parquet").unlink()
    (store / "000003.parquet").write_bytes((store / "000003.parquet").read_bytes()[:100])
    (store / ".0123456789ab-000005.parquet").write_bytes(b"half a file")
    encoder = Mean()
    embed_to(folder, encoder, output, progress=False)
    assert encoder.rows == N - 3 * CHUNK, "parts 0, 2 and 4 were whole"
    assert output.read_bytes() == whole and left_behind(output) == []


def test_a_part_damaged_within_is_noticed_when_all_are_joined(folder: Path, tmp_path: Path) -> None:
    whole, output = reference(folder, tmp_path), tmp_path / "f.parquet"
    with pytest.raises(RuntimeError):
        embed_to(folder, Mean(fails_after=40), output, progress=False)
    path = tmp_path / "f.parquet.parts" / "000002.parquet"
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(data)
    with pytest.raises(OSError, match=r"000002\.parquet, was damaged since .*run the same again"):
        embed_to(folder, Mean(), output, progress=False)
    encoder = Mean()
    embed_to(folder, encoder, output, progress=False)
    assert encoder.rows == CHUNK and output.read_bytes() == whole


SCRIPT = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
sys.path.insert(0, {tests!r})
from test_embed import Mean
from anomaly_zoo import embedding, parts
embedding.CHUNK, embedding.BATCH, embedding.TASK = {chunk}, 3, 2

class Logged(Mean):
    def encode(self, images):
        X = super().encode(images)
        with open({log!r}, "a") as log:
            log.write(f"{{len(images)}}\\n")
        while len(list(Path({output!r} + ".parts").glob("[0-9]*.parquet"))) >= {stop}:
            time.sleep(0.01)  # until it is killed
        return X

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

when = {when!r}
replace = os.replace
def dying_replace(a, b):
    if when == "skipped" and str(b).endswith(".csv"):
        replace(a, b); die()
    if when == "before" and str(b) == {output!r}:
        die()
    replace(a, b)
    if when == "after" and str(b) == {output!r}:
        die()
os.replace = dying_replace
if when == "merge":
    parts.Parts.merge = die
done = embedding.embed_to({folder!r}, Logged(), {output!r}, progress=False)
print(done.reused)
"""

posix = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")


def start(folder: Path, output: Path, when: str = "", stop: int = 99) -> subprocess.Popen[str]:
    """A process that embeds; it hangs in the middle of a chunk when `stop` parts are there."""
    code = SCRIPT.format(
        tests=str(Path(__file__).parent),
        chunk=CHUNK,
        log=str(output.parent / "log.txt"),
        stop=stop,
        when=when,
        folder=str(folder),
        output=str(output),
    )
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def parts_of(output: Path) -> int:
    return len(list(output.with_name(output.name + ".parts").glob("[0-9]*.parquet")))


def killed(process: subprocess.Popen[str]) -> int:
    process.kill()
    process.communicate(timeout=60)
    return process.returncode


def rows_encoded(output: Path) -> int:
    log = output.parent / "log.txt"
    return sum(map(int, log.read_text().split())) if log.exists() else 0


@posix
def test_killed_again_and_again_it_ends_with_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    (folder / "J03.png").write_bytes(b"")
    whole, output = reference(folder, tmp_path), tmp_path / "f.parquet"
    for wanted in (1, 3, 5):
        process = start(folder, output, stop=wanted)
        until(lambda wanted=wanted: parts_of(output) >= wanted)
        assert killed(process) == -signal.SIGKILL
        assert not output.exists()
    before = rows_encoded(output)
    finished = parts_of(output)
    last = start(folder, output)
    out, err = last.communicate(timeout=60)
    assert last.returncode == 0, err
    assert int(out) == finished * CHUNK
    assert output.read_bytes() == whole
    assert (tmp_path / "f.skipped.csv").read_bytes() == (
        tmp_path / "reference.skipped.csv"
    ).read_bytes()
    assert rows_encoded(output) - before == N - finished * CHUNK
    assert rows_encoded(output) <= N + 3 * CHUNK, "more than the chunks in work were lost"
    assert left_behind(output) == ["f.skipped.csv"]


@posix
@pytest.mark.parametrize("when", ["merge", "skipped", "before", "after"])
def test_killed_while_the_parts_are_joined(folder: Path, tmp_path: Path, when: str) -> None:
    (folder / "J03.png").write_bytes(b"")
    whole, output = reference(folder, tmp_path), tmp_path / "f.parquet"
    process = start(folder, output, when)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert output.exists() == (when == "after")
    encoder = Mean()
    done = embed_to(folder, encoder, output, progress=False)
    assert encoder.rows == 0 and (done.n, done.skipped) == (N - 1, 1)
    assert output.read_bytes() == whole
    assert left_behind(output) == ["f.skipped.csv"]


@posix
def test_a_second_process_is_refused_while_the_first_one_lives(
    folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "f.parquet"
    process = start(folder, output, stop=0)
    until((tmp_path / "f.parquet.parts" / "run.json").exists)
    with pytest.raises(BlockingIOError, match=rf"being written by process {process.pid} on "):
        embed_to(folder, Mean(), output, progress=False)
    done = run(cli.app, ["embed", str(folder), "-o", str(output), "--encoder", "pixels"])
    assert done.exit_code == 1 and "being written by process" in done.stderr
    killed(process)
    assert (tmp_path / ".f.parquet.lock").exists(), "the dead process could not remove it"
    embed_to(folder, Mean(), output, progress=False)
    assert left_behind(output) == []


# --- another run ---------------------------------------------------------------------------------


def other_runs(folder: Path) -> dict[str, tuple[Path, Mean, dict[str, Any], str]]:
    return {
        "version": (folder, Mean("22222222"), {}, "encoder is 'mean 00000001', .*'mean 22222222'"),
        "numbers": (folder, Mean(), {"half": True}, "numbers is 'float32', .*'float16'"),
        "stretch": (folder, Mean(), {"stretch": "log"}, "content of the source, or how it is read"),
        "source": (folder.parent / "other", Mean(), {}, "source is 'images', .*'other'"),
    }


@pytest.mark.parametrize("which", ["version", "numbers", "stretch", "source"])
@pytest.mark.parametrize("state", ["complete", "parts"])
def test_an_output_of_another_run_is_never_mixed(
    folder: Path, tmp_path: Path, which: str, state: str
) -> None:
    (tmp_path / "other").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "other" / f"K{number}.png").write_bytes(encoded(pixels(number)))
    output = tmp_path / "f.parquet"
    if state == "complete":
        embed_to(folder, Mean(), output, progress=False)
    else:
        with pytest.raises(RuntimeError):
            embed_to(folder, Mean(fails_after=20), output, progress=False)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    source, encoder, options, said = other_runs(folder)[which]
    with pytest.raises(FileExistsError, match=rf"of another run.*{said}.*--overwrite"):
        embed_to(source, encoder, output, progress=False, **options)
    assert encoder.rows == 0
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    done = embed_to(source, encoder, output, progress=False, overwrite=True, **options)
    assert (done.reused, done.n) == (0, len(list(source.iterdir())))
    assert az.Representation.read(output).encoder == az.encoders.label(encoder)
    assert left_behind(output) == []


def test_changed_images_are_another_run(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "f.parquet"
    embed_to(folder, Mean(), output, progress=False)
    (folder / "J99.png").write_bytes(encoded(pixels(99)))
    with pytest.raises(FileExistsError, match="number of images is 50, that of this run 51"):
        embed_to(folder, Mean(), output, progress=False)


def test_overwriting_broken_off_goes_on_too(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "f.parquet"
    embed_to(folder, Mean("22222222"), output, progress=False)
    old = output.read_bytes()
    with pytest.raises(RuntimeError):
        embed_to(folder, Mean(fails_after=30), output, progress=False, overwrite=True)
    assert output.read_bytes() == old, "the old file stands until the new one is whole"
    encoder = Mean()
    embed_to(folder, encoder, output, progress=False, overwrite=True)
    assert encoder.rows == N - 3 * CHUNK


@pytest.mark.parametrize("content", [b"my notes", b"", None])
def test_a_file_of_something_else_is_left_alone(
    folder: Path, tmp_path: Path, content: bytes | None
) -> None:
    output = tmp_path / "f.parquet"
    if content is None:
        az.Representation(["a", "b"], np.eye(2)).write(output)
    else:
        output.write_bytes(content)
    before = output.read_bytes()
    with pytest.raises(FileExistsError, match=r"f\.parquet exists and was not made by embed"):
        embed_to(folder, Mean(), output, progress=False)
    assert output.read_bytes() == before and left_behind(output) == []


def test_a_folder_of_something_else_keeps_its_files(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "f.parquet.parts"
    store.mkdir()
    (store / "mine.txt").write_text("notes")
    (store / "000000.parquet").write_bytes(b"?")
    with pytest.raises(FileExistsError, match="what it was made of is not known"):
        embed_to(folder, Mean(), tmp_path / "f.parquet", progress=False)
    embed_to(folder, Mean(), tmp_path / "f.parquet", progress=False, overwrite=True)
    assert [path.name for path in store.iterdir()] == ["mine.txt"]


# --- the disk ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EROFS, "writing is not allowed there"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_a_disk_that_refuses_keeps_what_is_done(
    folder: Path, tmp_path: Path, number: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, output = reference(folder, tmp_path), tmp_path / "f.parquet"
    written = 0
    real = parts.feature_writer

    def refusing(*given: Any) -> Any:
        nonlocal written
        written += 1
        if written > 3:
            raise OSError(number, os.strerror(number))
        return real(*given)

    monkeypatch.setattr(parts, "feature_writer", refusing)
    with pytest.raises(OSError, match=rf"cannot write .*f\.parquet: {said}.*3 finished parts"):
        embed_to(folder, Mean(), output, progress=False)
    monkeypatch.setattr(parts, "feature_writer", real)
    encoder = Mean()
    embed_to(folder, encoder, output, progress=False)
    assert encoder.rows == N - 3 * CHUNK and output.read_bytes() == whole


@posix
def test_a_real_limit_of_the_disk_is_reported(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "f.parquet"
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200))\n"
        "from anomaly_zoo.cli import app; app()"
    )
    command = [sys.executable, "-c", limited, "embed", str(folder), "-o", str(output)]
    done = subprocess.run(
        [*command, "--encoder", "pixels", "--no-progress"], capture_output=True, text=True
    )
    assert done.returncode == 1 and not output.exists()
    assert "the disk is full" in done.stderr and done.stderr.count("\n") == 1


def test_an_output_that_cannot_be(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        embed_to(folder, Mean(), tmp_path / "no" / "f.parquet")
    with pytest.raises(ValueError, match=r"f\.csv: features are written as \.parquet"):
        embed_to(folder, Mean(), tmp_path / "f.csv")
    (tmp_path / "d.parquet").mkdir()
    with pytest.raises(IsADirectoryError):
        embed_to(folder, Mean(), tmp_path / "d.parquet")
    catalog = az.Catalog({"id_str": ["a"], "file_loc": ["a.png"]})
    catalog.write(tmp_path / "c.parquet")
    with pytest.raises(ValueError, match="is the source itself"):
        embed_to(tmp_path / "c.parquet", Mean(), tmp_path / "c.parquet", overwrite=True)


def test_a_complete_output_in_a_folder_nobody_may_write_to_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "f.parquet"
    embed_to(folder, Mean(), output, progress=False)
    monkeypatch.setattr(embedding, "alone", lambda path: pytest.fail("it wants to write"))
    assert len(az.embed(folder, Mean(), output, progress=False)) == N


# --- encoders ------------------------------------------------------------------------------------


def test_what_is_no_encoder(folder: Path) -> None:
    for wrong in (7, object(), az.encoders.Pixels):
        with pytest.raises(TypeError, match=r"expected an encoder such as az\.encoders\.Pixels"):
            az.embed(folder, wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="encoder: expected"):
        az.embed(folder, "resnet")
    with pytest.raises(ValueError, match="workers is a whole number"):
        az.embed(folder, Mean(), workers=0, progress=False)
    with pytest.raises(ValueError, match="half= is for an output file"):
        az.embed(folder, Mean(), half=True)


def test_an_encoder_that_gives_something_else(folder: Path) -> None:
    class Wide(Mean):
        d = 4

    class Uneven(Mean):
        def prepare(self, image: np.ndarray) -> np.ndarray:
            return image[: 8 + int(image[0, 0, 0]) % 2]

    with pytest.raises(ValueError, match=r"gave an array \(3, 3\).*expected \(3, 4\)"):
        az.embed(folder, Wide(), progress=False)
    with pytest.raises(ValueError, match="prepares images of different shapes"):
        az.embed(folder, Uneven(), progress=False)


# --- the command ---------------------------------------------------------------------------------


def test_the_command_embeds_and_says_so(folder: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "f.parquet")
    command = ["embed", str(folder), "-o", output, "--encoder", "pixels", "--no-progress"]
    (folder / "bad.png").write_bytes(b"")
    done = run(cli.app, command)
    assert done.exit_code == 0, done.output
    assert "Embedded 50 images, 176 features of pixels " in done.stdout
    assert "1 was skipped, f.skipped.csv says why" in done.stdout
    again = run(cli.app, command)
    assert again.exit_code == 0 and "Nothing left to do: 50 images" in again.stdout
    other = run(cli.app, [*command, "--float16"])
    assert other.exit_code == 1 and "another run" in other.stderr
    assert other.stderr.count("\n") == 1
    assert run(cli.app, [*command, "--float16", "--overwrite"]).exit_code == 0
    assert az.Representation.read(output).d == 176


def test_the_command_takes_what_a_shell_makes_of_a_pattern(folder: Path, tmp_path: Path) -> None:
    files = [str(folder / f"J0{i}.png") for i in range(5)]
    output = tmp_path / "f.parquet"
    done = run(cli.app, ["embed", *files, "-o", str(output), "--encoder", "pixels"])
    assert done.exit_code == 0, done.output
    assert list(az.Representation.read(output).ids) == [f"J0{i}" for i in range(5)]


def test_the_command_and_a_catalogue(folder: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"objid": [7, 3], "n": [1, 0]})
    table.to_csv(tmp_path / "c.csv", index=False)
    output = tmp_path / "f.parquet"
    command = ["embed", str(tmp_path / "c.csv"), "-o", str(output), "--encoder", "pixels"]
    options = ["--cutouts", "J{n:02d}.png", "--root", str(folder), "--id-column", "objid"]
    done = run(cli.app, [*command, *options])
    assert done.exit_code == 0, done.output
    assert list(az.Representation.read(output).ids) == ["7", "3"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such file or folder"),
        (["images", "--encoder", "resnet"], 'expected "zoonet"'),
        (["images", "--stretch", "sqrt"], "stretch: expected one of"),
        (["images", "--dataset", "x"], "does not go with a folder"),
        (["twice.tar"], "more than once"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    folder: Path, tmp_path: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with tarfile.open("twice.tar", "w") as tar:
        tar.add(folder / "J00.png", "J.png")
        tar.add(folder / "J01.png", "J.png")
    if "--encoder" not in arguments:
        arguments = [*arguments, "--encoder", "pixels"]
    done = run(cli.app, ["embed", *arguments, "-o", "f.parquet"])
    assert done.exit_code == 1 and said in done.stderr, done.output
    assert done.stderr.count("\n") == 1 and left_behind(tmp_path / "f.parquet") == []


def test_interrupted_it_says_how_to_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(embedding, "_vectors", interrupted)
    command = ["embed", str(folder), "-o", str(tmp_path / "f.parquet"), "--encoder", "pixels"]
    done = run(cli.app, [*command, "--no-progress"])
    assert done.exit_code == 130 and "the same command goes on" in done.stderr


def test_features_of_embed_go_into_a_session(folder: Path, tmp_path: Path) -> None:
    encoder = Mean()
    features = az.embed(folder, encoder, progress=False)
    session = az.Session(features, ratings=tmp_path / "r.db", encoder=encoder)
    session.rate("J01", 4)
    newer = Mean("22222222")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = az.embed(folder, newer, tmp_path / "f.parquet", progress=False)
    with pytest.raises(ValueError, match="another version of the encoder"):
        az.Session(again, encoder=encoder)
